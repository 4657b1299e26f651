// The DynamicsExplorer: two trainings of free points that differ in one knob, live. `dynamics_engine.js` trains.
import { between, keepInAddress, oneOf, yesOrNo } from "./address.js";
import { disc, palette, pairLines, pointClouds, rule, sharpCanvas } from "./canvas.js";
import { FreePoints, GapBound, LEARNED, Track, openingBound, unitRows } from "./dynamics_engine.js";
import { clamp, nearestStop, ticks, words } from "./numbers.js";
import { FONT, button, dot, guarded, make, oncePerFrame, panel, sayer, setAll, slider, tileList } from "./shared.js";

const LEG = 2000; // steps after which a run pauses by itself, where no preset says when
const FRAME_MS = 12; // no frame trains for longer, however slow the machine

const decimals = (value) => String(Number(value.toPrecision(3)));
const percent = (value) => `${decimals(100 * value)} %`;

/** The knobs: a slider over `stops`, or a choice among `options`. The first few are always in sight. */
const KNOBS = {
  tau: { label: "Temperature τ", hint: "where it is learned or annealed: at the start", stops: [0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 1], say: decimals },
  temperature: {
    label: "The temperature is",
    options: {
      fixed: "fixed", learned: "learned, 1/τ = exp(ν)", slow: "learned at a tenth of the rate", softplus: "learned, 1/τ = softplus(ν)",
      scale10: "learned, 1/τ = exp(ν/10)", annealed: "annealed to .01 in 4,000 steps", S0: "S0: .01 rising to .02", S1: "S1: .01 rising to .03",
      S2: "S2: .01 rising to .04", S3: "S3: .01 rising to .05", A0: "A0: swinging, .01 to .02", A1: "A1: swinging, .01 to .04",
    },
  },
  d: { label: "Dimensions", stops: [2, 3, 4, 6, 8, 12, 16, 24, 32, 64], say: String },
  wrong: { label: "Wrong captions", stops: [0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1], say: percent },
  swap: { label: "Swapping", options: { none: "none", hard: "hard: entries", soft: "soft: shares of entries", rows: "whole points" } },
  swap_share: { label: "Steps that swap", stops: [0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1], say: percent },
  n: { label: "Pairs", stops: [4, 8, 16, 32, 48, 64, 96, 128], say: String },
  start: { label: "Start", options: { apart: "two clouds apart", together: "one cloud", cones: "one cone each", independent: "all directions alike", matched: "every pair matched" } },
  gap: { label: "Gap at the start", hint: "of clouds apart, and of parallel modalities", stops: [0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8], say: decimals },
  redrawn: { label: "Wrong captions are drawn", options: { true: "anew at each step", false: "once" } },
  loss: { label: "Loss", options: { both: "InfoNCE, both ways", images: "InfoNCE, images to texts", siglip: "SigLIP" } },
  model: { label: "What moves", options: { free: "every point, by Adam", parallel: "parallel modalities, by descent" } },
  lr: { label: "Learning rate", stops: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5], say: decimals },
  seed: { label: "Seed", stops: Array.from({ length: 100 }, (_, seed) => seed), say: String },
};
const IN_SIGHT = ["tau", "temperature", "d", "wrong"];
const STARTS = { free: ["apart", "together", "cones"], parallel: ["independent", "matched"] };

const spoken = (name, value) => KNOBS[name].say?.(value) ?? KNOBS[name].options[value];

/** Turn one knob; where another one then makes no sense, it follows. */
function turn(setting, name, value) {
  const next = { ...setting, [name]: value };
  if (name === "model" && value !== setting.model) next.lr = value === "parallel" ? 0.2 : 0.005; // other units
  if (!STARTS[next.model].includes(next.start)) next.start = STARTS[next.model].at(value === "parallel" ? 1 : 0);
  if (next.model === "parallel") Object.assign(next, { d: Math.max(next.d, 3), gap: Math.max(next.gap, 0.05) });
  if (Object.hasOwn(LEARNED, next.temperature)) next.tau = Math.max(next.tau, 0.01);
  return next;
}

const same = (a, b) => Object.keys({ ...a, ...b }).every((name) => a[name] === b[name]);

/** Whether a knob can be turned so and no other need follow. */
const alone = (setting, name, value) => same(turn(setting, name, value), { ...setting, [name]: value });

/** How each knob is read from text; `model` comes first, since others follow from it. */
const READ = Object.fromEntries(
  ["model", ...Object.keys(KNOBS).filter((name) => name !== "model")].map((name) => {
    const { stops, options, say } = KNOBS[name];
    if (name === "redrawn") return [name, yesOrNo];
    if (options) return [name, oneOf(...Object.keys(options))];
    const read = between(stops[0], stops.at(-1));
    return [name, (text) => (say === String && read(text) !== undefined ? Math.round(read(text)) : read(text))];
  }),
);

const SHOWN = { speed: oneOf(1, 5, 20, 100), theory: yesOrNo }; // how runs are shown; turning these starts none anew

/** The knobs as the page's address takes them: each by its name, and the second run's as "tau:0.1". */
function oneByOne(model) {
  const ofModel = (name) => name === "beside" || Object.hasOwn(SHOWN, name);
  const heardAs = (event) => (ofModel(event.slice("change:".length)) ? event : "change:setting");
  const beside = () => Object.entries(model.get("beside")).map(([name, value]) => `${name}:${value}`).join("");
  return {
    get: (name) => (name === "beside" ? beside() : name === "name" || ofModel(name) ? model.get(name) : model.get("setting")[name]),
    set(name, value) {
      if (Object.hasOwn(SHOWN, name)) return model.set(name, value);
      if (name !== "beside") {
        if (value !== model.get("setting")[name]) model.set("setting", turn(model.get("setting"), name, value));
        return;
      }
      const [knob, text] = value.split(":");
      const other = Object.hasOwn(READ, knob) ? READ[knob](text ?? "") : undefined;
      if (value === beside()) return;
      if (!value) model.set("beside", {});
      else if (other !== undefined && alone(model.get("setting"), knob, other)) model.set("beside", { [knob]: other });
    },
    save_changes: () => model.save_changes(),
    on: (event, heard) => model.on(heardAs(event), heard),
    off: (event, heard) => model.off(heardAs(event), heard),
  };
}

/** What is seen of points of many dimensions: along the gap, and across it where they spread most. */
class Lens {
  constructor() {
    this.along = this.across = null;
  }

  /** Look at the points as they are now; the view turns no faster than they do. */
  look(points) {
    const { images, texts, setting: { n, d } } = points;
    const [centre, between] = [new Float64Array(d), new Float64Array(d)];
    for (let at = 0; at < n * d; at++) {
      between[at % d] += (images[at] - texts[at]) / n;
      centre[at % d] += (images[at] + texts[at]) / (2 * n);
    }
    if (!this.along || points.gap > 0.02) this.along = unitRows(between, d);
    this.across ??= Float64Array.from({ length: d }, (_, k) => 1 + k / d);
    for (let turns = 0; turns < 3; turns++) {
      const next = new Float64Array(d);
      for (const side of [images, texts]) {
        for (let at = 0; at < n * d; at += d) {
          let share = 0;
          for (let k = 0; k < d; k++) share += (side[at + k] - centre[k]) * this.across[k];
          for (let k = 0; k < d; k++) next[k] += share * (side[at + k] - centre[k]);
        }
      }
      const overlap = next.reduce((sum, z, k) => sum + z * this.along[k], 0);
      for (let k = 0; k < d; k++) next[k] -= overlap * this.along[k];
      this.across = unitRows(next, d);
    }
  }

  /** Where a point is seen, right and up. */
  place(side, at, d) {
    let [right, up] = [0, 0];
    for (let k = 0; k < d; k++) {
      right += side[at + k] * this.along[k];
      up += side[at + k] * this.across[k];
    }
    return [right, up];
  }
}

/** A choice under its label. */
function choice(label, options, onInput) {
  const select = make("select", {}, ...Object.entries(options).map(([value, text]) => make("option", { value }, text)));
  select.addEventListener("change", () => onInput(select.value));
  return { row: make("label", { class: "mgap-choice" }, label, select), select };
}

/** A knob's control, slider or choice; `show(value)` puts it somewhere. */
function control(name, onTurn) {
  const { label, hint, stops, options } = KNOBS[name];
  if (options) {
    const { row, select } = choice(label, options, (value) => onTurn(name, name === "redrawn" ? value === "true" : value));
    return { row, select, show: (value) => (select.value = String(value)) };
  }
  const part = slider({ label, hint, stops: stops.length, onInput: (stop) => onTurn(name, stops[stop]) });
  return { row: part.row, show: (value) => part.show(nearestStop(stops, value), spoken(name, value)) };
}

function render({ model, root, ends }) {
  const data = model.get("data");
  if (!(data?.defaults && data.presets?.length)) throw new Error("the data lack defaults or presets");
  root.classList.add("mgap-dynamics");
  const color = palette(root);
  const stay = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const view = { yaw: 0.6, pitch: 0.35 };
  let runs = [];
  let second = null; // the second run's control
  let playing = false;
  let unseen = false; // it runs to its end before anything is drawn
  let visible = false;
  let frame = 0;
  let until = LEG;
  let turnOfCurves = 0;

  const set = (knobs) => setAll(model, knobs);

  // --- the parts
  const presets = data.presets.map((preset) => {
    const setting = { ...data.defaults, ...preset.setting };
    const element = button(preset.name, () => {
      set({ setting, beside: preset.beside });
      restart(); // even where no knob has turned
      play();
    });
    return { ...preset, setting, element };
  });
  const lesson = make("p", { class: "mgap-lesson" });
  const playButton = button("Play", () => (playing ? pause() : play()));
  const stepButton = button("Step", () => {
    pause(false);
    advance(1);
    draw();
    tell();
  });
  const restartButton = button("Restart", () => (unseen ? restart() : again()));
  const speed = choice("Steps a frame", { 1: "1", 5: "5", 20: "20", 100: "100" }, (value) => set({ speed: Number(value) }));
  const axis = choice("Axis of the curves", { linear: "steps", theory: "1 / log(steps)²" }, (value) => set({ theory: value === "theory" }));
  const speaker = sayer();
  const swatch = (k) => make("i", { class: "mgap-dash", style: `border-top: ${["2.5px solid var(--mgap-ink)", "2.5px dashed var(--mgap-accent)"][k]}`, "aria-hidden": "true" });
  const places = ["first", "second"].map((name, k) => {
    const canvas = make("canvas", { role: "img" });
    const title = make("b");
    const tiles = tileList([["gap", "Gap", 3], ["tau", "τ", 3], ["loss", "Loss", 2], ["recall", "R@1", 2]]);
    const line = make("span");
    const part = make("div", {}, make("p", { class: "mgap-title" }, swatch(k), title), make("p", { class: "mgap-line" }, line), canvas, tiles.element);
    const lens = new Lens();
    return { name, canvas, title, line, tiles, part, lens, picture: sharpCanvas(root, canvas, (c, w, h) => runs[k] && drawPoints(c, w, h, runs[k], lens)) };
  });
  const CURVES = [
    ["gap", "Gap", "dotted: Theorem 3.2’s bound, where it holds"],
    ["tau", "Temperature", "logarithmic"],
    ["loss", "Loss", "logarithmic, of the pairs as trained"],
    ["recall", "R@1", "both ways, true captions"],
  ];
  const curves = CURVES.map(([name, title, line]) => {
    const canvas = make("canvas", { role: "img", class: "mgap-low" });
    return { name, title, canvas, part: panel(canvas, title, [line]), picture: sharpCanvas(root, canvas, (c, w, h) => drawCurve(c, w, h, name)) };
  });
  const theorem = make("p", { class: "mgap-note" });
  const knobs = Object.fromEntries(Object.keys(KNOBS).map((name) => [name, control(name, turnFirst)]));
  const which = choice("Beside it, the same but for", { "": "nothing: one run alone", ...Object.fromEntries(Object.entries(KNOBS).filter(([name]) => name !== "model").map(([name, { label }]) => [name, label])) }, (name) => {
    if (!name) return set({ beside: {} });
    const setting = model.get("setting");
    const { stops, options } = KNOBS[name];
    const values = stops ?? Object.keys(options).map((value) => (name === "redrawn" ? value === "true" : value));
    turnSecond(name, values.find((value) => value !== setting[name] && alone(setting, name, value)));
  });
  const otherKnob = make("div", { class: "mgap-other" });
  const note = make("p", { class: "mgap-note" }, root.closest(".static-widget") ? "The page’s address holds the knobs: copy it to show a run to others." : "");
  const rows = (names) => make("div", { class: "mgap-controls" }, ...names.map((name) => knobs[name].row));
  root.append(
    make("div", { class: "mgap-buttons", role: "group", "aria-label": "Comparisons" }, ...presets.map(({ element }) => element)),
    lesson,
    make("div", { class: "mgap-buttons mgap-transport" }, playButton, stepButton, restartButton, speed.row, axis.row),
    make("p", { class: "mgap-line" }, make("span", {}, dot(data.colors.image), "images"), make("span", {}, dot(data.colors.text, 1), "texts")),
    make("div", { class: "mgap-runs" }, ...places.map(({ part }) => part)),
    ...speaker.elements,
    ...(stay ? [make("p", { class: "mgap-line" }, "Your system asks for less motion, so the runs open at their end. Restart, then Step or Play, shows the way there.")] : []),
    make("div", { class: "mgap-panels" }, ...curves.map(({ part }) => part)),
    theorem,
    rows(IN_SIGHT),
    make("div", { class: "mgap-controls mgap-beside" }, which.row, otherKnob),
    make("details", {}, make("summary", {}, "More knobs"), rows(Object.keys(KNOBS).filter((name) => !IN_SIGHT.includes(name)))),
    note,
  );

  // --- the knobs
  function turnFirst(name, value) {
    const setting = turn(model.get("setting"), name, value);
    set({ setting, beside: Object.fromEntries(Object.entries(model.get("beside")).filter(([other, its]) => alone(setting, other, its))) });
  }
  function turnSecond(name, value) {
    if (alone(model.get("setting"), name, value)) set({ beside: { [name]: value } });
    else showKnobs();
  }
  function showShown() {
    speed.select.value = String(model.get("speed"));
    axis.select.value = model.get("theory") ? "theory" : "linear";
  }
  function showKnobs() {
    const [setting, beside] = [model.get("setting"), model.get("beside")];
    for (const [name, part] of Object.entries(knobs)) part.show(setting[name]);
    for (const option of knobs.start.select.options) option.hidden = option.disabled = !STARTS[setting.model].includes(option.value);
    const [name] = Object.keys(beside);
    which.select.value = name ?? "";
    if (otherKnob.dataset.knob !== (name ?? "")) {
      otherKnob.dataset.knob = name ?? "";
      second = name ? control(name, turnSecond) : null;
      otherKnob.replaceChildren(...(second ? [second.row] : []));
    }
    second?.show(beside[name]);
    showShown();
    const preset = presets.find((p) => same(p.setting, setting) && same(p.beside, beside));
    for (const p of presets) p.element.setAttribute("aria-pressed", String(p === preset));
    lesson.replaceChildren(...(preset ? [`${preset.sentence} `, make("small", {}, preset.claim)] : ["Turn a knob; the second run differs from the first in one."]));
    for (const [k, place] of places.entries()) {
      place.part.hidden = k === 1 && !name;
      if (place.part.hidden) delete place.part.dataset.run;
      else place.part.dataset.run = place.name;
      place.title.textContent = name ? `${KNOBS[name].label}: ${spoken(name, k ? beside[name] : setting[name])}` : "One run";
    }
  }

  // --- the runs
  function restart() {
    pause(false);
    const [setting, beside] = [model.get("setting"), model.get("beside")];
    const settings = [setting, ...Object.entries(beside).map(([name, value]) => turn(setting, name, value))];
    runs = settings.map((one) => {
      const run = { points: new FreePoints(one), track: new Track(), bound: new GapBound(one) };
      follow(run);
      return run;
    });
    for (const { lens } of places) lens.along = lens.across = null;
    showKnobs();
    until = presets.find(({ element }) => element.ariaPressed === "true")?.steps ?? LEG;
    draw();
    tell();
  }
  /** Restart, and play on as before. */
  function again() {
    const [going, hidden] = [playing, unseen];
    restart();
    if (going) play(hidden);
  }
  function follow(run) {
    const { points, track, bound } = run;
    track.follow(points);
    bound.follow(points);
    if (points.steps < 2) run.opening = (points.gap - (run.began ??= points.gap)) / points.setting.lr;
  }
  function advance(count) {
    const begin = performance.now();
    for (let k = 0; k < count; k++) {
      for (const run of runs) {
        run.points.step();
        follow(run);
      }
      if (performance.now() - begin > FRAME_MS) break;
    }
  }
  function tick() {
    frame = 0;
    if (!playing || !visible) return;
    const left = until - runs[0].points.steps;
    advance(unseen ? left : Math.min(model.get("speed"), left));
    if (unseen) look();
    else draw();
    if (runs[0].points.steps >= until) return pause();
    frame = requestAnimationFrame(tick);
  }
  function play(hidden = false) {
    if (runs[0].points.steps >= until) until = runs[0].points.steps + LEG;
    playing = true;
    unseen = hidden;
    playButton.textContent = "Pause";
    frame ||= requestAnimationFrame(tick);
  }
  function pause(speak = true) {
    if (playing) {
      playing = unseen = false;
      draw(); // the curves that the last frame left out
    }
    playButton.textContent = "Play";
    cancelAnimationFrame(frame);
    frame = 0;
    if (speak) tell();
  }

  // --- what is seen
  const numbers = ({ points: { gap, tau, loss, recall } }) => ({ gap, tau, loss, recall });
  function look() {
    for (const [k, run] of runs.entries()) places[k].lens.look(run.points);
  }
  function draw() {
    look();
    for (const k of runs.keys()) places[k].picture.redraw();
    // Curves move by a few pixels: while they run, every frame draws two of the four.
    turnOfCurves = 1 - turnOfCurves;
    for (const [k, { picture }] of curves.entries()) if (!playing || k % 2 === turnOfCurves) picture.redraw();
    // Words last: after them the browser would lay the page out anew for each picture that asks for its size.
    for (const [k, run] of runs.entries()) places[k].tiles.show(numbers(run));
    theorem.replaceChildren(...(runs.some(({ points }) => points.setting.model === "parallel") ? runs.map((run, k) => make("span", {}, swatch(k), theory(run), " ")) : []));
    const [first, other] = runs.map(({ points }) => points);
    speaker.say(`Step ${first.steps.toLocaleString("en")}: gap ${words(first.gap, 3)}${other ? `, and ${words(other.gap, 3)} in the second run` : ""}; ${words(100 * first.recall, 0)} %${other ? ` and ${words(100 * other.recall, 0)} %` : ""} of the points find their partner.`);
  }
  function drawPoints(c, width, height, { points }, lens) {
    const { images, texts, setting: { n, d } } = points;
    const radius = Math.min(width, height) / 2 - 8;
    disc(c, width / 2, height / 2, radius, color("card"), color("line"));
    const [sin, cos] = [Math.sin, Math.cos].map((f) => [f(view.yaw), f(view.pitch)]);
    const seen = (side, at) => {
      if (d === 2) return [side[at], side[at + 1]];
      if (d > 3) return lens.place(side, at, d);
      const out = side[at] * cos[0] + side[at + 1] * sin[0];
      return [side[at + 1] * cos[0] - side[at] * sin[0], side[at + 2] * cos[1] - out * sin[1]];
    };
    const at = (kind, i) => {
      const [right, up] = seen(kind ? texts : images, i * d);
      return [width / 2 + radius * right, height / 2 - radius * up];
    };
    pairLines(c, n, at, color("pair"));
    pointClouds(c, [n, n], at, data.colors, color, { point: n > 64 ? 1.8 : 2.4, centroid: 5.5 });
  }
  const box = { left: 46, right: 14, top: 10, bottom: 24 };
  function drawCurve(c, width, height, name) {
    const last = Math.max(...runs.map(({ points }) => points.steps));
    const [wide, tall] = [width - box.left - box.right, height - box.top - box.bottom];
    const theory = model.get("theory");
    const end = [250, 500, 1000, 2000, 4000].find((stop) => stop >= last) ?? Math.ceil(last / 4000) * 4000;
    const x = theory
      ? (step) => box.left + (1 - (Math.log(10) / Math.log(Math.max(step, 10))) ** 2) * wide
      : (step) => box.left + (step / end) * wide;
    const logarithmic = name === "tau" || name === "loss";
    const highest = runs.reduce((most, { track, points }) => track.kept[name].reduce((a, b) => Math.max(a, b), Math.max(most, points[name])), 0);
    const [low, high] = { tau: [0.004, 1.2], loss: [1e-4, Math.max(highest, 1)], recall: [0, 1], gap: [0, highest * 1.05 || 1] }[name];
    const scale = logarithmic ? (value) => Math.log(Math.max(value, low) / low) / Math.log(high / low) : (value) => (value - low) / (high - low);
    const y = (value) => height - box.bottom - scale(value) * tall;
    c.font = FONT;
    c.fillStyle = color("soft");
    c.textAlign = "right";
    const levels = logarithmic ? [1e-4, 1e-3, 0.01, 0.1, 1, 10, 100, 1000].filter((tick) => tick >= low && tick <= high) : ticks(low, high, 4);
    for (const tick of levels) {
      rule(c, box.left, y(tick), width - box.right, y(tick), color("line"));
      c.fillText(tick === 1e-4 ? "10⁻⁴" : String(tick), box.left - 6, y(tick) + 4);
    }
    c.textAlign = "center";
    const stops = theory ? [10, 30, 100, 1000, 1e5] : ticks(0, end, width < 300 ? 2 : 4);
    for (const stop of stops) {
      const label = stop === 1e5 ? "10⁵" : stop.toLocaleString("en");
      c.fillText(label, Math.min(x(stop), width - box.right - c.measureText(label).width / 2 + 10), height - 6);
    }
    for (const [k, { track, points, bound }] of runs.entries()) {
      const stroke = color(k ? "accent" : "ink");
      c.setLineDash(k ? [7, 4] : []);
      c.lineWidth = 2.2;
      c.lineJoin = "round";
      c.strokeStyle = stroke;
      c.beginPath();
      const { step: steps, [name]: values } = track.kept;
      let [lastX, lastY] = [-9, -9];
      for (let at = 0; at < steps.length; at++) {
        if (theory && steps[at] < 10) continue;
        const [right, down] = [x(steps[at]), y(values[at])];
        if (right - lastX < 1 && Math.abs(down - lastY) < 1) continue; // less than a pixel away
        c.lineTo(right, down);
        [lastX, lastY] = [right, down];
      }
      if (!theory || points.steps >= 10) c.lineTo(x(points.steps), y(points[name]));
      c.stroke();
      if (name === "gap" && bound.from) {
        c.setLineDash([1.5, 4]);
        c.beginPath();
        for (const step of track.kept.step) {
          if (step >= bound.from.steps && (!theory || step >= 10)) c.lineTo(x(step), y(bound.at(step)));
        }
        c.stroke();
      }
      c.setLineDash([]);
      if (!theory || points.steps >= 10) disc(c, x(points.steps), y(points[name]), 4.5, stroke, color("face"));
    }
  }

  // --- what is said
  function theory({ points, bound, opening }) {
    const { n, d, tau, lr, start, gap: width } = points.setting;
    const closing = bound.from
      ? `Theorem 3.2 (dotted) holds from step ${bound.from.steps.toLocaleString("en")} on: the gap cannot be below ${words(bound.at(points.steps), 3)} now.`
      : `Theorem 3.2 says nothing here: ${bound.lacks}.`;
    if (start !== "independent" || bound.strange) return closing;
    const [many, few] = [Infinity, n].map((count) => openingBound(count, d - 1, 1 / tau, width / 2));
    const measured = points.steps ? `; the first step gave ${words(opening, 1)}` : "";
    return `Theorem 3.3, at the start: with many pairs the gap grows by ${words(many, 1)} or more in a unit of time, ${decimals(1 / lr)} steps; with ${n} pairs its bound is ${words(few, 1)}${few < 0 ? ", which says nothing" : ""}${measured}. ${closing}`;
  }
  function tell() {
    const { steps } = runs[0].points;
    for (const [k, { points }] of runs.entries()) {
      const own = points.setting.d;
      const turns = own === 3;
      const { canvas, line, title } = places[k];
      line.textContent = turns ? "a globe: drag or use the arrow keys to turn it" : own === 2 ? "the circle" : `${own} dimensions, → along the gap`;
      canvas.setAttribute("role", turns ? "application" : "img");
      if (turns) canvas.setAttribute("aria-roledescription", "globe that arrow keys turn");
      else canvas.removeAttribute("aria-roledescription");
      if (turns) canvas.tabIndex = 0;
      else canvas.removeAttribute("tabindex");
      canvas.setAttribute("aria-label", `${title.textContent}: ${points.setting.n} pairs on a sphere at step ${steps}, the means of images and texts ${words(points.gap, 2)} apart`);
    }
    for (const { name, title, canvas } of curves) {
      canvas.setAttribute("aria-label", `${title} up to step ${steps}: ${runs.map(({ points }, k) => `${words(points[name], 3)} (${places[k].title.textContent})`).join(", ")}`);
    }
    const named = (make) => Object.fromEntries(runs.map((run, k) => [places[k].name, make(run)]));
    set({ metrics: named(numbers), records: named(({ track }) => structuredClone(track.kept)) });
  }

  // --- turning the globe
  function turnGlobe(right, up) {
    view.yaw += right;
    view.pitch = clamp(view.pitch + up, -Math.PI / 2, Math.PI / 2);
    draw();
  }
  for (const { canvas } of places) {
    const turns = () => canvas.hasAttribute("tabindex");
    canvas.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] }[event.key];
      if (!by || !turns()) return;
      event.preventDefault();
      turnGlobe(...by);
    });
    canvas.addEventListener("pointerdown", (event) => canvas.setPointerCapture(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      if (event.buttons && turns()) turnGlobe(-event.movementX * 0.01, event.movementY * 0.01);
    });
  }

  // --- the page's address, and what is in sight
  const changed = oncePerFrame(again);
  const listens = "change:setting change:beside";
  model.on(listens, changed.schedule);
  const shown = oncePerFrame(() => {
    showShown();
    draw();
  });
  const looks = Object.keys(SHOWN).map((name) => `change:${name}`).join(" ");
  model.on(looks, shown.schedule);
  ends.push(keepInAddress(oneByOne(model), root, "dynamics", { ...READ, beside: (text) => text, ...SHOWN }));
  let begun = false;
  const watcher = new IntersectionObserver((entries) => {
    visible = entries.at(-1).isIntersecting;
    if (visible && !begun) play(stay); // who wants no motion sees the run when it is done
    if (visible) begun = true;
    if (visible && playing) frame ||= requestAnimationFrame(tick);
  });
  watcher.observe(root);
  ends.push(() => {
    model.off(listens, changed.schedule);
    model.off(looks, shown.schedule);
    watcher.disconnect();
    pause(false);
    for (const part of [changed, shown, speaker, ...places.map(({ picture }) => picture), ...curves.map(({ picture }) => picture)]) part.end();
  });
  restart();
}

export default { render: guarded(render) };
