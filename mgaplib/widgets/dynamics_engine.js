// Contrastive training of free points, number for number what `mgaplib.dynamics.free_points` computes.
// Pure: no page, no clock, no Math.random. Matrices are Float64Arrays, row by row.

/**
 * The knobs of a training, as `free_points.Setting` has and explains them.
 * @typedef {{
 *   n: number, d: number, model: "free" | "parallel", start: string, gap: number,
 *   temperature: string, tau: number, tau_end: number, horizon: number,
 *   swap: "none" | "hard" | "soft" | "rows", swap_share: number, wrong: number, redrawn: boolean,
 *   loss: "both" | "images" | "siglip", lr: number, tau_lr: number, seed: number,
 * }} Setting
 */

const START_SPREAD = 0.36;
const SWINGS = 5;
const MAX_SCALE = 100;

/** How 1 / tau follows from the number that is learned. */
const EXP = { value: Math.exp, slope: Math.exp, inverse: Math.log };
export const LEARNED = {
  learned: EXP,
  slow: EXP,
  softplus: {
    value: (nu) => Math.max(nu, 0) + Math.log1p(Math.exp(-Math.abs(nu))),
    slope: (nu) => 1 / (1 + Math.exp(-nu)),
    inverse: (beta) => beta + Math.log(-Math.expm1(-beta)),
  },
  scale10: { value: (nu) => Math.exp(nu / 10), slope: (nu) => Math.exp(nu / 10) / 10, inverse: (beta) => 10 * Math.log(beta) },
};

const line = (end) => (done) => 0.01 + (end - 0.01) * done;
const swing = (high) => (done) => 0.01 + ((high - 0.01) * (1 - Math.cos(2 * Math.PI * SWINGS * done))) / 2;
/** The temperature by the share of the horizon that has passed. */
const SCHEDULED = { S0: line(0.02), S1: line(0.03), S2: line(0.04), S3: line(0.05), A0: swing(0.02), A1: swing(0.04) };

/** Scramble a 32-bit word, one to one. */
function mix(word) {
  word = Math.imul(word ^ (word >>> 16), 0x21f0aaad);
  word = Math.imul(word ^ (word >>> 15), 0x735a2d97);
  return (word ^ (word >>> 15)) >>> 0;
}

/** Random numbers that Python draws as well: the k-th depends on the seed, the purpose and k alone. */
export class Draws {
  #key;
  #drawn = 0;

  /** @param {number} seed @param {number} purpose */
  constructor(seed, purpose) {
    this.#key = mix(mix(seed + 1) ^ purpose);
  }

  /** @returns {number} the next number, uniform from 0 to below 1 */
  uniform() {
    this.#drawn += 1;
    return mix(mix(Math.imul(this.#drawn, 0x9e3779b9)) ^ this.#key) / 2 ** 32;
  }

  /** @returns {number} the next standard normal number (Box and Muller) */
  normal() {
    const radius = this.uniform();
    return Math.sqrt(-2 * Math.log(radius + 2 ** -33)) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** @param {number} count @returns {Float64Array} */
  normals(count) {
    return Float64Array.from({ length: count }, () => this.normal());
  }
}

/** Scale each row of a matrix to unit length, in place. */
export function unitRows(matrix, d) {
  for (let at = 0; at < matrix.length; at += d) {
    let square = 0;
    for (let k = at; k < at + d; k++) square += matrix[k] * matrix[k];
    const length = Math.sqrt(square);
    for (let k = at; k < at + d; k++) matrix[k] /= length;
  }
  return matrix;
}

/**
 * Images and texts before the first step; parallel ones without their gamma.
 * @param {Setting} setting
 * @returns {Float64Array[]}
 */
function startPoints({ n, d, model, start, gap, seed }) {
  const draws = new Draws(seed, 1);
  if (model === "parallel") {
    const [x, y] = [0, 1].map(() => unitRows(draws.normals(n * (d - 1)), d - 1));
    return [x, start === "matched" ? x.slice() : y];
  }
  const [centre, other] = [0, 1].map(() => unitRows(draws.normals(d), d));
  const clouds = [0, 1].map(() => draws.normals(n * d).map((z) => (START_SPREAD / Math.sqrt(d)) * z));
  const along = other.reduce((sum, z, k) => sum + z * centre[k], 0);
  const aside = unitRows(other.map((z, k) => z - along * centre[k]), d);
  const half = start === "apart" ? gap / 2 : 0;
  const middles = [1, -1].map((side) => centre.map((z, k) => Math.cos(0.5) * z + side * half * aside[k]));
  const from = start === "cones" ? [centre, other] : middles;
  return clouds.map((cloud, side) => unitRows(cloud.map((z, at) => from[side][at % d] + z), d));
}

/** Whose caption each image has: a random share of them, rounded, have each other's, in a ring. */
function wrongCaptions(draws, n, share) {
  const keys = Float64Array.from({ length: n }, () => draws.uniform());
  const chosen = Array.from(keys.keys()).sort((a, b) => keys[a] - keys[b]).slice(0, Math.floor(share * n + 0.5));
  const captions = Int32Array.from(keys.keys());
  for (const [k, image] of chosen.entries()) captions[image] = chosen.at(k - 1);
  return captions;
}

/** CLIP's Adam, betas .9 and .98, for an array of parameters. */
class Adam {
  /** @param {number} lr @param {number} size */
  constructor(lr, size) {
    Object.assign(this, { lr, mean: new Float64Array(size), square: new Float64Array(size), steps: 0 });
  }

  /** Turn derivatives into what is to be subtracted, in place. */
  move(slope) {
    this.steps += 1;
    const { mean, square } = this;
    const rate = this.lr / (1 - 0.9 ** this.steps);
    const second = 1 / (1 - 0.98 ** this.steps);
    for (let k = 0; k < slope.length; k++) {
      const z = slope[k];
      const m = 0.9 * mean[k] + 0.1 * z;
      const v = 0.98 * square[k] + 0.02 * z * z;
      mean[k] = m;
      square[k] = v;
      slope[k] = (rate * m) / (Math.sqrt(second * v) + 1e-8);
    }
    return slope;
  }
}

/** A training of free points that is taken step by step: `free_points.FreePoints`. */
export class FreePoints {
  /** @param {Setting} setting */
  constructor(setting) {
    const { n, d, model, temperature, tau, lr, tau_lr, seed, gap } = setting;
    this.setting = setting;
    this.steps = 0;
    this.gamma = model === "parallel" ? gap / 2 : null;
    this.points = startPoints(setting);
    this.kind = Object.hasOwn(LEARNED, temperature) ? LEARNED[temperature] : null;
    this.slow = temperature === "slow" ? 0.1 : 1;
    this.nu = this.kind?.inverse(1 / tau);
    this.bias = -10;
    this.swaps = new Draws(seed, 2);
    this.captions = new Draws(seed, 3);
    this.wrong = wrongCaptions(this.captions, n, setting.wrong);
    this.adam = [n * d, n * d, 1, 1].map((size, k) => new Adam(k < 2 ? lr : k === 2 ? tau_lr * this.slow : tau_lr, size));
    this.full = [0, 1].map(() => new Float64Array(n * d)); // images and texts, gamma's coordinate included
    this.mixed = [0, 1].map(() => new Float64Array(n * d));
    this.slopes = [0, 1].map(() => new Float64Array(n * d));
    this.cosines = new Float64Array(n * n);
    this.logitSlopes = new Float64Array(n * n);
    this.sums = [0, 1].map(() => new Float64Array(n));
    this.best = [0, 1].map(() => new Float64Array(n));
    this.moves = new Float64Array(this.points[0].length);
    this.#evaluate();
  }

  get images() {
    return this.full[0];
  }

  get texts() {
    return this.full[1];
  }

  #tau() {
    const { temperature, tau, tau_end, horizon } = this.setting;
    if (this.kind) return 1 / this.kind.value(this.nu);
    const done = Math.min(this.steps / horizon, 1);
    if (temperature === "annealed") return tau * (tau_end / tau) ** done;
    return Object.hasOwn(SCHEDULED, temperature) ? SCHEDULED[temperature](done) : tau;
  }

  /** What share of itself each entry keeps at this step, or null where nothing is swapped. */
  #keep() {
    const { n, d, swap, swap_share } = this.setting;
    if (swap === "none" || this.swaps.uniform() >= swap_share) return null;
    const whole = swap === "rows";
    const drawn = Float64Array.from({ length: whole ? n : n * d }, () => this.swaps.uniform());
    const shares = swap === "soft" ? drawn : drawn.map((u) => (u >= 0.5 ? 1 : 0));
    return whole ? Float64Array.from({ length: n * d }, (_, at) => shares[Math.floor(at / d)]) : shares;
  }

  /** Measure the points as they are, and which way the loss falls. */
  #evaluate() {
    const { full, points, gamma, cosines, slopes, logitSlopes, setting: { n, d, loss, redrawn, wrong } } = this;
    if (gamma === null) for (const side of [0, 1]) full[side].set(points[side]);
    else {
      const root = Math.sqrt(1 - gamma * gamma);
      for (const side of [0, 1]) {
        for (let i = 0; i < n; i++) {
          for (let k = 0; k < d - 1; k++) full[side][i * d + k] = root * points[side][i * (d - 1) + k];
          full[side][i * d + d - 1] = side ? -gamma : gamma;
        }
      }
    }
    this.tau = this.#tau();
    this.gap = this.#width();
    products(full[0], full[1], cosines, n, d);
    this.#lead();

    const keep = this.#keep();
    let [x, y] = full;
    if (keep) {
      blend(keep, x, y, ...this.mixed);
      [x, y] = this.mixed;
      products(x, y, cosines, n, d);
    }
    const captions = redrawn && wrong ? wrongCaptions(this.captions, n, wrong) : this.wrong;
    const beta = 1 / this.tau;
    this.loss = loss === "siglip" ? this.#siglip(beta, captions) : this.#infoNCE(beta, captions, loss === "both");
    this.betaSlope = pointSlopes(logitSlopes, cosines, x, y, beta, slopes[0], slopes[1], n, d);
    if (keep) blend(keep, ...slopes, ...slopes);
  }

  /** How far apart the images' mean and the texts' are. */
  #width() {
    const { n, d } = this.setting;
    const [x, y] = this.full;
    let square = 0;
    for (let k = 0; k < d; k++) {
      let sum = 0;
      for (let at = k; at < n * d; at += d) sum += x[at] - y[at];
      square += (sum / n) ** 2;
    }
    return Math.sqrt(square);
  }

  /** How often a point is nearest to its partner, and by how much the worst placed one is. */
  #lead() {
    const { cosines, best, setting: { n } } = this;
    const [rows, columns] = best;
    columns.fill(-Infinity);
    for (let i = 0; i < n; i++) {
      let most = -Infinity;
      for (let j = 0; j < n; j++) {
        if (i === j) continue;
        const cosine = cosines[i * n + j];
        if (cosine > most) most = cosine;
        if (cosine > columns[j]) columns[j] = cosine;
      }
      rows[i] = most;
    }
    let found = 0;
    this.margin = Infinity;
    for (const rivals of best) {
      for (let i = 0; i < n; i++) {
        const lead = cosines[i * n + i] - rivals[i];
        if (lead > 0) found += 1;
        if (lead < this.margin) this.margin = lead;
      }
    }
    this.recall = found / (2 * n);
  }

  #infoNCE(beta, captions, bothWays) {
    const { cosines, logitSlopes, setting: { n } } = this;
    const [rows, columns] = this.sums;
    columns.fill(0);
    for (let i = 0, at = 0; i < n; i++) {
      let sum = 0;
      for (let j = 0; j < n; j++, at++) {
        const share = Math.exp(beta * cosines[at] - beta);
        logitSlopes[at] = share;
        sum += share;
        columns[j] += share;
      }
      rows[i] = sum;
    }
    let [loss, own] = [0, 0];
    for (let i = 0; i < n; i++) {
      loss += bothWays ? (Math.log(rows[i]) + Math.log(columns[i])) / 2 : Math.log(rows[i]);
      own += beta * cosines[i * n + captions[i]];
    }
    // From here on the sums are what each share is to be multiplied with.
    for (let i = 0; i < n; i++) {
      rows[i] = (bothWays ? 0.5 : 1) / (n * rows[i]);
      columns[i] = bothWays ? 0.5 / (n * columns[i]) : 0;
    }
    for (let i = 0, at = 0; i < n; i++) {
      const row = rows[i];
      for (let j = 0; j < n; j++, at++) logitSlopes[at] *= row + columns[j];
      logitSlopes[i * n + captions[i]] -= 1 / n;
    }
    return (loss - own) / n + beta;
  }

  #siglip(beta, captions) {
    const { cosines, logitSlopes, bias, setting: { n } } = this;
    let loss = 0;
    this.biasSlope = 0;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < n; j++) {
        const sign = captions[i] === j ? 1 : -1;
        const z = sign * (beta * cosines[i * n + j] + bias);
        loss += Math.max(-z, 0) + Math.log1p(Math.exp(-Math.abs(z)));
        const slope = -sign / (1 + Math.exp(z)) / n;
        logitSlopes[i * n + j] = slope;
        this.biasSlope += slope;
      }
    }
    return loss / n;
  }

  /** Take one step, and measure anew. */
  step() {
    const { points, slopes, moves, adam, kind, setting: { n, d, model, loss, lr } } = this;
    const descent = model === "parallel";
    const wide = descent ? d - 1 : d;
    const root = descent ? Math.sqrt(1 - this.gamma ** 2) : 1;
    if (descent) {
      let [along, across] = [0, 0];
      for (const side of [0, 1]) {
        for (let i = 0; i < n; i++) {
          for (let k = 0; k < wide; k++) along += points[side][i * wide + k] * slopes[side][i * d + k];
          across += (side ? -1 : 1) * slopes[side][i * d + wide];
        }
      }
      this.gamma = Math.min(Math.max(this.gamma - lr * (across - (this.gamma / root) * along), 0), 0.999);
    }
    for (const side of [0, 1]) {
      const [rows, steep, slope] = [points[side], slopes[side], moves];
      for (let at = 0, a = 0; at < rows.length; at += wide, a += d) {
        let radial = 0;
        for (let k = 0; k < wide; k++) radial += root * steep[a + k] * rows[at + k];
        for (let k = 0; k < wide; k++) slope[at + k] = root * steep[a + k] - radial * rows[at + k];
      }
      if (!descent) adam[side].move(slope);
      const rate = descent ? lr : 1;
      for (let at = 0; at < rows.length; at++) rows[at] -= rate * slope[at];
      unitRows(rows, wide);
    }
    const down = (optimizer, rate, slope) => (descent ? rate * slope : optimizer.move(Float64Array.of(slope))[0]);
    if (kind) {
      const nu = this.nu - down(adam[2], lr * this.slow, this.betaSlope * kind.slope(this.nu));
      this.nu = Math.min(Math.max(nu, kind.inverse(1)), kind.inverse(MAX_SCALE));
    }
    if (loss === "siglip") this.bias -= down(adam[3], lr, this.biasSlope);
    this.steps += 1;
    this.#evaluate();
  }
}

/** The products of the rows of one matrix with those of another; four sums at a time, which wait less for one another. */
function products(x, y, result, n, d) {
  const fours = n - (n % 4);
  for (let i = 0, at = 0; i < n; i++, at += n) {
    const from = i * d;
    for (let j = 0, b = 0; j < fours; j += 4, b += 4 * d) {
      let p = 0, q = 0, r = 0, s = 0;
      for (let k = 0; k < d; k++) {
        const z = x[from + k];
        p += z * y[b + k];
        q += z * y[b + d + k];
        r += z * y[b + 2 * d + k];
        s += z * y[b + 3 * d + k];
      }
      result[at + j] = p;
      result[at + j + 1] = q;
      result[at + j + 2] = r;
      result[at + j + 3] = s;
    }
    for (let j = fours; j < n; j++) {
      let sum = 0;
      for (let k = 0; k < d; k++) sum += x[from + k] * y[j * d + k];
      result[at + j] = sum;
    }
  }
}

/**
 * Add to each row of `sums` the rows of a matrix, each times a weight: that of row j in sum i is `weights[i * down + j * right]`.
 * Four rows at a time, so that a sum is fetched and put back a quarter as often.
 */
function addWeighted(weights, down, right, rows, sums, factor, n, d) {
  const fours = n - (n % 4);
  for (let i = 0; i < n; i++) {
    const to = i * d;
    for (let j = 0, b = 0, at = i * down; j < fours; j += 4, b += 4 * d, at += 4 * right) {
      const p = factor * weights[at];
      const q = factor * weights[at + right];
      const r = factor * weights[at + 2 * right];
      const s = factor * weights[at + 3 * right];
      for (let k = 0; k < d; k++) sums[to + k] += p * rows[b + k] + q * rows[b + d + k] + (r * rows[b + 2 * d + k] + s * rows[b + 3 * d + k]);
    }
    for (let j = fours; j < n; j++) {
      const weight = factor * weights[i * down + j * right];
      for (let k = 0; k < d; k++) sums[to + k] += weight * rows[j * d + k];
    }
  }
}

/** From the loss's derivatives by the logits to those by the points, written into place, and that by 1 / tau. */
function pointSlopes(logitSlopes, cosines, x, y, beta, slopeX, slopeY, n, d) {
  let betaSlope = 0;
  for (let at = 0; at < n * n; at++) betaSlope += logitSlopes[at] * cosines[at];
  slopeX.fill(0);
  slopeY.fill(0);
  addWeighted(logitSlopes, n, 1, y, slopeX, beta, n, d);
  addWeighted(logitSlopes, 1, n, x, slopeY, beta, n, d);
  return betaSlope;
}

/** Mix two matrices entry by entry, `keep` saying how much of itself each keeps; they may be written over. */
function blend(keep, x, y, toX, toY) {
  for (let at = 0; at < keep.length; at++) {
    const [a, b, share] = [x[at], y[at], keep[at]];
    toX[at] = share * a + (1 - share) * b;
    toY[at] = share * b + (1 - share) * a;
  }
}

/**
 * Theorem 3.2's lower bound of gamma at a time, or what it lacks to say anything: `bounds.closing`.
 * @returns {{constants?: number[], lacks?: string}}
 */
export function closingConstants(n, margin, beta, gamma) {
  if (!(margin > 0)) return { lacks: "some pair is not matched" };
  const least = Math.log(4 * (n - 1)) / (margin * (1 - gamma ** 2));
  if (!(beta >= least)) return { lacks: `the temperature starts above ${(1 / least).toFixed(3)}` };
  const held = margin * beta * Math.sqrt(gamma);
  const c4 = held * (1 - gamma ** 2) * Math.exp(-(gamma ** 2) / 4) - 0.1;
  return c4 > 0 ? { constants: [55 * (n - 1) * held, c4] } : { lacks: "its constant is not positive" };
}

export function closingBound(time, [c3, c4], gamma) {
  const [early, late] = [c4 / Math.sqrt(gamma), Math.log(Math.max(c3 * c4 * time, 1e-300))];
  const high = Math.max(early, late);
  return (c4 / (high + Math.log1p(Math.exp(Math.min(early, late) - high)))) ** 2;
}

/** log E exp(a cosine) of independent uniform directions: `bounds.log_mean_exp`, by its series. */
function logMeanExp(a, d) {
  let [term, sum] = [1, 1];
  for (let k = 0; k < a + 60; k++) {
    term *= (a * a) / 4 / ((k + 1) * (d / 2 + k));
    sum += term;
  }
  return Math.log(sum);
}

/** Theorem 3.3's lower bound of d gap / dt at a start of independent uniform directions: `bounds.opening`. */
export function openingBound(n, d, beta, gamma, delta = 0.05) {
  const a = beta * (1 - gamma ** 2);
  const error = Number.isFinite(n) ? Math.sqrt(Math.log((4 * n + 1) / delta) / (2 * n)) : 0;
  const level = Math.exp(logMeanExp(a, d) - a);
  const tilted = (level * a * Math.exp(logMeanExp(a, d + 2) - logMeanExp(a, d))) / d;
  return 4 * beta * gamma * ((tilted - 2 * error) / (level - Math.expm1(-2 * a) * error) - 2 * error);
}

/** Theorem 3.2 along a run of parallel modalities: from the first step at which it says something, its bound of the gap. */
export class GapBound {
  /** @param {Setting} setting */
  constructor(setting) {
    this.setting = setting;
    const { model, loss, swap, wrong, temperature } = setting;
    const reasons = [
      [model !== "parallel", "it is about parallel modalities under gradient descent"],
      [loss !== "both", "it is about InfoNCE both ways"],
      [swap !== "none", "it knows no swapping"],
      [wrong > 0, "its captions are right"],
      [temperature !== "learned", "it needs 1/τ = exp(ν), learned at the points’ own rate"],
    ];
    this.strange = reasons.slice(0, 4).some(([so]) => so); // to both theorems
    this.lacks = reasons.find(([so]) => so)?.[1];
    this.never = this.lacks !== undefined;
    this.from = null; // where it begins to hold
  }

  /** Take in one step of the run. @param {FreePoints} points */
  follow({ steps, margin, gamma, tau }) {
    if (this.never) return;
    const own = margin / (1 - gamma ** 2); // of the rows without their gamma
    if (!(own > 0)) this.from = null;
    this.from ??= { steps, gamma, beta: 1 / tau, margin: own };
    this.from.margin = Math.min(this.from.margin, own);
    const { constants, lacks } = closingConstants(this.setting.n, this.from.margin, this.from.beta, this.from.gamma);
    Object.assign(this, { constants, lacks });
    if (lacks) this.from = null; // a later step may begin anew
  }

  /** @param {number} step @returns {number | undefined} what the gap cannot be below at a step */
  at(step) {
    if (!this.from || step < this.from.steps) return undefined;
    return 2 * closingBound((step - this.from.steps) * this.setting.lr, this.constants, this.from.gamma);
  }
}

/** A run's numbers by step: all of them at first, then every second, every fourth, so that there are never many. */
export class Track {
  static NAMES = ["gap", "tau", "loss", "recall"];
  static MOST = 1024;

  constructor() {
    this.stride = 1;
    this.kept = Object.fromEntries(["step", ...Track.NAMES].map((name) => [name, []]));
  }

  /** @param {FreePoints} points */
  follow(points) {
    if (points.steps % this.stride) return;
    if (this.kept.step.length === Track.MOST) {
      this.stride *= 2;
      for (const [name, values] of Object.entries(this.kept)) this.kept[name] = values.filter((_, k) => k % 2 === 0);
      if (points.steps % this.stride) return;
    }
    this.kept.step.push(points.steps);
    for (const name of Track.NAMES) this.kept[name].push(points[name]);
  }
}
