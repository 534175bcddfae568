"""Closed panes of a model, merged over its partitions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from driftd.core.event import TopicPartition
from driftd.core.summary import merge
from driftd.ingest.state import Pane, Stream


def closed_panes(streams: Sequence[tuple[TopicPartition, Stream]], reached: int) -> Iterator[tuple[int, Pane]]:
    """Takes the panes up to ``reached`` out of the streams, merged over partitions, in ascending order."""
    ready = sorted({pane for _, s in streams for pane in s.panes if pane <= reached})
    for pane in ready:
        parts = [s.panes.pop(pane) for _, s in streams if pane in s.panes]
        alarms = sorted((a for p in parts for a in p.alarms), key=lambda a: (a.time, a.detector, a.channel))
        crosses = [p.cross for p in parts if p.cross is not None]
        cross = np.sum(crosses, axis=0) if crosses else None
        yield pane, Pane(merge(p.summary for p in parts), tuple(alarms), cross)
