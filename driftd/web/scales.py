"""Where numbers and times stand on a chart: round ticks, logarithms where a factor of twenty is shown."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.web.format import DAY

Floats = NDArray[np.float64]

LOG_FROM: Final = 20.0
"""Greatest over least of what is shown, all above 0, from which on the axis is logarithmic."""
_STEPS: Final = (60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 10800.0, 21600.0, 43200.0, DAY, 2 * DAY,
                 7 * DAY, 14 * DAY)  # fmt: skip
HAIR: Final = 1e-6
"""Part of a step by which a value may lie below the axis: a share of 0 that is -1e-9 is no reason for one to -0.5."""
_MOST_TIMES: Final = 7
_MOST_TICKS: Final = 6


@dataclass(frozen=True, slots=True)
class Axis:
    """Numbers from ``low`` to ``high`` as places 0..1."""

    low: float
    high: float
    log: bool = False

    @classmethod
    def of(cls, values: Sequence[Floats], *, from_zero: bool = False, most: float = math.inf) -> Axis:
        """An axis on which all finite values have a place, with round ends."""
        every = np.concatenate([np.ravel(v) for v in values]) if values else np.zeros(0)
        every = every[np.isfinite(every)]
        if not len(every):
            return cls(0.0, 1.0)
        low, high = float(every.min()), float(every.max())
        if not from_zero and low > 0 and high / low >= LOG_FROM:
            return cls(_down(low), _up(high), log=True)
        low = 0.0 if from_zero or 0 < low < high / 3 else low
        if high <= low:
            room = abs(high) * 0.1 or 1.0
            low, high = (0.0, high or 0.1) if from_zero else (low - room, high + room)
        step = _round_step((high - low) / 3)
        low = math.floor(low / step + HAIR) * step
        return cls(low, min(math.ceil(high / step - 1e-9) * step, max(most, high)))

    def place(self, values: Floats) -> Floats:
        """0..1; what lies outside, and infinity, at the edge; NaN for NaN."""
        with np.errstate(invalid="ignore", divide="ignore"):
            if self.log:
                x, ends = np.log(np.maximum(values, self.low)), (math.log(self.low), math.log(self.high))
            else:
                x, ends = np.asarray(values, np.float64), (self.low, self.high)
            return np.clip((x - ends[0]) / (ends[1] - ends[0]), 0.0, 1.0)

    def ticks(self, parts: int = 3) -> list[float]:
        """Round numbers; of an axis that is not logarithmic about ``parts`` stretches lie between them."""
        if self.log:
            decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
            choices = [[f * 10.0**d for d in decades for f in factors] for factors in ((1, 2, 5), (1, 3), (1,))]
            choices += [[10.0**d for d in decades if d % every == 0] for every in (2, 3, 4, 6, 12, 50, 200)]
            inside = ([t for t in c if self.low * 0.999 <= t <= self.high * 1.001] for c in choices)
            return next(ticks for ticks in inside if len(ticks) <= _MOST_TICKS)
        step = _round_step((self.high - self.low) / parts)
        first = math.ceil(self.low / step - 1e-9)
        return [round(i * step, 12) for i in range(first, math.floor(self.high / step + 1e-9) + 1)]


def _round_step(about: float) -> float:
    """1, 2 or 5 times a power of ten, not below ``about`` by more than a hair."""
    if about <= 0 or not math.isfinite(about):
        return 1.0
    power = 10.0 ** math.floor(math.log10(about))
    return next(f * power for f in (1, 2, 5, 10) if f * power >= about * 0.999)


def _down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(f * power for f in (1, 2, 5) if f * power <= value * 1.001)


def _up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return min(f * power for f in (1, 2, 5, 10) if f * power >= value * 0.999)


@dataclass(frozen=True, slots=True)
class Span:
    """The time that a chart shows, in epoch seconds."""

    start: float
    end: float

    def place(self, times: Floats) -> Floats:
        return (np.asarray(times, np.float64) - self.start) / max(self.end - self.start, 1e-9)

    def ticks(self) -> list[tuple[float, str]]:
        """Round times with their labels; the day stands where it begins."""
        length = self.end - self.start
        step = next((s for s in _STEPS if length / s <= _MOST_TIMES), None)
        if step is None:
            return list(self._months())
        first = math.ceil(self.start / step) * step
        times = [first + i * step for i in range(int((self.end - first) // step) + 1)]
        return [(t, _label(t, step)) for t in times]

    def _months(self) -> Iterator[tuple[float, str]]:
        months = (self.end - self.start) / (30 * DAY)
        every = next((n for n in (1, 2, 3) if months / n <= _MOST_TIMES), 6)
        at = datetime.fromtimestamp(self.start, UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        while at.timestamp() <= self.end:
            if at.timestamp() >= self.start and (at.month - 1) % every == 0:
                yield at.timestamp(), f"{at:%b %Y}" if at.month == 1 else f"{at:%b}"
            at = (at + timedelta(days=32)).replace(day=1)


def _label(t: float, step: float) -> str:
    at = datetime.fromtimestamp(t, UTC)
    if step >= 7 * DAY:
        return f"{at.day} {at:%b}"
    if step >= DAY:
        return f"{at:%a} {at.day}"
    return f"{at:%a %H:%M}" if at.hour == at.minute == 0 else f"{at:%H:%M}"
