"""What is learned of the probabilities of classes: how often a class was the label where it was thought so likely."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.lists import SHORT
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.expected import REPLICATES
from driftd.core.quality.scoring import BINS, Scoring
from driftd.core.quality.unlabelled import LEAST_EVENTS
from driftd.core.values import comparable
from driftd.ingest.quality import chances_of, codes_of
from driftd.learn.expected import draws

Floats = NDArray[np.float64]

CENTERS: Final = (np.arange(BINS) + 0.5) / BINS


def table(scoring: Scoring, rows: EventBatch) -> Mapping[str, NDArray[Any]]:
    """What belongs beside the reference; nothing where it has few labels, more than SHORT classes, or two."""
    chances = chances_of(scoring, rows)
    if chances is None or rows.label is None or not 2 < len(scoring.classes) <= SHORT:
        return {}
    chances = chances[:, :-1]
    labels = codes_of(scoring, comparable(rows.label))
    here = np.flatnonzero(~np.isnan(chances[:, 0]) & (labels >= 0))
    if len(here) < LEAST_EVENTS:
        return {}
    # by value, so that the order in which events came does not matter
    here = here[np.lexsort((labels[here], *chances[here].T, rows.times[here]))]
    bins = np.minimum((chances[here] * BINS).astype(np.int64), BINS - 1)
    weights = np.vstack([np.ones(len(here)), draws(len(here))])
    tables = np.zeros((1 + REPLICATES, len(scoring.classes), BINS))
    for place in range(len(scoring.classes)):
        hit = labels[here] == place
        for k, weight in enumerate(weights):
            n = np.bincount(bins[:, place], weight, BINS)
            tables[k, place] = isotonic(np.bincount(bins[:, place], weight * hit, BINS), n)
    return Calibrated(scoring.classes, tables.astype(np.float32), len(here)).identified().table()


def isotonic(hits: NDArray[Any], n: NDArray[Any]) -> Floats:
    """float64[BINS]: the share of hits, made to rise with the bin by pooling neighbours that do not (Ayer and others
    1955), and a line between bins that have events.
    """
    blocks: list[tuple[float, float, int]] = []  # hits, events, bins
    known = np.flatnonzero(n > 0)
    for hit, weight in zip(hits[known].tolist(), n[known].tolist(), strict=True):
        blocks.append((hit, weight, 1))
        while len(blocks) > 1 and blocks[-2][0] * blocks[-1][1] >= blocks[-1][0] * blocks[-2][1]:
            (a, b, c), (d, e, f) = blocks[-2:]
            blocks[-2:] = [(a + d, b + e, c + f)]
    shares = np.repeat([hit / weight for hit, weight, _ in blocks], [size for *_, size in blocks])
    out: Floats = np.interp(CENTERS, CENTERS[known], shares)
    return out
