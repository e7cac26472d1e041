"use strict";
// The live view: asks for the run's state once a second and shows it.

const POLL_EVERY = 1000; // milliseconds

const known = [];
let next = 0; // number of the first iteration that is not known yet
let shown = -1; // iteration of the pictures
let folder = "its folder";
let curves = null;

const element = (id) => document.getElementById(id);

async function poll() {
  let isOver = false;
  try {
    const answer = await fetch(`state.json?after=${next}`);
    if (!answer.ok) throw new Error(answer.statusText);
    isOver = show(await answer.json());
  } catch {
    element("status").textContent =
      `The run does not answer: it has ended, or the connection is lost. ` +
      `Its results and report are in ${folder}. Trying again.`;
  }
  if (!isOver) setTimeout(poll, POLL_EVERY);
}

// Returns whether this was the end.
function show(state) {
  const isOver = state.status !== "running";
  if (isOver && state.hasReport) {
    location.replace("report.html");
    return true;
  }
  ({ folder, next } = state);
  document.title = folder;
  element("folder").textContent = folder;
  element("status").textContent = isOver
    ? `The run has ended (${state.status}). Its results are in ${folder}.`
    : "The run goes on; this page follows it, and becomes its report at the end.";
  showPictures(state.shown);
  if (state.lines.length) showLines(state.lines, state.iterations);
  return isOver;
}

function showPictures(index) {
  if (index === shown) return;
  shown = index;
  for (const name of ["image", "map"]) {
    element(name).src = `${name}.jpg?${index}`;
    element(name).parentElement.hidden = false;
  }
}

function showLines(lines, iterations) {
  known.push(...lines);
  const last = lines[lines.length - 1];
  element("iteration").textContent = `${last.index + 1} of ${iterations}`;
  element("progress").value = (last.index + 1) / iterations;
  element("seconds").textContent = last.seconds.toFixed(1);
  for (const key of ["loss", "error"]) {
    element(key).parentElement.hidden = !hasValue(last, key);
    if (hasValue(last, key)) element(key).textContent = written(last[key], 4);
  }
  element("curves").hidden = false;
  if (curves) curves.update();
  else curves = new Curves(element("curves"), [{ name: "run", history: known }]);
}

poll();
