// A pool of workers, one for each core, each with the whole generator.

const MAX_WORKERS = 4;
const MAX_BYTES = 96e6; // of base64 text over all workers; each also decodes it

const byId = (id) => document.getElementById(id);
const model = JSON.parse(byId("model").textContent);

// Returns `request(lane, task, data)`, the promise of a worker's result. A lane has one waiting
// request: a later one replaces it unless it has started, and its promise gives undefined.
// `busy(value)` is called with the first request and after the last result.
function pool(busy) {
  const [content, code, source] = ["content", "code", "worker"].map((id) => byId(id).textContent.trim());
  const cores = navigator.hardwareConcurrency || 2;
  const count = Math.max(1, Math.min(cores, MAX_WORKERS, Math.floor(MAX_BYTES / content.length)));
  const waiting = new Map();
  const running = new Map();
  const idle = [];
  let number = 0;

  function answer(worker, { data }) {
    const { settle, refuse } = running.get(data.id);
    running.delete(data.id);
    if (data.error) refuse(new Error(data.error));
    else settle(data.result);
    idle.push(worker);
    next();
    rest();
  }

  // Reports idleness, after the last result has been received.
  function rest() {
    setTimeout(() => {
      if (!running.size && !waiting.size) busy(false);
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
    running.set(++number, { settle, refuse });
    worker.postMessage({ id: number, ...message });
  }

  function request(lane, task, data) {
    return new Promise((settle, refuse) => {
      if (!running.size && !waiting.size) busy(true);
      waiting.get(lane)?.settle(undefined);
      waiting.set(lane, { settle, refuse, task, ...data });
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

  // Cancels the requests that have not started.
  function forget() {
    for (const { settle } of waiting.values()) settle(undefined);
    waiting.clear();
    rest();
  }

  return { request, count, ready: Promise.all(started()), forget, rest };
}
