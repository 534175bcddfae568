"""A week of days as one row of evidence: each series' level, what kind of week it was, and what its siblings did.

Weeks' levels vary with the weather and the season, and the shape of their days tells of it: the first two principal
contrasts of the parts of the day are covariates of a channel's level. So are, in the joint path, the levels of the
three channels that went with it most closely in the reference: a change of one given the others is found sooner, but
any of them may have caused it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.seasonal.days import DayLayout, spread_of
from driftd.judge.seasonal.slot_profile import LEVEL, PARTS, quietly

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]

SHAPES: Final = 2
SIBLINGS: Final = 3
DAY_CLIP: Final = 3.0
WEEK_CLIP: Final = 4.0
ENOUGH: Final = 4 / 7
_LEAST_WEEKS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Weeks:
    """How days become weeks: center, scale float64[m] of days, week_center, week_scale float64[m] of their means.

    levels intp[q]: which of the m series are levels; siblings intp[q, up to 3] likewise; axes float64[q, 2, PARTS],
    axes_center [q, PARTS] and axes_scale [q, 2]: the principal contrasts; channel intp[q].
    """

    center: Floats
    scale: Floats
    week_center: Floats
    week_scale: Floats
    levels: Ints
    channel: Ints
    siblings: Ints
    axes: Floats
    axes_center: Floats
    axes_scale: Floats

    def day(self, y: Floats) -> Floats:
        return np.clip((y - self.center) / self.scale, -DAY_CLIP, DAY_CLIP)

    def week(self, total: Floats, days: Floats, block: int) -> Floats:
        """float64[m] from sums of days; NaN where fewer than four in seven are known."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(days >= ENOUGH * block, total / days, np.nan)
        return np.asarray(np.clip((mean - self.week_center) / self.week_scale, -WEEK_CLIP, WEEK_CLIP))

    def shape(self, total: Floats, days: Floats) -> Floats:
        """float64[q, 2] from sums of parts float64[PARTS, channels] and days they were known."""
        c = contrasts(total, days)[self.channel] - self.axes_center
        return np.asarray(np.clip(np.einsum("qsp,qp->qs", self.axes, c) / self.axes_scale, -WEEK_CLIP, WEEK_CLIP))

    def beside(self, week: Floats) -> Floats:
        """Levels of the siblings, float64[q, up to 3]; 0, the usual, where unknown."""
        return np.nan_to_num(week[self.siblings])


def contrasts(total: Floats, days: Floats) -> Floats:
    """Each part of the day against the mean of them, float64[channels, PARTS]; 0 where unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(days > 0, total / days, np.nan)
    known = np.isfinite(mean)
    middle = np.where(known, mean, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, mean - middle, 0.0).T


def blocks(days: Floats, first_day: int, block: int) -> tuple[Floats, Floats]:
    """Sums and numbers of known days of whole blocks, [blocks, ...] each, from days [days, ...]."""
    skip = -first_day % block
    n = (len(days) - skip) // block
    d = days[skip : skip + n * block].reshape(n, block, *days.shape[1:])
    return np.nansum(d, axis=1), np.isfinite(d).sum(axis=1).astype(np.float64)


def standard(y: Floats, layout: DayLayout, first_day: int, block: int) -> tuple[Floats, Floats]:
    """center, scale, week_center, week_scale float64[4, m] and the weeks float64[weeks, m] of the reference's days.

    Shares of categories are not standardised by day: what is rare in a day need not be rare in a week.
    """
    center, scale = quietly(spread_of, y)
    number = ~layout.columns.any(axis=1)
    center, scale = np.where(number, center, 0.0), np.where(number, scale, 1.0)
    u = np.clip((y - center) / np.where(scale > 0, scale, np.nan), -DAY_CLIP, DAY_CLIP)
    total, days = blocks(u, first_day, block)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(days >= ENOUGH * block, total / days, np.nan)
    week_center, week_scale = quietly(spread_of, mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        weeks = np.clip((mean - week_center) / week_scale, -WEEK_CLIP, WEEK_CLIP)
    return np.stack([center, scale, week_center, week_scale]), weeks


def learned(layout: DayLayout, moments: Floats, weeks: Floats, parts: tuple[Floats, Floats]) -> Weeks:
    """``moments`` and ``weeks`` of ``standard``; ``parts``: sums and days float64[weeks, PARTS, channels]."""
    levels = np.flatnonzero((layout.kind == LEVEL) & ~layout.columns.any(axis=1))
    q, known = len(levels), np.isfinite(weeks[:, levels])
    z = np.where(known, weeks[:, levels], 0.0)
    z = z - z.sum(axis=0) / np.maximum(known.sum(axis=0), 1) * known
    size = np.sqrt(np.sum(z**2, axis=0))
    together = np.abs(z.T @ z) / np.maximum(np.outer(size, size), 1e-12)
    np.fill_diagonal(together, -1.0)
    siblings = np.argsort(-together, axis=1, kind="stable")[:, : min(SIBLINGS, max(q - 1, 0))]
    axes, middle, size = np.zeros((q, SHAPES, PARTS)), np.zeros((q, PARTS)), np.ones((q, SHAPES))
    c = np.stack([contrasts(t, d) for t, d in zip(*parts, strict=True)]) if len(weeks) else np.zeros((0, 0, PARTS))
    for i, row in enumerate(layout.channel[levels].tolist()):
        mine = c[known[:, i], row]
        if len(mine) < _LEAST_WEEKS:
            continue
        middle[i] = mine.mean(axis=0)
        axes[i] = np.linalg.svd(mine - middle[i], full_matrices=False)[2][:SHAPES]
        size[i] = np.maximum(((mine - middle[i]) @ axes[i].T).std(axis=0), 1e-9)
    center, scale, week_center, week_scale = moments
    return Weeks(
        center,
        scale,
        week_center,
        week_scale,
        levels,
        layout.channel[levels],
        levels[siblings],
        axes,
        middle,
        size,
    )
