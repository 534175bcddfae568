"""The size of a channel's largest change over time, beside what makes a ticket and a page: one number for all kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.text import duration, when
from driftd.judge.natural.changes import Change
from driftd.judge.natural.kinds import changes_called
from driftd.judge.natural.shapes import STATISTICS
from driftd.monitor import timeline as t
from driftd.monitor.sizes import NOTHING, name_of
from driftd.monitor.view import ModelView
from driftd.web.chart import Line, Mark, TimeChart
from driftd.web.facts import ChannelLine
from driftd.web.format import DAY, times
from driftd.web.scales import Axis, Floats, Span
from driftd.web.series import Stretch, halved

LEAST: Final = 0.03
"""Sizes below are drawn there: on a logarithm nothing is far below something."""
FINEST: Final = ((3 * DAY, 1), (32 * DAY, 2), (np.inf, 3))
"""Seconds of a range up to which points of a step are drawn."""
DAY_AXIS: Final = Axis(0.1, 100.0, log=True)
"""Of small pictures, the same for all, in a ticket's sizes."""
_WORDS: Final = {
    Change.MISSING: "missing values", Change.REFUSED: "values of another type", Change.FAR: "values far out",
    Change.FROZEN: "repeated values", Change.NEW: "new values", Change.HOT: "one new value", Change.ERRORS: "errors",
    Change.UNIT: "a factor", Change.WITHIN: "a spread within minutes", Change.LEVEL: "a level",
    Change.SPREAD: "a spread", Change.MIX: "a mix",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Sizes:
    """At ``times``, the middle of stretches of ``step_seconds``: the largest change of the channel, of whatever kind,
    over the least that makes a ticket, below 1 while natural variation explains it; null where there were too few
    events. A page of ``kind``, that of the open change or the most frequent, must be ``page`` times as large as its
    ticket; null where no such change pages.
    """

    step_seconds: float
    times: list[float]
    over_ticket: list[float | None]
    kind: str | None
    page: float | None


def sizes_of(m: ModelView, row: int, since: float | None, stretch: Stretch, called: str | None = None) -> Sizes | None:
    """None where nothing was learned that sizes could be taken against. ``called``: the kind of the change that is open
    ``since``.
    """
    found = _found(m, row, stretch)
    if found is None or m.reader is None or m.reader.sizer is None:
        return None
    step, at, size, largest = found
    kind = _kind(largest, at + step / 2 > since if since is not None else None, called)
    page = np.inf if kind is None else m.reader.sizer.page_over_ticket(kind, row)
    return Sizes(
        step,
        at.tolist(),
        [x if np.isfinite(x) else None for x in size.tolist()],
        None if kind is None else str(name_of(kind)),
        page if np.isfinite(page) else None,
    )


def size_chart(sizes: Sizes, line: ChannelLine, stretch: Stretch, now: float) -> TimeChart:
    """In a page's sizes where there are such pages, else in a ticket's."""
    unit = 1.0 if sizes.page is None else sizes.page
    of = "" if sizes.kind is None else f" ({_word(Change(sizes.kind), line.values)})"
    limits = [(1.0 / unit, f"a ticket{of if sizes.page is None else ''}", "ticket")]
    if sizes.page is not None:
        limits.append((1.0, f"a page{of}", "page"))
    at = np.array(sizes.times)
    values = np.array([np.nan if x is None else x / unit for x in sizes.over_ticket], np.float64)
    values[at + sizes.step_seconds / 2 > now] = np.nan  # not over yet: so far it has too few events
    known = values[np.isfinite(values)]
    last = times(float(known[-1])) if len(known) else ""
    if (open_ := _open_size(line, sizes, unit)) is not None:
        limits.append((open_, f"this change: {times(open_)}", "now"))
        last = f"last {duration(sizes.step_seconds)}: {last} ×" if last else ""
    elif last:
        last = f"{last} ×"
    drawn, gap = np.maximum(values, LEAST), 1.6 * sizes.step_seconds
    lines = [Line(at, drawn, gap=gap)]
    marks = []
    if line.since is not None and line.status in {"page", "ticket"}:
        after = np.where(at + sizes.step_seconds / 2 > line.since, drawn, np.nan)
        lines = [Line(at, drawn, gap=gap), Line(at, after, "l-now", gap)]
        marks = [Mark(line.since, f"change {when(line.since, now)}", "cp")]
    what = "page" if sizes.page is not None else "ticket"
    said = f"Size of the largest change of {line.channel}, in what makes a {what}: last {last or 'unknown'}"
    return TimeChart(
        "Size of the largest change", f"times what makes a {what}, log scale", said, stretch.span, lines, marks=marks,
        last=last, height=130, limits=limits,
    )  # fmt: skip


def _open_size(line: ChannelLine, sizes: Sizes, unit: float) -> float | None:
    """That of the open change over all its time, in the chart's sizes: a single stretch may show nothing of it."""
    if line.size is None or line.status not in {"page", "ticket"} or line.size_of == "threshold":
        return None
    if line.size_of == "ticket":
        return line.size / unit
    return None if sizes.page is None else line.size


def _word(change: Change, values: str) -> str:
    """Numbers that the reference has not are out of its range: only categories have new values."""
    return "values out of range" if change is Change.NEW and values == "number" else _WORDS[change]


def day_of_sizes(m: ModelView, now: float) -> tuple[Floats, Floats, Span]:
    """The largest size of all channels over the last 24 hours, in a ticket's, in 48 pieces at the most: by the hour, as
    more events say more, and since the last whole hour by ten minutes.
    """
    span, hour, ten = Span(now - DAY, now), t.STEPS[2], t.STEPS[1]
    hours, sizes = m.timeline.sizes(2, int(span.start // hour))
    since = (hours[-1] + 1) * hour if len(hours) else span.start
    recent, newest = m.timeline.sizes(1, int(since // ten))
    at = np.concatenate([(hours + 0.5) * hour, (recent + 0.5) * ten]).astype(np.float64)
    return *halved(at, np.maximum(np.concatenate([sizes, newest]), DAY_AXIS.low), span), span


def _found(m: ModelView, row: int, stretch: Stretch) -> tuple[float, Floats, Floats, NDArray[np.int8]] | None:
    step = next(step for seconds, step in FINEST if stretch.seconds <= seconds)
    points = m.timeline.points(step, m.reader)
    seconds = t.STEPS[step]
    part = points.part(int(stretch.span.start // seconds), int(stretch.span.end // seconds) + 1)
    if row >= part.sizes.shape[1]:
        return None
    at = np.asarray((part.numbers + 0.5) * seconds, np.float64)
    return seconds, at, part.sizes[:, row].astype(np.float64), part.largest[:, row]


def _kind(largest: NDArray[np.int8], mine: NDArray[np.bool_] | None, called: str | None) -> int | None:
    """The statistic that was the largest most often, of the stretches that are ``mine`` if there are any; of those that
    are ``called`` so, if that is known: what is open may seldom be what was largest.
    """
    chosen = largest if mine is None or not mine.any() else largest[mine]
    counts = np.bincount(chosen[chosen != NOTHING], minlength=len(STATISTICS))
    asked = set() if called is None else set(changes_called(called))
    alike = [i for i, change in enumerate(STATISTICS) if change in asked]
    if alike:
        return max(alike, key=lambda i: counts[i])
    return int(counts.argmax()) if counts.any() else None
