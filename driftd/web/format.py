"""Names, times and numbers as HTML: short, unambiguous, escaped."""

from __future__ import annotations

import math
from html import escape

from driftd.sinks.log import utc


def name(text: str, most: int = 80) -> str:
    """A name from outside: escaped, cut if it is long, isolated so that right-to-left text stays in its place."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return f"\u2068{escape(''.join(c if c.isprintable() else '�' for c in cut))}\u2069"


def time(seconds: float) -> str:
    text = utc(seconds)
    return f'<time datetime="{text}">{text.replace("T", " ").replace("Z", " UTC")}</time>'


def since(seconds: float, now: float) -> str:
    return f'{minute(seconds)} <span class="small">{ago(seconds, now)}</span>'


def minute(seconds: float) -> str:
    """2026-11-23 05:53 UTC, with the whole of it for machines."""
    text = utc(seconds)
    return f'<time datetime="{text}">{text[:16].replace("T", " ")} UTC</time>'


def ago(seconds: float, now: float) -> str:
    return f"{span(now - seconds)} ago" if seconds <= now else f"in {span(seconds - now)}"


def span(seconds: float) -> str:
    """Two units at most: 27 min, 2 h 10 min, 3 d 4 h."""
    if not math.isfinite(seconds):
        return "-"
    for unit, size, small, part in (("y", 31_557_600, "d", 86_400), ("d", 86_400, "h", 3600), ("h", 3600, "min", 60)):
        if seconds >= size:
            rest = int(seconds % size // part)
            return f"{int(seconds // size)} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{int(seconds // 60)} min" if seconds >= 120 else f"{seconds:.0f} s"


def stretch(start: float, end: float) -> str:
    """2026-11-23 05:50 to 06:00, the day once where it is the same."""
    first, last = utc(start)[:16].replace("T", " "), utc(end)[:16].replace("T", " ")
    shown = last[11:] if first[:10] == last[:10] else last
    return f"<span class=when>{first} to {shown}</span>"


def latencies(seconds: list[float]) -> str:
    """All in the unit of the greatest; "-" without latencies."""
    if any(math.isnan(s) for s in seconds):
        return "-"
    unit, factor = ("ms", 1e3) if max(seconds) < 1 else ("s", 1.0)
    return f"<span class=when>{' / '.join(f'{s * factor:.3g}' for s in seconds)} {unit}</span>"


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
