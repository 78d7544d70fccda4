// The generator: executes the operations of its plan (export/page/plan.py).

// Returns `draw(latent, class weights)`, which returns an image (C, H, W) in [-1, 1].
function network(model, content, code) {
  const nodes = model.nodes.map((node) => ({ ...node }));
  for (const node of nodes) node.inputs = node.of.map((place) => nodes[place]);
  const wanted = nodes.filter((node) => node.matrix).map(needs);
  const most = (part) => Math.max(0, ...wanted.map((each) => each[part]));
  const weights = wanted.reduce((sum, each) => sum + each.weights, 0);
  const computer = arithmetic(code, weights + most("right") + most("product"));
  let used = 0;
  const take = (count) => new Float32Array(computer.buffer, 4 * ((used += count) - count), count);
  // Layers run in sequence, so they share the buffers of inputs and products.
  const [right, product] = [take(most("right")), take(most("product"))];
  const steps = nodes.map((node) => prepared(node, content, computer, take, right, product));
  const [latents, labels] = ["latents", "labels"].map((name) => nodes.find((node) => node.name === name));
  return {
    computer: computer.name,
    draw: (latent, classes) => {
      latents.data.set(latent);
      labels?.data.set(classes);
      steps.forEach((step) => step());
      return nodes.at(-1).data;
    },
  };
}

// Decodes a node's numbers, allocates its result, and returns the function that computes it.
function prepared(node, content, computer, take, right, product) {
  node.data = new Float32Array(sizeOf(node.shape));
  if (node.op === "Input") return () => {};
  if (node.op === "Constant") {
    node.data.set(new Float32Array(content, node.at, node.data.length));
    return () => {};
  }
  return node.matrix ? layer(node, content, computer, take, right, product) : OPERATIONS[node.op](node);
}

function layer(node, content, computer, take, right, product) {
  const [rows, depth] = node.matrix.shape;
  const Numbers = { 16: Int16Array, 32: Float32Array }[node.matrix.bits];
  const { scales } = node.matrix;
  const slabs = take(needs(node).weights);
  fillWeights(slabs, node.matrix.shape, new Numbers(content, node.matrix.at, rows * depth),
    scales === undefined ? null : new Float32Array(content, scales, rows));
  const { columns, fill, finish } = LAYERS[node.op];
  const across = upTo(columns(node), 8);
  return () => {
    fill(node, right);
    computer.multiply(slabs, right, product, upTo(rows, 4), depth, across);
    finish(node, product);
  };
}

// Converts an image (C, H, W) in [-1, 1] to RGBA; a clamped array rounds as NumPy does, and black
// where it is invisible is what image sets have there.
function toPixels(picture, [channels, height, width]) {
  const size = height * width;
  const found = new Uint8ClampedArray(4 * size).fill(255);
  for (let n = 0; n < size; n++) {
    for (let c = 0; c < Math.max(3, channels); c++) found[4 * n + c] = (picture[(c % channels) * size + n] + 1) * 127.5;
    if (!found[4 * n + 3]) found.fill(0, 4 * n, 4 * n + 3);
  }
  return found;
}
