"""Predictions of days at equal ages: slower labels that are others make no day look better than the ones before."""

from __future__ import annotations

from dataclasses import replace

import jsonschema
import numpy as np
import orjson
import pytest

from driftd.ingest.outcomes.counts import DAY, LabelCounts
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor.view import Snapshot
from driftd.web import openapi
from driftd.web.ages import Ages, AtAge, ages_of
from driftd.web.site import answer, request_of
from tests.stage.snapshot import NOW, snapshot
from tests.unit.web.test_quality import N, rows, view_of
from tests.unit.web.test_site import said

FIRST = 20_000
SLOW = 6 * DAY


def world(days: int, more: float = 0.0, seed: int = 1, n: int = 2_000, now: float = 0.0) -> LabelCounts:
    """Of each day ``n`` predictions; those that are wrong get their label after six days, half of the others within an
    hour and the rest after two days. On the last ``days`` but six ``more`` are wrong. ``now``: days after the last.
    """
    rng, counts = np.random.default_rng(seed), LabelCounts(labels=1, joined=1)
    end = (FIRST + days + now) * DAY
    for d in range(days):
        times = (FIRST + d + rng.random(n)) * DAY
        wrong = rng.random(n) < 0.1 + more * (d >= days - 6)
        seconds = np.where(wrong & (rng.random(n) < 0.8), SLOW, np.where(rng.random(n) < 0.5, 1800.0, 2 * DAY))
        come = times + seconds <= end
        counts.note_predictions(times)
        counts.note_pairs(times[come], seconds[come], wrong[come])
    counts.last = end
    return counts


def known(counts: LabelCounts) -> Ages:
    found = ages_of(counts)
    assert found is not None
    return found


def at(ages: Ages, day: int, age: float) -> AtAge:
    return next(c for c in ages.days if c.start == (FIRST + day) * DAY).at[ages.ages.index(age)]


def test_a_day_is_compared_at_the_age_that_it_has() -> None:
    """By the labels that have come 2 % of yesterday are wrong, and 10 % of last month: nothing has changed."""
    found = known(world(21, now=1.0))
    assert found.usual is not None
    assert (found.usual.days, found.usual.predictions) == (14, 28_000)
    young, old = (found.usual.at[found.ages.index(age)] for age in (DAY, 7 * DAY))
    assert young.wrong == pytest.approx(0.01 / 0.46, abs=0.005)
    assert old.wrong == pytest.approx(0.1, abs=0.01)
    assert old.covered == pytest.approx(1.0)
    mine = at(found, 20, DAY)
    assert mine.wrong == pytest.approx(young.wrong, abs=0.02)
    assert mine.covered == pytest.approx(young.covered, abs=0.03)
    assert at(found, 20, 3 * DAY) == AtAge(3 * DAY, 0, None, None, far=False)
    assert not any(cell.far for line in found.days for cell in line.at)
    assert found.sentence.endswith(" at that age, of 14 days before).")
    assert "as usual" in found.sentence


def test_a_day_that_is_worse_at_its_age_is_told_days_before_its_last_label() -> None:
    found = known(world(21, more=0.1, now=1.0))
    assert at(found, 20, DAY).far
    assert "more than usual" in found.sentence
    assert "by the labels of the first 1 day" in found.sentence


def test_few_labels_no_day_before_and_a_sample_say_what_they_can() -> None:
    few = known(world(10, n=20, now=8.0))
    assert {cell.wrong for line in few.days for cell in line.at} == {None}
    assert few.sentence == ""
    assert known(world(3, now=3.0)).usual is None
    sampled = world(10, now=1.0)
    sampled.unsampled = 5
    assert {cell.covered for line in known(sampled).days for cell in line.at} == {None}
    assert ages_of(LabelCounts()) is None
    assert ages_of(replace(world(1), last=-np.inf)) is None


def shown(counts: LabelCounts, rng: np.random.Generator, *, numbers: bool = False) -> Snapshot:
    about = {"prediction": rng.normal(size=N), "label": rng.normal(size=N), "score": None} if numbers else {}
    part = view_of(rows(rng, **about))
    whole = replace(part, counts=ModelCounts(9_000, last_event=NOW, joins=counts))
    return snapshot(models=(whole, replace(part, name="m/labels")), findings=[])


def test_the_page_and_the_api_have_them_for_classes(rng: np.random.Generator) -> None:
    given = shown(world(21, more=0.1, now=1.0), rng)
    text = said("/model?model=m", given).replace("\u00a0", " ")
    assert "At equal ages" in text
    assert "wrong after 7 days" in text
    assert "14 days before 28,000" in text
    assert known(world(21, more=0.1, now=1.0)).sentence.replace("\u00a0", " ") in text
    assert "2024-10-24" in text
    body = orjson.loads(answer(request_of("/api/v1/model?model=m", None), lambda: given).body)
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/Model", "components": document["components"]})
    assert body["label_ages"]["usual"]["days"] == 14
    assert len(body["label_ages"]["days"]) == 7


def test_numbers_have_none(rng: np.random.Generator) -> None:
    given = shown(world(21, now=1.0), rng, numbers=True)
    assert "Labels that come later" in said("/model?model=m", given)
    assert "At equal ages" not in said("/model?model=m", given)
    assert orjson.loads(answer(request_of("/api/v1/model?model=m", None), lambda: given).body)["label_ages"] is None
