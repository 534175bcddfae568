"""How large the largest change of each channel was over time, by the sizes and the limits that the judge uses.

One number a stretch, so that hours and channels can be compared: the change over the least that makes a ticket, and
below 1 while natural variation explains it. Nothing is judged by it: pages draw it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.pane_block import PaneBlock
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import CHANGE_OF, FIRST_SHAPE, RATES, STATISTICS, statistics
from driftd.judge.natural.thresholds import Thresholds

NOTHING: Final = -1
"""In place of a statistic, where a stretch holds too little."""
LARGEST: Final = 60_000.0
"""Sizes are kept as float16."""
_CHUNK: Final = 64
"""Stretches at a time: of 200 channels of 40 bins they take 40 MB."""
NOISE: Final = 2.0
"""Limits are those of windows of hours. For each window's worth of events that a stretch lacks so much is taken off the
square of how far it is beyond natural variation. Measured: of 3,000 calm stretches of ten minutes with 20 to 110 events
186 had been above 1; 2 are.
"""
_ERRORS: Final = STATISTICS.index(Change.ERRORS)
_OF: Final = np.array([*(of for _, _, of in RATES), *[f.LIVE] * (len(STATISTICS) - FIRST_SHAPE)], np.intp)
"""Of which values each statistic is: where all are missing there are events still."""


@dataclass(frozen=True, slots=True, eq=False)
class Sizer:
    """What was learned of a reference, and from which limits and sizes on a change makes a page or a ticket."""

    learned: NaturalLearned
    limits: Thresholds

    def of(self, block: PaneBlock, step: float) -> tuple[NDArray[np.float16], NDArray[np.int8]]:
        """Of stretches of ``step`` seconds under their numbers, [n, channels]: the largest change over a ticket's size,
        0 at the least, NaN where there were too few values; and the place of its statistic in shapes.STATISTICS.
        """
        out = np.full(block.sums.shape[:2], np.nan, np.float16)
        which = np.full(out.shape, NOTHING, np.int8)
        for low in range(0, len(out), _CHUNK):
            part = slice(low, low + _CHUNK)
            out[part], which[part] = self._of(block, part, step)
        return out, which

    def page_over_ticket(self, statistic: int, channel: int) -> float:
        """How many times as large a page must be; inf where no such change pages."""
        change = int(CHANGE_OF[statistic])
        page, ticket = (self.limits.sizes.least(change, channel, page=page) for page in (True, False))
        return page / ticket if np.isfinite(page) and np.isfinite(ticket) else np.inf

    def _of(self, block: PaneBlock, part: slice, step: float) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
        learned, sums = self.learned, block.sums[part]
        told = learned.layout.features(sums)
        every = np.concatenate([told, sums[:, :, : learned.layout.width]], axis=2)
        start, rows = block.numbers[part].astype(np.float64) * step, np.arange(len(sums))
        runs = Runs(start, start + step, block.events[part], every)
        x, _, least = statistics(learned.usual, every, learned.slots.expected(runs, rows, rows))
        least[:, _ERRORS, ~learned.traits.errors] = np.nan  # to others it is their highest tenth
        ratio = (least - learned.near.centre) / self.limits.sizes.ticket[CHANGE_OF]
        fitted, limit = learned.slow[0], self.limits.ticket.slow[0]
        if fitted is not None and limit is not None:
            beyond = (x - fitted.largest.mean) / (limit - fitted.largest.mean)
            fewer = np.maximum(fitted.events / np.maximum(told[:, :, _OF], 1) - 1, 0.0)
            beyond = np.sqrt(np.maximum(np.maximum(beyond, 0.0) ** 2 - NOISE * np.moveaxis(fewer, 2, 1), 0.0))
            ratio = np.where(beyond >= 1, ratio, np.minimum(ratio, beyond))  # NaN: nobody looks at it
        known = np.isfinite(ratio)
        ratio = np.where(known, ratio, -np.inf)
        best = ratio.argmax(axis=1)
        size = np.clip(np.take_along_axis(ratio, best[:, None], axis=1)[:, 0], 0.0, LARGEST)
        seen = known.any(axis=1)
        return np.where(seen, size, np.nan), np.where(seen, best, NOTHING)


def name_of(statistic: int) -> Change:
    """What a statistic is about."""
    return CHANGES[int(CHANGE_OF[statistic])]
