// Numbers, pure: how they are written, read from bytes, looked up between and below. No page is needed.

/**
 * Write a number with a true minus sign, and never as minus zero.
 * @param {number} number
 * @param {number} digits behind the point
 */
export const words = (number, digits) => number.toFixed(digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1");

/**
 * @param {number} value
 * @param {number} low
 * @param {number} high
 */
export const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Read a binary trait as a typed array: it may arrive as a DataView at any offset, or as an ArrayBuffer.
 * @template T
 * @param {{ new (buffer: ArrayBuffer): T, BYTES_PER_ELEMENT: number }} Type
 * @param {DataView | ArrayBuffer | undefined} value
 * @param {number} length how many numbers it must hold
 * @param {string} name what the error calls it
 * @returns {T}
 */
export function typed(Type, value, length, name) {
  const view = value instanceof ArrayBuffer ? new DataView(value) : value;
  if (!(view?.buffer instanceof ArrayBuffer)) throw new Error(`the data lack ${name}`);
  const { buffer, byteOffset, byteLength } = view;
  if (byteLength !== length * Type.BYTES_PER_ELEMENT) {
    throw new Error(`${name} holds ${byteLength} bytes where ${length * Type.BYTES_PER_ELEMENT} were expected`);
  }
  return new Type(buffer.slice(byteOffset, byteOffset + byteLength));
}

/**
 * The index of the stop that lies nearest to a value; positive stops may be compared by their ratio.
 * @param {ArrayLike<number>} stops
 * @param {number} value
 * @param {(stop: number) => number} scale `Math.log` for a ratio
 */
export function nearestStop(stops, value, scale = (stop) => stop) {
  let nearest = 0;
  const distance = (k) => Math.abs(scale(stops[k]) - scale(value));
  for (let k = 1; k < stops.length; k++) if (distance(k) < distance(nearest)) nearest = k;
  return nearest;
}

/**
 * Cubic interpolation in a table over an even grid: four neighbouring values, exact on the grid.
 * @param {ArrayLike<number>} table
 * @param {number} start where the grid begins
 * @param {number} step
 * @param {number} at
 */
export function interpolate(table, start, step, at) {
  const last = table.length - 1;
  const position = clamp((at - start) / step, 0, last);
  const base = clamp(Math.floor(position) - 1, 0, Math.max(last - 3, 0));
  const t = position - base;
  const [a, b, c, d] = [0, 1, 2, 3].map((k) => table[base + k]);
  return (
    (-a * (t - 1) * (t - 2) * (t - 3)) / 6 +
    (b * t * (t - 2) * (t - 3)) / 2 -
    (c * t * (t - 1) * (t - 3)) / 2 +
    (d * t * (t - 1) * (t - 2)) / 6
  );
}

/**
 * The lowest point of a curve over an even grid, refined by the parabola through its neighbours.
 * @param {ArrayLike<number>} values
 * @param {(k: number) => number} placeOf where the k-th value stands
 * @returns {{ at: number, value: number, end: boolean }} `end`: it lies at an end, and may go on falling
 */
export function lowest(values, placeOf) {
  let k = 0;
  for (let c = 1; c < values.length; c++) if (values[c] < values[k]) k = c;
  if (k === 0 || k === values.length - 1) return { at: placeOf(k), value: values[k], end: true };
  const [a, b, c] = [values[k - 1], values[k], values[k + 1]];
  const t = (a - c) / (2 * (a - 2 * b + c) || Infinity);
  return { at: placeOf(k) + t * (placeOf(1) - placeOf(0)), value: b - ((a - c) * t) / 4, end: false };
}

/**
 * Round numbers between two bounds, about `count` of them.
 * @param {number} low
 * @param {number} high
 * @param {number} count
 * @returns {number[]}
 */
export function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, k) => Number(((first + k) * step).toPrecision(12)));
}
