"""Events of a model that its incidents may name: few of long ago, one a minute of now; and those that they do name.

         before the change           since then
... | x   x  x x x |                | x  x  x | ...
            a minute or so left out
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import TopicPartition
from driftd.core.exemplars import NOWHERE, Exemplars, as_text, narrow
from driftd.core.incident import Example, Incident

KEPT: Final = ((60.0, 30), (600.0, 36), (3600.0, 48), (86_400.0, 30))
"""(seconds, how many): the first event of each of so many last stretches. Chosen: half an hour by the minute, six hours
by ten minutes, two days by the hour and a month by the day are 144 events at the most, 13 kB in a checkpoint."""
EACH_SIDE: Final = 3
"""Examples of before a change, and of after it."""
MOST: Final = 12
"""Examples of an incident of one model: those of before, and of up to three channels that joined later."""
UNSURE_SECONDS: Final = 60.0
"""Before a change nothing is taken for usual. Chosen: its start is known to a minute or so."""


@dataclass(frozen=True, slots=True, eq=False)
class Recent:
    """In order of time: ``times`` float64[n], ``offsets`` int64[n], ``ids`` bytes[n] of UTF-8, ``at`` int64[n] the
    place of each one's source in ``sources``. Those of panes that nobody has evaluated yet come last, all of them.
    """

    sources: tuple[TopicPartition, ...] = ()
    at: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    times: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    offsets: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    ids: NDArray[np.bytes_] = field(default_factory=lambda: np.zeros(0, "S1"))

    def __len__(self) -> int:
        return len(self.times)

    def with_panes(self, found: Iterable[tuple[TopicPartition, Exemplars]]) -> Recent:
        """With those of panes that are later than all before."""
        parts = [(source, known) for source, known in found if len(known.offsets)]
        if not parts:
            return self
        sources = tuple(sorted({*self.sources, *(source for source, _ in parts)}))
        places = np.array([sources.index(source) for source in self.sources], np.int64)
        at = [places[self.at], *(np.full(len(e.offsets), sources.index(source)) for source, e in parts)]
        times, offsets, ids = (
            np.concatenate([mine, *(getattr(e, name) for _, e in parts)])
            for name, mine in (("times", self.times), ("offsets", self.offsets), ("ids", self.ids))
        )
        out = Recent(sources, np.concatenate(at), times, offsets, ids)
        order = np.lexsort((offsets, out.at, times))
        return out._only(order[offsets[order] != NOWHERE])

    def until(self, time: float) -> Recent:
        """Those before ``time`` thinned out, by the last of them: the same in one step and in many."""
        known = self.times[: np.searchsorted(self.times, time)]
        if not len(known):
            return self
        keep = np.ones(len(self), bool)
        keep[: len(known)] = False
        for seconds, most in KEPT:
            numbers = np.floor_divide(known, seconds)
            first = np.append(True, numbers[1:] != numbers[:-1])
            keep[: len(known)] |= first & (numbers > numbers[-1] - most)
        return self if keep.all() else self._only(np.flatnonzero(keep))

    def between(self, first: float, last: float) -> NDArray[np.intp]:
        """Places of those from ``first`` on, before ``last``."""
        low, high = np.searchsorted(self.times, (first, last)).tolist()
        return np.arange(low, high)

    def examples(self, model: str, places: NDArray[np.intp]) -> Iterator[Example]:
        for i in places.tolist():
            topic, partition = self.sources[self.at[i]]
            yield Example(model, topic, partition, int(self.offsets[i]), float(self.times[i]), as_text(self.ids[i]))

    def _only(self, index: NDArray[np.intp]) -> Recent:
        """Those at ``index``, without sources of which none is left."""
        used, at = np.unique(self.at[index], return_inverse=True)
        sources = tuple(self.sources[i] for i in used.tolist())
        ids = narrow(self.ids[index])
        return Recent(sources, at.astype(np.int64), self.times[index], self.offsets[index], ids)


def exemplified(incidents: tuple[Incident, ...], recent: Recent, model: str, until: float) -> tuple[Incident, ...]:
    """The model's incidents, those that are open with examples as far as there are any by ``until``. What an incident
    has named it keeps.
    """
    out = tuple(i if i.ended is not None else _with_examples(i, recent, model, until) for i in incidents)
    return out if any(after is not before for after, before in zip(out, incidents, strict=True)) else incidents


def _with_examples(i: Incident, recent: Recent, model: str, until: float) -> Incident:
    room, last = MOST - len(i.examples), max(p.since for p in i.parts)
    before = min(room, EACH_SIDE - sum(e.time < i.since for e in i.examples))
    after = min(room - max(before, 0), EACH_SIDE - sum(e.time >= last for e in i.examples))
    usual = min(i.since - UNSURE_SECONDS, until)  # later ones are not thinned out yet
    places = recent.between(-np.inf, usual)[-before:] if before > 0 else np.zeros(0, np.intp)
    if after > 0:
        since = recent.between(max(last, max((e.time for e in i.examples), default=-np.inf) + 1e-6), until)
        places = np.concatenate([places, since[-after:]])
    found = [e for e in recent.examples(model, places) if e not in i.examples]
    if not found:
        return i
    return replace(i, examples=tuple(sorted((*i.examples, *found), key=lambda e: (e.time, e.topic, e.offset))))
