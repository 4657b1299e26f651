"""Turn the book's MyST Markdown into plain Markdown, which every notebook front end shows.

What it does not know is an error that names the page, so no chapter can ship syntax that nobody renders.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import yaml

ADMONITIONS = {
    "note",
    "tip",
    "hint",
    "warning",
    "caution",
    "important",
    "attention",
    "seealso",
    "danger",
    "error",
}
TITLED = {"admonition", "sidebar", "dropdown", "card", "grid-item-card", "tab-item", "topic"}
TRANSPARENT = {"grid", "tab-set", "toggle", "margin", "epigraph", "grid-item", "div", "only"}
CODE_ROLES = {
    "func",
    "class",
    "meth",
    "mod",
    "data",
    "attr",
    "obj",
    "exc",
    "envvar",
    "file",
    "command",
    "glue",
}

_OPEN = re.compile(r"^(?P<indent>\s*)(?P<fence>:{3,}|`{3,}|~{3,})\{(?P<name>[\w:+-]+)\}[ ]*(?P<argument>.*)$")
_CODE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,})(?!\{)")
_LABEL = re.compile(r"^\(([\w:.-]+)\)=\s*$")
_HEADING = re.compile(r"^(#+)\s+(.*)$")
_MATH = re.compile(r"^\s*\$\$\s*(?:\(([\w:.-]+)\))?\s*$")
_INLINE = re.compile(
    r"\{(?P<role>[a-z][\w:+-]*)\}(?P<ticks>`+)(?P<body>.+?)(?<!`)(?P=ticks)(?!`)"
    r"|(?P<code>(?P<tick>`+)(?!`).+?(?<!`)(?P=tick)(?!`))"
    r"|(?<!!)\[(?P<text>[^\[\]]*)\]\((?P<link>[^()\s]+)\)",
    re.S,
)


@dataclass(frozen=True)
class Target:
    """What a label stands for: a text such as "Figure 3", the page that holds it and where on the page."""

    page: str
    text: str
    fragment: str = ""
    title: bool = False  # whether the text tells by itself what it is, as a heading does


@dataclass
class Book:
    """The labels, pages and references that the chapters point to.

    Attributes:
        citations: For each key of the bibliography its authors, year and address.
        pages_url: Where the pages are published, or "" where nobody knows.
        titles: The title of each page, by its path without suffix.
        targets: What each label stands for; filled by rendering every page once.
        strict: Whether an unknown label is an error.
    """

    citations: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    pages_url: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    strict: bool = True


class Page:
    """One page on its way to plain Markdown; `render` takes its cells in order, for figures are numbered."""

    def __init__(self, book: Book, name: str):
        self.book, self.name = book, name
        self.counts, self.pending = Counter(), []

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.name}: {what}")

    def number(self, kind: str, label: str | None) -> str:
        """Count one more of this kind and return its name, which the label then stands for."""
        self.counts[kind] += 1
        text = f"{kind} {self.counts[kind]}"
        if label:
            self.book.targets[label] = Target(self.name, text, f"#{label}")
        return text

    def render(self, text: str) -> str:
        """Return one cell's MyST as plain Markdown."""
        self.pending.clear()
        return re.sub(r"\n{3,}", "\n\n", "\n".join(self.lines(text.split("\n")))).strip("\n")

    def lines(self, source: list[str]) -> list[str]:
        out, run, i = [], [], 0

        def flush():
            if run:
                out.extend(self.inline("\n".join(run)).split("\n"))
                run.clear()

        while i < len(source):
            line = source[i]
            if directive := _OPEN.match(line):
                flush()
                end = self.close(source, i, directive["fence"])
                out += ["", *self.directive(directive, source[i + 1 : end]), ""]
                i = end + 1
            elif code := _CODE.match(line):
                flush()
                end = self.close(source, i, code["fence"])
                out += source[i : end + 1]
                i = end + 1
            elif _MATH.match(line):
                flush()
                end = next((j for j in range(i + 1, len(source)) if _MATH.match(source[j])), None)
                if end is None:
                    raise self.error("a block of maths opens with $$ and never ends")
                out += self.equation(source[i + 1 : end], _MATH.match(source[end])[1])
                i = end + 1
            elif label := _LABEL.match(line):
                self.pending.append(label[1])
                i += 1
            elif re.match(r"^%(\s|$)", line) or re.match(r"^\{[.#][^{}]*\}\s*$", line):
                i += 1  # a comment, or attributes of the block that follows
            else:
                if heading := _HEADING.match(line):
                    for name in self.pending:
                        where = "" if heading[1] == "#" else f"#{name}"
                        self.book.targets[name] = Target(
                            self.name, self.inline(heading[2]), where, title=True
                        )
                    self.pending.clear()
                run.append(line)
                i += 1
        flush()
        return out

    def close(self, source: list[str], start: int, fence: str) -> int:
        pattern = re.compile(rf"^\s*{re.escape(fence[0])}{{{len(fence)},}}\s*$")
        for j in range(start + 1, len(source)):
            if pattern.match(source[j]):
                return j
        raise self.error(f"{source[start].strip()!r} is never closed")

    # Blocks

    def directive(self, opened: re.Match, body: list[str]) -> list[str]:
        name, argument = opened["name"], opened["argument"].strip()
        options, body = self.options(body)
        label = options.get("label") or options.get("name")
        argument = self.inline(argument)
        if name in ADMONITIONS:
            return quote([f"**{name.capitalize()}**", "", *self.lines(body)])
        if name in TITLED:
            return quote([*([f"**{argument}**", ""] if argument else []), *self.lines(body)])
        if name in TRANSPARENT:
            return self.lines(body)
        if name == "math":
            return self.equation([*([opened["argument"]] if argument else []), *body], label)
        if name.startswith("prf:"):
            kind = name[4:].capitalize()
            head = f"**{kind}**" if kind == "Proof" else f"**{self.number(kind, label)}**"
            return quote([head + (f" ({argument})" if argument else "") + ".", "", *self.lines(body)])
        if name in ("exercise", "exercise-start"):
            head = self.number("Exercise", label)
            return [f"### {head}" + (f": {argument}" if argument else ""), "", *self.lines(body)]
        if name in ("solution", "solution-start"):
            exercise = self.book.targets.get(argument)
            return [
                f"#### Solution to {exercise.text.lower() if exercise else 'the exercise'}",
                "",
                *self.lines(body),
            ]
        if name in ("exercise-end", "solution-end", "bibliography", "contents", "tableofcontents", "raw"):
            return []
        if name in ("figure", "image"):
            picture = [f"![{options.get('alt', '')}]({self.link(argument)})"]
            caption = self.lines(body)
            return picture + (
                ["", f"**{self.number('Figure', label)}.** " + "\n".join(caption)] if caption else []
            )
        if name in ("table", "list-table"):
            rows = self.list_table(body) if name == "list-table" else self.lines(body)
            return [f"**{self.number('Table', label)}.** {argument}", "", *rows] if argument else rows
        raise self.error(f"the directive {{{name}}} has no plain form; add one to tools/plain_markdown.py")

    def options(self, body: list[str]) -> tuple[dict, list[str]]:
        if body and body[0].strip() == "---":
            end = next((j for j in range(1, len(body)) if body[j].strip() == "---"), None)
            if end is None:
                raise self.error("a directive's options open with --- and never end")
            return yaml.safe_load("\n".join(body[1:end])) or {}, body[end + 1 :]
        options, i = {}, 0
        while i < len(body) and (match := re.match(r"^\s*:([\w-]+):\s*(.*)$", body[i])):
            options[match[1]] = match[2]
            i += 1
        return options, body[i:]

    def equation(self, body: list[str], label: str | None) -> list[str]:
        body = [line for line in body if line.strip()]
        if label:
            number = self.number("equation", label).split()[1]
            self.book.targets[label] = Target(self.name, f"equation ({number})", f"#equation-{label}")
            if not any(r"\begin{align" in line or r"\begin{gather" in line for line in body):
                body = [*body, rf"\tag{{{number}}}"]
        return ["$$", *body, "$$"]

    def list_table(self, body: list[str]) -> list[str]:
        rows: list[list[str]] = []
        for line in body:
            if match := re.match(r"^\s*([*-])\s+-\s*(.*)$", line):
                rows.append([match[2]])
            elif match := re.match(r"^\s+-\s*(.*)$", line):
                rows[-1].append(match[1])
            elif line.strip():
                rows[-1][-1] += " " + line.strip()
        cells = ["| " + " | ".join(self.inline(cell) for cell in row) + " |" for row in rows]
        return [cells[0], "|" + "---|" * len(rows[0]), *cells[1:]] if rows else []

    # Text

    def inline(self, text: str) -> str:
        return _INLINE.sub(self.span, text)

    def span(self, match: re.Match) -> str:
        if match["code"]:
            return match["code"]
        if match["role"]:
            return self.role(match["role"], match["body"], match.string[: match.start()].rstrip())
        link, text = match["link"], match["text"]
        label = link.removeprefix("#")
        if re.match(r"^[a-z]+:", link) or not (
            link.endswith(".md") or ".md#" in link or label in self.book.targets
        ):
            if link.startswith("#") or not text:
                return self.reference(label, text)
            return match[0]
        return self.document(link, text) if ".md" in link else self.reference(label, text)

    def role(self, name: str, body: str, before: str) -> str:
        split = re.fullmatch(r"(.*?)\s*<([^<>]+)>", body, re.S)
        text, target = (split[1], split[2].strip()) if split else ("", body.strip())
        kind = name.split(":")[-1]
        if name.startswith("glue"):
            return f"`{target.split(':')[0]}`"  # the number's name: a cell prints it with its value
        if name.split(":")[0] == "cite":
            return self.cite(kind, target, before)
        if name in ("ref", "numref", "eq", "prf:ref"):
            return self.reference(target, text)
        if name == "doc":
            return self.document(target, text)
        if name == "math":
            return f"${body}$"
        if name in ("sub", "sup", "subscript", "superscript"):
            return f"<{name[:3]}>{body}</{name[:3]}>"
        if name in ("term", "abbr", "kbd", "download"):
            return text or body
        if kind in CODE_ROLES:
            return f"`{text or target.removeprefix('~')}`"
        raise self.error(f"the role {{{name}}} has no plain form; add one to tools/plain_markdown.py")

    def reference(self, label: str, text: str) -> str:
        target = self.book.targets.get(label)
        if target is None:
            if self.book.strict:
                raise self.error(f"nothing is labelled {label!r}")
            return text
        shown = target.text
        if "%s" in text:
            shown = text.replace("%s", shown.split()[-1])
        elif text:
            shown = text
        if target.page == self.name:
            return shown
        if not target.title:
            shown += f" of {self.book.titles.get(target.page, target.page)}"
        return self.published(target.page, shown, target.fragment)

    def document(self, path: str, text: str) -> str:
        path, _, fragment = path.partition("#")
        start = (
            PurePosixPath(path.lstrip("/"))
            if path.startswith("/")
            else PurePosixPath(self.name).parent / path
        )
        page = re.sub(r"[^/]+/\.\./", "", str(start)).removesuffix(".md")
        if page not in self.book.titles and self.book.strict:
            raise self.error(f"there is no page {page!r}")
        return self.published(
            page, text or self.book.titles.get(page, page), f"#{fragment}" if fragment else ""
        )

    def published(self, page: str, text: str, fragment: str = "") -> str:
        return (
            f"[{text}]({self.book.pages_url}/{page}.html{fragment})" if self.book.pages_url else f"*{text}*"
        )

    def link(self, target: str) -> str:
        if re.match(r"^[a-z]+:", target) or not self.book.pages_url:
            return target
        return f"{self.book.pages_url}/{target.lstrip('/')}"

    def cite(self, style: str, keys: str, before: str) -> str:
        shown = []
        for key in (k.strip() for k in keys.split(",")):
            if key not in self.book.citations:
                raise self.error(f"references.bib has no {key!r}")
            authors, year, url = self.book.citations[key]
            if style == "t":
                text = f"{authors} ({year})"
            else:
                text = year if before.endswith(authors) else f"{authors}, {year}"
            shown.append(f"[{text}]({url})" if url else text)
        return ", ".join(shown) if style == "t" else f"({'; '.join(shown)})"


def quote(lines: list[str]) -> list[str]:
    """Return the lines as a blockquote, each block of maths on one line, for a `>` inside would be maths."""
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    text = re.sub(
        r"^\$\$\n(.*?)\n\$\$$", lambda m: "$$ " + " ".join(m[1].split("\n")) + " $$", text, flags=re.S | re.M
    )
    return [f"> {line}".rstrip() for line in text.split("\n")]
