"""Everything that a checkpoint holds, and what one step of the pipeline led to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from itertools import chain
from math import nan
from typing import NamedTuple

from driftd.core.event import RefusedValue, TopicPartition
from driftd.core.finding import Finding, Judgement
from driftd.core.pane import Counters, merge_counters
from driftd.core.reference import Reference
from driftd.core.refusals import Refusals
from driftd.core.segmenting import Census
from driftd.core.slice import Slice
from driftd.ingest.halves import Halves
from driftd.ingest.outcomes.elsewhere import Elsewhere
from driftd.ingest.outcomes.join import Outcomes
from driftd.ingest.state import PartitionState
from driftd.monitor.state import ModelState

FirstRefused = tuple[TopicPartition, RefusedValue]
"""Where a model's feature had its first refused value."""


class Kept(NamedTuple):
    """What waits to be joined: predictions and labels, what they take, and that one in 2^``halvings`` is kept."""

    entries: int
    bytes: int
    halvings: int


@dataclass(slots=True)
class State:
    """Everything that a checkpoint holds. ``frontier``: the last pane that all active partitions have closed.
    ``awaited``: topics that did not exist when they were last looked for. ``refusals``: what was turned away, by field.
    ``outcomes``: predictions and labels that wait for each other; ``halves``: requests and answers that do.
    ``segments``: by model, which of its values are segments. ``elsewhere``: what others join; None: it is joined here.

    received == accepted + sum(rejected) + late + sum(dropped), always.
    """

    partitions: dict[TopicPartition, PartitionState] = field(default_factory=dict)
    models: dict[Slice, ModelState] = field(default_factory=dict)
    frontier: int | None = None
    received: int = 0
    accepted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    findings: int = 0
    awaited: frozenset[str] = frozenset()
    refusals: Refusals = field(default_factory=Refusals)
    outcomes: Outcomes = field(default_factory=Outcomes)
    halves: Halves = field(default_factory=Halves)
    segments: dict[str, Census] = field(default_factory=dict)
    elsewhere: Elsewhere | None = None

    def reached(self, pane_seconds: float) -> float:
        """Up to when all events are in, NaN before the first."""
        return nan if self.frontier is None else (self.frontier + 1) * pane_seconds

    @property
    def late(self) -> int:
        return sum(p.late.total() for p in self.partitions.values())

    @property
    def judgements(self) -> list[Judgement]:
        """How the models stand that are on the pages."""
        return [m.judgement for m in self.models.values() if m.judgement is not None and not m.retired]

    @property
    def balanced(self) -> bool:
        return self.received == self.accepted + self.late + self.rejected.total() + self.dropped.total()

    @property
    def kept(self) -> Kept:
        pending = self.outcomes.pending
        return Kept(pending.size, 0 if pending.base is None else pending.base.bytes, self.outcomes.halvings)

    def counters(self, key: Slice) -> Counters:
        """What all partitions have counted of a slice up to now."""
        return merge_counters(p.streams[key].counters for p in self.partitions.values() if key in p.streams)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step of the pipeline led to, beside the state.

    ``turns`` says of each period of a rolling reference that ended whether it became the reference, and why not.
    ``refused`` has, by partition, the first values that were refused only when a reference had settled their kinds;
    ``unwatched`` (model, feature) pairs of waiting events that a new reference does not have.
    """

    findings: tuple[Finding, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    learned: tuple[Reference, ...] = ()
    turns: tuple[str, ...] = ()
    refused: tuple[FirstRefused, ...] = ()
    unwatched: tuple[tuple[str, str], ...] = ()


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """As one."""
    return Outcome(*(tuple(chain.from_iterable(getattr(o, f.name) for o in outcomes)) for f in fields(Outcome)))
