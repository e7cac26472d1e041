"use strict";
// How much of the pictures of a section has which luminance.

const BINS_PER_STOP = 4;

class Histogram {
  constructor(details, layers, { isMap = false } = {}) {
    Object.assign(this, { details, isMap });
    this.box = details.querySelector(".plots");
    this.groups = new Map(); // layers by their captions without numbers
    for (const layer of layers.filter(({ minus }) => !minus)) {
      const name = layer.caption.replace(/ \d+$/, "");
      this.groups.set(name, [...(this.groups.get(name) ?? []), layer.raster]);
    }
    details.addEventListener("toggle", () => this.show());
    display.onChange.push(() => this.show());
    new ResizeObserver(() => this.show()).observe(this.box);
  }

  // Draw it, if it is open.
  show() {
    if (!this.details.open || !this.box.clientWidth) return;
    this.counts ??= [...this.groups.values()].map((rasters) => this.#count(rasters));
    this.plot?.destroy();
    this.plot = new uPlot(this.#options(), this.#table(), this.box);
  }

  redraw() {
    const isReady = 1; // else uPlot would lose its scales
    if (this.plot?.status === isReady) this.plot.redraw();
  }

  // The share of pixels in each bin of the logarithm of luminance; of a map, of the sphere.
  #count(rasters) {
    const counts = new Map();
    let total = 0;
    for (const raster of rasters) {
      for (let row = 0; row < raster.height; row++) {
        const [, elevation] = raster.direction(0, (row + 0.5) / raster.height);
        const weight = this.isMap ? Math.cos((elevation * Math.PI) / 180) : 1;
        for (let column = 0; column < raster.width; column++) {
          const first = 3 * (row * raster.width + column);
          const [r, g, b] = [0, 1, 2].map((k) => HALF_TO_FLOAT[raster.halves[first + k]] * raster.scale);
          const bin = Math.floor(Math.log2(luminance(r, g, b)) * BINS_PER_STOP);
          total += weight;
          if (Number.isFinite(bin)) counts.set(bin, (counts.get(bin) ?? 0) + weight);
        }
      }
    }
    return new Map([...counts].map(([bin, count]) => [bin, (100 * count) / total]));
  }

  // What uPlot draws: for each bin its stops from white, and a share per group.
  #table() {
    const bins = this.counts.flatMap((counts) => [...counts.keys()]);
    const [first, last] = [Math.min(...bins), Math.max(...bins)];
    const all = Array.from({ length: last - first + 1 }, (_, k) => first + k);
    const stops = all.map((bin) => (bin + 0.5) / BINS_PER_STOP + Math.log2(display.exposure));
    const none = this.isMap ? null : 0; // a logarithm has no place for 0
    return [stops, ...this.counts.map((counts) => all.map((bin) => counts.get(bin) ?? none))];
  }

  // Lamps are a small share of the sphere, which a logarithm shows.
  #shareAxis() {
    if (!this.isMap) return { label: "% of the pixels" };
    const values = (_, ticks) => ticks.map(tickText);
    return { label: "% of the sphere", values, ...LOG_AXIS };
  }

  #options() {
    const axis = {
      stroke: () => themed("--muted"),
      grid: { stroke: () => themed("--line"), width: 1 },
      ticks: { show: false },
      labelSize: 20,
    };
    const percent = (_, y) => (y === null ? "–" : `${written(y)} %`);
    const series = [...this.groups.keys()].map((label, k) => ({
      label,
      stroke: () => themed(`--series-${k % 8}`),
      width: 2,
      points: { show: false },
      value: percent,
    }));
    return {
      width: this.box.clientWidth,
      height: 220,
      scales: { x: { time: false }, y: this.isMap ? LOG_SCALE : {} },
      series: [{ label: "stops", value: (_, x) => (x === null ? "–" : x.toFixed(2)) }, ...series],
      axes: [
        { ...axis, label: "luminance, stops above white", size: 36 },
        { ...axis, size: 56, ...this.#shareAxis() },
      ],
      hooks: { draw: [drawWhite] },
    };
  }
}

// A line at the luminance that is shown as white.
function drawWhite(plot) {
  const { ctx, bbox } = plot;
  const x = Math.round(plot.valToPos(0, "x", true));
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.beginPath();
  ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  ctx.strokeStyle = themed("--text");
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
