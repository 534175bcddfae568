"""Replay of a history with several partitions: they wait for each other, however far apart they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf, nan

import numpy as np
import pytest

from driftd.core.event import Decoded, EventBatch, RecordBatch, Schema, TopicPartition
from driftd.core.finding import Judgement
from driftd.decode import Codec, Limits
from driftd.engine.pipeline import Pipeline
from driftd.learn.build import Learning
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings
from driftd.replay.drivers import Configured, Replayed, build_references, replay
from driftd.replay.run import MOST_VALUES, enough
from driftd.sources import Gap, GapCause
from driftd.sources.files.stream import Progress
from tests.unit.core.make import WINDOWS, choose, stream


class Halves:
    """The events of a model in two partitions that are read one after the other, as a topic's stretch may be."""

    def __init__(self, rows: EventBatch) -> None:
        self.name = "t"
        self.codec: Codec = self
        self.partitions: tuple[TopicPartition, ...] = (("t", 0), ("t", 1))
        self._rows = rows
        self._at = 0

    def batches(self, size: int = 4096) -> Iterator[RecordBatch | Gap]:  # noqa: ARG002
        for partition in (0, 1):
            self._at = partition
            n = (len(self._rows) + 1 - partition) // 2
            yield RecordBatch("t", partition, np.arange(n), np.full(n, np.nan), [b""] * n, n)
            yield RecordBatch("t", partition, np.empty(0, np.int64), np.empty(0), [], n)

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded:  # noqa: ARG002
        mine = self._rows.take(np.arange(records.partition, len(self._rows), 2))
        return Decoded(len(mine), [mine], [])

    def codec_within(self, limits: Limits) -> Codec:  # noqa: ARG002
        return self

    def progress(self) -> Progress:
        return Progress(0, None, "records")


class Holed(Halves):
    """As Halves; of the first partition's end two records cannot be read."""

    def batches(self, size: int = 4096) -> Iterator[RecordBatch | Gap]:
        for records in super().batches(size):
            if isinstance(records, RecordBatch) and not len(records) and records.partition == 0:
                yield Gap(("t", 0), 300, 302, GapCause.OVERSIZED, "a batch of 40 MB")
            yield records

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded:
        return super().decode(records, schemas) if len(records) else Decoded(0, [], [])


class Nobody:
    def __init__(self) -> None:
        self.result: Replayed

    def progress(self, progress: Progress) -> None: ...

    def judged(self, judgement: Judgement) -> None: ...

    def serving(self, url: str) -> None: ...

    def done(self, result: Replayed) -> None:
        self.result = result


def test_what_cannot_be_read_is_counted_and_told_and_the_rest_is_used() -> None:
    holed = Holed(stream(np.random.default_rng(1), 600))
    settings = ModelSettings(choose, Learning(bins=5, windows=WINDOWS), learn_events=100)
    pipeline, listener = Pipeline(holed, Monitor(WINDOWS, settings)), Nobody()
    (result,) = replay([Configured(pipeline, {})], holed, None, listener)
    built = build_references(pipeline, holed, models=(), first=None, reason="", listener=listener)
    assert [one.reference.summary.events for one in built] == [600]
    for told in (result, listener.result):
        assert str(told.accounts) == "read 602 = accepted 600 + rejected 2 (too_large 2) + late 0 + dropped 0"
        assert told.remarks[0] == "t/0@300: offsets 300 to 301: a batch of 40 MB; rejected (too_large)"


def test_partitions_of_a_topic_wait_for_each_other() -> None:
    events = Halves(stream(np.random.default_rng(1), 600))
    settings = ModelSettings(choose, Learning(bins=5), learn_events=100)
    pipeline = Pipeline(events, Monitor(WINDOWS, settings))
    (result,) = replay([Configured(pipeline, {})], events, None, Nobody())
    assert (result.accounts.read, result.accounts.late) == (600, 0)


@pytest.mark.parametrize(
    ("rows", "models", "panes", "judged"),
    [
        pytest.param(7_900, 1, 2_600, False, id="three events a pane, 8,000 are enough"),
        pytest.param(8_100, 1, 2_700, True, id="three events a pane, now they are"),
        pytest.param(8_100, 1, 27, False, id="300 events a pane, 16,000 are enough"),
        pytest.param(16_000, 1, 53, True, id="300 events a pane, now they are"),
        pytest.param(4_000, 1, inf, True, id="no more panes than events"),
        pytest.param(4_000, 1, nan, True, id="no event could be used"),
        pytest.param(81_000, 10, 2_700, True, id="ten models, each has as many"),
        pytest.param(70_000, 10, 2_300, False, id="ten models, each has fewer"),
    ],
)
def test_what_waits_counts_by_its_events_and_its_panes(rows: int, models: int, panes: float, judged: bool) -> None:
    assert enough(rows, rows * 5, models, panes) is judged


def test_wide_events_do_not_wait_for_more() -> None:
    assert enough(100, MOST_VALUES, 1000, 1)
