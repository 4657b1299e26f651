"""Called by make_notebooks.py and _ext/twins.py: turn MyST into plain Markdown, which every front end shows.

What it does not know is an error that names the page, so no chapter can ship syntax that nobody renders.
No library serves: sphinx-markdown-builder loses admonitions, theorems, exercises, glued numbers and the
figures' numbers, and mdformat-myst writes MyST again.
"""

import posixpath
import re
from collections import Counter
from dataclasses import dataclass, field

import yaml

ADMONITIONS = "note tip hint warning caution important seealso".split()
TITLED = "admonition sidebar dropdown grid-item-card".split()
TRANSPARENT = "grid toggle".split()
DROPPED = "exercise-end solution-end bibliography contents rooms room eval-rst".split()
CODE_ROLES = "func class meth mod data attr obj exc envvar file command".split()

_BLOCK = re.compile(  # a directive or a listing; a block of maths
    r"^[ \t]*(?P<fence>:{3,}(?=\{)|`{3,}|~{3,})(?:\{(?P<name>[\w:+-]+)\}[ ]*)?(?P<argument>[^\n]*)"
    r"(?P<rest>\n(?P<body>.*?)^[ \t]*(?P=fence)[:`~]*[ \t]*$)?"
    r"|^[ \t]*\$\$[ \t]*$(?P<maths>\n(?P<lines>.*?)^[ \t]*\$\$[ \t]*(?:\((?P<label>[\w:.-]+)\))?[ \t]*$)?",
    re.M | re.S,
)
# A label, and the heading that it stands before, if it does.
_LABEL = re.compile(
    r"^\(([\w:.-]+)\)=[ \t]*(?:\n|\Z)(?=(?:[ \t]*\n|\([\w:.-]+\)=[ \t]*\n)*(?:(#+)[ \t]+(.*))?)", re.M
)
_REMARK = re.compile(r"^(?:%(?:\s.*)?|\{[.#][^{}]*\}[ \t]*)$\n?", re.M)  # or attributes of what follows
_SPAN = re.compile(
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
        strict: Whether what is unknown is an error.
    """

    citations: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    pages_url: str = ""
    titles: dict[str, str] = field(default_factory=dict)
    targets: dict[str, Target] = field(default_factory=dict)
    strict: bool = True


class Page:
    """One page on its way to plain Markdown; `render` takes its cells in order, for figures are numbered."""

    def __init__(self, book: Book, name: str):
        self.book, self.name, self.counts = book, name, Counter()

    def unknown(self, what: str, instead: str = "") -> str:
        if self.book.strict:
            raise ValueError(f"{self.name}: {what}")
        return instead

    def number(self, kind: str, label: str | None, shown: str = "{} {}") -> str:
        """Count one more of this kind and return its name, which the label then stands for."""
        self.counts[kind] += 1
        text = shown.format(kind, self.counts[kind])
        if label:
            self.book.targets[label] = Target(self.name, text, f"#{label}")
        return text

    def render(self, text: str) -> str:
        """Return one cell's MyST as plain Markdown."""
        out, start = [], 0
        for block in _BLOCK.finditer(text):
            out += [self.prose(text[start : block.start()]), self.block(block)]
            start = block.end()
        out.append(self.prose(text[start:]))
        return re.sub(r"\n{3,}", "\n\n", "".join(out)).strip("\n")

    def prose(self, text: str) -> str:
        text = _REMARK.sub("", _LABEL.sub(self.label, text))
        return _SPAN.sub(self.span, text)

    def label(self, match: re.Match) -> str:
        label, hashes, title = match.groups()
        if title:
            where = "" if hashes == "#" else f"#{label}"
            self.book.targets[label] = Target(self.name, self.prose(title), where, title=True)
        return ""

    def block(self, match: re.Match) -> str:
        if not match["fence"]:
            if match["maths"] is None:
                return self.unknown("a block of maths opens with $$ and never ends")
            return self.equation(match["lines"], match["label"])
        if match["rest"] is None:
            return self.unknown(f"{match[0].strip()!r} is never closed")
        if not match["name"]:
            return match[0]
        return f"\n{self.directive(match['name'], match['argument'].strip(), match['body'])}\n"

    def directive(self, name: str, argument: str, body: str) -> str:
        if opened := re.match(r"---\n(.*?)^---\n?", body, re.S | re.M):
            options = yaml.safe_load(opened[1]) or {}
        else:
            opened = re.match(r"(?:[ \t]*:[\w-]+:.*\n)*", body)
            options = dict(re.findall(r":([\w-]+):[ \t]*(.*)", opened[0]))
        body, label = body[opened.end() :], options.get("label") or options.get("name")
        if name == "math":
            return self.equation(f"{argument}\n{body}", label)
        if name == "solution-start":
            exercise = self.book.targets.get(argument)
            return f"#### Solution to {exercise.text.lower() if exercise else 'the exercise'}"
        if name in DROPPED:
            return ""
        argument = self.prose(argument)
        if name == "list-table":
            return self.titled_table(argument, label, body)
        kind = name.removeprefix("prf:").capitalize()
        if name.startswith("prf:"):
            kind = kind if kind == "Proof" else self.number(kind, label)
            return quote(f"**{kind}**" + f" ({argument})" * bool(argument) + f".\n\n{self.render(body)}")
        if name == "exercise-start":
            head = f"### {self.number('Exercise', label)}" + f": {argument}" * bool(argument)
            return f"{head}\n\n{self.render(body)}"
        if name == "figure":
            if not argument.startswith("https://"):
                return self.unknown(
                    f"the picture {argument!r} is not drawn by a cell and has no full address"
                )
            caption = f"\n\n**{self.number('Figure', label)}.** {self.render(body)}" if body.strip() else ""
            return f"![{options.get('alt', '')}]({argument}){caption}"
        text = self.render(body)
        if name in ADMONITIONS:
            return quote(f"**{kind}**\n\n{text}")
        if name in TITLED:
            return quote(f"**{argument}**\n\n{text}" if argument else text)
        if name in TRANSPARENT:
            return text
        return self.unknown(f"the directive {{{name}}} has no plain form; add one to tools/plain_markdown.py")

    def equation(self, body: str, label: str | None) -> str:
        lines = [line for line in body.split("\n") if line.strip()]
        if label:
            number = self.number("equation", label, "{} ({})").split()[1]
            self.book.targets[label] = Target(self.name, f"equation {number}", f"#equation-{label}")
            if not re.search(r"\\begin\{(align|gather)", body):
                lines.append(rf"\tag{{{number[1:-1]}}}")
        return "\n".join(["$$", *lines, "$$"])

    def titled_table(self, title: str, label: str | None, body: str) -> str:
        rows = re.split(r"^\s*[*-]\s+-", body, flags=re.M)[1:]
        rows = [re.split(r"^\s+-", row, flags=re.M) for row in rows]
        lines = [f"| {' | '.join(self.prose(' '.join(cell.split())) for cell in row)} |" for row in rows]
        lines[1:1] = ["|" + "---|" * len(rows[0])]
        head = f"**{self.number('Table', label)}.** {title}\n\n" if title else ""
        return head + "\n".join(lines)

    def span(self, match: re.Match) -> str:
        """Return a role, a link or a piece of code in plain Markdown."""
        if match["code"]:
            return match["code"]
        if match["role"]:
            return self.role(match["role"], match["body"], match.string[: match.start()].rstrip())
        link, text = match["link"], match["text"]
        if re.match(r"[a-z]+:", link):
            return match[0]
        if re.search(r"\.md(#|$)", link):
            return self.document(link, text)
        if link[0] == "#" or link in self.book.targets or not text:
            return self.reference(link.removeprefix("#"), text)
        return match[0]

    def role(self, name: str, body: str, before: str) -> str:
        split = re.fullmatch(r"(.*?)\s*<([^<>]+)>", body, re.S)
        text, target = (split[1], split[2].strip()) if split else ("", body.strip())
        match name.split(":"):
            case ["glue", *_]:
                return f"`{target.split(':')[0]}`"  # the number's name: a cell prints it with its value
            case ["cite", *style]:
                return self.cite(style == ["t"], target, before)
            case ["ref" | "numref" | "eq"] | ["prf", "ref"]:
                return self.reference(target, text)
            case ["doc"]:
                return self.document(target, text)
            case ["math"]:
                return f"${body}$"
            case ["sub" | "sup"]:
                return f"<{name}>{body}</{name}>"
            case ["term" | "abbr" | "kbd"]:
                return text or body
            case [*_, kind] if kind in CODE_ROLES:
                return f"`{text or target.removeprefix('~')}`"
        return self.unknown(f"the role {{{name}}} has no plain form; add one to tools/plain_markdown.py")

    def reference(self, label: str, text: str) -> str:
        target = self.book.targets.get(label)
        if target is None:
            return self.unknown(f"nothing is labelled {label!r}", text)
        shown = text.replace("%s", target.text.split()[-1]) or target.text
        if target.page == self.name:
            return shown
        if not target.title:
            shown += f" of {self.book.titles.get(target.page, target.page)}"
        return self.published(target.page, shown, target.fragment)

    def document(self, path: str, text: str) -> str:
        path, hash_, fragment = path.partition("#")
        page = posixpath.normpath(posixpath.join("/", self.name, "..", path)).lstrip("/").removesuffix(".md")
        if page not in self.book.titles:
            return self.unknown(f"there is no page {page!r}", text)
        return self.published(page, text or self.book.titles[page], hash_ + fragment)

    def published(self, page: str, text: str, fragment: str) -> str:
        url = self.book.pages_url
        return f"[{text}]({url}/{page}.html{fragment})" if url else f"*{text}*"

    def cite(self, in_text: bool, keys: str, before: str) -> str:
        shown = []
        for key in (k.strip() for k in keys.split(",")):
            if key not in self.book.citations:
                return self.unknown(f"references.bib has no {key!r}")
            authors, year, url = self.book.citations[key]
            text = year if before.endswith(authors) else f"{authors}, {year}"
            text = f"{authors} ({year})" if in_text else text
            shown.append(f"[{text}]({url})" if url else text)
        return ", ".join(shown) if in_text else f"({'; '.join(shown)})"


def quote(text: str) -> str:
    """Return the text as a blockquote, each block of maths on one line, for a `>` inside would be maths."""
    maths = re.compile(r"^\$\$\n(.*?)\n\$\$$", re.S | re.M)
    text = maths.sub(lambda m: f"$$ {' '.join(m[1].split(chr(10)))} $$", text.strip("\n"))
    return "\n".join(f"> {line}".rstrip() for line in text.split("\n"))
