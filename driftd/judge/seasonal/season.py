"""The judge of channels with a weekly pattern or autocorrelation: a season model, weeks as blocks, Bayes factors.

The clock: an hour of the week is a slot, a day a block of statistics, a week a block of evidence. Each day gives every
numeric channel its level, spread, swing and phase (seasonal.slot_profile) and every usual category its share. Their
weekly means are judged by seasonal.level_shift: each by itself, and the level also given the shape of the week's days
(seasonal.weeks). S of a channel is the weighted sum of them and of the fault flags (seasonal.fault_flags). The joint
path is the mean over channels of the level given the shape and three siblings. An episode opens when S >= A; both are
counted in events.

Two settings are decided on the reference for all its channels together. Where its weeks are autocorrelated (mean lag-1
autocorrelation above .1; about -1 / weeks is chance) the evidence takes the worst of three autoregressions, and finds
only large changes; else weeks are exchangeable. A change is at least two weeks old and began at most 26 weeks ago.

Guarantee: P(false alarm within n events) <= n / A is proved for Gaussian weeks that are independent or follow an
autoregression of .35 or .7. Measured: t3 and lognormal weeks, other autoregressions, shuffled real weeks, blocks of two
and four real weeks (docs/quality.md). Not claimed: annual cycles, which are drift to a reference of less than two
years. Fewer than 24 weeks: abstains (a week of which most is lost does not count: tickets, not pages).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.judge.budget import even_shares
from driftd.judge.seasonal.clock import LEAST_WEEKS_OLD, WEEKS_BACK, SeasonClock, SlotSummary, StuckRun
from driftd.judge.seasonal.days import DayLayout, ReferenceDays
from driftd.judge.seasonal.fault_flags import FAULTS, SIZES, STILL, FaultFlags, in_row_after
from driftd.judge.seasonal.level_shift import AUTOCORRELATED, EXCHANGEABLE, Series, autocorrelation
from driftd.judge.seasonal.slot_profile import PARTS, SlotProfile, day_statistics, quietly
from driftd.judge.seasonal.weeks import CONTRASTS, Weeks, blocks_of, learn_weeks, standardisation

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

PAGE_SEASONS: Final = 24
"""Weeks of a reference whose channels may page. Chosen: leaves 18 degrees of freedom beside six covariates."""
LEAST_AUTOCORRELATION: Final = 0.1
"""Mean autocorrelation of blocks from which they are not exchangeable. Measured: at .2 six times the false alarms on
simulated weeks; at .05 the same. About -1 / weeks is chance."""
FAULT_SHARE: Final = 0.1
"""Of a channel's evidence, the share of the fault flags. Chosen: ln 10 = 2.3 nats are little beside a fault's."""
LEAST_KNOWN: Final = 0.3
"""Share of the reference's days in which a series must be known. Chosen: with less, few weeks reach ENOUGH days."""
FLAT: Final = 1e-9
"""Least standard deviation of a series over days and over weeks. Derived: below it there is only rounding."""
USUAL_SHARE: Final = 0.02
"""Of a usual slot's mean, what is added to both sides of a level's ratio. Chosen: a level of nothing is ln .02, not
minus infinity."""


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """What the reference says of its seasons; immutable. m series in ``layout``, q of them levels.

    autocorrelation: of its blocks; phi float64[k]: the autoregressions considered; weight float64[m], shape_weight
    float64[q]: shares in the channel's S, joint_weight float64[q]: in the joint path's; floor float64[channels]:
    USUAL_SHARE of a usual value; block_events float64[channels]: values a block.
    """

    clock: SeasonClock
    seasons: int
    autocorrelation: float
    phi: Floats
    profile: SlotProfile
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
        return self.seasons >= PAGE_SEASONS

    @property
    def joint(self) -> bool:
        """Whether there are siblings to judge jointly."""
        return bool(self.joint_weight.any())


@dataclass(frozen=True, slots=True, eq=False)
class SeasonState:
    """All that is remembered between panes; arrays and numbers only.

    today        the day's number
    slot_values, slot_sums   float64[slots a day, channels]: the day so far
    counts       float64[channels, width]: the day so far
    alone [m], shaped [q], joint [q]   the evidence (driftd.judge.seasonal.level_shift.Series)
    block_sum, block_days float64[m], part_sum, part_days float64[PARTS, channels]: the block of days so far
    fault_ratio  float64[channels, FAULTS, SIZES]; flagged, in_row float64[channels, FAULTS]: see seasonal.fault_flags
    run_value, run_length float64[channels]: the value that a channel has had since, and how many of it
    evidence, since float64[channels], joint_evidence, joint_since: S without faults, and when its change began
    """

    today: int
    slot_values: Floats
    slot_sums: Floats
    counts: Floats
    alone: Series
    shaped: Series
    joint: Series
    block_sum: Floats
    block_days: Floats
    part_sum: Floats
    part_days: Floats
    fault_ratio: Floats
    flagged: Floats
    in_row: Floats
    run_value: Floats
    run_length: Floats
    evidence: Floats
    since: Floats
    joint_evidence: float
    joint_since: float

    @classmethod
    def start(cls, season: Season, channels: int, width: int) -> SeasonState:
        m, q, day = len(season.layout.channel), len(season.weeks.levels), season.clock.slots_per_day
        flat, flags = np.zeros(channels), np.zeros((channels, len(FAULTS)))
        phi, window = season.phi.tolist(), WEEKS_BACK
        return cls(
            -1, np.zeros((day, channels)), np.zeros((day, channels)), np.zeros((channels, width)),
            Series.start(m, 1, window, phi), Series.start(q, 1 + CONTRASTS, window, phi),
            Series.start(q, 1 + CONTRASTS + season.weeks.siblings.shape[1], window, phi), np.zeros(m), np.zeros(m),
            np.zeros((PARTS, channels)), np.zeros((PARTS, channels)), np.zeros((*flags.shape, len(SIZES))), flags,
            flags, np.full(channels, np.nan), flat, flat, np.full(channels, np.nan), 0.0, float("nan"),
        )  # fmt: skip


def learn(
    reference: Reference,
    slots: Sequence[SlotSummary],
    longest: Floats,
    singles: Floats,
    clock: SeasonClock,
    among: Bools | None = None,
) -> tuple[Season, SeasonState]:
    """The season model and the evidence at the reference's end, from its slots in order of time.

    ``longest`` float64[channels]: longest run of one value (inf: it never changes); ``singles`` as in
    exchangeable.shape.Shape.of; ``among`` bool[channels]: whose levels are judged jointly (all, if None).
    """
    days = ReferenceDays.of(slots, clock)
    profile = SlotProfile.of(days.means, clock)
    positive = reference.numeric & (days.low >= 0)
    size = quietly(np.nanmean, np.abs(days.means), axis=(0, 1))
    floor = USUAL_SHARE * np.where(np.isfinite(size) & (size > 0), size, 1.0)
    statistics, parts = days.statistics(clock, profile, floor, positive)
    layout = DayLayout.of(reference, days, clock)
    y = np.stack([layout.gathered(statistics[d], days.counts[d]) for d in range(days.whole)])
    y = y.reshape(days.whole, len(layout.channel))
    moments, blocks = standardisation(y, layout, days.first_day, clock.days)
    keep = (np.isfinite(y).mean(axis=0) > LEAST_KNOWN) & (np.nan_to_num(moments[[1, 3]]) > FLAT).all(axis=0)
    layout, y, blocks, moments = layout.where(keep), y[:, keep], blocks[:, keep], moments[:, keep]
    weeks = learn_weeks(layout, moments, blocks, blocks_of(parts, days.first_day, clock.days))
    among = np.ones(len(reference.channels), bool) if among is None else among
    lag_one, phi = autoregressions(blocks[:, among[layout.channel]])
    each = np.bincount(layout.channel, minlength=len(among)) + np.bincount(weeks.channel, minlength=len(among))
    share = (1 - FAULT_SHARE) / np.maximum(each, 1)
    faults = FaultFlags.limits(reference, days.low, days.high, longest).rated(
        days.flags[: days.whole][days.counts[: days.whole].sum(axis=(1, 2)) > 0], singles
    )
    season = Season(
        clock, days.seasons, lag_one, phi, profile, layout, weeks, share[layout.channel], share[weeks.channel],
        joint_weights(among[weeks.channel]), floor, positive,
        days.counts[: days.whole].sum(axis=2).sum(axis=0) / max(days.whole, 1) * clock.days, faults,
    )  # fmt: skip
    state = SeasonState.start(season, len(reference.channels), reference.width)
    for d in range(days.whole):
        state = add_day(season, state, y[d], parts[d], days.first_day + d, learning=True)
    values, sums, counts = days.today(clock)
    return season, replace(
        state, alone=state.alone.without_candidates(), shaped=state.shaped.without_candidates(),
        joint=state.joint.without_candidates(), today=days.first_day + days.whole, slot_values=values, slot_sums=sums,
        counts=counts,
    )  # fmt: skip


def autoregressions(blocks: Floats) -> tuple[float, Floats]:
    """The autocorrelation of the reference's ``blocks`` float64[blocks, m], and the phi that the evidence allows."""
    lag_one = autocorrelation(blocks)
    return lag_one, np.array(AUTOCORRELATED if lag_one > LEAST_AUTOCORRELATION else EXCHANGEABLE)


def joint_weights(among: Bools) -> Floats:
    """Even shares of the levels that are judged jointly, float64[q]; one alone has no siblings."""
    return even_shares(among & (np.count_nonzero(among) > 1))


def step(season: Season, state: SeasonState, slot: SlotSummary) -> tuple[SeasonState, Floats]:
    """One stretch of panes in one slot; gives S float64[channels]. Stretches come in order of time.

    The joint path's evidence is ``joint_evidence`` of the state.
    """
    today = slot.number // season.clock.slots_per_day
    rest = WEEKS_BACK * season.clock.days  # more empty days than these change nothing
    for _ in range(min(today - state.today, rest + season.clock.days)):
        state = close_day(season, state)
    state = replace(state, today=max(today, state.today))
    place = slot.number % season.clock.slots_per_day
    values, sums = state.slot_values.copy(), state.slot_sums.copy()
    values[place] += slot.values
    sums[place] += slot.sums
    counts = state.counts + slot.counts
    runs = StuckRun(state.run_value, state.run_length).add(slot.low, slot.high, slot.values)
    in_row = state.in_row.copy()
    in_row[runs.length < state.run_length, STILL] = 0.0
    flagged = np.maximum(state.flagged, season.faults.flags(slot.counts, slot.low, slot.high, runs.length, in_row))
    ratio = state.fault_ratio
    if flagged.any():
        ratio = season.faults.multiplied(ratio, flagged, in_row, counts.sum(axis=1), over=False)
    now = replace(
        state, slot_values=values, slot_sums=sums, counts=counts, flagged=flagged, in_row=in_row,
        run_value=runs.value, run_length=runs.length,
    )  # fmt: skip
    return now, state.evidence + FAULT_SHARE * season.faults.total(ratio)


def close_day(season: Season, state: SeasonState) -> SeasonState:
    """Takes in the day that is over, and begins the next."""
    profile = season.profile.day(state.today, season.clock)
    numbers, parts = day_statistics(state.slot_values, state.slot_sums, profile, season.floor, season.positive)
    y = season.layout.gathered(numbers, state.counts)
    events = state.counts.sum(axis=1)
    ratio = season.faults.multiplied(state.fault_ratio, state.flagged, state.in_row, events, over=True)
    ratio = np.where((events > 0)[:, None, None], ratio, state.fault_ratio)  # a day without events is no evidence
    later = add_day(season, state, y, parts, state.today, learning=False)
    return replace(
        later, today=state.today + 1, fault_ratio=ratio, in_row=in_row_after(state.in_row, state.flagged, events),
        flagged=np.zeros_like(state.flagged), slot_values=np.zeros_like(state.slot_values),
        slot_sums=np.zeros_like(state.slot_sums), counts=np.zeros_like(state.counts),
    )  # fmt: skip


def add_day(season: Season, state: SeasonState, y: Floats, parts: Floats, day: int, *, learning: bool) -> SeasonState:
    """Takes in one day's statistics ``y`` float64[m] and ``parts``; at a block's end judges the block."""
    u = season.weeks.day(y)
    state = replace(
        state, block_sum=state.block_sum + np.nan_to_num(u), block_days=state.block_days + np.isfinite(u),
        part_sum=state.part_sum + np.nan_to_num(parts), part_days=state.part_days + np.isfinite(parts),
    )  # fmt: skip
    size = season.clock.days
    if (day + 1) % size:
        return state
    at = season.clock.slot_begin((day + 1 - size) * season.clock.slots_per_day)
    block = season.weeks.block(state.block_sum, state.block_days, size)
    one = np.ones((len(block), 1))
    levels = block[season.weeks.levels]
    contrasts = season.weeks.principal_contrasts(state.part_sum, state.part_days)
    x = np.concatenate([one[: len(levels)], contrasts], axis=1)
    state = replace(
        state, alone=state.alone.add(block, one, at), shaped=state.shaped.add(levels, x, at),
        joint=state.joint.add(levels, np.concatenate([x, season.weeks.sibling_levels(block)], axis=1), at),
        block_sum=np.zeros_like(state.block_sum), block_days=np.zeros_like(state.block_days),
        part_sum=np.zeros_like(state.part_sum), part_days=np.zeros_like(state.part_days),
    )  # fmt: skip
    return state if learning else summed(season, state)


def summed(season: Season, state: SeasonState) -> SeasonState:
    """S of every channel and of the joint path, and when the strongest series says that its change began."""
    alone, alone_since = state.alone.summed(LEAST_WEEKS_OLD)
    shaped, shaped_since = state.shaped.summed(LEAST_WEEKS_OLD)
    joint, joint_since = state.joint.summed(LEAST_WEEKS_OLD)
    channel = np.concatenate([season.layout.channel, season.weeks.channel])
    s = np.concatenate([season.weight * alone, season.shape_weight * shaped]) * season.block_events[channel]
    begun = np.concatenate([alone_since, shaped_since])
    evidence = np.bincount(channel, s, len(season.block_events)).astype(np.float64)
    since, order = np.full(len(evidence), np.nan), np.argsort(s, kind="stable")
    since[channel[order]] = begun[order]  # the strongest is written last
    together = season.joint_weight * joint * season.block_events[season.weeks.channel]
    return replace(
        state, evidence=evidence, since=since, joint_evidence=float(together.sum()),
        joint_since=float(joint_since[np.argmax(together)]) if len(together) else float("nan"),
    )  # fmt: skip
