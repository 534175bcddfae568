"""What the judge of independent events would find: the smallest change, 9 times in 10, within so many events.

An alternative of weight w gains on average m nats an event after the change, with variance v. A Shiryaev-Roberts sum
adds the evidence of about 2 / v starting points to the walk's own, so the walk must gain

    h = ln(A / w) - ln(2 / v)                                  nats,

and the chance that it has within n events is inverse Gaussian. The reference's own error, which is the same for all n
events, widens it by n / n_ref. For a single bin, whose events are few and whole, it is the binomial chance of enough
of them. The best alternative counts; that the others help is left out. A test simulates the judge at the changes named
here and holds the 90 %.

n is never more than the reference has: while evidence is weak the reference grows, a slow change joins it, and nothing
is claimed about that. Nor is it claimed that nothing smaller is found.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, log_ndtr, logsumexp, ndtr, ndtri

from driftd.judge.independent import SIZES, TILTS, Null, Shape
from driftd.summary import FIRST_VALUE, MISSING

Floats = NDArray[np.float64]
Columns = NDArray[np.intp]

CHANCE: Final = 0.9
MOST_SHIFT: Final = 6.0
_HALVINGS: Final = 20
_LOOKS: Final = (1.0, 0.7, 0.5, 0.3, 0.15)
"""Parts of n at which a single bin is looked at; its evidence is not monotone in time."""


def smallest_shift(shape: Shape, null: Null, a: Floats, events: Floats) -> Floats:
    """The smallest shift of a numeric channel, in standard deviations of its normal score, that is found within
    ``events`` float64[channels] whichever way it goes: float64[channels], NaN where none is, or nothing can shift.
    """
    up, down = (
        _least(lambda by, sign=sign: _found_by_tilt(shape, null, a, events, shifted(shape, sign * by)), MOST_SHIFT, a)  # type: ignore[misc]
        for sign in (1.0, -1.0)
    )
    varies = null.scores[:, 0].any(axis=1) & (shape.numeric > 0)
    return np.where(varies, np.maximum(up, down), np.nan)


def smallest_rise(shape: Shape, null: Null, a: Floats, events: Floats, columns: Columns) -> Floats:
    """By how much the share of column ``columns`` intp[channels] must rise, 0..1: float64[channels], NaN where no rise
    is found within ``events`` float64[channels].
    """
    before = _shares(shape)[np.arange(len(a)), columns]
    return _least(lambda by: _found_in_bin(null, a, events, columns, before + by), 1 - before, a)


def missing_columns(shape: Shape) -> Columns:
    return np.full(len(shape.counts), MISSING, np.intp)


def top_columns(shape: Shape) -> Columns:
    """The most frequent value; a rarer one needs to gain less."""
    return np.asarray(np.argmax(shape.counts[:, FIRST_VALUE:], axis=1) + FIRST_VALUE, np.intp)


def shifted(shape: Shape, by: Floats) -> Floats:
    """Shares of a channel whose normal score has moved ``by`` float64[channels]: float64[channels, width]."""
    out = _shares(shape)
    values = out[:, FIRST_VALUE:]
    present = values.sum(axis=1, keepdims=True)
    upper = np.cumsum(values, axis=1) / np.maximum(present, 1e-300)
    cuts = ndtr(ndtri(np.clip(upper, 0.0, 1.0)) - by[:, None])
    out[:, FIRST_VALUE:] = np.diff(cuts, axis=1, prepend=0.0) * present
    return out


def _found_by_tilt(shape: Shape, null: Null, a: Floats, events: Floats, shares: Floats) -> Floats:
    """The chance that a tilt finds a change to ``shares`` float64[channels, width]: float64[channels]."""
    scores = np.repeat(null.scores, 2, axis=1)
    mean = np.einsum("kw,kiw->ki", shares, scores)[:, :, None]
    spread = np.einsum("kw,kiw->ki", shares, scores**2)[:, :, None] - mean**2
    drift = (null.tilt * mean - null.cost).reshape(len(a), TILTS)
    variance = np.maximum((null.tilt**2 * spread).reshape(len(a), TILTS), 1e-12)
    known = np.maximum(shape.counts.sum(axis=1), 1.0)[:, None]
    n, most = np.maximum(events, 1.0)[:, None], variance * (1 + events[:, None] / known)
    h = _need(null.weight[:, :TILTS], a[:, None], variance, n)
    best = np.argmax(_passed(h, drift, most, n), axis=1)[:, None]
    h = h - _help(h, null.tilt.reshape(len(a), TILTS), null.cost.reshape(len(a), TILTS) * n, best)
    found: Floats = np.take_along_axis(_passed(np.maximum(h, 1e-3), drift, most, n), best, axis=1)[:, 0]
    return found


def _help(h: Floats, tilt: Floats, cost: Floats, best: Columns) -> Floats:
    """Nats that the other tilts of the same score add when the ``best`` intp[channels, 1] has gained ``h`` of its own:
    float64[channels, 1].
    """
    of = np.take_along_axis
    moved = (of(h, best, axis=1) + of(cost, best, axis=1)) / of(tilt, best, axis=1)
    same = np.arange(TILTS) // (2 * SIZES) == best // (2 * SIZES)
    gain = np.where(same & np.isfinite(h), tilt * moved - cost - np.where(np.isfinite(h), h, 0.0), -np.inf)
    return np.clip(logsumexp(gain, axis=1, keepdims=True), 0.0, 3.0)


def _found_in_bin(null: Null, a: Floats, events: Floats, columns: Columns, share: Floats) -> Floats:
    rows = np.arange(len(a))
    hit, base = null.hit[rows, columns], null.base[rows, columns]
    weight = null.weight[:, TILTS:].reshape(null.hit.shape)[rows, columns]
    step, share, n = hit - base, np.clip(share, 0.0, 1.0)[:, None], np.maximum(events, 1.0)[:, None]
    h = _need(weight, a[:, None], np.maximum(share * (1 - share) * step**2, 1e-12), n)
    out = np.zeros_like(step)
    with np.errstate(divide="ignore", invalid="ignore"):
        for look in _LOOKS:
            m = np.maximum(np.floor(n * look), 1.0)
            hits = (h - m * base) / step
            rise = np.where(hits > m, 0.0, bdtrc(np.clip(np.ceil(hits) - 1, -1, m), m, share))
            fall = np.where(hits < 0, 0.0, bdtr(np.clip(np.floor(hits), 0, m), m, share))
            out = np.maximum(out, np.nan_to_num(np.where(step > 0, rise, np.where(step < 0, fall, 0.0))))
    return np.asarray(out.max(axis=1), np.float64)


def _need(weight: Floats, a: Floats, variance: Floats, n: Floats) -> Floats:
    """Nats that a walk must gain; infinite for an alternative without weight."""
    with np.errstate(divide="ignore"):
        return np.maximum(np.log(a) - np.log(weight) - np.log(np.clip(2 / variance, 1.0, n)), 1e-3)


def _passed(h: Floats, drift: Floats, variance: Floats, n: Floats) -> Floats:
    """The chance that a walk has passed ``h`` within ``n`` events (inverse Gaussian)."""
    sd = np.sqrt(variance * n)
    h, some = np.where(np.isfinite(h), h, 1.0), np.isfinite(h) & (drift > 0)
    again = 2 * h * drift / variance + log_ndtr(-(h + drift * n) / sd)
    return np.where(some, ndtr((drift * n - h) / sd) + np.exp(np.minimum(again, 0.0)), 0.0)


def _shares(shape: Shape) -> Floats:
    return shape.counts / np.maximum(shape.counts.sum(axis=1, keepdims=True), 1)


def _least(found: Callable[[Floats], Floats], most: float | Floats, like: Floats) -> Floats:
    """The least change that is found with CHANCE, by halving; NaN where ``most`` is not."""
    low, high = np.zeros_like(like), np.zeros_like(like) + most
    possible = found(high) >= CHANCE
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        enough = found(middle) >= CHANCE
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    return np.where(possible, high, np.nan)
