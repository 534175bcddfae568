"""The champion beside itself: halves that nothing sets apart do not differ, and where they do it is said."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isnan

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.experiment import BUCKETS, Measure, Metric, Rule
from driftd.core.trials import Trial
from driftd.ingest.experiments import prepared, trial
from driftd.judge.experiments.verdict import Control, Verdict, result
from tests.unit.judge.experiments.make import ERRORS, PANE, events, rule, run

SCORE = Metric(Measure.SCORE, 0.05)


def half_of(batch: EventBatch, of: Rule) -> np.ndarray:
    """In which half of the buckets the unit of each event is."""
    units = np.asarray(prepared(batch, (of,)).fields["unit"], np.float64)
    return (units.astype(np.uint64) % np.uint64(BUCKETS) >= BUCKETS // 2).astype(int)


def people(
    rng: np.random.Generator, more: float, challenger: float = 0.0, panes: int = 200, n: int = 300
) -> Iterator[EventBatch]:
    """2,000 people, half of them each variant's; those of one half of the buckets fail by ``more`` more often."""
    rates = rng.beta(2, 18, 2_000)
    for t in range(panes):
        who = rng.integers(2_000, size=n)
        units, arms = [f"user-{u}" for u in who.tolist()], who % 2
        half = half_of(events(arms, units=units), rule())
        failed = rng.random(n) < np.clip(rates[who] + more * half + challenger * arms, 0.0, 1.0)
        yield events(arms, at=t * PANE, failed=failed, units=units, offset=t * n)


def controls(of: Rule, batches: Iterator[EventBatch], at_once: int = 50) -> tuple[Control, ...]:
    return result(of, run(of, batches, at_once)).controls


def test_halves_of_the_champion_do_not_differ_however_much_the_challenger_does(rng: np.random.Generator) -> None:
    found = result(rule(), run(rule(), people(rng, 0.0, challenger=0.2)))
    assert {c.verdict for c in found.comparisons} == {Verdict.WORSE}
    assert [c.metric for c in found.controls] == [ERRORS]
    assert isnan(found.controls[0].since)


@pytest.mark.parametrize("more", [0.15, -0.05])
def test_halves_that_something_sets_apart_differ(rng: np.random.Generator, more: float) -> None:
    (control,) = controls(rule(), people(rng, more))
    assert 0 < control.since < 200 * PANE


def test_a_control_does_not_depend_on_how_panes_come(rng: np.random.Generator) -> None:
    batches = [*people(rng, 0.15, panes=60)]
    each = [controls(rule((ERRORS, SCORE)), iter(batches), at_once) for at_once in (1, 7, 60)]
    since = [[c.since for c in found] for found in each]
    assert since[0][0] > 0
    np.testing.assert_array_equal(since[1:], since[:1] * 2)


def test_requests_without_a_unit_are_split_by_their_offset(rng: np.random.Generator) -> None:
    batches = [
        events(rng.integers(2, size=300), at=t * PANE, failed=rng.random(300) < 0.05, offset=t * 300)
        for t in range(100)
    ]
    (control,) = controls(rule(), iter(batches))
    assert isnan(control.since)


def test_the_control_holds_its_level(rng: np.random.Generator) -> None:
    """At a level of .2 in 60 runs: 25 and more would come once in 10,000 times, 12 are allowed for."""
    easy = rule(alpha=0.2)
    tripped = sum(
        not isnan(controls(easy, (
            events(rng.integers(2, size=100), at=t * PANE, failed=rng.random(100) < 0.1, offset=t * 100)
            for t in range(60)
        ))[0].since)
        for _ in range(60)
    )  # fmt: skip
    assert tripped < 25


def test_an_experiment_of_an_earlier_driftd_begins_its_control_now(rng: np.random.Generator) -> None:
    batches = [*people(rng, 0.15, panes=80)]
    before = replace(run(rule(), batches[:10]), controls=())
    assert result(rule(), before).controls == ()
    later = before
    for number, batch in enumerate(batches[10:], 10):
        later = later.take(rule(), [trial_of(batch)], number, PANE)
    assert len(result(rule(), later).controls) == 1
    assert later.tallies[0].counts.sum() > later.controls[0].counts.sum()


def trial_of(batch: EventBatch) -> Trial:
    found = trial(rule(), prepared(batch, (rule(),)), np.floor(batch.times / PANE).astype(np.int64))
    assert found is not None
    return found


@pytest.mark.parametrize("cost", [0.0004, 3.3, 123_456.789])
def test_values_that_are_all_alike_differ_nowhere(rng: np.random.Generator, cost: float) -> None:
    """Neither in halves of the champion nor between variants: what a double cannot hold is no difference."""
    same = rule((Metric(Measure.SCORE, cost / 10),))
    batches = [
        events(rng.integers(2, size=97), at=t * PANE, scores=np.full(97, cost), units=[f"{t}-{i}" for i in range(97)])
        for t in range(300)
    ]
    found = result(same, run(same, batches))
    assert isnan(found.controls[0].since)
    assert {c.verdict for c in found.comparisons} == {Verdict.NOT_YET}
    assert not found.promote
