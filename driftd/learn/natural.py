"""From a reference's own events to natural/: ticks, products of channels, and what is learned of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel, Role
from driftd.core.event import Column, EventBatch, take
from driftd.core.fault_counters import COLUMNS, HOT, CountLimits
from driftd.core.reference import ALL, Drawn, Reference
from driftd.core.summary import MISSING, MOMENT_CLIP, MOMENT_UNIT
from driftd.core.values import FLOAT32_NOISE, as_categories
from driftd.core.window import panes_of
from driftd.ingest.binning import NOT_APPLICABLE, Encoded
from driftd.ingest.fault_counts import Carry, flags, hot_of, key_of, refused_values
from driftd.judge.natural import counting, fit
from driftd.judge.natural.features import Layout
from driftd.judge.natural.latency import SLOW, SLOW_SHORT, SLOW_YOUNG, TOP
from driftd.judge.natural.learned import STILL_DAYS, TICK, WHOLE_DAY, YOUNG_DAYS, NaturalLearned
from driftd.judge.natural.predictive import SHORT_DAYS, blocks_of
from driftd.judge.natural.relations import CELL_SECONDS, Scores, scores_of
from driftd.judge.natural.runs import Runs, borders
from driftd.judge.natural.step import Products
from driftd.learn.gaps import masked

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Bools = NDArray[np.bool_]

OFFSET: Final = 0.05
"""Part of the median size that is added before a logarithm."""
MIDDLE: Final = (0.005, 0.5, 0.995)
"""Quantiles: the least and the greatest of the middle 99 %, and the median between them."""
WIDE: Final = 3.0
"""Widths by which the middle is widened where the reference has seen little."""
SKEWED: Final = 1.5
"""ln(median / least) over ln(greatest / median) below which positive numbers are skewed."""
FEW_VALUES: Final = 500
"""Values below which the limits of a reference that grows are those of a young one. Chosen: those of a model with 300
events a day, of two days."""
YOUNG_FACTOR: Final = 8.0
"""Factor beyond the middle's ends, where the reference is young; there nothing is too small. Chosen: more than a day's
rhythm, and a hundred times larger is found in heavy tails too; a calm night has no wind at all."""
CONSTANT_FACTOR: Final = 32.0
"""Factor beyond which a number that never varied is far. Chosen: a month or a weekday becomes 12 times another one."""
LEAST_FRACTION: Final = 8.0
"""Factor below the least at least, where skewed positive numbers are far."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTicks:
    """``ticks``: columns are those of Summary.counts, then of FaultCounters, then of Summary.moments.

    ``novel`` int64[ticks, channels]: values that no other block of the reference has.
    """

    ticks: Runs
    novel: Counts


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A reference's own events as natural/ takes them."""

    layout: Layout
    ticks: Runs
    runs: fit.ReferenceRuns
    limits: CountLimits
    scores: Scores

    @classmethod
    def of(
        cls, reference: Reference, rows: EventBatch, encoded: Encoded, pane_seconds: float, drawn: Drawn = ALL
    ) -> Self:
        """From events in any order; ``encoded`` as driftd.ingest.binning.encode_with gives them."""
        if np.any(rows.times[1:] < rows.times[:-1]):
            order = np.argsort(rows.times, kind="stable")
            rows, encoded = rows.take(order), Encoded(encoded.bins[:, order], encoded.values[:, order])
        span = max(reference.last - reference.first, 1.0)
        days = span / fit.DAY
        blocks = blocks_of(days)
        block = np.minimum((rows.times - reference.first) // (span / blocks), blocks - 1).astype(np.int64)
        known = span_known(reference.channels, encoded.bins, rows) * days
        young = drawn.early & ((known < YOUNG_DAYS) | ((encoded.bins > MISSING).sum(axis=1) < FEW_VALUES))
        still = (known < STILL_DAYS) & (_stands(encoded.values) > fit.STILL)
        slow = np.array([c.role is Role.LATENCY for c in reference.channels], bool)
        feature = np.array([c.role is Role.FEATURE for c in reference.channels], bool)
        counts = counting.of_values(encoded.values) & feature
        limits = count_limits(encoded.values, known, young=young | still & ~slow, slow=slow, counts=counts)
        novel = novel_events(reference, rows, encoded, block, blocks)
        refused = refused_values(reference.channels, reference.numeric, rows, reference.classes)
        if refused is not None:
            refused &= encoded.bins != NOT_APPLICABLE
        told = ticks_of(reference, rows, encoded, limits, novel, pane_seconds, *TICK, refused, whole=True)
        normal = fit.scores_table(reference)
        layout, scores = Layout.of(reference, normal), scores_of(reference, normal, encoded.bins)
        whole = ~_unknown(reference.channels, encoded.bins, rows)[scores.rows].any(axis=0)
        products = products_of(scores, encoded.bins[:, whole], rows.times[whole])
        labels = np.array([c.role is Role.LABEL for c in reference.channels], bool)
        # to its bins a label that is left out, and one that did not come, are the same
        begin, end = (masked(reference.channels, at, drawn.gaps).T for at in (told.ticks.start, told.ticks.end))
        away = (begin | end) & labels
        runs = fit.runs_of(layout, told.ticks, told.novel, products.at, products.sums, drawn, away, counts)
        return cls(layout, told.ticks, runs, limits, scores)


def learn(
    reference: Reference, rows: EventBatch, encoded: Encoded, pane_seconds: float, drawn: Drawn = ALL
) -> NaturalLearned:
    """From a reference's own events; the arguments as in ``Prepared.of``."""
    p = Prepared.of(reference, rows, encoded, pane_seconds, drawn)
    return fit.learn(reference, p.layout, p.runs, p.limits, p.scores)


def _unknown(channels: Sequence[Channel], bins: NDArray[np.intp], rows: EventBatch) -> Bools:
    """bool[channels, n]: what is not learned from (learn.gaps); what is awaited does not apply to every event, nor do
    prediction and score to a request that failed.
    """
    awaited = np.array([c.role.row.awaited for c in channels], bool)
    output = np.array([c.role.row.output for c in channels], bool)
    out: Bools = (bins == NOT_APPLICABLE) & ~awaited[:, None]
    if rows.failed is not None:
        out &= ~(output[:, None] & rows.failed)
    return out


def span_known(channels: Sequence[Channel], bins: NDArray[np.intp], rows: EventBatch) -> Floats:
    """Part of the time that each channel is learned from, float64[channels]; events in order of time."""
    unknown = _unknown(channels, bins, rows)
    if not unknown.any():
        return np.ones(len(channels))
    lasts = np.append(np.diff(rows.times), 0.0)
    out: Floats = 1 - (unknown @ lasts) / max(float(lasts.sum()), 1e-9)
    return out


def products_of(scores: Scores, bins: NDArray[np.intp], times: Floats) -> Products:
    """Sums of products by 20 minutes, of events in order of time."""
    if not len(times):
        return Products.none(len(scores.rows))
    cell = np.floor_divide(times, CELL_SECONDS)
    starts = np.append(np.flatnonzero(np.append(True, cell[1:] != cell[:-1])), len(times)).tolist()
    sums = [scores.cross(bins[:, a:b]) for a, b in pairwise(starts)]
    return Products(cell[starts[:-1]] * CELL_SECONDS, np.array(sums))


def _stands(values: Floats) -> Floats:
    """Share of the numbers, in order of time, that are like the one before, float64[channels]; 0 without any."""
    with np.errstate(invalid="ignore"):
        same = (values[:, 1:] == values[:, :-1]).sum(axis=1)
    out: Floats = same / np.maximum(np.isfinite(values).sum(axis=1), 1)
    return out


def count_limits(
    values: Floats, days: Floats, *, young: Bools, slow: Bools | None = None, counts: Bools | None = None
) -> CountLimits:
    """The middle 99 % of a channel's numbers, widened by its own width on both sides; by three widths where the
    reference is short or most values are one. For positive skewed numbers ``low`` lies at a fraction instead. ``days``
    float64[channels] that each is learned from, ``young`` bool[channels]: those that have seen so little that they are
    far out from YOUNG_FACTOR times their size on alone, ``slow`` those that are latencies (natural.latency),
    ``counts`` those that count (natural.counting).
    """
    low, high, offset = np.full(len(values), np.nan), np.full(len(values), np.nan), np.zeros(len(values))
    for row, column in enumerate(values):
        x = column[np.isfinite(column)]
        if not len(x):
            continue
        offset[row] = OFFSET * float(np.quantile(np.abs(x[x != 0]), 0.5, method="lower")) if np.any(x != 0) else 0.0
        if slow is not None and slow[row]:
            by = SLOW_YOUNG if young[row] else SLOW_SHORT if days[row] <= SHORT_DAYS else SLOW
            low[row], high[row] = 0.0, by * float(np.quantile(x, TOP))
            continue
        least, middle, most = (float(q) for q in np.quantile(x, MIDDLE))
        if not most > least:
            if least != 0 and not young[row]:
                ends = sorted((least / CONSTANT_FACTOR, least * CONSTANT_FACTOR))
                low[row], high[row] = ends
            continue
        if counts is not None and counts[row]:
            reach = counting.FACTOR * max(abs(least), abs(most))
            # of less than a day nobody knows where a midnight leads
            low[row] = least / counting.FACTOR if least > 0 and days[row] >= WHOLE_DAY else -reach
            high[row] = reach
            continue
        _, times = np.unique(x, return_counts=True)
        wide = (WIDE if days[row] <= SHORT_DAYS or times.max() > fit.ATOM * len(x) else 1.0) * (most - least)
        low[row], high[row] = least - wide, most + wide
        if young[row]:
            reach = YOUNG_FACTOR * max(abs(least), abs(most))
            low[row], high[row] = min(low[row], -reach), max(high[row], reach)
            continue
        if x.min() > 0 and np.log(middle / least) < SKEWED * np.log(most / middle):
            fraction = max(0.5 * np.log(most / least), np.log(LEAST_FRACTION))
            low[row] = max(low[row], least * np.exp(-fraction))
    return CountLimits(low, high, offset)


def novel_events(reference: Reference, rows: EventBatch, encoded: Encoded, block: Counts, blocks: int) -> Bools:
    """bool[channels, n]: what no event of another block has: a category, or a number out of their range."""
    out = np.zeros(encoded.bins.shape, bool)
    for row, channel in enumerate(reference.channels):
        if reference.numeric[row]:
            x = encoded.values[row]
            here = np.isfinite(x)
            least, most = np.full(blocks, np.inf), np.full(blocks, -np.inf)
            np.minimum.at(least, block[here], x[here])
            np.maximum.at(most, block[here], x[here])
            with np.errstate(invalid="ignore"):
                low, high = _others(least, np.minimum)[block], _others(most, np.maximum)[block]
                out[row] = (x < low - FLOAT32_NOISE * np.abs(low)) | (x > high + FLOAT32_NOISE * np.abs(high))
            continue
        column = channel.values(rows, reference.classes)
        if column is None or reference.bins[row].identifier:
            continue
        codes: dict[str | None, int] = {None: 0}
        index = np.array([codes.setdefault(v, len(codes)) for v in as_categories(column)], np.int64)
        index[encoded.bins[row] == NOT_APPLICABLE] = 0
        first, last = np.full(len(codes), blocks), np.full(len(codes), -1)
        np.minimum.at(first, index, block)
        np.maximum.at(last, index, block)
        out[row] = (first == last)[index] & (index != 0)
    return out


def _others(values: Floats, least: np.ufunc) -> Floats:
    """The extreme of all other blocks, for each block."""
    worst = np.inf if least is np.minimum else -np.inf
    ahead = least.accumulate(np.concatenate([[worst], values[:-1]]))
    behind = least.accumulate(np.concatenate([[worst], values[:0:-1]]))[::-1]
    out: Floats = least(ahead, behind)
    return out


def _flagged(
    rows: EventBatch,
    columns: Sequence[Column | None],
    encoded: Encoded,
    limits: CountLimits,
    novel: Bools | None,
    refused: Bools | None,
) -> NDArray[np.int64]:
    """What each event adds, int64[COLUMNS, channels, n]: each partition's events after those before them, as they are
    counted when they come.
    """
    out = np.zeros((COLUMNS, *encoded.bins.shape), np.int64)
    partitions = np.zeros(len(rows), np.int64) if rows.partitions is None else rows.partitions
    for number in np.unique(partitions).tolist():
        mine = np.flatnonzero(partitions == number)
        if rows.partitions is not None:
            mine = mine[np.argsort(rows.offsets[mine], kind="stable")]
        own = [None if column is None else take(column, mine) for column in columns]
        bins, values = encoded.bins[:, mine], encoded.values[:, mine]
        wrong = None if refused is None else refused[:, mine]
        flagged, _ = flags(own, bins, values, limits, Carry.start(len(columns)), wrong)
        if novel is not None:
            _flag_hot(flagged, own, novel[:, mine])
        out[:, :, mine] = flagged
    return out


def _flag_hot(flagged: NDArray[np.int64], columns: Sequence[Column | None], novel: Bools) -> None:
    """Hot values are looked for among the ``novel`` categories: in the reference's own bins no category is unseen."""
    for row, column in enumerate(columns):
        if column is not None:
            places = np.flatnonzero(novel[row])
            keys = np.array([key_of(column[i]) for i in places.tolist()], np.int64)
            flagged[HOT, row, places] = hot_of(keys, places)


def ticks_of(
    reference: Reference,
    rows: EventBatch,
    encoded: Encoded,
    limits: CountLimits,
    novel: Bools | None,
    pane_seconds: float,
    seconds: float = TICK[0],
    events: int = TICK[1],
    refused: Bools | None = None,
    *,
    whole: bool = False,
) -> ReferenceTicks:
    """The events of a reference, in order of time, cut into ticks; ``whole``: too few for one are one all the same."""
    panes, sizes = np.unique(panes_of(rows.times, pane_seconds), return_counts=True)
    begin = panes.astype(np.float64) * pane_seconds
    at = borders((begin, begin + pane_seconds, sizes), seconds, events)
    if len(at) == 1 and whole:
        at = [0, len(panes)]
    starts = np.concatenate([[0], np.cumsum(sizes)])[at]
    k, channels = len(at) - 1, len(reference.channels)
    n = int(starts[-1])
    bins = encoded.bins[:, :n]
    local = np.repeat(np.arange(k), np.diff(starts))
    width = reference.width
    flat = (local * channels + np.arange(channels)[:, None]) * (width + 1) + bins + 1
    counts = np.bincount(flat.ravel(), minlength=k * channels * (width + 1)).reshape(k, channels, width + 1)[:, :, 1:]
    columns = [
        None if reference.numeric[i] else c.values(rows, reference.classes) for i, c in enumerate(reference.channels)
    ]
    flagged = _flagged(rows, columns, encoded, limits, novel, refused)
    with np.errstate(over="ignore", invalid="ignore"):
        z = (encoded.values - reference.center[:, None]) / reference.scale[:, None]
    z = np.nan_to_num(np.clip(z, -MOMENT_CLIP, MOMENT_CLIP))
    extra = np.concatenate([flagged, np.rint(z / MOMENT_UNIT)[None], np.rint(z * z / MOMENT_UNIT)[None]]).astype(
        np.int64
    )
    more = np.add.reduceat(extra[:, :, :n], starts[:-1], axis=2)
    sums = np.concatenate([counts, np.moveaxis(more, 2, 0).transpose(0, 2, 1)], axis=2)
    assert sums.shape[2] == width + COLUMNS + 2
    first, last = np.array(at[:-1], np.intp), np.array(at[1:], np.intp) - 1
    ticks = Runs(begin[first], begin[last] + pane_seconds, np.diff(starts), sums)
    fresh = np.zeros((channels, len(rows)), bool) if novel is None else novel
    return ReferenceTicks(ticks, np.add.reduceat(fresh[:, :n].astype(np.int64), starts[:-1], axis=1).T)
