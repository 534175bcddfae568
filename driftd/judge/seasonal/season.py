"""The judge of channels that follow a rhythm or are autocorrelated: a season model, weeks as blocks, Bayes factors.

SeasonClock: an hour of the week is a slot, a day a block of statistics, a week a row of evidence. Each day gives every
numeric channel its level, spread, swing and phase (seasonal.slot_profile) and every usual category its share; their
weekly means are judged by seasonal.level_shift: each by itself, and the level also given the shape of the week's days
(seasonal.weeks). S of a channel is the mean of them and of the fault paths (seasonal.fault_flags). The joint path is
the mean over channels of the level given the shape and three siblings. TimedDetection when S >= A, counted in events.

Two settings, decided on the reference for all its channels together: where its weeks follow each other (mean lag-1
autocorrelation above .1; about -1 / weeks is chance) the evidence takes the worst of three autoregressions, and finds
only what is large; else weeks are exchangeable. A change is at least two weeks old and began at most 26 weeks ago.
Where the season is a day, days are the rows, a change is at least seven of them old, and it never pages: four weeks
do not tell how weeks differ (measured: driftd.judge.regime.propose).

Guarantee: P(false alarm within n events) <= n / A is proved for Gaussian weeks that are independent or follow an
autoregression of .35 or .7; measured: t3 and lognormal weeks, other autoregressions, shuffled real weeks, blocks of two
and four real weeks (docs/quality.md). Not claimed: annual cycles, which are drift to a reference of less than two
years. Fewer than 24 seasons: tickets, not pages; fewer than 12: abstains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.judge.seasonal.clock import SeasonClock, SlotSummary, StuckRun
from driftd.judge.seasonal.days import DayLayout, ReferenceDays
from driftd.judge.seasonal.fault_flags import STILL, FaultFlags, stood_since
from driftd.judge.seasonal.level_shift import EXCHANGEABLE, FOLLOWING, Series, following
from driftd.judge.seasonal.slot_profile import PARTS, SlotProfile, day_statistics, quietly
from driftd.judge.seasonal.weeks import SHAPES, Weeks, blocks, learned, standard

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

PAGE_SEASONS: Final = 24
TICKET_SEASONS: Final = 12
FOLLOWS: Final = 0.1
DAYS: Final = 7
_FAULT_SHARE: Final = 0.1
_KNOWN: Final = 0.3
_FLAT: Final = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """What the reference says of the rhythm; immutable. m series in ``layout``, q of them levels.

    follows: how strongly weeks follow each other; phi float64[k]: the autoregressions considered; weight float64[m],
    shape_weight float64[q]: shares in the channel's S, joint_weight float64[q]: in the joint path's; floor
    float64[channels]: 2 % of a usual value; block_events float64[channels]: values a week.
    """

    clock: SeasonClock
    seasons: int
    follows: float
    phi: Floats
    slots: SlotProfile
    layout: DayLayout
    weeks: Weeks
    weight: Floats
    shape_weight: Floats
    joint_weight: Floats
    floor: Floats
    positive: Bools
    block_events: Floats
    faults: FaultFlags

    @property
    def pages(self) -> bool:
        return self.seasons >= PAGE_SEASONS and self.clock.block > 1

    @property
    def joint(self) -> bool:
        """Whether there are siblings to judge jointly."""
        return bool(self.joint_weight.any())


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """All that is remembered between panes; arrays and numbers only.

    today        the day's number
    cell_values, cell_sums   float64[slots a day, channels]: the day so far
    counts       float64[channels, width]: the day so far
    alone [m], shaped [q], joint [q]   the evidence (driftd.judge.seasonal.level_shift.Series)
    week_sum, week_days float64[m], part_sum, part_days float64[PARTS, channels]: the week so far
    fault_ratio  float64[channels, 4, 3]; flagged, stood float64[channels, 4]: see driftd.judge.seasonal.fault_flags
    run_value, run_length float64[channels]: how long each stands still
    evidence, since float64[channels], joint_evidence, joint_since: S without faults, and when its change began
    """

    today: int
    cell_values: Floats
    cell_sums: Floats
    counts: Floats
    alone: Series
    shaped: Series
    joint: Series
    week_sum: Floats
    week_days: Floats
    part_sum: Floats
    part_days: Floats
    fault_ratio: Floats
    flagged: Floats
    stood: Floats
    run_value: Floats
    run_length: Floats
    evidence: Floats
    since: Floats
    joint_evidence: float
    joint_since: float


def learn(
    reference: Reference,
    cells: Sequence[SlotSummary],
    longest: Floats,
    singles: Floats,
    clock: SeasonClock,
    among: Bools | None = None,
) -> tuple[Season, Rhythm]:
    """The season model and the evidence at the reference's end, from its cells in time order.

    ``longest`` float64[channels]: longest run of one value (inf: it always stands still); ``singles`` as in
    exchangeable.independent.Shape.of; ``among`` bool[channels]: whose levels are judged jointly (all, if None).
    """
    past = ReferenceDays.of(cells, clock)
    means = past.means
    slots = SlotProfile.of(means, clock)
    positive = reference.numeric & (past.low >= 0)
    size = quietly(np.nanmean, np.abs(means), axis=(0, 1))
    floor = 0.02 * np.where(np.isfinite(size) & (size > 0), size, 1.0)
    statistics, parts = past.days(clock, slots, floor, positive)
    layout = DayLayout.of(reference, past, clock)
    y = np.stack([layout.gathered(statistics[d], past.counts[d]) for d in range(past.whole)])
    y = y.reshape(past.whole, len(layout.channel))
    block = clock.block
    moments, weeks = standard(y, layout, past.first_day, block)
    keep = (np.isfinite(y).mean(axis=0) > _KNOWN) & (np.nan_to_num(moments[[1, 3]]) > _FLAT).all(axis=0)
    layout, y, weeks, moments = layout.where(keep), y[:, keep], weeks[:, keep], moments[:, keep]
    week = learned(layout, moments, weeks, blocks(parts, past.first_day, block))
    among = np.ones(len(reference.channels), bool) if among is None else among
    mine = weeks[:, among[layout.channel]]
    follows = following(mine) if block > 1 else max(following(mine), following(mine, DAYS))
    phi = np.array(FOLLOWING if follows > FOLLOWS else EXCHANGEABLE)
    each = np.bincount(layout.channel, minlength=len(among)) + np.bincount(week.channel, minlength=len(among))
    share = (1 - _FAULT_SHARE) / np.maximum(each, 1)
    together = among[week.channel] & (np.count_nonzero(among[week.channel]) > 1)
    faults = FaultFlags.limits(reference, past.low, past.high, longest).rated(
        past.flags[: past.whole][past.counts[: past.whole].sum(axis=(1, 2)) > 0], singles
    )
    season = Season(
        clock, past.seasons, follows, phi, slots, layout, week, share[layout.channel], share[week.channel],
        together / np.maximum(np.count_nonzero(together), 1), floor, positive,
        past.counts[: past.whole].sum(axis=2).sum(axis=0) / max(past.whole, 1) * block, faults,
    )  # fmt: skip
    rhythm = blank(season, len(reference.channels), reference.width)
    for d in range(past.whole):
        rhythm = week_so_far(season, rhythm, y[d], parts[d], past.first_day + d, learning=True)
    values, sums, counts = past.today(clock)
    return season, replace(
        rhythm, alone=rhythm.alone.unborn(), shaped=rhythm.shaped.unborn(), joint=rhythm.joint.unborn(),
        today=past.first_day + past.whole, cell_values=values, cell_sums=sums, counts=counts,
    )  # fmt: skip


def blank(season: Season, channels: int, width: int) -> Rhythm:
    m, q, day = len(season.layout.channel), len(season.weeks.levels), season.clock.day
    flat = np.zeros(channels)
    phi, window = season.phi.tolist(), season.clock.window
    return Rhythm(
        -1, np.zeros((day, channels)), np.zeros((day, channels)), np.zeros((channels, width)),
        Series.start(m, 1, window, phi), Series.start(q, 1 + SHAPES, window, phi),
        Series.start(q, 1 + SHAPES + season.weeks.siblings.shape[1], window, phi), np.zeros(m), np.zeros(m),
        np.zeros((PARTS, channels)), np.zeros((PARTS, channels)), np.zeros((channels, 4, 3)), np.zeros((channels, 4)),
        np.zeros((channels, 4)), np.full(channels, np.nan), flat, flat, np.full(channels, np.nan), 0.0, float("nan"),
    )  # fmt: skip


def step(season: Season, rhythm: Rhythm, cell: SlotSummary) -> tuple[Rhythm, Floats]:
    """One pane, as a cell of its own; gives S float64[channels]. Panes come in order of time.

    The joint path's evidence is ``joint_evidence`` of the state.
    """
    today = cell.number // season.clock.day
    rest = season.clock.window * season.clock.block  # more empty days than these change nothing
    for _ in range(min(today - rhythm.today, rest + season.clock.block)):
        rhythm = close_day(season, rhythm)
    rhythm = replace(rhythm, today=max(today, rhythm.today))
    slot = cell.number % season.clock.day
    values, sums = rhythm.cell_values.copy(), rhythm.cell_sums.copy()
    values[slot] += cell.values
    sums[slot] += cell.sums
    counts = rhythm.counts + cell.counts
    runs = StuckRun(rhythm.run_value, rhythm.run_length).add(cell.low, cell.high, cell.values)
    stood = rhythm.stood.copy()
    stood[runs.length < rhythm.run_length, STILL] = 0.0
    flagged = np.maximum(rhythm.flagged, season.faults.flags(cell.counts, cell.low, cell.high, runs.length, stood))
    fault = (
        season.faults.weighed(rhythm.fault_ratio, flagged, stood, counts.sum(axis=1), over=False)[1]
        if flagged.any()
        else season.faults.total(rhythm.fault_ratio)
    )
    now = replace(
        rhythm, cell_values=values, cell_sums=sums, counts=counts, flagged=flagged, stood=stood,
        run_value=runs.value, run_length=runs.length,
    )  # fmt: skip
    return now, rhythm.evidence + _FAULT_SHARE * fault


def close_day(season: Season, rhythm: Rhythm) -> Rhythm:
    slots = season.slots.day(rhythm.today, season.clock)
    numbers, parts = day_statistics(rhythm.cell_values, rhythm.cell_sums, slots, season.floor, season.positive)
    y = season.layout.gathered(numbers, rhythm.counts)
    events = rhythm.counts.sum(axis=1)
    ratio, _ = season.faults.weighed(rhythm.fault_ratio, rhythm.flagged, rhythm.stood, events, over=True)
    ratio = np.where((events > 0)[:, None, None], ratio, rhythm.fault_ratio)  # a day without events says nothing
    later = week_so_far(season, rhythm, y, parts, rhythm.today, learning=False)
    return replace(
        later, today=rhythm.today + 1, fault_ratio=ratio, stood=stood_since(rhythm.stood, rhythm.flagged, events),
        flagged=np.zeros_like(rhythm.flagged),
        cell_values=np.zeros_like(rhythm.cell_values), cell_sums=np.zeros_like(rhythm.cell_sums),
        counts=np.zeros_like(rhythm.counts),
    )  # fmt: skip


def week_so_far(season: Season, rhythm: Rhythm, y: Floats, parts: Floats, day: int, *, learning: bool) -> Rhythm:
    """Takes in one day's statistics ``y`` float64[m] and ``parts``; at a week's end judges the week."""
    u = season.weeks.day(y)
    rhythm = replace(
        rhythm, week_sum=rhythm.week_sum + np.nan_to_num(u), week_days=rhythm.week_days + np.isfinite(u),
        part_sum=rhythm.part_sum + np.nan_to_num(parts), part_days=rhythm.part_days + np.isfinite(parts),
    )  # fmt: skip
    if (day + 1) % season.clock.block:
        return rhythm
    at = season.clock.begins((day + 1 - season.clock.block) * season.clock.day)
    week = season.weeks.week(rhythm.week_sum, rhythm.week_days, season.clock.block)
    one = np.ones((len(week), 1))
    levels = week[season.weeks.levels]
    x = np.concatenate([one[: len(levels)], season.weeks.shape(rhythm.part_sum, rhythm.part_days)], axis=1)
    rhythm = replace(
        rhythm, alone=rhythm.alone.add(week, one, at), shaped=rhythm.shaped.add(levels, x, at),
        joint=rhythm.joint.add(levels, np.concatenate([x, season.weeks.beside(week)], axis=1), at),
        week_sum=np.zeros_like(rhythm.week_sum), week_days=np.zeros_like(rhythm.week_days),
        part_sum=np.zeros_like(rhythm.part_sum), part_days=np.zeros_like(rhythm.part_days),
    )  # fmt: skip
    return rhythm if learning else weighed(season, rhythm)


def weighed(season: Season, rhythm: Rhythm) -> Rhythm:
    """S of every channel and of the joint path, and since when the strongest series says that it is so."""
    least = season.clock.least
    alone, alone_since = rhythm.alone.summed(least)
    shaped, shaped_since = rhythm.shaped.summed(least)
    joint, joint_since = rhythm.joint.summed(least)
    channel = np.concatenate([season.layout.channel, season.weeks.channel])
    s = np.concatenate([season.weight * alone, season.shape_weight * shaped]) * season.block_events[channel]
    begun = np.concatenate([alone_since, shaped_since])
    evidence = np.bincount(channel, s, len(season.block_events)).astype(np.float64)
    since, order = np.full(len(evidence), np.nan), np.argsort(s, kind="stable")
    since[channel[order]] = begun[order]  # the strongest is written last
    together = season.joint_weight * joint * season.block_events[season.weeks.channel]
    return replace(
        rhythm, evidence=evidence, since=since, joint_evidence=float(together.sum()),
        joint_since=float(joint_since[np.argmax(together)]) if len(together) else float("nan"),
    )  # fmt: skip
