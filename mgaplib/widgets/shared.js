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
  return {
    row,
    show(stop, words) {
      input.value = stop;
      shown.textContent = words;
      input.setAttribute("aria-valuetext", words);
    },
  };
}

/** A box to tick, with its words. */
export function toggle(words, onChange) {
  const input = make("input", { type: "checkbox" });
  input.addEventListener("change", () => onChange(input.checked));
  return { label: make("label", { class: "mgap-toggle" }, input, words), show: (on) => (input.checked = on) };
}

/**
 * Things to try: buttons that set the widget; `show` marks the one whose settings are the present ones.
 * @param {object} model
 * @param {(state: Record<string, unknown>) => void} go sets some settings
 */
export function tryButtons(model, go) {
  const tries = model.get("tries") ?? [];
  const buttons = tries.map(({ label, state }) => {
    const button = make("button", { type: "button", class: "mgap-try" }, label);
    button.addEventListener("click", () => go(state));
    return button;
  });
  const isNow = ([name, value]) => (typeof value === "number" ? Math.abs(model.get(name) - value) < 1e-6 : model.get(name) === value);
  return {
    elements: buttons.length ? [make("div", { class: "mgap-buttons", role: "group", "aria-label": "Things to try" }, ...buttons)] : [],
    show() {
      for (const [k, { state }] of tries.entries()) buttons[k].setAttribute("aria-pressed", Object.entries(state).every(isNow));
    },
  };
}

/** A picture under its title, in one piece or several, and a line that says what is drawn. */
export function panel(canvas, title, line) {
  return make("div", {}, make("p", { class: "mgap-title" }, ...[title].flat()), make("p", { class: "mgap-line" }, ...line), canvas);
}

/** A coloured dot, for the line under a picture's title. */
export function dot(color) {
  return make("i", { class: "mgap-key", style: `background:${color}`, "aria-hidden": "true" });
}

/**
 * Small pictures that came as one file: `show(i, says)` makes an element of the i-th; without any, it makes none.
 * @param {{ count: number, columns: number, size: number, webp: DataView } | undefined} sprite
 * @param {(() => void)[]} ends
 */
export function pictures(sprite, ends) {
  if (!sprite) return null;
  const { count, columns, size, webp } = sprite;
  const url = URL.createObjectURL(new Blob([webp], { type: "image/webp" }));
  ends.push(() => URL.revokeObjectURL(url));
  return (i, says) => {
    const place = make("span", { class: "mgap-thumb", role: "img", "aria-label": says });
    const [column, row] = [i % columns, Math.floor(i / columns)];
    const share = (at, of) => `${of > 1 ? (100 * at) / (of - 1) : 0}%`;
    place.style.backgroundImage = `url(${url})`;
    place.style.backgroundSize = `${100 * columns}% auto`;
    place.style.backgroundPosition = `${share(column, columns)} ${share(row, Math.ceil(count / columns))}`;
    if (size < 40) place.style.imageRendering = "pixelated";
    return place;
  };
}

/** A caption as far as it has room: a prompt may run on for ten lines. */
export const shortened = (text) => (text.length > 90 ? `${text.slice(0, 88).trimEnd()}…` : text);

/** The pair that is looked at, of some image and some text: its picture, its caption, its cosine. */
export function askedOf({ picture, captions, pair, ends = [pair, pair], cosine }) {
  const caption = captions ? ` “${captions[ends[1]]}”` : "";
  return [make("p", { class: "mgap-asked" }, picture ? picture(ends[0], `picture ${ends[0] + 1}`) : "", `Pair ${pair + 1}${caption}, cosine ${cosine}.`)];
}

/**
 * What a search of moved pairs finds, for one pair: its picture's nearest captions, its caption's nearest pictures.
 * @param {object} of
 * @param {ReturnType<typeof import("./landscape_engine.js").movePairs>} of.moved the pairs, where they are now
 * @param {string[]} [of.captions]
 * @param {ReturnType<typeof pictures>} of.picture
 * @param {number} of.pair
 * @param {[number, number]} of.before the rank of its own caption, and of its own picture, as trained
 * @returns {[HTMLElement, HTMLElement]} the pair, and what it finds
 */
export function foundBy({ moved, captions, picture, pair, before }) {
  const { n, m, pairs, partners, several } = moved.belongs;
  const ends = pairs.map((side) => side[pair]);
  const side = (kind) => {
    const { nearest, cosines, rank } = moved.neighbours(kind, ends[kind], 3);
    const own = partners[kind][ends[kind]];
    const what = kind ? "picture" : "caption";
    const pictured = kind === 1 && picture;
    const named = (i) => (captions && !(several && kind) ? `“${shortened(captions[i])}”` : `${several ? what : "pair"} ${i + 1}`);
    const shown = nearest.map((i) => {
      const mine = own.includes(i);
      const cosine = make("small", {}, `${mine ? "✓ its own, " : ""}${words(cosines[i], 3)}`);
      return make("li", mine ? { class: "mgap-own" } : {}, pictured ? picture(i, `picture ${i + 1}`) : named(i), " ", cosine);
    });
    const finds = picture ? "Its caption finds" : "Its caption finds the pictures of";
    const place = rank === before[kind] ? "as trained" : `it was ${before[kind]} as trained`;
    const ranks = own.length > 1 ? `The best of its own ${own.length} ${what}s ranks` : `Its own ${what} ranks`;
    return make(
      "div",
      {},
      make("p", { class: "mgap-title" }, kind ? finds : "Its picture finds"),
      make("ol", pictured ? { class: "mgap-row" } : {}, ...shown),
      make("p", { class: "mgap-line" }, `${ranks} ${rank} of ${kind ? n : m}; ${place}.`),
    );
  };
  const asked = askedOf({ picture, captions, pair, ends, cosine: words(moved.cosine(...ends), 3) });
  return [...asked, make("div", { class: "mgap-found" }, side(0), side(1))];
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
 * A sentence for the eye, which goes with every frame, and the same for the ear, which waits until the reader has
 * stopped.
 */
export function sayer() {
  const seen = make("p", { class: "mgap-status", "aria-hidden": "true" }); // or it would be read out twice
  const heard = make("p", { class: "mgap-heard", role: "status" });
  let waiting = 0;
  const say = (sentence) => {
    seen.textContent = sentence;
    clearTimeout(waiting);
    waiting = setTimeout(() => (heard.textContent = sentence), heard.textContent ? 400 : 0);
  };
  return { elements: [seen, heard], say, end: () => clearTimeout(waiting) };
}
