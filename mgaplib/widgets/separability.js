// Whether a plane parts two modalities, pure: what `mgaplib.metrics.linear_separability` measures, by the same steps.

export const inner = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

/** Each row's place along a plane, whose last number is the threshold's. */
const alongPlane = (rows, d, plane) => Float64Array.from({ length: rows.length / d }, (_, i) => {
  let sum = plane[d];
  for (let k = 0; k < d; k++) sum += rows[i * d + k] * plane[k];
  return sum;
});

/** The sum of all rows, each times its weight, and of the weights. */
function weighed(rows, d, weights) {
  const sum = new Float64Array(d + 1);
  for (const [i, weight] of weights.entries()) {
    for (let k = 0; k < d; k++) sum[k] += weight * rows[i * d + k];
    sum[d] += weight;
  }
  return sum;
}

/** The plane that tells labels -1 from 1, both alike: logistic regression by Newton's method and conjugate gradients. */
function logistic(rows, d, label) {
  const n = label.length;
  const many = [-1, 1].map((side) => label.filter((value) => value === side).length);
  const weight = label.map((side) => n / 2 / many[side > 0 ? 1 : 0]);
  const priced = (plane) => plane.map((value, k) => (k < d ? value : 0)); // the threshold is free
  const loss = (plane) => alongPlane(rows, d, plane).reduce((sum, at, i) => {
    const z = -label[i] * at;
    return sum + weight[i] * (Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))));
  }, inner(plane, priced(plane)) / 2);
  let plane = new Float64Array(d + 1);
  for (let turn = 0; turn < 100; turn++) {
    const wrong = alongPlane(rows, d, plane).map((at, i) => 0.5 - 0.5 * Math.tanh((label[i] * at) / 2));
    const pulled = weighed(rows, d, wrong.map((share, i) => weight[i] * label[i] * share));
    const slope = priced(plane).map((value, k) => value - pulled[k]);
    const curve = wrong.map((share, i) => weight[i] * share * (1 - share));
    let residual = slope.map((value) => -value);
    let [course, left] = [residual, inner(residual, residual)];
    if (left <= (1e-7 * n) ** 2) break;
    const step = new Float64Array(d + 1);
    for (const enough = 1e-4 * left; left > enough; ) {
      const across = priced(course);
      const bent = weighed(rows, d, alongPlane(rows, d, course).map((at, i) => curve[i] * at)).map((value, k) => value + across[k]);
      const length = left / inner(course, bent);
      course.forEach((value, k) => (step[k] += length * value));
      residual = residual.map((value, k) => value - length * bent[k]);
      const before = left;
      left = inner(residual, residual);
      course = residual.map((value, k) => value + (left / before) * course[k]);
    }
    const moved = (length) => plane.map((value, k) => value + length * step[k]);
    let length = 1;
    const [value, downhill] = [loss(plane), inner(slope, step)];
    while (loss(moved(length)) > value + 1e-4 * length * downhill && length > 1e-9) length /= 2;
    plane = moved(length);
  }
  return plane;
}

/**
 * The share of held-out rows that a plane puts right, the mean of both sides.
 * @param {[Float64Array, Float64Array]} train images and texts
 * @param {[Float64Array, Float64Array]} test
 * @param {number} d
 */
export function separability(train, test, d) {
  const label = Float64Array.from({ length: (train[0].length + train[1].length) / d }, (_, i) => (i * d < train[0].length ? -1 : 1));
  const rows = new Float64Array(label.length * d);
  rows.set(train[0]);
  rows.set(train[1], train[0].length);
  const centre = weighed(rows, d, label.map(() => 1 / label.length));
  const about = (side) => side.map((value, at) => value - centre[at % d]);
  const flat = about(rows);
  const spread = Math.sqrt(inner(flat, flat) / flat.length) || 1; // one for all columns: a rotation changes nothing
  const plane = logistic(flat.map((value) => value / spread), d, label);
  const right = test.map((side, s) => {
    const places = alongPlane(about(side).map((value) => value / spread), d, plane);
    return places.filter((at) => at > 0 === (s === 1)).length / places.length;
  });
  return (right[0] + right[1]) / 2;
}
