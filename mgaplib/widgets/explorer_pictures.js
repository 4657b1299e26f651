// The GapExplorer's two pictures: both modalities along the gap, and the loss at every shift.
import { disc, lowestPoint, pairLines, pointClouds, rule } from "./canvas.js";
import { meanOf } from "./landscape_engine.js";
import { ticks, words } from "./numbers.js";
import { FONT } from "./shared.js";

/** Draw pairs as points in the plane, joined, with their centroids; return where a point of `places` lies. */
export function drawPairs(c, width, height, { d, color, extent, places, chosen }) {
  const margin = 22;
  const unit = (width - 16) / (extent[1] - extent[0]);
  const rise = Math.min((height - 2 * margin) / (extent[3] - extent[2]), 2 * unit);
  const left = width / 2 - ((extent[0] + extent[1]) / 2) * unit;
  const middle = height / 2 + ((extent[2] + extent[3]) / 2) * rise;
  const onScreen = (k) => [left + places[k] * unit, middle - places[k + 1] * rise];
  c.font = FONT;
  c.fillStyle = color("soft");
  c.textAlign = "right";
  c.fillText("along the gap →", width - 4, height - 4);
  c.textAlign = "left";
  c.fillText(width < 260 ? "↑ across it" : "↑ across it, where they vary most", 0, 12);
  const at = (kind, i) => onScreen(4 * i + 2 * kind);
  pairLines(c, d.n, at, color("pair"));
  pointClouds(c, d.n, at, d.colors, color, { point: 1.8, centroid: 6.5 });
  if (chosen >= 0) {
    const [a, b] = [onScreen(4 * chosen), onScreen(4 * chosen + 2)];
    rule(c, ...a, ...b, color("accent"), { wide: 2 });
    disc(c, ...a, 5, d.colors.image, color("accent"));
    disc(c, ...b, 5, d.colors.text, color("accent"));
  }
  return onScreen;
}

export const LANDSCAPE = { left: 54, right: 16, top: 14, bottom: 40 }; // the margins of its plot

/** Draw the loss along the shift, the marker at `here` on it, and its lowest point `best`. */
export function drawLandscape(c, width, height, { d, color, engine, curves, here, best, closed }) {
  const box = LANDSCAPE;
  const [low, high] = d.shift_range;
  const mean = meanOf(curves);
  const all = [...curves[0], ...curves[1]];
  const bottom = Math.min(...all, here.loss);
  const top = Math.max(...all, here.loss);
  const room = (top - bottom || 1) * 0.06;
  const x = (shift) => box.left + ((shift - low) / (high - low)) * (width - box.left - box.right);
  const y = (loss) => height - box.bottom - ((loss - bottom + room) / (top - bottom + 2 * room)) * (height - box.top - box.bottom);
  c.font = FONT;
  c.textAlign = "right";
  c.fillStyle = color("soft");
  for (const tick of ticks(bottom, top, 5)) {
    rule(c, box.left, y(tick), width - box.right, y(tick), color("line"));
    c.fillText(String(tick), box.left - 8, y(tick) + 4);
  }
  c.textAlign = "center";
  for (const tick of ticks(low, high, width < 300 ? 3 : 5)) {
    c.fillText(words(tick, 1), x(tick), height - box.bottom + 17);
    c.fillText(words(engine.gap(tick), 2), x(tick), height - box.bottom + 32);
  }
  c.textAlign = "left";
  c.fillText("shift", 0, height - box.bottom + 17);
  c.fillText("gap", 0, height - box.bottom + 32);
  for (const [shift, label] of [[0, "as trained"], [closed, "closed"]]) {
    rule(c, x(shift), box.top, x(shift), height - box.bottom, color("soft"), { dash: [3, 4] });
    c.textAlign = shift ? "left" : "right";
    c.fillText(label, x(shift) + (shift ? 4 : -4), box.top + 4);
  }
  const trace = (line, stroke, wide, dash = []) => {
    c.setLineDash(dash);
    c.beginPath();
    for (let k = 0; k < line.length; k++) c.lineTo(x(engine.curveShift(k)), y(line[k]));
    c.strokeStyle = stroke;
    c.lineWidth = wide;
    c.lineJoin = "round";
    c.stroke();
    c.setLineDash([]);
  };
  trace(curves[0], d.colors.image, 1.2, [5, 3]);
  trace(curves[1], d.colors.text, 1.2, [5, 3]);
  trace(mean, color("ink"), 2.2);
  lowestPoint(c, x(best.at), y(best.value), color("ink"));
  disc(c, x(here.shift), y(here.loss), 7, color("accent"), color("face"));
}

/** Which point lies nearest to where a pointer is, if one is near: the index of its pair, else -1. */
export function pairAt(event, canvas, n, onScreen) {
  const area = canvas.getBoundingClientRect();
  const at = [event.clientX - area.left, event.clientY - area.top];
  let [nearest, distance] = [-1, 18];
  for (let k = 0; k < 2 * n; k++) {
    const [x, y] = onScreen(2 * k);
    const r = Math.hypot(x - at[0], y - at[1]);
    if (r < distance) [nearest, distance] = [k >> 1, r];
  }
  return nearest;
}
