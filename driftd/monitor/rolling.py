"""A rolling reference: the period before this one, week by week or day by day, as soon as it is over.

    periods (7d)  |   12   |   13   |   14   |      begin on Mondays 00:00 UTC
    windows           learned  12?      13          what they are compared with: 12 only if it was watched from its
                                                    beginning, no episode was open in it and it held enough events

Rolled references live in the checkpoint, not in the folder of references. Only window detectors roll. The judge keeps
the reference that it learned on: one that followed the data would take in every slow drift, and the budget holds for
the one that was learned.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from driftd.core.reference import Reference
from driftd.core.summary import merge
from driftd.core.window import Windows
from driftd.learn.comparison import WEEK, period_of
from driftd.monitor.intake import Run
from driftd.monitor.state import ModelState, Period

REASON = "rolling"


def ended_by(panes: Sequence[int], windows: Windows, period_seconds: float) -> Iterator[int]:
    """With which of these panes a period begins: places in ``panes``, without the first."""
    numbers = [period_of(pane * windows.pane_seconds, period_seconds) for pane in panes]
    return (place for place, (before, now) in enumerate(pairwise(numbers), 1) if before != now)


def turn(model: ModelState, pane: int, windows: Windows, period_seconds: float) -> tuple[Reference | None, str]:
    """Called before ``pane`` is taken in: the new reference where a period is over, if any, and a sentence about it.

    The model's period is brought up to date; panes come in ascending order.
    """
    period = _ended(model, pane * windows.pane_seconds, windows, period_seconds)
    if period is None or model.reference is None:
        return None, ""
    events = 0 if period.summary is None else period.summary.events
    if period.drifted:
        return None, f"{model.name}: an episode was open in the period that ended: the reference before it stays"
    if period.summary is None or events < windows.min_events:
        need = f"{events} of {windows.min_events} events"
        return None, f"{model.name}: {need} in the period that ended: the reference before it stays"
    version = model.reference.version + 1
    rolled = replace(model.reference, version=version, rolled=period.summary, reason=REASON)
    return rolled, f"{model.name}: the {events} events of the period that ended are the reference, v{version}"


def _ended(model: ModelState, start: float, windows: Windows, period_seconds: float) -> Period | None:
    """Moves the model on to the period of ``start``; returns the one before, if it was watched from its beginning."""
    number, period = period_of(start, period_seconds), model.period
    if period is not None and period.number == number:
        return None
    begins = WEEK.origin + number * period_seconds
    # the first period counts as whole only if it was watched from its first pane on
    model.period = Period(number, whole=period is not None or start - begins < windows.pane_seconds)
    return period if period is not None and period.whole else None


def take(model: ModelState, panes: Run, *, drifting: bool) -> None:
    """Adds panes to their period. ``drifting``: an episode was open after one of them, for all that the judge said."""
    period = model.period
    if period is None:
        return
    summary = panes.summary if period.summary is None else merge((period.summary, panes.summary))
    model.period = replace(period, summary=summary, drifted=period.drifted or drifting)
