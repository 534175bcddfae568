"""Dead letters and findings arrive; what does not arrive yet is kept."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
from kafka.admin import ACLOperation

import driftd
from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch, Reject, RejectReason
from driftd.core.finding import Finding, Status
from driftd.core.slice import Slice
from driftd.sinks.kafka import DeadLetters, KafkaFindings, Sender
from tests.integration.kafka_helpers import reading, secure, settings
from tests.servers.kafka import USER, Broker, LocalBroker
from tests.stage.daemon import wait_until

pytestmark = pytest.mark.integration

RECORDS = RecordBatch(
    source="events",
    partition=3,
    offsets=np.array([18210, 18211, 18212]),
    timestamps=np.array([1_795_413_611.828, 1_795_413_612.0, np.nan]),
    values=[b"good", b"\xff{", None],
    next_offset=18213,
    keys=[b"a", b"b", None],
    headers=[(), [("trace", b"7"), ("__driftd.errors.code", b"old")], ()],
)
REJECTS = [
    Reject(1, 18211, RejectReason.NOT_JSON, "line 1: expected a string"),
    Reject(1, 18211, RejectReason.WRONG_TYPE, "the same record again"),
    Reject(2, 18212, RejectReason.EMPTY, "tombstone"),
]


def test_dead_letters_carry_the_record_and_why(kafka: Broker) -> None:
    topic = kafka.create_topic("dead")
    letters = DeadLetters(settings(kafka.bootstrap, topic), topic)
    letters.send(RECORDS, REJECTS)
    letters.flush(20)
    assert (letters.sent, letters.failed) == (2, 0)
    letters.close()
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert reader.read(2) == [b"\xff{", b""]
        (batch,) = reader.batches
        assert list(batch.keys or ()) == [b"b", None]
        headers = dict((batch.headers or [[]])[0])
    assert headers == {
        "trace": b"7",
        "__driftd.errors.topic": b"events",
        "__driftd.errors.partition": b"3",
        "__driftd.errors.offset": b"18211",
        "__driftd.errors.timestamp": b"1795413612000",
        "__driftd.errors.stage": b"decode",
        "__driftd.errors.code": b"not_json",
        "__driftd.errors.message": b"line 1: expected a string",
        "__driftd.errors.app": b"driftd",
        "__driftd.errors.version": driftd.__version__.encode(),
    }


@pytest.mark.parametrize(
    ("value", "key", "header", "cut"),
    [
        pytest.param(899_000, 10, 10, False, id="it fits"),
        pytest.param(2_000_000, 10, 10, True, id="a large value"),
        pytest.param(10, 2_000_000, 10, True, id="a large key"),
        pytest.param(10, 10, 2_000_000, True, id="a large header"),
    ],
)
def test_a_record_larger_than_the_topic_takes_leaves_its_begin_and_its_place(
    kafka: Broker, value: int, key: int, header: int, cut: bool
) -> None:
    topic = kafka.create_topic("dead")  # takes 1,048,588 bytes
    records = replace(
        RECORDS, values=[b"v" * value] * 3, keys=[b"k" * key] * 3, headers=[[("trace", b"h" * header)]] * 3
    )  # fmt: skip
    letters = DeadLetters(settings(kafka.bootstrap, topic), topic)
    letters.send(records, REJECTS[:1])
    letters.flush(20)
    letters.close()
    with reading(settings(kafka.bootstrap, topic)) as reader:
        (found,) = reader.read(1)
        headers = dict((reader.batches[0].headers or [[]])[0])
    assert found == b"v" * (min(value, 65_536) if cut else value)
    assert (headers["__driftd.errors.offset"], headers["__driftd.errors.code"]) == (b"18211", b"not_json")
    assert ("trace" in headers) is not cut
    assert int(headers.get("__driftd.errors.bytes", b"0")) >= (value + key + header if cut else 0)


def test_dead_letters_wait_for_a_topic_that_is_not_there_and_arrive_once_it_is(kafka: Broker) -> None:
    topic = f"later-{time.time_ns()}"
    letters = DeadLetters(settings(kafka.bootstrap, topic), topic)
    for n in range(200):  # each would wait 2 s for the topic
        letters.send(replace(RECORDS, values=[b"", b"bad %d" % n, b""]), REJECTS[:1])
    for _ in range(2):
        with pytest.raises(SourceError, match=f"topic '{topic}': 200 dead letters wait: it does not exist"):
            letters.flush(5)
    assert (letters.sent, letters.failed) == (0, 0)
    kafka.create_named(topic)
    end = time.monotonic() + 60
    while letters.sent < 200 and time.monotonic() < end:
        with contextlib.suppress(SourceError):
            letters.flush(5)
    assert (letters.sent, letters.failed) == (200, 0)
    letters.close()
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert set(reader.read(200)) == {b"bad %d" % n for n in range(200)}


def test_what_the_topic_never_takes_is_given_up_and_holds_nothing_back(kafka: Broker) -> None:
    topic = kafka.create_topic("small", configs={"max.message.bytes": "20000"})
    sender = Sender(settings(kafka.bootstrap, topic), topic)
    for size in (10, 30_000, 20, 40_000, 30):
        sender.send(b"v" * size, None, [])
    assert sender.flush(30) == 0
    sender.send(b"good", None, [])
    assert sender.flush(20) == 0
    assert (sender.delivered, sender.given_up) == (4, 2)
    sender.close()


def test_no_more_than_so_many_messages_wait() -> None:
    sender = Sender(settings("127.0.0.1:1", "t"), "t", max_pending=3)
    for _ in range(5):
        sender.send(b"v", None, [])
    assert (sender.waiting, sender.given_up) == (3, 2)


@pytest.mark.parametrize(
    ("allowed", "exists", "told"),
    [
        pytest.param(ACLOperation.DESCRIBE, True, "no permission to write it", id="describe alone"),
        pytest.param(None, True, "no permission to write it", id="nothing"),
        pytest.param(None, False, "it does not exist", id="no such topic"),
    ],
)
def test_why_nothing_can_be_sent_is_told(
    secure_kafka: Broker, allowed: ACLOperation | None, exists: bool, told: str, caplog: pytest.LogCaptureFixture
) -> None:
    topic = secure_kafka.create_topic("letters") if exists else "no-such"
    if exists:
        secure_kafka.allow_only("somebody", topic)
    if allowed is not None:
        secure_kafka.allow_only(USER, topic, allowed)
    letters = DeadLetters(secure(secure_kafka, topic), topic)
    letters.send(RECORDS, REJECTS[:1])
    with pytest.raises(SourceError, match=f"topic '{topic}': 1 dead letters wait: {told}"):
        letters.flush(5)
    letters.close()
    assert f"topic '{topic}': 1 messages wait: {told}" in caplog.text


def finding(model: str) -> Finding:
    return Finding(
        slice=Slice(model),
        feature="amount",
        detector="psi",
        status=Status.DRIFT,
        previous=Status.OK,
        statistic=0.4,
        threshold=0.1,
        effect=0.1,
        noise=0.02,
        ratio=4.0,
        events=1000,
        window_start=0.0,
        window_end=600.0,
        since=None,
        because="psi 0.4 over 0.1",
    )


def test_findings_arrive_as_json_under_their_model(kafka: Broker) -> None:
    topic = kafka.create_topic("findings")
    findings = KafkaFindings(settings(kafka.bootstrap, topic), topic, timeout_seconds=20)
    findings.emit([finding("fraud"), finding("churn")])
    findings.flush()
    findings.close()
    with reading(settings(kafka.bootstrap, topic)) as reader:
        found = [json.loads(value or b"") for value in reader.read(2)]
        keys = [key for batch in reader.batches for key in batch.keys or ()]
    assert [one["model"] for one in found] == ["fraud", "churn"]
    assert found[0]["id"] == finding("fraud").id
    assert keys == [b"fraud", b"churn"]


def test_a_sender_that_is_closed_while_no_broker_answers_leaves_no_thread_behind(own_kafka: LocalBroker) -> None:
    """kafka-python raises where messages are left, and its thread goes on."""
    topic, before = own_kafka.create_topic("left"), set(threading.enumerate())
    sender = Sender(settings(own_kafka.bootstrap, topic), topic)
    sender.send(b"1", None, [])
    assert sender.flush(30) == 0
    own_kafka.kill9()
    try:
        sender.send(b"2", None, [])
        sender.close(0.0)
        wait_until(lambda: not set(threading.enumerate()) - before, "the producer's threads end", 30)
    finally:
        own_kafka.start()


def test_findings_wait_for_a_broker_that_comes_back(own_kafka: LocalBroker) -> None:
    topic = own_kafka.create_topic("findings")
    findings = KafkaFindings(settings(own_kafka.bootstrap, topic), topic, timeout_seconds=2)
    findings.emit([finding("one")])
    findings.flush()
    own_kafka.kill9()
    findings.emit([finding("two")])
    with pytest.raises(SourceError, match="1 findings wait"):
        findings.flush()
    own_kafka.start()
    end = time.monotonic() + 60
    while time.monotonic() < end:  # given once: it is the sink that keeps it
        try:
            findings.flush()
            break
        except SourceError:
            continue
    findings.close()
    with reading(settings(own_kafka.bootstrap, topic)) as reader:
        models = {json.loads(value or b"")["model"] for value in reader.read(2)}
    assert models == {"one", "two"}


def test_messages_in_flight_when_a_long_outage_begins_arrive_when_it_is_over(
    own_kafka: LocalBroker, caplog: pytest.LogCaptureFixture
) -> None:
    """Longer than the producer tries: its records expire, and kafka-python would never send again."""
    topic = own_kafka.create_topic("long", partitions=2)
    sender = Sender(replace(settings(own_kafka.bootstrap, topic), request_timeout_seconds=1.0), topic)
    sender.send(b"first", None, [])
    assert sender.flush(20) == 0
    away = threading.Timer(0.3, own_kafka.kill9)
    away.start()
    sent = 1
    while away.is_alive():
        sender.send(b"%d" % sent, None, [])
        sent += 1
        time.sleep(0.001)
    assert own_kafka.process is None
    wait_until(lambda: sender.flush(2) and "Expiring" in caplog.text, "records expire")
    own_kafka.start()
    wait_until(lambda: sender.flush(5) == 0, "all of them arrive")
    assert (sender.delivered, sender.given_up) == (sent, 0)
    sender.close()
    with reading(settings(own_kafka.bootstrap, topic)) as reader:
        reader.until(lambda: len({*reader.values}) == sent)
