// Operations without weights, on float32 numbers in row-major order.

// Calls `visit(offset)` for each entry of `shape` in order, with its offset in an array whose axes
// have these strides.
function walk(shape, strides, visit) {
  const at = shape.map(() => 0);
  let place = 0;
  for (let left = sizeOf(shape); left > 0; left--) {
    visit(place);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      place += strides[axis];
      if (++at[axis] < shape[axis]) break;
      place -= strides[axis] * shape[axis];
      at[axis] = 0;
    }
  }
}

// The strides of an array in row-major order; 0 along an axis of length 1, which is repeated.
function stridesOf(shape, rank = shape.length) {
  const strides = [];
  let stride = 1;
  for (const side of [...shape].reverse()) {
    strides.unshift(side === 1 ? 0 : stride);
    stride *= side;
  }
  return [...Array(rank - shape.length).fill(0), ...strides];
}

// The offset in a broadcast input of each entry of the result; null if shapes are equal.
function repeated(input, shape) {
  if (sizeOf(input.shape) === sizeOf(shape)) return null;
  const places = [];
  walk(shape, stridesOf(input.shape, shape.length), (place) => places.push(place));
  return Int32Array.from(places);
}

// An element-wise operation of broadcast inputs.
function each(compute) {
  return (node) => {
    const places = node.inputs.map((input) => repeated(input, node.shape));
    const at = (i, n) => node.inputs[i].data[places[i] ? places[i][n] : n];
    return () => {
      for (let n = 0; n < node.data.length; n++) node.data[n] = compute(at, n);
    };
  };
}

function one(compute) {
  return (node) => () => {
    const x = node.inputs[0].data;
    for (let n = 0; n < x.length; n++) node.data[n] = compute(x[n], node);
  };
}

const two = (compute) => each((at, n) => compute(at(0, n), at(1, n)));

const copy = (node) => () => node.data.set(node.inputs[0].data);

// Reads the first input with the given strides, in the order of the result, from an offset.
function read(stridesFor, startFor = () => 0) {
  return (node) => () => {
    let n = 0;
    const x = node.inputs[0].data;
    const start = startFor(node);
    walk(node.shape, stridesFor(node), (place) => (node.data[n++] = x[start + place]));
  };
}

const inputStrides = (node) => stridesOf(node.inputs[0].shape);

const sliceStart = (node) =>
  inputStrides(node).reduce((start, stride, axis) => start + stride * node.starts[axis], 0);

function transposed(node) {
  const strides = inputStrides(node);
  return node.perm.map((axis) => strides[axis]);
}

// Writes each input into the result from a given offset.
function write(placesFor) {
  return (node) => () => {
    node.data.fill(0);
    const starts = placesFor(node);
    node.inputs.forEach((input, i) => {
      let n = 0;
      walk(input.shape, stridesOf(node.shape), (place) => (node.data[starts[i] + place] = input.data[n++]));
    });
  };
}

function joined(node) {
  const stride = stridesOf(node.shape)[node.axis];
  let start = 0;
  return node.inputs.map((input) => (start += stride * input.shape[node.axis]) - stride * input.shape[node.axis]);
}

function padded(node) {
  const strides = stridesOf(node.shape);
  return [strides.reduce((start, stride, axis) => start + stride * node.widths[axis], 0)];
}

// Sums over axes, which have stride 0 in the result; `mean` divides by their size.
function reduced(mean) {
  return (node) => () => {
    const { shape, data } = node.inputs[0];
    const reducedShape = shape.map((side, axis) => (node.axes.includes(axis) ? 1 : side));
    let n = 0;
    const sums = new Float64Array(node.data.length);
    walk(shape, stridesOf(reducedShape), (place) => (sums[place] += data[n++]));
    const count = mean ? data.length / node.data.length : 1;
    node.data.set(sums.map((sum) => sum / count));
  };
}

// Doubles the sides of images: nearest neighbour.
function doubled(node) {
  const [, channels, height, width] = node.shape;
  const x = node.inputs[0].data;
  return () => {
    let n = 0;
    for (let row = 0; row < channels * height; row++) {
      const start = ((row >> 1) * width) / 2;
      for (let column = 0; column < width; column++) node.data[n++] = x[start + (column >> 1)];
    }
  };
}

// Halves the sides of images: mean of 2x2 pixels.
function halved(node) {
  const [, channels, height, width] = node.shape;
  const x = node.inputs[0].data;
  return () => {
    let n = 0;
    for (let row = 0; row < channels * height; row++) {
      for (let column = 0; column < width; column++) {
        const at = 4 * row * width + 2 * column;
        node.data[n++] = (x[at] + x[at + 1] + x[at + 2 * width] + x[at + 2 * width + 1]) / 4;
      }
    }
  };
}

// Each takes a node with `inputs` and `data`, and returns the function that computes it.
const OPERATIONS = {
  Reshape: copy,
  Expand: each((at, n) => at(0, n)),
  Transpose: read(transposed),
  Slice: read(inputStrides, sliceStart),
  Concat: write(joined),
  Pad: write(padded),
  ReduceSum: reduced(false),
  ReduceMean: reduced(true),
  Resize: doubled,
  AveragePool: halved,
  Relu: one((x) => Math.max(x, 0)),
  LeakyRelu: one((x, node) => (x > 0 ? x : node.alpha * x)),
  Tanh: one(Math.tanh),
  Sigmoid: one((x) => 1 / (1 + Math.exp(-x))),
  Softplus: one((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))),
  Exp: one(Math.exp),
  Log: one(Math.log),
  Sqrt: one(Math.sqrt),
  Add: two((x, y) => x + y),
  Sub: two((x, y) => x - y),
  Mul: two((x, y) => x * y),
  Div: two((x, y) => x / y),
  Pow: two(Math.pow),
  Max: two(Math.max),
  Greater: two((x, y) => Number(x > y)),
  Less: two((x, y) => Number(x < y)),
  GreaterOrEqual: two((x, y) => Number(x >= y)),
  LessOrEqual: two((x, y) => Number(x <= y)),
};
