"""The sentences, made once: pages, the API and the command line say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from driftd.core.channel import JOINT, RoleRow
from driftd.core.finding import Finding, Status
from driftd.core.text import clean, plural
from driftd.detectors.registry import faults
from driftd.judge.natural.cause import Cause
from driftd.judge.natural.kinds import Kind
from driftd.monitor.incidents import part_of
from driftd.monitor.sentence import size_in_words
from driftd.monitor.steps import PAGES, ticket_alert
from driftd.monitor.wording import changed, named

MOST_NAME: Final = 60
STATUS_WORDS: Final[Mapping[Status, str]] = {
    Status.DRIFT: "page",
    Status.WARNING: "ticket",
    Status.LEARNING: "learning",
    Status.OK: "ok",
}
TOGETHER: Final = "how channels move together"
_HINTS: Final[Mapping[str, str]] = {
    Kind.FROZEN: "Values repeat: is a cache, a job or a sensor stuck?",
    Kind.UNIT: "All numbers by one factor: did a unit, a currency or a scale change?",
    Kind.JOINT: "It no longer moves with its siblings: check a join, a mapping or a sign.",
}
"""Where to look, for kinds that are no fault of a detector."""
_BY_CAUSE: Final[Mapping[str, str]] = {
    Cause.TYPE: "Values came as another type: was the producer's schema or serialisation released anew?",
    Cause.SWAPPED: "Two fields carry each other's values: did a mapping or the order of columns change?",
    Cause.UNIT: "Values came in another unit: did a unit, a currency or a scale change at the source?",
    Cause.SIGN: "Values came with the other sign: did a convention (debit, credit; east, west) change?",
    Cause.CLIPPED: "A limit cuts the values: look for a cap, or a narrower type, upstream.",
    Cause.HOURS: "Hours moved as one: look for a time zone, or clocks that were changed.",
    Cause.RENAMED: "Known values came under new names: did their spelling or their codes change?",
    Cause.JOIN: "Values belong to other events: check the keys and the order of a join.",
}
"""Where to look, for causes that say more than their kind."""
TOGETHER_HINT: Final = "Each channel alone may look normal. Check a join, a mapping or a sign between the two."


def name(text: str) -> str:
    """A name from outside, cut if it is long."""
    return clean(text, MOST_NAME)


def channel_name(feature: str | None) -> str:
    return "the model as a whole" if feature is None else TOGETHER if feature == JOINT else name(feature)


def what(kind: str, value: float | None, usual: float | None, unit: str = "") -> str:
    """``missing 0% → 62%``; "has changed" where no kind is known."""
    text = changed(kind, value, usual, unit).replace("->", "→").removeprefix("unit: ")
    return text or named(kind) or "has changed"


def over(why: str) -> str:
    """``why``: what ended it, where no value did."""
    return f"is over: {clean(why, 300)}" if why else "is over"


def told(finding: Finding) -> str:
    """What a finding said, in the words of the pages."""
    if finding.status < Status.WARNING:
        return "the reference is learned" if finding.previous is Status.LEARNING else over(finding.detail)
    if finding.kind and finding.feature is not None:
        return size_in_words(part_of(finding))
    return clean(finding.because.replace("->", "→"), 200)


def hint(kind: str, cause: str, own: str, firing: Sequence[str] = ()) -> str:
    """Where to look, in a sentence: by cause, else by kind, else by the worst detector that fires, else as the
    channel's role has it (``own``).
    """
    known = faults()
    if kind:
        by_kind = {k: fault.hint for fault in known.values() for k in fault.changes}
        return _BY_CAUSE.get(cause) or by_kind.get(kind) or _HINTS.get(kind, own)
    return next((known[d].hint for d in firing if d in known), own)


def runbook(status: str, kind: str, role: RoleRow) -> str:
    """The alert that fires for such a channel (alert_rules): of a page one for the whole model, of a ticket that of its
    kind, but for errors, which have one.
    """
    return PAGES if status == "page" else ticket_alert(kind, role)


def several(names: Sequence[str]) -> str:
    """``temp``, ``temp and visib``, ``temp, visib and 2 more``."""
    shown = [name(n) for n in names]
    if len(shown) <= 2:
        return " and ".join(shown)
    return f"{shown[0]}, {shown[1]} and {len(shown) - 2} more"


def fleet(pages: Sequence[tuple[str, str]], tickets: Sequence[str], learning: int, models: int) -> str:
    """The headline: ``pages`` are (model, sentence), worst first."""
    if pages:
        first, sentence = pages[0]
        rest = len(pages) - 1
        more = f"; {rest} more {plural('model', rest)} {'pages' if rest == 1 else 'page'}" if rest else ""
        return f"{name(first)}: {sentence}{more}"
    if tickets:
        n = len(tickets)
        return f"No page. {f'{name(tickets[0])} has a ticket' if n == 1 else f'{n} models have tickets'}"
    if not models:
        return "No model seen yet"
    if learning == models:
        return f"{'The model is' if models == 1 else f'All {models} models are'} still learning; nothing is judged yet"
    calm = models - learning
    text = f"Nothing has changed in {calm} {plural('model', calm)}"
    return f"{text}; {learning} {'is' if learning == 1 else 'are'} still learning" if learning else text
