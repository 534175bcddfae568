"""Tickets over many channels: which windows differ, at a false discovery rate that holds under any dependence.

A window's evidence is its Bayes factor against the reference (exchangeable.independent), an e-value: its mean is at
most 1 without drift, as exactly as there. e-BH sorts the channels by it and selects the largest r with
e_(r) >= channels / (alpha r); the share of false ones among those selected is at most alpha in expectation, whatever
the dependence between channels. The more channels have drifted, the less evidence each needs.

Source: Wang and Ramdas 2022 (e-BH).
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.independent import whole_log_factors
from driftd.judge.exchangeable.shape import Shape

Floats = NDArray[np.float64]

MOST_NATS: Final = 700.0
"""Largest logarithm that is exponentiated. Derived: e**709 is the largest float."""


def window_evidence(shape: Shape, evidence: Evidence, counts: NDArray[np.int64]) -> Floats:
    """E-value of every channel for one window of ``counts`` int64[channels, width]: float64[channels].

    The window against the reference and what has joined it; what was seen between them is left out.
    """
    chained = np.take_along_axis(counts, shape.order, axis=1).astype(np.float64)
    logs = whole_log_factors(shape, chained[None], evidence.grown[None])[0]
    return np.asarray(np.exp(np.minimum(logs, MOST_NATS)), np.float64)


def selected(evidence: Floats, alpha: float) -> NDArray[np.bool_]:
    """bool[channels]: those that e-BH selects at ``alpha``; NaN stands for a channel that is not tested."""
    e = np.nan_to_num(evidence, nan=0.0)
    known = int(np.count_nonzero(~np.isnan(evidence)))
    order = np.argsort(-e, kind="stable")
    ranks = np.arange(1, len(e) + 1)
    enough = np.flatnonzero(e[order] * ranks * alpha >= max(known, 1))
    out = np.zeros(len(e), bool)
    if len(enough):
        out[order[: enough[-1] + 1]] = True
    return out
