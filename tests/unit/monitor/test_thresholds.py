"""When a score is a finding, since when, and what moved."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.finding import MovedBin, Status
from driftd.core.reference import Reference
from driftd.core.summary import Summary, merge
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import Hop
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn.build import Learning, build
from driftd.monitor.attribution import beyond_chance, divergences, mean_of, moved_bins
from driftd.monitor.change_point import change_starts
from driftd.monitor.thresholds import Budget, next_status
from tests.unit.core.make import events

OK, LEARNING, WARNING, DRIFT = Status
ABSTAINS = float("nan")
HOPS, HOP_SECONDS, HOP_EVENTS = 8, 100.0, 150


@pytest.mark.parametrize(
    ("before", "ratio", "after"),
    [
        pytest.param(OK, 0.0, OK, id="nothing"),
        pytest.param(OK, 0.8, OK, id="what holds a ticket open does not open one"),
        pytest.param(OK, 0.99, OK, id="just below the threshold"),
        pytest.param(OK, 1.0, WARNING, id="at the threshold"),
        pytest.param(OK, 1e300, WARNING, id="however far above it, a statistic is a ticket"),
        pytest.param(OK, float("inf"), WARNING, id="above a threshold of 0"),
        pytest.param(WARNING, 1.0, WARNING, id="a ticket goes on"),
        pytest.param(WARNING, 0.99, WARNING, id="it does not flap at its threshold"),
        pytest.param(WARNING, 0.8, WARNING, id="it holds down to eight tenths"),
        pytest.param(WARNING, 0.79, OK, id="it is closed"),
        pytest.param(OK, ABSTAINS, OK, id="an abstention changes nothing"),
        pytest.param(WARNING, ABSTAINS, WARNING, id="nor does it close a ticket"),
    ],
)
def test_verdict(before: Status, ratio: float, after: Status) -> None:
    found = next_status(np.array([before], np.int8), np.array([ratio]))
    assert found.dtype == np.int8
    assert Status(int(found[0])) is after


def test_channels_do_not_touch_each_other() -> None:
    before = np.array([OK, WARNING, WARNING, WARNING], np.int8)
    ratio = np.array([1.2, 0.9, ABSTAINS, 0.1])
    assert next_status(before, ratio).tolist() == [WARNING, WARNING, WARNING, OK]


@given(st.lists(st.tuples(st.sampled_from([OK, WARNING]), st.floats(min_value=0)), min_size=1))
def test_no_statistic_ever_pages(seen: list[tuple[Status, float]]) -> None:
    before, ratio = np.array([b for b, _ in seen], np.int8), np.array([r for _, r in seen])
    assert set(next_status(before, ratio).tolist()) <= {OK, WARNING}


def test_a_ratio_that_swings_about_the_threshold_opens_one_ticket() -> None:
    status, opened = np.array([OK], np.int8), 0
    for ratio in [1.01, 0.98, 1.02, 0.85, 1.0, 0.81]:
        after = next_status(status, np.array([ratio]))
        opened += int(after[0] == WARNING and status[0] != WARNING)
        status = after
    assert opened == 1


@pytest.mark.parametrize(
    ("budget", "alpha"),
    [
        # a hop of 150 s ends 17280 times in 30 days
        pytest.param(Budget(1, 1, 150), 1 / 17_280, id="one channel"),
        pytest.param(Budget(1, 100, 150), 1 / 1_728_000, id="a hundred share it"),
        pytest.param(Budget(4, 100, 150), 4 / 1_728_000, id="four false alarms a month"),
        pytest.param(Budget(1, 100, 300), 1 / 864_000, id="judged half as often"),
        pytest.param(Budget(1, 0, 150), 1 / 17_280, id="nothing is watched yet"),
        pytest.param(Budget(1000, 1, MONTH_SECONDS), 0.1, id="never above 0.1"),
    ],
)
def test_alpha(budget: Budget, alpha: float) -> None:
    assert budget.alpha == pytest.approx(alpha)


def test_the_shares_of_a_month_add_up_to_the_budget() -> None:
    budget = Budget(2.5, 321, 150)
    assert budget.alpha * 321 * MONTH_SECONDS / 150 == pytest.approx(2.5)


def columns(rng: np.random.Generator, n: int, *, x: bool = False, color: bool = False) -> EventBatch:
    """n events; ``x`` moves the numbers by one standard deviation, ``color`` makes red frequent."""
    shares = [0.5, 0.3, 0.2] if color else [0.2, 0.3, 0.5]
    return events(
        np.arange(float(n)).tolist(),
        (rng.normal(size=n) + x).tolist(),
        rng.choice(["red", "green", "blue"], n, p=shares).tolist(),
    )


def summary(reference: Reference, batch: EventBatch) -> Summary:
    return summarise_with(reference, batch, encode_with(reference, batch), np.zeros(len(batch), np.int64))[0]


@pytest.mark.parametrize(("x_at", "color_at"), [(0, 5), (1, 7), (4, 4), (6, 2), (7, 0)])
def test_the_start_of_each_channels_change_is_found_to_the_hop(
    rng: np.random.Generator, x_at: int, color_at: int
) -> None:
    reference = build(columns(rng, 2000), Learning(bins=10))
    history = [
        Hop(
            1000 + i * HOP_SECONDS,
            1000 + (i + 1) * HOP_SECONDS,
            summary(reference, columns(rng, HOP_EVENTS, x=i >= x_at, color=i >= color_at)),
        )
        for i in range(HOPS)
    ]
    window = merge(h.summary for h in history[-4:])
    starts = change_starts(reference, window, history)
    assert starts.shape == (len(reference.channels),)
    assert starts[reference.rows["x"]] == 1000 + x_at * HOP_SECONDS
    assert starts[reference.rows["color"]] == 1000 + color_at * HOP_SECONDS


def test_the_start_may_lie_before_the_window(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning(bins=10))
    history = [Hop(float(i), i + 1.0, summary(reference, columns(rng, HOP_EVENTS, x=i >= 1))) for i in range(HOPS)]
    assert change_starts(reference, history[-1].summary, history)[reference.rows["x"]] == 1.0


def test_the_only_hop_there_is_is_the_start(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning(bins=10))
    one = Hop(40.0, 50.0, summary(reference, columns(rng, HOP_EVENTS, x=True)))
    assert set(change_starts(reference, one.summary, [one]).tolist()) == {40.0}


def of_colors(counts: Sequence[tuple[str | None, int]], x: float = 0.0) -> EventBatch:
    colors = [color for color, n in counts for _ in range(n)]
    return events([0.0] * len(colors), [x] * len(colors), colors)


THEN = [("red", 500), ("green", 300), ("blue", 200)]


@pytest.mark.parametrize(
    ("now", "moved"),
    [
        pytest.param([("red", 50), ("green", 30), ("blue", 20)], [], id="nothing moved"),
        pytest.param(
            [("red", 20), ("green", 30), ("blue", 50)],
            [MovedBin("red", 0.5, 0.2), MovedBin("blue", 0.2, 0.5)],
            id="two change places, the third is not named",
        ),
        pytest.param(
            [("red", 10), ("green", 40), ("blue", 50)],
            [MovedBin("red", 0.5, 0.1), MovedBin("blue", 0.2, 0.5), MovedBin("green", 0.3, 0.4)],
            id="largest move first",
        ),
        pytest.param(
            [("red", 25), ("green", 15), ("blue", 10), (None, 50)],
            [MovedBin("missing", 0.0, 0.5), MovedBin("red", 0.5, 0.25), MovedBin("green", 0.3, 0.15)],
            id="missing values, three are named at most",
        ),
        pytest.param(
            [("red", 50), ("green", 30), ("violet", 20)],
            [MovedBin("unseen", 0.0, 0.2), MovedBin("blue", 0.2, 0.0)],
            id="a category nobody knew took another's place",
        ),
        pytest.param([("red", 4995), ("green", 3005), ("blue", 2000)], [], id="half a thousandth is not worth a name"),
        pytest.param(
            [("red", 100), ("green", 280), ("blue", 620)],
            [MovedBin("blue", 0.2, 0.62), MovedBin("red", 0.5, 0.1)],
            id="what moved by a twentieth of the largest is left out",
        ),
    ],
)
def test_what_moved_is_named(now: list[tuple[str | None, int]], moved: list[MovedBin]) -> None:
    reference = build(of_colors(THEN), Learning())
    found = moved_bins(reference, summary(reference, of_colors(now)), reference.rows["color"])
    assert list(found) == moved


def test_numbers_move_between_ranges_and_out_of_them(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning(bins=4))
    row = reference.rows["x"]
    low, *_, high = reference.bins[row].labels
    assert moved_bins(reference, summary(reference, of_colors(THEN, x=99.0)), row, most=1) == (
        MovedBin(high, 0.0, 1.0),
    )
    assert moved_bins(reference, summary(reference, of_colors(THEN, x=-99.0)), row, most=1) == (
        MovedBin(low, 0.0, 1.0),
    )
    assert low.startswith("< ")
    assert high.startswith("> ")


def test_a_few_events_of_a_new_kind_surprise_more_than_many_of_a_usual_one() -> None:
    reference = build(of_colors([("red", 600), ("blue", 400)]), Learning())
    row, now = reference.rows["color"], summary(reference, of_colors([("red", 630), ("blue", 360), ("pink", 10)]))
    assert moved_bins(reference, now, row, most=1) == (MovedBin("blue", 0.4, 0.36),)
    assert moved_bins(reference, now, row, surprising=True) == (MovedBin("unseen", 0.0, 0.01),)
    assert moved_bins(reference, reference.summary, row, surprising=True) == ()


def test_an_empty_window_names_what_is_gone() -> None:
    reference = build(of_colors(THEN), Learning())
    empty = Summary.empty(reference.id, len(reference.channels), reference.width)
    found = moved_bins(reference, empty, reference.rows["color"], most=1)
    assert found == (MovedBin("red", 0.5, 0.0),)


def test_the_mean_is_that_of_the_values_to_a_thousandth_of_the_spread(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning())
    row = reference.rows["x"]
    batch = columns(rng, 500, x=True)
    found = mean_of(reference, summary(reference, batch), row)
    assert found == pytest.approx(np.mean(np.asarray(batch.columns["x"])), abs=1e-3)


def test_there_is_no_mean_of_categories_or_of_nothing(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning())
    assert mean_of(reference, reference.summary, reference.rows["color"]) is None
    empty = Summary.empty(reference.id, len(reference.channels), reference.width)
    assert mean_of(reference, empty, reference.rows["x"]) is None
    missing = summary(reference, of_colors(THEN, x=ABSTAINS))
    assert mean_of(reference, missing, reference.rows["x"]) is None


def test_one_absurd_value_moves_the_mean_by_no_more_than_its_clip(rng: np.random.Generator) -> None:
    reference = build(columns(rng, 2000), Learning())
    row = reference.rows["x"]
    batch = columns(rng, 1000)
    calm = mean_of(reference, summary(reference, batch), row)
    np.asarray(batch.columns["x"])[0] = 1e30
    wild = mean_of(reference, summary(reference, batch), row)
    assert calm is not None
    assert wild is not None
    assert 0 < wild - calm < 0.04  # 32 standard deviations, of one in a thousand


def test_chance_alone_is_half_as_much_and_a_change_is_what_it_is(rng: np.random.Generator) -> None:
    edges = np.quantile(rng.normal(size=100_000), np.linspace(0, 1, 21)[1:-1])

    def counts(values: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.bincount(np.searchsorted(edges, values), minlength=60)[None]  # forty empty columns

    then = counts(rng.normal(size=10_000))
    quiet = [counts(rng.normal(size=1000)) for _ in range(200)]
    moved = [counts(rng.normal(0.4, 1, size=1000)) for _ in range(200)]
    raw = np.mean([divergences(then, now) for now in quiet])
    assert np.mean([beyond_chance(then, now) for now in quiet]) < 0.55 * raw
    assert np.mean([beyond_chance(then, now) for now in moved]) == pytest.approx(0.16, rel=0.15)


def test_a_few_new_values_are_not_lost_among_many_usual_ones(rng: np.random.Generator) -> None:
    shares = np.arange(1, 101) / 5050
    then, now = rng.multinomial(10_000, shares), np.rint(2000 * shares).astype(np.int64)  # as a timetable has them
    then, now = np.append(then, 0)[None], np.append(now, 4)[None]
    assert beyond_chance(then, now)[0] > 0.002
