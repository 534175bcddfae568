"""Events of variants to what an experiment must know of them: which arm, which bucket of units, which metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from itertools import compress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import prediction_errors
from driftd.core.cost import FREE, Prices
from driftd.core.event import Column, EventBatch, scalars, versions
from driftd.core.experiment import BUCKETS, FIRST_COLUMNS, MOST_VALUE, By, Measure, Metric, Rule
from driftd.core.quality.sums import SparseSums
from driftd.core.text import printable
from driftd.core.trials import Trial, Trials, Units, first_names, joined, parted
from driftd.core.values import category
from driftd.core.window import panes_of
from driftd.ingest.state import Stream

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]

VARIANT: Final = "variant"
UNIT: Final = "unit"
FIELDS: Final = (VARIANT, UNIT)
"""Fields of events that nobody else reads."""
OTHER: Final = -1
NOBODY: Final = -2
MOST_NAME: Final = 60
"""Characters of the name of a variant that is no arm: as many as pages and messages show."""
_PERSON: Final = b"driftd.unit"
_MIX: Final = (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB)
"""Of splitmix64."""


def prepared(batch: EventBatch, rules: Sequence[Rule]) -> EventBatch:
    """With units as hashes, float64[n] below core.trials.UNIT_RANGE, NaN where an event names none: what names a person
    is not kept. Without variants and units where no experiment reads them.
    """
    if not rules:
        return batch.without_fields([name for name in FIELDS if name in batch.fields])
    column = batch.fields.get(UNIT)
    if column is None or isinstance(column, np.ndarray):
        return batch
    named = scalars(column)
    # empty text names nobody: a client that writes it for everyone unknown would make one user of them all
    hashes = {unit: np.nan if unit in {None, ""} else _hash(batch.model, unit) for unit in dict.fromkeys(named)}
    return replace(batch, fields={**batch.fields, UNIT: np.array([hashes[unit] for unit in named], np.float64)})


def _hash(model: str, unit: float | str) -> float:
    text = unit if isinstance(unit, str) else category(unit)
    name = f"{model}\0{text}".encode("utf-8", "surrogatepass")
    return float(int.from_bytes(hashlib.blake2b(name, digest_size=8, person=_PERSON).digest(), "big") >> 12)


def counted(before: Trials, rules: Sequence[Rule], batch: EventBatch, prices: Prices, pane_seconds: float) -> Trials:
    """With the events of a batch."""
    panes = panes_of(batch.times, pane_seconds)
    fresh = {rule.id: found for rule in rules if (found := trial(rule, batch, panes, prices)) is not None}
    return joined([before, fresh]) if fresh else before


def shadows(rules: Sequence[Rule], batch: EventBatch) -> NDArray[np.bool_] | None:
    """bool[n]: answers of shadows, which nobody gets. None where there are none."""
    out: NDArray[np.bool_] | None = None
    for rule in rules:
        if rule.shadow:
            mine = _arms(rule, _variants(rule, batch), len(batch)) > 0
            out = mine if out is None else out | mine
    return out if out is not None and out.any() else None


def take_closed(stream: Stream | None, reached: int) -> Trials:
    """Takes what the stream's panes up to ``reached`` say out of it."""
    if stream is None or not stream.trials:
        return {}
    closed, stream.trials = parted(stream.trials, reached)
    return closed


def trial(rule: Rule, batch: EventBatch, panes: Counts, prices: Prices = FREE) -> Trial | None:
    """What a batch says of an experiment; ``panes`` int64[n] is the pane of each event. None where no variant
    answered.
    """
    said = _variants(rule, batch)
    arms, counts = _arms(rule, said, len(batch)), batch.times >= rule.start
    here, other = np.flatnonzero((arms >= 0) & counts), (arms == OTHER) & counts
    others = _others(said, other)
    if not len(here) and not others:
        return None
    unit = batch.fields.get(UNIT)
    units = np.full(len(batch), np.nan) if unit is None else np.asarray(unit, np.float64)
    named = ~np.isnan(units)
    mine, arms = here, arms[here]
    hashes = np.where(named[mine], units[mine], _of_offsets(batch.offsets[mine]))
    bucket = (hashes.astype(np.uint64) % np.uint64(BUCKETS)).astype(np.int64)
    base = panes[mine] * rule.width + (arms * BUCKETS + bucket) * rule.columns
    keys, values = [base], [np.ones(len(mine), np.int64)]
    _add(keys, values, base + 1, named[mine].astype(np.int64), named[mine])
    _add(keys, values, panes * rule.width + rule.width - 1, other.astype(np.int64), other)
    for place, metric in enumerate(rule.metrics):
        x = _values(metric, batch, prices)
        if x is None:
            continue
        x, first = x[mine], base + FIRST_COLUMNS + 2 * place
        has = ~np.isnan(x)
        whole = np.rint(np.where(has, x, 0.0) / metric.unit).astype(np.int64)
        _add(keys, values, first, has.astype(np.int64), has)
        _add(keys, values, first + 1, whole, has & (whole != 0))
    sums = SparseSums.of(rule.width, np.concatenate(keys), np.concatenate(values))
    some = named[mine]
    return Trial(sums, Units.of(panes[mine][some], hashes[some], arms[some]), others)


def _add(keys: list[Any], values: list[Any], key: Counts, value: Counts, where: NDArray[np.bool_]) -> None:
    keys.append(key[where])
    values.append(value[where])


def _variants(rule: Rule, batch: EventBatch) -> Sequence[Any] | str:
    """What each event names as its variant, "" or None where it names none; text where all name the same."""
    if rule.by is By.VERSION:
        return (batch.version or "") if batch.version is None or isinstance(batch.version, str) else versions(batch)
    column = batch.fields.get(VARIANT)
    return "" if column is None else scalars(column)


def _arms(rule: Rule, said: Sequence[Any] | str, n: int) -> Counts:
    """The arm of each event; OTHER where its variant is none, NOBODY where it names none."""
    places = {None: NOBODY, "": NOBODY} | {name: place for place, name in enumerate(rule.arms)}
    if isinstance(said, str):
        return np.full(n, places.get(said, OTHER), np.int64)
    return np.fromiter((places.get(name, OTHER) for name in said), np.int64, n)


def _others(said: Sequence[Any] | str, where: NDArray[np.bool_]) -> tuple[str, ...]:
    if not where.any():
        return ()
    found = {said} if isinstance(said, str) else set(compress(said, where.tolist()))
    return first_names(printable(str(name))[:MOST_NAME] for name in found)


def _values(metric: Metric, batch: EventBatch, prices: Prices) -> Floats | None:
    """float64[n], NaN where an event has none; None where none has."""
    x: Column | None
    match metric.measure:
        case Measure.ERRORS:
            return np.zeros(len(batch)) if batch.failed is None else batch.failed.astype(np.float64)
        case Measure.LATENCY:
            if (seconds := batch.latency_seconds) is None or metric.beyond is None:
                return None
            return np.where(np.isnan(seconds), np.nan, seconds > metric.beyond)
        case Measure.QUALITY:
            x = prediction_errors(batch, "", metric.cap is None)
        case Measure.SCORE:
            x = batch.score
        case Measure.COST:
            x = prices.amounts(batch)
    if x is None:
        return None
    most = MOST_VALUE if metric.cap is None else metric.cap
    return np.clip(np.asarray(x, np.float64), -most, most)


def _of_offsets(offsets: Counts) -> Floats:
    """A hash for each event that names no unit: it is one by itself."""
    z = offsets.astype(np.uint64) + np.uint64(_MIX[0])
    with np.errstate(over="ignore"):
        z = (z ^ (z >> np.uint64(30))) * np.uint64(_MIX[1])
        z = (z ^ (z >> np.uint64(27))) * np.uint64(_MIX[2])
    z ^= z >> np.uint64(31)
    return np.asarray((z >> np.uint64(12)).astype(np.float64))
