"""The sentences, made once: pages, the API and the command line say the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from driftd.core.channel import JOINT, RoleRow
from driftd.core.finding import Finding, Status
from driftd.core.text import clean, plural
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
