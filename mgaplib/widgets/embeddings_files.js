// Embeddings from the files that a reader chose, pure: nothing is run, and no more is read than is measured.
//
// A file is looked at by slices: its head says what it holds, then the rows are read that are wanted. What is no
// embedding is refused in words that name the file and the cure.

/** What a reader is told where a file cannot be measured. */
export class Refusal extends Error {}

const refuse = (words) => {
  throw new Refusal(words);
};
const asText = (bytes) => bytes.reduce((text, byte) => text + String.fromCharCode(byte), ""); // TextDecoder's latin1 is another
const MOST_INFLATED = 4e8; // bytes of one array that must be unpacked whole
const MOST_TEXT = 2e8; // bytes of a table that is read whole
const COMMAND = "python -m mgaplib report";

/**
 * @typedef {object} Table An array of a file.
 * @property {number[]} shape
 * @property {string} [codes] what it holds if that is no floating point
 * @property {(rows: ArrayLike<number> | null) => Promise<Float64Array>} read its rows, or some of them
 */

const bytesOf = async (blob, start, end) => new Uint8Array(await blob.slice(start, end).arrayBuffer());

// --- .npy

/** Read 16-bit floating-point numbers, which not every browser can. */
function halves(view, little) {
  return Float64Array.from({ length: view.byteLength / 2 }, (_, k) => {
    const bits = view.getUint16(2 * k, little);
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (exponent ? (1 + fraction / 1024) * 2 ** (exponent - 15) : fraction * 2 ** -24);
  });
}

/** Read floating-point numbers of 2, 4 or 8 bytes. */
function floats(bytes, size, little) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (size === 2) return halves(view, little);
  if (little && bytes.byteOffset % size === 0) {
    const Type = size === 4 ? Float32Array : Float64Array;
    return Float64Array.from(new Type(bytes.buffer, bytes.byteOffset, bytes.byteLength / size));
  }
  const read = size === 4 ? "getFloat32" : "getFloat64";
  return Float64Array.from({ length: bytes.byteLength / size }, (_, k) => view[read](size * k, little));
}

const SHORT = "(numpy.asarray(codes, 'float32') - offset) * scale";
const OTHERS = {
  O: "pickled Python objects, which can run code when loaded; save a plain array of floats with numpy.save",
  U: "text; save the numbers with numpy.save",
  S: "text; save the numbers with numpy.save",
  c: "complex numbers; embeddings are real: save the part that is meant",
  V: "records, or bfloat16, which .npy has no name for; convert it with .astype('float32') and save it again",
};

/** Say what an array holds that is no floating point, or nothing. */
function notFloats(kind, size) {
  if (kind === "b") return "true and false; for bits, save numpy.where(bits, 1.0, -1.0)";
  if (kind === "i" || kind === "u") {
    const packed = size === 1 ? "; if it is packed bits, save numpy.unpackbits(codes, axis=1) * 2.0 - 1" : "";
    const undo = `Undo the coding with its own scale and offset and save ${SHORT}; without the offset every angle is wrong`;
    return `whole numbers; embeddings are floating point. ${undo}${packed}`;
  }
  if (kind !== "f") return OTHERS[kind] ?? "numbers of a kind that is not read here; save it with .astype('float32')";
  return [2, 4, 8].includes(size) ? "" : "long floating-point numbers; save them with .astype('float32')";
}

/**
 * Look at the head of a .npy file.
 * @param {Blob} blob
 * @param {string} name what it is called in words
 * @returns {Promise<Table>}
 */
export async function openNpy(blob, name) {
  const start = await bytesOf(blob, 0, 12);
  if (start.length < 12) refuse(`${name} is damaged: it ends within its head. Copy it again`);
  const view = new DataView(start.buffer);
  const [begin, length] = start[6] < 2 ? [10, view.getUint16(8, true)] : [12, view.getUint32(8, true)];
  if (length > 1e6) refuse(`${name} is damaged: its head is no head of a .npy file. Save it again with numpy.save`);
  const from = begin + length;
  const head = asText(await bytesOf(blob, begin, from));
  const descr = head.match(/'descr':\s*(?:'([<>|=])([a-zA-Z])(\d*)|(.))/);
  const order = head.match(/'fortran_order':\s*(True|False)/);
  const sizes = head.match(/'shape':\s*\(([\d,\sL]*)\)/);
  if (!descr || !order || !sizes) refuse(`${name} is damaged: its head does not say what it holds. Save it again with numpy.save`);
  const shape = (sizes[1].match(/\d+/g) ?? []).map(Number);
  const [little, kind, size] = [descr[1] !== ">", descr[4] ? "V" : descr[2], Number(descr[3] || 1)];
  const codes = notFloats(kind, size);
  const [n, d] = shape.length === 3 ? [shape[0] * shape[1], shape[2]] : shape;
  const missing = from + (n ?? 1) * (d ?? 1) * size - blob.size;
  if (!codes && missing > 0) {
    refuse(`${name} is damaged: ${missing.toLocaleString("en")} of its bytes are missing. Copy or save it again`);
  }
  const row = d * size;
  const of = (from, to) => bytesOf(blob, from, to).then((bytes) => floats(bytes, size, little));
  async function read(rows) {
    if (order[1] === "False") {
      if (!rows) return of(from, from + n * row);
      const found = new Float64Array(rows.length * d);
      for (const [k, i] of rows.entries()) found.set(await of(from + i * row, from + (i + 1) * row), k * d);
      return found;
    }
    rows ??= Int32Array.from({ length: n }, (_, i) => i);
    const found = new Float64Array(rows.length * d);
    for (let j = 0; j < d; j++) {
      const column = await of(from + j * n * size, from + (j + 1) * n * size);
      for (const [k, i] of rows.entries()) found[k * d + j] = column[i];
    }
    return found;
  }
  return { shape, codes, read, fortran: order[1] === "True" };
}

// --- .npz

/** Unpack a deflated part, no more of it than was promised. */
async function inflated(blob, size, name) {
  if (size > MOST_INFLATED) {
    const cure = `Save it with numpy.save, of which rows can be drawn, or use the command line: ${COMMAND}`;
    refuse(`${name} holds ${Math.round(size / 1e6).toLocaleString("en")} MB, packed: too much to unpack in a page. ${cure}`);
  }
  const parts = [];
  let total = 0;
  try {
    const reader = blob.stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      total += part.value.length;
      if (total > size) break;
      parts.push(part.value);
    }
  } catch {
    total = -1;
  }
  if (total !== size) refuse(`${name} is damaged: it cannot be unpacked. Save it again with numpy.savez`);
  return new Blob(parts);
}

/** Look at what a zip archive of .npy files holds. */
async function openNpz(blob, name) {
  const damaged = () => refuse(`${name} is damaged: its table of contents is missing, as in a file that was cut off. Copy or save it again`);
  const tail = await bytesOf(blob, Math.max(0, blob.size - 66000), blob.size);
  const view = new DataView(tail.buffer);
  let end = tail.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) damaged();
  const [count, length, first] = [view.getUint16(end + 10, true), view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  if (first === 0xffffffff) refuse(`${name} is larger than 4 GB; save each side with numpy.save, of which rows can be drawn`);
  const table = new DataView((await bytesOf(blob, first, first + length)).buffer);
  const arrays = {};
  for (let k = 0, at = 0; k < count; k++) {
    if (at + 46 > table.byteLength || table.getUint32(at, true) !== 0x02014b50) damaged();
    const [flags, method] = [table.getUint16(at + 8, true), table.getUint16(at + 10, true)];
    const [packed, size] = [table.getUint32(at + 20, true), table.getUint32(at + 24, true)];
    const [named, extra, note] = [28, 30, 32].map((by) => table.getUint16(at + by, true));
    const place = table.getUint32(at + 42, true);
    const file = new TextDecoder().decode(new Uint8Array(table.buffer, at + 46, named));
    at += 46 + named + extra + note;
    if (!file.endsWith(".npy")) continue;
    const key = file.slice(0, -4);
    const whole = `${name}, array ${key},`;
    if (flags & 1 || ![0, 8].includes(method) || size === 0xffffffff) {
      refuse(`${whole} is packed in a way that is not read here. Save it again with numpy.savez`);
    }
    const local = new DataView((await bytesOf(blob, place, place + 30)).buffer);
    if (local.byteLength < 30 || local.getUint32(0, true) !== 0x04034b50) damaged();
    const from = place + 30 + local.getUint16(26, true) + local.getUint16(28, true);
    const part = blob.slice(from, from + packed);
    if (part.size !== packed) damaged();
    arrays[key] = await openNpy(method ? await inflated(part, size, whole) : part, whole);
  }
  return arrays;
}

// --- .csv

/** The cells of one line of a table. */
function cellsOf(line, by) {
  if (!line.includes('"')) return line.split(by).map((cell) => cell.trim());
  const found = line.match(new RegExp(`(?:"(?:[^"]|"")*"|[^"${by === "\t" ? "\\t" : by}])+|(?<=${by}|^)(?=${by}|$)`, "g")) ?? [];
  return found.map((cell) => cell.trim().replace(/^"([\s\S]*)"$/, "$1").replaceAll('""', '"'));
}

const VECTOR = /^(?:\w+\()?\[\s*[-+.\d]/;
const isWhole = (cell) => /^[-+]?\d+$/.test(cell);
const MISSING = ["", "nan", "na", "null", "none", "inf", "-inf", "infinity", "-infinity"];

/** Look at a table: columns of vectors written as text, or numbered columns of numbers that are one array. */
async function openCsv(file, name, stem) {
  if (file.size > MOST_TEXT) {
    const cure = `Save the numbers with numpy.save, or use the command line: ${COMMAND}`;
    refuse(`${name} is ${Math.round(file.size / 1e6).toLocaleString("en")} MB of text, too much for a page. ${cure}`);
  }
  const lines = (await file.text()).replace(/^\ufeff/, "").split(/\r?\n/);
  while (lines.length && !lines.at(-1).trim()) lines.pop();
  if (!lines.length) refuse(`${name} is empty. Choose the file that holds the numbers`);
  const outside = lines[0].trim().replace(/"[^"]*"/g, "");
  const by = ["\t", ";", ",", " "].find((mark) => outside.includes(mark)) ?? ",";
  const first = cellsOf(lines[0], by);
  const header = first.some((cell) => !/^[-+\d.,eE]+$/.test(cell)) || first.every((cell, k) => cell === String(k));
  const names = header ? first : first.map((_, k) => String(k));
  const start = header ? 1 : 0;
  const n = lines.length - start;
  if (!n) refuse(`${name} has a line of names and no rows. Choose the file that holds the numbers`);
  const comma = by !== "," && lines[start].includes(",") && !lines[start].includes(".");
  const rowAt = (i) => {
    const cells = cellsOf(lines[start + i], by);
    if (cells.length !== names.length) {
      const cure = `Write the table again, quoting cells that hold a ${by === "\t" ? "tab" : `“${by}”`}`;
      refuse(`Line ${start + i + 1} of ${name} has ${cells.length} cells where the first has ${names.length}. ${cure}`);
    }
    return comma ? cells.map((cell) => cell.replace(",", ".")) : cells;
  };
  const number = (cell) => (MISSING.includes(cell.toLowerCase()) ? NaN : Number(cell));
  const some = Array.from({ length: Math.min(n, 50) }, (_, i) => rowAt(i));
  const kinds = names.map((_, c) => {
    if (some.every((row) => VECTOR.test(row[c]))) return "vectors";
    if (some.every((row) => isWhole(row[c]))) return "i";
    // A word among numbers is refused when it is read; a column of words is none of ours.
    return 2 * some.filter((row) => row[c] && !isNaN(Number(row[c]))).length >= some.length ? "f" : "";
  });
  const chosen = (rows) => rows ?? Int32Array.from({ length: n }, (_, i) => i);
  const arrays = {};
  for (const [c, kind] of kinds.entries()) {
    if (kind !== "vectors") continue;
    const vector = (i) => {
      const cell = rowAt(i)[c];
      const inside = cell.slice(cell.indexOf("[") + 1, cell.lastIndexOf("]")).trim();
      if (inside.includes("...")) refuse(`Column ${names[c]} of ${name} was shortened when it was printed (row ${i} has “...”). Save the vectors anew`);
      return inside.split(/[\s,;]+/).map((part) => Number(part || NaN));
    };
    const d = vector(0).length;
    const read = async (rows) => {
      const found = new Float64Array(chosen(rows).length * d);
      for (const [k, i] of chosen(rows).entries()) {
        const row = vector(i);
        if (row.length !== d) {
          refuse(`Column ${names[c]} of ${name} has ${row.length} numbers in row ${i} and ${d} in the first. Give all rows one model's vectors`);
        }
        found.set(row, k * d);
      }
      return found;
    };
    arrays[names[c]] = { shape: [n, d], read };
  }
  const numbered = {};
  for (const [c, kind] of kinds.entries()) {
    const [, prefix, at] = names[c].match(/^(.*?)[ _.-]*(\d+)$/) ?? [];
    if (at !== undefined && (kind === "f" || kind === "i")) (numbered[prefix || stem] ??= []).push([Number(at), c]);
  }
  if (!Object.keys(arrays).length && !Object.keys(numbered).length && kinds.every((kind) => kind === "f")) {
    numbered[stem] = kinds.map((_, c) => [c, c]);
  }
  const alone = !Object.keys(arrays).length;
  for (const [key, members] of Object.entries(numbered)) {
    const columns = members.sort((a, b) => a[0] - b[0]).map(([, c]) => c);
    const anyFloat = columns.some((c) => kinds[c] === "f");
    if (columns.length < 2 || !(alone || anyFloat)) continue;
    const read = async (rows) => {
      const d = columns.length;
      const found = new Float64Array(chosen(rows).length * d);
      for (const [k, i] of chosen(rows).entries()) {
        const cells = rowAt(i);
        for (const [j, c] of columns.entries()) {
          const value = number(cells[c]);
          if (isNaN(value) && !MISSING.includes(cells[c].toLowerCase())) {
            refuse(`Line ${start + i + 1} of ${name} has “${cells[c].slice(0, 40)}” in column ${names[c]}, which is no number. Correct it or leave the column out`);
          }
          found[k * d + j] = value;
        }
      }
      return found;
    };
    const index = columns.find((c) => kinds[c] === "i" && anyFloat && new Set(some.map((row) => row[c])).size > 1);
    if (index !== undefined) refuse(`Column ${names[index]} of ${name} holds whole numbers among columns of floats, as an index does. Leave it out`);
    arrays[key] = { shape: [n, columns.length], codes: anyFloat ? "" : notFloats("i", 8), read };
  }
  if (!Object.keys(arrays).length) {
    refuse(`${name} holds no array of embeddings; its columns are ${names.slice(0, 8).join(", ")}. Give each dimension a numbered column, or each row a vector in brackets`);
  }
  return arrays;
}

// --- what a reader chose

/**
 * What the library knows of files, which is written once, there.
 * @typedef {object} Rules
 * @property {[string, string][]} beginnings how files of known kinds begin, and what they are
 * @property {string[]} suffixes what the command line reads
 * @property {string[][]} modalities the words that name each modality
 * @property {number} least rows
 */

/** Look at a file that a reader chose: the arrays in it by their names. */
async function openFile(file, { beginnings, suffixes }) {
  const { name } = file;
  const [, stem, suffix] = name.match(/^(.*?)(\.[^.]*)?$/s);
  const kind = (suffix ?? "").toLowerCase();
  if (![".npy", ".npz", ".csv", ".tsv"].includes(kind)) {
    const whole = name.toLowerCase().replace(/\.gz$/, "");
    if (suffixes.some((known) => whole.endsWith(known))) {
      refuse(`${name}: this page reads .npy, .npz and .csv. The command line reads ${kind} too: ${COMMAND} IMAGES TEXTS -o report.html`);
    }
    refuse(`${name} is no file of embeddings that is known here. Save the arrays with numpy.save, and choose two .npy files`);
  }
  if (!file.size) refuse(`${name} is empty. Choose the file that holds the numbers`);
  const start = asText(await bytesOf(file, 0, 64)).replace(/^\xef\xbb\xbf/, "");
  const begins = { ".npy": "\x93NUMPY", ".npz": "PK" }[kind];
  const known = beginnings.find(([first]) => start.trimStart().startsWith(first));
  if (begins ? !start.startsWith(begins) : known || start.includes("\0")) {
    refuse(`${name} is no ${kind} file but ${known?.[1] ?? "of another kind"}. Choose the file itself`);
  }
  if (kind === ".npy") return { [stem]: await openNpy(file, name) };
  return kind === ".npz" ? openNpz(file, name) : openCsv(file, name, stem);
}

/** Which two of some names are those of the two modalities, pictures before texts; or nothing. */
export function sides(names, modalities) {
  const words = names.map((name) => new Set(name.replace(/([a-z])([A-Z])/g, "$1 $2").toLowerCase().match(/^[a-z]$|[a-z]{2,}/g)));
  const found = modalities.map((known) => names.filter((_, k) => known.some((word) => words[k].has(word)))).filter((which) => which.length);
  return found.length === 2 && found.every((which) => which.length === 1) ? found.flat() : null;
}

/** The two sides of one array of shape (2, n, d). */
function halvesOf({ shape: [, n, d], codes, read }) {
  return [0, 1].map((side) => ({
    shape: [n, d],
    codes,
    read: (rows) => read(Int32Array.from(rows ?? { length: n }, (i, k) => side * n + (i ?? k))),
  }));
}

/**
 * Look at what a reader chose, one file with both sides or a file each.
 * @param {File[]} files
 * @param {Rules} rules
 * @returns {Promise<{ names: [string, string], tables: [Table, Table] }>}
 */
export async function openBoth(files, rules) {
  if (!files.length || files.length > 2) refuse(`${files.length} files: choose two, one of images and one of texts, or one .npz file that holds both`);
  const opened = [];
  for (const file of files) opened.push(await openFile(file, rules));
  if (files.length === 2) {
    const stems = files.map(({ name }) => name.replace(/\.[^.]*$/, ""));
    const order = sides(stems, rules.modalities)?.[0] === stems[1] ? [1, 0] : [0, 1];
    const tables = order.map((k) => {
      const held = Object.keys(opened[k]);
      if (held.length > 1) {
        const cure = "Choose it alone if both sides are in it, else save the one array with numpy.save";
        refuse(`${files[k].name} holds ${held.slice(0, 5).join(", ")}, and a second file was chosen beside it. ${cure}`);
      }
      if (!held.length) refuse(`${files[k].name} holds no array. Choose the file that holds the numbers`);
      return opened[k][held[0]];
    });
    return checkedBoth(order.map((k) => files[k].name), tables, rules);
  }
  const [file, arrays] = [files[0].name, opened[0]];
  const held = Object.keys(arrays);
  if (held.length === 1) {
    const [only] = Object.values(arrays);
    if (only.codes) refuse(`${file} holds ${only.codes}`);
    if (only.shape.length !== 3 || only.shape[0] !== 2) {
      const cure = "Choose a second file with it, both at once, or one file that holds both";
      refuse(`${file} holds one array of shape (${only.shape.join(", ")}), so one side is missing. ${cure}`);
    }
    return checkedBoth(["images", "texts"].map((side) => `${side} of ${file}`), halvesOf(only), rules);
  }
  const found = sides(held, rules.modalities) ?? sides(held.filter((key) => arrays[key].shape.length === 2 && !arrays[key].codes), rules.modalities);
  if (!found) {
    const cure = "Name them images and texts: numpy.savez(file, images=..., texts=...)";
    refuse(`${file} holds ${held.slice(0, 8).join(", ") || "no array"}, and it is not clear which two are the sides. ${cure}`);
  }
  return checkedBoth(found.map((key) => `${key} of ${file}`), found.map((key) => arrays[key]), rules);
}

/** Refuse what no pairs are, before any of it is read. */
export function checkedBoth(names, tables, { least }) {
  for (const [k, { shape, codes }] of tables.entries()) {
    if (codes) refuse(`${names[k]} holds ${codes}`);
    if (shape.length !== 2 || !shape[1]) refuse(`${names[k]} has shape (${shape.join(", ")}); save a table of two dimensions, one embedding a row`);
  }
  const [[n, d], [m, e]] = tables.map(({ shape }) => shape);
  if (d !== e) refuse(`${names[0]} has ${d} columns and ${names[1]} ${e}, which are two spaces. Embed both with one model`);
  for (const [k, rows] of [n, m].entries()) {
    if (rows < least) refuse(`${names[k]} has ${rows} rows; at least ${least} are needed, so that one half can judge what the other learns`);
  }
  return { names, tables };
}

/** Refuse numbers that are none, and rows without a direction; `rows` are the ones that were read. */
export function checkedRows(matrix, d, name, rows) {
  let [bad, many] = [-1, 0];
  for (let i = 0; i * d < matrix.length; i++) {
    let peak = 0;
    for (let k = i * d; k < (i + 1) * d; k++) peak = matrix[k] - matrix[k] === 0 ? Math.max(peak, Math.abs(matrix[k])) : NaN;
    if (isNaN(peak)) {
      if (bad < 0) bad = i;
      many++;
    } else if (!peak) {
      refuse(`${name} has a zero row (${rows?.[i] ?? i}), with no direction; drop it from both files`);
    } else if (peak < 1e-100 || peak > 1e100) {
      for (let k = i * d; k < (i + 1) * d; k++) matrix[k] /= peak; // or its square is no number
    }
  }
  if (many) {
    const [such, those] = many > 1 ? ["rows", "those rows"] : ["row", "that row"];
    refuse(`${name} has a NaN or infinite value in row ${rows?.[bad] ?? bad} (${many} such ${such}); drop ${those} from both files`);
  }
  return matrix;
}
