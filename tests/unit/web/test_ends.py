"""What ended a page that no value ended: on the incident's page, its timeline and among the findings."""

import pytest

from driftd.core.act import Act, Deed
from driftd.core.finding import CHANGE, Severity, Status
from driftd.monitor.incidents import folded
from driftd.web import ModelView, Snapshot
from tests.stage.judgement import END, finding, judgement
from tests.stage.snapshot import snapshot
from tests.unit.web.test_api import body
from tests.unit.web.test_site import said

ACT = Act(Deed.REBASELINE, "anna", END + 100, "cents from now on", "m", ("amount",))
OTHER = Act(Deed.REBASELINE, "ben", END - 9000, "another time", "m")


def ended(why: str) -> tuple[Snapshot, str]:
    told = finding("m", "amount", detector=CHANGE, kind="unit", value=300.0, reference_value=3.0, window_end=END - 60,
                   severity=Severity.PAGE)  # fmt: skip
    over = finding("m", "amount", detector=CHANGE, kind="unit", status=Status.OK, previous=Status.DRIFT, since=None,
                   because=why or "nothing exceeds its natural variation any more", detail=why)  # fmt: skip
    view = ModelView("m", judgement("m", ["amount"]), acts=(OTHER, ACT))
    return snapshot(models=[view], findings=[over, told], incidents=folded((), [told, over], 2)), told.id


@pytest.mark.parametrize(
    ("why", "says"),
    [
        pytest.param(ACT.by, "amount: is over: rebaseline by anna: cents from now on", id="an act"),
        pytest.param("a new reference begins", "amount: is over: a new reference begins", id="a new reference"),
        pytest.param("", "amount: is over", id="the values"),
    ],
)
def test_an_end_says_who_made_it_and_why(why: str, says: str) -> None:
    given, id_ = ended(why)
    page, findings = said(f"/incident?id={id_}", given), said("/findings", given)
    assert says in page
    assert says in findings
    assert ("is over:" in page, "is over:" in findings) == (bool(why), bool(why))
    assert [act["id"] for act in body(f"/api/v1/incident?id={id_}", given)["acts"]] == [ACT.id] * (why == ACT.by)
    assert ("What was done" in page) is (why == ACT.by)


def test_the_end_of_learning_is_not_the_end_of_a_change() -> None:
    learned = finding("m", None, detector="model", status=Status.OK, previous=Status.LEARNING, since=None)
    text = said("/findings", snapshot(findings=[learned]))
    assert "the reference is learned" in text
    assert "is over" not in text
