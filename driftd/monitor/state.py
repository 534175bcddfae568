"""The state: one cell a partition (position, watermark, open panes) and one a model (windows, statuses)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.finding import Judgement, Status
from driftd.core.reference import Reference
from driftd.core.summary import LATENCY_LE, Summary
from driftd.core.window import Hops
from driftd.judge.runtime import ModelJudge


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
class ModelState:
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
    guard: ModelJudge | None = None
    named: tuple[str, ...] = ()
    suspected: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    judgement: Judgement | None = None
    period: Period | None = None
