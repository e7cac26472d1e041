"use strict";
// Radiance in the page, and how it is shown: exposure and tone map, the same everywhere.

// What each of the 65536 half floats stands for (IEEE 754 binary16).
const HALF_TO_FLOAT = Float32Array.from({ length: 65536 }, (_, half) => {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
});

// From exposed radiance to [0, 1] before sRGB encoding; spheres.js has the same in GLSL.
const CURVES = {
  clip: (x) => x,
  reinhard: (x) => (x === Infinity ? 1 : x / (1 + x)),
  // Narkowicz's fit of ACES (2015).
  filmic: (x) => (x > 1e4 ? 1 : (x * (2.51 * x + 0.03)) / (x * (2.43 * x + 0.59) + 0.14)),
};

// In place of a curve: false colours of luminance, from `FALSE_STOPS` below white to as many above.
const FALSE = "false";
const FALSE_STOPS = 6; // spheres.js has the same
const luminance = (r, g, b) => 0.2126 * r + 0.7152 * g + 0.0722 * b;

// How radiance is shown. `onChange` functions are called when it changes.
const display = {
  base: 1,
  stops: 0,
  curve: "clip",
  differenceGain: 1,
  ramp: [], // false colours, from dark to bright, RGB up to 255
  onChange: [],
  get exposure() {
    return this.base * 2 ** this.stops;
  },
  set(changes) {
    Object.assign(this, changes);
    this.table = null;
    this.onChange.forEach((listener) => listener());
  },
  // The false colour of a luminance.
  falseColour(y) {
    const share = (Math.log2(Math.max(y * this.exposure, 1e-9)) / FALSE_STOPS + 1) / 2;
    const last = this.ramp.length - 1;
    const place = Math.min(Math.max(share, 0), 1) * last;
    const k = Math.min(Math.floor(place), last - 1);
    return this.ramp[k].map((c, i) => c + (place - k) * (this.ramp[k + 1][i] - c));
  },
  // The 8-bit value that each half float is shown as.
  tableFor(scale) {
    if (this.table?.scale !== scale) {
      const gain = this.exposure * scale;
      const curve = CURVES[this.curve];
      const bytes = new Uint8ClampedArray(65536);
      HALF_TO_FLOAT.forEach((value, half) => {
        bytes[half] = Number.isNaN(value) ? 255 : 255 * srgb(curve(Math.max(value * gain, 0)));
      });
      this.table = { scale, bytes };
    }
    return this.table.bytes;
  },
};

function srgb(x) {
  return x <= 0.0031308 ? 12.92 * x : 1.055 * x ** (1 / 2.4) - 0.055;
}

// A picture's radiance, as the page carries it: linear RGB, row by row.
class Raster {
  static #known = new Map();

  // Unpack all rasters of the page; `named` returns them from then on.
  static async load() {
    const elements = [...document.querySelectorAll("script[data-scale]")];
    const rasters = await Promise.all(elements.map(async (element) => {
      const packed = Uint8Array.from(atob(element.textContent), (byte) => byte.charCodeAt(0));
      const unpacking = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
      return new Raster(element.dataset, await new Response(unpacking).arrayBuffer());
    }));
    elements.forEach((element, k) => Raster.#known.set(element.id, rasters[k]));
  }

  static named(name) {
    return Raster.#known.get(name);
  }

  constructor({ width, height, scale }, buffer) {
    [this.width, this.height, this.scale] = [width, height, scale].map(Number);
    this.halves = joined(new Uint8Array(buffer), this.width, this.height);
  }

  // The radiance at a point of the unit square.
  at(u, v) {
    const [column, row] = this.pixel(u, v);
    const first = 3 * (row * this.width + column);
    return [0, 1, 2].map((k) => HALF_TO_FLOAT[this.halves[first + k]] * this.scale);
  }

  // Column and row of the pixel at a point of the unit square.
  pixel(u, v) {
    const inside = (x, size) => Math.min(Math.max(Math.floor(x * size), 0), size - 1);
    return [inside(u, this.width), inside(v, this.height)];
  }

  // Azimuth and elevation in degrees at a point of a latlong map; its rows are corner-aligned.
  direction(u, v) {
    const polar = Math.min(Math.max((v * this.height - 0.5) / (this.height - 1), 0), 1);
    return [360 * u, 90 - 180 * polar];
  }

  // The point of a latlong map that shows a direction.
  point(azimuth, elevation) {
    return [azimuth / 360, ((0.5 - elevation / 180) * (this.height - 1) + 0.5) / this.height];
  }

  // Paint it onto a canvas of its own size.
  paint(canvas) {
    if (display.curve === FALSE) return this.#paintFalse(canvas);
    const { halves } = this;
    const table = display.tableFor(this.scale);
    this.#fill(canvas, (rgba) => {
      for (let from = 0, to = 0; from < halves.length; from += 3, to += 4) {
        rgba[to] = table[halves[from]];
        rgba[to + 1] = table[halves[from + 1]];
        rgba[to + 2] = table[halves[from + 2]];
      }
    });
  }

  #paintFalse(canvas) {
    const { halves, scale } = this;
    this.#fill(canvas, (rgba) => {
      for (let from = 0, to = 0; from < halves.length; from += 3, to += 4) {
        const [r, g, b] = [0, 1, 2].map((k) => HALF_TO_FLOAT[halves[from + k]] * scale);
        rgba.set(display.falseColour(luminance(r, g, b)), to);
      }
    });
  }

  // Paint how much brighter it is than another of its size; pictures.py has the same. Where that
  // one is clipped, from the values `white` on, what is brighter is hatched. What does not count,
  // where `counts` is 0, is grey.
  paintDifference(canvas, other, white, counts) {
    const isBound = (k) => [0, 1, 2].some((c) => HALF_TO_FLOAT[b[k + c]] * other.scale >= white[c]);
    const [a, b] = [this.halves, other.halves];
    const gain = (display.differenceGain * display.exposure) / 3; // of a mean of three
    const sum = (halves, k) =>
      HALF_TO_FLOAT[halves[k]] + HALF_TO_FLOAT[halves[k + 1]] + HALF_TO_FLOAT[halves[k + 2]];
    this.#fill(canvas, (rgba) => {
      for (let from = 0, to = 0; from < a.length; from += 3, to += 4) {
        const signed = gain * (sum(a, from) * this.scale - sum(b, from) * other.scale);
        const colour = signed > 0 ? OVER : UNDER;
        const strength = Math.min(Math.abs(signed), 1);
        if (white && signed > 0 && isBound(from)) {
          const [row, column] = [Math.floor(to / 4 / this.width), (to / 4) % this.width];
          rgba.fill((row + column) % HATCH_EVERY < 1 ? HATCH : 0, to, to + 3);
          continue;
        }
        if (counts && HALF_TO_FLOAT[counts.halves[from]] < 0.5) {
          rgba.fill(UNCOUNTED, to, to + 3);
          continue;
        }
        for (let k = 0; k < 3; k++) rgba[to + k] = strength * colour[k];
      }
    });
  }

  #fill(canvas, paintPixels) {
    const { width, height } = this;
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    const context = canvas.getContext("2d");
    const picture = context.createImageData(width, height);
    picture.data.fill(255);
    paintPixels(picture.data);
    context.putImageData(picture, 0, 0);
  }
}

const STEP_BIAS = 128;

// Half floats, row by row, of their packed bytes; pictures.py says how they are packed.
function joined(bytes, width, height) {
  const size = width * height;
  const halves = new Uint16Array(3 * size);
  const step = (from) => (bytes[from] | (bytes[from + 3 * size] << 8)) - STEP_BIAS;
  for (let pixel = 0, to = 0; pixel < size; pixel++, to += 3) {
    const isFirst = pixel % width === 0;
    const green = step(size + pixel);
    for (let channel = 0; channel < 3; channel++) {
      const more = channel === 1 ? green : step(channel * size + pixel) + green;
      halves[to + channel] = more + (isFirst ? 0 : halves[to + channel - 3]);
    }
  }
  return halves;
}

const OVER = [255, 140, 40];
const UNDER = [50, 150, 255];
const [HATCH, HATCH_EVERY] = [120, 6];
const UNCOUNTED = 64;

// A number to some digits.
function written(x, count = 3) {
  const size = Math.abs(x);
  if (size > 0 && !(size >= 1e-3 && size < 1e9)) return x.toExponential(1);
  const digits = { minimumSignificantDigits: count, maximumSignificantDigits: count };
  return x === 0 ? "0" : x.toLocaleString("en", digits);
}
