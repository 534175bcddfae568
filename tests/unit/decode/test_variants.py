"""Variant and unit of events: the same from JSON, fast and strict, by a mapping, and from flat files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from driftd.config.mapping import MappingSection, mappings_of
from driftd.core.event import EventBatch, Kind, RejectReason, Schema, scalars
from driftd.decode import Limits, codec_of
from driftd.decode.json.fast import JsonCodec
from driftd.decode.tabular.layout import Layout
from driftd.sources.files.source import open_events
from tests.unit.decode.make import decode, m, only, records, refused
from tests.unit.decode.test_costs import flat

KNOWN = {"m": Schema("m", {"x": Kind.NUMERIC}, Kind.NUMERIC)}


def said(batch: EventBatch) -> dict[str, list[Any]]:
    return {name: [*scalars(batch.fields[name])] for name in ("variant", "unit") if name in batch.fields}


@pytest.mark.parametrize("fast", [True, False])
def test_both_are_columns_where_an_event_has_them(fast: bool) -> None:
    codec = JsonCodec(fast=fast)
    batch = only(codec.decode(records([m(variant="v8", unit=7), m(), m(variant=None, unit="u")]), KNOWN))
    assert said(batch) == {"variant": ["v8", None, None], "unit": [7, None, "u"]}
    assert said(only(codec.decode(records([m(), m(unit=None)]), KNOWN))) == {}


@pytest.mark.parametrize("fast", [True, False])
def test_a_number_is_a_variant_by_its_text_as_it_is_a_version(fast: bool) -> None:
    batch = only(JsonCodec(fast=fast).decode(records([m(variant=8), m(variant="8"), m(variant=8.5)]), KNOWN))
    assert said(batch)["variant"] == ["8", "8", "8.5"]


def test_a_unit_of_another_type_is_refused() -> None:
    reject = refused(decode(m(unit={"id": 7}), schema=KNOWN["m"]))
    assert (reject.reason, reject.detail) == (
        RejectReason.WRONG_TYPE,
        "unit: expected a string or a number, got an object",
    )


def test_a_mapping_reads_them_and_a_topic_may_be_a_variant() -> None:
    mapping = {"unit": "user.id", "topics": {"events": {"variant": {"value": "v8"}, "unit": "user.id"}}}
    codec = codec_of(Limits(mappings=mappings_of(MappingSection.model_validate(mapping))))
    batch = only(codec.decode(records([m(user={"id": "u1"}), m()]), KNOWN))
    assert said(batch) == {"variant": ["v8", "v8"], "unit": ["u1", None]}
    mapping = {"topics": {"events": {"variant": {"value": 8}}}}
    codec = codec_of(Limits(mappings=mappings_of(MappingSection.model_validate(mapping))))
    assert said(only(codec.decode(records([m()]), KNOWN))) == {"variant": ["8"]}


def test_columns_of_flat_files_are_known_by_name_and_a_file_may_be_a_variant(tmp_path: Path) -> None:
    batch = only(flat(tmp_path / "m.csv", ["x", "variant", "unit"], [1, "v7", "u1"], [2, "", 17]))
    assert said(batch)["variant"] == ["v7", None]
    assert {*batch.columns} == {"x"}
    numbers = only(flat(tmp_path / "m8.csv", ["x", "variant"], [1, 8], [2, 9]))
    assert said(numbers)["variant"] == ["8", "9"]
    (tmp_path / "n.csv").write_text("x\n1\n2\n")
    events = open_events(str(tmp_path / "n.csv"), Layout({"model": "m", "variant": "v8"}), Limits())
    (rows,) = events.batches()
    assert said(only(events.codec.decode(rows, {}))) == {"variant": ["v8", "v8"]}
