// Called by scorecard.py: show the claims that the three choices leave, and keep the choices and the claim that is open in the
// address. Without this script the page shows every claim, and each still unfolds.
const form = document.querySelector("form.scorecard-filters");
const rows = [...document.querySelectorAll("details.mgap-row")];
const choices = [...form.querySelectorAll("select")];
const anchor = (row) => row.querySelector("[id]").id;
const cells = new Map([...document.querySelectorAll("[data-claim]")].map((cell) => [cell.dataset.claim, cell]));

function remember(hash = location.hash) {
  const chosen = new URLSearchParams(choices.filter(({ value }) => value).map(({ name, value }) => [name, value]));
  const query = chosen.size ? `?${chosen}` : location.pathname;
  history.replaceState(null, "", query + hash);
}

function show() {
  let shown = 0;
  for (const row of rows) {
    row.hidden = choices.some(({ name, value }) => value && row.dataset[name] !== value);
    cells.get(anchor(row)).parentElement.classList.toggle("mgap-out", row.hidden);
    shown += !row.hidden;
  }
  form.querySelector("output").value = `${shown} of ${rows.length} claims`;
}

// A claim that an address or a cell names is shown whatever the choices, and unfolds.
function unfold() {
  const row = rows.find((one) => `#${anchor(one)}` === location.hash);
  if (!row) return;
  if (row.hidden) {
    form.reset();
    show();
    remember();
  }
  row.open = true;
  row.scrollIntoView({ block: "nearest" });
}

for (const row of rows) {
  row.addEventListener("toggle", () => {
    if (row.open) remember(`#${anchor(row)}`);
    else if (location.hash === `#${anchor(row)}`) remember("");
  });
}
for (const [name, value] of new URLSearchParams(location.search)) {
  const choice = choices.find((one) => one.name === name);
  if (choice && [...choice.options].some((option) => option.value === value)) choice.value = value;
}
form.addEventListener("change", () => (show(), remember()));
form.addEventListener("reset", () => setTimeout(() => (show(), remember()))); // the choices are reset after this event
form.addEventListener("submit", (event) => event.preventDefault());
addEventListener("hashchange", unfold);
form.hidden = false;
show();
unfold();
