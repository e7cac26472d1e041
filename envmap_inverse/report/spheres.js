"use strict";
// Views from inside a map, in step with each other. One WebGL context draws all of them.

const VERTEX_SHADER = `#version 300 es
out vec2 point;
void main() {
  point = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(point, 0.0, 1.0);
}`;

// The map's convention is that of latlong.py: columns texel-centred, row 0 exactly the zenith.
const FRAGMENT_SHADER = `#version 300 es
precision highp float;
precision highp sampler2D;
uniform sampler2D map;
uniform mat3 turn;     // its columns: right, up, forward
uniform vec2 tangent;  // of half the angle of view, across and up
uniform float gain;
uniform int curve;
uniform vec3 ramp[9];  // false colours, as curve 3 shows luminance
in vec2 point;
out vec4 colour;
const float PI = 3.14159265358979;

vec3 shown(vec3 x) {
  if (curve == 1) return x / (1.0 + x);
  if (curve == 2) return min(x * (2.51 * x + 0.03) / (x * (2.43 * x + 0.59) + 0.14), 1.0);
  return x;
}

vec3 falseColour(float luminance) {
  float place = 8.0 * clamp((log2(max(luminance, 1e-9)) + 6.0) / 12.0, 0.0, 0.9999);
  return mix(ramp[int(place)], ramp[int(place) + 1], fract(place));
}

void main() {
  vec3 d = normalize(turn * vec3(point * tangent, 1.0));
  float rows = float(textureSize(map, 0).y);
  float u = atan(d.x, -d.z) / (2.0 * PI);
  float v = (acos(clamp(d.y, -1.0, 1.0)) / PI * (rows - 1.0) + 0.5) / rows;
  vec3 light = clamp(texture(map, vec2(u, v)).rgb * gain, 0.0, 1e4);
  vec3 x = clamp(shown(light), 0.0, 1.0);
  x = mix(12.92 * x, 1.055 * pow(x, vec3(1.0 / 2.4)) - 0.055, step(0.0031308, x));
  if (curve == 3) x = falseColour(dot(light, vec3(0.2126, 0.7152, 0.0722)));
  colour = vec4(x, 1.0);
}`;

const FIELD_OF_VIEW = { least: 25, start: 80, most: 120 }; // degrees, across

class SphereViewers {
  // Azimuth and elevation in degrees, as in the table of lights; +z is straight ahead at first.
  heading = { azimuth: 180, elevation: 0, across: FIELD_OF_VIEW.start };
  onTurn = () => {};

  // Viewers in place of the figures' pictures, or null where there is no WebGL 2.
  static of(figures) {
    const gl = document.createElement("canvas").getContext("webgl2", { antialias: false });
    return gl ? new SphereViewers(gl, figures) : null;
  }

  constructor(gl, figures) {
    this.gl = gl;
    this.viewers = figures.map((figure) => ({
      canvas: canvasInPlaceOf(figure, "arrow keys turn, + and − change the angle of view"),
      raster: Raster.named(figure.dataset.raster),
    }));
    this.#prepare();
    this.viewers.forEach(({ canvas }) => {
      this.#listen(canvas);
      new ResizeObserver(() => this.redraw()).observe(canvas);
    });
    display.onChange.push(() => this.redraw());
    // Phones take the context away when they need it elsewhere, and give it back later.
    gl.canvas.addEventListener("webglcontextlost", (event) => event.preventDefault());
    gl.canvas.addEventListener("webglcontextrestored", () => this.#prepare());
  }

  // Turn to a direction, in degrees.
  turnTo(azimuth, elevation) {
    this.heading.azimuth = ((azimuth % 360) + 360) % 360;
    this.heading.elevation = Math.min(Math.max(elevation, -90), 90);
    this.redraw();
  }

  // Make the angle of view wider by a factor.
  widen(factor) {
    const { least, most } = FIELD_OF_VIEW;
    this.heading.across = Math.min(Math.max(this.heading.across * factor, least), most);
    this.redraw();
  }

  redraw() {
    if (this.isWaiting) return;
    this.isWaiting = true;
    requestAnimationFrame(() => {
      this.isWaiting = false;
      if (!this.gl.isContextLost()) this.viewers.forEach((viewer) => this.#draw(viewer));
      this.onTurn();
    });
  }

  // Azimuths and elevations along the border of what is in sight.
  border() {
    const { canvas } = this.viewers[0];
    const [right, up, forward] = this.#axes();
    const [a, b] = this.#tangents(canvas.clientWidth, canvas.clientHeight);
    const corners = [
      [-a, -b],
      [a, -b],
      [a, b],
      [-a, b],
      [-a, -b],
    ];
    const points = [];
    for (let k = 0; k < 4; k++) {
      for (let t = 0; t < 1; t += 1 / 24) {
        const [x, y] = [0, 1].map((i) => corners[k][i] * (1 - t) + corners[k + 1][i] * t);
        points.push(angles(forward.map((f, i) => f + x * right[i] + y * up[i])));
      }
    }
    return [...points, points[0]];
  }

  #axes() {
    const [a, e] = [this.heading.azimuth, this.heading.elevation].map((d) => (d * Math.PI) / 180);
    return [
      [Math.cos(a), 0, Math.sin(a)],
      [-Math.sin(a) * Math.sin(e), Math.cos(e), Math.cos(a) * Math.sin(e)],
      [Math.sin(a) * Math.cos(e), Math.sin(e), -Math.cos(a) * Math.cos(e)],
    ];
  }

  #tangents(width, height) {
    const across = Math.tan((this.heading.across * Math.PI) / 360);
    return [across, (across * height) / width];
  }

  #draw({ canvas, texture, raster }) {
    const { gl, uniform } = this;
    const context = fitToScreen(canvas);
    const { width, height } = canvas;
    if (gl.canvas.width < width || gl.canvas.height < height) {
      gl.canvas.width = Math.max(gl.canvas.width, width);
      gl.canvas.height = Math.max(gl.canvas.height, height);
    }
    gl.viewport(0, 0, width, height);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.uniformMatrix3fv(uniform("turn"), false, this.#axes().flat());
    gl.uniform2fv(uniform("tangent"), this.#tangents(width, height));
    gl.uniform1f(uniform("gain"), display.exposure * raster.scale);
    gl.uniform1i(uniform("curve"), [...Object.keys(CURVES), FALSE].indexOf(display.curve));
    gl.uniform3fv(uniform("ramp"), display.ramp.flat().map((x) => x / 255));
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    context.drawImage(gl.canvas, 0, gl.canvas.height - height, width, height, 0, 0, width, height);
  }

  // Fill a new context.
  #prepare() {
    this.#compile();
    for (const viewer of this.viewers) viewer.texture = this.#upload(viewer.raster);
    this.redraw();
  }

  #compile() {
    const { gl } = this;
    const program = gl.createProgram();
    const sources = [
      [gl.VERTEX_SHADER, VERTEX_SHADER],
      [gl.FRAGMENT_SHADER, FRAGMENT_SHADER],
    ];
    for (const [kind, source] of sources) {
      const shader = gl.createShader(kind);
      gl.shaderSource(shader, source);
      gl.compileShader(shader);
      gl.attachShader(program, shader);
    }
    gl.linkProgram(program);
    if (!gl.getProgramParameter(program, gl.LINK_STATUS)) {
      throw new Error(gl.getProgramInfoLog(program));
    }
    gl.useProgram(program);
    this.uniform = (name) => gl.getUniformLocation(program, name);
  }

  #upload(raster) {
    const { gl } = this;
    const texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 2);
    const { width, height, halves } = raster;
    gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGB16F, width, height, 0, gl.RGB, gl.HALF_FLOAT, halves);
    const settings = [
      [gl.TEXTURE_MIN_FILTER, gl.LINEAR],
      [gl.TEXTURE_MAG_FILTER, gl.LINEAR],
      [gl.TEXTURE_WRAP_S, gl.REPEAT],
      [gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE],
    ];
    settings.forEach(([name, value]) => gl.texParameteri(gl.TEXTURE_2D, name, value));
    return texture;
  }

  #listen(canvas) {
    listenToGestures(canvas, {
      drag: ([dx, dy]) => {
        const { azimuth, elevation, across } = this.heading;
        const up = (across * canvas.clientHeight) / canvas.clientWidth;
        this.turnTo(azimuth - dx * across, elevation + dy * up);
      },
      zoom: (factor) => this.widen(1 / factor),
    });
    canvas.addEventListener("keydown", (event) => {
      const { azimuth, elevation } = this.heading;
      const step = event.shiftKey ? 1 : 5;
      if (event.key === "ArrowLeft") this.turnTo(azimuth - step, elevation);
      else if (event.key === "ArrowRight") this.turnTo(azimuth + step, elevation);
      else if (event.key === "ArrowUp") this.turnTo(azimuth, elevation + step);
      else if (event.key === "ArrowDown") this.turnTo(azimuth, elevation - step);
      else if (event.key === "+" || event.key === "=") this.widen(0.8);
      else if (event.key === "-") this.widen(1.25);
      else return;
      event.preventDefault();
    });
  }
}

// Azimuth and elevation of a direction in degrees; see latlong.py.
function angles([x, y, z]) {
  const azimuth = (Math.atan2(x, -z) * 180) / Math.PI;
  return [(azimuth + 360) % 360, (Math.asin(y / Math.hypot(x, y, z)) * 180) / Math.PI];
}
