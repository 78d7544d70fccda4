// Counter-based random numbers, the same as in Python (docs/randomness.md).

const WORD = (1n << 64n) - 1n;
const MULTIPLIERS = [0xd2e7470ee14c6c93n, 0xca5a826395121157n];
const STEPS = [0x9e3779b97f4a7c15n, 0xbb67ae8584caa73bn];

// Philox4x64-10 (Salmon et al. 2011): a key of two words and a counter of four give four words.
function philox([k0, k1], [a, b, c, d]) {
  for (let round = 0; round < 10; round++) {
    const left = MULTIPLIERS[0] * a;
    const right = MULTIPLIERS[1] * c;
    [a, b, c, d] = [(right >> 64n) ^ b ^ k0, right & WORD, (left >> 64n) ^ d ^ k1, left & WORD];
    k0 = (k0 + STEPS[0]) & WORD;
    k1 = (k1 + STEPS[1]) & WORD;
  }
  return [a, b, c, d];
}

// The CRC-32 of a text (ISO 3309, as in zip and PNG).
function crc32(text) {
  let rest = 0xffffffff;
  for (const byte of new TextEncoder().encode(text)) {
    rest ^= byte;
    for (let bit = 0; bit < 8; bit++) rest = (rest >>> 1) ^ (rest & 1 ? 0xedb88320 : 0);
  }
  return (rest ^ 0xffffffff) >>> 0;
}

// Returns `count` words of (seed, purpose, index); seed and index are BigInts.
function words(seed, purpose, index, count) {
  const key = [seed, BigInt(crc32(purpose))];
  const found = [];
  for (let block = 1n; found.length < count; block++) found.push(...philox(key, [block, 0n, 0n, index]));
  return found.slice(0, count);
}

// Numbers in [0, 1): the upper 53 bits of each word.
function uniform(seed, purpose, index, count) {
  return words(seed, purpose, index, count).map((word) => Number(word >> 11n) * 2 ** -53);
}

// Standard normal numbers (Box and Muller 1958), rounded to float32.
function normal(seed, purpose, index, count) {
  const drawn = uniform(seed, purpose, index, count + (count % 2));
  const found = new Float32Array(drawn.length);
  for (let i = 0; i < drawn.length; i += 2) {
    const radius = Math.sqrt(-2 * Math.log1p(-drawn[i]));
    const angle = 2 * Math.PI * drawn[i + 1];
    found[i] = radius * Math.cos(angle);
    found[i + 1] = radius * Math.sin(angle);
  }
  return found.subarray(0, count);
}
