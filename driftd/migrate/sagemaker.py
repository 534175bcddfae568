"""SageMaker Model Monitor's baseline: statistics.json, and what its constraints.json asks for.

Shape: awsdocs/amazon-sagemaker-developer-guide, doc_source/model-monitor-interpreting-statistics.md (bc87781). A KLL
sketch holds values in levels: one of level i stands for 2**i (Karnin, Lang and Liberty 2016).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np

from driftd.migrate import fields
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Unreadable, Weighted

SOURCE: Final = "statistics of SageMaker Model Monitor"
_NONE: Final = "no distribution of its values is in the file"
MOST_LEVELS: Final = 60
"""Of a sketch; one of level 60 would stand for more values than anybody has."""


def profile_of(raw: bytes, constraints: bytes | None = None) -> Profile:
    """Raises Unreadable."""
    top = fields.mapping(fields.read(raw, "statistics.json"), "the file")
    dataset = fields.mapping(top.get("dataset", {}), "dataset")
    columns, left_out = list[Column](), dict[str, str]()
    for i, item in enumerate(fields.items(top.get("features"), "features")):
        feature = fields.mapping(item, f"features[{i}]")
        name = str(feature.get("name") or f"_c{i}")
        column = _column(name, feature, f"features[{i}] ({name})")
        if column is None:
            left_out[name] = _NONE
        else:
            columns.append(column)
    events = fields.count(
        dataset.get("item_count", max((c.present + c.missing for c in columns), default=0)), "item_count"
    )
    said = () if constraints is None else tuple(_constraints(constraints, {c.name for c in columns}))
    return Profile(SOURCE, events, columns, left_out, said)


def _column(name: str, feature: dict[str, Any], where: str) -> Column | None:
    """None where nothing of its distribution is there."""
    numbers, texts = feature.get("numerical_statistics"), feature.get("string_statistics")
    found = fields.mapping(numbers or texts or {}, where)
    common = fields.mapping(found.get("common", {}), f"{where}.common")
    present = fields.count(common.get("num_present", 0), f"{where}.common.num_present")
    missing = fields.count(common.get("num_missing", 0), f"{where}.common.num_missing")
    distribution = fields.mapping(found.get("distribution") or {}, f"{where}.distribution")
    content = _numbers(distribution, where) if numbers else _categories(distribution, present, where)
    if content is None or not present:
        return None
    mean, deviation, low, high = (fields.maybe(found.get(k)) for k in ("mean", "std_dev", "min", "max"))
    return Column(name, content, present, missing, mean, deviation, low, high)


def _numbers(distribution: dict[str, Any], where: str) -> Weighted | Buckets | None:
    """The sketch, which is finer than the ten buckets beside it."""
    kll = fields.mapping(distribution.get("kll") or {}, f"{where}.kll")
    sketch = fields.mapping(kll.get("sketch") or {}, f"{where}.kll.sketch")
    levels = fields.items(sketch.get("data") or [], f"{where}.kll.sketch.data")
    if len(levels) > MOST_LEVELS:
        raise Unreadable(f"{where}.kll.sketch.data: {len(levels)} levels are more than any sketch has")
    pairs = [
        (fields.number(value, f"{where}.kll.sketch.data[{i}]"), 1 << i)
        for i, level in enumerate(levels)
        for value in fields.items(level, f"{where}.kll.sketch.data[{i}]")
    ]
    if pairs:
        values, weights = zip(*pairs, strict=True)
        return Weighted(np.array(values, np.float64), np.array(weights, np.int64))
    buckets = fields.objects(kll.get("buckets"), f"{where}.kll.buckets")
    if not buckets:
        return None
    low, high = (
        np.array([fields.number(b.get(key), f"{where}.kll.buckets.{key}") for b in buckets])
        for key in ("lower_bound", "upper_bound")
    )
    counts = np.array([fields.estimate(b.get("count"), f"{where}.kll.buckets.count") for b in buckets])
    return Buckets(low, high, counts)


def _categories(distribution: dict[str, Any], present: int, where: str) -> Counted | None:
    buckets = fields.mapping(distribution.get("categorical") or {}, f"{where}.categorical").get("buckets") or []
    counts = {
        str(b.get("value")): fields.count(b.get("count"), f"{where}.categorical.buckets")
        for b in (fields.mapping(b, f"{where}.categorical.buckets") for b in fields.items(buckets, where))
    }
    return Counted(counts, max(0, present - sum(counts.values()))) if counts else None


def _constraints(raw: bytes, known: set[str]) -> Iterator[str]:
    """What becomes of each constraint, a sentence each."""
    top = fields.mapping(fields.read(raw, "constraints.json"), "constraints.json")
    for i, item in enumerate(fields.items(top.get("features"), "constraints.json: features")):
        feature = fields.mapping(item, f"constraints.json: features[{i}]")
        name = str(feature.get("name") or f"_c{i}")
        if name not in known:
            yield f"constraint on {name}: the statistics do not have it"
            continue
        completeness = fields.maybe(feature.get("completeness"))
        if completeness < 1:
            yield f"{name}: completeness {completeness:g}: the reference has the share that is missing, for `missing`"
        if fields.mapping(feature.get("num_constraints") or {}, name).get("is_non_negative"):
            yield f"{name}: is_non_negative: `out_of_range` counts what lies beyond the least and greatest value"
        if fields.mapping(feature.get("string_constraints") or {}, name).get("domains"):
            yield f"{name}: domains: `unseen` counts values that the reference does not have"
    config = fields.mapping(top.get("monitoring_config") or {}, "monitoring_config")
    drift = fields.mapping(config.get("distribution_constraints") or {}, "distribution_constraints")
    threshold = fields.maybe(drift.get("comparison_threshold"))
    if threshold == threshold:  # noqa: PLR0124  (NaN: not said)
        yield (
            f"comparison_threshold {threshold:g} (largest distance of the distributions): `psi` and, of numbers, `ks` "
            "measure it; their thresholds are driftd's own"
        )
