"""Hashed categories: the same value has the same hash in every format, before and after its kind is known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest

from driftd.core.event import EventBatch, Kind, Schema
from driftd.core.hashing import Hasher
from driftd.decode import Limits
from driftd.learn.build import Learning, build, schema_of
from driftd.sources.files.source import open_events
from tests.unit.decode.make import decode, m, only, refusals, refused

KEY = b"0123456789abcdef"
H = Hasher(KEY).hash
TEXT = Limits(hasher=Hasher(KEY, text=True), show_values=False)
NAMED = Limits(hasher=Hasher(KEY, channels=("account", "prediction")), show_values=False)
KINDS = [Kind.ANY, Kind.CATEGORICAL]


def columns(batch: EventBatch) -> dict[str, list[Any]]:
    return {name: list(column) for name, column in (*batch.columns.items(), *batch.fields.items())}


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_hashed_and_numbers_and_truth_are_not(kind: Kind) -> None:
    schema = Schema("m", {"country": kind, "code": kind, "vip": kind}, kind)
    event = m(features={"country": "DE", "code": 7, "vip": True}, prediction="DE", label="FR")
    found = columns(only(decode(event, schema=schema, limits=TEXT)))
    seven = "7" if kind is Kind.CATEGORICAL else 7.0
    assert found == {
        "country": [H("DE")], "code": [seven], "vip": ["true"], "prediction": [H("DE")], "label": [H("FR")],
    }  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_every_value_of_a_named_channel_is_hashed(kind: Kind) -> None:
    schema = Schema("m", {"account": kind, "country": kind}, kind)
    event = m(features={"account": 81600100, "country": "DE"}, prediction=1, label="1")
    found = columns(only(decode(event, schema=schema, limits=NAMED)))
    assert found == {"account": [H("81600100")], "country": ["DE"], "prediction": [H("1")], "label": [H("1")]}


def test_long_text_and_a_norm_have_a_hash_too() -> None:
    batch = only(decode(m(features={"country": "D" * 1000}, prediction=[3.0, 4.0]), limits=TEXT))
    assert columns(batch)["country"][0].startswith("#")
    assert only(decode(m(prediction=[3, 4]), limits=NAMED)).prediction == [H("5")]


def test_the_score_of_the_predicted_class_is_found_by_the_class_as_it_came() -> None:
    event = m(prediction="DE", score={"DE": 0.25, "FR": 0.75})
    score = only(decode(event, limits=TEXT)).score
    assert score is not None
    assert list(score) == [0.25]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_files_have_the_hashes_that_events_have(tmp_path: Path, suffix: str, kind: Kind) -> None:
    file = tmp_path / f"m{suffix}"
    rows = [{"country": "DE", "account": 81600100, "code": "A"}, {"country": None, "account": 81600101, "code": "7"}]
    if suffix == ".csv":
        file.write_text("country,account,code\nDE,81600100,A\n,81600101,7\n")
    elif suffix == ".parquet":
        pyarrow.parquet.write_table(pa.Table.from_pylist(rows), file)
    else:
        events = ({"model": "m", "time": 1.0, "features": row} for row in rows)
        file.write_text("".join(json.dumps(event) + "\n" for event in events))
    for limits in (TEXT, NAMED):
        schema = Schema("m", {"account": kind, "code": kind, "country": kind})
        source = open_events(str(file), limits=limits)
        (records,) = source.batches()
        (batch,) = source.codec.decode(records, {"m": schema}).batches
        found = columns(batch)
        assert found["country"] == ([H("DE"), None] if limits is TEXT else ["DE", None])
        assert found["code"] == ([H("A"), H("7")] if limits is TEXT else ["A", "7"])
        if limits is NAMED:
            assert found["account"] == [H("81600100"), H("81600101")]


def test_a_reference_knows_the_values_that_it_was_learned_from() -> None:
    """Numbers and text mixed: learned before the kind is known, counted after."""
    hasher = Hasher(KEY, text=True)
    values: list[Any] = [["A", "B", 1, 2][i % 4] for i in range(400)]
    events = [m(features={"code": v}, time=1000.0 + i) for i, v in enumerate(values)]
    learned = only(decode(*events, limits=TEXT))
    reference = build(learned, Learning(bins=5, hashing=hasher.hashing))
    assert set(reference.bins[0].categories) == {H("A"), H("B"), "1", "2"}
    again = only(decode(*events, schema=schema_of(reference), limits=TEXT))
    assert set(again.columns["code"]) == set(reference.bins[0].categories)


@pytest.mark.parametrize(
    ("event", "shown", "hidden"),
    [
        (m(time="12,50"), 'got "12,50"', "got a string"),
        (m(time=1e13), "got 10000000000000.0", "got a number, after the year 2200"),
        (m(latency_seconds="12,50"), 'got "12,50"', "got a string"),
        ({"model": "secret" * 30, "features": {"x": 1}}, "model 'secret", "model: 180 bytes"),
        (b'"12,50"', 'got "12,50"', "got a string"),
    ],
)
def test_a_reject_quotes_nothing_where_values_may_not_be_shown(event: Any, shown: str, hidden: str) -> None:
    assert shown in refused(decode(event)).detail
    detail = refused(decode(event, limits=Limits(show_values=False))).detail
    assert hidden in detail
    assert shown not in detail


def test_nor_does_what_is_said_of_a_refused_value() -> None:
    schema = Schema("m", {"x": Kind.NUMERIC})
    event = m(features={"x": "12,50"})
    assert refusals(decode(event, schema=schema))["x"][0] == 'expected a number, got "12,50"'
    hidden = refusals(decode(event, schema=schema, limits=Limits(show_values=False)))
    assert hidden["x"][0] == "expected a number, got a string"


def test_an_envelope_is_not_quoted_either() -> None:
    headers = [[("content-type", b"application/cloudevents+json")]]
    for show, text in ((True, 'got "12,50"'), (False, "got a string")):
        decoded = decode(b'"12,50"', limits=Limits(show_values=show), headers=headers)
        assert text in refused(decoded).detail


def test_nothing_is_hashed_unless_it_is_asked_for() -> None:
    assert only(decode(m(features={"country": "DE"}))).columns["country"] == ["DE"]


def test_classes_of_a_score_are_named_as_predictions_are() -> None:
    found = columns(only(decode(m(prediction="DE", score={"DE": 0.25, "FR": 0.75}), limits=TEXT)))
    assert found == {
        "x": [1.0], "prediction": [H("DE")], "score": [0.25], f"class.{H('DE')}": [0.25], f"class.{H('FR')}": [0.75],
    }  # fmt: skip
    hidden = Limits(hasher=Hasher(KEY, channels=("score",)), show_values=False)
    assert "class.DE" not in columns(only(decode(m(prediction="DE", score={"DE": 0.25}), limits=hidden)))
