"""More than may be taken in is sampled down: which events stay is decided by their offsets, not by polls or clocks.

events     |  block  |  block  |  block  |  block  |   in offset order; a block is so many as may come in 10 s
lasted        20 s       1 s       1 s      20 s       by the events' own times
kept           all       all       1/10  1/10, all     as the block before would have had to be thinned; all after 10 s

Within a block each event stays with the same probability, whatever is in it, so shares, means and quantiles of those
that stay are those of all. They count once each: the judge's evidence is that of the events it has seen.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import DropReason, EventBatch, RecordBatch, TopicPartition
from driftd.core.pane import Counters
from driftd.core.slice import Slice
from driftd.ingest.state import Pace, PartitionState, Stream

BLOCK_SECONDS: Final = 10.0
"""Of events at the limit. A flood is taken in whole for up to two blocks before it is noticed."""
PARTS: Final = 1024
"""Of the events of a block one part is kept at least."""

_GOLDEN, _MIX1, _MIX2 = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Of one partition: records a second by their timestamps, before they are decoded; and events a second of each
    model by their own times. None: no limit.
    """

    records_per_second: float | None = None
    events_per_second: float | None = None


NO_LIMITS: Final = RateLimits()


@dataclass(frozen=True, slots=True)
class Thinned:
    """The ``places`` of the records to decode, and how many are not, by reason."""

    places: NDArray[np.intp]
    gone: Mapping[DropReason, int]


def thin_records(mine: PartitionState, records: RecordBatch, limits: RateLimits, halvings: int = 0) -> Thinned | None:
    """What is decoded of them; None where that is all. ``halvings``: how often they are halved because of overload."""
    if not len(records) or (limits.records_per_second is None and not halvings):
        return None
    parts = np.full(len(records), PARTS)
    if limits.records_per_second is not None:
        mine.pace, parts = paced(mine.pace, records.timestamps, limits.records_per_second)
    allowed = _stays(records.topic_partition, records.offsets, parts)
    stays = _stays(records.topic_partition, records.offsets, parts >> halvings) if halvings else allowed
    if stays.all():
        return None
    limited, places = int(np.count_nonzero(~allowed)), np.flatnonzero(stays)
    gone = {DropReason.RATE_LIMIT: limited, DropReason.SHED: len(records) - len(places) - limited}
    return Thinned(places, {reason: n for reason, n in gone.items() if n})


def thin_events(
    mine: PartitionState, source: TopicPartition, batches: Sequence[EventBatch], limits: RateLimits
) -> tuple[Sequence[EventBatch], int]:
    """The batches with the events that stay, and how many do not; those are counted in their model's stream."""
    if limits.events_per_second is None:
        return batches, 0
    kept, dropped = [], 0
    for batch in batches:
        if not len(batch):
            kept.append(batch)
            continue
        stream = mine.streams.setdefault(Slice(batch.model), Stream())
        stream.pace, parts = paced(stream.pace, batch.times, limits.events_per_second)
        stays = _stays(source, batch.offsets, parts)
        gone = len(batch) - int(np.count_nonzero(stays))
        if gone:
            left = batch.take(np.flatnonzero(stays))
            batch = replace(left, labels_alone=batch.labels_alone, ignored_features=batch.ignored_features)  # noqa: PLW2901
            stream.counters = stream.counters.merge(Counters(sampled_out=gone))
        kept.append(batch)
        dropped += gone
    return kept, dropped


def is_over(pace: Pace) -> bool:
    """Whether what comes next is thinned, if it comes as fast."""
    lasted = pace.ends[1] - pace.ends[0]
    return 0 <= lasted < BLOCK_SECONDS and not pace.latest - pace.ends[1] >= BLOCK_SECONDS


def paced(pace: Pace, times: NDArray[np.float64], per_second: float) -> tuple[Pace, NDArray[np.int64]]:
    """How many of PARTS stay where each event is, int64[n], n > 0; and the pace after these events."""
    block = max(1, round(per_second * BLOCK_SECONDS))
    begins = np.union1d([0], np.arange(-pace.seen % block, len(times), block))
    latest = np.fmax.reduceat(times, begins)
    latest[0] = np.fmax(latest[0], pace.latest)
    ends = np.concatenate([pace.ends, latest])  # of the two blocks before, and of each that these events are in
    sizes = np.diff(begins, append=len(times))
    parts = np.repeat(_parts(np.diff(ends[:-1])), sizes)
    # fewer than a block have come in the time of one: the flood is over
    parts[times - np.repeat(ends[1:-1], sizes) >= BLOCK_SECONDS] = PARTS
    seen = pace.seen + len(times)
    if seen % block:
        return Pace(seen, (float(ends[-3]), float(ends[-2])), float(ends[-1])), parts
    return Pace(seen, (float(ends[-2]), float(ends[-1]))), parts


def _parts(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    """What stays of a block if the one before it lasted so long; all where that is unknown, or time went back."""
    share = np.where(seconds >= 0, np.clip(seconds / BLOCK_SECONDS, 1 / PARTS, 1.0), 1.0)
    parts: NDArray[np.int64] = np.floor(share * PARTS).astype(np.int64)
    return parts


def _stays(source: TopicPartition, offsets: NDArray[np.int64], parts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which events a hash of topic, partition, offset and place in its record (splitmix64, Steele et al. 2014) puts
    among the parts that stay.
    """
    first = np.flatnonzero(np.diff(offsets, prepend=offsets[0] - 1))
    place = np.arange(len(offsets)) - np.repeat(first, np.diff(np.append(first, len(offsets))))
    key = np.uint64(zlib.crc32(f"{source[0]}/{source[1]}".encode()) << 32)
    mixed = (offsets.astype(np.uint64) ^ key) + _GOLDEN * (place.astype(np.uint64) + np.uint64(1))
    mixed = (mixed ^ (mixed >> np.uint64(30))) * _MIX1
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _MIX2
    mixed ^= mixed >> np.uint64(31)
    low: NDArray[np.bool_] = (mixed >> np.uint64(54)).astype(np.int64) < parts
    return low
