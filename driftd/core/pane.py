"""The message between the two sides: what one source saw of one slice in one pane.

    ingest side (owns a partition)                     monitor side (owns a model)
    events -> open panes --- ClosedPane (RawRows while a reference is learned) ---> windows, judge, findings

Both messages name their source and how far they reach, so taking one in twice changes nothing. Panes that a source
closes together go as one ClosedPanes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.cost import NOTHING, Spending
from driftd.core.event import EventBatch, TopicPartition
from driftd.core.exemplars import Exemplar
from driftd.core.fault_counters import FaultCounters
from driftd.core.new_names import NewName
from driftd.core.pane_block import PaneBlock, PaneData
from driftd.core.quality.sums import Outcomes
from driftd.core.slice import Slice
from driftd.core.summary import LATENCY_LE, Summary
from driftd.core.window import TimedDetection


def _no_latencies() -> NDArray[np.int64]:
    return np.zeros(len(LATENCY_LE) + 1, np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Counters:
    """What one source has counted of a slice since its beginning; ``merge`` is exact, associative and commutative.

    ``excluded`` counts accepted events of excluded stretches: neither learned from nor judged. ``latency_le``
    int64[len(LATENCY_LE) + 1]: the Prometheus histogram's buckets, not cumulative; ``latency_ns`` the latencies' sum.
    ``refused`` counts the refused values of each feature, without those of excluded events. ``sampled_out`` counts
    events beyond the rate limit, which are none of the others. ``spending``: what the accepted events cost.
    """

    events: int = 0
    excluded: int = 0
    failed: int = 0
    labels: int = 0
    unjoined_labels: int = 0
    ignored_features: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    latency_le: NDArray[np.int64] = field(default_factory=_no_latencies)
    latency_ns: int = 0
    last_event: float = -np.inf
    sampled_out: int = 0
    spending: Spending = NOTHING

    def merge(self, other: Counters) -> Counters:
        return Counters(
            self.events + other.events,
            self.excluded + other.excluded,
            self.failed + other.failed,
            self.labels + other.labels,
            self.unjoined_labels + other.unjoined_labels,
            self.ignored_features + other.ignored_features,
            added(self.refused, other.refused),
            self.latency_le + other.latency_le,
            self.latency_ns + other.latency_ns,
            max(self.last_event, other.last_event),
            self.sampled_out + other.sampled_out,
            self.spending.merge(other.spending),
        )


def added(one: Mapping[str, int], other: Mapping[str, int]) -> Mapping[str, int]:
    """Both counts together."""
    return {**one, **{name: one.get(name, 0) + n for name, n in other.items()}} if other else one


def merge_counters(parts: Iterable[Counters]) -> Counters:
    out = Counters()
    for part in parts:
        out = out.merge(part)
    return out


@dataclass(frozen=True, slots=True, eq=False)
class ClosedPane:
    """One pane of one slice as one source saw it; no event will be added to it.

    ``offset`` is the source's next offset when the pane was closed: of two messages for the same pane and source the
    one with the greater offset holds more and replaces the other. ``cross`` int64 as in judge.exchangeable.joint, None
    without pairs. ``faults`` None where judge.natural learned nothing; ``products`` int64 as in its ``relations``.
    ``versions``: those of the model that answered in the pane; ``exemplar``: one event of it, None where none is known;
    ``names``: new categories (core.new_names); ``outcomes``: sums of events with a label.
    Totals stay with the source that counts them (ADR 13); what the model side needs of them is in the summary.
    """

    slice: Slice
    number: int
    source: TopicPartition
    offset: int
    summary: Summary
    cross: NDArray[np.int64] | None = None
    detections: tuple[TimedDetection, ...] = ()
    versions: frozenset[str] = frozenset()
    faults: FaultCounters | None = None
    products: NDArray[np.int64] | None = None
    exemplar: Exemplar | None = None
    names: tuple[NewName, ...] = ()
    outcomes: Outcomes = field(default_factory=dict)

    @property
    def alone(self) -> ClosedPanes:
        """As a message of its own."""
        data = PaneData(
            self.summary,
            self.detections,
            self.cross,
            self.versions,
            self.faults,
            self.products,
            self.exemplar,
            self.names,
            self.outcomes,
        )
        return ClosedPanes(self.slice, self.source, self.offset, PaneBlock.of(self.number, data))


@dataclass(frozen=True, slots=True, eq=False)
class ClosedPanes:
    """Panes of one slice that one source closed together: as many ClosedPane, in arrays."""

    slice: Slice
    source: TopicPartition
    offset: int
    panes: PaneBlock

    @property
    def dense(self) -> Self:
        """As in PaneBlock."""
        return replace(self, panes=self.panes.dense)

    def each(self) -> Iterator[ClosedPane]:
        """In ascending order."""
        for number, p in self.panes.each():
            yield ClosedPane(
                self.slice, number, self.source, self.offset, p.summary, p.cross, p.detections, p.versions, p.faults,
                p.products, p.exemplar, p.names, p.outcomes,
            )  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class RawRows:
    """The events of one source up to its pane ``through``, of a slice that has no reference yet.

    ``rows`` in offset order; ``panes`` int64[n] the pane of each. The other fields as in ClosedPane.
    """

    slice: Slice
    through: int
    source: TopicPartition
    offset: int
    rows: EventBatch
    panes: NDArray[np.int64]
