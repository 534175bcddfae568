"""A reference that grows: learned anew from more events at each of STAGES, on bins that are frozen early.

Stages are 30 minutes, 2 and 6 hours, 1, 3, 7, 14 and 28 days. Up to a day, and for quiet models up to a week, a
reference is learned from events, sampled where they are many. Bins stay from the first stage of a day or more at which
the sample does not hold all events, and from a week on; so does what the judge learned. From then on counts and
natural variation are learned from the hours since the beginning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Drawn, Gap, Reference
from driftd.core.units import DAY_SECONDS
from driftd.ingest.binning import encode_with
from driftd.judge.natural import fit
from driftd.judge.natural.cusum import Cusum, run
from driftd.judge.natural.features import FEATURES
from driftd.judge.natural.history import MOMENTS, History, hours_of, peaks_of
from driftd.judge.natural.learned import THIN_EVENTS, NaturalLearned
from driftd.judge.natural.relations import Cells
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.runtime import exchanged, natural_of
from driftd.learn.gaps import PREFIX as GAPS
from driftd.learn.gaps import gaps_of, masked, without
from driftd.learn.gaps import table_of as table_of_gaps
from driftd.learn.graft import graft
from driftd.learn.natural import Prepared
from driftd.learn.renewed import renewed_of

Floats = NDArray[np.float64]

STAGES: Final = (1800.0, 7200.0, 21600.0, *(DAY_SECONDS * days for days in (1, 3, 7, 14, 28)))
"""Seconds of event time after which a reference is learned, and learned anew. Each shows what the one before has not
seen: an hour, a shift, a night, a weekend."""
LEAST_EVENTS: Final = 500
"""Events of the first reference at least: the fault path was measured down to so many."""
QUIET: Final = (21600.0, 100)
"""Seconds from which on so few events are enough. Measured: models with 300 events a day, no false page in 14 days."""
FREEZE_SECONDS: Final = DAY_SECONDS
"""Bins must have seen a day before they stay, and then the judge learns, too."""
FREEZE_LATEST: Final = 7 * DAY_SECONDS
"""From then on bins stay: they have seen a weekend."""
FREEZE_EVENTS: Final = THIN_EVENTS
"""Events from which on bins stay: with fewer a reference has no shapes."""
GROWING: Final = "growing"
"""Reason of a reference that is not at its last stage."""
GROWN: Final = "grown"
RELATED: Final = ("relations", "relation_soon", "relation_near", "relation_day", "relation_long")
"""The fields of NaturalLearned that are about relations."""
LEAST_HOURS: Final = 8
"""Hours from which natural variation is learned anew: as many as a short reference has blocks."""


def older(stored: Reference, known: Reference) -> bool:
    """Whether both grew by themselves, and ``stored`` is an earlier stage: it is stored after the checkpoint."""
    grew = {stored.reason, known.reason} <= {GROWING, GROWN}
    return grew and stored.last <= known.last


def seeded(reference: Reference, rows: EventBatch, pane_seconds: float, drawn: Drawn) -> History:
    """The history of a reference that was just learned from ``rows``."""
    learned = natural_of(reference)
    assert learned is not None
    encoded = without(encode_with(reference, rows), masked(reference.channels, rows.times, gaps_of(reference)))
    p = Prepared.of(reference, rows, encoded, pane_seconds, drawn)
    hours = hours_of(p.layout, p.ticks)
    hours.sums[:, :, :FEATURES] = p.runs.ticks.sums  # new values: those that no other part of the reference has
    channels, rules = len(reference.channels), learned.fast.rules
    never = np.full(len(learned.fast.change), np.inf)
    _, _, g = run(Cusum.start(len(never)), rules, hours.sums, hours.start, never)
    cells = Runs.empty(0, 2)
    if learned.relations is not None:
        cells, _, _ = Cells.empty(len(p.scores.rows)).step(learned.relations, p.runs.begun, p.runs.cells)
    empty = History.start(channels, reference.width, _related(learned))
    return empty.add(hours, peaks_of(learned.fast, channels, g * drawn.thinning), cells)


def _related(learned: NaturalLearned) -> int:
    return 0 if learned.relations is None else len(learned.relations.rows)


def grown(reference: Reference, history: History, gaps: Sequence[Gap]) -> Reference | None:
    """The reference of all hours but the channels' ``gaps``: natural variation and counts are new, bins and what the
    judge learned are as they were; so are relations while a gap of one of their channels lasts, and channels that are
    learned anew beside the others (learn.renewed). None where there is too little.
    """
    learned = natural_of(reference)
    if learned is None:
        return None
    aside = renewed_of(reference)
    spans = np.array(
        [*((reference.rows[g.channel], g.start, g.end) for g in gaps),
         *((reference.rows[r.channel], -np.inf, np.inf) for r in aside)], np.float64
    ).reshape(-1, 3)  # fmt: skip
    related = learned.scores.rows
    hours, peaks, cells = history.whole(spans, related)
    if len(hours) < LEAST_HOURS:
        return None
    counts = hours.sums[:, :, FEATURES:-MOMENTS].sum(axis=0)
    summary = replace(
        reference.summary,
        events=int(hours.events.sum()),
        counts=counts,
        moments=hours.sums[:, :, -MOMENTS:].sum(axis=0),
        first=float(hours.start[0]),
        last=float(hours.end[-1]),
    )
    out = replace(reference, version=reference.version + 1, summary=summary, last=float(hours.end[-1]))
    runs = fit.runs_of_hours(learned.layout, hours, peaks, learned.relations, cells)
    anew = fit.learn(out, learned.layout, runs, learned.limits, learned.scores)
    if np.isin(spans[np.isinf(spans[:, 2]), 0], related).any():
        anew = replace(anew, **{name: getattr(learned, name) for name in RELATED})
    before = [gap for gap in gaps_of(reference) if np.isinf(gap.start)]
    kept = {name: part for name, part in out.learned.items() if not name.startswith(GAPS)}
    out = replace(out, learned={**exchanged(kept, anew), **table_of_gaps([*before, *gaps])})
    if not aside:
        return out
    return replace(graft(out, reference, [r.channel for r in aside], beside=False), version=out.version)
