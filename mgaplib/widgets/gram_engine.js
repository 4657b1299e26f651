// n pairs from one table of cosines, pure: 2n rows and columns, the images first and the texts after them.

/**
 * The whole table: what pairs have across the modalities, and what each modality has within itself.
 * @param {Float32Array} gram cosines, an image a row, a text a column
 * @param {ArrayLike<number>} within cosines above the diagonal, row after row, of the images and then of the texts
 * @param {number} n
 * @returns {Float32Array}
 */
export function wholeTable(gram, within, n) {
  const rows = 2 * n;
  const table = new Float32Array(rows * rows);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) table[i * rows + n + j] = table[(n + j) * rows + i] = gram[i * n + j];
  }
  let k = 0;
  for (const start of [0, n]) {
    for (let i = start; i < start + n; i++) {
      table[i * (rows + 1)] = 1;
      for (let j = i + 1; j < start + n; j++, k++) table[i * rows + j] = table[j * rows + i] = within[k];
    }
  }
  return table;
}

/**
 * Write the table of the pairs where they were moved to.
 * @param {ReturnType<typeof import("./landscape_engine.js").movePairs>} moved
 * @param {Float32Array} table as trained
 * @param {number} n
 * @param {Float64Array} into
 */
export function movedTable(moved, table, n, into) {
  const rows = 2 * n;
  for (let i = 0; i < n; i++) {
    into[i * (rows + 1)] = into[(n + i) * (rows + 1)] = 1;
    for (let j = 0; j < n; j++) into[i * rows + n + j] = into[(n + j) * rows + i] = moved.cosine(i, j);
    for (let j = i + 1; j < n; j++) {
      for (const [kind, start] of [[0, 0], [1, n]]) {
        const [r, c] = [start + i, start + j];
        into[r * rows + c] = into[c * rows + r] = moved.within(kind, i, j, table[r * rows + c]);
      }
    }
  }
  return into;
}

/**
 * The pairs' distance relative to distances within a modality, as `mgaplib.metrics.relative_modality_gap`.
 * @param {Float64Array} table
 * @param {number} n
 */
export function relativeGap(table, n) {
  const rows = 2 * n;
  let [within, matched] = [-rows, 0]; // without the diagonal
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) within += table[i * rows + j] + table[(n + i) * rows + n + j];
    matched += table[i * rows + n + i];
  }
  const [a, b] = [1 - matched / n, 1 - within / (2 * n * (n - 1))];
  return a / (a + b);
}

/**
 * How many image-text cosines fall into each of some even bins: of pairs, and of strangers.
 * @param {Float64Array} table
 * @param {number} n
 * @param {number} low where the first bin begins
 * @param {number} high where the last one ends
 * @param {number} bins
 * @returns {{ matched: Uint32Array, unmatched: Uint32Array }}
 */
export function crossHistograms(table, n, low, high, bins) {
  const counts = { matched: new Uint32Array(bins), unmatched: new Uint32Array(bins) };
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      const bin = Math.floor(((table[i * 2 * n + n + j] - low) / (high - low)) * bins);
      counts[i === j ? "matched" : "unmatched"][Math.min(Math.max(bin, 0), bins - 1)]++;
    }
  }
  return counts;
}
