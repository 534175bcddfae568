"""What no baseline can hold, whatever platform wrote it: a reference of it would be wrong for as long as it is used."""

from __future__ import annotations

from dataclasses import replace
from math import isnan
from typing import Final

import numpy as np

from driftd.core.event import MAX_NAME_BYTES
from driftd.migrate.columns import Buckets, Column, Counted, Profile, Unreadable, Weighted

SLACK: Final = 1e-6
"""Of a range: platforms keep float32."""
MOST_KNOWN: Final = {True: 2.0, False: 1.01}
"""Of the events, those that a column of categories (True) or of numbers has. Counts of a quantile sketch are estimates,
and rounded; those of a sketch of frequent texts, as whylogs has them, are upper bounds, together up to twice as many.
"""


def checked(profile: Profile) -> Profile:
    """The same, without columns that no event can have. Raises Unreadable."""
    names = [c.name for c in profile.columns]
    if doubled := next((name for i, name in enumerate(names) if name in names[:i]), None):
        raise Unreadable(f"column '{doubled[:60]}' appears twice; expected names that differ")
    long = {name for name in names if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES}
    if long:
        told = f"its name is longer than {MAX_NAME_BYTES} bytes, which no event may have"
        left_out = {**profile.left_out, **{f"{name[:60]}...": told for name in names if name in long}}
        columns = [c for c in profile.columns if c.name not in long]
        profile = replace(profile, columns=columns, left_out=left_out)
    if not profile.columns:
        why = "; ".join(f"{name}: {reason}" for name, reason in [*profile.left_out.items()][:3])
        raise Unreadable(f"no column has a distribution that a reference can be made of{f' ({why})' if why else ''}")
    for column in profile.columns:
        if fault := _fault(column, profile.events):
            raise Unreadable(f"column '{column.name}': {fault}; correct it, or leave the column out")
    return profile


def _buckets_fault(content: Buckets) -> str:
    low, high = content.low, content.high
    if (high < low).any() or (low[1:] < high[:-1] - SLACK * np.maximum(np.abs(low[1:]), np.abs(high[:-1]))).any():
        return "its buckets are not in order"
    return ""


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
    if isinstance(content, Buckets) and (fault := _buckets_fault(content)):
        return fault
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
