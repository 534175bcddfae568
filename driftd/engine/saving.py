"""A checkpoint that is being written beside the loop, and what may be done once it is on disk."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass

from driftd.core.event import TopicPartition
from driftd.core.reference import Reference


@dataclass(slots=True)
class Saving:
    """``written`` are the bytes, or why they could not be written. When they are, ``positions`` are committed and
    ``references``, those that the checkpoint holds, are stored. ``received``: the records that it covers.
    """

    written: Future[int]
    began: float
    received: int
    positions: dict[TopicPartition, int]
    references: list[Reference]

    def leave(self, partitions: Iterable[TopicPartition]) -> None:
        """Somebody else reads these: their positions are no longer ours to commit."""
        for topic_partition in partitions:
            self.positions.pop(topic_partition, None)


def written(size: int) -> Future[int]:
    """Of what is written already."""
    done: Future[int] = Future()
    done.set_result(size)
    return done
