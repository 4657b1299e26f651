// The tables of a landscape from embeddings, pure: what `mgaplib.widgets.gap_explorer.pack` sends, made in the browser.
import { belonging, movePairs } from "./landscape_engine.js";
import { allProducts, chanceOfAny } from "./measure_engine.js";

const NEAR = 1e-12; // two cosines of the same pair of directions differ by rounding alone

const along = (rows, d, axis) => Float64Array.from({ length: rows.length / d }, (_, i) => {
  let sum = 0;
  for (let k = 0; k < d; k++) sum += rows[i * d + k] * axis[k];
  return sum;
});

const unit = (vector) => {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
};

/** The direction across the gap in which all rows vary most, by repeated multiplication; it is only drawn. */
function widest(rows, d, direction) {
  const all = rows.map((side) => side.slice());
  const middle = new Float64Array(d);
  const many = (rows[0].length + rows[1].length) / d;
  for (const side of all) {
    const at = along(side, d, direction);
    side.forEach((value, k) => (side[k] = value - at[Math.floor(k / d)] * direction[k % d]));
    side.forEach((value, k) => (middle[k % d] += value / many));
  }
  let axis = unit(Float64Array.from({ length: d }, (_, k) => Math.sin(k + 1)));
  for (let turn = 0; turn < 60; turn++) {
    const next = new Float64Array(d);
    for (const side of all) {
      const centre = along(middle, d, axis)[0];
      for (const [i, at] of along(side, d, axis).entries()) for (let k = 0; k < d; k++) next[k] += (at - centre) * (side[i * d + k] - middle[k]);
    }
    axis = unit(next);
  }
  const most = axis.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
  return axis.map((value) => value * Math.sign(most));
}

/**
 * The taus in chains, each half of the one before it, so that one exponential serves a whole chain.
 * @param {number[]} taus
 * @returns {number[][]} their indices
 */
function chainsOf(taus) {
  const twice = (k) => taus.findIndex((tau) => Math.abs(tau - 2 * taus[k]) < 1e-9 * tau);
  const half = (k) => taus.findIndex((tau) => Math.abs(2 * tau - taus[k]) < 1e-9 * tau);
  return [...taus.keys()].filter((k) => twice(k) < 0).map((k) => {
    const chain = [];
    for (let at = k; at >= 0; at = half(at)) chain.push(at);
    return chain;
  });
}

/** Both directions' losses at every temperature, of one table of cosines, as `contrastiveLosses` has them of one. */
function lossesAt(cosines, { n, m, partners: [texts, images], asked }, taus) {
  const found = [];
  const powers = new Float64Array(n * m);
  for (const chain of chainsOf(taus)) {
    for (const [step, k] of chain.entries()) {
      const columns = new Float64Array(m);
      let [forth, back] = [0, 0];
      for (let i = 0, at = 0; i < n; i++) {
        let sum = 0;
        for (let j = 0; j < m; j++, at++) {
          // exp(-2 / tau) is a number down to tau = 0.003
          const e = step ? powers[at] * powers[at] : Math.exp((cosines[at] - 1) / taus[k]);
          powers[at] = e;
          sum += e;
          columns[j] += e;
        }
        if (texts[i].length) forth += Math.log(sum);
        for (const j of texts[i]) {
          const own = (cosines[i * m + j] - 1) / taus[k];
          forth -= own / texts[i].length;
          back -= own / images[j].length;
        }
      }
      for (let j = 0; j < m; j++) if (images[j].length) back += Math.log(columns[j]);
      found[k] = [forth / asked[0], back / asked[1]];
    }
  }
  return found;
}

/**
 * @param {ReturnType<typeof import("./measure_engine.js").makePairs>} of unit rows, and the group of each
 * @param {{ shifts: number[], curve_shifts: number[], taus: number[], colors: object }} stops
 * @param {(share: number) => void} told
 * @returns {object} what `readLandscape` reads
 */
export function tabulate({ rows, d, codes, members, aligned }, { shifts, curve_shifts, taus, colors }, told = () => {}) {
  const sizes = rows.map((side) => side.length / d);
  const [n, m] = sizes;
  const ends = [...codes[0]].flatMap((code, i) => members[1][code].map((j) => [i, j]));
  const sides = [0, 1].map((s) => Int32Array.from(ends, (pair) => pair[s]));
  const belongs = belonging(n, m, sides);
  const gap = new Float64Array(d);
  for (const [s, side] of rows.entries()) side.forEach((value, k) => (gap[k % d] += (s ? -value : value) / sizes[s]));
  const gapLength = Math.hypot(...gap);
  if (!(gapLength > 1e-9)) throw new Error("the images and the texts have the same mean, so there is no gap to move them along");
  const direction = gap.map((value) => value / gapLength);
  const [p, q] = rows.map((side) => along(side, d, direction));
  const table = allProducts(...rows, d);
  const axis = widest(rows, d, direction);
  const [acrossImages, acrossTexts] = rows.map((side) => along(side, d, axis));
  const own = Float64Array.from(ends, ([i, j]) => table[i * m + j]);
  const moved = movePairs({ n, belongs, gapLength, gram: table, own, p, q, acrossImages, acrossTexts });

  const shares = { recall_image_to_text: [], recall_text_to_image: [] };
  const squared = [];
  const row = new Float64Array(m);
  for (const [stop, shift] of shifts.entries()) {
    moved.to(shift);
    const t = shift * gapLength;
    const sum = new Float64Array(d);
    let [aside, forth] = [0, 0];
    for (const [s, side] of rows.entries()) {
      for (let i = 0; i < sizes[s]; i++) {
        const scale = 1 / Math.sqrt(1 + t * t + (s ? 2 : -2) * t * (s ? q : p)[i]) / sizes[s];
        aside += t * scale;
        for (let k = 0, at = i * d; k < d; k++, at++) sum[k] += (s ? -scale : scale) * side[at];
      }
    }
    squared.push(sum.reduce((total, value, k) => total + (value - aside * direction[k]) ** 2, 0));
    // What each row's partners score, the best of them, and how many lie level with the best.
    const scores = belongs.partners.map((each, s) => each.map((own_, i) => own_.map((k) => (s ? moved.cosine(k, i) : moved.cosine(i, k)))));
    const [mine, yours] = scores.map((each) => Float64Array.from(each, (some) => Math.max(...some)));
    const [ours, theirs] = [mine, yours].map((best, s) => scores[s].map((some, i) => some.filter((score) => score >= best[i] - NEAR).length));
    const [above, level] = [new Int32Array(m), new Int32Array(m)];
    for (let i = 0; i < n; i++) {
      moved.fillRow(i, row);
      let [better, tied] = [0, 0];
      for (let j = 0; j < m; j++) {
        if (row[j] > mine[i] + NEAR) better++;
        else if (row[j] >= mine[i] - NEAR) tied++;
        if (row[j] > yours[j] + NEAR) above[j]++;
        else if (row[j] >= yours[j] - NEAR) level[j]++;
      }
      if (ours[i]) forth += chanceOfAny(1 - better, tied, ours[i]) / belongs.asked[0];
    }
    shares.recall_image_to_text.push(forth);
    shares.recall_text_to_image.push(above.reduce((total, better, j) => total + (theirs[j] && chanceOfAny(1 - better, level[j], theirs[j]) / belongs.asked[1]), 0));
    if (stop % 10 === 0) told((stop / shifts.length) * 0.3);
  }

  const [low, high] = table.reduce(([least, most], cosine) => [Math.min(least, cosine), Math.max(most, cosine)], [1, -1]);
  const here = new Float64Array(n * m);
  const curves = new Float32Array(taus.length * 2 * curve_shifts.length);
  for (const [c, shift] of curve_shifts.entries()) {
    moved.to(shift);
    for (let i = 0; i < n; i++) moved.fillRow(i, here.subarray(i * m, (i + 1) * m));
    for (const [t, both] of lossesAt(here, belongs, taus).entries()) {
      for (const [way, loss] of both.entries()) curves[(2 * t + way) * curve_shifts.length + c] = loss;
    }
    told(0.3 + (0.7 * (c + 1)) / curve_shifts.length);
  }
  const [centre, step] = [(high + low) / 2, Math.max((high - low) / 65534, 1e-12)];
  const half = (shifts[1] - shifts[0]) / 2; // each stop's share holds from half a step before it
  const at = Float64Array.from(shifts, (shift) => shift - half).buffer;
  const doubles = (values) => Float64Array.from(values).buffer;
  return {
    n,
    m,
    ...(aligned ? {} : { partners: { count: ends.length, images: sides[0].buffer, texts: sides[1].buffer } }),
    gap_length: gapLength,
    gram_centre: centre,
    gram_step: step,
    shift_range: [shifts[0], shifts.at(-1)],
    stops: shifts.length,
    curve_stops: curve_shifts.length,
    taus,
    colors,
    steps: Object.fromEntries(Object.entries(shares).map(([name, values]) => [name, { count: shifts.length, at, value: doubles(values) }])),
    gram: Int16Array.from(table, (cosine) => Math.round((cosine - centre) / step)).buffer,
    own: own.buffer,
    p: p.buffer,
    q: q.buffer,
    across_images: acrossImages.buffer,
    across_texts: acrossTexts.buffer,
    squared_gaps: doubles(squared),
    curves: curves.buffer,
  };
}
