"""Records whose features come as rows or columns, and names that mean a field elsewhere: values of what is pasted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.cli.pasting import Sampled

T0 = 1_795_413_600
ROWS = [{"a": 12.5, "b": "DE"}, {"a": 3.0, "b": "FR"}]
VALUES = [[12.5, "DE"], [3.0, "FR"]]


@pytest.fixture
def sampled(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Sampled:
    monkeypatch.chdir(tmp_path)
    return Sampled(capsys)


def first_two(sampled: Sampled, members: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of the first record, with what is proposed."""
    sampled.check([{"model_name": "fraud", "ts": T0 + 60 * i, **members} for i in range(20)])
    report = sampled.pasted()
    assert (report["rejected"], report["refused_values"]) == ([], []), sampled.out
    return [event for event in report["events"] if event["offset"] == 0]


@pytest.mark.parametrize(
    "members",
    [
        {"inputs": ROWS, "outputs": [0.9, 0.1]},
        {"inputs": ROWS, "outputs": [{"prediction": 0.9}, {"prediction": 0.1}]},
        {"features": ROWS, "prediction": [0.9, 0.1]},
        {"input": {"columns": ["a", "b"], "data": VALUES}, "output": [0.9, 0.1]},
        {"rows": [{**row, "prediction": p} for row, p in zip(ROWS, (0.9, 0.1), strict=True)]},
    ],
)
def test_rows_are_events_each_with_its_own_answer(sampled: Sampled, members: dict[str, Any]) -> None:
    events = first_two(sampled, members)
    assert [(event["features"], event["prediction"]) for event in events] == [(ROWS[0], 0.9), (ROWS[1], 0.1)]


def test_nobody_is_told_that_rows_are_lost_where_all_are_read(sampled: Sampled) -> None:
    out = sampled.check(
        [{"model": "m", "time": T0, "rows": [{"a": 1, "prediction": 0}, {"a": 2, "prediction": 1}]}] * 9
    )
    assert sampled.proposal
    assert "reads the first" not in out


@pytest.mark.parametrize(
    "inputs", [{"a": [12.5, 3.0], "b": ["DE", "FR"]}, {"a": {"0": 12.5, "1": 3.0}, "b": {"0": "DE", "1": "FR"}}]
)
def test_columns_are_read_by_their_first_row_and_that_is_told(sampled: Sampled, inputs: dict[str, Any]) -> None:
    (event,) = first_two(sampled, {"inputs": inputs, "predictions": [0.9, 0.1]})
    assert (event["features"], event["prediction"]) == (ROWS[0], 0.9)
    out = sampled.check([{"model": "m", "time": T0 + i, "inputs": inputs, "predictions": [0.9, 0.1]} for i in range(9)])
    assert "a record holds several rows; a mapping reads the first" in out


def test_lists_without_as_many_predictions_stay_lists(sampled: Sampled) -> None:
    (event,) = first_two(sampled, {"inputs": {"words": [0.1, 0.2, 0.3], "a": 1.5}, "output": 0.9})
    assert event["features"] == {"words": "a list of 3 numbers", "a": 1.5}


def test_names_and_values_are_read_by_place_where_all_have_one_order(sampled: Sampled) -> None:
    named = [{"name": "a", "value": 12.5}, {"name": "b", "value": "DE"}]
    (event,) = first_two(sampled, {"features": named, "pred": 1})
    assert event["features"] == ROWS[0]
    out = sampled.check(
        [{"model": "m", "time": T0 + i, "features": named[:: 1 - 2 * (i % 2)], "output": 1} for i in range(9)]
    )
    assert "whose order differs" in out
    assert "features[0].value" not in out


@pytest.mark.parametrize(
    ("name", "value", "seconds"),
    [
        ("LatencyMs", 12.5, 0.0125),
        ("durationMs", 12.5, 0.0125),
        ("latencyMillis", 12.5, 0.0125),
        ("processing_time_ms", 12.5, 0.0125),
        ("latency_us", 12.5, 0.0000125),
        ("latencySeconds", 0.25, 0.25),
        ("duration", 0.25, 0.25),
    ],
)
def test_a_latency_has_the_unit_of_its_name(sampled: Sampled, name: str, value: float, seconds: float) -> None:
    (event,) = first_two(sampled, {"inputs": {"a": 1}, "output": 0.5, name: value})
    assert event["latency_seconds"] == pytest.approx(seconds)
    out = sampled.check([{"model_name": "m", "ts": T0, "inputs": {"a": 1}, "output": 0.5, name: value}] * 9)
    assert ("is read as seconds" in out) == (name == "duration")


def test_what_belongs_to_a_user_or_a_client_is_not_the_events(sampled: Sampled) -> None:
    others = {
        "client": {"version": "3.1", "id": "u1"},
        "customer": {"score": 700, "target": 5, "id": 9},
        "inputs": {"score": 650, "label": "x", "version": 2},
    }
    (event,) = first_two(sampled, {**others, "output": 0.5})
    assert {*event} == {"offset", "time", "model", "prediction", "features"}, sampled.out
    (event,) = first_two(
        sampled, {"inputs": {"a": 1}, "result": {"label": "yes", "score": 0.7}, "metadata": {"id": "r1"}}
    )
    assert (event["prediction"], event["score"]) == ("yes", 0.7)
    assert "id: metadata.id" in sampled.check([{"ts": T0, "inputs": {"a": 1}, "output": 1, "metadata": {"id": "r1"}}])


def test_further_times_of_a_call_are_no_features(sampled: Sampled) -> None:
    more = {"startTime": T0 + 0.5, "endTime": T0 + 1.5, "firstTokenTime": T0 + 0.7, "when": "23/11/2026 06:00"}
    birth = {"signup_time": T0 - 9e7}
    (event,) = first_two(sampled, {**more, **birth, "amount": 12.5, "output": 0.5})
    assert event["features"] == {"amount": 12.5, **birth}


def test_a_list_of_probabilities_is_a_score(sampled: Sampled) -> None:
    (event,) = first_two(sampled, {"inputs": {"a": 1}, "result": {"y_hat": 1, "prob": [0.3, 0.7]}})
    assert (event["prediction"], event["score"]) == (1, 0.7)


@pytest.mark.parametrize(
    ("values", "told"), [(["12.5", "3"], True), (["12,5", "3,0"], True), (["12", "3"], False), (["12.5", "n/a"], False)]
)
def test_numbers_that_come_as_text_are_told_once(sampled: Sampled, values: list[str], told: bool) -> None:
    own = [{"model": "m", "time": T0 + i, "features": {"a": values[i % 2]}, "prediction": 1} for i in range(10)]
    assert sampled.check(own).count("numbers as text") == told
    theirs = [{"ts": T0 + i, "inputs": {"a": values[i % 2]}, "pred": 1} for i in range(10)]
    assert sampled.check(theirs).count("as text") == told
    table = "ts,a,pred\n" + "".join(f'{T0 + i},"{values[i % 2]}",1\n' for i in range(10))
    assert sampled.check(table.encode(), "calls.csv").count("as text") == ("," in values[0])


def test_numbers_as_text_are_not_shown_where_values_are_hidden(sampled: Sampled) -> None:
    own = [{"model": "m", "time": T0 + i, "features": {"a": "12.5"}, "prediction": 1} for i in range(10)]
    assert '"12.5"' in sampled.check(own)
    out = sampled.check(own, "records.jsonl", "privacy: {key: 0123456789abcdef, hash_channels: [other]}")
    assert "numbers as text are categories" in out
    assert "12.5" not in out


def test_columns_of_several_rows_are_told_though_the_first_record_has_one(sampled: Sampled) -> None:
    records = [
        {"model": "m", "time": T0 + i, "inputs": {"a": [1.5] * (i % 3 + 1)}, "predictions": [1] * (i % 3 + 1)}
        for i in range(9)
    ]
    assert "a record holds several rows; a mapping reads the first" in sampled.check(records)


def test_an_answer_of_several_numbers_is_its_rows(sampled: Sampled) -> None:
    events = first_two(sampled, {"inputs": VALUES, "outputs": [[0.1, 0.9], [0.8, 0.2]]})
    assert [event["prediction"] for event in events] == ["a list of 2 numbers"] * 2
    (event,) = first_two(sampled, {"inputs": {"a": 1.5}, "outputs": [[0.1, 0.9]]})
    assert event["prediction"] == "a list of 2 numbers"
