"""What the consumer group gives us and takes away, as changes for the daemon."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

from driftd.core.event import TopicPartition
from driftd.sources import Assigned, Change, Lost, Revoked
from driftd.sources.kafka.client import Notes, to_cells


class Membership:
    """``notes`` is the library's listener; ``forget`` is called with partitions that are ours no more."""

    def __init__(self, assignor: str, forget: Callable[[Iterable[TopicPartition]], None]) -> None:
        self.notes = Notes()
        self.owned: set[TopicPartition] = set()
        self.rebalances = 0
        self._sticky = assignor == "sticky"
        self._forget = forget
        self._changes: list[Change] = []
        self._must_hand_over = False
        self._announced = False

    def changes(self, positions: Collection[TopicPartition]) -> list[Change]:
        """Those since the last call; ``positions``: the partitions that were seeked."""
        changes, self._changes = self._changes, []
        waiting = tuple(sorted(self.owned - set(positions)))
        if waiting and not self._announced:
            changes.append(Assigned(waiting, tuple(sorted(self.owned))))
        return changes

    def hand_over_first(self) -> bool:
        """Called by poll() when the group wants to rebalance: must the daemon save first?"""
        if not self._sticky:
            return self._must_hand_over
        if not self.owned or self._announced:
            return False
        self._announced = True
        self._changes.append(Revoked(tuple(sorted(self.owned))))
        return True

    def follow(self, consumer: Any) -> bool:
        """Turns what the listener noted on kafka-python's thread into changes; whether there was anything."""
        self._must_hand_over = False
        noted = self.notes.take()
        for what, partitions in noted:
            if what == "assigned":
                self._assigned(to_cells(consumer.assignment()))
            elif what == "lost":
                self._forget(partitions)
                self.owned -= partitions
                self._announced = False
                self._changes.append(Lost(tuple(sorted(partitions))))
            elif self._sticky:
                if partitions and not self._announced:  # should poll() not have announced it (see patches, part 4)
                    self._announced = True
                    self._changes.append(Revoked(tuple(sorted(partitions))))
            else:
                # Cooperative: they are out of our assignment already, but nobody has them before we rejoin.
                self._forget(partitions)
                self.owned -= partitions
                self._must_hand_over = True
                self._changes.append(Revoked(tuple(sorted(partitions))))
                self._changes.append(Assigned((), tuple(sorted(self.owned))))  # they are not ours from here on
        return bool(noted)

    def _assigned(self, kept: set[TopicPartition]) -> None:
        self.rebalances += 1
        # Eager: all partitions were given up, and those that came back are seeked anew.
        self._forget(set(self.owned) if self._sticky else self.owned - kept)
        self.owned = kept
        self._announced = False
        if not kept:
            self._changes.append(Assigned((), ()))
