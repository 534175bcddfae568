"""A channel that was learned by itself takes its place among the others, which do not notice.

What is learned of a channel is in columns, and in rules of its own. They are replaced; the others' are the same numbers
as before, and so are their limits: the number of tests that share the budget stays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.fault_counters import CountLimits
from driftd.judge.natural.cusum import Rules
from driftd.judge.natural.episodes import Episodes
from driftd.judge.natural.fit import relation_of
from driftd.judge.natural.leaps import Strides
from driftd.judge.natural.learned import (
    RELATION_SCALES,
    FastLearned,
    NaturalLearned,
    RelationLearned,
    SlowLearned,
    Traits,
)
from driftd.judge.natural.predictive import Predictive
from driftd.judge.natural.relations import Scores
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.shapes import Usual
from driftd.judge.natural.slots import UNITS, Slots
from driftd.judge.natural.step import NaturalState, Ring, moved
from driftd.judge.natural.thresholds import tests_of

Floats = NDArray[np.float64]
HALF: Final = 0.5
"""Part of the correlations that the reference had. Chosen: a relation is gone at BROKEN (natural.step), and half of one
has somewhere to fall."""
RELATION_FIELDS: Final = ("relation_soon", "relation_near", "relation_day", "relation_long")
"""Derived: the fields of NaturalLearned by RELATION_SCALES."""
Places = Mapping[int, int]
"""The rows of channels, and where they are in what they are taken from."""


def grafted(base: NaturalLearned, source: NaturalLearned, rows: Places, *, beside: bool = True) -> NaturalLearned:
    """``base`` with what ``source`` has learned of the channels in ``rows``. Relations are those of ``base``;
    ``beside``: so are the tests that share the budget, since the others go on.
    """
    to, width = [*rows], base.layout.width
    short, long = source.days_known, source.block_lengths
    days, lengths = _own(base.own_days, len(base.traits.numeric)), _own(base.own_blocks, len(base.traits.numeric))
    for row, place in rows.items():
        days[row], lengths[row] = short[place], long[place]
    zeros = None if base.zeros is None or source.zeros is None else _put(base.zeros, source.zeros, rows)
    return replace(
        base,
        limits=_each(CountLimits, base.limits, source.limits, rows),
        scores=_scores(base.scores, source.scores, rows, width),
        layout=replace(base.layout, table=_put(base.layout.table, _wide(source.layout.table, width), rows)),
        traits=_traits(base.traits, source.traits, rows),
        usual=_usual(base.usual, source.usual, rows, width),
        slots=_slots(base.slots, source, rows, width),
        fast=_fast(base.fast, source.fast, rows),
        near=_slow(base.near, source.near, rows),
        day=None if base.day is None else _slow(base.day, source.day, rows),
        long=None if base.long is None else _slow(base.long, source.long, rows),
        log_deviation=_put(base.log_deviation, source.log_deviation, rows),
        negative=_put(base.negative, source.negative, rows),
        zeros=base.zeros if zeros is None else zeros,
        patience=_put(base.patience, source.patience, rows),
        strides=_each(Strides, base.strides, source.strides, rows),
        weekend=_put(base.weekend, source.weekend, rows),
        latency=base.latency if base.latency is None or base.latency.row not in to else _latency(source, rows),
        own_days=days,
        own_blocks=lengths,
        tests=tests_of(base) if beside else None,
    )


def related(base: NaturalLearned, rows: Sequence[int], cells: Runs) -> NaturalLearned:
    """With relations of the channels ``rows``, and to them, as usual as they are in ``cells``; those of which less than
    HALF is left are no relations any more.
    """
    relations = base.relations
    if relations is None or not len(cells):
        return base
    mine = relations.about(np.isin(base.scores.rows, [*rows]))
    span, out = float(cells.end[-1] - cells.start[0]), dict[str, Any]()
    for name, scale, fitted in zip(RELATION_FIELDS, RELATION_SCALES, base.related, strict=True):
        if fitted is None:
            continue
        old, found = fitted.largest, relation_of(scale, relations, cells, span)
        now = replace(old, mean=np.full(len(mine), np.nan)) if found is None else found.largest
        mean = np.where(now.mean >= HALF, now.mean, np.nan)
        pairs = (mean, old.mean), (now.deviation, old.deviation), (now.freedom, old.freedom)
        out[name] = RelationLearned(Predictive(*(np.where(mine, new, known) for new, known in pairs)))
    return replace(base, **out)


def regrafted(state: NaturalState, before: NaturalLearned, after: NaturalLearned, rows: Sequence[int]) -> NaturalState:
    """The state on what was grafted: the channels ``rows`` begin anew, the others go on."""
    channels, mine = len(after.traits.numeric), [*rows]
    runs, begun, recent = state.runs.copy(), state.begun.copy(), state.recent.copy()
    runs[:, :, mine], begun[:, :, mine], recent[mine] = 0, np.nan, 0
    others = {row: row for row in range(channels) if row not in mine}
    return replace(
        state,
        tick=without(state.tick, mine),
        cusum=moved(state.cusum, before, after, others),
        recent=recent,
        near=Ring(without(state.near.hops, mine), without(state.near.waiting, mine)),
        day=Ring(without(state.day.hops, mine), without(state.day.waiting, mine)),
        runs=runs,
        begun=begun,
        episodes=_closed(state.episodes, mine),
    )


def without(runs: Runs, rows: Sequence[int]) -> Runs:
    """As if the channels ``rows`` did not apply."""
    sums = runs.sums.copy()
    sums[:, [*rows]] = 0
    return replace(runs, sums=sums)


def _closed(episodes: Episodes, rows: Sequence[int]) -> Episodes:
    fresh = Episodes.start(len(episodes.level))
    parts: dict[str, Any] = {}
    for name in Episodes.__slots__:
        values = getattr(episodes, name)
        if isinstance(values, np.ndarray):
            parts[name] = values.copy()
            parts[name][..., [*rows]] = getattr(fresh, name)[..., [*rows]]  # habit has three rows
    return replace(episodes, **parts)


def _put(base: NDArray[Any], source: NDArray[Any], rows: Places, axis: int = 0) -> Any:
    out = np.moveaxis(base.copy(), axis, 0)
    out[[*rows]] = np.moveaxis(source, axis, 0)[[*rows.values()]]
    return np.moveaxis(out, 0, axis)


def _each(kind: Any, base: Any, source: Any, rows: Places) -> Any:
    """Of a value whose fields are all arrays of channels."""
    return kind(*(_put(getattr(base, f.name), getattr(source, f.name), rows) for f in fields(kind)))


def _wide(values: NDArray[Any], width: int) -> NDArray[Any]:
    """``values`` [channels, bins, ...] of a source with fewer bins."""
    out = np.zeros((values.shape[0], width, *values.shape[2:]), values.dtype)
    out[:, : values.shape[1]] = values
    return out


def _own(known: Floats | None, channels: int) -> Floats:
    return np.full(channels, np.nan) if known is None else known.copy()


def _scores(base: Scores, source: Scores, rows: Places, width: int) -> Scores:
    places, table = source.rows.tolist(), base.table.copy()
    for at, row in enumerate(base.rows.tolist()):
        if row in rows:
            mine = source.table[[places.index(rows[row])]] if rows[row] in places else np.zeros((1, width), np.int64)
            table[at] = _wide(mine, width)[0]
    return Scores(base.rows, table)


def _traits(base: Traits, source: Traits, rows: Places) -> Traits:
    each = (f.name for f in fields(Traits) if f.name != "short")
    return replace(base, **{name: _put(getattr(base, name), getattr(source, name), rows) for name in each})


def _usual(base: Usual, source: Usual, rows: Places, width: int) -> Usual:
    out = {}
    for f in fields(Usual):
        here, there = getattr(base, f.name), getattr(source, f.name)
        out[f.name] = _put(here, there if there.ndim == 1 else _wide(there, width), rows)
    fewer = source.near.shape[1]
    out["near"][[*rows], fewer:] = np.arange(fewer, width)  # bins that it has not are alone
    return Usual(**out)


def _slots(base: Slots, source: NaturalLearned, rows: Places, width: int) -> Slots:
    """Where it knows no such hours, every hour is as all are."""
    n, hours = len(base.shares), source.slots.shares
    if n % len(hours):
        hours = np.rint(source.usual.shares * UNITS).astype(np.int64)[None]
    hours = np.tile(hours, (n // len(hours), 1, 1))
    each = [_wide(hour, width) for hour in hours]
    return Slots(_put(base.shares, np.stack(each), rows, axis=1))


def _fast(base: FastLearned, source: FastLearned, rows: Places) -> FastLearned:
    to = {place: row for row, place in rows.items()}
    kept = ~np.isin(base.rules.channel, [*rows])
    mine = np.isin(source.rules.channel, [*to])
    channel = np.array([to[c] for c in source.rules.channel[mine].tolist()], np.intp)
    order = np.argsort(np.concatenate([base.rules.channel[kept], channel]), kind="stable")

    def joined(here: NDArray[Any], there: NDArray[Any]) -> Any:
        return np.concatenate([here[kept], there[mine]])[order]

    rules = {f.name: joined(getattr(base.rules, f.name), getattr(source.rules, f.name)) for f in fields(Rules)}
    rules["channel"] = np.concatenate([base.rules.channel[kept], channel])[order]
    largest = (joined(getattr(base.largest, f.name), getattr(source.largest, f.name)) for f in fields(Predictive))
    return FastLearned(
        Rules(**rules), joined(base.change, source.change), joined(base.usual, source.usual), Predictive(*largest)
    )


def _slow(base: SlowLearned, source: SlowLearned | None, rows: Places) -> SlowLearned:
    """Windows are those of ``base``; what has learned nothing of such long ones says nothing by them."""
    if source is None:
        mean, centre = base.largest.mean.copy(), base.centre.copy()
        mean[:, [*rows]], centre[:, [*rows]] = np.nan, 0.0
        return replace(base, largest=replace(base.largest, mean=mean), centre=centre)
    largest = (
        _put(getattr(base.largest, f.name), getattr(source.largest, f.name), rows, 1) for f in fields(Predictive)
    )
    return replace(base, largest=Predictive(*largest), centre=_put(base.centre, source.centre, rows, 1))


def _latency(source: NaturalLearned, rows: Places) -> Any:
    to = {place: row for row, place in rows.items()}
    mine = source.latency
    return None if mine is None or mine.row not in to else replace(mine, row=to[mine.row])
