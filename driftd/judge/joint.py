"""The judge of how channels move together: e-values on products of scores, for every pair of numeric channels.

A change of correlation alone leaves every channel's own distribution as it was. The pane carries one more mergeable
matrix, the sums of products of the channels' normal scores (whole numbers, so that merging is exact), and
exp(lambda sum z_i z_j - n cost) is an e-value when cost is the log of the greatest mean that the reference allows.
Same Shiryaev-Roberts sum and same bound as driftd.judge.independent, with one S for the whole model: feature "*".
The reference does not grow here: its means of exp(lambda z_i z_j) need the events themselves.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from driftd.judge.independent import SIZES, normal_scores
from driftd.reference import Reference, Role
from driftd.summary import FIRST_VALUE

Floats = NDArray[np.float64]
UNIT: Final = 1 / 128
MAX_CHANNELS: Final = 40
_CEILING: Final = 1e250


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """What follows from the reference's events. rows intp[k]: the channels; scores int64[k, width], in units of UNIT;
    first, second intp[pairs]; mean, sd float64[pairs] of the products; tilt float64[2 SIZES];
    cost float64[pairs, 2 SIZES].
    """

    rows: NDArray[np.intp]
    scores: NDArray[np.int64]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    mean: Floats
    sd: Floats
    tilt: Floats
    cost: Floats

    @classmethod
    def of(
        cls, reference: Reference, columns: NDArray[np.intp], allowed: NDArray[np.bool_], miss: float = 0.01
    ) -> Pairs:
        """``columns`` intp[channels, events]: where each event of the reference is counted in each channel, negative
        where the channel does not apply; ``allowed`` bool[channels]: those whose events are exchangeable.
        """
        counts = reference.summary.counts.astype(np.float64)
        used = (np.arange(reference.width) < reference.used[:, None]).astype(np.float64)
        known = allowed & (np.count_nonzero((counts > 0)[:, FIRST_VALUE:], axis=1) > 1)
        rows = chosen(reference, known)
        scores = np.rint(normal_scores(counts, reference.places, used)[rows] / UNIT).astype(np.int64)
        z = placed(scores, columns[rows]) * UNIT
        first, second = np.triu_indices(len(rows), 1)
        n = max(columns.shape[1], 1)
        tilt = np.outer([1, -1], min(3 / np.sqrt(n), 0.3) ** np.linspace(1, 0.15, SIZES)).ravel()
        mean, sd = np.empty(len(first)), np.empty(len(first))
        cost = np.empty((len(first), len(tilt)))
        deviations = -ndtri(miss / max(2 * len(first), 1))
        for p, (i, j) in enumerate(zip(first, second, strict=True)):
            product = z[i] * z[j]
            mean[p], sd[p] = product.mean(), product.std()
            e = np.exp(np.outer((product - mean[p]) / max(sd[p], 1e-9), tilt))
            reach = e.max(axis=0) - e.min(axis=0)
            cost[p] = np.log(e.mean(axis=0) + deviations * e.std(axis=0) / np.sqrt(n) + deviations**2 * reach / (6 * n))
        return cls(rows, scores, first, second, mean, np.where(sd > 1e-9, sd, np.inf), tilt, cost)

    def cross(self, columns: NDArray[np.intp]) -> NDArray[np.int64]:
        """The pane's matrix, int64[k, k] in units of UNIT**2; adds up. ``columns`` intp[channels, events]."""
        z = placed(self.scores, columns[self.rows]).astype(np.float64)
        out: NDArray[np.int64] = np.rint(z @ z.T).astype(np.int64)  # exact: whole numbers below 2**53
        return out

    def crosses(self, columns: NDArray[np.intp], panes: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
        """The matrix of each distinct pane of ``panes`` int64[events]; nothing without pairs."""
        if not len(self.first) or not len(panes):
            return {}
        if panes[0] == panes[-1] and not np.any(panes[1:] != panes[:-1]):
            return {int(panes[0]): self.cross(columns)}
        order = np.argsort(panes, kind="stable")
        z = placed(self.scores, columns[self.rows][:, order]).astype(np.float64)
        starts = np.concatenate([[0], np.flatnonzero(np.diff(panes[order])) + 1, [len(panes)]]).tolist()
        return {int(panes[order[a]]): np.rint(z[:, a:b] @ z[:, a:b].T).astype(np.int64) for a, b in pairwise(starts)}

    def start(self) -> Joint:
        zeros = np.zeros((len(self.first), len(self.tilt)))
        return Joint(zeros, zeros)

    def step(self, state: Joint, cross: NDArray[np.int64], events: int, at: float) -> tuple[Joint, float]:
        """One pane of ``events`` events begun at ``at``; gives S of "*"."""
        if not len(self.first):
            return state, 0.0
        u = (cross[self.first, self.second] * UNIT**2 - events * self.mean) / self.sd
        gain = u[:, None] * self.tilt - events * self.cost
        before = state.ratio + events
        start = (state.ratio * state.start + events * at) / np.maximum(before, 1e-300)
        ratio = np.minimum(before * np.exp(np.minimum(gain, 100.0)), _CEILING)
        return replace(state, ratio=ratio, start=start), float(ratio.mean())

    def since(self, state: Joint) -> float:
        """When the change would have begun; NaN without pairs."""
        return float(state.start.flat[int(np.argmax(state.ratio))]) if state.ratio.size else float("nan")

    def strongest(self, state: Joint) -> tuple[int, int, float]:
        """The two channels (rows of the reference) whose products moved most, and since when."""
        pair, size = np.unravel_index(int(np.argmax(state.ratio)), state.ratio.shape)
        return int(self.rows[self.first[pair]]), int(self.rows[self.second[pair]]), float(state.start[pair, size])


@dataclass(frozen=True, slots=True, eq=False)
class Joint:
    """R and start of every pair and tilt, float64[pairs, 2 SIZES]."""

    ratio: Floats
    start: Floats

    def without(self) -> Joint:
        """With the evidence back at 0: the episode has opened."""
        return replace(self, ratio=np.zeros_like(self.ratio))


def placed(scores: NDArray[np.int64], columns: NDArray[np.intp]) -> NDArray[np.int64]:
    """The score of every event, 0 where the channel does not apply (a negative column)."""
    return np.where(columns >= 0, np.take_along_axis(scores, np.maximum(columns, 0), axis=1), 0)


def chosen(reference: Reference, known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Numeric channels that vary, outputs first, at most MAX_CHANNELS."""
    rows = [
        i for i, c in enumerate(reference.channels) if reference.numeric[i] and known[i] and c.role is not Role.ERROR
    ]
    rows.sort(key=lambda i: reference.channels[i].role is Role.FEATURE)
    return np.array(sorted(rows[:MAX_CHANNELS]), np.intp)
