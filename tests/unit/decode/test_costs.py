"""What events say of tokens and money: the same from JSON, fast and strict, by a mapping, and from flat files."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.cost import AMOUNT, PREFIX, TOKENS
from driftd.core.event import EventBatch, Kind, RejectReason, Schema
from driftd.decode import Limits, codec_of
from driftd.decode.fields import COSTS
from driftd.decode.json.fast import JsonCodec
from driftd.decode.mapping.propose import propose
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.source import open_events
from tests.unit.decode.make import decode, m, only, outcome, records, refused

KNOWN = {"m": Schema("m", {"x": Kind.NUMERIC}, Kind.NUMERIC)}
SPAN = {"model": "m", "attributes": {"gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 3, "text": "hi"}}


def costs(batch: EventBatch) -> dict[str, list[float | None]]:
    columns = {k.removeprefix(PREFIX): v for k, v in batch.fields.items() if k.startswith(PREFIX)}
    return {k: [None if np.isnan(x) else float(x) for x in np.asarray(v)] for k, v in columns.items()}


def test_counting_and_decoding_have_the_same_names() -> None:
    assert {PREFIX + name for name in COSTS} == {AMOUNT, *(PREFIX + name for name in TOKENS)}


@pytest.mark.parametrize("fast", [True, False])
def test_what_cost_says_are_columns(fast: bool) -> None:
    values = [
        m(cost={"tokens_in": 10, "tokens_out": 2.0, "amount": 0.5, "anything": -1, "currency": "USD", "more": [1]}),
        m(),
        m(cost={"gen_ai.usage.input_tokens": 7, "tokens_out": None}),
        m(cost={"gen_ai.usage.input_tokens": 7, "tokens_in": 8}),
        m(cost={}),
    ]
    batch = only(JsonCodec(fast=fast).decode(records(values), KNOWN))
    assert costs(batch) == {
        "tokens_in": [10, None, 7, 8, None],
        "tokens_out": [2, None, None, None, None],
        "amount": [0.5, None, None, None, None],
    }
    assert not costs(only(JsonCodec(fast=fast).decode(records([m(), m(cost={"other": 1})]), KNOWN)))


@pytest.mark.parametrize(
    ("cost", "reason", "detail"),
    [
        ('{"tokens_in": -1}', RejectReason.WRONG_TYPE, "cost.tokens_in: expected 0 or more, got -1"),
        ('{"amount": 1e10}', RejectReason.WRONG_TYPE, "cost.amount: expected at most 1,000,000,000, got 1e+10"),
        ('{"amount": 1e400}', RejectReason.NOT_FINITE, "cost: a number beyond the range of a float"),
        ('{"amount": NaN}', RejectReason.NOT_FINITE, "NaN is not JSON; null says missing"),
        ('{"amount": "1"}', RejectReason.WRONG_TYPE, 'cost.amount: expected a number, got "1"'),
        ('{"gen_ai.usage.input_tokens": -1, "tokens_in": 1}', RejectReason.WRONG_TYPE, None),
        ('{"amount": "all of it, dear"}', RejectReason.WRONG_TYPE, "cost.amount: expected a number, got a string"),
        ("12", RejectReason.WRONG_TYPE, "cost: expected an object of numbers, got 12"),
    ],
)
def test_hostile_costs_are_refused_and_their_neighbours_kept(
    cost: str, reason: RejectReason, detail: str | None
) -> None:
    bad = b'{"model": "m", "features": {"x": 1}, "cost": %b}' % cost.encode()
    reject = refused(decode(bad, schema=KNOWN["m"]))
    assert reject.reason is reason
    assert detail is None or reject.detail == detail
    stretch = [records([m(cost={"tokens_in": 1}), bad, m(cost={"tokens_in": 3})])]
    fast = outcome(JsonCodec(), stretch, KNOWN)
    assert fast == outcome(JsonCodec(fast=False), stretch, KNOWN)
    assert len(fast["models"]["m"]["rows"]) == 2


@pytest.mark.parametrize("model", ["model", {"path": "model", "type": "text"}])
def test_a_mapping_reads_them_from_anywhere(model: Any) -> None:
    mapping = {
        "model": model,  # the second cannot be told by structs: records are rewritten
        "features": {"paths": {"n": "attributes.n"}},
        "prediction": "p",
        "cost": {"tokens_in": 'attributes."gen_ai.usage.input_tokens"', "tokens_out": "out"},
    }
    codec = codec_of(Limits(mappings=mappings_of(MappingSection.model_validate(mapping))))
    schemas = {"m": Schema("m", {"n": Kind.NUMERIC}, Kind.NUMERIC)}
    batch = only(codec.decode(records([{**SPAN, "p": 1}, {"model": "m", "p": 1, "out": 5}]), schemas))
    assert costs(batch) == {"tokens_in": [20, None], "tokens_out": [None, 5]}


def test_names_of_opentelemetry_are_proposed() -> None:
    found = propose([json.dumps({**SPAN, "prediction": 1}).encode()], "spans")
    assert found is not None
    assert found.mapping["cost"] == {
        "tokens_in": 'attributes."gen_ai.usage.input_tokens"',
        "tokens_out": 'attributes."gen_ai.usage.output_tokens"',
    }


def flat(path: Path, names: list[str], *rows: list[Any], mapping: dict[str, Any] | None = None) -> Any:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([names, *rows])
    section = None if mapping is None else mappings_of(MappingSection.model_validate(mapping))
    events = open_events(str(path), Layout({"model": "m"}), Limits() if section is None else Limits(mappings=section))
    (batch,) = events.batches()
    return events.codec.decode(batch, {})


def test_columns_of_flat_files_are_known_by_name_and_are_no_features(tmp_path: Path) -> None:
    names = ["x", "cost.amount", "gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens", "out"]
    batch = only(flat(tmp_path / "m.csv", names, [1, 0.5, 7, 9, 3], [2, "", 8, 9, 4]))
    assert costs(batch) == {"amount": [0.5, None], "tokens_in": [7, 8]}
    assert {*batch.columns} == {"x", "gen_ai.usage.prompt_tokens", "out"}
    mapped = {"cost": {"tokens_out": "out"}, "features": "."}
    batch = only(flat(tmp_path / "n.csv", ["x", "out"], [1, 3], mapping=mapped))
    assert (costs(batch), {*batch.columns}) == ({"tokens_out": [3]}, {"x"})


@pytest.mark.parametrize(("value", "reason"), [(-1, "wrong_type"), (1e10, "wrong_type"), ("inf", "wrong_type")])
def test_hostile_columns_are_refused_row_by_row(tmp_path: Path, value: Any, reason: str) -> None:
    decoded = flat(tmp_path / "m.csv", ["x", "cost.tokens_in"], *([1, k] for k in range(30)), [1, value])
    (reject,) = decoded.rejects
    assert (reject.offset, reject.reason.value) == (30, reason)
    assert reject.detail.startswith("cost.tokens_in: expected ")
