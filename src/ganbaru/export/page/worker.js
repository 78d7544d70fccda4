// The worker: generates images and encodes GIFs without blocking the page.

let model, generator;

function begin(message) {
  ({ model } = message);
  generator = network(model, decoded(message.content), decoded(message.code));
  return { computer: generator.computer };
}

// Decodes base64.
function decoded(text) {
  const letters = atob(text);
  const bytes = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  return bytes.buffer;
}

// Generates the image at one point, or at a `share` of the path between two.
function draw({ points, share }) {
  const began = performance.now();
  const [one, other] = points.map((point) => pointOf(model, point));
  const [weights, last] = points.map((point) => point.weights);
  const latent = latentOf(model, other ? slerp(one, other, share) : one);
  const picture = generator.draw(latent, last ? line(weights, last, share) : weights);
  const pixels = toPixels(picture, model.image_shape);
  return { pixels, milliseconds: performance.now() - began };
}

const TASKS = { begin, draw, film: ({ frames, ...how }) => ({ film: gif(frames, how) }) };

onmessage = ({ data }) => {
  try {
    postMessage({ id: data.id, result: TASKS[data.task](data) });
  } catch (error) {
    postMessage({ id: data.id, error: String(error) });
  }
};
