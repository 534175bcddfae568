"""TFDV's statistics, as protobuf writes them in JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.migrate import tfdv
from driftd.migrate.columns import Unreadable
from driftd.migrate.reference import reference_of


def numeric(name: str, buckets: list[tuple[float, float, float]], kind: str = "STANDARD", **more: Any) -> Any:
    histogram = {
        "buckets": [
            # protobuf leaves out what is 0
            {k: v for k, v in zip(("lowValue", "highValue", "sampleCount"), b, strict=True) if v}
            for b in buckets
        ],
        "type": kind,
    }
    total = round(sum(b[2] for b in buckets))
    common = {"numNonMissing": str(total), "minNumValues": "1", "maxNumValues": "1", "numMissing": "20"}
    return {
        "path": {"step": [name]},
        "type": "FLOAT",
        "numStats": {"commonStats": common, "mean": 5.0, "stdDev": 2.0, "max": 10.0, "histograms": [histogram], **more},
    }


def strings(name: str, counts: dict[str, int], present: int) -> Any:
    return {
        "name": name,
        "type": "STRING",
        "stringStats": {
            "commonStats": {"numNonMissing": str(present)},
            "unique": str(len(counts)),
            "rankHistogram": {"buckets": [{"label": v, "sampleCount": n} for v, n in counts.items()]},
        },
    }


def document(*features: Any) -> bytes:
    return json.dumps({"datasets": [{"numExamples": "120", "features": features}]}).encode()


def test_buckets_and_categories_become_counts() -> None:
    raw = document(numeric("x", [(0, 5, 60), (5, 10, 40)]), strings("s", {"a": 70, "b": 20}, 100))
    found = reference_of(tfdv.profile_of(raw), "m", {}, 0.0, 1.0)
    assert [c.name for c in found.channels] == ["s", "x"]
    assert found.summary.counts[1, FIRST_VALUE:].tolist() == [0, 60, 40, 0]
    assert found.summary.counts[0, FIRST_VALUE:].tolist() == [70, 20, 10, 0]
    assert found.summary.counts[:, MISSING].tolist() == [20, 20]
    assert found.summary.extremes[1].tolist() == [0.0, 10.0]
    assert found.bins[1].place(np.array([-0.1, 0.0, 4.9, 5.0, 10.0, 10.1])).tolist() == [2, 3, 3, 4, 4, 5]


def test_quantiles_are_taken_before_buckets_of_equal_width_and_a_value_that_repeats_has_its_bin() -> None:
    feature = numeric("x", [(0, 0, 24), (0, 0, 24), (0, 3, 24), (3, 10, 28)], "QUANTILES")
    feature["numStats"]["histograms"].insert(0, {"buckets": [{"highValue": 10.0, "sampleCount": 100.0}]})
    found = reference_of(tfdv.profile_of(document(feature)), "m", {}, 0.0, 1.0)
    assert found.summary.counts[0, FIRST_VALUE:].tolist() == [0, 48, 24, 28, 0]
    assert found.bins[0].place(np.array([0.0, 1.0, 3.0])).tolist() == [3, 4, 5]


def test_names_of_the_proto_are_read_too() -> None:
    raw = json.dumps(
        {
            "datasets": [
                {
                    "num_examples": 10,
                    "features": [
                        {
                            "name": "x",
                            "num_stats": {
                                "common_stats": {"num_non_missing": 10},
                                "std_dev": 1.0,
                                "histograms": [{"buckets": [{"low_value": 1, "high_value": 2, "sample_count": 10}]}],
                            },
                        }
                    ],
                }
            ]
        }
    ).encode()
    (column,) = tfdv.profile_of(raw).columns
    assert (column.present, column.missing, column.deviation) == (10, 0, 1.0)


def test_what_has_no_values_to_compare_is_left_out_and_named() -> None:
    several = numeric("tokens", [(0, 1, 5)])
    several["numStats"]["commonStats"]["maxNumValues"] = "7"
    profile = tfdv.profile_of(document(several, {"name": "image", "bytesStats": {}}, strings("s", {}, 5)))
    assert profile.left_out == {
        "tokens": "it is a list of several values",
        "image": "images, structures and raw bytes have no values to compare",
        "s": "no distribution of its values is in the file",
    }


@pytest.mark.parametrize("raw", [b'{"datasets": []}', b"{}", b'{"datasets": [{"features": 3}]}', b"\x0a\x03"])
def test_what_is_none_is_told(raw: bytes) -> None:
    with pytest.raises(Unreadable):
        tfdv.profile_of(raw)
