// Latent spaces: samples of each distribution, and its quantile-preserving map to normal numbers.

// The normal distribution function, by a continued fraction in the tails and a series elsewhere
// (Abramowitz and Stegun 1964, 26.2.11 and 26.2.14).
function ndtr(x) {
  const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
  if (Math.abs(x) < 4) {
    let term = x;
    let sum = x;
    for (let n = 3; Math.abs(term) > 1e-17 * Math.abs(sum); n += 2) sum += term *= (x * x) / n;
    return 0.5 + density * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / (Math.abs(x) + fraction);
  const tail = density / (Math.abs(x) + fraction);
  return x < 0 ? tail : 1 - tail;
}

// Its inverse: Newton's method from Abramowitz and Stegun 1964, 26.2.23, on the lower half.
function ndtri(rank) {
  if (rank > 0.5) return -ndtri(1 - rank);
  const t = Math.sqrt(-2 * Math.log(rank));
  const top = 2.515517 + t * (0.802853 + t * 0.010328);
  let x = top / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))) - t;
  for (let i = 0; i < 4; i++) {
    const density = Math.exp((-x * x) / 2) / Math.sqrt(2 * Math.PI);
    x -= (ndtr(x) - rank) / density;
  }
  return x;
}

function uniformSpace(low, high) {
  return {
    mean: (low + high) / 2,
    draw: (seed, count) =>
      Float32Array.from(uniform(seed, "sample", 0n, count), (u) => low + (high - low) * u),
    toNormal: (x) => ndtri(Math.min(Math.max((x - low) / (high - low), 2 ** -53), 1 - 2 ** -53)),
    fromNormal: (x) => low + (high - low) * ndtr(x),
  };
}

const SPACES = {
  normal: {
    mean: 0,
    draw: (seed, count) => normal(seed, "sample", 0n, count),
    toNormal: (x) => x,
    fromNormal: (x) => x,
  },
  uniform: uniformSpace(-1, 1),
  unit: uniformSpace(0, 1),
};

// The point of a seed, or of a latent, among normal numbers: truncated and moved along directions.
function pointOf(model, { seed, latent, truncation, shifts }) {
  const space = SPACES[model.distribution];
  const drawn = latent ?? space.draw(BigInt(seed), model.latent);
  const point = Float64Array.from(drawn, (x) =>
    space.toNormal(Math.fround(space.mean + truncation * (x - space.mean))),
  );
  shifts.forEach((shift, i) => {
    if (shift) model.directions[i].forEach((x, j) => (point[j] += shift * x));
  });
  return point;
}

// The latent at a point.
function latentOf(model, point) {
  return Float32Array.from(point, SPACES[model.distribution].fromNormal);
}
