"""Values of a column as numbers or as categories, and which of the two they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from driftd.core.event import Column, EventBatch, FlagColumn, Kind, NumericColumn, flagged, scalars

MAX_CATEGORY_CHARS: Final = 256
FLOAT32_NOISE: Final = 2.0**-22
"""Relative difference that a few roundings to float32 make; each makes 2^-24 at most."""
_TRUTH: Final = {"true": 1.0, "false": 0.0}
TRUTHS: Final = {**_TRUTH, "True": 1.0, "False": 0.0, "1": 1.0, "0": 0.0}
"""Texts that are 1 and 0 where the others are numbers, and the same categories where they are text."""
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?")


def infer_kind(values: Column) -> Kind:
    """Numeric when at least 95 % of the values that are there are numbers (one bad record must not decide)."""
    if isinstance(values, np.ndarray):
        return Kind.NUMERIC
    numbers = sum(isinstance(v, float) for v in values)
    present = numbers + sum(isinstance(v, str) for v in values)
    return Kind.NUMERIC if numbers >= 0.95 * present else Kind.CATEGORICAL


def present(values: Column) -> int:
    """How many values are there: not missing; of flags, those that are set."""
    if isinstance(values, np.ndarray):
        return int(np.count_nonzero(values if values.dtype == bool else ~np.isnan(values)))
    return sum(v is not None for v in values)


def absent(values: Column) -> FlagColumn:
    """bool[n]: where there is no value; a value of another type than the channel's is there."""
    if isinstance(values, np.ndarray):
        return np.isnan(values)
    return np.fromiter((v is None for v in values), np.bool_, len(values))


def as_numbers(values: Column) -> NumericColumn:
    """float64[n]; what is not a number is missing."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64, copy=False)
    return np.array([v if isinstance(v, float) else np.nan for v in values], np.float64)


def same_number(x: NumericColumn, y: NumericColumn) -> FlagColumn:
    """bool[n]: where both are the same number, one of them perhaps rounded to float32. Two whole numbers are compared
    as they are: identifiers differ by 1.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = (x.astype(np.float32) == y) | (y.astype(np.float32) == x)
        whole = (np.floor(x) == x) & (np.floor(y) == y)
    out: FlagColumn = (x == y) | (rounded & ~whole & (x != 0) & (y != 0))
    return out


def as_categories(values: Column) -> list[str | None]:
    """Numbers as the shortest text that reads back (1 for 1.0), long text cut and marked by its digest."""
    return [v if v is None else category(v) for v in scalars(values)]


def comparable(column: Column) -> Column:
    """The column with a number for each text that reads as one, for "true" (1) and for "false" (0); as float64 where
    that leaves no text.
    """
    if isinstance(column, np.ndarray):
        return column
    if str not in set(map(type, column)):
        return as_numbers(column)
    texts = {v: number_in(v) for v in set(column) if isinstance(v, str)}
    values = [texts[v] if isinstance(v, str) else v for v in column]
    return values if any(isinstance(v, str) for v in texts.values()) else as_numbers(values)


def truths_as_numbers(column: Column) -> Column:
    """The column with 1 and 0 for TRUTHS, as booleans are decoded before it is known that others are numbers."""
    if isinstance(column, np.ndarray) or not TRUTHS.keys() & set(column):
        return column
    return [TRUTHS.get(v, v) if isinstance(v, str) else v for v in column]


def other_spellings(categories: Collection[str]) -> dict[str, str]:
    """Further texts for categories that are TRUTHS and nothing else: each with the category that it means."""
    if not TRUTHS.keys() >= set(categories):
        return {}
    by_truth = {TRUTHS[c]: c for c in categories}
    return {text: by_truth[t] for text, t in TRUTHS.items() if t in by_truth and text not in categories}


def one_spelling(values: Sequence[str | None]) -> Sequence[str | None]:
    """Categories; where they are TRUTHS, and some are spelled in two ways, "true" and "false"."""
    found = {v for v in set(values) if v is not None}
    if not TRUTHS.keys() >= found or len({TRUTHS[v] for v in found}) == len(found):
        return values
    names = {text: "true" if t else "false" for text, t in TRUTHS.items()}
    return [None if v is None else names[v] for v in values]


def number_in(text: str) -> float | str:
    """What beyond 2^53 would lose digits stays text, and so does 01234, which is a code."""
    if (truth := _TRUTH.get(text.lower())) is not None:
        return truth
    if not _NUMBER.fullmatch(text) or abs(number := float(text)) >= 2**53:
        return text
    return number


def refuse_text(batch: EventBatch, numeric: Iterable[str]) -> tuple[EventBatch, dict[str, FlagColumn]]:
    """Of a batch that was decoded before the kinds were known: text in the features ``numeric`` is refused, but for
    TRUTHS, as the decoder does from then on. The batch, and which values were text, by feature.
    """
    text = {}
    for name in numeric:
        column = batch.columns.get(name)
        if column is not None and not isinstance(column, np.ndarray):
            text[name] = np.fromiter((isinstance(v, str) and v not in TRUTHS for v in column), np.bool_, len(column))
    text = flagged(text)
    if not text:
        return batch, {}
    columns = {name: as_numbers(truths_as_numbers(batch.columns[name])) for name in text}
    refused = {name: flags | batch.refused[name] if name in batch.refused else flags for name, flags in text.items()}
    return replace(batch, columns={**batch.columns, **columns}, refused={**batch.refused, **refused}), text


def category(value: float | str) -> str:
    if isinstance(value, str):
        if len(value) <= MAX_CATEGORY_CHARS:
            return value
        return value[:64] + "~" + hashlib.blake2b(value.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else repr(float(value))
