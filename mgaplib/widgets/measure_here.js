// Your own embeddings, here: two files are dropped, a worker reads and measures them, and nothing leaves the machine.
import { showGapExplorer } from "./gap_explorer.js";
import { filled, reading } from "./measure_words.js";
import { words } from "./numbers.js";
import { guarded, make, sayer, tileList } from "./shared.js";

const MEASURES = [
  ["modality_gap", "Gap", 3, "", [["modality_gap (unbiased)", "without chance's part"]]],
  ["matched cosine", "Cosine of partners", 3, "", [["mismatched cosine", "of strangers"]]],
  ["mean_cosine (images)", "Cone of the images", 3, "", [["mean_cosine (texts)", "of the texts"]]],
  ["recall_at_1 (image to text)", "R@1, image → text", 3],
  ["recall_at_1 (text to image)", "R@1, text → image", 3],
];
const UNPAIRED = [
  ["modality_gap", "Gap", 3, "", [["modality_gap (unbiased)", "without chance's part"]]],
  ["centre_angle", "Angle of the means", 1, " °"],
  ["mismatched cosine", "Cosine of an image and a text", 3],
  ["mean_cosine (images)", "Cone of the images", 3, "", [["mean_cosine (texts)", "of the texts"]]],
  ["linear_separability", "Rows that a plane puts right", 2],
];
const TRIED = [["gap", 3], ["recall_image_to_text", 3], ["recall_text_to_image", 3], ["mixed_rank", 1], ["own_modality_first", 2]];
const TRIED_HEADS = ["", "gap", "R@1, image → text", "R@1, text → image", "rank of the partner in one index", "own modality first"];
const USUAL = 0.01;

const cell = (kind, said) => make(kind, kind === "th" ? { scope: "col" } : {}, said);

/** A table that scrolls in place where it is wider than a phone. */
function tableOf(label, heads, rows) {
  const lines = rows.map(([first, ...others]) => make("tr", {}, make("th", { scope: "row" }, first), ...others.map((said) => cell("td", said))));
  const head = make("thead", {}, make("tr", {}, ...heads.map((said) => cell(said ? "th" : "td", said))));
  return make("div", { class: "mgap-wide", role: "region", tabindex: 0, "aria-label": label }, make("table", {}, head, make("tbody", {}, ...lines)));
}

const asBase64 = (buffer) => {
  let text = "";
  for (let at = 0; at < buffer.byteLength; at += 8192) text += String.fromCharCode(...new Uint8Array(buffer, at, Math.min(8192, buffer.byteLength - at)));
  return btoa(text);
};

/** A model's state as a page holds it: what is binary lies beside it, with the path to its place. */
function withoutBuffers(state) {
  const buffers = [];
  const bare = (value, path) => {
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).flatMap(([key, inner]) => {
      if (!(inner instanceof ArrayBuffer)) return [[key, bare(inner, [...path, key])]];
      buffers.push({ path: [...path, key], encoding: "base64", data: asBase64(inner) });
      return [];
    }));
  };
  return { model_module: "anywidget", state: bare(state, []), buffers };
}

/** Put contents into the slots of a page that Python wrote. */
const inSlots = (written, contents) => written.replace(/<!--mgap (\w+)-->/g, (_, name) => contents[name]);

/** JSON that no name of a file can break out of. */
const asJson = (value) => JSON.stringify(value).replaceAll("<", "\\u003c");

/** Hand the reader a file that was made in the page. */
function save(name, type, content) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function showMeasureHere({ model, root, ends }) {
  const { worker: source, rules, options, stops, say, chapters, examples, page: written } = model.get("data");
  root.classList.add("mgap-measure");
  let worker;
  let asked = {}; // the files, or the example, that are measured
  let found;

  // --- asking
  const input = make("input", { type: "file", multiple: true, accept: ".npy,.npz,.csv,.tsv" });
  const drop = make("label", { class: "mgap-drop" }, make("b", {}, "Drop two files here, or choose them"), input,
    make("small", {}, "Images and texts: .npy, .npz, .csv; or one .npz with both. Row i belongs to row i, or five texts to each image, or nobody to anybody. They stay on this machine."));
  const tried = examples.map((example) => {
    const button = make("button", { type: "button", class: "mgap-try" }, `Try it: ${example.label}`);
    button.addEventListener("click", () => start({ example }));
    return button;
  });
  const bar = make("progress", { max: 1, "aria-label": "Measuring" });
  const doing = make("span", {});
  const cancel = make("button", { type: "button" }, "Cancel");
  const progress = make("div", { class: "mgap-progress", hidden: true }, bar, doing, cancel);
  const error = make("p", { class: "mgap-error", role: "alert" });
  const speaker = sayer();
  const results = make("div", { class: "mgap-results", hidden: true });
  root.append(drop, make("div", { class: "mgap-buttons", role: "group", "aria-label": "Things to try" }, ...tried), progress, error, ...speaker.elements, results);

  input.addEventListener("change", () => {
    if (input.files.length) start({ files: [...input.files] });
    input.value = ""; // or the same file, corrected, could not be chosen again
  });
  for (const kind of ["dragenter", "dragover", "dragleave", "drop"]) {
    drop.addEventListener(kind, (event) => {
      event.preventDefault();
      drop.classList.toggle("mgap-over", kind === "dragenter" || kind === "dragover");
      if (kind === "drop" && event.dataTransfer.files.length) start({ files: [...event.dataTransfer.files] });
    });
  }
  cancel.addEventListener("click", () => {
    const before = results.hidden ? "" : " What was measured before is left out.";
    stop();
    speaker.say(`Cancelled.${before}`);
    drop.querySelector("input").focus();
  });

  function stop() {
    worker?.terminate();
    worker = undefined;
    progress.hidden = true;
  }
  function start(what) {
    stop();
    asked = what;
    error.textContent = "";
    results.hidden = true;
    results.replaceChildren();
    progress.hidden = false;
    bar.removeAttribute("value");
    doing.textContent = "starts";
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    worker = new Worker(url);
    URL.revokeObjectURL(url);
    worker.onmessage = ({ data }) => hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      refused("This browser cannot measure here. The command line can: python -m mgaplib report IMAGES TEXTS -o report.html");
    };
    worker.postMessage({ ...what, rules, options, stops });
  }
  ends.push(() => stop(), speaker.end, () => endExplorer());

  // --- hearing
  function refused(said) {
    stop();
    error.textContent = `${said}.`;
  }
  function hear(data) {
    if (data.refused) refused(data.refused);
    else if (data.told) {
      bar.value = data.told.share;
      doing.textContent = data.told.what;
    } else if (data.found) showFound(data.found);
    else {
      stop();
      showLandscape(data.landscape);
    }
  }

  // --- showing
  const place = make("div", { class: "mgap-explorer" });
  const held = make("p", { class: "mgap-note mgap-held" });
  let kept = null; // what the explorer shows, which a saved page holds as well
  let endExplorer = () => {};
  let rate = USUAL;
  const reading_ = make("ul", { class: "mgap-reading" });
  const rates = make("select", {}, ...options.rates.map((share) => make("option", { value: share, selected: share === USUAL }, `${100 * share} % of strangers`)));
  const scores = make("div", {});
  rates.addEventListener("change", () => {
    rate = Number(rates.value);
    showReading();
  });
  const button = (label, act) => {
    const made = make("button", { type: "button" }, label);
    made.addEventListener("click", act);
    return made;
  };

  const saving = button("Save as a page", () => save("modality_gap.html", "text/html", keptPage()));

  const named = () => asked.example?.label ?? [...new Set(found.names)].join(" and ");
  const many = (number) => number.toLocaleString("en");
  /** What there is, what was drawn of it, and who belongs to whom. */
  function what() {
    const { pairs, images, texts, dimensions, total, read, relation, each } = found;
    const wide = `of ${many(dimensions)} dimensions`;
    const equally = relation === "aligned" || relation === "noticed";
    const [all, some] = [total, read].map((numbers) => (equally ? `${many(numbers[0])} pairs` : numbers.map((number, s) => `${many(number)} ${s ? "texts" : "images"}`).join(" and ")));
    const drawn = read.some((number, s) => number < total[s]) ? ` ${equally ? many(read[0]) : "These"} of their ${all} were drawn at random (seed 0); every number is theirs.` : "";
    const [one, others] = total[0] < total[1] ? ["image", "texts"] : ["text", "images"];
    const related = filled(say.relations[relation], { each, one, many: others });
    const grouped = relation === "noticed" ? ` ${images} images and ${texts} texts in ${pairs} groups.` : "";
    const cure = relation === "unequal" ? " If row i belongs to row i, a row is missing or doubled on one side; whatever belongs together, the command line takes from a file: --groups FILE." : "";
    return `${named()}: ${drawn ? some : all} ${wide}.${drawn}${related && ` ${related}`}${grouped}${cure}`;
  }
  function showReading() {
    const sentences = reading(found, say, rate);
    const link = (chapter) => make("small", {}, make("a", { href: chapters[chapter] }, chapter.replaceAll("_", " ")));
    reading_.replaceChildren(...sentences.map(([said, chapter]) => make("li", {}, said, " ", link(chapter))));
    const at = found.thresholds.find((one) => one.rate === rate);
    const share = (value) => (value === undefined ? "" : `${words(100 * value, 1)} %`);
    const search = `best hit among ${at.query?.pool ?? at.pair?.pool ?? "so few"}`;
    const asks = [["pair", "one pair"], ["candidate", "one pair, less its candidate's hub"], ["query", search]];
    const lines = (found.trial ? asks : asks.slice(0, 1)).map(([per, label]) => {
      const one = at[per];
      const passed = one ? [words(one.score, 4), share(one.false_positive_rate), share(one.hit_rate)] : ["too few pairs", "", ""];
      return [label, ...(found.trial ? passed : passed.slice(0, 2))];
    });
    scores.replaceChildren(tableOf("Thresholds", ["a match scores above", "score", "strangers that pass", ...(found.trial ? ["partners that pass"] : [])], lines));
  }
  function showFound(measured) {
    found = measured;
    kept = null;
    const tiles = tileList(measured.trial ? MEASURES : UNPAIRED);
    const { trial, metrics, intervals } = found;
    const title = (said) => make("p", { class: "mgap-title", role: "heading", "aria-level": 2 }, said);
    const line = (name, label) => [label, ...TRIED.map(([key, digits]) => words(trial[name][key], digits))];
    const span = (ends_) => (ends_ ? ends_.map((end) => words(end, 3)).join(" to ") : "");
    const [groups, told] = !found.each ? ["", ""] : found.total[0] < found.total[1]
      ? [" --groups FILE", ", where FILE has the number of each text’s image, from 0"]
      : [" --groups FILE --groups FILE", ", where the files have a label for each image and for each text"];
    const numbers = { ...metrics, linear_separability: found.separability };
    const every = Object.entries(numbers).map(([name, value]) => [name, words(value, 4), span(intervals[name])]);
    showReading();
    tiles.show(numbers);
    results.replaceChildren(
      title("What the numbers say"),
      make("p", { class: "mgap-what" }, what()),
      tiles.element,
      reading_,
      title("Which score is a match?"),
      make("label", { class: "mgap-choice" }, "Let pass", rates),
      scores,
      ...(trial ? [
        title("What centring changes"),
        tableOf("Centring", TRIED_HEADS, [line("nothing", "as they are"), line("Centring", "each modality's mean taken off")]),
        make("p", { class: "mgap-note" }, `The means are learnt on one half of ${trial.of} ${found.aligned ? "pairs" : "groups"} and judged on the other; ` +
          "the mean of three random halves, seeds 0 to 2. The command line tries eleven corrections."),
        title("Move it yourself"),
        place,
      ] : []),
      make("details", {}, make("summary", {}, "Every number"), tableOf("Every number", ["metric", "value", "95 % interval"], every)),
      make("div", { class: "mgap-buttons", role: "group", "aria-label": "Keep it" },
        saving,
        button("Save as JSON", () => save("modality_gap.json", "application/json", JSON.stringify(record(), null, 2))),
        ...(asked.files ? [button("Swap images and texts", () => start({ files: asked.files, swapped: !asked.swapped }))] : [])),
      held,
      make("p", { class: "mgap-note" }, "More, on all rows: ", make("code", {}, `python -m mgaplib report images.npy texts.npy${groups} -o report.html`), told),
    );
    place.replaceChildren(make("p", { class: "mgap-note" }, "The landscape is being computed."));
    held.textContent = "";
    saving.disabled = true; // until there is a landscape to save
    results.hidden = false;
    speaker.say(`${named()}: the gap is ${words(metrics.modality_gap, 2)}.`);
  }
  function showLandscape(landscape) {
    endExplorer();
    place.replaceChildren();
    if (landscape?.tables) showExplorer(landscape);
    else if (landscape) place.append(make("p", { class: "mgap-note" }, `There is no landscape to show: ${landscape.why}.`));
    saving.disabled = false;
    const holds = kept ? `the explorer of ${found.aligned ? `${many(kept.n)} pairs` : `${many(kept.n)} images and ${many(kept.m)} texts`}, alive` : "what stands here";
    const size = Math.ceil(keptPage().length / 1e3); // kB; its pictures are drawn by now, or come in the next frame
    held.textContent = `The page is one file of ${size < 100 ? `${size} kB` : `${(size / 1e3).toFixed(1)} MB`} that opens without a network: it holds ${holds}.`;
  }
  function showExplorer({ tables, drawn }) {
    const note = drawn < found.pairs ? `${drawn} of ${found.pairs} ${found.aligned ? "pairs" : "groups"}, drawn at random; every number here is theirs.` : "";
    model.set("shift", 0);
    model.set("pair", -1);
    kept = { ...tables, note, names: ["image", "text"], plurals: ["images", "texts"] };
    const shown = Object.create(model, { get: { value: (key) => (key === "data" ? kept : key === "tries" ? [] : model.get(key)) } });
    for (const name of ["set", "on", "off", "save_changes"]) shown[name] = (...given) => model[name](...given);
    endExplorer = guarded(showGapExplorer)({ model: shown, el: place });
  }

  // --- keeping
  const said = () => reading(found, say, rate).map(([sentence, chapter]) => ({ words: sentence, chapter }));
  const record = () => ({ made_by: "mgaplib, the page that measures your own files", ...found, reading: said() });
  /** All that stands here as one page, as `mgaplib report -o` writes it: in it the explorer lives. */
  function keptPage() {
    const doc = document.implementation.createHTMLDocument("");
    const copy = doc.importNode(results, true);
    const explorer = copy.querySelector(".mgap-explorer");
    const pictures = [...place.querySelectorAll("canvas")].map((canvas) => {
      const image = doc.createElement("img");
      image.src = canvas.toDataURL();
      image.alt = canvas.getAttribute("aria-label") ?? "";
      return image.outerHTML;
    });
    if (kept) explorer.replaceChildren(doc.createComment("mgap explorer"));
    copy.querySelector("select").replaceWith(` ${100 * rate} % of strangers`);
    for (const part of copy.querySelectorAll("button, .mgap-buttons")) part.remove();
    copy.querySelector(".mgap-held")?.remove();
    for (const link of copy.querySelectorAll("a")) link.replaceWith(link.textContent);
    const body = doc.createElement("div");
    body.className = root.className;
    body.dataset.theme = root.dataset.theme;
    const head = doc.createElement("h1");
    head.textContent = `The modality gap of these embeddings is ${words(found.metrics.modality_gap, 2)}`;
    const made = doc.createElement("p");
    made.textContent = `${written.made}.`;
    body.append(copy, made);
    const settings = Object.fromEntries(["shift", "tau", "zoom", "pair", "_esm"].map((name) => [name, model.get(name)]));
    const explorerState = () => ({ state: { explorer: withoutBuffers({ ...settings, data: kept, tries: [], metrics: {}, name: "" }) } });
    const living = kept ? inSlots(written.alive, { view: asJson({ model_id: "explorer" }), state: asJson(explorerState()), picture: pictures.join("") }) : "";
    return inSlots(written.shell, {
      title: head.textContent,
      look: ` data-theme="${root.dataset.theme}" style="color-scheme: ${root.dataset.theme}"`,
      style: model.get("_css"),
      body: inSlots(head.outerHTML + body.outerHTML, { explorer: living }),
    });
  }
}

/** A saved page holds the explorer alone, with the tables it was given here. */
const showHere = (given) => (given.model.get("data").gram ? showGapExplorer : showMeasureHere)(given);

export default { render: guarded(showHere) };
