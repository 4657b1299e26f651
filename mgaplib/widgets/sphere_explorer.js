// The SphereExplorer: six pairs on a globe that can be turned, two captions swapped, and the loss of lifting the texts.
// Six points need no tables: every number is computed in the browser.
import { between, redrawing, yesOrNo } from "./address.js";
import { chart, disc, dragAcross, dragOver, lowestPoint, mark, palette, rule, sharpCanvas } from "./canvas.js";
import { lossAxis } from "./landscape_engine.js";
import { nearestStop, words } from "./numbers.js";
import { FONT, button, dot, guarded, make, panel, sayer, setAll, slider, tileList, toggle, tryButtons, tween } from "./shared.js";
import { DEGREE, STEPS, measureSphere, point } from "./sphere_engine.js";

function render({ model, root, ends }) {
  const d = model.get("data");
  if (!(d?.taus?.length && Number.isFinite(d.spacing))) throw new Error("the data lack taus or spacing");
  root.classList.add("mgap-sphere");
  const color = palette(root);
  const front = { yaw: 1.5 * d.spacing, pitch: 20 }; // degrees; the middle of the six faces the reader
  const view = { ...front };
  let state;
  let stop = () => {};

  const tauStop = (tau) => nearestStop(d.taus, tau, Math.log);
  const lift = (elevation) => {
    stop();
    setAll(model, { elevation });
  };

  // --- the parts
  const elevationSlider = slider({
    label: "Texts off the equator Δθ",
    hint: "in degrees; the images stay on it",
    stops: STEPS + 1,
    onInput: (at) => lift(at - 90),
  });
  const tauSlider = slider({
    label: "Temperature τ",
    hint: "of the loss; CLIP ends its training at 1/100",
    stops: d.taus.length,
    onInput: (at) => setAll(model, { tau: d.taus[at] }),
  });
  const swapped = toggle("swap the captions of pairs 1 and 2", (mismatched) => setAll(model, { mismatched }));
  const zoom = toggle("zoom in on the loss", (zoom) => setAll(model, { zoom }));
  const tries = tryButtons(model, ({ elevation = model.get("elevation"), ...others }) => {
    setAll(model, others);
    glide(elevation);
  });
  const glide = (target) => {
    stop();
    stop = tween(model.get("elevation"), target, (value) => setAll(model, { elevation: value }));
  };
  const globe = make("canvas", { tabindex: 0, role: "application", "aria-roledescription": "globe that arrow keys turn" });
  const landscape = make("canvas", { role: "img" });
  const speaker = sayer();
  const tiles = tileList([
    ["gap", "Gap", 3],
    ["loss", "Loss", 4],
    ["best_elevation", "Lowest loss at ±", 0, "°"],
    ["best_loss", "Lowest loss", 4],
  ]);
  const answer = panel(landscape, "Loss at every Δθ", ["▲ lowest; drag to lift the texts"]);
  answer.classList.add("mgap-first");
  root.append(
    make("div", { class: "mgap-controls" }, elevationSlider.row, tauSlider.row),
    make(
      "div",
      { class: "mgap-buttons" },
      swapped.label,
      button("On the equator", () => glide(0)),
      button("Lowest loss", () => glide((model.get("elevation") < 0 ? -1 : 1) * state.numbers.best_elevation)),
      button("Face the pairs", () => {
        Object.assign(view, front);
        globeView.redraw();
      }),
      zoom.label,
    ),
    ...tries.elements,
    ...speaker.elements,
    make(
      "div",
      { class: "mgap-panels" },
      panel(globe, "Six pairs on a sphere", [
        make("span", {}, dot(d.colors.image), "images, ", dot(d.colors.text, 1), "texts; drag or use the arrow keys to turn it"),
      ]),
      answer,
    ),
    tiles.element,
  );

  // --- the globe: seen from afar, the near half drawn over the far one
  const globeView = sharpCanvas(root, globe, (c, width, height) => {
    const radius = Math.min(width, height) / 2 - 18;
    const [yaw, pitch] = [view.yaw * DEGREE, view.pitch * DEGREE];
    /** Where a point of the sphere is seen: right, up and towards the reader. */
    const seen = ([x, y, z]) => {
      const right = -x * Math.sin(yaw) + y * Math.cos(yaw);
      const out = x * Math.cos(yaw) + y * Math.sin(yaw);
      const up = z * Math.cos(pitch) - out * Math.sin(pitch);
      return [width / 2 + radius * right, height / 2 - radius * up, out * Math.cos(pitch) + z * Math.sin(pitch)];
    };
    disc(c, width / 2, height / 2, radius, color("card"), color("line"));
    const circle = (at, strong) => {
      for (const near of [false, true]) {
        c.beginPath();
        let drawing = false;
        for (let k = 0; k <= 72; k++) {
          const [x, y, depth] = seen(at(5 * k * DEGREE));
          if (depth >= 0 === near) drawing ? c.lineTo(x, y) : c.moveTo(x, y);
          drawing = depth >= 0 === near;
        }
        c.strokeStyle = strong ? color("soft") : color("line");
        c.globalAlpha = near ? 1 : 0.35;
        c.lineWidth = strong ? 1.4 : 0.8;
        c.stroke();
      }
      c.globalAlpha = 1;
    };
    for (const latitude of [-60, -30, 30, 60]) circle((a) => point(latitude * DEGREE, a), false);
    for (let longitude = 0; longitude < 180; longitude += 30) circle((a) => point(a, longitude * DEGREE), false);
    circle((a) => point(0, a), true);
    const elevation = model.get("elevation") * DEGREE;
    const images = state.images.map((a) => seen(point(0, a)));
    const texts = state.texts.map((b) => seen(point(elevation, b)));
    for (const k of images.keys()) {
      const crossed = k < 2 && model.get("mismatched");
      const [wide, stroke] = crossed ? [2.5, color("ink")] : [1.2, color("soft")];
      rule(c, images[k][0], images[k][1], texts[k][0], texts[k][1], stroke, { wide });
    }
    c.font = FONT;
    c.textAlign = "center";
    const balls = [
      ...images.map((at, k) => ({ at, k, kind: 0, radius: 7, fill: d.colors.image, below: -12 })),
      ...texts.map((at, k) => ({ at, k, kind: 1, radius: 5, fill: d.colors.text, below: 20 })),
    ].sort((a, b) => a.at[2] - b.at[2]);
    for (const { at, kind, radius: size, fill } of balls) {
      c.globalAlpha = at[2] < 0 ? 0.35 : 1;
      mark(c, kind, at[0], at[1], size, fill, color("face"));
    }
    c.fillStyle = color("ink");
    const numbered = []; // at a pole numbers would lie upon each other: the one nearest to the reader stays
    for (const { at, k, below } of balls.reverse()) {
      const place = [at[0], at[1] + (elevation > 0 ? 8 - below : below)];
      if (numbered.some(([x, y]) => Math.hypot(x - place[0], y - place[1]) < 8.5)) continue;
      numbered.push(place);
      c.globalAlpha = at[2] < 0 ? 0.35 : 1;
      c.fillText(String(k + 1), ...place);
    }
    c.globalAlpha = 1;
  });

  function turn(right, up) {
    view.yaw = (view.yaw - right + 360) % 360;
    view.pitch = Math.min(Math.max(view.pitch + up, -90), 90);
    globeView.redraw();
    describeGlobe();
  }
  globe.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-5, 0], ArrowRight: [5, 0], ArrowUp: [0, -5], ArrowDown: [0, 5] }[event.key];
    if (!by) return;
    event.preventDefault();
    turn(...by);
  });
  dragOver(globe, (event) => turn(event.movementX * 0.5, event.movementY * 0.5));

  // --- the loss of lifting the texts, the marker on it, its minima
  const box = { left: 46, right: 14, top: 12, bottom: 26 };
  const landscapeView = sharpCanvas(root, landscape, (c, width, height) => {
    const { curve, numbers } = state;
    const up = lossAxis(6, model.get("zoom"), curve);
    const { x, y, within, line } = chart(c, { box, width, height, across: [-90, 90], up, many: 5, color });
    c.textAlign = "center";
    for (const tick of [-90, -45, 0, 45, 90]) c.fillText(`${words(tick, 0)}°`, Math.min(x(tick), width - 12), height - 6);
    const guess = Math.log(6);
    if (guess > up[0] && guess < up[1]) {
      rule(c, box.left, y(guess), width - box.right, y(guess), color("ink"), { dash: [1, 4] });
      c.textAlign = "left";
      c.fillText("a blind guess", box.left + 4, y(guess) - 4);
    }
    if (model.get("zoom")) {
      c.textAlign = "left";
      c.fillText(`zoomed in: ${words(up[1] - up[0], 2)} nats`, box.left + 4, box.top + 8);
    }
    rule(c, x(0), box.top, x(0), height - box.bottom, color("soft"), { dash: [3, 4] });
    line(curve, (k) => k - 90, color("ink"));
    for (const side of numbers.best_elevation ? [-1, 1] : [1]) {
      lowestPoint(c, x(side * numbers.best_elevation), within(numbers.best_loss), color("ink"));
    }
    disc(c, x(model.get("elevation")), within(numbers.loss), 7, color("accent"), color("face"));
  });
  dragAcross(landscape, box, (share) => lift(Math.round(share * STEPS) - 90));

  // --- what is said of it
  const named = (tau) => (Math.abs(1 / tau - Math.round(1 / tau)) < 1e-6 * (1 / tau) && tau < 1 ? `1/${Math.round(1 / tau)}` : String(tau));
  function sentence() {
    const { best_elevation: best, best_loss: least, loss } = state.numbers;
    const captions = model.get("mismatched") ? "Two captions are swapped" : "All captions are right";
    const lowest = best
      ? `The loss is lowest, ${words(least, 3)}, with the texts ${best}° off the equator, on either side: a gap pays.`
      : `The loss is lowest, ${words(least, 3)}, with the texts on the equator: no gap.`;
    return `${captions}; the temperature is ${named(model.get("tau"))}. Here the loss is ${words(loss, 3)}. ${lowest}`;
  }
  function describeGlobe() {
    const lifted = words(model.get("elevation"), 0);
    globe.setAttribute(
      "aria-label",
      `Six images on the equator of a globe and their texts ${lifted} degrees off it, seen from longitude ${Math.round(view.yaw)}, latitude ${Math.round(view.pitch)}`,
    );
  }
  function refresh() {
    const [elevation, tau, mismatched] = ["elevation", "tau", "mismatched"].map((name) => model.get(name));
    state = measureSphere(d.spacing, elevation, tau, mismatched);
    tiles.show(state.numbers);
    elevationSlider.show(Math.round(elevation) + 90, `${words(elevation, 0)}°`);
    tauSlider.show(tauStop(tau), named(tau));
    swapped.show(mismatched);
    zoom.show(model.get("zoom"));
    tries.show();
    setAll(model, { metrics: state.numbers });
    globeView.redraw();
    landscapeView.redraw();
    describeGlobe();
    landscape.setAttribute(
      "aria-label",
      `The loss from -90 to 90 degrees: ${words(state.numbers.loss, 3)} here, lowest ${words(state.numbers.best_loss, 3)} at ${state.numbers.best_elevation} degrees`,
    );
    speaker.say(sentence());
  }
  const drawing = redrawing(model, root, "sphere", {
    elevation: between(-90, 90),
    tau: between(d.taus[0], d.taus.at(-1)),
    mismatched: yesOrNo,
    zoom: yesOrNo,
  }, refresh);
  ends.push(() => {
    stop();
    for (const part of [drawing, speaker, globeView, landscapeView]) part.end();
  });
}

export default { render: guarded(render) };
