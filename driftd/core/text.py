"""Numbers, times and names as text, the same in every room: durations, percentages, close names, values for JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from math import isfinite
from typing import Any, Final

_UNITS: Final = (
    (365.25 * 86400, "year"), (30 * 86400, "month"), (86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"),
)  # fmt: skip
_SECONDS_FROM: Final = 0.1
"""Shorter times are told in milliseconds."""
_MOST_NAMES: Final = 30
_DIGITS: Final = re.compile(r"(\d{1,30})")


def in_order(name: str) -> tuple[tuple[int, int, str], ...]:
    """A key to sort names as people do: ``m2`` before ``m10``, and capitals among the others."""
    parts = _DIGITS.split(name.casefold())
    return (*((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part), (-1, 0, name))


def plural(word: str, count: float) -> str:
    return word if count == 1 else f"{word}s"


def percent(share: float, digits: int = 2) -> str:
    """Two digits of a share 0..1, or more: ``0.22%``, ``7.8%``, ``70%``."""
    return f"{100 * share:.{digits}g}%" if share < 0.1 else f"{100 * share:.{digits - 2}f}%"


def percents(then: float, now: float) -> str:
    """``0% -> 62%``, with as many digits as show that they differ (``77.1% -> 77.3%``); "" where they do not."""
    return _both(percent, (then, now), range(2, 6))


def numbers(then: float, now: float, unit: str = "") -> str:
    """The same of numbers, from four digits on: ``12.3 -> 123,500``, ``12.3 -> 123,500 EUR``."""
    told = _both(to_digits, (then, now), range(4, 9))
    return in_unit(told, unit) if told else ""


def to_digits(value: float, digits: int) -> str:
    """So many digits of a number, thousands separated, no exponent: ``123,500``."""
    return f"{float(f'{value:.{digits}g}'):,.10g}"


def in_unit(text: str, unit: str) -> str:
    """``45 EUR``; the number alone where nobody says its unit."""
    return f"{text} {unit}" if unit else text


def latencies(then: float, now: float) -> str:
    """The same of seconds, from two digits on: ``0.21 -> 1.7 s``, ``4.2 -> 35 ms``."""
    by, unit = (1000.0, "ms") if 0 < max(then, now) < _SECONDS_FROM else (1.0, "s")
    told = _both(lambda value, digits: f"{float(f'{value * by:.{digits}g}'):,.10g}", (then, now), range(2, 9))
    return f"{told} {unit}" if told else ""


def _both(text: Callable[[float, int], str], pair: tuple[float, float], digits: Iterable[int]) -> str:
    told = ((text(pair[0], n), text(pair[1], n)) for n in digits)
    return next((f"{then} -> {now}" for then, now in told if then != now), "")


def ordinal(n: int) -> str:
    """``1st``, ``2nd``, ``12th``."""
    ending = "th" if n % 100 in {11, 12, 13} else {1: "st", 2: "nd", 3: "rd"}.get(n % 10, "th")
    return f"{n:,}{ending}"


def duration(seconds: float) -> str:
    """Two digits and one unit: ``30 minutes``, ``1.3 days``, ``16 months``; "-" where there is none."""
    if not isfinite(seconds):
        return "-"
    size, unit = next(((s, u) for s, u in _UNITS if seconds >= s), (1, "second"))
    count = seconds / size
    text = f"{count:.1f}" if count < 10 and round(count, 1) != round(count) else f"{count:,.0f}"
    return f"{text} {unit}{'' if text == '1' else 's'}"


def utc(seconds: float | None, *, digits: int = 0) -> str:
    """Epoch seconds as ``2026-11-23T08:53:00Z``, with so many digits after the second; "-" where there is no time."""
    if seconds is None or not isfinite(seconds):
        return "-"
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    except (OverflowError, ValueError, OSError):
        return "-"
    return text[: 19 + (digits + 1 if digits else 0)] + "Z"


def minute(seconds: float | None) -> str:
    """Epoch seconds as ``2013-03-08 18:32``, in UTC."""
    return utc(seconds)[:16].replace("T", " ")


def when(seconds: float, now: float) -> str:
    """``02:41`` today, ``Mon 14:05`` within six days, ``24 Nov 09:05`` before, with the year where it is another."""
    at, today = (at_utc(s) for s in (seconds, now))
    if at is None or today is None:
        return "-"
    clock = f"{at:%H:%M}"
    if at.date() == today.date():
        return clock
    if 0 <= (today.date() - at.date()).days <= 6:
        return f"{at:%a} {clock}"
    year = "" if at.year == today.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {clock}"


def at_utc(seconds: float) -> datetime | None:
    """None where the calendar has no such time."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def clean(text: str, most: int = 120) -> str:
    """A name from outside: nothing in it can move the cursor or fill the screen."""
    out = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return out if len(out) <= most else out[: most - 1] + "\N{HORIZONTAL ELLIPSIS}"


def printable(text: str) -> str:
    """Control characters as escapes: a name must not break the line that it stands in, nor forge another."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def did_you_mean(wrong: object, known: Iterable[str], *, listed: bool = True) -> str:
    """``; did you mean 'threshold'?``; where no name is close, the names that there are, if they may be ``listed``."""
    from difflib import get_close_matches  # noqa: PLC0415  only mistakes need it

    names = list(known)
    close = get_close_matches(str(wrong).lower(), [n.lower() for n in names], n=1, cutoff=0.6)
    if close:
        return f"; did you mean '{next(n for n in names if n.lower() == close[0])}'?"
    if not names or not listed:
        return ""
    return f"; expected one of {', '.join(names[:_MOST_NAMES])}{', ...' if len(names) > _MOST_NAMES else ''}"


def jsonable(value: Any) -> Any:
    """``value`` as JSON can hold it: NaN and infinity are None, numpy's numbers and arrays are Python's, and half a
    surrogate pair, which UTF-8 cannot carry, is a question mark.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, float):
        return float(value) if isfinite(value) else None
    if isinstance(value, Mapping):
        return {jsonable(key): jsonable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [jsonable(part) for part in value]
    return jsonable(value.tolist()) if hasattr(value, "tolist") else value
