// Controls: event handlers that change the state, and the display of the state.

const slider = (id) => byId(id).parentElement.querySelector("output");
const percent = (share) => `${Math.round(100 * share)} %`;

// Creates the radio buttons and lists of classes.
function makeClasses() {
  const hidden = model.classes.length === 0;
  for (const part of document.querySelectorAll(".by-class")) part.hidden = hidden;
  [null, ...model.classes.keys()].forEach((chosen) => {
    const [label, radio] = [document.createElement("label"), document.createElement("input")];
    Object.assign(radio, { type: "radio", name: "class", value: chosen ?? "", checked: chosen === null });
    radio.addEventListener("change", () => change({ chosen }));
    label.append(radio, document.createElement("span"));
    byId("classes").append(label);
  });
  listClasses("blend", (blend) => change({ blend }));
  listClasses("second-class", (secondClass) => change({ secondClass }));
}

function listClasses(id, choose) {
  byId(id).append(...["", ...model.classes].map((name, i) => new Option(name, i ? i - 1 : "")));
  byId(id).addEventListener("change", ({ target }) => choose(target.value === "" ? null : Number(target.value)));
}

const MAINS = model.directions.length - model.named.length; // those with names are last

function makeSliders() {
  byId("directions").hidden = MAINS === 0;
  byId("named").hidden = model.named.length === 0;
  model.directions.forEach((_, i) => {
    const [id, place] = [`direction-${i + 1}`, i < MAINS ? "sliders" : "named-sliders"];
    makeSlider(place, id, { min: -4, max: 4, step: 0.1, value: 0 }, "shifts", i);
    if (i < MAINS) return;
    const note = Object.assign(document.createElement("p"), { id: `${id}-note`, className: "note" });
    byId(id).setAttribute("aria-describedby", note.id);
    byId(place).append(note);
  });
  byId("attributes").hidden = model.attributes.length === 0;
  model.attributes.forEach(({ name, kind, low, high, usual }, i) => {
    const range = { min: low, max: high, step: kind === "binary" ? 1 : "any", value: usual };
    makeSlider("values", `attribute-${i + 1}`, range, "values", i).textContent = name;
  });
  byId("as-data").addEventListener("click", () => change({ values: model.attributes.map(() => null) }));
}

// Adds a slider of entry i of a list of the state; returns its label.
function makeSlider(place, id, settings, list, i) {
  const row = byId("truncation").parentElement.cloneNode(true);
  const [label, range] = [row.querySelector("label"), row.querySelector("input")];
  delete label.dataset.word;
  Object.assign(range, { id, ...settings });
  label.htmlFor = row.querySelector("output").htmlFor = id;
  range.addEventListener("input", () => change({ [list]: state[list].map((x, k) => (k === i ? Number(range.value) : x)) }));
  byId(place).append(row);
  return label;
}

// Shows the state in the controls, in the current language.
function showControls() {
  const names = [say("inTurn"), ...model.classes];
  byId("classes").querySelectorAll("span").forEach((span, i) => (span.textContent = names[i]));
  byId("blend").options[0].text = say("nothing");
  byId("second-class").options[0].text = say("asPicked");
  showSeed("seed", state.seed);
  showSeed("first", state.seed, state.ownFirst);
  showSeed("second", state.second, state.ownSecond);
  byId("blending").hidden = state.blend === null;
  slider("blend-share").textContent = percent(state.blendShare);
  slider("truncation").textContent = state.truncation.toFixed(2);
  state.shifts.forEach((shift, i) => {
    const range = byId(`direction-${i + 1}`);
    range.value = shift;
    const known = model.named[i - MAINS];
    range.parentElement.querySelector("label").textContent = known?.name ?? say("direction", i + 1);
    if (known) byId(`${range.id}-note`).textContent = say("directionFacts", known);
    slider(range.id).textContent = shift.toFixed(1);
  });
  model.attributes.forEach(({ usual }, i) => {
    const range = byId(`attribute-${i + 1}`);
    range.value = state.values[i] ?? usual;
    slider(range.id).textContent = state.values[i] === null ? "–" : plain(state.values[i]);
  });
  byId("command").textContent = command();
}

// Writes a seed into its box, unless the text there already means it, or a picture is in its place.
function showSeed(id, seed, own = false) {
  const box = byId(id);
  box.placeholder = own ? say("yourPicture") : "";
  if (own) box.value = "";
  else if (seedIn(box.value) !== seed) box.value = seed;
  box.removeAttribute("aria-invalid");
}

const plain = (value) => String(Number(value.toPrecision(4)));

// Returns the option that sets attributes: all of them, as the command has other values for the
// ones that it does not name; "" if none is set, null if only some are.
function attributeOption() {
  if (state.values.every((value) => value === null)) return "";
  if (state.values.some((value) => value === null)) return null;
  return ` --label '${model.attributes.map(({ name }, i) => `${name}=${state.values[i]}`).join(",")}'`;
}

// Returns the command with the same result; "" if there is none.
function command() {
  const { seed, second, chosen, secondClass, truncation } = state;
  const option = truncation < 1 ? ` --truncation ${truncation}` : "";
  const moved = state.shifts.some(Boolean);
  if (state.blend !== null || (option && (moved || state.view === "morph"))) return "";
  if (state.view === "morph" && (moved || state.ownFirst || state.ownSecond)) return "";
  if (state.shifts.slice(0, MAINS).some(Boolean)) return "";
  const given = attributeOption();
  if (given === null) return "";
  const label = chosen === null ? given : ` --label ${chosen}`;
  const labels = secondClass === null ? label.replace("--label", "--labels")
    : ` --labels ${classOf(seed)},${secondClass}`;
  const along = model.named.map(({ name }, i) => [name, state.shifts[MAINS + i]]).filter(([, step]) => step)
    .map(([name, step]) => ` --along ${name}=${plain(step)}`).join("");
  if (along) {
    const count = state.view === "grid" ? ` -n ${state.rows * COLUMNS}` : "";
    return `ganbaru edit RUN --seed ${seed}${count}${label}${along}`;
  }
  const commands = {
    map: () => commands.picture(),
    grid: () => `generate RUN -n ${state.rows * COLUMNS} --seed ${seed}${label}${option}`,
    picture: () => `generate RUN -n 1 --seed ${seed}${label}${option}`,
    morph: () => `morph RUN --seeds ${seed},${second}${labels} --bounce`,
  };
  return `ganbaru ${commands[state.view]()}`;
}

function listenToSeeds() {
  for (const [id, name] of [["seed", "seed"], ["first", "seed"], ["second", "second"]]) {
    const box = byId(id);
    box.addEventListener("input", () => {
      const seed = seedIn(box.value);
      if (seed === undefined) {
        box.setAttribute("aria-invalid", "true");
        showStatus(say("seedWrong"));
      } else change({ [name]: seed, ...{ first: { ownFirst: false }, second: { ownSecond: false } }[id] });
    });
    box.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowUp") step(name, 1n);
      if (key === "ArrowDown") step(name, -1n);
    });
  }
}

function step(name, by) {
  const seed = state[name] + by;
  if (seed >= 0n && seed <= MAX_SEED) change({ [name]: seed });
}

// --- facts ------------------------------------------------------------------------------------

function showFacts(computer) {
  const values = {
    ...model.facts,
    images_trained: say("count", counted(model.facts.images_trained)),
    classes: model.classes.join(", "),
    licence: model.licences[language],
    latent: say("numbers", model.latent, model.distribution),
    ganbaru: `Ganbaru ${model.facts.ganbaru}`,
    bits: say("bits", model.bits),
    computer: say("computer", computer, workers.count),
  };
  const names = Object.entries(say("fact")).filter(([key]) => values[key] !== "");
  define("facts", names.map(([key, name]) => [name, values[key]]));
  define("keyboard", say("shortcuts"));
  byId("summary").textContent =
    say("summary", WIDTH, HEIGHT, CHANNELS, model.classes.length, model.attributes.length,
      counted(model.facts.images_trained));
}

// Fills a definition list with pairs.
function define(id, pairs) {
  byId(id).replaceChildren(...pairs.map(([name, text]) => {
    const [row, term, meaning] = ["div", "dt", "dd"].map((kind) => document.createElement(kind));
    term.textContent = name;
    meaning.textContent = text;
    row.append(term, meaning);
    return row;
  }));
}
