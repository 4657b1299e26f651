// Pairs along their gap, pure: their cosines, places, losses and recalls at every shift, from tables of cosines alone.
//
// With u the gap's direction, s = x.y, p = x.u and q = y.u, moving the images by -t u and the texts by t u makes the
// cosine of an image and a text (s + t p - t q - t^2) over the two new lengths: no embeddings are needed.
import { interpolate, typed } from "./numbers.js";

/**
 * @typedef {ReturnType<typeof belonging>} Belonging Who belongs to whom.
 * @typedef {object} Pairs What is known of n images and m texts.
 * @property {number} n images; as many texts, and text i belongs to image i, unless `belongs` says otherwise
 * @property {Belonging} [belongs]
 * @property {number} gapLength
 * @property {Float32Array} gram cosines, an image a row, a text a column
 * @property {Float64Array} own cosines of the pairs, unrounded
 * @property {Float64Array} p images along the gap's direction
 * @property {Float64Array} q texts along it
 * @property {Float64Array} acrossImages images along the first direction across the gap
 * @property {Float64Array} acrossTexts texts along it
 */

/**
 * Who belongs to whom: the image and the text of each pair, in the images' order; without them row i to row i.
 * @param {number} n images
 * @param {number} [m] texts
 * @param {ArrayLike<number>[]} [pairs]
 */
export function belonging(n, m = n, pairs = [0, 1].map(() => Int32Array.from({ length: n }, (_, i) => i))) {
  const partners = [n, m].map((length) => Array.from({ length }, () => []));
  for (let k = 0; k < pairs[0].length; k++) {
    for (const kind of [0, 1]) partners[kind][pairs[kind][k]].push(pairs[1 - kind][k]);
  }
  return {
    n,
    m,
    pairs,
    /** Of each image its texts, of each text its images. */
    partners,
    /** How many images, and how many texts, have a partner. */
    asked: partners.map((each) => each.filter((own) => own.length).length),
    /** Whether somebody has several partners. */
    several: partners.some((each) => each.some((own) => own.length > 1)),
    /** The first pair of an image (kind 0) or a text (kind 1), -1 if it has none. */
    pairOf: (kind, i) => pairs[kind].indexOf(i),
  };
}

/**
 * Contrastive losses of both directions; who has several partners has the mean over them.
 * @param {Belonging} belongs
 * @param {number} tau temperature
 * @param {(i: number, row: Float64Array) => void} fillRow writes the cosines of image i with every text
 * @returns {[number, number]} of an image among the texts, and of a text among the images
 */
export function contrastiveLosses({ n, m, partners: [texts, images], asked }, tau, fillRow) {
  const row = new Float64Array(m);
  const columnSums = new Float64Array(m);
  const sharpness = 1 / tau;
  let [forth, back] = [0, 0];
  for (let i = 0; i < n; i++) {
    fillRow(i, row);
    let rowSum = 0;
    for (let j = 0; j < m; j++) {
      // Less the largest possible logit: a double holds exp(-2 / tau) down to tau = 0.003.
      const e = Math.exp((row[j] - 1) * sharpness);
      rowSum += e;
      columnSums[j] += e;
    }
    if (texts[i].length) forth += Math.log(rowSum);
    for (const j of texts[i]) {
      const own = (row[j] - 1) * sharpness;
      forth -= own / texts[i].length;
      back -= own / images[j].length;
    }
  }
  for (let j = 0; j < m; j++) if (images[j].length) back += Math.log(columnSums[j]);
  return [forth / asked[0], back / asked[1]];
}

/**
 * The pairs moved along their gap: after `to(shift)` everything here is said of that shift.
 * @param {Pairs} pairs
 */
export function movePairs({ n, gapLength, gram, own, p, q, acrossImages, acrossTexts, belongs = belonging(n) }) {
  const { m } = belongs;
  const cosines = Float64Array.from(gram);
  own.forEach((cosine, k) => (cosines[belongs.pairs[0][k] * m + belongs.pairs[1][k]] = cosine));
  const imageScale = new Float64Array(n); // one over the length that normalising takes away again
  const textScale = new Float64Array(m);
  let t = 0;
  const moved = {
    belongs,
    /** @param {number} shift in gaps: 0 as trained, about 0.5 closed */
    to(shift) {
      t = shift * gapLength;
      for (let i = 0; i < n; i++) imageScale[i] = 1 / Math.sqrt(1 - 2 * t * p[i] + t * t);
      for (let j = 0; j < m; j++) textScale[j] = 1 / Math.sqrt(1 + 2 * t * q[j] + t * t);
      return moved;
    },
    /** The cosine of image i and text j. */
    cosine: (i, j) => (cosines[i * m + j] + t * (p[i] - q[j] - t)) * imageScale[i] * textScale[j],
    /** Write the cosines of image i with every text. */
    fillRow(i, row) {
      const constant = t * (p[i] - t);
      const scale = imageScale[i];
      for (let j = 0, k = i * m; j < m; j++, k++) row[j] = (cosines[k] + constant - t * q[j]) * scale * textScale[j];
    },
    /** The cosine of two images (kind 0) or two texts (kind 1) that had cosine s. */
    within(kind, i, j, s) {
      const [along, scale, way] = kind ? [q, textScale, 1] : [p, imageScale, -1];
      return (s + way * t * (along[i] + along[j]) + t * t) * scale[i] * scale[j];
    },
    /** Write where each row lies, along the gap and across it: the images, then the texts. */
    places(into = new Float64Array(2 * (n + m))) {
      for (let i = 0; i < n; i++) {
        into[2 * i] = (p[i] - t) * imageScale[i];
        into[2 * i + 1] = acrossImages[i] * imageScale[i];
      }
      for (let j = 0, k = 2 * n; j < m; j++, k += 2) {
        into[k] = (q[j] + t) * textScale[j];
        into[k + 1] = acrossTexts[j] * textScale[j];
      }
      return into;
    },
    /** The `count` texts nearest to image i (kind 0), or images nearest to text i (kind 1), and its best partner's rank from 1. */
    neighbours(kind, i, count) {
      const found = Float64Array.from({ length: kind ? n : m }, (_, k) => (kind ? moved.cosine(k, i) : moved.cosine(i, k)));
      const order = [...found.keys()].sort((a, b) => found[b] - found[a]);
      const best = Math.max(...belongs.partners[kind][i].map((k) => found[k]));
      return { nearest: order.slice(0, count), cosines: found, rank: 1 + found.filter((c) => c > best).length };
    },
  };
  return moved.to(0);
}

/**
 * What the places must be drawn in: the least and greatest at some shifts.
 * @param {ReturnType<typeof movePairs>} moved
 * @param {Float64Array} places
 * @param {number[]} shifts
 * @returns {[number, number, number, number]} along the gap from, to; across it from, to
 */
export function extentOf(moved, places, shifts) {
  const extent = [0, 0, 0, 0];
  for (const shift of shifts) {
    moved.to(shift).places(places);
    for (let k = 0; k < places.length; k += 2) {
      extent[0] = Math.min(extent[0], places[k]);
      extent[1] = Math.max(extent[1], places[k]);
      extent[2] = Math.min(extent[2], places[k + 1]);
      extent[3] = Math.max(extent[3], places[k + 1]);
    }
  }
  return extent;
}

/** Read levels as the cosines that they stand for. */
export const cosinesOf = (levels, centre, step) => Float32Array.from(levels, (level) => centre + step * level);

/** Read what a landscape's Python side sent; a missing or truncated part is an error that names it. */
export function readLandscape(data) {
  const { n, m = n, stops, taus, partners, curve_stops: columns } = data ?? {};
  if (!(n >= 2)) throw new Error("the data name no pairs");
  const table = (name, length) => typed(Float64Array, data[name], length, name);
  const sides = partners && ["images", "texts"].map((side) => typed(Int32Array, partners[side], partners.count, "partners"));
  const belongs = belonging(n, m, sides);
  const gram = cosinesOf(typed(Int16Array, data.gram, n * m, "gram"), data.gram_centre, data.gram_step);
  const flat = typed(Float32Array, data.curves, taus.length * columns * 2, "curves");
  return {
    ...data,
    m,
    pairs: {
      n,
      belongs,
      gapLength: data.gap_length,
      gram,
      own: table("own", belongs.pairs[0].length), // they count most, so they come unrounded
      p: table("p", n),
      q: table("q", m),
      acrossImages: table("across_images", n),
      acrossTexts: table("across_texts", m),
    },
    squaredGaps: table("squared_gaps", stops),
    gap: gapOf(data),
    /** The tabulated loss of one direction (0 image to text, 1 text to image) at the k-th temperature. */
    curve: (k, direction) => flat.subarray((2 * k + direction) * columns, (2 * k + direction + 1) * columns),
    shares: sharesOf(data.steps),
  };
}

/** The gap at every shift, from its square at some stops. */
export function gapOf({ squared_gaps: squared, shift_range: [low, high], stops }) {
  const table = typed(Float64Array, squared, stops, "squared_gaps");
  return (shift) => Math.sqrt(Math.max(0, interpolate(table, low, (high - low) / (stops - 1), shift)));
}

/** Shares, such as recalls, at every shift: each changes only where some row's best match changes. */
export function sharesOf(steps) {
  const tables = Object.entries(steps).map(([name, { count, at, value }]) => ({
    name,
    at: typed(Float64Array, at, count, `steps of ${name}`),
    value: typed(Float64Array, value, count, `values of ${name}`),
  }));
  return (shift) => Object.fromEntries(tables.map((table) => [table.name, stepAt(table, shift)]));
}

/** The value of the step that was last passed. */
export function stepAt({ at, value }, shift) {
  let [low, high] = [0, at.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (at[middle] <= shift) low = middle;
    else high = middle;
  }
  return value[low];
}

/** All numbers of a shift and a temperature, of a landscape that was read. */
export function makeLandscape(d) {
  const first = d.shift_range[0];
  const stepOf = (count) => (d.shift_range[1] - first) / (count - 1);
  const moved = movePairs(d.pairs);

  /** The loss at every tabulated shift; between two tabulated temperatures, interpolated in the logarithm. */
  function curve(tau) {
    const logs = d.taus.map(Math.log);
    let k = logs.findIndex((log) => log >= Math.log(tau) - 1e-12);
    if (k < 0) k = logs.length - 1;
    const exact = Math.abs(logs[k] - Math.log(tau)) < 1e-9;
    const base = Math.min(Math.max(k - 2, 0), logs.length - 4);
    const nodes = exact ? [k] : [base, base + 1, base + 2, base + 3];
    const weights = nodes.map((a) =>
      nodes.reduce((w, b) => (a === b ? w : (w * (Math.log(tau) - logs[b])) / (logs[a] - logs[b])), 1),
    );
    return [0, 1].map((direction) => {
      const rows = nodes.map((node) => d.curve(node, direction));
      return Float64Array.from(rows[0], (_, c) => rows.reduce((sum, row, r) => sum + weights[r] * row[c], 0));
    });
  }

  return {
    moved,
    gap: d.gap,
    curve,
    /** The numbers by name; the pairs stay moved there. */
    metrics(shift, tau) {
      const [imageToText, textToImage] = contrastiveLosses(moved.belongs, tau, moved.to(shift).fillRow);
      return {
        gap: d.gap(shift),
        loss: (imageToText + textToImage) / 2,
        loss_image_to_text: imageToText,
        loss_text_to_image: textToImage,
        ...d.shares(shift),
      };
    },
    curveShift: (k) => first + k * stepOf(d.curve_stops),
  };
}

/** The loss both ways, from the one of each. */
export const meanOf = (curves) => curves[0].map((value, k) => (value + curves[1][k]) / 2);

/**
 * The loss axis: from nothing to beyond a blind guess among n, the same at every temperature; zoomed in, what the
 * curves fill.
 * @param {number} n
 * @param {boolean} zoom
 * @param {number[]} values all that is drawn
 * @returns {[number, number]}
 */
export function lossAxis(n, zoom, values) {
  if (!zoom) return [0, 1.25 * Math.log(n)];
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const room = (high - low || 1) * 0.08;
  return [low - room, high + room];
}
