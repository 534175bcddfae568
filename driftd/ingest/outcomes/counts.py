"""What became of a model's predictions and labels; of each one thing, so that the counts add up."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

DELAY_LE: Final = (60.0, 600.0, 3600.0, 6 * 3600.0, 86400.0, 3 * 86400.0, 7 * 86400.0, 14 * 86400.0, 30 * 86400.0)
"""Upper ends of the histogram of label delays, seconds; the last bucket has what is longer. Chosen: what people say."""


DAY: Final = 86_400.0
COHORTS: Final = 42
"""Days whose predictions are counted apart. Chosen: five weeks, and a horizon of one; 7 kB a model."""
_BINS: Final = len(DELAY_LE) + 1


def _no_cohorts() -> NDArray[Any]:
    return np.zeros((0, 2 + 2 * _BINS), np.int64)


def _no_delays() -> NDArray[Any]:
    return np.zeros(_BINS, np.int64)


@dataclass(slots=True, eq=False)
class LabelCounts:
    """Predictions that have an id, since labels are looked for:

    predictions == waiting + joined + own + unlabelled + duplicate_predictions + conflicts + unsampled + lost

    and labels that came alone:

    labels == joined + early + unmatched + late + duplicates + corrections + unsampled_labels + lost_labels

    waiting       wait for their label
    joined        have found each other
    own           had their label with them, or came again with it
    unlabelled    have waited for labels.horizon_seconds in vain
    early         labels that wait for their prediction
    unmatched     labels that have waited in vain: no such prediction, or it was before the horizon
    late          labels beyond the horizon of their prediction
    corrections   another label for what had one: the first one counts
    unsampled     left out because more wait than labels.max_pending: a sample by id is joined
    lost          waited in a store that was damaged

    ``no_id``: predictions without an id, none of the others. ``ahead``: joined labels whose time is before their
    prediction's. ``last``: the latest time of a label. ``delays`` int64[len(DELAY_LE) + 1] of joined labels, by
    DELAY_LE; ``delay_seconds`` their sum. ``cohorts`` int64[days, 2 + 2 * bins]: of predictions that
    waited for a label the day (since 1970, UTC), how many there were, of those that were joined how many by delay, and
    how many of these were wrong: another class than the label, or another number.
    """

    predictions: int = 0
    labels: int = 0
    waiting: int = 0
    joined: int = 0
    own: int = 0
    unlabelled: int = 0
    duplicate_predictions: int = 0
    conflicts: int = 0
    unsampled: int = 0
    lost: int = 0
    early: int = 0
    unmatched: int = 0
    late: int = 0
    duplicates: int = 0
    corrections: int = 0
    unsampled_labels: int = 0
    lost_labels: int = 0
    no_id: int = 0
    ahead: int = 0
    last: float = -np.inf
    delays: NDArray[Any] = field(default_factory=_no_delays)
    delay_seconds: float = 0.0
    cohorts: NDArray[Any] = field(default_factory=_no_cohorts)

    @property
    def balanced(self) -> bool:
        mine = self.waiting + self.joined + self.own + self.unlabelled + self.duplicate_predictions + self.conflicts
        theirs = self.joined + self.early + self.unmatched + self.late + self.duplicates + self.corrections
        return (
            self.predictions == mine + self.unsampled + self.lost
            and self.labels == theirs + self.unsampled_labels + self.lost_labels
        )

    @property
    def coverage(self) -> float:
        """Share of the predictions beyond the horizon or labelled that have a label; NaN before there is one."""
        known = self.joined + self.own + self.unlabelled
        return (self.joined + self.own) / known if known else np.nan

    def note_delays(self, seconds: NDArray[np.float64]) -> None:
        """Of labels that were joined; those below 0 count as 0."""
        self.ahead += int(np.count_nonzero(seconds < 0))
        seconds = np.maximum(seconds, 0.0)
        self.delays = self.delays + np.bincount(np.searchsorted(DELAY_LE, seconds), minlength=len(DELAY_LE) + 1)
        # whole milliseconds: sums of them do not depend on the order in which labels come
        self.delay_seconds = float(np.rint(self.delay_seconds * 1000) + np.rint(seconds * 1000).sum()) / 1000

    def note_predictions(self, times: NDArray[np.float64]) -> None:
        """Of those that began to wait, or had been waited for."""
        self._note(times, np.zeros(len(times), np.intp))

    def note_pairs(self, times: NDArray[np.float64], seconds: NDArray[np.float64], wrong: NDArray[np.bool_]) -> None:
        """Of those that were joined: times of the predictions and delays of their labels."""
        delay = 1 + np.searchsorted(DELAY_LE, np.maximum(seconds, 0.0))
        self._note(np.append(times, times[wrong]), np.append(delay, delay[wrong] + _BINS))

    def _note(self, times: NDArray[np.float64], column: NDArray[np.intp]) -> None:
        if not len(times):
            return
        days = np.floor_divide(times, DAY).astype(np.int64)
        known = np.union1d(self.cohorts[:, 0], days)[-COHORTS:]
        known = known[known > known[-1] - COHORTS]
        out = np.zeros((len(known), 2 + 2 * _BINS), np.int64)
        out[:, 0] = known
        kept = self.cohorts[np.isin(self.cohorts[:, 0], known)]
        out[np.searchsorted(known, kept[:, 0]), 1:] += kept[:, 1:]
        mine = days >= known[0]
        np.add.at(out, (np.searchsorted(known, days[mine]), 1 + column[mine]), 1)
        self.cohorts = out
