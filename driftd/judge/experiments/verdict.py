"""What an experiment says by now: of each challenger on each metric, and of the traffic.

shown                                    verdict
worse by more than the margin            worse: page, roll back
better                                   better
not worse and not better by the margin   equal within the margin
not worse by the margin                  not worse
worse                                    slightly worse: by less than the margin, perhaps
nothing                                  not yet
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import ceil, inf, isfinite, isnan, log, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.experiment import Metric, Role, Rule
from driftd.core.trials import UNIT_RANGE
from driftd.judge.experiments.bernoulli import CLAIMS
from driftd.judge.experiments.clustered import LEAST_BUCKETS, buckets
from driftd.judge.experiments.sequence import FIRST_EVENTS
from driftd.judge.experiments.srm import THRESHOLD
from driftd.judge.experiments.state import Experiment, Tally


class Verdict(StrEnum):
    WORSE = "worse"
    SLIGHTLY_WORSE = "slightly worse"
    NOT_YET = "not yet"
    NOT_WORSE = "not worse"
    EQUAL = "equal within the margin"
    BETTER = "better"


CODES: Final = {
    Verdict.WORSE: -1,
    Verdict.SLIGHTLY_WORSE: 0,
    Verdict.NOT_YET: 0,
    Verdict.NOT_WORSE: 1,
    Verdict.EQUAL: 1,
    Verdict.BETTER: 2,
}
"""As a number. Chosen: for those who roll out, who stop below 0 and go ahead from 1 on."""
NEAR: Final = 0.1
"""Part of the margin: an estimate that is so near to an end of it is measured by the farthest end. Chosen: else it
would take any number of events."""
LEAST_EVIDENCE: Final = 0.2
"""Part of the evidence that a verdict takes, from which on it is said how many events the rest takes. Chosen: with less
of it chance decides how fast it grows."""
MOST_EVENTS: Final = 10**12
"""More is not said. Chosen: no experiment gets there."""


@dataclass(frozen=True, slots=True)
class Arm:
    """``events`` that have the metric, and its ``mean`` (NaN of none). Means are over all events: what is compared is
    within panes.
    """

    name: str
    events: int
    mean: float


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """One challenger on one metric. ``estimate`` and interval are of challenger - champion, in the metric's unit; NaN
    while none is believed. ``since``: when the verdict was shown first. ``why`` it is not yet, or is there though the
    interval does not show it; ``more``: events that it takes, as it looks now. ``paged``: when it was shown
    to be worse by more than the margin while the split was believed, NaN never, nor of a shadow. ``independent``: it
    assumes that requests are. ``points`` float64[k, 4]: end, events, estimate and half the interval's width over time.
    """

    metric: Metric
    champion: Arm
    challenger: Arm
    verdict: Verdict
    since: float
    estimate: float
    low: float
    high: float
    paged: float
    independent: bool
    why: str
    more: int | None
    points: NDArray[np.float64]

    @property
    def code(self) -> int:
        return CODES[self.verdict]


@dataclass(frozen=True, slots=True)
class Control:
    """One half of the champion's units beside the other, by hash, on one metric. ``since``: from when on they differ,
    which they must not; NaN while they do not. By chance that comes as often as a wrong verdict of a challenger.
    """

    metric: Metric
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class Result:
    """Of one experiment. ``evidence`` against the shares as the log of an e-value, NaN where there are none to test;
    ``broken``: they are not kept, so nothing is said of challengers; ``broken_since`` when, else NaN. ``events`` and
    ``units`` of each arm; ``named``: how many of the events name their unit. ``split``: the part of the traffic that
    each arm got, of units where there are any, else of events; ``wanted``: what it was to get of the same so far, empty
    where nobody said. ``others``: events of variants that are no arm, ``names`` the first of these by the alphabet.
    ``promote``: challengers that are better at a goal and worse at nothing.
    """

    rule: Rule
    since: float
    last: float
    events: tuple[int, ...]
    named: int
    units: tuple[int, ...]
    split: tuple[float, ...]
    wanted: tuple[float, ...]
    evidence: float
    broken: bool
    broken_since: float
    comparisons: tuple[Comparison, ...]
    promote: tuple[str, ...]
    others: int = 0
    """Derived: none at the start."""
    names: tuple[str, ...] = ()
    controls: tuple[Control, ...] = ()


def result(rule: Rule, experiment: Experiment, labels: Experiment | None = None) -> Result:
    """``labels``: the same experiment on joined labels, which knows better how right predictions were."""
    ratio = experiment.ratio
    tested = bool(ratio.expected.any())
    evidence = ratio.evidence if tested else nan
    broken = bool(evidence >= THRESHOLD)
    found = tuple(_comparisons(rule, experiment, labels, ratio.since if broken else None))
    arms = np.bincount(experiment.units.arms, minlength=len(rule.arms))
    # of those below the bound there are as many in each part of the range
    scale = UNIT_RANGE / experiment.units.bound
    units = tuple(0 if rule.shadow else round(n * scale) for n in arms.tolist())  # a shadow meets all of the champion's
    by_unit = experiment.by_unit and not rule.shadow
    return Result(
        rule,
        experiment.since,
        experiment.last,
        tuple(experiment.events.tolist()),
        int(experiment.named.sum()),
        units,
        _parts(ratio.seen if tested else np.array(units if by_unit else experiment.events, np.float64)),
        _parts(ratio.expected) if tested else (),
        evidence,
        broken,
        ratio.since if broken else nan,
        found,
        tuple(name for name in rule.challengers if _may_be_promoted(name, found)),
        experiment.others,
        experiment.names,
        tuple(_controls(rule, experiment, labels)),
    )


def _parts(x: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple((x / max(x.sum(), 1.0)).tolist())


def _controls(rule: Rule, experiment: Experiment, labels: Experiment | None) -> Iterator[Control]:
    for which, own in enumerate(experiment.controls):
        metric = rule.metrics[which]
        tally, source = own, experiment
        if labels is not None and labels.controls and (at := _on_labels(rule, metric)) is not None:
            tally, source = _known_better((own, experiment), (labels.controls[at], labels))
        exact = metric.share and not source.by_unit
        more, less = (tally.shown[0 if exact else 1][CLAIMS.index((sign, 0))] for sign in (1, -1))
        yield Control(metric, float(np.fmin(more, less)))


def _on_labels(rule: Rule, metric: Metric) -> int | None:
    """The place of the metric among those that joined labels know of; None where it is none of them."""
    on_labels = rule.of_labels
    return None if on_labels is None or metric not in on_labels.metrics else on_labels.metrics.index(metric)


def _known_better(own: tuple[Tally, Experiment], labels: tuple[Tally, Experiment]) -> tuple[Tally, Experiment]:
    return labels if labels[0].counts.sum() > own[0].counts.sum() else own


def _comparisons(
    rule: Rule, experiment: Experiment, labels: Experiment | None, broken: float | None
) -> Iterator[Comparison]:
    for place, own in enumerate(experiment.tallies):
        challenger, which = divmod(place, len(rule.metrics))
        metric, tally, source = rule.metrics[which], own, experiment
        if labels is not None and (at := _on_labels(rule, metric)) is not None:
            mine = labels.tallies[challenger * (len(labels.tallies) // len(rule.challengers)) + at]
            tally, source = _known_better((own, experiment), (mine, labels))
        yield _comparison(rule, metric, rule.challengers[challenger], tally, source, broken)


def _comparison(
    rule: Rule, metric: Metric, challenger: str, tally: Tally, experiment: Experiment, broken: float | None
) -> Comparison:
    names = rule.champion, challenger
    independent = not experiment.by_unit
    exact = independent and metric.share
    verdict, since = _verdict(tally.shown[0 if exact else 1])
    why, more = "", None
    worse = float(tally.shown[0 if exact else 1][0])
    paged = nan if rule.shadow or (broken is not None and worse >= broken) else worse
    if broken is not None:
        verdict, since, why = Verdict.NOT_YET, nan, "the traffic is not split as it is to be"
    elif verdict in {Verdict.NOT_YET, Verdict.SLIGHTLY_WORSE}:
        why, more = _why_exact(rule.level, tally) if exact else _why(metric, tally, independent=independent)
    elif exact and isfinite(tally.half) and _verdict(tally.shown[1])[0] is not verdict:
        why = "by the exact test"
    sign = -1 if metric.higher else 1
    known = isfinite(tally.half)
    middle, half = sign * tally.estimate, tally.half if known else nan
    arms = [
        Arm(name, int(n), sign * float(x) * metric.unit / n if n else nan)
        for name, n, x in zip(names, tally.counts.tolist(), tally.totals.tolist(), strict=True)
    ]
    return Comparison(
        metric, arms[0], arms[1], verdict, since, middle, middle - half, middle + half, paged, independent, why, more,
        tally.points * np.array([1, 1, sign, 1]),
    )  # fmt: skip


def _verdict(shown: NDArray[np.float64]) -> tuple[Verdict, float]:
    worse, slightly, not_worse, better, not_better = shown.tolist()
    if not isnan(worse):
        return Verdict.WORSE, worse
    if not isnan(better):
        return Verdict.BETTER, better
    if not isnan(not_worse) and not isnan(not_better):
        return Verdict.EQUAL, max(not_worse, not_better)
    if not isnan(not_worse):
        return Verdict.NOT_WORSE, not_worse
    return (Verdict.NOT_YET, nan) if isnan(slightly) else (Verdict.SLIGHTLY_WORSE, slightly)


def _why(metric: Metric, tally: Tally, *, independent: bool) -> tuple[str, int | None]:
    """Why there is no verdict yet, and about how many events more it takes."""
    if nobody := _nobody(tally):
        return nobody, None
    n = tally.clusters.events
    if n < FIRST_EVENTS:
        return "too few events in the same minutes", FIRST_EVENTS - n
    spread = tally.clusters.spread
    full = min(float(buckets(spread[1])), float(buckets(spread[3])))
    if full < LEAST_BUCKETS:
        return ("too few events" if independent else "too few units"), None
    if not isfinite(tally.half):
        return "no event differs from the others", None
    # it needs an interval that leaves out one end of the margin
    distance = max(abs(tally.estimate - metric.margin), abs(tally.estimate + metric.margin), abs(tally.estimate))
    nearest = abs(tally.estimate - metric.margin)
    wanted = nearest if nearest > metric.margin * NEAR else distance
    need = n * ((tally.half / wanted) ** 2 - 1) if wanted > 0 else inf
    return "the interval is too wide", (max(1, ceil(need)) if isfinite(need) and need < MOST_EVENTS else None)


def _why_exact(level: float, tally: Tally) -> tuple[str, int | None]:
    """The same where the exact test decides, whatever the interval shows: its evidence grows with the events."""
    if nobody := _nobody(tally):
        return nobody, None
    n = tally.clusters.events
    if not n:
        return "no minute has events of both", None
    worse, _, not_worse, better, _ = tally.evidence.tolist()
    wanted, found = log(2 / level), max(worse, not_worse, better)
    more = max(1, ceil(n * (wanted / found - 1))) if found >= LEAST_EVIDENCE * wanted else None
    return "the exact test has not decided", more


def _nobody(tally: Tally) -> str:
    """Of whom there is no event yet; "" where both have some."""
    for count, who in zip(tally.counts.tolist(), ("champion", "challenger"), strict=True):
        if count == 0:
            return f"no event of the {who} yet"
    return ""


def _may_be_promoted(name: str, found: tuple[Comparison, ...]) -> bool:
    mine = [c for c in found if c.challenger.name == name]
    goals = [c.verdict for c in mine if c.metric.role is Role.GOAL]
    better = not goals or Verdict.BETTER in goals
    return better and all(c.code >= 1 for c in mine)
