"""One step of the judge of a model: what a batch adds to the evidence, and the episodes that it opens or closes.

Two kinds of step, each for its own channels: of events (exchangeable.independent, .joint), and of a stretch of one slot
of the season's clock (seasonal.season). Evidence of the joint path is the mean over the two.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.core.summary import Summary, merge
from driftd.judge.exchangeable import independent
from driftd.judge.exchangeable.evidence import Evidence
from driftd.judge.exchangeable.joint import JointState
from driftd.judge.learned import JudgeState, Learned
from driftd.judge.seasonal import season
from driftd.judge.seasonal.clock import SlotSummary

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Rows = NDArray[np.intp]


MOVED: Final = 0.01
"""Part of its threshold from which on the evidence of a channel makes its pairs no news: they move with it. Chosen: far
above what chance reaches, and before the channel's own episode opens."""


def always(_row: int, _since: float) -> bool:
    return True


class Effects(NamedTuple):
    """How large a change must be so that its episode may open. ``exceeded`` says it of a channel (row) and since when
    (epoch seconds); ``pairs`` float64[channels] is the least PSI, of a pair the larger of its two channels'. None: any.
    """

    exceeded: Callable[[int, float], bool] = always
    pairs: Floats | None = None


unbounded = Effects()


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
    """The result of one step, channels + 1 each: evidence ``s`` (NaN: abstains) over its threshold ``a`` as ``ratio``;
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


def ended(state: JudgeState, a: Floats) -> Judged:
    """All open episodes end."""
    none, is_open = np.zeros(0, np.intp), state.episodes.open
    with np.errstate(invalid="ignore"):
        ratio = state.s / a
    return Judged(state.s, ratio, state.episodes.since, none, np.flatnonzero(is_open), np.zeros_like(is_open), None)


def ended_of(state: JudgeState, a: Floats, rows: Sequence[int]) -> tuple[Judged, JudgeState]:
    """The open episodes of ``rows`` end; and the state after that."""
    before = state.episodes
    mine = np.isin(np.arange(len(before.opened)), [*rows]) & before.open
    now = replace(before, opened=np.where(mine, np.nan, before.opened), since=np.where(mine, np.nan, before.since))
    after = replace(state, episodes=now)
    none = np.zeros(0, np.intp)
    with np.errstate(invalid="ignore"):
        ratio = state.s / a
    return Judged(state.s, ratio, before.since, none, np.flatnonzero(mine), now.open, None), after


def of_events(
    learned: Learned,
    state: JudgeState,
    batch: MicroBatch,
    a: Floats,
    effects: Effects = unbounded,
    believed_until: float = np.inf,
) -> tuple[JudgeState, Judged]:
    """Takes in a batch, in order of time, for the independent channels and their pairs; ``a`` float64[channels + 1].
    ``believed_until`` as in driftd.judge.learned: later nothing opens.

    An episode opens where S reaches A, or where another detector saw a change, and the change exceeds its effect. A
    smaller change keeps its evidence and is asked about again. A pair of which one has changed by itself opens nothing.
    """
    now, pair = _with_pairs(learned, _with_channels(learned, state, batch, a), batch, a)
    external = np.append(np.where(learned.independent, batch.external_since, np.nan), np.nan)
    with np.errstate(invalid="ignore"):
        enough = now.s >= a * state.episodes.bar(batch.end)
    if not (enough.any() or state.episodes.open.any() or np.isfinite(external).any()):
        after, none = replace(now, episodes=state.episodes.quietly()), np.zeros(0, np.intp)
        return after, _judged(after, a, none, none, pair)
    mine = np.append(learned.independent, batch.cross is not None)
    # where the evidence suffices its start is the better one: what ADWIN keeps of its window begins before the change
    since = np.where(np.isfinite(external) & ~enough, external, now.since)
    took = np.where(mine, np.maximum(learned.rates * (batch.end - since), 1.0), 0.0)
    opens = mine & (enough | np.isfinite(external)) & ~state.episodes.open & (batch.end <= believed_until)
    # the evidence of an open episode begins again from 0
    moved = (now.s >= MOVED * a) | state.episodes.open
    if opens[-1] and pair is not None and moved[list(pair)].any():
        now, opens[-1], enough[-1] = without_pairs(now), False, False
    if opens[-1] and pair is not None and effects.pairs is not None:
        opens[-1] = learned.pairs.psi(now.joint) >= effects.pairs[list(pair)].max()
    opens = _large_enough(opens, since, effects)
    events = np.where(mine, np.append(batch.summary.channel_events, batch.summary.events), 0).astype(np.float64)
    episodes, opened, closed = state.episodes.step(now.s, a, opens, events, since, np.nan_to_num(took), batch.end)
    after = _restarted(replace(now, since=since, episodes=episodes), learned, enough & mine & episodes.open)
    return after, _judged(after, a, opened, closed, pair)


def of_season(
    learned: Learned,
    state: JudgeState,
    batch: MicroBatch,
    reference: Reference,
    a: Floats,
    effects: Effects = unbounded,
) -> tuple[JudgeState, Judged]:
    """Takes in a batch that lies in one slot of the season's clock, for the seasonal channels. Their evidence falls by
    itself when the change is over, so it need not begin again when an episode opens.
    """
    assert learned.season is not None
    assert state.seasonal is not None
    slot = SlotSummary.of(learned.season.clock.slot_of(batch.start), batch.summary, reference)
    seasonal, by_season = season.step(learned.season, state.seasonal, slot)
    s, since, rows = state.s.copy(), state.since.copy(), learned.seasonal
    s[:-1][rows], since[:-1][rows] = by_season[rows], seasonal.since[rows]
    parts, mine = state.parts, np.append(rows, False)
    if learned.season.joint:
        parts = np.array([parts[0], seasonal.joint_evidence])
        s[-1], mine[-1] = _mean(parts), True
        if not parts[1] < parts[0]:
            since[-1] = seasonal.joint_since
    with np.errstate(invalid="ignore"):
        opens = mine & (s >= a) & ~state.episodes.open
    if opens[-1]:
        opens[-1] = any(effects.exceeded(row, float(since[-1])) for row in np.flatnonzero(rows).tolist())
    opens = _large_enough(opens, since, effects)
    events = np.where(mine, np.append(batch.summary.channel_events, batch.summary.events), 0).astype(np.float64)
    episodes, opened, closed = state.episodes.step(s, a, opens, events, since, np.zeros(len(s)), batch.end)
    after = replace(state, seasonal=seasonal, episodes=episodes, s=s, since=since, parts=parts)
    return after, _judged(after, a, opened, closed, None)


def _with_channels(learned: Learned, state: JudgeState, batch: MicroBatch, a: Floats) -> JudgeState:
    """With the batch in the evidence of the independent channels, each by itself."""
    rows = learned.rows
    if not len(rows):
        return state
    evidence, found = independent.step(
        state.evidence, learned.shape, batch.summary.counts[rows], batch.start, a[rows], state.episodes.open[rows]
    )
    s, since = state.s.copy(), state.since.copy()
    s[rows], since[rows] = found, evidence.since
    return replace(state, evidence=evidence, s=s, since=since)


def _with_pairs(
    learned: Learned, state: JudgeState, batch: MicroBatch, a: Floats
) -> tuple[JudgeState, tuple[int, int] | None]:
    """With the batch in the evidence of the joint path; and the pair that moved most, where that reaches A."""
    if batch.cross is None:
        return state, None
    frozen = bool(state.episodes.open[-1])
    near = 0.0 if frozen else float(a[-1])
    joint, by_pairs = learned.pairs.step(
        state.joint, batch.cross, batch.summary.events, batch.start, frozen=frozen, a=near
    )
    s, since, parts = state.s.copy(), state.since.copy(), np.array([by_pairs, state.parts[1]])
    s[-1] = _mean(parts)
    if not by_pairs < parts[1]:
        since[-1] = learned.pairs.since(joint)
    pair = learned.pairs.strongest(joint)[:2] if s[-1] >= a[-1] else None
    return replace(state, joint=joint, s=s, since=since, parts=parts), pair


def _large_enough(opens: Bools, since: Floats, effects: Effects) -> Bools:
    """``opens`` without the channels whose change does not exceed its effect."""
    out = opens.copy()
    for row in np.flatnonzero(out[:-1]).tolist():
        out[row] = effects.exceeded(row, float(since[row]))
    return out


def _restarted(state: JudgeState, learned: Learned, over: Bools) -> JudgeState:
    """With the evidence of those that are ``over`` bool[channels + 1] back at 0, now that their episode is open."""
    evidence: Evidence = state.evidence.without(over[learned.rows]) if len(learned.rows) else state.evidence
    joint: JointState = state.joint.without() if over[-1] else state.joint
    return replace(state, evidence=evidence, joint=joint)


def without_pairs(state: JudgeState) -> JudgeState:
    """With the evidence of pairs of channels back at 0."""
    s, parts = state.s.copy(), state.parts.copy()
    parts[0] = 0.0
    s[-1] = _mean(parts)
    return replace(state, joint=state.joint.without(), s=s, parts=parts)


def _judged(state: JudgeState, a: Floats, opened: Rows, closed: Rows, pair: tuple[int, int] | None) -> Judged:
    episodes = state.episodes
    since = np.where(episodes.open, episodes.since, np.nan)
    return Judged(state.s, state.s / a, since, opened, closed, episodes.open, pair)


def _mean(parts: Floats) -> float:
    known = [part for part in parts.tolist() if isfinite(part)]
    return sum(known) / len(known) if known else nan
