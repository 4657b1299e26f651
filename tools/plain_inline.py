"""The part of `plain_markdown` that is inside a line: roles, links, citations, and what labels stand for."""

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath

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


class Inline:
    """Turns the text of one page into plain Markdown, line breaks left as they are."""

    def __init__(self, book: Book, name: str):
        self.book, self.name = book, name

    def error(self, what: str) -> ValueError:
        return ValueError(f"{self.name}: {what}")

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
        raise self.error(f"the role {{{name}}} has no plain form; add one to tools/plain_inline.py")

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
