"""The judge's next steps worked out at once, where no episode is open and none opens: history comes thousands of events
at a time, and a step of a small model costs its calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
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
"""Micro-batches from which on steps are worked out together. Measured: two cost as much as one by one."""
MOST_NUMBERS: Final = 1 << 20
"""Counts of all candidates with all batches of a stretch. Measured: beyond the processor's cache nothing is gained."""
MOST_BATCHES: Final = 32
"""Micro-batches of a stretch. Measured: more gain little, and all were for nothing where an episode opens."""


@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """What ModelJudge has after a run of panes: its ``state``, and what waits."""

    state: JudgeState
    waiting: MicroBatch | None


def ahead(judge: ModelJudge, reference: Reference, panes: Sequence[MicroBatch], a: Floats) -> list[Ahead]:
    """What ``ModelJudge.take`` would leave after each of the first ``panes``, as many as go together. None where an
    episode is open or one would open, and where steps one by one cost no more.

    The last state has all of the evidence; those before it have S alone, and since when.
    """
    if not _calm(judge.learned, judge.state, a):
        return []
    batches = _completed(judge, reference, panes)
    full = [batch for batch, _ in batches if batch is not None]
    if len(full) < LEAST_BATCHES or not _plain(judge.learned, full):
        return []
    states = _states(judge.learned, judge.state, full, a)
    if states is None:
        return []
    states, out = [judge.state, *states], list[Ahead]()
    for batch, waiting in batches:
        if batch is not None:
            del states[0]
        out.append(Ahead(states[0], waiting))
    return out


def _completed(
    judge: ModelJudge, reference: Reference, panes: Sequence[MicroBatch]
) -> list[tuple[MicroBatch | None, MicroBatch | None]]:
    """The micro-batch that each of the panes completes, and what waits after it; up to the last that is completed."""
    full, waiting = batch_events(reference), judge.waiting
    most = min(MOST_BATCHES, MOST_NUMBERS // max(numbers_of(judge.state), 1))
    out: list[tuple[MicroBatch | None, MicroBatch | None]] = []
    last = completed = 0
    for pane in panes:
        waiting = pane if waiting is None else waiting.merge(pane)
        if waiting.summary.events < full:
            out.append((None, waiting))
            continue
        out.append((waiting, None))
        waiting, completed, last = None, completed + 1, len(out)
        if completed == most:
            break
    return out[:last]


def numbers_of(state: JudgeState) -> int:
    """Counts that all candidates hold."""
    return state.evidence.changes.after.size + state.joint.evidence.changes.after.size


def _calm(learned: Learned, state: JudgeState, a: Floats) -> bool:
    """Whether a stretch may begin: nothing but the evidence of events can open an episode, and no S is at A."""
    if learned.season is not None or state.episodes.open.any() or not ready(state.evidence) or np.any(state.s >= a):
        return False
    return not len(learned.pairs.first) or ready(state.joint.evidence)


def _plain(learned: Learned, batches: Sequence[MicroBatch]) -> bool:
    """Whether no other detector saw a change, and pairs are counted."""
    alone = not len(learned.pairs.first)
    return all((alone or b.cross is not None) and not np.isfinite(b.external_since).any() for b in batches)


def _states(learned: Learned, state: JudgeState, batches: Sequence[MicroBatch], a: Floats) -> list[JudgeState] | None:
    """After each of the batches; None where S reaches A."""
    rows, pairs, begun = learned.rows, learned.pairs, np.array([batch.start for batch in batches])
    counts = np.array([batch.summary.counts[rows] for batch in batches])
    counts = np.take_along_axis(counts, learned.shape.order[None], axis=2).astype(np.float64)
    enough = np.log(a) - MARGIN
    channels = stretch(
        state.evidence, counts, counts.sum(axis=2), begun, enough[rows], partial(Compared.of, learned.shape)
    )
    s, since, parts = (np.repeat(x[None], len(batches), axis=0) for x in (state.s, state.since, state.parts))
    s[:, rows], since[:, rows], joint = channels.s, channels.since, state.joint
    if len(pairs.first):
        sums = [pairs.with_events(batch.cross, batch.summary.events) for batch in batches if batch.cross is not None]
        counts = np.array(sums)[:, None]
        together = stretch(joint.evidence, counts, counts[:, :, 0], begun, enough[-1:], pairs.compared)
        s[:, -1], since[:, -1], joint = together.s[:, 0], together.since[:, 0], JointState(together.evidence)
        parts[:, 0] = s[:, -1]
    if np.any(s >= a):
        return None
    quiet = replace(state, episodes=state.episodes.quietly())
    out = [replace(quiet, s=s[i].copy(), since=since[i].copy(), parts=parts[i].copy()) for i in range(len(s))]
    out[-1] = replace(out[-1], evidence=channels.evidence, joint=joint)
    return out
