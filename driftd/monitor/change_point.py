"""When a change began, estimated from the hops."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import Summary
from driftd.core.window import Hop
from driftd.monitor.attribution import smoothed_shares


def change_starts(reference: Reference, window: Summary, history: Sequence[Hop]) -> NDArray[np.float64]:
    """Where each channel's change began: epoch seconds float64[channels], on hop borders.

    The start is the hop from which on the log likelihood ratio of the window's shares against the reference's
    adds up to most (the CUSUM estimate of the change point, Page 1954).
    """
    p, q = smoothed_shares(reference.summary.counts), smoothed_shares(window.counts)
    tilt = np.log(q / p)
    evidence = np.array([np.sum(hop.summary.counts * tilt, axis=1) for hop in history])
    remaining = np.cumsum(evidence[::-1], axis=0)[::-1]
    starts = np.array([hop.start for hop in history])
    out: NDArray[np.float64] = starts[np.argmax(remaining, axis=0)]
    return out
