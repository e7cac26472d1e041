"use strict";
// The live view: asks for the run's state once a second and shows it.

const POLL_EVERY = 1000; // milliseconds
const FEW_STEPS = 20; // fewer take unlike times each, so that none foretells the rest

const root = document.documentElement;
const byId = (id) => document.getElementById(id);
const known = [];
let next = 0; // number of the first iteration that is not known yet
let shown = null; // what the pictures show: their iteration, and stops of exposure
let last = null; // the last state that came
let curves = null;

async function poll() {
  let isOver = false;
  try {
    const answer = await fetch(`state.json?after=${next}`);
    if (!answer.ok) throw new Error(answer.statusText);
    isOver = show(await answer.json());
  } catch {
    byId("status").textContent =
      `The run does not answer: it has ended, or the connection is lost. ` +
      `Its results and report are in ${last?.folder ?? "its folder"}. Trying again.`;
    byId("doing").textContent = "";
    if (last) showLeft({ ...last, files: [], hasReport: false });
  }
  if (!isOver) setTimeout(poll, POLL_EVERY);
}

// Returns whether this was the end.
function show(state) {
  last = state;
  const { status, folder } = state;
  if (status === "done" && state.hasReport) {
    location.replace("report.html");
    return true;
  }
  const isOver = status !== "running";
  next = state.next;
  document.title = folder;
  byId("folder").textContent = folder;
  byId("status").textContent = isOver
    ? `The run has ended (${status}). What there is of it is in ${folder}:`
    : "The run goes on; this page follows it, and becomes its report at the end. " +
      `The address ends with the command; the report stays in ${folder}.`;
  byId("left").hidden = !isOver;
  if (isOver) showLeft(state);
  if (state.counted === "frames") nameFrames();
  showDoing(isOver ? null : state.doing, state.steps);
  showWorkers(isOver ? [] : state.workers);
  showPictures(state);
  if (state.lines.length) showLines(state.lines, state.steps);
  return isOver;
}

// A sequence has frames in place of iterations: each has its own picture.
function nameFrames() {
  byId("counted").textContent = byId("across").options[0].textContent = "frames";
  byId("image").closest(".panes").classList.add("frames");
  byId("image").nextElementSibling.textContent = byId("image").alt = "Frame";
}

// What the run does now, such as reading and writing files, and how long that may take.
function showDoing(doing, steps) {
  const words = doing ? [doing.name] : [];
  if (doing?.detail) words.push(doing.detail);
  if (doing?.share) words.push(`${Math.round(100 * doing.share)} %`);
  const isEven = doing?.name !== "Solving" || steps >= FEW_STEPS;
  if (isEven && doing?.share > 0.005 && doing.share < 1 && doing.seconds > 1) {
    const seconds = (doing.seconds * (1 - doing.share)) / doing.share;
    words.push(`about ${seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`} left`);
  }
  byId("doing").textContent = words.length ? `${words.join(", ")}.` : "";
  // Nothing says how far the reading of files is: the bar moves to and fro.
  if (next === 0 && doing) setProgress(doing.share);
}

// Each worker: what it does, how much of its part is recorded, and how often it was started again.
function showWorkers(workers) {
  const list = byId("workers");
  const asked = JSON.stringify(workers);
  if (list.dataset.shown === asked) return;
  list.dataset.shown = asked;
  list.hidden = workers.length === 0;
  list.replaceChildren(...workers.map(lineOfWorker));
  list.tabIndex = list.scrollHeight > list.clientHeight ? 0 : -1; // keys scroll it
}

function lineOfWorker({ worker, machine, doing, recorded, shards, bytes, restarts }) {
  const line = document.createElement("li");
  const add = (tag, text) => line.append(Object.assign(document.createElement(tag), { textContent: text }));
  add("b", machine ? `worker ${worker} on ${machine}` : `worker ${worker}`);
  add("span", `${doing}, ${recorded} of ${shards} shard${shards === 1 ? "" : "s"}, ${sizeOf(bytes)}`);
  const times = restarts === 2 ? " twice" : restarts > 2 ? ` ${restarts} times` : "";
  if (restarts) add("strong", `started again${times}`);
  return line;
}

function sizeOf(bytes) {
  const [size, unit] = bytes < 2 ** 30 ? [bytes / 2 ** 20, "MiB"] : [bytes / 2 ** 30, "GiB"];
  return `${size ? written(size, 3) : 0}\u00a0${unit}`;
}

function setProgress(share) {
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

// The files that a stopped run leaves, and how to go on.
function showLeft({ files, hasReport, resume }) {
  const left = byId("left");
  left.hidden = false;
  const names = hasReport ? ["report.html", ...files] : files;
  left.querySelector(".files").replaceChildren(
    ...names.flatMap((name) => {
      const link = document.createElement("a");
      [link.href, link.textContent] = [name, name];
      return [link, " "];
    }),
  );
  left.querySelector("pre").textContent = resume;
  left.querySelectorAll(".resume").forEach((element) => (element.hidden = !resume));
}

function showPictures({ pictures, shown: index }) {
  const stops = Number(byId("exposure").value);
  byId("stops").textContent = `${stops < 0 ? "−" : "+"}${Math.abs(stops).toFixed(1)} EV`;
  const asked = `${index}&stops=${stops}&of=${pictures.length}`;
  if (asked === shown) return;
  shown = asked;
  byId("pictures").hidden = pictures.length === 0;
  for (const name of ["reference", "image", "map"]) {
    const isThere = pictures.includes(`${name}.jpg`);
    byId(name).parentElement.hidden = !isThere;
    if (isThere) byId(name).src = `${name}.jpg?at=${asked}`;
  }
}

function showLines(lines, steps) {
  known.push(...lines);
  const line = lines[lines.length - 1];
  const count = line.index + 1;
  byId("iteration").textContent = steps ? `${count} of ${steps}` : String(count);
  setProgress(steps ? count / steps : null);
  byId("seconds").textContent = line.seconds.toFixed(1);
  for (const key of ["loss", "error"]) {
    byId(key).parentElement.hidden = !hasValue(line, key);
    if (hasValue(line, key)) byId(key).textContent = written(line[key], 4);
  }
  byId("curves").hidden = false;
  if (curves) curves.update();
  else curves = new Curves(byId("curves"), [{ name: "run", history: known }]);
}

byId("exposure").addEventListener("input", () => last && showPictures(last));
listenToTheme([{ redraw: () => curves?.redraw() }]);
poll();
