"""A baseline in driftd's own words, for platforms that have no file that can be read here: docs/how-to has how to get
one of whylogs.

    {"source": "whylogs", "events": 5000, "columns": {
      "amount": {"missing": 100, "edges": [0.1, 3.5, 812.0], "counts": [2450, 2450], "mean": 33.1, "std": 40.0},
      "country": {"missing": 50, "values": {"DE": 2970, "FR": 1485}, "other": 495}}}
"""

from __future__ import annotations

from math import nan
from typing import Any

import numpy as np

from driftd.migrate import fields
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Unreadable


def profile_of(raw: bytes) -> Profile:
    """Raises Unreadable."""
    top = fields.mapping(fields.read(raw, "a baseline: {events, columns}"), "the file")
    columns = [
        _column(name, fields.mapping(column, f"columns.{name}"), f"columns.{name}")
        for name, column in fields.mapping(top.get("columns"), "columns").items()
    ]
    events = fields.count(top.get("events", max((c.present + c.missing for c in columns), default=0)), "events")
    return Profile(str(top.get("source") or "histograms"), events, columns)


def _column(name: str, column: dict[str, Any], where: str) -> Column:
    missing = fields.count(column.get("missing", 0), f"{where}.missing")
    if "values" in column:
        values = fields.mapping(column["values"], f"{where}.values")
        counts = {value: fields.count(n, f"{where}.values.{value}") for value, n in values.items()}
        rest = fields.count(column.get("other", 0), f"{where}.other")
        return Column(name, Counted(counts, rest), sum(counts.values()) + rest, missing)
    edges = np.array([fields.number(e, f"{where}.edges") for e in fields.items(column.get("edges"), f"{where}.edges")])
    counts_ = np.array(
        [fields.estimate(n, f"{where}.counts") for n in fields.items(column.get("counts"), f"{where}.counts")]
    )
    if len(edges) != len(counts_) + 1 or len(edges) < 2 or (np.diff(edges) < 0).any():
        raise Unreadable(f"{where}.edges: expected one more than counts, in order")
    mean, deviation, low, high = (
        default if column.get(key) is None else fields.number(column[key], f"{where}.{key}")
        for key, default in (("mean", nan), ("std", nan), ("min", float(edges[0])), ("max", float(edges[-1])))
    )
    content = Buckets(edges[:-1], edges[1:], counts_)
    return Column(name, content, round(float(counts_.sum())), missing, mean, deviation, low, high)
