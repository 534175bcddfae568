"""When the state is saved: written beside the loop, and what may be done once it is on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from typing import Final

from driftd.core.errors import StateUnwritable
from driftd.core.event import TopicPartition
from driftd.core.reference import Reference
from driftd.engine.references import Learned
from driftd.engine.reporter import Reporter
from driftd.engine.state import State
from driftd.engine.timing import Clock, Timing
from driftd.sources import Source

OVERDUE_TIMES: Final = 3
"""As long as so many times between two checkpoints one is written beside the loop; then the loop waits for it."""


@dataclass(slots=True)
class Saving:
    """A checkpoint that is being written. ``written`` are the bytes, or why they could not be written. When they are,
    ``positions`` are committed and ``references``, those that the checkpoint holds, are stored. ``received``: the
    records that it covers.
    """

    written: Future[int]
    began: float
    received: int
    positions: dict[TopicPartition, int]
    references: list[Reference]


def written(size: int) -> Future[int]:
    """Of what is written already."""
    done: Future[int] = Future()
    done.set_result(size)
    return done


@dataclass(slots=True)
class Saver:
    """Saves the state with ``begin``, one checkpoint at a time, and commits what is saved; nothing else is committed.

    ``begin`` gives the bytes that are being written, or None where it could not begin and has called ``failed``.
    ``dirty``: whether there is something to save; ``unsaved``: why it could not be saved last; ``saved``: what had been
    received when it was last saved, or loaded.
    """

    state: State
    source: Source
    learned: Learned
    reporter: Reporter
    clock: Clock
    timing: Timing
    begin: Callable[[], Future[int] | None]
    dirty: bool = False
    unsaved: str = ""
    received: int = field(init=False)
    _began: float = 0.0
    _saving: Saving | None = None

    def __post_init__(self) -> None:
        self.received = self.state.received

    def start(self) -> None:
        """The loop begins: the first checkpoint is due after the time between two."""
        self._began = self.clock.monotonic()

    def look(self) -> None:
        """Follows the checkpoint that is being written, and begins one if it is time."""
        self.follow(wait=self._is_overdue())
        if self._saving is None and self.clock.monotonic() - self._began >= self.timing.checkpoint_seconds:
            self.save()

    def save(self, *, commit: Iterable[TopicPartition] | None = None, wait: bool = False) -> bool:
        """Begins to save; what was saved is committed, without a saved state nothing is.

        ``commit`` names the partitions to commit at once (they are being given up); otherwise all that are ours.
        ``wait``: until the state is saved and committed, as with ``commit``. False where saving failed.
        """
        wait = wait or commit is not None
        self.follow(wait=True)
        self._began = self.clock.monotonic()
        if not self.dirty and commit is None:
            return True
        positions = self._positions(commit)
        begun = self.begin()
        if begun is None:
            return False
        references = [model.reference for model in self.state.models.values() if model.reference is not None]
        self._saving = Saving(begun, self._began, self.state.received, positions, references)
        self.dirty = False
        return self.follow(wait=wait, commit_now=wait)

    def follow(self, *, wait: bool = False, commit_now: bool = False) -> bool:
        """Commits what the checkpoint covers that was being written. False where it could not be written."""
        saving = self._saving
        if saving is None or not (wait or saving.written.done()):
            return True
        self._saving = None
        try:
            size = saving.written.result()
            # only now: a stored reference that the checkpoint does not know would be taken for one of the user's
            self.learned.keep(saving.references)
        except StateUnwritable as e:
            self.dirty = True
            self.failed(str(e))
            return False
        self.reporter.checkpointed(size, self.clock.now(), self.clock.monotonic() - saving.began)
        self.received = saving.received
        if commit_now:
            self.source.commit_now(saving.positions, self.timing.instance, self.timing.drain_seconds / 2)
        else:
            self.source.commit(saving.positions, self.timing.instance)
        return True

    def failed(self, why: str) -> None:
        self.unsaved = why
        self.reporter.checkpoint_failed(why)

    def leave(self, partitions: Iterable[TopicPartition]) -> None:
        """Somebody else reads these: their positions are no longer ours to commit."""
        if self._saving is not None:
            for topic_partition in partitions:
                self._saving.positions.pop(topic_partition, None)

    def close(self) -> None:
        """Waits for what is being written, while the state directory is ours."""
        if self._saving is not None:
            wait_for([self._saving.written])

    def _is_overdue(self) -> bool:
        """A checkpoint that takes long is waited for: a disk that does not answer is the watchdog's to tell."""
        saving, longest = self._saving, OVERDUE_TIMES * self.timing.checkpoint_seconds
        return saving is not None and self.clock.monotonic() - saving.began >= longest

    def _positions(self, given_up: Iterable[TopicPartition] | None) -> dict[TopicPartition, int]:
        """The offsets to commit: of the partitions that are being given up, or of all that are ours."""
        known = self.state.partitions
        if given_up is None:
            return {at: partition.next_offset for at, partition in known.items() if not partition.released}
        return {at: known[at].next_offset for at in given_up if at in known}
