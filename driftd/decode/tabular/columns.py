"""Columns of a flat file as the values that events have: numbers, categories, or whichever each value is."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from driftd.core.event import Column, Kind, NumericColumn, RejectReason, Scalar
from driftd.core.values import TRUTHS, category
from driftd.decode.fields import Holds
from driftd.decode.limits import LATEST_TIME

Texts = dict[str, bool]
"""For the text columns of a CSV file whether they hold numbers."""
Faults = dict[int, tuple[RejectReason, str]]
"""Row to what is wrong with it; the first fault of a row counts."""

_NUMBER: Final = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_CODE: Final = re.compile(r"[+-]?0[0-9]")
"""01234 is a postcode, not a number."""
_ABSENT: Final = ("", "na", "n/a", "#n/a", "nan", "null", "none")
_ABSENT_TEXTS: Final = ("", "null", "NULL")
"""Of a column that holds no numbers."""
_SNIFFED_ROWS: Final = 10_000
_NUMBER_SHARE: Final = 0.95
_EPOCH_UNITS: Final = ((1e11, 1.0), (1e14, 1e3), (1e17, 1e6), (np.inf, 1e9))
"""A time below the first number is in seconds, then milli-, micro- and nanoseconds: all mean 1973 to 5138."""


_NUMERIC: Final = (pa.types.is_floating, pa.types.is_integer, pa.types.is_decimal, pa.types.is_null)
_TEMPORAL: Final = (
    (pa.types.is_timestamp, pa.timestamp("us")),
    (pa.types.is_date, pa.timestamp("us")),
    (pa.types.is_duration, pa.duration("us")),
    (pa.types.is_time, pa.time64("us")),
)
"""Types of dates and times, and the type in microseconds that holds them."""

MARK: Final = "\U0010ffff"
"""Stands for bytes that are not UTF-8; no text may hold this code point."""
MARKING: Final = "driftd.mark"
codecs.register_error(MARKING, lambda e: (MARK, cast(UnicodeDecodeError, e).end))


def sniff(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Texts:
    """Which columns of a CSV file hold numbers: at least 95 % of the values that are there, in the first rows."""
    numbers, present, codes = ([0] * len(columns) for _ in range(3))
    is_number = re.compile(_NUMBER).fullmatch
    for row in islice(rows, _SNIFFED_ROWS):
        for i, value in enumerate(row[: len(columns)]):
            if value.strip().lower() not in _ABSENT:
                present[i] += 1
                numbers[i] += is_number(value.strip()) is not None
                codes[i] += _CODE.match(value.strip()) is not None
    return {
        name: numbers[i] >= _NUMBER_SHARE * present[i] > 0 and codes[i] == 0 for i, name in enumerate(columns) if name
    }


def floats(column: Any) -> Any:
    """As float64: of whole numbers beyond 2**53 the nearest, which pyarrow refuses by default."""
    return column.cast(pa.float64(), safe=False)


def plain(column: Any) -> Any:
    """A pyarrow.Array of text, float64, booleans or lists, whatever it was; dates and times are epoch seconds."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.dictionary_decode()
        kind = column.type
    if pa.types.is_large_string(kind) or kind == pa.string_view():
        return column.cast(pa.string())
    for is_of, micros in _TEMPORAL:
        if is_of(kind):
            return pc.divide(floats(column.cast(micros, safe=False).cast(pa.int64())), 1e6)
    if any(is_of(kind) for is_of in _NUMERIC):
        return floats(column)
    return column


def supported(kind: Any) -> bool:
    """Whether ``plain`` knows the type, lists apart."""
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    texts = (pa.types.is_string, pa.types.is_large_string)
    checks = (*_NUMERIC, pa.types.is_boolean, *texts, *(is_of for is_of, _ in _TEMPORAL))
    return any(check(kind) for check in checks) or kind == pa.string_view()


def unmarked(column: Any, faults: Faults) -> Any:
    """The texts without those that hold a MARK, whose rows are faulty."""
    marked = pc.fill_null(pc.match_substring(column, MARK), False)
    rows = np.flatnonzero(marked.to_numpy(zero_copy_only=False)).tolist()
    if not rows:
        return column
    for i in rows:
        faults.setdefault(i, (RejectReason.NOT_UTF8, "not UTF-8"))
    return pc.if_else(marked, pa.scalar(None, pa.string()), column)


def given(column: Any, numeric_text: bool | None) -> NDArray[np.bool_]:
    """bool[n]: where there is a value, be it one that will be refused."""
    there = column.is_valid()
    if pa.types.is_floating(column.type):
        there = pc.and_(there, pc.invert(pc.fill_null(pc.is_nan(column), True)))
    elif numeric_text is not None and pa.types.is_string(column.type):
        trimmed = pc.utf8_lower(pc.utf8_trim_whitespace(column)) if numeric_text else column
        none = _ABSENT if numeric_text else _ABSENT_TEXTS
        there = pc.and_(there, pc.invert(pc.is_in(trimmed, pa.array([*none], pa.string()))))
    return np.asarray(there.to_numpy(zero_copy_only=False), np.bool_)


def numbers(column: Any, where: str, faults: Faults) -> NumericColumn:
    """float64[n], NaN for missing. Text that is no number, and numbers that are not finite, are faults and missing."""
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.float64())
    if pa.types.is_string(column.type):
        column, strange = _parsed(_truths(column))
        for i in np.flatnonzero(strange.to_numpy(zero_copy_only=False)).tolist():
            faults.setdefault(i, (RejectReason.WRONG_TYPE, f"{where}: expected a number, got a string"))
    out = np.array(column.to_numpy(zero_copy_only=False), np.float64)
    for i in np.flatnonzero(np.isinf(out)).tolist():
        faults.setdefault(i, (RejectReason.NOT_FINITE, f"{where}: a number beyond the range of a float"))
        out[i] = np.nan
    return out


def _typed_numbers(column: Any, where: str, faults: Faults) -> NumericColumn:
    """Of a file that has types: text is none of them, whatever is in it, as in JSON; but "true" is 1, and so on."""
    if pa.types.is_string(column.type):
        truths = pc.is_in(column, pa.array([*TRUTHS]))
        for i in np.flatnonzero(pc.and_(column.is_valid(), pc.invert(truths)).to_numpy(zero_copy_only=False)).tolist():
            faults.setdefault(i, (RejectReason.WRONG_TYPE, f"{where}: expected a number, got a string"))
        column = pc.if_else(truths, column, pa.scalar(None, pa.string()))
    return numbers(column, where, faults)


def _truths(column: Any) -> Any:
    """Text with "1" and "0" for what is true and false in a column of numbers."""
    for text, truth in TRUTHS.items():
        column = pc.if_else(pc.equal(column, text), str(int(truth)), column)
    return column


def require_finite(column: Any, where: str, faults: Faults, numeric_text: bool | None) -> None:
    """Numbers that are not finite are faults, of a column whose numbers are to become categories."""
    if numeric_text and pa.types.is_string(column.type):
        column, _ = _parsed(column)
    if pa.types.is_floating(column.type):
        numbers(column, where, faults)


def scalars(column: Any, where: str, faults: Faults, numeric_text: bool | None) -> list[Scalar]:
    """Float, text or None, each value as it is. ``numeric_text`` says whether the text of a CSV column holds
    numbers; None where text is text (Parquet).
    """
    if not pa.types.is_string(column.type):
        if pa.types.is_boolean(column.type):
            return categories(column, numeric_text)
        return _or_none(numbers(column, where, faults))
    if not numeric_text:
        return categories(column, numeric_text)
    parsed, strange = _parsed(column)
    values = _or_none(numbers(parsed, where, faults))
    texts = column.to_pylist()
    for i in np.flatnonzero(strange.to_numpy(zero_copy_only=False)).tolist():
        values[i] = category(texts[i])
    return values


def typed(column: Any, kind: Kind, where: str, faults: Faults, numeric_text: bool | None) -> Column:
    """The column as the values of a feature or a prediction of this kind."""
    if kind is Kind.NUMERIC:
        return numbers(column, where, faults) if numeric_text is not None else _typed_numbers(column, where, faults)
    if kind is Kind.CATEGORICAL:
        return categories(column, numeric_text)
    return scalars(column, where, faults, numeric_text)


def categories(column: Any, numeric_text: bool | None) -> list[Scalar]:
    """Text or None. Numbers become what they become in events: 1 for 1.0."""
    coded = pc.dictionary_encode(column)
    texts: list[str | None] = [_category(value, numeric_text) for value in coded.dictionary.to_pylist()]
    table = np.array([*texts, None], object)
    indices = coded.indices.fill_null(len(texts)).to_numpy(zero_copy_only=False)
    out: list[Scalar] = table[indices].tolist()
    return out


def _category(value: float | str | bool, numeric_text: bool | None) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return category(value) if np.isfinite(value) else None
    if numeric_text is None:
        return category(value)
    if numeric_text and re.fullmatch(_NUMBER, value.strip()):
        return _category(float(value), None)
    absent = value.strip().lower() in _ABSENT if numeric_text else value in _ABSENT_TEXTS
    return None if absent else category(value)


def _parsed(column: Any) -> tuple[Any, Any]:
    """Text as float64, null where it is none; and bool, where it is neither a number nor a word for nothing."""
    trimmed = pc.utf8_trim_whitespace(column)
    is_number = pc.fill_null(pc.match_substring_regex(trimmed, f"^{_NUMBER}$"), False)
    parsed = pc.if_else(is_number, trimmed, pa.scalar(None, pa.string())).cast(pa.float64())
    absent = pc.is_in(pc.utf8_lower(trimmed), pa.array([*_ABSENT, None], pa.string()))
    return parsed, pc.and_not(pc.invert(is_number), absent)


def _or_none(values: NumericColumn) -> list[Scalar]:
    missing = np.isnan(values)
    out: list[Scalar] = values.tolist()
    for i in np.flatnonzero(missing).tolist():
        out[i] = None
    return out


def failures(column: Any) -> NDArray[np.bool_]:
    """True where an error is set: not null, not false, not 0, not an empty text."""
    if pa.types.is_string(column.type):
        quiet = pc.is_in(pc.utf8_lower(pc.utf8_trim_whitespace(column)), pa.array([*_ABSENT, "0", "false", None]))
        return np.array(pc.invert(quiet).to_numpy(zero_copy_only=False), np.bool_)
    values = np.array(floats(column).to_numpy(zero_copy_only=False), np.float64)
    return np.array((values != 0) & ~np.isnan(values), np.bool_)


FIELD: Final[Mapping[Holds, Callable[[Any, Kind, str, Faults, bool | None], Column]]] = {
    Holds.PREDICTION: typed,
    Holds.LABEL: lambda column, _, *rest: scalars(column, *rest),
    Holds.SCORE: lambda column, _, where, faults, __: numbers(column, where, faults),
    Holds.NUMBER: lambda column, _, where, faults, __: numbers(column, where, faults),
    Holds.FLAG: lambda column, *_: failures(column),
    Holds.NAME: lambda column, _, __, ___, text: categories(column, text),
    Holds.TEXT: lambda column, _, *rest: scalars(column, *rest),
}
"""(column, kind of the model's predictions, the field's name, faults, numeric_text) -> the field's values."""


def times(
    column: Any, dated: bool, faults: Faults, each: float | None = None, otherwise: NumericColumn | None = None
) -> NumericColumn:
    """Epoch seconds. Numbers are seconds, milli-, micro- or nanoseconds by their size, unless the type says more
    (``dated``), or so many make a second (``each``); text is that or RFC 3339, in UTC where it names no offset.
    ``otherwise``: of rows that have none.
    """
    if pa.types.is_string(column.type):
        parsed, strange = _parsed(column)
        out = _scaled(np.array(parsed.to_numpy(zero_copy_only=False), np.float64), each)
        texts = column.to_pylist()
        for i in np.flatnonzero(strange.to_numpy(zero_copy_only=False)).tolist():
            out[i] = _moment(texts[i])
    else:
        out = np.array(floats(column).to_numpy(zero_copy_only=False), np.float64)
        out = out if dated else _scaled(out, each)
    if otherwise is not None and column.null_count:
        out = np.where(column.is_null().to_numpy(zero_copy_only=False), otherwise, out)
    with np.errstate(invalid="ignore"):
        wrong = ~((out >= 0) & (out < LATEST_TIME))
    for i in np.flatnonzero(wrong).tolist():
        what = "missing, or neither a number nor RFC 3339" if np.isnan(out[i]) else "not in the years 1970 to 2200"
        faults.setdefault(i, (RejectReason.BAD_TIME, f"time: {what}"))
    return out


def _scaled(values: NumericColumn, each: float | None) -> NumericColumn:
    if each is not None:
        return values / each
    out = values.copy()
    low = 0.0
    for limit, divisor in _EPOCH_UNITS:
        with np.errstate(invalid="ignore"):
            here = (values >= low) & (values < limit)
        out[here] = values[here] / divisor
        low = limit
    return out


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
