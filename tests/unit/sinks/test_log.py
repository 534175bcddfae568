"""Findings as log lines and JSON lines."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import jsonschema
import pytest

from driftd.core.errors import StateUnwritable
from driftd.core.finding import Severity, Status
from driftd.judge.natural.kinds import KINDS
from driftd.sinks.log import FileFindings, LogFindings, configure, finding_fields, finding_json
from tests.stage.judgement import NAN, finding

Style = Literal["text", "json"]


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level, ours = root.handlers[:], root.level, logging.getLogger("driftd").level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("driftd").setLevel(ours)


def logged(style: Style, *args: object, **extra: object) -> str:
    out = io.StringIO()
    configure("info", style, out)
    if args:
        LogFindings().emit(args)  # type: ignore[arg-type]
    else:
        logging.getLogger("driftd.daemon").info("checkpoint saved", extra=extra)
    return out.getvalue()


def test_a_finding_is_these_bytes() -> None:
    assert finding_json(finding("fraud", "amount")) == (
        b'{"id":"' + finding("fraud", "amount").id.encode() + b'","model":"fraud","feature":"amount","segment":null,'
        b'"detector":"psi","status":"DRIFT","previous":"OK","statistic":0.31,"threshold":0.1,"effect":0.1,"noise":0.05,'
        b'"ratio":3.1,"events":1000,"effective_events":900.0,"tests":12,"regime":"independent",'
        b'"window_start":1795413000.0,"window_end":1795413600.0,"since":1795413180.0,'
        b'"because":"psi 0.31 is 3.1 times its threshold 0.1","moved":[{"bin":"30..40","reference":0.25,"current":0.7},'
        b'{"bin":"0..10","reference":0.25,"current":0.05}],"channels":[],'
        b'"severity":null,"kind":null,"value":null,"reference_value":null,"new_version":null,"cause":null,"detail":null,'
        b'"times":1,"first_since":null,"since_error_seconds":null,"unit":null}'
    )


def test_the_docs_have_every_field_in_its_order() -> None:
    page = (Path(__file__).parents[3] / "docs" / "findings.md").read_text()
    told = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert told == list(finding_fields(finding("m", None)))


SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "finding.schema.json").read_text())


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({}, id="of a window"),
        pytest.param(
            {"detector": "change", "kind": "missing", "value": 0.62, "reference_value": 0.0, "severity": Severity.PAGE},
            id="of a change",
        ),
        pytest.param({"feature": None, "detector": "model", "channels": ("a", "*"), "regime": ""}, id="of a model"),
        pytest.param({"statistic": NAN, "since": None, "value": NAN, "severity": Severity.TICKET}, id="no numbers"),
    ],
)
def test_a_finding_is_as_its_schema_says(over: dict[str, Any]) -> None:
    line = json.loads(finding_json(finding("m", **({"feature": "a"} | over))))
    jsonschema.validate(line, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(line | {"kind": "gone"}, SCHEMA)


def test_the_schema_has_every_field_in_its_order_and_every_kind() -> None:
    assert list(SCHEMA["properties"]) == SCHEMA["required"] == list(finding_fields(finding("m", None)))
    assert SCHEMA["properties"]["kind"]["enum"] == [*KINDS, None]
    assert SCHEMA["properties"]["severity"]["enum"] == [*Severity, None]


def test_what_is_not_a_number_is_null() -> None:
    line = json.loads(finding_json(finding("m", None, statistic=NAN, threshold=float("inf"), since=None, regime="")))
    assert line["regime"] is None
    assert (line["statistic"], line["threshold"], line["since"], line["feature"]) == (None, None, None, None)


def test_a_finding_in_the_text_log_is_one_sentence() -> None:
    line = logged("text", finding("fraud", "amount"))
    assert line.split(" ", 2)[2] == (
        "fraud: amount is DRIFT (was OK); since 2026-11-23T05:53:00Z; psi 0.31 is 3.1 times its threshold 0.1\n"
    )
    assert " WARNING " in line


def test_a_finding_in_the_json_log_has_its_fields() -> None:
    line = json.loads(logged("json", finding("fraud", None, status=Status.OK, previous=Status.DRIFT, since=None)))
    assert (line["level"], line["model"], line["status"], line["previous"]) == ("info", "fraud", "OK", "DRIFT")
    assert line["time"].endswith("Z")


@pytest.mark.parametrize("style", ["text", "json"])
def test_hostile_names_cannot_forge_a_line(style: Style) -> None:
    line = logged(style, finding("a\nERROR forged \x1b[31m\u2028", "b\r"))
    assert line.count("\n") == 1
    assert line[:-1].isprintable()


def test_other_events_show_their_fields() -> None:
    assert logged("text", path="/a b", bytes=12, took=0.25).endswith(
        'INFO    checkpoint saved path="/a b" bytes=12 took=0.25\n'
    )
    assert json.loads(logged("json", bytes=12))["bytes"] == 12
    assert '"lag": null' in logged("json", lag=NAN)  # NaN would be no JSON


def test_findings_are_appended_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "new" / "findings.jsonl"
    for model in ("a", "b"):
        sink = FileFindings(path)
        sink.emit([finding(model, "x"), finding(model, None)])
        sink.close()
    assert [json.loads(x)["model"] for x in path.read_bytes().splitlines()] == ["a", "a", "b", "b"]


def test_a_file_that_cannot_be_opened_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StateUnwritable, match=r"findings .*: cannot be written: Is a directory"):
        FileFindings(tmp_path)
