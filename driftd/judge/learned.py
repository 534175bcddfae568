"""The judge of one model: every channel under its own regime, one step a pane, episodes out.

    learned, state = learn(reference, bins, values, times, singles, doubles)
    a = learned.thresholds(1.0, models=1, paths=np.ones(channels, int))
    state, judged = steps.of_events(learned, state, panes, a)

``learned`` is immutable and belongs beside the reference; ``state`` is what a checkpoint holds. Both are dataclasses
of arrays: ``dump_state`` and ``load_state``, driftd.core.arrays for ``learned``. The last entry of every array of a
verdict is the joint path's, feature "*".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.core.event import Column, Kind
from driftd.core.reference import Reference
from driftd.core.values import as_categories
from driftd.judge.budget import even_share, thresholds
from driftd.judge.episodes import Episodes
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.independent import Independent, Shape
from driftd.judge.exchangeable.joint import JointState, Pairs
from driftd.judge.regime import Regime, decide, propose, signals_of, whole_seasons
from driftd.judge.seasonal.clock import SeasonClock, slots_of_events
from driftd.judge.seasonal.season import Rhythm, Season
from driftd.judge.seasonal.season import learn as learn_season

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

TOO_SHORT: str = "the reference is too short to show a rhythm of days"
TOO_FEW: str = "channels follow the hour or the week, and fewer weeks are known than it takes"


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is known of a model's normal. bool[channels]: ``independent``, ``rhythmic`` and ``pages`` (a channel that
    does not page raises tickets); ``rate`` float64[channels]: events a second; ``joint_pages`` where there are pairs of
    independent channels. ``regime``, ``why`` str[channels]; ``inflation`` float64[channels]: how much more the means of
    runs of events vary than independent events' would, at least 1. ``shape`` has the independent channels only.
    """

    shape: Shape
    pairs: Pairs
    season: Season | None
    independent: Bools
    rhythmic: Bools
    pages: Bools
    rate: Floats
    joint_pages: bool
    span_seconds: float
    regime: NDArray[np.str_]
    why: NDArray[np.str_]
    design_effect: Floats

    def thresholds(self, false_alarms_per_month: float, models: int, paths: NDArray[np.intp]) -> Floats:
        """A of every channel and of the joint path, float64[channels + 1], in events.

        The budget is shared evenly over ``models``, then over the channels that page and the joint path, then over the
        ``paths`` intp[channels] that can open an episode of a channel (the judge's evidence, and sequential detectors).
        Tickets have a budget of the same size, shared over the channels that make them.
        """
        rate = np.append(self.rate, self.rate.max(initial=0.0))
        pages = self.paging
        shares = np.where(pages, even_share(pages), even_share(~pages)) / models / np.append(paths, 1)
        return thresholds(rate, shares, false_alarms_per_month)

    @property
    def rows(self) -> NDArray[np.intp]:
        """The independent channels: what ``shape`` and the state's ``evidence`` are about."""
        return np.flatnonzero(self.independent)

    @property
    def joint(self) -> bool:
        """Whether anybody looks at how channels move together."""
        return len(self.pairs.first) > 0 or (self.season is not None and self.season.joint)

    @property
    def joint_why(self) -> str:
        """Why the joint path makes tickets only; "" where it pages."""
        if self.joint_pages:
            return ""
        short = self.season is None or self.season.pages
        return f"{TOO_SHORT if short else TOO_FEW}: tickets only"

    @property
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
    rhythm: Rhythm | None
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
    clock: SeasonClock | None = None,
    least_span_seconds: float = 0.0,
) -> tuple[Learned, JudgeState]:
    """From the reference's own events, in any order.

    bins intp[channels, n]: column of Summary.counts, negative where a channel does not apply; values
    float64[channels, n], NaN where missing or not a number (driftd.ingest.binning gives both); times float64[n];
    singles, doubles float64[channels]: see ``sightings``. A reference that spans less than ``least_span_seconds`` has
    not seen the rhythms that nearly every traffic has: its channels make tickets, whatever they look like.
    """
    order = np.argsort(times, kind="stable")
    bins, values, times = bins[:, order], values[:, order], times[order]
    shape = Shape.of(reference, singles, doubles)
    span = float(times[-1] - times[0]) if len(times) else 0.0
    clock = propose(times) if clock is None else clock
    seasons = whole_seasons(times, clock)
    verdicts = tuple(
        decide(
            signals_of(shape.places[k], bins[k][bins[k] >= 0], reference.summary.counts[k], not reference.numeric[k]),
            times[bins[k] >= 0],
            seasons,
            clock,
        )
        for k in range(len(bins))
    )
    independent = np.array([v.regime is Regime.INDEPENDENT for v in verdicts], bool)
    rhythmic = np.array([v.regime is Regime.SEASONAL for v in verdicts], bool)
    short = span < least_span_seconds
    pages = np.array([v.pages and not short for v in verdicts], bool)
    season, rhythm = None, None
    if rhythmic.any():
        cells, longest = slots_of_events(bins, values, times, reference.width, clock)
        season, rhythm = learn_season(reference, cells, longest, singles, clock, rhythmic)
        pages &= independent | season.pages
    pairs = Pairs.of(reference, bins, independent)
    rate = np.count_nonzero(bins >= 0, axis=1) / max(span, 1.0)
    hint = f"; {TOO_SHORT}: tickets only" if short else ""
    learned = Learned(
        shape.take(np.flatnonzero(independent)), pairs, season, independent, rhythmic, pages, rate,
        joint_pages=not short and (len(pairs.first) > 0 or (season is not None and season.joint and season.pages)),
        span_seconds=span,
        regime=np.array([v.regime.value for v in verdicts], np.str_),
        why=np.array([v.because + hint for v in verdicts], np.str_),
        design_effect=np.array([max(v.design_effect, 1.0) for v in verdicts], np.float64),
    )  # fmt: skip
    return learned, start(learned, rhythm)


def start(learned: Learned, rhythm: Rhythm | None) -> JudgeState:
    """At the reference's end."""
    k = len(learned.rate) + 1
    watched = np.append(learned.independent | learned.rhythmic, learned.joint)
    return JudgeState(
        Independent().start(learned.shape),
        learned.pairs.start(),
        rhythm,
        Episodes.start(k),
        np.where(watched, 0.0, np.nan),
        np.full(k, np.nan),
        np.array([0.0 if len(learned.pairs.first) else np.nan, 0.0 if rhythm is not None else np.nan]),
    )


def dump_state(state: JudgeState) -> arrays.Table:
    """The state as a flat table of arrays; what follows from ``Learned`` is left out."""
    table = {f"evidence.{k}": v for k, v in Independent().dump(state.evidence).items()}
    rest = arrays.dump(replace(state, evidence=None))  # type: ignore[arg-type]
    return {**table, **rest}


def load_state(table: arrays.Table) -> JudgeState:
    """Goes on bit for bit."""
    mine = {k.removeprefix("evidence."): v for k, v in table.items() if k.startswith("evidence.")}
    evidence = Independent().load(mine)
    rest = arrays.load(JudgeState, {k: v for k, v in table.items() if not k.startswith("evidence.")})
    return replace(rest, evidence=evidence)


__all__: Sequence[str] = (
    "JudgeState",
    "Learned",
    "dump_state",
    "learn",
    "load_state",
    "sightings",
    "start",
)
