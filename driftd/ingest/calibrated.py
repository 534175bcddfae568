"""Events whose score names the probability of each class, to the sums that Calibrated asks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.quality.calibrated import Calibrated
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.sums import SparseSums
from driftd.core.values import comparable
from driftd.ingest.quality import chances_of, codes_of


def likely(
    calibrated: Calibrated | None, scoring: Scoring | None, batch: EventBatch, panes: NDArray[np.int64]
) -> dict[str, SparseSums]:
    """Sums by pane of events with a prediction; nothing where no event names probabilities."""
    if calibrated is None or scoring is None or batch.prediction is None:
        return {}
    chances, codes = chances_of(scoring, batch), codes_of(scoring, comparable(batch.prediction))
    if chances is None:
        return {}
    good = ~np.isnan(chances[:, 0]) & (codes >= 0) & (codes < len(scoring.classes))
    here, rest = np.flatnonzero(good), np.flatnonzero(~good & (codes >= 0))
    return calibrated.sums(chances[here, :-1], codes[here], len(rest), panes[np.concatenate([here, rest])])
