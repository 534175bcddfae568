"""Records from memory, with a broker's behaviour on command."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from driftd.core.errors import SourceError
from driftd.core.event import Headers, RecordBatch, TopicPartition
from driftd.sources import Assigned, Change, Gap, GapCause, Health, Lag, Lost, Revoked


@dataclass(slots=True)
class MemoryLog:
    """One partition: the values from ``first`` on, each with its time (epoch seconds)."""

    first: int = 0
    values: list[bytes | None] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    keys: list[bytes | None] = field(default_factory=list)
    headers: list[Headers] = field(default_factory=list)

    @property
    def end(self) -> int:
        return self.first + len(self.values)


class MemorySource:
    """A ``driftd.sources.Source`` over partitions held in memory; never sleeps.

    A test drives it: ``append`` (records arrive), ``assign``, ``revoke``, ``lose`` (the group moves),
    ``delete_before`` (retention), ``error`` (raised by the next poll), ``connected``. What the daemon committed
    is in ``commits``; ``refuse_commits`` makes commits fail; ``unread`` is what nobody in the group reads;
    ``topics`` has the id of each topic that has one, ``missing`` those that do not exist.
    """

    def __init__(
        self,
        partitions: Mapping[TopicPartition, Sequence[bytes | None]] | None = None,
        *,
        max_poll_records: int = 1000,
        times: Mapping[TopicPartition, Sequence[float]] | None = None,
    ) -> None:
        self.max_poll_records = max_poll_records
        self.connected = True
        self.error: SourceError | None = None
        self.refuse_commits = False
        self.unread: tuple[TopicPartition, ...] = ()
        self.missing: tuple[str, ...] = ()
        self.commits: dict[TopicPartition, tuple[int, str]] = {}
        self.closed = False
        self.polls = 0
        self.topics: dict[str, str] = {}
        self._logs: dict[TopicPartition, MemoryLog] = {}
        self._owned: set[TopicPartition] = set()
        self._next: dict[TopicPartition, int] = {}
        self._topic_ids: dict[TopicPartition, str] = {}
        self._held: frozenset[TopicPartition] = frozenset()
        self._changes: list[Change] = []
        self._gaps: list[Gap] = []
        self._rebalances = 0
        self._commit_failures = 0
        for topic_partition, values in (partitions or {}).items():
            self.append(topic_partition, values, (times or {}).get(topic_partition))
        if partitions:
            self.assign(partitions)

    def append(
        self,
        topic_partition: TopicPartition,
        values: Sequence[bytes | None],
        times: Sequence[float] | None = None,
        *,
        keys: Sequence[bytes | None] | None = None,
        headers: Sequence[Headers] | None = None,
    ) -> None:
        found = self._logs.setdefault(topic_partition, MemoryLog())
        found.values.extend(values)
        found.times.extend(times if times is not None else [float("nan")] * len(values))
        found.keys.extend(keys if keys is not None else [None] * len(values))
        found.headers.extend(headers if headers is not None else [()] * len(values))

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """The group gives exactly these; each must be seeked before it is read."""
        self._owned = set(partitions)
        self._next = {}
        self._rebalances += 1
        for topic_partition in self._owned:
            self._logs.setdefault(topic_partition, MemoryLog())
        if not self._owned:
            self._changes.append(Assigned((), ()))

    def revoke(self, partitions: Iterable[TopicPartition] | None = None) -> None:
        """The group will take these (all, if none are named); nothing more of them is read."""
        gone = self._owned if partitions is None else set(partitions)
        self._changes.append(Revoked(tuple(sorted(gone))))
        self._let_go(gone)

    def lose(self, partitions: Iterable[TopicPartition]) -> None:
        """The group has given these to others."""
        gone = set(partitions)
        self._changes.append(Lost(tuple(sorted(gone))))
        self._let_go(gone)

    def _let_go(self, partitions: set[TopicPartition]) -> None:
        self._owned = self._owned - partitions
        for topic_partition in partitions:
            self._next.pop(topic_partition, None)

    def delete_before(self, topic_partition: TopicPartition, offset: int) -> None:
        log = self._logs[topic_partition]
        gone = min(max(0, offset - log.first), len(log.values))
        for column in (log.values, log.times, log.keys, log.headers):
            del column[:gone]
        log.first = max(log.first, offset)

    def poll(self, timeout_seconds: float) -> list[RecordBatch]:  # noqa: ARG002  (never waits)
        self.polls += 1
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        if not self.connected:
            return []
        batches = []
        left = self.max_poll_records
        for topic_partition in sorted(self._next.keys() - self._held):
            batch = self._read(topic_partition, left)
            if batch is not None:
                left -= len(batch)
                batches.append(batch)
        return batches

    def _read(self, topic_partition: TopicPartition, limit: int) -> RecordBatch | None:
        log, start = self._logs[topic_partition], self._next[topic_partition]
        now = self.topic_id(topic_partition[0])
        anew = len({now, self._topic_ids[topic_partition]} - {""}) == 2
        self._topic_ids[topic_partition] = now
        if anew or start < log.first or start > log.end:
            cause = GapCause.RETENTION if start < log.first and not anew else GapCause.REWOUND
            self._gaps.append(Gap(topic_partition, start, log.first, cause, "out of range"))
            self._next[topic_partition] = start = log.first
        stop = min(log.end, start + limit)
        if stop <= start:
            return None
        self._next[topic_partition] = stop
        part = slice(start - log.first, stop - log.first)
        keys, headers = log.keys[part], log.headers[part]
        times: NDArray[np.float64] = np.array(log.times[part], np.float64)
        return RecordBatch(
            source=topic_partition[0],
            partition=topic_partition[1],
            offsets=np.arange(start, stop, dtype=np.int64),
            timestamps=times,
            values=log.values[part],
            next_offset=stop,
            keys=keys if any(key is not None for key in keys) else None,
            headers=headers if any(headers) else None,
        )

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        self._held = frozenset(partitions)

    def changes(self) -> list[Change]:
        changes, self._changes = self._changes, []
        waiting = tuple(sorted(self._owned - self._next.keys()))
        if waiting:
            changes.append(Assigned(waiting, tuple(sorted(self._owned))))
        return changes

    def gaps(self) -> list[Gap]:
        gaps, self._gaps = self._gaps, []
        return gaps

    def seek(
        self, positions: Mapping[TopicPartition, int | str], topic_ids: Mapping[TopicPartition, str] | None = None
    ) -> dict[TopicPartition, int]:
        self._require_connection()
        found = {}
        for topic_partition, position in positions.items():
            if topic_partition in self._owned:
                log = self._logs[topic_partition]
                place = {"earliest": log.first, "latest": log.end}
                found[topic_partition] = place[position] if isinstance(position, str) else position
        self._next |= found
        self._topic_ids |= {topic_partition: (topic_ids or {}).get(topic_partition, "") for topic_partition in found}
        return found

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        self._require_connection()
        return {
            topic_partition: self.commits[topic_partition]
            for topic_partition in partitions
            if topic_partition in self.commits
        }

    def commit(self, positions: Mapping[TopicPartition, int], metadata: str = "") -> None:
        self.commit_now(positions, metadata)

    def commit_now(
        self,
        positions: Mapping[TopicPartition, int],
        metadata: str = "",
        timeout_seconds: float = 5.0,  # noqa: ARG002  (never waits)
    ) -> bool:
        if self.refuse_commits or not self.connected:
            self._commit_failures += 1
            return False
        self.commits |= {topic_partition: (offset, metadata) for topic_partition, offset in positions.items()}
        return True

    def positions(self) -> dict[TopicPartition, int]:
        return dict(self._next)

    def topic_id(self, topic: str) -> str:
        return self.topics.get(topic, "")

    def topic_ids(self) -> dict[TopicPartition, str]:
        return {topic_partition: self._topic_ids[topic_partition] for topic_partition in self._next}

    def lag(self) -> dict[TopicPartition, Lag]:
        found = {}
        for topic_partition, next_offset in self._next.items():
            behind = max(0, self._logs[topic_partition].end - next_offset)
            found[topic_partition] = Lag(behind, 0.0, caught_up=self.connected and not behind)
        return found

    def health(self) -> Health:
        return Health(
            self.connected,
            rebalances=self._rebalances,
            commit_failures=self._commit_failures,
            missing_topics=self.missing,
            unread_partitions=self.unread,
        )

    def close(self) -> None:
        self.closed = True

    def _require_connection(self) -> None:
        if not self.connected:
            raise SourceError("memory: not connected")
