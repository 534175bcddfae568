"""The JSON API says what its document says, the same numbers as the pages, and never more than JSON can hold."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest

from driftd.core.reference import numeric_bins
from driftd.core.text import when
from driftd.monitor import timeline as t
from driftd.monitor.sentence import sentence
from driftd.monitor.view import Snapshot
from driftd.web import api, openapi
from driftd.web.format import number
from driftd.web.site import answer, request_of
from tests.stage.judgement import END
from tests.stage.snapshot import NOW, incidents, snapshot
from tests.unit.web.test_site import HOSTILE, hostile, said

QUERIES = {
    "/api/v1/models": "",
    "/api/v1/model": "?model=fraud",
    "/api/v1/channel": "?model=fraud&channel=cat_country",
    "/api/v1/findings": "?model=fraud",
    "/api/v1/incidents": "",
    "/api/v1/incident": f"?id={incidents()[0].id}",
    "/api/v1/experiments": "",
    "/api/v1/experiment": "?name=nobody",
    "/api/v1/health": "",
    "/api/v1/acts": "?model=fraud",
}


def body(target: str, given: Snapshot | None = None) -> Any:
    known = snapshot() if given is None else given
    return orjson.loads(answer(request_of(target, None), lambda: known).body)


def document() -> dict[str, Any]:
    found: dict[str, Any] = body(openapi.DOCUMENT)
    return found


def test_the_document_names_every_path_and_every_parameter() -> None:
    paths = document()["paths"]
    assert "post" in paths.pop("/api/v1/act")
    assert set(paths) == set(api.ROUTES) == set(QUERIES)
    for path, found in paths.items():
        names = [p["name"] for p in found["get"]["parameters"]]
        assert names == [name for name, _ in api.ROUTES[path].parameters]
    assert document()["openapi"] == "3.1.0"


@pytest.mark.parametrize(("path", "query"), QUERIES.items())
@pytest.mark.parametrize("given", [snapshot, lambda: snapshot(models=[], findings=[], certificate=None)])
def test_answers_are_what_the_document_says(path: str, query: str, given: Any) -> None:
    whole = document()
    found = answer(request_of(f"{path}{query}", None), given)
    responses = whole["paths"][path]["get"]["responses"]
    schema = responses[str(found.status.value)]["content"]["application/json"]["schema"]
    validator = jsonschema.Draft202012Validator({**schema, "components": whole["components"]})
    validator.validate(orjson.loads(found.body))


def test_a_channel_has_its_statistics_and_a_model_its_window() -> None:
    found = {s["detector"]: s for s in body("/api/v1/channel?model=fraud&channel=cat_country")["statistics"]}
    assert found["missing"] == {
        "detector": "missing", "status": "ticket", "statistic": 0.24, "threshold": 0.05, "ratio": pytest.approx(4.8),
    }  # fmt: skip
    assert found["change"]["ratio"] == pytest.approx(1.2)
    window = body("/api/v1/model?model=fraud")["window"]
    assert (window["end"], window["because"]) == (END, "2 of 6 channels drifted: hour, cat_country")
    assert window["start"] < END
    assert 0 <= window["error_ratio"] <= 1


def test_an_incident_has_the_sentence_of_its_page_its_parts_and_its_timeline() -> None:
    first, over = body("/api/v1/incidents")["incidents"]
    whole = body(f"/api/v1/incident?id={first['id']}")
    assert whole["incident"] == first == body("/api/v1/models")["incidents"][0]
    assert first["sentence"] == sentence(incidents()[0], NOW)
    assert [(p["channel"], p["value"], p["usual"], p["status"]) for p in whole["parts"]] == [
        ("cat_country", 0.24, 0.0, "page"),
        ("hour", 33.0, 20.0, "ticket"),
    ]
    assert [e["step"] for e in whole["timeline"]] == ["joined", "called", "joined"]
    assert [(e["offset"], e["id"], e["changed"]) for e in whole["examples"]] == [
        (18205, "9f3c", []),
        (18290, None, ["cat_country", "hour"]),
        (18311, "cat_country", ["cat_country", "hour"]),
    ]
    assert (over["open"], over["ended"]) == (False, END - 90_000 + 7200)
    assert [i["id"] for i in body("/api/v1/incidents?status=past")["incidents"]] == [over["id"]]
    assert body("/api/v1/incidents?model=churn")["incidents"] == []
    gone = body("/api/v1/incident?id=x")
    assert gone == {"error": "no incident has the id 'x'; a model remembers its last 50"}


def test_a_wrong_answer_is_seen() -> None:
    whole = document()
    schema = {"$ref": "#/components/schemas/Fleet", "components": whole["components"]}
    wrong = body("/api/v1/models") | {"models": [{"model": 1}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(wrong)


def test_sentences_and_numbers_are_those_of_the_pages() -> None:
    fleet = body("/api/v1/models")
    assert fleet["sentence"] in said("/")
    assert [m["model"] for m in fleet["models"]] == ["fraud", "churn", "pricing", "recommendations"]
    first = body("/api/v1/model?model=fraud")["channels"][0]
    assert (first["channel"], first["what"], first["size"]) == ("cat_country", "24% missing (usually 0%)", 1.2)
    assert first["hint"] in said("/model?model=fraud")
    assert (first["value"], first["usual"], first["since"]) == (0.24, 0.0, END - 420)


def test_a_channel_has_its_values_over_time_and_gaps_are_null() -> None:
    found = body("/api/v1/channel?model=fraud&channel=hour&range=1h")
    series = {s["name"]: s for s in found["series"]}
    assert found["step_seconds"] == 60
    assert (np.diff(found["times"]) == 60).all()
    assert all(NOW - 3600 - 60 <= t <= NOW for t in found["times"])
    assert set(series) == {"missing", "mean", "p5", "p50", "p95", "typical_size"}
    assert {len(s[side]) for s in found["series"] for side in ("values", "usual")} == {len(found["times"])}
    assert None in series["mean"]["values"]
    assert series["mean"]["values"][-1] == pytest.approx(25 + np.sin(9.9), abs=1e-4)
    assert series["mean"]["last"] == number(series["mean"]["values"][-1])
    shares = body("/api/v1/channel?model=fraud&channel=cat_country")
    assert {s["name"] for s in shares["series"]} >= {"missing", "unseen", "share of DE"}
    assert next(s for s in shares["shares"] if s["bin"] == "FR")["reference"] == 0.25


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [(t.P50, np.inf, "> 9"), (t.P50, -np.inf, "< 1"), (t.MEAN, 4.5, "4.5"), (t.SHARE_MISSING, 0.25, "25\u00a0%")],
)
def test_a_value_beyond_those_of_the_reference_is_told_as_such(column: int, value: float, words: str) -> None:
    bins = numeric_bins(np.arange(1.0, 10.0))
    assert api.last_in_words(bins, column, np.array([np.nan, value])) == words
    assert not api.last_in_words(bins, column, np.array([value, np.nan]))


def test_as_of_and_range_choose_the_time() -> None:
    target = "/api/v1/channel?model=fraud&channel=hour"
    then = body(f"{target}&range=6h&as_of=2026-11-23+05:30")
    assert max(then["times"]) <= END - 1800 + then["step_seconds"]


@pytest.mark.parametrize(
    "target",
    [
        *(f"/api/v1/channel?model=fraud&channel=hour&{bad}" for bad in ("range=999y", "as_of=-5", "as_of=9999-99-99")),
        *(f"/channel?model=fraud&channel=hour&{bad}" for bad in ("range=999y", "as_of=yesterday", "as_of=9999-01-01")),
        *(f"/model?model=fraud&{bad}" for bad in ("range=%3Cb%3E", "as_of=1950-01-01")),
        *(f"/?{bad}" for bad in ("status=bogus", "kind=bogus", "sort=bogus")),
        *(f"/incidents?{bad}" for bad in ("status=bogus", "kind=bogus")),
        *(f"/findings?{bad}" for bad in ("status=open", "as_of=tomorrow")),
        "/api/v1/incidents?status=bogus",
    ],
)
def test_what_makes_no_sense_in_an_address_is_refused_and_said(target: str) -> None:
    found = answer(request_of(f"{target}&refresh=off", None), snapshot)
    field = target.rpartition("&")[2].rpartition("?")[2].partition("=")[0]
    assert found.status is HTTPStatus.BAD_REQUEST
    said = orjson.loads(found.body)["error"] if target.startswith("/api/") else found.body.decode()
    assert f"{field}: expected " in said
    assert said.count("expected one of") <= said.count(f"{field}: expected one of")  # once
    assert answer(request_of(target.partition(f"{field}=")[0] + f"{field}=", None), snapshot).status is HTTPStatus.OK


def test_who_is_not_there_is_named_by_the_model_or_by_the_channel() -> None:
    assert body("/api/v1/channel?model=evil&channel=x")["error"] == "no model is called 'evil'"
    assert body("/api/v1/channel?model=fraud&channel=x")["error"].startswith("model 'fraud' has no channel 'x'")


@pytest.mark.parametrize(("range_", "step"), [("1h", 60), ("6h", 60), ("48h", 600), ("7d", 3600), ("1y", 86_400)])
def test_long_ranges_have_long_steps(range_: str, step: int) -> None:
    found = body(f"/api/v1/channel?model=fraud&channel=hour&range={range_}")
    assert found["step_seconds"] >= step


def test_what_is_not_there_is_404_and_said() -> None:
    for target in ("/api/v1/model?model=nobody", "/api/v1/model", "/api/v1/channel?model=fraud&channel=x"):
        found = answer(request_of(target, None), snapshot)
        assert found.status == 404
        assert "no " in orjson.loads(found.body)["error"]


def test_hostile_names_and_numbers_are_data() -> None:
    given = hostile()
    fleet = body("/api/v1/models", given)
    assert {m["model"] for m in fleet["models"]} == {HOSTILE, "?"}
    assert body("/api/v1/health", given)["refused"][0]["channel"] == HOSTILE


def test_an_incident_lasts_since_when_its_sentence_says() -> None:
    """Its first change is over; what lasts began ten days later."""
    open_ = incidents()[0]
    first = replace(open_.first, channel="age", since=open_.since - 864_000, told=open_.opened - 864_000, open=(),
                    ended=open_.opened - 80_000)  # fmt: skip
    long = replace(open_, since=first.since, opened=first.told, parts=(first, *open_.parts))
    line = body("/api/v1/incidents", snapshot(incidents=[long]))["incidents"][0]
    assert line["since"] == open_.first.since
    assert line["opened"] == first.told
    assert f"since {when(line['since'], NOW)} UTC" in line["sentence"]
