"""Times, ages and numbers as a person reads them at night: short, unambiguous, the unit never on another line."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Final

from driftd.core.text import at_utc

DAY: Final = 86_400.0
NBSP: Final = "\u00a0"
_AGES: Final = (("d", DAY), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


def date_of(seconds: float) -> str:
    """``Tue 1 Dec 2026, 03:07 UTC``"""
    at = at_utc(seconds)
    return "-" if at is None else f"{at:%a} {at.day} {at:%b} {at.year}, {at:%H:%M} UTC"


def typed(seconds: float) -> str:
    """``2026-12-01 03:07``, as it stands in the address and in text fields."""
    at = at_utc(seconds)
    return "" if at is None else f"{at:%Y-%m-%d %H:%M}"


def read_time(text: str) -> float | None:
    """Epoch seconds of ``2026-12-01 03:07`` (also with T, seconds or Z), in UTC; None for anything else."""
    try:
        at = datetime.fromisoformat(text.strip().replace(" ", "T"))
    except ValueError:
        return None
    return (at if at.tzinfo is not None else at.replace(tzinfo=UTC)).timestamp()


def age(seconds: float) -> str:
    """``26 min``, ``1 h 15 min``, ``2 d 18 h``."""
    if not math.isfinite(seconds):
        return "-"
    rest = max(seconds, 0.0)
    for (unit, size), (next_unit, next_size) in zip(_AGES, (*_AGES[1:], ("", 1.0)), strict=True):
        if rest >= size:
            whole = int(rest // size)
            below = int((rest - whole * size) // next_size) if next_unit and unit in {"d", "h"} else 0
            return f"{whole}{NBSP}{unit}" + (f" {below}{NBSP}{next_unit}" if below else "")
    return f"0{NBSP}s"


def number(value: float, digits: int = 3) -> str:
    """Three digits, thousands separated; never longer than 10**12."""
    if math.isnan(value):
        return "-"
    if math.isinf(value):
        return "beyond" if value > 0 else "below"
    if abs(value) >= 1e12:
        return f"{'-' if value < 0 else ''}over 10\u00b9\u00b2"
    if value == 0:
        return "0"
    value = float(f"{value:.{digits}g}")
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{min(places, 9)}f}" if abs(value) >= 1e-6 else f"{value:.2g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def with_unit(text: str, unit: str | None) -> str:
    """``45 EUR`` on one line; the number alone where nobody says its unit."""
    return f"{text}{NBSP}{unit}" if unit and text != "-" else text


def share(value: float) -> str:
    """``0.31 %``, ``62 %``; two digits."""
    if math.isnan(value):
        return "-"
    percent = 100 * value
    if percent in {0.0, 100.0}:
        return f"{percent:.0f}{NBSP}%"
    if percent > 99.5:
        return f"{min(percent, 99.9):.1f}{NBSP}%"
    text = f"{percent:.0f}" if percent >= 10 else f"{percent:.1f}" if percent >= 1 else f"{percent:.2g}"
    return f"{text}{NBSP}%"


def times(ratio: float) -> str:
    """A factor: ``1.2``, ``31``, ``over 1,000``."""
    if math.isnan(ratio):
        return "-"
    return "over 1,000" if ratio > 1000 else number(ratio, 2)


def large(value: float) -> str:
    """Two digits and a word: 1.2 million, 4.3 billion."""
    value = float(f"{value:.2g}")
    for size, word in ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:,g} {word}"
    return "-" if math.isnan(value) else f"{value:,g}"


def rate(per_second: float) -> str:
    """``182 / min``, ``9.2 / h`` where there are few."""
    if math.isnan(per_second):
        return "-"
    per_minute = per_second * 60
    if per_minute >= 1 or per_minute == 0:
        return f"{number(per_minute)}{NBSP}/{NBSP}min"
    return f"{number(per_minute * 60, 2)}{NBSP}/{NBSP}h"
