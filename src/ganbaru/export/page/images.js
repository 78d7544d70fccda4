// The grid and the single image.

const workers = pool(showBusy);
let milliseconds = []; // of each image since the workers were last idle
let requests = 0;
const newest = new WeakMap(); // the number of the request that each canvas shows

// Generates an image on a canvas, its own lane; `share` is the position between two points.
async function show(canvas, points, share = 0) {
  const request = ++requests;
  const found = await workers.request(canvas, "draw", { points, share });
  // Of two workers, the one with the earlier request may finish last.
  if (!found || request < newest.get(canvas)) return;
  newest.set(canvas, request);
  milliseconds.push(found.milliseconds);
  paint(canvas, found.pixels);
}

function paint(canvas, pixels) {
  if (canvas.width !== WIDTH || canvas.height !== HEIGHT) [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  canvas.getContext("2d").putImageData(new ImageData(pixels, WIDTH, HEIGHT), 0, 0);
}

// --- the grid ---------------------------------------------------------------------------------

const MIN_TILE = 56; // CSS pixels of a grid image
const MAX_TILE = 144;
const GAP = 6;

// Fits tiles into the available width: as many columns as in `ganbaru generate`, or the largest
// divisor of that number at which tiles are not too small.
function fitTiles() {
  const across = byId("tiles").clientWidth;
  if (!across) return;
  const shares = [1, 2, 3, 4, 5, 8].map((share) => COLUMNS / share).filter(Number.isInteger);
  const fits = (columns) => (across - GAP * (columns - 1)) / columns >= MIN_TILE;
  const columns = shares.find(fits) ?? 2;
  const side = Math.floor(Math.min(MAX_TILE, (across - GAP * (columns - 1)) / columns));
  byId("tiles").style.gridTemplateColumns = `repeat(${columns}, ${side}px)`;
  byId("tiles").dataset.columns = columns;
}

function tileOf(i) {
  const tiles = byId("tiles");
  while (tiles.children.length <= i) {
    const tile = document.createElement("button");
    tile.type = "button";
    tile.className = "tile";
    tile.tabIndex = tiles.children.length ? -1 : 0;
    tile.append(document.createElement("canvas"));
    tile.addEventListener("click", () => open(BigInt(tile.dataset.seed)));
    tiles.append(tile);
  }
  return tiles.children[i];
}

function showGrid() {
  const seeds = gridSeeds();
  while (byId("tiles").children.length > seeds.length) byId("tiles").lastChild.remove();
  seeds.forEach((seed, i) => {
    const tile = tileOf(i);
    tile.dataset.seed = seed;
    tile.setAttribute("aria-label", say("pictureOf", seed, nameOf(seed)));
    tile.title = tile.getAttribute("aria-label");
    show(tile.firstChild, [point(seed)]);
  });
  fitTiles();
}

// Arrow keys move between tiles; only the current one is in the tab order.
function moveInGrid(event) {
  const tiles = [...byId("tiles").children];
  const at = tiles.indexOf(document.activeElement);
  const columns = Number(byId("tiles").dataset.columns);
  const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns };
  const ends = { Home: 0, End: tiles.length - 1 };
  const to = ends[event.key] ?? at + (steps[event.key] ?? NaN);
  if (at < 0 || !tiles[to]) return;
  event.preventDefault();
  tiles[at].tabIndex = -1;
  tiles[to].tabIndex = 0;
  tiles[to].focus();
}

// --- the single image --------------------------------------------------------------------------

// Enlarges an image of the grid.
function open(seed) {
  state.seed = seed;
  choose("picture");
  byId("tab-picture").focus({ preventScroll: true });
}

function showPicture() {
  const text = say("pictureOf", state.seed, nameOf(state.seed));
  byId("single").setAttribute("aria-label", text);
  byId("caption").textContent = text;
  show(byId("single"), [point(state.seed)]);
}
