"""HDDM_A: has the error rate risen by more than Hoeffding's bound allows?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from math import log, sqrt
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.detectors import NUMBERS, Detection, Group
from driftd.detectors._state import numbers, pack, unpack


@dataclass(slots=True)
class HDDMState:
    n: float = 0.0
    mean: float = 0.0
    low_n: float = 0.0  # values, and their mean, at the cut that speaks most for a rise
    low_mean: float = 0.0
    high_n: float = 0.0  # and for a fall
    high_mean: float = 0.0


@dataclass(frozen=True, slots=True)
class HDDM:
    """Hoeffding drift detection with moving averages (HDDM_A), with river's arithmetic; starts anew after a detection.

    The mean up to the cut is compared with the mean of all values; a detection when they differ by more than
    Hoeffding's bound at confidence ``drift_confidence``. That bound ignores how small the variance of rare errors
    is, so it is slow on them.

    Settings: ``drift_confidence``, ``two_sided_test`` (falls of the error rate count as well), ``budget``: whether
              ``drift_confidence`` follows the channel's share of the false-alarm budget.
    Fed:      1 for an error, 0 for none (any value within 0..1 keeps the bound).
    Detects:  ``width`` values since the cut, means before and after it.
    Noise:    measured (1e7 values): at an error rate of 0.3 one false alarm in about ``50 / drift_confidence``
              values, at smaller rates far fewer. ``within_budget`` sets it to 10 / values.
    Raises:   ValueError for values that are not finite; CheckpointCorrupt from ``load``.
    Source:   Frias-Blanco et al. 2014; arithmetic of river 0.26, which copies objects and takes ten times as long.
    """

    kind: ClassVar[str] = "hddm"
    title: ClassVar[str] = "HDDM"
    metric: ClassVar[str] = "driftd_feature_hddm_detections"
    unit: ClassVar[str] = "detections"
    help: ClassVar[str] = "Detections by HDDM in the current window; 1 fires"
    kinds: ClassVar[frozenset[Kind]] = NUMBERS
    default_for: ClassVar[frozenset[Group]] = frozenset()
    errors_only: ClassVar[bool] = True
    sensitivity: ClassVar[str] = "drift_confidence"
    drift_confidence: float = field(default=1e-4, metadata={"most": 1})
    two_sided_test: bool = False
    budget: bool = True

    def within_budget(self, values: float, *, errors: bool = False) -> Self:  # noqa: ARG002  (it is fed nothing else)
        return replace(self, drift_confidence=min(self.drift_confidence, 10 / values))

    def start(self) -> HDDMState:
        return HDDMState()

    # Whole, because it runs for every value: a call for each of its three steps would take longer than the steps.
    def feed(self, state: HDDMState, values: NDArray[np.float64]) -> Sequence[Detection]:
        certain, two_sided = log(1.0 / self.drift_confidence), self.two_sided_test
        spread = log(2.0 / self.drift_confidence)
        found: list[Detection] = []
        s = state
        n, mean = s.n, s.mean
        for i, x in enumerate(numbers(values)):
            n += 1.0
            mean += (1.0 / n) * (x - mean)
            if s.low_n == 0:
                s.low_n, s.low_mean = n, mean
            if s.high_n == 0:
                s.high_n, s.high_mean = n, mean
            bound = sqrt(1.0 / (2 * n) * certain)
            if s.low_mean + sqrt(1.0 / (2 * s.low_n) * certain) >= mean + bound:
                s.low_n, s.low_mean = n, mean
            if s.high_mean - sqrt(1.0 / (2 * s.high_n) * certain) <= mean - bound:
                s.high_n, s.high_mean = n, mean
            cut = 0.0
            if s.low_n != n and mean - s.low_mean >= sqrt((n - s.low_n) / s.low_n * (1.0 / n) / 2 * spread):
                cut, before = s.low_n, s.low_mean
            elif (
                two_sided
                and s.high_n != n
                and s.high_mean - mean >= sqrt((n - s.high_n) / s.high_n * (1.0 / n) / 2 * spread)
            ):
                cut, before = s.high_n, s.high_mean
            if cut:
                found.append(Detection(i, int(n - cut), before, (n * mean - cut * before) / (n - cut)))
                n, mean = 0.0, 0.0
                s.low_n = s.low_mean = s.high_n = s.high_mean = 0.0
        s.n, s.mean = n, mean
        return found

    def dump(self, state: HDDMState) -> bytes:
        return pack(self, astuple(state))

    def load(self, data: bytes) -> HDDMState:
        fields = unpack(self, data, len(astuple(HDDMState())))
        return HDDMState(*fields) if fields is not None else self.start()
