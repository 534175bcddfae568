"""Where partitions are read from, and which topics the positions belong to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from driftd.core.event import TopicPartition
from driftd.engine.state import State
from driftd.engine.timing import Timing
from driftd.ingest.state import PartitionState
from driftd.sources import Source


@dataclass(frozen=True, slots=True)
class Begun:
    """``found``: where reading goes on. ``by_name``: whether some of it is "latest", which is another place later."""

    found: dict[TopicPartition, int]
    by_name: bool


def begin(state: State, source: Source, timing: Timing, partitions: Iterable[TopicPartition]) -> Begun:
    """Reads on in partitions that the group gave us. Raises SourceError where a broker does not answer."""
    committed = source.committed(partitions)
    start: dict[TopicPartition, int | str] = {}
    for at in partitions:
        start[at] = _start(state, source, timing, at, *committed.get(at, (None, "")))
    known = state.partitions
    mine = {at: known[at].topic_id for at, offset in start.items() if at in known and known[at].next_offset == offset}
    found = source.seek(start, mine)
    for at, offset in found.items():
        partition = known.setdefault(at, PartitionState(offset))
        partition.next_offset, partition.released = offset, False
        partition.topic_id = mine.get(at, "")
    return Begun(found, timing.start != "earliest" and any(isinstance(offset, str) for offset in start.values()))


def _start(
    state: State, source: Source, timing: Timing, at: TopicPartition, committed: int | None, owner: str
) -> int | str:
    """Where to read on: the checkpoint's position, unless another member has gone on from there."""
    mine = state.partitions.get(at)
    if mine is None:
        return unread(state, timing, at) if committed is None else committed
    if committed is None or owner in {"", timing.instance}:
        return mine.next_offset
    ids = {source.topic_id(at[0]), mine.topic_id} - {""}
    return committed if len(ids) == 2 else max(committed, mine.next_offset)  # two: the topic was made anew


def unread(state: State, timing: Timing, at: TopicPartition) -> str:
    """Where to begin in a partition that has no position: of a topic that was waited for nothing is left out."""
    return "earliest" if at[0] in state.awaited else timing.start


def note_topics(state: State, source: Source) -> bool:
    """Which topics the positions belong to, and which topics do not exist: all of those will be new. Whether the
    latter has changed.
    """
    for at, topic_id in source.topic_ids().items():
        if at in state.partitions:
            state.partitions[at].topic_id = topic_id
    awaited = state.awaited.union(source.health().missing_topics) - {topic for topic, _ in state.partitions}
    before, state.awaited = state.awaited, awaited
    return awaited != before
