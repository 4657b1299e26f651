// What the measured numbers mean, in the report's own words, pure.
import { SURE, quantile } from "./measure_engine.js";

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

function pairingWords({ p_value, misfits, of, shufflings, order, repeats: again }, what, say) {
  const words = [];
  if (p_value !== null) {
    const sure = p_value <= 1 / (1 + shufflings);
    const better = p_value < 0.01 ? "better" : p_value < SURE ? "hardly better" : "no better";
    const chance = sure ? `none of ${shufflings} shufflings` : `${(100 * p_value).toFixed(0)}% of shufflings`;
    words.push(filled(say.better, { better, chance, what, fit: sure ? "fits" : "fit" }));
    if (order) words.push(`${whichOf(order, of)} ${filled(say[order.how], order)}.`);
    else if (better === "no better") words.push(say.shuffled);
    else if (misfits > 0.02) words.push(filled(say.misfits, { share: `${(100 * misfits).toFixed(0)}%`, what }));
  }
  const rows = ["images", "texts"].flatMap((name, s) => (again[s] ? [`${again[s]} ${name}`] : [])).join(" and ");
  return [...words, ...(rows ? [filled(say.repeats, { rows })] : [])].join(" ");
}

/** How many groups are meant, and which: the most of them if they hang together, else the first. */
function whichOf({ rows, together }, of) {
  if (rows.length > 0.9 * of) return "All of them";
  if (!together || rows.length <= 8) return `${rows.length} of ${of} (${rows.slice(0, 8).join(", ")}${rows.length > 8 ? ", ..." : ""})`;
  const ends = [0.05, 0.95].map((share) => Math.floor(quantile([...rows], share)));
  return `${rows.length} of ${of}, most of them from number ${ends.join(" to ")},`;
}

function retrievalWords({ metrics, intervals, blind: guesses, aligned, images: n, texts: m }, say) {
  const ways = {};
  for (const [way, to] of [["image to text", "to_text"], ["text to image", "to_image"]]) {
    const key = `recall_at_1 (${way})`;
    [ways[`${to}_low`], ways[`${to}_high`]] = intervals[key].map(percent);
    ways[to] = percent(metrics[key]);
    ways[way] = percent(Number(guesses[key].toPrecision(2)));
  }
  const text = aligned ? "its text" : "one of its texts";
  const blind = [...new Set([ways["image to text"], ways["text to image"]])].join(" and ");
  const pool = filled(n === m ? say.pool : say.pools, { n, m });
  return filled(say.retrieval, { ...ways, pool, text, image: text.replace("text", "image"), blind });
}

const mixedWords = ({ trial: { nothing, index } }, say) =>
  filled(say.mixed, { own: percent(nothing.own_modality_first), rank: nothing.mixed_rank, index });

/**
 * What the numbers mean, in the report's own words, each with the chapter that explains it.
 * @param {ReturnType<typeof measure>} found
 * @param {{ sentences: Record<string, string>, pairing: Record<string, string> }} say the library's words
 * @param {number} rate of the thresholds
 * @returns {[string, string][]}
 */
export function reading(found, { sentences: say, pairing: ofPairs }, rate) {
  const { metrics, intervals, by_chance: chance, scores, images: n, texts: m } = found;
  const paired = found.pairs > 0;
  const what = !paired ? "rows" : found.aligned ? "pairs" : "groups";
  const told = { gap: metrics.modality_gap, unbiased: metrics["modality_gap (unbiased)"], by_chance: chance.high, n: `${found.pairs || n + m} ${what}` };
  [told.low, told.high] = intervals.modality_gap;
  if (paired) told.share = percent(metrics.gap_share);
  const sure = told.gap - told.unbiased > 0.005 ? "gap_unbiased" : "gap_sure";
  const parts = chance.p_value > SURE ? ["gap_chance", ...(told.unbiased > 0 ? ["gap_left"] : [])] : [sure, "gap_more", ...(paired ? ["gap_share"] : [])];
  const gap = filled(say.gap, { ...told, words: parts.map((part) => filled(say[part], told)).join("") });

  const [matched, random] = [scores["matched pairs"], scores["random pairs"]];
  const { verdict, p_value: byShuffling, misfits } = found.pairing;
  const lost = !paired || (verdict === "wrong" && (byShuffling > SURE || misfits > 0.3)); // nothing that needs partners can be learnt
  const ofRandom = { random: random.mean, random_low: random.low, random_high: random.high };
  const normal = filled(lost ? say.normal_lost : say.normal, { ...matched, ...ofRandom });
  const cones = { images: scores["two images"].mean, texts: scores["two texts"].mean };
  const cone = filled(say.cone, { ...cones, words: say[Math.max(cones.images, cones.texts) > 0.2 ? "cone_narrow" : "cone_wide"] });

  const searched = paired ? [[retrievalWords(found, say), "loss_landscape"], [mixedWords(found, say), "mixed_search"]] : [];
  const at = found.thresholds.find((one) => one.rate === rate) ?? {};
  const passed = (sentence, { score, pool: of, false_positive_rate, hit_rate }) =>
    filled(sentence, { score, pool: of, pass: percent(false_positive_rate), hit: percent(hit_rate ?? 0) });
  const knowing = at.candidate && !lost ? passed(say.threshold_knowing, at.candidate) : "";
  const judged = pairingWords(found.pairing, what, ofPairs);
  const onePair = at.pair ? passed(lost ? say.threshold_lost : say.threshold, at.pair) + knowing : "";
  return [
    ...(judged ? [[judged, "your_embeddings"]] : []),
    [normal, "your_embeddings"],
    [gap, "loss_landscape"],
    [cone, "random_networks"],
    ...searched,
    ...(onePair ? [[onePair, "your_embeddings"]] : []),
    ...(at.query && !lost ? [[passed(say.best_hit, at.query), "your_embeddings"]] : []),
  ];
}
