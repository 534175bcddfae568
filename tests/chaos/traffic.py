"""Events of three models with a fault in the middle, late events and rubbish: what experiments feed to a topic."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from driftd.sinks.kafka import end_producer
from tests.servers.kafka import Broker

START: Final = 1_795_413_600.0
MODELS: Final = ("fraud", "price", "churn")
COUNTRIES: Final = ("DE", "FR", "IT", "PL")
FLUSH_SECONDS: Final = 300.0
"""After the last event of all comes one in each partition, so much later: it closes what is open."""
RUBBISH: Final = (b'{"model": "fraud", "ti', b"[1, 2", b'"text"', b"\xff\xfe", b"{}")


def events(
    count: int,
    *,
    seed: int = 7,
    seconds: float = 0.002,
    rubbish: float = 0.003,
    late: float = 0.002,
    begin: float = START,
    ill: tuple[float, float] = (1 / 3, 2 / 3),
) -> Iterator[bytes]:
    """``count`` records, one each so many ``seconds`` of event time. From a third to two thirds of them the model
    ``fraud`` has lost three quarters of its amounts.
    """
    rng = np.random.default_rng(seed)
    sick = range(int(ill[0] * count), int(ill[1] * count))
    for first in range(0, count, 10_000):
        n = min(10_000, count - first)
        model, country = rng.integers(0, len(MODELS), n).tolist(), rng.integers(0, len(COUNTRIES), n).tolist()
        amount, age = np.round(rng.gamma(2.0, 50.0, n), 2).tolist(), np.round(rng.normal(40, 9, n), 1).tolist()
        score, latency = np.round(rng.random(n), 4).tolist(), np.round(rng.gamma(2.0, 0.01, n), 4).tolist()
        missing, other, fate = rng.random(n).tolist(), rng.random(n).tolist(), rng.random(n).tolist()
        for i in range(n):
            at = first + i
            if fate[i] < rubbish:
                yield RUBBISH[at % len(RUBBISH)]
                continue
            when = begin + at * seconds
            if fate[i] > 1 - late and when > begin + 120:
                when -= 60
            name = MODELS[model[i]]
            lost = missing[i] < (0.75 if name == "fraud" and at in sick else 0.02)
            value = "null" if lost else f"{amount[i] * (1 + country[i] / 4):.2f}"
            label = f',"label":{int(other[i] < score[i])}' if other[i] < 0.3 else ""
            error = ',"error":"timeout"' if other[i] > 0.99 else ""
            yield (
                f'{{"model":"{name}","time":{when:.3f},"features":{{"amount":{value},"age":{age[i]},'
                f'"country":"{COUNTRIES[country[i]]}"}},"prediction":{int(score[i] > 0.5)},"score":{score[i]},'
                f'"latency_seconds":{latency[i]}{label}{error}}}'
            ).encode()


def last(after: float) -> bytes:
    """An event that closes all panes before it."""
    return b'{"model":"fraud","time":%.3f,"features":{"amount":100.0,"age":40.0,"country":"DE"}}' % (
        after + FLUSH_SECONDS
    )


def settings(broker: Broker, topic: str, **sections: Any) -> dict[str, Any]:
    """Of a daemon that learns soon and judges often."""
    given = sections.pop("kafka", {})
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "start": "earliest",
            "session_timeout_seconds": 6,
            **given,
        },
        "learning": {"events": 2000},
        "windows": {"window_seconds": 20, "pane_seconds": 1, "out_of_orderness_seconds": 5, "idle_seconds": 3},
        **sections,
    }


def fill(broker: Broker, topic: str, values: Iterable[bytes], partitions: int = 1, **producer: Any) -> int:
    """Sends the values in turn to the partitions; how many."""
    sent = 0
    with broker.producer(**{"batch_size": 128 << 10, "linger_ms": 20, "acks": 1} | producer) as sending:
        for value in values:
            sending.send(topic, value, partition=sent % partitions)
            sent += 1
        sending.flush(timeout=300)
    return sent


def close(broker: Broker, topic: str, after: float, partitions: int) -> int:
    """The last event of each partition."""
    return fill(broker, topic, [last(after)] * partitions, partitions)


class Stream(threading.Thread):
    """Sends the values at a steady rate while other things happen."""

    def __init__(
        self, broker: Broker, topic: str, values: Iterable[bytes], partitions: int, rate: float, **producer: Any
    ) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.rate = rate
        self._renew = threading.Event()
        self._plan = broker, topic, values, partitions, producer
        self._halt = threading.Event()

    def run(self) -> None:
        broker, topic, values, partitions, producer = self._plan
        began, every = time.monotonic(), max(1, min(100, int(self.rate / 20)))
        sending = broker.producer(**producer)
        try:
            for value in values:
                if self._renew.is_set():
                    self._renew.clear()
                    end_producer(sending, 0.0)
                    sending = broker.producer(**producer)
                sending.send(topic, value, partition=self.sent % partitions)
                self.sent += 1
                if self.sent % every == 0 and (ahead := began + self.sent / self.rate - time.monotonic()) > 0:
                    self._halt.wait(ahead)
                if self._halt.is_set():
                    break
            sending.flush(timeout=300)
        finally:
            end_producer(sending, 10.0)  # without a time it may wait for ever

    def renew(self) -> None:
        """Goes on with another producer: kafka-python's may send nothing more after its broker was killed. What it has
        not sent is lost; who counts, counts the topic.
        """
        self._renew.set()

    def stop(self) -> int:
        """Ends it now; how many it has sent."""
        self._halt.set()
        return self.finish()

    def finish(self) -> int:
        """Sends the rest at once; how many it has sent."""
        self.rate = math.inf
        self.join()
        return self.sent
