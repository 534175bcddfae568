"""What a model costs on /metrics, from settings and events on, where the alert rules find it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from driftd.config import load
from driftd.core.errors import ConfigError
from driftd.core.slice import Slice
from driftd.engine.model_counts import counts_of
from driftd.engine.state import State
from driftd.metrics.aggregates import ModelCounts, count_lines
from driftd.wiring.app import pipeline_of
from tests.unit.decode.make import NOW, records

TEXT = """
prices: {currency: EUR, models: [{model: "chat*", input: 3, output: 15}]}
models: [{name: chat-1, cost: {budget: 100}}]
"""
SAID = {"tokens_in": 1000, "tokens_out": 200}


def lines(tmp_path: Path, *events: Mapping[str, object], model: str = "chat-1") -> list[str]:
    file = tmp_path / "driftd.yaml"
    file.write_text(TEXT)
    pipeline, state = pipeline_of(load(file).settings), State()
    pipeline.begin(state, {})
    pipeline.take(state, records([{"model": model, "time": NOW, "features": {"x": 1}, **e} for e in events]))
    key = Slice(model)
    counts = counts_of(state.models[key], state.counters(key), pipeline.monitor.settings(key))
    return b"".join(line for _, line in count_lines(model, counts)).decode().splitlines()


def test_tokens_and_money_are_counters_of_each_version(tmp_path: Path) -> None:
    failed: dict[str, object] = {"version": "8", "error": "timeout", "cost": {"tokens_in": 1000}}
    found = lines(
        tmp_path, {"version": "7", "cost": SAID}, {"version": "7", "cost": {**SAID, "amount": 0.5}}, failed, {}
    )
    for line in (
        'driftd_cost_total{model="chat-1",version="7",currency="EUR"} 0.506',
        'driftd_cost_total{model="chat-1",version="8",currency="EUR"} 0.003',
        'driftd_tokens_total{model="chat-1",version="7",type="in"} 2000',
        'driftd_tokens_total{model="chat-1",version="7",type="out"} 400',
        'driftd_cost_events_total{model="chat-1",version="7"} 2',
        'driftd_cost_failed_events_total{model="chat-1",version="8"} 1',
        'driftd_unpriced_events_total{model="chat-1",version="7"} 0',
        'driftd_cost_month{model="chat-1",currency="EUR"} 0.509',
        'driftd_cost_budget{model="chat-1",currency="EUR"} 100',
    ):
        assert line in found
    assert not [line for line in found if "forecast" in line], "no whole day is known"


def test_a_model_without_a_price_has_tokens_and_no_money(tmp_path: Path) -> None:
    found = lines(tmp_path, {"cost": SAID}, model="other")
    assert 'driftd_unpriced_events_total{model="other",version=""} 1' in found
    assert 'driftd_tokens_total{model="other",version="",type="in"} 1000' in found


def test_a_model_that_costs_nothing_has_no_such_series(tmp_path: Path) -> None:
    assert not [line for line in lines(tmp_path, {}, model="other") if "cost" in line or "token" in line]
    assert not [line for _, line in count_lines("m", ModelCounts(5)) if b"cost" in line]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("prices: {currency: euro}", "prices.currency"),
        ("prices: {models: [{input: -1}]}", "prices.models[0].input"),
        ("models: [{name: m, cost: {budget: 0}}]", "models[0].cost.budget"),
    ],
)
def test_prices_that_nobody_means_are_refused(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "driftd.yaml").write_text(text)
    with pytest.raises(ConfigError) as error:
        load(tmp_path / "driftd.yaml")
    assert expected in str(error.value)


def test_events_that_were_counted_wait_without_their_cost(tmp_path: Path) -> None:
    """Nobody reads it again, and rows that a reference is learned from take memory."""
    (tmp_path / "driftd.yaml").write_text(json.dumps({"log": {}}))
    pipeline, state = pipeline_of(load(tmp_path / "driftd.yaml").settings), State()
    pipeline.take(state, records([{"model": "m", "time": NOW, "features": {"x": 1}, "cost": SAID}]))
    (stream,) = state.partitions["events", 0].streams.values()
    assert stream.counters.spending.whole.tokens_out == 200
    assert not [name for rows in stream.rows for name in rows.fields if name.startswith("cost.")]
