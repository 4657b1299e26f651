// Called by page_measures.py, in the open page: its measures at the present width.
() => {
  const article = document.querySelector('article');
  const seen = (all) => [...article.querySelectorAll(all)].filter((e) => e.checkVisibility({contentVisibilityAuto: false}));
  const scrolls = (e) => ['auto', 'scroll'].includes(getComputedStyle(e).overflowX);
  const inside = (e) => { for (let p = e; p !== article; p = p.parentElement) if (scrolls(p)) return true; return false; };
  const shown = seen('figure, .static-widget, .mgap-picture, .mgap-rooms').map((e) => e.getBoundingClientRect().top + scrollY);
  const ruler = document.createElement('span');
  let lines = 0, cut = 0;
  for (const pre of seen('.cell_input pre')) {
    ruler.textContent = 'm'.repeat(100);
    pre.append(ruler);
    const wide = ruler.getBoundingClientRect().width / 100;
    ruler.remove();
    const style = getComputedStyle(pre);
    const room = (pre.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight)) / wide;
    const texts = pre.textContent.trimEnd().split('\n');
    lines += texts.length;
    cut += texts.filter((text) => text.length > room + 0.5).length;
  }
  const kinds = 'img, table, svg, canvas, pre, mjx-container, div.math, p, ul, ol, dl, h1, h2, h3, figure, figcaption, button, input, select';
  return {
    height: document.documentElement.scrollHeight,
    first: shown.length ? Math.round(Math.min(...shown)) : null,
    code_open: lines,
    code_cut: cut,
    cut: seen(kinds).filter((e) => e.getBoundingClientRect().right > document.documentElement.clientWidth + 1 && !inside(e)).length,
    sideways: seen('*').filter((e) => e.tagName !== 'PRE' && scrolls(e) && e.scrollWidth > e.clientWidth + 1
      && !e.closest('pre, div.highlight')).length,
  };
}
