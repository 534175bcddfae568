"""One step of the judge of a model: what a run of panes adds to the evidence, and the episodes that it opens or closes.

Two kinds of step, each for its own channels: of events (exchangeable.independent, .joint), and of a stretch of one slot
of the season's clock (driftd.judge.seasonal.season). Evidence of the joint path is the mean over the two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import Summary, merge
from driftd.judge.episodes import Episodes
from driftd.judge.exchangeable.independent import Independent
from driftd.judge.learned import JudgeState, Learned
from driftd.judge.seasonal import season
from driftd.judge.seasonal.clock import SlotSummary

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]
Matters = Callable[[int, float], bool]
"""Whether what a channel (row) has shown since then (epoch seconds) is large enough to open an episode."""


def always(_row: int, _since: float) -> bool:
    return True


@dataclass(frozen=True, slots=True, eq=False)
class MicroBatch:
    """A run of closed panes, ``start`` to ``end`` in epoch seconds; ``cross`` as in exchangeable.joint, None without
    pairs. ``external_since`` float64[channels]: since when another detector with a share of the channel's budget saw a
    change in these panes, NaN where none did; it opens an episode as evidence does.
    """

    start: float
    end: float
    summary: Summary
    cross: NDArray[np.int64] | None
    external_since: Floats

    def merge(self, later: MicroBatch) -> MicroBatch:
        cross = later.cross if self.cross is None else self.cross if later.cross is None else self.cross + later.cross
        return MicroBatch(
            self.start,
            later.end,
            merge((self.summary, later.summary)),
            cross,
            np.fmin(self.external_since, later.external_since),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """What one step came to, channels + 1 each: evidence ``s`` (NaN: abstains) over its threshold ``a`` as ``ratio``;
    since when an open episode lasts; rows whose episode opened or closed; which are open; ``pair`` the two channels
    that moved most against each other, None where it is the seasons of all of them.
    """

    s: Floats
    ratio: Floats
    since: Floats
    opened: Rows
    closed: Rows
    open: Bools
    pair: tuple[int, int] | None


def of_events(
    learned: Learned, state: JudgeState, batch: MicroBatch, a: Floats, matters: Matters = always
) -> tuple[JudgeState, Judged]:
    """Takes in a batch, in order of time, for the independent channels and their pairs; ``a`` float64[channels + 1].

    Evidence that does not matter is kept and asked about again.
    """
    rows, channels, events = learned.rows, len(learned.rate), batch.summary.channel_events.astype(np.float64)
    s, since = state.s.copy(), state.since.copy()
    # while an episode lasts the past must not take in what it is about
    freeze = np.where(state.episodes.open, -1.0, np.sqrt(a))
    evidence = state.evidence
    if len(rows):
        evidence, s[rows] = Independent().step(
            evidence, learned.shape, batch.summary.counts[rows], batch.start, freeze[rows]
        )
        since[rows] = evidence.since
    joint, parts, pair = state.joint, state.parts, None
    if batch.cross is not None:
        held = bool(state.episodes.open[-1])
        near = 0.0 if held else float(a[-1])
        joint, pairs = learned.pairs.step(joint, batch.cross, batch.summary.events, batch.start, frozen=held, a=near)
        parts = np.array([pairs, parts[1]])
        s[-1] = _mean(parts)
        if not pairs < parts[1]:
            since[-1] = learned.pairs.since(joint)
        if s[-1] >= a[-1]:
            pair = learned.pairs.strongest(joint)[:2]
    # where the evidence suffices it knows best: what ADWIN keeps of its window reaches back beyond the change
    external = np.append(np.where(learned.independent, batch.external_since, np.nan), np.nan)
    with np.errstate(invalid="ignore"):
        enough = s >= a
    since = np.where(np.isfinite(external) & ~enough, external, since)
    mine = np.append(learned.independent, batch.cross is not None)
    rate = np.append(learned.rate, learned.rate.max(initial=0.0))
    took = np.where(mine, np.maximum(rate * (batch.end - since), 1.0), 0.0)
    opens = mine & (enough | np.isfinite(external)) & ~state.episodes.open
    counted = np.where(mine, np.append(events, batch.summary.events), 0.0)
    step = _Step(s, since, opens, counted, np.nan_to_num(took), batch.end)
    episodes, opened, closed = step.episodes(state, a, matters)
    # evidence begins again from 0 once its episode is open
    over = enough & mine & episodes.open
    after = JudgeState(
        evidence.without(over[rows]) if len(rows) else evidence,
        joint.without() if over[channels] else joint,
        state.rhythm, episodes, s, since, parts,
    )  # fmt: skip
    return after, _judged(after, a, opened, closed, pair)


def of_season(
    learned: Learned, state: JudgeState, batch: MicroBatch, reference: Reference, a: Floats, matters: Matters = always
) -> tuple[JudgeState, Judged]:
    """Takes in a batch that lies in one slot of the season's clock, for the channels that follow it. Their evidence
    dies down by itself: it need not begin again when an episode opens.
    """
    assert learned.season is not None
    assert state.rhythm is not None
    cell = SlotSummary.of(learned.season.clock.cell(batch.start), batch.summary, reference)
    rhythm, by_season = season.step(learned.season, state.rhythm, cell)
    s, since = state.s.copy(), state.since.copy()
    s[:-1][learned.rhythmic], since[:-1][learned.rhythmic] = by_season[learned.rhythmic], rhythm.since[learned.rhythmic]
    parts, mine = state.parts, np.append(learned.rhythmic, False)
    if learned.season.joint:
        parts = np.array([parts[0], rhythm.joint_evidence])
        s[-1], mine[-1] = _mean(parts), True
        if not parts[1] < parts[0]:
            since[-1] = rhythm.joint_since
    with np.errstate(invalid="ignore"):
        opens = mine & (s >= a) & ~state.episodes.open
    counted = np.where(mine, np.append(batch.summary.channel_events, batch.summary.events), 0).astype(np.float64)
    step = _Step(s, since, opens, counted, np.zeros(len(s)), batch.end)
    episodes, opened, closed = step.episodes(state, a, matters)
    after = replace(state, rhythm=rhythm, episodes=episodes, s=s, since=since, parts=parts)
    return after, _judged(after, a, opened, closed, None)


@dataclass(frozen=True, slots=True, eq=False)
class _Step:
    """What a step hands to the episodes, all [channels + 1]; see Episodes.step."""

    s: Floats
    since: Floats
    opens: Bools
    events: Floats
    took: Floats
    at: float

    def episodes(self, state: JudgeState, a: Floats, matters: Matters) -> tuple[Episodes, Rows, Rows]:
        opens = self.opens.copy()
        for row in np.flatnonzero(opens[:-1]).tolist():
            opens[row] = matters(row, float(self.since[row]))
        with np.errstate(invalid="ignore"):
            return state.episodes.step(self.s, a, opens, self.events, self.since, self.took, self.at)


def _judged(state: JudgeState, a: Floats, opened: Rows, closed: Rows, pair: tuple[int, int] | None) -> Judged:
    episodes = state.episodes
    since = np.where(episodes.open, episodes.since, np.nan)
    return Judged(state.s, state.s / a, since, opened, closed, episodes.open, pair)


def _mean(parts: Floats) -> float:
    known = parts[np.isfinite(parts)]
    return float(known.mean()) if len(known) else float("nan")
