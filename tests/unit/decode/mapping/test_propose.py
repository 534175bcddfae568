"""Proposals for records that nobody has thought of: whatever is in them, what is proposed is a mapping, and is told."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from driftd.cli.sample_lines import yaml_of
from driftd.config.mapping import MappingSection, mappings_of, mistakes
from driftd.config.yamlfile import read
from driftd.decode import Limits, codec_of
from driftd.decode.mapping.familiar import NAMES
from driftd.decode.mapping.propose import propose
from tests.unit.decode.make import NOW, accounted, records

WORDS = sorted(
    {"instances", "inputs", "outputs", "predictions", "ndarray", "names", "data", "shape", "name", "payload", "schema"}
    | {
        "op",
        "after",
        "source",
        "ts_ms",
        "specversion",
        "type",
        "time",
        "features",
        "response",
        "on",
        "a.b",
        "",
        '"',
        "\n",
    }
    | {name for names in NAMES.values() for name in names[:3]}
)
LEAVES = st.none() | st.booleans() | st.integers(0, 2**62) | st.floats(0, 1e300) | st.sampled_from(WORDS) | st.text()
TENSORS = st.lists(
    st.fixed_dictionaries(
        {}, optional={"name": LEAVES, "data": st.lists(LEAVES) | LEAVES, "shape": st.lists(LEAVES) | LEAVES}
    )
    | LEAVES
)
JSON = st.recursive(
    LEAVES | TENSORS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner, max_size=5),
    max_leaves=25,
)


def read_back(text: str) -> Any:
    """As driftd reads it, whose YAML is not PyYAML's."""
    with NamedTemporaryFile() as file:
        file.write(text.encode())
        file.flush()
        return read(Path(file.name), "driftd.yaml").data


@given(st.dictionaries(st.sampled_from(WORDS) | st.text(), JSON, min_size=1, max_size=6) | JSON)
@example({"inputs": [{"name": "a", "data": [[1, 2]], "shape": [1, 2]}, 3]})
@example({"inputs": [{"name": "a", "data": [1], "shape": ["x"]}, {"name": "b", "data": [1], "shape": [3]}]})
@example({"inputs": [{"name": "a", "data": [1]}, {"data": [1]}]})
@example({"inputs": [{"name": "", "data": [1]}]})
@example({"inputs": [{"name": "a", "data": [1]}, {"name": "a", "data": [2]}]})
@example({"names": ["a", "a"], "ndarray": [[1, 2]]})
@example({"names": ["1e3", "-.5", "+7"], "ndarray": [[1, 2, 3]]})
@example({"instances": [[]], "predictions": []})
@example({"inputs": [{"name": "no", "data": [1]}, {"name": "TRUE", "data": [1]}, {"name": "1e3", "data": [1]}]})
@example({"x": {"{a": 1, "no": 2}, "{ts": 1_795_413_611, "on": {"pred": [1]}, "model_name": "m"})
@example({"predictions": [{"confidence": 0.5}]})
@example({"predictions": [[{"confidence": 0.5}]]})
@example({"inputs": [{"name": "a", "data": [{"ts": 1_795_413_611}]}]})
@example({"{": {"ts": 1_795_413_611}})
@example({"inputs": [{"name": "a", "data": [1]}] * 10_002 + [{"name": "b", "data": [1]}]})
def test_any_json_has_a_proposal_that_is_a_mapping_or_none(value: Any) -> None:
    written = json.dumps(value).encode("utf-8", "replace")
    proposal = propose([written], "topic")
    if proposal is None:
        return
    section = MappingSection.model_validate(proposal.mapping)
    assert not [*mistakes(section)]
    text = "\n".join(yaml_of(proposal.mapping))
    assert yaml.safe_load(text) == {"mapping": proposal.mapping}
    assert read_back(text) == {"mapping": proposal.mapping}
    assert accounted(codec_of(Limits(mappings=mappings_of(section))).decode(records([written]), {}))


@pytest.mark.parametrize(
    ("tensors", "expected"),
    [
        ([{"name": "a", "data": [7], "shape": ["x"]}, 3, {"name": "b", "data": [8]}], {"a": 0, "b": 2}),
        ([3, {"name": "b", "data": [8], "shape": 3}], {"b": 1}),
    ],
)
def test_tensors_among_others_keep_their_places(tensors: list[Any], expected: dict[str, int]) -> None:
    proposal = propose([json.dumps({"inputs": tensors}).encode()], "topic")
    assert proposal is not None
    paths = {name: f"inputs[{i}].data[0]" for name, i in expected.items()}
    assert proposal.mapping["features"] == {"paths": paths}


def test_rows_are_counted_by_the_shapes_that_are_numbers() -> None:
    tensors = [{"name": "a", "data": [7], "shape": ["x"]}, {"name": "b", "data": [8, 9], "shape": [2]}]
    proposal = propose([json.dumps({"inputs": tensors}).encode()], "topic")
    assert proposal is not None
    assert "a record holds several rows; a mapping reads the first" in proposal.remarks


def test_features_that_have_a_prefix_are_proposed_by_it() -> None:
    record = {"ts": NOW * 1e3, "f_amount": 2.5, "f_country": "DE", "pred": 1, "host": "a"}
    proposal = propose([json.dumps(record).encode()], "topic")
    assert proposal is not None
    assert proposal.mapping["features"] == {"under": ".", "prefix": "f_"}


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (
            {"ModelName": "fraud", "InputFeatures": {"a": 1}, "PredictedClass": "x", "Timestamp": NOW},
            {"model": "ModelName", "features": "InputFeatures", "prediction": "PredictedClass", "time": "Timestamp"},
        ),
        (
            {"model": {"name": "fraud", "version": "3"}, "inputs": {"a": 1}, "pred": 1},
            {"model": "model.name", "features": "inputs", "prediction": "pred"},
        ),
        (
            {"input": {"a": 1}, "output": {"label": "stay", "score": 0.8}, "created": NOW},
            {"features": "input", "prediction": "output.label", "score": "output.score", "time": "created"},
        ),
        (
            {"inputs": {"a": 1}, "response": {"class": "b", "probabilities": {"a": 0.2, "b": 0.8}}},
            {"features": "inputs", "prediction": "response.class", "score": "response.probabilities"},
        ),
        ({"inputs": {"a": 1}, "label": 1, "pred": 0}, {"features": "inputs", "prediction": "pred"}),
    ],
)
def test_fields_are_found_however_their_names_are_spelled(record: dict[str, Any], expected: dict[str, str]) -> None:
    proposal = propose([json.dumps(record).encode()], "topic")
    assert proposal is not None
    assert expected.items() <= proposal.mapping.items()
