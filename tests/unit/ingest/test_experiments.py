"""Events to sums of experiments: against a count event by event, and however they are split."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.cost import Price, Prices
from driftd.core.event import EventBatch, scalars
from driftd.core.experiment import BUCKETS, FIRST_COLUMNS, By, Measure, Metric, Rule
from driftd.core.trials import MOST_UNITS, UNIT_RANGE, Trial, Units, joined, parted
from driftd.ingest.experiments import prepared, trial

METRICS = (
    Metric(Measure.ERRORS, 0.01),
    Metric(Measure.LATENCY, 0.01, beyond=0.2),
    Metric(Measure.QUALITY, 0.01),
    Metric(Measure.QUALITY, 0.5, cap=3.0),
    Metric(Measure.SCORE, 0.1, higher=True, cap=2.0),
    Metric(Measure.COST, 0.1),
)
RULE = Rule("r", "m", ("a", "b", "c"), METRICS)


def batch_of(n: int, seed: int = 0) -> EventBatch:
    rng = np.random.default_rng(seed)
    some = np.array([None, "", "a", "b", "c", "other", "d"], object)
    fields: dict[str, Any] = {
        "variant": rng.choice(some, n).tolist(),
        "unit": rng.choice(
            np.array([*[None] * 30, *[""] * 10, *(f"u{i}" for i in range(40)), 7.0, "7"], object), n
        ).tolist(),
        "error": rng.random(n) < 0.3,
        "latency_seconds": rng.choice([np.nan, 0.1, 0.2, 0.3], n),
        "prediction": rng.integers(0, 5, n).astype(float),
        "label": rng.choice([np.nan, 0.0, 1.0, 4.0], n),
        "score": rng.choice([np.nan, -5.0, 0.25, 1.5, 9.0], n),
        "cost.amount": rng.choice([np.nan, 0.5, 0.0000017], n),
    }
    return EventBatch("m", np.arange(n), np.sort(rng.random(n)) * 10, {}, fields)


def by_hand(batch: EventBatch) -> dict[tuple[int, str], dict[str, float]]:
    """(pane, variant) -> what its events sum up to."""
    out: dict[tuple[int, str], Counter[str]] = {}
    f: Any = batch.fields
    for i, t in enumerate(batch.times.tolist()):
        if f["variant"][i] not in RULE.arms:
            continue
        c = out.setdefault((int(t), f["variant"][i]), Counter())
        c["events"] += 1
        c["named"] += f["unit"][i] not in {None, ""}
        c["failed"] += bool(f["error"][i])
        if not np.isnan(f["latency_seconds"][i]):
            c["timed"] += 1
            c["slow"] += f["latency_seconds"][i] > 0.2
        if not np.isnan(f["label"][i]):
            c["labelled"] += 1
            c["wrong"] += f["label"][i] != f["prediction"][i]
            c["distance"] += round(min(abs(f["label"][i] - f["prediction"][i]), 3) * 10**6)
        if not np.isnan(f["score"][i]):
            c["scored"] += 1
            c["score"] += round(float(np.clip(f["score"][i], -2, 2)) * 10**6)
        if not np.isnan(f["cost.amount"][i]):
            c["paid"] += 1
            c["money"] += round(f["cost.amount"][i] * 10**6)
    return {key: dict(c) for key, c in out.items()}


def test_sums_are_those_of_the_events_one_by_one() -> None:
    batch = batch_of(600)
    found = trial(RULE, prepared(batch, (RULE,)), batch.times.astype(np.int64))
    assert found is not None
    names = ["events", "named", None, "failed", "timed", "slow", "labelled", "wrong", "labelled", "distance", "scored",
             "score", "paid", "money"]  # fmt: skip
    for (pane, variant), expected in by_hand(batch).items():
        cells = found.sums.between(pane, pane).whole[:-1].reshape(len(RULE.arms), BUCKETS, RULE.columns)
        sums = cells[RULE.arms.index(variant)].sum(axis=0).tolist()
        for column, name in enumerate(names):
            if name is not None:
                assert sums[column] == expected.get(name, 0), (pane, variant, name)
        assert sums[FIRST_COLUMNS] == expected["events"]
    assert set(found.sums.rows.tolist()) == {pane for pane, _ in by_hand(batch)}


def test_events_of_other_variants_are_counted_and_named() -> None:
    """Those that name one, after the start; three of the names, the first by the alphabet."""
    variants = ["a", None, "", "B", "z", "y", "B", "A", "early", "b"]
    times = np.full(10, 7.0)
    times[8] = 1.0
    rule = Rule("r", "m", ("a", "b"), (METRICS[0],), start=5.0)
    batch = EventBatch("m", np.arange(10), times, {}, {"variant": variants})
    found = trial(rule, batch, times.astype(np.int64))
    assert found is not None
    assert found.sums.whole[-1] == 5
    assert found.others == ("A", "B", "y")
    alone = trial(rule, batch.take(np.array([3])), np.array([7]))
    assert alone is not None
    assert (alone.sums.whole.sum(), alone.others) == (1, ("B",))
    assert trial(rule, batch.take(np.array([1, 2, 8])), np.array([7, 7, 1])) is None


@pytest.mark.parametrize(("version", "count", "names"), [("7", 0, ()), ("8b", 3, ("8b",)), ("", 0, ())])
def test_a_version_that_is_no_arm_is_counted_too(version: str, count: int, names: tuple[str, ...]) -> None:
    rule = Rule("r", "m", ("7", "8"), (METRICS[0],), by=By.VERSION)
    found = trial(rule, EventBatch("m", np.arange(3), np.zeros(3), {}, {}, version), np.zeros(3, np.int64))
    assert (count, names) == ((0, ()) if found is None else (found.sums.whole[-1], found.others))


def test_a_unit_is_one_whatever_its_type_and_an_event_without_one_has_none() -> None:
    fields: dict[str, Any] = {"variant": ["a"] * 6, "unit": ["x", "x", 7.0, "7", None, ""]}
    batch = EventBatch("m", np.arange(6), np.zeros(6), {}, fields, ids=["x"] * 6)
    ready = prepared(batch, (RULE,)).fields["unit"]
    assert isinstance(ready, np.ndarray)
    assert ready[0] == ready[1] != ready[2] == ready[3]
    assert np.isnan(ready[4:]).all()
    assert (ready[:4] < UNIT_RANGE).all()


def test_without_units_each_event_is_one_by_itself() -> None:
    n = 20_000
    batch = EventBatch("m", np.arange(n), np.zeros(n), {}, {"variant": ["a"] * n})
    found = trial(RULE, prepared(batch, (RULE,)), np.zeros(n, np.int64))
    assert found is not None
    assert not len(found.units.panes)
    events = found.sums.whole[:-1].reshape(len(RULE.arms), BUCKETS, RULE.columns)[0, :, 0]
    assert events.sum() == n
    # 20,000 over 256 buckets: chi-squared of 255 degrees is below 350 with probability 0.9999
    assert ((events - n / BUCKETS) ** 2 / (n / BUCKETS)).sum() < 350


def test_money_is_that_of_prices_where_an_event_states_none() -> None:
    fields: dict[str, Any] = {
        "variant": ["a", "a"],
        "cost.amount": np.array([0.5, np.nan]),
        "cost.tokens_in": np.array([9e6, 1e6]),
    }
    batch = EventBatch("m", np.arange(2), np.zeros(2), {}, fields, ["7", "8"])
    rule = Rule("r", "m", ("a", "b"), (Metric(Measure.COST, 0.1),))
    found = trial(rule, batch, np.zeros(2, np.int64), Prices((Price(input=3.0),)))
    assert found is not None
    cells = found.sums.whole[:-1].reshape(2, BUCKETS, rule.columns)
    assert cells[0, :, FIRST_COLUMNS:].sum(axis=0).tolist() == [2, 3_500_000]


@given(st.integers(1, 80), st.lists(st.integers(0, 80), max_size=4))
def test_any_split_of_the_events_gives_the_same(n: int, cuts: list[int]) -> None:
    batch = batch_of(n, n)
    panes = batch.times.astype(np.int64)
    ends = sorted({0, n, *(cut for cut in cuts if cut < n)})

    def counted(begin: int, end: int) -> Trial | None:
        """As it is decoded: a field that no event of a batch fills is not there."""
        mine = batch.take(np.arange(begin, end))
        none = [name for name, column in mine.fields.items() if set(scalars(column)) == {None}]
        return trial(RULE, prepared(mine.without_fields(none), (RULE,)), panes[begin:end])

    whole, parts = counted(0, n), [counted(a, b) for a, b in pairwise(ends)]
    split = joined([{"r": part} for part in parts if part is not None])
    assert (whole is None) == (not split)
    if whole is not None:
        same(whole, split["r"])


def same(one: Trial, other: Trial) -> None:
    assert one.sums.keys.tolist() == other.sums.keys.tolist()
    assert one.sums.values.tolist() == other.sums.values.tolist()
    assert [x.tolist() for x in one.units.arrays] == [x.tolist() for x in other.units.arrays]
    assert one.others == other.others


@pytest.mark.parametrize("pieces", [1, 7])
def test_units_of_a_pane_are_those_with_the_smallest_hashes_each_once(rng: np.random.Generator, pieces: int) -> None:
    n = 4 * MOST_UNITS
    hashes = rng.choice(rng.integers(0, 1 << 52, n // 2), n).astype(np.float64)
    arms, panes = rng.integers(0, 2, n), np.repeat([5, 6], n // 2)
    out = Units.none()
    for part in np.array_split(np.arange(n), pieces):
        out = out.then(Units.of(panes[part], hashes[part], arms[part]))
    for pane in (5, 6):
        mine = panes == pane
        least = np.unique(hashes[mine])
        first = dict(zip(hashes[mine][::-1].tolist(), arms[mine][::-1].tolist(), strict=True))
        at = out.panes == pane
        assert out.hashes[at].tolist() == least[:MOST_UNITS].tolist()
        assert out.arms[at].tolist() == [first[h] for h in out.hashes[at].tolist()]
        assert out.bounds[out.cut == pane].tolist() == [least[MOST_UNITS]]


def test_panes_are_parted_once() -> None:
    batch = prepared(batch_of(300), (RULE,))
    whole = trial(RULE, batch, batch.times.astype(np.int64))
    assert whole is not None
    now, later = parted({"r": whole}, 4)
    assert now["r"].sums.rows.max() == 4
    assert later["r"].sums.rows.min() == 5
    same(joined([now, later])["r"], whole)
    assert parted({"r": whole}, 99)[1] == {}
    assert parted({"r": whole}, -1)[0] == {}
