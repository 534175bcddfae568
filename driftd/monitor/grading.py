"""Which changes are large enough: for a page, for a ticket of one window, for an episode."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from driftd.core.window import Hop
from driftd.judge.learned import believed_until
from driftd.judge.natural.kinds import SHAPES
from driftd.judge.natural.known_hours import hours_known
from driftd.judge.natural.sizes import sized
from driftd.judge.step import Effects
from driftd.judge.tickets import selected, window_evidence
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.attribution import beyond_chance
from driftd.monitor.compose import Rules
from driftd.monitor.state import ModelState, Standing
from driftd.monitor.thresholds import CLOSE_RATIO, Budget


def graded(model: ModelState, detectors: DetectorSet, before: Standing) -> NDArray[np.bool_]:
    """bool[channels]: whose open episode of the judge has reached the size of a page; it keeps it while it is open.

    Independence is not believed on a short reference, nor that a constant stays one: there natural variation must be
    exceeded as well, by a page's size.
    """
    natural, limits = detectors.natural, detectors.limits
    if model.judge is None or natural is None or limits is None:
        return before.gross
    episodes, learned = model.judge.state.episodes, model.judge.learned
    assert model.reference is not None
    if not episodes.open.any():
        return np.zeros(len(before.gross), bool)
    believed = np.isinf(believed_until(learned.span_seconds, model.reference.last))
    gross = before.gross & episodes.open[:-1]
    changed = {change.row for change in before.changes}
    for row in np.flatnonzero(episodes.open[:-1] & learned.paging[:-1] & ~gross).tolist():
        recent = model.hops.after(float(episodes.since[row]))
        alone = believed and not natural.traits.constant[row]
        if recent is not None and (alone or row in changed):
            gross[row] = sized(natural, limits.sizes, recent, row).gross[0]
    return gross


def suspects(model: ModelState, detectors: DetectorSet, window: Hop, rules: Rules) -> NDArray[np.bool_]:
    """bool[channels]: whose window alone is evidence enough for a ticket, at the budget's share of one judgement, and
    large enough. A ticket stays while half of the evidence, in nats, and CLOSE_RATIO of the size are left.

    Only independent channels, on a reference that shows how windows vary: the others' follow their rhythm. An open
    episode needs no ticket.
    """
    assert model.reference is not None
    if model.judge is None or not weighs_windows(model):
        return np.zeros(len(model.reference.channels), bool)
    state, learned = model.judge.state, model.judge.learned
    watched = learned.independent & ~state.episodes.open[:-1] & ~detectors.renewed
    e, rows = np.full(len(watched), np.nan), learned.rows
    e[rows] = window_evidence(learned.shape, state.evidence, window.summary.counts[rows])
    e[~watched] = np.nan
    alpha = Budget(rules.false_alarms_per_month, rules.budget_models, rules.windows.hop_seconds).alpha
    before = model.standing.suspected
    open_ = before if len(before) == len(watched) else np.zeros(len(watched), bool)
    found = np.where(open_, selected(e, np.sqrt(alpha)), selected(e, alpha))
    least = np.where(open_, CLOSE_RATIO, 1.0)
    found &= beyond_chance(model.reference.summary.counts, window.summary.counts) >= least * detectors.effects
    if found.any() and detectors.natural is not None and detectors.limits is not None:
        found &= sized(detectors.natural, detectors.limits.sizes, window.summary).part >= least
    return found


def weighs_windows(model: ModelState) -> bool:
    """Whether a window alone can be evidence of the judge."""
    if model.judge is None or model.reference is None:
        return False
    return bool(np.isinf(believed_until(model.judge.learned.span_seconds, model.reference.last)))


def effects_of(model: ModelState, detectors: DetectorSet) -> Effects:
    """Whether what came since a change differs by at least ``DetectorSet.effects``, PSI on the reference's bins, and by
    what makes a ticket (``SizeTable.exact``). Levels, spreads and mixes of hours that the reference has not seen are
    the hour's.
    """

    def large(row: int, since: float) -> bool:
        recent = model.hops.after(since)
        if model.reference is None or recent is None:
            return True
        then, now = model.reference.summary.counts[row : row + 1], recent.counts[row : row + 1]
        if beyond_chance(then, now)[0] < detectors.effects[row]:
            return False
        natural, limits = detectors.natural, detectors.limits
        if natural is None or limits is None:
            return True
        what = sized(natural, limits.sizes, recent, row)
        seen = hours_known(natural.hours, np.array(since), np.array(recent.last))
        return bool(what.matters[0]) and (bool(seen) or what.kind[0] not in SHAPES)

    return Effects(large, detectors.effects)
