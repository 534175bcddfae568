"""Each rule of a cause against what looks like it: one stretch before, one since, and what may be said."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.cause_numbers import _ramp
from driftd.judge.natural.causes import cause_of
from driftd.judge.natural.kinds import Kind, Named
from driftd.judge.natural.seen import Seen
from tests.unit.judge.natural.stage import HOUR, NAMES, Columns, Stage, traffic

Floats = NDArray[np.float64]
SWAP, CLIP = Cause.SWAPPED, Cause.CLIPPED


@cache
def week() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0)


def places(columns: Columns, _: object = None) -> None:
    """Latitudes and longitudes of the middle of Europe: as far from each other as degrees C and F."""
    some = np.random.default_rng(5)
    columns["age"] = 51 + 3 * some.normal(size=columns["time"].size)
    columns["temp"] = 10.5 + 3 * some.normal(size=columns["time"].size)


@cache
def week_of_places() -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0, change=places)


def counters(columns: Columns, stage: Stage) -> NDArray[np.int64]:
    panes, _ = stage.counters(columns)
    told = stage.learned.layout.features(panes.sums)
    every = np.concatenate([told, panes.sums[:, :, : stage.learned.layout.width]], axis=2)
    return np.asarray(every.sum(axis=0), np.int64)


def said(
    change: Callable[[Columns], None],
    kind: Kind = Kind.RANGE,
    channel: str = "amount",
    stage: Stage | None = None,
    natural: Callable[[Columns], None] = lambda _: None,
    late: float = 0.0,
) -> Caused | None:
    """Of the two hours after a change, beside the two before it; ``natural`` is in both. ``late``: the share of them
    that is from before it, since a start is an estimate.
    """
    stage = week() if stage is None else stage
    noon = stage.begin + 12 * HOUR
    then = traffic(np.random.default_rng(2), noon - 2 * HOUR, noon)
    now = traffic(np.random.default_rng(3), noon, noon + 2 * HOUR)
    natural(then)
    natural(now)
    change(now)
    since, row = counters(now, stage), stage.channel(channel)
    usual = stage.learned.usual.shares
    spans = (noon - 2 * HOUR, noon), (noon, noon + 2 * HOUR)
    parts = np.array([[*spans[1], float(len(now["time"]))]])
    seen = Seen(counters(then, stage), since, *spans, usual, parts, np.zeros((0, len(since))))
    extremes = np.tile([np.inf, -np.inf], (len(since), 1))
    for name in (n for n in now if n in NAMES and now[n].dtype != object):
        whole = now[name][int(late * len(now[name])) + 1 :]
        extremes[stage.channel(name)] = whole.min(), whole.max()
    return cause_of(Look(stage.reference, stage.learned, seen, extremes), Named(kind), row)


def of_amount(change: Callable[[Floats], Floats]) -> Callable[[Columns], None]:
    def put(columns: Columns) -> None:
        columns["amount"] = change(columns["amount"])

    return put


def fridge(columns: Columns, _: object = None) -> None:
    """Degrees C that hardly vary: in degrees F they are 25 deviations away, and about ten times as many."""
    columns["age"] = 4 + 1.2 * np.random.default_rng(5).normal(size=columns["time"].size)


def city(columns: Columns, _: object = None) -> None:
    """Latitudes and longitudes of one town, hundreds of deviations from each other."""
    some = np.random.default_rng(5)
    columns["age"] = 52.5 + 0.06 * some.normal(size=columns["time"].size)
    columns["temp"] = 13.4 + 0.1 * some.normal(size=columns["time"].size)


@cache
def week_of(natural: Callable[[Columns, object], None]) -> Stage:
    return Stage.of(np.random.default_rng(1), 7.0, change=natural)


def swap(columns: Columns) -> None:
    columns["amount"], columns["age"] = columns["age"], columns["amount"]


def copied(columns: Columns) -> None:
    columns["amount"] = columns["age"].copy()


def crowded(x: Floats) -> Floats:
    """What lay below 12 lies just above it, but no two are equal."""
    return np.where(x < 12, 12 + np.linspace(0, 0.4, x.size), x)


def hotter(columns: Columns) -> None:
    columns["temp"] = columns["temp"] + 40


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(swap, Caused(SWAP, "with age"), id="two columns swapped"),
        pytest.param(copied, None, id="one has the values of the other, which is as it was"),
        pytest.param(of_amount(lambda x: -x), Caused(Cause.SIGN), id="another sign"),
        pytest.param(of_amount(lambda x: x / 1000), Caused(Cause.UNIT, "/ 1,000"), id="below the least, with its sign"),
        pytest.param(of_amount(lambda x: x * 60), Caused(Cause.UNIT, "x 60"), id="between two powers of ten"),
        pytest.param(of_amount(lambda x: x * 18), None, id="a factor between no units"),
        pytest.param(of_amount(lambda x: x + 500), None, id="a shift is no factor: the spread is as it was"),
        pytest.param(of_amount(lambda x: np.maximum(x, 12)), Caused(CLIP, "below 12"), id="cut below"),
        pytest.param(
            of_amount(lambda x: np.clip(x, 12, 30)), Caused(CLIP, "below 12 and above 30"), id="cut on both sides"
        ),
        pytest.param(of_amount(crowded), None, id="what lies at the edge is not equal"),
        pytest.param(of_amount(lambda x: x[x > 12][np.arange(x.size) % (x > 12).sum()]), None, id="low ones are gone"),
    ],
)
def test_a_rule_holds_for_its_cause_and_not_for_what_looks_like_it(
    change: Callable[[Columns], None], cause: Caused | None
) -> None:
    assert said(change) == cause


@pytest.mark.parametrize("late", [0.0, 0.01, 0.02, 0.04, 0.08])
@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param(lambda x: 1.8 * x + 32, Caused(Cause.UNIT, "C to F"), id="C to F"),
        pytest.param(lambda x: 0.5 * x + 38, None, id="as far away, and no unit"),
    ],
)
def test_degrees_of_a_fridge_are_no_factor_of_ten_however_their_start_was_estimated(
    change: Callable[[Floats], Floats], cause: Caused | None, late: float
) -> None:
    """A few degrees C among them are ten times smaller, and spread the others as if all had been multiplied."""

    def hot(columns: Columns) -> None:
        x = columns["age"]
        columns["age"] = np.where(np.arange(x.size) >= late * x.size, change(x), x)

    assert said(hot, channel="age", stage=week_of(fridge), natural=fridge, late=late) == cause


def test_a_fridge_in_tenths_of_degrees_is_a_factor_of_ten() -> None:
    def tenths(columns: Columns) -> None:
        columns["age"] = 10 * columns["age"]

    assert said(tenths, channel="age", stage=week_of(fridge), natural=fridge) == Caused(Cause.UNIT, "x 10")


@pytest.mark.parametrize("late", [0.0, 0.04])
@pytest.mark.parametrize(("channel", "other"), [("age", "temp"), ("temp", "age")])
def test_latitude_and_longitude_of_a_town_have_swapped(late: float, channel: str, other: str) -> None:
    def swapped(columns: Columns) -> None:
        n = columns["time"].size
        since, (a, b) = np.arange(n) >= late * n, (columns["age"], columns["temp"])
        columns["age"], columns["temp"] = np.where(since, b, a), np.where(since, a, b)

    found = said(swapped, channel=channel, stage=week_of(city), natural=city, late=late)
    assert found == Caused(SWAP, f"with {other}")


@pytest.mark.parametrize(
    ("late", "cause"),
    [
        pytest.param(0.0, SWAP, id="since its very start"),
        pytest.param(0.03, SWAP, id="the first values are of before it"),
        pytest.param(0.06, None, id="too many are: nobody knows, and it is no unit"),
        pytest.param(0.15, None, id="far too many"),
    ],
)
@pytest.mark.parametrize(("channel", "other"), [("age", "temp"), ("temp", "age")])
def test_swapped_columns_are_no_unit_however_their_start_was_estimated(
    late: float, cause: Cause | None, channel: str, other: str
) -> None:
    def swapped(columns: Columns) -> None:
        n = columns["time"].size
        since, (a, b) = np.arange(n) >= late * n, (columns["age"], columns["temp"])
        columns["age"], columns["temp"] = np.where(since, b, a), np.where(since, a, b)

    found = said(swapped, channel=channel, stage=week_of_places(), natural=places)
    assert found == (None if cause is None else Caused(cause, f"with {other}"))


def test_degrees_that_moved_are_no_conversion() -> None:
    assert said(hotter, channel="temp") is None


@pytest.mark.parametrize(
    ("left", "cause"), [(0.1, Caused(Cause.JOIN)), (-0.2, Caused(Cause.JOIN)), (0.4, None), (-0.9, None)]
)
def test_a_join_is_broken_where_hardly_any_relation_is_left(left: float, cause: Caused | None) -> None:
    assert cause_of(None, Named(Kind.JOINT, value=left, usual=1.0), 0) == cause


@pytest.mark.parametrize("kind", [Kind.LEVEL, Kind.SPREAD, Kind.MIX, Kind.RANGE, Kind.UNIT, Kind.UNKNOWN])
def test_without_counters_nothing_is_finer_than_the_kind(kind: Kind) -> None:
    assert cause_of(None, Named(kind), 0) is None


def test_what_few_repeat_is_not_frozen() -> None:
    some = np.random.default_rng(4)

    def bots(columns: Columns) -> None:
        columns["amount"][some.random(columns["amount"].size) < 0.5] = 20.0

    assert said(bots, Kind.FROZEN) is None
    assert said(of_amount(lambda x: np.full(x.shape, 20.0)), Kind.FROZEN) == Caused(Cause.FROZEN)


@pytest.mark.parametrize(("moved", "error"), [(1.5, 0.1), (2.0, 0.15), (4.0, 0.3)])
def test_means_that_climb_are_a_line_and_those_that_step_are_none(moved: float, error: float) -> None:
    rng = np.random.default_rng(5)
    told = {"line": 0, "step": 0}
    for _ in range(400):
        n = int(rng.integers(7, 11))
        at, noise = np.arange(n), rng.normal(0, error, n)
        told["line"] += _ramp(moved * at / (n - 1) + noise)
        stepped = moved * (at >= rng.integers(1, n))
        stepped[np.argmax(stepped > 0)] *= rng.random()  # in the middle of a hop
        told["step"] += _ramp(stepped + noise)
    assert told["line"] >= 350
    assert told["step"] <= 4
