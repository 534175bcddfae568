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
        self._opening = threading.Lock()
        self._retry_at, self.problem, self.written_at = 0.0, "", -1e9

    def write(self, records: Sequence[Record]) -> Written:
        """Sends the records and waits for the acknowledgements of all of them, for ``ack_seconds`` at most."""
        outcome = self._write(records)
        if outcome.too_large and len(records) > 1:  # one that is too large takes its batch with it
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
        end, futures, problem = time.monotonic() + self._ack_seconds, list[Any](), ""
        try:
            producer = self._open()
        except SourceError as e:
            return Written((False,) * len(records), problem=str(e))
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
        if problem or too_large:
            # It may have no way back: one whose records expired while the broker was away never sends again (3.0.12).
            self._give_up(producer)
        self._told(problem, any(acknowledged))
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
