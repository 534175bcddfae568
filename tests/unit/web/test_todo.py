"""What to do about an incident: the steps of its cause with its names and times, the same as in its runbook."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from driftd.config.share import RUNBOOKS, shared
from driftd.core.channel import JOINT, Role
from driftd.core.contacts import Contacts
from driftd.core.errors import ActRefused
from driftd.core.finding import CHANGE, Severity, Status
from driftd.core.incident import PIPELINE, Example, Incident, together
from driftd.core.slice import Slice
from driftd.judge.natural.cause import Cause
from driftd.judge.natural.kinds import Kind
from driftd.monitor import steps
from driftd.monitor.branches import FINER
from driftd.monitor.incidents import folded
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.acts import acts_of
from driftd.web.todo import about
from tests.stage.judgement import END, finding, judgement
from tests.stage.snapshot import snapshot
from tests.unit.web.test_api import body
from tests.unit.web.test_site import said

BEGAN = END - 600.0
AT = "2026-11-23 05:50"
"""The minute of BEGAN."""


def incident(kind: str, cause: str = "", detail: str = "", channel: str = "amount", **over: object) -> Incident:
    values: dict[str, object] = {"value": 3.0, "reference_value": 0.5, "severity": Severity.PAGE, "since": BEGAN}
    told = finding("m", channel, detector=CHANGE, kind=kind, cause=cause, detail=detail, **(values | over))
    return folded((), [told], 6)[0]


def given(i: Incident, *, renews: bool = True, file: bool = False, **over: Any) -> Snapshot:
    m = ModelView("m", judgement("m", ["amount", "fee"]), renews=renews, given=file)
    values: dict[str, object] = {"models": [m], "findings": [], "incidents": [i]}
    return snapshot(**(values | over))


def told(i: Incident, **over: Any) -> list[str]:
    found: list[str] = body(f"/api/v1/incident?id={i.id}", given(i, **over))["steps"]
    return found


HELP = Contacts("ann", "payments-gateway, #payments_oncall <b>", "switch on *rules*", "https://wiki.corp/a_b-c")


def test_what_the_owners_say_is_a_step_each_in_their_own_words() -> None:
    i = incident("range", "swapped", "with fee")
    plain = given(i)
    known = replace(plain, models=[replace(m, contacts=HELP) for m in plain.models])
    found = body(f"/api/v1/incident?id={i.id}", known)["steps"]
    assert found[1] == "The model's owner is ann."
    assert found[2] == (f"Its inputs come from {HELP.upstream}: ask what was released there shortly before `{AT}` UTC.")
    branch = steps.branch_of("range", "swapped").steps
    assert found[3 + len(branch) : -1] == [
        "While its answers cannot be trusted: switch on *rules*", "The model's own runbook: https://wiki.corp/a_b-c",
    ]  # fmt: skip
    page = said(f"/incident?id={i.id}", known)
    for text in (HELP.upstream, "switch on *rules*", "https://wiki.corp/a_b-c"):
        assert text in page
    assert len(told(i)) == len(found) - 4
    errors = incident("errors", "errors", channel="error")
    served = replace(given(errors), models=[replace(m, contacts=HELP) for m in plain.models])
    assert not [s for s in body(f"/api/v1/incident?id={errors.id}", served)["steps"] if "inputs come from" in s]


def test_page_api_and_steps_are_about_the_segment_that_the_sentence_names() -> None:
    """Of a fault in a segment the whole has a page of its own later: another kind, and the segment's events again."""
    de = Slice.of_segment("m", "country=DE").model
    at: dict[str, Any] = {"detector": CHANGE, "severity": Severity.PAGE, "since": BEGAN}
    cents = finding(de, "amount", kind="unit", cause="unit", detail="x 100", value=4500.0, reference_value=45.0,
                    window_end=END - 200, **at)  # fmt: skip
    shown = finding(  # as first of its model as may be: it has a cause, too
        "m", "amount", kind="range", cause="clipped", detail="above 9", value=0.14, reference_value=0.0, window_end=END,
        **at,
    )  # fmt: skip
    one, two = (
        replace(folded((), [f], 6)[0], examples=(Example(f.model, "events", 0, 7, BEGAN - 60, "x"),))
        for f in (cents, shown)
    )
    (i,) = together((one, two))
    segment = ModelView(de, judgement(de, ["amount", "fee"]), renews=True)
    shot = given(i)
    whole = body(f"/api/v1/incident?id={i.id}", replace(shot, models=[*shot.models, segment]))
    line = whole["incident"]
    assert line["sentence"].startswith("m: amount is 100 times larger (usually 45) in country=DE since")
    assert (line["kind"], line["cause"], line["detail"]) == ("unit", "unit", "x 100")
    assert (line["models"], line["channels"], line["unchanged"]) == (["m"], 1, 5)
    assert [p["model"] for p in whole["parts"]] == [de, "m"]
    assert [(e["model"], e["offset"]) for e in whole["examples"]] == [(de, 7)]
    (renew,) = [s for s in whole["steps"] if "driftd rebaseline" in s]
    assert f"driftd rebaseline {de} amount" in renew
    assert "other model" not in renew
    assert any("segment `country=DE`, other segments are as usual" in s for s in whole["steps"])


def test_the_steps_are_those_of_the_cause_with_its_names_and_times() -> None:
    i = incident("range", "swapped", "with fee")
    found = told(i)
    assert found[0] == f'Say that you look at it, so that nobody else does: `driftd ack {i.id} --as "$USER"`.'
    assert f"`{AT}` UTC: do `amount` and `fee` have each other's values?" in found[1]
    assert len(found) == 2 + len(steps.branch_of("range", "swapped").steps)
    assert f"driftd feedback {i.id} --real" in found[-1]
    page = said(f"/incident?id={i.id}", given(i))
    assert page.index("What to do") < page.index("Parts, strongest first")
    for step in found:
        assert step.replace("`", "").split(":")[0] in page.replace(" ,", ",")


@pytest.mark.parametrize(
    ("kind", "cause", "wanted"),
    [
        pytest.param("unit", "unit", True, id="a unit may be meant"),
        pytest.param("level", "", True, id="the world may have changed"),
        pytest.param("latency_p99", "", True, id="a larger model is slower"),
        pytest.param("missing", "missing", False, id="missing values are not learned"),
        pytest.param("frozen", "frozen", False, id="nor stuck ones"),
        pytest.param("range", "swapped", False, id="nor swapped ones"),
        pytest.param("joint", "join_broken", False, id="nor those of other events"),
        pytest.param("errors", "errors", False, id="nor failures"),
    ],
)
def test_a_rebaseline_is_proposed_only_where_it_makes_sense(kind: str, cause: str, wanted: bool) -> None:
    found = [text for text in told(incident(kind, cause)) if "rebaseline" in text]
    assert len(found) == wanted
    if wanted:
        assert f'`driftd rebaseline m amount --from "{AT}" --because "..."`' in found[0]


def test_it_is_a_command_that_the_model_can_do() -> None:
    i = incident("unit", "unit", "x 100")
    assert any(f'driftd rebaseline m --from "{AT}"' in text for text in told(i, renews=False))
    assert any("`driftd reference build m`" in text for text in told(i, file=True))
    assert not any("driftd r" in text or "driftd ack" in text for text in told(i, replay=True))
    far = told(i, external_url="https://driftd.example")
    assert any('--because "..." --url https://driftd.example`' in text for text in far)


def test_a_reason_that_was_not_filled_in_is_refused() -> None:
    form = {"do": ["rebaseline"], "model": ["m"], "because": ["..."]}
    with pytest.raises(ActRefused, match=r"'\.\.\.' says nothing"):
        acts_of(form, "anna", END, given(incident("unit")))


def test_a_new_version_comes_first() -> None:
    assert "Version `7` began to answer about then" in told(incident("unit", "unit", new_version="7"))[1]


def test_what_is_over_asks_for_what_comes_after() -> None:
    i = replace(incident("unit", "unit"), ended=END)
    found = told(i)
    assert found[0].startswith(f"Answers from {AT} to")
    assert not any("driftd ack" in text or "rebaseline" in text for text in found)


def test_names_from_outside_are_quoted_where_they_are_pasted() -> None:
    i = incident("unit", "unit", channel="$(reboot) `x`")
    assert "driftd rebaseline m '$(reboot) `x`' --from" in said(f"/incident?id={i.id}", given(i))


@pytest.mark.parametrize("severity", [Severity.PAGE, Severity.TICKET])
@pytest.mark.parametrize("role", Role)
def test_the_runbook_of_each_change_has_the_steps_of_its_page(severity: Severity, role: Role) -> None:
    """Whatever a channel of the role can have; the link of the incident leads there."""
    channel = "amount" if role is Role.FEATURE else role.value
    kinds = [k for k in Kind if role is Role.LATENCY or not k.startswith("latency")]
    for kind in kinds:
        if role is Role.LATENCY and not kind.startswith("latency"):
            continue
        if (kind is Kind.ERRORS) != role.row.errors:
            continue
        for cause in ("", *FINER.get(kind, ()), PIPELINE):
            alert = words.runbook(severity.value, kind, role.row)
            text = shared(f"{RUNBOOKS}/{alert}.md")
            for step in steps.branch_of(kind, cause, channel).steps:
                assert f". {step}\n" in text, (alert, kind, cause)


def test_requests_that_fail_have_the_steps_of_a_service_and_wrong_predictions_those_of_labels() -> None:
    for channel, of_the_service in (("error", True), ("prediction_error", False)):
        found = " ".join(told(incident("errors", "errors", channel=channel)))
        assert ("model server's log" in found) == of_the_service
        assert ("check ten labels" in found) != of_the_service


def test_every_kind_and_cause_has_steps() -> None:
    for kind in Kind:
        assert kind is Kind.UNKNOWN or steps.branch_of(kind).title != "Unknown"
    for cause in Cause:
        assert steps.branch_of("", cause).title != "Unknown"
    assert steps.branch_of("", "", JOINT).title == "Relation gone"


def test_a_runbook_has_the_time_of_the_change_that_it_is_about_and_no_other() -> None:
    i = incident("unit", "unit", severity=Severity.TICKET, status=Status.WARNING)
    page = said("/runbook?alert=DriftdFeatureDrift&model=m&feature=amount", given(i))
    assert f'driftd rebaseline m amount --from "{AT}" --because "..."' in page
    assert f"incident {i.id} , since {AT} UTC" in page
    assert "SINCE" not in page
    assert "For each:" in page
    other = said("/runbook?alert=DriftdFeatureDrift&model=m&feature=fee", given(i))
    assert '--from "SINCE"' in other
    assert "No incident of it is open: replace SINCE and INCIDENT" in other
    for alert in steps.ALERTS:
        assert not re.search(r"--from \"\d", shared(f"{RUNBOOKS}/{alert}.md"))


def test_a_runbook_without_a_channel_takes_the_one_whose_alert_it_is() -> None:
    known = given(incident("unit", "unit"))
    assert about(known, steps.PAGES, "m", "", "").channel == "amount"
    assert about(known, "DriftdFeatureDrift", "m", "", "").channel == ""
    assert about(known, "DriftdDown", "m", "", "").since == ""


def test_the_page_says_which_of_two_starts_it_means() -> None:
    told = [
        finding("m", name, detector=CHANGE, kind="missing", value=1.0, reference_value=0.0, severity=Severity.PAGE,
                since=since, window_end=BEGAN + 600)
        for name, since in (("amount", BEGAN), ("fee", BEGAN - 1200), (JOINT, BEGAN))
    ]  # fmt: skip
    (i,) = folded((), told, 6)
    page = said(f"/incident?id={i.id}", given(i))
    assert "Since 05:50 11 min ago, told 06:00; the first change began 05:30, told 06:00" in page
    assert "1 model, 2 channels 4 other channels unchanged" in page
    (one,) = folded((), told[:1], 6)
    assert "the first change began" not in said(f"/incident?id={one.id}", given(one))
