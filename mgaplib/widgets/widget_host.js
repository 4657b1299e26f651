// Brings the anywidgets of a built page to life, with no kernel, no RequireJS and no other host.
//
// The notebook's widget state stands in the page as JSON, and a script marks each place where a widget was
// shown. This module gives every such place a model and calls the widget's own `initialize` and `render`.

const KIND = "application/vnd.jupyter.widget-";
const scripts = (kind) => [...document.querySelectorAll(`script[type="${KIND}${kind}+json"]`)];

/** Put a model's binary values, which travel beside its state as base64, back in their places. */
function withBuffers({ state, buffers = [] }) {
  for (const { path, encoding, data } of buffers) {
    if (encoding !== "base64") throw new Error(`binary data come as ${encoding}, not as base64`);
    const text = atob(data);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    const place = path.slice(0, -1).reduce((at, key) => (at[key] ??= {}), state);
    place[path.at(-1)] = new DataView(bytes.buffer);
  }
  return state;
}

/** What a widget sees of its model: the part of anywidget's contract that needs no kernel. */
class Model {
  #state;
  #listeners = new Map();

  constructor(state) {
    this.#state = state;
  }

  get(key) {
    return this.#state[key];
  }

  set(key, value) {
    if (Object.is(this.#state[key], value)) return;
    this.#state[key] = value;
    this.#emit(`change:${key}`, value);
    this.#emit("change");
  }

  on(events, callback) {
    for (const event of events.split(/\s+/)) {
      if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
      this.#listeners.get(event).add(callback);
    }
  }

  off(events, callback) {
    if (!events) this.#listeners.clear();
    for (const event of events?.split(/\s+/) ?? []) {
      if (callback) this.#listeners.get(event)?.delete(callback);
      else this.#listeners.delete(event);
    }
  }

  save_changes() {} // there is no kernel to tell

  send() {} // nor to talk to

  #emit(event, value) {
    for (const callback of [...(this.#listeners.get(event) ?? [])]) callback(this, value);
  }
}

const modules = new Map(); // a widget's source -> its module, once for all widgets of a kind
const styles = new Set();

function load(source) {
  if (!modules.has(source)) {
    const url = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    modules.set(source, import(url).finally(() => URL.revokeObjectURL(url)));
  }
  return modules.get(source);
}

function addStyle(css) {
  if (!css || styles.has(css)) return;
  styles.add(css);
  document.head.append(Object.assign(document.createElement("style"), { textContent: css }));
}

const saved = new Map(); // model id -> what the notebook saved
const started = new Map(); // model id -> promise of { model, widget, end, views }
const live = new Map(); // element -> its clean-up

/** Initialise a model once, however many times it is shown. */
function start(id) {
  if (!started.has(id)) {
    const begin = async () => {
      const entry = saved.get(id);
      if (!entry) throw new Error("the page holds no state for it");
      if (entry.model_module !== "anywidget") throw new Error("it needs a running kernel; run this chapter to use it");
      const state = withBuffers(entry);
      if (!state._esm) throw new Error("its code is missing");
      const { default: exported } = await load(state._esm);
      const widget = typeof exported === "function" ? await exported() : exported;
      const model = new Model(state);
      addStyle(state._css);
      return { model, widget, end: await widget.initialize?.({ model }), views: 0 };
    };
    started.set(id, begin());
  }
  return started.get(id);
}

async function show(script) {
  const el = document.createElement("div");
  el.className = "static-widget";
  script.after(el);
  try {
    const { model_id: id } = JSON.parse(script.textContent);
    const started = await start(id);
    const end = await started.widget.render?.({ model: started.model, el });
    started.views += 1;
    live.set(el, async () => {
      await end?.();
      started.views -= 1;
      if (!started.views) await started.end?.();
    });
    if (el.nextElementSibling?.matches(".widget-picture")) el.nextElementSibling.remove();
  } catch (error) {
    el.setAttribute("role", "alert");
    el.textContent = `This widget cannot be shown: ${error?.message ?? error}.`;
    console.error(error);
  }
}

for (const script of scripts("state")) {
  for (const [id, entry] of Object.entries(JSON.parse(script.textContent).state)) saved.set(id, entry);
}
for (const script of scripts("view")) show(script);

// A widget that leaves the page cleans up after itself.
new MutationObserver(() => {
  for (const [el, end] of live) {
    if (el.isConnected) continue;
    live.delete(el);
    end();
  }
}).observe(document.body, { childList: true, subtree: true });
