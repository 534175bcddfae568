"""A mapping means the same for the columns of a flat file as for JSON, and its mistakes are told as its own."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.errors import ConfigError
from driftd.core.event import EventBatch, versions
from driftd.decode import Limits
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.source import open_events
from tests.unit.decode.make import only

ROW = {"Amt": 1.5, "age": 30, "score": 0.5, "var": "blue", "geo.city": "Bonn", "geo.zip": "x", "req.a": 1, "req.b.c": 2}
"""As columns; as JSON, names with dots are objects in objects."""


def mapped(path: Path, mapping: dict[str, Any], layout: Layout | None = None) -> EventBatch:
    section = MappingSection.model_validate({"model": {"value": "m"}, "time": {"value": None}, **mapping})
    events = open_events(str(path), layout, Limits(mappings=mappings_of(section)))
    (batch,) = events.batches()
    batch.timestamps[:] = 1.0
    return only(events.codec.decode(batch, {}))


def nested(row: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in row.items():
        *way, last = name.split(".")
        inner = out
        for step in way:
            inner = inner.setdefault(step, {})
        inner[last] = value
    return out


@pytest.fixture
def both(tmp_path: Path) -> tuple[Path, Path]:
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*ROW])
        writer.writeheader()
        writer.writerow(ROW)
    (tmp_path / "rows.jsonl").write_text(json.dumps(nested(ROW)))
    return tmp_path / "rows.csv", tmp_path / "rows.jsonl"


@pytest.mark.parametrize(
    ("mapping", "features"),
    [
        ({"features": {"paths": {"amount": "Amt"}}}, {"amount"}),
        ({"features": {"under": ".", "paths": {"amount": "Amt"}}}, {*ROW} - {"score", "Amt"} | {"amount"}),
        ({"features": {"under": "req", "paths": {"amount": "Amt"}}}, {"a", "b.c", "amount"}),
        ({"features": {"under": "req", "paths": {"A": "req.a"}}}, {"A", "b.c"}),
        ({"features": {"under": ".", "paths": {"age": "Amt"}}}, {*ROW} - {"score", "Amt"}),
        ({"features": {"under": "req", "ignore": ["a"]}}, {"b.c"}),
        ({"features": {"under": ".", "ignore": ["geo", "req.b"]}}, {"Amt", "age", "var", "req.a"}),
        ({"features": {"prefix": "a"}}, {"ge"}),
        ({"features": {"under": "req", "prefix": "b."}}, {"c"}),
        ({"features": ".", "variant": "var"}, {*ROW} - {"score", "var"}),
        ({"features": ".", "segments": {"city": "geo.city"}}, {*ROW} - {"score", "geo.city"}),
        ({"features": ".", "segments": "geo"}, {*ROW} - {"score", "geo.city", "geo.zip"}),
        ({"features": "req", "cost": {"c": "req.b.c"}}, {"a"}),
        ({"features": ".", "label": "age"}, {*ROW} - {"score", "age"}),
    ],
)
def test_the_features_of_a_flat_file_are_those_of_json(
    both: tuple[Path, Path], mapping: dict[str, Any], features: set[str]
) -> None:
    of_csv, of_json = (mapped(path, mapping) for path in both)
    assert {*of_json.columns} == features
    assert {*of_csv.columns} == features
    if "age" in features:
        assert of_csv.columns["age"][0] == of_json.columns["age"][0]


@pytest.mark.parametrize(
    ("mapping", "layout", "messages"),
    [
        ({"score": "scor"}, Layout({"label": "age"}), ["mapping.score: no column 'scor'"]),
        ({"score": "scor"}, Layout({"label": "ag"}), ["mapping.score: no column 'scor'", "--label: no column 'ag'"]),
        ({"score": "scor"}, Layout(ignore=("agee",)), ["mapping.score: no column", "--ignore: no column 'agee'"]),
        ({"features": {"under": ".", "ignore": ["ag"]}}, Layout({"label": "age"}), ["mapping.features.ignore: no col"]),
        ({"features": {"under": "req", "ignore": ["x"]}}, None, ["mapping.features.ignore: no column 'req.x'"]),
        ({"score": "age"}, Layout({"label": "age"}), ["is asked for as mapping.score and as --label"]),
        ({"model": "nobody"}, None, ["mapping.model: no column 'nobody'"]),
        ({"features": {"paths": {"a": "x"}}}, Layout({"label": "age"}), ["mapping.features.paths: no column 'x'"]),
    ],
)
def test_a_mistake_is_told_as_of_who_made_it(
    both: tuple[Path, Path], mapping: dict[str, Any], layout: Layout | None, messages: list[str]
) -> None:
    with pytest.raises(ConfigError) as e:
        mapped(both[0], mapping, layout)
    lines = str(e.value).splitlines()
    assert len(lines) == len(messages)
    for line, message in zip(lines, messages, strict=True):
        assert message in line


def test_options_come_before_the_mapping(both: tuple[Path, Path]) -> None:
    batch = mapped(both[0], {"score": "scor", "features": {"under": "."}}, Layout({"score": "age"}, ("Amt",)))
    assert {*batch.columns} == {*ROW} - {"age", "Amt"}
    assert batch.score is not None
    assert list(batch.score) == [30.0]


@pytest.mark.parametrize("version", ["7", 3, 2.5])
def test_a_version_for_all_is_the_same_for_both(both: tuple[Path, Path], version: Any) -> None:
    of_csv, of_json = (mapped(path, {"features": ".", "version": {"value": version}}) for path in both)
    assert versions(of_csv) == versions(of_json)
