"""`driftd check --sample`: what it prints of records that can and cannot be used, and what it does not."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from driftd.cli import main
from tests.unit.cli.pasting import tfrecords
from tests.unit.decode.formats.make import lines
from tests.unit.decode.make import NOW


@pytest.fixture
def sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.chdir(tmp_path)

    def run(values: list[Any], *words: str, config: str = "") -> tuple[int, str]:
        lines = [v if isinstance(v, bytes) else json.dumps(v).encode() for v in values]
        Path("records.jsonl").write_bytes(b"\n".join(lines))
        Path("driftd.yaml").write_text(config or "{}")
        with pytest.raises(SystemExit) as leaving:
            main(["check", "--sample", "records.jsonl", *words])
        return int(leaving.value.code or 0), capsys.readouterr().out

    return run


def event(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "time": NOW, "features": {"x": 1.5, "y": "DE"}, "prediction": 1, **fields}


def test_events_of_driftd_s_own_shape_are_shown_without_a_proposal(sample: Any) -> None:
    code, out = sample([event(), event(score=0.25)])
    assert code == 0
    assert "2 events, 2 can be used" in out
    assert "x=1.5, y=DE" in out
    assert "mapping" not in out


def test_every_value_that_cannot_be_used_has_its_reason(sample: Any) -> None:
    config = "models: [{name: m, features: {x: numeric}}]"
    code, out = sample([event(), event(features={"x": ["a"]}), event(latency_seconds="5"), b"{"], config=config)
    assert code == 0
    assert "4 events, 2 can be used" in out
    assert "1 value refused: m: x: expected" in out
    assert "1 rejected (wrong_type), first at line 3: latency_seconds: expected a number of seconds" in out
    assert "mapping: `latency: {path: latency_seconds, unit: s}` reads numbers that are text" in out
    assert "1 rejected (not_json), first at line 4" in out


def test_no_more_records_are_read_than_are_asked_for(sample: Any) -> None:
    code, out = sample([event()] * 9, "--records", "4", "--output", "json")
    assert (code, json.loads(out)["received"]) == (0, 4)


def test_a_frame_is_named_and_nothing_usable_is_exit_code_2(sample: Any) -> None:
    code, out = sample([b"\0\0\0\0\x07" + b"abc"])
    assert code == 2
    assert "Framed by a schema registry, schema id 7" in out


def test_hidden_values_are_not_shown(sample: Any) -> None:
    config = "privacy: {dead_letters: drop}"
    code, out = sample([event(features={"x": "Jane-4111"}, prediction="Jane-4111")], config=config)
    assert code == 0
    assert "x=(hidden)" in out
    assert "4111" not in out


def test_nested_features_of_driftd_s_own_events_are_proposed_as_names_with_dots(sample: Any) -> None:
    code, out = sample([event(features={"user": {"age": 3}})])
    assert code == 0
    assert "mapping:\n  features: features\n" in out
    code, out = sample([event(features={"user": {"age": 3}})], config="mapping: {features: features}")
    assert "user.age=3" in out


def test_rejects_that_differ_in_numbers_only_are_one_line_with_the_hint(sample: Any) -> None:
    late = [event(time=NOW * 1e3 + 1e6 * i) for i in range(8)]
    _, out = sample([event(), *late, *late], config="{}")
    assert out.count("rejected (bad_time)") == 1
    assert "16 rejected (bad_time), first at line 2: time: expected epoch seconds" in out
    assert "mapping: `time: {path: time, unit: ms}`" in out


class Slow(io.BytesIO):
    """Standard input that has these lines, and then nothing for a long time."""

    def readline(self, size: int | None = -1, /) -> bytes:
        line = super().readline(-1 if size is None else size)
        assert line, "waits for more than it was asked to read"
        return line


def of_stdin(value: Any, monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    lines = b"".join(json.dumps(value).encode() + b"\n" for _ in range(4))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=Slow(lines), isatty=lambda: False))
    with pytest.raises(SystemExit):
        main(["check", "--sample", "-", "--records", "4", *words])


def test_standard_input_is_not_read_on_when_there_is_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_stdin(event(), monkeypatch)
    assert "4 events, 4 can be used" in capsys.readouterr().out


def test_the_model_of_standard_input_is_proposed_as_a_name_to_fill_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_stdin({"ts": NOW, "x": 1, "pred": 2}, monkeypatch)
    assert "  model: {value: MODEL}\n" in capsys.readouterr().out


def test_a_sample_of_a_flat_file_ends_within_a_block(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # a block of CSV is a megabyte: the second one has more rows than are left of the sample, a broken one among them
    rows = [f"{i},{'x' * 30_000}" if i not in {3, 40, 60} else "broken" for i in range(100)]
    (tmp_path / "wide.csv").write_text("\n".join(["a,b", *rows]))
    with pytest.raises(SystemExit):
        main(["check", "--sample", str(tmp_path / "wide.csv"), "--records", "50", "--output", "json"])
    report = json.loads(capsys.readouterr().out)
    assert (report["received"], report["accepted"]) == (50, 48)
    assert sum(r["count"] for r in report["rejected"]) == 2
    assert report["proposal"] is None


def test_a_format_that_is_configured_gives_way_to_no_mapping(sample: Any) -> None:
    """A part of its records that cannot be used makes them no records of another shape."""
    good = {"log_id": "l", "log_time": "2026-09-01T10:00:00", "model_name": "m", "predicted_y": 1, "amount": 3}
    code, out = sample([good, {**good, "log_time": "yesterday"}], config="mapping: {format: hopsworks}")
    assert (code, "With this in driftd.yaml" in out) == (0, False)
    assert "1 rejected (bad_time), first at line 2: log_time: expected a date and a time" in out


MAPPED = "mapping: {model: m, features: req, prediction: res.k, score: res.p}"


def foreign(**fields: Any) -> dict[str, Any]:
    return {"m": "fraud", "req": {"a": 1.5, "b": "x"}, "res": {"k": 1, "p": 0.5}, "time": NOW, **fields}


@pytest.mark.parametrize(
    ("records", "said"),
    [
        pytest.param(
            [foreign(time=None), foreign(time=None)],
            "With the time that a topic gives its records 2 of 2 can be used.",
            id="a file has no time, and the topic has",
        ),
        pytest.param(
            [foreign(), foreign(res={"k": 1, "p": "high"})],
            "1 rejected (wrong_type), first at line 2: res.p (score): expected a number",
            id="one would be accepted without what it says",
        ),
        pytest.param(
            [foreign(), foreign(req={"a": [1, "x"]})],
            "1 value refused: fraud: a: expected",
            id="as many, and fewer values",
        ),
    ],
)
def test_a_mapping_that_is_configured_gives_way_to_none_that_reads_less(
    sample: Any, records: list[Any], said: str
) -> None:
    _, out = sample(records, config=MAPPED)
    assert "With this in driftd.yaml" not in out
    assert said in out


def test_a_mapping_that_is_configured_gives_way_to_one_that_accepts_more(sample: Any) -> None:
    records = [{"model_name": "fraud", "inputs": {"a": 1}, "pred": 1, "ts": NOW * 1e3}] * 2
    code, out = sample(records, config="mapping: {model: name, features: inputs, prediction: pred}")
    assert (code, "With this in driftd.yaml 2 of 2 could be used" in out) == (2, True)


def test_times_that_are_read_in_too_small_a_unit_are_told(sample: Any, capsys: pytest.CaptureFixture[str]) -> None:
    config = "mapping: {time: {path: time, unit: ms}}"
    _, out = sample([event(), event(), event(time=NOW * 1e3)], config=config)
    assert "  2 events are of before the year 2000: is the unit of the time right?" in out
    _, out = sample([event()])
    assert "2000" not in out
    Path("rows.csv").write_text("a,b\n1,2\n")
    with pytest.raises(SystemExit):
        main(["check", "--sample", "rows.csv"])
    assert "2000" not in capsys.readouterr().out, "rows of a file without times are of 1970"


def test_every_kind_of_reject_is_shown_and_more_are_counted(sample: Any) -> None:
    names = [chr(97 + i) * 3 for i in range(25)]
    _, out = sample([event(score={name: "much"}) for name in names])
    assert out.count("rejected (wrong_type)") == 20
    assert "5 more rejected, each for something else" in out


def test_what_is_no_field_of_an_event_is_named_with_the_mapping_that_reads_it(sample: Any) -> None:
    records = [event(latency_ms=12.5, status="ok", id="a")] * 3
    code, out = sample(records)
    assert code == 0
    assert "3 events, 3 can be used" in out
    assert "status is no field of an event and not read\n" in out
    cure = "mapping: {features: features, latency: {path: latency_ms, unit: ms}}"
    assert f"latency_ms is no field of an event and not read; {cure} in driftd.yaml would read it\n" in out
    code, out = sample(records, config=cure)
    assert "0.0125" in out
    assert "no field" not in out


def test_a_sample_of_requests_alone_says_that_their_answers_are_elsewhere(sample: Any) -> None:
    kind = {"specversion": "1.0", "type": "org.kubeflow.serving.inference.request", "source": "/"}
    asked = {**kind, "time": "2026-09-01T10:00:00Z", "inferenceservicename": "fraud", "data": {"instances": [[1.0]]}}
    code, out = sample([{**asked, "id": "a"}, {**asked, "id": "b"}])
    assert code == 2
    assert "With this in driftd.yaml 2 records would be known, without the other half of the call:" in out


def calls_of_mlserver() -> list[Any]:
    """The bodies of one call and another, as a dump of both topics without headers has them."""
    asked, told = (json.loads(json.loads(line)["value"]) for line in lines("mlserver.jsonl"))
    return [{**body, "id": name} for name in ("call-1", "call-2") for body in (asked, told)]


def test_requests_and_answers_of_mlserver_in_one_file_are_recognised_and_joined(sample: Any) -> None:
    code, out = sample(calls_of_mlserver())
    assert code == 2
    assert "Recognised: MLServer (open inference protocol V2). With this in driftd.yaml 4 of 4 could be used" in out
    assert " on a topic, and 0 of this file for want of times:" in out
    assert "mapping:\n  format: mlserver\n" in out
    assert "rejected" not in out, "they were read as what they are not"
    code, out = sample(calls_of_mlserver(), config="mapping: {format: mlserver}")
    assert "With the time that a topic gives its records 4 of 4 can be used." in out


def test_requests_alone_are_no_halves_of_calls(sample: Any) -> None:
    _, out = sample(calls_of_mlserver()[::2])
    assert "MLServer" not in out
    assert "Recognised: open inference protocol V2" in out


def test_a_list_is_shown_by_its_length(sample: Any) -> None:
    code, out = sample([event(features={"e": [0.5] * 30}, prediction=[0.2, 0.8])], "--output", "json")
    (shown,) = json.loads(out)["events"]
    assert (code, shown["features"]["e"], shown["prediction"]) == (0, "a list of 30 numbers", "a list of 2 numbers")


@pytest.mark.parametrize("data", [b"", b"hello", b"PAR1" * 9], ids=["empty", "text", "cut"])
def test_a_file_that_is_no_parquet_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], data: bytes
) -> None:
    path = tmp_path / "rows.parquet"
    path.write_bytes(data)
    with pytest.raises(SystemExit) as leaving:
        main(["check", "--sample", str(path)])
    assert leaving.value.code == 3
    assert f"{path}: not a Parquet file: " in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("a.jsonl", b"", "There is nothing in it."),
        ("a.csv", b"time,x\n", "It has a header and no row."),
        ("a.jsonl", gzip.compress(b"{}", mtime=0), "its name must end with .gz"),
        ("a.jsonl", '{"model": "m"}'.encode("utf-16"), "It is UTF-16"),
        ("a.jsonl", b'[\n  {"model": "m"}\n]', "one record a line"),
        ("a.jsonl", b'{\n  "model": "m"\n}\n', "one record a line"),
    ],
)
def test_a_file_without_an_event_is_told_for_what_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SystemExit) as leaving:
        main(["check", "--sample", str(tmp_path / name)])
    assert leaving.value.code == 2
    assert said in capsys.readouterr().out


def test_a_frame_of_a_schema_registry_is_no_utf_16(sample: Any) -> None:
    _, out = sample([b"\x03\x00" + bytes(range(100, 116)) + b"abc"])
    assert "Framed by an AWS Glue schema registry, schema version 64656667-6869-6a6b-6c6d-6e6f70717273." in out
    assert "driftd does not ask AWS Glue's registry. Put the schema into a folder" in out
    assert "UTF-16" not in out


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        pytest.param("a.jsonl", b'{"model": "m"}\n\n{', "1 rejected (not_json), first at line 3:", id="line"),
        pytest.param("a.csv", b"a,b\n1,2\n3\n4,5\n", "first at row 2: expected 2 columns, got 1", id="row"),
        pytest.param("a.tfrecord", tfrecords([b"{}", b"{"]), "first at record 2:", id="record"),
    ],
)
def test_records_of_a_file_are_told_as_editors_count(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, data: bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SystemExit):
        main(["check", "--sample", str(tmp_path / name)])
    assert said in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["replay", "--fresh", "--events", str(tmp_path / name)])
    place = said.partition("first at ")[2].partition(":")[0]
    assert f"{name}, {place}: " in capsys.readouterr().err
