"""What reading has to go around: batches that are damaged or too large, topics that were cut back or made anew."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from kafka import errors

from driftd.core.errors import SourceError
from driftd.core.event import TopicPartition
from driftd.sources import GapCause
from driftd.sources.kafka import patches
from driftd.sources.kafka.columns import Stretch
from driftd.sources.kafka.compression import Damage
from driftd.sources.kafka.oversize import batch_at
from driftd.sources.kafka.reading import Reading

log = logging.getLogger("driftd.kafka")

CHECKSUM_ATTEMPTS: Final = 3


class Obstacles:
    """Each method finds where reading goes on and leaves a Gap there.

    ``oversized``: nodes that sent more than may be received; kafka-python's thread adds to it.
    """

    def __init__(self, reading: Reading) -> None:
        self.oversized: deque[Any] = deque()
        self._reading = reading
        self._damage: dict[TopicPartition, tuple[int, int]] = {}

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for topic_partition in partitions:
            self._damage.pop(topic_partition, None)

    def damaged(self, topic_partition: TopicPartition, stretch: Stretch) -> None:
        """A checksum may differ because of the wire: fetch it again, twice. Else pass the batch over, counted."""
        damaged, reading = stretch.damaged, self._reading
        assert damaged is not None
        offset, attempts = self._damage.get(topic_partition, (damaged.first, 0))
        attempts = attempts + 1 if offset == damaged.first else 1
        self._damage[topic_partition] = damaged.first, attempts
        where = f"{topic_partition[0]}/{topic_partition[1]}@{damaged.first}"
        reading.last_error = f"{where}: {damaged.detail}"
        if damaged.damage is Damage.CHECKSUM and attempts < CHECKSUM_ATTEMPTS:
            log.warning("%s: %s; fetching it again", where, damaged.detail)
            reading.go_to(topic_partition, damaged.first)
            return
        del self._damage[topic_partition]
        log.error("%s: %s; passing over everything before %d", where, damaged.detail, damaged.next_offset)
        cause = GapCause.TOO_LARGE if damaged.damage is Damage.TOO_LARGE else GapCause.DAMAGED
        reading.leave_out(topic_partition, damaged.first, damaged.next_offset, cause, damaged.detail)

    def pass_over_oversized(self) -> None:
        """Looks for the batch that could not be received, and goes to the offset behind it."""
        reading, nodes = self._reading, set()
        while self.oversized:
            nodes.add(self.oversized.popleft())
        for topic_partition, offset in list(reading.positions.items()) if nodes else ():
            node, server = patches.leader_of(reading.consumer, topic_partition)
            if node not in nodes:
                continue
            try:
                batch = batch_at(reading.settings, server, topic_partition, offset)
            except SourceError as failure:
                reading.last_error = str(failure)  # it will be noticed again
                return
            if batch is not None and (detail := batch.beyond(reading.settings.max_stored_bytes)):
                reading.leave_out(topic_partition, offset, batch.next_offset, GapCause.OVERSIZED, detail)

    def unreadable(self, error: Exception) -> None:
        """The stock unpacker does not say which partition it stumbled over: it is the one it would read next."""
        reading = self._reading
        for partition in list(reading.consumer.assignment()):
            topic_partition = (partition.topic, partition.partition)
            end, first = reading.consumer.highwater(partition), reading.positions.get(topic_partition)
            if first is not None and end is not None and first < end and str(partition) in str(error):
                reading.leave_out(topic_partition, first, first + 1, GapCause.DAMAGED, str(error)[:200])

    def out_of_range(self, error: errors.OffsetOutOfRangeError) -> None:
        reading = self._reading
        for partition, offset in error.args[0].items():
            topic_partition = (partition.topic, partition.partition)
            try:
                first, end = (
                    reading.edges([topic_partition], place)[topic_partition] for place in ("earliest", "latest")
                )
            except SourceError as failure:
                reading.last_error = str(failure)
                continue  # the next fetch raises again
            if offset < first:
                cause, detail = GapCause.RETENTION, f"deleted before they were read: offsets {offset} to {first - 1}"
            else:
                cause = GapCause.REWOUND
                detail = f"the topic ends at {end}, before our position {offset}: it was made anew; from its beginning"
                reading.topic_ids.pop(topic_partition, None)
            log.warning("%s/%d: %s", *topic_partition, detail)
            reading.leave_out(topic_partition, offset, first, cause, detail)

    def truncated(self, error: errors.LogTruncationError) -> None:
        reading = self._reading
        for partition, diverged in error.divergent_offsets.items():
            topic_partition = (partition.topic, partition.partition)
            if diverged is None or topic_partition not in reading.positions:
                continue
            detail = f"the log was cut back to {diverged.offset} (unclean leader election); reading on from there"
            log.warning("%s/%d: %s", *topic_partition, detail)
            first = reading.positions[topic_partition]
            reading.leave_out(topic_partition, first, diverged.offset, GapCause.REWOUND, detail)

    def follow_topics(self) -> list[TopicPartition]:
        """Goes to the beginning of a topic that was made anew under its old name: our position in it means nothing."""
        reading = self._reading
        ids = {topic: patches.topic_id(reading.consumer, topic) for topic in reading.settings.topics}
        anew = []
        for topic_partition in reading.positions:
            now, was = ids.get(topic_partition[0], ""), reading.topic_ids.get(topic_partition)
            if now and was and now != was:
                anew.append(topic_partition)
            elif now:
                reading.topic_ids[topic_partition] = now
        try:
            firsts = reading.edges(anew, "earliest")
        except SourceError as failure:
            reading.last_error = str(failure)  # the next poll asks again
            return anew
        for topic_partition, first in firsts.items():
            was, now = reading.topic_ids[topic_partition], ids[topic_partition[0]]
            detail = f"the topic was made anew (its id was {was}, now {now}); from its beginning"
            reading.topic_ids[topic_partition] = now
            before = reading.positions[topic_partition]
            reading.leave_out(topic_partition, before, first, GapCause.REWOUND, detail)
        return anew
