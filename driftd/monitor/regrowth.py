"""Channels that are learned anew beside the others, because somebody said that what comes is the new normal.

    others  |##########################|      go on
    amount  |#######|    |~~~~|########|      # watched, ~ learned from and not watched
                    ^ a page  ^ half an hour and 500 values later: learned, and anew after 2 and 6 hours, 1 day, ...
                         ^ the act

What they are learned from is events again, of these channels alone, as many as a sample holds. At each stage their new
bins and what was learned take their places in the model's reference (learn.graft).
"""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.act import Act
from driftd.core.event import EventBatch
from driftd.core.reference import Drawn, Gap, Reference, ReferenceKind
from driftd.core.units import DAY_SECONDS
from driftd.core.window import panes_of
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.runtime import natural_of
from driftd.learn.build import build, kinds_of
from driftd.learn.graft import graft, marked, room
from driftd.learn.growth import STAGES
from driftd.learn.remarks import renewals
from driftd.learn.renewed import Renewed, renewed_of
from driftd.learn.sample import Sample
from driftd.monitor import growing, renewal
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import Growth, ModelState, Regrowth

RELATED_SECONDS: Final = 0.75 * DAY_SECONDS
"""Cells of relations from which on these are watched again. Chosen: a day without the stages before it."""


def begin(model: ModelState, pane_seconds: float) -> None:
    """Called before rows come in: whose checkpoint was lost while they were not watched begin again."""
    if model.reference is None or model.taken is None:
        return
    known = {name for r in model.regrowths for name in r.channels}
    lost = tuple(r.channel for r in renewed_of(model.reference) if r.blind and r.channel not in known)
    if lost:
        begun = (model.taken + 1) * pane_seconds
        model.regrowths = (*model.regrowths, Regrowth(lost, inf, _start(begun)))


def _start(begun: float) -> Growth:
    return Growth(begun, 0, STAGES[0], Sample.empty())


def started(model: ModelState, act: Act, begun: float) -> Reference:
    """The act's channels begin to be learned anew at ``begun``; the reference that says so."""
    assert model.reference is not None
    others = (replace(r, channels=tuple(c for c in r.channels if c not in act.channels)) for r in model.regrowths)
    mine = Regrowth(act.channels, inf if act.end is None else act.end, _start(begun))
    model.regrowths = (*(r for r in others if r.channels), mine)
    return marked(model.reference, [Renewed(name, begun, nan, begun + STAGES[0]) for name in act.channels])


def due(model: ModelState, reached: int, pane_seconds: float) -> int | None:
    """The last pane of the next stage of any of them, if that is not after ``reached``."""
    at = min((r.growth.begun + r.growth.wait for r in model.regrowths), default=inf)
    if at == inf:
        return None
    last = _last(at, pane_seconds)
    return last if last <= reached else None


def _last(at: float, pane_seconds: float) -> int:
    """The last pane that ends by then."""
    return int(panes_of(np.array([at]), pane_seconds)[0]) - 1


def add(model: ModelState, rows: EventBatch, panes: NDArray[np.int64], partition: int) -> None:
    """Takes events of a partition into the samples."""
    model.regrowths = tuple(_added(model, r, rows, panes, partition) for r in model.regrowths)


def _added(model: ModelState, r: Regrowth, rows: EventBatch, panes: NDArray[np.int64], partition: int) -> Regrowth:
    assert model.reference is not None
    assert r.growth.sample is not None
    index = np.flatnonzero(rows.times >= r.growth.begun)
    if not len(index):
        return r
    channels = [model.reference.channels[model.reference.rows[name]] for name in r.channels]
    features = {c.feature for c in channels}
    of = replace(
        rows,
        columns={name: column for name, column in rows.columns.items() if name in features},
        fields=rows.fields
        if None in features
        else {c.lists: rows.fields[c.lists] for c in channels if c.lists in rows.fields},
        refused={name: flags for name, flags in rows.refused.items() if name in features},
        version=None,
        ids=None,
    )
    sample = r.growth.sample.add(of.take(index), panes[index], partition)
    return replace(r, growth=replace(r.growth, sample=sample))


def reach(model: ModelState, pane: int, settings: ModelSettings, pane_seconds: float) -> tuple[Reference, list[str]]:
    """The model's reference with those channels whose stage ends with ``pane`` learned anew, and their names: none
    where they have to wait.
    """
    assert model.reference is not None
    reference, names = model.reference, list[str]()
    if settings.grow_seconds is None:  # somebody has changed it since the act
        settings = replace(settings, grow_seconds=STAGES[-1])
    for r in model.regrowths:
        if _last(r.growth.begun + r.growth.wait, pane_seconds) <= pane:
            reference, learned = _stage(model, reference, r, settings)
            names += learned
    return reference, names


def _stage(
    model: ModelState, reference: Reference, r: Regrowth, settings: ModelSettings
) -> tuple[Reference, list[str]]:
    assert settings.grow_seconds is not None
    wait = r.growth.wait
    now, known = r.growth.begun + wait, {*r.channels} - {m.channel for m in renewed_of(reference) if m.blind}
    late = wait >= growing.MOST_GROWTH * settings.grow_seconds
    if not late and any(gap.channel in known for gap in growing.open_gaps(model, now, wait)):
        _keep(model, r, _until(r, wait + growing.WAIT_SECONDS))
        return reference, []
    built, names = _built(reference, r, settings)
    if built is None or not names:
        _keep(model, r, _until(r, wait + growing.AGAIN_SECONDS))
        return reference, []
    whole, last = len(names) == len(r.channels), min(settings.grow_seconds, r.end - r.growth.begun)
    following = growing.following(wait, settings)
    following = min(following, last) if wait < last else following
    done = whole and wait >= last
    following = following if whole else wait + growing.AGAIN_SECONDS
    cells, begun = _cells(model, r), r.growth.begun
    _keep(model, r, None if done else replace(_until(r, following), cells=_begun(reference, r)))
    due_at = nan if done else begun + following
    marks = [Renewed(name, begun, min(now, r.end), due_at, cells is not None) for name in names]
    return graft(reference, built, names, marks, cells), names


def _begun(reference: Reference, r: Regrowth) -> Runs | None:
    """The cells of its relations, from the first stage on that it has bins of its own."""
    learned = natural_of(reference)
    if r.cells is not None or learned is None or learned.relations is None:
        return r.cells
    return Runs.empty(len(learned.relations.rows), 2)


def _cells(model: ModelState, r: Regrowth) -> Runs | None:
    """What its relations are learned from: those of a day, without its faults; None where there is less."""
    assert model.reference is not None
    if r.cells is None or not len(r.cells):
        return None
    outside = np.ones(len(r.cells), bool)
    outside[0] = False  # it began before
    for _, start, end in growing.left_out(r.growth).tolist():
        outside &= (r.cells.end <= start) | (r.cells.start >= end)
    cells = Runs(*(getattr(r.cells, name)[outside] for name in ("start", "end", "events", "sums")))
    lasts = float((cells.end - cells.start).sum())
    return cells if lasts >= RELATED_SECONDS else None


def _until(r: Regrowth, wait: float) -> Regrowth:
    return replace(r, growth=replace(r.growth, wait=wait))


def _keep(model: ModelState, before: Regrowth, after: Regrowth | None) -> None:
    every = (after if r is before else r for r in model.regrowths)
    model.regrowths = tuple(r for r in every if r is not None)


def _built(reference: Reference, r: Regrowth, settings: ModelSettings) -> tuple[Reference | None, list[str]]:
    """A reference of these channels alone, and those of which enough is known; None where there are too few events."""
    growth = r.growth
    assert growth.sample is not None
    sample = renewal.between(growth.sample, growth.begun, r.end)
    if not renewal.enough(sample.events, growth.wait):  # the stretch has too few: what came after it counts, too
        sample = growth.sample
    if not sample.rows or not renewal.enough(sample.events, growth.wait):
        return None, []
    learning = replace(
        settings.learning,
        kinds=kinds_of(reference),
        classes=reference.classes,
        kind=ReferenceKind.FIXED,
        most_bins=room(reference),
    )
    known = [c.name for c in reference.channels]
    gaps = tuple(Gap(known[int(row)], start, end) for row, start, end in growing.left_out(growth).tolist())
    built = build(sample.all(), learning, drawn=Drawn(sample.thinning, True, gaps))
    events = built.summary.channel_events * sample.thinning
    names = [
        name
        for name in r.channels
        if (place := built.rows.get(name)) is not None
        and renewal.enough(int(events[place]), growth.wait)
        and built.channels[place] == reference.channels[reference.rows[name]]
    ]
    return built, names


def told(model: ModelState) -> dict[str, str]:
    """A sentence for each channel that is learned anew, or was, for people."""
    if model.reference is None:
        return {}
    at = {name: r.growth.begun + r.growth.wait for r in model.regrowths for name in r.channels}
    marks = [replace(m, due=at.get(m.channel, m.due)) for m in renewed_of(model.reference)]
    return dict(zip((m.channel for m in marks), renewals(marks), strict=True))
