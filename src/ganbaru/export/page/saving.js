// Saves PNGs and GIFs, enlarged by repeating pixels.

const MIN_PNG = 512; // pixels of a PNG's longer side
const MIN_GIF = 256;

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  milliseconds = []; // else their duration would replace the status
  showStatus(say("saved", name));
}

const timesFor = (width, height, least) => Math.max(1, Math.ceil(least / Math.max(width, height)));

// Arranges canvases row by row, `gap` pixels apart, and repeats pixels.
function sheet(canvases, columns, gap) {
  const rows = Math.ceil(canvases.length / columns);
  const [width, height] = [columns * (WIDTH + gap) + gap, rows * (HEIGHT + gap) + gap];
  const times = timesFor(width, height, MIN_PNG);
  const made = document.createElement("canvas");
  [made.width, made.height] = [times * width, times * height];
  const context = made.getContext("2d");
  context.fillStyle = "rgb(24 24 24)";
  context.fillRect(0, 0, made.width, made.height);
  context.imageSmoothingEnabled = false;
  canvases.forEach((canvas, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [left, top] = [gap + column * (WIDTH + gap), gap + row * (HEIGHT + gap)];
    const place = [times * left, times * top, times * WIDTH, times * HEIGHT];
    context.clearRect(...place);
    context.drawImage(canvas, ...place);
  });
  return made;
}

function savePng() {
  const tiles = [...byId("tiles").children].map((tile) => tile.firstChild);
  const sheets = {
    grid: () => sheet(tiles, Math.min(COLUMNS, tiles.length), 2),
    picture: () => sheet([byId("single")], 1, 0),
    map: () => sheet([byId("mapped")], 1, 0),
    morph: () => sheet([byId("film")], 1, 0),
  };
  sheets[state.view]().toBlob((blob) => save(blob, `${fileName()}.png`), "image/png");
}

// The video forth and back without repeating the ends, as `ganbaru morph --bounce`.
async function saveGif() {
  byId("save-gif").disabled = true;
  showStatus(say("saving"));
  const forth = await Promise.all(Array.from({ length: FRAMES }, (_, i) => frame(i)));
  byId("save-gif").disabled = false;
  if (forth.includes(undefined)) return;
  const times = timesFor(WIDTH, HEIGHT, MIN_GIF);
  const frames = [...forth, ...forth.slice(1, -1).reverse()].map((pixels) => enlarged(pixels, times));
  const delays = frames.map(() => 100 / FPS);
  const how = { frames, width: times * WIDTH, height: times * HEIGHT, delays };
  const made = await workers.request("film", "film", how);
  if (made) save(new Blob([made.film], { type: "image/gif" }), `${fileName()}.gif`);
}

function enlarged(pixels, times) {
  const from = new Uint32Array(pixels.buffer);
  const found = new Uint32Array(from.length * times * times);
  for (let n = 0; n < found.length; n++) {
    const [row, column] = [Math.floor(n / (times * WIDTH)), n % (times * WIDTH)];
    found[n] = from[Math.floor(row / times) * WIDTH + Math.floor(column / times)];
  }
  return new Uint8ClampedArray(found.buffer);
}

function fileName() {
  const end = state.view === "morph" ? `-${state.second}` : "";
  return `${model.name}-${state.view}-${state.seed}${end}`.replace(/[^\w-]+/g, "-");
}
