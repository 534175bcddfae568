"""The sizes in force for each channel: the table, what the channel's nature asks for, what the user wants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.judge.natural import latency
from driftd.judge.natural.calendar import HOURS_DIFFER
from driftd.judge.natural.changes import (
    BEYOND,
    CHANGES,
    EXACT,
    OF_THE_HOUR,
    SIZES,
    TRAIT_SIZES,
    Change,
    Own,
    OwnSizes,
    SizeTable,
    rows_of,
)
from driftd.judge.natural.learned import WHOLE_DAY, NaturalLearned
from driftd.judge.natural.shapes import STATISTICS
from driftd.judge.psi import of_correlations

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MISSING, FAR, NEW, FROZEN, ERRORS, LEVEL, SPREAD, MIX, RELATION = rows_of(
    [
        Change.MISSING,
        Change.FAR,
        Change.NEW,
        Change.FROZEN,
        Change.ERRORS,
        Change.LEVEL,
        Change.SPREAD,
        Change.MIX,
        Change.RELATION,
    ]
).tolist()
"""Derived: the places of these changes in CHANGES."""
HOLES: Final = (0.005, 0.2)
"""Usual share of missing values from which on a channel has holes of its own, and the size of a page then. Measured:
6 % that were missing became 25 % on two Saturday nights of a simulated model, no fault."""
LEAST_FAR: Final = 0.05
"""Least share of numbers far out that pages, of numbers that are mostly 0. Chosen: as SIZES has of refused ones."""
OF_ALL: Final = 1.0
"""A size that no share of repeats exceeds, where the time that numbers stand still makes the ticket (natural.standing);
inf is the user's, who wants none. Derived: a share is at most 1."""
OF_FLAT: Final = 0.2
"""Least change of a mix that makes a ticket where one category has nearly all events. Chosen: a fifth of them has left
it; what is rare comes and goes."""
OF_DAYS: Final = 0.5
"""Least share of weather out of its range that makes a ticket where the reference has days. Measured: of 22 tickets of
ranges in 26 months without a fault 14 were of weather, most of them after a reference of a day."""
LOSSES: Final = np.linspace(0, 2, 201)
"""Parts of a correlation that may be lost: all that there are, in steps. Chosen: a hundredth."""


def sizes_of(
    learned: NaturalLearned, own: Sequence[OwnSizes] | None = None, effects: Floats | None = None
) -> SizeTable:
    """``own`` of each channel; ``effects`` float64[channels]: the least PSI that the user wants to hear of. ``inf``:
    never.
    """
    channels = len(learned.traits.numeric)
    own = [OwnSizes()] * channels if own is None else own
    table = SizeTable(
        np.array([[_first(o.table, c, "page", SIZES[c].page) for o in own] for c in CHANGES]),
        np.array([[_first(o.table, c, "ticket", SIZES[c].ticket) for o in own] for c in CHANGES]),
        np.array([[_first(o.table, c, "ticket", EXACT.get(c, np.inf)) for o in own] for c in CHANGES]),
        np.isfinite(learned.patience),
        leaping(learned),
    )
    table.stands[np.isinf(table.page[FROZEN])] = False  # the user wants no page
    _natural(learned, table.page)
    usual = learned.near.centre[STATISTICS.index(Change.FROZEN)]
    # of two values the next is often the same: no share of repeats is beyond it by so much
    table.page[FROZEN, ~learned.traits.numeric & (usual + table.page[FROZEN] >= 1)] = np.inf
    _rare_tickets(learned, table)
    rows = ~learned.traits.numeric  # more of one category is a mix, until nearly all are of one
    table.ticket[FROZEN, rows] = np.maximum(table.ticket, table.page)[FROZEN, rows]
    if effects is not None:
        least = least_of_effect(learned, effects)
        for part in (table.page, table.ticket):
            np.maximum(part, least, out=part)
    _latency(table, np.flatnonzero(learned.traits.latency))
    for row, mine in enumerate(own):
        for change, size in mine.channel.items():
            place = CHANGES.index(change)
            if size.page is not None:
                table.page[place, row] = size.page
                table.stands[row] &= place != FROZEN
            if size.ticket is not None:
                table.ticket[place, row] = table.exact[place, row] = size.ticket
    return table


def leaping(learned: NaturalLearned) -> Bools:
    """bool[channels]: where numbers leave their range little by little, without a fault. Rain and clear air leap."""
    t = learned.traits
    smooth = t.numeric & (t.timely | learned.short) & ~(t.output | t.errors | t.constant | t.counting | t.atom | t.flat)
    return smooth & t.whole


def _first(own: Own, change: Change, level: str, otherwise: float) -> float:
    wanted = getattr(own.get(change), level, None)
    return otherwise if wanted is None else float(wanted)


def _latency(table: SizeTable, rows: NDArray[np.intp]) -> None:
    """Sizes of their own, whatever those of other channels are."""
    for place, change in enumerate(CHANGES):
        size = latency.size_of(change)
        table.page[place, rows], table.ticket[place, rows] = size.page, size.ticket
    table.exact[:, rows], table.stands[rows] = np.inf, False


def _natural(learned: NaturalLearned, page: Floats) -> None:
    """Raises the page sizes ``page`` to what a channel's nature asks for."""
    t = learned.traits
    for size in TRAIT_SIZES:
        has = np.ones(len(t.numeric), bool)
        for trait in size.traits:
            has &= getattr(t, trait)
        if size.lacks:
            has &= ~getattr(t, size.lacks)
        place = np.ix_(rows_of(size.changes), np.flatnonzero(has))
        page[place] = np.maximum(page[place], size.page)
    holed = learned.near.centre[STATISTICS.index(Change.MISSING)] > HOLES[0]
    page[MISSING, holed] = np.maximum(page[MISSING, holed], HOLES[1])
    if learned.zeros is not None:  # a wrong unit moves no value that is 0
        rows = t.numeric & t.atom & ~t.timely
        rows &= (page[FAR] == SIZES[Change.FAR].page) & ~t.errors  # what the user wants stands
        page[FAR, rows] = np.maximum(page[FAR, rows] * (1 - learned.zeros[rows]), LEAST_FAR)
    few = learned.days_known < WHOLE_DAY
    page[np.ix_(rows_of(OF_THE_HOUR), np.flatnonzero(few))] = np.inf
    page[NEW, few & t.numeric & ~t.constant] = np.inf
    page[ERRORS, few & t.thin & t.awaited & t.output & t.errors] = np.inf
    np.maximum(page[ERRORS], _least_errors(learned), out=page[ERRORS])


def _rare_tickets(learned: NaturalLearned, table: SizeTable) -> None:
    """Raises the sizes of tickets where ordinary weeks made most of them."""
    t, fast = learned.traits, learned.fast
    # weather stands still for hours, and days have not shown all of it
    rests = t.timely & t.repetitive & table.stands
    table.ticket[FROZEN, rests] = np.maximum(table.ticket[FROZEN, rests], OF_ALL)
    table.ticket[MIX, t.flat] = np.maximum(table.ticket[MIX, t.flat], OF_FLAT)
    unseen = np.ix_([FAR, NEW], np.flatnonzero(learned.short & t.timely & t.numeric))
    table.ticket[unseen] = np.maximum(table.ticket[unseen], OF_DAYS)
    # an evening in which a model errs as often as in the reference's worst hours is no news
    rules = np.flatnonzero((fast.change == ERRORS) & (t.awaited & t.output)[fast.rules.channel])
    worst = (fast.rules.p0 - fast.usual)[rules]
    rules, worst = rules[worst >= HOURS_DIFFER], worst[worst >= HOURS_DIFFER]
    table.ticket[ERRORS, fast.rules.channel[rules]] = np.maximum(table.ticket[ERRORS, fast.rules.channel[rules]], worst)


def _least_errors(learned: NaturalLearned) -> Floats:
    """The rise of errors of prediction that makes a page, float64[channels]; 0 for other channels. Labels come late and
    in bursts: what the reference's own hours reach is no news.
    """
    t, fast = learned.traits, learned.fast
    out = np.where(t.awaited & t.output & t.errors, np.inf, 0.0)
    rules = np.flatnonzero((fast.change == ERRORS) & np.isinf(out[fast.rules.channel]))
    out[fast.rules.channel[rules]] = fast.rules.p0[rules] - fast.usual[rules] + BEYOND
    return out


def least_of_effect(learned: NaturalLearned, effects: Floats) -> Floats:
    """The changes of a distribution that have the PSI ``effects`` float64[channels], float64[len(CHANGES), channels]; 0
    for faults, which have sizes of their own.

    Between normal distributions PSI is d**2 for a shift by d standard deviations, and near 2 s**2 for a spread of
    exp(s). Shares that moved by m in sum have 4 m**2 or more. Of relations the strongest counts.
    """
    out = np.zeros((len(CHANGES), len(effects)))
    root = np.sqrt(effects)
    out[LEVEL], out[SPREAD], out[MIX] = root, root / np.sqrt(2), root / 2
    if learned.relations is not None:
        rows, r = learned.scores.rows[learned.relations.rows], learned.relations.strongest[:, None]
        enough = of_correlations(r, r * (1 - LOSSES)) >= effects[rows, None]
        out[RELATION, rows] = np.where(enough.any(axis=1), LOSSES[enough.argmax(axis=1)], np.inf)
    return out
