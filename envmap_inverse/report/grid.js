"use strict";
// Lines of equal azimuth and elevation over a latlong map, named at their ends.

const GRID_STEP = 30; // degrees
const HORIZON = { 0: "−z", 90: "+x", 180: "+z", 270: "−x" };

function drawGrid(context, raster, { left, top, width, height }) {
  const scale = devicePixelRatio;
  const at = (azimuth, elevation) => {
    const [u, v] = raster.point(azimuth, elevation);
    return [left + u * width, top + v * height];
  };
  const line = (from, to) => {
    context.beginPath();
    context.moveTo(...at(...from));
    context.lineTo(...at(...to));
    for (const [wide, colour] of [[2.5, "rgb(0 0 0 / 0.35)"], [1, "rgb(255 255 255 / 0.6)"]]) {
      context.lineWidth = wide * scale;
      context.strokeStyle = colour;
      context.stroke();
    }
  };
  for (let a = 0; a <= 360; a += GRID_STEP) line([a, 90], [a, -90]);
  for (let e = 90 - GRID_STEP; e > -90; e -= GRID_STEP) line([0, e], [360, e]);
  context.font = `600 ${11 * scale}px system-ui, sans-serif`;
  context.textBaseline = "bottom";
  const name = (text, [x, y]) => {
    context.lineWidth = 3 * scale;
    context.strokeStyle = "#000";
    context.strokeText(text, x + 3 * scale, y - 2 * scale);
    context.fillStyle = "#fff";
    context.fillText(text, x + 3 * scale, y - 2 * scale);
  };
  for (const [azimuth, text] of Object.entries(HORIZON)) name(text, at(azimuth, 0));
  // At the left end of what is in sight.
  for (const e of [60, 30, -30, -60]) name(`${e > 0 ? "+" : "−"}${Math.abs(e)}°`, [Math.max(left, 0), at(0, e)[1]]);
}
