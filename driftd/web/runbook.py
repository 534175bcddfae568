"""Runbooks as HTML, with model and channel filled into what is to be pasted.

Runbooks are ours; names come from outside. Here they are quoted for the shell and for PromQL, and what they are filled
into is escaped as all text is. A name that cannot be printed is not filled in: what is pasted must be what is read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup

from driftd.config.share import RUNBOOKS, runbooks, shared

OURS: Final = "http://driftd:9477"
"""driftd's address as the runbooks have it."""
_HINT: Final = re.compile(r" ?\(replace MODEL(?:, FEATURE)?\)|^Replace MODEL(?:, FEATURE)?:$")
_SCROLLS: Final = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
"""A table on a phone: wider than that, and moved alone. Text has no "<table>": it is escaped."""
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True)
class Names:
    """What is filled in; "" for what is not known."""

    model: str = ""
    channel: str = ""
    url: str = ""

    def fill(self, text: str) -> str:
        """In a command or a query; ``"MODEL"`` is a string of PromQL, MODEL alone a word of the shell."""
        words = {"MODEL": self.model, "FEATURE": self.channel, "CHANNEL": self.channel}
        known = {word: name for word, name in words.items() if name and name.isprintable()}
        if self.url:
            text = text.replace(OURS, self.url)
        if not known:
            return text
        found = re.compile(rf'"({"|".join(known)})"|\b({"|".join(known)})\b')
        return found.sub(lambda m: _promql(known[m[1]]) if m[1] else shlex.quote(known[m[2]]), text)


def page_of(alert: str, names: Names, address: Callable[[str], str]) -> Markup:
    """The runbook of an alert that has one, without its heading; ``address`` is that of another one. Raises KeyError
    for any other name: it is part of a path.
    """
    if alert not in runbooks():
        raise KeyError(alert)
    tokens = _MARKDOWN.parse(shared(f"{RUNBOOKS}/{alert}.md"))
    end = next(place for place, token in enumerate(tokens) if token.type == "heading_close")
    for token in tokens:
        if token.type == "fence":
            token.content = names.fill(token.content)
        elif token.type == "th_open":
            token.attrs["scope"] = "col"
        elif token.children:
            token.children = [*_filled(token.children, names, address)]
    html = _MARKDOWN.renderer.render(tokens[end + 1 :], _MARKDOWN.options, {})
    html = html.replace("<table>", _SCROLLS).replace("</table>", "</table></div>")
    return Markup(html)  # noqa: S704  it has escaped all


def _filled(tokens: Sequence[Token], names: Names, address: Callable[[str], str]) -> Iterator[Token]:
    """Links lead to other runbooks or nowhere: files beside them are not served."""
    linked = False
    for token in tokens:
        if token.type == "code_inline":
            token.content = names.fill(token.content)
        elif token.type == "text" and names.model:
            token.content = _HINT.sub("", token.content)
        elif token.type == "link_open":
            other = str(token.attrs["href"]).removesuffix(".md")
            linked = other in runbooks()
            token.attrs["href"] = address(other) if linked else ""
        if token.type not in {"link_open", "link_close"} or linked:
            yield token


def _promql(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
