// What is chosen, and what follows from it: the points that workers draw.

const MOST_SEED = 2n ** 63n - 1n;
const [CHANNELS, HEIGHT, WIDTH] = model.image_shape;
const COLUMNS = columnsOf(model.classes.length);

const state = {
  view: "grid",
  seed: 0n, // of the first picture, of the single one, and where a morph begins
  second: 1n, // where a morph ends
  secondClass: null, // null: as picked
  // Of COLUMNS pictures; few on a phone, so that the controls stay near, and of what takes long.
  rows: innerWidth < 860 || WIDTH * HEIGHT > 128 * 128 ? 2 : 6,
  chosen: null, // a class; null: each in turn
  blend: null, // another class, or null
  blendShare: 0.5,
  truncation: 1,
  shifts: model.directions.map(() => 0),
};

// How many pictures a row has, so that a column is a class: as in `ganbaru generate`.
function columnsOf(classes) {
  return classes >= 2 && classes <= 16 ? classes * Math.max(1, Math.floor(8 / classes)) : 8;
}

const gridSeeds = () =>
  Array.from({ length: state.rows * COLUMNS }, (_, i) => state.seed + BigInt(i)).filter((seed) => seed <= MOST_SEED);

function classOf(seed, chosen = state.chosen) {
  return chosen ?? Number(seed % BigInt(model.classes.length));
}

// The name of a seed's class, "" for a generator without classes.
function nameOf(seed, chosen = state.chosen) {
  if (!model.classes.length) return "";
  const name = model.classes[classOf(seed, chosen)];
  return state.blend === null ? name : `${name} + ${model.classes[state.blend]}`;
}

// A seed as workers take it: with the weights of the classes, truncation and shifts.
function point(seed, chosen = state.chosen) {
  const weights = model.classes.map(() => 0);
  if (weights.length) {
    const share = state.blend === null ? 0 : state.blendShare;
    weights[classOf(seed, chosen)] += 1 - share;
    if (share) weights[state.blend] += share;
  }
  return { seed: String(seed), weights, truncation: state.truncation, shifts: state.shifts };
}

// Reads a seed from a text; undefined if it is none.
function seedIn(text) {
  const digits = text.trim();
  if (!/^\d{1,19}$/.test(digits)) return undefined;
  return BigInt(digits) <= MOST_SEED ? BigInt(digits) : undefined;
}

function randomSeed() {
  return BigInt(crypto.getRandomValues(new Uint32Array(1))[0] % 1000000);
}
