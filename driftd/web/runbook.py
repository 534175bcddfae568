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
_SINCE: Final = re.compile(r" ?\(SINCE is when the change began\)")
_SCROLLS: Final = '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>'
"""A table on a phone: wider than that, and moved alone. Text has no "<table>": it is escaped."""
_MARK: Final = re.compile(r"<!-- .*? -->\n")
"""Where generated text begins and ends."""
_CODE: Final = re.compile(r"`([^`]*)`")
_ESCAPED: Final = re.compile(r"\\([^A-Za-z0-9\s])")
"""What stands for itself in Markdown."""
_ASKS: Final = re.compile(r"^driftd (?!reference|generate)(?!.*--url).*$", re.MULTILINE)
"""Commands that ask a running driftd."""
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True, slots=True)
class Names:
    """What is filled in; "" for what is not known. ``since``, a time, and the id ``incident`` are ours: they need no
    quotes. ``other``: the channel that ``channel`` was swapped with; ``version``: the one that began to answer then.
    """

    model: str = ""
    channel: str = ""
    url: str = ""
    since: str = ""
    incident: str = ""
    other: str = ""
    version: str = ""

    def fill(self, text: str) -> str:
        """In a command or a query; ``"MODEL"`` is a string of PromQL, MODEL alone a word of the shell."""
        words = {"MODEL": self.model, "FEATURE": self.channel, "CHANNEL": self.channel}
        words |= {"OTHER": self.other, "VERSION": self.version}
        known = {word: name for word, name in words.items() if name and name.isprintable()}
        ours = {word: name for word, name in {"SINCE": self.since, "INCIDENT": self.incident}.items() if name}
        if self.url:
            text = text.replace(OURS, self.url)
            text = _ASKS.sub(lambda m: f"{m[0]} --url {shlex.quote(self.url)}", text)
        if not known and not ours:
            return text
        found = re.compile(rf'"({"|".join(known) or "(?!)"})"|\b({"|".join([*known, *ours])})\b')
        return found.sub(lambda m: _promql(known[m[1]]) if m[1] else ours.get(m[2]) or shlex.quote(known[m[2]]), text)


def step(text: str, names: Names) -> Markup:
    """A step of driftd.monitor.steps as HTML."""
    (line,) = _MARKDOWN.parseInline(text)
    line.children = [*_filled(line.children or (), names, str)]
    return Markup(_MARKDOWN.renderer.render([line], _MARKDOWN.options, {}))  # noqa: S704  it has escaped all


def in_text(text: str, names: Names) -> str:
    """The same as text, for programs and terminals."""
    return _CODE.sub(lambda m: f"`{names.fill(m[1])}`", _ESCAPED.sub(r"\1", text))


def page_of(alert: str, names: Names, address: Callable[[str], str]) -> Markup:
    """The runbook of an alert that has one, without its heading; ``address`` is that of another one. Raises KeyError
    for any other name: it is part of a path.
    """
    if alert not in runbooks():
        raise KeyError(alert)
    tokens = _MARKDOWN.parse(_MARK.sub("", shared(f"{RUNBOOKS}/{alert}.md")))
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
            text = _HINT.sub("", token.content)
            token.content = _SINCE.sub("", text) if names.since else text
        elif token.type == "link_open":
            other = str(token.attrs["href"]).removesuffix(".md")
            linked = other in runbooks()
            token.attrs["href"] = address(other) if linked else ""
        if token.type not in {"link_open", "link_close"} or linked:
            yield token


def _promql(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
