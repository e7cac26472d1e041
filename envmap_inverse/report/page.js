"use strict";
// Bring the page to life. Without this, its pictures and tables stand there all the same.

const root = document.documentElement;
const data = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);

function begin() {
  root.classList.add("is-scripted");
  showGlance();
  listenToDisplay();
  const pictures = byId("picture") && new PaneGroup(byId("picture"));
  new PaneGroup(byId("balls"));
  const maps = new PaneGroup(byId("map"));
  maps.describe = (u, v) => describeDirection(maps.layers[0].raster.direction(u, v));
  const viewers = SphereViewers.of([...document.querySelectorAll("figure.sphere")]);
  root.classList.toggle("has-webgl", viewers !== null);
  if (viewers) tie(maps, viewers);
  listenToGrid(maps);
  listenToOverlays(maps);
  listenToLights(maps, viewers);
  byId("curves")?.querySelector("details").removeAttribute("open");
  const curves = byId("curves") && new Curves(byId("curves"), data.runs);
  if (byId("iterations")) {
    const scrubber = new Scrubber(byId("iterations"), data.runs);
    scrubber.onChange = (run, index) => curves.mark(run, index);
  }
  if (byId("samples")) new SamplePlayer(byId("samples"));
  const histograms = [pictures, maps].filter(Boolean).map((group) => {
    const isMap = group === maps;
    return new Histogram(group.section.querySelector(".histogram"), group.layers, { isMap });
  });
  listenToTheme([...histograms, ...(curves ? [curves] : [])]);
}

// The pictures at the top, which are shown like all others.
function showGlance() {
  for (const image of document.querySelectorAll(".glance img")) {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", image.alt);
    image.replaceWith(canvas);
    display.onChange.push(() => Raster.named(image.dataset.raster).paint(canvas));
  }
}

function listenToDisplay() {
  const [exposure, stops, curve] = ["exposure", "stops", "curve"].map(byId);
  const key = byId("false-key");
  const show = () => {
    const value = Number(exposure.value);
    stops.textContent = `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(1)} EV`;
    display.set({ stops: value, curve: curve.value });
    const [low, high] = [-1, 1].map((sign) => written(2 ** (sign * FALSE_STOPS) / display.exposure));
    key.hidden = curve.value !== FALSE;
    key.querySelector(".low").textContent = low;
    key.querySelector(".high").textContent = high;
  };
  const { exposure: base, gain: differenceGain, ramp } = data;
  Object.assign(display, { base, differenceGain, ramp });
  exposure.addEventListener("input", show);
  exposure.addEventListener("dblclick", () => {
    exposure.value = 0;
    show();
  });
  curve.addEventListener("change", show);
  show();
}

// Maps and viewers: a click turns the viewers there, and the maps show what is in sight.
function tie(maps, viewers) {
  const { raster } = maps.layers[0];
  maps.pick = (point) => viewers.turnTo(...raster.direction(...point));
  viewers.onTurn = () => maps.redraw();
  maps.outline = (context, { left, top, width, height }) => {
    const points = viewers.border().map((direction) => raster.point(...direction));
    outlined(context, () => {
      context.beginPath();
      points.forEach(([u, v], k) => {
        const isJump = k === 0 || Math.abs(u - points[k - 1][0]) > 0.5; // across the map's seam
        context[isJump ? "moveTo" : "lineTo"](left + u * width, top + v * height);
      });
      context.stroke();
    });
  };
}

function describeDirection([azimuth, elevation]) {
  return `Azimuth ${azimuth.toFixed(1)}°, elevation ${elevation.toFixed(1)}°`;
}

function listenToGrid(maps) {
  const box = maps.section.querySelector("[data-grid]");
  box.addEventListener("change", () => {
    maps.grid = box.checked ? drawGrid : null;
    maps.redraw();
  });
}

// The difference from the truth, or coverage and deviation in false colours, in place of the maps.
function listenToOverlays(maps) {
  const menu = maps.section.querySelector("[data-overlay]");
  const [legend, key] = [".legend", ".difference"].map((name) => maps.section.querySelector(name));
  const heats = [...maps.section.querySelectorAll("figure.heat")];
  for (const option of [...menu.options]) {
    const isThere =
      option.value === "difference"
        ? maps.layers.some(({ truth }) => truth)
        : heats.some((heat) => heat.dataset.kind === option.value);
    if (option.value && !isThere) option.remove();
  }
  menu.addEventListener("change", () => {
    const shown = heats.filter((heat) => heat.dataset.kind === menu.value);
    maps.layers.forEach((layer) => {
      const heat = shown.find(({ dataset }) => dataset.run === layer.run);
      layer.overlay = heat?.querySelector("img") ?? null;
      layer.compare(menu.value === "difference");
    });
    key.hidden = menu.value !== "difference";
    legend.replaceChildren(...shown.map((heat) => heat.querySelector(".key").cloneNode(true)));
    legend.hidden = shown.length === 0;
    maps.repaint();
  });
}

// Number the lights on the maps; a click on a row of their table turns the viewers to it.
function listenToLights(maps, viewers) {
  const box = maps.section.querySelector("[data-marks]");
  const tables = [...maps.section.querySelectorAll("table.lights")];
  const rowsOf = (table) => [...table.querySelectorAll("tr[data-azimuth]")];
  const mark = () => {
    maps.layers.forEach((layer, k) => {
      const rows = box.checked ? rowsOf(tables[k]) : [];
      layer.marks = rows.map(({ dataset }) => ({
        number: dataset.number,
        point: layer.raster.point(dataset.azimuth, dataset.elevation),
      }));
    });
    maps.redraw();
  };
  box.addEventListener("change", mark);
  mark();
  if (!viewers) return;
  for (const row of tables.flatMap(rowsOf)) {
    const number = row.querySelector("th");
    const button = document.createElement("button");
    button.textContent = number.textContent;
    button.setAttribute("aria-label", `Look at light ${number.textContent}`);
    button.addEventListener("click", () => {
      viewers.turnTo(Number(row.dataset.azimuth), Number(row.dataset.elevation));
    });
    number.replaceChildren(button);
  }
}

Raster.load().then(begin);
