"""The judge's next steps worked out at once, where no episode is open and none opens: history comes thousands of events
at a time, and a step of a small model costs its calls.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.reference import Reference
from driftd.judge.exchangeable.independent import MARGIN, Compared
from driftd.judge.exchangeable.joint import JointState
from driftd.judge.exchangeable.stretch import ready, stretch
from driftd.judge.learned import JudgeState, Learned
from driftd.judge.runtime import ModelJudge, batch_events
from driftd.judge.step import MicroBatch

Floats = NDArray[np.float64]

LEAST_BATCHES: Final = 3
"""Micro-batches from which on steps are worked out together. Chosen: what all of them share costs about two steps."""
MOST_NUMBERS: Final = 1 << 20
"""Counts of all candidates with all batches of a stretch. Chosen: 8 MB."""
MOST_BATCHES: Final = 32
"""Micro-batches of a stretch. Chosen: those behind the one with which an episode opens are for nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """What ModelJudge has after a run of panes: its ``state``, and what waits."""

    state: JudgeState
    waiting: MicroBatch | None


def ahead(judge: ModelJudge, reference: Reference, panes: Iterable[MicroBatch], a: Floats) -> list[Ahead]:
    """What ``ModelJudge.take`` would leave after each of the first ``panes``, as many as go together. None where an
    episode is open or one would open, and where steps one by one cost no more.

    The last state has all of the evidence; those before it have S alone, and since when.
    """
    learned, before = judge.learned, judge.state
    if not _calm(learned, before, a):
        return []
    completed = _completed(judge, reference, panes)
    batches = [*takewhile(_plain, (batch for batch, _ in completed if batch is not None))]
    if len(batches) < LEAST_BATCHES or not _counted(learned, before, batches):
        return []
    states, out = deque([before, *_states(learned, before, batches, a)]), list[Ahead]()
    for batch, waiting in completed:
        if batch is not None:
            states.popleft()
        if not states:
            break
        out.append(Ahead(states[0], waiting))
    while out and out[-1].waiting is not None:
        out.pop()
    return out


def _completed(
    judge: ModelJudge, reference: Reference, panes: Iterable[MicroBatch]
) -> list[tuple[MicroBatch | None, MicroBatch | None]]:
    """The micro-batch that each of the panes completes, and what waits after it."""
    full, waiting = batch_events(reference), judge.waiting
    most = min(MOST_BATCHES, MOST_NUMBERS // max(numbers_of(judge.state), 1))
    out: list[tuple[MicroBatch | None, MicroBatch | None]] = []
    completed = 0
    for pane in panes:
        waiting = pane if waiting is None else waiting.merge(pane)
        if waiting.summary.events < full:
            out.append((None, waiting))
            continue
        out.append((waiting, None))
        waiting, completed = None, completed + 1
        if completed >= most:
            break
    return out


def numbers_of(state: JudgeState) -> int:
    """Counts that all candidates hold."""
    return state.evidence.changes.after.size + state.joint.evidence.changes.after.size


def _calm(learned: Learned, state: JudgeState, a: Floats) -> bool:
    """Whether a stretch may begin: nothing but the evidence of events can open an episode, and no S is at A."""
    if learned.season is not None or state.episodes.open.any() or np.any(state.s >= a):
        return False
    return ready(state.evidence)


def _plain(batch: MicroBatch) -> bool:
    """Whether no other detector saw a change."""
    return not np.isfinite(batch.external_since).any()


def _counted(learned: Learned, state: JudgeState, batches: Sequence[MicroBatch]) -> bool:
    """Whether pairs are counted in all batches, or in none."""
    counted = [batch.cross is not None for batch in batches]
    return not any(counted) or (all(counted) and len(learned.pairs.first) > 0 and ready(state.joint.evidence))


def _states(learned: Learned, state: JudgeState, batches: Sequence[MicroBatch], a: Floats) -> list[JudgeState]:
    """After each of the batches before that with which S reaches A."""
    rows, pairs, begun = learned.rows, learned.pairs, np.array([batch.start for batch in batches])
    counts = np.array([batch.summary.counts[rows] for batch in batches])
    counts = np.take_along_axis(counts, learned.shape.order[None], axis=2).astype(np.float64)
    enough, of_channels = np.log(a) - MARGIN, partial(Compared.of, learned.shape)
    channels = stretch(state.evidence, counts, counts.sum(axis=2), begun, enough[rows], of_channels)
    s, since, parts = (np.repeat(x[None], len(batches), axis=0) for x in (state.s, state.since, state.parts))
    s[:, rows], since[:, rows], together = channels.s, channels.since, None
    sums = [pairs.with_events(batch.cross, batch.summary.events) for batch in batches if batch.cross is not None]
    if sums:
        counts = np.array(sums)[:, None]
        together = stretch(state.joint.evidence, counts, counts[:, :, 0], begun, enough[-1:], pairs.compared)
        s[:, -1], since[:, -1], parts[:, 0] = together.s[:, 0], together.since[:, 0], together.s[:, 0]
    reaches = np.any(s >= a, axis=1)
    before = int(np.argmax(reaches)) if reaches.any() else len(s)
    if not before:
        return []
    quiet = replace(state, episodes=state.episodes.quietly())
    out = [replace(quiet, s=s[i].copy(), since=since[i].copy(), parts=parts[i].copy()) for i in range(before)]
    joint = state.joint if together is None else JointState(together.evidence(before - 1))
    out[-1] = replace(out[-1], evidence=channels.evidence(before - 1), joint=joint)
    return out
