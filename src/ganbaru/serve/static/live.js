// Updates a page: the server sends the whole state of a run whenever it has changed.

const page = document.body;
const connection = document.querySelector(".connection");

const fill = (root, what, act) => root.querySelectorAll(`[data-fill="${what}"]`).forEach(act);
const show = (root, what, yes) =>
  root.querySelectorAll(`[data-show="${what}"]`).forEach((part) => { part.hidden = !yes; });

function facts(list, rows) {
  list.replaceChildren(...rows.map(([name, value]) => {
    const row = document.createElement("div");
    for (const [kind, text] of [["dt", name], ["dd", value]]) {
      row.append(Object.assign(document.createElement(kind), { textContent: text }));
    }
    return row;
  }));
}

function findings(list, lines) {
  list.replaceChildren(...lines.map(([text, bad]) => {
    const line = Object.assign(document.createElement("p"), { textContent: text });
    line.dataset.bad = bad ? "True" : "False";
    return line;
  }));
}

// --- switches: cookies, so that the server writes the next page as chosen

for (const name of ["language", "theme"]) {
  for (const choice of document.querySelectorAll(`input[name="${name}"]`)) {
    choice.addEventListener("change", () => {
      document.cookie = `ganbaru-${name}=${choice.value}; path=/; max-age=31536000; samesite=lax`;
      if (name === "language") location.reload();
    });
  }
}

// --- sample grids: the newest, or the one at the slider

class Pictures {
  constructor(section) {
    this.section = section;
    this.numbers = JSON.parse(section.dataset.numbers);
    this.slider = section.querySelector('[data-control="slider"]');
    this.button = section.querySelector('[data-control="run"]');
    this.timer = 0;
    this.slider.addEventListener("input", () => { this.pause(); this.draw(); });
    this.button.addEventListener("click", () => (this.timer ? this.pause() : this.run()));
  }

  update(numbers) {
    const newest = Number(this.slider.value) >= this.numbers.length - 1;
    this.numbers = numbers;
    this.slider.max = Math.max(0, numbers.length - 1);
    show(this.section, "grids", numbers.length > 1);
    if (newest && !this.timer) {
      this.slider.value = this.slider.max;
      this.draw();
    }
  }

  draw() {
    const number = this.numbers[Number(this.slider.value)];
    if (number === undefined) return Promise.resolve();
    const after = number.toLocaleString("en-US");
    fill(this.section, "caption", (caption) => {
      caption.textContent = caption.dataset.text.replace("{0}", after);
      this.slider.setAttribute("aria-valuetext", caption.textContent);
    });
    return grid(this.section, number, after);
  }

  async run() {
    this.button.textContent = this.button.dataset.pause;
    if (this.slider.value === this.slider.max) this.slider.value = 0;
    const turn = (this.timer = Date.now());
    while (this.timer === turn) {
      await this.draw();
      await new Promise((resume) => { setTimeout(resume, 150); });
      if (this.timer !== turn) return;
      if (this.slider.value === this.slider.max) this.pause();
      else this.slider.value = Number(this.slider.value) + 1;
    }
  }

  pause() {
    this.timer = 0;
    this.button.textContent = this.button.dataset.runThrough;
  }
}

// Shows a grid once it is decoded, which avoids flicker.
function grid(root, number, after) {
  const waits = [];
  fill(root, "grid", (image) => {
    const address = `${image.dataset.grids}${number}.png`;
    if (image.getAttribute("src") === address) return;
    const next = new Image();
    next.src = address;
    waits.push(next.decode().then(() => {
      image.src = address;
      image.alt = after;
      image.hidden = false;
      show(root, "no-grid", false);
    }, () => {}));
  });
  return Promise.all(waits);
}

const section = document.querySelector(".pictures");
const pictures = section && new Pictures(section);

// --- a run

function update(root, run) {
  fill(root, "state", (part) => {
    part.textContent = run.state_text;
    part.dataset.state = run.state;
  });
  say();
  fill(root, "summary", (part) => { part.textContent = run.summary; });
  fill(root, "share", (part) => { part.value = run.share; });
  for (const what of ["ready", "film", "report"]) show(root, what, run[what]);
  show(root, "waiting", !run.ready);
  if (run.findings) fill(root, "findings", (list) => findings(list, run.findings));
  if (run.facts) fill(root, "facts", (list) => facts(list, run.facts));
  if (run.charts) {
    fill(root, "charts", (part) => { part.innerHTML = run.charts; }); // the server's own SVG
    show(root, "no-charts", false);
  }
  if (pictures) pictures.update(run.grids);
  else if (run.grids.length) grid(root, run.grids.at(-1), run.grids.at(-1).toLocaleString("en-US"));
}

// Shows the state of the connection; that it updates only while a run learns.
function say(state = connection.dataset.state) {
  const learning = document.querySelector('.state:is([data-state="training"], [data-state="starting"])');
  connection.dataset.state = state;
  connection.textContent = state === "connected" && !learning ? "" : connection.dataset[state];
}

if (page.dataset.events) {
  const events = new EventSource(page.dataset.events);
  events.onopen = () => say("connected");
  events.onerror = () => say("lost"); // the browser reconnects by itself
  events.onmessage = (event) => {
    for (const [name, run] of Object.entries(JSON.parse(event.data))) {
      const root = page.dataset.run ? page : document.querySelector(`[data-run="${name}"]`);
      if (root) update(root, run);
    }
  };
}
