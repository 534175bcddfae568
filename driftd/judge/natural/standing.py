"""What repeats by itself, and stands still for most of a day: a sensor that hangs, a model that answers all alike.

What is measured once an hour repeats, calm air stands still, and of two answers the next is often the same, so the
share of repeats pages nobody there (TRAIT_SIZES, size_table). How long it lasts does: each value like the one before,
in every hop of two hours and more.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import features as f
from driftd.judge.natural.calendar import ZEROS
from driftd.judge.natural.changes import CHANGES, SIZES, Change
from driftd.judge.natural.episodes import PAGE, TICKET, Fire, counted
from driftd.judge.natural.kinds import Kind, Named
from driftd.judge.natural.learned import HOPS, NaturalLearned, Traits
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import STATISTICS
from driftd.judge.natural.thresholds import Thresholds
from driftd.judge.natural.unsure import came_slowly

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LASTS: Final = 12 * 3600.0
"""Seconds of whole hops in which numbers must stand still. Measured: temperatures and winds of three airports did so
for 10 hours at most in six samples of six weeks, parts of hops and nights without flights among them.
"""
LASTS_ANSWERS: Final = 4 * 3600.0
"""The same of what the model answers. Chosen: two hops, some hundred requests that all got the same answer."""
LONGER: Final = 2.0
"""The same as a factor of the longest time that the reference shows. Chosen: the next weeks may have a longer one."""
SELDOM: Final = 0.6
"""Share of repeats above which nobody can say so. Measured: rain and visibility, of which .84 to .99 repeat, stood
still for up to 300 hours; temperatures and winds have .4 to .5.
"""
SELDOM_ANSWERS: Final = 0.8
"""The same of answers and of categories. Chosen: of two classes the rarer has a tenth or more, and a hop of 100
requests expects ten."""
CLUSTERED: Final = 5.0
"""Variance of the repeats of a hop, in that of as many chances, from which decisions follow the day and the world.
Measured: 16 to 65 of eight models of real traffic, 2 of answers by chance.
"""
LASTS_CLUSTERED: Final = 12 * 3600.0
"""LASTS_ANSWERS of such decisions. Chosen: as LASTS, half a day."""
LASTS_RARE: Final = 20 * 3600.0
"""The same where more than SELDOM_RARE repeat. Measured: of three models of real traffic the rarer decision stayed away
for 8 to 16 hours of quiet days. The hops that are kept tell of 22.
"""
SELDOM_RARE: Final = 0.7
"""Chosen: the rarer of two classes has less than a fifth."""
REST: Final = 0.2
"""Share of the bin in which a feature may stand still for as long as it wants. Chosen: two tenths of the reference's
values; visibility is at its end on every clear day.
"""
SOON: Final = 0.75
"""Part of that time after which there is a ticket. Chosen: nine hours of twelve."""
AT_ZERO: Final = 1.5
"""How much longer at 0 than elsewhere. Chosen: three nights in two; calm air stands still by itself."""
FEW: Final = 0.05
"""Missing values, over values, that do not end a run. Chosen: failed calls have no answer."""
FROZEN: Final = CHANGES.index(Change.FROZEN)
"""Derived: its place in CHANGES."""


def patience(traits: Traits, same: Floats, hops: Runs) -> Floats:
    """How long values must stand still to page, float64[channels] in seconds; inf: however long. ``same`` float64
    [channels]: their share of repeats; ``hops``: those of the second ring, of the whole reference. One of few days does
    not show it: of a misty day not how long the air is clear, of one night not that all answers are alike then.
    """
    answers = traits.output & ~traits.awaited
    features = ~traits.output & (same < np.where(traits.numeric, SELDOM, SELDOM_ANSWERS))
    asked = np.where(answers, same < SELDOM_ANSWERS, features & ~traits.churning)
    longest = _lasts(hops).max(axis=0, initial=0.0)
    clustered = np.where(same > SELDOM_RARE, LASTS_RARE, LASTS_CLUSTERED)
    of_answers = np.where(_dispersion(hops) > CLUSTERED, clustered, LASTS_ANSWERS)
    least = np.maximum(np.where(answers, of_answers, LASTS), LONGER * longest)
    return np.where(asked & (not traits.short), least, np.inf)


def of_hops(learned: NaturalLearned, limits: Thresholds, hops: Runs, new: int) -> list[Fire]:
    """Pages, and tickets before them, of what stands still at the end of one of the last ``new`` hops; not of features
    where they often are, and at 0 later: clear and calm air.
    """
    lasts = _lasts(hops)
    values = hops.sums[:, :, f.FEATURES :]
    usual = (values * learned.usual.shares).sum(axis=2) / np.maximum(values.sum(axis=2), 1)
    t = learned.traits
    features = t.numeric & ~t.output
    at_zero = features & (hops.sums[:, :, f.NONZERO] == 0)
    if learned.zeros is not None:
        at_zero &= learned.zeros >= ZEROS
    least = learned.patience * np.where(at_zero, AT_ZERO, 1.0)
    still = limits.sizes.stands & (lasts >= SOON * least) & ~(features & (usual > REST))
    still[: len(hops) - new] = False
    silent, fires, needed = 2 * counted(hops.end - hops.start, hops.events), [], SIZES[Change.FROZEN].page
    for h, c in np.argwhere(still).tolist():
        usual = float(learned.near.centre[STATISTICS.index(Change.FROZEN), c])
        name, end = Named(Kind.FROZEN, value=1.0, usual=usual), float(hops.end[h])
        since, rest = end - float(lasts[h, c]), float(silent[h])
        size, ratio = 1 - usual, float(lasts[h, c] / learned.patience[c])
        level = PAGE if lasts[h, c] >= least[h, c] else TICKET
        if level == TICKET and not np.isfinite(limits.sizes.ticket[FROZEN, c]):
            continue
        fires.append(
            Fire(
                end, level, c, name, size, size, since, rest, ratio, 1, needed, FROZEN, size, name,
                float(hops.start[h]), size,
                slowly=level == PAGE and came_slowly(learned, hops, end, STATISTICS.index(Change.FROZEN), c, size),
            )
        )  # fmt: skip
    return fires


def _dispersion(hops: Runs) -> Floats:
    """float64[channels]: the variance of how many values of a hop repeat, over that of as many chances."""
    live, repeated = (hops.sums[:, :, column].astype(np.float64) for column in (f.LIVE, f.REPEATED))
    share = repeated.sum(axis=0) / np.maximum(live.sum(axis=0), 1.0)
    chance = np.maximum((live * share * (1 - share)).sum(axis=0), 1.0)
    out: Floats = ((repeated - share * live) ** 2).sum(axis=0) / chance
    return out


def _lasts(hops: Runs) -> Floats:
    """float64[hops, channels]: for how many seconds all values were like the one before, at the end of each hop, as far
    as the hops that are kept tell. A value after a missing one is none that differs, where few are missing.
    """
    live, none = hops.sums[:, :, f.LIVE], hops.sums[:, :, f.EVENTS] - hops.sums[:, :, f.LIVE]
    still = (live > 0) & (none <= FEW * live) & (hops.sums[:, :, f.REPEATED] + none >= live)
    place = np.arange(len(hops))[:, None]
    first = np.maximum.accumulate(np.where(still, 0, place + 1), axis=0)  # the hop after the last that moved
    first = np.maximum(first, place - HOPS[1])
    began = np.append(hops.start, np.nan)[first]
    out: Floats = np.where(still, hops.end[:, None] - began, 0.0)
    return out
