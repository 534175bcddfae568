"""Page-Hinkley: a two-sided cumulative sum of the deviations from the running mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, field, replace
from math import inf, log
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Kind
from driftd.detectors import EVERY_KIND, Detection, Group
from driftd.detectors._state import numbers, pack, unpack


@dataclass(slots=True)
class PageHinkleyState:
    n: float = 0.0
    mean: float = 0.0
    increase: float = 0.0
    decrease: float = 0.0
    least: float = inf
    greatest: float = -1.0  # river starts here, not at -inf
    least_n: float = 0.0  # values, and their mean, when the sum was at its turning point
    least_mean: float = 0.0
    greatest_n: float = 0.0
    greatest_mean: float = 0.0


@dataclass(frozen=True, slots=True)
class PageHinkley:
    """Page-Hinkley test on one channel, with river's arithmetic; it starts anew after a detection.

    ``S+ = alpha S+ + (x - mean) - delta`` and ``S- = alpha S- + (x - mean) + delta``; a detection when S+ has
    risen by more than ``threshold`` above its minimum or S- fallen as far below its maximum.

    Settings: ``delta`` deviation to ignore (0.05 places, about 0.17 standard deviations), ``threshold`` in
              summed deviations, ``min_instances`` before the first test, ``alpha`` forgetting factor. 1 does
              not forget: with river's 0.9999 the sums stop drifting apart after some 10,000 values, and then
              chance alone reaches any threshold. ``budget``: whether ``threshold`` follows the channel's share of
              the false-alarm budget.
    Fed:      places in the reference, 0..1: on raw values its verdict would depend on the feature's unit. 0/1 errors
              as they are.
    Detects:  ``width`` values since the turning point of the sum, means before and after it.
    Noise:    values that are sub-Gaussian with variance v make S rise by h with a chance of ``exp(-2 delta h / v)`` a
              start at most: ``within_budget`` sets ``threshold = v ln(2 values) / (2 delta)``. A place is the mean of
              a uniform variable given its bin, so v is 1/12, and the default holds for 1e7 values; a 0/1 error has
              1/4 at most (Hoeffding 1963).
    Raises:   ValueError for values that are not finite; CheckpointCorrupt from ``load``.
    Source:   Page 1954; Lorden 1971 (run length); arithmetic of river 0.26.
    """

    kind: ClassVar[str] = "page_hinkley"
    title: ClassVar[str] = "Page-Hinkley"
    metric: ClassVar[str] = "driftd_feature_page_hinkley_detections"
    unit: ClassVar[str] = "detections"
    help: ClassVar[str] = "Detections by Page-Hinkley in the current window; 1 fires"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    default_for: ClassVar[frozenset[Group]] = frozenset()
    errors_only: ClassVar[bool] = False
    sensitivity: ClassVar[str] = "threshold"
    delta: float = field(default=0.05, metadata={"most": 1})
    threshold: float = 14.0
    min_instances: int = 30
    alpha: float = field(default=1.0, metadata={"most": 1})
    budget: bool = True

    def within_budget(self, values: float, *, errors: bool = False) -> Self:
        variance = 1 / 4 if errors else 1 / 12
        return replace(self, threshold=max(self.threshold, variance * log(2 * values) / (2 * self.delta)))

    def start(self) -> PageHinkleyState:
        return PageHinkleyState()

    def feed(self, state: PageHinkleyState, values: NDArray[np.float64]) -> Sequence[Detection]:
        alpha, delta, threshold, first = self.alpha, self.delta, self.threshold, self.min_instances
        found: list[Detection] = []
        s = state
        n, mean, increase, decrease = s.n, s.mean, s.increase, s.decrease
        for i, x in enumerate(numbers(values)):
            n += 1.0
            mean += (1.0 / n) * (x - mean)
            deviation = x - mean
            increase = alpha * increase + deviation - delta
            decrease = alpha * decrease + deviation + delta
            if increase < s.least:
                s.least, s.least_n, s.least_mean = increase, n, mean
            if decrease > s.greatest:
                s.greatest, s.greatest_n, s.greatest_mean = decrease, n, mean
            if n >= first and (increase - s.least > threshold or s.greatest - decrease > threshold):
                up = increase - s.least > threshold
                turn, before = (s.least_n, s.least_mean) if up else (s.greatest_n, s.greatest_mean)
                after = (n * mean - turn * before) / (n - turn)
                found.append(Detection(i, int(n - turn), before, after))
                n, mean, increase, decrease = 0.0, 0.0, 0.0, 0.0
                s.least, s.greatest = inf, -1.0
                s.least_n = s.least_mean = s.greatest_n = s.greatest_mean = 0.0
        s.n, s.mean, s.increase, s.decrease = n, mean, increase, decrease
        return found

    def dump(self, state: PageHinkleyState) -> bytes:
        return pack(self, astuple(state))

    def load(self, data: bytes) -> PageHinkleyState:
        fields = unpack(self, data, len(astuple(PageHinkleyState())))
        return PageHinkleyState(*fields) if fields is not None else self.start()
