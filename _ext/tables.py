"""Called by _config.yml: one look for every table that a cell shows, whether a data frame or a Styler's.

Numbers stand at the right under their heads, a mean and its spread on one line, the index's name in the first
row of heads. The style sheet does the rest.
"""

import re

from bs4 import BeautifulSoup

TABLE = re.compile(r'<table (?:border="1" class="dataframe|id="T_).*?</table>', re.S)
#: A number as the book prints it: sign, unit, spread, interval; or a sign that stands for none.
NUMBER = re.compile(
    r"[<>≈~+−-]?\s*\d[\d.,]*(e[+-]?\d+)?\s*(%|°|×|x|s|ms|MB)?(\s*(±|\+-)\s*[\d.,e+-]+)?(\s*\([^)]*\d[^)]*\))?"
    r"|nan|[–—?-]?"
)


def is_number(text: str) -> bool:
    return NUMBER.fullmatch(" ".join(text.split())) is not None


def merge_heads(heads: list) -> None:
    """Put the index's names, which pandas gives a row of their own, into the row above."""
    if len(heads) > 1:
        above, names = heads[-2].find_all("th"), heads[-1].find_all("th")
        filled = [i for i, name in enumerate(names) if name.get_text(strip=True)]
        if len(above) == len(names) and not any(above[i].get_text(strip=True) for i in filled):
            for i in filled:
                above[i].string = names[i].get_text(strip=True)
            heads.pop().decompose()


def house_style(text: str) -> str:
    """Return a table's HTML in the house style."""
    soup = BeautifulSoup(text, "html.parser")
    table = soup.table
    table["class"] = [*table.get("class", []), "mgap-table"]
    table.attrs.pop("border", None)
    heads = table.thead.find_all("tr") if table.thead else []
    for row in heads:
        row.attrs.pop("style", None)
    merge_heads(heads)
    for head in [cell for row in heads for cell in row.find_all("th") if not cell.get_text(strip=True)]:
        head.name = "td"  # an empty head is announced as one
    rows = [row.find_all("td") for row in table.find_all("tr") if row not in heads]
    columns = max(map(len, rows), default=0)
    for k in range(columns):
        cells = [row[k] for row in rows if len(row) == columns]
        texts = [cell.get_text() for cell in cells]
        if all(map(is_number, texts)) and any(re.search(r"\d", one) for one in texts):
            named = [row.find_all(["th", "td"]) for row in heads]
            for cell in [*cells, *(row[k - columns] for row in named if len(row) >= columns)]:
                cell["class"] = [*cell.get("class", []), "num"]
    return str(soup)


def restyle(app, pagename, templatename, context, doctree):
    if doctree is not None and "<table" in context.get("body", ""):
        context["body"] = TABLE.sub(lambda match: house_style(match[0]), context["body"])


def setup(app):
    app.connect("html-page-context", restyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
