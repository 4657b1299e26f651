// What `mgaplib report` measures of pairs, number for number, pure: from unit rows and from who belongs to whom.
//
// Rows lie in Float64Arrays, row after row. Image i belongs to the texts of its group, `codes[0][i]`; where row i
// belongs to row i, groups are rows. What is random is drawn from `Draws`, which Python draws alike.
import { Draws, unitRows } from "./dynamics_engine.js";
import { inner, separability } from "./separability.js";

const TIE = 1e-12; // two cosines of the same pair of directions differ by rounding alone
const Z = 1.959964; // the normal law's 97.5 % quantile
const FLIPS = 999;
const RESAMPLES = 1000;
const SPLITS = 3;
const [NEAREST, HUBS] = [10, 0.5]; // queries by which a threshold knows a candidate, and their weight
export const SURE = 0.05; // how often chance may do as well
const MISFIT = 0.05; // a pair that so many strangers beat does not look like one
const UNLIKELY = 1e-3; // a pattern that chance makes so rarely is named
const ALIKE = 1e-6; // of 1 - cosine: equal rows, encoded twice
const AT_ONCE = 250; // draws whose sums are made in one pass over the rows

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

const range = (n, from = 0) => Int32Array.from({ length: n }, (_, i) => from + i);

/** The numbers from 0 in a random order. */
export function shuffled(n, seed, purpose) {
  const draws = new Draws(seed, purpose);
  const keys = Float64Array.from({ length: n }, () => draws.uniform());
  return Int32Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b);
}

/** `most` of n numbers at random, in their order; all of them if they are no more. */
export const drawnOf = (n, most, seed) => (n <= most ? range(n) : shuffled(n, seed, 1).slice(0, most).sort());

// --- pairs

/** For each row the number of the first row that is equal to it. */
export function twins(rows, d) {
  const words = new Uint32Array(rows.buffer, rows.byteOffset, rows.length * 2);
  const seen = new Map();
  return Int32Array.from({ length: rows.length / d }, (_, i) => {
    let hash = 0x811c9dc5;
    for (let k = 2 * i * d; k < 2 * (i + 1) * d; k++) hash = Math.imul(hash ^ words[k], 0x01000193) ^ (hash >>> 13);
    const like = seen.get(hash) ?? [];
    for (const j of like) {
      let k = 0;
      while (k < d && rows[i * d + k] === rows[j * d + k]) k++;
      if (k === d) return j;
    }
    seen.set(hash, [...like, i]);
    return i;
  });
}

/** The groups of aligned rows if a row of one side comes with two or more of the other on average, else null. */
function noticed(sides) {
  const n = sides[0].length;
  for (const [k, same] of sides.entries()) {
    const distinct = new Set(same).size;
    if (2 * distinct > n || distinct === 1) continue;
    const together = new Set(same.map((first, i) => first * n + sides[1 - k][i]));
    if (together.size >= 2 * distinct) return same;
  }
  return null;
}

/** Some rows of a matrix. */
export function take(rows, d, which) {
  const found = new Float64Array(which.length * d);
  for (const [k, i] of which.entries()) found.set(rows.subarray(i * d, (i + 1) * d), k * d);
  return found;
}

/**
 * How sure it is that each of some rows belongs to as many of the other side, which follow one another: the mean fit
 * of the groups, less that with the next group's rows, in its standard errors. What neighbours share counts for nothing.
 * @param {Float64Array} few
 * @param {Float64Array} many as many rows for each of the few, in their order
 */
export function fitOfBlocks(few, many, d) {
  const [x, y] = [few, many].map((side) => unitRows(side.slice(), d));
  const centre = sumOf(x, d).map((value) => (value * d) / x.length);
  const [k, each] = [few.length / d, many.length / few.length];
  const fits = Float64Array.from({ length: k }, (_, g) => {
    let sum = 0;
    const [own, next] = [g, (g + 1) % k].map((group) => group * each * d);
    for (let at = 0; at < each * d; at++) sum += (x[g * d + (at % d)] - centre[at % d]) * (y[own + at] - y[next + at]);
    return sum / each;
  });
  const middle = mean(fits);
  return middle / Math.sqrt(fits.reduce((sum, fit) => sum + (fit - middle) ** 2, 0) / (k * (k - 1)) || 1);
}

/**
 * Pairs of two checked matrices: rows of unit length, and equal ones taken as one where they are many. Unequally many
 * rows are in blocks, as many of one side for each of the other, or belong to nobody.
 * @param {Float64Array} images
 * @param {Float64Array} texts
 * @param {number} d
 * @param {boolean} blocks
 */
export function makePairs(images, texts, d, blocks = false) {
  const [n, m] = [images.length / d, texts.length / d];
  const rows = [images, texts].map((side) => unitRows(side.slice(), d));
  if (n !== m && !blocks) return pairsOf(rows, d, [range(n), range(m, n)], n + m);
  const same = blocks ? null : noticed([twins(images, d), twins(texts, d)]);
  if (!blocks && !same) return pairsOf(rows, d, [range(n), range(n)], n);
  const numbers = new Map();
  for (const first of same ?? []) if (!numbers.has(first)) numbers.set(first, numbers.size);
  const groups = blocks ? Math.min(n, m) : numbers.size;
  const codes = [n, m].map((size) => Int32Array.from({ length: size }, (_, i) => (blocks ? Math.floor((i * groups) / size) : numbers.get(same[i]))));
  const kept = rows.map((side, s) => {
    const seen = new Set();
    return twins(side, d).reduce((found, first, i) => {
      const key = codes[s][i] * codes[s].length + first;
      if (!seen.has(key)) found.push(i);
      seen.add(key);
      return found;
    }, []);
  });
  return pairsOf(rows.map((side, s) => take(side, d, kept[s])), d, kept.map((which, s) => Int32Array.from(which, (i) => codes[s][i])), groups);
}

/** @param {Float64Array[]} rows of unit length @param {number} d @param {Int32Array[]} codes @param {number} groups */
function pairsOf(rows, d, codes, groups) {
  const members = codes.map((side) => {
    const found = Array.from({ length: groups }, () => []);
    for (const [i, code] of side.entries()) found[code].push(i);
    return found;
  });
  const n = codes.map((side) => side.length);
  const aligned = n[0] === groups && n[1] === groups && members[0].every((rows, k) => rows[0] === members[1][k][0]);
  return { rows, d, codes, groups, members, n, aligned, partners: inner(members[0].map(({ length }) => length), members[1].map(({ length }) => length)) };
}

/** Some groups of pairs, by their numbers and in their order. */
export function takeGroups(pairs, which) {
  const kept = pairs.members.map((groups) => [...which].flatMap((code) => groups[code]).sort((a, b) => a - b));
  const number = new Map([...which].sort((a, b) => a - b).map((code, k) => [code, k]));
  const codes = kept.map((rows, k) => Int32Array.from(rows, (i) => number.get(pairs.codes[k][i])));
  return pairsOf(kept.map((rows, k) => take(pairs.rows[k], pairs.d, rows)), pairs.d, codes, which.length);
}

/** Some rows in fours, the k-th numbers of four beside one another; zeros stand for rows that are not there. */
function inFours(rows, d, first, end) {
  const packed = new Float64Array(4 * d * Math.ceil((end - first) / 4));
  for (let i = first; i < end; i++) {
    const to = 4 * d * ((i - first) >> 2) + ((i - first) & 3);
    for (let k = 0; k < d; k++) packed[to + 4 * k] = rows[i * d + k];
  }
  return packed;
}

/**
 * Products of all rows with all rows, four by four; equal rows have equal products.
 * @param {Float64Array} x
 * @param {Float64Array} y
 * @param {number} d
 * @param {(share: number) => void} [told]
 */
export function allProducts(x, y, d, told = () => {}) {
  const [n, m] = [x.length / d, y.length / d];
  const table = new Float64Array(n * m);
  const tile = new Float64Array(16);
  const left = inFours(x, d, 0, n);
  const strip = Math.max(4, 4 * Math.floor(8192 / d)); // rows of y that stay in the cache
  for (let first = 0; first < m; first += strip) {
    const end = Math.min(first + strip, m);
    const right = inFours(y, d, first, end);
    for (let i = 0; i < n; i += 4) {
      for (let j = first; j < end; j += 4) {
        multiply(left, i * d, right, (j - first) * d, d, tile);
        for (let r = 0; r < 4 && i + r < n; r++) for (let c = 0; c < 4 && j + c < end; c++) table[(i + r) * m + j + c] = tile[4 * r + c];
      }
    }
    told(end / m);
  }
  return table;
}

/** The 16 products of four rows with four. */
function multiply(left, from, right, by, d, tile) {
  let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
  let e0 = 0, e1 = 0, e2 = 0, e3 = 0, f0 = 0, f1 = 0, f2 = 0, f3 = 0;
  for (let at = from, to = by; at < from + 4 * d; at += 4, to += 4) {
    const u0 = left[at], u1 = left[at + 1], u2 = left[at + 2], u3 = left[at + 3];
    const v0 = right[to], v1 = right[to + 1], v2 = right[to + 2], v3 = right[to + 3];
    a0 += u0 * v0; a1 += u0 * v1; a2 += u0 * v2; a3 += u0 * v3;
    b0 += u1 * v0; b1 += u1 * v1; b2 += u1 * v2; b3 += u1 * v3;
    e0 += u2 * v0; e1 += u2 * v1; e2 += u2 * v2; e3 += u2 * v3;
    f0 += u3 * v0; f1 += u3 * v1; f2 += u3 * v2; f3 += u3 * v3;
  }
  tile[0] = a0; tile[1] = a1; tile[2] = a2; tile[3] = a3;
  tile[4] = b0; tile[5] = b1; tile[6] = b2; tile[7] = b3;
  tile[8] = e0; tile[9] = e1; tile[10] = e2; tile[11] = e3;
  tile[12] = f0; tile[13] = f1; tile[14] = f2; tile[15] = f3;
}

/** For each of some draws the sum of all rows, row i of draw q times `weights[q * n + i]`. */
function sumsOf(weights, rows, d) {
  const n = rows.length / d;
  const columns = new Float64Array(rows.length);
  for (let k = 0; k < d; k++) for (let i = 0; i < n; i++) columns[k * n + i] = rows[i * d + k];
  return allProducts(weights, columns, n);
}

function sumOf(rows, d) {
  const sum = new Float64Array(d);
  for (let from = 0; from < rows.length; from += d) for (let k = 0; k < d; k++) sum[k] += rows[from + k];
  return sum;
}

// --- the gap

/** Of each group the products of its sums, numbers of rows and of pairs of rows. */
function groupsOf({ rows, d, members, groups }) {
  const sizes = members.map((side) => Float64Array.from(side, ({ length }) => length));
  const pick = [[0, 0], [1, 1], [0, 1]];
  const alike = pick.map(() => new Float64Array(groups));
  const sums = rows.map(() => new Float64Array(d));
  for (let g = 0; g < groups; g++) {
    for (const [s, sum] of sums.entries()) {
      sum.fill(0);
      for (const i of members[s][g]) for (let k = 0; k < d; k++) sum[k] += rows[s][i * d + k];
    }
    for (const [k, [s, t]] of pick.entries()) if (sizes[s][g] && sizes[t][g]) alike[k][g] = inner(sums[s], sums[t]);
  }
  const ofTwo = pick.map(([s, t]) => sizes[0].map((_, g) => sizes[s][g] * sizes[t][g]));
  return { sizes, alike, ofTwo };
}

/** Mean cosines of two images, two texts, an image and another's text, and partners, where groups and so the sums of rows have weights. */
function meanCosines([a, b], { sizes, alike, ofTwo }, weights) {
  const counts = sizes.map((size) => inner(weights, size));
  const squares = weights.map((weight) => weight * weight);
  const found = [[a, a, 0, 0], [b, b, 1, 1], [a, b, 0, 1]].map(([x, y, s, t], k) =>
    (inner(x, y) - inner(squares, alike[k])) / (counts[s] * counts[t] - inner(squares, ofTwo[k])));
  return { images: found[0], texts: found[1], across: found[2], matched: inner(weights, alike[2]) / inner(weights, ofTwo[2]) };
}

/** What needs no partners stays where there are none. */
const known = (numbers) => Object.fromEntries(Object.entries(numbers).filter(([, value]) => !Number.isNaN(value)));

const degrees = (cosine) => (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI;

/** The gap and what it is compared with, by the names of `metrics.gap_report`. */
function geometry(pairs, sums) {
  const { rows, d, groups, n } = pairs;
  const totals = rows.map((side) => sumOf(side, d));
  const found = meanCosines(totals, sums, new Float64Array(groups).fill(1));
  const centres = totals.map((total, s) => total.map((value) => value / n[s]));
  const gap = Math.hypot(...centres[0].map((value, k) => value - centres[1][k]));
  const unbiased = Math.sqrt(Math.max(found.images + found.texts - 2 * found.across, 0));
  const apart = 2 - 2 * found.matched;
  const lengths = centres.map((centre) => Math.hypot(...centre));
  return known({
    modality_gap: gap,
    "modality_gap (unbiased)": unbiased,
    "squared gap": gap ** 2,
    relative_modality_gap: apart / (apart + 2 - found.images - found.texts),
    centre_angle: degrees(inner(...centres) / (lengths[0] * lengths[1])),
    gap_share: Math.min(gap ** 2 / apart, 1),
    "gap_share (unbiased)": Math.min(unbiased ** 2 / apart, 1),
    alignment: apart,
    "matched cosine": found.matched,
    "mismatched cosine": found.across,
    "mean_cosine (images)": found.images,
    "mean_cosine (texts)": found.texts,
  });
}

/** The value that would stand at a place were they sorted; they are put in part in order, which is quicker (Hoare). */
function nth(values, place) {
  let [low, high] = [0, values.length - 1];
  while (low < high) {
    const middle = values[(low + high) >> 1];
    let [i, j] = [low, high];
    while (i <= j) {
      while (values[i] < middle) i++;
      while (values[j] > middle) j--;
      if (i > j) break;
      const held = values[i];
      values[i++] = values[j];
      values[j--] = held;
    }
    if (place <= j) high = j;
    else if (place >= i) low = i;
    else break;
  }
  return values[place];
}

/** A quantile of values, between two of them in proportion; they are put in part in order. */
export function quantile(values, share) {
  const at = share * (values.length - 1);
  const low = Math.floor(at);
  const value = nth(values, low);
  return at > low ? value + (at - low) * (nth(values, low + 1) - value) : value;
}

/** 95 % intervals of what depends on mean cosines: whole groups are drawn again. */
function resampled({ rows, d, codes, groups, aligned }, sums, told) {
  const draws = new Draws(0, 3);
  const found = {};
  for (let first = 0; first < RESAMPLES; first += AT_ONCE) {
    const counts = Array.from({ length: AT_ONCE }, () => {
      const count = new Float64Array(groups);
      for (let g = 0; g < groups; g++) count[Math.floor(draws.uniform() * groups)] += 1;
      return count;
    });
    const totals = rows.map((side, s) => {
      const weights = new Float64Array(AT_ONCE * codes[s].length);
      for (const [q, count] of counts.entries()) weights.set(aligned ? count : Float64Array.from(codes[s], (code) => count[code]), q * codes[s].length);
      return sumsOf(weights, side, d);
    });
    for (const [q, count] of counts.entries()) {
      const { images, texts, across, matched } = meanCosines(totals.map((total) => total.subarray(q * d, (q + 1) * d)), sums, count);
      const [squared, apart] = [Math.max(images + texts - 2 * across, 0), 2 - 2 * matched];
      const one = {
        modality_gap: Math.sqrt(squared),
        "squared gap": squared,
        centre_angle: degrees(across / Math.sqrt(images * texts)),
        "mismatched cosine": across,
        "mean_cosine (images)": images,
        "mean_cosine (texts)": texts,
        relative_modality_gap: apart / (apart + 2 - images - texts),
        gap_share: Math.min(squared / apart, 1),
        alignment: apart,
        "matched cosine": matched,
      };
      for (const [name, value] of Object.entries(one)) (found[name] ??= []).push(value);
    }
    told(first / RESAMPLES);
  }
  if (found["mean_cosine (images)"].concat(found["mean_cosine (texts)"]).some((value) => value <= 0)) delete found.centre_angle;
  const ends = {};
  for (const [name, values] of Object.entries(found)) {
    const there = Float64Array.from(values.filter((value) => !isNaN(value)));
    if (there.length) ends[name] = [quantile(there, 0.025), quantile(there, 0.975)];
  }
  for (const name of ["modality_gap", "gap_share"]) if (ends[name]) ends[`${name} (unbiased)`] = ends[name];
  return ends;
}

/** How often random sign flips of whole groups make as long a gap, and the length that 95 % stay below. */
function byChance({ rows, d, codes, groups, n, aligned }, gap, told) {
  const middle = new Float64Array(d);
  if (!aligned) for (const [s, side] of rows.entries()) sumOf(side, d).forEach((value, k) => (middle[k] += value / n[s] / 2));
  const parts = new Float64Array(groups * d);
  for (const [s, side] of rows.entries()) {
    for (const [i, code] of codes[s].entries()) {
      for (let k = 0; k < d; k++) parts[code * d + k] += ((s ? -1 : 1) * (side[i * d + k] - middle[k])) / n[s];
    }
  }
  const draws = new Draws(0, 2);
  const lengths = [];
  for (let first = 0; first < FLIPS; first += AT_ONCE) {
    const signs = Float64Array.from({ length: Math.min(AT_ONCE, FLIPS - first) * groups }, () => (draws.uniform() < 0.5 ? -1 : 1));
    const sums = sumsOf(signs, parts, d);
    for (let at = 0; at < sums.length; at += d) lengths.push(Math.hypot(...sums.subarray(at, at + d)));
    told(first / FLIPS);
  }
  const longer = lengths.filter((length) => length >= gap - TIE).length;
  return { p_value: (1 + longer) / (1 + FLIPS), high: quantile(lengths, 0.95) };
}

// --- who finds whom

/** The chance that one of `partners` comes in the first places, all of them among `among` that are shuffled. */
export function chanceOfAny(places, among, partners) {
  const left = Math.min(Math.max(places, 0), among);
  let missed = 1;
  for (let taken = 0; taken < partners; taken++) {
    missed *= Math.min(Math.max((among - left - taken) / Math.max(among - taken, 1), 0), 1);
  }
  return 1 - missed;
}

/** One way through a table of scores: `at(q, c)` for query q and candidate c, by their side's numbers. */
function wayOf({ codes, members, n }, table, back) {
  const [queries, candidates] = back ? [1, 0] : [0, 1];
  const stride = n[1];
  return {
    queries: n[queries],
    candidates: n[candidates],
    codes: codes[queries],
    others: codes[candidates],
    at: back ? (q, c) => table[c * stride + q] : (q, c) => table[q * stride + c],
    partners: (q) => members[candidates][codes[queries][q]],
  };
}

/** For each query that has a partner: how many candidates score above its best partner, how many tie, how many of them are partners. */
function ranks(way) {
  const found = [];
  for (let q = 0; q < way.queries; q++) {
    const own = way.partners(q).map((c) => way.at(q, c));
    if (!own.length) continue;
    const best = Math.max(...own);
    const [high, low] = [best + TIE, best - TIE];
    let [better, tied] = [0, 0];
    for (let c = 0; c < way.candidates; c++) {
      const score = way.at(q, c);
      if (score > high) better++;
      else if (score >= low) tied++;
    }
    found.push({ q, best, better, tied, shared: own.filter((score) => score >= low).length });
  }
  return found;
}

const hitsOf = (found, k) => found.map(({ better, tied, shared }) => chanceOfAny(k - better, tied, shared));

/** Wilson's 95 % interval of a share of as many queries as they are worth: those of one group hang together. */
function shareInterval(chances, codes) {
  const [share, n] = [mean(chances), chances.length];
  const off = new Map();
  for (const [k, code] of codes.entries()) off.set(code, (off.get(code) ?? 0) + (chances[k] - share) / n);
  let worth = n;
  if (off.size < n) {
    const spread = [...off.values()].reduce((sum, value) => sum + value ** 2, 0);
    worth = spread > 0 ? Math.min((share * (1 - share)) / spread, n) : off.size;
  }
  const [middle, weight] = [share + Z ** 2 / (2 * worth), 1 + Z ** 2 / worth];
  const half = Z * Math.sqrt((share * (1 - share)) / worth + (Z / (2 * worth)) ** 2);
  return [Math.min(Math.max((middle - half) / weight, 0), share), Math.max(Math.min((middle + half) / weight, 1), share)];
}

/** Recall both ways, with its interval and what a blind guess would reach. */
function recalls(pairs, table, into) {
  const ks = [1, 5, 10].filter((k) => k < Math.min(...pairs.n));
  const blind = {};
  for (const [back, name] of [[false, "image to text"], [true, "text to image"]]) {
    const way = wayOf(pairs, table, back);
    const found = ranks(way);
    for (const k of ks) {
      const chances = hitsOf(found, k);
      const key = `recall_at_${k} (${name})`;
      into.metrics[key] = mean(chances);
      into.intervals[key] = shareInterval(chances, found.map(({ q }) => way.codes[q]));
      blind[key] = mean(found.map(({ q }) => chanceOfAny(k, way.candidates, way.partners(q).length)));
    }
  }
  into.blind = blind;
}

/** CLIP's loss in nats: of queries with several partners the mean over them. */
function contrastiveLoss(pairs, table, tau) {
  return mean([false, true].map((back) => {
    const way = wayOf(pairs, table, back);
    const found = [];
    for (let q = 0; q < way.queries; q++) {
      const own = way.partners(q).map((c) => way.at(q, c));
      if (!own.length) continue;
      let sum = 0;
      for (let c = 0; c < way.candidates; c++) sum += Math.exp((way.at(q, c) - 1) / tau);
      found.push(Math.log(sum) - (mean(own) - 1) / tau);
    }
    return mean(found);
  }));
}

/** The cosines of partners and of strangers. */
function scoresOf(way, queries, candidates) {
  const [own, strangers] = [[], new Float64Array(queries.length * candidates.length)];
  let count = 0;
  for (const q of queries) {
    for (const c of candidates) {
      const score = way.at(q, c);
      if (way.codes[q] === way.others[c]) own.push(score);
      else strangers[count++] = score;
    }
  }
  return { own: Float64Array.from(own), strangers: strangers.subarray(0, count) };
}

const spreadOf = (values) => ({ mean: mean(values), low: quantile(values, 0.05), high: quantile(values, 0.95) });
const shareAbove = (values, limit) => values.reduce((count, value) => count + (value > limit), 0) / values.length;
const rowsOf = ({ members }, side, groups) => [...groups].flatMap((g) => members[side][g]).sort((a, b) => a - b);

/** The score that a new stranger passes with at most this chance, of scores of strangers; null if they are too few. */
export function thresholdAt(scores, rate) {
  const allowed = Math.floor(rate * (scores.length + 1) + 1e-9) - 1;
  return allowed < 0 ? null : nth(scores, scores.length - 1 - allowed);
}

/** What each candidate's scores lose: half its mean with its nearest calibration queries; `own` of one leaves that one out. */
function hubsOf(way, queries, candidates) {
  const found = new Map();
  for (const c of candidates) {
    const nearest = Float64Array.from(queries.filter((q) => way.codes[q] !== way.others[c]), (q) => way.at(q, c)).sort().slice(-NEAREST - 1);
    const sum = nearest.reduce((total, score) => total + score, 0);
    const [next, first] = nearest; // the one that moves up where one of the nearest is left out
    const without = (score) => (score >= first ? sum - score : sum - next);
    found.set(c, { own: (score) => (HUBS * without(score)) / NEAREST, all: (HUBS * (sum - next)) / NEAREST });
  }
  return found;
}

/** For each rate the threshold of a pair, where nobody has a partner: strangers are enough for it. */
function thresholdsOfStrangers(pairs, table, rates) {
  const way = wayOf(pairs, table, true);
  const [fit, test] = [0, 1].map((half) => {
    const [images, texts] = pairs.n.map((size, side) => {
      const [order, middle] = [shuffled(size, side, 4), Math.ceil(size / 2)];
      return half ? order.slice(middle) : order.slice(0, middle);
    });
    return { scores: scoresOf(way, texts, images).strangers, pool: images.length };
  });
  return rates.map((rate) => {
    const score = thresholdAt(fit.scores, rate);
    return score === null ? { rate } : { rate, pair: { score, pool: fit.pool, false_positive_rate: shareAbove(test.scores, score) } };
  });
}

/** For each rate thresholds a pair, a search, and a pair that knows its candidate: learnt on half of the groups, judged on the other. */
function thresholds(pairs, table, rates) {
  const order = shuffled(pairs.groups, 0, 4);
  const way = wayOf(pairs, table, true); // a text asks for its image
  const sides = [order.slice(0, Math.floor(order.length / 2)), order.slice(Math.floor(order.length / 2))].map((groups) => ({
    groups,
    queries: rowsOf(pairs, 1, groups),
    candidates: rowsOf(pairs, 0, groups),
  }));
  const [learnt] = sides;
  const partners = Math.max(...learnt.groups.map((g) => pairs.members[1][g].length));
  const knows = learnt.queries.length - 1 - partners >= NEAREST;
  const [fit, test] = sides.map(({ queries, candidates }, side) => {
    const best = queries.map((q) => {
      let most = -Infinity;
      for (const c of candidates) if (way.codes[q] !== way.others[c]) most = Math.max(most, way.at(q, c));
      return most;
    });
    const { own, strangers } = scoresOf(way, queries, candidates);
    const found = { own: { pair: own, query: own }, strangers: { pair: strangers, query: Float64Array.from(best) } };
    found.pool = { pair: candidates.length, query: candidates.length - Math.round(own.length / queries.length), candidate: candidates.length };
    if (knows) {
      const hubs = hubsOf(way, learnt.queries, candidates);
      const less = { ...way, at: (q, c) => way.at(q, c) - (side ? hubs.get(c).all : hubs.get(c).own(way.at(q, c))) };
      ({ own: found.own.candidate, strangers: found.strangers.candidate } = scoresOf(less, queries, candidates));
    }
    return found;
  });
  return rates.map((rate) => {
    const found = { rate };
    for (const [per, strangers] of Object.entries(fit.strangers)) {
      const score = per === "query" && rate * learnt.groups.length < 1 ? null : thresholdAt(strangers, rate);
      if (score === null) continue;
      const [passed, hit] = [test.strangers[per], test.own[per]].map((scores) => shareAbove(scores, score));
      found[per] = { score, pool: fit.pool[per], false_positive_rate: passed, hit_rate: hit };
    }
    return found;
  });
}

// --- are the pairs right?

/** How many rows equal an earlier one, but for rounding. */
function repeats(rows, d) {
  const n = rows.length / d;
  const centre = sumOf(rows, d).map((value) => value / n);
  if (Math.hypot(...centre) > 1 - 1e-3) return n - new Set(twins(rows, d)).size; // so alike that likeness says nothing
  const spread = new Float64Array(d);
  rows.forEach((value, at) => (spread[at % d] += (value - centre[at % d]) ** 2));
  const widest = spread.indexOf(Math.max(...spread)); // rows that differ in it need no second look
  const order = Array.from(range(n)).sort((a, b) => rows[a * d + widest] - rows[b * d + widest]);
  const near = 2 * ALIKE;
  const again = new Set();
  for (const [place, i] of order.entries()) {
    for (let next = place + 1; next < n; next++) {
      const j = order[next];
      if (rows[j * d + widest] - rows[i * d + widest] > Math.sqrt(near)) break;
      let apart = 0;
      for (let k = 0; k < d && apart <= near; k++) apart += (rows[i * d + k] - rows[j * d + k]) ** 2;
      if (apart <= near) again.add(Math.max(i, j));
    }
  }
  return again.size;
}

/** What the cosines say about the pairing: better than chance, and each in its place? */
function pairing(pairs, table) {
  const { rows: sides, d, codes, groups, members, n, aligned } = pairs;
  const found = { verdict: "ok", p_value: null, repeats: sides.map((side) => repeats(side, d)) };
  if (found.repeats.some(Boolean)) found.verdict = "look";
  const there = range(groups).filter((g) => members[0][g].length && members[1][g].length);
  const k = there.length;
  if (!k) return found;
  const number = new Int32Array(groups).fill(-1);
  there.forEach((g, at) => (number[g] = at));
  const scores = new Float64Array(k * k);
  for (let i = 0; i < n[0]; i++) {
    const a = number[codes[0][i]];
    for (let j = 0; j < n[1]; j++) {
      const b = number[codes[1][j]];
      if (a >= 0 && b >= 0) scores[a * k + b] += table[i * n[1] + j] / (members[0][there[a]].length * members[1][there[b]].length);
    }
  }
  const [rows, columns] = [new Float64Array(k), new Float64Array(k)];
  scores.forEach((score, at) => {
    rows[Math.floor(at / k)] += score / k;
    columns[at % k] += score / k;
  });
  const all = mean(rows);
  scores.forEach((score, at) => (scores[at] = score - rows[Math.floor(at / k)] - columns[at % k] + all));
  const own = Float64Array.from({ length: k }, (_, i) => scores[i * k + i]);
  let square = 0;
  scores.forEach((score, at) => (square += at % (k + 1) ? score ** 2 : 0));
  const others = -mean(own) / (k - 1); // all of them add up to nothing
  const noise = Math.sqrt(square / (k * (k - 1)) - others ** 2) || 1;
  let asGood = 0;
  for (let draw = 0; draw < FLIPS; draw++) {
    const order = shuffled(k, draw, 5);
    let sum = 0;
    for (let i = 0; i < k; i++) sum += scores[i * k + order[i]];
    if (sum / k >= mean(own) - TIE) asGood++;
  }
  const beaten = own.map((score, i) => {
    let above = -2;
    for (let j = 0; j < k; j++) above += (scores[i * k + j] >= score) + (scores[j * k + i] >= score);
    return above / (2 * (k - 1));
  });
  const odd = range(k).filter((i) => beaten[i] > MISFIT);
  found.p_value = (1 + asGood) / (1 + FLIPS);
  found.misfits = Math.min((2 * beaten.filter((share) => share > 0.5).length) / k, 1);
  const other = otherOrder(scores, k, odd, noise) ?? (aligned ? null : otherBlocks(pairs, odd, noise));
  found.order = other ?? exchanged(scores, k, odd);
  if (found.order) found.order = { ...found.order, rows: found.order.rows.map((i) => there[i]), together: other !== null };
  if (found.order || found.p_value >= SURE) found.verdict = "wrong";
  else if (found.misfits > 0.02) found.verdict = "look";
  return { ...found, of: k, shufflings: FLIPS };
}

/** Whether texts that come as many an image fit if they are read in the other order of two; or null. */
function otherBlocks({ rows, d, codes, members, n, groups: k }, odd, noise) {
  const each = n[1] / k;
  if (odd.length < 5 || n[0] !== k || codes[0].some((code, i) => code !== i) || members[1].some(({ length }) => length !== each)) return null;
  const [x, y] = rows.map((side, s) => {
    const centre = sumOf(side, d).map((value) => value / n[s]);
    return side.map((value, at) => value - centre[at % d]);
  });
  const fit = (read) => {
    let sum = 0;
    for (let j = 0; j < n[1]; j++) for (let at = j * d, from = read(j) * d; at < (j + 1) * d; at++, from++) sum += x[from] * y[at];
    return sum / n[1];
  };
  const own = fit((j) => codes[1][j]);
  for (const [how, read] of [["together", (j) => Math.floor(j / each)], ["in turn", (j) => j % k]]) {
    if (fit(read) > Math.max((6 * noise) / Math.sqrt(k), 2 * own)) return { how, by: each, rows: [...odd] };
  }
  return null;
}

/** Odd groups that find one another, if more often than chance lets them; or null. */
function exchanged(scores, k, odd) {
  const is = new Set(odd);
  const finds = odd.map(() => 0);
  let hits = 0;
  for (const [place, i] of odd.entries()) {
    for (const [row, column] of [[k, 1], [1, k]]) {
      let best = 0;
      for (let j = 1; j < k; j++) if (scores[i * row + j * column] > scores[i * row + best * column]) best = j;
      if (best === i || !is.has(best)) continue;
      hits++;
      finds[place] = 1;
    }
  }
  if (odd.length < 2 || !(atLeast(hits, 2 * odd.length, odd.length / k) < UNLIKELY)) return null;
  return { how: "exchanged", by: 0, rows: [...odd].filter((_, place) => finds[place]) };
}

/** How likely a binomial count of n reaches so many hits. */
export function atLeast(hits, n, share) {
  if (!hits || share >= 1) return 1;
  const logs = [0]; // of the factorials
  for (let i = 1; i <= n; i++) logs.push(logs[i - 1] + Math.log(i));
  let sum = 0;
  for (let i = hits; i <= n; i++) sum += Math.exp(logs[n] - logs[i] - logs[n - i] + i * Math.log(share) + (n - i) * Math.log1p(-share));
  return sum;
}

/** Another order of one side that fits far better than the rows' own: how, by how much, which rows it puts right; or null. */
function otherOrder(scores, k, odd, noise) {
  if (odd.length < 5) return null;
  const orders = Array.from({ length: k - 1 }, (_, by) => [by + 1 <= k / 2 ? "ahead" : "behind", Math.min(by + 1, k - by - 1), (i) => (i + by + 1) % k]);
  orders.push(["reverse", 0, (i) => k - 1 - i]);
  for (const first of [0, 1]) {
    const byName = Array.from({ length: k }, (_, i) => i).sort((a, b) => (String(a + first) < String(b + first) ? -1 : 1));
    const place = [];
    byName.forEach((i, at) => (place[i] = at));
    orders.push(["texts by name", first, (i) => byName[i]], ["images by name", first, (i) => place[i]]);
  }
  const fit = (to) => odd.reduce((sum, i) => sum + scores[i * k + to(i)], 0) / odd.length;
  const fits = orders.map(([, , to]) => fit(to));
  const best = fits.indexOf(Math.max(...fits));
  if (fits[best] < (6 * noise) / Math.sqrt(odd.length) || fits[best] < 2 * fit((i) => i)) return null;
  const [how, by, to] = orders[best];
  return { how, by, rows: [...odd.filter((i) => scores[i * k + to(i)] > scores[i * k + i])] };
}

/** How well a plane parts the modalities: learnt on one half of the groups, or of each side, and judged on the other. */
function parted(pairs) {
  const halves = (size, purpose) => {
    const [order, middle] = [shuffled(size, purpose, 9), Math.floor(size / 2)];
    return [order.slice(0, middle), order.slice(middle)];
  };
  const of = pairs.partners ? [0, 1].map((s) => halves(pairs.groups, 0).map((groups) => rowsOf(pairs, s, groups))) : pairs.n.map(halves);
  const [train, test] = [0, 1].map((half) => pairs.rows.map((side, s) => take(side, pairs.d, of[s][half])));
  return separability(train, test, pairs.d);
}

// --- what centring changes

/** Let each side search the other, and both in one index. */
function judge(pairs) {
  const { rows, d, codes, n } = pairs;
  const table = allProducts(...rows, d);
  const centres = rows.map((side, s) => sumOf(side, d).map((value) => value / n[s]));
  const found = { gap: Math.hypot(...centres[0].map((value, k) => value - centres[1][k])) };
  const [places, first] = [[], []];
  for (const [s, name] of ["recall_image_to_text", "recall_text_to_image"].entries()) {
    const way = wayOf(pairs, table, s === 1);
    const own = allProducts(rows[s], rows[s], d);
    const ranked = ranks(way);
    found[name] = mean(hitsOf(ranked, 1));
    for (const { q, best, better, tied, shared } of ranked) {
      let [above, level, mine] = [better, tied, -Infinity];
      for (let c = 0; c < n[s]; c++) {
        if (codes[s][c] === codes[s][q]) continue;
        const score = own[q * n[s] + c];
        if (score > best + TIE) above++;
        else if (score >= best - TIE) level++;
        mine = Math.max(mine, score);
      }
      places.push(1 + above + (level - shared) / (shared + 1));
      let other = -Infinity;
      for (let c = 0; c < way.candidates; c++) other = Math.max(other, way.at(q, c));
      first.push(Math.abs(mine - other) <= TIE ? 0.5 : Number(mine > other));
    }
  }
  return { ...found, mixed_rank: mean(places), own_modality_first: mean(first) };
}

/** Each modality's mean, learnt on one half, is taken off the other; three random halves, and what they mean. */
function trial(pairs, most, told) {
  const some = pairs.groups > most ? takeGroups(pairs, drawnOf(pairs.groups, most, 6)) : pairs;
  const runs = { nothing: [], Centring: [] };
  for (let split = 0; split < SPLITS; split++) {
    const order = shuffled(some.groups, split, 7);
    const [fit, test] = [order.slice(0, Math.ceil(order.length / 2)), order.slice(Math.ceil(order.length / 2))].map((which) => takeGroups(some, which));
    runs.nothing.push(judge(test));
    told((2 * split + 1) / (2 * SPLITS));
    const moved = test.rows.map((side, s) => {
      const centre = sumOf(fit.rows[s], test.d).map((value) => value / fit.n[s]);
      return unitRows(side.map((value, at) => value - centre[at % test.d]), test.d);
    });
    runs.Centring.push(judge({ ...test, rows: moved }));
    told((2 * split + 2) / (2 * SPLITS));
  }
  const table = Object.entries(runs).map(([name, found]) => [name, Object.fromEntries(Object.keys(found[0]).map((key) => [key, mean(found.map((one) => one[key]))]))]);
  const held = Math.floor(some.groups / 2);
  return { ...Object.fromEntries(table), held_out: held, index: Math.round((held / some.groups) * (some.n[0] + some.n[1])) - 1, of: some.groups };
}

// --- all of it

/**
 * Measure pairs.
 * @param {ReturnType<typeof makePairs>} pairs
 * @param {{ tau: number, rates: number[], trialled: number }} options
 * @param {(what: string, share: number) => void} told
 */
export function measure(pairs, { tau, rates, trialled }, told = () => {}) {
  const { rows, d, n, groups } = pairs;
  const sums = groupsOf(pairs);
  const paired = pairs.partners > 0;
  const found = { pairs: paired ? groups : 0, images: n[0], texts: n[1], aligned: pairs.aligned, dimensions: d, tau };
  found.metrics = geometry(pairs, sums);
  found.intervals = resampled(pairs, sums, (share) => told("draws the pairs again, for the intervals", share));
  found.by_chance = byChance(pairs, found.metrics.modality_gap, (share) => told("flips signs, for chance", share));
  const table = allProducts(...rows, d, (share) => told("compares all images with all texts", share));
  if (paired) {
    told("counts who finds whom", 0);
    recalls(pairs, table, found);
    found.metrics.contrastive_loss = contrastiveLoss(pairs, table, tau);
  }
  told("looks at the pairing", 0.5);
  found.pairing = pairing(pairs, table);
  found.separability = parted(pairs);
  const { own, strangers } = scoresOf(wayOf(pairs, table, false), range(n[0]), range(n[1]));
  found.scores = {
    ...(paired ? { "matched pairs": spreadOf(own) } : {}),
    "random pairs": spreadOf(strangers),
    "two images": { mean: found.metrics["mean_cosine (images)"] },
    "two texts": { mean: found.metrics["mean_cosine (texts)"] },
  };
  found.thresholds = (paired ? thresholds : thresholdsOfStrangers)(pairs, table, rates);
  found.trial = paired ? trial(pairs, trialled, (share) => told("centres one half by the other", share)) : null;
  return found;
}
