// The morph: two images, the path between them, and its video.

const FRAMES = 31; // from one image to the other, both included
const FPS = 20;
const SLOW_FPS = 5; // with reduced motion
const reducedMotion = matchMedia("(prefers-reduced-motion: reduce)");

const film = { key: "", frames: [], timer: 0, forth: true };

const ends = () => [
  state.ownFirst ? ownPoint() : point(state.seed),
  state.ownSecond ? ownPoint() : point(state.second, state.secondClass ?? state.chosen),
];

// The names of both ends.
const endNames = () => [
  state.ownFirst ? say("yourPicture") : say("pictureOf", state.seed, nameOf(state.seed)),
  state.ownSecond ? say("yourPicture")
    : say("pictureOf", state.second, nameOf(state.second, state.secondClass ?? state.chosen)),
];

// Returns the promise of a frame's pixels, generated once for each pair of ends.
function frame(i) {
  const points = ends();
  const key = JSON.stringify(points);
  if (key !== film.key) Object.assign(film, { key, frames: [] });
  film.frames[i] ??= workers.request(`frame ${i}`, "draw", { points, share: i / (FRAMES - 1) }).then((found) => {
    if (!found) {
      // It was cancelled.
      if (key === film.key) delete film.frames[i];
      return undefined;
    }
    milliseconds.push(found.milliseconds);
    return found.pixels;
  });
  return film.frames[i];
}

async function showFrame() {
  const i = Number(byId("moment").value);
  const percent = Math.round((100 * i) / (FRAMES - 1));
  const text = say("between", percent, ...endNames());
  byId("moment").setAttribute("aria-valuetext", text);
  byId("film").setAttribute("aria-label", text);
  const pixels = await frame(i);
  if (pixels && i === Number(byId("moment").value)) paint(byId("film"), pixels);
}

function showMorph() {
  const [first, second] = ["end-first", "end-second"].map(byId);
  endNames().forEach((name, i) => [first, second][i].setAttribute("aria-label", name));
  const [one, other] = ends();
  show(first, [one]);
  show(second, [other]);
  showFrame();
}

function play() {
  if (film.timer) return pause();
  const step = () => {
    const next = Number(byId("moment").value) + (film.forth ? 1 : -1);
    byId("moment").value = next;
    if (next <= 0 || next >= FRAMES - 1) film.forth = next <= 0;
    showFrame();
  };
  film.timer = setInterval(step, 1000 / (reducedMotion.matches ? SLOW_FPS : FPS));
  film.forth = Number(byId("moment").value) < FRAMES - 1;
  byId("play").textContent = say("pause");
  return undefined;
}

function pause() {
  clearInterval(film.timer);
  film.timer = 0;
  byId("play").textContent = say("play");
}
