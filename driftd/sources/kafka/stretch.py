"""A stretch of topics as a file of events: for replay and `driftd reference build`."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from driftd.core.errors import ConfigError, SourceRefused
from driftd.core.event import RecordBatch, TopicPartition
from driftd.decode import Codec, Limits, codec_of, pairs
from driftd.decode.limits import DEFAULT_LIMITS
from driftd.sources import Gap
from driftd.sources.files.stream import ROWS, Progress
from driftd.sources.kafka.history import read_range
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.topics import check_topics

Place = int | datetime | None
ABREAST_SECONDS: Final = 60.0
"""Partitions of which calls are joined are read so far apart at the most. Chosen: a tenth of what a half waits."""
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def place(text: str | None, option: str, now: float | None = None) -> Place:
    """Where a stretch begins or ends: a time (RFC 3339, in UTC where it names no offset; epoch seconds; ``-2h`` before
    now), ``offset:N`` in every partition, or None for the edge of what there is.
    """
    if text is None or text in {"earliest", "latest"}:
        return None
    if match := re.fullmatch(r"offset:(\d+)", text):
        return int(match[1])
    if match := re.fullmatch(r"-(\d+)([smhd])", text):
        ago = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        return datetime.fromtimestamp(time.time() if now is None else now, UTC) - ago
    try:
        if re.fullmatch(r"\d+(\.\d+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            f"{option}: expected a time such as 2026-11-23T06:00:00Z, epoch seconds, -2h, or offset:N, got {text!r}"
        ) from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


class TopicEvents:
    """The records of topics from ``start`` up to ``end`` (exclusive), read without a group.

    Raises SourceError or SourceRefused where one cannot be read.
    """

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[str], start: Place, end: Place, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self.name = ", ".join(topics)
        self.codec = codec_of(limits)
        reports = check_topics(replace(settings, topics=tuple(topics))).topics
        for report in reports:
            if report.problem:
                raise SourceRefused(f"{settings.where}: topic '{report.name}': {report.problem}")
        self.partitions: tuple[TopicPartition, ...] = tuple((r.name, i) for r in reports for i in range(r.partitions))
        mappings = [limits.mappings.of(topic) for topic in topics]
        joined = any(mapping is not None and pairs(mapping.format) for mapping in mappings)
        self._abreast_seconds = ABREAST_SECONDS if joined else math.inf
        self._settings, self._topics, self._start, self._end = settings, topics, start, end
        self._done = 0

    def batches(self, size: int = ROWS) -> Iterator[RecordBatch | Gap]:  # noqa: ARG002  the broker's batches are taken as they come
        abreast = self._abreast_seconds
        for records in read_range(self._settings, self._topics, self._start, self._end, abreast_seconds=abreast):
            self._done += records.records if isinstance(records, Gap) else len(records)
            yield records

    def codec_within(self, limits: Limits) -> Codec:
        return codec_of(limits)

    def progress(self) -> Progress:
        return Progress(self._done, None, "records")
