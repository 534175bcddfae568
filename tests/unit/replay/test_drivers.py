"""Replay of a history with several partitions: they wait for each other, however far apart they are read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

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
from driftd.replay.run import LEAST_VALUES, enough
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

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:  # noqa: ARG002
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

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:  # noqa: ARG002
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
    ("rows", "models", "judged"),
    [
        pytest.param(31_900, 1, False, id="a model that waits for more"),
        pytest.param(32_000, 1, True, id="enough"),
        pytest.param(319_000, 10, False, id="ten models, each has fewer"),
        pytest.param(320_000, 10, True, id="ten models, each has as many"),
        pytest.param(6_500_000, 1000, False, id="a thousand models"),
        pytest.param(6_600_000, 1000, True, id="a thousand models hold more values than may wait"),
    ],
)
def test_what_waits_counts_by_its_events_and_its_values(rows: int, models: int, *, judged: bool) -> None:
    assert enough(rows, rows * 5, models) is judged


def test_wide_events_do_not_wait_for_more() -> None:
    assert not enough(100, LEAST_VALUES - 1, 1)
    assert enough(100, LEAST_VALUES, 1)
