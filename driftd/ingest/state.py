"""The partition side's state: position, watermark, raw rows while a reference is learned, open panes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.summary import Summary
from driftd.core.window import TimedDetection


@dataclass(slots=True)
class Pane:
    """One open pane of one model in one partition; ``cross`` as in driftd.judge.exchangeable.joint."""

    summary: Summary
    alarms: tuple[TimedDetection, ...] = ()
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
class PartitionState:
    """``next_offset`` is the position that belongs to everything else here; ``latest`` the greatest event time.

    A ``released`` partition is another member's now; its open panes are still ours, and it holds nobody back.
    """

    next_offset: int
    latest: float = -np.inf
    released: bool = False
    streams: dict[str, Stream] = field(default_factory=dict)
