// The map: generated images beside real ones as dots (ganbaru embed); that of the seed is marked.

const MAP_SIDE = 640; // pixels of the canvas, and the margin in which dots at its edges fit
const MAP_EDGE = 14;
const KINDS = [["real", "#4a90e8", 0.5], ["made", "#f08a1c", 0.85]]; // squares and discs

const placed = ([x, y]) => [x, y].map((part) => MAP_EDGE + (part / 1000) * (MAP_SIDE - 2 * MAP_EDGE));
const chosenDot = () => model.map.seeds.indexOf(String(state.seed));

function showMap() {
  const canvas = byId("map-dots");
  [canvas.width, canvas.height] = [MAP_SIDE, MAP_SIDE];
  const pen = canvas.getContext("2d");
  for (const [kind, colour, opacity] of KINDS) {
    [pen.fillStyle, pen.globalAlpha] = [colour, opacity];
    for (const [x, y] of model.map[kind].map(placed)) {
      pen.beginPath();
      if (kind === "made") pen.arc(x, y, 5, 0, 7);
      else pen.rect(x - 3, y - 3, 6, 6);
      pen.fill();
    }
  }
  const text = say("pictureOf", state.seed, nameOf(state.seed));
  const k = chosenDot();
  if (k >= 0) ring(pen, placed(model.map.made[k]));
  const set = (name, value) => byId("map-area").setAttribute(name, value);
  set("aria-valuemax", model.map.seeds.length - 1);
  set("aria-valuenow", Math.max(k, 0));
  set("aria-valuetext", text);
  const share = model.map.explained === null ? "" : percent(model.map.explained);
  byId("map-note").textContent = say("mapNote", { pca: "PCA", tsne: "t-SNE" }[model.map.by] ?? model.map.by, share);
  byId("mapped").setAttribute("aria-label", text);
  byId("map-caption").textContent = k >= 0 ? text : say("notOnMap", text);
  show(byId("mapped"), [point(state.seed)]);
}

// Marks a dot, for light and dark colours.
function ring(pen, [x, y]) {
  pen.globalAlpha = 1;
  for (const [colour, width] of [["#fff", 7], ["#111", 3]]) {
    Object.assign(pen, { strokeStyle: colour, lineWidth: width });
    pen.beginPath();
    pen.arc(x, y, 10, 0, 7);
    pen.stroke();
  }
}

function chooseDot(k) {
  if (model.map.seeds[k] !== undefined) change({ seed: BigInt(model.map.seeds[k]) });
}

// Returns the dot for which `distance(dx, dy)` from (x, y), in thousandths, is least.
function nearestDot([x, y], distance) {
  const all = model.map.made.map(([a, b]) => distance(a - x, b - y));
  const least = all.reduce((one, other) => Math.min(one, other), Infinity);
  return least === Infinity ? undefined : all.indexOf(least);
}

function clickMap({ clientX, clientY }) {
  const { left, top, width } = byId("map-dots").getBoundingClientRect();
  const inner = (pixel) => (1000 * ((pixel / width) * MAP_SIDE - MAP_EDGE)) / (MAP_SIDE - 2 * MAP_EDGE);
  chooseDot(nearestDot([inner(clientX - left), inner(clientY - top)], Math.hypot));
}

// Arrow keys go to the nearest dot in their direction, within 45 degrees.
function moveOnMap(event) {
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const ends = { Home: 0, End: model.map.seeds.length - 1 };
  const way = ways[event.key];
  if (event.key === "Enter") return open(state.seed);
  if (!way && !(event.key in ends)) return undefined;
  event.preventDefault();
  const k = chosenDot();
  const ahead = (dx, dy) => {
    const [along, across] = [dx * way[0] + dy * way[1], Math.abs(dx * way[1] + dy * way[0])];
    return along > 0 && across <= along ? along + across : Infinity;
  };
  return chooseDot(ends[event.key] ?? (k < 0 ? 0 : nearestDot(model.map.made[k], ahead)));
}

function listenToMap() {
  byId("map-area").addEventListener("click", clickMap);
  byId("map-area").addEventListener("keydown", moveOnMap);
}
