// What the explorers of pairs show: both modalities along the gap, the loss at every shift, and what one pair finds.
import { chart, disc, lowestPoint, mark, pairLines, pointClouds, rule } from "./canvas.js";
import { lossAxis, meanOf } from "./landscape_engine.js";
import { ticks, words } from "./numbers.js";
import { FONT, make } from "./shared.js";

/**
 * Draw pairs as points in the plane, partners joined, with the centroids; return where the k-th point of `places` lies,
 * the images first. `chosen` is the image and the text that are looked at, if any.
 */
export function drawPairs(c, width, height, { colors, color, extent, places, belongs, chosen }) {
  const { n, m, pairs } = belongs;
  const margin = 22;
  const unit = (width - 16) / (extent[1] - extent[0]);
  const rise = Math.min((height - 2 * margin) / (extent[3] - extent[2]), 2 * unit);
  const left = width / 2 - ((extent[0] + extent[1]) / 2) * unit;
  const middle = height / 2 + ((extent[2] + extent[3]) / 2) * rise;
  const onScreen = (k) => [left + places[2 * k] * unit, middle - places[2 * k + 1] * rise];
  c.font = FONT;
  c.fillStyle = color("soft");
  c.textAlign = "right";
  c.fillText("along the gap →", width - 4, height - 4);
  c.textAlign = "left";
  c.fillText(width < 260 ? "↑ across it" : "↑ across it, where they vary most", 0, 12);
  const at = (kind, i) => onScreen(kind * n + i);
  pairLines(c, pairs[0].length, at, color("pair"), (k) => [pairs[0][k], pairs[1][k]]);
  pointClouds(c, [n, m], at, colors, color, { point: 1.8, centroid: 6.5 });
  if (chosen) {
    const [a, b] = chosen.map((i, kind) => at(kind, i));
    rule(c, ...a, ...b, color("accent"), { wide: 2 });
    mark(c, 0, ...a, 5, colors.image, color("accent"));
    mark(c, 1, ...b, 5, colors.text, color("accent"));
  }
  return onScreen;
}

export const LANDSCAPE = { left: 50, right: 14 }; // the margins at the sides of both its charts
const FOOT = 40; // room for the two lines of numbers below them

/** Draw the loss along the shift and, below it, what is found; markers at `here`, triangles at the best of each. */
export function drawLandscape(c, width, height, { d, color, engine, curves, found, here, best, closed, zoom }) {
  const middle = 14 + (height - FOOT - 14) * 0.58;
  const across = d.shift_range;
  const pool = Math.sqrt(d.n * d.m); // the loss is the mean of both ways
  const up = lossAxis(pool, zoom, [...curves[0], ...curves[1], here.loss]);
  const top = chart(c, { box: { ...LANDSCAPE, top: 16, bottom: height - middle }, width, height, across, up, many: 4, color });
  const most = Math.max(0.05, ...found.flatMap(({ values }) => [...values]));
  const low = chart(c, { box: { ...LANDSCAPE, top: middle + 20, bottom: FOOT }, width, height, across, up: [0, most * 1.1], many: 2, color });
  const { x } = top;
  c.textAlign = "center";
  for (const tick of ticks(...across, width < 300 ? 3 : 5)) {
    c.fillText(words(tick, 1), x(tick), height - FOOT + 17);
    c.fillText(words(engine.gap(tick), 2), x(tick), height - FOOT + 32);
  }
  c.textAlign = "left";
  c.fillText("shift", 0, height - FOOT + 17);
  c.fillText("gap", 0, height - FOOT + 32);
  for (const [shift, label] of [[0, "as trained"], [closed, "closed"]]) {
    rule(c, x(shift), 8, x(shift), height - FOOT, color("soft"), { dash: [3, 4] });
    c.textAlign = shift ? "left" : "right";
    c.fillText(label, x(shift) + (shift ? 4 : -4), 12);
  }
  if (zoom) {
    c.textAlign = "left";
    c.fillText(`zoomed in: ${words(up[1] - up[0], 2)} nats`, LANDSCAPE.left + 4, middle - 5);
  }
  const guess = Math.log(pool);
  if (guess > up[0] && guess < up[1]) {
    rule(c, LANDSCAPE.left, top.y(guess), width - LANDSCAPE.right, top.y(guess), color("ink"), { dash: [1, 4] });
    c.textAlign = "right";
    c.fillText("a blind guess", width - LANDSCAPE.right, top.y(guess) - 4);
  }
  top.line(curves[0], engine.curveShift, d.colors.image, { wide: 1.2, dash: [5, 3] });
  top.line(curves[1], engine.curveShift, d.colors.text, { wide: 1.2, dash: [5, 3] });
  top.line(meanOf(curves), engine.curveShift, color("ink"));
  lowestPoint(c, x(best.at), top.within(best.value), color("ink"));
  for (const { values, placeOf, stroke, dash } of found) low.line(values, placeOf, stroke, { wide: 1.8, dash });
  for (const { now, stroke } of found) disc(c, x(here.shift), low.y(now), 4, stroke, color("face"));
  disc(c, x(here.shift), top.within(here.loss), 7, color("accent"), color("face"));
}

/** The pair of the point that lies nearest to where a pointer is, if one is near; else -1. */
export function pairAt(event, canvas, { n, m, pairOf }, onScreen) {
  const area = canvas.getBoundingClientRect();
  const at = [event.clientX - area.left, event.clientY - area.top];
  let [nearest, distance] = [-1, 18];
  for (let k = 0; k < n + m; k++) {
    const [x, y] = onScreen(k);
    const r = Math.hypot(x - at[0], y - at[1]);
    if (r < distance) [nearest, distance] = [k, r];
  }
  if (nearest < 0) return -1;
  return nearest < n ? pairOf(0, nearest) : pairOf(1, nearest - n);
}

/**
 * Small pictures that came as one file: `show(i, says)` makes an element of the i-th; without any, it makes none.
 * @param {{ count: number, columns: number, size: number, webp: DataView } | undefined} sprite
 * @param {(() => void)[]} ends
 */
export function pictures(sprite, ends) {
  if (!sprite) return null;
  const { count, columns, size, webp } = sprite;
  const url = URL.createObjectURL(new Blob([webp], { type: "image/webp" }));
  ends.push(() => URL.revokeObjectURL(url));
  return (i, says) => {
    const place = make("span", { class: "mgap-thumb", role: "img", "aria-label": says });
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const share = (at, of) => `${of > 1 ? (100 * at) / (of - 1) : 0}%`;
    place.style.backgroundImage = `url(${url})`;
    place.style.backgroundSize = `${100 * columns}% auto`;
    place.style.backgroundPosition = `${share(column, columns)} ${share(row, Math.ceil(count / columns))}`;
    if (size < 40) place.style.imageRendering = "pixelated";
    return place;
  };
}

/** A caption as far as it has room: a prompt may run on for ten lines. */
export const shortened = (text) => (text.length > 90 ? `${text.slice(0, 88).trimEnd()}…` : text);

/** The pair that is looked at, of some image and some text: its picture, its caption, its cosine. */
export function askedOf({ picture, captions, pair, ends = [pair, pair], cosine }) {
  const caption = captions ? ` “${captions[ends[1]]}”` : "";
  return [make("p", { class: "mgap-asked" }, picture ? picture(ends[0], `picture ${ends[0] + 1}`) : "", `Pair ${pair + 1}${caption}, cosine ${cosine}.`)];
}

/**
 * What a search of moved pairs finds, for one pair: its picture's nearest captions, its caption's nearest pictures.
 * @param {object} of
 * @param {ReturnType<typeof import("./landscape_engine.js").movePairs>} of.moved the pairs, where they are now
 * @param {string[]} [of.captions]
 * @param {ReturnType<typeof pictures>} of.picture
 * @param {number} of.pair
 * @param {[number, number]} of.before the rank of its own caption, and of its own picture, as trained
 * @returns {[HTMLElement, HTMLElement]} the pair, and what it finds
 */
export function foundBy({ moved, captions, picture, pair, before }) {
  const { n, m, pairs, partners, several } = moved.belongs;
  const ends = pairs.map((side) => side[pair]);
  const side = (kind) => {
    const { nearest, cosines, rank } = moved.neighbours(kind, ends[kind], 3);
    const own = partners[kind][ends[kind]];
    const what = kind ? "picture" : "caption";
    const pictured = kind === 1 && picture;
    const named = (i) => (captions && !(several && kind) ? `“${shortened(captions[i])}”` : `${several ? what : "pair"} ${i + 1}`);
    const shown = nearest.map((i) => {
      const mine = own.includes(i);
      const cosine = make("small", {}, `${mine ? "✓ its own, " : ""}${words(cosines[i], 3)}`);
      return make("li", mine ? { class: "mgap-own" } : {}, pictured ? picture(i, `picture ${i + 1}`) : named(i), " ", cosine);
    });
    const finds = picture || several ? "Its caption finds" : "Its caption finds the pictures of";
    const place = rank === before[kind] ? "as trained" : `it was ${before[kind]} as trained`;
    const ranks = own.length > 1 ? `The best of its own ${own.length} ${what}s ranks` : `Its own ${what} ranks`;
    return make(
      "div",
      {},
      make("p", { class: "mgap-title" }, kind ? finds : "Its picture finds"),
      make("ol", pictured ? { class: "mgap-row" } : {}, ...shown),
      make("p", { class: "mgap-line" }, `${ranks} ${rank} of ${kind ? n : m}; ${place}.`),
    );
  };
  const asked = askedOf({ picture, captions, pair, ends, cosine: words(moved.cosine(...ends), 3) });
  return [...asked, make("div", { class: "mgap-found" }, side(0), side(1))];
}
