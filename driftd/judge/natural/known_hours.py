"""Which hours a reference of part of a day has seen: in the others levels, spreads and mixes are the hour's.

reference      8h |--------------| 20h
windows           |  told |   nothing until 8h   |  told  |
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.units import DAY_SECONDS

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LEAST_DAYS: Final = 0.2
"""Days below which a reference says nothing about hours. Chosen: five hours; streams are learned from minutes, and
their clocks often count events."""
MOSTLY: Final = 0.5
"""Part of a stretch that must lie in hours that were seen. Chosen: half; an hour later levels have hardly moved."""


def hours_known(span: Floats | None, start: Floats, end: Floats) -> Bools:
    """bool[...]: whether stretches from ``start`` to ``end`` lie in hours that a reference has seen, which spans less
    than a day, from ``span[0]`` to ``span[1]``; None where it has seen all of them.
    """
    if span is None:
        return np.ones(np.shape(start), bool)
    first, last = (float(t) for t in span)
    day = np.floor((start - first) / DAY_SECONDS) * DAY_SECONDS
    both = [np.minimum(end, last + d) - np.maximum(start, first + d) for d in (day, day + DAY_SECONDS)]
    seen = sum(np.maximum(part, 0.0) for part in both)
    out: Bools = seen >= MOSTLY * np.maximum(end - start, 1.0)
    return out
