// The GapExplorer: shift the two modalities along the gap and watch distance, loss and retrieval answer.
// Everything shown is computed here, from one cross-Gram and the small tables that Python sent once.
import { between, oneOf, redrawing, yesOrNo } from "./address.js";
import { dragAcross, palette, pointAt, sharpCanvas } from "./canvas.js";
import { LANDSCAPE, drawLandscape, drawPairs, foundBy, pairAt, pictures } from "./explorer_pictures.js";
import { extentOf, makeLandscape, meanOf, readLandscape } from "./landscape_engine.js";
import { lowest, nearestStop, words } from "./numbers.js";
import { button, dot, guarded, make, panel, sayer, setAll, slider, tileList, toggle, tryButtons, tween } from "./shared.js";

/** Show the explorer of the landscape that stands in the model's data. */
export function showGapExplorer({ model, root, ends }) {
  const d = readLandscape(model.get("data"));
  const [image, text] = d.names;
  const [images, texts] = d.plurals;
  const [forth, back] = [`${image} → ${text}`, `${text} → ${image}`];
  const engine = makeLandscape(d);
  const { moved } = engine;
  const { belongs } = moved;
  const { n, m, several } = belongs;
  const many = belongs.pairs[0].length;
  const color = palette(root);
  root.style.setProperty("--mgap-image", d.colors.image);
  root.style.setProperty("--mgap-text", d.colors.text);
  const [low, high] = d.shift_range;
  const shiftAt = (stop) => Number((low + (stop * (high - low)) / (d.stops - 1)).toFixed(6));
  const stopAt = (shift) => Math.round(((shift - low) / (high - low)) * (d.stops - 1));
  const tauStop = (tau) => nearestStop(d.taus, tau, Math.log);
  const closed = lowest(d.squaredGaps, shiftAt).at;

  // Where things are now, and what was last computed from it.
  let numbers = engine.metrics(model.get("shift"), model.get("tau"));
  let trained;
  let curves;
  let best;
  const chosen = () => (model.get("pair") < many ? model.get("pair") : -1); // the pair that is looked at
  const places = moved.places();

  // --- the parts, from top to bottom
  const shiftSlider = slider({
    label: "Shift λ",
    hint: "in gaps: 0 as trained, 0.5 closed",
    stops: d.stops,
    onInput: (stop) => move(shiftAt(stop)),
  });
  const tauSlider = slider({
    label: "Temperature τ",
    hint: "of the loss; CLIP ends its training at 0.01",
    stops: d.taus.length,
    onInput: (stop) => setAll(model, { tau: d.taus[stop] }),
  });
  const jump = (label, target) => button(label, () => glide(shiftAt(stopAt(target())))); // a stop, so that what is read is what is
  const dash = (style) => make("i", { class: "mgap-dash", style: `border-top: ${style}`, "aria-hidden": "true" });
  const zoom = toggle("zoom in on the loss", (zoom) => setAll(model, { zoom }));
  const tries = tryButtons(model, ({ shift = model.get("shift"), ...others }) => {
    setAll(model, others);
    glide(shift);
  });
  const scatter = make("canvas", { role: "img" });
  const landscape = make("canvas", { role: "img" });
  const offered = [
    ["gap", "Gap", 3],
    ["loss", "Loss", 3, "", [["loss_image_to_text", forth], ["loss_text_to_image", back]]],
    ["recall_image_to_text", `R@1, ${forth}`, 3],
    ["recall_text_to_image", `R@1, ${back}`, 3],
    ["zero_shot_accuracy", "Zero-shot accuracy", 3],
  ];
  const tiles = tileList(offered.filter(([name]) => name in numbers));
  const speaker = sayer();
  const pairSlider = slider({
    label: "Look at a pair",
    hint: "",
    stops: many + 1,
    onInput: (stop) => setAll(model, { pair: stop - 1 }),
  });
  const pairWords = make("div", { class: "mgap-pair" });
  const lines = [
    ["2.5px solid", "both"],
    [`2px dashed ${d.colors.image}`, forth],
    [`2px dashed ${d.colors.text}`, back],
    ...("zero_shot_accuracy" in numbers ? [["2px dotted var(--mgap-accent)", "zero-shot accuracy"]] : []),
  ];
  const title = ["Loss at every shift, R@1 below ", make("span", {}, "▲ lowest")];
  const answer = panel(landscape, title, lines.map(([style, label]) => make("span", {}, dash(style), label)));
  answer.classList.add("mgap-first");
  root.append(
    make("div", { class: "mgap-controls" }, shiftSlider.row, tauSlider.row),
    make(
      "div",
      { class: "mgap-buttons" },
      jump("As trained", () => 0),
      jump("Close the gap", () => closed),
      jump("Lowest loss", () => best.at),
      jump("Highest R@1", () => mostFound),
      zoom.label,
    ),
    ...tries.elements,
    ...speaker.elements,
    make(
      "div",
      { class: "mgap-panels" },
      panel(scatter, [dot(d.colors.image), `${images} and `, dot(d.colors.text, 1), texts], [`${several ? `${n} and ${m}, partners` : `${n} pairs,`} joined; the bar is the gap`]),
      answer,
    ),
    tiles.element,
    pairSlider.row,
    pairWords,
  );
  if (d.note) root.append(make("p", { class: "mgap-note" }, d.note));

  // --- what is found at every shift; a temperature changes none of it
  const shares = Array.from({ length: d.stops }, (_, stop) => d.shares(shiftAt(stop)));
  const found = [
    { name: "recall_image_to_text", stroke: d.colors.image },
    { name: "recall_text_to_image", stroke: d.colors.text },
    { name: "zero_shot_accuracy", dash: [2, 3] },
  ]
    .filter(({ name }) => name in numbers)
    .map((one) => ({ ...one, values: shares.map((share) => share[one.name]), placeOf: shiftAt }));
  const missed = (share) => 1 - (share.recall_image_to_text + share.recall_text_to_image) / 2;
  const misses = shares.map(missed);
  const mostFound = shiftAt(misses.indexOf(Math.min(...misses)));

  /** The slider's stop of the lowest loss: the curve says about where, and its neighbours are asked. */
  function lowestStop(tau) {
    const loss = (stop) => (stop < 0 || stop >= d.stops ? Infinity : engine.metrics(shiftAt(stop), tau).loss);
    let stop = stopAt(lowest(meanOf(curves), engine.curveShift).at);
    let value = loss(stop);
    for (const way of [-1, 1]) {
      for (let next = loss(stop + way); next < value; next = loss(stop + way)) [stop, value] = [stop + way, next];
    }
    return { at: shiftAt(stop), value, end: stop === 0 || stop === d.stops - 1 };
  }

  // --- the two pictures
  const extent = extentOf(moved, places, [low, low / 2, 0, high / 2, high]);
  let onScreen = () => [0, 0];
  const scatterView = sharpCanvas(root, scatter, (c, width, height) => {
    const pair = chosen();
    const ends = pair < 0 ? undefined : belongs.pairs.map((side) => side[pair]);
    onScreen = drawPairs(c, width, height, { colors: d.colors, color, extent, places, belongs, chosen: ends });
  });
  const landscapeView = sharpCanvas(root, landscape, (c, width, height) => {
    const here = { shift: model.get("shift"), loss: numbers.loss };
    const each = found.map((one) => ({ stroke: color("accent"), ...one, now: numbers[one.name] }));
    drawLandscape(c, width, height, { d, color, engine, curves, found: each, here, best, closed, zoom: model.get("zoom") });
  });

  // --- moving
  let stopGliding = () => {};
  function move(shift) {
    stopGliding();
    setAll(model, { shift });
  }
  function glide(target) {
    stopGliding();
    stopGliding = tween(model.get("shift"), target, (shift) => setAll(model, { shift }));
  }
  const picture = pictures(d.pictures, ends);
  function describePair() {
    const pair = chosen();
    if (pair < 0) {
      pairWords.textContent = "Point at the left picture, or move the slider: a pair and what it finds.";
      return;
    }
    const before = [0, 1].map((kind) => moved.to(0).neighbours(kind, belongs.pairs[kind][pair], 0).rank);
    moved.to(model.get("shift"));
    pairWords.replaceChildren(...foundBy({ moved, captions: d.captions, picture, pair, before }));
  }

  function sentence() {
    const [shift, tau] = [model.get("shift"), Number(model.get("tau").toPrecision(3))];
    const place =
      Math.abs(shift) < 0.005 ? "As trained" : Math.abs(shift - closed) < 0.006 ? "Closed" : `Shifted by ${words(shift, 2)}`;
    const hits = (100 * numbers.recall_image_to_text).toFixed(1);
    const lower = best.end
      ? `the loss falls to the slider's end, shift ${words(best.at, 2)}, and may fall beyond`
      : numbers.loss < best.value + 1e-9
        ? "no other shift has a lower loss"
        : `the loss is lowest at shift ${words(best.at, 2)}, a gap of ${words(engine.gap(best.at), 2)}`;
    const recall = missed(numbers) - missed(shares[stopAt(mostFound)]) < 1e-9 ? "no other finds more" : `most is found at shift ${words(mostFound, 2)}`;
    return `${place}: the gap is ${words(numbers.gap, 2)}; ${hits} % of the ${images} find ${several ? `a ${text} of theirs` : `their ${text}`} first among ${m}. At temperature ${tau} ${lower}; ${recall}.`;
  }

  function refresh() {
    const started = performance.now();
    const [shift, tau] = [model.get("shift"), model.get("tau")];
    if (tau !== refresh.tau) {
      refresh.tau = tau;
      curves = engine.curve(tau);
      best = lowestStop(tau);
      trained = engine.metrics(0, tau);
    }
    numbers = engine.metrics(shift, tau);
    moved.places(places);
    tiles.show(numbers, trained);
    shiftSlider.show(stopAt(shift), words(shift, 2));
    zoom.show(model.get("zoom"));
    tries.show();
    pairSlider.show(chosen() + 1, chosen() < 0 ? "none" : `${chosen() + 1} of ${many}`);
    tauSlider.show(tauStop(tau), String(Number(tau.toPrecision(3))));
    setAll(model, { metrics: numbers });
    describePair();
    scatterView.redraw();
    landscapeView.redraw();
    scatter.setAttribute("aria-label", `${n} ${images} and ${m} ${texts} as points; their centroids are ${numbers.gap.toFixed(3)} apart`);
    landscape.setAttribute(
      "aria-label",
      `The loss from shift ${low} to ${high}: ${numbers.loss.toFixed(3)} here, lowest ${words(best.value, 3)} at shift ${words(best.at, 2)}; below it R@1, highest at shift ${words(mostFound, 2)}`,
    );
    performance.clearMeasures("mgap-explorer"); // the browser's own record, for whoever times it: the last one
    performance.measure("mgap-explorer", { start: started, end: performance.now() });
    speaker.say(sentence());
  }
  // --- pointing: the left picture picks a pair, the right one drags the shift
  pointAt(scatter, (event) => {
    const pair = pairAt(event, scatter, belongs, onScreen);
    if (pair >= 0) setAll(model, { pair });
  });
  dragAcross(landscape, LANDSCAPE, (share) => move(shiftAt(Math.round(share * (d.stops - 1)))));

  const drawing = redrawing(model, root, "gap", {
    shift: between(low, high),
    tau: between(d.taus[0], d.taus.at(-1)),
    zoom: yesOrNo,
    pair: oneOf(-1, ...Array(many).keys()),
  }, refresh);
  ends.push(() => {
    stopGliding();
    for (const part of [drawing, speaker, scatterView, landscapeView]) part.end();
  });
}

export default { render: guarded(showGapExplorer) };
