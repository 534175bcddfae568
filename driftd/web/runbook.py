"""Runbooks as plain blocks, with model and channel filled into what is to be pasted.

Runbooks are ours; names come from outside. Here they are quoted for the shell and for PromQL, and the template escapes
all of it for HTML. A name that cannot be printed is not filled in: what is pasted must be what is read.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from driftd.config.share import RUNBOOKS, runbooks, shared

Shape = Literal["heading", "code", "item", "row", "text"]
OURS: Final = "http://driftd:9477"
"""driftd's address as the runbooks have it."""
_HEADING: Final = re.compile(r"(#{1,4}) (.+)")
_ITEM: Final = re.compile(r"\s*(-|\d+\.) (.+)")
_FENCE: Final = re.compile(r"\s*```")
_RULE: Final = re.compile(r"[|\s:-]+")
_INLINE: Final = re.compile(r"(`[^`]+`|\[[^\]]+\]\([^)\s]+\)|\*\*[^*]+\*\*)")
_LINK: Final = re.compile(r"\[(?P<text>[^\]]+)\]\((?P<to>[^)\s]+)\)")
_HINT: Final = re.compile(r" ?\(replace MODEL(?:, FEATURE)?\)|^Replace MODEL(?:, FEATURE)?:$")


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of a line; ``alert``: the runbook that it leads to."""

    text: str
    code: bool = False
    strong: bool = False
    alert: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """``level`` of a heading, ``mark`` of an item of a list; of a row each of ``cells``; of code ``text``."""

    shape: Shape
    cells: tuple[tuple[Span, ...], ...] = ()
    text: str = ""
    level: int = 0
    mark: str = ""


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


def blocks(alert: str, names: Names) -> tuple[Block, ...]:
    """The runbook of an alert that has one. Raises KeyError for any other name: it is part of a path."""
    if alert not in runbooks():
        raise KeyError(alert)
    return tuple(_filled(block, names) for block in _parsed(alert))


def _promql(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@cache
def _parsed(alert: str) -> tuple[Block, ...]:
    return tuple(_blocks(shared(f"{RUNBOOKS}/{alert}.md").splitlines()))


def _blocks(lines: list[str]) -> Iterator[Block]:
    """A paragraph, or an item, goes on until an empty line or something else begins."""
    waiting: list[str] = []
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if _FENCE.match(line):
            yield from _said(waiting)
            end = next((k for k in range(place, len(lines)) if _FENCE.match(lines[k])), len(lines))
            indent = len(line) - len(line.lstrip())
            yield Block("code", text="\n".join(code[indent:] for code in lines[place:end]))
            waiting, place = [], end + 1
        elif not line.strip() or _ITEM.fullmatch(line) or _HEADING.fullmatch(line) or line.startswith("|"):
            yield from _said(waiting)
            waiting = []
            if line.startswith("|") and not _RULE.fullmatch(line):
                yield Block("row", tuple(_spans(cell.strip()) for cell in line.strip("|").split("|")))
            elif heading := _HEADING.fullmatch(line):
                yield Block("heading", (_spans(heading[2]),), level=len(heading[1]))
            elif _ITEM.fullmatch(line):
                waiting = [line]
        else:
            waiting.append(line)
    yield from _said(waiting)


def _said(lines: list[str]) -> Iterator[Block]:
    if not lines:
        return
    item = _ITEM.fullmatch(lines[0])
    text = " ".join(line.strip() for line in (lines if item is None else [item[2], *lines[1:]]))
    if item is None:
        yield Block("text", (_spans(text),))
    else:
        yield Block("item", (_spans(text),), mark="•" if item[1] == "-" else item[1])


def _spans(text: str) -> tuple[Span, ...]:
    return tuple(_span(part) for part in _INLINE.split(text) if part)


def _span(part: str) -> Span:
    if part.startswith("`") and part.endswith("`"):
        return Span(part[1:-1], code=True)
    if part.startswith("**"):
        return Span(part.strip("*"), strong=True)
    link = _LINK.fullmatch(part)
    if link is None:
        return Span(part)
    name = link["to"].removesuffix(".md")
    return Span(link["text"], alert=name if name in runbooks() else "")


def _filled(block: Block, names: Names) -> Block:
    known = bool(names.model)
    cells = tuple(tuple(_with(span, names, known=known) for span in cell) for cell in block.cells)
    return Block(block.shape, cells, names.fill(block.text), block.level, block.mark)


def _with(span: Span, names: Names, *, known: bool) -> Span:
    text = names.fill(span.text) if span.code else _HINT.sub("", span.text) if known else span.text
    return Span(text, span.code, span.strong, span.alert)
