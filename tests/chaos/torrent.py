"""More bytes a second than a producer in Python makes: batches are made once, and sent again and again as they are."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Final

from kafka.record.memory_records import MemoryRecordsBuilder

from tests.servers.kafka import Broker

LZ4: Final = 3
PRODUCE, VERSION = 0, 3
BATCH_RECORDS: Final = 30
IN_FLIGHT: Final = 4
"""Requests that wait for their answer."""


@dataclass
class Torrent:
    """Sends the values over and over to partition 0, ``rate`` a second, as far as the broker takes them."""

    broker: Broker
    topic: str
    values: Sequence[bytes]
    rate: float
    _halt: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)
    _failed: str = ""

    def __post_init__(self) -> None:
        parts = [self.values[i : i + BATCH_RECORDS] for i in range(0, len(self.values), BATCH_RECORDS)]
        self._requests = [(len(part), self._request(part)) for part in parts]
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._halt.set()
        self._thread.join()
        assert not self._failed, self._failed

    def _request(self, values: Sequence[bytes]) -> bytes:
        """A Produce request, version 3, with one batch."""
        builder = MemoryRecordsBuilder(2, LZ4, 1 << 30)
        now = int(time.time() * 1000)
        for value in values:
            builder.append(now, None, value)
        builder.close()
        batch, topic = bytes(builder.buffer()), self.topic.encode()
        head = struct.pack(">hhih", PRODUCE, VERSION, 0, -1)  # no client id
        about = struct.pack(f">hhii h{len(topic)}s ii i", -1, 1, 30_000, 1, len(topic), topic, 1, 0, len(batch))
        return struct.pack(">i", len(head) + len(about) + len(batch)) + head + about + batch

    def _run(self) -> None:
        host, _, port = self.broker.bootstrap.rpartition(":")
        began, sent, waiting = time.monotonic(), 0, 0
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            answers = connection.makefile("rb")
            for records, request in cycle(self._requests):
                connection.sendall(request)
                sent, waiting = sent + records, waiting + 1
                if waiting == IN_FLIGHT:
                    waiting -= 1
                    (size,) = struct.unpack(">i", answers.read(4))
                    answer = answers.read(size)
                    (error,) = struct.unpack_from(">h", answer, 4 + 4 + 2 + len(self.topic) + 4 + 4)
                    if error:
                        self._failed = f"the broker refuses what is sent to {self.topic}: error {error}"
                        return
                ahead = began + sent / self.rate - time.monotonic()
                if self._halt.wait(max(0.0, ahead)):
                    return
