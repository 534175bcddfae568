"""Which detector watches which channel of a model, and their scores on one window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT, Channel
from driftd.core.finding import WARNING, Scores
from driftd.core.reference import Reference
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import Hop, together
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.judge.budget import ModelGuarantee
from driftd.judge.learned import Learned
from driftd.judge.natural.changes import OwnSizes
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.reach import reach
from driftd.judge.natural.runtime import natural_of
from driftd.judge.natural.size_table import sizes_of
from driftd.judge.natural.thresholds import TICKET_BUDGET, Thresholds, rested, thresholds
from driftd.judge.runtime import learned_of
from driftd.learn.renewed import Renewed, renewed_of
from driftd.learn.variation import level
from driftd.monitor.reach import blind
from driftd.monitor.state import Verdict
from driftd.monitor.thresholds import next_status

VALUES_PER_FALSE_ALARM = 1e7
"""The budget of a sequential detector where nobody knows how many values a month its channel has."""

LEAST_SHARE = 0.1
"""Least share of the page budget of one model's faults and changes, where the budget has so much. False pages there
come from what the reference has not lived to see: a smaller share would make pages later and hardly rarer."""

Detector = WindowDetector | SequentialDetector
Floats = NDArray[np.float64]
Statuses = NDArray[np.int8]
Chooser = Callable[[Channel], Sequence[Detector]]
Effect = Callable[[Channel], float]
Asked = Callable[[Channel], bool]
"""Whether the user chose the channel's detectors."""
Sizes = Callable[[Channel], OwnSizes]
"""The sizes of tickets and pages that the user wants of a channel."""


def always(_: Channel) -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class DetectorGroup:
    """A window detector and the channels that it watches, bool[channels]."""

    detector: WindowDetector
    channels: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class DetectorSet:
    """The detectors of one model on one reference.

    ``windows`` maps a kind to its groups (more than one where settings differ between channels);
    ``sequential`` maps a kind to (row, detector) pairs; ``tests`` counts (channel, detector) pairs. ``judged``: what
    the judge learned, None without one; ``a`` float64[channels + 1]: its thresholds (NaN without one);
    ``effects`` float64[channels]: the least PSI since a change that opens an episode; ``paging`` (kind, channel) pairs
    of sequential detectors whose detections open episodes: those of the budget on errors, for there they are quicker
    than the judge (it pays for the reference's error, they need no reference).

    ``natural`` is what faults and changes are judged by, with its ``limits``; None where nothing was learned.
    ``renewed`` bool[channels]: those that were learned anew beside the others, which only natural variation judges;
    ``blind``: those of them of which nothing is known yet, which nothing judges.
    ``tickets`` bool[channels]: where window and sequential detectors make tickets, because the user chose them or
    nothing else watches; elsewhere they say how much and where.
    """

    windows: Mapping[str, Sequence[DetectorGroup]]
    sequential: Mapping[str, Sequence[tuple[int, SequentialDetector]]]
    tests: int
    judged: Learned | None
    a: NDArray[np.float64]
    effects: NDArray[np.float64]
    paging: frozenset[tuple[str, str]]
    natural: NaturalLearned | None
    limits: Thresholds | None
    tickets: NDArray[np.bool_]
    renewed: NDArray[np.bool_]
    blind: NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        reference: Reference,
        choose: Chooser,
        false_alarms_per_month: float = 1.0,
        models: int = 1,
        effect: Effect = lambda _: 0.0,
        asked: Asked = always,
        tickets_per_month: float = TICKET_BUDGET,
        sizes: Sizes = lambda _: OwnSizes(),
        share: float = 1.0,
    ) -> DetectorSet:
        """``models`` share the budget ``false_alarms_per_month``; ``effect`` is the least PSI that opens an episode.
        ``tickets_per_month`` is the budget of each model's false tickets. ``share`` of what a model may have, of pages
        and of tickets, is this one's: a model and its segments have one budget.
        """
        effects = np.array([effect(channel) for channel in reference.channels], np.float64)
        natural, learned = natural_of(reference), learned_of(reference)
        marks = renewed_of(reference)
        renewed = _flags(reference, marks)
        blind = _flags(reference, (mark for mark in marks if mark.blind))
        unrelated = _flags(reference, (mark for mark in marks if not mark.related))
        limits = None
        if natural is not None:
            pages = min(false_alarms_per_month, max(false_alarms_per_month / models, LEAST_SHARE)) * share
            table = sizes_of(natural, [sizes(channel) for channel in reference.channels], effects)
            clocked = None if learned is None else learned.clocked
            limits = thresholds(natural, pages, tickets_per_month * share, table, clocked)
            limits = rested(natural, limits, unrelated, blind) if renewed.any() else limits
        tickets = np.array([natural is None or asked(channel) for channel in reference.channels], bool)
        windows, chosen = _chosen(reference, choose, tickets, renewed, blind)
        tests = len(chosen) + sum(int(g.channels.sum()) for groups in windows.values() for g in groups)
        paging = _paging(reference, chosen)
        a = np.full(len(reference.channels) + 1, np.nan)
        if learned is not None:
            n_detectors = np.array(_n_detectors(reference, paging), np.intp)
            a = learned.thresholds(false_alarms_per_month * share, models, n_detectors)
            a[:-1][renewed] = np.nan
        sequential: dict[str, list[tuple[int, SequentialDetector]]] = {}
        for row, detector in chosen:
            sequential.setdefault(detector.kind, []).append((row, _within_budget(detector, reference, row, a)))
        return cls(windows, sequential, tests, learned, a, effects, paging, natural, limits, tickets, renewed, blind)

    def sequential_of_errors(self, reference: Reference) -> Mapping[str, Sequence[tuple[int, SequentialDetector]]]:
        """Those of channels that say whether the service or the prediction was wrong."""
        errors = {
            kind: [(row, d) for row, d in pairs if reference.channels[row].role.row.errors]
            for kind, pairs in self.sequential.items()
        }
        return {kind: pairs for kind, pairs in errors.items() if pairs}

    def sequential_of(self, kind: str, row: int) -> SequentialDetector | None:
        return next((d for r, d in self.sequential.get(kind, ()) if r == row), None)

    def cover(self, reference: Reference) -> ModelGuarantee | str:
        """This model's part of the certificate; its name alone where there is no judge."""
        learned = self.judged
        if learned is None:
            return reference.model
        names, rest = tuple(c.name for c in reference.channels), np.append(self.renewed, not self.pairs_hold)
        k = len(names) + (1 if learned.joint else 0)
        return ModelGuarantee(
            reference.model,
            (*names, JOINT)[:k],
            (*learned.regime.tolist(), "joint")[:k],
            (*learned.why.tolist(), learned.joint_why)[:k],
            pages=(learned.paging & ~rest)[:k],
            judged=(learned.watched & ~rest)[:k],
            a=self.a[:k],
            monthly=np.maximum(learned.rates * MONTH_SECONDS, 1.0)[:k],
            n_detectors=np.array([*_n_detectors(reference, self.paging), 1.0])[:k],
            design_effect=np.append(learned.design_effect, 1.0)[:k],
            span_seconds=learned.span_seconds,
            blind=self._blind(reference),
        )

    @property
    def proved(self) -> NDArray[np.bool_]:
        """bool[channels]: where the judge's evidence shows shifts and shares: independent channels, and those whose
        weeks it knows.
        """
        shown = np.isfinite(self.a[:-1])
        judged = self.judged
        if judged is None:
            return np.zeros(len(shown), bool)
        return (judged.independent | judged.clocked) & shown

    @property
    def pairs_hold(self) -> bool:
        """Whether pairs of channels still say something: none of them was learned anew beside the others."""
        return self.judged is None or not self.renewed[self.judged.pairs.rows].any()

    def _blind(self, reference: Reference) -> tuple[tuple[str, ...], ...]:
        if self.natural is None or self.limits is None:
            return ()
        return blind(reference, self.natural, reach(self.natural, self.limits, reference), self.proved)

    @property
    def detectors(self) -> tuple[str, ...]:
        return (*self.windows, *self.sequential)


def _flags(reference: Reference, marks: Iterable[Renewed]) -> NDArray[np.bool_]:
    out = np.zeros(len(reference.channels), bool)
    out[[reference.rows[mark.channel] for mark in marks]] = True
    return out


def _chosen(
    reference: Reference,
    choose: Chooser,
    asked: NDArray[np.bool_],
    renewed: NDArray[np.bool_],
    blind: NDArray[np.bool_],
) -> tuple[dict[str, list[DetectorGroup]], list[tuple[int, SequentialDetector]]]:
    """The window detectors that apply, with their channels, by kind; the sequential ones with their rows.

    Sequential detectors take values for independent. By themselves they watch only channels that are: on others they
    would tell the rhythm of the day. Of channels that are ``blind`` there is nothing to compare with.
    """
    learned = learned_of(reference)
    sure = asked if learned is None else asked | (learned.independent & ~renewed)
    windows: dict[str, dict[WindowDetector, NDArray[np.bool_]]] = {}
    sequential: list[tuple[int, SequentialDetector]] = []
    for row, channel in enumerate(reference.channels):
        for detector in () if blind[row] else choose(channel):
            if not isinstance(detector, WindowDetector):
                sequential += [(row, detector)] * bool(sure[row])
            elif detector.applies(reference)[row]:
                mine = windows.setdefault(detector.kind, {})
                mine.setdefault(detector, np.zeros(len(reference.channels), bool))[row] = True
    groups = {kind: [DetectorGroup(d, mine) for d, mine in found.items()] for kind, found in windows.items()}
    return groups, sequential


def _paging(reference: Reference, chosen: Sequence[tuple[int, SequentialDetector]]) -> frozenset[tuple[str, str]]:
    channels = reference.channels
    return frozenset((d.kind, channels[row].name) for row, d in chosen if d.budget and channels[row].role.row.errors)


def _n_detectors(reference: Reference, paging: Iterable[tuple[str, str]]) -> list[int]:
    """How many detectors share the budget of each channel: the judge and those of ``paging``."""
    others = Counter(name for _, name in paging)
    return [1 + others[channel.name] for channel in reference.channels]


def _within_budget(
    detector: SequentialDetector, reference: Reference, row: int, a: NDArray[np.float64]
) -> SequentialDetector:
    """The detector as sensitive as the channel's share of the budget allows; one with its own setting as it is."""
    if not detector.budget:
        return detector
    values = VALUES_PER_FALSE_ALARM if np.isnan(a[row]) else float(a[row])
    return detector.within_budget(values, errors=reference.channels[row].role.row.errors)


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What detectors found in the window of ``hops``, whatever came before it. ``found`` by kind float64[4, channels]:
    statistic, threshold, effect and noise; ``breathes`` bool[channels]: where the noise is natural variation. ``over``:
    what ``kept`` says of it after a window that left ``verdicts``.
    """

    hops: Sequence[Hop]
    found: Mapping[str, Floats]
    breathes: Mapping[str, NDArray[np.bool_]]
    over: NDArray[np.bool_] | None
    verdicts: Mapping[str, Verdict]

    @property
    def window(self) -> Hop:
        return together(self.hops)


def measure(
    plan: DetectorSet,
    reference: Reference,
    windows: Sequence[Sequence[Hop]],
    alpha: float,
    verdicts: Mapping[str, Verdict],
) -> list[Measured]:
    """Every detector on every window, all windows at once: a call costs about the same for one and for twenty. Of a
    window, its hops, they see the counts.
    """
    channels = len(reference.channels)
    counts = np.array([np.add.reduce([hop.summary.counts for hop in hops], axis=0) for hops in windows])
    current = replace(windows[0][0].summary, counts=counts if len(windows) > 1 else counts[0])
    found: dict[str, Floats] = {}
    breathes: dict[str, NDArray[np.bool_]] = {}
    for kind, groups in plan.windows.items():
        statistic, effect, noise = np.full((3, len(windows), channels), np.nan)
        for group in groups:
            mine, detector = group.channels, group.detector
            statistic[:, mine] = detector.statistic(reference, current)[..., mine]
            effect[:, mine] = detector.material(reference, current)[..., mine]
            noise[:, mine] = detector.noise(reference, current, alpha)[..., mine]
        natural = level(reference.natural.get(kind), alpha, channels)
        breathes[kind], noise = natural > noise, np.maximum(noise, natural)
        found[kind] = np.array([statistic, np.maximum(effect, noise), effect, noise])
    for kind, pairs in plan.sequential.items():
        every = np.full((4, len(windows), channels), np.nan)
        every[3] = 0.0
        for row, _ in pairs:
            name = reference.channels[row].name
            every[0, :, row] = [
                sum(a.detector == kind and a.channel == name for hop in hops for a in hop.alarms) for hops in windows
            ]
            every[1:3, :, row] = 1.0
        found[kind] = every
    over = _kept(found, verdicts, len(windows))
    return [
        Measured(
            hops,
            {kind: x[:, i] for kind, x in found.items()},
            {kind: x[i] for kind, x in breathes.items()},
            over[i],
            verdicts,
        )
        for i, hops in enumerate(windows)
    ]


def _statuses(
    found: Mapping[str, Floats], verdicts: Mapping[str, Verdict]
) -> tuple[Floats, Floats, Statuses, Statuses]:
    """Of every detector and channel: what was ``found`` float64[kinds, 4, ..., channels], the ratio of statistic and
    threshold, the status before and now.
    """
    every = np.array([*found.values()])
    none = np.zeros(every.shape[-1], np.int8)
    before = np.array([verdicts[kind].status if kind in verdicts else none for kind in found])
    before = before.reshape(len(before), *(1,) * (every.ndim - 3), -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = every[:, 0] / every[:, 1]
    return every, ratio, before, next_status(before, ratio)


def score(measured: Measured, verdicts: Mapping[str, Verdict]) -> tuple[Scores, ...]:
    """Every detector's Scores on a window; ``verdicts`` are those of the window before."""
    found, breathes = measured.found, measured.breathes
    if not found:
        return ()
    every, ratio, before, status = _statuses(found, verdicts)
    never, nowhere = np.zeros(every.shape[2], np.int64), np.zeros(every.shape[2], bool)
    opened = (status == WARNING) & (before != WARNING)
    detections = np.array([verdicts[kind].detections if kind in verdicts else never for kind in found]) + opened
    out = []
    for i, kind in enumerate(found):
        statistic, threshold, effect, noise = every[i]
        natural = breathes.get(kind, nowhere)
        out.append(Scores(kind, statistic, threshold, effect, noise, ratio[i], status[i], detections[i], natural))
    return tuple(out)


def kept(measured: Measured, verdicts: Mapping[str, Verdict]) -> NDArray[np.bool_] | None:
    """bool[channels]: where some detector is over its threshold, as before the window; None where a status changes."""
    if measured.verdicts is verdicts:
        return measured.over
    return _kept({kind: x[:, None] for kind, x in measured.found.items()}, verdicts, 1)[0]


def _kept(found: Mapping[str, Floats], verdicts: Mapping[str, Verdict], windows: int) -> list[NDArray[np.bool_] | None]:
    """``kept`` of windows of which this was ``found``, float64[4, windows, channels], each after the same verdicts."""
    if not found or not found.keys() <= verdicts.keys():
        return [None] * windows
    *_, before, status = _statuses(found, verdicts)
    over, same = np.any(status >= WARNING, axis=0), np.all(status == before, axis=(0, 2)).tolist()
    return [over[i] if same[i] else None for i in range(windows)]
