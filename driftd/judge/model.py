"""The judge of one model: every channel under its own regime, one step a pane, episodes out.

    learned, state = learn(reference, bins, values, times, singles, doubles)
    a = learned.thresholds(false_alarms_per_month=1.0, models=1)
    state, verdict = step(learned, state, reference, pane_start, pane_end, summary, cross, a)

``learned`` is immutable and belongs beside the reference; ``state`` is what a checkpoint holds. Both are dataclasses
of arrays: ``dump_state`` and ``load_state``, driftd.judge.arrays for ``learned``. The last entry of every array of a
verdict is the joint path's, feature "*".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.event import AnyColumn, Kind, NumericColumn
from driftd.judge import arrays, seasonal
from driftd.judge.budget import even_shares, thresholds
from driftd.judge.cells import Cell, Clock, cells_of_events
from driftd.judge.episodes import Episodes
from driftd.judge.independent import Evidence, Independent, Shape
from driftd.judge.joint import Joint, Pairs
from driftd.judge.regime import Regime, Verdict, decide, propose, signals_of, whole_seasons
from driftd.judge.seasonal import Rhythm, Season
from driftd.reference import Reference, as_categories
from driftd.summary import Summary

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

JOINT: str = "*"
_SETTINGS = Independent()


@dataclass(frozen=True, slots=True, eq=False)
class Learned:
    """What is known of a model's normal. bool[channels]: ``independent``, ``rhythmic`` and ``pages`` (a channel that
    does not page raises tickets); ``rate`` float64[channels]: events a second; ``joint_pages`` where there are pairs of
    independent channels; ``verdicts`` says why.
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

    def thresholds(self, false_alarms_per_month: float, models: int = 1) -> Floats:
        """A of every channel and of the joint path, float64[channels + 1], in events."""
        rate = np.append(self.rate, self.rate.max(initial=0.0))
        return thresholds(rate, even_shares(len(self.rate), True) / models, false_alarms_per_month)


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """All that is remembered between panes. ``s`` float64[channels + 1]: the evidence after the last pane."""

    evidence: Evidence
    joint: Joint
    rhythm: Rhythm | None
    episodes: Episodes
    s: Floats
    since: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What one pane came to, channels + 1 each: evidence ``s`` (NaN: abstains) over its threshold ``a`` as ``ratio``;
    when the change would have begun; rows whose episode opened or closed; which are open.
    """

    s: Floats
    ratio: Floats
    since: Floats
    opened: NDArray[np.intp]
    closed: NDArray[np.intp]
    open: Bools


def sightings(column: NumericColumn | AnyColumn, kind: Kind) -> tuple[int, int]:
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
    clock: Clock | None = None,
) -> tuple[Learned, State, tuple[Verdict, ...]]:
    """From the reference's own events, in any order.

    bins intp[channels, n]: column of Summary.counts, negative where a channel does not apply; values
    float64[channels, n], NaN where missing or not a number (driftd.encode gives both); times float64[n];
    singles, doubles float64[channels]: see ``sightings``.
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
    pages = np.array([v.pages for v in verdicts], bool)
    season, rhythm = None, None
    if rhythmic.any():
        cells, longest = cells_of_events(bins, values, times, reference.width, clock)
        season, rhythm = seasonal.learn(reference, cells, longest, singles, clock, rhythmic)
        pages &= independent | season.pages
    pairs = Pairs.of(reference, bins, independent)
    rate = np.count_nonzero(bins >= 0, axis=1) / max(span, 1.0)
    joint_pages = len(pairs.first) > 0 or (season is not None and season.joint and season.pages)
    learned = Learned(shape, pairs, season, independent, rhythmic, pages, rate, joint_pages, span)
    k = len(bins) + 1
    state = State(_SETTINGS.start(shape), pairs.start(), rhythm, Episodes.start(k), np.zeros(k), np.full(k, np.nan))
    return learned, state, verdicts


def step(
    learned: Learned,
    state: State,
    reference: Reference,
    start: float,
    end: float,
    summary: Summary,
    cross: NDArray[np.int64] | None,
    a: Floats,
) -> tuple[State, Judged]:
    """Judges one pane, ``start`` to ``end`` in epoch seconds; panes come in order. ``a`` float64[channels + 1]."""
    channels = len(learned.rate)
    open_before = state.episodes.open
    # while an episode lasts the reference must not take in what it is about
    freeze = np.where(open_before, -1.0, np.sqrt(a))[:channels]
    evidence, by_event = _SETTINGS.step(state.evidence, learned.shape, summary.counts, start, freeze)
    joint, together = (
        (state.joint, np.nan) if cross is None else learned.pairs.step(state.joint, cross, summary.events, start)
    )
    joint_since = learned.pairs.since(joint)
    rhythm, by_season = state.rhythm, np.full(channels, np.nan)
    if learned.season is not None and rhythm is not None:
        cell = Cell.of(learned.season.clock.cell(start), summary, reference)
        rhythm, by_season = seasonal.step(learned.season, rhythm, cell)
        if learned.season.joint:  # the joint path's S is the mean of the paths there are
            joint_since = joint_since if together > rhythm.joint_evidence else rhythm.joint_since
            together = float(np.nanmean([together, rhythm.joint_evidence]))
    s = np.append(np.where(learned.independent, by_event, np.where(learned.rhythmic, by_season, np.nan)), together)
    since = np.append(since_of(learned, evidence, rhythm), joint_since)
    events = np.append(summary.channel_events, summary.events).astype(np.float64)
    rate = np.append(learned.rate, learned.rate.max(initial=0.0))
    # the seasonal path's evidence dies down by itself; the others start again from 0 and must stay quiet
    again = np.append(learned.independent, True)
    took = np.where(again, np.maximum(rate * (end - since), 1.0), 0.0)
    with np.errstate(invalid="ignore"):
        episodes, opened, closed = state.episodes.step(s, a, events, since, np.nan_to_num(took), end)
        over = (s >= a) & again
    after = State(evidence.without(over[:channels]), joint.without() if over[-1] else joint, rhythm, episodes, s, since)
    return after, Judged(s, s / a, np.where(episodes.open, episodes.since, np.nan), opened, closed, episodes.open)


def since_of(learned: Learned, evidence: Evidence, rhythm: Rhythm | None) -> Floats:
    """When each channel's change would have begun, by its strongest alternative: float64[channels]."""
    best = np.argmax(evidence.null.weight * evidence.ratio, axis=1)
    out = evidence.start[np.arange(len(best)), best]
    return np.where(learned.rhythmic, rhythm.since, out) if rhythm is not None else out


def dump_state(state: State) -> arrays.Table:
    """The state as a flat table of arrays; what follows from ``Learned`` is left out."""
    table = {f"evidence.{k}": v for k, v in _SETTINGS.dump(state.evidence).items()}
    rest = arrays.dump(replace(state, evidence=None))  # type: ignore[arg-type]
    return {**table, **rest}


def load_state(learned: Learned, table: arrays.Table) -> State:
    """Goes on bit for bit."""
    mine = {k.removeprefix("evidence."): v for k, v in table.items() if k.startswith("evidence.")}
    evidence = _SETTINGS.load(learned.shape, mine)
    rest = arrays.load(State, {k: v for k, v in table.items() if not k.startswith("evidence.")})
    return replace(rest, evidence=evidence)


def paging(learned: Learned) -> Bools:
    """bool[channels + 1]: whose episodes may page."""
    return np.append(learned.pages, learned.joint_pages)


__all__: Sequence[str] = (
    "JOINT",
    "Judged",
    "Learned",
    "State",
    "dump_state",
    "learn",
    "load_state",
    "paging",
    "sightings",
    "step",
)
