"""Streams with a weekly rhythm, by the hour, and their way through the seasonal judge."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel, Role
from driftd.core.event import Kind
from driftd.core.reference import Bins, Reference, bins_id, category_bins, numeric_bins
from driftd.core.summary import Summary
from driftd.judge.seasonal.clock import SeasonClock, SlotSummary, slots_of_events
from driftd.judge.seasonal.season import Season, SeasonState, step
from driftd.judge.seasonal.season import learn as learn_season

Floats = NDArray[np.float64]
Columns = list[Floats | list[str | None]]

START = SeasonClock().origin + 2600 * 7 * 86_400.0
WEEK = 168
HOURS = 3600.0


def rhythm(hours: int) -> Floats:
    """A day's double peak on weekdays, a single one at the weekend, between about -1 and 2."""
    t = np.arange(hours)
    hour, weekend = t % 24, t // 24 % 7 >= 5
    work = 2 * np.exp(-((hour - 8) ** 2) / 8) + 2 * np.exp(-((hour - 18) ** 2) / 12)
    return np.where(weekend, 1.5 * np.exp(-((hour - 14) ** 2) / 30), work) - 0.5


def weekly_noise(rng: np.random.Generator, weeks: int, channels: int, kind: str = "normal", phi: float = 0.0) -> Floats:
    """float64[weeks, channels], standard deviation about 1; autoregressive of order 1."""
    shape = (weeks + 20, channels)
    draw = rng.standard_t(3, size=shape) / np.sqrt(3) if kind == "t3" else rng.normal(size=shape)
    if kind == "lognormal":
        draw = (np.exp(draw) - np.exp(0.5)) / 2.16
    out = np.zeros(shape)
    for t in range(1, len(out)):
        out[t] = phi * out[t - 1] + np.sqrt(1 - phi**2) * draw[t]
    return out[20:]


def channels_of(rng: np.random.Generator, levels: Floats, hourly: float = 5.0) -> Floats:
    """float64[hours, channels] about 100: the rhythm (times 20), each week's level (times 6), and noise by the hour."""
    weeks, k = levels.shape
    base = 100 + 20 * rhythm(weeks * WEEK)[:, None] + 6 * np.repeat(levels, WEEK, axis=0)
    return np.round(base + hourly * rng.normal(size=(weeks * WEEK, k)), 3)


@dataclass(frozen=True)
class Stream:
    """A reference and everything for the judge; ``learned`` events are the reference."""

    reference: Reference
    bins: NDArray[np.intp]
    values: Floats
    times: Floats
    singles: Floats
    learned: int

    @classmethod
    def of(cls, columns: Columns, learned: int, times: Floats | None = None) -> Stream:
        n = len(columns[0])
        at = START + HOURS * np.arange(n, dtype=np.float64) if times is None else times
        kinds = [Kind.NUMERIC if isinstance(c, np.ndarray) else Kind.CATEGORICAL for c in columns]
        channels = tuple(Channel(f"f{i}", Role.FEATURE, k) for i, k in enumerate(kinds))
        bins: list[Bins] = [
            numeric_bins(c[:learned]) if isinstance(c, np.ndarray) else category_bins(c[:learned]) for c in columns
        ]
        width, k = max(b.used for b in bins), len(columns)
        placed = np.stack([b.place(c) for b, c in zip(bins, columns, strict=True)])
        counts = np.stack([np.bincount(p[:learned], minlength=width) for p in placed])
        summary = replace(Summary.empty(bins_id("m", channels, bins), k, width), counts=counts)
        reference = Reference("m", 1, channels, tuple(bins), summary, np.zeros(k), np.ones(k), True, at[0], at[-1])
        values = np.stack([c if isinstance(c, np.ndarray) else np.full(n, np.nan) for c in columns])
        return cls(reference, placed, values, at, np.zeros(k), learned)

    def slots(self, part: slice) -> tuple[list[SlotSummary], Floats]:
        times, width = self.times[part], self.reference.width
        return slots_of_events(self.bins[:, part], self.values[:, part], times, width, SeasonClock())

    def learn(self) -> tuple[Season, SeasonState]:
        slots, longest = self.slots(slice(self.learned))
        return learn_season(self.reference, slots, longest, self.singles, SeasonClock())

    def later(self) -> list[SlotSummary]:
        return self.slots(slice(self.learned, None))[0]

    def evidence(self) -> tuple[Season, Floats]:
        """S after each slot that follows the reference, float64[slots, channels + 1], the joint path's last."""
        season, state = self.learn()
        return season, followed(season, state, self.later())[1]


def followed(season: Season, state: SeasonState, slots: list[SlotSummary]) -> tuple[SeasonState, Floats]:
    out = []
    for slot in slots:
        state, s = step(season, state, slot)
        out.append(np.append(s, state.joint_evidence))
    return state, np.array(out)
