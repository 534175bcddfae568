"""Faults put into ordinary traffic: which, where, when; and the stretches that are judged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tests.quality.everyday.traffic import DAY, HOUR, JUDGED_DAYS, Base, Columns, Floats

REFERENCES: Final = ("10k", "1d", "7d", "28d")
GROSS: Final = (
    *("null100", "null100_3", "null30", "x100", "x1000", "div100", "c2f", "stuck_last", "stuck_last_3", "stuck_zero"),
    *("clipped", "newcat10", "rename", "strings", "swap", "shuffle", "score_const", "error20"),
)
MODERATE: Final = ("shift0.5", "shift0.5b", "shift1", "segment10", "mix20", "gradual3d")
SMALL: Final = ("shift0.05", "mix1")
FACTORS: Final = {"x100": 100.0, "x1000": 1000.0, "div100": 0.01}
KINDS: Final[dict[str, frozenset[str]]] = {
    "null100": frozenset({"missing"}),
    "null100_3": frozenset({"missing"}),
    "null30": frozenset({"missing"}),
    "x100": frozenset({"unit", "range"}),
    "x1000": frozenset({"unit", "range"}),
    "div100": frozenset({"unit", "range"}),
    "c2f": frozenset({"unit", "range", "level", "spread"}),
    "stuck_last": frozenset({"frozen"}),
    "stuck_last_3": frozenset({"frozen"}),
    "stuck_zero": frozenset({"frozen"}),
    "clipped": frozenset({"frozen", "range", "spread", "mix"}),
    "newcat10": frozenset({"new_value"}),
    "rename": frozenset({"renamed", "new_value"}),
    "strings": frozenset({"refused"}),
    "swap": frozenset({"unit", "range", "level", "spread", "mix", "joint", "frozen", "missing"}),
    "shuffle": frozenset({"joint"}),
    "score_const": frozenset({"frozen"}),
    "error20": frozenset({"errors"}),
}
"""What a fault may be called."""
DURATION: Final = 24.5 * HOUR
GRADUAL: Final = 3 * DAY


@dataclass(frozen=True, slots=True)
class Case:
    """A stretch of a base, ``start`` to ``end``, judged against the reference of ``length``; from ``begins`` on (NaN:
    never) the fault ``kind`` in ``channels``. ``severity``: gross, moderate, small, null.
    """

    id: str
    base: str
    length: str
    kind: str
    severity: str
    channels: tuple[str, ...]
    start: float
    begins: float
    end: float
    seed: int = 0
    segment: tuple[str, tuple[str, ...], str] | None = None


def distinct(column: NDArray[Any]) -> tuple[NDArray[Any], Floats]:
    """The values of a column and their shares, the most frequent first."""
    if column.dtype.kind == "f":
        values, n = np.unique(column[np.isfinite(column)], return_counts=True)
    else:
        values, n = np.unique(np.array([v for v in column if v is not None], object).astype(str), return_counts=True)
    order = np.argsort(-n, kind="stable")
    return values[order], n[order] / max(n.sum(), 1)


def plan(base: Base, rng: np.random.Generator) -> list[Case]:  # noqa: C901, PLR0912  a table of kinds, one branch each
    """One fault of each kind that the base can have, with its channels; times and reference are still to be set."""
    _, ref = base.between(base.judged - 5 * DAY, base.judged)
    shares = {name: distinct(ref[name]) for name in base.features}
    numbers = [n for n in base.numbers if len(shares[n][0]) > 10 and n not in {"hour", "dow"}]
    categories = [n for n in base.categories if len(shares[n][0]) > 1 and n != "dow"]
    wide = [n for n in numbers if shares[n][1][0] < 0.5] or numbers
    positive = [n for n in numbers if np.mean(ref[n] > 0) > 0.6]
    frequent = [n for n in categories if shares[n][1][0] > 0.08] or categories

    def one(names: list[str]) -> tuple[str, ...]:
        return (str(rng.choice(names)),) if names else ()

    out = []
    for name in (*GROSS, *MODERATE, *SMALL):
        kind = name.removesuffix("b")
        severity = "gross" if name in GROSS else "moderate" if name in MODERATE else "small"
        segment = None
        if kind in {"null100", "null30"}:
            channels = one(numbers + categories)
        elif kind.endswith("_3"):
            every = wide + categories
            channels = tuple(map(str, rng.choice(every, min(3, len(every)), replace=False)))
        elif kind in FACTORS:
            channels = one(positive)
        elif kind == "c2f":
            channels = base.weather
        elif kind in {"newcat10", "rename", "mix20", "mix1"}:
            channels = one(frequent)
        elif kind == "swap":
            channels = _pair(ref, numbers, rng)
        elif kind == "shuffle":  # the number that the answers lean on most
            lead = ref[base.score]
            channels = (max(numbers, key=lambda n: abs(np.corrcoef(_ranks(ref[n]), lead)[0, 1])),)
        elif kind == "score_const":
            channels = (base.score,)
        elif kind == "error20":
            channels = ("error",)
        elif kind == "segment10":
            channels = one(positive or numbers)
            by = str(rng.choice(categories))
            values, p = shares[by]
            rare = values[::-1][np.cumsum(p[::-1]) <= 0.13]
            segment = (by, tuple(map(str, rare if len(rare) else values[-1:])), str(rng.choice(["null", "x100"])))
        else:
            channels = one(wide)
        if channels:
            nan = float("nan")
            out.append(Case("", base.name, "", kind, severity, channels, nan, nan, nan, 0, segment))
    return out


def _ranks(column: NDArray[Any]) -> Floats:
    return np.argsort(np.argsort(np.nan_to_num(column))).astype(np.float64)


def _pair(ref: Columns, numbers: list[str], rng: np.random.Generator) -> tuple[str, ...]:
    """Two numbers that differ enough for an exchange to matter."""
    q = {n: np.nanquantile(ref[n], [0.1, 0.5, 0.9]) for n in numbers}
    pairs = [
        (a, b)
        for i, a in enumerate(numbers)
        for b in numbers[i + 1 :]
        if abs(q[a][1] - q[b][1]) > 0.4 * (max(q[a][2] - q[a][0], q[b][2] - q[b][0]) + 1e-9)
    ]
    return pairs[int(rng.integers(len(pairs)))] if pairs else ()


def cases_of(base: Base, rng: np.random.Generator, per_fault: int = 2) -> list[Case]:
    """A null of JUDGED_DAYS for each length of reference, and each fault at ``per_fault`` lengths, in turn."""
    nan, end = float("nan"), base.judged + JUDGED_DAYS * DAY
    out = [Case(f"{base.name}-null-{r}", base.name, r, "null", "null", (), base.judged, nan, end) for r in REFERENCES]
    first = int(rng.integers(4))
    for i, fault in enumerate(plan(base, rng)):
        start = base.judged + float(rng.integers(0, 8)) * DAY
        begins = start + float(rng.uniform(2, 26)) * HOUR
        stop = begins + (GRADUAL + 12 * HOUR if fault.kind == "gradual3d" else DURATION)
        for j in range(per_fault):
            length = REFERENCES[(first + i + j * max(1, 4 // per_fault) + i // 4) % 4]
            name = f"{base.name}-{i:02d}-{fault.kind}-{length}"
            out.append(replace(fault, id=name, length=length, start=start, begins=begins, end=stop, seed=1000 + i))
    return out


def stretch(base: Base, case: Case) -> tuple[Floats, Columns]:
    """The events of a case, with its fault; the answers follow their broken inputs."""
    times, columns = base.between(case.start, case.end)
    if case.kind == "null":
        return times, columns
    rng = np.random.default_rng(case.seed)
    on = times >= case.begins
    _, ref = base.between(base.judged - 5 * DAY, base.judged)
    if case.kind == "swap":
        a, b = case.channels
        columns[a][on], columns[b][on] = columns[b][on].copy(), columns[a][on].copy()
    for name in case.channels if case.kind != "swap" else ():
        columns[name] = _broken(case, columns[name], on, ref[name], times, columns, rng)
    if any(name in base.features for name in case.channels):
        answers = base.answers.of({k: v[on] for k, v in columns.items()})
        for name, values in answers.items():
            columns[name][on] = values
    elif case.kind == "score_const" and not base.answers.regression:
        columns["prediction"][on] = float(columns["score"][on][0] > base.answers.cut) if on.any() else 0.0
    return times, columns


def _nothing(value: object) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))


def _broken(  # noqa: C901, PLR0912  a table of faults, one branch each
    case: Case,
    column: NDArray[Any],
    on: NDArray[np.bool_],
    ref: NDArray[Any],
    times: Floats,
    columns: Columns,
    rng: np.random.Generator,
) -> NDArray[Any]:
    """The column with its fault where ``on``."""
    kind, x, n = case.kind, column.copy(), len(column)
    none = np.nan if x.dtype.kind == "f" else None
    if kind.startswith("null"):
        x[on & (rng.random(n) < (0.3 if kind == "null30" else 1.0))] = none
    elif kind in FACTORS:
        x[on] *= FACTORS[kind]
    elif kind == "c2f":
        x[on] = np.round(x[on] * 1.8 + 32, 1)
    elif kind.startswith("stuck_last"):
        before = [v for v in x[~on] if not _nothing(v)]
        x[on] = before[-1] if before else x[0]
    elif kind == "stuck_zero":
        x[on] = 0.0
    elif kind == "clipped":
        x[on] = np.clip(x[on], *np.nanquantile(ref, [0.1, 0.6]))
    elif kind == "newcat10":
        x[on & (rng.random(n) < 0.1)] = "brand-new"
    elif kind == "rename":
        values, p = distinct(ref)
        top = set(values[: int((np.cumsum(p) < 0.15).sum()) + 1])
        hit = on & np.array([v in top for v in x])
        x[hit] = [f"{v}-renamed" for v in x[hit]]
    elif kind == "strings":
        x = x.astype(object)
        x[on] = [None if _nothing(v) else str(v) for v in x[on]]
    elif kind == "shuffle":  # events of one hour exchange their values: the rhythm stays
        for hour in np.unique(times[on] // HOUR):
            here = np.flatnonzero(on & (times // HOUR == hour))
            x[here] = x[rng.permutation(here)]
    elif kind == "score_const":
        x[on] = float(np.nanmedian(ref))
    elif kind == "error20":
        x[on & (rng.random(n) < 0.19)] = 1.0
    elif kind.startswith("shift") or kind == "gradual3d":
        low, high = np.nanquantile(ref, [0.159, 0.841])
        deviation = min(float(np.nanstd(ref)), (high - low) / 2)
        part = np.clip((times[on] - case.begins) / GRADUAL, 0, 1) if kind == "gradual3d" else float(kind[5:])
        by = deviation * part * np.ones(int(on.sum()))
        whole = bool(np.all(ref[np.isfinite(ref)] % 1 == 0))  # whole numbers stay whole
        x[on] += np.floor(by + rng.random(by.size)) if whole else by
    elif kind == "segment10":
        assert case.segment is not None
        by_name, values_, how = case.segment
        hit = on & np.isin(columns[by_name].astype(str), values_)
        x[hit] = none if how == "null" else x[hit] * 100
    else:  # mix20, mix1
        values, p = distinct(ref)
        to = min(1, len(values) - 1)
        add = (0.2 if kind == "mix20" else 0.01) / max(1 - p[to], 0.05)
        x[on & (rng.random(n) < add)] = values[to]
    return x
