"""One event of each pane by its place, for people who want to look one up. None of its values is kept.

Which one: that with the least offset, so it depends on the events alone, and not on how they came.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.values import category

ID_BYTES: Final = 64
"""Of an id; a longer one is cut. Chosen: a UUID has 36, a trace with its span 52."""
NOWHERE: Final = np.iinfo(np.int64).max
"""The offset of a pane of which no event is known."""


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An event at ``time``, epoch seconds, at ``offset`` of its source; ``id`` is "" where it has none."""

    time: float
    offset: int
    id: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Exemplars:
    """One of each pane: ``offsets`` int64[k], ``times`` float64[k], ``ids`` bytes[k] of UTF-8, wide as the longest."""

    offsets: NDArray[np.int64]
    times: NDArray[np.float64]
    ids: NDArray[np.bytes_]

    @classmethod
    def of(cls, one: Exemplar) -> Self:
        ids = np.array([as_id(one.id)], np.bytes_)
        return cls(np.array([one.offset], np.int64), np.array([one.time], np.float64), narrow(ids))

    @classmethod
    def first(cls, batch: EventBatch, index: NDArray[np.intp]) -> Self:
        """The events at ``index``."""
        ids = batch.ids
        texts = [b""] * len(index) if ids is None else [as_id(ids[i]) for i in index.tolist()]
        return cls(batch.offsets[index], batch.times[index], narrow(np.array(texts, np.bytes_)))

    @classmethod
    def unknown(cls, panes: int) -> Self:
        return cls(np.full(panes, NOWHERE), np.full(panes, np.nan), np.zeros(panes, f"S{ID_BYTES}"))

    def at(self, place: int) -> Exemplar | None:
        """That of one pane."""
        if self.offsets[place] == NOWHERE:
            return None
        return Exemplar(float(self.times[place]), int(self.offsets[place]), as_text(self.ids[place]))

    def changed(self, change: Callable[[Any], Any]) -> Exemplars:
        """With every array changed."""
        return Exemplars(change(self.offsets), change(self.times), narrow(change(self.ids)))

    @property
    def nbytes(self) -> int:
        return self.offsets.nbytes + self.times.nbytes + self.ids.nbytes


def merged(parts: Sequence[Exemplars | None], places: Sequence[Any], panes: int) -> Exemplars | None:
    """Of each pane that with the least offset of the parts, whose panes are at these places among ``panes``."""
    if not any(parts):
        return None
    out = Exemplars.unknown(panes)
    for part, at in zip(parts, places, strict=True):
        if part is not None:
            better = part.offsets < out.offsets[at]
            to = np.arange(panes)[at][better]
            out.offsets[to], out.times[to], out.ids[to] = part.offsets[better], part.times[better], part.ids[better]
    return out.changed(lambda x: x)


def narrow(ids: NDArray[np.bytes_]) -> NDArray[np.bytes_]:
    """As wide as the longest: the same however the panes came, and small where there are none."""
    return ids.astype(f"S{max(int(np.char.str_len(ids).max(initial=1)), 1)}", copy=False)


def as_id(value: str | float | None) -> bytes:
    """An id as it is kept: a number as it is written, and what is too long cut."""
    text = "" if value is None else value if isinstance(value, str) else category(value)
    data = text.encode("utf-8", "replace")
    return data if len(data) <= ID_BYTES else data[: ID_BYTES - 3] + b"..."


def as_text(data: bytes) -> str:
    return data.decode("utf-8", "ignore")
