"""Turn the book's MyST Markdown into plain Markdown, which every notebook front end shows.

What it does not know is an error that names the page, so no chapter can ship syntax that nobody renders.
"""

import re
from collections import Counter

import yaml
from plain_inline import Book, Inline, Target

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
_OPEN = re.compile(r"^(?P<indent>\s*)(?P<fence>:{3,}|`{3,}|~{3,})\{(?P<name>[\w:+-]+)\}[ ]*(?P<argument>.*)$")
_CODE = re.compile(r"^\s*(?P<fence>`{3,}|~{3,})(?!\{)")
_LABEL = re.compile(r"^\(([\w:.-]+)\)=\s*$")
_HEADING = re.compile(r"^(#+)\s+(.*)$")
_MATH = re.compile(r"^\s*\$\$\s*(?:\(([\w:.-]+)\))?\s*$")


class Page(Inline):
    """One page on its way to plain Markdown; `render` takes its cells in order, for figures are numbered."""

    def __init__(self, book: Book, name: str):
        super().__init__(book, name)
        self.counts, self.pending = Counter(), []

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


def quote(lines: list[str]) -> list[str]:
    """Return the lines as a blockquote, each block of maths on one line, for a `>` inside would be maths."""
    text = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip("\n")
    text = re.sub(
        r"^\$\$\n(.*?)\n\$\$$", lambda m: "$$ " + " ".join(m[1].split("\n")) + " $$", text, flags=re.S | re.M
    )
    return [f"> {line}".rstrip() for line in text.split("\n")]
