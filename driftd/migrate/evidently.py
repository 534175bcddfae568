"""An Evidently report as JSON (``report.run(data).json()``): what its metrics say of each column.

    {"metrics": [{"config": {"type": "evidently:metric_v2:QuantileValue", "column": "amount", "quantile": 0.5},
                  "value": 19.8},
                 {"config": {"type": "evidently:metric_v2:UniqueValueCount", "column": "country"},
                  "value": {"counts": {"DE": 1219.0, "FR": 781.0}}}]}

Shape: evidently 0.7, core/report.py (Snapshot.json). Values are of the current data of the report.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from driftd.migrate import fields
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Unreadable

SOURCE: Final = "a report of Evidently"
_COUNTED: Final = "UniqueValueCount"
_QUANTILE: Final = "QuantileValue"
_NONE: Final = "neither quantiles nor counts of its values are in the report"
_FEW: Final = 10
REMARK: Final = "more quantiles in the report make more buckets: QuantileValue(column=..., quantile=...)"


def profile_of(raw: bytes) -> Profile:
    """Raises Unreadable."""
    top = fields.mapping(fields.read(raw, "a report of Evidently: {metrics}"), "the file")
    events, found = None, dict[str, dict[Any, Any]]()
    for i, item in enumerate(fields.items(top.get("metrics"), "metrics")):
        metric = fields.mapping(item, f"metrics[{i}]")
        config = fields.mapping(metric.get("config") or {}, f"metrics[{i}].config")
        kind, name = str(config.get("type", "")).rpartition(":")[2], config.get("column")
        if kind == "RowCount":
            events = fields.count(metric.get("value"), f"metrics[{i}].value")
        elif isinstance(name, str) and kind == _QUANTILE:
            found.setdefault(name, {})[fields.number(config.get("quantile"), f"metrics[{i}].quantile")] = metric
        elif isinstance(name, str):
            found.setdefault(name, {})[kind] = metric
    if events is None:
        raise Unreadable("metrics: expected RowCount, as DataSummaryPreset has it")
    columns, left_out = list[Column](), dict[str, str]()
    for name, metrics in found.items():
        column = _column(name, metrics, events)
        if column is None:
            left_out[name] = _NONE
        else:
            columns.append(column)
    few = any(isinstance(c.content, Buckets) and len(c.content.counts) < _FEW for c in columns)
    return Profile(SOURCE, events, columns, left_out, (REMARK,) if few else ())


def _column(name: str, metrics: dict[Any, Any], events: int) -> Column | None:
    where = f"metrics of column '{name}'"
    lost = fields.mapping(_value(metrics, "MissingValueCount") or {}, where)
    missing = min(events, fields.count(lost.get("count", 0), where))
    present = events - missing
    quantiles = {q: _value(metrics, q) for q in metrics if isinstance(q, float)}
    ends = {0.0: _value(metrics, "MinValue"), 1.0: _value(metrics, "MaxValue")}
    if quantiles and None not in ends.values():
        known = sorted((q, fields.number(value, where)) for q, value in {**quantiles, **ends}.items())
        shares, edges = np.array([q for q, _ in known]), np.array([value for _, value in known])
        if shares[0] < 0 or shares[-1] > 1 or (np.diff(edges) < 0).any():
            raise Unreadable(f"{where}: expected quantiles in order, between the least value and the greatest")
        content = Buckets(edges[:-1], edges[1:], np.diff(shares) * present)
        mean, deviation = (fields.maybe(_value(metrics, kind)) for kind in ("MeanValue", "StdValue"))
        return Column(name, content, present, missing, mean, deviation, float(edges[0]), float(edges[-1]))
    counted = _value(metrics, _COUNTED)
    if counted is None:
        return None
    given = fields.mapping(fields.mapping(counted, where).get("counts"), where)
    counts = {value: fields.count(n, where) for value, n in given.items()}
    return Column(name, Counted(counts, max(0, present - sum(counts.values()))), present, missing)


def _value(metrics: dict[Any, Any], kind: Any) -> Any:
    return metrics[kind].get("value") if kind in metrics else None
