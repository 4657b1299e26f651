"""Called by _config.yml: on each page the first mention of a word of the glossary shows its meaning.

A link to the glossary that carries the meaning with it, which the style sheet shows under the pointer or the
keyboard's focus: no script, and on a phone a tap leads to the entry.
"""

import html
import re

from docutils import nodes
from sphinx.transforms.post_transforms import SphinxPostTransform

PAGE = "chapters/glossary"
#: Where a word is no prose: it would be a link in a link, or in the way.
NO_PROSE = (
    nodes.reference,
    nodes.literal,
    nodes.math,
    nodes.title,
    nodes.caption,
    nodes.term,
    nodes.strong,
    nodes.raw,
)


def meanings(env) -> dict[str, tuple[str, str]]:
    """Return each word of the glossary with its anchor and its meaning."""
    if PAGE not in env.found_docs:
        return {}
    found = {}
    for entry in env.get_doctree(PAGE).findall(nodes.definition_list_item):
        term, definition = entry[0], entry[-1]
        if term["ids"]:
            found[term.astext()] = (term["ids"][0], " ".join(definition.astext().split()))
    return found


class FirstMentions(SphinxPostTransform):
    default_priority = 700  # after references are resolved

    def run(self, **kwargs):
        if self.app.builder.format != "html" or self.env.docname == PAGE:
            return
        words = meanings(self.env)
        if not words:
            return
        seen = set()
        longest_first = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
        pattern = re.compile(rf"\b({longest_first})\b", re.I)
        names = {word.lower(): word for word in words}
        for paragraph in list(self.document.findall(nodes.paragraph)):
            if isinstance(paragraph.parent, (nodes.caption, nodes.legend, nodes.entry, nodes.block_quote)):
                continue
            for text in list(paragraph.findall(nodes.Text)):
                if not self.is_prose(text, paragraph):
                    continue
                for match in pattern.finditer(text):
                    word = names[match[0].lower()]
                    if word not in seen:
                        seen.add(word)
                        self.link(text, match, *words[word])
                        break  # one a piece of text: the rest has been replaced

    def is_prose(self, text, paragraph) -> bool:
        node = text.parent
        while node is not paragraph:
            if node is None or isinstance(node, NO_PROSE):
                return False
            node = node.parent
        return True

    def link(self, text, match, anchor: str, meaning: str):
        address = self.app.builder.get_relative_uri(self.env.docname, PAGE) + f"#{anchor}"
        word = nodes.reference("", match[0], internal=True, refuri=address, classes=["mgap-term"])
        word["meaning"] = meaning
        before, after = text[: match.start()], text[match.end() :]
        text.parent.replace(text, [nodes.Text(before), word, nodes.Text(after)])


def with_meaning(app, pagename, templatename, context, doctree):
    """Put each word's meaning into its link, which docutils' own writer cannot."""
    if doctree is None:
        return
    for word in doctree.findall(nodes.reference):
        if "meaning" in word:
            plain = f'<a class="mgap-term reference internal" href="{word["refuri"]}"'
            context["body"] = context["body"].replace(
                plain, f'{plain} data-meaning="{html.escape(word["meaning"])}"', 1
            )


def setup(app):
    app.add_post_transform(FirstMentions)
    app.connect("html-page-context", with_meaning)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
