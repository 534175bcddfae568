"""Power analysis of the judge of independent events: the smallest change found 9 times in 10 within so many events.

For a change of a given size, DRAWS samples of the n events after it are drawn (seeded, so the answer is always the
same) and judged as the judge does, with nothing between the reference and the change:

    S = head * Bayes factor of the change's own beginning,      head = 4 n / ln A events.

The head is what neighbouring beginnings add to the Shiryaev-Roberts sum. Their factor falls off at the rate at which
the true one rose, ln A nats in n events, on either side; another factor of 2 allows for the fluctuation of the sum. The
reference's own error is drawn too. The smallest size whose S reaches A in 9 of 10 draws is found by bisection of its
logarithm. A test runs the judge itself on simulated values at the sizes named here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from driftd.core.summary import FIRST_VALUE, MISSING
from driftd.judge.exchangeable.independent import whole_log_factors
from driftd.judge.exchangeable.shape import Shape

Floats = NDArray[np.float64]
Columns = NDArray[np.intp]

POWER: Final = 0.9
"""Share of draws that find a change. Chosen: the customary power of a study is .8 or .9."""
DRAWS: Final = 100
"""Chosen: the standard error of a power of .9 is .03."""
MOST_SHIFT: Final = 6.0
"""Largest shift that is tried, in standard deviations. Chosen: beyond, all values lie outside the reference."""
LEAST_CHANGE: Final = 1e-4
"""Smallest change that is tried. Chosen: below any that a reference can show."""
BISECTIONS: Final = 9
"""Derived: 11 nats from LEAST_CHANGE to MOST_SHIFT over 2**9 are a precision of 2 %."""
HEAD: Final = 4.0
"""Beginnings that add to S, over n / ln A. Derived: two sides times a factor of 2. Measured: the judge finds 84 to 97
of 100 simulated changes of the size named (tests/unit/judge/test_sensitivity.py)."""
LEAST_THRESHOLD: Final = 3.0
"""Derived: ln A must be above 1 in the formula of the head."""
SIGNS: Final = np.where(np.arange(DRAWS) % 2, 1.0, -1.0)[:, None]
"""Derived: half of the draws shift up, half down."""


def smallest_shift(shape: Shape, counts: Floats, a: Floats, events: Floats) -> Floats:
    """The smallest shift of a numeric channel, in standard deviations of its normal score, that is found within
    ``events`` float64[channels], half of the time up and half down: float64[channels], NaN where none is, or nothing
    can shift. ``counts`` float64[channels, width] are the reference's, ``a`` float64[channels] the judge's threshold.
    """

    def shares(by: Floats, error: Floats) -> Floats:
        return shifted(counts, SIGNS * by + error / np.sqrt(np.maximum(counts.sum(axis=1), 1)))

    found = _least(shape, a, events, shares, np.full(len(a), MOST_SHIFT))
    return np.where(shape.scores[:, 0].any(axis=1), found, np.nan)


def smallest_rise(shape: Shape, counts: Floats, a: Floats, events: Floats, columns: Columns) -> Floats:
    """By how much the share of column ``columns`` intp[channels] must rise, 0..1, the others giving way in proportion:
    float64[channels], NaN where no rise is found within ``events`` float64[channels].
    """
    now, rows = shares_of(counts), np.arange(len(a))
    before = now[rows, columns]
    sd = np.sqrt(before * (1 - before) / np.maximum(counts.sum(axis=1), 1))

    def shares(by: Floats, error: Floats) -> Floats:
        after = np.clip(before + by + sd * error, 0.0, 1.0)
        out: Floats = now * ((1 - after) / np.maximum(1 - before, 1e-300))[:, :, None]
        out[:, rows, columns] = after
        return out

    return _least(shape, a, events, shares, 1 - before)


def shares_of(counts: Floats) -> Floats:
    """The reference's shares, float64[channels, width]."""
    out: Floats = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return out


def missing_columns(channels: int) -> Columns:
    return np.full(channels, MISSING, np.intp)


def shifted(counts: Floats, by: Floats) -> Floats:
    """Shares of channels whose normal score has moved ``by`` float64[..., channels]: float64[..., channels, width]."""
    before = shares_of(counts)
    values = before[:, FIRST_VALUE:]
    present = values.sum(axis=1, keepdims=True)
    upper = ndtri(np.clip(np.cumsum(values, axis=1) / np.maximum(present, 1e-300), 0.0, 1.0))
    moved: Floats = np.diff(ndtr(upper - by[..., None]), axis=-1, prepend=0.0) * present
    rest = np.broadcast_to(before[:, :FIRST_VALUE], (*moved.shape[:-1], FIRST_VALUE))
    out: Floats = np.concatenate([rest, moved], axis=-1)
    return out


def _least(shape: Shape, a: Floats, events: Floats, shares: Callable[[Floats, Floats], Floats], most: Floats) -> Floats:
    """The least change that is found with POWER, by bisection of its logarithm; NaN where ``most`` is not found."""
    error = np.random.default_rng(0).normal(size=(DRAWS, len(a)))

    def found(by: Floats) -> NDArray[np.bool_]:
        return _chance(shape, a, events, shares(by, error)) >= POWER

    low, high = np.full(len(a), np.log(LEAST_CHANGE)), np.log(np.maximum(most, LEAST_CHANGE))
    possible = found(np.exp(high))
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        enough = found(np.exp(middle))
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(possible, np.exp(high), np.nan)


def _chance(shape: Shape, a: Floats, events: Floats, shares: Floats) -> Floats:
    """How often S reaches A when ``events`` follow ``shares`` float64[DRAWS, channels, width]: float64[channels]."""
    rng = np.random.default_rng(1)
    n = np.maximum(events, 1).astype(np.int64)
    whole = np.maximum(shares, 0.0)
    whole /= np.maximum(whole.sum(axis=-1, keepdims=True), 1e-300)
    after = np.take_along_axis(rng.multinomial(n, whole), shape.order[None], axis=2).astype(np.float64)
    head = np.log(np.maximum(HEAD * n / np.log(np.maximum(a, LEAST_THRESHOLD)), 1.0))
    s = whole_log_factors(shape, after, np.zeros_like(after[:1])) + head
    return np.asarray(np.mean(s >= np.log(a), axis=0), np.float64)
