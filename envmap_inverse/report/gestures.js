"use strict";
// Drags, pinches, clicks and the wheel on a canvas; points are fractions of its size.

const CLICK_REACH = 4; // CSS pixels that a click may move

// The page keeps its scroll: the wheel zooms where the canvas has been clicked before, or while Ctrl
// is held, as a touchpad's pinch has it. The style sheet says which touches scroll the page.
function listenToGestures(canvas, { press, drag, zoom, click, hover }) {
  const fingers = new Map(); // the pointers that are down, and where
  let moved = 0;
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  const way = ([x, y], [toX, toY]) => [toX - x, toY - y];
  const pixels = ([dx, dy]) => Math.hypot(dx * canvas.clientWidth, dy * canvas.clientHeight);
  const pair = () => {
    const [a, b] = fingers.values();
    return { middle: [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2], size: pixels(way(a, b)) };
  };
  const pinch = (id, point) => {
    const before = pair();
    fingers.set(id, point);
    const { middle, size } = pair();
    zoom(size / Math.max(before.size, 1), before.middle);
    drag(way(before.middle, middle), middle);
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    if (fingers.size > 1) moved = Infinity;
    else {
      moved = 0;
      press?.(place(event));
    }
  });
  canvas.addEventListener("pointermove", (event) => {
    const [before, point] = [fingers.get(event.pointerId), place(event)];
    if (!before) hover?.(point);
    else if (fingers.size === 2) pinch(event.pointerId, point);
    else if (fingers.size === 1) {
      moved += pixels(way(before, point));
      fingers.set(event.pointerId, point);
      drag(way(before, point), point);
    }
  });
  canvas.addEventListener("pointerup", (event) => {
    if (fingers.delete(event.pointerId) && moved < CLICK_REACH) click?.(place(event));
  });
  canvas.addEventListener("pointercancel", (event) => fingers.delete(event.pointerId));
  canvas.addEventListener("pointerleave", (event) => {
    // After a touch the read-out stays.
    if (!fingers.size && event.pointerType === "mouse") hover?.(null);
  });
  canvas.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && document.activeElement !== canvas) return;
    event.preventDefault();
    const isInLines = event.deltaMode !== WheelEvent.DOM_DELTA_PIXEL;
    zoom(2 ** ((-event.deltaY * (isInLines ? 20 : 1)) / 200), place(event));
  });
}
