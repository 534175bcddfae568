"""Events of a model to those of its segments: each segment's are a batch of its own, under its own name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import repeat
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import SEGMENTS, Column, EventBatch, Scalar, scalars, versions
from driftd.core.segmenting import SLOT_SECONDS, Census, Segmenting, named, ranges
from driftd.core.slice import Slice
from driftd.core.values import as_numbers, category

_VERSION: Final = "version"


def split(batch: EventBatch, wanted: Segmenting, census: Census) -> Iterator[EventBatch]:
    """The events of each segment, in offset order. The others are counted in the ``census``."""
    slots = np.floor_divide(batch.times, SLOT_SECONDS).astype(np.int64)
    for name in wanted.fields:
        column = column_of(batch, name)
        if column is None:
            census.missing += len(batch)
            continue
        codes, segments = _codes(name, column, slots, wanted, census)
        order = np.argsort(codes, kind="stable")
        cuts = np.searchsorted(codes[order], np.arange(len(segments) + 1))
        for segment, begin, end in zip(segments, cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
            if begin < end:
                mine = order[begin:end]
                census.last[segment] = max(census.last.get(segment, 0), int(slots[mine].max()))
                yield _part(batch, mine, segment)


def membership(batch: EventBatch, wanted: Segmenting, census: Census) -> list[tuple[str, ...]]:
    """The segments that each event is in; nothing is counted."""
    slots, found = np.floor_divide(batch.times, SLOT_SECONDS).astype(np.int64), list[list[str]]()
    for name in wanted.fields:
        if (column := column_of(batch, name)) is not None:
            codes, segments, _ = _places(name, column, slots, wanted, census)
            found.append([*map([*segments, ""].__getitem__, codes.tolist())])
    if not found:
        return [()] * len(batch)
    return [tuple(filter(None, each)) for each in zip(*found, strict=True)]


def column_of(batch: EventBatch, name: str) -> Column | None:
    """The values of a feature, else of a field of the events; None where the batch has none."""
    if name in batch.columns:
        return batch.columns[name]
    if name == _VERSION:
        return None if batch.version is None else versions(batch)
    found = batch.fields.get(SEGMENTS + name)
    return batch.fields.get(name) if found is None else found


def _part(batch: EventBatch, mine: NDArray[np.intp], segment: str) -> EventBatch:
    taken = batch.take(mine) if len(mine) < len(batch) else replace(batch, labels_alone=None, ignored_features=0)
    return replace(taken, model=Slice.of_segment(batch.model, segment).model)


def _codes(
    name: str, column: Column, slots: NDArray[np.int64], wanted: Segmenting, census: Census
) -> tuple[NDArray[np.intp], list[str]]:
    """The place of each event's segment among those returned, -1 where it has none: the others are counted."""
    codes, segments, texts = _places(name, column, slots, wanted, census)
    rest = np.flatnonzero(codes < 0)
    if texts is None:
        census.missing += len(rest)
    elif len(rest):
        _count(name, [texts[i] for i in rest.tolist()], slots[rest], census, fixed=name in wanted.values)
    return codes, segments


def _places(
    name: str, column: Column, slots: NDArray[np.int64], wanted: Segmenting, census: Census
) -> tuple[NDArray[np.intp], list[str], list[str | None] | None]:
    """The same, and the values as texts; None of numbers with edges."""
    if name in wanted.edges:
        edges, numbers = wanted.edges[name], as_numbers(column)
        codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="right"))
        return codes, [named(name, text) for text in ranges(edges)], None
    values = scalars(column)
    fixed = name in wanted.values
    segments = [named(name, v) for v in wanted.values[name]] if fixed else _admitted(name, census)
    begin = len(name) + 1
    place = dict[str | None, int]((segment[begin:], n) for n, segment in enumerate(segments)).get
    texts = _texts(values)
    codes = np.fromiter(map(place, texts, repeat(-1)), np.intp, len(texts))
    if not fixed and segments:
        since = np.array([census.admitted[segment] for segment in segments], np.int64)
        codes[(codes >= 0) & (slots < since[codes])] = -1
    return codes, segments, texts


def _admitted(name: str, census: Census) -> list[str]:
    return [segment for segment in census.admitted if segment.startswith(f"{name}=")]


def _texts(values: Sequence[Scalar]) -> list[str | None]:
    """Values as categories; each different one is looked at once."""
    known = {v: None if v is None else category(v) for v in set(values)}
    return [known[v] for v in values]


def _count(name: str, texts: list[str | None], slots: NDArray[np.int64], census: Census, *, fixed: bool) -> None:
    """Events whose value is no segment."""
    absent = texts.count(None)
    census.missing += absent
    census.other += len(texts) - absent
    if fixed:
        return
    if slots[0] == slots[-1] and (slots == slots[0]).all():
        found = {int(slots[0]): Counter(texts)}
    else:
        found = {}
        for (slot, text), n in Counter(zip(slots.tolist(), texts, strict=True)).items():
            found.setdefault(slot, Counter())[text] = n
    for slot, counts in found.items():
        census.add(slot, ((named(name, text), n) for text, n in counts.items() if text is not None))
