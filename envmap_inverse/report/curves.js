"use strict";
// Loss and error of all runs, against iteration or seconds, by uPlot (vendor/).

const CURVE_HEIGHT = 280;
const FEW = 12; // iterations that are shown as points, too
// Those that a history has; some not in every line.
const QUANTITIES = {
  loss: "Loss",
  error: "Sum of squared errors of the map",
  log_rmse: "Log RMSE of the map",
  angular_mean_deg: "Mean colour angle of the map, degrees",
  irradiance: "Irradiance of a surface that faces it, W/m²",
  azimuth: "Azimuth, degrees",
  elevation: "Elevation, degrees",
};

class Curves {
  constructor(section, runs) {
    this.box = section.querySelector(".plots");
    this.runs = runs;
    this.across = section.querySelector("#across");
    this.log = section.querySelector("#log");
    this.marked = runs.map(() => null); // iteration of each run that is marked
    this.plots = [];
    this.across.addEventListener("change", () => this.rebuild());
    this.log.addEventListener("change", () => this.rebuild());
    const factors = { in: 0.5, out: 2, all: Infinity };
    for (const button of section.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.#zoom(factors[button.dataset.zoom]));
    }
    new ResizeObserver(() => this.#resize()).observe(this.box);
    this.rebuild();
  }

  // Mark an iteration of a run in all plots.
  mark(run, index) {
    this.marked[run] = index;
    this.redraw();
  }

  rebuild() {
    this.plots.forEach((plot) => plot.destroy());
    const shown = Object.keys(QUANTITIES).flatMap((key) => this.#families(key));
    const boxes = shown.map(() => document.createElement("div"));
    this.box.replaceChildren(...boxes);
    this.plots = shown.map((family, k) => this.#plot(family, boxes[k]));
  }

  // The runs whose values of a quantity can be compared, each with a plot: all, but for losses.
  #families(key) {
    const known = this.runs.filter(({ history }) => history.some((line) => hasValue(line, key)));
    const kindOf = (run) => (key === "loss" ? run.lossKind : "");
    const kinds = [...new Set(known.map(kindOf))];
    return kinds.map((kind) => {
      const name = kinds.length > 1 ? `, ${kind.split(":")[0]}` : "";
      return { key, title: QUANTITIES[key] + name, runs: known.filter((run) => kindOf(run) === kind) };
    });
  }

  // Show histories that have grown; a plot that is zoomed stays where it is.
  update() {
    for (const plot of this.plots) {
      const [across] = plot.data;
      const { min, max } = plot.scales.x;
      const isWhole = min <= across[0] && max >= across[across.length - 1];
      plot.setData(this.#table(plot.family), isWhole);
      if (!isWhole) plot.redraw();
    }
  }

  // Draw anew. A plot that has not been drawn yet will be; uPlot would lose its scales.
  redraw() {
    const isReady = 1;
    this.plots.filter(({ status }) => status === isReady).forEach((plot) => plot.redraw());
  }

  #plot(family, box) {
    const across = this.across.value;
    const name = this.across.selectedOptions[0].textContent;
    const isLog = this.log.checked;
    const text = (value) => (value === null ? "–" : written(value, 4));
    const place = (x) => (x === null || across === "seconds" ? text(x) : String(x));
    const series = family.runs.map((run) => ({
      label: run.name,
      stroke: () => themed(`--series-${this.runs.indexOf(run) % 8}`),
      width: 2,
      spanGaps: true,
      points: { show: () => run.history.length < FEW, size: 6 },
      value: (_, y) => text(y),
    }));
    const axis = {
      stroke: () => themed("--muted"),
      grid: { stroke: () => themed("--line"), width: 1 },
      ticks: { show: false },
    };
    const options = {
      title: family.title,
      width: box.clientWidth,
      height: CURVE_HEIGHT,
      cursor: { sync: { key: "curves" } },
      scales: { x: { time: false }, y: isLog ? LOG_SCALE : {} },
      series: [{ label: name, value: (_, x) => place(x) }, ...series],
      axes: [
        { ...axis, label: name, labelSize: 20, size: 36, ...(across === "index" && WHOLE) },
        { ...axis, size: 64, values: (_, ticks) => ticks.map(tickText), ...(isLog && LOG_AXIS) },
      ],
      hooks: { draw: [(plot) => this.#drawMarks(plot, family)] },
    };
    return Object.assign(new uPlot(options, this.#table(family), box), { family });
  }

  // What uPlot draws.
  #table({ key, runs }) {
    const across = this.across.value;
    // A logarithm has no place for what is not above 0.
    const shown = (y) => (this.log.checked && !(y > 0) ? null : y);
    const tables = runs.map(({ history }) => [
      history.map((line) => line[across]),
      history.map((line) => shown(line[key] ?? null)),
    ]);
    return uPlot.join(tables);
  }

  #drawMarks(plot, { key, runs }) {
    const { ctx } = plot;
    runs.forEach((run) => {
      const k = this.runs.indexOf(run);
      const line = run.history.find(({ index }) => index === this.marked[k]);
      if (!line || !hasValue(line, key)) return;
      const x = plot.valToPos(line[this.across.value], "x", true);
      const y = plot.valToPos(line[key], "y", true);
      ctx.save();
      ctx.beginPath();
      const { left, top, width, height } = plot.bbox;
      const rim = 8 * devicePixelRatio;
      ctx.rect(left - rim, top - rim, width + 2 * rim, height + 2 * rim);
      ctx.clip();
      ctx.beginPath();
      ctx.arc(x, y, 6 * devicePixelRatio, 0, 2 * Math.PI);
      ctx.lineWidth = 2 * devicePixelRatio;
      ctx.strokeStyle = themed(`--series-${k % 8}`);
      ctx.fillStyle = themed("--page");
      ctx.fill();
      ctx.stroke();
      ctx.restore();
    });
  }

  #zoom(factor) {
    for (const plot of this.plots) {
      const all = plot.data[0];
      const [least, most] = [all[0], all[all.length - 1]];
      const { min, max } = plot.scales.x;
      const [middle, half] = [(min + max) / 2, ((max - min) / 2) * factor];
      plot.setScale("x", {
        min: Math.max(least, middle - half),
        max: Math.min(most, middle + half),
      });
    }
  }

  #resize() {
    for (const plot of this.plots) {
      const width = plot.root.parentElement.clientWidth;
      if (width && width !== plot.width) plot.setSize({ width, height: CURVE_HEIGHT });
    }
  }
}

// In place of whole decades, which would flatten what is less than one.
const LOG_SCALE = { distr: 3, range: (_, low, high) => [low / 1.15, high * 1.15] };

// Iterations are counted.
const WHOLE = { incrs: [0, 1, 2, 3, 4, 5, 6].flatMap((k) => [1, 2, 5].map((d) => d * 10 ** k)) };

// Lines at 1 to 9 times the powers of ten, or closer where those are few, labelled as far as there is
// room.
const LOG_AXIS = {
  splits: (_, axis, low, high) => {
    const lines = [];
    for (let power = 10 ** Math.floor(Math.log10(low)); power <= high; power *= 10) {
      for (let k = 1; k < 10; k++) lines.push(k * power);
    }
    const inside = lines.filter((y) => y >= low && y <= high);
    return inside.length < 3 ? evenLines(low, high) : inside;
  },
  filter: (_, lines) => {
    const labelled = lines.length < 7 ? "123456789" : lines.length < 20 ? "125" : "1";
    return lines.map((y) => (labelled.includes(y.toExponential(0)[0]) ? y : null));
  },
};

// A few round numbers between two.
function evenLines(low, high) {
  const power = 10 ** Math.floor(Math.log10((high - low) / 4));
  const step = power * [1, 2, 5, 10].find((k) => k * power >= (high - low) / 4);
  const lines = [];
  for (let k = Math.ceil(low / step); k * step <= high; k++) lines.push(k * step);
  return lines;
}

function hasValue(line, key) {
  return (line[key] ?? null) !== null;
}

function tickText(y) {
  const isTiny = y !== 0 && Math.abs(y) < 1e-3;
  const digits = { maximumSignificantDigits: 4 };
  return y === null ? "" : isTiny ? Number(y.toPrecision(4)).toExponential() : y.toLocaleString("en", digits);
}

// A colour of the style sheet in the present theme, for uPlot, which draws on a canvas.
function themed(name) {
  const probe = document.createElement("span");
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}
