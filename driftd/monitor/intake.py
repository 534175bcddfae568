"""Messages of the ingest side come in, at least once and in any order between sources; each has its effect once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import COLUMNS, FaultCounters
from driftd.core.fault_counters import merge as merge_faults
from driftd.core.pane import ClosedPane, RawRows
from driftd.core.summary import Summary, merge
from driftd.core.window import TimedDetection
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.step import Products
from driftd.monitor.state import ModelState


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One pane of a slice, of all sources together; the fields as in core.pane.ClosedPane."""

    number: int
    summary: Summary
    detections: tuple[TimedDetection, ...]
    cross: NDArray[np.int64] | None
    versions: frozenset[str]
    faults: FaultCounters | None = None
    products: NDArray[np.int64] | None = None


def take_in(model: ModelState, message: ClosedPane | RawRows) -> None:
    """Keeps the message until its pane is evaluated; one that brings nothing new changes nothing."""
    if isinstance(message, RawRows):
        if model.reference is None:
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
    if len(message.rows):
        model.arrived.setdefault(message.source, []).append(message)


def take_out(model: ModelState, reached: int) -> Iterator[Pane]:
    """The panes up to ``reached`` in ascending order, merged over their sources; each is in from then on."""
    for number in sorted(n for n in model.pending if n <= reached):
        parts = [pane for _, pane in sorted(model.pending.pop(number).items())]
        model.taken = number
        detections = sorted((d for p in parts for d in p.detections), key=lambda d: (d.time, d.detector, d.channel))
        faults = [p.faults for p in parts if p.faults is not None]
        yield Pane(
            number,
            merge(p.summary for p in parts),
            tuple(detections),
            _sum([p.cross for p in parts if p.cross is not None]),
            frozenset[str]().union(*(p.versions for p in parts)),
            merge_faults(faults) if faults else None,
            _sum([p.products for p in parts if p.products is not None]),
        )


def counted(learned: NaturalLearned, panes: Sequence[Pane], pane_seconds: float) -> tuple[Runs, Products]:
    """The panes as judge.natural takes them, in order of time. A pane without fault counters has none to count."""
    begin = np.array([pane.number for pane in panes]) * pane_seconds
    none = np.zeros((len(learned.traits.numeric), COLUMNS), np.int64)
    sums = [
        np.concatenate([p.summary.counts, none if p.faults is None else p.faults.values, p.summary.moments], axis=1)
        for p in panes
    ]
    events = np.array([pane.summary.events for pane in panes], np.int64)
    runs = Runs(begin, begin + pane_seconds, events, np.stack(sums))
    with_products = [i for i, pane in enumerate(panes) if pane.products is not None]
    if not with_products:
        return runs, Products.none(len(learned.scores.rows))
    return runs, Products(begin[with_products], np.array([panes[i].products for i in with_products]))


def _sum(arrays: Sequence[NDArray[np.int64]]) -> NDArray[np.int64] | None:
    total: NDArray[np.int64] | None = np.sum(arrays, axis=0) if arrays else None
    return total
