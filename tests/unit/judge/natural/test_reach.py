"""What is promised to be seen: sizes and times worked out by hand, and kept by simulated changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from driftd.core.text import duration
from driftd.judge.natural.changes import CHANGES, Change
from driftd.judge.natural.cusum import DELTAS, Cusum, Rules, run
from driftd.judge.natural.learned import LEAST_P0
from driftd.judge.natural.reach import HORIZONS, Reach, reach
from driftd.judge.natural.shapes import STATISTICS
from driftd.judge.natural.thresholds import Limits
from tests.unit.judge.natural.stage import DAY, HOUR, PER_DAY, Columns, Stage

Z = 1.2816
"""The normal quantile of .9."""
NEAR_EVENTS = PER_DAY * 7800 / DAY
"""A window of 2 hours is six hops of 20 minutes and a tick: 7,800 seconds."""


@pytest.fixture(scope="module")
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0)


def least(seen: Reach, channel: int, change: Change, *, page: bool) -> dict[float, float]:
    """Seconds -> size, up and down alike."""
    mine = (seen.channel == channel) & (seen.change == CHANGES.index(change)) & (seen.page == page)
    return dict(zip(seen.seconds[mine].tolist(), seen.least[mine].tolist(), strict=True))


def alone(stage: Stage, change: Change, limit: float) -> Reach:
    """What is seen if only two-hour windows look, at ``change`` alone, with this limit of x for pages and tickets."""
    channels = len(stage.reference.channels)
    near = np.full((len(STATISTICS), channels), np.nan)
    near[[i for i, c in enumerate(STATISTICS) if c is change]] = limit
    never = np.full(len(stage.limits.page.fast), np.inf)
    limits = Limits(never, (near, None, None), (None,) * 4, np.zeros(0))
    return reach(stage.learned, replace(stage.limits, page=limits, ticket=limits), stage.reference)


def test_a_rate_must_pass_its_limit_with_the_noise_of_the_window(week: Stage) -> None:
    (size,) = least(
        alone(week, Change.MISSING, 2 * np.arcsin(np.sqrt(0.3))), week.channel("amount"), Change.MISSING, page=True
    ).values()
    assert size == pytest.approx(0.3 + Z * np.sqrt(0.3 * 0.7 / NEAR_EVENTS), rel=0.01)


def test_a_rate_whose_limit_is_low_must_have_the_size_of_a_page(week: Stage) -> None:
    (size,) = least(alone(week, Change.MISSING, 0.0), week.channel("amount"), Change.MISSING, page=True).values()
    # the rate seen has a lower bound of .15, and nine of ten rates seen are that large
    assert size == pytest.approx(0.15 + 2 * Z * np.sqrt(0.15 * 0.85 / NEAR_EVENTS), rel=0.02)


def test_a_shift_is_in_standard_deviations_and_lasts_two_windows(week: Stage) -> None:
    ((seconds, size),) = least(alone(week, Change.LEVEL, 0.5), week.channel("age"), Change.LEVEL, page=False).items()
    down = STATISTICS.index(Change.LEVEL) + 1  # the shift may begin when the level is at its daily lowest
    needed = 0.5 + max(Z / np.sqrt(NEAR_EVENTS), week.learned.near.largest.mean[down, week.channel("age")])
    assert needed < size < 1.1 * needed  # beyond the outer bins a shift is not seen
    assert seconds == 2 * 7800 + 1300 + 100


def test_a_mix_is_the_least_share_that_can_have_such_an_angle(week: Stage) -> None:
    h = 0.4 + Z / np.sqrt(NEAR_EVENTS)
    (size,) = least(alone(week, Change.MIX, 0.4), week.channel("city"), Change.MIX, page=False).values()
    assert size == pytest.approx(np.sin(h / 2), rel=0.001)


@pytest.mark.parametrize(
    ("change", "channel", "limit", "seen"),
    [
        (Change.MISSING, "amount", 3.0, True),
        (Change.MISSING, "amount", np.pi, False),
        (Change.LEVEL, "amount", 1.5, True),
        (Change.LEVEL, "amount", 3.0, False),  # the outermost bin's score is 2
        (Change.SPREAD, "amount", 5.0, False),
        (Change.MIX, "city", 2.0, True),
        (Change.MIX, "city", np.pi, False),
        (Change.UNIT, "amount", 5.0, True),
        (Change.UNIT, "amount", np.nan, False),
    ],
)
def test_nothing_is_promised_beyond_what_a_statistic_can_reach(
    week: Stage, change: Change, channel: str, limit: float, seen: bool
) -> None:
    found = alone(week, change, limit)
    assert bool(least(found, week.channel(channel), change, page=False)) is seen


def test_a_jump_to_all_values_takes_what_the_cusum_and_persistence_take(week: Stage) -> None:
    seen = reach(week.learned, week.limits, week.reference)
    row = week.channel("amount")
    assert min(least(seen, row, Change.MISSING, page=True)) == HORIZONS[0]  # 5 minutes, and two ticks of 100 s
    # with a hundredth of the events: the limit at ln(p1 / p0) an event, the least tick of eight events
    p0 = LEAST_P0[Change.MISSING]
    p1 = p0 + DELTAS.max() * (1 - p0)
    events = week.limits.page.fast[
        (week.learned.fast.rules.channel == row) & (week.learned.fast.change == CHANGES.index(Change.MISSING))
    ] / np.log(p1 / p0)
    rare = replace(week.reference, last=week.reference.first + 100 * (week.reference.last - week.reference.first))
    soonest = min(least(reach(week.learned, week.limits, rare), row, Change.MISSING, page=True))
    a_second = PER_DAY / DAY / 100
    needed = max(events[0], Z**2 * 0.2 / 0.8) / a_second + 2 * np.ceil(8 / a_second / 10) * 10
    assert soonest == pytest.approx(min(h for h in HORIZONS if h >= needed), rel=0.1)


def test_a_limit_above_the_cap_raises_the_cap() -> None:
    rules = Rules.of_rates(np.array([0]), np.array([1]), np.array([0]), np.array([0.1]))
    sums = np.full((40, 1, 2), 20)  # all hits
    begun, limit = np.arange(0.0, 4000.0, 100.0), np.array([200.0])
    _, never, _ = run(Cusum.start(1), rules, sums, begun, limit)
    _, over, _ = run(Cusum.start(1), rules.above(limit), sums, begun, limit)
    assert not len(never.tick)
    assert over.tick[0] == np.ceil(200 / (20 * np.log(0.64 / 0.1))) - 1


def missing(size: float, rng: np.random.Generator) -> Callable[[Columns, np.ndarray], None]:
    def change(columns: Columns, on: np.ndarray) -> None:
        columns["amount"][on & (rng.random(on.size) < size)] = np.nan

    return change


def shifted(size: float, _: np.random.Generator) -> Callable[[Columns, np.ndarray], None]:
    def change(columns: Columns, on: np.ndarray) -> None:
        columns["age"][on] += 10 * np.sqrt(0.98) * size

    return change


def mixed(size: float, rng: np.random.Generator) -> Callable[[Columns, np.ndarray], None]:
    def change(columns: Columns, on: np.ndarray) -> None:
        columns["city"][on & (rng.random(on.size) < size / 0.92)] = "e"  # a share of .08 is "e" already

    return change


@pytest.mark.parametrize(
    ("channel", "change", "page", "make"),
    [
        ("amount", Change.MISSING, True, missing),
        ("age", Change.LEVEL, False, shifted),
        ("city", Change.MIX, True, mixed),
    ],
)
def test_the_least_change_is_seen_in_time_in_most_runs(
    week: Stage,
    channel: str,
    change: Change,
    page: bool,
    make: Callable[[float, np.random.Generator], Callable[[Columns, np.ndarray], None]],
) -> None:
    row = week.channel(channel)
    promised = least(reach(week.learned, week.limits, week.reference), row, change, page=page)
    seconds, size = sorted(promised.items())[1]
    kept, runs = 0, 12
    for seed in range(runs):
        at = 3.0 + 6 * (seed % 4)
        turns = week.turns(
            np.random.default_rng(100 + seed), at + seconds / HOUR + 0.2, make(size, np.random.default_rng(seed)), at=at
        )
        after = [(t.time - week.begin) / HOUR - at for t in turns if t.channel == row and t.level == 1 + page]
        kept += any(0 < hours <= seconds / HOUR for hours in after)
    assert kept >= 9, f"{kept} of {runs} within {duration(seconds)} at {size:.2f}"
