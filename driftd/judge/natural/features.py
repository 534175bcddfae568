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

EVENTS: Final = 0  # events that the channel applies to
NULLS: Final = 1
REFUSED: Final = 2
LIVE: Final = 3  # values
FAR: Final = 4
REPEATED: Final = 5
NEW: Final = 6  # out of the reference's range, or a category that it does not have
HOT: Final = 7
LOW: Final = 8  # in the lowest tenth of the reference
HIGH: Final = 9  # in the highest tenth; errors of an error channel
SCORES: Final = 10  # sum of normal scores, in units of SCORE
SCORE_SQUARES: Final = 11
WITHIN: Final = 12  # squares about the tick's own mean, in units of MOMENT_UNIT
FREE: Final = 13  # degrees of freedom of these
NONZERO: Final = 14
LOGS: Final = 15
LOG_SQUARES: Final = 16
FEATURES: Final = 17

SCORE: Final = 1 / 128
TAIL: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """How bins become features. ``table`` int64[channels, width, 7]: LIVE, NEW, LOW, HIGH, SCORES, SCORE_SQUARES and
    EVENTS of each bin; bool[channels]: ``numeric``, ``errors`` (0 or 1), ``outputs``, ``awaited``.
    """

    table: Counts
    numeric: Bools
    errors: Bools
    outputs: Bools

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
        return cls(table, numeric, errors, outputs)

    @property
    def width(self) -> int:
        return int(self.table.shape[1])

    def features(self, sums: Counts) -> Counts:
        """int64[k, channels, FEATURES] of runs: columns of Summary.counts, of FaultCounters, of Summary.moments."""
        counts, faults = sums[:, :, : self.width], sums[:, :, self.width : -2]
        told = np.einsum("kcw,cwf->kcf", counts, self.table)
        out = np.zeros((*counts.shape[:2], FEATURES), np.int64)
        out[:, :, [LIVE, NEW, LOW, HIGH, SCORES, SCORE_SQUARES, EVENTS]] = told
        out[:, :, REFUSED] = faults[:, :, fault_counters.REFUSED]
        out[:, :, NULLS] = counts[:, :, MISSING] - out[:, :, REFUSED]
        out[:, :, FAR] = faults[:, :, fault_counters.FAR]
        out[:, :, REPEATED] = faults[:, :, fault_counters.REPEATED]
        out[:, :, HOT] = faults[:, :, fault_counters.HOT]
        out[:, :, NONZERO] = faults[:, :, fault_counters.NONZERO]
        out[:, :, LOGS] = faults[:, :, fault_counters.LOGS]
        out[:, :, LOG_SQUARES] = faults[:, :, fault_counters.LOG_SQUARES]
        live = np.maximum(out[:, :, LIVE], 1)
        first, second = sums[:, :, -2].astype(np.float64) * MOMENT_UNIT, sums[:, :, -1].astype(np.float64) * MOMENT_UNIT
        out[:, :, WITHIN] = np.rint(np.maximum(second - first * first / live, 0.0) / MOMENT_UNIT)
        out[:, :, FREE] = live - 1
        return out
