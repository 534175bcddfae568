"""The partition side's state: position, watermark, raw rows while a reference is learned, open panes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import nan
from typing import Any, Final

import numpy as np

from driftd.core.event import EventBatch
from driftd.core.pane import Counters
from driftd.core.pane_block import PaneBlock
from driftd.core.slice import Slice
from driftd.core.trials import Trials
from driftd.ingest.fault_counts import Carry


@dataclass(frozen=True, slots=True)
class Pace:
    """What driftd.ingest.rate_limit goes on with: how many were ``seen``, the latest times (nan: none) of the two
    blocks before the one that is being filled, and of that one.
    """

    seen: int = 0
    ends: tuple[float, float] = (nan, nan)
    latest: float = nan


START: Final = Pace()


@dataclass(slots=True)
class Stream:
    """One slice in one partition: raw events while the reference is learned, and those that came since the last settle;
    open panes (None: no pane is open) and sequential states.

    ``sequential`` maps (detector, channel) to the detector's own state; ``rows`` are in offset order.
    ``held``: events of open panes, while a reference that grows is learned from them.
    ``carry``: what the fault counters of the next batch must know of the events before.
    ``trials``: what open panes say of experiments.
    """

    rows: list[EventBatch] = field(default_factory=list)
    panes: PaneBlock | None = None
    sequential: dict[tuple[str, str], Any] = field(default_factory=dict)
    counters: Counters = field(default_factory=Counters)
    carry: Carry | None = None
    held: list[EventBatch] = field(default_factory=list)
    pace: Pace = START
    trials: Trials = field(default_factory=dict)


@dataclass(slots=True)
class PartitionState:
    """``next_offset`` is the position that belongs to everything else here, in the topic that has ``topic_id`` ("" if
    the source has no ids); ``latest`` the greatest event time, ``labelled`` that of labels that came alone, and
    ``reached`` that of requests and answers that wait for each other: what they make may be of another partition.

    A ``released`` partition is another member's now; its open panes are still ours, and it holds nobody back.
    ``late`` counts late events by LateReason; ``worst_lateness`` has the greatest of each reason, in seconds.
    """

    next_offset: int
    latest: float = -np.inf
    released: bool = False
    streams: dict[Slice, Stream] = field(default_factory=dict)
    late: Counter[str] = field(default_factory=Counter)
    worst_lateness: dict[str, float] = field(default_factory=dict)
    topic_id: str = ""
    pace: Pace = START
    labelled: float = -np.inf
    reached: float = -np.inf
