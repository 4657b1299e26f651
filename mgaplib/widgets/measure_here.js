// Your own embeddings, here: two files are dropped, a worker reads and measures them, and nothing leaves the machine.
import { showGapExplorer } from "./gap_explorer.js";
import { reading } from "./measure_engine.js";
import { words } from "./numbers.js";
import { guarded, make, sayer, tileList } from "./shared.js";

const MEASURES = [
  ["modality_gap", "Gap", 3, "", [["modality_gap (unbiased)", "without chance's part"]]],
  ["matched cosine", "Cosine of partners", 3, "", [["mismatched cosine", "of strangers"]]],
  ["mean_cosine (images)", "Cone of the images", 3, "", [["mean_cosine (texts)", "of the texts"]]],
  ["recall_at_1 (image to text)", "R@1, image → text", 3],
  ["recall_at_1 (text to image)", "R@1, text → image", 3],
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

/** Hand the reader a file that was made in the page. */
function save(name, type, content) {
  const link = make("a", { href: URL.createObjectURL(new Blob([content], { type })), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function showMeasureHere({ model, root, ends }) {
  const { worker: source, rules, options, stops, say, chapters, examples, style } = model.get("data");
  root.classList.add("mgap-measure");
  let worker;
  let asked = {}; // the files, or the example, that are measured
  let found;

  // --- asking
  const input = make("input", { type: "file", multiple: true, accept: ".npy,.npz,.csv,.tsv" });
  const drop = make("label", { class: "mgap-drop" }, make("b", {}, "Drop two files here, or choose them"), input,
    make("small", {}, "Images and texts, row i of one belongs to row i of the other: .npy, .npz, .csv. Or one .npz with both. They stay on this machine."));
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
    else if (data.landscape) {
      stop();
      showLandscape(data.landscape);
    }
  }

  // --- showing
  const place = make("div", { class: "mgap-explorer" });
  let endExplorer = () => {};
  let rate = USUAL;
  const reading_ = make("ul", { class: "mgap-reading" });
  const tiles = tileList(MEASURES);
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

  const named = () => asked.example?.label ?? [...new Set(found.names)].join(" and ");
  function what() {
    const { pairs, images, texts, aligned, dimensions, total, read } = found;
    const [many, all, wide] = [read, total, dimensions].map((number) => number.toLocaleString("en"));
    const drawn = read < total ? ` ${many} of their ${all} pairs were drawn at random (seed 0); every number is theirs.` : "";
    const grouped = ` ${say.relation} ${images} images and ${texts} texts in ${pairs} groups.`;
    return `${named()}: ${many} pairs of ${wide} dimensions.${drawn}${aligned ? "" : grouped}`;
  }
  function showReading() {
    const sentences = reading(found, say, rate);
    const link = (chapter) => make("small", {}, make("a", { href: chapters[chapter] }, chapter.replaceAll("_", " ")));
    reading_.replaceChildren(...sentences.map(([said, chapter]) => make("li", {}, said, " ", link(chapter))));
    const at = found.thresholds.find((one) => one.rate === rate);
    const share = (value) => `${words(100 * value, 1)} %`;
    const search = `best hit among ${at.query?.pool ?? at.pair?.pool ?? "so few"}`;
    const lines = [["pair", "one pair"], ["candidate", "one pair, less its candidate's hub"], ["query", search]].map(([per, label]) => {
      const one = at[per];
      return [label, ...(one ? [words(one.score, 4), share(one.false_positive_rate), share(one.hit_rate)] : ["too few pairs", "", ""])];
    });
    scores.replaceChildren(tableOf("Thresholds", ["a match scores above", "score", "strangers that pass", "partners that pass"], lines));
  }
  function showFound(measured) {
    found = measured;
    const { trial, metrics, intervals } = found;
    const line = (name, label) => [label, ...TRIED.map(([key, digits]) => words(trial[name][key], digits))];
    const span = (ends_) => (ends_ ? ends_.map((end) => words(end, 3)).join(" to ") : "");
    const every = Object.entries(metrics).map(([name, value]) => [name, words(value, 4), span(intervals[name])]);
    showReading();
    tiles.show(metrics);
    results.replaceChildren(
      make("p", { class: "mgap-title", role: "heading", "aria-level": 2 }, "What the numbers say"),
      make("p", { class: "mgap-what" }, what()),
      tiles.element,
      reading_,
      make("p", { class: "mgap-title", role: "heading", "aria-level": 2 }, "Which score is a match?"),
      make("label", { class: "mgap-choice" }, "Let pass", rates),
      scores,
      make("p", { class: "mgap-title", role: "heading", "aria-level": 2 }, "What centring changes"),
      tableOf("Centring", TRIED_HEADS, [line("nothing", "as they are"), line("Centring", "each modality's mean taken off")]),
      make("p", { class: "mgap-note" }, `The means are learnt on one half of ${trial.of} pairs and judged on the other; ` +
        "the mean of three random halves, seeds 0 to 2. The command line tries eleven corrections."),
      make("p", { class: "mgap-title", role: "heading", "aria-level": 2 }, "Move it yourself"),
      place,
      make("details", {}, make("summary", {}, "Every number"), tableOf("Every number", ["metric", "value", "95 % interval"], every)),
      make("div", { class: "mgap-buttons", role: "group", "aria-label": "Keep it" },
        button("Save as a page", savePage),
        button("Save as JSON", () => save("modality_gap.json", "application/json", JSON.stringify(record(), null, 2))),
        ...(asked.files ? [button("Swap images and texts", () => start({ files: asked.files, swapped: !asked.swapped }))] : [])),
      make("p", { class: "mgap-note" }, "More, on all rows: ", make("code", {}, "python -m mgaplib report images.npy texts.npy -o report.html")),
    );
    place.replaceChildren(make("p", { class: "mgap-note" }, "The landscape is being computed."));
    results.hidden = false;
    speaker.say(`${named()}: the gap is ${words(metrics.modality_gap, 2)}.`);
  }
  function showLandscape({ tables, why, drawn }) {
    endExplorer();
    place.replaceChildren();
    if (!tables) {
      place.append(make("p", { class: "mgap-note" }, `There is no landscape to show: ${why}.`));
      return;
    }
    const few = drawn < found.pairs ? `${drawn} of ${found.pairs} pairs, drawn at random; every number here is theirs.` : "";
    const note = `${found.aligned ? "" : "The first image and the first text of each group. "}${few}`;
    model.set("shift", 0);
    model.set("pair", -1);
    const data = { ...tables, note, names: ["image", "text"], plurals: ["images", "texts"] };
    const shown = Object.create(model, { get: { value: (key) => (key === "data" ? data : key === "tries" ? [] : model.get(key)) } });
    for (const name of ["set", "on", "off", "save_changes"]) shown[name] = (...given) => model[name](...given);
    endExplorer = guarded(showGapExplorer)({ model: shown, el: place });
  }

  // --- keeping
  const said = () => reading(found, say, rate).map(([sentence, chapter]) => ({ words: sentence, chapter }));
  const record = () => ({ made_by: "mgaplib, the page that measures your own files", ...found, reading: said() });
  function savePage() {
    const page = document.implementation.createHTMLDocument(`Modality gap ${words(found.metrics.modality_gap, 2)}`);
    const copy = results.cloneNode(true);
    const drawn = results.querySelectorAll("canvas");
    for (const [k, canvas] of copy.querySelectorAll("canvas").entries()) {
      const image = page.createElement("img");
      image.src = drawn[k].toDataURL();
      image.alt = canvas.getAttribute("aria-label") ?? "";
      canvas.replaceWith(image);
    }
    copy.querySelector("select").replaceWith(` ${100 * rate} % of strangers`);
    for (const part of copy.querySelectorAll("button, input, .mgap-slider, .mgap-toggle, .mgap-heard, .mgap-pair, .mgap-buttons")) part.remove();
    for (const link of copy.querySelectorAll("a")) link.replaceWith(link.textContent);
    for (const details of copy.querySelectorAll("details")) details.open = true;
    page.documentElement.lang = "en";
    const policy = page.createElement("meta");
    policy.httpEquiv = "Content-Security-Policy";
    policy.content = "default-src 'none'; style-src 'unsafe-inline'; img-src data:";
    const charset = page.createElement("meta");
    charset.setAttribute("charset", "utf-8");
    const looks = page.createElement("style");
    looks.textContent = style + model.get("_css");
    page.head.prepend(charset, policy, looks);
    const title = page.createElement("h1");
    title.textContent = `The modality gap of these embeddings is ${words(found.metrics.modality_gap, 2)}`;
    const body = page.createElement("div");
    body.className = root.className;
    body.dataset.theme = root.dataset.theme;
    body.append(page.importNode(copy, true));
    page.body.append(title, body);
    save("modality_gap.html", "text/html", `<!doctype html>\n${page.documentElement.outerHTML}`);
  }
}

export default { render: guarded(showMeasureHere) };
