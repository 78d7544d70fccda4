// GIF encoder (GIF89a specification, 1990): loops for ever, a colour table for each frame. What is
// less than half opaque becomes transparent.

// Encodes frames (RGBA), each shown for `delays[i]` hundredths of a second.
function gif(frames, { width, height, delays }) {
  const bytes = [..."GIF89a"].map((letter) => letter.charCodeAt(0));
  const short = (number) => bytes.push(number & 255, number >> 8);
  const open = (...numbers) => bytes.push(...numbers);
  short(width);
  short(height);
  open(0x70, 0, 0); // no global colour table
  open(0x21, 0xff, 11, ...[..."NETSCAPE2.0"].map((letter) => letter.charCodeAt(0)), 3, 1, 0, 0, 0);
  frames.forEach((frame, i) => {
    const { palette, indices, clear } = indexed(frame);
    open(0x21, 0xf9, 4, clear ? (2 << 2) | 1 : 1 << 2);
    short(delays[i]);
    open(clear, 0, 0x2c, 0, 0, 0, 0);
    short(width);
    short(height);
    open(0x80 | 7, ...palette, 8);
    const packed = lzw(indices);
    for (let at = 0; at < packed.length; at += 255) {
      const block = packed.slice(at, at + 255);
      open(block.length, ...block);
    }
    open(0);
  });
  open(0x3b);
  return Uint8Array.from(bytes);
}

// Returns a frame's colour table (RGB), indices, and the index that is transparent (0: none is);
// lossless up to 256 colours, 255 with transparency.
function indexed(frame) {
  const counts = new Map();
  const seen = (at) => frame[at + 3] >= 128;
  for (let at = 0; at < frame.length; at += 4) {
    if (!seen(at)) continue;
    const colour = (frame[at] << 16) | (frame[at + 1] << 8) | frame[at + 2];
    counts.set(colour, (counts.get(colour) ?? 0) + 1);
  }
  const palette = new Uint8Array(768);
  const places = new Map();
  const clear = frame.some((value, at) => at % 4 === 3 && value < 128) ? 255 : 0;
  boxes([...counts], clear || 256).forEach((box, i) => {
    palette.set(average(box), 3 * i);
    for (const [colour] of box) places.set(colour, i);
  });
  const indices = new Uint8Array(frame.length / 4);
  for (let at = 0; at < frame.length; at += 4) {
    indices[at / 4] = seen(at) ? places.get((frame[at] << 16) | (frame[at + 1] << 8) | frame[at + 2]) : clear;
  }
  return { palette, indices, clear };
}

const parts = (colour) => [colour >> 16, (colour >> 8) & 255, colour & 255];

// Splits counted colours into up to `most` boxes, always the one with most pixels times longest side,
// along that side at its median pixel (median cut, Heckbert 1982).
function boxes(colours, most) {
  if (!colours.length) return [];
  const found = [measured(colours)];
  while (found.length < most) {
    found.sort((one, other) => one.worth - other.worth);
    if (found.at(-1).worth === 0) break;
    found.push(...cut(found.pop()).map(measured));
  }
  return found.map(({ colours }) => colours);
}

// A box with its longest side and its priority, 0 for a single colour.
function measured(colours) {
  const low = [255, 255, 255];
  const high = [0, 0, 0];
  let pixels = 0;
  for (const [colour, count] of colours) {
    pixels += count;
    parts(colour).forEach((part, i) => {
      low[i] = Math.min(low[i], part);
      high[i] = Math.max(high[i], part);
    });
  }
  const sides = low.map((part, i) => high[i] - part);
  const side = Math.max(...sides);
  return { colours, pixels, axis: sides.indexOf(side), worth: side * pixels };
}

function cut({ colours, pixels, axis }) {
  colours.sort(([one], [other]) => parts(one)[axis] - parts(other)[axis]);
  let [seen, at] = [0, 0];
  while (at < colours.length - 1 && (at === 0 || seen + colours[at][1] <= pixels / 2)) seen += colours[at++][1];
  return [colours.slice(0, at), colours.slice(at)];
}

function average(colours) {
  const sums = [0, 0, 0];
  let pixels = 0;
  for (const [colour, count] of colours) {
    pixels += count;
    parts(colour).forEach((part, i) => (sums[i] += part * count));
  }
  return sums.map((sum) => Math.round(sum / pixels));
}

// LZW compression of 8-bit indices (appendix F): codes grow from 9 to 12 bits, and the string table
// is cleared when it is full.
function lzw(indices) {
  const [clear, end] = [256, 257];
  const bytes = [];
  let [buffer, bits, width, next, table] = [0, 0, 9, 258, new Map()];
  const put = (code) => {
    buffer |= code << bits;
    for (bits += width; bits >= 8; bits -= 8, buffer >>>= 8) bytes.push(buffer & 255);
  };
  put(clear);
  let string = indices[0];
  for (let i = 1; i < indices.length; i++) {
    const longer = (string << 8) | indices[i];
    const known = table.get(longer);
    if (known !== undefined) {
      string = known;
      continue;
    }
    put(string);
    if (next === 4096) {
      put(clear);
      [width, next, table] = [9, 258, new Map()];
    } else {
      if (next === 1 << width) width++;
      table.set(longer, next++);
    }
    string = indices[i];
  }
  put(string);
  if (next === 1 << width && width < 12) width++;
  put(end);
  if (bits) bytes.push(buffer & 255);
  return bytes;
}
