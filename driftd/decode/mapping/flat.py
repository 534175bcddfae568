"""Proposals for tables: rows as records of JSON, and what is proposed for these in the words of columns."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any


def as_json(value: Any) -> Any:
    """A cell; None of what no field can be."""
    if isinstance(value, datetime):
        return (value if value.tzinfo is not None else value.replace(tzinfo=UTC)).isoformat()
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return float(value)
    return value if isinstance(value, str | int | float | list) else None


def in_columns(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Columns by their fields. All others are features; the size of a time says its unit."""
    out: dict[str, Any] = {}
    for key, given in mapping.items():
        path = given if isinstance(given, str) else given.get("path")
        if key in {"features", "cost"} or path is None:
            continue
        unit = None if isinstance(given, str) else given.get("unit")
        out[key] = {"path": path, "unit": unit} if unit and key == "latency" and unit != "s" else path
    return out
