"""Events in the order of their panes, so that what a batch adds to each pane is summed in one call."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ByPane:
    """The distinct panes of n events: ``numbers`` int64[k] in ascending order; where each begins, ``starts`` intp[k],
    among the events in ``order`` intp[n] (None: they are in the order of panes).
    """

    numbers: NDArray[np.int64]
    starts: NDArray[np.intp]
    order: NDArray[np.intp] | None
    events: int

    @classmethod
    def of(cls, panes: NDArray[np.int64]) -> Self:
        """``panes`` int64[n], the pane of each event."""
        order = None
        if np.any(panes[1:] < panes[:-1]):
            order = np.argsort(panes, kind="stable")
            panes = panes[order]
        starts = np.flatnonzero(np.append(True, panes[1:] != panes[:-1])) if len(panes) else np.zeros(0, np.intp)
        return cls(panes[starts], starts, order, len(panes))

    @cached_property
    def sizes(self) -> NDArray[np.intp]:
        """Events of each pane, intp[k]."""
        return np.diff(self.starts, append=self.events)

    @property
    def first(self) -> NDArray[np.intp]:
        """The first event of each pane, intp[k]."""
        return self.starts if self.order is None else self.order[self.starts]

    def sorted(self, values: NDArray[Any]) -> NDArray[Any]:
        """``values`` [..., n] in the order of panes."""
        return values if self.order is None else values[..., self.order]

    def sums(self, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """``values`` int64[..., n] summed by pane, int64[..., k]."""
        return np.add.reduceat(self.sorted(values), self.starts, axis=-1)
