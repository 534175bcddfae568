"""Predictions and labels find each other, in any order, each once; every one of them is counted as one thing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import EventBatch, LabelBatch, Scalar
from driftd.core.lists import CLASSES
from driftd.ingest.outcomes.counts import COHORTS, DELAY_LE, LabelCounts
from driftd.ingest.outcomes.join import Joining, Outcomes, join, lose, sweep
from driftd.ingest.outcomes.pending import Stage, bound_of, keys_of

HOUR, DAY = 3600.0, 86400.0
WEEK = Joining(7 * DAY, 1_000_000, always=True)


@dataclass(frozen=True)
class P:
    """A prediction."""

    id: Scalar
    time: float
    value: Scalar = 1.0
    label: Scalar = None
    score: float = 0.5


@dataclass(frozen=True)
class L:
    """A label that comes alone."""

    id: Scalar
    time: float
    value: Scalar = 1.0


def batch(events: Sequence[P | L], model: str = "fraud") -> EventBatch:
    rows, labels = [e for e in events if isinstance(e, P)], [e for e in events if isinstance(e, L)]
    alone = LabelBatch(
        np.arange(len(labels)), np.array([e.time for e in labels]), [e.id for e in labels], [e.value for e in labels]
    )
    columns: dict[str, Any] = {"prediction": [e.value for e in rows], "score": np.array([e.score for e in rows])}
    if any(e.label is not None for e in rows):
        columns["label"] = [e.label for e in rows]
    return EventBatch(
        model,
        np.arange(len(rows)),
        np.array([e.time for e in rows]),
        {},
        columns if rows else {},
        "v1",
        alone if labels else None,
        ids=[e.id for e in rows],
    )


Told = tuple[str, float, Scalar, Scalar]


def take(outcomes: Outcomes, *events: P | L, settings: Joining = WEEK, partition: int = 0) -> list[Told]:
    """Id, time, prediction and label of the pairs that were made."""
    out: list[Told] = []
    for _, pairs in join(outcomes, batch(events), ("t", partition), settings):
        assert pairs.ids is not None
        assert pairs.prediction is not None
        assert pairs.label is not None
        assert pairs.model == "fraud/labels"
        out += zip(map(str, pairs.ids), pairs.times.tolist(), pairs.prediction, pairs.label, strict=True)
    for counts in outcomes.counts.values():
        assert counts.balanced
    return out


def counted(outcomes: Outcomes) -> dict[str, float]:
    """What is not 0, but for the totals."""
    c = outcomes.counts["fraud"]
    names = [
        f.name for f in fields(LabelCounts) if f.name not in {"predictions", "labels", "last", "delays", "cohorts"}
    ]
    return {name: getattr(c, name) for name in names if getattr(c, name)}


@pytest.mark.parametrize(
    ("events", "pairs", "counts"),
    [
        pytest.param([P("a", 0.0)], [], {"waiting": 1}, id="a prediction waits"),
        pytest.param(
            [P("a", 0.0), L("a", HOUR, 0.0)],
            [("a", HOUR, 1.0, 0.0)],
            {"joined": 1, "delay_seconds": HOUR},
            id="a label finds its prediction",
        ),
        pytest.param(
            [L("a", HOUR, 0.0), P("a", 0.0)],
            [("a", HOUR, 1.0, 0.0)],
            {"joined": 1, "delay_seconds": HOUR},
            id="the label came first",
        ),
        pytest.param([L("a", HOUR)], [], {"early": 1}, id="a label waits for its prediction"),
        pytest.param(
            [P(7.0, 0.0), L("7", 1.0)], [("7", 1.0, 1.0, 1.0)], {"joined": 1, "delay_seconds": 1}, id="7 is 7"
        ),
        pytest.param(
            [P("a", 9.0), L("a", 4.0)],
            [("a", 4.0, 1.0, 1.0)],
            {"joined": 1, "ahead": 1},
            id="a time before the prediction's is no delay",
        ),
        pytest.param([P("a", 0.0), P("a", 0.0)], [], {"waiting": 1, "duplicate_predictions": 1}, id="sent twice"),
        pytest.param([P("a", 0.0), P("a", 0.0, 2.0)], [], {"waiting": 1, "conflicts": 1}, id="two predictions, one id"),
        pytest.param(
            [P("a", 0.0), P("a", 0.0, 2.0), L("a", 1.0)],
            [("a", 1.0, 1.0, 1.0)],
            {"joined": 1, "conflicts": 1, "delay_seconds": 1},
            id="the first prediction counts",
        ),
        pytest.param(
            [P("a", 0.0), L("a", 1.0), L("a", 2.0)],
            [("a", 1.0, 1.0, 1.0)],
            {"joined": 1, "duplicates": 1, "delay_seconds": 1},
            id="a label sent twice counts once",
        ),
        pytest.param(
            [P("a", 0.0), L("a", 1.0), L("a", 2.0, 0.0), L("a", 3.0, 0.0)],
            [("a", 1.0, 1.0, 1.0)],
            {"joined": 1, "corrections": 1, "duplicates": 1, "delay_seconds": 1},
            id="a label is corrected, and the correction sent twice",
        ),
        pytest.param(
            [P("a", 0.0), L("a", 7 * DAY + 1)], [], {"waiting": 1, "late": 1}, id="a label after the horizon is late"
        ),
        pytest.param([L("a", 7 * DAY + 1), P("a", 0.0)], [], {"waiting": 1, "late": 1}, id="late, and read first"),
        pytest.param([P("a", 0.0, label=1.0)], [], {"own": 1}, id="a prediction with its label is no pair of two"),
        pytest.param(
            [P("a", 0.0), P("a", 0.0, label=1.0), L("a", 3.0)],
            [],
            {"own": 1, "duplicate_predictions": 1, "duplicates": 1},
            id="sent again with its label",
        ),
        pytest.param([L("a", 3.0), P("a", 0.0, label=1.0)], [], {"own": 1, "duplicates": 1}, id="both ways"),
        pytest.param([P(None, 0.0)], [], {"no_id": 1}, id="no id"),
        pytest.param(
            [P("a", 0.0, "true"), P("a", 0.0, 1.0)], [], {"waiting": 1, "duplicate_predictions": 1}, id="true"
        ),
    ],
)
@pytest.mark.parametrize("at_once", [False, True], ids=["one by one", "in one batch"])
def test_what_becomes_of_each(events: list[P | L], pairs: list[Told], counts: dict[str, float], at_once: bool) -> None:
    outcomes = Outcomes()
    predictions_first = [*sorted(events, key=lambda e: isinstance(e, L))] == events
    if at_once and predictions_first:  # in a batch predictions are taken in first
        found = take(outcomes, *events)
    else:
        found = [pair for event in events for pair in take(outcomes, event)]
    assert found == pairs
    assert counted(outcomes) == counts


_IDS = st.sampled_from("abcdef")
_EVENTS = st.one_of(
    st.builds(lambda id_: P(id_, ord(id_)), _IDS),
    st.builds(lambda id_: L(id_, ord(id_) + 60.0, float(ord(id_) % 2)), _IDS),
)


@given(st.lists(_EVENTS, max_size=30), st.randoms(use_true_random=False), st.integers(1, 5))
def test_order_and_batches_do_not_matter(events: list[P | L], random: Random, size: int) -> None:
    def outcome(order: Sequence[P | L], each: int) -> tuple[list[Told], dict[str, float]]:
        outcomes = Outcomes()
        pairs = [
            pair for i in range(0, len(order), each) for pair in take(outcomes, *order[i : i + each], partition=i % 3)
        ]
        return sorted(pairs), counted(outcomes) if outcomes.counts else {}

    shuffled = random.sample(events, len(events))
    pairs, counts = outcome(events, 1)
    assert outcome(shuffled, size) == (pairs, counts)
    both = {e.id for e in events if isinstance(e, P)} & {e.id for e in events if isinstance(e, L)}
    assert sorted(p[0] for p in pairs) == sorted(map(str, both))  # each once


def test_a_pair_belongs_to_the_partition_of_its_label() -> None:
    outcomes = Outcomes()
    join(outcomes, batch([L("a", 5.0)]), ("labels", 3), WEEK)
    ((source, pairs),) = join(outcomes, batch([P("a", 1.0)]), ("predictions", 0), WEEK)
    assert source == ("labels", 3)
    assert (pairs.times.tolist(), pairs.version, pairs.score.tolist()) == ([5.0], "v1", [0.5])  # type: ignore[union-attr]


def test_who_has_no_labels_pays_nothing_until_the_first_comes() -> None:
    outcomes, auto = Outcomes(), Joining(7 * DAY, 100)
    assert take(outcomes, P("a", 0.0), settings=auto) == []
    assert (outcomes.counts, outcomes.pending.size) == ({}, 0)
    take(outcomes, L("a", 1.0), settings=auto)
    assert take(outcomes, P("b", 2.0), L("b", 3.0), settings=auto) == [("b", 3.0, 1.0, 1.0)]
    assert counted(outcomes)["early"] == 1  # "a" was not kept


def test_beyond_the_horizon_predictions_are_unlabelled_and_labels_without_a_prediction() -> None:
    outcomes = Outcomes()
    sweep(outcomes, 0.0, WEEK)
    take(outcomes, P("a", 0.0), P("b", 0.0), L("b", 1.0), L("x", 2.0), P("c", 6 * DAY))
    sweep(outcomes, 7.2 * DAY, WEEK)
    assert counted(outcomes) == {
        "waiting": 1,
        "joined": 1,
        "unlabelled": 1,
        "unmatched": 1,
        "delay_seconds": 1,
    }
    assert outcomes.counts["fraud"].coverage == 0.5
    assert take(outcomes, L("a", 7.2 * DAY)) == []  # it is remembered that it was there
    assert counted(outcomes)["late"] == 1
    sweep(outcomes, 14.3 * DAY, WEEK)
    assert [entry.stage for entry in outcomes.pending.changed.values() if entry] == [Stage.GONE]  # "c"
    assert outcomes.pending.size == 1
    assert take(outcomes, L("a", 14.3 * DAY)) == []
    assert counted(outcomes)["early"] == 1  # nobody remembers
    assert outcomes.counts["fraud"].balanced


def test_when_full_a_sample_by_id_stays_that_has_slow_labels_as_well_as_quick_ones() -> None:
    few = Joining(7 * DAY, 1000, always=True)
    outcomes, n = Outcomes(), 20_000
    for first in range(0, n, 500):
        take(outcomes, *(P(f"id{i}", float(i)) for i in range(first, first + 500)), settings=few)
    counts = outcomes.counts["fraud"]
    assert outcomes.halvings == 5  # 20,000 / 32 fit into 1,000
    assert outcomes.pending.size == counts.waiting <= 1000
    assert counts.waiting + counts.unsampled == n
    old = sum(int(entry.time < n / 2) for entry in outcomes.pending.changed.values() if entry is not None)
    assert abs(old - counts.waiting / 2) < 4 * np.sqrt(counts.waiting / 4)  # binomial: no age is preferred
    pairs = [
        pair
        for first in range(0, n, 500)
        for pair in take(outcomes, *(L(f"id{i}", n + float(i)) for i in range(first, first + 500)), settings=few)
    ]
    assert len(pairs) == counts.joined  # who is in the sample has its label in it, too
    bound = bound_of(5)
    assert bound is not None
    assert {p[0] for p in pairs} == {
        f"id{i}" for i, k in enumerate(keys_of("fraud", (f"id{i}" for i in range(n)))) if k < bound
    }
    assert counts.unsampled_labels == n - len(pairs)


def test_the_sample_grows_again_when_less_waits() -> None:
    few = Joining(DAY, 100, always=True)
    outcomes = Outcomes()
    sweep(outcomes, 0.0, few)
    take(outcomes, *(P(f"id{i}", 0.0) for i in range(1000)), settings=few)
    begun = outcomes.halvings
    assert begun >= 3
    for day in range(1, 40):
        sweep(outcomes, day * DAY, few)
    assert outcomes.halvings == 0
    assert outcomes.counts["fraud"].balanced


def test_what_a_damaged_store_held_is_counted() -> None:
    outcomes = Outcomes()
    take(outcomes, P("a", 0.0), P("b", 0.0), L("c", 1.0), P("d", 0.0), L("d", 1.0))
    assert lose(outcomes) == 3
    assert outcomes.pending.size == 0
    assert {k: v for k, v in counted(outcomes).items() if "lost" in k} == {"lost": 2, "lost_labels": 1}
    assert outcomes.counts["fraud"].balanced


def test_delays_are_counted_by_length() -> None:
    outcomes = Outcomes()
    take(outcomes, *(P(f"{i}", 0.0) for i in range(4)))
    take(outcomes, *(L(f"{i}", delay) for i, delay in enumerate([60.0, 61.0, 5 * HOUR, 6.9 * DAY])))
    assert dict(zip(DELAY_LE, outcomes.counts["fraud"].delays.tolist(), strict=False)) == {
        **dict.fromkeys(DELAY_LE, 0),
        60.0: 1,
        600.0: 1,
        6 * HOUR: 1,
        7 * DAY: 1,
    }


def cohorts(outcomes: Outcomes) -> dict[int, tuple[int, list[int], list[int]]]:
    """Day -> predictions, pairs by delay, and those of them that are wrong."""
    bins = len(DELAY_LE) + 1
    rows = outcomes.counts["fraud"].cohorts.tolist()
    return {row[0]: (row[1], row[2 : 2 + bins], row[2 + bins :]) for row in rows}


def by_delay(**counts: int) -> list[int]:
    ends = {"hour": 3600.0, "day": 86400.0, "week": 7 * 86400.0}
    known = {ends[name]: n for name, n in counts.items()}
    return [known.get(end, 0) for end in (*DELAY_LE, np.inf)]


def test_days_of_predictions_count_their_pairs_by_delay_and_those_that_were_wrong() -> None:
    outcomes = Outcomes()
    take(outcomes, L("early", 0.0, 0.0), P("early", 0.0), *(P(f"{i}", 10.0) for i in range(5)))
    take(outcomes, P("own", 20.0, label=0.0), P("0", 30.0), P("next", DAY))
    take(outcomes, L("0", HOUR), L("1", HOUR, 0.0), L("2", DAY), L("3", 6 * DAY, 0.0), L("2", DAY, 0.0))
    take(outcomes, L("next", DAY + HOUR, "1"))
    wrong = by_delay(hour=1, week=1)
    wrong[0] = 1  # that came before its prediction
    pairs = by_delay(hour=2, day=1, week=1)
    pairs[0] = 1
    assert cohorts(outcomes) == {0: (6, pairs, wrong), 1: (1, by_delay(hour=1), by_delay())}


@given(st.permutations([(d, i) for d in (0, 1, 40, 41, 42, 90) for i in range(2)]))
def test_cohorts_are_the_same_in_any_order_and_old_days_are_let_go(order: list[tuple[int, int]]) -> None:
    outcomes = Outcomes()
    for d, i in order:
        take(outcomes, P(f"{d}-{i}", d * DAY + i))
    assert {day: n for day, (n, _, _) in cohorts(outcomes).items()} == {90: 2}


def test_as_many_days_are_kept_as_there_is_room_for() -> None:
    outcomes = Outcomes()
    take(outcomes, *(P(f"{d}", d * DAY) for d in range(COHORTS + 3)))
    assert [*cohorts(outcomes)] == [*range(3, COHORTS + 3)]


def test_keys_are_for_ever() -> None:
    """They lie in state directories: computed with Python's hashlib, by hand."""
    assert [key.hex() for key in keys_of("fraud", ["9f"])] == ["44b736856d9ce0e895f47cfe00ece1a5"]
    assert keys_of("a", ["b"]) != keys_of("ab", [""])


def test_the_probability_of_each_class_comes_along() -> None:
    outcomes, nan = Outcomes(), np.nan
    events = batch([P("a", 1.0), P("b", 2.0), P("c", 3.0)])
    named = {f"{CLASSES}cat": np.array([0.7, nan, nan]), f"{CLASSES}dog": np.array([0.3, 0.6, nan])}
    events = replace(events, fields={**events.fields, **named})
    assert not join(outcomes, events, ("t", 0), WEEK)
    ((_, pairs),) = join(outcomes, batch([L("c", 4.0), L("b", 5.0), L("a", 6.0)]), ("t", 0), WEEK)
    np.testing.assert_array_equal(pairs.fields[f"{CLASSES}cat"], [nan, nan, 0.7])
    np.testing.assert_array_equal(pairs.fields[f"{CLASSES}dog"], [nan, 0.6, 0.3])


def test_what_is_left_does_not_depend_on_how_often_it_is_swept() -> None:
    """A frontier that jumps by days, as behind a backlog, leaves what one that goes on by minutes does."""
    often, once = Outcomes(), Outcomes()
    for outcomes in (often, once):
        take(outcomes, *(P(f"p{i}", i * HOUR) for i in range(0, 600, 7)), L("p0", HOUR), L("nobody", 30 * HOUR))
        sweep(outcomes, HOUR, WEEK)
    for hour in range(1, 600):
        sweep(often, hour * HOUR, WEEK)
    sweep(once, 599 * HOUR, WEEK)
    assert counted(once) == counted(often)
    assert dict(once.pending.beyond(b"")) == dict(often.pending.beyond(b""))
    assert {entry.stage for _, entry in once.pending.beyond(b"")} == {Stage.WAITS, Stage.GONE}
