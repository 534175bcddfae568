"""TensorFlow Data Validation's statistics: a DatasetFeatureStatisticsList as JSON.

Shape: tensorflow/metadata, tensorflow_metadata/proto/v0/statistics.proto, as protobuf's JSON has it (MessageToJson):
names in camelCase or as in the .proto, 64-bit integers as text.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from driftd.migrate import fields
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Unreadable

SOURCE: Final = "statistics of TensorFlow Data Validation"
_BYTES: Final = "images, structures and raw bytes have no values to compare"
_NONE: Final = "no distribution of its values is in the file"


def profile_of(raw: bytes) -> Profile:
    """Of the first dataset. Raises Unreadable."""
    top = fields.mapping(fields.read(raw, "a DatasetFeatureStatisticsList as JSON"), "the file")
    datasets = fields.items(top.get("datasets"), "datasets")
    if not datasets:
        raise Unreadable("datasets: expected one")
    dataset = _named(fields.mapping(datasets[0], "datasets[0]"))
    events = fields.count(dataset.get("numExamples", 0), "numExamples")
    columns, left_out = list[Column](), dict[str, str]()
    for i, item in enumerate(fields.items(dataset.get("features", []), "features")):
        feature = _named(fields.mapping(item, f"features[{i}]"))
        steps = fields.mapping(feature.get("path") or {}, f"features[{i}].path").get("step")
        path = fields.items(steps or [], f"features[{i}].path.step")
        name = str(feature.get("name") or ".".join(map(str, path)))
        found = _column(name, feature, events, f"features[{i}] ({name})")
        if isinstance(found, str):
            left_out[name] = found
        else:
            columns.append(found)
    more = (f"the file has {len(datasets)} datasets; the first is taken",) * (len(datasets) > 1)
    return Profile(SOURCE, events, columns, left_out, more)


def _column(name: str, feature: dict[str, Any], events: int, where: str) -> Column | str:
    """Or why there is none."""
    numbers, texts = feature.get("numStats"), feature.get("stringStats")
    if not numbers and not texts:
        return _BYTES
    found = _named(fields.mapping(numbers or texts, where))
    common = _named(fields.mapping(found.get("commonStats") or {}, f"{where}.commonStats"))
    present = fields.count(common.get("numNonMissing", 0), f"{where}.numNonMissing")
    missing = fields.count(common.get("numMissing", max(0, events - present)), f"{where}.numMissing")
    if fields.maybe(common.get("maxNumValues", 1)) > 1:
        return "it is a list of several values"
    if numbers:
        content: Buckets | Counted | None = _histogram(found, where)
    else:
        content = _categories(found, present, where)
    if content is None or not present:
        return _NONE
    mean, deviation = fields.maybe(found.get("mean")), fields.maybe(found.get("stdDev"))
    # protobuf leaves out a number that is 0
    low, high = (fields.maybe(found.get(k, 0.0)) for k in ("min", "max"))
    return Column(name, content, present, missing, mean, deviation, low, high)


def _histogram(found: dict[str, Any], where: str) -> Buckets | None:
    """Quantiles, where they are there: they tell more than buckets of equal width."""
    known: dict[str, list[dict[str, Any]]] = {}
    for item in fields.items(found.get("histograms") or [], f"{where}.histograms"):
        histogram = _named(fields.mapping(item, f"{where}.histograms"))
        buckets = [*map(_named, fields.objects(histogram.get("buckets"), f"{where}.buckets"))]
        if buckets:
            known.setdefault(str(histogram.get("type", "STANDARD")), buckets)
    chosen = known.get("QUANTILES") or known.get("STANDARD")
    if not chosen:
        return None
    low, high = (
        np.array([fields.number(b.get(key, 0.0), f"{where}.buckets.{key}") for b in chosen])
        for key in ("lowValue", "highValue")
    )
    counts = np.array([fields.estimate(b.get("sampleCount", 0.0), f"{where}.buckets.sampleCount") for b in chosen])
    return Buckets(low, high, counts)


def _categories(found: dict[str, Any], present: int, where: str) -> Counted | None:
    ranks = _named(fields.mapping(found.get("rankHistogram") or {}, f"{where}.rankHistogram"))
    buckets = [*map(_named, fields.objects(ranks.get("buckets"), f"{where}.rankHistogram"))]
    counts = {str(b.get("label", "")): fields.count(b.get("sampleCount", 0), f"{where}.rankHistogram") for b in buckets}
    return Counted(counts, max(0, present - sum(counts.values()))) if counts else None


def _named(message: dict[str, Any]) -> dict[str, Any]:
    """With names in camelCase, also where the file keeps those of the .proto."""
    return {head + "".join(w.title() for w in rest): v for k, v in message.items() for head, *rest in (k.split("_"),)}
