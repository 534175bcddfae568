"""What a reference cannot be used for is told in a sentence, and nothing where it can."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.reference import ReferenceKind
from driftd.learn.build import Learning, build
from driftd.learn.remarks import CANNOT_TELL, remarks
from tests.unit.judge.natural.stage import DAY, MONDAY, batch, traffic


@pytest.mark.parametrize(
    ("kind", "days", "told"),
    [
        (ReferenceKind.FIXED, 1.0, None),
        (ReferenceKind.SEASONAL, 1.0, "kind seasonal needs a week or more, and the reference spans 24 h"),
        (ReferenceKind.SEASONAL, 7.0, None),
        (ReferenceKind.ROLLING, 1.0, "kind rolling: until the first whole period has ended"),
    ],
)
def test_a_kind_whose_hours_or_periods_are_not_there(kind: ReferenceKind, days: float, told: str | None) -> None:
    every = traffic(np.random.default_rng(1), MONDAY, MONDAY + days * DAY)
    reference = build(batch({name: column[::20] for name, column in every.items()}), Learning(kind=kind))
    found = remarks(reference)
    assert [remark.startswith(told or "-") for remark in found] == ([] if told is None else [True])


def test_one_value_alone_and_hardly_any_are_told() -> None:
    every = traffic(np.random.default_rng(1), MONDAY, MONDAY + DAY)
    own = {name: column[::10].copy() for name, column in every.items()}
    own["age"][:] = 7.0
    own["city"][:] = "a"
    own["temp"][np.arange(len(own["temp"])) % 20 != 0] = np.nan
    rows = batch(own)
    empty, constant = remarks(build(rows, Learning()))
    assert empty == f"temp: 95% missing since the first event. {CANNOT_TELL}"
    assert constant == f"one value alone since the first event: age (7), city (a). {CANNOT_TELL}"
    of_a_city = replace(build(rows, Learning()), model="m/segments/city=a")
    assert remarks(of_a_city)[1] == f"one value alone since the first event: age (7). {CANNOT_TELL}"
    varies = batch({**own, "age": np.where(np.arange(len(rows)) == 3, 8.0, own["age"])})
    assert "age" not in " ".join(remarks(build(replace(varies), Learning())))


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        pytest.param(("No", "Yes"), True, id="capitals"),
        pytest.param(("no", "yes"), False, id="the same"),
        pytest.param(("no", "Yes"), False, id="one of two"),
    ],
)
def test_predictions_and_labels_without_a_common_value_are_told(labels: tuple[str, str], told: bool) -> None:
    rng = np.random.default_rng(2)
    y, n = rng.random(2_000) < 0.3, 2_000
    fields = {"prediction": [("no", "yes")[int(v)] for v in y], "label": [labels[int(v)] for v in y]}
    rows = EventBatch("m", np.arange(n), MONDAY + np.linspace(0, DAY, n), {"x": rng.normal(size=n)}, fields=fields)
    found = [remark for remark in remarks(build(rows, Learning())) if "in common" in remark]
    assert bool(found) is told
    assert all("prediction (no, yes) and label (No, Yes)" in remark for remark in found)
