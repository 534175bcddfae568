"""What no baseline can hold, whatever platform wrote it: a reference of it would be wrong for as long as it is used."""

from __future__ import annotations

from math import isnan
from typing import Final

import numpy as np

from driftd.migrate.columns import Column, Counted, Profile, Unreadable, Weighted

SLACK: Final = 1e-6
"""Of a range: platforms keep float32."""
MOST_KNOWN: Final = {True: 2.0, False: 1.01}
"""Of the events, those that a column of categories (True) or of numbers has. Counts of a quantile sketch are estimates,
and rounded; those of a sketch of frequent texts, as whylogs has them, are upper bounds, together up to twice as many.
"""


def checked(profile: Profile) -> Profile:
    """The same. Raises Unreadable."""
    for column in profile.columns:
        if fault := _fault(column, profile.events):
            raise Unreadable(f"column '{column.name}': {fault}; correct it, or leave the column out")
    return profile


def _fault(column: Column, events: int) -> str:
    content, known = column.content, column.present + column.missing
    if isinstance(content, Counted):
        total = float(sum(content.counts.values()) + content.rest)
    else:
        total = float((content.weights if isinstance(content, Weighted) else content.counts).sum())
    if total <= 0 or column.present <= 0:
        return "no values are counted"
    if column.missing > events or known > events * MOST_KNOWN[isinstance(content, Counted)] + 1:
        return f"{column.present} values and {column.missing} missing are more than the {events} events"
    return "" if isinstance(content, Counted) else _numbers_fault(column)


def _numbers_fault(column: Column) -> str:
    content = column.content
    assert not isinstance(content, Counted)
    ends = (content.values, content.values) if isinstance(content, Weighted) else (content.low, content.high)
    low = float(np.min(ends[0])) if isnan(column.low) else column.low
    high = float(np.max(ends[1])) if isnan(column.high) else column.high
    if low > high:
        return f"its least value {low:g} is above its greatest {high:g}"
    slack = SLACK * max(abs(low), abs(high), high - low)
    if column.mean < low - slack or column.mean > high + slack:
        return f"its mean {column.mean:g} is not between its least value {low:g} and its greatest {high:g}"
    if column.deviation < 0:
        return f"its standard deviation {column.deviation:g} is below 0"
    if column.deviation > high - low + slack:
        return f"its standard deviation {column.deviation:g} is larger than its range, {low:g} to {high:g}"
    return ""
