// What `mgaplib report` measures of pairs, number for number, pure: from unit rows and from who belongs to whom.
//
// Rows lie in Float64Arrays, row after row. Image i belongs to the texts of its group, `codes[0][i]`; where row i
// belongs to row i, groups are rows. What is random is drawn from `Draws`, which Python draws alike.
import { Draws, unitRows } from "./dynamics_engine.js";

const TIE = 1e-12; // two cosines of the same pair of directions differ by rounding alone
const Z = 1.959964; // the normal law's 97.5 % quantile
const FLIPS = 999;
const RESAMPLES = 1000;
const SPLITS = 3;
const [NEAREST, HUBS] = [10, 0.5]; // queries by which a threshold knows a candidate, and their weight
const SURE = 0.05; // how often chance may do as well
const MISFIT = 0.05; // a pair that so many strangers beat does not look like one

const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;
const inner = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

/** The numbers from 0 in a random order. */
export function shuffled(n, seed, purpose) {
  const draws = new Draws(seed, purpose);
  const keys = Float64Array.from({ length: n }, () => draws.uniform());
  return Int32Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b] || a - b);
}

/** `most` of n numbers at random, in their order; all of them if they are no more. */
export const drawnOf = (n, most, seed) => (n <= most ? Int32Array.from({ length: n }, (_, i) => i) : shuffled(n, seed, 1).slice(0, most).sort());

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
 * Pairs of two checked matrices: rows of unit length, and equal ones taken as one where they are many.
 * @param {Float64Array} images
 * @param {Float64Array} texts
 * @param {number} d
 */
export function makePairs(images, texts, d) {
  const n = images.length / d;
  const same = noticed([twins(images, d), twins(texts, d)]);
  const rows = [images, texts].map((side) => unitRows(side.slice(), d));
  if (!same) return pairsOf(rows, d, [0, 1].map(() => Int32Array.from({ length: n }, (_, i) => i)), n);
  const numbers = new Map();
  for (const first of same) if (!numbers.has(first)) numbers.set(first, numbers.size);
  const codes = same.map((first) => numbers.get(first));
  const kept = rows.map((side) => {
    const seen = new Set();
    return twins(side, d).reduce((found, first, i) => {
      const key = codes[i] * n + first;
      if (!seen.has(key)) found.push(i);
      seen.add(key);
      return found;
    }, []);
  });
  return pairsOf(rows.map((side, k) => take(side, d, kept[k])), d, kept.map((which) => Int32Array.from(which, (i) => codes[i])), numbers.size);
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
  const strip = Math.max(4, 4 * Math.floor(16384 / d)); // rows of y that stay in the cache
  for (let first = 0; first < m; first += strip) {
    const end = Math.min(first + strip, m);
    for (let i = 0; i < n; i += 4) {
      const [i1, i2, i3] = [1, 2, 3].map((by) => Math.min(i + by, n - 1));
      for (let j = first; j < end; j += 2) {
        const j1 = Math.min(j + 1, m - 1);
        let [a, b, e, f, g, h, p, q] = [0, 0, 0, 0, 0, 0, 0, 0];
        for (let k = 0, x0 = i * d, x1 = i1 * d, x2 = i2 * d, x3 = i3 * d, y0 = j * d, y1 = j1 * d; k < d; k++) {
          const [u, v] = [y[y0 + k], y[y1 + k]];
          a += x[x0 + k] * u;
          b += x[x0 + k] * v;
          e += x[x1 + k] * u;
          f += x[x1 + k] * v;
          g += x[x2 + k] * u;
          h += x[x2 + k] * v;
          p += x[x3 + k] * u;
          q += x[x3 + k] * v;
        }
        // The last row may be written more than once, each time with the same.
        table[i * m + j] = a;
        table[i * m + j1] = b;
        table[i1 * m + j] = e;
        table[i1 * m + j1] = f;
        table[i2 * m + j] = g;
        table[i2 * m + j1] = h;
        table[i3 * m + j] = p;
        table[i3 * m + j1] = q;
      }
    }
    told(end / m);
  }
  return table;
}

// --- the gap

const sumOf = (rows, d, weights, codes) => {
  const sum = new Float64Array(d);
  for (let i = 0; i * d < rows.length; i++) {
    const weight = weights ? weights[codes[i]] : 1;
    if (weight) for (let k = 0, at = i * d; k < d; k++, at++) sum[k] += weight * rows[at];
  }
  return sum;
};

/** Each group's sums and what they make: products within groups, numbers of rows and of pairs of rows. */
function groupsOf({ rows, d, codes, groups }) {
  const sums = rows.map((side, s) => {
    const found = new Float64Array(groups * d);
    for (const [i, code] of codes[s].entries()) for (let k = 0; k < d; k++) found[code * d + k] += side[i * d + k];
    return found;
  });
  const sizes = codes.map((side) => side.reduce((found, code) => ((found[code] += 1), found), new Float64Array(groups)));
  const pick = [[0, 0], [1, 1], [0, 1]];
  const alike = pick.map(([a, b]) => Float64Array.from({ length: groups }, (_, g) => {
    let sum = 0;
    for (let k = g * d; k < (g + 1) * d; k++) sum += sums[a][k] * sums[b][k];
    return sum;
  }));
  const ofTwo = pick.map(([a, b]) => sizes[0].map((_, g) => sizes[a][g] * sizes[b][g]));
  return { sums, sizes, alike, ofTwo };
}

/** Mean cosines of two images, two texts, an image and another's text, and partners, where each group has a weight. */
function meanCosines({ rows, d, codes }, { sizes, alike, ofTwo }, weights) {
  const [a, b] = rows.map((side, s) => sumOf(side, d, weights, codes[s]));
  const counts = sizes.map((size) => inner(weights, size));
  const squares = weights.map((weight) => weight * weight);
  const found = [[a, a, 0, 0], [b, b, 1, 1], [a, b, 0, 1]].map(([x, y, s, t], k) =>
    (inner(x, y) - inner(squares, alike[k])) / (counts[s] * counts[t] - inner(squares, ofTwo[k])));
  return { images: found[0], texts: found[1], across: found[2], matched: inner(weights, alike[2]) / inner(weights, ofTwo[2]) };
}

const degrees = (cosine) => (Math.acos(Math.min(Math.max(cosine, -1), 1)) * 180) / Math.PI;

/** The gap and what it is compared with, by the names of `metrics.gap_report`. */
function geometry(pairs, sums) {
  const { rows, d, groups, n } = pairs;
  const found = meanCosines(pairs, sums, new Float64Array(groups).fill(1));
  const centres = rows.map((side, s) => sumOf(side, d).map((value) => value / n[s]));
  const gap = Math.hypot(...centres[0].map((value, k) => value - centres[1][k]));
  const unbiased = Math.sqrt(Math.max(found.images + found.texts - 2 * found.across, 0));
  const apart = 2 - 2 * found.matched;
  const lengths = centres.map((centre) => Math.hypot(...centre));
  return {
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
  };
}

/** A quantile of sorted values, between two of them in proportion. */
export function quantile(sorted, share) {
  const at = share * (sorted.length - 1);
  const low = Math.floor(at);
  return sorted[low] + (at - low) * ((sorted[low + 1] ?? sorted[low]) - sorted[low]);
}

/** 95 % intervals of what depends on mean cosines: whole groups are drawn again. */
function resampled(pairs, sums, told) {
  const { groups } = pairs;
  const draws = new Draws(0, 3);
  const found = {};
  for (let k = 0; k < RESAMPLES; k++) {
    const counts = new Float64Array(groups);
    for (let g = 0; g < groups; g++) counts[Math.floor(draws.uniform() * groups)] += 1;
    const { images, texts, across, matched } = meanCosines(pairs, sums, counts);
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
    if (k % 50 === 0) told(k / RESAMPLES);
  }
  if (found["mean_cosine (images)"].concat(found["mean_cosine (texts)"]).some((value) => value <= 0)) delete found.centre_angle;
  const ends = Object.fromEntries(Object.entries(found).map(([name, values]) => {
    const sorted = Float64Array.from(values.filter((value) => !isNaN(value))).sort();
    return [name, [quantile(sorted, 0.025), quantile(sorted, 0.975)]];
  }));
  return { ...ends, "modality_gap (unbiased)": ends.modality_gap, "gap_share (unbiased)": ends.gap_share };
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
  const lengths = Float64Array.from({ length: FLIPS }, (_, flip) => {
    const sum = new Float64Array(d);
    for (let g = 0, at = 0; g < groups; g++) {
      if (draws.uniform() < 0.5) for (let k = 0; k < d; k++, at++) sum[k] -= parts[at];
      else for (let k = 0; k < d; k++, at++) sum[k] += parts[at];
    }
    if (flip % 50 === 0) told(flip / FLIPS);
    return Math.sqrt(inner(sum, sum));
  }).sort();
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

/** The cosines of partners and of strangers, each sorted. */
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
  return { own: Float64Array.from(own).sort(), strangers: strangers.subarray(0, count).sort() };
}

const spreadOf = (sorted) => ({ mean: mean(sorted), low: quantile(sorted, 0.05), high: quantile(sorted, 0.95) });
const shareAbove = (values, limit) => values.filter((value) => value > limit).length / values.length;
const rowsOf = ({ members }, side, groups) => [...groups].flatMap((g) => members[side][g]).sort((a, b) => a - b);

/** The score that a new stranger passes with at most this chance, of sorted scores of strangers; null if they are too few. */
export function thresholdAt(sorted, rate) {
  const allowed = Math.floor(rate * (sorted.length + 1) + 1e-9) - 1;
  return allowed < 0 ? null : sorted[sorted.length - 1 - allowed];
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
    const found = { own: { pair: own, query: own }, strangers: { pair: strangers, query: Float64Array.from(best).sort() } };
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

/** What the cosines say about the pairing: better than chance, and each in its place? */
function pairing({ codes, groups, members, n }, table) {
  const there = Int32Array.from({ length: groups }, (_, g) => g).filter((g) => members[0][g].length && members[1][g].length);
  const k = there.length;
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
  const odd = Int32Array.from({ length: k }, (_, i) => i).filter((i) => beaten[i] > MISFIT);
  return {
    p_value: (1 + asGood) / (1 + FLIPS),
    misfits: Math.min((2 * beaten.filter((share) => share > 0.5).length) / k, 1),
    of: k,
    shufflings: FLIPS,
    order: otherOrder(scores, k, odd, noise),
  };
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
  const found = { pairs: groups, images: n[0], texts: n[1], aligned: pairs.aligned, dimensions: d, tau };
  found.metrics = geometry(pairs, sums);
  found.intervals = resampled(pairs, sums, (share) => told("draws the pairs again, for the intervals", share));
  found.by_chance = byChance(pairs, found.metrics.modality_gap, (share) => told("flips signs, for chance", share));
  const table = allProducts(...rows, d, (share) => told("compares all images with all texts", share));
  told("counts who finds whom", 0);
  recalls(pairs, table, found);
  found.metrics.contrastive_loss = contrastiveLoss(pairs, table, tau);
  found.pairing = pairing(pairs, table);
  told("sorts the cosines", 0.5);
  const way = wayOf(pairs, table, false);
  const [own, strangers] = Object.values(scoresOf(way, [...Array(n[0]).keys()], [...Array(n[1]).keys()])).map(spreadOf);
  found.scores = {
    "matched pairs": own,
    "random pairs": strangers,
    "two images": { mean: found.metrics["mean_cosine (images)"] },
    "two texts": { mean: found.metrics["mean_cosine (texts)"] },
  };
  found.thresholds = thresholds(pairs, table, rates);
  found.trial = trial(pairs, trialled, (share) => told("centres one half by the other", share));
  return found;
}

/** The first image and the first text of each group that has both. */
export function oneEach({ rows, d, members }) {
  const both = members[0].map((images, g) => [images[0], members[1][g][0]]).filter((pair) => !pair.includes(undefined));
  return { rows: rows.map((side, s) => take(side, d, both.map((pair) => pair[s]))), d };
}

// --- in words

/** Fill a sentence of the library's: `{name}`, or `{name:.2f}` for a number with so many digits. */
export const filled = (sentence, values) =>
  sentence.replace(/\{(\w+)(?::\.(\d)f)?\}/g, (_, name, digits) => (digits === undefined ? values[name] : values[name].toFixed(digits)));

/** A share in per cent, as the report writes it; halves are rounded to even. */
export function percent(share) {
  const digits = share >= 0.0995 ? 0 : 1;
  const value = 100 * share * 10 ** digits;
  const whole = value % 1 === 0.5 ? 2 * Math.round(value / 2) : Math.round(value);
  return `${(whole / 10 ** digits).toFixed(digits)}%`;
}

function pairingWords({ p_value, misfits, of, shufflings, order }, what, say) {
  const sure = p_value <= 1 / (1 + shufflings);
  const better = p_value < 0.01 ? "better" : p_value < SURE ? "hardly better" : "no better";
  const chance = sure ? `none of ${shufflings} shufflings` : `${(100 * p_value).toFixed(0)}% of shufflings`;
  const words = [filled(say.better, { better, chance, what, fit: sure ? "fits" : "fit" })];
  if (order) {
    const { how, by, rows } = order;
    const range = [0.05, 0.95].map((share) => Math.floor(quantile(rows, share)));
    const some = rows.length > 8 ? `, most of them from number ${range.join(" to ")},` : ` (${rows.join(", ")})`;
    words.push(`${rows.length > 0.9 * of ? "All of them" : `${rows.length} of ${of}${some}`} ${filled(say[how], { by })}.`);
  } else if (better === "no better") words.push(say.shuffled);
  else if (misfits > 0.02) words.push(filled(say.misfits, { share: `${(100 * misfits).toFixed(0)}%`, what }));
  return words.join(" ");
}

/**
 * What the numbers mean, in the report's own words, each with the chapter that explains it.
 * @param {ReturnType<typeof measure>} found
 * @param {{ sentences: Record<string, string>, pairing: Record<string, string> }} say the library's words
 * @param {number} rate of the thresholds
 * @returns {[string, string][]}
 */
export function reading(found, { sentences: say, pairing: ofPairs }, rate) {
  const { metrics, intervals, by_chance: chance, scores, trial: tried, images: n, texts: m } = found;
  const what = found.aligned ? "pairs" : "groups";
  const told = { gap: metrics.modality_gap, unbiased: metrics["modality_gap (unbiased)"], by_chance: chance.high, n: `${found.pairs} ${what}` };
  [told.low, told.high] = intervals.modality_gap;
  told.share = percent(metrics.gap_share);
  const sure = told.gap - told.unbiased > 0.005 ? "gap_unbiased" : "gap_sure";
  const parts = chance.p_value > SURE ? ["gap_chance", ...(told.unbiased > 0 ? ["gap_left"] : [])] : [sure, "gap_more", "gap_share"];
  const gap = filled(say.gap, { ...told, words: parts.map((part) => filled(say[part], told)).join("") });

  const [matched, random] = [scores["matched pairs"], scores["random pairs"]];
  const { p_value: byShuffling, misfits, order } = found.pairing;
  const lost = byShuffling >= SURE || (order !== null && misfits > 0.3); // nothing that needs partners can be learnt
  const ofRandom = { random: random.mean, random_low: random.low, random_high: random.high };
  const normal = filled(lost ? say.normal_lost : say.normal, { ...matched, ...ofRandom });
  const cones = { images: scores["two images"].mean, texts: scores["two texts"].mean };
  const cone = filled(say.cone, { ...cones, words: say[Math.max(cones.images, cones.texts) > 0.2 ? "cone_narrow" : "cone_wide"] });

  const ways = {};
  for (const [way, to] of [["image to text", "to_text"], ["text to image", "to_image"]]) {
    const key = `recall_at_1 (${way})`;
    [ways[`${to}_low`], ways[`${to}_high`]] = intervals[key].map(percent);
    ways[to] = percent(metrics[key]);
    ways[way] = percent(Number(found.blind[key].toPrecision(2)));
  }
  const text = found.aligned ? "its text" : "one of its texts";
  const blind = [...new Set([ways["image to text"], ways["text to image"]])].join(" and ");
  const pool = filled(n === m ? say.pool : say.pools, { n, m });
  const retrieval = filled(say.retrieval, { ...ways, pool, text, image: text.replace("text", "image"), blind });

  const mixed = filled(say.mixed, { own: percent(tried.nothing.own_modality_first), rank: tried.nothing.mixed_rank, index: tried.index });
  const at = found.thresholds.find((one) => one.rate === rate) ?? {};
  const passed = (sentence, { score, pool: of, false_positive_rate, hit_rate }) =>
    filled(sentence, { score, pool: of, pass: percent(false_positive_rate), hit: percent(hit_rate) });
  const knowing = at.candidate && !lost ? passed(say.threshold_knowing, at.candidate) : "";
  const onePair = at.pair ? passed(lost ? say.threshold_lost : say.threshold, at.pair) + knowing : "";
  return [
    [pairingWords(found.pairing, what, ofPairs), "your_embeddings"],
    [normal, "your_embeddings"],
    [gap, "loss_landscape"],
    [cone, "random_networks"],
    [retrieval, "loss_landscape"],
    [mixed, "mixed_search"],
    ...(onePair ? [[onePair, "your_embeddings"]] : []),
    ...(at.query && !lost ? [[passed(say.best_hit, at.query), "your_embeddings"]] : []),
  ];
}
