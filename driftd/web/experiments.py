"""Experiments as pages, the API and the command line tell them: verdicts with what they rest on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite

from driftd.core.experiment import Measure, Role
from driftd.core.text import clean, plural, when
from driftd.judge.experiments.srm import THRESHOLD
from driftd.judge.experiments.verdict import Comparison, Result, Verdict
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.format import number

LATE_SECONDS = 3600.0
"""After its start from which on an experiment is said to have begun late."""
_NOUNS = {
    Measure.ERRORS: "errors",
    Measure.QUALITY: "wrong predictions",
    Measure.SCORE: "mean score",
    Measure.COST: "mean cost",
}


@dataclass(frozen=True, slots=True)
class Variant:
    """``units``: about how many; 0 where events do not name theirs. ``share`` of the units, or of the events where
    these name none; ``wanted``: what it was to get of the same so far, and ``wanted_now`` at its end; null where nobody
    says.
    """

    name: str
    events: int
    units: int
    share: float
    wanted: float | None
    wanted_now: float | None


@dataclass(frozen=True, slots=True)
class Judged:
    """A challenger on one metric; of a ``share`` a hundredth is a point. ``difference`` is challenger - champion in the
    metric's unit, with the ends of its interval, null while none is believed. ``verdict_since`` is null while there is
    no verdict, ``code`` as in driftd_variant_verdict; ``more``: events that it takes, as it looks now. ``history``:
    time, difference and the interval's ends.
    """

    challenger: str
    metric: str
    role: str
    share: bool
    margin: float
    verdict: str
    code: int
    verdict_since: float | None
    champion_events: int
    champion_mean: float | None
    challenger_events: int
    challenger_mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    independent: bool
    why: str
    more: int | None
    sentence: str
    history: list[tuple[float, float, float, float]]


@dataclass(frozen=True, slots=True)
class Half:
    """One half of the champion's units beside the other, by hash: they differ since then; null while they do not."""

    metric: str
    differs_since: float | None


@dataclass(frozen=True, slots=True)
class Experiment:
    """``since`` and ``last``: of the events that count, null before the first. ``evidence`` against the shares in nats,
    null where there are none to test; ``broken`` from ``evidence_threshold`` on, and
    ``broken_since`` when. ``other_events`` name variants that are none of these and are left out, ``other_variants``
    the first three by the alphabet. ``promote``: challengers that are better at a goal and worse at nothing.
    ``shadow``: nobody gets what challengers answer. ``control``: by metric, whether the champion differs from itself.
    """

    name: str
    model: str
    champion: str
    challengers: list[str]
    by: str
    alpha: float
    start: float | None
    since: float | None
    last: float | None
    variants: list[Variant]
    evidence: float | None
    evidence_threshold: float
    broken: bool
    broken_since: float | None
    comparisons: list[Judged]
    promote: list[str]
    other_events: int
    other_variants: list[str]
    sentence: str
    remarks: list[str]
    shadow: bool
    control: list[Half]


def experiments_of(m: ModelView) -> list[Experiment]:
    return [experiment(r) for r in m.counts.experiments]


def every(snapshot: Snapshot) -> list[Experiment]:
    """Of all models, those that need somebody first."""
    found = [e for m in snapshot.models for e in experiments_of(m)]
    return sorted(found, key=lambda e: (min((c.code for c in e.comparisons), default=0), not e.broken, e.name))


def experiment(r: Result) -> Experiment:
    rule = r.rule
    now = [s for s in rule.shares if s.start <= (r.last if isfinite(r.last) else s.start)][-1:]
    variants = [
        Variant(name, n, units, share, r.wanted[at] if r.wanted else None, now[0].weights[at] if now else None)
        for at, (name, n, units, share) in enumerate(zip(rule.arms, r.events, r.units, r.split, strict=True))
    ]
    return Experiment(
        rule.name,
        rule.model,
        rule.champion,
        [*rule.challengers],
        rule.by.value,
        rule.alpha,
        rule.start or None,
        _known(r.since),
        _known(r.last),
        variants,
        _known(r.evidence),
        THRESHOLD,
        r.broken,
        _known(r.broken_since),
        [_judged(c) for c in r.comparisons],
        [*r.promote],
        r.others,
        [*r.names] if r.others else [],
        _headline(r),
        [*_remarks(r), *_control(r)],
        rule.shadow,
        [Half(c.metric.name, _known(c.since)) for c in r.controls],
    )


def _judged(c: Comparison) -> Judged:
    t = c.points
    history = [(at, d, d - half, d + half) for at, _, d, half in t.tolist() if isfinite(half) and isfinite(d)]
    return Judged(
        c.challenger.name,
        c.metric.name,
        c.metric.role.value,
        c.metric.share,
        c.metric.margin,
        c.verdict.value,
        c.code,
        _known(c.since),
        c.champion.events,
        _known(c.champion.mean),
        c.challenger.events,
        _known(c.challenger.mean),
        _known(c.estimate) if isfinite(c.low) else None,
        _known(c.low),
        _known(c.high),
        c.independent,
        c.why,
        c.more,
        sentence(c),
        history,
    )


def sentence(c: Comparison) -> str:
    """``v8: errors worse: 2.3% in place of 1.4%, by 0.4 to 1.4 points (margin 0.5)``"""
    noun = f"calls over {c.metric.beyond:g} s" if c.metric.beyond is not None else _NOUNS[c.metric.measure]
    if c.metric.measure is Measure.QUALITY and not c.metric.share:
        noun = "distance to the label"
    out = f"{clean(c.challenger.name, 60)}: {noun} {c.verdict.value}"
    if isfinite(c.challenger.mean) and isfinite(c.champion.mean):
        out += f": {value(c, c.challenger.mean)} in place of {value(c, c.champion.mean)}"
    if isfinite(c.low):
        unit = " points" if c.metric.share else ""
        out += f", by {signed(c, c.low)} to {signed(c, c.high)}{unit} (margin {signed(c, c.metric.margin).lstrip('+')})"
    if c.why:
        out += f"; {c.why}"
    if c.more is not None:
        out += f", about {number(float(c.more), 2)} {plural('event', c.more)} more"
    return out


def value(c: Comparison, x: float) -> str:
    return f"{number(100 * x)}%" if c.metric.share else number(x)


def signed(c: Comparison, x: float) -> str:
    """In points, where it is a share."""
    text = number(100 * x if c.metric.share else x)
    return text if x < 0 else f"+{text}"


def _headline(r: Result) -> str:
    name = f"experiment {r.rule.name}"
    if r.broken:
        return f"{name}: the traffic is not split as it is to be, so nothing is said of challengers"
    worse = sorted({c.challenger.name for c in r.comparisons if c.verdict is Verdict.WORSE})
    if worse:
        return f"{name}: {', '.join(clean(w, 60) for w in worse)} {'is' if len(worse) == 1 else 'are'} worse"
    if r.promote:
        return f"{name}: {', '.join(clean(p, 60) for p in r.promote)} may be promoted"
    if not sum(r.events):
        return f"{name}: no event of any variant yet"
    return f"{name}: not decided yet"


def _remarks(r: Result) -> Iterator[str]:
    if r.rule.shadow:
        yield from _of_shadows(r)
    elif any(c.independent and c.champion.events for c in r.comparisons):
        yield (
            "Events name no unit, so each request counts as independent of the others. If users or sessions come back, "
            "verdicts come too soon: send `unit`."
        )
    if 0 < r.named < sum(r.events):
        unnamed = 1 - r.named / sum(r.events)
        yield f"{number(100 * unnamed)}% of the events name no unit: each of them is one by itself."
    if r.others:
        names = ", ".join(f"'{clean(name, 60)}'" for name in r.names)
        are = "is" if r.others == 1 else "are"
        yield f"{r.others:,} {plural('event', r.others)} of other variants {are} left out, such as {names}."
    if not r.rule.shares and not r.rule.shadow:
        yield "No shares are given, so driftd cannot say whether the traffic is split as it is to be."
    if r.rule.start and isfinite(r.since) and r.since > r.rule.start + LATE_SECONDS:
        yield "It began after the start that the rule names: what came before was not read under this rule."
    if any(c.metric.cap is not None for c in r.comparisons):
        yield "Values beyond a cap count as the cap."
    if r.promote and not any(c.metric.role is Role.GOAL for c in r.comparisons):
        yield "The rule has no goal: may be promoted means worse at nothing."


def _control(r: Result) -> Iterator[str]:
    """What the champion beside itself says of this comparison."""
    name = clean(r.rule.champion, 60)
    if wrong := [c for c in r.controls if isfinite(c.since)]:
        what = " and ".join(f"{c.metric.name} since {when(c.since, r.last)}" for c in wrong)
        yield (
            f"Control: one half of the units of {name}, by hash, differs from the other in {what}. Nothing sets them "
            "apart: trust no verdict before you know why. By chance it comes in at most "
            f"{number(100 * r.rule.alpha / len(r.rule.challengers))}% of experiments."
        )
    elif r.controls:
        yield f"Control: one half of {name} does not differ from the other, by hash, as it must be."


def _of_shadows(r: Result) -> Iterator[str]:
    yield "Nobody gets what a shadow answers: it is compared, costs what it costs, and is no traffic of the model."
    if any(c.independent and c.champion.events for c in r.comparisons):
        yield "Events name no unit: with the request as `unit` of both answers they are compared in pairs, and sooner."
    quality = [c for c in r.comparisons if c.metric.measure is Measure.QUALITY]
    for c in quality:
        if c.champion.events and not c.challenger.events and r.events[r.rule.arms.index(c.challenger.name)]:
            yield (
                f"No answer of {clean(c.challenger.name, 60)} has a label. An id is one prediction of a model: give "
                "a shadow's answers ids of their own and a label each, or put the label into the event."
            )


def _known(x: float) -> float | None:
    return x if isfinite(x) else None
