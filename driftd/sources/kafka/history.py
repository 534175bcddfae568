"""A range of topics without a group, for replay and reference build: what can be read of it, and what cannot."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
from kafka import TopicPartition as KafkaPartition
from kafka import errors

from driftd.core.errors import SourceError, SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.sources import Gap
from driftd.sources.kafka import patches
from driftd.sources.kafka.client import open_consumer, to_batch
from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.library_log import listen_to_library
from driftd.sources.kafka.obstacles import Obstacles
from driftd.sources.kafka.preflight import preflight
from driftd.sources.kafka.reading import Reading
from driftd.sources.kafka.settings import KafkaSettings, milliseconds

POLL_SECONDS = 0.5


def read_range(
    settings: KafkaSettings,
    topics: Sequence[str],
    start: int | datetime | None = None,
    end: int | datetime | None = None,
    *,
    abreast_seconds: float = math.inf,
    patience_seconds: float = 30.0,
) -> Iterator[RecordBatch | Gap]:
    """All records of topics from ``start`` up to ``end`` (exclusive), without a group, and the gaps between them.
    Nothing is fetched of a partition whose records are ``abreast_seconds`` ahead of those of another one.

    int: an offset, in every partition; datetime (with its zone): the first record of that time or later; None:
    from the first that there is, up to the last there is now. An empty batch says that its partition has ended.
    Raises SourceError when no answer comes for ``patience_seconds``, SourceRefused where the topic does not exist or
    cannot be read.
    """
    listen_to_library(lambda _: None)
    named = ", ".join(f"topic '{topic}'" for topic in topics)
    greeting = preflight(settings)
    consumer = open_consumer(settings, group_id=None, max_poll_records=1)
    try:
        partitions = []
        for topic in topics:
            found = sorted(consumer.partitions_for_topic(topic) or ())
            if not found:
                raise SourceRefused(f"kafka {greeting.server}: topic '{topic}' does not exist, or may not be seen")
            partitions += [KafkaPartition(topic, one) for one in found]
        first = consumer.beginning_offsets(partitions)
        last = consumer.end_offsets(partitions)
        begins = places(consumer, start, first, first, last)
        ends = places(consumer, end, last, first, last)
        yield from _Range(settings, consumer, begins, ends, abreast_seconds).read(patience_seconds)
    except errors.AuthorizationError as error:
        raise SourceRefused(f"kafka {greeting.server}: no permission to read {named}: {error}") from None
    except errors.KafkaError as error:
        raise SourceError(f"kafka {greeting.server}: {named}: {type(error).__name__}: {error}") from None
    finally:
        consumer.close(autocommit=False, timeout_ms=5000)


def places(
    consumer: Any, place: int | datetime | None, default: Mapping[Any, int], first: Mapping[Any, int], last: Any
) -> dict[Any, int]:
    """An offset for every partition, within what there is."""
    if place is None:
        return dict(default)
    if isinstance(place, int):
        return {one: min(max(place, first[one]), last[one]) for one in first}
    found = consumer.offsets_for_times(dict.fromkeys(first, milliseconds(place.timestamp())))
    # None: no record is of that time or later.
    return {one: last[one] if found[one] is None else min(found[one].offset, last[one]) for one in first}


class _Range:
    """Partitions that are read up to their ``ends`` (exclusive)."""

    def __init__(
        self,
        settings: KafkaSettings,
        consumer: Any,
        begins: Mapping[Any, int],
        ends: Mapping[Any, int],
        abreast_seconds: float,
    ) -> None:
        self._reading = Reading(settings)
        self._reading.consumer = consumer
        self._obstacles = Obstacles(self._reading)
        self._fast = patches.hand_over_stretches(
            consumer, settings.max_poll_records, settings.max_batch_bytes, late=settings.unpacks_late
        )
        patches.finish_partitions(consumer)
        patches.receive_in_place(consumer)
        patches.notice_oversized(consumer, self._obstacles.oversized.append)
        self._ends = {(one.topic, one.partition): end for one, end in ends.items()}
        self._abreast_seconds = abreast_seconds
        self._reached = dict.fromkeys(self._ends, -math.inf)
        consumer.assign(list(begins))
        for one, offset in begins.items():
            self._reading.go_to((one.topic, one.partition), offset)

    def read(self, patience_seconds: float) -> Iterator[RecordBatch | Gap]:
        reading, heard = self._reading, time.monotonic()
        yield from self._ended()
        while self._ends:
            answer = reading.consumer.poll(timeout_ms=milliseconds(POLL_SECONDS))
            for partition, found in answer.items():
                yield from self._batches((partition.topic, partition.partition), found)
            self._obstacles.pass_over_oversized()
            if self._abreast_seconds < math.inf:
                self._hold_those_ahead()
            gaps = [*self._gaps()]
            yield from gaps
            if answer or gaps:
                heard = time.monotonic()
                yield from self._ended()
            elif time.monotonic() - heard > patience_seconds:
                raise SourceError(f"{reading.settings.where}: no answer in {patience_seconds:g} s")

    def _batches(self, at: TopicPartition, found: list[Any]) -> Iterator[RecordBatch]:
        for stretch in patches.stretches_of(found, fast=self._fast):
            if at not in self._ends or stretch.next_offset < self._reading.positions[at]:
                continue
            wanted = before(stretch, self._ends[at])
            if len(wanted):
                self._reached[at] = max(self._reached[at], wanted.timestamps_ms[-1] / 1e3)
                yield to_batch(at, wanted, time.time())
            self._reading.positions[at] = stretch.next_offset
            if stretch.damaged is not None and stretch.damaged.first < self._ends[at]:
                self._obstacles.damaged(at, stretch)

    def _hold_those_ahead(self) -> None:
        """By the records' timestamps; the one furthest behind is always read."""
        behind = min((self._reached[at] for at in self._ends), default=math.inf)
        limit, consumer = behind + self._abreast_seconds, self._reading.consumer
        ahead = {KafkaPartition(*at) for at in self._ends if self._reached[at] > limit}
        paused = consumer.paused()
        consumer.pause(*(ahead - paused))
        consumer.resume(*(paused - ahead))
        patches.pick_up_parked(consumer)

    def _gaps(self) -> Iterator[Gap]:
        """What lies within the range of them."""
        gaps, self._reading.gaps = self._reading.gaps, []
        for gap in gaps:
            if gap.first_offset < (end := self._ends[gap.topic_partition]):
                yield replace(gap, next_offset=min(gap.next_offset, end))

    def _ended(self) -> Iterator[RecordBatch]:
        """An empty batch of each partition that was read to its end; of the others reading goes on."""
        ended = [at for at, end in self._ends.items() if self._reading.positions[at] >= end]
        self._reading.forget(ended)
        for at in ended:
            yield RecordBatch(*at, np.zeros(0, np.int64), np.zeros(0), [], self._ends.pop(at))
        if ended and self._ends:
            self._reading.consumer.assign([KafkaPartition(*at) for at in self._ends])  # their positions stay


def before(stretch: Stretch, end: int) -> Stretch:
    if stretch.next_offset <= end:
        return stretch
    count = int(stretch.offsets.searchsorted(end))
    return Stretch(
        offsets=stretch.offsets[:count],
        timestamps_ms=stretch.timestamps_ms[:count],
        values=stretch.values[:count],
        next_offset=end,
        keys=None if stretch.keys is None else stretch.keys[:count],
        headers=None if stretch.headers is None else stretch.headers[:count],
        refused=stretch.refused,
        packed=stretch.packed,
    )
