"""With a kafka-python that looks different, its own unpacker is used: slower, and as safe."""

from __future__ import annotations

from collections import Counter

import pytest
from kafka.record.default_records import DefaultRecordBatch

from driftd.sources import GapCause
from driftd.sources.kafka import patches
from tests.integration.kafka_helpers import numbers, reading, settings
from tests.servers.kafka import Broker

pytestmark = pytest.mark.integration


@pytest.fixture(autouse=True)
def unknown_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "looks_known", lambda _: False)


def test_every_record_comes_once(kafka: Broker, caplog: pytest.LogCaptureFixture) -> None:
    topic = kafka.create_topic(partitions=2)
    kafka.produce(topic, numbers(0, 5000), compression_type="lz4", headers=[("h", b"1")])
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert Counter(reader.read(5000)) == Counter(numbers(0, 5000))
        assert not reader.source.fast
        assert reader.batches[0].headers is not None
        reader.until(lambda: all(lag.caught_up for lag in reader.source.lag().values()))
    assert caplog.text.count("reading with its own unpacker") == 1


def test_a_batch_that_cannot_be_read_neither_spins_nor_stops_the_rest(
    kafka: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Left to itself kafka-python's third poll after this spins at 100 % CPU, for ever."""
    topic = kafka.create_topic()
    for n in range(3):
        kafka.produce(topic, numbers(3 * n, 3 * n + 3), linger_ms=60_000)
    honest = DefaultRecordBatch.validate_crc
    monkeypatch.setattr(DefaultRecordBatch, "validate_crc", lambda one: one.base_offset != 3 and honest(one))
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert reader.read(6) == numbers(0, 3) + numbers(6, 9)
        assert {gap.cause for gap in reader.gaps} == {GapCause.DAMAGED}
        assert sum(gap.records for gap in reader.gaps) == 3
