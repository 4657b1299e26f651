// What the widgets' pictures share: a sharp canvas in the page's colours, axes, lines, points, dragging.
import { clamp, ticks } from "./numbers.js";
import { FONT } from "./shared.js";

/** Keep a canvas as sharp as the screen and call `draw(context, width, height)` when its size or theme changes. */
export function sharpCanvas(root, canvas, draw) {
  const context = canvas.getContext("2d");
  const redraw = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return; // not laid out yet, or in a closed tab
    const ratio = window.devicePixelRatio || 1;
    const pixels = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== pixels[0] || canvas.height !== pixels[1]) [canvas.width, canvas.height] = pixels;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    draw(context, width, height);
  };
  const watcher = new ResizeObserver(redraw);
  watcher.observe(canvas);
  root.addEventListener("themechange", redraw);
  return { redraw, end: () => watcher.disconnect() };
}

/** Read the widget's colours, so that a canvas wears the page's theme; anew when the theme changes. */
export function palette(root) {
  const style = getComputedStyle(root);
  const read = new Map();
  root.addEventListener("themechange", () => read.clear());
  return (name) => {
    if (!read.has(name)) read.set(name, style.getPropertyValue(`--mgap-${name}`).trim());
    return read.get(name);
  };
}

/** A line between two points. */
export function rule(c, x0, y0, x1, y1, stroke, { wide = 1, dash = [] } = {}) {
  c.setLineDash(dash);
  c.beginPath();
  c.moveTo(x0, y0);
  c.lineTo(x1, y1);
  c.strokeStyle = stroke;
  c.lineWidth = wide;
  c.stroke();
  c.setLineDash([]);
}

/**
 * A chart's frame: lines and numbers at round heights; where things stand in it, and a line that ends at its edges.
 * @param {CanvasRenderingContext2D} c
 * @param {object} of
 * @param {{ left: number, right: number, top: number, bottom: number }} of.box its margins
 * @param {number} of.width
 * @param {number} of.height
 * @param {[number, number]} of.across what it begins and ends with
 * @param {[number, number]} of.up
 * @param {number} of.many about how many heights are named
 * @param {(name: string) => string} of.color
 */
export function chart(c, { box, width, height, across, up, many, color }) {
  const [wide, tall] = [width - box.left - box.right, height - box.top - box.bottom];
  const x = (value) => box.left + ((value - across[0]) / (across[1] - across[0])) * wide;
  const y = (value) => height - box.bottom - ((value - up[0]) / (up[1] - up[0])) * tall;
  c.font = FONT;
  c.fillStyle = color("soft");
  c.textAlign = "right";
  for (const tick of ticks(up[0], up[1], many)) {
    rule(c, box.left, y(tick), width - box.right, y(tick), color("line"));
    c.fillText(String(tick), box.left - 7, y(tick) + 4);
  }
  return {
    x,
    y,
    /** The height of a value, or the edge beyond which it lies. */
    within: (value) => y(clamp(value, ...up)),
    line(values, placeOf, stroke, { wide: lineWidth = 2.2, dash = [] } = {}) {
      c.save();
      c.beginPath();
      c.rect(box.left, box.top - 2, wide, tall + 4);
      c.clip();
      c.setLineDash(dash);
      c.beginPath();
      for (let k = 0; k < values.length; k++) c.lineTo(x(placeOf(k)), y(values[k]));
      Object.assign(c, { strokeStyle: stroke, lineWidth, lineJoin: "round" });
      c.stroke();
      c.restore();
    },
  };
}

/** A disc with an outline, which keeps it apart from what lies below. */
export function disc(c, x, y, radius, fill, outline) {
  c.beginPath();
  c.arc(x, y, radius, 0, 2 * Math.PI);
  outlined(c, fill, outline);
}

/** The mark of an image (kind 0), a disc, or of a text (kind 1), a triangle as large. */
export function mark(c, kind, x, y, radius, fill, outline) {
  if (!kind) return disc(c, x, y, radius, fill, outline);
  c.beginPath();
  triangle(c, x, y, radius);
  outlined(c, fill, outline);
}

function outlined(c, fill, outline) {
  c.fillStyle = fill;
  c.fill();
  c.strokeStyle = outline;
  c.lineWidth = 1.5;
  c.stroke();
}

/** Add a triangle about as large as a disc of this radius to the path. */
function triangle(c, x, y, radius) {
  const [half, up] = [1.17 * radius, 1.35 * radius];
  c.moveTo(x, y - up);
  c.lineTo(x + half, y + up / 2);
  c.lineTo(x - half, y + up / 2);
  c.closePath();
}

/** The points of n images and m texts and, between their centroids, the gap; `at(kind, i)` gives a point's place, kind 0 images, 1 texts. */
export function pointClouds(c, [n, m], at, colors, color, { point, centroid }) {
  const centres = [0, 1].map((kind) => {
    const centre = [0, 0];
    c.beginPath();
    const many = kind ? m : n;
    for (let i = 0; i < many; i++) {
      const [x, y] = at(kind, i);
      centre[0] += x / many;
      centre[1] += y / many;
      if (kind) triangle(c, x, y, point);
      else {
        c.moveTo(x + point, y);
        c.arc(x, y, point, 0, 7);
      }
    }
    c.fillStyle = kind ? colors.text : colors.image;
    c.fill();
    return centre;
  });
  rule(c, ...centres[0], ...centres[1], color("face"), { wide: 6 });
  rule(c, ...centres[0], ...centres[1], color("ink"), { wide: 2.5 });
  for (const kind of [0, 1]) mark(c, kind, ...centres[kind], centroid, kind ? colors.text : colors.image, color("face"));
}

/** The lines that join the pairs; `ends(k)` gives the image and the text of the k-th, where it is not both k. */
export function pairLines(c, many, at, stroke, ends = (k) => [k, k]) {
  c.beginPath();
  for (let k = 0; k < many; k++) {
    const [i, j] = ends(k);
    c.moveTo(...at(0, i));
    c.lineTo(...at(1, j));
  }
  c.strokeStyle = stroke;
  c.lineWidth = 0.7;
  c.stroke();
}

/** A curve's lowest point: a triangle from below, so that a marker can stand on the curve too. */
export function lowestPoint(c, x, y, fill) {
  c.beginPath();
  c.moveTo(x, y + 3);
  c.lineTo(x - 6, y + 13);
  c.lineTo(x + 6, y + 13);
  c.closePath();
  c.fillStyle = fill;
  c.fill();
}

/**
 * Point at a picture: a mouse by moving over it, a finger by a tap. A swipe scrolls the page and points at nothing.
 * @param {HTMLCanvasElement} canvas
 * @param {(event: PointerEvent) => void} onPoint
 */
export function pointAt(canvas, onPoint) {
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerType === "mouse") onPoint(event);
  });
  canvas.addEventListener("click", onPoint);
}

/**
 * Drag over a picture. A mouse drags from where it is pressed; a finger once it has moved sideways, so that a swipe up
 * or down scrolls the page and moves nothing; a tap goes where it is.
 * @param {HTMLCanvasElement} canvas
 * @param {(event: PointerEvent) => void} onDrag
 */
export function dragOver(canvas, onDrag) {
  let from; // where a finger came down
  let dragging = false;
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    from = [event.clientX, event.clientY];
    dragging = event.pointerType === "mouse";
    if (dragging) onDrag(event);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!from || !event.buttons) return;
    const [across, along] = [event.clientX - from[0], event.clientY - from[1]].map(Math.abs);
    dragging ||= across > 6 && across > along;
    if (dragging) onDrag(event);
  });
  canvas.addEventListener("pointerup", (event) => {
    if (from && !dragging) onDrag(event);
    from = undefined;
  });
  canvas.addEventListener("pointercancel", () => (from = undefined)); // the page took the swipe
}

/** Drag sideways over a picture: `onShare` hears how far across its plot, 0 left to 1 right. */
export function dragAcross(canvas, box, onShare) {
  dragOver(canvas, (event) => {
    const area = canvas.getBoundingClientRect();
    onShare(clamp((event.clientX - area.left - box.left) / (area.width - box.left - box.right), 0, 1));
  });
}
