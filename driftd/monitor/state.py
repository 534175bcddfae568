"""The state: one cell a partition (position, watermark, open panes) and one a model (windows, statuses)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Cell, EventBatch
from driftd.core.finding import Finding, Judgement, Status
from driftd.core.reference import Reference
from driftd.core.summary import LATENCY_LE, Summary
from driftd.core.window import Alarm, Hops
from driftd.judge.runtime import Guard


@dataclass(slots=True)
class Pane:
    """One open pane of one model in one partition; ``cross`` as in driftd.judge.exchangeable.joint."""

    summary: Summary
    alarms: tuple[Alarm, ...] = ()
    cross: NDArray[np.int64] | None = None


@dataclass(slots=True)
class Stream:
    """One model in one partition: raw events while the reference is learned, then open panes and sequential states.

    ``sequential`` maps (detector, channel) to the detector's own state; ``rows`` are in offset order.
    """

    rows: list[EventBatch] = field(default_factory=list)
    panes: dict[int, Pane] = field(default_factory=dict)
    sequential: dict[tuple[str, str], Any] = field(default_factory=dict)


@dataclass(slots=True)
class PartitionCell:
    """``next_offset`` is the position that belongs to everything else here; ``latest`` the greatest event time.

    A ``released`` partition is another member's now; its open panes are still ours, and it holds nobody back.
    """

    next_offset: int
    latest: float = -np.inf
    released: bool = False
    streams: dict[str, Stream] = field(default_factory=dict)


@dataclass(slots=True)
class Verdict:
    """What a detector last said of each channel: int8[channels], int64[channels] entries into DRIFT."""

    status: NDArray[np.int8]
    detections: NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """What has come of the period that a rolling reference will be made of; ``number`` as in driftd.monitor.rolling.

    ``whole``: it was watched from its beginning; ``drifted``: an episode was open in it.
    """

    number: int
    summary: Summary | None = None
    whole: bool = False
    drifted: bool = False


@dataclass(slots=True)
class Totals:
    """Counters of one model since its beginning; they survive restarts.

    ``excluded`` counts accepted events of excluded stretches: neither learned from nor judged. ``pages``: how often it
    turned to DRIFT; ``paged`` when it did in the last 30 days, event time.
    """

    events: int = 0
    excluded: int = 0
    failed: int = 0
    labels: int = 0
    unjoined_labels: int = 0
    ignored_features: int = 0
    pages: int = 0
    paged: tuple[float, ...] = ()
    latency_le: NDArray[np.int64] = field(default_factory=lambda: np.zeros(len(LATENCY_LE) + 1, np.int64))
    latency_ns: int = 0
    last_event: float = -np.inf


@dataclass(slots=True)
class ModelCell:
    """``taken`` is the last pane that is in; ``learned`` counts the events held for the reference; ``named`` has the
    channels that the last finding about the model as a whole named; ``suspected`` bool[channels]: whose last window
    made a ticket of the judge.
    """

    name: str
    reference: Reference | None = None
    rows: list[EventBatch] = field(default_factory=list)
    learned: int = 0
    taken: int | None = None
    hops: Hops = field(default_factory=Hops)
    verdicts: dict[str, Verdict] = field(default_factory=dict)
    since: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    status: Status = Status.LEARNING
    versions: dict[str, float] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    judged: int = 0
    guard: Guard | None = None
    named: tuple[str, ...] = ()
    suspected: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    judgement: Judgement | None = None
    period: Period | None = None


@dataclass(slots=True)
class State:
    """Everything that a checkpoint holds. ``frontier``: the last pane that all active partitions have closed.

    received == accepted + sum(rejected) + late + sum(dropped), always.
    """

    partitions: dict[Cell, PartitionCell] = field(default_factory=dict)
    models: dict[str, ModelCell] = field(default_factory=dict)
    frontier: int | None = None
    received: int = 0
    accepted: int = 0
    late: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    dropped: Counter[str] = field(default_factory=Counter)
    findings: int = 0

    @property
    def balanced(self) -> bool:
        return self.received == self.accepted + self.late + self.rejected.total() + self.dropped.total()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step of the pipeline led to, beside the state.

    ``turns`` says of each period of a rolling reference that ended whether it became the reference, and why not.
    """

    findings: tuple[Finding, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    learned: tuple[Reference, ...] = ()
    turns: tuple[str, ...] = ()
