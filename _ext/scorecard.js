// Called by scorecard.py: show the rows that the three choices leave. Without this script the page shows the whole tables.
const form = document.querySelector("form.scorecard-filters");
const tables = [...document.querySelectorAll("table.scorecard")];
const rows = tables.flatMap((table) => [...table.tBodies[0].rows]);
const choices = [...form.querySelectorAll("select")];

function show() {
  for (const row of rows) {
    row.hidden = choices.some(({ name, value }) => value && !row.classList.contains(`${name}-${value}`));
  }
  for (const table of tables) {
    table.hidden = ![...table.tBodies[0].rows].some((row) => !row.hidden);
  }
  const shown = rows.filter((row) => !row.hidden).length;
  form.querySelector("output").value = `${shown} of ${rows.length} rows`;
}

form.addEventListener("change", show);
form.addEventListener("reset", () => setTimeout(show)); // the choices are reset after this event
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show(); // a browser may have kept the choices of an earlier visit
