"""What a configuration can detect, before anything runs: windows, thresholds, and the smallest change found.

All of it follows from the reference: its shares, its events and the rate at which they came.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE, Summary
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import Windows
from driftd.judge import runtime, sensitivity
from driftd.judge.budget import ModelGuarantee
from driftd.judge.learned import Learned
from driftd.judge.natural.reach import reach
from driftd.judge.natural.size_table import LEVEL
from driftd.judge.seasonal.season import PAGE_SEASONS
from driftd.learn.variation import level
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.reach import Detectable, Undetectable, detectable, undetectable, unseen_times
from driftd.monitor.thresholds import Budget

Floats = NDArray[np.float64]

DAY: Final = 86_400.0
COUNTS_ALONE: Final = "the reference holds counts alone; build one with 'driftd reference build'"
SEASONAL: Final = "a seasonal channel; no checked formula exists"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Where a window detector makes a ticket of a channel, in a window of the expected size: the larger of the two."""

    detector: str
    effect: float
    noise: float

    @property
    def threshold(self) -> float:
        return max(self.effect, self.noise)

    @property
    def source(self) -> str:
        return "effect" if self.effect >= self.noise else "noise"


@dataclass(frozen=True, slots=True)
class DetectableChange:
    """The smallest change that is found 9 times in 10. ``kind``: "shift" by ``least`` standard deviations of the normal
    score, or "share": that of ``value`` rises by ``least`` (0..1); ``within_seconds`` of ``events`` events.
    """

    kind: str
    value: str
    least: float
    within_seconds: float
    events: int


@dataclass(frozen=True, slots=True)
class ChannelSensitivity:
    """One channel. ``pages``: its episodes page, else they are tickets and ``why`` says why; ``a`` events to one false
    page at least, about ``apart_seconds``; both NaN where the judge abstains. ``unknown``: why there are no ``finds``.
    """

    channel: str
    role: str
    regime: str
    pages: bool
    why: str
    a: float
    apart_seconds: float
    events: int
    finds: tuple[DetectableChange, ...]
    unknown: str
    thresholds: tuple[Threshold, ...]
    sequential: tuple[tuple[str, bool], ...]
    """Kinds of detectors that see every value, and whether they open episodes."""
    sees: tuple[Detectable, ...] = ()
    """Faults and changes beyond natural variation that make a page or a ticket."""
    cannot_see: tuple[Undetectable, ...] = ()


@dataclass(frozen=True, slots=True)
class ModelSensitivity:
    """One model: the window it will have at the reference's rate, and its channels in the reference's order; "*" last,
    where the judge watches how they move together. ``unseen``: what the reference does not hold, such as a weekend.
    """

    model: str
    events_a_second: float
    window_seconds: float
    window_events: int
    hop_seconds: float
    channels: tuple[ChannelSensitivity, ...]
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Guaranteed:
    """What the judge guarantees of a channel; the fields mean what they mean in ``ChannelSensitivity``."""

    regime: str
    pages: bool
    why: str
    a: float
    apart_seconds: float
    unknown: str


@dataclass(frozen=True, slots=True, eq=False)
class _Question:
    """A kind of change that some channels can have: bool[channels], and the value it is about, intp[channels]."""

    kind: str
    channels: NDArray[np.bool_]
    columns: NDArray[np.intp]

    def value(self, reference: Reference, row: int) -> str:
        return "" if self.kind == "shift" else reference.label(row, int(self.columns[row]))


def sensitivity_of(
    reference: Reference, plan: DetectorSet, windows: Windows, false_alarms_per_month: float, budget_models: int
) -> ModelSensitivity:
    """``plan`` is that of the model's pipeline; ``budget_models`` share the budget."""
    span = max(reference.last - reference.first, 1.0)
    rate = reference.summary.events / span
    hop = hop_seconds(windows, rate)
    seconds = min(hop * windows.hops, windows.max_window_seconds)
    expected = scaled(reference.summary, rate * seconds / max(reference.summary.events, 1))
    alpha = Budget(false_alarms_per_month, plan.tests * budget_models, windows.hop_seconds).alpha
    levels = tuple(_levels(reference, plan, expected, alpha))
    guarantee = plan.cover(reference)
    finds = _finds(reference, plan, windows, rate, seconds)
    sees, cannot = _sight(reference, plan, windows)
    found = []
    for row, channel in enumerate(reference.channels):
        of = _guaranteed(guarantee, plan.judged, row)
        found.append(
            ChannelSensitivity(
                channel.name,
                channel.role.value,
                of.regime,
                of.pages,
                of.why,
                of.a,
                of.apart_seconds,
                int(expected.channel_events[row]),
                finds[row],
                of.unknown or ("" if finds[row] else "too few events for any change"),
                tuple(levels_of for r, levels_of in levels if r == row),
                _sequential(plan, row, channel.name, pages=of.pages),
                sees[row],
                cannot[row],
            )
        )
    if not isinstance(guarantee, str) and guarantee.names[-1] == JOINT:
        found.append(_joint(guarantee, expected.events))
    return ModelSensitivity(reference.model, rate, seconds, expected.events, hop, tuple(found), unseen_times(reference))


def _sight(
    reference: Reference, plan: DetectorSet, windows: Windows
) -> tuple[list[tuple[Detectable, ...]], list[tuple[Undetectable, ...]]]:
    """What faults and changes each channel can see, and what it cannot."""
    channels = len(reference.channels)
    if plan.natural is None or plan.limits is None:
        return [()] * channels, [()] * channels
    seen = reach(plan.natural, plan.limits, reference, windows.pane_seconds)
    return detectable(seen, channels), undetectable(reference, plan.natural, seen, plan.proved)


def _joint(of: ModelGuarantee, events: int) -> ChannelSensitivity:
    a, monthly = float(of.a[-1]), float(of.monthly[-1])
    return ChannelSensitivity(
        JOINT, JOINT, of.regime[-1], bool(of.pages[-1]), of.why[-1], a, a / monthly * MONTH_SECONDS, events,
        (), "how channels move together: it depends on the pair", (), (),
    )  # fmt: skip


def _sequential(plan: DetectorSet, row: int, name: str, *, pages: bool) -> tuple[tuple[str, bool], ...]:
    kinds = (kind for kind in plan.sequential if plan.sequential_of(kind, row) is not None)
    return tuple((kind, pages and (kind, name) in plan.paging) for kind in kinds)


def hop_seconds(windows: Windows, events_a_second: float) -> float:
    """How long a hop will be: until it holds enough events, in whole panes."""
    needed = windows.hop_events / max(events_a_second, 1e-12)
    whole = np.ceil(max(windows.hop_seconds, needed) / windows.pane_seconds) * windows.pane_seconds
    return float(min(whole, max(windows.longest_hop_seconds, windows.pane_seconds)))


def scaled(summary: Summary, by: float) -> Summary:
    """What a window of so many times the events would hold if nothing had changed."""
    counts = np.rint(summary.counts * by).astype(np.int64)
    moments = np.rint(summary.moments * by).astype(np.int64)
    return replace(summary, events=round(summary.events * by), counts=counts, moments=moments)


def _levels(reference: Reference, plan: DetectorSet, window: Summary, alpha: float) -> Iterator[tuple[int, Threshold]]:
    for kind, groups in plan.windows.items():
        for group in groups:
            effect = group.detector.material(reference, window)
            natural = level(reference.natural.get(kind), alpha, len(reference.channels))
            noise = np.maximum(group.detector.noise(reference, window, alpha), natural)
            for row in np.flatnonzero(group.channels & ~np.isnan(np.maximum(effect, noise))).tolist():
                yield row, Threshold(kind, float(effect[row]), float(noise[row]))


def _guaranteed(of: ModelGuarantee | str, learned: Learned | None, row: int) -> _Guaranteed:
    if isinstance(of, str) or learned is None:
        return _Guaranteed("", False, COUNTS_ALONE, float("nan"), float("nan"), COUNTS_ALONE)
    why, judged = of.why[row], bool(of.judged[row])
    a = float(of.a[row]) if judged else float("nan")
    apart = a / float(learned.rate[row]) if judged and learned.rate[row] > 0 else float("nan")
    unknown = "" if learned.independent[row] and judged else SEASONAL if learned.seasonal[row] else why
    if learned.seasonal[row] and not of.pages[row]:
        why += _lacking(learned, why)
    return _Guaranteed(of.regime[row], bool(of.pages[row]), why, a, apart, unknown)


def _lacking(learned: Learned, why: str) -> str:
    """What the seasons lack to page, as the end of the sentence ``why``; empty where the sentence says it."""
    if learned.season is None or "tickets" in why:
        return ""
    few = learned.season.seasons < PAGE_SEASONS
    return f", {PAGE_SEASONS} are needed to page" if few else ", but they are too correlated to page"


def _finds(
    reference: Reference, plan: DetectorSet, windows: Windows, rate: float, window_seconds: float
) -> list[tuple[DetectableChange, ...]]:
    """Of each channel: its smallest shift or share, then the smallest rise of missing values, for each horizon."""
    out: list[list[DetectableChange]] = [[] for _ in reference.channels]
    learned = plan.judged
    if learned is None:
        return [() for _ in out]
    a, counts = plan.a[:-1], reference.summary.counts.astype(np.float64)
    counted = _horizons(learned, windows, runtime.batch_events(reference) / max(rate, 1e-12), window_seconds)
    for question in _questions(reference):
        for horizon, events in counted.items():
            rows = np.flatnonzero(question.channels & learned.independent & np.isfinite(a) & (events >= 1))
            if not len(rows):
                continue
            least = _smallest(question, learned, rows, counts, a, events)
            if question.kind == "shift":
                least = np.maximum(least, _least_shift(plan)[rows])
            for row, found in zip(rows.tolist(), least.tolist(), strict=True):
                if np.isfinite(found):
                    value = question.value(reference, row)
                    out[row].append(DetectableChange(question.kind, value, found, horizon, int(events[row])))
    return [tuple(found) for found in out]


def _least_shift(plan: DetectorSet) -> Floats:
    """Below, exact evidence makes no ticket: standard deviations, float64[channels]."""
    by_effect = np.sqrt(plan.effects)
    return by_effect if plan.limits is None else np.maximum(by_effect, plan.limits.sizes.exact[LEVEL])


def _horizons(learned: Learned, windows: Windows, batch_seconds: float, window_seconds: float) -> dict[float, Floats]:
    """How many events of each channel, float64[channels], come within a window and within a day."""
    batch = np.ceil(batch_seconds / windows.pane_seconds) * windows.pane_seconds
    near = DAY / 2 < window_seconds < 2 * DAY
    horizons = [h for h in sorted({window_seconds, window_seconds if near else DAY}) if h > batch]
    # a change begins anywhere in a micro-batch, and is judged at its end
    return {h: np.floor(learned.rate * (h - batch / 2)) for h in horizons}


def _questions(reference: Reference) -> tuple[_Question, ...]:
    columns = _columns(reference)
    absent = sensitivity.missing_columns(len(reference.channels))
    may_miss = np.array([not (c.role.row.awaited or c.role.row.always) for c in reference.channels])
    return (
        _Question("shift", columns < 0, columns),
        _Question("share", columns >= 0, columns),
        _Question("share", may_miss, absent),
    )


def _smallest(
    question: _Question, learned: Learned, rows: NDArray[np.intp], counts: Floats, a: Floats, events: Floats
) -> Floats:
    """The smallest change that is found in each of ``rows``, float64[rows]; NaN where none is."""
    one, alike = _alike(counts[rows], a[rows], events[rows], question.columns[rows])
    shown = rows[one]
    shape = learned.shape.take(np.searchsorted(learned.rows, shown))
    few = counts[shown], a[shown], events[shown]
    if question.kind == "shift":
        return sensitivity.smallest_shift(shape, *few)[alike]
    return sensitivity.smallest_rise(shape, *few, question.columns[shown])[alike]


def _alike(
    counts: Floats, a: Floats, events: Floats, columns: NDArray[np.intp]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """One row of each kind of channel, and each channel's kind: a hundred numbers on twenty quantile bins each, at the
    same rate, see the same.
    """
    total = np.maximum(counts.sum(axis=1), 1)
    value = np.where(columns < 0, 0, counts[np.arange(len(a)), columns])
    sizes = np.round(np.log(np.stack([a, events, total, value + 1], axis=1)), 2)
    key = np.concatenate([sizes, columns[:, None], np.round(counts / total[:, None], 2)], axis=1)
    _, one, alike = np.unique(key, axis=0, return_index=True, return_inverse=True)
    return one, alike.reshape(-1)


def _columns(reference: Reference) -> NDArray[np.intp]:
    """The value whose share is looked at, intp[channels]: of categories the most frequent, of 0 and 1 the 1, of
    errors that never were those that come, of a constant whatever lies above it; negative for numbers, which shift.
    """
    out = np.full(len(reference.channels), -1, np.intp)
    for row, bins in enumerate(reference.bins):
        counts = reference.summary.counts[row, FIRST_VALUE : bins.used]
        if not reference.numeric[row]:
            out[row] = FIRST_VALUE + int(np.argmax(counts))
        elif np.count_nonzero(counts) == 2:
            out[row] = FIRST_VALUE + int(np.flatnonzero(counts)[-1])
        elif np.count_nonzero(counts) == 1:
            out[row] = bins.place(np.ones(1))[0] if reference.channels[row].role.row.errors else bins.used - 1
    return out


__all__ = ["ChannelSensitivity", "DetectableChange", "ModelSensitivity", "Threshold", "sensitivity_of"]
