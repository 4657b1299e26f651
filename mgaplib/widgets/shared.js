// What every widget of the book shares: text-only elements, theme, sliders, tiles, motion, what is said aloud.
import { words } from "./numbers.js";

export const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, sans-serif';

/** Make an element; strings become text nodes, so nothing a reader supplies is ever read as HTML. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === false) continue;
    element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children);
  return element;
}

/** Run a widget's render; whatever goes wrong is said where the widget would stand. */
export function guarded(render) {
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
export function slider({ label, hint, stops, onInput }) {
  const id = `mgap-${Date.now().toString(36)}-${serial++}`;
  const input = make("input", { type: "range", id, min: 0, max: stops - 1, step: 1 });
  const shown = make("span", { class: "mgap-value", "aria-hidden": "true" }); // the slider itself says it aloud
  const row = make("div", { class: "mgap-slider" }, make("label", { for: id }, label), shown, input);
  if (hint) {
    input.setAttribute("aria-describedby", `${id}-hint`);
    row.append(make("small", { id: `${id}-hint` }, hint));
  }
  input.addEventListener("input", () => onInput(Number(input.value)));
  let before; // where a finger came down
  input.addEventListener("pointerdown", () => (before = input.value));
  input.addEventListener("pointercancel", () => before !== undefined && onInput(Number(before))); // the page took the swipe
  return {
    row,
    show(stop, words) {
      input.value = stop;
      shown.textContent = words;
      input.setAttribute("aria-valuetext", words);
    },
  };
}

/** A button, and what pressing it does. */
export function button(label, act) {
  const element = make("button", { type: "button" }, label);
  element.addEventListener("click", act);
  return element;
}

/** Set some of a model's settings. */
export function setAll(model, values) {
  for (const [name, value] of Object.entries(values)) model.set(name, value);
  model.save_changes();
}

/** A box to tick, with its words. */
export function toggle(words, onChange) {
  const input = make("input", { type: "checkbox" });
  input.addEventListener("change", () => onChange(input.checked));
  return { label: make("label", { class: "mgap-toggle" }, input, words), show: (on) => (input.checked = on) };
}

/**
 * Things to try: buttons that set the widget; `show` marks those whose settings are the present ones, and says what the
 * last of them that was pressed shows.
 * @param {object} model
 * @param {(state: Record<string, unknown>) => void} go sets some settings
 */
export function tryButtons(model, go) {
  const tries = model.get("tries") ?? [];
  const said = make("p", { class: "mgap-tried", "aria-live": "polite" });
  let last = 0;
  const buttons = tries.map(({ label, state }, k) =>
    button(label, () => {
      last = k;
      go(state);
      show(); // even where nothing has moved
    }),
  );
  for (const element of buttons) element.className = "mgap-try";
  const isNow = ([name, value]) => (typeof value === "number" ? Math.abs(model.get(name) - value) < 1e-6 : model.get(name) === value);
  function show() {
    const now = tries.map(({ state }) => Object.entries(state).every(isNow));
    for (const [k, element] of buttons.entries()) element.setAttribute("aria-pressed", now[k]);
    const sentence = tries[now[last] ? last : now.indexOf(true)]?.sentence ?? "";
    if (said.textContent !== sentence) said.textContent = sentence;
  }
  return { elements: buttons.length ? [make("div", { class: "mgap-buttons", role: "group", "aria-label": "Things to try" }, ...buttons), said] : [], show };
}

/** A picture under its title, in one piece or several, and a line that says what is drawn. */
export function panel(canvas, title, line) {
  return make("div", {}, make("p", { class: "mgap-title" }, ...[title].flat()), make("p", { class: "mgap-line" }, ...line), canvas);
}

/** The mark of the images, a coloured disc, or of the texts, a triangle, for the line under a picture's title. */
export function dot(color, kind = 0) {
  return make("i", { class: kind ? "mgap-key mgap-of-texts" : "mgap-key", style: `background:${color}`, "aria-hidden": "true" });
}

/**
 * The numbers of a widget, each under its title.
 * @param {[name: string, title: string, digits: number | ((value: number) => string), unit?: string, parts?: [name: string, title: string][]][]} specs
 * `parts` are numbers that stand small below it
 */
export function tileList(specs) {
  const places = new Map();
  const place = (name) => {
    places.set(name, make("span", { "data-metric": name }));
    return places.get(name);
  };
  const trained = specs.map(() => make("span"));
  const tiles = specs.map(([name, title, , , parts = []], k) => {
    const small = parts.map(([part, label]) => make("small", {}, `${label} `, place(part)));
    return make("div", {}, make("dt", {}, title), make("dd", {}, place(name), make("small", { class: "mgap-trained", hidden: true }, "as trained ", trained[k]), ...small));
  });
  return {
    element: make("dl", { class: "mgap-numbers" }, ...tiles),
    /** Show the numbers, and below them those as trained where there are any. */
    show(numbers, before) {
      for (const [k, [name, , digits, unit = "", parts = []]] of specs.entries()) {
        const written = (value) => (typeof digits === "function" ? digits(value) : words(value, digits)) + unit;
        for (const shown of [name, ...parts.map(([part]) => part)]) {
          places.get(shown).textContent = written(numbers[shown]);
          places.get(shown).dataset.value = numbers[shown];
        }
        if (!before) continue;
        trained[k].textContent = written(before[name]);
        trained[k].parentElement.hidden = false;
      }
    },
  };
}

/** Lead from one number to another in about half a second; at once for a reader who wants no motion. */
export function tween(from, to, apply) {
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
export function oncePerFrame(draw) {
  let frame = 0;
  const schedule = () => {
    frame ||= requestAnimationFrame(() => {
      frame = 0;
      draw();
    });
  };
  return { schedule, end: () => cancelAnimationFrame(frame) };
}

/**
 * A sentence for the eye, which goes with every frame, and the same for the ear, which waits until the reader, or what
 * plays one picture after another, has stopped.
 */
export function sayer() {
  const seen = make("p", { class: "mgap-status", "aria-hidden": "true" }); // or it would be read out twice
  const heard = make("p", { class: "mgap-heard", role: "status" });
  let waiting = 0;
  const say = (sentence) => {
    seen.textContent = sentence;
    clearTimeout(waiting);
    waiting = setTimeout(() => (heard.textContent = sentence), heard.textContent ? 700 : 0);
  };
  return { elements: [seen, heard], say, end: () => clearTimeout(waiting) };
}
