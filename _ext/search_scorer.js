// Called by Sphinx (html_search_scorer), in the place of its own weights: a reader who searches for a word of the field
// wants the page that explains it; attributes of the library that bear the same name come after the pages.
var Scorer = {
  score: ([docname, , , , score]) => {
    if (docname.startsWith("chapters/api") || docname === "chapters/bibliography") return score / 20;
    return docname === "chapters/index" ? score + 3 : score;
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
