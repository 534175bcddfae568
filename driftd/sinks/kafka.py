"""To Kafka: records that were not usable (dead letters), and findings as JSON.

Dead letters carry key, value and headers as they came, and beside them where and why, in headers of our own:
``__driftd.errors.{topic,partition,offset,timestamp,stage,code,message,app,version}``. Never any payload there.
Of a record that is larger than LETTER_BYTES, which the topic might not take, only the begin of its value is kept, and
``__driftd.errors.bytes`` says how large key, value and headers were.
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaProducer, errors

import driftd
from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch, Reject
from driftd.core.finding import Finding
from driftd.sinks.log import finding_json
from driftd.sources.kafka.settings import KafkaSettings, milliseconds
from driftd.sources.kafka.sockets import close_failed_attempts

log = logging.getLogger("driftd.kafka")

HEADER: Final = "__driftd.errors."
# The broker no longer knows this producer: every later send of it would fail the same way.
FATAL: Final = (
    errors.OutOfOrderSequenceNumberError,
    errors.UnknownProducerIdError,
    errors.InvalidProducerEpochError,
    errors.InvalidProducerIdMappingError,
    errors.ProducerFencedError,
)
REOPEN_SECONDS: Final = 10.0
LETTER_BYTES: Final = 900_000  # by default a topic takes batches of 1,048,588
KEPT_BYTES: Final = 65_536

Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Message:
    """One message, kept until the broker has it, so that a new producer can send it again."""

    value: bytes | None
    key: bytes | None
    headers: Headers
    partition: int | None = None
    future: Any = None


@dataclass(slots=True)
class Sender:
    """Messages to one topic, acknowledged by all replicas; at most ``max_pending`` wait for that at a time.

    Opens its producer with the first message and again after it broke, but not more often than every 10 s.
    ``send`` does not raise: what could not be sent is a failure that ``flush`` tells.
    """

    settings: KafkaSettings
    topic: str
    max_pending: int = 10_000
    last_error: str = ""
    _producer: Any = None
    _pending: list[Message] = field(default_factory=list)
    _failed: int = 0
    _reopen_at: float = 0.0

    def send(self, value: bytes | None, key: bytes | None, headers: Headers, partition: int | None = None) -> None:
        if len(self._pending) >= self.max_pending:
            self._settle()
        if len(self._pending) >= self.max_pending:
            self._failed += 1
            self.last_error = f"{self.max_pending} messages wait for the broker already"
            return
        self._submit(Message(value, key, headers, partition))

    def flush(self, timeout_seconds: float) -> int:
        """Wait until the broker has what was sent since the last flush; how many messages it does not have."""
        end = time.monotonic() + timeout_seconds
        again = self._settle(end)
        if again:  # once more, with a new producer
            self._close(timeout_seconds=0.0)
            self._reopen_at = 0.0
            for message in again:
                self._submit(message)
            self._failed += len(self._settle(end))
        for message in self._pending:
            self._failed += 1
            self.last_error = self.last_error or f"not acknowledged in {timeout_seconds:g} s"
            message.future = None
        self._pending.clear()
        failed, self._failed = self._failed, 0
        if failed:
            log.warning("topic '%s': %d messages not sent: %s", self.topic, failed, self.last_error)
        return failed

    def close(self, timeout_seconds: float = 5.0) -> None:
        self._close(timeout_seconds)

    def _submit(self, message: Message) -> None:
        try:
            producer = self._open()
            # Kafka knows messages with neither, kafka-python does not.
            value = b"" if message.value is None and message.key is None else message.value
            message.future = producer.send(
                self.topic, value=value, key=message.key, headers=message.headers, partition=message.partition
            )
            self._pending.append(message)
        except (errors.KafkaError, SourceError, AssertionError, ValueError) as error:
            self._failed += 1
            self.last_error = explained(error)

    def _settle(self, until: float | None = None) -> list[Message]:
        """Look at what is acknowledged, waiting at most until then; the answer is what a new producer must send."""
        if until is not None and self._producer is not None and self._pending:
            with contextlib.suppress(errors.KafkaError, AssertionError):
                self._producer.flush(timeout=max(0.01, until - time.monotonic()))
        again = []
        waiting = []
        for message in self._pending:
            if not message.future.is_done:
                waiting.append(message)
            elif message.future.failed():
                error = message.future.exception
                self.last_error = explained(error)
                if isinstance(error, FATAL):
                    again.append(message)
                else:
                    self._failed += 1
        self._pending = waiting
        if until is None and again:  # called from send(): only flush() has the time to send again
            self._failed += len(again)
            self._close(timeout_seconds=0.0)
        return again

    def _open(self) -> Any:
        if self._producer is None:
            now = time.monotonic()
            if now < self._reopen_at:
                raise SourceError(self.last_error or "no producer")
            self._reopen_at = now + REOPEN_SECONDS
            self._producer = open_producer(self.settings)
        return self._producer

    def _close(self, timeout_seconds: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(errors.KafkaError, AssertionError):
                producer.close(timeout=timeout_seconds)


def explained(error: Exception) -> str:
    """With its cure where the name of the error says too little."""
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return "no permission to write it, or it does not exist (needs DESCRIBE and WRITE)"
    if isinstance(error, errors.ClusterAuthorizationFailedError):
        return "no permission to write without duplicates (needs WRITE on the topic; before Kafka 3, IDEMPOTENT_WRITE)"
    if isinstance(error, errors.UnknownTopicOrPartitionError) or "update metadata" in str(error):
        return "it does not exist (create it), or no broker answers"
    return f"{type(error).__name__}: {error}"[:200]


def open_producer(settings: KafkaSettings) -> Any:
    """A KafkaProducer that has found its cluster. Raises SourceError; leaves no thread behind when it does."""
    close_failed_attempts()
    opened: list[Any] = []
    make = KafkaProducer.DEFAULT_CONFIG["kafka_client"]

    def client(**config: Any) -> Any:
        opened.append(make(**config))
        return opened[0]

    try:
        return KafkaProducer(
            **settings.connection()
            | {
                "kafka_client": client,
                "acks": "all",
                "enable_idempotence": True,
                "allow_auto_create_topics": False,
                "linger_ms": 20,
                "max_block_ms": 2000,  # a topic that does not exist holds the loop up no longer than this
                "delivery_timeout_ms": milliseconds(settings.request_timeout_seconds) + 1000,
                "max_request_size": 16 << 20,  # what the topic takes is the broker's to say
                "bootstrap_timeout_ms": milliseconds(settings.connect_timeout_seconds),
                "metrics_enabled": False,
            }
        )
    except (errors.KafkaTimeoutError, errors.NoBrokersAvailable, errors.IncompatibleBrokerVersion) as error:
        for one in opened:
            one.close()
        raise SourceError(f"{settings.where}: {error}") from None


@dataclass(slots=True)
class Breaker:
    """Open while most records are bad: then the topic is not a topic of events, and copying it helps nobody.

    Looks at the last ``least`` to ``2 * least`` records. Opens above ``share`` of bad ones, closes below half
    of that. The first bad records have been sent by then, enough to see what is wrong.
    """

    share: float = 0.5
    least: int = 1000
    is_open: bool = False
    _seen: float = 0.0
    _bad: float = 0.0

    def add(self, records: int, bad: int) -> bool:
        """Take note of a batch; True when the breaker has just opened or closed."""
        self._seen += records
        self._bad += bad
        while self._seen > 2 * self.least:
            self._seen /= 2
            self._bad /= 2
        before = self.is_open
        if self._seen >= self.least:
            self.is_open = self._bad > self._seen * (self.share / 2 if before else self.share)
        return before != self.is_open


@dataclass(slots=True)
class DeadLetters:
    """Rejected records, each once, to a topic. ``sent``, ``failed`` and ``suppressed`` (breaker open) only grow.

    ``flush`` must return before the checkpoint that covers the records is saved; it answers with how many
    could not be sent. A checkpoint does not wait for them: they are counted, and the log says why.
    """

    settings: KafkaSettings
    topic: str
    breaker: Breaker = field(default_factory=Breaker)
    sent: int = 0
    failed: int = 0
    suppressed: int = 0
    _sender: Sender | None = None
    _unflushed: int = 0

    def send(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        """Give also batches without rejects: the breaker must see the good records."""
        first: dict[int, Reject] = {}
        for reject in rejects:
            first.setdefault(reject.index, reject)
        if self.breaker.add(len(records), len(first)):
            state = "most records are rejected: no more dead letters until that ends" if self.breaker.is_open else "on"
            log.warning("dead letters to '%s': %s", self.topic, state)
        if self.breaker.is_open:
            self.suppressed += len(first)
            return
        if self._sender is None:
            self._sender = Sender(self.settings, self.topic)
        for reject in first.values():
            self._sender.send(*letter(records, reject))
            self._unflushed += 1

    def flush(self, timeout_seconds: float) -> int:
        if self._sender is None:
            return 0
        failed = self._sender.flush(timeout_seconds)
        self.failed += failed
        self.sent += self._unflushed - failed
        self._unflushed = 0
        return failed

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()


def letter(records: RecordBatch, reject: Reject) -> tuple[bytes | None, bytes | None, Headers]:
    """Value, key and headers of a dead letter."""
    value, headers = records.values[reject.index], headers_of(records, reject)
    key = None if records.keys is None else records.keys[reject.index]
    size = len(value or b"") + len(key or b"") + sum(len(name) + len(text) for name, text in headers)
    if size <= LETTER_BYTES:
        return value, key, headers
    ours = [(name, text) for name, text in headers if name.startswith(HEADER)]
    ours.append((f"{HEADER}bytes", str(size).encode()))
    return value and value[:KEPT_BYTES], key and key[:KEPT_BYTES], ours


def headers_of(records: RecordBatch, reject: Reject) -> Headers:
    """The record's own headers, less what an earlier driftd put there, and ours."""
    index = reject.index
    own = [] if records.headers is None else [(k, v) for k, v in records.headers[index] if not k.startswith(HEADER)]
    timestamp = records.timestamps[index]
    ours: Mapping[str, object] = {
        "topic": records.source,
        "partition": records.partition,
        "offset": int(records.offsets[index]),
        "timestamp": "" if timestamp != timestamp else round(timestamp * 1000),  # noqa: PLR0124  (NaN)
        "stage": "decode",
        "code": reject.reason.value,
        "message": reject.detail[:200],
        "app": "driftd",
        "version": driftd.__version__,
    }
    return own + [(HEADER + name, str(value).encode("utf-8", "replace")) for name, value in ours.items()]


@dataclass(slots=True)
class KafkaFindings:
    """Findings as JSON, keyed by model, so that one model's findings keep their order.

    ``flush`` raises SourceError when the broker does not have them all; they are then to be emitted again (the
    same finding has the same id).
    """

    settings: KafkaSettings
    topic: str
    timeout_seconds: float = 5.0
    to_json: Callable[[Finding], bytes] = finding_json
    _sender: Sender | None = None

    def emit(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            if self._sender is None:
                self._sender = Sender(self.settings, self.topic)
            key = finding.model.encode("utf-8", "replace")
            self._sender.send(self.to_json(finding), key, [("content-type", b"application/json")])

    def flush(self) -> None:
        if self._sender is None:
            return
        failed = self._sender.flush(self.timeout_seconds)
        if failed:
            raise SourceError(f"topic '{self.topic}': {failed} findings not sent: {self._sender.last_error}")

    def close(self) -> None:
        if self._sender is not None:
            self._sender.close()
