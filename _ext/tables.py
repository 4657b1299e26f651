"""Called by _config.yml: one look for every table that a cell shows, whether a data frame or a Styler's.

Numbers stand at the right under their heads, a mean and its spread on one line, the index's name in the first
row of heads. A table that a phone cannot hold, written or shown, can become cards: each cell knows its head.
The style sheet does the rest.
"""

import re

from bs4 import BeautifulSoup

TABLE = re.compile(r'<table (?:border="1" class="dataframe|id="T_).*?</table>', re.S)
WRITTEN = re.compile(r'<table class="table">.*?</table>', re.S)
PHONE = 48  # characters of a table's type that a phone's line holds, its gaps counted
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
    as_cards(table)
    return str(soup)


def narrowest(column: list[str], numbers: bool) -> int:
    """Return how many characters a column needs: numbers stay on one line, words break between words."""
    return max((len(part) for text in column for part in ([text] if numbers else text.split())), default=0)


def as_cards(table) -> None:
    """Let a table become cards on a phone if its columns have no room there; screen readers keep a table."""
    heads = table.thead.find_all("tr") if table.thead else []
    body = [row.find_all(["th", "td"]) for row in table.tbody.find_all("tr")] if table.tbody else []
    if len(heads) == 0 or not body or len({len(row) for row in body}) != 1:
        return
    columns = [[" ".join(cell.get_text().split()) for cell in column] for column in zip(*body, strict=True)]
    names = [head_of(heads, k) for k in range(len(columns))]
    wide = [
        max(narrowest(column, all(map(is_number, column))), narrowest([name], False)) + 2
        for column, name in zip(columns, names, strict=True)
    ]
    written = "mgap-table" not in table.get("class", [])
    if sum(wide) <= PHONE and not (written and len(columns) > 2):
        return
    table["class"] = [*table.get("class", []), "mgap-cards"]
    table["role"] = "table"
    for row in table.find_all("tr"):
        row["role"] = "row"
    for row in body:
        for cell, name in zip(row, names, strict=True):
            cell["role"] = "rowheader" if cell.name == "th" else "cell"
            if name:
                cell["data-head"] = name
            if not cell.get_text(strip=True) and cell.img is None:
                cell["data-empty"] = ""


def head_of(heads: list, k: int) -> str:
    """Return what stands over a column, in one or more rows of heads."""
    found = []
    for row in heads:
        spread = [cell for cell in row.find_all(["th", "td"]) for _ in range(int(cell.get("colspan", 1)))]
        if k < len(spread) and (text := " ".join(spread[k].get_text().split())):
            found.append(text)
    return ", ".join(found)


def written(text: str) -> str:
    soup = BeautifulSoup(text, "html.parser")
    as_cards(soup.table)
    return str(soup)


def restyle(app, pagename, templatename, context, doctree):
    if doctree is not None and "<table" in context.get("body", ""):
        body = TABLE.sub(lambda match: house_style(match[0]), context["body"])
        context["body"] = WRITTEN.sub(lambda match: written(match[0]), body)


def setup(app):
    app.connect("html-page-context", restyle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
