"""Messages of the ingest side come in, at least once and in any order between sources; each has its effect once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import versions
from driftd.core.fault_counters import COLUMNS
from driftd.core.pane import ClosedPane, RawRows
from driftd.core.summary import Summary, merge_runs
from driftd.core.window import TimedDetection
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.step import Products
from driftd.monitor.state import ModelState


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One pane of a slice: what each source saw of it, in order of sources."""

    number: int
    parts: Sequence[ClosedPane]
    events: int

    @property
    def detections(self) -> list[TimedDetection]:
        every = [d for part in self.parts for d in part.detections]
        return sorted(every, key=lambda d: (d.time, d.detector, d.channel))


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Panes of a slice that follow each other, ``first`` to ``number``, of all sources together; the fields as in
    core.pane.ClosedPane. ``versions``: the first and the last pane in which each answered.
    """

    first: int
    number: int
    summary: Summary
    detections: tuple[TimedDetection, ...]
    cross: NDArray[np.int64] | None
    versions: Mapping[str, tuple[int, int]]


def take_in(model: ModelState, message: ClosedPane | RawRows) -> None:
    """Keeps the message until its pane is evaluated; one that brings nothing new changes nothing."""
    if isinstance(message, RawRows):
        _take_rows(model, message)
    elif model.taken is None or message.number > model.taken:
        of_pane = model.pending.setdefault(message.number, {})
        known = of_pane.get(message.source)
        if known is None or known.offset < message.offset:
            of_pane[message.source] = message


def _take_rows(model: ModelState, message: RawRows) -> None:
    through = model.through.get(message.source)
    if through is not None and message.through <= through:
        return
    model.through[message.source] = message.through
    if through is not None and (message.panes <= through).any():
        new = np.flatnonzero(message.panes > through)
        message = replace(message, rows=message.rows.take(new), panes=message.panes[new])
    if len(message.rows) and model.wants_rows:
        model.arrived.setdefault(message.source, []).append(message)
    if len(message.rows) and model.reference is not None:
        model.recent.append(message)


def since(messages: Sequence[RawRows], start: float, pane_seconds: float) -> list[RawRows]:
    """Without the messages whose panes all began before ``start``."""
    return [message for message in messages if int(message.panes.max()) * pane_seconds >= start]


def answered(message: RawRows, version: str, start: float, taken: int, pane_seconds: float) -> RawRows:
    """Its rows in which the version answered, in panes from ``start`` on; and all of panes after ``taken``."""
    mine = np.array([v == version for v in versions(message.rows)], bool)
    mine = (mine & (message.panes * pane_seconds >= start)) | (message.panes > taken)
    index = np.flatnonzero(mine)
    return replace(message, rows=message.rows.take(index), panes=message.panes[index])


def take_out(model: ModelState, reached: int) -> list[Pane]:
    """The panes up to ``reached`` in ascending order; they are in from then on."""
    out = []
    for number in sorted(n for n in model.pending if n <= reached):
        sources = model.pending.pop(number)
        parts = [*sources.values()] if len(sources) == 1 else [pane for _, pane in sorted(sources.items())]
        model.taken = number
        out.append(Pane(number, parts, sum(part.summary.events for part in parts)))
    return out


def together(panes: Sequence[Pane], cuts: Sequence[int]) -> list[Run]:
    """The panes between two cuts as one: what a pane of three events costs must not be a dozen additions of arrays."""
    if not panes:
        return []
    places = np.cumsum([0, *(len(pane.parts) for pane in panes)])[np.asarray(cuts)].tolist()
    parts = [part for pane in panes for part in pane.parts]
    summaries = merge_runs([part.summary for part in parts], places[:-1])
    out = []
    for summary, (first, behind), (begin, end) in zip(summaries, pairwise(cuts), pairwise(places), strict=True):
        mine = parts[begin:end]
        started = {version: part.number for part in reversed(mine) for version in part.versions}
        out.append(
            Run(
                panes[first].number,
                panes[behind - 1].number,
                summary,
                tuple(d for pane in panes[first:behind] for d in pane.detections),
                _sum([part.cross for part in mine]),
                {version: (started[version], part.number) for part in mine for version in part.versions},
            )
        )
    return out


def counted(learned: NaturalLearned, panes: Sequence[Pane], pane_seconds: float) -> tuple[Runs, Products]:
    """The panes as judge.natural takes them, in order of time. A pane without fault counters has none to count."""
    begin = np.array([pane.number for pane in panes]) * pane_seconds
    events = np.array([pane.events for pane in panes], np.int64)
    runs = Runs(begin, begin + pane_seconds, events, _sums(panes, len(learned.traits.numeric)))
    products = {
        i: total for i, pane in enumerate(panes) if (total := _sum([p.products for p in pane.parts])) is not None
    }
    if not products:
        return runs, Products.none(len(learned.scores.rows))
    return runs, Products(begin[[*products]], np.array([*products.values()]))


def _sums(panes: Sequence[Pane], channels: int) -> NDArray[np.int64]:
    """int64[panes, channels, columns]: counts, fault counters and moments of each pane, of all its sources."""
    none = np.zeros((channels, COLUMNS), np.int64)
    parts = [part for pane in panes for part in pane.parts]
    faults = [none if part.faults is None else part.faults.values for part in parts]
    sums = np.concatenate(
        [np.array([p.summary.counts for p in parts]), np.array(faults), np.array([p.summary.moments for p in parts])],
        axis=2,
    )
    if len(parts) > len(panes):
        sums = np.add.reduceat(sums, np.cumsum([0, *(len(pane.parts) for pane in panes[:-1])]), axis=0)
    return sums


def _sum(tables: Sequence[NDArray[np.int64] | None]) -> NDArray[np.int64] | None:
    """Of those that there are; None where there is none."""
    known = [table for table in tables if table is not None]
    if len(known) < 2:
        return known[0] if known else None
    total: NDArray[np.int64] = np.sum(known, axis=0)
    return total
