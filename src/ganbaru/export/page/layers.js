// Layers with weights: each multiplies its weights (M, K) by its inputs (K, N), both laid out as
// the `slabs` of 4 rows and of 8 columns that multiply.wat reads.

const upTo = (number, multiple) => Math.ceil(number / multiple) * multiple;
const sizeOf = (shape) => shape.reduce((product, side) => product * side, 1);

// Height and width of a layer's input or result; 1 and 1 for a vector.
const sidesOf = (shape) => [shape[2] ?? 1, shape[3] ?? 1];

// `columns` is the number of positions: of the result for a convolution, else of the input.
const LAYERS = {
  Gemm: { columns: () => 1, fill: fillPlain, finish: finishPlain },
  Conv: { columns: (node) => sizeOf(sidesOf(node.shape)), fill: fillPatches, finish: finishPlain },
  ConvTranspose: {
    columns: (node) => sizeOf(sidesOf(node.inputs[0].shape)), fill: fillPlain, finish: finishSpread,
  },
};

// Sizes of a layer's matrices: weights, inputs and product.
function needs(node) {
  const [rows, depth] = node.matrix.shape;
  const columns = upTo(LAYERS[node.op].columns(node), 8);
  return { weights: upTo(rows, 4) * depth, right: depth * columns, product: upTo(rows, 4) * columns };
}

// Writes weights, row-major numbers with a scale for each row, as slabs of 4 rows.
function fillWeights(slabs, [rows, depth], numbers, scales) {
  for (let row = 0; row < rows; row++) {
    const start = (row >> 2) * 4 * depth + (row & 3);
    const scale = scales ? scales[row] : 1;
    for (let k = 0; k < depth; k++) slabs[start + 4 * k] = scale * numbers[row * depth + k];
  }
}

function fillPlain(node, slabs) {
  const [depth, columns] = [node.matrix.shape[1], LAYERS[node.op].columns(node)];
  const x = node.inputs[0].data;
  for (let k = 0; k < depth; k++) {
    for (let n = 0; n < columns; n++) slabs[((n >> 3) * depth + k) * 8 + (n & 7)] = x[k * columns + n];
  }
}

// im2col: for each position of the result (column), the inputs under the kernel.
function fillPatches(node, slabs) {
  const [, channels, height, width] = node.inputs[0].shape;
  const [kernel, depth, x] = [node.kernel, node.matrix.shape[1], node.inputs[0].data];
  const [, , rows, columns] = node.shape;
  let k = 0;
  for (let c = 0; c < channels; c++) {
    for (let i = 0; i < kernel[0]; i++) {
      for (let j = 0; j < kernel[1]; j++, k++) {
        for (let row = 0, n = 0; row < rows; row++) {
          const y = row * node.stride + i - node.padding;
          const start = (c * height + y) * width;
          for (let column = 0; column < columns; column++, n++) {
            const z = column * node.stride + j - node.padding;
            const inside = y >= 0 && y < height && z >= 0 && z < width;
            slabs[((n >> 3) * depth + k) * 8 + (n & 7)] = inside ? x[start + z] : 0;
          }
        }
      }
    }
  }
}

function finishPlain(node, product) {
  const [rows, columns] = [node.matrix.shape[0], LAYERS[node.op].columns(node)];
  const [across, bias] = [upTo(columns, 8), node.inputs[1]?.data];
  for (let row = 0; row < rows; row++) {
    const offset = bias ? bias[row] : 0;
    for (let n = 0; n < columns; n++) node.data[row * columns + n] = product[row * across + n] + offset;
  }
}

// col2im: adds each input position's products to the result, tap by tap of the kernel.
function finishSpread(node, product) {
  const [[, , height, width], [, channels, rows, columns]] = [node.inputs[0].shape, node.shape];
  const [kernel, bias, out, stride] = [node.kernel, node.inputs[1]?.data, node.data, node.stride];
  const across = upTo(height * width, 8);
  let at = 0;
  for (let c = 0; c < channels; c++) {
    const plane = c * rows * columns;
    out.fill(bias ? bias[c] : 0, plane, plane + rows * columns);
    for (let i = 0; i < kernel[0]; i++) {
      for (let j = 0; j < kernel[1]; j++, at += across) {
        for (let y = 0; y < height; y++) {
          const row = y * stride + i - node.padding;
          if (row < 0 || row >= rows) continue;
          const start = plane + row * columns;
          for (let x = 0; x < width; x++) {
            const column = x * stride + j - node.padding;
            if (column >= 0 && column < columns) out[start + column] += product[at + y * width + x];
          }
        }
      }
    }
  }
}
