"""KafkaSource against a real broker, on good days and on odd ones."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crc32c import crc32c
from kafka.admin import ACLOperation

from driftd.core.errors import ConfigError, SourceError, SourceRefused
from driftd.core.event import RecordBatch
from driftd.sources import Assigned, Gap, GapCause, Revoked
from driftd.sources.kafka.history import read_range
from driftd.sources.kafka.preflight import UNSEEN
from driftd.sources.kafka.source import KafkaSettings, KafkaSource, check_topics
from tests.integration.kafka_helpers import numbers, reading, secure, settings, twice
from tests.servers.kafka import KEY_PASSWORD, USER, Broker, closing, local_broker

pytestmark = pytest.mark.integration


@pytest.fixture
def topic(kafka: Broker) -> str:
    return kafka.create_topic(partitions=4)


@pytest.mark.parametrize("codec", [None, "gzip", "snappy", "lz4", "zstd"])
def test_every_record_of_every_partition_comes_once_and_in_order(kafka: Broker, topic: str, codec: str | None) -> None:
    for partition in range(4):
        kafka.produce(
            topic, numbers(partition * 1000, partition * 1000 + 1000), partition=partition, compression_type=codec
        )
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert Counter(reader.read(4000)) == Counter(numbers(0, 4000))
        assert reader.source.fast
        for partition in range(4):
            mine = [value for batch in reader.batches if batch.partition == partition for value in batch.values]
            assert mine == numbers(partition * 1000, partition * 1000 + 1000)
        reader.until(lambda: all(lag.caught_up for lag in reader.source.lag().values()))
        assert {lag.records for lag in reader.source.lag().values()} == {0}
        assert reader.source.positions() == {(topic, partition): 1000 for partition in range(4)}
        assert reader.source.health().connected


def test_a_partition_that_is_held_is_read_on_later_and_nothing_of_it_is_lost(kafka: Broker, topic: str) -> None:
    for first in range(0, 2000, 100):  # a batch each
        kafka.produce(topic, numbers(first, first + 100), partition=first // 1000)
    with reading(settings(kafka.bootstrap, topic, max_poll_records=100)) as reader:
        reader.read(100)
        held = reader.batches[0].topic_partition
        reader.source.hold([held, ("elsewhere", 7)])
        reader.until(lambda: reader.known.get((topic, 1 - held[1])) == 1000)
        before = reader.known[held]
        for _ in range(10):
            reader.round()
        assert reader.known[held] == before < 1000
        assert not reader.source.lag()[held].caught_up
        reader.source.hold([])
        reader.read(2000)
        assert Counter(reader.values) == Counter(numbers(0, 2000))


def test_what_was_fetched_is_read_to_its_end_before_the_next_fetch(kafka: Broker, topic: str) -> None:
    """A fetch that goes out earlier is about the other partitions alone. Where they have nothing new it is answered
    half a second later, and until then the broker is asked for nothing else.
    """
    for first in range(0, 4000, 100):  # a batch each
        kafka.produce(topic, numbers(first, first + 100), partition=0)
    with reading(settings(kafka.bootstrap, topic, max_poll_records=100)) as reader:
        reader.read(100)
        fetcher = reader.source._reading.consumer._fetcher
        send, unread = fetcher.send_fetches, list[bool]()

        def noted() -> object:
            unread.append(bool(fetcher._next_partition_records))
            return send()

        fetcher.send_fetches = noted
        assert reader.read(4000) == numbers(0, 4000)
        reader.until(lambda: len(unread) > 1)
        assert not any(unread)


def test_keys_headers_tombstones_and_times_come_as_they_were_sent(kafka: Broker, topic: str) -> None:
    kafka.produce(
        topic, [b"a"], partition=0, key=b"k", headers=[("h", b"x"), ("h", b"")], timestamp_ms=1_700_000_000_123
    )
    kafka.produce(topic, [None], partition=0, key=b"gone")
    in_future = round(time.time() * 1000) + 1_800_000  # brokers take an hour at most
    kafka.produce(topic, [b"b"], partition=0, timestamp_ms=in_future)
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert reader.read(3) == [b"a", None, b"b"]
        keys = [key for batch in reader.batches for key in batch.keys or [None] * len(batch)]
        headers = [header for batch in reader.batches for header in batch.headers or [()] * len(batch)]
        times = np.concatenate([batch.timestamps for batch in reader.batches])
        assert keys == [b"k", b"gone", None]
        assert list(headers[0]) == [("h", b"x"), ("h", b"")]
        assert times[0] == pytest.approx(1_700_000_000.123)
        assert times[2] <= time.time(), "a record is not younger than its arrival"


def test_nothing_of_a_partition_comes_before_it_was_seeked(kafka: Broker, topic: str) -> None:
    kafka.produce(topic, numbers(0, 100), partition=0)
    source = KafkaSource(settings(kafka.bootstrap, topic))
    try:
        seen: list[object] = []
        for _ in range(15):
            assert source.poll(0.2) == []
            seen += source.changes()
        assigned = [change for change in seen if isinstance(change, Assigned)]
        assert len(assigned) > 1, "announced again until it is answered"
        assert source.seek({(topic, 0): 90, (topic, 1): "latest", (topic, 2): 0, (topic, 3): 0})[topic, 0] == 90
        values: list[bytes | None] = []
        while not values:
            values += [value for batch in source.poll(0.2) for value in batch.values]
        assert values == numbers(90, 100)
    finally:
        source.close()


def test_a_transaction_that_was_aborted_is_not_read(kafka: Broker, topic: str) -> None:
    producer = kafka.producer(transactional_id=f"tx-{topic}", enable_idempotence=True)
    try:
        producer.init_transactions()
        for commit in (False, True):
            producer.begin_transaction()
            producer.send(topic, b"committed" if commit else b"aborted", partition=0)
            producer.flush()
            if commit:
                producer.commit_transaction()
            else:
                producer.abort_transaction()
    finally:
        producer.close()
    kafka.produce(topic, [b"plain"], partition=0)
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert reader.read(2) == [b"committed", b"plain"]
        reader.until(lambda: reader.source.lag()[topic, 0].caught_up)


def test_what_retention_took_is_a_counted_gap(kafka: Broker, topic: str) -> None:
    kafka.produce(topic, numbers(0, 100), partition=0)
    kafka.delete_records(topic, {0: 60})
    with reading(settings(kafka.bootstrap, topic)) as reader:
        reader.known[topic, 0] = 20
        assert reader.read(40) == numbers(60, 100)
        (gap,) = reader.gaps
        assert (gap.topic_partition, gap.first_offset, gap.next_offset, gap.cause) == (
            (topic, 0),
            20,
            60,
            GapCause.RETENTION,
        )
        assert gap.records == 40


def test_a_position_beyond_the_end_goes_back_to_the_beginning(kafka: Broker, topic: str) -> None:
    kafka.produce(topic, numbers(0, 10), partition=0)
    with reading(settings(kafka.bootstrap, topic)) as reader:
        reader.known[topic, 0] = 500
        reader.until(lambda: bool(reader.gaps))
        (gap,) = reader.gaps
        assert (gap.cause, gap.records, gap.next_offset) == (GapCause.REWOUND, 0, 0)
        assert reader.read(10) == numbers(0, 10)


@pytest.mark.parametrize("running", [False, True], ids=["while we are away", "while we read"])
@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_a_topic_made_anew_that_has_outgrown_our_position_is_read_from_its_beginning(
    kafka: Broker, running: bool, start: str
) -> None:
    topic = kafka.create_topic(partitions=2)
    options = settings(kafka.bootstrap, topic, start=start, session_timeout_seconds=60.0)
    with reading(options) as reader:
        reader.until(lambda: len(reader.known) == 2)
        kafka.produce(topic, numbers(0, 10), partition=0)
        reader.read(10)
        reader.until(lambda: all(reader.ids.values()))
        if running:
            renewed(kafka, topic)
            seen = reader.read(510)[10:]
            rewound = reader.gaps
    if not running:
        renewed(kafka, topic)
        with reading(options) as again:
            again.known, again.ids = reader.known, reader.ids
            seen = again.read(500)
            rewound = again.gaps
    assert Counter(seen) == Counter(numbers(1000, 1500))
    assert {(gap.topic_partition, gap.next_offset) for gap in rewound if gap.first_offset} == {((topic, 0), 0)}
    assert {(gap.cause, gap.records) for gap in rewound} == {(GapCause.REWOUND, 0)}
    assert all("the topic was made anew (its id was " in gap.detail for gap in rewound)


def test_a_topic_made_anew_between_two_requests_is_never_read_from_the_old_position(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=2)
    # No metadata until an error asks for them: the records themselves must not come.
    with reading(settings(kafka.bootstrap, topic, metadata_max_age_seconds=300.0)) as reader:
        kafka.produce(topic, numbers(0, 10), partition=0)
        reader.read(10)
        reader.source.hold([(topic, 0), (topic, 1)])
        for _ in range(5):
            reader.round()
        renewed(kafka, topic)
        reader.source.hold([])
        assert Counter(reader.read(510)[10:]) == Counter(numbers(1000, 1500))
        kafka.produce(topic, numbers(1500, 1510), partition=1)
        assert Counter(reader.read(520)[10:]) == Counter(numbers(1000, 1510))
    assert {gap.cause for gap in reader.gaps} == {GapCause.REWOUND}


def renewed(kafka: Broker, topic: str) -> None:
    """Deleted and made again, with more records than it had."""
    kafka.recreate(topic, partitions=2)
    kafka.produce(topic, numbers(1000, 1400), partition=0)
    kafka.produce(topic, numbers(1400, 1500), partition=1)


def test_a_topic_that_does_not_exist_is_waited_for_and_read_from_its_beginning(kafka: Broker) -> None:
    name = f"later-{time.time_ns()}"
    with reading(settings(kafka.bootstrap, name, start="latest")) as reader:
        for _ in range(10):
            reader.round()
        assert reader.source.health().missing_topics == (name,)
        assert reader.source.health().connected
        kafka.create_named(name, partitions=2)
        kafka.produce(name, numbers(0, 50))
        assert sorted(reader.read(50), key=lambda v: int(v or b"0")) == numbers(0, 50)
        assert reader.source.health().missing_topics == ()


def test_a_partition_that_is_added_is_read_from_its_beginning(kafka: Broker) -> None:
    topic = kafka.create_topic(partitions=1)
    kafka.produce(topic, numbers(0, 10))
    with reading(settings(kafka.bootstrap, topic, start="latest")) as reader:
        reader.until(lambda: bool(reader.known))
        assert reader.known == {(topic, 0): 10}
        kafka.add_partitions(topic, 3)
        kafka.produce(topic, numbers(100, 150), partition=2)
        assert reader.read(50) == numbers(100, 150)
        assert reader.owned == {(topic, 0), (topic, 1), (topic, 2)}


def test_a_rebalance_for_a_new_partition_may_take_longer_than_a_poll(kafka: Broker) -> None:
    """Left to itself kafka-python's leader takes it for finished: it neither joins nor sends heartbeats, and spins."""
    topic = kafka.create_topic(partitions=1)
    with reading(settings(kafka.bootstrap, topic)) as reader:
        reader.until(lambda: bool(reader.known))
        coordinator = reader.source._consumer._coordinator
        join = coordinator._do_join_and_sync_async

        async def join_slowly() -> object:
            answer = await join()
            await coordinator._net.sleep(1)
            return answer

        coordinator._do_join_and_sync_async = join_slowly
        kafka.add_partitions(topic, 2)
        reader.until(lambda: len(reader.owned) == 2)


@pytest.mark.parametrize("assignor", ["sticky", "cooperative-sticky"])
def test_members_that_join_and_leave_share_the_records_without_reading_one_twice(kafka: Broker, assignor: str) -> None:
    topic = kafka.create_topic(partitions=4)
    options = settings(kafka.bootstrap, topic, assignor=assignor)
    stop = threading.Event()

    def produce() -> Iterator[bytes]:
        for n in range(6000):
            if n % 20 == 0:
                stop.wait(0.02)
            yield b"%d" % n

    feeder = threading.Thread(target=lambda: kafka.produce(topic, produce()))
    feeder.start()
    try:
        with reading(options) as first:
            first.read(500)
            with reading(options) as second:
                while not second.values or len(first.values) + len(second.values) < 2500:
                    first.round(0.05)
                    second.round(0.05)
                assert first.owned
                assert second.owned
                assert not first.owned & second.owned
                assert any(isinstance(change, Revoked) for change in first.changes)
                assert second.source.commit_now(second.known, "second")
                shared = list(second.values)
            feeder.join()
            first.read(6000 - len(shared), 60)
            values = first.values + shared
            assert not twice(values)
            assert Counter(values) == Counter(numbers(0, 6000))
    finally:
        stop.set()
        feeder.join()


def test_a_static_member_that_returns_has_its_partitions_without_a_rebalance(kafka: Broker, topic: str) -> None:
    kafka.produce(topic, numbers(0, 100), partition=1)
    options = settings(kafka.bootstrap, topic, group_instance_id="host-1", session_timeout_seconds=60.0)
    with reading(options) as reader:
        reader.read(100)
        assert reader.source.commit_now(reader.known, "host-1")
    kafka.produce(topic, numbers(100, 200), partition=1)
    began = time.monotonic()
    with reading(options) as reader:
        assert reader.read(100) == numbers(100, 200)
        assert reader.source.committed([(topic, 1)]) == {(topic, 1): (100, "host-1")}
    assert time.monotonic() - began < 30, "it did not wait for the end of its former session"


@pytest.mark.parametrize("assignor", ["sticky", "cooperative-sticky"])
def test_what_was_added_while_a_static_member_was_away_is_read(kafka: Broker, assignor: str) -> None:
    """It returns within its session, so the group gives it what it had and nobody looks for new partitions."""
    topic, later = kafka.create_topic(partitions=1), f"later-{time.time_ns()}"
    options = replace(
        settings(kafka.bootstrap, topic, start="latest", assignor=assignor),
        topics=(topic, later), group_instance_id="host-1", session_timeout_seconds=60.0,
    )  # fmt: skip
    with reading(options) as reader:
        reader.until(lambda: bool(reader.known))
        known = reader.known
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, numbers(0, 50), partition=1)
    kafka.create_named(later, partitions=2)
    with reading(options) as reader:
        reader.known |= known
        reader.until(lambda: len(reader.owned) == 4)
        reader.until(lambda: len(reader.known) == 4)
        kafka.produce(later, numbers(50, 60), partition=1)
        assert Counter(reader.read(60)) == Counter(numbers(0, 60))
        kafka.add_partitions(topic, 3)  # and while it runs
        reader.until(lambda: len(reader.owned) == 5)
        reader.until(lambda: not reader.source.health().unread_partitions)


def test_partitions_that_nobody_reads_are_told_until_somebody_does(kafka: Broker) -> None:
    """The member that could let the group rebalance is away; the other says so. Its return mends it."""
    topic = kafka.create_topic(partitions=2)
    options = settings(kafka.bootstrap, topic, session_timeout_seconds=60.0)
    first_options = replace(options, group_instance_id="a")
    with reading(replace(options, group_instance_id="b")) as second:
        with reading(first_options) as first:
            while not (first.owned and second.owned and len(first.owned | second.owned) == 2):
                first.round(0.05)
                second.round(0.05)
        kafka.add_partitions(topic, 3)
        unread = {(topic, 2)}
        second.until(lambda: set(second.source.health().unread_partitions) >= unread or (topic, 2) in second.owned)
        with reading(first_options) as first:
            end = time.monotonic() + 60
            while len(first.owned | second.owned) < 3 or second.source.health().unread_partitions:
                assert time.monotonic() < end, (first.owned, second.owned, second.source.health())
                first.round(0.05)
                second.round(0.05)
            assert not first.owned & second.owned


def test_two_daemons_of_one_instance_id_are_told(kafka: Broker, topic: str) -> None:
    options = settings(kafka.bootstrap, topic, group_instance_id="same")
    with reading(options) as first, reading(options) as second:
        first.until(lambda: bool(first.known))
        second.until(lambda: bool(second.known))
        with pytest.raises(SourceRefused, match="another driftd uses group_instance_id 'same'"):
            first.until(lambda: False, 20)


def test_commits_in_the_background_arrive(kafka: Broker, topic: str) -> None:
    with reading(settings(kafka.bootstrap, topic)) as reader:
        reader.until(lambda: bool(reader.known))
        reader.source.commit({(topic, 0): 0, (topic, 3): 0}, "me@1")
        reader.until(lambda: len(reader.source.committed(reader.known)) == 2)
        assert reader.source.committed(reader.known)[topic, 3] == (0, "me@1")
        assert reader.source.health().commit_failures == 0


def test_a_wrong_password_is_refused_with_the_real_cause(secure_kafka: Broker) -> None:
    options = secure(secure_kafka, "t", password="guess")
    said = r"SASL SCRAM-SHA-256 as user 'driftd': .*invalid credentials.*; check .*kafka\.sasl_password_file"
    with pytest.raises(SourceRefused, match=said) as error:
        KafkaSource(options).poll(0.1)
    assert "guess" not in str(error.value) + repr(options)


def test_a_login_and_tls_let_us_in(secure_kafka: Broker) -> None:
    topic = secure_kafka.create_topic()
    secure_kafka.produce(topic, numbers(0, 3000))
    with reading(secure(secure_kafka, topic)) as reader:
        assert reader.read(3000) == numbers(0, 3000)
    options = settings(secure_kafka.ssl, topic, security_protocol="SSL", ssl_cafile=secure_kafka.cafile)
    with reading(options) as reader:
        assert reader.read(3000) == numbers(0, 3000)


def test_a_topic_we_may_not_read_is_refused_and_check_tells_before(secure_kafka: Broker) -> None:
    topic = secure_kafka.create_topic()
    secure_kafka.produce(topic, [b"secret"])
    secure_kafka.allow_only(USER, topic)
    options = secure(secure_kafka, topic)
    assert check_topics(options).problems == (f"topic '{topic}': no permission to read it (needs READ)",)
    with reading(options) as reader, pytest.raises(SourceRefused, match=f"no permission to read {topic}"):
        reader.until(lambda: False)


def test_a_topic_we_may_not_see_is_not_waited_for(secure_kafka: Broker) -> None:
    topic = secure_kafka.create_topic()
    secure_kafka.allow_only("somebody", topic)
    options, told = secure(secure_kafka, topic), f"topic '{topic}': {UNSEEN}"
    assert check_topics(options).problems == (told,)
    with pytest.raises(SourceRefused, match=re.escape(told)):
        KafkaSource(options).poll(0.1)


def test_a_topic_that_is_hidden_from_us_while_we_read_is_not_one_that_is_gone(secure_kafka: Broker) -> None:
    topic = secure_kafka.create_topic()
    with reading(secure(secure_kafka, topic)) as reader:
        reader.until(lambda: bool(reader.known))
        secure_kafka.allow_only("somebody", topic)
        with pytest.raises(SourceRefused, match=r"no permission to (see it|read)"):
            reader.until(lambda: False)


@pytest.mark.parametrize(
    ("allowed", "problem"),
    [
        pytest.param([ACLOperation.WRITE, ACLOperation.DESCRIBE], "", id="write"),
        pytest.param([ACLOperation.DESCRIBE], "no permission to write it (needs WRITE)", id="describe alone"),
        pytest.param([ACLOperation.READ], "no permission to write it (needs WRITE)", id="read alone"),
        pytest.param([], UNSEEN.replace("READ", "WRITE"), id="nothing"),
    ],
)
def test_check_tells_whether_dead_letters_and_findings_can_be_written(
    secure_kafka: Broker, allowed: list[ACLOperation], problem: str
) -> None:
    topic, letters = secure_kafka.create_topic(), secure_kafka.create_topic("letters")
    secure_kafka.allow_only("somebody", letters)
    for operation in allowed:
        secure_kafka.allow_only(USER, letters, operation)
    report = check_topics(secure(secure_kafka, topic), {letters: "dead-letter", "no-such": "findings"})
    gone = "findings topic 'no-such': does not exist; create it"
    assert {*report.problems} == {gone} | ({f"dead-letter topic '{letters}': {problem}"} if problem else set())
    assert {t.state for t in report.topics if t.name == letters} == {problem or "writable (dead-letter)"}
    assert secure_kafka.end_of(letters) == 0, "asking writes nothing"


@pytest.mark.parametrize(
    ("protocol", "listener", "said"),
    [
        pytest.param("PLAINTEXT", "ssl", "this port speaks TLS", id="plain text to TLS"),
        pytest.param("SSL", "bootstrap", "TLS: .*does this port expect TLS", id="TLS to plain text"),
        pytest.param("SSL", "ssl", "certificate not trusted: self-signed certificate", id="unknown authority"),
        pytest.param("PLAINTEXT", "sasl", "does it want a login", id="no login"),
    ],
)
def test_a_wrong_security_protocol_is_told(secure_kafka: Broker, protocol: str, listener: str, said: str) -> None:
    options = settings(getattr(secure_kafka, listener), "t", security_protocol=protocol)
    with pytest.raises(SourceError, match=said):
        KafkaSource(options).poll(0.1)


@pytest.mark.parametrize(
    ("listener", "trusted", "own", "said"),
    [
        pytest.param(
            "ssl", "mtls", None, "certificate not trusted: self-signed.*; set kafka.ssl_cafile", id="authority"
        ),
        pytest.param("elsewhere", "elsewhere", None, "is for another host than '127.0.0.1'", id="wrong host"),
        pytest.param("expired", "expired", None, "the broker's certificate has expired", id="expired"),
        pytest.param("mtls", "mtls", None, "wants a certificate of its clients .* set kafka.ssl_certfile", id="none"),
        pytest.param(
            "mtls", "mtls", "stale", "our certificate, which has expired; renew kafka.ssl_certfile", id="ours"
        ),
        pytest.param(
            "mtls", "mtls", "stranger", "must be signed by an authority that the broker trusts", id="stranger"
        ),
    ],
)
def test_what_is_wrong_with_a_certificate_is_told_and_what_helps(
    secure_kafka: Broker, listener: str, trusted: str, own: str | None, said: str
) -> None:
    options = certified(secure_kafka, listener, trusted, own)
    for ask in (check_topics, lambda given: KafkaSource(given).poll(0.1)):
        with pytest.raises(SourceRefused, match=said):
            ask(options)


def test_a_certificate_that_is_replaced_by_a_wrong_one_while_we_run_is_told_until_it_is_mended() -> None:
    with local_broker() as broker:
        store = Path(broker.certificate("ssl-store.pem"))
        good, wrong = store.read_text(), Path(broker.certificate("expired-store.pem")).read_text()
        topic = broker.create_topic()
        options = replace(certified(broker, "ssl", "ssl", None), topics=(topic,))
        with reading(options) as reader:
            reader.until(lambda: bool(reader.known))
            broker.stop()
            store.write_text(wrong)
            broker.start()
            reader.until(lambda: "set kafka.ssl_cafile" in reader.source.health().last_error, 60)
            assert not reader.source.health().connected
            broker.stop()
            store.write_text(good)
            broker.start()
            broker.produce(topic, numbers(0, 10))
            assert reader.read(10, 60) == numbers(0, 10)
            assert "set kafka.ssl_cafile" not in reader.source.health().last_error


def test_a_certificate_of_our_own_lets_us_in_with_a_locked_key_too(secure_kafka: Broker) -> None:
    options = certified(secure_kafka, "mtls", "mtls", "client")
    assert check_topics(options).problems
    locked = replace(options, ssl_keyfile=secure_kafka.certificate("locked.key"))
    assert check_topics(replace(locked, ssl_password=KEY_PASSWORD)).version
    for key, password, cure in (
        ("locked", None, "the key is encrypted; set kafka.ssl_password_file"),
        ("locked", "guess", r"kafka.ssl_password_file \(or ssl_password\) does not open the key"),
        ("stranger", None, "the key does not belong to the certificate"),
    ):
        wrong = replace(options, ssl_keyfile=secure_kafka.certificate(f"{key}.key"), ssl_password=password)
        with pytest.raises(ConfigError, match=f"kafka.ssl_keyfile: .*{key}.key: {cure}") as error:
            check_topics(wrong)
        assert "guess" not in str(error.value)


def test_check_names_what_is_missing(kafka: Broker, topic: str) -> None:
    report = check_topics(settings(kafka.bootstrap, topic))
    assert not report.problems
    assert report.topics[0].partitions == 4
    assert report.version >= (2, 1)
    assert check_topics(settings(kafka.bootstrap, "no-such")).problems == (
        "topic 'no-such': does not exist; driftd run would wait for it",
    )


def read_all(options: KafkaSettings, topic: str, *given: Any) -> tuple[list[RecordBatch], list[Gap]]:
    found = [*read_range(options, [topic], *given)]
    return [one for one in found if isinstance(one, RecordBatch)], [one for one in found if isinstance(one, Gap)]


def test_an_empty_partition_of_a_stretch_ends_at_once(kafka: Broker, topic: str) -> None:
    kafka.produce(topic, numbers(0, 10), partition=2)
    batches, _ = read_all(settings(kafka.bootstrap, topic), topic)
    assert {batch.partition for batch in batches[:3]} == {0, 1, 3}
    assert [len(batch) for batch in batches] == [0, 0, 0, 10, 0]


def test_a_stretch_of_a_topic_is_read_without_a_group(kafka: Broker, topic: str) -> None:
    for partition in range(4):
        kafka.produce(topic, numbers(100 * partition, 100 * partition + 100), partition=partition)
    options = settings(kafka.bootstrap, topic)
    batches, gaps = read_all(options, topic, 10, 60)
    found = [value for batch in batches for value in batch.values]
    assert Counter(found) == Counter(value for n in range(4) for value in numbers(100 * n + 10, 100 * n + 60))
    ended = {batch.topic_partition: batch.next_offset for batch in batches if not len(batch)}
    assert ended == {(topic, n): 60 for n in range(4)}, "each partition's end is told"
    assert sum(map(len, read_all(options, topic)[0])) == 400
    assert not gaps
    with pytest.raises(SourceRefused, match="'no-such' does not exist"):
        next(read_range(options, [topic, "no-such"]))


def test_partitions_of_which_calls_are_joined_are_read_abreast(kafka: Broker) -> None:
    """Of the same 40 seconds one partition has ten times as many bytes; a fetch has up to half a megabyte."""
    topic, seconds, began = kafka.create_topic("abreast", 2), 40, int(time.time()) - 60
    with closing(kafka.producer(batch_size=1 << 18)) as producer:
        for second in range(seconds):
            for partition, size in ((0, 40_000), (1, 400_000)):
                for _ in range(10):
                    value, stamp = bytes(size // 10), 1000 * (began + second)
                    producer.send(topic, value, partition=partition, timestamp_ms=stamp)
        producer.flush(timeout=60)
    reached, leads = [0.0, 0.0], []
    for records in read_range(settings(kafka.bootstrap, topic), [topic], abreast_seconds=5):
        assert isinstance(records, RecordBatch)
        if len(records):
            reached[records.partition] = float(records.timestamps[-1]) - began
            leads.append(reached[0] - reached[1])
    assert reached == [seconds - 1, seconds - 1]
    assert max(leads) < 30, "5 s, and what was on its way already"


def test_bytes_that_cannot_be_read_are_fetched_again_then_passed_over(
    kafka: Broker, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Corrupt on the way (the broker would not store it): the checksum fails, three times for one batch."""
    for n in range(3):
        kafka.produce(topic, numbers(100 * n, 100 * n + 100), partition=0, linger_ms=60_000)
    tries = []

    def crc(view: memoryview) -> int:
        if b"\x06150" in bytes(view):
            tries.append(1)
            return 0
        return int(crc32c(view))

    monkeypatch.setattr("driftd.sources.kafka.records.crc32c", crc)
    with reading(settings(kafka.bootstrap, topic)) as reader:
        values = reader.read(200)
        assert values == numbers(0, 100) + numbers(200, 300)
        (gap,) = reader.gaps
        assert (gap.first_offset, gap.next_offset, gap.cause, gap.records) == (100, 200, GapCause.DAMAGED, 100)
        assert len(tries) == 3
        assert "checksum" in reader.source.health().last_error


@pytest.mark.parametrize("codec", ["gzip", "lz4", "zstd", "snappy"])
def test_good_records_beside_a_bomb_are_read(kafka: Broker, topic: str, codec: str) -> None:
    """The broker stores it: it limits what a batch has compressed."""
    values = [b"1", bytes(6 << 20), b"2"]
    large = 16 << 20
    kafka.produce(
        topic, values, partition=0, compression_type=codec, batch_size=large, max_request_size=large, linger_ms=500
    )
    kafka.produce(topic, [b"3"], partition=0)
    with reading(settings(kafka.bootstrap, topic, max_batch_bytes=2 << 20)) as reader:
        assert reader.read(4) == [b"1", None, b"2", b"3"]
        assert reader.gaps == []
        assert [offset for one in reader.batches for offset in one.refused] == [1]


@pytest.mark.parametrize("listener", ["bootstrap", "ssl"])
def test_a_batch_too_large_to_be_fetched_is_passed_over_and_reading_goes_on(
    secure_kafka: Broker, listener: str
) -> None:
    topic = secure_kafka.create_topic(partitions=2, configs={"max.message.bytes": str(16 << 20)})
    large: dict[str, Any] = {"max_request_size": 16 << 20, "batch_size": 16 << 20}
    secure_kafka.produce(topic, numbers(0, 10), partition=0)
    secure_kafka.produce(topic, [b"x" * (3 << 20)], partition=0, **large)
    secure_kafka.produce(topic, [b"y" * (2 << 20), b"beside it"], partition=0, linger_ms=500, **large)
    secure_kafka.produce(topic, numbers(10, 20), partition=0)
    secure_kafka.produce(topic, [b"x" * (3 << 20)], partition=1, **large)
    secure_kafka.produce(topic, [b"1" * (900 << 10)], partition=1)
    protocol = {"security_protocol": "SSL", "ssl_cafile": secure_kafka.cafile} if listener == "ssl" else {}
    sizes = {"max_stored_bytes": 1 << 20, "fetch_bytes": 1 << 19, "partition_fetch_bytes": 1 << 18}
    options = settings(getattr(secure_kafka, listener), topic, **sizes, **protocol)
    with reading(options) as reader:
        assert Counter(reader.read(21)) == Counter([*numbers(0, 20), b"1" * (900 << 10)])
        gaps = sorted((gap.topic_partition[1], gap.first_offset, gap.next_offset, gap.cause) for gap in reader.gaps)
        assert gaps == [(0, 10, 11, GapCause.OVERSIZED), (0, 11, 13, GapCause.OVERSIZED), (1, 0, 1, GapCause.OVERSIZED)]
        assert reader.source.health().connected
    if listener == "bootstrap":  # a consumer that is closed during a handshake leaves its socket to the collector
        batches, history_gaps = read_all(options, topic)
        found = Counter(value for batch in batches for value in batch.values)
        assert found == Counter([*numbers(0, 20), b"1" * (900 << 10)])
        assert (
            sorted((gap.topic_partition[1], gap.first_offset, gap.next_offset, gap.cause) for gap in history_gaps)
            == gaps
        )
        assert "a batch of 31458" in history_gaps[0].detail
        cut = read_all(options, topic, 11, 12)
        assert not sum(map(len, cut[0])), "no more than was asked for"
        assert [(gap.first_offset, gap.next_offset) for gap in cut[1]] == [(11, 12)], "as far as it lies in the range"


def certified(broker: Broker, listener: str, trusted: str, own: str | None) -> KafkaSettings:
    return settings(
        getattr(broker, listener),
        "t",
        security_protocol="SSL",
        ssl_cafile=broker.certificate(f"{trusted}.pem"),
        ssl_certfile=broker.certificate(f"{own}.pem") if own else None,
        ssl_keyfile=broker.certificate(f"{own}.key") if own else None,
    )
