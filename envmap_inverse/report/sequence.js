"use strict";
// The page of a sequence: a scrubber over its frames, and the curves of its lights.

const root = document.documentElement;
root.classList.add("is-scripted");
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function begin() {
  if (data.isRelative) QUANTITIES.irradiance = "Irradiance of a surface that faces it, relative";
  const curves = data.lights.length > 0 && new Curves(byId("curves"), data.lights);
  const scrubber = new Scrubber(byId("iterations"), data.runs);
  scrubber.onChange = (_, index) => {
    if (curves) data.lights.forEach((_, light) => curves.mark(light, index));
  };
  listenToTheme(curves ? [curves] : []);
}

begin();
