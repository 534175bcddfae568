"""Sums of panes that hold few events: kept as the places of the events until somebody asks for the sums.

    places      3 7 | 3 | 5 9 9         where each event counts, by pane: two, one and three events
    sums        of each pane, of all three, or of any runs: a call each, of whole numbers, so exact

Three events in a channel of a hundred bins are ninety-seven zeros; nobody asks for the sums of most panes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane
from driftd.core.products import CrossSums
from driftd.core.segments import segment_sums

Counts = NDArray[np.int64]
Rows = NDArray[np.intp]

SPARSE: Final = 4
"""Columns for each event of a pane from which on events take less time than sums. Measured: as much with 2 to 8."""


@dataclass(frozen=True, slots=True, eq=False)
class EventSums:
    """What int64[k, channels, columns] would hold, one row a pane.

    places  intp[channels, n]: channel * columns + column in which each event counts, in the order of panes; one less
            than the channel's first place where it does not count
    starts  intp[k]: where the events of each pane begin
    others  int64[k, channels, last]: the last columns, in which no event counts
    columns int
    """

    places: Rows
    starts: Rows
    others: Counts
    columns: int

    @classmethod
    def of(cls, bins: Rows, starts: Rows, others: Counts, width: int) -> Self:
        """``bins`` intp[channels, n] of the first ``width`` columns, -1 for an event that does not count."""
        columns = width + others.shape[2]
        return cls(bins + (np.arange(len(bins)) * columns)[:, None], starts, others, columns)

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.starts), len(self.places), self.columns

    @property
    def nbytes(self) -> int:
        return self.places.nbytes + self.starts.nbytes + self.others.nbytes

    @property
    def sparse(self) -> bool:
        """Whether sums would be larger by far."""
        events: int = self.places.shape[1]
        return events * SPARSE < len(self) * self.columns

    def crossed(self, by: CrossSums | None, at: Rows) -> Counts | None:
        """What ``by`` makes of the events' bins, of runs as in ``summed``; None where there is nothing to make."""
        if by is None:
            return None
        bins = self.places - (np.arange(len(self.places)) * self.columns)[:, None]
        return by.crosses(bins, ByPane(at, self.starts[at], None, self.places.shape[1]))

    @property
    def each(self) -> Counts:
        """The sums of each pane."""
        return self.summed(np.arange(len(self)))

    def summed(self, at: Rows) -> Counts:
        """Of runs of panes, which begin at ``at`` (ascending, none twice)."""
        runs, channels = len(at), len(self.places)
        sizes = np.diff(self.starts[at], append=self.places.shape[1])
        size = channels * self.columns
        # one more number in front: an event that does not count does so in the last column of the row before
        flat = self.places + (np.repeat(np.arange(runs), sizes) * size + 1)
        out = np.bincount(flat.ravel(), minlength=runs * size + 1)[1:].reshape(runs, channels, self.columns)
        others = self.others if runs == len(self) else segment_sums(self.others, at)
        out[:, :, self.columns - others.shape[2] :] = others
        return out

    def __getitem__(self, which: slice) -> EventSums:
        """Of panes that follow each other."""
        begin, end, _ = which.indices(len(self))
        low, high = np.append(self.starts, self.places.shape[1])[[begin, max(begin, end)]].tolist()
        return EventSums(self.places[:, low:high], self.starts[which] - low, self.others[which], self.columns)

    def copy(self) -> EventSums:
        """One that holds no part of longer arrays."""
        return EventSums(self.places.copy(), self.starts.copy(), self.others.copy(), self.columns)


def merged(parts: Sequence[EventSums], at: Sequence[Rows], others: Counts) -> EventSums:
    """Of several, whose panes are ``at`` among those of ``others`` int64[k, channels, last], the sums of theirs."""
    pane = np.concatenate(
        [np.repeat(mine, np.diff(p.starts, append=p.places.shape[1])) for p, mine in zip(parts, at, strict=True)]
    )
    places = np.concatenate([p.places for p in parts], axis=1)
    if np.any(pane[1:] < pane[:-1]):
        order = np.argsort(pane, kind="stable")
        pane, places = pane[order], places[:, order]
    return EventSums(places, np.searchsorted(pane, np.arange(len(others))), others, parts[0].columns)
