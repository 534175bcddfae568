"""An experiment on events whose truth is known: what it says, and how often it says what is not so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.experiment import BUCKETS, Measure, Metric, Role, Shares
from driftd.judge.experiments.clustered import Clusters, follow
from driftd.judge.experiments.srm import THRESHOLD, log_steps
from driftd.judge.experiments.state import MOST_POINTS, Experiment
from driftd.judge.experiments.verdict import Verdict, result
from tests.unit.judge.experiments.make import ERRORS, PANE, events, rule, run

SCORE = Metric(Measure.SCORE, 0.1, higher=True)


def stream(
    rng: np.random.Generator,
    panes: int,
    n: int,
    rates: tuple[float, float],
    share: Callable[[int], float] = lambda _: 0.5,
    level: Callable[[int], float] = lambda _: 1.0,
) -> Iterator[EventBatch]:
    """Requests that are given to the arms one by one; ``level`` multiplies both rates."""
    for t in range(panes):
        arms = (rng.random(n) < share(t)).astype(int)
        failed = rng.random(n) < np.array(rates)[arms] * level(t)
        yield events(arms, at=t * PANE, failed=failed, offset=t * n)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param((0.02, 0.06), Verdict.WORSE, id="worse by four times the margin"),
        pytest.param((0.06, 0.02), Verdict.BETTER, id="better"),
        pytest.param((0.02, 0.02), Verdict.EQUAL, id="the same"),
    ],
)
def test_verdict_on_errors(rng: np.random.Generator, rates: tuple[float, float], expected: Verdict) -> None:
    (found,) = result(rule(), run(rule(), stream(rng, 200, 300, rates))).comparisons
    assert found.verdict is expected
    assert found.low < rates[1] - rates[0] < found.high
    assert found.independent


def test_a_shift_of_traffic_while_the_level_moves_is_no_difference(rng: np.random.Generator) -> None:
    """Simpson: pooled over the test the arms differ by far. Compared within panes they do not."""
    shares, level = np.linspace(0.02, 0.5, 100), np.linspace(1, 5, 100)
    batches = [*stream(rng, 100, 300, (0.02, 0.02), lambda t: shares[t], lambda t: level[t])]
    (found,) = result(rule(shares=()), run(rule(shares=()), batches)).comparisons
    assert found.challenger.mean - found.champion.mean > 0.01  # what a naive reader takes for a difference
    assert found.verdict not in {Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHTLY_WORSE}
    assert found.low < 0 < found.high


def test_where_the_exact_test_decides_the_reason_is_its_own(rng: np.random.Generator) -> None:
    """Whatever the interval shows by then; both ways of disagreeing come up on the way."""
    mine, said = rule(), set()
    batches = [*stream(rng, 70, 200, (0.02, 0.02))]
    for panes in range(1, 71):
        (c,) = result(mine, run(mine, batches[:panes])).comparisons
        met = c.high < ERRORS.margin
        if c.verdict is Verdict.NOT_YET:
            assert c.why == "the exact test has not decided"
        said.add((c.verdict is not Verdict.NOT_YET, bool(met), c.why))
    assert (False, True, "the exact test has not decided") in said
    assert (False, False, "the exact test has not decided") in said


@pytest.mark.parametrize(("part", "more"), [(0.5, 1.0), (0.8, 0.25), (0.1, None)])
def test_how_many_events_more_comes_from_the_exact_tests_evidence(
    rng: np.random.Generator, part: float, more: float | None
) -> None:
    """Evidence grows with the events: with half of it as many again. Of a tenth of it nothing is said."""
    mine = rule()
    seen = run(mine, stream(rng, 20, 200, (0.02, 0.02)))
    (tally,) = seen.tallies
    evidence = np.array([-9.0, 9.0, part * np.log(2 / mine.level), -9.0, 9.0])
    never = np.full_like(tally.shown, np.nan)
    doubtful = dataclasses.replace(seen, tallies=(dataclasses.replace(tally, evidence=evidence, shown=never),))
    (c,) = result(mine, doubtful).comparisons
    assert c.more == (None if more is None else pytest.approx(more * tally.clusters.events, abs=1))


def test_a_verdict_that_the_interval_does_not_show_names_the_exact_test(rng: np.random.Generator) -> None:
    seen = run(rule(), stream(rng, 20, 200, (0.02, 0.02)))
    (tally,) = seen.tallies
    shown = np.array([[np.nan, np.nan, 60.0, np.nan, np.nan], [np.nan] * 5])
    (c,) = result(rule(), dataclasses.replace(seen, tallies=(dataclasses.replace(tally, shown=shown),))).comparisons
    assert (c.verdict, c.why) == (Verdict.NOT_WORSE, "by the exact test")


def users(
    rng: np.random.Generator, people: int, panes: int, n: int, effect: float = 0.0
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """People who come back: each has an arm and a level of their own."""
    arm, own = rng.integers(0, 2, people), rng.normal(0, 0.7, people)
    for _ in range(panes):
        who = rng.integers(0, people, n)
        yield who, arm[who], own[who] + rng.normal(0, 0.7, n) + effect * arm[who]


def scored(
    rng: np.random.Generator, people: int, panes: int, n: int, *, named: bool, effect: float = 0.0
) -> Iterator[EventBatch]:
    for t, (who, arms, x) in enumerate(users(rng, people, panes, n, effect)):
        units = [f"u{i}" for i in who.tolist()] if named else None
        yield events(arms, at=t * PANE, scores=x, units=units, offset=t * n)


def test_people_who_come_back_are_few_whatever_their_events(rng: np.random.Generator) -> None:
    """A hundred people with 60,000 events differ between the arms by chance, and the interval knows it."""
    mine = rule((SCORE,))
    wide = [result(mine, run(mine, scored(rng, 100, 100, 600, named=named))) for named in (True, False)]
    (by_unit,), (by_event,) = (r.comparisons for r in wide)
    assert not by_unit.independent
    assert by_unit.high - by_unit.low > 4 * (by_event.high - by_event.low)
    assert by_unit.low < 0 < by_unit.high
    assert sum(wide[0].units) == 100


def test_more_of_a_score_is_better_where_the_rule_says_so(rng: np.random.Generator) -> None:
    made = [*scored(rng, 20_000, 100, 600, named=True, effect=0.4)]
    less = dataclasses.replace(SCORE, higher=False)
    more, fewer = (result(rule((m,)), run(rule((m,)), made)).comparisons[0] for m in (SCORE, less))
    assert (more.verdict, fewer.verdict) == (Verdict.BETTER, Verdict.WORSE)
    assert (more.low, more.high) == pytest.approx((fewer.low, fewer.high))
    assert more.low < 0.4 < more.high


def test_the_estimate_is_the_weighted_mean_of_the_panes_differences(rng: np.random.Generator) -> None:
    counts, sums = rng.integers(0, 4, (30, 2, BUCKETS)), rng.normal(size=(30, 2, BUCKETS))
    after, track = follow(Clusters.none(), counts, sums)
    n, x = counts.sum(axis=2), sums.sum(axis=2)
    weight = n[:, 0] * n[:, 1] / n.sum(axis=1)
    truth = np.average(x[:, 1] / n[:, 1] - x[:, 0] / n[:, 0], weights=weight)
    assert track.estimates[-1] == pytest.approx(truth)
    assert after.weight == pytest.approx(weight.sum())


def test_the_error_is_that_of_independent_events_where_each_is_a_unit(rng: np.random.Generator) -> None:
    """Theory: the difference of two means of n each has the variance 2 / n."""
    cells = rng.normal(size=(400, 2, BUCKETS))
    _, track = follow(Clusters.none(), np.ones((400, 2, BUCKETS), np.int64), cells)
    assert track.errors[-1] == pytest.approx(np.sqrt(2 / (400 * BUCKETS)), rel=0.15)


def test_panes_taken_one_by_one_or_together_make_the_same_experiment(rng: np.random.Generator) -> None:
    made = [*scored(rng, 3_000, 400, 30, named=True)]
    mine = rule((ERRORS, SCORE))
    one, many = run(mine, made, at_once=1), run(mine, made, at_once=170)
    assert_same(one, many)
    assert len(one.tallies[0].points) <= MOST_POINTS


def assert_same(one: Experiment, other: Experiment) -> None:
    def leaves(value: object) -> Iterator[object]:
        if dataclasses.is_dataclass(value):
            for field in dataclasses.fields(value):
                yield from leaves(getattr(value, field.name))
        elif isinstance(value, tuple):
            for each in value:
                yield from leaves(each)
        else:
            yield value

    for mine, theirs in zip(leaves(one), leaves(other), strict=True):
        assert np.array_equal(mine, theirs, equal_nan=not isinstance(mine, str | None.__class__))  # type: ignore[arg-type]


@pytest.mark.parametrize(("b", "broken"), [(0.5, False), (0.45, True)])
def test_a_ratio_that_is_not_kept_gates_every_verdict(rng: np.random.Generator, b: float, broken: bool) -> None:
    found = result(rule(), run(rule(), stream(rng, 150, 200, (0.02, 0.1), lambda _: b)))
    assert found.broken is broken
    assert (found.comparisons[0].code == 0) is broken


@pytest.mark.parametrize("at_once", [1, 7, 200])
def test_a_broken_ratio_has_the_time_from_which_on_it_was(rng: np.random.Generator, at_once: int) -> None:
    """Half and half for 60 minutes, then too few: since the first minute after which the evidence is always enough."""
    made = [*stream(rng, 150, 200, (0.02, 0.1), lambda t: 0.5 if t < 60 else 0.4)]
    counts = np.array([[b.fields["variant"].count(arm) for arm in ("a", "b")] for b in made])  # type: ignore[union-attr]
    steps, *_ = log_steps(counts, np.full((150, 2), 0.5), np.zeros(2), np.zeros(2))
    first = int(np.flatnonzero(np.cumsum(steps) < THRESHOLD)[-1]) + 1
    assert first > 60
    found = result(rule(), run(rule(), made, at_once))
    assert found.broken_since == (first + 1) * PANE
    worse = float(run(rule(), made).tallies[0].shown[0][0])
    assert worse < found.broken_since  # it had called somebody before
    assert found.comparisons[0].paged == worse
    assert np.isnan(result(rule(), run(rule(), made[:60])).broken_since)


def test_events_of_other_variants_change_nothing_but_their_count(rng: np.random.Generator) -> None:
    """A third of the events, and all of the first ten minutes and the last, are of c: as if they had not been there."""
    with_c, without = [], []
    for t in range(60):
        arms = rng.integers(0, 3, 90) if 10 <= t < 59 else np.full(90, 2)
        batch = events(arms, at=t * PANE, failed=rng.random(90) < 0.1, offset=100 * t)
        with_c.append(batch)
        without.append(batch.take(np.flatnonzero(arms < 2)))
    one, other = run(rule(), with_c, at_once=7), run(rule(), without)
    count = sum(len(batch) for batch in with_c) - sum(len(batch) for batch in without)
    assert (one.others, one.names) == (count, ("c",))
    assert_same(dataclasses.replace(one, others=0, names=()), other)
    found = result(rule(), one)
    assert (found.others, found.names) == (count, ("c",))


def test_people_are_counted_once_for_the_ratio(rng: np.random.Generator) -> None:
    """Forty people who come again and again are twenty and twenty, whoever comes more often."""
    people = rng.integers(0, 40, (200, 200))
    people[:, ::3] = 0  # one comes very often
    made = [events(row % 2, at=t * PANE, units=[f"u{i}" for i in row.tolist()]) for t, row in enumerate(people)]
    assert not result(rule(), run(rule(), made)).broken
    unnamed = [b.without_fields(["unit"]) for b in made]
    assert result(rule(), run(rule(), unnamed)).broken


def test_a_ramp_that_is_kept_is_none_that_is_broken(rng: np.random.Generator) -> None:
    steps = rule(shares=(Shares(0.0, (0.95, 0.05)), Shares(50 * PANE, (0.5, 0.5))))
    made = [*stream(rng, 100, 300, (0.02, 0.02), lambda t: 0.05 if t < 50 else 0.5)]
    assert not result(steps, run(steps, made)).broken
    assert result(rule(), run(rule(), made)).broken


def test_without_shares_nothing_is_said_of_the_ratio(rng: np.random.Generator) -> None:
    found = result(rule(shares=()), run(rule(shares=()), stream(rng, 20, 100, (0.1, 0.1), lambda _: 0.3)))
    assert np.isnan(found.evidence)
    assert not found.broken


def test_promoted_is_who_is_better_at_a_goal_and_worse_at_nothing(rng: np.random.Generator) -> None:
    both = rule((dataclasses.replace(ERRORS, role=Role.GOAL), SCORE))
    made = [
        dataclasses.replace(b, fields={**b.fields, "score": rng.normal(size=len(b))})
        for b in stream(rng, 200, 600, (0.08, 0.02))
    ]
    assert result(both, run(both, made)).promote == ("b",)
    lower = [np.array(b.fields["variant"]) == "b" for b in made]
    worse = [
        dataclasses.replace(b, fields={**b.fields, "score": np.asarray(b.fields["score"]) - less})
        for b, less in zip(made, lower, strict=True)
    ]
    assert result(both, run(both, worse)).promote == ()


NULLS = 60
"""Runs of each null. With a level of 5% more than 8 of 60 are wrong with probability 0.5%."""


@pytest.mark.parametrize("kind", ["constant", "ramp", "users"])
def test_nulls_that_are_looked_at_all_day_are_seldom_a_difference(rng: np.random.Generator, kind: str) -> None:
    wrong = 0
    for _ in range(NULLS):
        if kind == "users":
            mine = rule((SCORE,), shares=())
            found = result(mine, run(mine, scored(rng, 300, 60, 60, named=True))).comparisons[0]
        else:
            ramp = np.linspace(0.02, 0.5, 60) if kind == "ramp" else np.full(60, 0.5)
            level = np.linspace(1, 5, 60) if kind == "ramp" else np.ones(60)
            made = stream(rng, 60, 60, (0.05, 0.05), lambda t, s=ramp: s[t], lambda t, x=level: x[t])  # type: ignore[misc]
            mine = rule(shares=())
            found = result(mine, run(mine, made)).comparisons[0]
        wrong += found.verdict in {Verdict.WORSE, Verdict.BETTER, Verdict.SLIGHTLY_WORSE}
    assert wrong <= 8


def test_a_shadow_whose_unit_is_the_request_is_compared_pair_by_pair(rng: np.random.Generator) -> None:
    """Both answer each request, and fail nearly always together: only what one alone fails makes the error."""
    mine, made = rule(shares=()), {True: list[EventBatch](), False: list[EventBatch]()}
    for t in range(60):
        fails = rng.random(200) < 0.2
        alone = rng.random(200) < 0.01
        arms, failed = np.repeat([0, 1], 200), np.append(fails, fails ^ alone)
        ids = [f"request-{t}-{k}" for k in range(200)] * 2
        for named, batches in made.items():
            units = ids if named else None
            batches.append(events(arms, at=t * PANE, failed=failed, units=units, offset=400 * t))
    paired, apart = (result(mine, run(mine, made[named])).comparisons[0] for named in (True, False))
    assert paired.high - paired.low < 0.4 * (apart.high - apart.low)
    assert paired.low < paired.challenger.mean - paired.champion.mean < paired.high
    assert paired.verdict is Verdict.EQUAL
