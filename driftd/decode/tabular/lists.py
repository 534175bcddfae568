"""Columns of lists: embeddings and class probabilities, and lists of one that stand for what is in them.

They give what the same lists give in JSON (driftd.decode.json.lists, driftd.decode.json.columns).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftd.core.event import Column, ListColumn, NumericColumn, RejectReason
from driftd.core.lists import coordinates
from driftd.decode.fields import MOST_SCORED
from driftd.decode.tabular.columns import Faults, floats, plain, supported

_LISTS: Final = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
_DIGITS: Final = 9
"""Of a place: more than any list has."""


def _is_any(kind: Any) -> bool:
    return any(check(kind) for check in _LISTS)


def is_list(kind: Any) -> bool:
    """Whether it is of lists of numbers."""
    return _is_any(kind) and (pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type))


def holds_values(kind: Any) -> bool:
    """Whether lists of one, of this type, may be values: lists in lists too."""
    while _is_any(kind):
        kind = kind.value_type
    return supported(kind)


def opened(column: Any, where: str, faults: Faults) -> Any:
    """What is in the lists of a column, unless they are lists of numbers: nothing else can be in a list but one value.
    Longer ones are faults, and missing.
    """
    while _is_any(column.type) and not is_list(column.type):
        sizes = _sizes(column)
        for i in np.flatnonzero(sizes > 1).tolist():
            faults.setdefault(i, (RejectReason.WRONG_TYPE, f"{where}: expected one value, got a list of {sizes[i]}"))
        starts = np.cumsum(sizes) - sizes
        column = plain(column.flatten().take(pa.array(starts, pa.int64(), mask=sizes != 1)))
    return column


def _sizes(column: Any) -> NDArray[np.int64]:
    """Of each list, 0 where there is none."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    return np.where(column.is_null().to_numpy(zero_copy_only=False), 0, lengths).astype(np.int64)


def _values(column: Any) -> NumericColumn:
    """Of all lists that there are, end to end; NaN where a number is missing."""
    return np.array(floats(column.flatten()).to_numpy(zero_copy_only=False), np.float64)


def of_lists(
    column: Any, where: str, faults: Faults, *, singles: bool = False
) -> tuple[NumericColumn, ListColumn | None]:
    """Norms of lists, NaN where there is none, and their coordinates. A number that is missing, or not finite, makes
    its list a fault, and missing. ``singles``: a list of one is its number, and None stands for the coordinates where
    there are no other lists.
    """
    sizes, values = _sizes(column), _values(column)
    missing = column.is_null().to_numpy(zero_copy_only=False)
    bad = ~np.isfinite(values)
    if bad.any():
        row = np.repeat(np.arange(len(sizes)), sizes)
        wrong = np.unique(row[bad])
        for i in wrong.tolist():
            faults.setdefault(
                i, (RejectReason.NOT_FINITE, f"{where}: a list with a number that is missing or not finite")
            )
        missing = missing.copy()
        missing[wrong] = True
        values = values[~missing[row]]
        sizes = np.where(missing, 0, sizes)
    single = (sizes == 1) & singles
    alone = np.repeat(single, sizes)
    norms, rows = coordinates(values[~alone], np.where(single, 0, sizes))
    norms[single] = values[alone]
    return np.where(missing, np.nan, norms), None if singles and (single | missing).all() else rows


def require_single(column: Any, where: str, faults: Faults) -> None:
    """Lists of more than one number are faults."""
    for i in np.flatnonzero(_sizes(column) != 1).tolist():
        if column[i].is_valid:
            faults.setdefault(
                i, (RejectReason.WRONG_TYPE, f"{where}: expected a string, a number or a boolean, got a list")
            )


def of_classes(
    column: Any, predictions: Column | None, where: str, faults: Faults
) -> tuple[NumericColumn, dict[str, NumericColumn]]:
    """Scores that are lists: the probability of the predicted class, else the largest, and that of each class by its
    place. A list of one is its number. A number beyond floats is a fault.
    """
    sizes, values = _sizes(column), _values(column)
    starts = np.cumsum(sizes) - sizes
    infinite = np.isinf(values)
    if infinite.any():
        for i in np.unique(np.repeat(np.arange(len(sizes)), sizes)[infinite]).tolist():
            faults.setdefault(i, (RejectReason.NOT_FINITE, f"{where}: a number beyond the range of a float"))
    out = np.full(len(sizes), np.nan)
    there = sizes > 0
    if there.any():
        out[there] = np.fmax.reduceat(values, starts[there])
    place = _places(predictions, len(sizes))
    named = np.flatnonzero((place >= 0) & (place < sizes))
    of = values[starts[named] + place[named]]
    out[named] = np.where(np.isnan(of), out[named], of)
    few = np.where((sizes > 1) & (sizes <= MOST_SCORED), sizes, 0)
    classes = {}
    for j in range(int(few.max(initial=0))):
        each = np.full(len(sizes), np.nan)
        mine = few > j
        each[mine] = values[starts[mine] + j]
        classes[str(j)] = each
    return out, {name: each for name, each in classes.items() if not np.isnan(each).all()}


def _places(predictions: Column | None, count: int) -> NDArray[np.int64]:
    """Which class each prediction names, -1 where none."""
    if predictions is None:
        return np.full(count, -1)
    if isinstance(predictions, np.ndarray):
        return np.array([*map(_place, predictions.tolist())], np.int64)
    known = {value: _place(value) for value in set(predictions)}
    return np.array([*map(known.__getitem__, predictions)], np.int64)


def _place(value: Any) -> int:
    if isinstance(value, float):
        return int(value) if 0 <= value < 1 << 53 and value.is_integer() else -1
    digits = isinstance(value, str) and len(value) <= _DIGITS and value.isdecimal()
    return int(value) if digits and str(int(value)) == value else -1
