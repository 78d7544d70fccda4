// The page's main script: views, language, colours, and the way from a change to new images.

const VIEWS = { grid: showGrid, picture: showPicture, morph: showMorph, ...(model.map && { map: showMap }) };
let computer = "";

function showStatus(text) {
  byId("status").textContent = text;
}

// Marks the stage as busy while workers run, then shows how long the images took.
function showBusy(busy) {
  if (!busy && changing) return;
  byId("stage").setAttribute("aria-busy", busy);
  if (busy) return;
  if (milliseconds.length) {
    const each = milliseconds.reduce((sum, one) => sum + one, 0) / milliseconds.length;
    showStatus(say("drawn", counted(milliseconds.length), counted(each.toFixed(1))));
  }
  milliseconds = [];
}

let changing = false; // an update is scheduled for the next animation frame

// Changes the state; images follow with the next animation frame.
function change(changes) {
  Object.assign(state, changes);
  showControls();
  if (changing) return;
  changing = true;
  byId("stage").setAttribute("aria-busy", "true");
  requestAnimationFrame(() => {
    changing = false;
    VIEWS[state.view]();
    showOwn();
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

function setLanguage(chosen) {
  language = chosen;
  byId(`language-${language}`).checked = true;
  translate();
  if (film.timer) byId("play").textContent = say("pause");
  showControls();
  showFacts(computer);
}

// Follows the header's switches, which a service remembers in cookies for all of its pages.
function listenToSwitches() {
  for (const choice of document.querySelectorAll(".switch input")) {
    choice.addEventListener("change", () => {
      if (choice.name === "language") {
        setLanguage(choice.value);
        change({});
      }
      const cookie = `ganbaru-${choice.name}=${choice.value}; path=/; max-age=31536000; samesite=lax`;
      if (location.protocol.startsWith("http")) document.cookie = cookie;
    });
  }
  const cookies = location.protocol.startsWith("http") ? document.cookie : "";
  const [, theme] = cookies.match(/ganbaru-theme=(auto|light|dark)/) ?? [];
  if (theme) byId(`theme-${theme}`).checked = true;
  return cookies.match(/ganbaru-language=(en|ja)/)?.[1] ?? language;
}

function listen() {
  const clicks = {
    more: () => change({ rows: 2 * state.rows }),
    previous: () => step("seed", -1n),
    next: () => step("seed", 1n),
    less: () => step("seed", -1n),
    greater: () => step("seed", 1n),
    "as-first": () => { state.ownFirst = false; choose("morph"); },
    "as-second": () => { [state.second, state.ownSecond] = [state.seed, false]; choose("morph"); },
    random: () => change({ seed: randomSeed() }),
    reset: () => change({ shifts: state.shifts.map((x, i) => (i < MAINS ? 0 : x)) }),
    "reset-named": () => change({ shifts: state.shifts.map((x, i) => (i < MAINS ? x : 0)) }),
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
  listenToMap();
  listenToUpload();
}

const FINE = 48; // from this many pixels a side, images are smoothed when enlarged

async function start() {
  document.body.classList.toggle("fine", Math.min(WIDTH, HEIGHT) >= FINE);
  document.body.classList.toggle("clear", CHANNELS === 4);
  makeClasses();
  makeSliders();
  byId("tab-map").hidden = !model.map;
  listen();
  setLanguage(listenToSwitches());
  showStatus(say("drawing"));
  choose("grid");
  const [first] = await workers.ready;
  computer = first.computer;
  showFacts(computer);
}

// Requests that a worker fails are rejected, which ends here.
addEventListener("unhandledrejection", ({ reason }) => {
  byId("failure").hidden = false;
  byId("failure").textContent = say("failed", reason.message);
});
start();
