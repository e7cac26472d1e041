"use strict";
// Flat pictures that are zoomed, read out and swiped together.

const MAX_ZOOM = 64;
const DIVIDER_REACH = 24; // CSS pixels within which the divider is grabbed

// What one figure shows: a raster or the difference of two, maybe under false colours.
class Layer {
  constructor(figure) {
    const { raster, minus, white, counts, deviation, truth } = figure.dataset;
    this.caption = figure.querySelector(".name").textContent;
    this.run = figure.dataset.run;
    this.raster = Raster.named(raster);
    this.minus = minus && Raster.named(minus);
    this.white = white?.split(" ").map(Number); // from which the subtracted one is clipped
    this.counts = counts && Raster.named(counts);
    this.deviation = deviation && Raster.named(deviation);
    this.truth = truth && Raster.named(truth);
    this.marks = []; // points of the unit square, and their numbers
    this.overlay = null; // an image that takes its place
    this.canvas = document.createElement("canvas");
  }

  // Show the difference from the truth, where that is known, or the map itself.
  compare(isOn) {
    this.minus = isOn ? this.truth : undefined;
  }

  paint() {
    if (this.minus) this.raster.paintDifference(this.canvas, this.minus, this.white, this.counts);
    else this.raster.paint(this.canvas);
  }

  // The values at a point, as text.
  read(u, v) {
    let values = this.raster.at(u, v);
    if (this.minus) {
      const others = this.minus.at(u, v);
      values = values.map((value, k) => value - others[k]);
    }
    const errors = this.minus ? null : this.deviation?.at(u, v);
    return values.map((x, k) => written(x) + (errors ? ` ± ${written(errors[k])}` : "")).join("  ");
  }
}

// A canvas in place of a figure's picture; it shows one layer, or two with a divider.
class Pane {
  constructor(group, figure, layers) {
    Object.assign(this, { group, figure, layers });
    this.output = figure.querySelector("output");
    this.canvas = canvasInPlaceOf(figure, "arrow keys move the read-out, + and − zoom, 0 shows all");
    const { width, height } = layers[0].raster;
    this.canvas.style.aspectRatio = `${width} / ${height}`;
    figure.style.maxWidth = `calc(85vh * ${width / height})`;
    this.#listen();
  }

  get isSwiped() {
    return this.layers.length === 2;
  }

  draw() {
    const { canvas, group } = this;
    const context = fitToScreen(canvas);
    const { zoom, x, y } = group.view;
    const [width, height] = [canvas.width * zoom, canvas.height * zoom];
    const [left, top] = [canvas.width / 2 - x * width, canvas.height / 2 - y * height];
    const divider = this.isSwiped ? group.divider * canvas.width : canvas.width;
    this.layers.forEach((layer, side) => {
      context.save();
      context.beginPath();
      context.rect(side * divider, 0, side ? canvas.width - divider : divider, canvas.height);
      context.clip();
      context.imageSmoothingEnabled = width < 2 * layer.raster.width;
      context.drawImage(layer.overlay ?? layer.canvas, left, top, width, height);
      group.grid?.(context, layer.raster, { left, top, width, height });
      if (!layer.overlay) this.#drawMarks(context, layer, { left, top, width, height });
      context.restore();
    });
    group.outline?.(context, { left, top, width, height });
    if (this.isSwiped) drawDivider(context, divider);
    if (group.cursor) this.#drawCursor(context, { left, top, width, height });
    this.output.textContent = group.cursor
      ? this.layers.map((layer) => layer.read(...group.cursor)).join("  |  ")
      : "";
  }

  #drawMarks(context, layer, frame) {
    const scale = devicePixelRatio;
    context.font = `600 ${11 * scale}px system-ui, sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const { number, point: [u, v] } of layer.marks) {
      const [x, y] = [frame.left + u * frame.width, frame.top + v * frame.height];
      outlined(context, () => {
        context.beginPath();
        context.arc(x, y, 9 * scale, 0, 2 * Math.PI);
        context.stroke();
      });
      context.lineWidth = 3 * scale;
      context.strokeStyle = "#000";
      context.strokeText(number, x, y);
      context.fillStyle = "#fff";
      context.fillText(number, x, y);
    }
  }

  #drawCursor(context, frame) {
    const { raster } = this.layers[0];
    const [column, row] = raster.pixel(...this.group.cursor);
    const [w, h] = [frame.width / raster.width, frame.height / raster.height];
    const size = Math.max(w, h, 7 * devicePixelRatio);
    const [x, y] = [frame.left + (column + 0.5) * w, frame.top + (row + 0.5) * h];
    outlined(context, () => context.strokeRect(x - size / 2, y - size / 2, size, size));
  }

  #listen() {
    const { canvas, group } = this;
    let movesDivider = false;
    listenToGestures(canvas, {
      press: (point) => {
        const isNear = Math.abs(point[0] - group.divider) * canvas.clientWidth < DIVIDER_REACH;
        movesDivider = this.isSwiped && (isNear || group.view.zoom === 1);
        group.setCursor(this.#point(...point));
      },
      drag: ([dx, dy], point) => {
        if (movesDivider) group.setDivider(point[0]);
        else group.pan(-dx, -dy);
        group.setCursor(this.#point(...point));
      },
      zoom: (factor, point) => group.zoom(factor, this.#point(...point)),
      click: (point) => group.pick(this.#point(...point)),
      hover: (point) => group.setCursor(point && this.#point(...point)),
    });
    canvas.addEventListener("keydown", (event) => this.#key(event));
  }

  #key(event) {
    const { group } = this;
    const step = event.shiftKey ? 10 : 1;
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key in moves) {
      const { raster } = this.layers[0];
      const [column, row] = raster.pixel(...(group.cursor ?? [group.view.x, group.view.y]));
      const [dx, dy] = moves[event.key].map((d) => d * step);
      const inside = (x) => Math.min(Math.max(x, 0), 1);
      group.follow([
        inside((column + dx + 0.5) / raster.width),
        inside((row + dy + 0.5) / raster.height),
      ]);
    } else if (event.key === "Enter" && group.cursor) group.pick(group.cursor);
    else if (event.key === "+" || event.key === "=") group.zoom(2, group.cursor);
    else if (event.key === "-") group.zoom(0.5, group.cursor);
    else if (event.key === "0") group.zoom(0);
    else return;
    event.preventDefault();
  }

  // The point of the picture that is shown at fractions of the canvas.
  #point(x, y) {
    const { zoom, x: centreX, y: centreY } = this.group.view;
    return [centreX + (x - 0.5) / zoom, centreY + (y - 0.5) / zoom];
  }
}

// The panes of a section. They show the same part, and the read-out stands at the same point.
class PaneGroup {
  view = { zoom: 1, x: 0.5, y: 0.5 };
  cursor = null;
  divider = 0.5;
  describe = (u, v) => this.#pixelName(u, v); // what the read-out calls a point
  pick = () => {}; // called with a point that was clicked
  grid = null; // draws over each pane, below what is marked
  outline = null; // draws over each pane

  constructor(section) {
    this.section = section;
    const figures = [...section.querySelectorAll("figure.pane")];
    this.layers = figures.map((figure) => new Layer(figure));
    this.panes = figures.map((figure, k) => new Pane(this, figure, [this.layers[k]]));
    this.place = section.querySelector("output.place");
    this.placeText = this.place.textContent;
    this.#listen();
    this.repaint();
    display.onChange.push(() => this.repaint());
    new ResizeObserver(() => this.redraw()).observe(section);
  }

  // Paint all layers anew, when they are shown in another way.
  repaint() {
    this.isStale = true;
    this.redraw();
  }

  // Draw all panes at the next chance.
  redraw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      if (this.isStale) this.layers.forEach((layer) => layer.paint());
      this.isStale = false;
      const isSwiped = Boolean(this.swiped) && !this.swiped.figure.hidden;
      (isSwiped ? [this.swiped] : this.panes).forEach((pane) => pane.draw());
      this.place.textContent = this.cursor ? this.describe(...this.cursor) : this.placeText;
    });
  }

  setCursor(point) {
    const isInside = point && point.every((x) => x >= 0 && x <= 1);
    this.cursor = isInside ? point : null;
    this.redraw();
  }

  setDivider(x) {
    this.divider = Math.min(Math.max(x, 0), 1);
    this.slider.value = this.divider;
    this.redraw();
  }

  // Move the read-out, and the view if it would leave it.
  follow([u, v]) {
    this.setCursor([u, v]);
    const reach = 0.45 / this.view.zoom;
    this.moveTo(
      Math.min(Math.max(this.view.x, u - reach), u + reach),
      Math.min(Math.max(this.view.y, v - reach), v + reach),
    );
  }

  // Move the view by fractions of the canvas.
  pan(dx, dy) {
    this.moveTo(this.view.x + dx / this.view.zoom, this.view.y + dy / this.view.zoom);
  }

  moveTo(x, y) {
    const margin = 0.5 / this.view.zoom;
    const inside = (t) => Math.min(Math.max(t, margin), 1 - margin);
    Object.assign(this.view, { x: inside(x), y: inside(y) });
    this.redraw();
  }

  // Zoom by a factor (0 shows all) so that a point stays where it is.
  zoom(factor, point) {
    const { zoom, x, y } = this.view;
    const [u, v] = point ?? [x, y];
    this.view.zoom = Math.min(Math.max(zoom * factor, 1), MAX_ZOOM);
    const part = zoom / this.view.zoom;
    this.moveTo(u + (x - u) * part, v + (y - v) * part);
    this.section.classList.toggle("is-zoomed", this.view.zoom > 1);
  }

  #pixelName(u, v) {
    const [column, row] = this.layers[0].raster.pixel(u, v);
    return `Pixel ${column}, ${row}`;
  }

  #listen() {
    const factors = { in: 2, out: 0.5, all: 0 };
    for (const button of this.section.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.zoom(factors[button.dataset.zoom]));
    }
    const box = this.section.querySelector("[data-swipe]");
    if (!box) return;
    if (this.layers.length < 2) box.parentElement.hidden = true;
    box.addEventListener("change", () => this.#swipe(box.checked));
  }

  #swipe(isOn) {
    this.swiped ??= this.#makeSwiped();
    this.swiped.figure.hidden = !isOn;
    this.section.querySelector(".swipe-sides").hidden = !isOn;
    this.panes.forEach((pane) => (pane.figure.hidden = isOn));
    this.redraw();
  }

  // A large pane of two layers, which two menus choose, with a slider for the divider.
  #makeSwiped() {
    const figure = document.createElement("figure");
    figure.className = "pane swipe";
    figure.innerHTML = `<img alt="" hidden>
      <input type="range" min="0" max="1" step="0.001" value="0.5" aria-label="Divider">
      <figcaption><span class="name"></span> <output></output></figcaption>`;
    this.panes[0].figure.before(figure);
    this.slider = figure.querySelector("input");
    this.slider.addEventListener("input", () => this.setDivider(Number(this.slider.value)));
    const pane = new Pane(this, figure, this.layers.slice(0, 2));
    const name = () => {
      const text = pane.layers.map((layer) => layer.caption).join(" | ");
      figure.querySelector(".name").textContent = text;
    };
    name();
    for (const side of [0, 1]) {
      const menu = this.section.querySelectorAll("[data-side]")[side];
      menu.append(...this.layers.map((layer, k) => new Option(layer.caption, k)));
      menu.value = side;
      menu.addEventListener("change", () => {
        pane.layers[side] = this.layers[menu.value];
        name();
        this.redraw();
      });
    }
    return pane;
  }
}
