// The state of the controls, and the points in latent space that follow from it.

const MAX_SEED = 2n ** 63n - 1n;
const [CHANNELS, HEIGHT, WIDTH] = model.image_shape;
const COLUMNS = columnsOf(model.classes.length);

const state = {
  view: "grid",
  seed: 0n, // of the first grid image, the single image and the start of a morph
  second: 1n, // of the end of a morph
  secondClass: null, // null: as selected
  // Of COLUMNS images; few on a phone, so that the controls stay near, and of large images.
  rows: innerWidth < 860 || WIDTH * HEIGHT > 128 * 128 ? 2 : 6,
  chosen: null, // a class; null: each in turn
  blend: null, // another class, or null
  blendShare: 0.5,
  truncation: 1,
  shifts: model.directions.map(() => 0),
  own: null, // the latent, class weights and error of an uploaded picture
  ownFirst: false, // whether it is the start of a morph in place of a seed
  ownSecond: false,
  values: model.attributes.map(() => null), // of attributes; null: those of training images in turn
};

// Returns the number of columns at which each is one class, as in `ganbaru generate`.
function columnsOf(classes) {
  return classes >= 2 && classes <= 16 ? classes * Math.max(1, Math.floor(8 / classes)) : 8;
}

const gridSeeds = () =>
  Array.from({ length: state.rows * COLUMNS }, (_, i) => state.seed + BigInt(i)).filter((seed) => seed <= MAX_SEED);

function classOf(seed, chosen = state.chosen) {
  return chosen ?? Number(seed % BigInt(model.classes.length));
}

// Returns an attribute's value for a seed: the chosen one, or that of a training image.
function valueOf(seed, i) {
  const { examples } = model.attributes[i];
  return state.values[i] ?? examples[Number(seed % BigInt(examples.length))];
}

// Returns the name of a seed's class, "" for a generator without classes.
function nameOf(seed, chosen = state.chosen) {
  if (!model.classes.length) return "";
  const name = model.classes[classOf(seed, chosen)];
  return state.blend === null ? name : `${name} + ${model.classes[state.blend]}`;
}

// Returns a worker's input for a seed: with class weights, truncation and shifts.
function point(seed, chosen = state.chosen) {
  // Attributes are scaled from their ranges to [-1, 1].
  const weights = model.classes.length ? model.classes.map(() => 0)
    : model.attributes.map(({ low, high }, i) => (2 * (valueOf(seed, i) - low)) / (high - low) - 1);
  if (model.classes.length) {
    const share = state.blend === null ? 0 : state.blendShare;
    weights[classOf(seed, chosen)] += 1 - share;
    if (share) weights[state.blend] += share;
  }
  return { seed: String(seed), weights, truncation: state.truncation, shifts: state.shifts };
}

// Parses a seed; undefined if the text is not one.
function seedIn(text) {
  const digits = text.trim();
  if (!/^\d{1,19}$/.test(digits)) return undefined;
  return BigInt(digits) <= MAX_SEED ? BigInt(digits) : undefined;
}

function randomSeed() {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] % 1000000);
}
