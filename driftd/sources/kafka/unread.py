"""Partitions of our topics that no member of the group reads, found by asking the group what its members have.

A group assigns partitions when members join. A static member that returns within its session gets what it had, and
kafka-python then takes another for the leader: nobody of the group looks for partitions that have been added since.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from driftd.core.event import TopicPartition, places
from driftd.sources.kafka import patches

log = logging.getLogger("driftd.kafka")

AGAIN_SECONDS: Final = 1.0
"""After an answer that says nothing: the group was rebalancing, or the broker away."""


class UnreadPartitions:
    """Asks in the background: after each assignment, and every ``every_seconds``. Lets the group rebalance where a
    partition belongs to nobody, and not more often than that.
    """

    def __init__(self, group_id: str, every_seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.partitions: tuple[TopicPartition, ...] = ()
        self.members = 0
        self._group_id = group_id
        self._every_seconds = every_seconds
        self._monotonic = monotonic
        self._question: Any = None
        self._ask_at = 0.0
        self._rejoin_at = 0.0

    def ask_soon(self) -> None:
        """The assignment is another: what was asked before says nothing of it."""
        self._question, self._ask_at = None, 0.0

    def look(self, consumer: Any, topics: Iterable[str]) -> None:
        now = self._monotonic()
        if self._question is None:
            if now >= self._ask_at:
                self._question = patches.ask_for_assignments(consumer, self._group_id)
                self._ask_at = now + (AGAIN_SECONDS if self._question is None else self._every_seconds)
            return
        if not self._question.is_done:
            return
        answer, self._question = patches.assigned_partitions(self._question), None
        if answer is None:
            self._ask_at = now + AGAIN_SECONDS
            return
        held, self.members = answer
        self._note({(topic, number) for topic in topics for number in patches.partitions_of(consumer, topic)} - held)
        if self.partitions and now >= self._rejoin_at:
            self._rejoin_at = now + self._every_seconds
            patches.rejoin(consumer)

    def _note(self, unread: set[TopicPartition]) -> None:
        before, self.partitions = self.partitions, tuple(sorted(unread))
        if self.partitions == before:
            return
        if self.partitions:
            log.warning("no member of group '%s' reads %s; rebalancing", self._group_id, places(self.partitions))
        else:
            log.info("every partition is read by a member of group '%s'", self._group_id)
