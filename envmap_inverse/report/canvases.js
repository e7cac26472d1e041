"use strict";
// Canvases in place of pictures, and what is drawn on them.

// A focusable canvas in place of a figure's <img>.
function canvasInPlaceOf(figure, keys) {
  const image = figure.querySelector("img");
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `${image.alt || "Two pictures"}; ${keys}`);
  image.hidden = true;
  image.after(canvas);
  return canvas;
}

// Give a canvas as many pixels as the screen has for it; returns its cleared context.
function fitToScreen(canvas) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight].map((side) =>
    Math.max(1, Math.round(side * devicePixelRatio)),
  );
  const context = canvas.getContext("2d");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  else context.clearRect(0, 0, width, height);
  return context;
}

// Stroke in white with a dark rim, to be seen on any picture.
function outlined(context, stroke) {
  for (const [width, colour] of [
    [3, "rgb(0 0 0 / 0.6)"],
    [1.5, "#fff"],
  ]) {
    context.lineWidth = width * devicePixelRatio;
    context.strokeStyle = colour;
    stroke();
  }
}

function drawDivider(context, x) {
  const { height } = context.canvas;
  outlined(context, () => {
    context.beginPath();
    context.moveTo(x, 0);
    context.lineTo(x, height);
    context.stroke();
  });
  context.fillStyle = "#fff";
  context.beginPath();
  context.arc(x, height / 2, 7 * devicePixelRatio, 0, 2 * Math.PI);
  context.fill();
}
