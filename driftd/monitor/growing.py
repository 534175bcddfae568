"""A slice whose reference grows: events are kept, stages are reached, faults are left out.

At a stage the reference is learned from the panes up to then, unless a page or a fault is open: then it waits for an
hour, as often as needed. What they were about, from the beginning of the change to its end, is not learned from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.pane import RawRows
from driftd.core.reference import Drawn, Exclusion, Reference, outside
from driftd.core.text import duration
from driftd.core.units import DAY_SECONDS
from driftd.core.window import panes_of
from driftd.judge.natural.episodes import NONE, PAGE, Turn
from driftd.judge.natural.history import History, hours_of, peaks_of
from driftd.judge.natural.kinds import KINDS, Kind
from driftd.judge.natural.learned import WHOLE_DAY, YOUNG_DAYS, NaturalLearned
from driftd.judge.natural.step import Verdict
from driftd.learn.build import Learning, build
from driftd.learn.growth import (
    FREEZE_EVENTS,
    FREEZE_LATEST,
    FREEZE_SECONDS,
    GROWING,
    GROWN,
    LEAST_EVENTS,
    STAGES,
    grown,
    seeded,
)
from driftd.learn.sample import Sample
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import Growth, ModelState
from driftd.monitor.warmup import note_versions

AGAIN_SECONDS: Final = 600.0
"""Until a first reference has enough events, it is tried again so often."""
WAIT_SECONDS: Final = 3600.0
"""While something is open that must not be learned, a stage is tried again so often."""
FAULTS: Final = frozenset({Kind.MISSING, Kind.REFUSED})
"""What no traffic does by itself, however often it comes. Weather stands still, and calm air looks like another unit.
"""
GROSS: Final = 0.45
"""Size (a share, or ln of a factor) from which one of FAULTS is never learned, ticket or page. A smaller change is
learned once it has lasted as long as the reference."""
NEARLY: Final = 0.9
"""Part of a stage that a reference spans at least: it ends with an event."""
SEES: Final = (
    (YOUNG_DAYS, "looks for faults alone"),
    (WHOLE_DAY, "looks for faults and new values"),
    (6.5, "has not seen a week"),
    (np.inf, "has not seen a month"),
)
"""What a reference of fewer days sees, or has not seen."""
MOST_FAULTS: Final = 2
"""Pages of one channel that are left out; with more, none of them is: it would page like that for ever."""


def begin(model: ModelState, settings: ModelSettings) -> None:
    """Called before rows come in: a slice without a reference starts to grow, and one whose reference was stored while
    it grew goes on. What it had seen is lost with its checkpoint: the next stage is the first that is longer.
    """
    given = model.reference is not None and model.reference.reason != GROWING
    if settings.grow_seconds is None or given:
        model.growth = None  # somebody has given a reference since then, or said how much is learned from
        return
    if model.growth is not None:
        return
    if model.reference is None:
        model.growth = Growth(np.nan, 0, STAGES[0], Sample.empty())
    elif model.reference.reason == GROWING:
        stage = _passed((model.reference.last - model.reference.first) / NEARLY)
        model.growth = Growth(np.nan, stage, _length(stage, settings), Sample.empty())


def due(model: ModelState, reached: int, pane_seconds: float) -> int | None:
    """The last pane of the next stage, if that is not after ``reached``."""
    growth = model.growth
    if growth is None:
        return None
    if np.isnan(growth.begun):
        panes = [int(message.panes.min()) for messages in model.arrived.values() for message in messages]
        if not panes:
            return None
        growth = model.growth = replace(growth, begun=min(panes) * pane_seconds)
    last = int(panes_of(np.array([growth.begun + growth.wait]), pane_seconds)[0]) - 1
    return last if last <= reached else None


def take_rows(model: ModelState, pane: int, pane_seconds: float) -> None:
    """Takes the events that have arrived up to ``pane`` into the sample."""
    growth = model.growth
    if growth is None or not model.arrived:
        return
    sample, later = growth.sample, dict[TopicPartition, list[RawRows]]()
    if model.reference is None:
        note_versions(model, [m for messages in model.arrived.values() for m in messages], pane_seconds)
    for source, messages in sorted(model.arrived.items()):
        for message in messages:
            mine = message.panes <= pane
            if sample is not None and mine.any():
                index = np.flatnonzero(mine)
                sample = sample.add(message.rows.take(index), message.panes[index], source[1])
            if not mine.all():
                index = np.flatnonzero(~mine)
                rest = replace(message, rows=message.rows.take(index), panes=message.panes[index])
                later.setdefault(source, []).append(rest)
    model.arrived = later
    model.growth = replace(growth, sample=sample)


def left(model: ModelState) -> dict[TopicPartition, EventBatch]:
    """The events that have arrived and are not learned from yet, by their source."""
    return {source: concatenate([m.rows for m in messages]) for source, messages in model.arrived.items()}


def reach(model: ModelState, settings: ModelSettings) -> Reference | None:
    """The reference of the stage that was reached; None where it has to wait."""
    growth = model.growth
    assert growth is not None
    if model.reference is not None and _waits(model, growth.begun + growth.wait):
        model.growth = replace(growth, wait=growth.wait + WAIT_SECONDS)
        return None
    if model.reference is None and (growth.sample is None or growth.sample.events < LEAST_EVENTS):
        model.growth = replace(growth, wait=growth.wait + AGAIN_SECONDS)
        return None
    assert settings.grow_seconds is not None
    done = growth.wait >= settings.grow_seconds
    reference, history = _learned(model, growth, replace(settings.learning, reason=GROWN if done else GROWING))
    sample = growth.sample if history is None else None
    stage = _passed(growth.wait)
    faults = growth.faults if reference is None else _renumbered(growth.faults, model.reference, reference)
    after = Growth(growth.begun, stage, _length(stage, settings), sample, history, faults)
    model.growth = None if done else after
    return reference


def _learned(model: ModelState, growth: Growth, learning: Learning) -> tuple[Reference | None, History | None]:
    """The reference, if there is anything to learn from; and what the next one is learned from, once bins stay."""
    if growth.sample is None:
        assert model.reference is not None
        assert growth.history is not None
        reference = grown(model.reference, growth.history, left_out(growth))
        return None if reference is None else replace(reference, reason=learning.reason), growth.history
    rows = growth.sample.all()
    rows = rows.take(np.flatnonzero(outside(rows.times, (Exclusion(*span) for span in left_out(growth).tolist()))))
    if not len(rows):
        return None, None
    version, drawn = 1 if model.reference is None else model.reference.version + 1, Drawn(growth.sample.thinning, True)
    reference = build(rows, learning, version, drawn)
    needed = FREEZE_SECONDS if drawn.thinning > 1 else FREEZE_LATEST
    if reference.last - reference.first < NEARLY * needed or growth.sample.events < FREEZE_EVENTS:
        return reference, None
    return reference, seeded(reference, rows, learning.pane_seconds, drawn)


def saw(model: ModelState, learned: NaturalLearned, verdict: Verdict) -> None:
    """Keeps what natural.step has seen, and of pages that ended the time that they were about."""
    growth = model.growth
    if growth is None:
        return
    faults = np.concatenate([growth.faults, _faults(verdict.turns)])
    history = growth.history
    if history is not None:
        peaks = peaks_of(learned.fast, len(learned.traits.numeric), verdict.g)
        history = history.add(hours_of(learned.layout, verdict.ticks), peaks, verdict.cells)
    model.growth = replace(growth, history=history, faults=faults)


def _faults(turns: Iterable[Turn]) -> NDArray[np.float64]:
    """Of pages, and of tickets of FAULTS, that ended: the channel, from when to when they were about a change, and 1
    where it was one of FAULTS; float64[k, 4].
    """
    spans = [
        (turn.channel, turn.since, turn.known, turn.kind in FAULTS)
        for turn in turns
        if turn.level == NONE and (turn.before == PAGE or turn.kind in FAULTS)
    ]
    return np.array(spans, np.float64).reshape(-1, 4)


def _renumbered(faults: NDArray[np.float64], before: Reference | None, after: Reference) -> NDArray[np.float64]:
    """With the rows that the channels have in ``after``: features that came later have joined it."""
    if before is None or not len(faults):
        return faults
    row = np.array([after.rows.get(c.name, len(after.channels)) for c in before.channels], np.float64)
    return np.column_stack([row[faults[:, 0].astype(np.intp)], faults[:, 1:]])


def left_out(growth: Growth) -> NDArray[np.float64]:
    """From when to when it is not learned, float64[k, 2]. What a channel does again and again is how it is, but for
    FAULTS.
    """
    fault = growth.faults[:, 3] > 0
    channel = growth.faults[:, 0].astype(np.intp)
    times = np.bincount(channel[~fault], minlength=int(channel.max(initial=0)) + 1)[channel]
    return growth.faults[fault | (times <= MOST_FAULTS), 1:3]


def _waits(model: ModelState, now: float) -> bool:
    """Whether something is open that must not be learned: a page, a gross one of FAULTS, or another change that has not
    lasted as long as the reference.
    """
    reference, natural = model.reference, model.natural
    if reference is None or bool(model.standing.gross.any()):
        return reference is not None
    if natural is None:
        return False
    episodes, span = natural.episodes, reference.last - reference.first
    rows = np.flatnonzero(episodes.level > NONE).tolist()
    return any(
        episodes.level[row] == PAGE
        or (KINDS[int(episodes.kind[row])] in FAULTS and episodes.size[row] >= GROSS)
        or now - episodes.since[row] < span
        for row in rows
    )


def _passed(seconds: float) -> int:
    """Stages that are no longer than that."""
    return sum(stage <= seconds for stage in STAGES)


def _length(stage: int, settings: ModelSettings) -> float:
    """Seconds of the stage after ``stage`` stages; of the last the setting's."""
    assert settings.grow_seconds is not None
    return min(STAGES[stage], settings.grow_seconds) if stage < len(STAGES) else settings.grow_seconds


def judges(reference: Reference) -> bool:
    """Whether the judge's evidence counts: one that grows knows the day first."""
    return reference.reason != GROWING or reference.last - reference.first >= WHOLE_DAY * DAY_SECONDS


def told(model: ModelState) -> str:
    """How far a reference that grows is, for people; "" where it does not grow."""
    growth, reference = model.growth, model.reference
    if growth is None or reference is None:
        return ""
    days = (reference.last - reference.first) / DAY_SECONDS
    sees = next(words for most, words in SEES if days < most)
    waits = " once nothing is open" if _waits(model, reference.last) else ""
    return f"grows: knows {duration(days * DAY_SECONDS)}, {sees}; learned anew after {duration(growth.wait)}{waits}"


def ratio(model: ModelState) -> float:
    """How far the first reference is, 0 to 1."""
    growth = model.growth
    if growth is None or growth.sample is None or not growth.sample.rows:
        return 0.0
    last = max(float(rows.times.max()) for rows in growth.sample.rows)
    return min(1.0, (last - growth.begun) / STAGES[0], growth.sample.events / LEAST_EVENTS)
