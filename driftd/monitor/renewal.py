"""What came since then is the new normal: a model, or channels of it, are learned anew because somebody asked.

A model learns anew from those of its events that are kept, and from what comes. A channel is learned anew beside the
others while the reference is made from events: a stage of its own, of which it alone does not know what was before.

    others  |######################|      # learned
    amount  |..............########|      . as if it had not been there
                           ^ act.start
"""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Final

import numpy as np

from driftd.core.act import Act
from driftd.core.errors import ActRefused
from driftd.core.event import EventBatch
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.text import clean, did_you_mean, duration, minute
from driftd.learn.graft import LEAST_BINS, room
from driftd.learn.growth import GROWING, GROWN, LEAST_EVENTS, QUIET, STAGES
from driftd.learn.sample import Sample
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import Growth, ModelState, Renewal

MOST_BESIDE: Final = 8
"""Acts whose channels are learned anew beside the others at the same time, each with a sample of its own: 15 MB."""


def require_renewable(model: ModelState, act: Act, settings: ModelSettings, now: float) -> None:
    """Raises ActRefused where the model, or the channels of the act, cannot be learned anew. ``now``: the end of what
    was counted.
    """
    name = clean(model.name)
    if settings.given:
        raise ActRefused(
            f"the reference of '{name}' is a file (reference.path): build another with 'driftd reference build {name}'"
        )
    if model.reference is None or model.taken is None:
        raise ActRefused(f"'{name}' is learning its reference: there is none to replace yet")
    if unknown := [channel for channel in act.channels if channel not in model.reference.rows]:
        raise ActRefused(
            f"'{name}' has no channel '{clean(unknown[0])}'{did_you_mean(unknown[0], model.reference.rows)}"
        )
    if act.channels and not model.wants_rows:
        _require_beside(model, model.reference, act, settings, now)


def renews(model: ModelState, settings: ModelSettings) -> bool:
    """Whether channels alone can be learned anew: of a reference that has grown by itself."""
    if model.reference is None or settings.given or settings.grow_seconds is None:
        return False
    return model.wants_rows or model.reference.reason in {GROWING, GROWN}


def _require_beside(model: ModelState, reference: Reference, act: Act, settings: ModelSettings, now: float) -> None:
    """Of channels of a model whose events are not kept any more: they are learned from what comes."""
    name = clean(model.name)
    whole = f"The whole model can (name no channel): {takes(settings)}, and sees all changes again after a day"
    if not renews(model, settings):
        what = "was given by somebody" if settings.grow_seconds is not None else _once(reference)
        raise ActRefused(
            f"the reference of '{name}' {what}: a channel of it alone cannot be learned anew. {whole}. A size in "
            "driftd.yaml (alarms.channels) says what does not ring on a channel"
        )
    begun = now if act.start is None else max(act.start, now)
    if act.end is not None and act.end - begun < STAGES[0]:
        raise ActRefused(
            f"events of '{name}' are not kept, so a channel is learned from what comes after {minute(now)} UTC: half "
            f"an hour and {LEAST_EVENTS} events of it at least. End it (--to) at {minute(begun + STAGES[0])} UTC or "
            "later, or let it go on"
        )
    if len(model.regrowths) >= MOST_BESIDE:
        raise ActRefused(f"channels of '{name}' are being learned anew for {MOST_BESIDE} acts already. {whole}")
    if room(reference) < LEAST_BINS:
        raise ActRefused(f"the other channels of '{name}' have two values, so there is no room for another. {whole}")


def _once(reference: Reference) -> str:
    kind = "" if reference.kind is ReferenceKind.FIXED else f" (kind {reference.kind.value})"
    return f"is learned once{kind}"


def again(model: ModelState, act: Act, now: float) -> Growth | None:
    """How far the model is with those of its events that are kept, from ``act.start`` to ``act.end``: due at ``now``.
    None where there are none.
    """
    if model.growth is None or model.growth.sample is None or act.start is None:
        return None
    sample = between(model.growth.sample, act.start, inf if act.end is None else act.end)
    if not sample.rows:
        return None
    begun = max(act.start, min(float(rows.times.min()) for rows in sample.rows))
    return Growth(begun, 0, max(STAGES[0], now - begun), sample)


def renew(model: ModelState, act: Act, pane_seconds: float) -> None:
    """The channels of the act are learned anew when half an hour since ``act.start`` is known."""
    assert model.growth is not None
    assert model.taken is not None
    growth, now = model.growth, (model.taken + 1) * pane_seconds
    start = max(now if act.start is None else act.start, growth.begun)
    wait, end = max(start + STAGES[0], now) - growth.begun, inf if act.end is None else act.end
    mine = tuple(Renewal(channel, start, end, wait, act.by) for channel in act.channels)
    others = tuple(renewal for renewal in growth.renewals if renewal.channel not in act.channels)
    model.growth = replace(growth, renewals=(*others, *mine))


def is_ready(growth: Growth, renewal: Renewal) -> bool:
    """Whether enough is known of the time that it is learned from."""
    assert growth.sample is not None
    if renewal.wait > growth.wait:
        return False
    sample, span = between(growth.sample, renewal.start, renewal.end), growth.begun + growth.wait - renewal.start
    return enough(sample.events, span)


def enough(events: int, seconds: float) -> bool:
    """Whether so many of so long are a reference."""
    quiet, few = QUIET
    return events >= (few if seconds >= quiet else LEAST_EVENTS)


def between(sample: Sample, start: float, end: float) -> Sample:
    """The part of a sample that lies in a stretch of time; how many events there were is estimated."""
    rows, units, kept = list[EventBatch](), [], 0
    for batch, mine in zip(sample.rows, sample.units, strict=True):
        here = np.flatnonzero((batch.times >= start) & (batch.times < end))
        if len(here):
            rows.append(batch.take(here))
            units.append(mine[here])
            kept += len(here)
    share = kept / max(sum(len(batch) for batch in sample.rows), 1)
    offered = np.rint(sample.offered * share).astype(np.int64)
    return replace(sample, rows=tuple(rows), units=tuple(units), offered=offered)


def takes(settings: ModelSettings) -> str:
    """How long a model without events needs."""
    if settings.grow_seconds is not None:
        return f"it judges again after {duration(STAGES[0])} and {LEAST_EVENTS} events"
    if settings.learn_seconds is not None:
        return f"it judges again after {duration(settings.learn_seconds)}"
    return f"it judges again after {settings.learn_events:,} events"


def told(model: ModelState, act: Act, settings: ModelSettings, pane_seconds: float) -> str:
    """What comes of the act, for who asked; ``model`` as it is after it."""
    growth = model.growth
    if act.channels and not model.wants_rows:
        return _beside(model, act)
    if act.channels and growth is not None:
        mine = [r for r in growth.renewals if r.channel in act.channels]
        at = growth.begun + max(r.wait for r in mine)
        names = ", ".join(act.channels)
        return f"{names}: learned anew from what came since {minute(mine[0].start)} UTC, at {minute(at)} UTC"
    if growth is None or growth.sample is None:
        kept = "" if act.start is None else "; of before nothing is kept"
        return f"{model.name} learns anew from now on: {takes(settings)}, and sees all changes after a day{kept}"
    reached = minute((model.taken or 0) * pane_seconds)
    return (
        f"{model.name} learns anew from {growth.sample.events:,} events since {minute(growth.begun)} UTC "
        f"(read up to {reached}): {takes(settings)} of that time, and sees all changes after a day of it"
    )


def _beside(model: ModelState, act: Act) -> str:
    mine = next(r for r in model.regrowths if act.channels[0] in r.channels)
    begun, at = mine.growth.begun, mine.growth.begun + mine.growth.wait
    until = "" if mine.end == inf else f" to {minute(mine.end)} UTC"
    early = act.start is not None and act.start < begun
    return (
        f"{', '.join(act.channels)}: learned anew from what comes from {minute(begun)} UTC on{until}"
        f"{' (what came before is not kept)' if early else ''}; not watched until {minute(at)} UTC, if {LEAST_EVENTS} "
        "events of it have come by then, and for faults alone for half a day. The other channels go on as they were"
    )
