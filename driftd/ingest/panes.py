"""Open panes of a slice in a partition: events go in, closed panes come out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.cost import FREE, Prices
from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.exemplars import Exemplars
from driftd.core.experiment import Rule
from driftd.core.fault_counters import HOT, CountLimits
from driftd.core.new_names import NewName, added
from driftd.core.pane import ClosedPanes, RawRows
from driftd.core.pane_block import PaneBlock, merge
from driftd.core.products import CrossSums
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.expected import Expected
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Exclusion, Reference
from driftd.core.slice import Slice
from driftd.core.values import category
from driftd.core.window import TimedDetection, panes_of
from driftd.ingest.binning import Encoded, block_with, encode_with
from driftd.ingest.calibrated import likely
from driftd.ingest.fault_counts import Carry, flags, refused_values
from driftd.ingest.quality import outcomes
from driftd.ingest.state import PartitionState, Stream


class Hit(Protocol):
    """A sequential detector's detection; the fields as in driftd.detectors.Detection."""

    @property
    def index(self) -> int: ...

    @property
    def width(self) -> int: ...

    @property
    def before(self) -> float: ...

    @property
    def after(self) -> float: ...


class Sequential(Protocol):
    """What feeding needs of a driftd.detectors.SequentialDetector."""

    def start(self) -> Any: ...

    def feed(self, state: Any, values: NDArray[np.float64]) -> Sequence[Hit]: ...


@dataclass(frozen=True, slots=True, eq=False)
class FaultCounting:
    """What counting for judge.natural needs to know of the reference."""

    limits: CountLimits
    scores: CrossSums
    rows: NDArray[np.intp] = field(default_factory=lambda: np.zeros(0, np.intp))
    """The channels of ``scores``."""


@dataclass(frozen=True, slots=True, eq=False)
class SliceIngest:
    """What the partition side must know of a slice.

    Without a ``reference`` events are kept as rows. ``sequential`` maps a detector's kind to (row, detector) pairs.
    Events in ``exclude`` are counted and go no further. ``faults``: None where nothing was learned for them. ``hold``:
    events are handed over as rows too. ``shed``: some detectors are left out of ``sequential``, since driftd cannot
    keep up. ``scoring``: how events with a label are counted, None where predictions are not known.
    ``prices``: what events cost that do not say it. ``experiments``: their rules. ``expected``: how large
    errors should be, of numbers; ``calibrated``: how often predictions of several classes should be right.
    """

    reference: Reference | None = None
    pairs: CrossSums | None = None
    sequential: Mapping[str, Sequence[tuple[int, Sequential]]] = field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()
    faults: FaultCounting | None = None
    hold: bool = False
    shed: bool = False
    scoring: Scoring | None = None
    prices: Prices = FREE
    experiments: tuple[Rule, ...] = ()
    expected: Expected | None = None
    calibrated: Calibrated | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Readings:
    """What sequential detectors read of events, in offset order: ``times`` float64[n], ``values`` float64[n] by row."""

    times: NDArray[np.float64]
    values: Mapping[int, NDArray[np.float64]]


def absorb(about: SliceIngest, stream: Stream, pane_seconds: float) -> None:
    """Puts the events that came since into their panes, all at once: a batch costs the same for one event and for a
    hundred. Rows that wait for a reference go on waiting.
    """
    if about.reference is not None and stream.rows:
        rows, stream.rows = concatenate(stream.rows), []
        if about.hold:
            stream.held.append(rows.compact())
        _add_events(about, about.reference, stream, rows, panes_of(rows.times, pane_seconds))


def _add_events(
    about: SliceIngest, reference: Reference, stream: Stream, batch: EventBatch, panes: NDArray[np.int64]
) -> None:
    """Puts events into their open panes; ``panes`` int64[n] is the pane of each event."""
    fresh, readings = counted(about, reference, stream, batch, panes)
    add(about, reference, stream, fresh, readings, panes)


def counted(
    about: SliceIngest, reference: Reference, stream: Stream, batch: EventBatch, panes: NDArray[np.int64]
) -> tuple[PaneBlock, Readings]:
    """The panes of events, without detections, and what sequential detectors read. Of the stream only ``carry`` is used
    and changed.
    """
    encoded, by_pane = encode_with(reference, batch), ByPane.of(panes)
    flagged = None if about.faults is None else _flagged(about.faults, reference, stream, batch, encoded)
    scores = None if about.faults is None else about.faults.scores
    fresh = block_with(reference, batch, encoded, by_pane, flagged, about.pairs, scores)
    names = () if flagged is None else _new_names(reference, batch, panes, flagged[HOT])
    seen = Exemplars.first(batch, by_pane.first)
    found = outcomes(about.scoring, batch, panes)
    found |= likely(about.calibrated, about.scoring, batch, panes)
    if about.expected is not None:
        found |= about.expected.sums(reference.rows, encoded.bins, panes)
    versions = _versions_in(batch, panes, by_pane)
    fresh = replace(fresh, versions=versions, exemplars=seen, names=names, outcomes=found)
    rows = sorted({row for pairs in about.sequential.values() for row, _ in pairs})
    return fresh, Readings(batch.times, {row: _reading(reference, encoded, row) for row in rows})


def add(
    about: SliceIngest,
    reference: Reference,
    stream: Stream,
    fresh: PaneBlock,
    readings: Readings,
    panes: NDArray[np.int64],
) -> None:
    """Adds panes that were ``counted`` after all others; ``panes`` int64[n] is the pane of each reading."""
    fresh = replace(fresh, detections=tuple(_detections(about, reference, stream, readings, panes)))
    stream.panes = fresh if stream.panes is None else merge([stream.panes, fresh])


def _flagged(
    about: FaultCounting, reference: Reference, stream: Stream, batch: EventBatch, encoded: Encoded
) -> NDArray[np.int64]:
    """What each event adds to the fault counters of its pane."""
    columns = [
        None if reference.numeric[row] else channel.values(batch, reference.classes)
        for row, channel in enumerate(reference.channels)
    ]
    refused = refused_values(reference.channels, reference.numeric, batch, reference.classes)
    carry = Carry.start(len(columns)) if stream.carry is None else stream.carry
    flagged, stream.carry = flags(columns, encoded.bins, encoded.values, about.limits, carry, refused)
    return flagged


def _new_names(
    reference: Reference, batch: EventBatch, panes: NDArray[np.int64], hot: NDArray[np.int64]
) -> tuple[NewName, ...]:
    """The new categories of the events that are ``hot`` int64[channels, n]: those that take a share."""
    out: list[NewName] = []
    for row in np.flatnonzero(hot.any(axis=1)).tolist():
        at, column = np.flatnonzero(hot[row]), reference.channels[row].values(batch, reference.classes)
        if column is not None and not isinstance(column, np.ndarray):
            values = (category(v) for i in at.tolist() if (v := column[i]) is not None)
            counted = Counter(zip(panes[at].tolist(), values, strict=True))
            out += [(pane, row, name, n) for (pane, name), n in counted.items()]
    return added(out)


def _versions_in(batch: EventBatch, panes: NDArray[np.int64], by_pane: ByPane) -> dict[str, NDArray[np.int64]]:
    """The panes in which each version answered."""
    if batch.version is None:
        return {}
    if isinstance(batch.version, str):
        return {batch.version: by_pane.numbers}
    out: dict[str, list[int]] = {}
    seen = set(zip(panes.tolist(), batch.version, strict=True))
    for number, version in sorted((n, v) for n, v in seen if v is not None):
        out.setdefault(version, []).append(number)
    return {version: np.array(at, np.int64) for version, at in out.items()}


def _reading(reference: Reference, encoded: Encoded, row: int) -> NDArray[np.float64]:
    """What a sequential detector reads of a channel, float64[n]; NaN where there is nothing."""
    if reference.channels[row].role.row.zero_one(reference.classes):
        values: NDArray[np.float64] = encoded.values[row]
        return values
    return np.where(encoded.bins[row] >= 0, reference.places[row][encoded.bins[row]], np.nan)


def _detections(
    about: SliceIngest, reference: Reference, stream: Stream, readings: Readings, panes: NDArray[np.int64]
) -> Iterator[tuple[int, TimedDetection]]:
    """Feeds the sequential detectors in offset order; their detections, each with the pane of its event."""
    for kind, pairs in about.sequential.items():
        for row, detector in pairs:
            channel, values = reference.channels[row], readings.values[row]
            here = np.flatnonzero(~np.isnan(values))
            if not len(here):
                continue
            key = (kind, channel.name)
            if key not in stream.sequential:
                stream.sequential[key] = detector.start()
            for hit in detector.feed(stream.sequential[key], values[here]):
                at = here[hit.index]
                time, rate = float(readings.times[at]), _rate(reference, row)
                # by the channel's rate: the change may have begun in an earlier poll, and polls must not matter
                since = time - hit.width / rate
                yield int(panes[at]), TimedDetection(kind, channel.name, time, hit.before, hit.after, since)


def _rate(reference: Reference, row: int) -> float:
    """Events a second of a channel, as in the reference."""
    events, span = int(reference.summary.counts[row].sum()), reference.last - reference.first
    return max(events, 1) / max(span, 1.0)


def recounted(
    about: SliceIngest, block: PaneBlock, rows: Sequence[int], held: Sequence[EventBatch], pane_seconds: float
) -> PaneBlock:
    """Panes on the bins of ``about.reference``, which differ from theirs in the channels ``rows`` alone: these are
    counted anew from the events that are ``held`` of the panes.
    """
    assert about.reference is not None
    known = [] if about.faults is None else about.faults.rows.tolist()
    places = [known.index(row) for row in rows if row in known]
    fresh = None
    if held:
        batch = concatenate(held)
        fresh, _ = counted(about, about.reference, Stream(), batch, panes_of(batch.times, pane_seconds))
    return block.with_rows(rows, places, about.reference.id, fresh)


def take_closed(
    partition: PartitionState, source: TopicPartition, reached: int, pane_seconds: float, key: Slice
) -> Iterator[ClosedPanes | RawRows]:
    """Takes the slice's panes up to ``reached`` out of the partition."""
    stream = partition.streams.get(key)
    if stream is None:
        return
    for waiting in (stream.rows, stream.held):  # never both: rows wait for a reference
        if waiting:
            rows = _take_rows(partition, key, source, reached, pane_seconds, waiting)
            if rows is not None:
                yield rows
    if stream.panes is not None:
        closed, stream.panes = stream.panes.cut(reached)
        if closed is not None:
            yield ClosedPanes(key, source, partition.next_offset, closed)


def _take_rows(
    partition: PartitionState,
    key: Slice,
    source: TopicPartition,
    reached: int,
    pane_seconds: float,
    waiting: list[EventBatch],
) -> RawRows | None:
    """Takes the raw rows of panes up to ``reached`` out of those ``waiting``; None where there are none."""
    rows = concatenate(waiting)
    panes = panes_of(rows.times, pane_seconds)
    ready = panes <= reached
    if not ready.any():
        waiting[:] = [rows]
        return None
    waiting[:] = [] if ready.all() else [rows.take(np.flatnonzero(~ready))]
    index = np.flatnonzero(ready)
    out = rows if ready.all() else rows.take(index)
    return RawRows(key, int(panes[index].max()), source, partition.next_offset, out, panes[index])


def adopt(
    about: SliceIngest,
    partition: PartitionState,
    key: Slice,
    left: Sequence[EventBatch],
    pane_seconds: float,
    *,
    anew: bool = False,
) -> None:
    """Goes on with ``about.reference``: rows that waited for one, and those ``left`` over by it, open its panes.

    What was counted on another reference's bins, or before it was learned ``anew``, is dropped.
    """
    stream = partition.streams.get(key)
    if stream is None or about.reference is None:
        return
    if anew or (stream.panes is not None and stream.panes.bins_id != about.reference.id):
        stream.panes = None
        stream.sequential.clear()
        stream.carry = None
    rows, stream.rows = [*left, *stream.rows], []
    if rows:
        batch = concatenate(rows)
        if left:  # back among the others: sequential detectors see events in offset order
            batch = batch.take(np.argsort(batch.offsets, kind="stable"))
        if about.hold:
            stream.held.append(batch.compact())
        _add_events(about, about.reference, stream, batch, panes_of(batch.times, pane_seconds))
