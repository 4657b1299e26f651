// The GapExplorer: shift the two modalities along the gap and watch distance, loss and retrieval answer.
// Everything shown is computed here, from one cross-Gram and the small tables that Python sent once.

// Each tile: the number it shows large, its title, and the numbers below it.
const TILES = [
  ["gap", "Gap", []],
  ["loss", "Loss", [["loss_image_to_text", "image → text"], ["loss_text_to_image", "text → image"]]],
  ["recall_image_to_text", "R@1, image → text", []],
  ["recall_text_to_image", "R@1, text → image", []],
  ["zero_shot_accuracy", "Zero-shot accuracy", []],
];

function render({ model, root, ends }) {
  const d = readData(model.get("data"));
  const { n } = d;
  const engine = makeEngine(d);
  const color = palette(root);
  root.style.setProperty("--mgap-image", d.colors.image);
  root.style.setProperty("--mgap-text", d.colors.text);
  const [low, high] = d.shift_range;
  const shiftAt = (stop) => Number((low + (stop * (high - low)) / (d.stops - 1)).toFixed(6));
  const stopAt = (shift) => Math.round(((shift - low) / (high - low)) * (d.stops - 1));
  const tauStop = (tau) => {
    const distance = d.taus.map((t) => Math.abs(Math.log(t / tau)));
    return distance.indexOf(Math.min(...distance));
  };
  const closed = lowest(d.squaredGaps, shiftAt).shift;

  // Where things are now, and what was last computed from it.
  let numbers = engine.metrics(model.get("shift"), model.get("tau"));
  let curves;
  let best;
  let chosen = -1; // the pair that is looked at
  const places = new Float64Array(4 * n);

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
    onInput: (stop) => set("tau", d.taus[stop]),
  });
  const jump = (label, target) => {
    const button = make("button", { type: "button" }, label);
    button.addEventListener("click", () => glide(shiftAt(stopAt(target())))); // a stop, so that what is read is what is
    return button;
  };
  const key = (name) => make("i", { class: "mgap-key", style: `background:${d.colors[name]}`, "aria-hidden": "true" });
  const dash = (style) => make("i", { class: "mgap-dash", style: `border-top: ${style}`, "aria-hidden": "true" });
  const panel = (canvas, title, line) => make("div", {}, make("p", { class: "mgap-title" }, ...title), make("p", { class: "mgap-line" }, ...line), canvas);
  const scatter = make("canvas", { role: "img" });
  const landscape = make("canvas", { role: "img" });
  const shown = new Map(); // the name of a number -> where it stands
  const before = new Map(); // and where its value as trained stands
  const tiles = make("dl", { class: "mgap-numbers" });
  for (const [name, title, parts] of TILES) {
    if (!(name in numbers)) continue;
    shown.set(name, make("span", { "data-metric": name }));
    before.set(name, make("span"));
    const lines = parts.map(([part, label]) => {
      shown.set(part, make("span", { "data-metric": part }));
      return make("small", {}, `${label} `, shown.get(part));
    });
    const value = make("dd", {}, shown.get(name), make("small", {}, "as trained ", before.get(name)), ...lines);
    tiles.append(make("div", { class: "mgap-number" }, make("dt", {}, title), value));
  }
  const status = make("p", { class: "mgap-status", role: "status" });
  const pairSlider = slider({
    label: "Look at a pair",
    hint: "",
    stops: n + 1,
    onInput: (stop) => choose(stop - 1),
  });
  const pairWords = make("div", { class: "mgap-pair" });
  root.append(
    make("div", { class: "mgap-controls" }, shiftSlider.row, tauSlider.row),
    make(
      "div",
      { class: "mgap-buttons" },
      jump("As trained", () => 0),
      jump("Close the gap", () => closed),
      jump("Lowest loss", () => best.shift),
    ),
    status,
    make(
      "div",
      { class: "mgap-panels" },
      panel(scatter, [key("image"), "images and ", key("text"), "texts"], [`${n} pairs, joined; the bar is the gap`]),
      panel(
        landscape,
        ["Loss at every shift ", make("span", {}, "▲ lowest")],
        [
          ["2.5px solid", "both"],
          [`2px dashed ${d.colors.image}`, "image → text"],
          [`2px dashed ${d.colors.text}`, "text → image"],
        ].map(([style, label]) => make("span", {}, dash(style), label)),
      ),
    ),
    tiles,
    pairSlider.row,
    pairWords,
  );
  if (d.note) root.append(make("p", { class: "mgap-note" }, d.note));

  // --- the left picture: both modalities along the gap and across it
  let extent = [0, 0, 0, 0];
  for (const shift of [low, low / 2, 0, high / 2, high]) {
    engine.places(shift, places);
    for (let k = 0; k < places.length; k += 2) {
      extent[0] = Math.min(extent[0], places[k]);
      extent[1] = Math.max(extent[1], places[k]);
      extent[2] = Math.min(extent[2], places[k + 1]);
      extent[3] = Math.max(extent[3], places[k + 1]);
    }
  }
  let onScreen = () => [0, 0];
  const scatterView = sharpCanvas(root, scatter, (c, width, height) => {
    const margin = 22;
    const unit = (width - 16) / (extent[1] - extent[0]);
    const rise = Math.min((height - 2 * margin) / (extent[3] - extent[2]), 2 * unit);
    const left = width / 2 - ((extent[0] + extent[1]) / 2) * unit;
    const middle = height / 2 + ((extent[2] + extent[3]) / 2) * rise;
    onScreen = (k) => [left + places[k] * unit, middle - places[k + 1] * rise];
    c.font = FONT;
    c.fillStyle = color("soft");
    c.textAlign = "right";
    c.fillText("along the gap →", width - 4, height - 4);
    c.textAlign = "left";
    c.fillText("↑ across it, where they vary most", 0, 12);
    c.strokeStyle = color("pair");
    c.lineWidth = 0.7;
    c.beginPath();
    for (let i = 0; i < n; i++) {
      c.moveTo(...onScreen(4 * i));
      c.lineTo(...onScreen(4 * i + 2));
    }
    c.stroke();
    const centres = [0, 0, 0, 0];
    for (const [start, fill] of [[0, d.colors.image], [2, d.colors.text]]) {
      c.fillStyle = fill;
      c.beginPath();
      for (let i = 0; i < n; i++) {
        const [x, y] = onScreen(4 * i + start);
        centres[start] += x / n;
        centres[start + 1] += y / n;
        c.moveTo(x + 1.8, y);
        c.arc(x, y, 1.8, 0, 7);
      }
      c.fill();
    }
    // The gap itself: the line between the two centroids.
    const disc = (x, y, r, fill) => {
      c.beginPath();
      c.arc(x, y, r, 0, 7);
      c.fillStyle = fill;
      c.fill();
      c.lineWidth = 2;
      c.strokeStyle = color("face");
      c.stroke();
    };
    for (const [stroke, wide] of [[color("face"), 6], [color("ink"), 2.5]]) {
      c.beginPath();
      c.moveTo(centres[0], centres[1]);
      c.lineTo(centres[2], centres[3]);
      c.strokeStyle = stroke;
      c.lineWidth = wide;
      c.stroke();
    }
    disc(centres[0], centres[1], 6.5, d.colors.image);
    disc(centres[2], centres[3], 6.5, d.colors.text);
    if (chosen >= 0) {
      const [a, b] = [onScreen(4 * chosen), onScreen(4 * chosen + 2)];
      c.beginPath();
      c.moveTo(...a);
      c.lineTo(...b);
      c.strokeStyle = color("accent");
      c.lineWidth = 2;
      c.stroke();
      for (const [at, fill] of [[a, d.colors.image], [b, d.colors.text]]) {
        c.beginPath();
        c.arc(...at, 5, 0, 7);
        c.fillStyle = fill;
        c.fill();
        c.strokeStyle = color("accent");
        c.stroke();
      }
    }
  });

  // --- the right picture: the loss along the shift, the marker on it, its minimum
  const box = { left: 54, right: 16, top: 14, bottom: 40 };
  const landscapeView = sharpCanvas(root, landscape, (c, width, height) => {
    const mean = curves[0].map((value, k) => (value + curves[1][k]) / 2);
    const all = [...curves[0], ...curves[1]];
    const bottom = Math.min(...all, numbers.loss);
    const top = Math.max(...all, numbers.loss);
    const room = (top - bottom || 1) * 0.06;
    const x = (shift) => box.left + ((shift - low) / (high - low)) * (width - box.left - box.right);
    const y = (loss) => height - box.bottom - ((loss - bottom + room) / (top - bottom + 2 * room)) * (height - box.top - box.bottom);
    c.font = FONT;
    c.lineWidth = 1;
    const rule = (x0, y0, x1, y1, stroke, dash = []) => {
      c.setLineDash(dash);
      c.beginPath();
      c.moveTo(x0, y0);
      c.lineTo(x1, y1);
      c.strokeStyle = stroke;
      c.stroke();
      c.setLineDash([]);
    };
    c.textAlign = "right";
    c.fillStyle = color("soft");
    for (const tick of ticks(bottom, top, 5)) {
      rule(box.left, y(tick), width - box.right, y(tick), color("line"));
      c.fillText(String(tick), box.left - 8, y(tick) + 4);
    }
    c.textAlign = "center";
    for (const tick of ticks(low, high, width < 300 ? 3 : 5)) {
      c.fillText(words(tick, 1), x(tick), height - box.bottom + 17);
      c.fillText(words(engine.gap(tick), 2), x(tick), height - box.bottom + 32);
    }
    c.textAlign = "left";
    c.fillText("shift", 0, height - box.bottom + 17);
    c.fillText("gap", 0, height - box.bottom + 32);
    for (const [shift, words] of [[0, "as trained"], [closed, "closed"]]) {
      rule(x(shift), box.top, x(shift), height - box.bottom, color("soft"), [3, 4]);
      c.textAlign = shift ? "left" : "right";
      c.fillText(words, x(shift) + (shift ? 4 : -4), box.top + 4);
    }
    const trace = (line, stroke, wide, dash = []) => {
      c.setLineDash(dash);
      c.beginPath();
      for (let k = 0; k < line.length; k++) c.lineTo(x(engine.curveShift(k)), y(line[k]));
      c.strokeStyle = stroke;
      c.lineWidth = wide;
      c.lineJoin = "round";
      c.stroke();
      c.setLineDash([]);
    };
    trace(curves[0], d.colors.image, 1.2, [5, 3]);
    trace(curves[1], d.colors.text, 1.2, [5, 3]);
    trace(mean, color("ink"), 2.2);
    // The lowest point: a triangle from below, so that the marker can stand on it too.
    const [mx, my] = [x(best.shift), y(best.value)];
    c.beginPath();
    c.moveTo(mx, my + 3);
    c.lineTo(mx - 6, my + 13);
    c.lineTo(mx + 6, my + 13);
    c.closePath();
    c.fillStyle = color("ink");
    c.fill();
    c.beginPath();
    c.arc(x(model.get("shift")), y(numbers.loss), 7, 0, 7);
    c.fillStyle = color("accent");
    c.fill();
    c.lineWidth = 2;
    c.strokeStyle = color("face");
    c.stroke();
  });

  // --- moving
  const stillness = matchMedia("(prefers-reduced-motion: reduce)");
  let frame = 0;
  let flight = 0;
  let announcement = 0;

  function set(name, value) {
    model.set(name, value);
    model.save_changes();
  }
  function move(shift) {
    cancelAnimationFrame(flight);
    set("shift", shift);
  }
  /** Go to a shift in half a second, so that the eye can follow; at once if the reader wants no motion. */
  function glide(target) {
    cancelAnimationFrame(flight);
    const start = model.get("shift");
    if (stillness.matches) return set("shift", target);
    const from = performance.now();
    const step = (now) => {
      const t = Math.min(Math.max((now - from) / 600, 0), 1);
      set("shift", t < 1 ? start + (target - start) * t * t * (3 - 2 * t) : target);
      if (t < 1) flight = requestAnimationFrame(step);
    };
    flight = requestAnimationFrame(step);
  }
  function choose(pair) {
    chosen = pair;
    pairSlider.show(pair + 1, pair < 0 ? "none" : `${pair + 1} of ${n}`);
    describePair();
    scatterView.redraw();
  }

  const thumb = (i) => {
    if (!d.thumbnails) return "";
    const { columns } = d.thumbnails;
    const place = make("span", { class: "mgap-thumb", role: "img", "aria-label": `picture ${i + 1}` });
    place.style.background = `url(${atlas}) ${-(i % columns) * 48}px ${-Math.floor(i / columns) * 48}px / ${columns * 48}px auto`;
    return place;
  };
  const atlas = d.thumbnails && URL.createObjectURL(new Blob([d.thumbnails.png], { type: "image/png" }));
  if (atlas) ends.push(() => URL.revokeObjectURL(atlas));
  const named = (i) => (d.captions ? `${i + 1} “${d.captions[i]}”` : String(i + 1));

  function describePair() {
    if (chosen < 0) {
      pairWords.textContent = "Point at the left picture, or move the slider: a pair and its nearest neighbours.";
      return;
    }
    const shift = model.get("shift");
    const nearest = (cosine) => [...Array(n).keys()].sort((a, b) => cosine(b) - cosine(a)).slice(0, 3);
    const texts = nearest((j) => engine.cosine(chosen, j, shift));
    const images = nearest((i) => engine.cosine(i, chosen, shift));
    const own = words(engine.cosine(chosen, chosen, shift), 3);
    pairWords.replaceChildren(
      make("p", {}, thumb(chosen), `Pair ${named(chosen)}, cosine ${own}.`),
      make("p", {}, `Nearest texts of its image: ${texts.map(named).join(" · ")}.`),
      make("p", {}, ...(d.thumbnails ? images.map(thumb) : []), `Nearest images of its text: ${images.map(named).join(" · ")}.`),
    );
  }

  function sentence() {
    const [shift, tau] = [model.get("shift"), Number(model.get("tau").toPrecision(3))];
    const place =
      Math.abs(shift) < 0.005 ? "As trained" : Math.abs(shift - closed) < 0.006 ? "Closed" : `Shifted by ${words(shift, 2)}`;
    const found = (100 * numbers.recall_image_to_text).toFixed(1);
    const lowest =
      Math.abs(best.shift - shift) < 0.015
        ? `At temperature ${tau} no other shift has a lower loss.`
        : `At temperature ${tau} the loss is lowest at shift ${words(best.shift, 2)}, a gap of ${words(engine.gap(best.shift), 2)}.`;
    return `${place}: the gap is ${words(numbers.gap, 2)}; ${found} % of the images find their text first among ${n}. ${lowest}`;
  }

  function refresh() {
    frame = 0;
    const started = performance.now();
    const [shift, tau] = [model.get("shift"), model.get("tau")];
    numbers = engine.metrics(shift, tau);
    engine.places(shift, places);
    if (tau !== refresh.tau) {
      refresh.tau = tau;
      curves = engine.curve(tau);
      best = lowest(
        curves[0].map((value, k) => (value + curves[1][k]) / 2),
        engine.curveShift,
      );
      const trained = engine.metrics(0, tau);
      for (const [name, place] of before) place.textContent = words(trained[name], 3);
    }
    for (const [name, place] of shown) {
      place.textContent = words(numbers[name], 3);
      place.dataset.value = numbers[name];
    }
    shiftSlider.show(stopAt(shift), words(shift, 2));
    tauSlider.show(tauStop(tau), String(Number(tau.toPrecision(3))));
    model.set("metrics", numbers);
    model.save_changes();
    describePair();
    scatterView.redraw();
    landscapeView.redraw();
    scatter.setAttribute("aria-label", `${n} images and ${n} texts as points; their centroids are ${numbers.gap.toFixed(3)} apart`);
    landscape.setAttribute(
      "aria-label",
      `The loss from shift ${low} to ${high}: ${numbers.loss.toFixed(3)} here, lowest ${words(best.value, 3)} at shift ${words(best.shift, 2)}`,
    );
    performance.clearMeasures("mgap-explorer"); // the browser's own record, for whoever times it: the last one
    performance.measure("mgap-explorer", { start: started, end: performance.now() });
    // Said once the reader has stopped, not at every step.
    clearTimeout(announcement);
    announcement = setTimeout(() => (status.textContent = sentence()), status.textContent ? 400 : 0);
  }
  const schedule = () => (frame ||= requestAnimationFrame(refresh));

  // --- pointing: the left picture picks a pair, the right one drags the shift
  function pick(event) {
    const area = scatter.getBoundingClientRect();
    const at = [event.clientX - area.left, event.clientY - area.top];
    let [nearest, distance] = [-1, 18];
    for (let k = 0; k < 2 * n; k++) {
      const [x, y] = onScreen(2 * k);
      const r = Math.hypot(x - at[0], y - at[1]);
      if (r < distance) [nearest, distance] = [k >> 1, r];
    }
    if (nearest >= 0 && nearest !== chosen) choose(nearest);
  }
  scatter.addEventListener("pointermove", pick);
  scatter.addEventListener("pointerdown", pick);
  function drag(event) {
    if (!event.buttons) return;
    const area = landscape.getBoundingClientRect();
    const share = (event.clientX - area.left - box.left) / (area.width - box.left - box.right);
    move(shiftAt(Math.round(Math.min(Math.max(share, 0), 1) * (d.stops - 1))));
  }
  landscape.addEventListener("pointerdown", (event) => {
    landscape.setPointerCapture(event.pointerId);
    drag(event);
  });
  landscape.addEventListener("pointermove", drag);

  for (const name of ["shift", "tau"]) model.on(`change:${name}`, schedule);
  ends.push(() => {
    for (const name of ["shift", "tau"]) model.off(`change:${name}`, schedule);
    cancelAnimationFrame(frame);
    cancelAnimationFrame(flight);
    clearTimeout(announcement);
    scatterView.end();
    landscapeView.end();
  });
  pairSlider.show(0, "none");
  refresh();
}

export default { render: guarded(render) };
