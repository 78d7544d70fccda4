// The matrix product: multiply.wat if the browser allows WebAssembly with SIMD, else plain
// JavaScript, about a tenth as fast.

const PAGE = 65536;

// Returns memory of at least `count` numbers, and `multiply(left, right, product, rows, depth,
// columns)` on arrays in it, laid out as in multiply.wat.
function arithmetic(code, count) {
  try {
    const memory = new WebAssembly.Memory({ initial: Math.ceil((4 * count) / PAGE) + 1 });
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(code), { page: { memory } });
    const multiply = (left, right, product, ...sizes) =>
      exports.multiply(left.byteOffset, right.byteOffset, product.byteOffset, ...sizes);
    return { name: "WebAssembly", buffer: memory.buffer, multiply };
  } catch (refused) {
    // WebAssembly or its SIMD is missing or forbidden (hardened browsers).
    return { name: "JavaScript", buffer: new ArrayBuffer(4 * count), multiply: multiplyPlain };
  }
}

function multiplyPlain(left, right, product, rows, depth, columns) {
  for (let column = 0; column < columns; column += 2) {
    const slab = (column >> 3) * 8 * depth + (column & 7);
    for (let row = 0; row < rows; row += 4) {
      let a = row * depth;
      let b = slab;
      let c00 = 0, c01 = 0, c10 = 0, c11 = 0, c20 = 0, c21 = 0, c30 = 0, c31 = 0;
      for (let step = 0; step < depth; step++, a += 4, b += 8) {
        const y = right[b];
        const z = right[b + 1];
        c00 += left[a] * y;
        c01 += left[a] * z;
        c10 += left[a + 1] * y;
        c11 += left[a + 1] * z;
        c20 += left[a + 2] * y;
        c21 += left[a + 2] * z;
        c30 += left[a + 3] * y;
        c31 += left[a + 3] * z;
      }
      const c = row * columns + column;
      product[c] = c00;
      product[c + 1] = c01;
      product[c + columns] = c10;
      product[c + columns + 1] = c11;
      product[c + 2 * columns] = c20;
      product[c + 2 * columns + 1] = c21;
      product[c + 3 * columns] = c30;
      product[c + 3 * columns + 1] = c31;
    }
  }
}
