"""A week of days as one block of evidence: the mean of each series, the shape of the week's days, and its siblings.

The levels of weeks vary with the weather and the season, and so does the shape of their days. So the first two
principal contrasts of the parts of the day are covariates of a channel's level. In the joint path the levels of the
three channels most correlated with it in the reference are covariates too: a change of one given the others is found
sooner, but any of them may have caused it.
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
Bools = NDArray[np.bool_]

CONTRASTS: Final = 2
"""Principal contrasts that are covariates. Chosen: each costs a degree of freedom of a reference of 24 weeks."""
SIBLINGS: Final = 3
"""Channels whose levels are covariates of another's. Chosen: each costs a degree of freedom of a reference of 24
weeks."""
DAY_CLIP: Final = 3.0
"""Where a day's standardised statistic is clipped. Chosen: one day moves the mean of a week by 3 / 7 at most."""
WEEK_CLIP: Final = 4.0
"""Where a week's is. Chosen: one odd week must not be a step; 8 was 18 % quicker on simulated weeks and not tried on
real ones."""
ENOUGH: Final = 4 / 7
"""Share of a week's days that must be known. Chosen: most of them."""
LEAST_WEEKS: Final = 8
"""Weeks that principal contrasts need. Chosen: as many as contrasts have coefficients."""


@dataclass(frozen=True, slots=True, eq=False)
class Weeks:
    """How days become weeks: center, scale float64[m] of days, week_center, week_scale float64[m] of their means.

    levels intp[q]: which of the m series are levels; siblings intp[q, up to SIBLINGS] likewise; axes float64[q,
    CONTRASTS, PARTS], axes_center [q, PARTS] and axes_scale [q, CONTRASTS]: the principal contrasts; channel intp[q].
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

    def block(self, total: Floats, days: Floats, days_per_block: int) -> Floats:
        """float64[m] from sums of days; NaN where fewer than four in seven are known."""
        mean = block_means(total, days, days_per_block)
        with np.errstate(invalid="ignore"):
            return np.asarray(np.clip((mean - self.week_center) / self.week_scale, -WEEK_CLIP, WEEK_CLIP))

    def principal_contrasts(self, total: Floats, days: Floats) -> Floats:
        """float64[q, CONTRASTS] from sums of parts float64[PARTS, channels] and days they were known."""
        c = contrasts(total, days)[self.channel] - self.axes_center
        return np.asarray(np.clip(np.einsum("qsp,qp->qs", self.axes, c) / self.axes_scale, -WEEK_CLIP, WEEK_CLIP))

    def sibling_levels(self, week: Floats) -> Floats:
        """Levels of the siblings, float64[q, up to SIBLINGS]; 0, the usual, where unknown."""
        return np.nan_to_num(week[self.siblings])


def contrasts(total: Floats, days: Floats) -> Floats:
    """Each part of the day against the mean of them, float64[channels, PARTS]; 0 where unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(days > 0, total / days, np.nan)
    known = np.isfinite(mean)
    middle = np.where(known, mean, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return np.where(known, mean - middle, 0.0).T


def blocks_of(days: Floats, first_day: int, days_per_block: int) -> tuple[Floats, Floats]:
    """Sums and numbers of known days of whole blocks, [blocks, ...] each, from days [days, ...]."""
    skip = -first_day % days_per_block
    n = (len(days) - skip) // days_per_block
    d = days[skip : skip + n * days_per_block].reshape(n, days_per_block, *days.shape[1:])
    return np.nansum(d, axis=1), np.isfinite(d).sum(axis=1).astype(np.float64)


def block_means(total: Floats, days: Floats, days_per_block: int) -> Floats:
    """Means of days from their sums and numbers; NaN where fewer than ENOUGH of the block's days are known."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(days >= ENOUGH * days_per_block, total / days, np.nan)


def standardisation(y: Floats, layout: DayLayout, first_day: int, days_per_block: int) -> tuple[Floats, Floats]:
    """center, scale, week_center, week_scale float64[4, m] and the weeks float64[weeks, m] of the reference's days.

    Shares of categories are not standardised by day: what is rare in a day need not be rare in a week.
    """
    center, scale = quietly(spread_of, y)
    number = ~layout.columns.any(axis=1)
    center, scale = np.where(number, center, 0.0), np.where(number, scale, 1.0)
    u = np.clip((y - center) / np.where(scale > 0, scale, np.nan), -DAY_CLIP, DAY_CLIP)
    total, days = blocks_of(u, first_day, days_per_block)
    mean = block_means(total, days, days_per_block)
    week_center, week_scale = quietly(spread_of, mean)
    with np.errstate(invalid="ignore", divide="ignore"):
        weeks = np.clip((mean - week_center) / week_scale, -WEEK_CLIP, WEEK_CLIP)
    return np.stack([center, scale, week_center, week_scale]), weeks


def learn_weeks(layout: DayLayout, moments: Floats, weeks: Floats, parts: tuple[Floats, Floats]) -> Weeks:
    """``moments`` and ``weeks`` of ``standardisation``; ``parts``: sums and days float64[weeks, PARTS, channels]."""
    levels = np.flatnonzero((layout.kind == LEVEL) & ~layout.columns.any(axis=1))
    channel, known = layout.channel[levels], np.isfinite(weeks[:, levels])
    siblings = siblings_of(weeks[:, levels], known)
    c = np.stack([contrasts(t, d) for t, d in zip(*parts, strict=True)]) if len(weeks) else np.zeros((0, 0, PARTS))
    axes, middle, size = principal_axes(c, channel, known)
    center, scale, week_center, week_scale = moments
    return Weeks(
        center, scale, week_center, week_scale, levels, channel, levels[siblings], axes, middle, size
    )  # fmt: skip


def siblings_of(levels: Floats, known: Bools) -> Ints:
    """The most correlated other columns of each column of ``levels`` float64[weeks, q]: intp[q, up to SIBLINGS]."""
    q = levels.shape[1]
    z = np.where(known, levels, 0.0)
    z = z - z.sum(axis=0) / np.maximum(known.sum(axis=0), 1) * known
    size = np.sqrt(np.sum(z**2, axis=0))
    together = np.abs(z.T @ z) / np.maximum(np.outer(size, size), 1e-12)
    np.fill_diagonal(together, -1.0)
    return np.argsort(-together, axis=1, kind="stable")[:, : min(SIBLINGS, max(q - 1, 0))]


def principal_axes(c: Floats, channel: Ints, known: Bools) -> tuple[Floats, Floats, Floats]:
    """``axes``, ``axes_center`` and ``axes_scale`` of Weeks, from contrasts ``c`` float64[weeks, channels, PARTS]."""
    q = len(channel)
    axes, middle, size = np.zeros((q, CONTRASTS, PARTS)), np.zeros((q, PARTS)), np.ones((q, CONTRASTS))
    for i, row in enumerate(channel.tolist()):
        mine = c[known[:, i], row]
        if len(mine) < LEAST_WEEKS:
            continue
        middle[i] = mine.mean(axis=0)
        axes[i] = np.linalg.svd(mine - middle[i], full_matrices=False)[2][:CONTRASTS]
        size[i] = np.maximum(((mine - middle[i]) @ axes[i].T).std(axis=0), 1e-9)
    return axes, middle, size
