"""A partition that brings more than may be taken in is read late, and holds back no model that has nothing in it.

loud      ====|                     over its limit, and read up to here
quiet     ==================|
              ^ the frontier: models that have events in both are judged up to here
                            ^ those that have none in loud
"""

from __future__ import annotations

from driftd.core.event import TopicPartition
from driftd.engine.state import State
from driftd.ingest.rate_limit import RateLimits, is_over


def flooded(state: State, limits: RateLimits) -> frozenset[TopicPartition]:
    """Partitions that are over a limit, or a model in them, where they have been read up to."""
    found: set[TopicPartition] = set()
    if limits.records_per_second is not None:
        found |= {at for at, mine in state.partitions.items() if is_over(mine.pace)}
    if limits.events_per_second is not None:
        found |= {at for at, mine in state.partitions.items() if any(is_over(s.pace) for s in mine.streams.values())}
    return frozenset(found)


def models_in(state: State, partitions: frozenset[TopicPartition]) -> frozenset[str]:
    """The names of the models that had events there."""
    return frozenset(key.root for at in partitions for key in state.partitions[at].streams)
