"""Causes put into traffic: what is done to which columns, and what may be said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.incident import PIPELINE
from tests.quality.everyday.faults import distinct
from tests.quality.everyday.traffic import DAY, HOUR, Base, Columns, Floats
from tests.quality.kinds.bases import LATENCY, VERSION

Bools = NDArray[np.bool_]
GAPS, ONE_VALUE = 0.1, 0.6
NEW, BEFORE_HOURS = "8", 5.0
"""The version that comes with the fault, or so long before it."""
SLOW: Final = ("latency_p50", "latency_p99")
SILENT: Final = "silent"


@dataclass(frozen=True, slots=True)
class Fault:
    """``name`` of the row in the table; ``cause`` that is right, and a text that its detail must have; ``kinds`` that
    are right where there is no cause, none: any; ``version`` that must be named with it.
    """

    name: str
    cause: str
    channels: tuple[str, ...]
    size: Any = 0.0
    detail: str = ""
    kinds: tuple[str, ...] = ()
    version: str | None = None


def faults_of(base: Base, rng: np.random.Generator) -> Iterator[Fault]:
    """One fault of each cause that the base can have."""
    _, ref = base.between(base.judged - 14 * DAY, base.judged)
    numbers = [n for n in base.numbers if n not in {"hour", "dow"} and len(distinct(ref[n])[0]) > 10]
    steady = [n for n in numbers if n not in base.weather] or numbers
    positive = [n for n in steady if np.nanmean(ref[n] > 0) > 0.6]
    one_sided = [n for n in steady if np.nanmin(ref[n]) >= 0 and np.nanmean(ref[n] > 0) > 0.6]
    wide = [n for n in numbers if distinct(ref[n])[1][0] < 0.2]
    categories = [n for n in base.categories if len(distinct(ref[n])[0]) > 1]
    few = [n for n in categories if len(distinct(ref[n])[0]) <= 60] or categories

    def one(names: list[str]) -> tuple[str, ...]:
        return (str(rng.choice(names)),) if names else ()

    factor = float(rng.choice([1000.0, 100.0, 10.0, 0.01, 0.001, 60.0, 3600.0]))
    shift = int(rng.choice([-8, -5, -3, -1, 1, 2, 5, 7]))
    to = float(rng.uniform(0.55, 0.85)), float(rng.uniform(0.15, 0.35))
    sides = str(rng.choice(["above", "below", "both"]))
    weather = base.weather[:1]
    hot = "F to C" if base.name == "flights" else "C to F"
    text = f"x {factor:,.10g}" if factor > 1 else f"/ {1 / factor:,.10g}"
    every = [
        Fault("unit, a factor", "unit", one(positive), factor, text),
        Fault("unit, a temperature", "unit", weather, hot, hot),
        Fault("sign flipped", "sign_flipped", one(one_sided)),
        Fault("clipped", "clipped", one(wide), (sides, *to), "" if sides == "both" else sides),
        Fault("columns swapped", "swapped", _pair(ref, steady, rng), 0.0, "with"),
        Fault("missing", "missing", one(numbers + categories), float(rng.choice([0.4, 1.0]))),
        Fault("type changed", "type_changed", one(numbers), 0.0, "text"),
        Fault("frozen", "frozen", one(steady)),
        Fault("new value", "new_value", one(few), float(rng.uniform(0.06, 0.3)), "'brand-new'"),
        Fault("renamed, one value", "renamed", one(few), "one", "renamed'"),
        Fault("renamed, all values", "renamed", one(few), "all", "'"),
        Fault("hours shifted", "hours_shifted", ("hour",), shift, f"{abs(shift)} hour"),
        Fault("join broken", "join_broken", _lead(ref, steady)),
        Fault("errors", "errors", ("error",) if base.name != "flights" else (), 0.2),
        Fault("gradual", "gradual", one(steady), 0.0),
        Fault("no cause: a level", "", one(steady), ("level", float(rng.choice([0.7, 1.5, 3.0])))),
        Fault("no cause: a spread", "", one(steady), ("spread", float(rng.choice([0.4, 2.0])))),
        Fault("no cause: a mix", "", one(few), ("mix", 0.4), kinds=("mix", "level")),
        Fault("no cause: a storm", "", weather, ("storm", 2.5)),
        Fault("everything at once", PIPELINE, base.features, str(rng.choice(["null", "stuck", "other units"]))),
        Fault("a new version", "", one(steady), ("level", 3.0), version=NEW),
        Fault("no cause: a version of 5 hours before", "", one(steady), ("level", 3.0)),
        Fault("latency, all requests", "", (LATENCY,), (1.0, 4.0), kinds=SLOW),
        Fault("latency, one in ten", "", (LATENCY,), (0.1, 20.0), kinds=SLOW),
        Fault("silent", SILENT, ()),
    ]
    for fault in every:
        if fault.channels or fault.cause == SILENT:
            yield fault


def _lead(ref: Columns, numbers: list[str]) -> tuple[str, ...]:
    """The number that is closest to another one."""
    ranks = {n: np.argsort(np.argsort(np.nan_to_num(ref[n]))) for n in numbers}
    best, found = 0.25, tuple[str, ...]()
    for n in numbers:
        r = max((abs(np.corrcoef(ranks[n], ranks[m])[0, 1]) for m in numbers if m != n), default=0.0)
        if best < r < 0.97:
            best, found = r, (n,)
    return found


def _pair(ref: Columns, numbers: list[str], rng: np.random.Generator) -> tuple[str, ...]:
    """Two numbers that differ enough for an exchange to be seen."""
    numbers = [n for n in numbers if distinct(ref[n])[1][0] < 0.5]
    q = {n: np.nanquantile(ref[n], [0.1, 0.5, 0.9]) for n in numbers}
    pairs = [
        (a, b)
        for i, a in enumerate(numbers)
        for b in numbers[i + 1 :]
        if abs(q[a][1] - q[b][1]) > 0.4 * (max(q[a][2] - q[a][0], q[b][2] - q[b][0]) + 1e-9)
    ]
    return pairs[int(rng.integers(len(pairs)))] if pairs else ()


def put(base: Base, fault: Fault, times: Floats, columns: Columns, begins: float, rng: np.random.Generator) -> bool:
    """The fault, in place, from ``begins`` on. Not where the channel has gaps of its own then, nor where a cut leaves
    one value, which is frozen.
    """
    on = times >= begins
    if fault.cause == SILENT:
        return True
    if fault.cause == PIPELINE:
        return _pipeline(fault, columns, on)
    if fault.channels == (LATENCY,):
        share, factor = fault.size
        columns[LATENCY][on & (rng.random(len(times)) < share)] *= factor
        return True
    if fault.version is not None or fault.name.endswith("5 hours before"):
        columns[VERSION][times >= (begins if fault.version else begins - BEFORE_HOURS * HOUR)] = NEW
    _, ref = base.between(base.judged - 14 * DAY, base.judged)
    if fault.cause == "swapped":
        a, b = fault.channels
        columns[a][on], columns[b][on] = columns[b][on].copy(), columns[a][on].copy()
    else:
        name = fault.channels[0]
        columns[name] = _broken(fault, columns[name], on, ref[name], times, begins, rng)
    mine = [columns[name][on] for name in fault.channels if columns[name].dtype.kind == "f"]
    if any(len(x) and np.mean(np.isnan(x)) > GAPS for x in mine) and fault.cause != "missing":
        return False
    if fault.cause == "clipped" and len(distinct(mine[0])[1]) and distinct(mine[0])[1][0] > ONE_VALUE:
        return False
    if base.answers.tables:
        for name, values in base.answers.of({k: v[on] for k, v in columns.items()}).items():
            columns[name][on] = values
    return True


def _pipeline(fault: Fault, columns: Columns, on: Bools) -> bool:
    """All features are null; or each stands at its first value; or numbers are a hundred times as large and categories
    have other names.
    """
    for name in fault.channels:
        x, number = columns[name], columns[name].dtype.kind == "f"
        if fault.size == "null":
            x[on] = np.nan if number else None
        elif fault.size == "stuck":
            x[on] = x[0]
        else:
            x[on] = x[on] * 100 if number else np.array([None if v is None else f"{v}_" for v in x[on]], object)
    return True


def _broken(  # noqa: C901, PLR0912  a table of faults, one branch each
    fault: Fault,
    column: NDArray[Any],
    on: Bools,
    ref: NDArray[Any],
    times: Floats,
    begins: float,
    rng: np.random.Generator,
) -> NDArray[Any]:
    x, n, cause = column.copy(), len(column), fault.cause
    none = np.nan if x.dtype.kind == "f" else None
    if cause == "unit" and isinstance(fault.size, float):
        x[on] *= fault.size
    elif cause == "unit":
        x[on] = np.round(x[on] * 1.8 + 32 if fault.size == "C to F" else (x[on] - 32) / 1.8, 1)
    elif cause == "sign_flipped":
        x[on] = -x[on]
    elif cause == "clipped":
        sides, high, low = fault.size
        least = np.nanquantile(ref, low) if sides != "above" else -np.inf
        most = np.nanquantile(ref, high) if sides != "below" else np.inf
        x[on] = np.clip(x[on], least, most)
    elif cause == "missing":
        x[on & (rng.random(n) < fault.size)] = none
    elif cause == "type_changed":
        x = x.astype(object)
        x[on] = [None if v != v else str(v) for v in x[on]]  # noqa: PLR0124  NaN
    elif cause == "frozen":
        before = x[~on & ~np.isnan(x)]
        x[on] = before[-1] if len(before) else x[0]
    elif cause == "new_value":
        x[on & (rng.random(n) < fault.size)] = "brand-new"
    elif cause == "renamed":
        top = str(distinct(ref)[0][0])
        hit = on & np.array([v is not None and (fault.size == "all" or v == top) for v in x])
        x[hit] = [f"{v}-renamed" if fault.size == "one" else str(v).swapcase() + "_" for v in x[hit]]
    elif cause == "hours_shifted":
        x[on] = (x[on] + fault.size) % 24
    elif cause == "join_broken":
        for hour in np.unique(times[on] // HOUR):
            here = np.flatnonzero(on & (times // HOUR == hour))
            x[here] = x[rng.permutation(here)]
    elif cause == "errors":
        x[on & (rng.random(n) < fault.size)] = 1.0
    else:
        x = _world(fault, x, on, ref, times, begins, rng)
    return x


def _world(
    fault: Fault, x: NDArray[Any], on: Bools, ref: NDArray[Any], times: Floats, begins: float, rng: np.random.Generator
) -> NDArray[Any]:
    """What has no cause of the set, or is slow."""
    kind, by = ("gradual", 4.0) if fault.cause == "gradual" else fault.size
    if kind == "mix":
        values, p = distinct(ref)
        to = min(1, len(values) - 1)
        x[on & (rng.random(len(x)) < by / max(1 - p[to], 0.05))] = values[to]
        return x
    low, middle, high = np.nanquantile(ref, [0.159, 0.5, 0.841])
    deviation = min(float(np.nanstd(ref)), (high - low) / 2) or float(np.nanstd(ref))
    if kind == "spread":
        x[on] = middle + (x[on] - middle) * by
        return x
    age = np.clip((times[on] - begins) / HOUR, 0, None)
    part = np.clip(age / 36, 0, 1) if kind == "gradual" else np.clip(age / 3, 0, 1) if kind == "storm" else 1.0
    x[on] += by * deviation * part * np.ones(int(on.sum()))
    return x
