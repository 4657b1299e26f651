// What every widget of the book shares: text-only elements, binary arrays, theme, sliders, tiles, motion.
// Python puts this file in front of each widget's own module.

const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Write a number with a true minus sign, and never as minus zero. */
const words = (number, digits) => number.toFixed(digits).replace("-", "−").replace(/^−(0\.?0*)$/, "$1");

/** Make an element; strings become text nodes, so nothing a reader supplies is ever read as HTML. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Read a binary trait as a typed array: it may arrive as a DataView at any offset, or as an ArrayBuffer. */
function typed(Type, value, length, name) {
  const view = value instanceof ArrayBuffer ? new DataView(value) : value;
  if (!(view?.buffer instanceof ArrayBuffer)) throw new Error(`the data lack ${name}`);
  const { buffer, byteOffset, byteLength } = view;
  if (byteLength !== length * Type.BYTES_PER_ELEMENT) {
    throw new Error(`${name} holds ${byteLength} bytes where ${length * Type.BYTES_PER_ELEMENT} were expected`);
  }
  return new Type(buffer.slice(byteOffset, byteOffset + byteLength));
}

/** Run a widget's render; whatever goes wrong is said where the widget would stand. */
function guarded(render) {
  return ({ model, el }) => {
    const root = make("div", { class: "mgap" });
    el.append(root);
    const ends = [followTheme(root)];
    try {
      render({ model, root, ends });
    } catch (error) {
      root.replaceChildren(make("p", { class: "mgap-error", role: "alert" }, `This widget cannot be shown: ${error.message}.`));
      console.error(error);
    }
    return () => {
      for (const end of ends.splice(0)) end();
      root.remove();
    };
  };
}

/** Tell whether the page around the widget is dark: the book, JupyterLab, VS Code and Colab each say it their way. */
function pageIsDark() {
  const { documentElement: html, body } = document;
  const said = html.dataset.theme ?? html.getAttribute("theme");
  if (said === "dark" || said === "light") return said === "dark";
  if (body.dataset.jpThemeLight) return body.dataset.jpThemeLight === "false";
  if (body.dataset.vscodeThemeKind) return body.dataset.vscodeThemeKind.includes("dark");
  return matchMedia("(prefers-color-scheme: dark)").matches;
}

/** Keep `data-theme` on the widget equal to the page's theme, and tell it of a change. */
function followTheme(root) {
  const update = () => {
    const theme = pageIsDark() ? "dark" : "light";
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    root.dispatchEvent(new Event("themechange"));
  };
  const watcher = new MutationObserver(update);
  const attributeFilter = ["data-theme", "theme", "data-jp-theme-light", "data-vscode-theme-kind"];
  for (const place of [document.documentElement, document.body]) {
    watcher.observe(place, { attributes: true, attributeFilter });
  }
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  scheme.addEventListener("change", update);
  update();
  return () => {
    watcher.disconnect();
    scheme.removeEventListener("change", update);
  };
}

let serial = 0;

/** A labelled slider over numbered stops; `show` puts it somewhere and says what that means. */
function slider({ label, hint, stops, onInput }) {
  const id = `mgap-${Date.now().toString(36)}-${serial++}`;
  const input = make("input", { type: "range", id, min: 0, max: stops - 1, step: 1 });
  const shown = make("span", { class: "mgap-value", "aria-hidden": "true" }); // the slider itself says it aloud
  const row = make("div", { class: "mgap-slider" }, make("label", { for: id }, label), shown, input);
  if (hint) {
    input.setAttribute("aria-describedby", `${id}-hint`);
    row.append(make("small", { id: `${id}-hint` }, hint));
  }
  input.addEventListener("input", () => onInput(Number(input.value)));
  return {
    row,
    show(stop, words) {
      input.value = stop;
      shown.textContent = words;
      input.setAttribute("aria-valuetext", words);
    },
  };
}

/** Cubic interpolation in a table over an even grid: four neighbouring values, exact on the grid. */
function interpolate(table, start, step, at) {
  const last = table.length - 1;
  const position = Math.min(Math.max((at - start) / step, 0), last);
  const base = Math.min(Math.max(Math.floor(position) - 1, 0), Math.max(last - 3, 0));
  const t = position - base;
  const [a, b, c, d] = [0, 1, 2, 3].map((k) => table[base + k]);
  return (
    (-a * (t - 1) * (t - 2) * (t - 3)) / 6 +
    (b * t * (t - 2) * (t - 3)) / 2 -
    (c * t * (t - 1) * (t - 3)) / 2 +
    (d * t * (t - 1) * (t - 2)) / 6
  );
}

/** A picture under its title, in one piece or several, and a line that says what is drawn. */
function panel(canvas, title, line) {
  return make("div", {}, make("p", { class: "mgap-title" }, ...[title].flat()), make("p", { class: "mgap-line" }, ...line), canvas);
}

/** A coloured dot, for the line under a picture's title. */
function dot(color) {
  return make("i", { class: "mgap-key", style: `background:${color}`, "aria-hidden": "true" });
}

/** The numbers of a widget, each under its title; `specs` holds name, title, digits and unit of each. */
function tileList(specs) {
  const shown = specs.map(([name]) => make("span", { "data-metric": name }));
  const tiles = specs.map(([, title], k) => make("div", {}, make("dt", {}, title), make("dd", {}, shown[k])));
  return {
    element: make("dl", { class: "mgap-numbers" }, ...tiles),
    show(numbers) {
      for (const [k, [name, , digits, unit = ""]] of specs.entries()) {
        shown[k].textContent = words(numbers[name], digits) + unit;
        shown[k].dataset.value = numbers[name];
      }
    },
  };
}

/** Lead from one number to another in about half a second; at once for a reader who wants no motion. */
function tween(from, to, apply) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    apply(to);
    return () => {};
  }
  const start = performance.now();
  let frame;
  const step = (now) => {
    const t = Math.min(Math.max((now - start) / 600, 0), 1);
    apply(t < 1 ? from + (to - from) * t * t * (3 - 2 * t) : to);
    if (t < 1) frame = requestAnimationFrame(step);
  };
  frame = requestAnimationFrame(step);
  return () => cancelAnimationFrame(frame);
}

/** Call a function at most once a frame; `end` forgets what is still to come. */
function oncePerFrame(draw) {
  let frame = 0;
  const schedule = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  return { schedule, end: () => cancelAnimationFrame(frame) };
}

/** Say a sentence once the reader has stopped, not at every step. */
function announcer(place) {
  let waiting = 0;
  const say = (sentence) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => (place.textContent = sentence), place.textContent ? 400 : 0);
  };
  return { say, end: () => clearTimeout(waiting) };
}
