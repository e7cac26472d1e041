"use strict";
// Maps drawn at random, each fading into the next, round and round while they are in sight.

const SECONDS_PER_SAMPLE = 1.2;

class SamplePlayer {
  constructor(section) {
    this.play = section.querySelector("button");
    this.slider = section.querySelector("input");
    this.isStill = matchMedia("(prefers-reduced-motion: reduce)");
    this.rows = [...section.querySelectorAll("figure")].map((figure) => ({
      sheet: new FrameSheet(figure),
      count: Number(figure.dataset.count),
      output: figure.querySelector("output"),
    }));
    this.count = Math.max(...this.rows.map(({ count }) => count));
    this.slider.max = this.count - 1;
    this.frame = 0;
    this.isWanted = !this.isStill.matches; // until the reader says otherwise
    this.slider.addEventListener("input", () => {
      this.isWanted = false;
      this.#stop();
      this.show(Number(this.slider.value));
    });
    this.play.addEventListener("click", () => {
      this.isWanted = !this.isPlaying;
      if (this.isWanted) this.#start();
      else this.#stop();
    });
    new ResizeObserver(() => this.show(this.frame)).observe(section);
    new IntersectionObserver(([{ isIntersecting }]) => {
      if (!isIntersecting) this.#stop();
      else if (this.isWanted) this.#start();
    }).observe(section);
  }

  show(frame) {
    this.frame = frame;
    const whole = Math.floor(frame);
    const share = this.isStill.matches ? 0 : frame - whole;
    for (const { sheet, count, output } of this.rows) {
      sheet.draw(whole % count, (whole + 1) % count, share);
      output.textContent = `${(whole % count) + 1} of ${count}`;
    }
    this.slider.value = whole;
  }

  #start() {
    if (this.isPlaying) return;
    this.isPlaying = true;
    this.play.textContent = "Pause";
    let before = performance.now();
    const step = (now) => {
      if (!this.isPlaying) return;
      const passed = Math.max(now - before, 0) / 1000 / SECONDS_PER_SAMPLE;
      before = now;
      this.show((this.frame + passed) % this.count);
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  #stop() {
    this.isPlaying = false;
    this.play.textContent = "Play";
  }
}
