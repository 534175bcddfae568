"""The judge of channels that follow a rhythm or are autocorrelated: a season model, day and week blocks, Bayes factors.

Clock: an hour of the week is a slot, a day a block, a week a season. Numeric channels are compared with their slot:

  z = clip((cell mean - median of the slot) / smoothed MAD of the slot, +-4)

and each day gives for every numeric channel, weighted by the number of values,
  level   mean z                       spread  mean sqrt|z|           (anything that no longer fits its slot)
  swing   mean z * (profile - mean)/s  phase   mean z * slope of the profile / s   (the rhythm's size and time)
  ratio   log of the day's sum over what its slots expect, where values cannot be negative
and for every category that is there in at least 5 % of the reference's seasons the arcsine root of its share.
The reference's own days are compared with slots that leave their season out: else the spread is biased.

Two clocks look at each statistic: days (covariates: yesterday, mean of the last 7; a change at least 3 days old,
at most 91) and weeks (covariates: last week, mean of the last 4; at most 26 old). Evidence:
driftd.judge.factor. S is the weighted mean of
all of them and of the fault paths (driftd.judge.fault); alarm when S >= A, A counted in events of the channel.

Guarantee: P(false alarm within n events) <= n / A is proved for independent Gaussian blocks; measured: t3 and lognormal
blocks, autocorrelated weeks, shuffled real weeks (docs/quality.md). Not claimed: annual cycles, which are drift to a
reference of less than two years. Fewer than 24 seasons: tickets, not pages; fewer than 12: abstains.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Final, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

from driftd.judge.cells import Cell, Clock, Runs
from driftd.judge.factor import Series
from driftd.judge.fault import Faults
from driftd.reference import Reference
from driftd.summary import FIRST_VALUE, MISSING, UNSEEN

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
P = ParamSpec("P")
T = TypeVar("T")

PAGE_SEASONS: Final = 24
TICKET_SEASONS: Final = 12
DAY_WINDOW: Final = 91
WEEK_WINDOW: Final = 26
DAY_LEAST: Final = 3
KINDS: Final = ("level", "spread", "swing", "phase", "ratio")
CATEGORY: Final = len(KINDS)
TOP: Final = 10
_CLIPS: Final = np.array([3.0, 2.5, 3.0, 3.0, 3.0, 3.0])
_SHARES: Final = np.array([1.0, 0.6, 1.0, 1.0, 1.0, 1.0])
_FAULT_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Slots:
    """A season's profile, float64[slots, channels] each: median, spread of cells, and the two templates."""

    middle: Floats
    spread: Floats
    swing: Floats
    slope: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Season:
    """What the reference says of the rhythm; immutable. m series: (channel, kind of statistic, columns of counts).

    center, scale float64[m] standardise a day's statistic, week_center, week_scale a week's; weekly bool[m]: too rare
    for the day clock; weight float64[m]: its share in the channel's S; floor float64[channels]: 2 % of a usual day's
    sum; block_events float64[channels]: values a day.
    """

    clock: Clock
    seasons: int
    slots: Slots
    channel: Ints
    kind: Ints
    columns: NDArray[np.bool_]
    center: Floats
    scale: Floats
    week_center: Floats
    week_scale: Floats
    weekly: NDArray[np.bool_]
    weight: Floats
    floor: Floats
    positive: NDArray[np.bool_]
    block_events: Floats
    faults: Faults

    @property
    def pages(self) -> bool:
        return self.seasons >= PAGE_SEASONS


@dataclass(frozen=True, slots=True, eq=False)
class Rhythm:
    """All that is remembered between panes; arrays only.

    today        the day's number (-1 before the first)
    cells_values, cells_sums   float64[slots a day, channels]: the day so far
    counts       float64[channels, width]: the day so far
    days, weeks  the evidence (driftd.judge.factor.Series), m series each
    recent       float64[7, m]: the last days' statistics, newest last; last_weeks float64[4, m]
    week_sum, week_days float64[m]: the week so far
    fault_ratio  float64[channels, 4, 3], flagged bool as float64[channels, 4]: see driftd.judge.fault
    """

    today: int
    cell_values: Floats
    cell_sums: Floats
    counts: Floats
    days: Series
    weeks: Series
    recent: Floats
    last_weeks: Floats
    week_sum: Floats
    week_days: Floats
    fault_ratio: Floats
    flagged: Floats
    stood: Floats
    run_value: Floats
    run_length: Floats
    evidence: Floats
    since: Floats


def circular(x: Floats) -> Floats:
    """Smoothed over five neighbouring slots (1, 2, 3, 2, 1), the season being a circle; axis -2."""
    out = np.zeros_like(x)
    for shift, w in zip(range(-2, 3), (1, 2, 3, 2, 1), strict=True):
        out += w / 9 * np.roll(x, shift, axis=-2)
    return out


def profile(means: Floats, clock: Clock) -> tuple[Floats, Floats]:
    """Median and spread of the cell means ``means`` float64[seasons, slots, channels] (NaN: empty): [slots, channels].

    Slots with fewer than 8 cells borrow from their neighbours, then from the hour of day, then from everything.
    """
    seen = np.isfinite(means).sum(axis=0)
    middle = np.nanmedian(means, axis=0)
    wide = np.concatenate([np.roll(means, 1, axis=1), means, np.roll(means, -1, axis=1)], axis=0)
    by_hour = means.reshape(len(means) * clock.days, clock.day, -1)
    everything = np.nanmedian(means.reshape(-1, means.shape[2]), axis=0)
    fallback = np.tile(np.nanmedian(by_hour, axis=0), (clock.days, 1))
    fallback = np.where(np.isfinite(wide).sum(axis=0) >= 8, np.nanmedian(wide, axis=0), fallback)
    fallback = np.where(np.isfinite(fallback), fallback, everything)
    part = np.clip(seen / 8, 0, 1)
    middle = np.where(seen >= 8, middle, part * np.nan_to_num(middle) + (1 - part) * fallback)
    away = np.abs(means - middle)
    overall = 1.4826 * np.nanmedian(away.reshape(-1, means.shape[2]), axis=0)
    overall = np.where(overall > 0, overall, np.nanstd(means.reshape(-1, means.shape[2]), axis=0))
    own = 1.4826 * np.nanmedian(away, axis=0)
    spread = circular(np.where(np.isfinite(own), own, overall))
    return middle, np.where(overall > 0, np.maximum(spread, 0.15 * overall), 1.0)


def templates(middle: Floats, spread: Floats) -> tuple[Floats, Floats]:
    """The profile about its mean and its slope, over the spread; root mean square 1, clipped at 3."""

    def unit(x: Floats) -> Floats:
        size = np.sqrt(np.mean(x**2, axis=0))
        return np.where(size > 1e-9, np.clip(x / np.maximum(size, 1e-9), -3, 3), 0.0)

    smooth = circular(middle)
    slope = np.roll(smooth, -1, axis=0) - np.roll(smooth, 1, axis=0)
    return unit((middle - middle.mean(axis=0)) / spread), unit(slope / spread)


def numeric_day(values: Floats, sums: Floats, slots: Slots, floor: Floats, positive: NDArray[np.bool_]) -> Floats:
    """One day's statistics, float64[len(KINDS), channels], of cells float64[slots a day, channels]; NaN: none."""
    total = values.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.clip((sums / values - slots.middle) / slots.spread, -4, 4)
        z = np.where(values > 0, z, 0.0)

        def mean(x: Floats) -> Floats:
            return np.where(total > 0, np.sum(values * x, axis=0) / np.maximum(total, 1e-300), np.nan)

        day = np.maximum(sums.sum(axis=0), 0) + floor
        ratio = np.log(day / (np.maximum(np.sum(values * slots.middle, axis=0), 0) + floor))
    ratio = np.where(positive & (total > 0) & np.isfinite(ratio), ratio, np.nan)
    return np.stack([mean(z), mean(np.sqrt(np.abs(z))), mean(z * slots.swing), mean(z * slots.slope), ratio])


def arcsine(counts: Floats, channel: Ints, columns: NDArray[np.bool_]) -> Floats:
    """Arcsine root of the share that ``columns`` bool[m, width] hold of their channels' values: float64[m]."""
    rows = counts[channel]
    total = rows[:, UNSEEN:].sum(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.sum(rows * columns, axis=1) / total
    return np.where(total > 0, np.arcsin(np.sqrt(np.clip(share, 0, 1))), np.nan)


def spread_of(y: Floats) -> tuple[Floats, Floats]:
    """Median and max(1.4826 MAD, sd / 2) over axis 0."""
    middle = np.nanmedian(y, axis=0)
    mad = 1.4826 * np.nanmedian(np.abs(y - middle), axis=0)
    return middle, np.maximum(mad, np.nanstd(y, axis=0) / 2)


def clipped(u: Floats, kind: Ints) -> Floats:
    """Clipped days; the log ratio lets go of what is beyond 6, for a closed day says nothing of the level."""
    hold = np.clip((10 - np.abs(u)) / 4, 0, 1)
    u = np.where((kind == KINDS.index("ratio")) & (np.abs(u) > 6), np.sign(u) * 3 * hold, u)
    return np.clip(u, -_CLIPS[kind], _CLIPS[kind])


@dataclass(frozen=True, slots=True, eq=False)
class Stretch:
    """The reference's cells as arrays: values, sums float64[seasons, slots, channels]; counts float64[days, channels,
    width]; flags float64[days, channels, 4] (missing, unseen; ranges and runs are the reference's own, so 0).
    """

    first_day: int
    values: Floats
    sums: Floats
    counts: Floats
    flags: Floats
    low: Floats
    high: Floats

    @classmethod
    def of(cls, cells: Sequence[Cell], clock: Clock) -> Stretch:
        first = cells[0].number // clock.slots
        seasons = cells[-1].number // clock.slots - first + 1
        channels, width = cells[0].counts.shape
        values, sums = np.zeros((seasons, clock.slots, channels)), np.zeros((seasons, clock.slots, channels))
        counts = np.zeros((seasons * clock.days, channels, width))
        low, high = np.full(channels, np.inf), np.full(channels, -np.inf)
        for cell in cells:
            season, slot = divmod(cell.number - first * clock.slots, clock.slots)
            values[season, slot], sums[season, slot] = cell.values, cell.sums
            counts[season * clock.days + slot // clock.day] += cell.counts
            low, high = np.minimum(low, cell.low), np.maximum(high, cell.high)
        flags = np.zeros((len(counts), channels, 4))
        flags[:, :, MISSING], flags[:, :, UNSEEN] = counts[:, :, MISSING] > 0, counts[:, :, UNSEEN] > 0
        return cls(first * clock.days, values, sums, counts, flags, low, high)


def learn(
    reference: Reference, cells: Sequence[Cell], longest: Floats, singles: Floats, clock: Clock
) -> tuple[Season, Rhythm]:
    """The season model and the evidence at the reference's end, from its cells in time order.

    ``longest`` float64[channels]: longest run of one value (inf: it always stands still); ``singles`` as in
    driftd.judge.independent.Shape.of.
    """
    past = Stretch.of(cells, clock)
    with np.errstate(all="ignore"):
        means = np.where(past.values > 0, past.sums / np.where(past.values > 0, past.values, 1), np.nan)
    seasons = int(np.count_nonzero(past.values.sum(axis=(1, 2)) > 0.5 * np.median(past.values.sum(axis=(1, 2)))))
    middle, spread = quietly(profile, means, clock)
    slots = Slots(middle, spread, *templates(middle, spread))
    positive = reference.numeric & (past.low >= 0)
    day_sums = past.sums.sum(axis=1).sum(axis=0) / max(len(past.counts), 1)
    floor = 0.02 * np.maximum(day_sums, 1e-300)
    channel, kind, columns = layout(reference, past, clock)
    y = past_days(past, slots, means, clock, floor, positive, channel, kind, columns)
    weekly = np.array(
        [k == CATEGORY and rare(past, c, col, clock) < 0.5 for c, k, col in zip(channel, kind, columns, strict=True)],
        bool,
    )
    center, scale = quietly(spread_of, y)
    keep = (np.isfinite(y).mean(axis=0) > 0.3) & (np.nan_to_num(scale) > 1e-9)
    y, channel, kind, columns, weekly, center, scale = (
        y[:, keep], channel[keep], kind[keep], columns[keep], weekly[keep], center[keep], scale[keep]
    )  # fmt: skip
    u = clipped((y - center) / scale, kind)
    weeks = quietly(week_means, u, clock)
    week_center, week_scale = quietly(spread_of, weeks)
    week_scale = np.where(np.nan_to_num(week_scale) > 1e-9, week_scale, np.inf)
    shares = _SHARES[kind]
    total = np.bincount(channel, shares, len(reference.channels))
    faults = Faults.limits(reference, past.low, past.high, longest).rated(
        past.flags[past.counts.sum(axis=(1, 2)) > 0], singles
    )
    season = Season(
        clock, seasons, slots, channel, kind, columns, center, scale, np.nan_to_num(week_center), week_scale, weekly,
        (1 - _FAULT_SHARE) * shares / np.maximum(total, 1e-9)[channel], floor, positive,
        past.counts.sum(axis=2).mean(axis=0), faults,
    )  # fmt: skip
    rhythm = blank(season, len(reference.channels), reference.width)
    for day in range(len(u)):
        rhythm = judged_day(season, rhythm, u[day], past.first_day + day, learning=True)
    today = cells[-1].number // clock.day
    return season, replace(rhythm, days=unborn(rhythm.days), weeks=unborn(rhythm.weeks), today=today)


def unborn(series: Series) -> Series:
    """No change begins inside the reference."""
    return replace(series, begun=np.full_like(series.begun, np.nan))


def quietly(f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Calls ``f``; means and medians of nothing are NaN here, and meant to be."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)
        return f(*args, **kwargs)


def layout(reference: Reference, past: Stretch, clock: Clock) -> tuple[Ints, Ints, NDArray[np.bool_]]:
    """The series: five a numeric channel; one a category that is there in at least 5 % of the seasons, and the rest."""
    series: list[tuple[int, int, NDArray[np.bool_]]] = []
    for row, bins in enumerate(reference.bins):
        nothing = np.zeros(reference.width, bool)
        if reference.numeric[row]:
            series += [(row, kind, nothing) for kind in range(len(KINDS))]
            continue
        rest = np.arange(reference.width) < bins.used
        rest[MISSING] = False
        for column in range(FIRST_VALUE, min(FIRST_VALUE + TOP, FIRST_VALUE + len(bins.categories))):
            one = nothing.copy()
            one[column] = True
            rest[column] = False
            series.append((row, CATEGORY, one))
        series.append((row, CATEGORY, rest))
    series = [s for s in series if s[1] != CATEGORY or rare(past, s[0], s[2], clock) >= 0.05]
    width = reference.width
    columns = np.array([s[2] for s in series], bool).reshape(len(series), width)
    return np.array([s[0] for s in series], np.intp), np.array([s[1] for s in series], np.intp), columns


def rare(past: Stretch, row: int, columns: NDArray[np.bool_], clock: Clock) -> float:
    """Share of the seasons that have any of the columns."""
    seen = past.counts[:, row][:, columns].sum(axis=1).reshape(-1, clock.days).sum(axis=1) > 0
    return float(seen.mean())


def past_days(
    past: Stretch, slots: Slots, means: Floats, clock: Clock, floor: Floats, positive: NDArray[np.bool_],
    channel: Ints, kind: Ints, columns: NDArray[np.bool_],
) -> Floats:  # fmt: skip
    """The reference's days, float64[days, m], each season against slots learned from the others."""
    out = np.full((len(past.counts), len(channel)), np.nan)
    for season in range(len(means)):
        middle, spread = quietly(profile, np.delete(means, season, axis=0), clock)
        own = Slots(middle, spread, slots.swing, slots.slope)
        for d in range(clock.days):
            part = slice(d * clock.day, (d + 1) * clock.day)
            of_day = Slots(own.middle[part], own.spread[part], own.swing[part], own.slope[part])
            i = season * clock.days + d
            numbers = numeric_day(past.values[season, part], past.sums[season, part], of_day, floor, positive)
            out[i] = gathered(numbers, past.counts[i], channel, kind, columns)
    return out


def gathered(numbers: Floats, counts: Floats, channel: Ints, kind: Ints, columns: NDArray[np.bool_]) -> Floats:
    category = kind == CATEGORY
    out = numbers[np.minimum(kind, len(KINDS) - 1), channel]
    out[category] = arcsine(counts, channel[category], columns[category])
    return out


def week_means(u: Floats, clock: Clock) -> Floats:
    """float64[weeks, m]: mean of the clipped days; NaN where fewer than four in seven are there."""
    days = u[: len(u) // clock.days * clock.days].reshape(-1, clock.days, u.shape[1])
    enough = np.isfinite(days).sum(axis=1) >= 4 / 7 * clock.days
    return np.where(enough, np.nanmean(days, axis=1), np.nan)


def blank(season: Season, channels: int, width: int) -> Rhythm:
    m, day = len(season.channel), season.clock.day
    flat = np.zeros(channels)
    return Rhythm(
        -1, np.zeros((day, channels)), np.zeros((day, channels)), np.zeros((channels, width)),
        Series.start(m, 3, DAY_WINDOW), Series.start(m, 3, WEEK_WINDOW),
        np.full((7, m), np.nan), np.full((4, m), np.nan), np.zeros(m), np.zeros(m),
        np.zeros((channels, 4, 3)), np.zeros((channels, 4)), flat,
        np.full(channels, np.nan), flat, flat, np.full(channels, np.nan),
    )  # fmt: skip


def step(season: Season, rhythm: Rhythm, cell: Cell) -> tuple[Rhythm, Floats]:
    """One pane, as a cell of its own; gives S float64[channels]. Panes come in order of time."""
    today = cell.number // season.clock.day
    while rhythm.today < today:
        rhythm = close_day(season, rhythm)
    slot = cell.number % season.clock.day
    values, sums = rhythm.cell_values.copy(), rhythm.cell_sums.copy()
    values[slot] += cell.values
    sums[slot] += cell.sums
    counts = rhythm.counts + cell.counts
    runs = Runs(rhythm.run_value, rhythm.run_length).add(cell.low, cell.high, cell.values)
    stood = np.where(runs.length < rhythm.run_length, 0.0, rhythm.stood)
    flagged = np.maximum(rhythm.flagged, season.faults.flags(cell.counts, cell.low, cell.high, runs.length, stood))
    _, fault = season.faults.weighed(rhythm.fault_ratio, flagged, counts.sum(axis=1), over=False)
    now = replace(
        rhythm, cell_values=values, cell_sums=sums, counts=counts, flagged=flagged, stood=stood,
        run_value=runs.value, run_length=runs.length,
    )  # fmt: skip
    return now, rhythm.evidence + _FAULT_SHARE * fault


def close_day(season: Season, rhythm: Rhythm) -> Rhythm:
    part = slice(
        rhythm.today % season.clock.days * season.clock.day, (rhythm.today % season.clock.days + 1) * season.clock.day
    )
    slots = Slots(*(getattr(season.slots, f.name)[part] for f in fields(Slots)))
    numbers = numeric_day(rhythm.cell_values, rhythm.cell_sums, slots, season.floor, season.positive)
    y = gathered(numbers, rhythm.counts, season.channel, season.kind, season.columns)
    u = clipped((y - season.center) / season.scale, season.kind)
    ratio, _ = season.faults.weighed(rhythm.fault_ratio, rhythm.flagged, rhythm.counts.sum(axis=1), over=True)
    next_day = judged_day(season, rhythm, u, rhythm.today)
    return replace(
        next_day, today=rhythm.today + 1, fault_ratio=ratio, stood=rhythm.stood + rhythm.flagged[:, 3],
        flagged=np.zeros_like(rhythm.flagged),
        cell_values=np.zeros_like(rhythm.cell_values), cell_sums=np.zeros_like(rhythm.cell_sums),
        counts=np.zeros_like(rhythm.counts),
    )  # fmt: skip


def judged_day(season: Season, rhythm: Rhythm, u: Floats, day: int, learning: bool = False) -> Rhythm:
    """Takes in one day's standardised statistics ``u`` float64[m]; at a season's end the week's too."""
    clock = season.clock
    days = rhythm.days.add(u, np.stack([np.ones_like(u), last_known(rhythm.recent), known_mean(rhythm.recent)], axis=1),
                           clock.begins(day * clock.day))  # fmt: skip
    recent = np.concatenate([rhythm.recent[1:], u[None]])
    week_sum = rhythm.week_sum + np.nan_to_num(u)
    week_days = rhythm.week_days + np.isfinite(u)
    weeks, last_weeks = rhythm.weeks, rhythm.last_weeks
    if (day + 1) % clock.days == 0:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(week_days >= 4 / 7 * clock.days, week_sum / week_days, np.nan)
            w = np.clip((mean - season.week_center) / season.week_scale, -4, 4)
        begun = clock.begins((day + 1 - clock.days) * clock.day)
        weeks = weeks.add(w, np.stack([np.ones_like(w), last_known(last_weeks), known_mean(last_weeks)], axis=1), begun)
        last_weeks = np.concatenate([last_weeks[1:], w[None]])
        week_sum, week_days = np.zeros_like(week_sum), np.zeros_like(week_days)
    rhythm = replace(
        rhythm, days=days, weeks=weeks, recent=recent, last_weeks=last_weeks, week_sum=week_sum, week_days=week_days
    )
    return rhythm if learning else weighed(season, rhythm)


def weighed(season: Season, rhythm: Rhythm) -> Rhythm:
    """S of every channel from its series and clocks, and since when the strongest says that it is so."""
    by_day, day_since = summed(rhythm.days, DAY_LEAST)
    by_week, week_since = summed(rhythm.weeks, 1)
    events = season.block_events[season.channel]
    days = season.weight * events * np.where(season.weekly, 0.0, 0.5) * by_day
    weeks = season.weight * events * season.clock.days * np.where(season.weekly, 1.0, 0.5) * by_week
    channels = len(season.block_events)
    evidence = np.bincount(season.channel, days + weeks, channels).astype(np.float64)
    since = np.full(channels, np.nan)
    best = np.zeros(channels)
    for s, begun in ((days, day_since), (weeks, week_since)):
        order = np.argsort(s)  # the strongest is written last
        better = s[order] >= best[season.channel[order]]
        rows = season.channel[order][better]
        since[rows], best[rows] = begun[order][better], s[order][better]
    return replace(rhythm, evidence=evidence, since=since)


def summed(series: Series, least: int) -> tuple[Floats, Floats]:
    """Sum of the Bayes factors over the candidate changes, float64[m], and where the greatest begins."""
    logs = series.log_factors(least)
    top = np.maximum(logs.max(axis=1), -500)
    total = np.exp(np.minimum(top, 500)) * np.exp(logs - top[:, None]).sum(axis=1)
    return total, series.begun[np.arange(len(logs)), np.argmax(logs, axis=1)]


def last_known(recent: Floats) -> Floats:
    """The newest finite value of each column; 0 where there is none."""
    out = np.zeros(recent.shape[1])
    for row in recent:
        out = np.where(np.isfinite(row), row, out)
    return out


def known_mean(recent: Floats) -> Floats:
    count = np.isfinite(recent).sum(axis=0)
    return np.where(count > 0, np.nansum(recent, axis=0) / np.maximum(count, 1), 0.0)
