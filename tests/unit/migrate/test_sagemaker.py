"""SageMaker's baseline: the same reference as of the events themselves, as far as the file goes."""

from __future__ import annotations

import json
from typing import Any, Final

import numpy as np
import pytest

from driftd.core.channel import Role
from driftd.core.event import EventBatch, Kind
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.learn.build import Learning, build
from driftd.migrate import sagemaker
from driftd.migrate.columns import Buckets, Counted, Unreadable, Weighted
from driftd.migrate.reference import reference_of

SDK_STATISTICS: Final = """{
  "version": 0.0, "dataset": {"item_count": 418},
  "features": [{"name": "message", "inferred_type": "String", "string_statistics": {
    "common": {"num_present": 418, "num_missing": 0}, "distinct_count": 1.0,
    "distribution": {"categorical": {"buckets": [{"value": "preproc-not-YET-supported-for-csv-json", "count": 418}]}}}}]
}"""
"""aws/sagemaker-python-sdk, tests/data/monitor/statistics.json (2e51b62), and constraints.json (9cac6be)."""
SDK_CONSTRAINTS: Final = """{
  "version": 0.0, "features": [
    {"name": "message", "inferred_type": "String", "completeness": 1.0,
     "string_constraints": {"domains": ["preproc-not-YET-supported-for-csv-json"]}},
    {"name": "second_message", "inferred_type": "String", "completeness": 1.0,
     "string_constraints": {"domains": ["preproc-not-YET-supported-for-csv-json"]}}],
  "monitoring_config": {"evaluate_constraints": "Enabled", "emit_metrics": "Enabled",
    "distribution_constraints": {"enable_comparisons": true, "min_domain_mass": 1.0, "comparison_threshold": 1.0}}
}"""


def numbers(
    name: str, values: np.ndarray[Any, Any], missing: int = 0, *, sketch: bool = True, buckets: int = 10
) -> Any:
    """A feature as the documentation has it: a sketch that still holds every value, and ten buckets."""
    counts, edges = np.histogram(values, buckets)
    pairs = zip(edges[:-1].tolist(), edges[1:].tolist(), counts.tolist(), strict=True)
    kll: dict[str, Any] = {"buckets": [{"lower_bound": a, "upper_bound": b, "count": n} for a, b, n in pairs]}
    if sketch:
        kll["sketch"] = {"parameters": {"c": 0.64, "k": 2048.0}, "data": [values.tolist()]}
    return {
        "name": name,
        "inferred_type": "Fractional",
        "numerical_statistics": {
            "common": {"num_present": len(values), "num_missing": missing},
            "mean": float(values.mean()),
            "sum": float(values.sum()),
            "std_dev": float(values.std()),
            "min": float(values.min()),
            "max": float(values.max()),
            "distribution": {"kll": kll},
        },
    }


def texts(name: str, counts: dict[str, int], present: int | None = None) -> Any:
    buckets = [{"value": value, "count": n} for value, n in counts.items()]
    return {
        "name": name,
        "inferred_type": "String",
        "string_statistics": {
            "common": {"num_present": present or sum(counts.values()), "num_missing": 0},
            "distinct_count": float(len(counts)),
            "distribution": {"categorical": {"buckets": buckets}},
        },
    }


def document(*features: Any, events: int = 1000) -> bytes:
    return json.dumps({"version": 0.0, "dataset": {"item_count": events}, "features": features}).encode()


def reference(raw: bytes, **roles: str) -> Reference:
    return reference_of(sagemaker.profile_of(raw), "m", roles, 0.0, 1.0)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_of_a_sketch_that_holds_every_value_comes_the_reference_of_the_events(rng: np.random.Generator) -> None:
    amount, age = rng.lognormal(3, 1, 950), rng.integers(18, 30, 1000).astype(float)
    country = rng.choice(["DE", "FR", "IT"], 1000, p=[0.6, 0.3, 0.1])
    events = EventBatch(
        "m",
        np.arange(1000),
        np.arange(1000.0),
        {"age": age, "amount": np.append(amount, np.full(50, np.nan)), "country": country.tolist()},
    )
    truth = build(events, Learning())
    values, counts = np.unique(country, return_counts=True)
    raw = document(
        numbers("amount", amount, 50),
        numbers("age", age),
        texts("country", dict(zip(values.tolist(), counts.tolist(), strict=True))),
    )
    found = reference(raw)
    rows = [truth.rows[c.name] for c in found.channels]
    assert [c.name for c in found.channels] == ["age", "amount", "country"]
    assert [truth.channels[r] for r in rows] == [*found.channels]
    for mine, row in zip(found.bins, rows, strict=True):
        assert mine.labels == truth.bins[row].labels
        assert np.array_equal(mine.edges, truth.bins[row].edges)
    assert np.array_equal(found.summary.counts, truth.summary.counts[rows][:, : found.width])
    assert np.array_equal(found.summary.extremes, truth.summary.extremes[rows])
    assert found.summary.events == 1000


def test_a_value_of_level_i_stands_for_two_to_the_i(rng: np.random.Generator) -> None:
    """A compaction by hand: the least 1024 values are all there, of the others every fourth one is, at level 2."""
    values = np.sort(rng.normal(size=4096))
    feature = numbers("x", values)
    levels = [values[:1024].tolist(), [], values[1025::4].tolist()]
    feature["numerical_statistics"]["distribution"]["kll"]["sketch"]["data"] = levels
    found = reference(document(feature, events=4096))
    counts = found.summary.counts[0, FIRST_VALUE:]
    truth = np.bincount(found.bins[0].place(values), minlength=found.width)[FIRST_VALUE:]
    assert counts.sum() == 4096
    assert np.abs(counts - truth).max() <= 8, "two edges, each within one group of four"


def test_buckets_alone_count_where_the_platform_counted(rng: np.random.Generator) -> None:
    """Whole numbers lie on the bounds: lower bounds belong to a bucket, the last upper one too."""
    values = rng.integers(0, 11, 1000).astype(float)
    found = reference(document(numbers("x", values, sketch=False)))
    expected = np.histogram(values, 10)[0]
    assert found.summary.counts[0, FIRST_VALUE:].tolist() == [0, *expected.tolist(), 0]
    placed = np.bincount(found.bins[0].place(values), minlength=found.width)[FIRST_VALUE:]
    assert placed.tolist() == [0, *expected.tolist(), 0]


def test_the_sdk_s_own_sample_is_read_and_its_constraints_are_answered() -> None:
    profile = sagemaker.profile_of(SDK_STATISTICS.encode(), SDK_CONSTRAINTS.encode())
    (column,) = profile.columns
    assert (profile.events, column.name, column.present) == (418, "message", 418)
    assert isinstance(column.content, Counted)
    assert [line.partition(":")[0] for line in profile.remarks] == [
        "message",
        "constraint on second_message",
        "comparison_threshold 1 (largest distance of the distributions)",
    ]
    found = reference_of(profile, "m", {}, 0.0, 1.0)
    assert (found.summary.events, found.channels[0].kind) == (418, Kind.CATEGORICAL)


def test_roles_are_given_by_column_and_missing_values_are_counted(rng: np.random.Generator) -> None:
    raw = document(
        numbers("fraud_score", rng.random(900), 100),
        numbers("fraud", rng.integers(0, 2, 1000).astype(float)),
        numbers("amount", rng.random(900), 100),
    )
    found = reference(raw, prediction="fraud", score="fraud_score")
    assert [(c.name, c.role) for c in found.channels] == [
        ("amount", Role.FEATURE),
        ("prediction", Role.PREDICTION),
        ("score", Role.SCORE),
    ]
    assert found.classes
    assert found.summary.counts[:, MISSING].tolist() == [100, 0, 100]


def test_categories_that_the_file_does_not_name_are_never_new() -> None:
    found = reference(document(texts("x", {"a": 600, "b": 300}, present=1000)))
    (bins,) = found.bins
    assert found.summary.counts[0, FIRST_VALUE:].tolist() == [600, 300, 100]
    assert bins.place(["a", "zzz", None]).tolist() == [FIRST_VALUE, FIRST_VALUE + 2, MISSING]


def test_a_feature_without_a_distribution_is_left_out_and_named() -> None:
    feature = texts("comment", {"a": 1})
    del feature["string_statistics"]["distribution"]
    profile = sagemaker.profile_of(document(feature, texts("x", {"a": 1})))
    assert profile.left_out == {"comment": "no distribution of its values is in the file"}


@pytest.mark.parametrize("sketch", [True, False])
def test_what_is_read(sketch: bool, rng: np.random.Generator) -> None:
    (column,) = sagemaker.profile_of(document(numbers("x", rng.random(100), sketch=sketch))).columns
    assert isinstance(column.content, Weighted if sketch else Buckets)


@pytest.mark.parametrize(
    ("raw", "told"),
    [
        (b"", "not JSON"),
        (b"[]", "the file: expected an object"),
        (b"{}", "features: expected a list"),
        (b'{"features": [3]}', r"features\[0\]: expected an object"),
        (document({"name": "x", "numerical_statistics": {"common": {"num_present": "many"}}}), "expected a number"),
        (document({"name": "x", "numerical_statistics": {"common": {"num_present": -1}}}), "expected a count"),
        (
            document(
                {
                    "name": "x",
                    "numerical_statistics": {
                        "common": {"num_present": 1},
                        "distribution": {"kll": {"sketch": {"data": [["a"]]}}},
                    },
                }
            ),
            r"sketch.data\[0\]: expected a number",
        ),
        (
            document(
                {
                    "name": "x",
                    "numerical_statistics": {"distribution": {"kll": {"sketch": {"data": [[]] * 100}}}},
                }
            ),
            "100 levels are more than any sketch has",
        ),
    ],
)
def test_what_is_no_baseline_is_told_with_its_place(raw: bytes, told: str) -> None:
    with pytest.raises(Unreadable, match=told):
        sagemaker.profile_of(raw)
