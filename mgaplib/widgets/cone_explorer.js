// The ConeExplorer: how depth and activation squeeze the features of a random network into a cone.
// Networks are drawn and measured in Python; here their tables are looked up and drawn.
import { oneOf, redrawing } from "./address.js";
import { chart, disc, dragAcross, palette, rule, sharpCanvas } from "./canvas.js";
import { ticks, typed, words } from "./numbers.js";
import { FONT, guarded, make, panel, sayer, setAll, slider, tileList, tryButtons } from "./shared.js";

const NAMES = { relu: "ReLU", leaky_relu: "leaky ReLU", gelu: "GELU" };
const halfAngle = (length) => (Math.acos(Math.min(Math.max(length, 0), 1)) * 180) / Math.PI;

/** An angle in degrees: two digits that count, however small it is; below what the numbers hold, that it is below. */
const degrees = (angle) => (angle >= 1 ? words(angle, 1) : angle < 1e-4 ? "under 0.0001" : String(Number(angle.toPrecision(2))));

/** Check what Python sent and read its tables: one block an activation, one row a layer. */
function readTables(data) {
  const { depth, rows, bins, activations } = data ?? {};
  if (!(depth > 0 && rows > 1 && bins > 0 && activations?.length)) throw new Error("the data lack depth, rows, bins or activations");
  const layers = depth + 1;
  const many = activations.length * layers;
  const counts = typed(Uint32Array, data.counts, many * bins, "counts");
  const [measured, lengths, predicted] = ["measured", "lengths", "predicted"].map((name) => typed(Float64Array, data[name], many, name));
  return (activation) => {
    const start = activations.indexOf(activation) * layers;
    const part = (table) => table.subarray(start, start + layers);
    return {
      counts: (layer) => counts.subarray((start + layer) * bins, (start + layer + 1) * bins),
      measured: part(measured),
      predicted: part(predicted),
      numbers: (layer) => ({
        mean_cosine: measured[start + layer],
        predicted_cosine: predicted[start + layer],
        half_angle: halfAngle(lengths[start + layer]),
        predicted_half_angle: halfAngle(Math.sqrt(1 / rows + (1 - 1 / rows) * predicted[start + layer])),
      }),
    };
  };
}

function render({ model, root, ends }) {
  const d = model.get("data");
  const tables = readTables(d);
  root.classList.add("mgap-cone");
  const color = palette(root);
  const named = (activation) => NAMES[activation] ?? activation;
  let table = tables(model.get("activation"));
  let numbers = table.numbers(model.get("layer"));

  // --- the parts
  const layerSlider = slider({
    label: "Depth",
    hint: "random layers behind the inputs",
    stops: d.depth + 1,
    onInput: (stop) => setAll(model, { layer: stop }),
  });
  const choice = make("select", {}, ...d.activations.map((name) => make("option", { value: name }, named(name))));
  choice.addEventListener("change", () => setAll(model, { activation: choice.value }));
  const histogram = make("canvas", { role: "img" });
  const cone = make("canvas", { role: "img" });
  const curve = make("canvas", { role: "img", class: "mgap-low" });
  const speaker = sayer();
  const tiles = tileList([
    ["mean_cosine", "Mean cosine", 4],
    ["predicted_cosine", "Predicted cosine", 4],
    ["half_angle", "Half-angle", degrees, "°"],
    ["predicted_half_angle", "Predicted half-angle", degrees, "°"],
  ]);
  const swatch = (style) => make("i", { class: "mgap-dash", style: `border-top: ${style}`, "aria-hidden": "true" });
  const measuredKey = make("span", {}, swatch("2.5px solid var(--mgap-accent)"), "measured");
  const predictedKey = make("span", {}, swatch("2px dashed var(--mgap-ink)"), "predicted");
  const tries = tryButtons(model, (state) => setAll(model, state));
  root.append(
    make(
      "div",
      { class: "mgap-controls" },
      layerSlider.row,
      make("label", { class: "mgap-choice" }, "Activation", choice, make("small", {}, `${d.rows} inputs, layers ${d.width} wide`)),
    ),
    ...tries.elements,
    ...speaker.elements,
    make(
      "div",
      { class: "mgap-panels" },
      panel(histogram, "Cosines of all pairs", [measuredKey.cloneNode(true), predictedKey.cloneNode(true), "mean"]),
      panel(cone, "Their cone", ["from the mean direction, up, to a feature"]),
    ),
    panel(curve, "Mean cosine, layer by layer", [measuredKey, predictedKey, "drag to choose the depth"]),
    tiles.element,
  );

  // --- the histogram, each bar relative to the highest
  const histogramView = sharpCanvas(root, histogram, (c, width, height) => {
    const counts = table.counts(model.get("layer"));
    const highest = Math.max(...counts);
    const [left, bottom] = [10, height - 24];
    const x = (cosine) => left + ((cosine + 1) / 2) * (width - 2 * left);
    const bar = (width - 2 * left) / d.bins;
    c.fillStyle = color("bar");
    for (const [k, count] of counts.entries()) {
      const rise = (count / highest) * (bottom - 14);
      c.fillRect(left + k * bar, bottom - rise, bar + 0.5, rise);
    }
    rule(c, left, bottom, width - left, bottom, color("soft"));
    rule(c, x(numbers.mean_cosine), 8, x(numbers.mean_cosine), bottom, color("accent"), { wide: 2.5 });
    rule(c, x(numbers.predicted_cosine), 8, x(numbers.predicted_cosine), bottom, color("ink"), { wide: 2, dash: [5, 4] });
    c.font = FONT;
    c.fillStyle = color("soft");
    c.textAlign = "center";
    for (const tick of width < 220 ? [-1, 0, 1] : [-1, -0.5, 0, 0.5, 1]) c.fillText(words(tick, 1), Math.min(Math.max(x(tick), 14), width - 12), height - 6);
  });

  // --- the cone: side view, its rim seen at a slant
  const coneView = sharpCanvas(root, cone, (c, width, height) => {
    const side = Math.min(width * 0.46, height - 78);
    const [x, y] = [width / 2, height - 42];
    const drawn = [numbers.half_angle, numbers.predicted_half_angle];
    let wider = 1; // a needle is drawn wider, and says so
    while (Math.max(...drawn) * wider < 3 && wider < 1e5) wider *= 10;
    const outline = (half, stroke, wide, dash, fill) => {
      const angle = (half * wider * Math.PI) / 180;
      const [across, up] = [side * Math.sin(angle), side * Math.cos(angle)];
      c.setLineDash(dash);
      c.lineWidth = wide;
      c.strokeStyle = stroke;
      c.beginPath();
      c.ellipse(x, y - up, Math.max(across, 0.5), Math.max(across * 0.22, 0.5), 0, 0, 2 * Math.PI);
      if (fill) {
        c.fillStyle = fill;
        c.globalAlpha = 0.25;
        c.fill();
        c.globalAlpha = 1;
      }
      c.stroke();
      c.beginPath();
      c.moveTo(x - across, y - up);
      c.lineTo(x, y);
      c.lineTo(x + across, y - up);
      if (fill) {
        c.globalAlpha = 0.25;
        c.fill();
        c.globalAlpha = 1;
      }
      c.stroke();
      c.setLineDash([]);
    };
    rule(c, x, y, x, y - side - 14, color("soft"), { dash: [2, 4] });
    outline(numbers.half_angle, color("accent"), 2.5, [], color("accent"));
    outline(numbers.predicted_half_angle, color("ink"), 1.5, [5, 4]);
    disc(c, x, y, 4, color("ink"), color("face"));
    c.font = FONT;
    c.fillStyle = color("ink");
    c.textAlign = "center";
    c.fillText(`half-angle ${degrees(numbers.half_angle)}°`, x, height - (wider > 1 ? 22 : 8));
    if (wider > 1) c.fillText(`drawn ${wider.toLocaleString("en")} times as wide`, x, height - 7);
  });

  // --- the mean by layer
  const box = { left: 40, right: 14, top: 10, bottom: 24 };
  const curveView = sharpCanvas(root, curve, (c, width, height) => {
    const low = Math.min(0, ...table.measured, ...table.predicted);
    const { x, y, line } = chart(c, { box, width, height, across: [0, d.depth], up: [low, 1], many: 2, color });
    c.textAlign = "center";
    for (const tick of ticks(0, d.depth, 5)) if (Number.isInteger(tick)) c.fillText(String(tick), x(tick), height - 6);
    line(table.predicted, (k) => k, color("ink"), { wide: 1.5, dash: [5, 4] });
    for (const [layer, value] of table.measured.entries()) disc(c, x(layer), y(value), 3, color("accent"), color("face"));
    const layer = model.get("layer");
    disc(c, x(layer), y(table.measured[layer]), 7, color("accent"), color("face"));
  });
  dragAcross(curve, box, (share) => setAll(model, { layer: Math.round(share * d.depth) }));

  function sentence() {
    const [layer, activation] = [model.get("layer"), named(model.get("activation"))];
    const place = layer ? `After ${layer} random ${activation} ${layer === 1 ? "layer" : "layers"}` : "Before the first layer";
    return `${place} two inputs have a mean cosine of ${words(numbers.mean_cosine, 3)}; an infinitely wide network would give ${words(numbers.predicted_cosine, 3)}. They lie in a cone of half-angle ${degrees(numbers.half_angle)}°.`;
  }
  function refresh() {
    const layer = model.get("layer");
    table = tables(model.get("activation"));
    numbers = table.numbers(layer);
    tiles.show(numbers);
    layerSlider.show(layer, layer ? `${layer} of ${d.depth}` : "0, the inputs");
    choice.value = model.get("activation");
    tries.show();
    setAll(model, { metrics: numbers });
    for (const view of [histogramView, coneView, curveView]) view.redraw();
    const cosine = words(numbers.mean_cosine, 3);
    histogram.setAttribute("aria-label", `Histogram of the cosines between -1 and 1; their mean is ${cosine}`);
    cone.setAttribute("aria-label", `A cone of half-angle ${degrees(numbers.half_angle)} degrees, predicted ${degrees(numbers.predicted_half_angle)}`);
    curve.setAttribute("aria-label", `The mean cosine from layer 0 to ${d.depth}: ${words(table.measured[0], 3)} at first, ${words(table.measured[d.depth], 3)} at last, ${cosine} here`);
    speaker.say(sentence());
  }
  const drawing = redrawing(model, root, "cone", {
    layer: oneOf(...Array(d.depth + 1).keys()),
    activation: oneOf(...d.activations),
  }, refresh);
  ends.push(() => {
    for (const part of [drawing, speaker, histogramView, coneView, curveView]) part.end();
  });
}

export default { render: guarded(render) };
