// The AtlasExplorer: two models side by side, their cosines as pictures, moved along the gap together.
// Every number is computed in the browser, from one table of cosines a model.
import { between, oneOf, redrawing } from "./address.js";
import { palette, pointAt, rule, sharpCanvas } from "./canvas.js";
import { askedOf, drawPairs, foundBy, pairAt, pictures, shortened } from "./explorer_pictures.js";
import { crossHistograms, movedTable, relativeGap, wholeTable } from "./gram_engine.js";
import { cosinesOf, extentOf, gapOf, movePairs, sharesOf } from "./landscape_engine.js";
import { clamp, typed, words } from "./numbers.js";
import { FONT, button, dot, guarded, make, panel, sayer, setAll, slider, tileList, tryButtons, tween } from "./shared.js";

const COSINES = { low: -0.2, high: 1, bins: 60 }; // one scale for every model, so that colours compare
const RAMP = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"]; // viridis

/** The ramp's colours as red, green and blue, in `many` steps. */
function rampOf(many) {
  const stops = RAMP.map((hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16)));
  return Array.from({ length: many }, (_, k) => {
    const place = (k / (many - 1)) * (stops.length - 1);
    const base = Math.min(Math.floor(place), stops.length - 2);
    return stops[base].map((value, c) => value + (place - base) * (stops[base + 1][c] - value));
  });
}

/** Read a model when it is first looked at. */
function readModel(data, { order, captions }, sliders) {
  const { n } = data;
  const rows = 2 * n;
  const cosines = (Type, name, length) => cosinesOf(typed(Type, data[name].levels, length, name), data[name].centre, data[name].step);
  const numbers = (name, length) => Float64Array.from(typed(Float32Array, data[name], length, name));
  const gram = cosines(Int16Array, "cross", n * n);
  const own = Float64Array.from({ length: n }, (_, i) => gram[i * (n + 1)]); // as all are rounded
  const [along, across] = [numbers("along", rows), numbers("across", rows)];
  const [p, q, acrossImages, acrossTexts] = [along, across].flatMap((all) => [all.subarray(0, n), all.subarray(n)]);
  const pairs = { n, gapLength: data.gap_length, gram, own, p, q, acrossImages, acrossTexts };
  const table = wholeTable(gram, cosines(Uint8Array, "within", n * (n - 1)), n);
  const moved = movePairs(pairs);
  const places = moved.places();
  const now = new Float64Array(rows * rows);
  const [gap, shares] = [gapOf({ ...sliders, squared_gaps: data.squared_gaps }), sharesOf(data.steps)];
  function to(shift) {
    movedTable(moved.to(shift), table, n, now);
    moved.places(places);
    return { gap: gap(shift), relative_modality_gap: relativeGap(now, n), ...shares(shift) };
  }
  return {
    ...{ n, rows, moved, now, places, captions, order, set: data.set, to, trained: to(0) },
    /** Where a row of the sorted table stands in the table. */
    rowOf: (at) => (at < n ? order[at] : n + order[at - n]),
    extent: (shifts) => extentOf(moved, places, shifts),
  };
}

function render({ model, root, ends }) {
  const d = model.get("data");
  if (!(d?.models?.length > 1 && d.sets?.length)) throw new Error("the data lack models or sets");
  root.classList.add("mgap-atlas");
  const color = palette(root);
  const [low, high] = d.shift_range;
  const shiftAt = (stop) => Number((low + (stop * (high - low)) / (d.stops - 1)).toFixed(6));
  const stopAt = (shift) => Math.round(((shift - low) / (high - low)) * (d.stops - 1));
  const names = d.models.map(({ name }) => name);
  const most = Math.max(...d.models.map(({ n }) => n));
  const ramp = rampOf(256);
  const shown = d.sets.map((set) => pictures(set.pictures, ends));
  const read = new Map();
  const look = (name) => {
    const entry = d.models.find((one) => one.name === name);
    if (!read.has(name)) read.set(name, readModel(entry, d.sets[entry.set], d));
    return read.get(name);
  };
  const set = (values) => setAll(model, values);
  let stop = () => {};
  const glide = (target) => {
    stop();
    stop = tween(model.get("shift"), target, (shift) => set({ shift }));
  };
  let cell; // what is pointed at in a matrix: { side, row, column }, in sorted order
  let extent;

  // --- the parts
  const shiftSlider = slider({
    label: "Shift λ of both",
    hint: "in gaps: 0 as trained, 0.5 closed",
    stops: d.stops,
    onInput: (at) => {
      stop();
      set({ shift: shiftAt(at) });
    },
  });
  const pairSlider = slider({ label: "Look at a pair", hint: "", stops: most + 1, onInput: (at) => set({ pair: at - 1 }) });
  const jump = (label, target) => button(label, () => glide(target));
  const tries = tryButtons(model, ({ shift = model.get("shift"), ...others }) => {
    set(others);
    glide(shift);
  });
  const speaker = sayer();
  const pointed = sayer();
  const asked = make("div", { class: "mgap-pair mgap-line" });
  const cellPictures = make("span", { class: "mgap-cell" });
  const sides = ["left", "right"].map((side) => makeSide(side));
  const bar = make("span", { class: "mgap-ramp", style: `background:linear-gradient(to right, ${RAMP})`, "aria-hidden": "true" });
  root.append(
    make("div", { class: "mgap-controls" }, shiftSlider.row, pairSlider.row),
    make("div", { class: "mgap-buttons" }, jump("As trained", 0), jump("Close both gaps", 0.5)),
    ...tries.elements,
    ...speaker.elements,
    make("div", { class: "mgap-two" }, ...sides.map(({ part }) => part)),
    make("p", { class: "mgap-line" }, "cosine ", words(COSINES.low, 1), bar, words(COSINES.high, 0), make("span", {}, "like stands by like: one order for all models of the same pairs")),
    make("div", { class: "mgap-cell" }, cellPictures, ...pointed.elements),
    asked,
    make("div", { class: "mgap-two mgap-pair" }, ...sides.map(({ found }) => found)),
    make("div", { class: "mgap-two" }, ...sides.map(({ more }) => more)),
  );

  function makeSide(side) {
    const choice = make("select", { "aria-label": `Model on the ${side}` }, ...names.map((name) => make("option", { value: name }, name)));
    choice.addEventListener("change", () => set({ [side]: choice.value }));
    const tiles = tileList([
      ["gap", "Gap", 3],
      ["relative_modality_gap", "RMG", 3],
      ["recall_image_to_text", "R@1 i→t", 3],
      ["recall_text_to_image", "R@1 t→i", 3],
    ]);
    const matrix = make("canvas", { class: "mgap-square", tabindex: 0, role: "application", "aria-roledescription": "matrix of cosines that arrow keys walk through" });
    const clouds = make("canvas", { role: "img" });
    const histogram = make("canvas", { class: "mgap-low", role: "img" });
    const found = make("div", {});
    const part = make("div", { "data-side": side }, choice, tiles.element, matrix);
    const more = make(
      "div",
      {},
      panel(clouds, [dot(d.colors.image), "images, ", dot(d.colors.text, 1), "texts"], []),
      panel(histogram, "Image–text cosines", [make("span", {}, make("i", { class: "mgap-bar mgap-own", "aria-hidden": "true" }), "pairs"), make("span", {}, make("i", { class: "mgap-bar", "aria-hidden": "true" }), "strangers")]),
    );
    const here = { side, part, more, choice, tiles, matrix, clouds, histogram, found, onScreen: () => [0, 0], now: () => look(model.get(side)) };
    here.views = [
      sharpCanvas(root, matrix, (c, width, height) => drawMatrix(here, c, width, height)),
      sharpCanvas(root, clouds, (c, width, height) => {
        const { n, moved, places } = here.now();
        const pair = model.get("pair");
        const chosen = pair >= 0 && pair < n ? [pair, pair] : undefined;
        here.onScreen = drawPairs(c, width, height, { colors: d.colors, color, extent, places, belongs: moved.belongs, chosen });
      }),
      sharpCanvas(root, histogram, (c, width, height) => drawHistogram(here, c, width, height)),
    ];
    pointAt(clouds, (event) => {
      const pair = pairAt(event, clouds, here.now().moved.belongs, here.onScreen);
      if (pair >= 0) pick(pair);
    });
    pointAt(matrix, (event) => {
      const area = matrix.getBoundingClientRect();
      const at = (place, length) => Math.floor(((place - EDGE) / (length - EDGE)) * here.now().rows);
      choose(here, at(event.clientY - area.top, area.height), at(event.clientX - area.left, area.width));
    });
    matrix.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!by) return;
      event.preventDefault();
      const { row, column } = cell?.side === side ? cell : { row: 0, column: -by[1] };
      choose(here, row + by[0], column + by[1]);
    });
    return here;
  }

  /** Look at a pair; the pointed cell stays only if it brought us there. */
  function pick(pair) {
    cell = undefined;
    set({ pair });
    drawing.schedule();
  }
  function choose(here, row, column) {
    const { rows, n, rowOf } = here.now();
    cell = { side: here.side, row: clamp(row, 0, rows - 1), column: clamp(column, 0, rows - 1) };
    set({ pair: rowOf(cell.row) % n });
    drawing.schedule();
  }

  // --- the matrix: sorted rows and columns, the images' first
  const small = document.createElement("canvas");
  function drawMatrix(here, c, width, height) {
    const { rows, n, now, rowOf, order } = here.now();
    small.width = small.height = rows;
    const ink = small.getContext("2d");
    const pixels = ink.createImageData(rows, rows);
    const from = Array.from({ length: rows }, (_, at) => rowOf(at));
    const scale = 255 / (COSINES.high - COSINES.low);
    for (let r = 0, k = 0; r < rows; r++) {
      const start = from[r] * rows;
      for (let at = 0; at < rows; at++, k += 4) {
        const level = clamp(Math.round((now[start + from[at]] - COSINES.low) * scale), 0, 255);
        [pixels.data[k], pixels.data[k + 1], pixels.data[k + 2]] = ramp[level];
        pixels.data[k + 3] = 255;
      }
    }
    ink.putImageData(pixels, 0, 0);
    const [wide, tall] = [width - EDGE, height - EDGE];
    c.imageSmoothingEnabled = rows > wide; // more cells than pixels
    c.drawImage(small, EDGE, EDGE, wide, tall);
    const x = (at) => EDGE + (at / rows) * wide;
    const y = (at) => EDGE + (at / rows) * tall;
    rule(c, x(n), EDGE, x(n), height, color("face"), { wide: 2 });
    rule(c, EDGE, y(n), width, y(n), color("face"), { wide: 2 });
    c.font = FONT;
    c.fillStyle = color("soft");
    c.textAlign = "center";
    for (const [word, at] of [["images", n / 2], ["texts", 1.5 * n]]) {
      c.fillText(word, x(at), EDGE - 4);
      c.save();
      c.translate(EDGE - 5, y(at));
      c.rotate(-Math.PI / 2);
      c.fillText(word, 0, 0);
      c.restore();
    }
    const pair = model.get("pair");
    if (pair >= 0 && pair < n) {
      const at = order.indexOf(pair) + 0.5;
      for (const place of [at, n + at]) {
        rule(c, x(place), EDGE - 3, x(place), EDGE + 7, color("ink"), { wide: 3 });
        rule(c, EDGE - 3, y(place), EDGE + 7, y(place), color("ink"), { wide: 3 });
      }
    }
    if (cell?.side === here.side) {
      c.strokeStyle = color("face");
      c.lineWidth = 2;
      c.strokeRect(x(cell.column + 0.5) - 6, y(cell.row + 0.5) - 6, 12, 12);
      c.strokeStyle = "#000000";
      c.lineWidth = 1;
      c.strokeRect(x(cell.column + 0.5) - 7.5, y(cell.row + 0.5) - 7.5, 15, 15);
    }
  }

  // --- cosines of pairs and of strangers, each relative to its highest bar
  function drawHistogram(here, c, width, height) {
    const { now, n } = here.now();
    const { matched, unmatched } = crossHistograms(now, n, COSINES.low, COSINES.high, COSINES.bins);
    const bottom = height - 20;
    const x = (cosine) => 4 + ((cosine - COSINES.low) / (COSINES.high - COSINES.low)) * (width - 8);
    const bars = (counts, fill, alpha) => {
      const highest = Math.max(...counts);
      c.fillStyle = fill;
      c.globalAlpha = alpha;
      for (const [k, count] of counts.entries()) {
        const rise = (count / highest) * (bottom - 6);
        c.fillRect(4 + (k / COSINES.bins) * (width - 8), bottom - rise, (width - 8) / COSINES.bins + 0.5, rise);
      }
      c.globalAlpha = 1;
    };
    bars(unmatched, color("bar"), 1);
    bars(matched, color("accent"), 0.75);
    rule(c, 4, bottom, width - 4, bottom, color("soft"));
    c.font = FONT;
    c.fillStyle = color("soft");
    c.textAlign = "center";
    for (const tick of [0, 0.5, 1]) c.fillText(words(tick, 1), clamp(x(tick), 12, width - 12), height - 5);
  }

  // --- what is said
  const item = ({ n, captions }, row) => {
    const what = row < n ? "picture" : "caption";
    return captions ? `${what} “${shortened(captions[row % n])}”` : `${what} ${(row % n) + 1}`;
  };
  function sentence() {
    const shift = model.get("shift");
    const place = Math.abs(shift) < 0.005 ? "As trained" : `Shifted by ${words(shift, 2)}`;
    const said = sides.map(({ side, numbers }) => {
      const found = (100 * numbers.recall_image_to_text).toFixed(0);
      return `${model.get(side)} has a gap of ${words(numbers.gap, 2)} (RMG ${words(numbers.relative_modality_gap, 2)}), and ${found} % of its pictures find their caption first`;
    });
    return `${place}: ${said.join("; ")}.`;
  }
  function cellSentence() {
    cellPictures.replaceChildren();
    if (!cell) return "Point at a cell or at a dot, or walk through a matrix with the arrow keys: what stands there, and what it finds.";
    const here = sides.find(({ side }) => side === cell.side).now();
    const [row, column] = [here.rowOf(cell.row), here.rowOf(cell.column)];
    if (shown[here.set]) cellPictures.append(...[row, column].map((at) => shown[here.set](at % here.n, `picture ${(at % here.n) + 1}`)));
    const cosines = sides
      .filter(({ side }) => side === cell.side || look(model.get(side)).set === here.set)
      .map(({ side, now }) => `${words(now().now[row * here.rows + column], 2)} (${model.get(side)})`);
    return `${item(here, row)} and ${item(here, column)}: cosine ${cosines.join(", ")}.`.replace(/^./, (first) => first.toUpperCase());
  }

  function refresh() {
    const started = performance.now();
    const [shift, pair] = [model.get("shift"), model.get("pair")];
    const both = sides.map(({ now }) => now());
    const key = sides.map(({ side }) => model.get(side)).join("\n");
    if (key !== refresh.key) {
      refresh.key = key;
      const each = both.map((one) => one.extent([low, low / 2, 0, high / 2, high]));
      extent = [0, 1, 2, 3].map((k) => Math[k % 2 ? "max" : "min"](...each.map((one) => one[k])));
      if (cell && cell.row >= sides.find(({ side }) => side === cell.side).now().rows) cell = undefined;
    }
    for (const [k, here] of sides.entries()) {
      const one = both[k];
      here.numbers = one.to(shift);
      here.tiles.show(here.numbers, one.trained);
      here.choice.value = model.get(here.side);
      const [gap, recall] = [here.numbers.gap, here.numbers.recall_image_to_text].map((value) => words(value, 2));
      here.matrix.setAttribute("aria-label", `Cosines of ${one.n} images and ${one.n} texts in ${here.choice.value}`);
      here.clouds.setAttribute("aria-label", `${one.n} images and ${one.n} texts as points; their centroids are ${gap} apart`);
      here.histogram.setAttribute("aria-label", `Histogram of the cosines of pairs and of strangers; ${recall} of the images find their text first`);
    }
    const same = both[0].set === both[1].set;
    for (const [k, here] of sides.entries()) {
      const { n, moved, captions, set: own } = both[k];
      if (pair < 0 || pair >= n) {
        here.found.replaceChildren();
        continue;
      }
      const before = [0, 1].map((kind) => moved.to(0).neighbours(kind, pair, 0).rank);
      moved.to(shift);
      here.found.replaceChildren(...foundBy({ moved, captions, picture: shown[own], pair, before }).slice(same ? 1 : 0));
    }
    const looked = same && pair >= 0 && pair < both[0].n;
    const cosines = () => sides.map(({ side }, k) => `${words(both[k].moved.cosine(pair, pair), 3)} (${model.get(side)})`).join(", ");
    asked.replaceChildren(...(looked ? askedOf({ picture: shown[both[0].set], captions: both[0].captions, pair, cosine: cosines() }) : []));
    shiftSlider.show(stopAt(shift), words(shift, 2));
    pairSlider.show(pair + 1, pair < 0 ? "none" : `${pair + 1} of ${most}`);
    tries.show();
    set({ metrics: Object.fromEntries(sides.map(({ side, numbers }) => [side, numbers])) });
    for (const { views } of sides) for (const view of views) view.redraw();
    performance.clearMeasures("mgap-explorer"); // the browser's own record, for whoever times it: the last one
    performance.measure("mgap-explorer", { start: started, end: performance.now() });
    speaker.say(sentence());
    pointed.say(cellSentence());
  }
  const drawing = redrawing(model, root, "atlas", {
    left: oneOf(...names),
    right: oneOf(...names),
    shift: between(low, high),
    pair: oneOf(-1, ...Array(most).keys()),
  }, refresh);
  ends.push(() => {
    stop();
    for (const part of [drawing, speaker, pointed, ...sides.flatMap(({ views }) => views)]) part.end();
  });
}

const EDGE = 18; // room for the names of the blocks

export default { render: guarded(render) };
