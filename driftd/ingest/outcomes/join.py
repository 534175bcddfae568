"""Predictions and labels of one model find each other, in either order, each once.

arrives     | nothing known  | waits           | early label       | done                      | gone
prediction  | it waits       | duplicate or    | joined            | duplicate or conflict     | duplicate
            |                | conflict        |                   |                           |
label       | it waits       | joined          | duplicate or      | duplicate or correction   | late
            |                |                 | correction        |                           |

A label more than the horizon after its prediction is late. All counts are sums, so the order does not matter, but where
two labels or two predictions for one id differ: then the first prediction counts, and the label that is joined first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import prediction_errors
from driftd.core.event import EventBatch, Scalar, TopicPartition, same_or_all
from driftd.core.lists import CLASSES
from driftd.core.slice import Slice
from driftd.core.values import number_in
from driftd.ingest.outcomes.arrived import Arrived, Labels, Members, Predictions
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.ingest.outcomes.pending import Entry, Pending, Stage, bound_of

SWEEPS: Final = 64
"""Times in a horizon that what is beyond it is dropped: looking for it reads all that waits. Chosen: 0.2 s for a
million, each 2.6 hours of a week."""
FEW: Final = 4
"""Below one part in so many of the bound twice as many are sampled again: far enough from the bound not to swing."""


@dataclass(frozen=True, slots=True)
class Joining:
    """Settings: for so long after its prediction, in seconds of event time, a label is waited for; keys kept at the
    most; whether predictions wait before the first label of their model has come.
    """

    horizon_seconds: float
    max_pending: int
    always: bool = False


@dataclass(slots=True)
class Outcomes:
    """All that waits, of all models. ``halvings``: one key in 2^halvings is joined. ``swept``: up to which part of a
    horizon what is beyond it has been dropped. ``frontier``: the last pane of joined labels that is closed.
    """

    pending: Pending = field(default_factory=Pending)
    counts: dict[str, LabelCounts] = field(default_factory=dict)
    halvings: int = 0
    swept: int | None = None
    frontier: int | None = None


class Pair(NamedTuple):
    """A prediction and its label: ``time`` is when the label became known, ``source`` and ``offset`` where it was.
    ``id``: None where nobody may see it.
    """

    source: TopicPartition
    offset: int
    time: float
    entry: Entry
    label: Scalar
    id: str | None


def join(
    outcomes: Outcomes, batch: EventBatch, source: TopicPartition, settings: Joining, members: Members | None = None
) -> list[tuple[TopicPartition, EventBatch]]:
    """Takes the predictions and labels of a batch in; the pairs that they make, by the partition of the label, and
    those of each segment once more. ``members``: None where the model has no segments.
    """
    if batch.model not in outcomes.counts and not settings.always and not batch.label_only:
        return []
    return take_in(outcomes, batch.model, Arrived.of(batch, members), source, settings)


def take_in(
    outcomes: Outcomes, model: str, arrived: Arrived, source: TopicPartition, settings: Joining
) -> list[tuple[TopicPartition, EventBatch]]:
    """As ``join``, of what has arrived of a model."""
    counts = outcomes.counts.setdefault(model, LabelCounts())
    run = _Run(outcomes, counts, model, settings)
    counts.no_id += len(arrived.nameless)
    if arrived.predictions is not None and len(arrived.predictions):
        run.predictions(arrived.predictions)
    if arrived.labels is not None and len(arrived.labels):
        run.labels(arrived.labels, source)
    if outcomes.pending.size > settings.max_pending:
        _halve(outcomes, settings.max_pending)
    return _batches(model, run.pairs, counts)


class _Run:
    def __init__(self, outcomes: Outcomes, counts: LabelCounts, model: str, settings: Joining) -> None:
        self.pending, self.counts, self.model = outcomes.pending, counts, model
        self.bound, self.horizon = bound_of(outcomes.halvings), settings.horizon_seconds
        self.pairs: list[Pair] = []

    # Whole, as ``labels``: their loops run for every event.
    def predictions(self, come: Predictions) -> None:
        counts, put, n = self.counts, self.pending.put, len(come)
        absent: list[Any] = [None] * n
        own, ids = come.labels or absent, come.ids or absent
        variants: list[Any] = come.variants or absent
        scores, units = _numbers(come.scores) or absent, _numbers(come.units) or absent
        each = come.versions if isinstance(come.versions, list) else [come.versions] * n
        chances = come.chances_of()
        segments: list[tuple[str, ...]] = [()] * n
        if come.within is not None:
            segments = [come.segments[place] for place in come.within.tolist()]
        counts.predictions += n
        known, times = self.pending.find(come.keys), come.times.tolist()
        waited = list[float]()
        for i, key in enumerate(come.keys):
            if self.bound is not None and key >= self.bound:
                counts.unsampled += 1
                continue
            value, label, before = come.values[i], own[i], known.get(key)
            stage = Stage.WAITS if label is None else Stage.DONE
            more = variants[i], units[i], chances(i), segments[i]
            entry = Entry(stage, self.model, times[i], value, scores[i], each[i], label, None, 0, *more)
            if label is None and (before is None or before.stage == Stage.EARLY):
                waited.append(times[i])
            if before is None:
                if label is None:
                    counts.waiting += 1
                else:
                    counts.own += 1
            elif before.stage == Stage.EARLY:
                if (taken := self._meets(before, entry, ids[i])) is None:
                    continue
                entry = taken
            else:
                same = before.stage == Stage.GONE or _same(before.prediction, value)
                counts.duplicate_predictions += same
                counts.conflicts += not same
                if label is None or before.stage != Stage.WAITS:
                    continue
                counts.waiting -= 1  # sent again, with its label
                counts.own += 1
                entry = before._replace(stage=Stage.DONE, label=label)
            known[key] = entry
            put(key, entry, new=before is None)
        counts.note_predictions(np.array(waited))

    def _meets(self, early: Entry, entry: Entry, name: str | None) -> Entry | None:
        """A prediction whose label came before it."""
        counts = self.counts
        counts.early -= 1
        if entry.stage == Stage.DONE:
            counts.own += 1
            same = _same(early.label, entry.label)
            counts.duplicates += same
            counts.corrections += not same
            return entry
        if early.time - entry.time > self.horizon:
            counts.late += 1
            counts.waiting += 1
            return entry
        assert early.source is not None
        done = entry._replace(stage=Stage.DONE, label=early.label)
        self._joined(Pair(early.source, early.offset, early.time, done, early.label, name))
        return done

    def labels(self, come: Labels, source: TopicPartition) -> None:
        counts, put = self.counts, self.pending.put
        times, offsets = come.times.tolist(), come.offsets.tolist()
        ids: Sequence[str | None] = come.ids or [None] * len(come)
        counts.labels += len(come)
        counts.last = max(counts.last, float(come.times.max()))
        known = self.pending.find(come.keys)
        for i, key in enumerate(come.keys):
            if self.bound is not None and key >= self.bound:
                counts.unsampled_labels += 1
                continue
            label, time, before = come.values[i], times[i], known.get(key)
            if before is None:
                counts.early += 1
                entry = Entry(Stage.EARLY, self.model, time, label=label, source=source, offset=offsets[i])
            elif before.stage == Stage.GONE:
                counts.late += 1
                continue
            elif before.stage == Stage.WAITS:
                if time - before.time > self.horizon:
                    counts.late += 1
                    continue
                counts.waiting -= 1
                entry = before._replace(stage=Stage.DONE, label=label)
                self._joined(Pair(source, offsets[i], time, entry, label, ids[i]))
            elif _same(before.label, label):
                counts.duplicates += 1
                continue
            else:
                counts.corrections += 1
                entry = before._replace(label=label)
            known[key] = entry
            put(key, entry, new=before is None)

    def _joined(self, pair: Pair) -> None:
        self.counts.joined += 1
        self.pairs.append(pair)


def sweep(outcomes: Outcomes, now: float, settings: Joining) -> None:
    """Drops what is beyond the horizon at ``now``, in event time. Of predictions it is remembered for another horizon
    that they were there: a label for one is late, and later on without a prediction.
    """
    part = int(now // (settings.horizon_seconds / SWEEPS))
    if outcomes.swept is None or part <= outcomes.swept:
        outcomes.swept = part if outcomes.swept is None else outcomes.swept
        return
    outcomes.swept, pending = part, outcomes.pending
    horizon = part * (settings.horizon_seconds / SWEEPS) - settings.horizon_seconds
    for key, entry in pending.before(horizon):
        counts = outcomes.counts.setdefault(entry.model, LabelCounts())
        if entry.stage == Stage.EARLY:
            counts.early -= 1
            counts.unmatched += 1
            pending.drop(key)
            continue
        counts.unlabelled += entry.stage == Stage.WAITS
        counts.waiting -= entry.stage == Stage.WAITS
        if entry.time < horizon - settings.horizon_seconds:  # however far this sweep has come at once
            pending.drop(key)
        elif entry.stage != Stage.GONE:
            pending.put(key, Entry(Stage.GONE, entry.model, entry.time), new=False)
    if outcomes.halvings and pending.size * FEW < settings.max_pending:
        outcomes.halvings -= 1


def lose(outcomes: Outcomes) -> int:
    """Nothing waits any more, since the store was lost: how many did."""
    lost = 0
    for counts in outcomes.counts.values():
        lost += counts.waiting + counts.early
        counts.lost += counts.waiting
        counts.lost_labels += counts.early
        counts.waiting = counts.early = 0
    outcomes.pending = Pending(outcomes.pending.base)
    return lost


def _halve(outcomes: Outcomes, most: int) -> None:
    """Joins half as many until they are no more than may wait: those that stay are a sample by hash, of slow labels as
    of quick ones. To drop the oldest would leave the quick ones.
    """
    pending = outcomes.pending
    while pending.size > most:
        outcomes.halvings += 1
        bound = bound_of(outcomes.halvings)
        assert bound is not None
        for key, entry in pending.beyond(bound):
            counts = outcomes.counts.setdefault(entry.model, LabelCounts())
            if entry.stage == Stage.WAITS:
                counts.waiting -= 1
                counts.unsampled += 1
            elif entry.stage == Stage.EARLY:
                counts.early -= 1
                counts.unsampled_labels += 1
            pending.drop(key)


def _batches(model: str, pairs: Sequence[Pair], counts: LabelCounts) -> list[tuple[TopicPartition, EventBatch]]:
    """The pairs as events of the model's labels."""
    if not pairs:
        return []
    by_source: dict[TopicPartition, list[Pair]] = {}
    for pair in pairs:
        by_source.setdefault(pair.source, []).append(pair)
    out, labels = list[tuple[TopicPartition, EventBatch]](), Slice.of_labels(model).model
    for source, mine in by_source.items():
        batch, predicted = _batch(labels, mine), np.array([p.entry.time for p in mine])
        differ = prediction_errors(batch, "", classes=True)
        assert differ is not None
        counts.note_delays(batch.times - predicted)
        counts.note_pairs(predicted, batch.times - predicted, differ > 0)
        out.append((source, batch))
        within: dict[str, list[Pair]] = {}
        for pair in mine:
            for segment in pair.entry.segments:
                within.setdefault(segment, []).append(pair)
        out += [(source, _batch(Slice.of_segment(labels, name).model, some)) for name, some in within.items()]
    return out


def _batch(model: str, pairs: Sequence[Pair]) -> EventBatch:
    fields: dict[str, Any] = {
        "prediction": [p.entry.prediction for p in pairs],
        "label": [p.label for p in pairs],
    }
    scores = np.array([np.nan if p.entry.score is None else p.entry.score for p in pairs])
    if not np.isnan(scores).all():
        fields["score"] = scores
    if any(p.entry.variant is not None for p in pairs):
        fields["variant"] = [p.entry.variant for p in pairs]
    if any(p.entry.unit is not None for p in pairs):
        fields["unit"] = np.array([np.nan if p.entry.unit is None else p.entry.unit for p in pairs])
    known: set[str] = set().union(*(p.entry.chances for p in pairs if p.entry.chances is not None))
    for name in sorted(known):
        each = ((p.entry.chances or {}).get(name, np.nan) for p in pairs)
        fields[f"{CLASSES}{name}"] = np.fromiter(each, np.float64, len(pairs))
    return EventBatch(
        model,
        np.array([p.offset for p in pairs], np.int64),
        np.array([p.time for p in pairs], np.float64),
        {},
        fields,
        same_or_all([p.entry.version for p in pairs]),
        ids=None if pairs[0].id is None else [p.id for p in pairs],
    )


def _numbers(column: NDArray[Any] | None) -> list[float | None] | None:
    """None for those that are missing."""
    return None if column is None else [None if isnan(x) else x for x in column.tolist()]


def _same(one: Scalar, other: Scalar) -> bool:
    """As they are compared with each other: 1, "1" and true are the same."""
    return one == other or _number(one) == _number(other)


def _number(value: Scalar) -> Scalar:
    return number_in(value) if isinstance(value, str) else value
