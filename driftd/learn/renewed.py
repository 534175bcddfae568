"""Channels that were learned anew beside the others, because somebody said that what comes is the new normal.

amount   .........|          |##########      . as it was, # learned from; between the two it is not watched
                  ^ since    ^ last
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference

PREFIX: Final = "renewed."
"""In ``Reference.learned``."""


@dataclass(frozen=True, slots=True)
class Renewed:
    """A channel that is learned from ``since`` on, up to ``last``, and anew at ``due``; epoch seconds. ``last`` NaN: it
    is not watched yet, and will not be before ``due``. ``due`` NaN: it has learned all that it will. ``related``: its
    relations to others are watched again.
    """

    channel: str
    since: float
    last: float
    due: float
    related: bool = False

    @property
    def blind(self) -> bool:
        return isnan(self.last)


def renewed_of(reference: Reference) -> tuple[Renewed, ...]:
    table = reference.learned
    if f"{PREFIX}channel" not in table:
        return ()
    columns = (table[PREFIX + name].tolist() for name in ("channel", "span", "related"))
    every = ((name, *span, related) for name, span, related in zip(*columns, strict=True))
    return tuple(Renewed(*mark) for mark in every)


def table_of(renewed: Iterable[Renewed]) -> dict[str, NDArray[Any]]:
    """What belongs beside the reference: ``Reference.learned``."""
    every = sorted(renewed, key=lambda r: r.channel)
    if not every:
        return {}
    return {
        f"{PREFIX}channel": np.array([r.channel for r in every], np.str_),
        f"{PREFIX}span": np.array([(r.since, r.last, r.due) for r in every], np.float64),
        f"{PREFIX}related": np.array([r.related for r in every], bool),
    }


def with_marks(before: Sequence[Renewed], now: Iterable[Renewed]) -> tuple[Renewed, ...]:
    """Those of ``now`` in place of the same channels' before."""
    fresh = {r.channel: r for r in now}
    return (*(r for r in before if r.channel not in fresh), *fresh.values())
