"""One table a model for `driftd check`: what each channel can see, within how long, what it cannot see and why. A row a
channel, and with --all a row each kind of change with all sizes. What columns and letters mean comes once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import ceil, exp, inf
from typing import Any, Final

from driftd.cli import output
from driftd.core.text import clean, duration, plural

_SHORT_HEAD: Final = ("channel", "faults", "level: page / ticket", "mix: page / ticket", "cannot see")
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
_LEVELS: Final = ("page", "ticket")
_SHOWN: Final = 5
"""Models that are named together."""
_ENDS: Final = frozenset({"low", "high"})
_FACTORS: Final = frozenset({"unit", "spread", "within"})
_FEW_POINTS: Final = 10
"""Points up to which sizes are shown in whole points, above in fives; factors up to which they have a decimal."""


def print_reach(model: Mapping[str, Any], reasons: dict[str, str], *, everything: bool = False) -> None:
    """A row a channel; ``everything``: rows of each kind of change. ``reasons``: the letters of what channels cannot
    see, as far as they have been used.
    """
    if everything:
        _print_details(model)
    else:
        _print_rows(model, reasons)
    for line in _relations(model):
        output.print_line(f"  {line}")


def _print_rows(model: Mapping[str, Any], reasons: dict[str, str]) -> None:
    rows = []
    for c in model["channels"]:
        blind = [f"{', '.join(names)} ({_letter(reasons, _briefly(why))})" for why, names in _reasons(c).items()]
        rows.append((c["channel"], _faults(c), _shape(c, "level"), _shape(c, "mix"), ", ".join(blind) or "-"))
    output.print_table(_SHORT_HEAD, rows, indent=2, whole=True)


def print_legend(models: Sequence[Mapping[str, Any]], reasons: Mapping[str, str], *, everything: bool = False) -> None:
    """What the tables of these ``models`` mean, and what their references have not seen."""
    if not models:
        return
    output.print_line()
    output.print_line(
        "Sizes are the smallest that are found 9 times in 10, in points of percent or standard deviations (sd), at the "
        "rate of the reference."
    )
    if not everything:
        output.print_line(
            "Faults: within how long they page, the first and the last of them. Level: the least shift in standard "
            "deviations. Mix: the least part of the values, in points of percent. 'driftd check --all' has every size."
        )
    for why, letter in reasons.items():
        output.print_line(f"({letter}) {why}")
    alike: dict[tuple[str, ...], list[str]] = {}
    for model in models:
        alike.setdefault(tuple(model["unseen"]), []).append(model["model"])
    for times, names in alike.items():
        if times:
            output.print_line(unseen(times, names if len(models) > 1 else ()))


def _briefly(why: str) -> str:
    """Without numbers that are the channel's own: ``no room to rise``, ``too few values``."""
    what, _, more = why.partition(": ")
    return more if what.startswith("usually") else what


def _letter(reasons: dict[str, str], why: str) -> str:
    return reasons.setdefault(why, chr(ord("a") + len(reasons) % 26))


def _faults(c: Mapping[str, Any]) -> str:
    """``10m-4h``: within how long faults page; ``ticket`` where none does."""
    soonest: dict[str, dict[str, float]] = {"page": {}, "ticket": {}}
    for s in c["sees"]:
        if s["class"] == "fault":
            known = soonest[s["severity"]]
            known[s["change"]] = min(s["within_seconds"], known.get(s["change"], inf))
    level = "page" if soonest["page"] else "ticket"
    times = soonest[level].values()
    if not times:
        return "-"
    first, last = _soon(min(times)), _soon(max(times))
    return ("" if level == "page" else "ticket ") + (first if first == last else f"{first}-{last}")


def _shape(c: Mapping[str, Any], change: str) -> str:
    """``1.2 (1d) / 0.25 (1.5d)``: the smallest that pages, and that makes a ticket; the judge's are tickets."""
    sees = [s for s in c["sees"] if s["change"] == change]
    found = {level: [(s["least"], s["within_seconds"]) for s in sees if s["severity"] == level] for level in _LEVELS}
    kind = "shift" if change == "level" else "share"
    exact = [f for f in c["finds"] if f["change"] == kind and f["value"] != "missing"]
    found["ticket"] += [(f["least"], f["within_seconds"]) for f in exact]
    said = []
    for level in _LEVELS:
        if found[level]:
            least, seconds = min(found[level])
            said.append(f"{_sd(least) if change == 'level' else f'+{_points(least)}'} ({_soon(seconds)})")
        else:
            said.append("-")
    return "-" if said == ["-", "-"] else " / ".join(said)


def _soon(seconds: float) -> str:
    """``10m``, ``4h``, ``1.5d``."""
    minutes = next((m for m in _MINUTES if 60 * m >= seconds), ceil(seconds / 60))
    for unit, size in (("d", 1440), ("h", 60)):
        if minutes >= size:
            return f"{minutes / size:.3g}{unit}"
    return f"{minutes}m"


def _print_details(model: Mapping[str, Any]) -> None:
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
    for why, names in _reasons(c).items():
        yield f"{', '.join(names)}: {why}"


def _reasons(c: Mapping[str, Any]) -> dict[str, list[str]]:
    """The changes that a channel cannot see, by why."""
    reasons: dict[str, list[str]] = {}
    for u in c["cannot_see"]:
        name = "out of range" if u["change"] == "new" and c["type"] == "numeric" else u["change"]
        name = {"far": "far out", "new": "new values", "unit": "all values by a factor"}.get(name, name)
        way = "" if u["direction"] == "either" else f" {u['direction']}"
        reasons.setdefault(u["why"], []).append(f"{name}{way}")
    return reasons


def _relations(model: Mapping[str, Any]) -> Iterator[str]:
    """From which loss of them on, and within how long."""
    related = [s for c in model["channels"] for s in c["sees"] if s["class"] == "relation"]
    said = []
    for level in _LEVELS:
        mine = [s for s in related if s["severity"] == level]
        if mine:
            n = len({c["channel"] for c in model["channels"] if any(s in c["sees"] for s in mine)})
            most = max(s["within_seconds"] for s in mine)
            least, largest = (f"{100 * min(f(s['least'] for s in mine), 1.0):.0f}" for f in (min, max))
            sizes = least if least == largest else f"{least} to {largest}"
            said.append(f"{level} from a loss of {sizes}% in {_time(most)} ({n} {plural('channel', n)})")
    if said:
        yield f"Relations to siblings: {'; '.join(said)}."


def unseen(times: Sequence[str], models: Sequence[str] = ()) -> str:
    """What the reference, or those of ``models``, do not hold, in words."""
    who = "The reference has"
    if models:
        shown = ", ".join(clean(name, 60) for name in models[:_SHOWN])
        more = f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
        who = f"The references of {shown}{more} have" if len(models) > 1 else f"The reference of {shown} has"
    said = f"{who} not seen {_either(times)}: what such a time changes can make a page or a ticket"
    return f"{said}, a weekend's levels and mixes a ticket." if "a weekend" in times else f"{said}."


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
