"""JSON of other platforms, field by field: what is there, or a sentence on what was expected."""

from __future__ import annotations

import math
from typing import Any, Final

import orjson

from driftd.migrate.columns import Unreadable

MOST_COUNT: Final = 2**53
"""Whole numbers beyond it have no float of their own."""
MOST_NUMBER: Final = 1e150
"""Squares of what lies beyond it, and their sums, would be infinite."""


def read(raw: bytes, what: str) -> Any:
    """Raises Unreadable."""
    try:
        # orjson refuses NaN, which json of Python writes where a statistic is not known
        return orjson.loads(raw)
    except orjson.JSONDecodeError as e:
        raise Unreadable(f"not JSON: {e}; expected {what}") from None


def mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unreadable(f"{where}: expected an object")
    return value


def items(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise Unreadable(f"{where}: expected a list")
    return value


def objects(value: Any, where: str) -> list[dict[str, Any]]:
    """Of a list of them, which may be missing."""
    return [mapping(item, where) for item in items(value or [], where)]


def number(value: Any, where: str) -> float:
    """A finite number; protobuf's JSON has 64-bit integers as text."""
    try:
        out = float(value)
    except (TypeError, ValueError):
        raise Unreadable(f"{where}: expected a number") from None
    if isinstance(value, bool) or not math.isfinite(out):
        raise Unreadable(f"{where}: expected a finite number")
    if abs(out) > MOST_NUMBER:
        raise Unreadable(f"{where}: expected a number up to {MOST_NUMBER:g}, got {out:g}")
    return out


def estimate(value: Any, where: str) -> float:
    """A count that need not be whole: a sketch's."""
    out = number(value, where)
    if not 0 <= out <= MOST_COUNT:
        raise Unreadable(f"{where}: expected a count, 0 to 2**53, got {out:g}")
    return out


def count(value: Any, where: str) -> int:
    return round(estimate(value, where))


def maybe(value: Any) -> float:
    """NaN where it is not a number, or one beyond all bounds."""
    try:
        out = float(value)
    except (TypeError, ValueError):
        return math.nan
    return out if abs(out) <= MOST_NUMBER else math.nan
