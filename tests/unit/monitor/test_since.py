"""What a page shows as "now": events since the change began, also of a model whose hops take most of an hour."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.config.settings import Settings
from driftd.core.finding import CHANGE, Finding, Status
from driftd.core.slice import Slice
from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.core.window import Hops
from driftd.monitor.since import LEAST, since
from driftd.monitor.state import ModelState
from driftd.wiring.app import pipeline_of
from tests.unit.core.make import thawed
from tests.unit.judge.natural.stage import HOUR
from tests.unit.monitor.test_changes import BEGIN, during, live, watched

BROKEN = BEGIN + 6.37 * HOUR


def broken(hours: float) -> tuple[ModelState, dict[str | None, Finding]]:
    """A model two of whose numbers have just broken, and what it says of each channel; a hop of it holds 250 events."""
    columns = live(6.37 + hours)
    on = during(columns, 6.37, 99)
    columns["amount"][on] = np.nan
    columns["age"][on] *= 100
    state, found = watched(columns, 40)
    model = thawed(pipeline_of(Settings()), state).models[Slice("m")]
    return model, {f.feature: f for f in found if f.detector == CHANGE and f.status >= Status.WARNING}


@pytest.mark.parametrize("hours", [0.3, 0.6, 1.5, 4.0])
def test_now_holds_nothing_from_before_the_change(hours: float) -> None:
    model, told = broken(hours)
    reference = model.reference
    assert reference is not None
    for name in ("amount", "age"):
        row = reference.rows[name]
        began = told[name].since
        assert began is not None
        now = since(model.hops, model.natural, model.timeline, row, began)
        assert now is not None
        assert not now.mixed
        changed = now.counts[MISSING] if name == "amount" else now.counts[[FIRST_VALUE, reference.used[row] - 1]].sum()
        assert now.counts.sum() >= LEAST
        assert changed / now.counts.sum() > 0.93  # the tick in which it began has a few from before it
        assert now.start >= began - 1
        assert now.end <= BROKEN + hours * HOUR + 600


def test_the_mean_and_the_typical_size_are_those_of_the_broken_numbers() -> None:
    model, told = broken(0.6)
    reference = model.reference
    assert reference is not None
    assert told["age"].since is not None
    now = since(model.hops, model.natural, model.timeline, reference.rows["age"], told["age"].since)
    reader = pipeline_of(Settings()).monitor.reader(reference)
    assert now is not None
    sums = np.zeros((1, len(reference.channels), len(now.sums)), np.int64)
    sums[0, reference.rows["age"]] = now.sums
    (typical,) = reader.values(sums)[:, reference.rows["age"], 5]
    assert 0.7 * 4000 < typical < 1.05 * 4000  # 40 years in hundredths; of the tick in which it began some are none


def test_without_the_judges_counters_it_says_that_it_is_mixed() -> None:
    model, told = broken(0.3)
    assert model.reference is not None
    assert told["amount"].since is not None
    row = model.reference.rows["amount"]
    now = since(model.hops, None, model.timeline, row, told["amount"].since)
    assert now is not None
    assert now.mixed
    assert now.start < BROKEN
    assert since(Hops(), None, model.timeline, row, BROKEN) is None


def test_counters_that_were_restless_before_this_change_are_left_out() -> None:
    model, _ = broken(0.6)
    assert model.reference is not None
    assert model.natural is not None
    row, late = model.reference.rows["amount"], BROKEN + 0.5 * HOUR
    now = since(model.hops, model.natural, model.timeline, row, late)
    assert now is not None
    assert now.mixed  # the last six minutes alone are too few
    calm = replace(model.natural, recent=np.zeros_like(model.natural.recent))
    assert since(model.hops, calm, model.timeline, row, BROKEN + 60) is not None
