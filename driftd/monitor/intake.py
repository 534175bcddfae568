"""Messages of the ingest side come in, at least once and in any order between sources; each has its effect once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import TopicPartition, versions
from driftd.core.exemplars import Exemplars
from driftd.core.new_names import NewName
from driftd.core.pane import ClosedPane, ClosedPanes, RawRows
from driftd.core.pane_block import PaneBlock, merge
from driftd.core.quality import sums as quality
from driftd.core.quality.sums import Outcomes
from driftd.core.segments import segment_sums
from driftd.core.summary import Summary
from driftd.core.window import Refused, TimedDetection
from driftd.judge.natural.learned import TICK, NaturalLearned
from driftd.judge.natural.relations import cells_of
from driftd.judge.natural.runs import Runs, begins
from driftd.judge.natural.step import Products
from driftd.monitor.state import ModelState


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """Panes of a slice that follow each other, ``first`` to ``number``, of all sources together; the fields as in
    core.pane.ClosedPane. ``versions``: the first and the last pane in which each answered. ``names`` keep their panes;
    ``refused`` and ``outcomes`` as in core.window.Hop.
    """

    first: int
    number: int
    summary: Summary
    detections: tuple[TimedDetection, ...]
    cross: NDArray[np.int64] | None
    versions: Mapping[str, tuple[int, int]]
    names: tuple[NewName, ...]
    refused: Refused = ()
    outcomes: Outcomes = field(default_factory=dict)


def take_in(model: ModelState, message: ClosedPanes | RawRows) -> None:
    """Keeps the message until its panes are evaluated; what brings nothing new changes nothing."""
    if isinstance(message, RawRows):
        _take_rows(model, message)
        return
    panes: PaneBlock | None = message.panes
    if panes is not None and model.taken is not None:
        _, panes = panes.cut(model.taken)
    if panes is not None:
        known = model.pending.get(message.source, [])
        model.pending[message.source] = _each_once([*known, replace(message, panes=panes)])


def _each_once(messages: list[ClosedPanes]) -> list[ClosedPanes]:
    """Of one source. A pane that came again is there once, as the message with the greatest offset has it."""
    numbers = np.concatenate([m.panes.numbers for m in messages])
    if len(messages) < 2 or np.all(numbers[1:] > numbers[:-1]):
        return messages
    latest: dict[int, ClosedPane] = {}
    for pane in (pane for message in messages for pane in message.each()):
        if pane.number not in latest or latest[pane.number].offset < pane.offset:
            latest[pane.number] = pane
    return [pane.alone for _, pane in sorted(latest.items())]


def _take_rows(model: ModelState, message: RawRows) -> None:
    through = model.through.get(message.source)
    if through is not None and message.through <= through:
        return
    model.through[message.source] = message.through
    if through is not None and (message.panes <= through).any():
        new = np.flatnonzero(message.panes > through)
        message = replace(message, rows=message.rows.take(new), panes=message.panes[new])
    if len(message.rows) and model.holds_rows:
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


def waiting(model: ModelState, reached: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The panes up to ``reached`` that came in, int64[k], and the events of each, of all sources."""
    blocks = [message.panes for messages in model.pending.values() for message in messages]
    number = np.concatenate([np.zeros(0, np.int64), *(block.numbers for block in blocks)])
    numbers, place = np.unique(number, return_inverse=True)
    events = np.zeros(len(numbers), np.int64)
    np.add.at(events, place, np.concatenate([np.zeros(0, np.int64), *(block.events for block in blocks)]))
    return numbers[numbers <= reached], events[numbers <= reached]


def take_out(model: ModelState, reached: int) -> PaneBlock | None:
    """The panes up to ``reached``, of all sources together; they are in from then on. None where there are none."""
    blocks, later = list[PaneBlock](), dict[tuple[str, int], list[ClosedPanes]]()
    seen: list[tuple[TopicPartition, Exemplars]] = []
    for source, messages in sorted(model.pending.items()):
        for message in messages:
            now, rest = message.panes.cut(reached)
            if now is not None:
                blocks.append(now)
                if now.exemplars is not None:
                    seen.append((source, now.exemplars))
            if rest is not None:
                later.setdefault(source, []).append(replace(message, panes=rest))
    model.pending = later
    if not blocks:
        return None
    panes = merge([replace(block, exemplars=None) for block in blocks])
    model.taken, model.exemplars = int(panes.numbers[-1]), model.exemplars.with_panes(seen)
    return panes


def together(panes: PaneBlock, cuts: Sequence[int]) -> Iterator[Run]:
    """The panes between two cuts as one: what a pane of three events costs must not be a dozen additions of arrays."""
    runs = panes.summed(cuts[:-1])
    first, last = runs.numbers.tolist(), panes.numbers[np.asarray(cuts[1:]) - 1].tolist()
    detections = sorted(panes.detections, key=lambda d: (d[0], d[1].time, d[1].detector, d[1].channel))
    versions = _answered(panes.versions, runs.numbers, np.array(last))
    refused = dict[int, list[tuple[int, int]]]()
    for place, row in np.argwhere(runs.refused > 0).tolist():
        refused.setdefault(place, []).append((row, int(runs.refused[place, row])))
    for place, (begin, end) in enumerate(zip(first, last, strict=True)):
        yield Run(
            begin,
            end,
            runs.summary(place),
            tuple(d for number, d in detections if begin <= number <= end),
            None if runs.cross is None else runs.cross[place].copy(),
            versions[place],
            panes.names_of(begin, end),
            tuple(refused.get(place, ())),
            quality.at(quality.between(panes.outcomes, begin, end), 0) if panes.outcomes else {},
        )


def _answered(
    versions: Mapping[str, NDArray[np.int64]], first: NDArray[np.int64], last: NDArray[np.int64]
) -> list[dict[str, tuple[int, int]]]:
    """For each run ``first`` to ``last`` the versions that answered in it, each with its first and last pane there."""
    out: list[dict[str, tuple[int, int]]] = [{} for _ in first]
    for version, at in versions.items():
        low, high = np.searchsorted(at, first), np.searchsorted(at, last, side="right")
        for run in np.flatnonzero(high > low).tolist():
            out[run][version] = int(at[low[run]]), int(at[high[run] - 1])
    return out


def counted(
    learned: NaturalLearned, tick: Runs, panes: PaneBlock, pane_seconds: float
) -> tuple[Runs, Products, NDArray[np.float64]]:
    """The panes as judge.natural takes them, in order of time: those that make a tick with the one that waits, and the
    ticks after it, as one each, and products of 20 minutes as one. And the end of each pane.
    """
    begin = panes.numbers.astype(np.float64) * pane_seconds
    end = begin + pane_seconds
    first = begins(tick, (begin, end, panes.events), *TICK)
    last = np.append(first[1:], len(panes)) - 1
    runs = Runs(begin[first], end[last], segment_sums(panes.events, first), panes.sums_of(first))
    cells = cells_of(begin)
    products = panes.products_of(cells)
    if products is None:
        return runs, Products.none(len(learned.scores.rows)), end
    return runs, Products(begin[cells], products), end
