"""What a run of panes tells of each channel: a few whole numbers that add up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core import fault_counters
from driftd.core.channel import Role
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, MISSING, MOMENT_UNIT, UNSEEN

Counts = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

EVENTS: Final = 0
"""Events that the channel applies to. Derived: a column, as all that follow."""
NULLS: Final = 1
"""Missing values, without refused ones; of a label the events that came without one. Derived: a column."""
REFUSED: Final = 2
"""Values of another type. Derived: a column."""
LIVE: Final = 3
"""Values. Derived: a column."""
FAR: Final = 4
"""Numbers far out. Derived: a column."""
REPEATED: Final = 5
"""Values equal to the one before in their partition, but no more than values in such bins repeat in any order: keys
that bring the same values into one partition are no frozen values. Derived: a column."""
NEW: Final = 6
"""Numbers out of the reference's range, categories that it does not have. Derived: a column."""
HOT: Final = 7
"""Unseen categories that take a share. Derived: a column."""
LOW: Final = 8
"""Numbers in the lowest tenth of the reference. Derived: a column."""
HIGH: Final = 9
"""Numbers in the highest tenth; errors of an error channel. Derived: a column."""
SCORES: Final = 10
"""Sum of normal scores, in units of SCORE. Derived: a column."""
SCORE_SQUARES: Final = 11
"""Sum of their squares, in units of SCORE squared. Derived: a column."""
WITHIN: Final = 12
"""Squares about the tick's own mean, in units of MOMENT_UNIT. Derived: a column."""
FREE: Final = 13
"""Degrees of freedom of these. Derived: a column."""
NONZERO: Final = 14
"""Numbers other than 0. Derived: a column."""
LOGS: Final = 15
"""Sum of their ln(abs(x) + offset), in units of LOG_UNIT. Derived: a column."""
LOG_SQUARES: Final = 16
"""Sum of its squares, in units of LOG_UNIT. Derived: a column."""
MEAN: Final = 17
"""Sum of numbers, standardised on the reference and clipped, in units of MOMENT_UNIT. Derived: a column."""
FEATURES: Final = 18
"""Derived: the number of columns."""

SCORE: Final = 1 / 128
"""Unit of a normal score. Chosen: whole numbers make sums exact in any order; a bin's score is rounded by .004 sd."""
TAIL: Final = 0.1
"""Share of the reference in its low and in its high end. Chosen: one value for all in either takes the rate from .1 to
1.
"""
_CHUNK: Final = 256
"""Runs at a time. Chosen: what a step works on stays in the processor's cache; results do not depend on it."""


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How bins become features. ``table`` int64[channels, width, 7]: LIVE, NEW, LOW, HIGH, SCORES, SCORE_SQUARES and
    EVENTS of each bin; bool[channels]: ``numeric``, ``errors`` (0 or 1), ``outputs``, ``labels``.
    """

    table: Counts
    numeric: Bools
    errors: Bools
    outputs: Bools
    labels: Bools | None = None
    """Derived: references of a driftd before it do not have them."""

    @classmethod
    def of(cls, reference: Reference, scores: Counts) -> Layout:
        """``scores`` int64[channels, width]: the normal score of each bin in units of SCORE."""
        width, numeric = reference.width, reference.numeric
        column = np.arange(width)
        live = np.broadcast_to(column >= UNSEEN, (len(numeric), width))
        last = reference.used[:, None] - 1
        edge = (column == FIRST_VALUE) | (column == last)
        new = np.where(numeric[:, None], edge, column == UNSEEN)
        errors = np.array([c.role.row.errors for c in reference.channels], bool) & (reference.used == FIRST_VALUE + 4)
        places = np.nan_to_num(reference.places, nan=0.5)
        low = numeric[:, None] & (column >= FIRST_VALUE) & (places < TAIL) & ~errors[:, None]
        high = numeric[:, None] & (column >= FIRST_VALUE) & (column <= last) & (places > 1 - TAIL) & ~low
        high = np.where(errors[:, None], (column >= FIRST_VALUE + 2) & (column <= last), high)
        z = np.where(numeric[:, None], scores, 0)
        every = np.ones_like(z)
        table = np.stack([live, new, low, high, z, z * z, every], axis=2).astype(np.int64)
        roles = {Role.PREDICTION, Role.SCORE, Role.LABEL, Role.PREDICTION_ERROR}
        outputs = np.array([c.role in roles for c in reference.channels], bool)
        labels = np.array([c.role is Role.LABEL for c in reference.channels], bool)
        return cls(table, numeric, errors, outputs, labels)

    @property
    def width(self) -> int:
        return int(self.table.shape[1])

    def features(self, sums: Counts) -> Counts:
        """int64[k, channels, FEATURES] of runs: columns of Summary.counts, of FaultCounters, of Summary.moments."""
        counts, faults, table = sums[:, :, : self.width], sums[:, :, self.width : -2], self.table.astype(np.float64)
        out = np.zeros((*counts.shape[:2], FEATURES), np.int64)
        for low in range(0, len(counts), _CHUNK):  # whole numbers below 2**53: exact, and quicker than of integers
            part = counts[low : low + _CHUNK].transpose(1, 0, 2).astype(np.float64)
            told = (part @ table).transpose(1, 0, 2)
            out[low : low + _CHUNK, :, [LIVE, NEW, LOW, HIGH, SCORES, SCORE_SQUARES, EVENTS]] = told
            out[low : low + _CHUNK, :, REPEATED] = _alike(part[:, :, UNSEEN:]).T
        out[:, :, REFUSED] = faults[:, :, fault_counters.REFUSED]
        out[:, :, NULLS] = counts[:, :, MISSING] - out[:, :, REFUSED]
        if self.labels is not None and self.labels.any():
            # an event without a label counts nowhere in its bins: the other channels have it
            every = out[:, :, EVENTS].max(axis=1, keepdims=True)
            out[:, self.labels, NULLS] += every - out[:, self.labels, EVENTS]
            out[:, self.labels, EVENTS] = every
        out[:, :, FAR] = faults[:, :, fault_counters.FAR]
        np.minimum(out[:, :, REPEATED], faults[:, :, fault_counters.REPEATED], out=out[:, :, REPEATED])
        out[:, :, HOT] = faults[:, :, fault_counters.HOT]
        out[:, :, NONZERO] = faults[:, :, fault_counters.NONZERO]
        out[:, :, LOGS] = faults[:, :, fault_counters.LOGS]
        out[:, :, LOG_SQUARES] = faults[:, :, fault_counters.LOG_SQUARES]
        live = np.maximum(out[:, :, LIVE], 1)
        first, second = sums[:, :, -2].astype(np.float64) * MOMENT_UNIT, sums[:, :, -1].astype(np.float64) * MOMENT_UNIT
        out[:, :, WITHIN] = np.rint(np.maximum(second - first * first / live, 0.0) / MOMENT_UNIT)
        out[:, :, FREE] = live - 1
        out[:, :, MEAN] = sums[:, :, -2]
        return out


def _alike(values: Floats) -> Counts:
    """How many values are in the bin of the one before, on average over all orders of them, rounded up: int64[...] of
    the counts ``values`` float64[..., bins], whole numbers below 2**53 (Simpson 1949).
    """
    n = values.sum(axis=-1)
    pairs = np.einsum("...b,...b->...", values, values) - n
    out: Counts = np.where(n > 1, np.ceil(pairs / np.maximum(n - 1, 1)), n).astype(np.int64)
    return out
