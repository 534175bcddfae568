"""A history whose stretches are counted side by side, elsewhere, and come back in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol, runtime_checkable

from driftd.core.event import TopicPartition
from driftd.decode import Codec, Limits
from driftd.replay.counting import Counted, Plan
from driftd.sources.files.stream import Progress


@runtime_checkable
class Stretches(Protocol):
    """Events that an engine counts (driftd.spark). They are of one source, as those of a file are."""

    name: str
    codec: Codec
    partitions: tuple[TopicPartition, ...]

    def counted(self, plan: Callable[[], Plan]) -> Iterator[Counted]:
        """All stretches in order of their offsets. ``plan`` is asked anew from time to time: what has been taken in
        until then is in it.
        """
        ...

    def again(self, stretch: Counted, plan: Plan, before: float) -> Iterator[Counted]:
        """The same events counted once more, in one stretch or in several."""
        ...

    def codec_within(self, limits: Limits) -> Codec: ...

    def progress(self) -> Progress: ...


def in_order(
    events: Stretches, plan: Callable[[], Plan], agrees: Callable[[Counted], bool], latest: Callable[[], float]
) -> Iterator[Counted]:
    """Stretches that agree with all that was taken in before them; the others are counted again."""
    for first in events.counted(plan):
        waiting = deque([first])
        while waiting:
            stretch = waiting.popleft()
            if agrees(stretch):
                yield stretch
            else:
                waiting.extendleft(reversed([*events.again(stretch, plan(), latest())]))
