"""The drifts of the redrawn streams: what each does to rows, and how many nats an event it is worth.

``draw`` gives a Change of a kind with everything about it drawn at random; ``Change.apply`` does it to rows, more or
less strongly; ``kl_of`` measures the divergence of the rows after from the rows before, in the distribution that the
change touches (one column's, or two columns' together).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any]
Frame = dict[str, Column]
Types = Mapping[str, str]
Apply = Callable[[Frame, NDArray[np.float64], np.random.Generator], Frame]
_CELLS: Final = 20


@dataclass(frozen=True)
class Change:
    """``apply(rows, active, rng)``: active float64[n] in 0..1 says how far the change has come at each row.
    ``seen_in``: the columns whose (joint) distribution shows it.
    """

    what: str
    affected: tuple[str, ...]
    apply: Apply
    seen_in: tuple[str, ...]
    expected: tuple[str, ...] = ()
    must_not: tuple[str, ...] = ()
    width: int = 0


def draw(kind: str, types: Types, rows: Frame, rng: np.random.Generator) -> Change | None:
    """None where this base has nothing of the kind, or the draw was unlucky."""
    numbers = [c for c, t in types.items() if t == "numeric" and c not in {"proba", "prediction", "label", "error"}]
    names = [c for c, t in types.items() if t == "categorical"]
    if kind == "concept":
        return concept(types, rows, names, rng)
    if kind == "label_shift":
        return label_shift(types, rows, rng)
    if kind in {"merge", "swap", "new_category", "rare_grows"}:
        return categories(kind, str(rng.choice(names)), rows, rng)
    column = str(rng.choice(numbers))
    return NUMBERS[kind](column, rows[column], types, rng)


def _one(column: str, types: Types, what: str, change: Callable[..., Column], width: int = 0) -> Change:
    """A change of one column by ``change(values, active, rng)``; nothing else moves."""

    def apply(frame: Frame, active: NDArray[np.float64], rng: np.random.Generator) -> Frame:
        return {**frame, column: change(frame[column], active, rng)}

    others = tuple(c for c in types if c != column)
    return Change(f"{column}: {what}", (column,), apply, (column,), must_not=others, width=width)


def abrupt(column: str, x: Column, types: Types, rng: np.random.Generator) -> Change:
    by = float(rng.choice([0.15, 0.2, 0.25, 0.3, 0.5, 1.0]) * rng.choice([-1, 1]))
    step = by * float(np.nanstd(x))
    return _one(column, types, f"{by:+.2f} sd", lambda v, a, _: v + step * a)


def scale(column: str, x: Column, types: Types, rng: np.random.Generator) -> Change:
    by, middle = float(rng.choice([0.5, 0.7, 1.3, 1.6, 2.0])), float(np.nanmedian(x))
    return _one(column, types, f"spread x{by}", lambda v, a, _: middle + (v - middle) * (1 + (by - 1) * a))


def unit_change(column: str, _: Column, types: Types, rng: np.random.Generator) -> Change:
    by = float(rng.choice([0.3048, 1.609, 0.621, 1000.0, 0.01]))
    offset = 32.0 if rng.random() < 0.2 else 0.0
    return _one(column, types, f"x{by} + {offset}", lambda v, a, _: np.where(a > 0, v * by + offset, v))


def missing(column: str, _: Column, types: Types, rng: np.random.Generator) -> Change:
    share = float(rng.uniform(0.03, 0.10))

    def gone(v: Column, a: Column, r: np.random.Generator) -> Column:
        return np.where((a > 0) & (r.random(len(v)) < share), np.nan, v)

    return _one(column, types, f"nulls +{100 * share:.0f} points", gone)


def stuck(column: str, x: Column, types: Types, rng: np.random.Generator) -> Change:
    value = float(rng.choice(x[~np.isnan(x)]))
    return _one(column, types, f"constant {value:.4g}", lambda v, a, _: np.where(a > 0, value, v))


def incremental(column: str, x: Column, types: Types, rng: np.random.Generator) -> Change:
    by, width = float(rng.choice([0.4, 0.6, 1.0]) * rng.choice([-1, 1])), int(rng.choice([2000, 3000, 4000]))
    step = by * float(np.nanstd(x))
    return _one(column, types, f"0 to {by:+.1f} sd over {width}", lambda v, a, _: v + step * a, width)


def correlation(column: str, x: Column, types: Types, rng: np.random.Generator) -> Change | None:
    """A column's values are shuffled among the rows: each column looks as before, they no longer belong together."""
    del x
    partner = str(rng.choice([c for c, t in types.items() if t == "numeric" and c != column]))

    def apply(frame: Frame, active: NDArray[np.float64], rng: np.random.Generator) -> Frame:
        on = np.flatnonzero(active > 0)
        v = frame[column].copy()
        v[on] = v[rng.permutation(on)]
        return {**frame, column: v}

    others = tuple(c for c in types if c != column)
    return Change(f"{column}: shuffled", (column,), apply, (column, partner), expected=others)


NUMBERS: Final[dict[str, Callable[[str, Column, Types, np.random.Generator], Change | None]]] = {
    "abrupt": abrupt,
    "scale": scale,
    "unit_change": unit_change,
    "missing": missing,
    "stuck": stuck,
    "incremental": incremental,
    "correlation": correlation,
}


def categories(kind: str, column: str, rows: Frame, rng: np.random.Generator) -> Change | None:
    found, many = np.unique(rows[column].astype(str), return_counts=True)
    share = dict(zip(found.tolist(), (many / many.sum()).tolist(), strict=True))
    common = [c for c in share if share[c] >= 0.02]
    if len(common) < 2:
        return None
    a, b = (str(c) for c in rng.choice(common, 2, replace=False))
    part = float(rng.choice([0.3, 0.6, 1.0]))
    if kind == "merge":
        return _category(column, rows, f"{b} becomes {a}", {b: a}, 1.0)
    if kind == "swap":
        return _category(column, rows, f"{a} ({share[a]:.3f}) and {b} ({share[b]:.3f}) swap", {a: b, b: a}, 1.0)
    if kind == "new_category":
        return _category(column, rows, f"{100 * part:.0f} % of {a} are new", {a: "new!"}, part)
    rare = [c for c in share if 0.0005 < share[c] < 0.02]
    if not rare:
        return None
    grown, gain = str(rng.choice(rare)), float(rng.uniform(0.02, 0.06))
    return _category(column, rows, f"{grown} +{100 * gain:.1f} points", dict.fromkeys(share, grown), gain)


def _category(column: str, rows: Frame, what: str, becomes: Mapping[str, str], part: float) -> Change:
    def apply(frame: Frame, active: NDArray[np.float64], rng: np.random.Generator) -> Frame:
        on = (active > 0) & (rng.random(len(active)) < part)
        old = frame[column]
        new = np.array([becomes.get(v, v) for v in old.tolist()], object)
        return {**frame, column: np.where(on, new, old)}

    return Change(f"{column}: {what}", (column,), apply, (column,), must_not=tuple(c for c in rows if c != column))


def concept(types: Types, rows: Frame, names: list[str], rng: np.random.Generator) -> Change | None:
    """Labels change within one category; so does the error, there alone."""
    group = str(rng.choice(names))
    found, many = np.unique(rows[group].astype(str), return_counts=True)
    value = str(rng.choice(found[many >= 0.05 * many.sum()]))
    part = float(rng.uniform(0.3, 0.9))

    def apply(frame: Frame, active: NDArray[np.float64], rng: np.random.Generator) -> Frame:
        on = (active > 0) & (frame[group].astype(str) == value)
        if types["error"] == "binary":
            on &= rng.random(len(active)) < part
            label = np.where(on, 1 - frame["label"], frame["label"])
            return {**frame, "label": label, "error": (frame["prediction"] != label).astype(float)}
        label = np.where(on, frame["label"] * (1 + part), frame["label"])
        return {**frame, "label": label, "error": np.abs(frame["prediction"] - label)}

    inputs = tuple(c for c in types if c not in {"label", "error"})
    what = f"labels {'flipped' if types['error'] == 'binary' else 'raised'} {100 * part:.0f} % where {group} is {value}"
    return Change(what, ("error",), apply, ("error", group), expected=("label",), must_not=inputs)


def label_shift(types: Types, rows: Frame, rng: np.random.Generator) -> Change:
    """Rows with a high label come more often (the same row, again); all else follows from that."""
    by = float(rng.choice([1.4, 1.7, 2.5]))
    high = float(np.quantile(rows["label"], 0.75)) if types["label"] != "binary" else 0.5

    def apply(frame: Frame, active: NDArray[np.float64], rng: np.random.Generator) -> Frame:
        on = np.flatnonzero(active > 0)
        weight = np.where(frame["label"][on] > high, by, 1.0)
        from_ = np.arange(len(active))
        from_[on] = rng.choice(on, len(on), p=weight / weight.sum())
        return {c: v[from_] for c, v in frame.items()}

    rest = tuple(c for c in types if c != "label")
    return Change(f"high labels {by} times as often", ("label",), apply, ("label",), expected=rest)


def kl_of(change: Change, before: Frame, after: Frame) -> float:
    """KL(after, before) in nats an event, on cells of the columns that show the change."""
    cells_before, cells_after = np.zeros(len(next(iter(before.values()))), int), np.zeros(0, int)
    cells_after = np.zeros_like(cells_before)
    many = _CELLS if len(change.seen_in) == 1 else 6
    for c in change.seen_in:
        p, q, size = _cells(before[c], after[c], many)
        cells_before, cells_after = cells_before * size + p, cells_after * size + q
    size = int(max(cells_before.max(), cells_after.max())) + 1
    old, new = (np.bincount(v, minlength=size) + 0.5 for v in (cells_before, cells_after))
    old, new = old / old.sum(), new / new.sum()
    return float(np.sum(new * np.log(new / old)))


def _cells(before: Column, after: Column, many: int) -> tuple[NDArray[np.intp], NDArray[np.intp], int]:
    if before.dtype == object:
        names, codes = np.unique(np.concatenate([before, after]).astype(str), return_inverse=True)
        return codes[: len(before)], codes[len(before) :], len(names)
    known = before[~np.isnan(before)]
    edges = np.unique(np.concatenate([[known.min() - 1e-9], np.quantile(known, np.linspace(0, 1, many + 1))[1:]]))
    placed = [np.where(np.isnan(v), len(edges) + 1, np.searchsorted(edges, v)).astype(np.intp) for v in (before, after)]
    return placed[0], placed[1], len(edges) + 2
