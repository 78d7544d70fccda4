// The page: from a change to the pictures it asks for.

const VIEWS = { grid: showGrid, picture: showPicture, morph: showMorph };
const THEMES = ["auto", "light", "dark"];
let computer = "";
let theme = "auto";

function tell(text) {
  byId("status").textContent = text;
}

// While workers draw, the stage says that it is busy; then how long pictures took.
function showBusy(busy) {
  if (!busy && changing) return;
  byId("stage").setAttribute("aria-busy", busy);
  if (busy) return;
  if (milliseconds.length) {
    const each = milliseconds.reduce((sum, one) => sum + one, 0) / milliseconds.length;
    tell(say("drawn", counted(milliseconds.length), counted(each.toFixed(1))));
  }
  milliseconds = [];
}

let changing = false; // the next frame of the screen asks for pictures

// Takes on what was chosen; pictures follow with the next frame of the screen.
function change(changes) {
  Object.assign(state, changes);
  showControls();
  if (changing) return;
  changing = true;
  byId("stage").setAttribute("aria-busy", "true");
  requestAnimationFrame(() => {
    changing = false;
    VIEWS[state.view]();
    workers.rest();
  });
}

function choose(view) {
  pause();
  workers.forget();
  for (const name of Object.keys(VIEWS)) {
    const tab = byId(`tab-${name}`);
    byId(name).hidden = name !== view;
    tab.setAttribute("aria-selected", name === view);
    tab.tabIndex = name === view ? 0 : -1;
  }
  document.body.dataset.view = view;
  change({ view });
}

function moveInTabs(event) {
  const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (!by) return;
  const views = Object.keys(VIEWS);
  const view = views[(views.indexOf(state.view) + by + views.length) % views.length];
  choose(view);
  byId(`tab-${view}`).focus();
}

function dress(chosen) {
  theme = chosen;
  document.documentElement.dataset.theme = theme;
  byId("theme").setAttribute("aria-label", say("theme")[theme]);
  byId("theme").title = say("theme")[theme];
}

function speak(chosen) {
  language = chosen;
  translate();
  if (film.timer) byId("play").textContent = say("pause");
  showControls();
  dress(theme);
  showFacts(computer);
  const button = byId("language");
  button.textContent = say("other");
  button.setAttribute("aria-label", say("otherLabel"));
  button.lang = language === "ja" ? "en" : "ja";
}

function listen() {
  const clicks = {
    language: () => { speak(language === "ja" ? "en" : "ja"); change({}); },
    theme: () => dress(THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length]),
    more: () => change({ rows: 2 * state.rows }),
    previous: () => step("seed", -1n),
    next: () => step("seed", 1n),
    less: () => step("seed", -1n),
    greater: () => step("seed", 1n),
    "as-first": () => choose("morph"),
    "as-second": () => { state.second = state.seed; choose("morph"); },
    random: () => change({ seed: randomSeed() }),
    reset: () => change({ shifts: state.shifts.map(() => 0) }),
    play,
    "save-png": savePng,
    "save-gif": saveGif,
  };
  for (const [id, click] of Object.entries(clicks)) byId(id).addEventListener("click", click);
  for (const view of Object.keys(VIEWS)) byId(`tab-${view}`).addEventListener("click", () => choose(view));
  byId("tiles").addEventListener("keydown", moveInGrid);
  document.querySelector(".tabs").addEventListener("keydown", moveInTabs);
  byId("moment").addEventListener("input", showFrame);
  byId("truncation").addEventListener("input", ({ target }) => change({ truncation: Number(target.value) }));
  byId("blend-share").addEventListener("input", ({ target }) => change({ blendShare: Number(target.value) }));
  byId("panel").addEventListener("submit", (event) => event.preventDefault());
  addEventListener("resize", fitTiles);
  addEventListener("keydown", ({ key }) => {
    if (key === "Escape" && state.view !== "grid") { choose("grid"); byId("tab-grid").focus(); }
  });
  listenToSeeds();
}

const FINE = 48; // pixels of a side, from which on pictures are shown with soft edges

async function start() {
  document.body.classList.toggle("fine", Math.min(WIDTH, HEIGHT) >= FINE);
  makeClasses();
  makeSliders();
  listen();
  speak(language);
  tell(say("drawing"));
  choose("grid");
  const [first] = await workers.ready;
  computer = first.computer;
  showFacts(computer);
}

// A worker that cannot begin or draw rejects what it was asked for, which ends here.
addEventListener("unhandledrejection", ({ reason }) => {
  byId("failure").hidden = false;
  byId("failure").textContent = say("failed", reason.message);
});
start();
