// The settings of a page's explorers in its address: #anchor&gap.shift=0.5&gap.tau=0.01&sphere.elevation=53.
// Each explorer reads and writes its own settings and leaves the anchor and the others as they are.
import { oncePerFrame } from "./shared.js";

const PART = /^([\w-]+)\.(\w+)=(.*)$/;

/**
 * @param {string} hash of an address, with its #
 * @returns {{ anchor: string, states: Record<string, Record<string, string>> }} what it says, by explorer and setting
 */
export function readHash(hash) {
  const states = Object.create(null); // whatever the address calls them
  const rest = [];
  for (const part of hash.replace(/^#/, "").split("&")) {
    const [, key, name, text] = part.match(PART) ?? [];
    if (key) (states[key] ??= Object.create(null))[name] = unescaped(text);
    else if (part) rest.push(part);
  }
  return { anchor: rest.join("&"), states };
}

const unescaped = (text) => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % is no reason to show no widget
  }
};

/** Write what `readHash` reads. */
export function writeHash({ anchor, states }) {
  const parts = Object.entries(states).flatMap(([key, state]) =>
    Object.entries(state).map(([name, value]) => `${key}.${name}=${encodeURIComponent(value)}`),
  );
  const all = [anchor, ...parts].filter(Boolean);
  return all.length ? `#${all.join("&")}` : "";
}

/** How settings are read from text; undefined is what makes no sense. */
export const between = (low, high) => (text) => {
  const value = text.trim() === "" ? NaN : Number(text);
  return value >= low && value <= high ? value : undefined;
};
export const oneOf = (...values) => (text) => values.find((value) => String(value) === text);
export const yesOrNo = oneOf(true, false);

const addressKeys = new WeakMap(); // model -> its explorer's name in the address

/** The name of an explorer on this page: its own, or its kind's, with a number where it is not the first. */
function keyOf(model, kind) {
  if (!addressKeys.has(model)) {
    const taken = new Set([...document.querySelectorAll(".mgap[data-address]")].map((root) => root.dataset.address));
    const name = model.get("name") || kind;
    let key = name;
    for (let k = 2; taken.has(key); k++) key = `${name}-${k}`;
    addressKeys.set(model, key);
  }
  return addressKeys.get(model);
}

/**
 * Keep an explorer's settings in the page's address, in the book's own pages; elsewhere the address is not ours.
 * @param {object} model
 * @param {HTMLElement} root
 * @param {string} kind what explorers of this kind are called in an address
 * @param {Record<string, (text: string) => unknown>} settings how each is read
 * @returns {() => void} what ends it
 */
export function keepInAddress(model, root, kind, settings) {
  if (!root.closest(".static-widget")) return () => {};
  const key = keyOf(model, kind);
  root.dataset.address = key;
  const names = Object.keys(settings);
  const start = Object.fromEntries(names.map((name) => [name, model.get(name)]));

  function read() {
    const said = readHash(location.hash).states[key] ?? {};
    for (const name of names) {
      // What is not said beside what is, is as it was at first: so one address always shows one thing.
      const value = name in said ? settings[name](said[name]) : Object.keys(said).length ? start[name] : undefined;
      if (value !== undefined) model.set(name, value);
    }
    model.save_changes();
    return Object.keys(said).length > 0;
  }
  let waiting = 0;
  function write() {
    const address = readHash(location.hash);
    address.states[key] = {}; // what is as it was at first is not said
    for (const name of names) {
      const value = model.get(name);
      if (value !== start[name]) address.states[key][name] = typeof value === "number" ? Number(value.toPrecision(6)) : value;
    }
    const { pathname, search } = location;
    history.replaceState(history.state, "", pathname + search + writeHash(address));
  }
  const soon = () => {
    clearTimeout(waiting);
    waiting = setTimeout(write, 250);
  };
  const arrive = () => {
    const { anchor, states } = readHash(location.hash);
    const place = anchor ? document.getElementById(anchor) : Object.keys(states)[0] === key && root;
    if (place) place.scrollIntoView();
  };
  const moved = () => {
    if (read()) arrive();
  };
  const cameBack = ["reload", "back_forward"].includes(performance.getEntriesByType("navigation")[0]?.type);
  if (read() && !cameBack) {
    if (document.readyState === "complete") requestAnimationFrame(arrive);
    else addEventListener("load", arrive, { once: true });
  }
  for (const name of names) model.on(`change:${name}`, soon);
  addEventListener("hashchange", moved);
  return () => {
    clearTimeout(waiting);
    for (const name of names) model.off(`change:${name}`, soon);
    removeEventListener("hashchange", moved);
  };
}

/**
 * Show a widget now and whenever one of its settings changes, once a frame, and keep them in the address.
 * @param {object} model
 * @param {HTMLElement} root
 * @param {string} kind
 * @param {Record<string, (text: string) => unknown>} settings as in `keepInAddress`
 * @param {() => void} refresh
 * @returns {{ schedule: () => void, end: () => void }}
 */
export function redrawing(model, root, kind, settings, refresh) {
  const drawing = oncePerFrame(refresh);
  const events = Object.keys(settings).map((name) => `change:${name}`).join(" ");
  model.on(events, drawing.schedule);
  refresh();
  const forget = keepInAddress(model, root, kind, settings);
  return {
    schedule: drawing.schedule,
    end() {
      model.off(events, drawing.schedule);
      forget();
      drawing.end();
    },
  };
}
