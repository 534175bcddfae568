"""The topic that events go to: written with acks=all, and what was acknowledged is known for each record."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from kafka import errors

from driftd.core.errors import SourceError
from driftd.receive.body import Record
from driftd.sinks.kafka import end_producer, explained, open_producer
from driftd.sources.kafka.settings import KafkaSettings

log = logging.getLogger("driftd.kafka")

REOPEN_SECONDS: Final = 1.0
"""After an attempt to reach Kafka that failed, so long nobody tries, and requests are answered at once."""
LINGER_SECONDS: Final = 0.005
"""For records of other requests to go along: a request is not answered before."""
LEAST_BYTES: Final = 16_384
"""A record up to this size is sent with the others: the producer's own batches are as large."""
FORGET_SECONDS: Final = 60.0
"""After which a size that the topic refused is tried again: its max.message.bytes may have been raised."""
_TOO_LARGE: Final = (errors.MessageSizeTooLargeError, errors.RecordListTooLargeError)


@dataclass(frozen=True, slots=True)
class Written:
    """Of each record whether it is ``acknowledged``; ``too_large``: the topic will never take these. ``problem`` of the
    others: they may be in the topic all the same, where only the answer is missing.
    """

    acknowledged: Sequence[bool]
    too_large: frozenset[int] = frozenset()
    problem: str = ""


class Topic:
    """Safe to use from many threads: they share a producer, which one of them opens, and again after it broke."""

    def __init__(self, settings: KafkaSettings, name: str, ack_seconds: float) -> None:
        # kafka-python gives a record up when it was tried for so long, and a second more (open_producer)
        self.settings = replace(settings, request_timeout_seconds=max(ack_seconds - 1.0, 1.0))
        self.name, self._ack_seconds = name, ack_seconds
        self._producer: Any = None
        self._opening, self._trying = threading.Lock(), threading.Lock()
        self._fits, self._too_much, self._too_much_until = LEAST_BYTES, 0, 0.0
        self._retry_at, self.problem, self.written_at = 0.0, "", -1e9

    def write(self, records: Sequence[Record]) -> Written:
        """Sends the records and waits for the acknowledgements of all of them, for ``ack_seconds`` at most."""
        large = [i for i, record in enumerate(records) if record.size > self._fits]
        if not large:
            return self._write_together(records)
        apart = {i: self._try(records[i]) for i in large}
        others = [i for i in range(len(records)) if i not in apart]
        together = self._write_together([records[i] for i in others]) if others else Written(())
        done = dict(zip(others, together.acknowledged, strict=True)) | {i: o.acknowledged[0] for i, o in apart.items()}
        refused = {others[k] for k in together.too_large} | {i for i, one in apart.items() if one.too_large}
        problem = together.problem or next((one.problem for one in apart.values() if one.problem), "")
        return Written(tuple(done[i] for i in range(len(records))), frozenset(refused), problem)

    def _try(self, record: Record) -> Written:
        """Sends a record larger than any that the topic took by a producer of its own: it breaks where the topic does
        not take it, and with the shared one so would all that others have in flight.
        """
        with self._trying:
            if record.size <= self._fits:
                return self._write_together([record])
            if record.size >= self._too_much and time.monotonic() < self._too_much_until:
                return Written((False,), frozenset({0}))
            try:
                producer = open_producer(self.settings, 0.0)
            except SourceError as e:
                return Written((False,), problem=str(e))
            try:
                outcome = self._send(producer, [record])
            finally:
                with contextlib.suppress(errors.KafkaError):
                    end_producer(producer, 0.0)
            if outcome.acknowledged[0]:
                self._fits = max(self._fits, record.size)
            elif outcome.too_large:
                self._too_much, self._too_much_until = record.size, time.monotonic() + FORGET_SECONDS
            return outcome

    def _write_together(self, records: Sequence[Record]) -> Written:
        outcome = self._write(records)
        if outcome.too_large and len(records) > 1:  # a topic that takes less than LEAST_BYTES, or less than it did
            each = [
                Written((True,)) if done else self._write([record])
                for record, done in zip(records, outcome.acknowledged, strict=True)
            ]
            outcome = Written(
                tuple(one.acknowledged[0] for one in each),
                frozenset(i for i, one in enumerate(each) if one.too_large),
                next((one.problem for one in each if one.problem), ""),
            )
        return outcome

    def _write(self, records: Sequence[Record]) -> Written:
        try:
            producer = self._open()
        except SourceError as e:
            return Written((False,) * len(records), problem=str(e))
        outcome = self._send(producer, records)
        if outcome.too_large:
            self._fits = LEAST_BYTES
        if outcome.problem or outcome.too_large:
            # It may have no way back: one whose records expired while the broker was away never sends again (3.0.12),
            # nor does one of which the broker refused a record.
            self._give_up(producer)
        self._told(outcome.problem, any(outcome.acknowledged))
        return outcome

    def _send(self, producer: Any, records: Sequence[Record]) -> Written:
        end, futures, problem = time.monotonic() + self._ack_seconds, list[Any](), ""
        try:
            futures += [producer.send(self.name, r.value, key=r.key, headers=[*r.headers]) for r in records]
        except _TOO_LARGE:
            return Written((False,) * len(records), frozenset(range(len(records))))
        except (errors.KafkaError, AssertionError) as e:
            problem = explained(e)
        acknowledged, too_large = [False] * len(records), set[int]()
        for i, future in enumerate(futures):
            try:
                future.get(timeout=max(0.0, end - time.monotonic()))
                acknowledged[i] = True
            except _TOO_LARGE:
                too_large.add(i)
            except errors.KafkaTimeoutError:
                problem = problem or f"not acknowledged in {self._ack_seconds:g} s"
            except (errors.KafkaError, AssertionError) as e:
                problem = explained(e)
        return Written(tuple(acknowledged), frozenset(too_large), problem)

    def _told(self, problem: str, written: bool) -> None:
        """Says once when writing begins to fail, and once when it works again."""
        if written:
            self.written_at = time.monotonic()
        if bool(problem) != bool(self.problem):
            where = f"topic '{self.name}'"
            (log.warning if problem else log.info)("%s", f"{where}: {problem or 'takes events again'}")
        self.problem = problem

    def _open(self) -> Any:
        """Raises SourceError."""
        with self._opening:
            if self._producer is None:
                if time.monotonic() < self._retry_at:
                    raise SourceError(self.problem or f"{self.settings.where}: out of reach")
                try:
                    self._producer = open_producer(self.settings, LINGER_SECONDS)
                except SourceError as e:
                    self._retry_at = time.monotonic() + REOPEN_SECONDS
                    self._told(str(e), written=False)
                    raise
            return self._producer

    def _give_up(self, producer: Any) -> None:
        with self._opening:
            if self._producer is producer:
                self._producer = None
        with contextlib.suppress(errors.KafkaError):
            end_producer(producer, 0.0)

    def close(self, seconds: float) -> None:
        with self._opening:
            producer, self._producer = self._producer, None
        if producer is not None:
            end_producer(producer, seconds)
