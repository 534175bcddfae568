"""A fault has one text, one hint and one runbook, wherever somebody reads of it."""

from dataclasses import replace

import numpy as np
import pytest

from driftd.cli.ask import channel_lines, model_lines, status_lines
from driftd.core.finding import CHANGE, Finding, Severity, Status
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor import timeline as t
from driftd.monitor.incidents import folded
from driftd.web import ModelView, Snapshot
from driftd.web.pages.values import spell_mean, usual_and_now
from tests.stage.judgement import END, changes, finding, judgement
from tests.stage.snapshot import snapshot, view
from tests.unit.web.test_api import body
from tests.unit.web.test_site import said

FAULTS = [
    pytest.param("range", "swapped", "with fee", 0.94, 0.0, "amount and fee have swapped", "order of columns",
                 id="swapped"),
    pytest.param("refused", "type_changed", "text in place of numbers", 1.0, 0.0,
                 "amount 100% text in place of numbers", "another type", id="another type"),
    pytest.param("renamed", "renamed", "'FR' to 'fr'", 0.21, 0.0, "amount is renamed, 'FR' to 'fr'", "new names",
                 id="renamed"),
    pytest.param("unit", "unit", "x 1000", 3000.0, 3.0, "amount is 1,000 times larger", "another unit", id="unit"),
    pytest.param("level", "sign_flipped", "", -3.0, 3.0, "amount has changed sign", "the other sign", id="sign"),
    pytest.param("missing", "missing", "", 0.5, 0.0, "amount 50% missing (usually 0%)", "Values are missing",
                 id="missing says no more than its kind"),
]  # fmt: skip


def faulty(told: Finding, status: Status = Status.DRIFT) -> Snapshot:
    verdict = changes([2.0, 0.0, 0.0], tickets=[] if status is Status.DRIFT else [0])
    j = judgement("m", ["amount", "fee"], verdicts=(verdict,), kinds={0: told.kind})
    return snapshot(models=[ModelView("m", j)], findings=[told], incidents=folded((), [told], 3))


@pytest.mark.parametrize(("kind", "cause", "detail", "value", "usual", "text", "look"), FAULTS)
def test_one_fault_has_one_text_and_one_hint(
    kind: str, cause: str, detail: str, value: float, usual: float, text: str, look: str
) -> None:
    told = finding("m", "amount", detector=CHANGE, kind=kind, cause=cause, detail=detail, value=value,
                   reference_value=usual, severity=Severity.PAGE)  # fmt: skip
    given, id_ = faulty(told), told.id
    channel = body("/api/v1/channel?model=m&channel=amount", given)
    model, fleet = body("/api/v1/model?model=m", given), body("/api/v1/models", given)
    for shown in (
        said("/", given), said("/model?model=m", given), said("/channel?model=m&channel=amount", given),
        said(f"/incident?id={id_}", given), *channel_lines(channel), *[*model_lines(model)][:2],
        *(line for line in status_lines(fleet) if line.startswith("PAGE")),
    ):  # fmt: skip
        if not shown.startswith(("  ", "Look:")):
            assert text in shown
    assert (channel["channel"]["cause"], channel["channel"]["detail"]) == (cause, detail or None)
    assert text.removeprefix("amount ") in said("/findings", given) or cause == "swapped"
    for shown in (said("/channel?model=m&channel=amount", given), said(f"/incident?id={id_}", given)):
        assert look in shown
    hints = {
        channel["channel"]["hint"],
        model["channels"][0]["hint"],
        body(f"/api/v1/incident?id={id_}", given)["hint"],
    }
    assert len(hints) == 1


@pytest.mark.parametrize(
    ("status", "kind", "alert"),
    [
        pytest.param(Status.DRIFT, "unit", "DriftdModelDrift", id="a page is one alert of its model"),
        pytest.param(Status.DRIFT, "missing", "DriftdModelDrift", id="whatever its kind"),
        pytest.param(Status.WARNING, "missing", "DriftdMissingValues", id="a ticket has the alert of its kind"),
        pytest.param(Status.WARNING, "unit", "DriftdFeatureDrift", id="or of its role"),
    ],
)
def test_one_fault_has_the_runbook_of_the_alert_that_fires(status: Status, kind: str, alert: str) -> None:
    severity = Severity.PAGE if status is Status.DRIFT else Severity.TICKET
    told = finding("m", "amount", detector=CHANGE, kind=kind, value=0.5, reference_value=0.1, status=status,
                   severity=severity, window_end=END)  # fmt: skip
    given = faulty(told, status)
    assert body("/api/v1/channel?model=m&channel=amount", given)["channel"]["runbook"] == alert
    assert body("/api/v1/model?model=m", given)["channels"][0]["runbook"] == alert
    assert body(f"/api/v1/incident?id={told.id}", given)["runbook"] == alert
    for path in ("/model?model=m", "/channel?model=m&channel=amount", f"/incident?id={told.id}"):
        found = said(path, given)
        assert alert in found
        others = {"DriftdModelDrift", "DriftdMissingValues", "DriftdFeatureDrift"} - {alert}
        assert not [other for other in others if other in found]


@pytest.mark.parametrize(
    ("kind", "usual", "now", "says"),
    [
        pytest.param("unit", 20.91, 2031.0, "typical size 20.9 → 2,030", id="another unit"),
        pytest.param("unit", 20.91, np.nan, "", id="nothing known since"),
        pytest.param("missing", 20.91, 21.0, "", id="whose sentence has its numbers"),
    ],
)
def test_the_head_of_another_unit_has_what_is_usual_and_now(kind: str, usual: float, now: float, says: str) -> None:
    """The usual of its sentence, and all that came since, whatever stretch the page shows."""
    shown = view(judgement("m", ["x"]), ModelCounts(last_event=END))
    levels = []
    for step, level in zip(t.STEPS, shown.timeline.levels, strict=True):
        values = level.tail.values.copy()
        values[:, :, t.TYPICAL] = np.where((level.tail.numbers + 0.5) * step >= END - 1800, now, 55.5)[:, None]
        levels.append(replace(level, tail=replace(level.tail, values=values)))
    shown = replace(shown, timeline=replace(shown.timeline, levels=tuple(levels)))
    assert usual_and_now(shown, 0, kind, usual, END - 1800, END) == says


def test_a_mean_of_clipped_numbers_is_a_lower_bound() -> None:
    bins = judgement("m", ["x"]).reference.bins[0]
    assert spell_mean(bins, 761.0, 2030.0, "EUR") == "> 761\u00a0EUR"  # no mean is less than the geometric one
    assert spell_mean(bins, 27.0, 20.0) == "27"
    assert spell_mean(bins, -27.0, 30.0) == "-27"
    assert spell_mean(bins, 27.0, np.nan) == "27"
