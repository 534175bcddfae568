"""Sums of products of scores for each pane of a batch, all panes at once."""

from __future__ import annotations

from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from driftd.core.by_pane import ByPane

TOGETHER: Final = 2048
"""Events whose products are formed at a time. Measured: they stay in the processor's cache."""


class CrossSums(Protocol):
    """What a pane needs of judge.exchangeable.joint.Pairs, and of judge.natural.relations.Scores."""

    def crosses(self, bins: NDArray[np.intp], panes: ByPane) -> NDArray[np.int64] | None:
        """Sums of products of what stands for the ``bins`` intp[channels, events], int64[k, ...]."""
        ...


def placed(scores: NDArray[np.int64], bins: NDArray[np.intp]) -> NDArray[np.float64]:
    """The score of every event, float64[rows, events], 0 where its bin is -1: ``scores`` int64[rows, width] of each
    bin, ``bins`` intp[rows, events].
    """
    table = np.concatenate([np.zeros((len(scores), 1)), scores], axis=1)
    out: NDArray[np.float64] = np.take(table, bins + (np.arange(len(table)) * table.shape[1] + 1)[:, None])
    return out


def products_by_pane(
    scores: NDArray[np.float64], panes: ByPane, first: NDArray[np.intp], second: NDArray[np.intp]
) -> NDArray[np.int64]:
    """For each pane int64[pairs]: the sums over its events of the products of the rows ``first`` and ``second`` of
    ``scores`` float64[rows, events], which are whole numbers: so sums are exact below 2**53.

    A pane may have three events, for which a matrix product of its own costs more than they do; panes of about as many
    events are filled up with zeros and multiplied together.
    """
    (one, at), (other, beside) = (np.unique(x, return_inverse=True) for x in (first, second))
    events, starts, sizes = scores.shape[1], panes.starts, panes.sizes
    filled = np.concatenate([panes.sorted(scores), np.zeros((len(scores), 1))], axis=1)
    wanted = at * len(other) + beside
    left, right = filled[one], None if np.array_equal(one, other) else filled[other]
    out = np.empty((len(starts), len(wanted)), np.int64)
    by_size, low = np.argsort(-sizes, kind="stable"), 0
    while low < len(by_size):
        longest = int(sizes[by_size[low]])
        mine = by_size[low : low + max(1, TOGETHER // longest)]
        event = np.arange(longest)
        places = np.where(event < sizes[mine, None], starts[mine, None] + event, events)
        x = np.ascontiguousarray(left[:, places].transpose(1, 0, 2))
        products = x @ (x.transpose(0, 2, 1) if right is None else right[:, places].transpose(1, 2, 0))
        out[mine] = np.take(products.reshape(len(mine), -1), wanted, axis=1)
        low += len(mine)
    return out
