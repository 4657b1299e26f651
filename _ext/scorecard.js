// Called by scorecard.py: show the claims that the three choices leave; without it the whole table is shown.
const form = document.querySelector("form.scorecard-filters");
const rows = [...document.querySelectorAll("table.scorecard > tbody > tr")];
const choices = [...form.querySelectorAll("select")];

function show() {
  for (const row of rows) {
    row.hidden = choices.some(({ name, value }) => value && !row.classList.contains(`${name}-${value}`));
  }
  const shown = rows.filter((row) => !row.hidden).length;
  form.querySelector("output").value = `${shown} of ${rows.length} claims`;
}

form.addEventListener("change", show);
form.addEventListener("reset", () => setTimeout(show)); // the choices are reset after this event
form.addEventListener("submit", (event) => event.preventDefault());
form.hidden = false;
show(); // a browser may have kept the choices of an earlier visit
