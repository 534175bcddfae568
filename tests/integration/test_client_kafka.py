"""The client straight to Kafka, with kafka-python: acknowledged, over an outage, from children of a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from driftd.client import Client, Drop
from driftd.sources.kafka.sockets import close_failed_attempts
from tests.integration.kafka_helpers import reading, settings
from tests.servers.kafka import Broker, LocalBroker
from tests.stage.daemon import wait_until

pytestmark = pytest.mark.integration

ROOT: Final = Path(__file__).parents[2]


def numbers(bootstrap: str, topic: str, count: int) -> list[int]:
    with reading(settings(bootstrap, topic)) as reader:
        return [json.loads(value or b"")["features"]["n"] for value in reader.read(count)]


def test_events_arrive_and_are_counted(kafka: Broker) -> None:
    topic = kafka.create_topic("client")
    with Client(f"kafka://{kafka.bootstrap}/{topic}", model="m", close_seconds=60) as client:
        for n in range(1000):
            client.log(features={"n": n})
        assert client.flush(60)
    assert (client.stats().sent, client.stats().dropped) == (1000, {})
    assert numbers(kafka.bootstrap, topic, 1000) == [*range(1000)]


def test_an_event_that_the_topic_never_takes_is_dropped_alone(kafka: Broker) -> None:
    topic = kafka.create_topic("small", configs={"max.message.bytes": "20000"})
    with Client(f"kafka://{kafka.bootstrap}/{topic}", model="m", close_seconds=60, linger_seconds=30) as client:
        for n in range(4):
            client.log(features={"n": n, "text": "x" * 30_000 * (n == 2)})
        assert client.flush(60)
    assert (client.stats().sent, client.stats().dropped) == (3, {Drop.REFUSED: 1})
    assert sorted(set(numbers(kafka.bootstrap, topic, 3))) == [0, 1, 3]


@pytest.mark.timeout(240)
def test_what_waits_while_the_broker_is_away_arrives_when_it_is_back(own_kafka: LocalBroker) -> None:
    close_failed_attempts()  # else the library leaves their sockets to the collector, which warns of them in tests
    topic = own_kafka.create_topic("client", partitions=2)
    url = f"kafka://{own_kafka.bootstrap}/{topic}"
    client = Client(url, model="m", timeout_seconds=2, close_seconds=60, linger_seconds=0.01)
    client.log(features={"n": 0})
    assert client.flush(60)
    for n in range(1, 400):
        client.log(features={"n": n})
    own_kafka.kill9()
    for n in range(400, 500):
        client.log(features={"n": n})
    wait_until(lambda: client.stats().last_error, "the outage is told")
    assert client.stats().waiting > 0
    own_kafka.start()
    assert client.flush(120), client.stats()
    client.close()
    assert (client.stats().sent, client.stats().dropped) == (500, {})
    ends = sum(own_kafka.end_of(topic, partition) for partition in (0, 1))
    assert set(numbers(own_kafka.bootstrap, topic, ends)) == {*range(500)}


FORK: Final = """
import os, sys
from driftd.client import Client
client = Client(sys.argv[1], model="m", close_seconds=60)
client.log(features={"n": 0})
assert client.flush(60)
children = []
for n in (1, 2):
    child = os.fork()
    if not child:
        client.log(features={"n": n})
        assert client.flush(60), client.stats()
        sys.exit(0)
    children.append(child)
client.log(features={"n": 3})
assert [os.waitpid(child, 0)[1] for child in children] == [0, 0]
"""


def test_children_of_a_process_have_producers_of_their_own(kafka: Broker) -> None:
    topic = kafka.create_topic("client")
    done = subprocess.run(
        [sys.executable, "-c", FORK, f"kafka://{kafka.bootstrap}/{topic}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(numbers(kafka.bootstrap, topic, 4)) == [0, 1, 2, 3]
