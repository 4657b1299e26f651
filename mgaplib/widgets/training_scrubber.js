// The TrainingScrubber: recorded training runs side by side, played or moved through step by step.
// The snapshots' coordinates and the records come from Python; here they are looked up and drawn.
import { oneOf, redrawing } from "./address.js";
import { chart, disc, dragAcross, pairLines, palette, pointClouds, rule, sharpCanvas } from "./canvas.js";
import { nearestStop, ticks, typed, words } from "./numbers.js";
import { dot, guarded, make, panel, sayer, setAll, slider, tileList, tryButtons } from "./shared.js";

const FRAME_MS = 450;
const BOX = { left: 40, right: 14, top: 10, bottom: 24 }; // the margins of the charts
const CURVES = [["gap", "Gap through training"], ["recall", "R@1 through training, both ways"]];

/** Check what Python sent and read the points: for each run and step the images, then the texts, as x and y. */
function readPoints(d) {
  if (!(d?.steps?.length > 1 && d.runs?.length && d.n > 0)) throw new Error("the data lack steps, runs or n");
  const size = 4 * d.n; // numbers in one frame of one run
  const points = typed(Int16Array, d.points, d.runs.length * d.steps.length * size, "points");
  const extent = [Infinity, -Infinity, Infinity, -Infinity];
  for (let k = 0; k < points.length; k += 2) {
    extent[0] = Math.min(extent[0], points[k]);
    extent[1] = Math.max(extent[1], points[k]);
    extent[2] = Math.min(extent[2], points[k + 1]);
    extent[3] = Math.max(extent[3], points[k + 1]);
  }
  return { extent, frame: (run, at) => points.subarray((run * d.steps.length + at) * size, (run * d.steps.length + at + 1) * size) };
}

function render({ model, root, ends }) {
  const d = model.get("data");
  const { extent, frame } = readPoints(d);
  root.classList.add("mgap-scrubber");
  const color = palette(root);
  const last = d.steps.length - 1;
  const total = d.steps[last] - d.steps[0];
  const now = () => Math.max(d.steps.indexOf(model.get("step")), 0);
  let timer = 0;
  const go = (at) => setAll(model, { step: d.steps[at] });

  // --- the parts
  const stepSlider = slider({
    label: "Step of training",
    hint: "",
    stops: d.steps.length,
    onInput: (at) => {
      pause();
      go(at);
    },
  });
  const playing = make("button", { type: "button" }, "Play");
  const speaker = sayer();
  const runs = d.runs.map((run, k) => {
    const canvas = make("canvas", { role: "img" });
    const tiles = tileList([["gap", "Gap", 3], ["tau", "τ", 3], ["loss", "Loss", 2]]);
    const part = panel(canvas, run.name, [make("span", {}, dot(run.color), "its curve")]);
    part.append(tiles.element);
    part.dataset.run = run.name;
    return { run, canvas, tiles, part, view: sharpCanvas(root, canvas, (c, width, height) => drawRun(c, width, height, k)) };
  });
  const curves = CURVES.filter(([name]) => d.runs[0].curves[name]).map(([name, title]) => {
    const canvas = make("canvas", { role: "img", class: "mgap-low" });
    const view = sharpCanvas(root, canvas, (c, width, height) => drawCurves(c, width, height, name));
    dragAcross(canvas, BOX, (share) => {
      pause();
      go(nearestStop(d.steps, d.steps[0] + share * total));
    });
    return { name, title, canvas, view, part: panel(canvas, title, ["drag to choose the step"]) };
  });
  const tries = tryButtons(model, ({ step }) => {
    pause();
    go(d.steps.indexOf(step));
  });
  const some = d.n < d.pool ? `${d.n} of ${d.pool} validation pairs are drawn; the numbers are those of all.` : `${d.n} validation pairs.`;
  root.append(
    make("div", { class: "mgap-controls" }, stepSlider.row),
    make("div", { class: "mgap-buttons" }, playing),
    ...tries.elements,
    ...speaker.elements,
    make("div", { class: "mgap-curves" }, ...curves.map(({ part }) => part)),
    make("p", { class: "mgap-line" }, make("span", {}, dot(d.colors.image), "images"), make("span", {}, dot(d.colors.text, 1), "texts"), "→ along the run's mean gap, ↑ across it"),
    make("div", { class: "mgap-runs" }, ...runs.map(({ part }) => part)),
    make("p", { class: "mgap-note" }, `${some} The loss is that of one training batch.`),
  );

  // --- one run: images and texts in its own plane, all runs on one scale
  function drawRun(c, width, height, k) {
    const unit = Math.min((width - 14) / (extent[1] - extent[0] || 1), (height - 14) / (extent[3] - extent[2] || 1));
    const x = (value) => width / 2 + (value - (extent[0] + extent[1]) / 2) * unit;
    const y = (value) => height / 2 - (value - (extent[2] + extent[3]) / 2) * unit;
    const points = frame(k, now());
    const at = (kind, i) => [x(points[2 * (kind * d.n + i)]), y(points[2 * (kind * d.n + i) + 1])];
    pairLines(c, d.n, at, color("pair"));
    pointClouds(c, [d.n, d.n], at, d.colors, color, { point: 1.7, centroid: 5.5 });
  }

  // --- a number of all runs through training, on one scale from nothing
  function drawCurves(c, width, height, name) {
    const top = Math.max(...d.runs.flatMap(({ curves: all }) => all[name])) * 1.05 || 1;
    const { x, y, line } = chart(c, { box: BOX, width, height, across: [d.steps[0], d.steps[last]], up: [0, top], many: 4, color });
    c.textAlign = "center";
    for (const tick of ticks(d.steps[0], d.steps[last], 4)) c.fillText(String(tick), Math.min(x(tick), width - 16), height - 6);
    const here = d.steps[now()];
    rule(c, x(here), BOX.top, x(here), height - BOX.bottom, color("soft"), { dash: [3, 4] });
    for (const { run } of runs) line(run.curves[name], (k) => run.recorded[k], run.color);
    for (const { run } of runs) disc(c, x(here), y(run.curves[name][run.recorded.indexOf(here)]), 6, run.color, color("face"));
  }

  // --- playing: only when asked, and one picture after another, with no motion between them
  function pause() {
    clearInterval(timer);
    timer = 0;
    playing.textContent = "Play";
  }
  playing.addEventListener("click", () => {
    if (timer) return pause();
    if (now() === last) go(0);
    playing.textContent = "Pause";
    timer = setInterval(() => {
      if (now() < last) go(now() + 1);
      if (now() === last) pause();
    }, FRAME_MS);
  });

  function refresh() {
    const at = now();
    for (const { run, canvas, tiles, view } of runs) {
      tiles.show({ gap: run.gap[at], tau: run.tau[at], loss: run.loss[at] });
      canvas.setAttribute("aria-label", `${run.name}, step ${d.steps[at]}: images and texts, their centroids ${words(run.gap[at], 2)} apart`);
      view.redraw();
    }
    stepSlider.show(at, `${d.steps[at]} of ${d.steps[last]}`);
    for (const { name, title, canvas, view } of curves) {
      const values = d.runs.map((run) => `${run.name} ${words(run.curves[name][run.recorded.indexOf(d.steps[at])], 2)}`);
      canvas.setAttribute("aria-label", `${title}: ${values.join(", ")} at step ${d.steps[at]}`);
      view.redraw();
    }
    tries.show();
    setAll(model, { metrics: Object.fromEntries(d.runs.map(({ name, gap, tau, loss }) => [name, { gap: gap[at], tau: tau[at], loss: loss[at] }])) });
    speaker.say(`Step ${d.steps[at]}. Gap: ${d.runs.map((run) => `${words(run.gap[at], 2)} (${run.name})`).join(", ")}.`);
  }
  const drawing = redrawing(model, root, "training", { step: oneOf(...d.steps) }, refresh);
  ends.push(() => {
    clearInterval(timer);
    for (const part of [drawing, speaker, ...curves.map(({ view }) => view), ...runs.map(({ view }) => view)]) part.end();
  });
}

export default { render: guarded(render) };
