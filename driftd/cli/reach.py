"""One table a model for `driftd check`: what each channel can see, within how long, what it cannot see and why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, exp
from typing import Any, Final

from driftd.cli import output
from driftd.core.text import duration, plural

_HEAD: Final = ("channel", "change", "seen from this size on, and within how long")
_ROWS: Final = ("faults", "level", "mix", "proved", "cannot see")
_NAMES_WIDTH: Final = 24
_MINUTES: Final = (10, 15, 30, 60, 120, 180, 240, 360, 480, 720, 960, 1440, 2160, 2880, 4320, 5760, 7200, 8640, 10080)
"""Times that are shown: the next longer one."""
_NAMES: Final = {
    "missing": "missing", "refused": "wrong type", "frozen": "frozen", "errors": "errors", "hot": "one new value",
    "unit": "all values", "far": "far out", "low": "lowest tenth", "high": "highest tenth",
    "level": "shift", "spread": "spread", "within": "spread within minutes", "mix": "", "new": "new values",
}  # fmt: skip
_ENDS: Final = frozenset({"low", "high"})
_FACTORS: Final = frozenset({"unit", "spread", "within"})
_FEW_POINTS: Final = 10
"""Points up to which sizes are shown in whole points, above in fives; factors up to which they have a decimal."""


def print_reach(model: Mapping[str, Any]) -> None:
    """Channels with equal rows share them; what a channel has nothing of has no row."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for c in model["channels"]:
        alike.setdefault(_cells(c), []).append(c["channel"])
    rows = []
    for cells, names in alike.items():
        said = [(what, cell) for what, cell in zip(_ROWS, cells, strict=True) if cell] or [
            ("-", "nothing is looked for")
        ]
        rows += [(", ".join(names) if i == 0 else "", *one) for i, one in enumerate(said)]
    output.print_table(_HEAD, rows, indent=2, most=(_NAMES_WIDTH,))
    for line in _below(model):
        output.print_line(f"  {line}")


def _cells(c: Mapping[str, Any]) -> tuple[str, ...]:
    return (
        _said(c, "fault", every=False),
        _said(c, "level", every=True),
        _said(c, "mix", every=True),
        "; ".join(_proved(c)),
        "; ".join(_blind(c)),
    )


def _said(c: Mapping[str, Any], of: str, *, every: bool) -> str:
    """Of faults the soonest page, or else ticket; of shapes the smallest page and the smallest ticket (``every``)."""
    groups: dict[tuple[str, str], list[str]] = {}
    changes = dict.fromkeys(s["change"] for s in c["sees"] if s["class"] == of)
    for change in ["errors"] if "errors" in changes else changes:
        mine = [s for s in c["sees"] if s["change"] == change]
        pages, tickets = ([s for s in mine if s["severity"] == level] for level in ("page", "ticket"))
        chosen = [*pages[-1:], *tickets[-1:]] if every and change not in _ENDS else (pages or tickets)[:1]
        for s in chosen:
            groups.setdefault((s["severity"], _time(s["within_seconds"])), []).append(_size(s, c["type"]))
    ordered = groups.items() if every else sorted(groups.items(), key=lambda group: group[0][0])
    return "; ".join(f"{', '.join(sizes)}: {level} in {time}" for (level, time), sizes in ordered)


def _time(seconds: float) -> str:
    """The next longer of _MINUTES."""
    return duration(60.0 * next((m for m in _MINUTES if 60 * m >= seconds), ceil(seconds / 60)))


def _size(s: Mapping[str, Any], kind: str) -> str:
    change, least = s["change"], s["least"]
    name = "out of range" if change == "new" and kind == "numeric" else _NAMES[change]
    if change in _FACTORS:
        return f"{name} {'/' if s['direction'] == 'down' else 'x'}{_factor(exp(least))}"
    if change == "level":
        way = "" if s["direction"] == "either" else f" {s['direction']}"
        return f"{name}{way} {_sd(least)} sd"
    return f"{name} +{_points(least)}".strip()


def _factor(by: float) -> str:
    return f"{ceil(by):,}" if by > _FEW_POINTS else f"{ceil(10 * by - 1e-6) / 10:g}"


def _sd(size: float) -> str:
    return f"{ceil(20 * size - 1e-6) / 20:.2f}".rstrip("0").rstrip(".")


def _points(share: float) -> int:
    points = 100 * share
    return min(ceil(points - 1e-6) if points <= _FEW_POINTS else 5 * ceil(points / 5 - 1e-6), 100)


def _proved(c: Mapping[str, Any]) -> Iterator[str]:
    """The judge's exact evidence, on channels whose events are independent: the smallest change of each kind."""
    last = {(f["change"], f["value"]): f for f in c["finds"]}
    for (change, value), f in last.items():
        time = duration(f["within_seconds"])
        if change == "shift":
            yield f"shift {_sd(f['least'])} sd in {time}"
        else:
            yield f"{value} +{100 * f['least']:.2g} points in {time}"


def _blind(c: Mapping[str, Any]) -> Iterator[str]:
    reasons: dict[str, list[str]] = {}
    for u in c["cannot_see"]:
        name = "out of range" if u["change"] == "new" and c["type"] == "numeric" else u["change"]
        name = {"far": "far out", "new": "new values", "unit": "all values by a factor"}.get(name, name)
        way = "" if u["direction"] == "either" else f" {u['direction']}"
        reasons.setdefault(u["why"], []).append(f"{name}{way}")
    for why, names in reasons.items():
        yield f"{', '.join(names)}: {why}"


def _below(model: Mapping[str, Any]) -> Iterator[str]:
    """What the columns mean, relations, and what the reference has not seen."""
    a_day = model["window"]["events_per_second"] * 86400
    yield (
        f"Smallest sizes that are found 9 times in 10, in points of percent or standard deviations (sd), at the "
        f"reference's {a_day:,.0f} events a day."
    )
    related = [s for c in model["channels"] for s in c["sees"] if s["class"] == "relation"]
    for level in ("page", "ticket"):
        mine = [s for s in related if s["severity"] == level]
        if mine:
            n = len({c["channel"] for c in model["channels"] if any(s in c["sees"] for s in mine)})
            most = max(s["within_seconds"] for s in mine)
            least, largest = (100 * f(s["least"] for s in mine) for f in (min, max))
            yield (
                f"Relations to siblings ({n} {plural('channel', n)}): a loss of {least:.0f} to {largest:.0f}% of the "
                f"correlations: {level} in {_time(most)}."
            )
    if model["unseen"]:
        yield unseen(model["unseen"])


def unseen(times: Sequence[str]) -> str:
    """What the reference does not hold, in words."""
    return f"The reference has not seen {_either(times)}: what such a time changes can make a page or a ticket."


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
