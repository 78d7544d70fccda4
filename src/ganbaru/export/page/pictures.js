// The grid and the single picture.

const workers = pool(showBusy);
let milliseconds = []; // that pictures took since the page was last at rest
let questions = 0;
const newest = new WeakMap(); // of each canvas: the number of the question whose answer it shows

// Draws a picture on a canvas, which has a lane of its own; `share`: on the way between two points.
async function show(canvas, points, share = 0) {
  const question = ++questions;
  const found = await workers.ask(canvas, "draw", { points, share });
  // Of two workers, the one that was asked first may answer last.
  if (!found || question < newest.get(canvas)) return;
  newest.set(canvas, question);
  milliseconds.push(found.milliseconds);
  paint(canvas, found.pixels);
}

function paint(canvas, pixels) {
  if (canvas.width !== WIDTH || canvas.height !== HEIGHT) [canvas.width, canvas.height] = [WIDTH, HEIGHT];
  canvas.getContext("2d").putImageData(new ImageData(pixels, WIDTH, HEIGHT), 0, 0);
}

// --- the grid ---------------------------------------------------------------------------------

const LEAST_TILE = 56; // points of the screen that a picture of the grid has at least, and at most
const MOST_TILE = 144;
const GAP = 6;

// Fits tiles into the width there is: as many in a row as in `ganbaru generate`, or the largest
// share of them at which a tile is not too small.
function fitTiles() {
  const across = byId("tiles").clientWidth;
  if (!across) return;
  const shares = [1, 2, 3, 4, 5, 8].map((share) => COLUMNS / share).filter(Number.isInteger);
  const fits = (columns) => (across - GAP * (columns - 1)) / columns >= LEAST_TILE;
  const columns = shares.find(fits) ?? 2;
  const side = Math.floor(Math.min(MOST_TILE, (across - GAP * (columns - 1)) / columns));
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

// Arrow keys go from tile to tile, one of which is in the order of the tab key.
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

// --- the single picture -----------------------------------------------------------------------

// Shows a picture of the grid large.
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
