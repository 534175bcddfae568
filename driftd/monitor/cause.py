"""Causes in words: what a person reads of judge.natural.cause."""

from __future__ import annotations

from typing import Final

from driftd.judge.natural.cause import Cause

_PHRASES: Final = {
    Cause.SWAPPED: "{name} {have} swapped {detail}",
    Cause.SIGN: "{name} {have} changed sign",
    Cause.CLIPPED: "{name} {be} clipped {detail}",
    Cause.HOURS: "{name} {be} shifted, {detail}",
    Cause.JOIN: "{name} {have} values of other events (relations gone)",
}
"""Causes that stand in place of the kind and its numbers."""
_DETAILED: Final = {
    Cause.NEW_VALUE: "{name} {have} the new {values} {detail}, {share} of all",
    Cause.RENAMED: "{name} {be} renamed, {detail}",
    Cause.TYPE: "{name} {share} {detail}",
}
"""The same of those that do so where their detail is known."""
_CONVERTED: Final = {
    "C to F": "{name} {reads} 1.8 x + 32 (C to F?)",
    "F to C": "{name} {reads} (x - 32) / 1.8 (F to C?)",
    "C to K": "{name} {reads} x + 273.15 (C to K?)",
    "K to C": "{name} {reads} x - 273.15 (K to C?)",
}
"""Units that are more than a factor, by their detail."""


OF_VALUES: Final = (Cause.NEW_VALUE, Cause.RENAMED)
"""Causes whose detail has values that came in events."""
WITH: Final = "with "
"""Before the name of the other channel, in the detail of a swap."""


def phrase(cause: str, detail: str, name: str, be: str, share: str) -> str:
    """``amount and fee have swapped``, ``age is clipped above 100``; "" where the kind and its numbers say as much.
    ``be``: is, or was of what is over; ``share`` of the values that the kind is about, in words.
    """
    text = _PHRASES.get(Cause(cause), "") if cause else ""
    if not text and detail and cause:
        text = _CONVERTED.get(detail, "") if cause == Cause.UNIT else _DETAILED.get(Cause(cause), "")
    past = be != "is"
    if cause == Cause.SWAPPED and name:
        return f"{name} and {detail.removeprefix(WITH)} {'had' if past else 'have'} swapped"
    return text.format(
        name=name,
        detail=detail,
        share=share,
        be=be,
        have="had" if past else "has",
        reads="read" if past else "reads",
        values="values" if " and " in detail else "value",
    )


def in_words(cause: str, detail: str, name: str, share: str) -> str:
    """The same for ``because``, behind what was measured."""
    text = phrase(cause, detail, name, "is", share)
    return f"; {text}" if text else ""


def labelled(cause: str, detail: str) -> str:
    """``swapped with fee``, ``new value 'XX'``: for tables; "" where the kind says as much."""
    more = cause in _PHRASES or (bool(detail) and (cause in _DETAILED or detail in _CONVERTED))
    return f"{cause.replace('_', ' ')} {detail}".strip() if more else ""
