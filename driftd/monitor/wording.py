"""A change in plain words: its kind, and how large it is beside the reference."""

from __future__ import annotations

from math import isfinite
from typing import Final

from driftd.core.finding import Finding
from driftd.core.text import latencies, minute, numbers, ordinal, percent, percents
from driftd.judge.natural.kinds import QUANTILES, Kind
from driftd.judge.natural.step import TURNED
from driftd.monitor.cause import labelled
from driftd.monitor.changes import multiplied

_SHARES: Final = frozenset(
    {Kind.MISSING, Kind.REFUSED, Kind.FROZEN, Kind.ERRORS, Kind.NEW_VALUE, Kind.RENAMED, Kind.RANGE}
)
"""Kinds whose value is a share of the values, or of the events."""


def named(kind: str) -> str:
    """``new value`` of ``new_value``."""
    return kind.replace("_", " ")


def changed(kind: str, value: float | None, reference_value: float | None, unit: str = "") -> str:
    """``missing 0% -> 62%``; the kind alone where there are no numbers, "" without a kind. ``unit`` of the channel."""
    if not kind or value is None or reference_value is None or not (isfinite(value) and isfinite(reference_value)):
        return named(kind)
    return _moved(kind, reference_value, value, unit)


def _moved(kind: str, then: float, now: float, unit: str) -> str:
    if kind == Kind.GRADUAL:
        return f"gradual: out of range {percents(then, now)}" if percents(then, now) else kind
    if kind in _SHARES:
        return f"{named(kind)} {percents(then, now)}".rstrip()
    if kind == Kind.UNIT and then > 0 and now > 0:
        return f"unit: {multiplied(then, now, unit)}"
    if kind == Kind.SPREAD:
        return f"spread {now:.2g} times the reference's"
    if kind == Kind.MIX:
        # none beyond what chance moves among as many events; the sum over days was what told
        return f"mix: {percent(now)} of the values moved" if now > 0 else "mix: the values moved by little"
    if kind in QUANTILES:
        return f"{QUANTILES[kind]} {latencies(then, now)}".rstrip()
    if kind == Kind.JOINT:
        turned = ", it has turned round" if then - now > TURNED * then else ""
        return f"relation to other channels {then:.2g} -> {max(now, 0.0):.2g}{turned}"  # nothing is the least of it
    told = numbers(then, now, unit)
    return f"{'mean' if kind == Kind.LEVEL else named(kind)} {told}" if told else named(kind)


def said(finding: Finding) -> str:
    """``missing 0% -> 62% since 2026-11-23 05:53``, ``range 0% -> 98%, swapped with fee since ...``; "" for a finding
    without a kind.
    """
    text = changed(finding.kind, finding.value, finding.reference_value, finding.unit)
    text += f", {why}" if text and (why := labelled(finding.cause, finding.detail)) else ""
    if not text or finding.since is None:
        return text
    first = finding.first_since
    again = "" if first is None else f", {ordinal(finding.times)} time since {minute(first)}"
    return f"{text} since {minute(finding.since)}{again}"
