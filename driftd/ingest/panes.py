"""Open panes of a slice in a partition: events go in, closed panes come out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.fault_counters import CountLimits, FaultCounters
from driftd.core.pane import ClosedPane, RawRows
from driftd.core.reference import Exclusion, Reference
from driftd.core.slice import Slice
from driftd.core.summary import merge
from driftd.core.window import TimedDetection, panes_of
from driftd.ingest.binning import Encoded, encode_with, summarise_with
from driftd.ingest.fault_counts import Carry, count, flags, refused_values
from driftd.ingest.state import OpenPane, PartitionState, Stream


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


class CrossSums(Protocol):
    """What a pane needs of judge.exchangeable.joint.Pairs, and of judge.natural.relations.Scores."""

    def crosses(self, bins: NDArray[np.intp], panes: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]: ...


@dataclass(frozen=True, slots=True, eq=False)
class FaultCounting:
    """What counting for judge.natural needs to know of the reference."""

    limits: CountLimits
    scores: CrossSums


@dataclass(frozen=True, slots=True, eq=False)
class SliceIngest:
    """What the partition side must know of a slice.

    Without a ``reference`` events are kept as rows. ``sequential`` maps a detector's kind to (row, detector) pairs.
    Events in ``exclude`` are counted and go no further. ``faults``: None where nothing was learned for them. ``hold``:
    events are handed over as rows too.
    """

    reference: Reference | None = None
    pairs: CrossSums | None = None
    sequential: Mapping[str, Sequence[tuple[int, Sequential]]] = field(default_factory=dict)
    exclude: tuple[Exclusion, ...] = ()
    faults: FaultCounting | None = None
    hold: bool = False


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
    encoded = encode_with(reference, batch)
    crosses = about.pairs.crosses(encoded.bins, panes) if about.pairs is not None else {}
    versions = _versions_in(batch, panes)
    for number, summary in summarise_with(reference, batch, encoded, panes).items():
        known, cross = stream.panes.get(number), crosses.get(number)
        if known is None:
            known = stream.panes[number] = OpenPane(summary, cross=cross)
        else:
            known.summary = merge((known.summary, summary))
            known.cross = cross if known.cross is None else known.cross if cross is None else known.cross + cross
        known.versions |= versions.get(number, set())
    if about.faults is not None:
        _count_faults(about.faults, reference, stream, batch, encoded, panes)
    for number, detection in _detections(about, reference, stream, batch, encoded, panes):
        stream.panes[number].detections += (detection,)


def _count_faults(
    about: FaultCounting,
    reference: Reference,
    stream: Stream,
    batch: EventBatch,
    encoded: Encoded,
    panes: NDArray[np.int64],
) -> None:
    """Adds what judge.natural needs to the batch's panes, which are open."""
    columns = [
        None if reference.numeric[row] else channel.values(batch, reference.classes)
        for row, channel in enumerate(reference.channels)
    ]
    refused = refused_values(reference.channels, reference.numeric, batch, reference.classes)
    carry = Carry.start(len(columns)) if stream.carry is None else stream.carry
    flagged, stream.carry = flags(columns, encoded.bins, encoded.values, about.limits, carry, refused)
    for number, counters in count(flagged, panes).items():
        pane = stream.panes[number]
        pane.faults = counters if pane.faults is None else pane.faults.merge(counters)
    for number, products in about.scores.crosses(encoded.bins, panes).items():
        pane = stream.panes[number]
        pane.products = products if pane.products is None else pane.products + products


def _versions_in(batch: EventBatch, panes: NDArray[np.int64]) -> dict[int, set[str]]:
    """The versions that answered in each pane."""
    if batch.version is None:
        return {}
    if isinstance(batch.version, str):
        return {number: {batch.version} for number in np.unique(panes).tolist()}
    out: dict[int, set[str]] = {}
    for number, version in set(zip(panes.tolist(), batch.version, strict=True)):
        if version is not None:
            out.setdefault(number, set()).add(version)
    return out


def _detections(
    about: SliceIngest,
    reference: Reference,
    stream: Stream,
    batch: EventBatch,
    encoded: Encoded,
    panes: NDArray[np.int64],
) -> Iterator[tuple[int, TimedDetection]]:
    """Feeds the sequential detectors in offset order; their detections, each with the pane of its event."""
    for kind, pairs in about.sequential.items():
        for row, detector in pairs:
            channel = reference.channels[row]
            if channel.role.row.zero_one(reference.classes):
                values = encoded.values[row]
            else:
                values = np.where(encoded.bins[row] >= 0, reference.places[row][encoded.bins[row]], np.nan)
            here = np.flatnonzero(~np.isnan(values))
            if not len(here):
                continue
            key = (kind, channel.name)
            if key not in stream.sequential:
                stream.sequential[key] = detector.start()
            for hit in detector.feed(stream.sequential[key], values[here]):
                at = here[hit.index]
                time, rate = float(batch.times[at]), _rate(reference, row)
                # by the channel's rate: the change may have begun in an earlier poll, and polls must not matter
                since = time - hit.width / rate
                yield int(panes[at]), TimedDetection(kind, channel.name, time, hit.before, hit.after, since)


def _rate(reference: Reference, row: int) -> float:
    """Events a second of a channel, as in the reference."""
    events, span = int(reference.summary.counts[row].sum()), reference.last - reference.first
    return max(events, 1) / max(span, 1.0)


def take_closed(
    partition: PartitionState, source: TopicPartition, reached: int, pane_seconds: float, key: Slice
) -> Iterator[ClosedPane | RawRows]:
    """Takes the slice's panes up to ``reached`` out of the partition, in ascending order."""
    stream = partition.streams.get(key)
    if stream is None:
        return
    for waiting in (stream.rows, stream.held):  # never both: rows wait for a reference
        if waiting:
            rows = _take_rows(partition, key, source, reached, pane_seconds, waiting)
            if rows is not None:
                yield rows
    for number in sorted(n for n in stream.panes if n <= reached):
        pane = stream.panes.pop(number)
        yield ClosedPane(
            key,
            number,
            source,
            partition.next_offset,
            pane.summary,
            pane.cross,
            pane.detections,
            frozenset(pane.versions),
            pane.faults,
            pane.products,
        )
    for pane in stream.panes.values():
        _keep_alone(pane)


def _keep_alone(pane: OpenPane) -> None:
    """A pane that stays open must not hold the arrays of all the panes that it was counted with."""
    s = pane.summary
    if s.counts.base is None:
        return
    pane.summary = replace(
        s, counts=s.counts.copy(), moments=s.moments.copy(), extremes=s.extremes.copy(), latency=s.latency.copy(),
        latency_le=s.latency_le.copy(),
    )  # fmt: skip
    pane.cross = None if pane.cross is None else pane.cross.copy()
    pane.faults = None if pane.faults is None else FaultCounters(pane.faults.values.copy())
    pane.products = None if pane.products is None else pane.products.copy()


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
    if anew or any(p.summary.bins_id != about.reference.id for p in stream.panes.values()):
        stream.panes.clear()
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
