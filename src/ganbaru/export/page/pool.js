// Workers that draw: as many as there are cores, each with the whole generator.

const AT_MOST = 4; // workers
const ROOM = 96e6; // bytes of text that workers may hold together: each has the weights too

const byId = (id) => document.getElementById(id);
const model = JSON.parse(byId("model").textContent);

// Returns `ask(lane, task, about)`, a promise of a worker's answer. A lane waits for one answer at a
// time: a later question takes the place of one that no worker has begun, whose promise then gives
// undefined. `busy(is)` is called as the first question comes and when the last is answered.
function pool(busy) {
  const [content, code, source] = ["content", "code", "worker"].map((id) => byId(id).textContent.trim());
  const cores = navigator.hardwareConcurrency || 2;
  const count = Math.max(1, Math.min(cores, AT_MOST, Math.floor(ROOM / content.length)));
  const waiting = new Map();
  const asked = new Map();
  const idle = [];
  let number = 0;

  function answer(worker, { data }) {
    const { settle, refuse } = asked.get(data.id);
    asked.delete(data.id);
    if (data.error) refuse(new Error(data.error));
    else settle(data.result);
    idle.push(worker);
    next();
    rest();
  }

  // Tells that there is nothing to do, once those who waited for the last answer have it.
  function rest() {
    setTimeout(() => {
      if (!asked.size && !waiting.size) busy(false);
    });
  }

  function next() {
    while (idle.length && waiting.size) {
      const [lane, job] = waiting.entries().next().value;
      waiting.delete(lane);
      send(idle.pop(), job);
    }
  }

  function send(worker, { settle, refuse, ...message }) {
    asked.set(++number, { settle, refuse });
    worker.postMessage({ id: number, ...message });
  }

  function ask(lane, task, about) {
    return new Promise((settle, refuse) => {
      if (!asked.size && !waiting.size) busy(true);
      waiting.get(lane)?.settle(undefined);
      waiting.set(lane, { settle, refuse, task, ...about });
      next();
    });
  }

  function started() {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    return Array.from({ length: count }, () => {
      const worker = new Worker(url);
      return new Promise((settle, refuse) => {
        worker.onmessage = (event) => answer(worker, event);
        worker.onerror = (event) => refuse(new Error(event.message || "Worker"));
        send(worker, { settle, refuse, task: "begin", model, content, code });
      });
    });
  }

  // Gives up the questions that no worker has begun.
  function forget() {
    for (const { settle } of waiting.values()) settle(undefined);
    waiting.clear();
    rest();
  }

  return { ask, count, ready: Promise.all(started()), forget, rest };
}
