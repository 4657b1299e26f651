// Called by Sphinx (html_search_scorer), in the place of its own weights: a reader who searches for a word of the field
// wants the page that explains it: first what bears it as its title, then the glossary's entry and the pages that use it;
// attributes of the library that bear the same name come after them.
const asked = new URLSearchParams(location.search).get("q")?.trim().toLowerCase();
var Scorer = {
  score: ([docname, title, , , score]) => {
    if (docname.startsWith("chapters/api") || docname === "chapters/bibliography") return score / 20;
    const named = title.toLowerCase().includes(asked) ? 100 : 0;
    return score + named + (docname === "chapters/index" ? 3 : 0);
  },
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
};
