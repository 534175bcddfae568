"""Runs driftd.judge.natural on pane counters alone: no engine, no daemon."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch
from driftd.core.reference import Reference
from driftd.ingest.binning import encode_with
from driftd.judge.natural.episodes import PAGE, TICKET, Turn
from driftd.judge.natural.learned import NaturalLearned
from driftd.judge.natural.step import start, step
from driftd.judge.natural.thresholds import Thresholds, thresholds
from driftd.learn.build import Learning, build
from driftd.learn.natural import learn, products_of, ticks_of
from tests.quality.everyday.traffic import Base, Columns, Floats

PANE_SECONDS = 10.0
LEVELS = {TICKET: "ticket", PAGE: "page"}


@dataclass(frozen=True, slots=True)
class Alarm:
    """A ticket or a page of a model, from ``open`` to ``close``: ``channels`` with the time when each was first named,
    ``kinds`` what each was called at first.
    """

    level: str
    open: float
    close: float
    channels: dict[str, float]
    kinds: dict[str, str]


def batch_of(base: Base, times: Floats, columns: Columns) -> tuple[EventBatch, dict[str, NDArray[np.bool_]]]:
    """The events, and which values of which number are of another type."""
    refused: dict[str, NDArray[np.bool_]] = {}
    features: dict[str, Any] = {}
    for name in base.features:
        column = columns[name]
        if name in base.numbers and column.dtype.kind == "O":
            refused[name] = np.array([isinstance(v, str) for v in column])
            column = np.array([v if isinstance(v, float) else np.nan for v in column])
        features[name] = column.astype(np.float64) if name in base.numbers else column.tolist()
    fields: dict[str, Any] = {
        "prediction": columns["prediction"].astype(np.float64),
        "label": [float(v) for v in columns["label"]],
        "error": columns["error"].astype(bool),
    }
    if "score" in columns:
        fields["score"] = columns["score"].astype(np.float64)
    batch = EventBatch("m", np.arange(len(times)), times, features, fields=fields)
    return batch, refused


@dataclass(frozen=True, slots=True)
class Judge:
    """One base and length of reference, learned."""

    base: Base
    reference: Reference
    learned: NaturalLearned
    limits: Thresholds

    @classmethod
    def of(cls, base: Base, length: str) -> Judge:
        batch, _ = batch_of(base, *base.reference(length))
        reference = build(batch, Learning())
        learned = learn(reference, batch, encode_with(reference, batch), PANE_SECONDS)
        return cls(base, reference, learned, thresholds(learned))

    def alarms(self, times: Floats, columns: Columns, end: float) -> list[Alarm]:
        if not len(times):
            return []
        batch, refused = batch_of(self.base, times, columns)
        encoded = encode_with(self.reference, batch)
        wrong = np.zeros(encoded.bins.shape, bool)
        for row, channel in enumerate(self.reference.channels):
            if channel.name in refused:
                wrong[row] = refused[channel.name]
        panes = ticks_of(self.reference, batch, encoded, self.learned.limits, None, PANE_SECONDS, refused=wrong).ticks
        products = products_of(self.learned.scores, encoded.bins, times)
        _, verdict = step(self.learned, self.limits, start(self.learned), panes, products)
        return [*incidents(verdict.turns, [c.name for c in self.reference.channels], end)]


def incidents(turns: Sequence[Turn], names: Sequence[str], end: float) -> Iterator[Alarm]:
    """One page and one ticket of the model at a time: channels join what is open."""
    for level, text in LEVELS.items():
        alarm: Alarm | None = None
        for turn in turns:
            if turn.level != level:
                continue
            closes = (u.time for u in turns if u.channel == turn.channel and u.level == 0 and u.time >= turn.time)
            close, name = next(closes, end), names[turn.channel]
            if alarm is not None and turn.time <= alarm.close:
                alarm = Alarm(text, alarm.open, max(alarm.close, close), alarm.channels, alarm.kinds)
            else:
                if alarm is not None:
                    yield alarm
                alarm = Alarm(text, turn.time, close, {}, {})
            alarm.channels.setdefault(name, turn.time)
            alarm.kinds.setdefault(name, str(turn.kind))
        if alarm is not None:
            yield alarm
