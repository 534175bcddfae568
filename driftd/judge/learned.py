"""What the judge of one model learns from its reference, and the state that it keeps; every channel under its regime.

    learned, state = learn(reference, bins, values, times, singles, doubles)
    a = learned.thresholds(1.0, models=1, n_detectors=np.ones(channels, int))
    state, judged = step.of_events(learned, state, batch, a)

``learned`` is immutable and stored beside the reference; ``state`` is what a checkpoint holds. Both are dataclasses of
arrays (driftd.core.arrays). The last entry of every array of [channels + 1] is the joint path's, feature "*".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import Column, Kind
from driftd.core.reference import Reference
from driftd.core.values import as_categories
from driftd.judge.budget import even_shares, thresholds
from driftd.judge.episodes import Episodes
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.joint import JointState, Pairs
from driftd.judge.exchangeable.shape import Shape
from driftd.judge.regime import Regime, RegimeVerdict, decide, signals_of, span_of, whole_weeks
from driftd.judge.seasonal.clock import SeasonClock, slots_of_events
from driftd.judge.seasonal.season import Season, SeasonState
from driftd.judge.seasonal.season import learn as learn_season

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOO_SHORT: Final = "the reference is too short to show a rhythm of days"
"""Why channels make tickets only. Chosen: the text in findings, in ``driftd check`` and on the page."""
TOO_FEW: Final = "channels follow the hour or the week, and fewer weeks are known than it takes"
"""Why the joint path makes tickets only. Chosen: as above."""

BELIEVED_SECONDS: Final = 14 * 86_400.0
"""A shorter reference has not shown what differs from week to week: independence is not believed on it. Chosen: two
weekends."""
SPEAKS_SECONDS: Final = 6 * 3600.0
"""How long a shorter one speaks: then it is another part of the day. Measured on ordinary traffic, references of 10,000
events and of one day: without the limit the judge made 79 tickets in 4.6 model-months, none of them in the first six
hours."""

FOR_HOURS: Final = "a reference of less than two weeks speaks for some hours after it"
"""Why natural variation takes over. Chosen: as TOO_SHORT."""

PARTLY: Final = 0.9
"""Part of the reference's events below which a channel that has a gap (learn.gaps) is not judged. Chosen: of a day, two
hours may lack."""
ASIDE: Final = "it follows the load and has bursts: natural variation judges it"
"""Why a channel that stands aside has no evidence. Chosen: what a person reads."""
PART: Final = "learned from a part of the reference: natural variation judges it"
"""Why. Chosen: as TOO_SHORT."""


def believed_until(span: float, last: float) -> float:
    """Until when independent channels may open episodes, in epoch seconds; ``inf`` on a long reference. After that
    natural variation alone makes tickets and pages. ``span``: seconds that the judge learned from, ``last``: the end of
    the reference.
    """
    return np.inf if span >= BELIEVED_SECONDS else last + SPEAKS_SECONDS


@dataclass(frozen=True, eq=False)
class Learned:
    """What the reference says of a model's normal state. bool[channels]: ``independent``, ``seasonal`` and ``pages`` (a
    channel that does not page makes tickets); ``rate`` float64[channels]: events a second; ``joint_pages`` where there
    are pairs of independent channels. ``regime``, ``why`` str[channels]; ``design_effect`` float64[channels]: variance
    of window means over that of independent events, at least 1. ``shape`` has the independent channels only.
    """

    shape: Shape
    pairs: Pairs
    season: Season | None
    independent: Bools
    seasonal: Bools
    pages: Bools
    rate: Floats
    joint_pages: bool
    span_seconds: float
    regime: NDArray[np.str_]
    why: NDArray[np.str_]
    design_effect: Floats

    def thresholds(self, false_alarms_per_month: float, models: int, n_detectors: NDArray[np.intp]) -> Floats:
        """A of every channel and of the joint path, float64[channels + 1], in events.

        The budget is shared evenly over ``models``, then over the channels that page and the joint path, then over the
        ``n_detectors`` intp[channels] that can open an episode of a channel (the judge's evidence, and sequential
        detectors). Tickets have a budget of the same size, shared over the channels that make them.
        """
        pages = self.paging
        shares = (even_shares(pages) + even_shares(~pages)) / models / np.append(n_detectors, 1)
        return thresholds(self.rates, shares, false_alarms_per_month)

    @cached_property
    def rates(self) -> Floats:
        """Events a second, float64[channels + 1]; the joint path sees those of the busiest channel."""
        return np.append(self.rate, self.rate.max(initial=0.0))

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """The independent channels: those of ``shape`` and of the state's ``evidence``."""
        return np.flatnonzero(self.independent)

    @property
    def clocked(self) -> Bools:
        """bool[channels]: whose weeks are known well enough to page by them."""
        return self.seasonal & self.pages

    @cached_property
    def joint(self) -> bool:
        """Whether the joint path watches anything."""
        return len(self.pairs.first) > 0 or (self.season is not None and self.season.joint)

    @cached_property
    def watched(self) -> Bools:
        """bool[channels + 1]: whose evidence is kept; the others abstain."""
        return np.append(self.independent | self.seasonal, self.joint)

    @property
    def joint_why(self) -> str:
        """Why the joint path makes tickets only; "" where it pages."""
        if self.joint_pages:
            return ""
        short = self.season is None or self.season.pages
        return f"{TOO_SHORT if short else TOO_FEW}: tickets only"

    @cached_property
    def paging(self) -> Bools:
        """bool[channels + 1]: whose episodes page; the others make tickets."""
        return np.append(self.pages, self.joint_pages)


@dataclass(frozen=True, slots=True, eq=False)
class JudgeState:
    """All that is remembered between steps, [channels + 1]: ``s`` the evidence after the last step (NaN: abstains),
    ``since`` when the change would have begun. ``parts`` float64[2]: the joint path's evidence from pairs and from
    seasons.
    """

    evidence: Evidence
    joint: JointState
    seasonal: SeasonState | None
    episodes: Episodes
    s: Floats
    since: Floats
    parts: Floats


def sightings(column: Column, kind: Kind) -> tuple[int, int]:
    """How many distinct categories a column has once, and twice; 0 for numbers."""
    if kind is Kind.NUMERIC:
        return 0, 0
    seen = Counter(Counter(v for v in as_categories(column) if v is not None).values())
    return seen[1], seen[2]


def learn(
    reference: Reference,
    bins: NDArray[np.intp],
    values: Floats,
    times: Floats,
    singles: Floats,
    doubles: Floats,
    least_span_seconds: float = 0.0,
) -> tuple[Learned, JudgeState]:
    """From the reference's own events, in any order.

    bins intp[channels, n]: column of Summary.counts, negative where a channel does not apply; values
    float64[channels, n], NaN where missing or not a number (driftd.ingest.binning gives both); times float64[n];
    singles, doubles float64[channels]: see ``sightings``. The channels of a reference that spans less than
    ``least_span_seconds`` make tickets, whatever they look like: it cannot show the daily pattern of nearly all
    traffic.
    """
    order = np.argsort(times, kind="stable")
    bins, values, times = bins[:, order], values[:, order], times[order]
    shape = Shape.of(reference, singles, doubles)
    span = span_of(times)
    verdicts = _verdicts(reference, shape, bins, times)
    regime = np.array([v.regime.value for v in verdicts], np.str_)
    independent, seasonal = regime == Regime.INDEPENDENT.value, regime == Regime.SEASONAL.value
    short = span < least_span_seconds
    pages = np.array([v.pages for v in verdicts], bool) & (not short)
    season, season_state = None, None
    if seasonal.any():
        clock = SeasonClock()
        slots, longest = slots_of_events(bins, values, times, reference.width, clock)
        season, season_state = learn_season(reference, slots, longest, singles, clock, seasonal)
        pages &= independent | season.pages
    pairs = Pairs.of(reference, bins, independent)
    rate = np.count_nonzero(bins >= 0, axis=1) / max(span, 1.0)
    hint = f"; {TOO_SHORT}: tickets only" if short else ""
    hours = f"; {FOR_HOURS}" if not short and span < BELIEVED_SECONDS else ""
    learned = Learned(
        shape.take(np.flatnonzero(independent)), pairs, season, independent, seasonal, pages, rate,
        joint_pages=not short and _joint_pages(pairs, season),
        span_seconds=span,
        regime=regime,
        why=np.array([v.because + hint + hours * (v.regime is Regime.INDEPENDENT) for v in verdicts], np.str_),
        design_effect=np.array([max(v.design_effect, 1.0) for v in verdicts], np.float64),
    )  # fmt: skip
    return learned, start(learned, season_state)


def _joint_pages(pairs: Pairs, season: Season | None) -> bool:
    return len(pairs.first) > 0 or (season is not None and season.joint and season.pages)


def _verdicts(reference: Reference, shape: Shape, bins: NDArray[np.intp], times: Floats) -> list[RegimeVerdict]:
    """Every channel's regime; ``bins`` and ``times`` in order of time."""
    weeks, out = whole_weeks(times), []
    for row, columns in enumerate(bins):
        here, categories = columns >= 0, not reference.numeric[row]
        if reference.channels[row].role.row.aside:
            out.append(RegimeVerdict(Regime.DEPENDENT, False, 1.0, ASIDE))
            continue
        if here.mean() < PARTLY and not reference.channels[row].role.row.awaited:
            out.append(RegimeVerdict(Regime.DEPENDENT, False, 1.0, PART))
            continue
        signals = signals_of(shape.places[row], columns[here], reference.summary.counts[row], categories=categories)
        out.append(decide(signals, weeks))
    return out


def start(learned: Learned, season_state: SeasonState | None) -> JudgeState:
    """At the reference's end."""
    k = len(learned.rate) + 1
    return JudgeState(
        learned.shape.start(),
        learned.pairs.start(),
        season_state,
        Episodes.start(k),
        np.where(learned.watched, 0.0, np.nan),
        np.full(k, np.nan),
        np.array([0.0 if len(learned.pairs.first) else np.nan, 0.0 if season_state is not None else np.nan]),
    )


__all__ = ["JudgeState", "Learned", "learn", "sightings", "start"]
