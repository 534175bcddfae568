"""Where records come from, and what every source promises the daemon.

The daemon polls; between polls it drains ``changes()`` and ``gaps()`` and answers:

    Assigned -> seek({partition: offset, "latest" or "earliest"}); nothing of a partition is read before. Announced
                again by every poll until each of them was seeked, so an error on the way (broker away) loses nothing
    Revoked  -> emit, checkpoint, commit_now(...); the source waits for the next poll() before it lets them go
    Lost     -> forget the partitions; others own them already, so nothing may be committed
    Gap      -> count gap.records, as dropped or rejected by its cause, and set the partition's next offset to
                gap.next_offset (REWOUND: backwards)
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from driftd.core.event import RecordBatch, TopicPartition


@dataclass(frozen=True, slots=True)
class Assigned:
    """These are ours now: seek() each of them. ``owned`` is all that is ours, so what is missing there is gone."""

    partitions: tuple[TopicPartition, ...]
    owned: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Revoked:
    """About to be taken away; some or all may come back with the next Assigned. Still ours until the next poll()."""

    partitions: tuple[TopicPartition, ...]


@dataclass(frozen=True, slots=True)
class Lost:
    """Taken away already (we were silent for too long): discard, do not commit."""

    partitions: tuple[TopicPartition, ...]


Change = Assigned | Revoked | Lost


class GapCause(StrEnum):
    RETENTION = "retention"  # deleted before we read it
    DAMAGED = "damaged"  # a batch that cannot be read was passed over
    TOO_LARGE = "too_large"  # a batch, or the rest of one, that decompresses to more than may be held
    OVERSIZED = "oversized"  # a batch that is larger than may be fetched
    REWOUND = "rewound"  # the topic ends before our position: it was made anew, or truncated


@dataclass(frozen=True, slots=True)
class Gap:
    """Offsets ``first_offset`` to ``next_offset`` (exclusive) of a partition that nobody will read.

    ``records`` is how many that are at most (compaction leaves holes). With REWOUND next_offset is before
    first_offset, and no record is known to be lost.
    """

    topic_partition: TopicPartition
    first_offset: int
    next_offset: int
    cause: GapCause
    detail: str

    @property
    def records(self) -> int:
        return max(0, self.next_offset - self.first_offset)


@dataclass(frozen=True, slots=True)
class Lag:
    """How far behind a partition is: in records, and in seconds (the age of the last record read; 0 when caught up).

    ``caught_up``: the broker, while it answers, has nothing more for us. Only then does silence mean idleness.
    """

    records: int
    seconds: float
    caught_up: bool


@dataclass(frozen=True, slots=True)
class Health:
    """``logins`` that brokers accepted. ``unread_partitions``: no member of the group reads them; ``members``: how many
    it has, 0 where that is not known.
    """

    connected: bool
    last_error: str = ""
    logins: int = 0
    rebalances: int = 0
    commit_failures: int = 0
    missing_topics: tuple[str, ...] = ()
    unread_partitions: tuple[TopicPartition, ...] = ()
    members: int = 0


class Source(Protocol):
    """Belongs to the thread that polls."""

    def poll(self, timeout_seconds: float) -> list[RecordBatch]:
        """Wait for records. Raises SourceError (out of reach for now: go on polling) or SourceRefused (give up)."""

    def hold(self, partitions: Collection[TopicPartition]) -> None:
        """Reads nothing more of exactly these of its partitions, until it is called again."""

    def changes(self) -> list[Change]: ...

    def gaps(self) -> list[Gap]: ...

    def seek(
        self, positions: Mapping[TopicPartition, int | str], topic_ids: Mapping[TopicPartition, str] | None = None
    ) -> dict[TopicPartition, int]:
        """Where to read on: an offset, or "latest" or "earliest". Answers with the offsets; raises SourceError.

        A partition that came into being while the source ran (topic created, partition added) is read from its
        beginning though "latest" was asked for, since all of it is new.

        ``topic_ids``: the id of the topic that a position belongs to, where it is known. A topic that has another id,
        now or later, was made anew: a Gap (REWOUND) leads to its beginning.
        """

    def committed(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, tuple[int, str]]:
        """Committed offset and metadata of those partitions that have one. Raises SourceError."""

    def commit(self, positions: Mapping[TopicPartition, int], metadata: str = "") -> None:
        """Commit in the background; what fails is counted in health()."""

    def commit_now(
        self, positions: Mapping[TopicPartition, int], metadata: str = "", timeout_seconds: float = 5.0
    ) -> bool:
        """Commit and wait; False when it did not work (counted), which loses nothing: the checkpoint is the truth."""

    def positions(self) -> dict[TopicPartition, int]:
        """The next offset to be handed out of each partition that was seeked."""

    def topic_id(self, topic: str) -> str:
        """Which topic of that name there is now; "" where nobody says."""

    def topic_ids(self) -> dict[TopicPartition, str]:
        """The id of the topic that each of ``positions()`` belongs to; "" where it is not known."""

    def lag(self) -> dict[TopicPartition, Lag]: ...

    def health(self) -> Health: ...

    def close(self) -> None: ...
