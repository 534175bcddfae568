"""To Kafka: records that were not usable (dead letters), and findings as JSON.

Dead letters carry key, value and headers as they came, or what driftd.sinks.redaction makes of them, and beside them
where and why, in headers of our own:
``__driftd.errors.{topic,partition,offset,timestamp,stage,code,message,app,version}``. Never any payload there.
Of a record that is larger than LETTER_BYTES, which the topic might not take, only the begin of its value is kept; then,
and where redaction took the value away, ``__driftd.errors.bytes`` says how large key, value and headers were.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from kafka import KafkaProducer, errors

import driftd
from driftd.core.errors import SourceError
from driftd.core.event import RecordBatch, Reject
from driftd.core.finding import Finding
from driftd.sinks.log import finding_json
from driftd.sinks.redaction import Redact
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
# Records that expired while they were in flight leave kafka-python's sequence in doubt: it never sends again (3.0.12,
# with the broker back for a minute). A new producer does.
LOST: Final = (*FATAL, errors.KafkaTimeoutError, errors.TopicAuthorizationFailedError)
# Trying again does not help: a message is not what the topic takes. The producer then fails all others the same way.
NEVER_TAKEN: Final = (
    errors.MessageSizeTooLargeError,
    errors.RecordListTooLargeError,
    errors.InvalidRecordError,
    TypeError,
    ValueError,
)
REOPEN_SECONDS: Final = 10.0
FAILING_SECONDS: Final = 0.5
LINGER_SECONDS: Final = 0.02
LETTERS_LINGER_SECONDS: Final = 1.0
"""Nobody waits for a dead letter before the checkpoint, and a request costs as much as several letters. Measured: of
500 letters a second each costs 170 us of processor time so, and 250 to 340 us where each request carries ten.
"""
BATCH_BYTES: Final = 128 << 10
"""Of messages that go to the broker together. Each batch wakes the library's thread, which waits for Python's lock: in
batches of 16 kB, the library's default, a dead letter costs twice as much.
"""
PART_SECONDS: Final = 0.01
"""Between two looks at parts of a batch. Chosen: short against a request."""
MOST_WAITING: Final = 10_000
MOST_BYTES: Final = 64 << 20
LETTER_BYTES: Final = 900_000  # by default a topic takes batches of 1,048,588
KEPT_BYTES: Final = 65_536

Headers = list[tuple[str, bytes]]


@dataclass(slots=True)
class Message:
    """One message, kept until the broker has it."""

    value: bytes | None
    key: bytes | None
    headers: Headers
    partition: int | None = None
    future: Any = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = _size(self.value, self.key, self.headers)


@dataclass(slots=True)
class Sender:
    """Messages to one topic, acknowledged by all replicas; each is kept until the broker has it.

    Opens its producer with the first message and again after it broke, but not more often than every 10 s.
    ``send`` does not raise. What the topic never takes, and what comes while MOST_WAITING messages or MOST_BYTES wait,
    is ``given_up``. ``delivered`` and ``given_up`` only grow.
    """

    settings: KafkaSettings
    topic: str
    linger_seconds: float = LINGER_SECONDS
    max_pending: int = MOST_WAITING
    last_error: str = ""
    delivered: int = 0
    given_up: int = 0
    _producer: Any = None
    _unsent: deque[Message] = field(default_factory=deque)
    _sent: list[Message] = field(default_factory=list)
    _bytes: int = 0
    _retry_at: float = 0.0
    _failing: bool = False
    _told: int = 0

    @property
    def waiting(self) -> int:
        """Messages that the broker does not have yet."""
        return len(self._unsent) + len(self._sent)

    def send(self, value: bytes | None, key: bytes | None, headers: Headers, partition: int | None = None) -> None:
        message = Message(value, key, headers, partition)
        if self._is_full(message):
            self._settle()
        if self._is_full(message):
            self.given_up += 1
            self.last_error = self.last_error or f"{self.waiting} messages wait for the broker already"
            return
        self._unsent.append(message)
        self._bytes += message.size
        self._submit()

    def flush(self, timeout_seconds: float) -> int:
        """Wait until the broker has what was sent; how many messages it does not have. The next flush tries again.

        While the topic takes nothing, each flush waits for FAILING_SECONDS only: the loop has other work.
        """
        end = time.monotonic() + (min(timeout_seconds, FAILING_SECONDS) if self._failing else timeout_seconds)
        self._retry_at = 0.0
        self._submit()
        again = True
        while again:
            given_up = self.given_up
            failed = self._settle(end)
            again = failed and self.given_up > given_up  # those behind it failed with it
            self._submit()
        self._settle(end)
        if self.waiting and not self._failing:
            self.last_error = self.last_error or f"not acknowledged in {timeout_seconds:g} s"
            log.warning("topic '%s': %d messages wait: %s", self.topic, self.waiting, self.last_error)
        elif self._failing and not self.waiting:
            log.info("topic '%s': takes messages again", self.topic)
        if self.given_up > self._told:
            log.warning("topic '%s': %d messages given up: %s", self.topic, self.given_up - self._told, self.last_error)
            self._told = self.given_up
        self._failing = bool(self.waiting)
        if not self._failing:
            self.last_error = ""
        return self.waiting

    def close(self, timeout_seconds: float = 5.0) -> None:
        self._close(timeout_seconds)

    def _is_full(self, message: Message) -> bool:
        return self.waiting >= self.max_pending or self._bytes + message.size > MOST_BYTES

    def _submit(self) -> None:
        """Gives the producer what it does not have, unless that has just failed: it may have taken two seconds."""
        while self._unsent and time.monotonic() >= self._retry_at:
            message = self._unsent[0]
            # Kafka knows messages with neither, kafka-python does not.
            value = b"" if message.value is None and message.key is None else message.value
            try:
                message.future = self._open().send(
                    self.topic, value=value, key=message.key, headers=message.headers, partition=message.partition
                )
                if message.future.is_done and message.future.failed():  # the topic is not there, or not ours to write
                    raise message.future.exception
                self._sent.append(self._unsent.popleft())
            except NEVER_TAKEN as error:
                self._give_up(self._unsent.popleft(), error)
            except (errors.KafkaError, SourceError, AssertionError) as error:
                self.last_error = explained(error)
                self._retry_at = time.monotonic() + REOPEN_SECONDS
                if isinstance(error, errors.TopicAuthorizationFailedError):  # it remembers, and asks nobody again
                    self._close(timeout_seconds=0.0)

    def _settle(self, until: float | None = None) -> bool:
        """Look at what is acknowledged, waiting at most until then; whether some has failed and is to be sent again."""
        if until is not None and self._producer is not None and self._sent:
            self._wait(until)
        done = [message for message in self._sent if message.future.is_done]
        self._sent = [message for message in self._sent if not message.future.is_done]
        again = [message for message in done if message.future.failed()]
        self.delivered += len(done) - len(again)
        self._bytes -= sum(message.size for message in done if not message.future.failed())
        refused = [message for message in again if isinstance(message.future.exception, NEVER_TAKEN)]
        if refused:  # the largest of them is: it may have taken smaller ones with it
            worst = max(refused, key=lambda message: message.size)
            again.remove(worst)
            self._give_up(worst, worst.future.exception)
        elif again:
            self.last_error = explained(again[0].future.exception)
        self._unsent.extendleft(reversed(again))
        if any(isinstance(message.future.exception, (*LOST, *NEVER_TAKEN)) for message in (*again, *refused)):
            self._close(timeout_seconds=0.0)
        return bool(again)

    def _wait(self, until: float) -> None:
        """Until the broker has answered about what was sent. The library's flush ends early where a batch that was too
        large is sent again in parts.
        """
        while True:
            try:
                self._producer.flush(timeout=max(0.01, until - time.monotonic()))
            except AssertionError:  # it is closed
                return
            except errors.KafkaError:  # of one of the batches, or the time is up
                pass
            if all(message.future.is_done for message in self._sent) or time.monotonic() >= until:
                return
            time.sleep(PART_SECONDS)

    def _give_up(self, message: Message, error: Exception) -> None:
        self.given_up += 1
        self._bytes -= message.size
        self.last_error = explained(error)

    def _open(self) -> Any:
        if self._producer is None:
            self._producer = open_producer(self.settings, self.linger_seconds)
        return self._producer

    def _close(self, timeout_seconds: float) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            end_producer(producer, timeout_seconds)


def explained(error: Exception) -> str:
    """With its cure where the name of the error says too little."""
    if isinstance(error, errors.TopicAuthorizationFailedError):
        return "no permission to write it, or it does not exist (needs DESCRIBE and WRITE)"
    if isinstance(error, errors.ClusterAuthorizationFailedError):
        return "no permission to write without duplicates (needs WRITE on the topic; before Kafka 3, IDEMPOTENT_WRITE)"
    if isinstance(error, errors.UnknownTopicOrPartitionError) or "update metadata" in str(error):
        return "it does not exist (create it), or no broker answers"
    return f"{type(error).__name__}: {error}"[:200]


def open_producer(settings: KafkaSettings, linger_seconds: float = LINGER_SECONDS) -> Any:
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
                "linger_ms": milliseconds(linger_seconds),
                "batch_size": BATCH_BYTES,
                "max_block_ms": 2000,  # a topic that does not exist holds the loop up no longer than this
                "delivery_timeout_ms": milliseconds(settings.request_timeout_seconds) + 1000,
                "max_request_size": 16 << 20,  # what the topic takes is the broker's to say
                "bootstrap_timeout_ms": milliseconds(settings.connect_timeout_seconds),
                "metrics_enabled": False,
            }
        )
    except errors.KafkaError as error:
        for one in opened:
            one.close()
        raise SourceError(f"{settings.where}: {error}") from None


def end_producer(producer: Any, timeout_seconds: float) -> None:
    """Closes it. One that has messages left raises then, and its thread goes on for ever: that is ended, too."""
    try:
        producer.close(timeout=timeout_seconds)
    except (errors.KafkaError, AssertionError):
        sender = getattr(producer, "_sender", None)  # kafka-python's own, of which nothing public ends it
        if sender is not None:
            sender.force_close()
            producer._closed = True  # noqa: SLF001  (else its finalizer waits, and complains, once more)


@dataclass(slots=True)
class DeadLetters:
    """Rejected records, each once, to a topic. ``sent`` and ``failed`` (given up) only grow.

    ``flush`` must return before the checkpoint that covers the records is saved. It raises SourceError while the broker
    does not have them all; the next flush tries again.
    """

    settings: KafkaSettings
    topic: str
    redact: Redact | None = None
    _sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self._sender = Sender(self.settings, self.topic, LETTERS_LINGER_SECONDS)

    @property
    def sent(self) -> int:
        return self._sender.delivered

    @property
    def failed(self) -> int:
        return self._sender.given_up

    def send(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        first: dict[int, Reject] = {}
        for reject in rejects:
            first.setdefault(reject.index, reject)
        for reject in first.values():
            self._sender.send(*letter(records, reject, self.redact))

    def flush(self, timeout_seconds: float) -> None:
        waiting = self._sender.flush(timeout_seconds)
        if waiting:
            raise SourceError(f"topic '{self.topic}': {waiting} dead letters wait: {self._sender.last_error}")

    def close(self) -> None:
        self._sender.close()


def letter(
    records: RecordBatch, reject: Reject, redact: Redact | None = None
) -> tuple[bytes | None, bytes | None, Headers]:
    """Value, key and headers of a dead letter."""
    index = reject.index
    value, key = records.values[index], None if records.keys is None else records.keys[index]
    # less what an earlier driftd put there
    own = [] if records.headers is None else [(k, v) for k, v in records.headers[index] if not k.startswith(HEADER)]
    ours = headers_of(records, reject)
    size = _size(value, key, own)
    told = [*ours, (f"{HEADER}bytes", str(size).encode())]
    if redact is None:
        if size + _size(None, None, ours) <= LETTER_BYTES:
            return value, key, own + ours
        return value and value[:KEPT_BYTES], key and key[:KEPT_BYTES], told
    left, key, own = redact(value, key, own)
    if _size(left, key, own) > LETTER_BYTES:
        return None, None, told
    return left, key, own + (ours if left is not None or value is None else told)


def _size(value: bytes | None, key: bytes | None, headers: Headers) -> int:
    return len(value or b"") + len(key or b"") + sum([len(name) + len(text) for name, text in headers])


def headers_of(records: RecordBatch, reject: Reject) -> Headers:
    """Ours: where and why."""
    timestamp = records.timestamps[reject.index]
    milliseconds_or_none = "" if timestamp != timestamp else round(timestamp * 1000)  # noqa: PLR0124  (NaN)
    return [
        (f"{HEADER}topic", records.source.encode("utf-8", "replace")),
        (f"{HEADER}partition", b"%d" % records.partition),
        (f"{HEADER}offset", b"%d" % records.offsets[reject.index]),
        (f"{HEADER}timestamp", str(milliseconds_or_none).encode()),
        (f"{HEADER}stage", b"decode"),
        (f"{HEADER}code", reject.reason.value.encode()),
        (f"{HEADER}message", reject.detail[:200].encode("utf-8", "replace")),
        (f"{HEADER}app", b"driftd"),
        (f"{HEADER}version", driftd.__version__.encode()),
    ]


@dataclass(slots=True)
class KafkaFindings:
    """Findings as JSON, keyed by model, so that one model's findings keep their order.

    ``flush`` raises SourceError while the broker does not have them all; the next flush tries again.
    """

    settings: KafkaSettings
    topic: str
    timeout_seconds: float = 5.0
    to_json: Callable[[Finding], bytes] = finding_json
    _sender: Sender = field(init=False)

    def __post_init__(self) -> None:
        self._sender = Sender(self.settings, self.topic)

    def emit(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            key = finding.model.encode("utf-8", "replace")
            self._sender.send(self.to_json(finding), key, [("content-type", b"application/json")])

    def flush(self) -> None:
        waiting = self._sender.flush(self.timeout_seconds)
        if waiting:
            raise SourceError(f"topic '{self.topic}': {waiting} findings wait: {self._sender.last_error}")

    def close(self) -> None:
        self._sender.close()
