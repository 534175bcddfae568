"""DDM: has the error rate left its best level by more than it should?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from math import inf, log, sqrt
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.detectors import NUMBERS, Detection, Group
from driftd.detectors._state import numbers, pack, unpack


@dataclass(slots=True)
class DDMState:
    n: float = 0.0
    rate: float = 0.0
    errors: float = 0.0
    least: float = inf
    least_rate: float = 0.0
    least_sd: float = 0.0
    least_n: float = 0.0


@dataclass(frozen=True, slots=True)
class DDM:
    """Drift detection method on a 0/1 error stream, with river's arithmetic; it starts anew after a detection.

    With p the error rate so far and ``s = sqrt(p (1 - p) / n)``: a detection when p + s exceeds the values it
    had where it was least by ``drift_threshold`` times s there. Errors that become fewer are not noticed.

    Settings: ``drift_threshold`` in standard deviations, ``warm_start`` values and ``warm_errors`` errors before
              the first test. Without ``warm_errors`` (river has none; 0 gives river's results) a stream whose
              first 30 values are free of errors has s = 0 and "drifts" at its first error. ``budget``: whether
              ``drift_threshold`` follows the channel's share of the false-alarm budget.
    Fed:      1 for an error, 0 for none.
    Detects:  ``width`` values since p + s was least, error rates before and after.
    Noise:    measured (1e7 values at rates 0.005, 0.05 and 0.3): one false alarm in about ``1000 exp(z**2 / 2)``
              values at threshold z, 1 in 1e5 at 3 and 1 in 3e6 at 4. ``within_budget`` takes a tenth of that.
    Raises:   ValueError for values that are not finite; CheckpointCorrupt from ``load``.
    Source:   Gama, Medas, Castillo and Rodrigues 2004; arithmetic of river 0.26.
    """

    kind: ClassVar[str] = "ddm"
    title: ClassVar[str] = "DDM"
    metric: ClassVar[str] = "driftd_feature_ddm_detections"
    unit: ClassVar[str] = "detections"
    help: ClassVar[str] = "Detections by DDM in the current window; 1 fires"
    kinds: ClassVar[frozenset[Kind]] = NUMBERS
    default_for: ClassVar[frozenset[Group]] = frozenset()
    errors_only: ClassVar[bool] = True
    sensitivity: ClassVar[str] = "drift_threshold"
    drift_threshold: float = 4.0
    warm_start: int = 30
    warm_errors: int = 30
    budget: bool = True

    def within_budget(self, values: float, *, errors: bool = False) -> Self:  # noqa: ARG002  (it is fed nothing else)
        return replace(self, drift_threshold=max(self.drift_threshold, sqrt(2 * log(max(values / 100, 1)))))

    def start(self) -> DDMState:
        return DDMState()

    def feed(self, state: DDMState, values: NDArray[np.float64]) -> Sequence[Detection]:
        found: list[Detection] = []
        s = state
        n, rate, errors = s.n, s.rate, s.errors
        for i, x in enumerate(numbers(values)):
            n += 1.0
            rate += (1.0 / n) * (x - rate)
            errors += x
            if n <= self.warm_start or errors < self.warm_errors:
                continue
            sd = sqrt(rate * (1 - rate) / n)
            if rate + sd <= s.least:
                s.least, s.least_rate, s.least_sd, s.least_n = rate + sd, rate, sd, n
            if rate + sd > s.least_rate + self.drift_threshold * s.least_sd:
                after = (n * rate - s.least_n * s.least_rate) / max(n - s.least_n, 1.0)
                found.append(Detection(i, int(n - s.least_n), s.least_rate, after))
                n, rate, errors = 0.0, 0.0, 0.0
                s.least, s.least_rate, s.least_sd, s.least_n = inf, 0.0, 0.0, 0.0
        s.n, s.rate, s.errors = n, rate, errors
        return found

    def dump(self, state: DDMState) -> bytes:
        return pack(self, astuple(state))

    def load(self, data: bytes) -> DDMState:
        fields = unpack(self, data, len(astuple(DDMState())))
        return DDMState(*fields) if fields is not None else self.start()
