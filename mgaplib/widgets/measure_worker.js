// The worker of the page that measures a reader's own files: it reads them, measures, and says how far it is.
import { Refusal, checkedRows, openBoth } from "./embeddings_files.js";
import { tabulate } from "./landscape_tables.js";
import { typed } from "./numbers.js";
import { drawnOf, makePairs, measure, oneEach, takeGroups, twins } from "./measure_engine.js";

const COMMAND_LINE = "The command line may: python -m mgaplib report IMAGES TEXTS -o report.html";

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

/** Read what is to be measured: all rows, or as many as a page can carry, drawn with a fixed seed. */
async function readRows({ files, swapped, rules }) {
  const { names, tables } = await openBoth(files, rules);
  if (swapped) [names, tables].forEach((both) => both.reverse());
  const [total, d] = tables[0].shape;
  const most = Math.min(rules.rows, Math.floor(rules.cells / d));
  if (most < rules.least) throw new Refusal(`${names[0]} has ${d.toLocaleString("en")} columns, too many for a page. ${COMMAND_LINE}`);
  const rows = total > most ? drawnOf(total, most, 0) : null;
  const sides = [];
  for (const [k, table] of tables.entries()) {
    tell(`reads ${names[k]}`, k / 2);
    sides.push(checkedRows(await table.read(rows), d, names[k], rows));
  }
  // Were each row there twice, of rows drawn at this rate half as many would repeat one; fewer are no groups.
  const many = (rows?.length ?? 0) ** 2 / total / 2;
  if (rows && sides.some((side) => twins(side, d).filter((first, i) => first !== i).length > Math.max(0.75 * many, 2))) {
    const what = `Rows repeat in ${names.join(" or ")}, and ${total.toLocaleString("en")} pairs are more than a page measures`;
    const cure = "The command line draws whole groups: python -m mgaplib report IMAGES TEXTS -o report.html";
    throw new Refusal(`${what}: a draw of rows would tear apart what belongs together. ${cure}`);
  }
  return { names, sides, d, total };
}

async function work(asked) {
  const { rules, options, stops, example } = asked;
  const { names, sides, d, total } = example
    ? { names: [`images of ${example.label}`, `texts of ${example.label}`], sides: decoded(example), d: example.d, total: example.n }
    : await readRows(asked);
  const pairs = makePairs(...sides, d);
  if (pairs.groups < rules.least) {
    throw new Refusal(`${pairs.groups} groups of equal rows are too few; at least ${rules.least} are needed, so that one half can judge what the other learns`);
  }
  const read = sides[0].length / d;
  postMessage({ found: { names, total, read, ...measure(pairs, options, tell) } });
  const drawn = takeGroups(pairs, drawnOf(pairs.groups, rules.drawn, 8));
  let tables = null;
  let why = "";
  try {
    tables = tabulate(oneEach(drawn), stops, (share) => tell("computes the landscape", share));
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
