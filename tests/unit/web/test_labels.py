"""Labels that come later, on the pages: how many were joined, how late, and that they have stopped."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.ingest.outcomes.counts import DELAY_LE, LabelCounts
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor.silence import Quiet, Silence
from driftd.web import Snapshot
from driftd.web.health import Fact, health
from driftd.web.labels import quantile
from tests.stage.judgement import judgement, scores
from tests.stage.snapshot import NOW, snapshot, telemetry, view
from tests.unit.web.test_site import said

DELAYS = np.array([0, 400, 100, 0, 400, 95, 0, 0, 5, 0])
JOINS = LabelCounts(
    predictions=1520, labels=1010, waiting=500, joined=1000, unlabelled=20, early=7, late=3, last=NOW - 60, no_id=2,
    delays=DELAYS,
)  # fmt: skip


def given(joins: LabelCounts | None = JOINS, *, part: bool = True, seconds: float = 0.0) -> Snapshot:
    calm = (scores("psi", [0.01, 0.01]),)
    models = [view(judgement("m", ["x"], verdicts=calm), ModelCounts(9_000, last_event=NOW - 40, joins=joins))]
    if part:
        quiet = Quiet(seconds, Silence(600.0, 900.0, 300.0)) if seconds else None
        about = judgement("m/labels", ["x"], verdicts=calm)
        models.append(view(about, ModelCounts(1_000, last_event=NOW - 840), quiet=quiet))
    return snapshot(models=models, findings=[])


def test_the_page_of_a_model_says_what_became_of_its_labels() -> None:
    text = said("/model?model=m", given()).replace("\u00a0", " ")
    for part in (
        "Labels that come later",
        "1,000 of 1,010",
        "7 wait for their prediction, 3 late",
        "Coverage 98",
        "500 predictions wait for theirs, 2 predictions have no id",
        "half within 1 hour",
        "nine in ten within 1 day",
        "watched as m/labels",
    ):
        assert part in text, part


def test_before_the_first_label_is_joined_and_without_labels() -> None:
    early = LabelCounts(labels=3, early=3)
    assert "None is joined yet" in said("/model?model=m", given(early, part=False))
    for none in (None, LabelCounts()):
        assert "Labels that come later" not in said("/model?model=m", given(none, part=False))


def test_a_part_leads_to_its_model() -> None:
    text = said("/model?model=m/labels", given())
    assert "Fleet › m › m/labels" in text


def test_labels_that_stop_are_told_as_labels() -> None:
    stopped = given(seconds=1000.0)
    for address in ("/model?model=m/labels", "/channel?model=m/labels&channel=x"):
        assert "no label for 16 min" in said(address, stopped).replace("\u00a0", " ").lower(), address
    assert "no labels (usually 300 an hour) since 05:47 UTC" in said("/", stopped).replace("\u00a0", " ")
    (fact,) = [f for f in health(stopped) if f.name == "Silent"]
    assert fact.alert == "DriftdLabelsStopped"


@pytest.mark.parametrize(
    ("q", "seconds"), [(0.4, 600.0), (0.41, 3600.0), (0.9, 86400.0), (0.995, 3 * 86400.0), (1.0, 30 * 86400.0)]
)
def test_quantiles_are_ends_of_buckets(q: float, seconds: float) -> None:
    assert quantile(DELAYS, q) == seconds
    assert quantile(np.append(np.zeros(len(DELAY_LE), int), 3), q) == np.inf


def test_the_health_page_says_what_is_kept_for_the_join() -> None:
    t = telemetry()
    assert "Labels" not in [f.name for f in health(snapshot(telemetry=t))]
    t.set("driftd_label_store_entries", 1_000_000)
    t.set("driftd_label_store_bytes", 150e6)
    t.set("driftd_label_sample_ratio", 0.25)
    assert Fact(
        "Labels",
        "1,000,000 predictions and labels kept for the join, 150 MB; a sample of 1 in 4 by id is joined "
        "(labels.max_pending)",
    ) in health(snapshot(telemetry=t))
