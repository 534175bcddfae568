"""Messages of the ingest side come in, at least once and in any order between sources; each has its effect once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.pane import ClosedPane, RawRows, merge_times
from driftd.core.summary import Summary, merge
from driftd.core.window import TimedDetection
from driftd.monitor.state import ModelState, SourceProgress


@dataclass(frozen=True, slots=True, eq=False)
class Pane:
    """One pane of a slice, of all sources together; the fields as in core.pane.ClosedPane."""

    number: int
    summary: Summary
    detections: tuple[TimedDetection, ...]
    cross: NDArray[np.int64] | None


def take_in(model: ModelState, message: ClosedPane | RawRows) -> None:
    """Keeps the message until its pane is evaluated; one that brings nothing new changes nothing."""
    known = model.sources.get(message.source)
    through = -np.inf if known is None else known.through
    if isinstance(message, RawRows):
        if not _take_rows(model, message, through):
            return
        through = message.through
    elif not _take_pane(model, message):
        return
    newest = message if known is None or known.offset < message.offset else known
    model.sources[message.source] = SourceProgress(newest.offset, newest.counters, through)


def _take_pane(model: ModelState, message: ClosedPane) -> bool:
    if model.taken is not None and message.number <= model.taken:
        return False
    of_pane = model.pending.setdefault(message.number, {})
    known = of_pane.get(message.source)
    if known is not None and known.offset >= message.offset:
        return False
    of_pane[message.source] = message
    return True


def _take_rows(model: ModelState, message: RawRows, through: float) -> bool:
    new = np.flatnonzero(message.panes > through)
    if not len(new):
        return False
    if len(new) < len(message.panes):
        message = replace(message, rows=message.rows.take(new), panes=message.panes[new])
    model.arrived.setdefault(message.source, []).append(message)
    return True


def take_out(model: ModelState, reached: int) -> Iterator[Pane]:
    """The panes up to ``reached`` in ascending order, merged over their sources; each is in from then on."""
    for number in sorted(n for n in model.pending if n <= reached):
        parts = [pane for _, pane in sorted(model.pending.pop(number).items())]
        model.taken = number
        detections = sorted((d for p in parts for d in p.detections), key=lambda d: (d.time, d.detector, d.channel))
        crosses = [p.cross for p in parts if p.cross is not None]
        for part in parts:
            merge_times(model.versions, part.versions)
        cross = np.sum(crosses, axis=0) if crosses else None
        yield Pane(number, merge(p.summary for p in parts), tuple(detections), cross)
