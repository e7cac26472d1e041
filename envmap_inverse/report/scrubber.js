"use strict";
// The pictures of some iterations, one at a time.

const FRAMES_PER_SECOND = 8;

class Scrubber {
  onChange = () => {}; // called with a run's number and the iteration that is shown

  constructor(section, runs) {
    this.noun = section.dataset.noun ?? "iteration";
    this.slider = section.querySelector("#scrubber");
    this.play = section.querySelector("#play");
    this.rows = [...section.querySelectorAll(".frames")].map((element) => ({
      number: Number(element.dataset.run),
      run: runs[element.dataset.run],
      output: element.querySelector("output"),
      sheets: [...element.querySelectorAll("figure")].map((figure) => new FrameSheet(figure)),
    }));
    this.slider.max = Math.max(...this.rows.map(({ run }) => run.frames.length)) - 1;
    this.slider.value = this.slider.max;
    this.slider.addEventListener("input", () => {
      this.#stop();
      this.show();
    });
    this.play.addEventListener("click", () => (this.timer ? this.#stop() : this.#start()));
    new ResizeObserver(() => this.show()).observe(section);
  }

  show() {
    const share = Number(this.slider.value) / Math.max(Number(this.slider.max), 1);
    for (const { number, run, output, sheets } of this.rows) {
      const frame = Math.round(share * (run.frames.length - 1));
      sheets.forEach((sheet) => sheet.draw(frame));
      const line = run.history.find(({ index }) => index === run.frames[frame]);
      const words = [`${this.noun} ${line.index}`, `${line.seconds.toFixed(2)} s`];
      for (const key of ["loss", "error"]) {
        if (line[key] !== null) words.push(`${key} ${written(line[key], 4)}`);
      }
      output.textContent = words.join(", ");
      this.slider.setAttribute("aria-valuetext", output.textContent);
      this.onChange(number, line.index);
    }
  }

  #start() {
    if (this.slider.value === this.slider.max) this.slider.value = 0;
    this.play.textContent = "Pause";
    this.timer = setInterval(() => {
      this.slider.stepUp();
      this.show();
      if (this.slider.value === this.slider.max) this.#stop();
    }, 1000 / FRAMES_PER_SECOND);
    this.show();
  }

  #stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.play.textContent = "Play";
  }
}

// A figure whose one picture holds many, row by row; a canvas shows one of them.
class FrameSheet {
  constructor(figure) {
    const { columns, width, height } = figure.dataset;
    [this.columns, this.width, this.height] = [columns, width, height].map(Number);
    this.image = figure.querySelector("img");
    this.canvas = document.createElement("canvas");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", this.image.alt.split(" at ")[0]);
    this.canvas.style.aspectRatio = `${width} / ${height}`;
    this.image.hidden = true;
    this.image.after(this.canvas);
  }

  // One of the pictures, mixed with a share of a second one.
  draw(frame, other = frame, share = 0) {
    const context = fitToScreen(this.canvas);
    context.imageSmoothingQuality = "high";
    this.#paint(context, frame, 1);
    if (share > 0) this.#paint(context, other, share);
    context.globalAlpha = 1;
  }

  #paint(context, frame, opacity) {
    const { image, canvas, width, height } = this;
    const left = (frame % this.columns) * width;
    const top = Math.floor(frame / this.columns) * height;
    context.globalAlpha = opacity;
    context.drawImage(image, left, top, width, height, 0, 0, canvas.width, canvas.height);
  }
}
