"""A request that failed has no prediction and no score: that is told as service errors, and as nothing else."""

from __future__ import annotations

import numpy as np

from driftd.core.channel import ALONE, Role
from driftd.core.event import Column, EventBatch, Kind
from driftd.core.reference import Bins, category_bins, numeric_bins
from driftd.core.summary import MISSING
from driftd.core.values import as_numbers
from driftd.ingest.binning import NOT_APPLICABLE, encode
from driftd.monitor.sentence import sentence
from tests.unit.judge.natural.stage import HOUR, batch
from tests.unit.monitor.test_growing import BEGIN, KEY, columns
from tests.unit.monitor.test_rebaseline import Watch, pages

NAN = np.nan
OUTPUTS = [c for c in ALONE if c.role in {Role.PREDICTION, Role.SCORE}]


def failing(start: float, share: float, *, alone: bool = False) -> EventBatch:
    """14 hours of traffic in which, from an hour on, such a share of the requests fails; what failed has no answer.
    ``alone``: they have no answer, and say of no error.
    """
    own = {key: column.copy() for key, column in columns(0.6).items()}
    hit = (own["time"] >= BEGIN + start * HOUR) & (np.arange(len(own["time"])) % 100 < 100 * share)
    if not alone:
        own["error"][hit] = 1.0
    rows = batch(own)
    lost = hit if alone else own["error"] > 0
    fields = {name: np.where(lost, NAN, as_numbers(rows.fields[name])) for name in ("score", "prediction")}
    return EventBatch("m", rows.offsets, rows.times, rows.columns, dict(rows.fields) | fields)


def test_failed_requests_page_as_errors_alone() -> None:
    w = Watch(failing(8, 0.4))
    w.until(10)
    assert pages(w.findings) == {"error"}
    assert not [f for f in w.findings if f.feature in {"prediction", "score"} and f.severity is not None]
    (incident,) = w.state.models[KEY].incidents
    told = sentence(incident, BEGIN + 10 * HOUR)
    assert "of requests fail (usually " in told
    assert told.endswith("; 7 other channels unchanged")


def test_answers_that_lack_without_an_error_page_as_missing() -> None:
    w = Watch(failing(8, 0.4, alone=True))
    w.until(10)
    assert {"prediction", "score"} <= pages(w.findings)
    assert "error" not in pages(w.findings)


def test_a_failed_request_says_nothing_of_answers_that_it_does_not_have() -> None:
    """
    event       0    1    2    3
    error       -    x    x    -
    prediction  1    -    0    -
    """
    failed = np.array([False, True, True, False])
    bins: list[Bins] = [numeric_bins(np.array([0.0, 1.0])), numeric_bins(np.array([0.0, 1.0]))]
    fields = {"prediction": np.array([1.0, NAN, 0.0, NAN]), "error": failed}
    found = encode(OUTPUTS, bins, False, EventBatch("m", np.arange(4), np.arange(4.0), {}, fields)).bins
    assert (found[0] == NOT_APPLICABLE).tolist() == [False, True, False, False]
    assert (found[0] == MISSING).tolist() == [False, False, False, True]
    # no event of the batch has a score
    assert (found[1] == NOT_APPLICABLE).tolist() == failed.tolist()
    assert (found[1] == MISSING).tolist() == (~failed).tolist()
    classes: list[Bins] = [category_bins(["a", "b"]), bins[1]]
    named = [c if c.role is Role.SCORE else type(c)(c.name, c.role, Kind.CATEGORICAL) for c in OUTPUTS]
    words: dict[str, Column] = {"prediction": ["a", None, "b", None], "error": failed}
    found = encode(named, classes, True, EventBatch("m", np.arange(4), np.arange(4.0), {}, words)).bins
    assert (found[0] == NOT_APPLICABLE).tolist() == [False, True, False, False]
