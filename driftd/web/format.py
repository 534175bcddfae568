"""Names, times and numbers for the page: short, unambiguous; what ``html_`` functions return is escaped."""

from __future__ import annotations

import math
from html import escape

from driftd.core.text import clean, duration, minute, utc


def html_name(text: str, most: int = 80) -> str:
    """A name from outside: escaped, cut if it is long, isolated so that right-to-left text stays in its place."""
    return f"\u2068{escape(clean(text, most))}\u2069"


def html_time(seconds: float) -> str:
    text = utc(seconds)
    return f'<time datetime="{text}">{text.replace("T", " ").replace("Z", " UTC")}</time>'


def html_minute(seconds: float) -> str:
    """2026-11-23 05:53 UTC, with the seconds for machines."""
    return f'<time datetime="{utc(seconds)}">{minute(seconds)} UTC</time>'


def html_since(seconds: float, now: float) -> str:
    return f'{html_minute(seconds)} <span class="small">{ago(seconds, now)}</span>'


def html_range(start: float, end: float) -> str:
    """2026-11-23 05:50 to 06:00, the day once where it is the same."""
    first, last = minute(start), minute(end)
    shown = last[11:] if first[:10] == last[:10] else last
    return f"<span class=when>{first} to {shown}</span>"


def html_latencies(seconds: list[float]) -> str:
    """All in the unit of the greatest; "-" without latencies."""
    if any(math.isnan(s) for s in seconds):
        return "-"
    unit, factor = ("ms", 1e3) if max(seconds) < 1 else ("s", 1.0)
    return f"<span class=when>{' / '.join(f'{s * factor:.3g}' for s in seconds)} {unit}</span>"


def ago(seconds: float, now: float) -> str:
    return f"{duration(now - seconds)} ago" if seconds <= now else f"in {duration(seconds - now)}"


def large(value: float) -> str:
    """Two digits and a word: 1.2 million, 4.3 billion."""
    value = float(f"{value:.2g}")
    for size, word in ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= size:
            return f"{value / size:,g} {word}"
    return "-" if math.isnan(value) else f"{value:,g}"


def number(value: float) -> str:
    if math.isnan(value):
        return "-"
    return "∞" if math.isinf(value) else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
