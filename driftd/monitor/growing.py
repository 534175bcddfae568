"""A slice whose reference grows: events are kept, stages are reached, faults are left out.

At a stage the reference is learned from the panes up to then. A channel with a page or a fault is learned from what
came before it, and catches up within an hour when that is over: what pages were about, from the beginning of the change
to its end, is never learned of the channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import EventBatch, TopicPartition, concatenate
from driftd.core.pane import RawRows
from driftd.core.reference import Drawn, Gap, Reference
from driftd.core.text import duration
from driftd.core.units import DAY_SECONDS
from driftd.core.values import absent
from driftd.core.window import panes_of
from driftd.judge.natural.calendar import of_a_weekend
from driftd.judge.natural.episodes import HOLD, LOST, NONE, PAGE, TICKET, Turn
from driftd.judge.natural.history import History, hours_of, peaks_of
from driftd.judge.natural.kinds import KINDS, Kind
from driftd.judge.natural.learned import WHOLE_DAY, YOUNG_DAYS, NaturalLearned
from driftd.judge.natural.runs import joined
from driftd.judge.natural.runtime import natural_of
from driftd.judge.natural.step import Verdict
from driftd.learn.build import Learning, build
from driftd.learn.growth import (
    FREEZE_EVENTS,
    FREEZE_LATEST,
    FREEZE_SECONDS,
    GROWING,
    GROWN,
    LEAST_EVENTS,
    QUIET,
    STAGES,
    grown,
    seeded,
)
from driftd.learn.renewed import renewed_of
from driftd.learn.sample import Sample
from driftd.monitor.renewal import is_ready
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import Growth, ModelState, Regrowth
from driftd.monitor.warmup import note_versions

AGAIN_SECONDS: Final = 600.0
"""Until a first reference has enough events, it is tried again so often."""
WAIT_SECONDS: Final = 3600.0
"""While a channel has something open that must not be learned, it is tried again so often."""
MOST_GROWTH: Final = 2.0
"""Times as long as it should, a reference grows at most: for channels that wait."""
GROSS: Final = 0.45
"""Size (a share, or ln of a factor) from which one of LOST, or errors, are not learned while they last, ticket or page.
A smaller change is learned once it has lasted as long as the reference."""
UNWANTED: Final = (*LOST, Kind.ERRORS)
"""Kinds that nobody wants to be normal. Chosen: answers that turn wrong two hours after the start are no new habit."""
OF_A_WEEKEND: Final = (Kind.LEVEL, Kind.SPREAD, Kind.MIX, Kind.JOINT)
"""Kinds that a weekend makes by itself. Derived: as calendar.waits_for_monday."""
NEARLY: Final = 0.9
"""Part of a stage that a reference spans at least: it ends with an event."""
SEES: Final = (
    (YOUNG_DAYS, "looks for faults alone"),
    (WHOLE_DAY, "looks for faults and new values"),
    (6.5, "has not seen a week"),
    (np.inf, "has not seen a month"),
)
"""What a reference of fewer days sees, or has not seen."""
WORLDLY: Final = (*OF_A_WEEKEND, Kind.GRADUAL, Kind.RANGE)
"""Kinds that the world makes, too. Derived: those of shapes and relations; levels wander out of their range."""
MOST_FAULTS: Final = 2
"""Pages, or tickets, of one channel and habit that are left out; with more, none of them is: it would be like that for
ever. Three faults of three kinds are no habit."""
PAGED, NEVER, TICKETED = 0.0, 1.0, 2.0
"""How the end of a fault counts: it paged; it is one of LOST, which is never learned; it made a ticket."""
OF_KIND: Final = 4.0
"""Derived: above all of them."""


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
    if (joins := _first_seen(model, growth)) < np.inf:
        hours = (joins - growth.begun) // WAIT_SECONDS + 2  # an hour of it at least
        growth = model.growth = replace(growth, wait=min(growth.wait, hours * WAIT_SECONDS))
    asked = min((renewal.wait for renewal in growth.renewals), default=np.inf)
    if asked < growth.wait:
        growth = model.growth = replace(growth, wait=asked)
    last = _last(growth, growth.begun, pane_seconds)
    return last if last <= reached else None


def _last(growth: Growth, begun: float, pane_seconds: float) -> int:
    """The last pane of the next stage."""
    return int(panes_of(np.array([begun + growth.wait]), pane_seconds)[0]) - 1


def sampled_through(model: ModelState, frontier: int | None, pane_seconds: float) -> int | None:
    """The last pane whose events will all be offered to the sample for the first reference, and are used for nothing
    else; None where that cannot be said. ``frontier``: the last pane that is closed.
    """
    growth = model.growth
    if model.reference is not None or growth is None or growth.sample is None or growth.renewals:
        return None
    if not np.isnan(growth.begun):
        return _last(growth, growth.begun, pane_seconds)
    if frontier is None or model.arrived or model.slice.part:  # parts may have panes before it that are open
        return None
    return _last(growth, (frontier + 1) * pane_seconds, pane_seconds)


def pass_over(
    model: ModelState, source: TopicPartition, rows: EventBatch, through: int, pane_seconds: float
) -> EventBatch:
    """Without events of open panes ``through`` this one that the sample would not keep: it counts them now, and will be
    what it would have been. Of each pane an event stays: by it is known that there were any.
    """
    growth = model.growth
    assert growth is not None
    assert growth.sample is not None
    panes = panes_of(rows.times, pane_seconds)
    mine = panes <= through
    mine[np.unique(panes, return_index=True)[1]] = False
    places = np.flatnonzero(mine)
    gone = places[growth.sample.surplus(rows.take(places), panes[places], source[1])]
    if not len(gone):
        return rows
    passed = RawRows(model.slice, through, source, 0, rows.take(gone), panes[gone])
    note_versions(model, [passed], pane_seconds)
    model.growth = replace(growth, sample=growth.sample.passed_over(passed.rows, passed.panes, source[1]))
    return rows.take(np.delete(np.arange(len(rows)), gone))


def _first_seen(model: ModelState, growth: Growth) -> float:
    """When a feature that the reference does not have first had a value, in what has arrived; inf where none has, or
    where the sample does not go back as far as the reference.
    """
    if model.reference is None or growth.sample is None or growth.begun > model.reference.first:
        return np.inf
    batches = [message.rows for messages in model.arrived.values() for message in messages]
    return min((float(rows.times[here].min()) for rows, here in _unknown(model.reference, batches)), default=np.inf)


def _unknown(reference: Reference, batches: Iterable[EventBatch]) -> Iterator[tuple[EventBatch, NDArray[np.bool_]]]:
    """Where features that the reference does not have, have a value: a batch, and bool[n]."""
    known = {channel.feature for channel in reference.channels}
    for rows in batches:
        for name in rows.columns.keys() - known:
            here = ~absent(rows.columns[name])
            if here.any():
                yield rows, here


def take_rows(model: ModelState, pane: int, pane_seconds: float) -> list[tuple[TopicPartition, RawRows]]:
    """Takes the events that have arrived up to ``pane`` into the sample; and says which they were, by their source."""
    growth = model.growth
    if (growth is None and not model.regrowths) or not model.arrived:
        return []
    taken = list[tuple[TopicPartition, RawRows]]()
    sample, later = None if growth is None else growth.sample, dict[TopicPartition, list[RawRows]]()
    if model.reference is None:
        note_versions(model, [m for messages in model.arrived.values() for m in messages], pane_seconds)
    for source, messages in sorted(model.arrived.items()):
        for message in messages:
            mine = message.panes <= pane
            if mine.any():
                part = _part(message, mine)
                sample = None if sample is None else sample.add(part.rows, part.panes, source[1])
                taken.append((source, part))
            if not mine.all():
                later.setdefault(source, []).append(_part(message, ~mine))
    model.arrived = later
    if growth is not None:
        model.growth = replace(growth, sample=sample)
    return taken


def _part(message: RawRows, mine: NDArray[np.bool_]) -> RawRows:
    index = np.flatnonzero(mine)
    return replace(message, rows=message.rows.take(index), panes=message.panes[index])


def left(model: ModelState) -> dict[TopicPartition, EventBatch]:
    """The events that have arrived and are not learned from yet, by their source."""
    return {source: concatenate([m.rows for m in messages]) for source, messages in model.arrived.items()}


def reach(model: ModelState, settings: ModelSettings) -> tuple[Reference | None, str]:
    """The reference of the stage that was reached; None where it has to wait. And why, where somebody asked for it."""
    growth = model.growth
    assert growth is not None
    assert settings.grow_seconds is not None
    if model.reference is None and _first(growth) < 1:
        model.growth = replace(growth, wait=growth.wait + AGAIN_SECONDS)
        return None, ""
    growth, renewed = _renewed(model, growth)
    aside = {*renewed, *_aside(model)}
    gaps = tuple(gap for gap in open_gaps(model, growth.begun + growth.wait) if gap.channel not in aside)
    held = tuple(gap.channel for gap in gaps)
    stage = _passed(growth.wait)
    again = stage == growth.stage and set(growth.held) <= set(held)  # who has waited for so long waits on
    again = again and growth.wait != settings.grow_seconds  # the last stage need not be one of STAGES
    if model.reference is not None and growth.sample is not None:
        again = again and not renewed and not any(_unknown(model.reference, growth.sample.rows))
    if again or (growth.sample is not None and not renewed and model.standing.gross.any()):
        model.growth = replace(growth, wait=_next(growth.stage, growth.wait, growth.held or held, settings))
        return None, ""
    late = growth.wait >= MOST_GROWTH * settings.grow_seconds
    done = growth.wait >= settings.grow_seconds and (late or not held) and not growth.renewals
    learning = replace(settings.learning, reason=GROWN if done else GROWING)
    reference, history = _learned(model, growth, learning, (*gaps_over(model, growth), *gaps))
    sample = growth.sample if history is None else None
    faults = growth.faults if reference is None else _renumbered(growth.faults, model.reference, reference)
    wait = _next(stage, growth.wait, held, settings)
    model.growth = Growth(growth.begun, stage, wait, sample, history, faults, held, growth.renewals)
    if done:
        model.growth = None
    return reference, "; ".join(dict.fromkeys(renewed.values()))


def _renewed(model: ModelState, growth: Growth) -> tuple[Growth, dict[str, str]]:
    """The channels that are learned anew now, and why: of them is left out what somebody did not want. The others wait
    on.
    """
    reference, now = model.reference, growth.begun + growth.wait
    if reference is None or not growth.renewals:
        return growth, {}
    due = [r for r in growth.renewals if is_ready(growth, r) and r.channel in reference.rows]
    faults = growth.faults
    for r in due:
        row = reference.rows[r.channel]
        own = [(row, growth.begun, r.start, NEVER), *([(row, r.end, now, NEVER)] if r.end < now else [])]
        before = faults[(faults[:, 0] != row) | (faults[:, 2] <= r.start)]
        faults = np.concatenate([before, np.array(own, np.float64)])
    waiting = (r if r.wait > growth.wait else replace(r, wait=growth.wait + AGAIN_SECONDS) for r in growth.renewals)
    renewals = tuple(r for r in waiting if r.channel not in {other.channel for other in due})
    return replace(growth, faults=faults, renewals=renewals), {r.channel: r.because for r in due}


def _learned(
    model: ModelState, growth: Growth, learning: Learning, gaps: tuple[Gap, ...]
) -> tuple[Reference | None, History | None]:
    """The reference, if there is anything to learn from; and what the next one is learned from, once bins stay."""
    if growth.sample is None:
        assert model.reference is not None
        assert growth.history is not None
        reference = grown(model.reference, growth.history, gaps)
        return None if reference is None else replace(reference, reason=learning.reason), growth.history
    rows = growth.sample.all()
    version = 1 if model.reference is None else model.reference.version + 1
    drawn = Drawn(growth.sample.thinning, True, gaps)
    reference = build(rows, learning, version, drawn)
    needed = FREEZE_SECONDS if drawn.thinning > 1 else FREEZE_LATEST
    young = reference.last - reference.first < NEARLY * needed or growth.sample.events < FREEZE_EVENTS
    if young or growth.renewals:
        return reference, None
    return reference, seeded(reference, rows, learning.pane_seconds, drawn)


def saw(model: ModelState, learned: NaturalLearned, verdict: Verdict) -> None:
    """Keeps what natural.step has seen, and of pages and tickets that ended the time that they were about."""
    growth = model.growth
    if model.regrowths:
        model.regrowths = tuple(_saw(model, learned, r, verdict) for r in model.regrowths)
    if growth is None:
        return
    faults = np.concatenate([growth.faults, _faults(_learnable(learned, verdict.turns), _span(model))])
    history = growth.history
    if history is not None:
        peaks = peaks_of(learned.fast, len(learned.traits.numeric), verdict.g)
        history = history.add(hours_of(learned.layout, verdict.ticks), peaks, verdict.cells)
    model.growth = replace(growth, history=history, faults=faults)


def _learnable(learned: NaturalLearned, turns: Iterable[Turn]) -> list[Turn]:
    return [t for t in turns if t.before == PAGE or not _is_the_world(learned, t.channel, t.kind, t.since, t.time)]


def _saw(model: ModelState, learned: NaturalLearned, r: Regrowth, verdict: Verdict) -> Regrowth:
    assert model.reference is not None
    rows = [model.reference.rows[name] for name in r.channels]
    mine = [t for t in _learnable(learned, verdict.turns) if t.channel in rows]
    faults = np.concatenate([r.growth.faults, _faults(mine, r.growth.wait)])
    cells = r.cells if r.cells is None or not len(verdict.cells) else joined([r.cells, verdict.cells])
    return replace(r, growth=replace(r.growth, faults=faults), cells=cells)


def _is_the_world(learned: NaturalLearned, channel: int, kind: Kind, since: float, now: float) -> bool:
    """Whether a ticket is learned at once: a constant that changes is none, answers follow the world, so that a score
    of Sundays would be new on each of them, and the first weekend is one.
    """
    traits = learned.traits
    weekend = kind in OF_A_WEEKEND and not learned.weekend[channel] and of_a_weekend(since, now)
    return kind not in LOST and bool(traits.constant[channel] or traits.output[channel] or weekend)


def _span(model: ModelState) -> float:
    """Seconds of the model's reference."""
    return 0.0 if model.reference is None else model.reference.last - model.reference.first


def ended(model: ModelState, turns: Iterable[Turn]) -> None:
    """Pages that were ended from outside: what they were about is not learned either."""
    if model.growth is not None:
        faults = np.concatenate([model.growth.faults, _faults(turns, _span(model))])
        model.growth = replace(model.growth, faults=faults)


def _faults(turns: Iterable[Turn], span: float) -> NDArray[np.float64]:
    """Of what ended: the channel, from when to when it was about a change, and how it counts (PAGED, NEVER, TICKETED)
    plus OF_KIND times its habit, float64[k, 4]. A ticket that lasted as long as the reference, ``span``
    seconds, is how things are.
    """
    rows = []
    for turn in turns:
        until = turn.known if turn.before == PAGE or turn.kind in LOST else turn.time - HOLD[TICKET]
        counts = NEVER if turn.kind in LOST else PAGED if turn.before == PAGE else TICKETED
        if turn.level == NONE and (counts != TICKETED or turn.since < until < turn.since + span):
            rows.append((turn.channel, turn.since, until, counts + OF_KIND * _habit(turn.kind)))
    return np.array(rows, np.float64).reshape(-1, 4)


def _habit(kind: Kind) -> int:
    """Faults are each a habit of their own; what the world makes as well is one, by whatever kind it is told."""
    return 0 if kind in WORLDLY else 1 + KINDS.index(kind)


def _renumbered(faults: NDArray[np.float64], before: Reference | None, after: Reference) -> NDArray[np.float64]:
    """With the rows that the channels have in ``after``: features that came later have joined it."""
    if before is None or not len(faults):
        return faults
    row = np.array([after.rows.get(c.name, len(after.channels)) for c in before.channels], np.float64)
    return np.column_stack([row[faults[:, 0].astype(np.intp)], faults[:, 1:]])


def left_out(growth: Growth) -> NDArray[np.float64]:
    """Of which channel it is not learned, from when to when, float64[k, 3]. What a channel does again and again is how
    it is, but for LOST; tickets and pages count each by themselves.
    """
    counts = growth.faults[:, [0, 3]]
    _, place, times = np.unique(counts, axis=0, return_inverse=True, return_counts=True)
    return growth.faults[(counts[:, 1] % OF_KIND == NEVER) | (times[place.reshape(-1)] <= MOST_FAULTS), :3]


def gaps_over(model: ModelState, growth: Growth) -> tuple[Gap, ...]:
    """Those of faults that have ended."""
    if model.reference is None:
        return ()
    names, aside = [channel.name for channel in model.reference.channels], _aside(model)
    every = ((int(row), start, end) for row, start, end in left_out(growth).tolist())
    return tuple(
        Gap(names[row], start, end) for row, start, end in every if row < len(names) and names[row] not in aside
    )


def _aside(model: ModelState) -> set[str]:
    """The channels that are learned anew beside the others (driftd.monitor.regrowth)."""
    return set() if model.reference is None else {r.channel for r in renewed_of(model.reference)}


def open_gaps(model: ModelState, now: float, span: float | None = None) -> tuple[Gap, ...]:
    """Of channels with something open that must not be learned: a page, a gross one of UNWANTED, or another change that
    has not lasted as long as the reference, ``span`` seconds (None: the model's).
    """
    reference, natural = model.reference, model.natural
    if reference is None:
        return ()
    since: dict[int, tuple[float, str]] = {}
    if model.judge is not None:
        begun = model.judge.state.episodes.since
        since |= {row: (float(begun[row]), "") for row in np.flatnonzero(model.standing.gross).tolist()}
    if natural is not None:
        episodes, learned = natural.episodes, natural_of(reference)
        span = reference.last - reference.first if span is None else span
        assert learned is not None
        for row in np.flatnonzero(episodes.level > NONE).tolist():
            kind, begin = KINDS[int(episodes.kind[row])], float(episodes.since[row])
            never = episodes.level[row] == PAGE or (kind in UNWANTED and episodes.size[row] >= GROSS)
            if never or (now - begin < span and not _is_the_world(learned, row, kind, begin, now)):
                since[row] = min(begin, since.get(row, (np.inf,))[0]), kind.value
            wrong = never and kind is Kind.ERRORS and reference.channels[row].role is Role.PREDICTION_ERROR
            answers = reference.rows.get(Role.PREDICTION)
            if wrong and answers is not None:  # nor are the answers that are wrong
                since.setdefault(answers, (begin, kind.value))
    return tuple(Gap(reference.channels[row].name, begin, np.inf, why) for row, (begin, why) in sorted(since.items()))


def held_rows(model: ModelState) -> list[int]:
    """The channels that did not grow at the stage that was just reached."""
    if model.growth is None or model.reference is None:
        return []
    rows = model.reference.rows
    return [rows[name] for name in model.growth.held if name in rows]


def _next(stage: int, wait: float, held: Sequence[str], settings: ModelSettings) -> float:
    """When it is tried again, ``stage`` stages and ``wait`` seconds after the beginning; soon while channels wait."""
    length = _length(stage, settings)
    return min(length if length > wait else np.inf, wait + WAIT_SECONDS if held else np.inf)


def following(wait: float, settings: ModelSettings) -> float:
    """The length of the first stage that is longer; inf where there is none."""
    length = _length(_passed(wait), settings)
    return length if length > wait else np.inf


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
    waits = f"; waits until its change is over: {', '.join(growth.held)}" if growth.held else ""
    return f"grows: knows {duration(days * DAY_SECONDS)}, {sees}; learned anew after {duration(growth.wait)}{waits}"


def ratio(model: ModelState) -> float:
    """How far the first reference is, 0 to 1."""
    growth = model.growth
    if growth is None or growth.sample is None or not growth.sample.rows:
        return 0.0
    last = max(float(rows.times.max()) for rows in growth.sample.rows)
    return min(1.0, (last - growth.begun) / STAGES[0], _first(growth))


def _first(growth: Growth) -> float:
    """Part of the events that the first reference needs, at least 1 where there are enough."""
    events = 0 if growth.sample is None else growth.sample.events
    seconds, few = QUIET
    return events / (few if growth.wait >= seconds else LEAST_EVENTS)
