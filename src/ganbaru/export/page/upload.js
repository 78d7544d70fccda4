// A picture of the reader's, which the service finds among the generator's images.

const DETAIL = 4; // pixels that are sent for each of the generator's, along the shorter side
const LONGEST = 1024; // pixels of the longer side that are sent: a body may have 1 MiB

// The image found, as a worker's input; sliders move it as they move the images of seeds.
const ownPoint = () => ({ ...state.own, truncation: 1, shifts: state.shifts });

// Returns a picture file as PNG in base64, smaller if it is large.
async function encodedPicture(file) {
  const picture = await createImageBitmap(file);
  const { width, height } = picture;
  const scale = Math.min(1, (DETAIL * Math.max(WIDTH, HEIGHT)) / Math.min(width, height), LONGEST / Math.max(width, height));
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height].map((side) => Math.max(1, Math.round(scale * side)));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvas.toDataURL("image/png").split(",")[1];
}

// Sends a picture; returns what the service found, or undefined after saying why not.
async function found(file) {
  const refuse = (key) => byId("own-note").textContent = say(key);
  let picture;
  try {
    picture = await encodedPicture(file);
  } catch {
    refuse("uploadWrong");
    return undefined;
  }
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch(model.projections, { method: "POST", headers, body: JSON.stringify({ picture }) });
    if (answer.ok) return await answer.json();
    refuse(answer.status === 422 || answer.status === 413 ? "uploadWrong" : "uploadLater");
  } catch {
    refuse("uploadLater");
  }
  return undefined;
}

async function upload() {
  const [file] = byId("own-file").files;
  if (!file) return;
  byId("own-file").disabled = true;
  byId("own-note").textContent = say("searching");
  const answer = await found(file);
  byId("own-file").disabled = false;
  byId("own-file").value = ""; // so that the same file can be chosen again
  if (!answer) return;
  const { latent, weights, error, finished } = answer;
  byId("own-picture").src = `data:image/png;base64,${answer.picture}`;
  change({ own: { latent, weights, error, finished } });
  showOwn();
}

// Shows the picture beside the image found.
function showOwn() {
  byId("own").hidden = !model.projections;
  byId("own-found").hidden = state.own === null;
  if (state.own === null) return;
  byId("own-picture").alt = say("yourPicture");
  byId("own-note").textContent = say("ownError", (255 * state.own.error).toFixed(1), state.own.finished);
  show(byId("own-image"), [ownPoint()]);
}

function listenToUpload() {
  byId("own-file").addEventListener("change", upload);
  byId("own-first").addEventListener("click", () => { state.ownFirst = true; choose("morph"); });
  byId("own-second").addEventListener("click", () => { state.ownSecond = true; choose("morph"); });
}
