// The worker of the page that measures a reader's own files: it reads them, measures, and says how far it is.
import { Refusal, checkedRows, openBoth } from "./embeddings_files.js";
import { tabulate } from "./landscape_tables.js";
import { typed } from "./numbers.js";
import { drawnOf, fitOfBlocks, makePairs, measure, takeGroups, twins } from "./measure_engine.js";

const COMMAND_LINE = "The command line may: python -m mgaplib report IMAGES TEXTS -o report.html";

const FITS = 6; // standard errors by which rows must fit before they are taken as somebody's

const tell = (what, share) => postMessage({ told: { what, share } });

/** The rows of an example that came with the page, as whole numbers with an offset and a scale for each column. */
function decoded({ codes, offset, scale, n, d }) {
  const levels = typed(Int8Array, codes, 2 * n * d, "codes");
  const [from, by] = [offset, scale].map((part) => typed(Float32Array, part, 2 * d, "a column's offset or scale"));
  return [0, 1].map((side) => Float64Array.from({ length: n * d }, (_, at) => {
    const column = side * d + (at % d);
    return from[column] + by[column] * levels[side * n * d + at];
  }));
}

/** The rows of one side, checked. */
async function side(table, name, rows) {
  tell(`reads ${name}`, 0.5);
  return checkedRows(await table.read(rows), table.shape[1], name, rows);
}

/**
 * Read what is to be measured: all rows, or as many as a page can carry, drawn with a fixed seed.
 * @returns {Promise<{ names: string[], sides: Float64Array[], d: number, total: number[], relation: string, each?: number }>}
 */
async function readRows({ files, swapped, rules }) {
  const { names, tables } = await openBoth(files, rules);
  if (swapped) [names, tables].forEach((both) => both.reverse());
  const d = tables[0].shape[1];
  const total = tables.map(({ shape }) => shape[0]);
  const most = Math.min(rules.rows, Math.floor(rules.cells / d));
  if (most < rules.least) throw new Refusal(`${names[0]} has ${d.toLocaleString("en")} columns, too many for a page. ${COMMAND_LINE}`);
  const read = { names, d, total };
  if (total[0] !== total[1]) return { ...read, ...((await readBlocks(tables, names, total, most, rules)) ?? (await readUnpaired(tables, names, total, most))) };
  const rows = total[0] > most ? drawnOf(total[0], most, 0) : null;
  const sides = [];
  for (const [k, table] of tables.entries()) sides.push(await side(table, names[k], rows));
  // Were each row there twice, of rows drawn at this rate half as many would repeat one; fewer are no groups.
  const many = (rows?.length ?? 0) ** 2 / total[0] / 2;
  if (rows && sides.some((one) => twins(one, d).filter((first, i) => first !== i).length > Math.max(0.75 * many, 2))) {
    const what = `Rows repeat in ${names.join(" or ")}, and ${total[0].toLocaleString("en")} pairs are more than a page measures`;
    const cure = "The command line draws whole groups: python -m mgaplib report IMAGES TEXTS -o report.html";
    throw new Refusal(`${what}: a draw of rows would tear apart what belongs together. ${cure}`);
  }
  return { ...read, sides, relation: "aligned" };
}

/** Read as many rows of one side for each row of the other, if they fit in one of the two usual orders; else null. */
async function readBlocks(tables, names, total, most, { least }) {
  const few = total[0] < total[1] ? 0 : 1;
  const [k, each] = [total[few], total[1 - few] / total[few]];
  const carried = Math.floor(most / each);
  if (!Number.isInteger(each) || carried < least) return null;
  const groups = drawnOf(k, carried, 0);
  const one = await side(tables[few], names[few], groups);
  for (const [relation, place] of [["together", (g, c) => g * each + c], ["in turn", (g, c) => c * k + g]]) {
    const rows = Int32Array.from({ length: groups.length * each }, (_, at) => place(groups[Math.floor(at / each)], at % each));
    const many = await side(tables[1 - few], names[1 - few], rows);
    if (fitOfBlocks(one, many, tables[0].shape[1]) > FITS) return { sides: few ? [many, one] : [one, many], relation, each };
  }
  return null;
}

/** Read two sets that have nothing to do with one another. */
async function readUnpaired(tables, names, total, most) {
  const sides = [];
  for (const [k, table] of tables.entries()) sides.push(await side(table, names[k], total[k] > most ? drawnOf(total[k], most, k) : null));
  return { sides, relation: "unequal" };
}

async function work(asked) {
  const { rules, options, stops, example } = asked;
  const { names, sides, d, total, relation, each } = example
    ? { names: [`images of ${example.label}`, `texts of ${example.label}`], sides: decoded(example), d: example.d, total: [example.n, example.n], relation: "aligned" }
    : await readRows(asked);
  const pairs = makePairs(...sides, d, each !== undefined);
  if (pairs.groups < rules.least) {
    throw new Refusal(`${pairs.groups} groups of equal rows are too few; at least ${rules.least} are needed, so that one half can judge what the other learns`);
  }
  const known = relation === "aligned" && !pairs.aligned ? "noticed" : relation;
  postMessage({ found: { names, total, read: sides.map((one) => one.length / d), relation: known, each, ...measure(pairs, options, tell) } });
  if (!pairs.partners) return postMessage({ landscape: null });
  const most = Math.floor((rules.drawn * pairs.groups) / Math.sqrt(pairs.n[0] * pairs.n[1])); // about as many cosines
  const drawn = takeGroups(pairs, drawnOf(pairs.groups, Math.max(most, 2), 8));
  let tables = null;
  let why = "";
  try {
    tables = tabulate(drawn, stops, (share) => tell("computes the landscape", share));
  } catch (error) {
    why = error.message;
  }
  postMessage({ landscape: { tables, why, drawn: drawn.groups } });
}

onmessage = async ({ data }) => {
  try {
    await work(data);
  } catch (error) {
    const words = {
      Refusal: error.message,
      NotReadableError: "A file could not be read: it was moved or changed after it was chosen. Choose it again",
      NotFoundError: "A file could not be read: it was moved or changed after it was chosen. Choose it again",
      RangeError: `This does not fit into the memory of a page. ${COMMAND_LINE}`,
    }[error instanceof Refusal ? "Refusal" : error.name];
    postMessage({ refused: words ?? `This page could not measure these files (${error.message}). ${COMMAND_LINE}` });
  }
};
