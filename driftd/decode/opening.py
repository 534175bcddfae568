"""Records of any format to driftd's own events, as JSON: what a format has to say, and the loop over the records.

record -> the format's ``read`` -> an event, or several | one half of a call | no prediction
                                                          `- waits until the other half comes
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

from msgspec.json import encode

from driftd.core.event import DropReason, RecordBatch, RejectReason
from driftd.decode.json.fast import Unwrapped
from driftd.decode.json.strict import Refused
from driftd.decode.limits import LATEST_TIME, Limits
from driftd.decode.mapping.spec import FeatureSource, RecordMapping
from driftd.ingest.halves import Half, Halves

GROWS: Final = 16
"""How many times as large a record may be as JSON: a number of 8 bytes has up to 24 digits, and each row becomes an
event with all the names.
"""


class Record(NamedTuple):
    """One record; names of ``headers`` are small letters. ``timestamp`` in epoch seconds, NaN where there is none."""

    source: str
    value: bytes | None
    key: bytes | None
    headers: Mapping[str, bytes]
    timestamp: float


Read = bytes | Half | DropReason
"""Events as JSON, an object or an array; half of a call; or why it is none."""


class Opener(Protocol):
    """A stretch of records as events. Made once for each topic that has the format."""

    def open(self, records: RecordBatch, halves: Halves) -> Unwrapped | None:
        """None: the records are events as they are."""
        ...


class Format(Protocol):
    """A module of ``driftd.decode.formats``."""

    TITLE: str
    """What the records are called, for people."""
    PAIRS: bool
    """Whether requests and answers are records of their own; False where it is not there."""
    PROPOSED: Mapping[str, Any]
    """What the mapping needs beside the format."""
    REMARKS: Sequence[str]
    """What `driftd check --sample` says with it."""

    def opener(self, mapping: RecordMapping, limits: Limits) -> Opener:
        """For a topic whose mapping is given."""
        ...

    def recognise(self, record: Record) -> bool:
        """Whether a record looks like one of the format's, for `driftd check --sample`."""
        ...


class Reader(Protocol):
    def read(self, record: Record) -> Read:
        """Raises Refused."""
        ...


@dataclass(frozen=True, slots=True)
class EachRecord:
    """An Opener that reads record by record. ``across``: requests and answers lie in two topics."""

    reader: Reader
    limits: Limits
    across: bool = False

    def open(self, records: RecordBatch, halves: Halves) -> Unwrapped:
        values: list[bytes | None] = [None] * len(records)
        refused: dict[int, Refused] = {}
        passed: dict[int, DropReason | None] = {}
        read, source = self.reader.read, "" if self.across else records.source
        reached = -math.inf
        for i, record in enumerate(each(records)):
            try:
                got = read(record)
                if isinstance(got, Half):
                    self._require_time(got, record)
                    reached = max(reached, got.time)
                    made = _joined(halves, source, got)
                else:
                    made = got
            except Refused as why:
                refused[i] = why
                values[i] = record.value  # whoever explains the refusal may look at it
                continue
            if isinstance(made, bytes):
                values[i] = made
            else:
                passed[i] = made
        return Unwrapped(values, refused, passed=passed, dropped=halves.overflow(), reached=reached)

    def _require_time(self, half: Half, record: Record) -> None:
        """As of an event: how far a partition has been read depends on it."""
        if not 0 <= half.time < LATEST_TIME:
            raise Refused(RejectReason.BAD_TIME, "time: not in the years 1970 to 2200", half.model)
        ahead = half.time - record.timestamp
        if ahead > self.limits.future_seconds:
            most = f"at most {self.limits.future_seconds:.0f} s expected"
            raise Refused(
                RejectReason.FUTURE_TIME, f"time: {ahead:.0f} s ahead of the record's timestamp, {most}", half.model
            )


def each(records: RecordBatch) -> Iterable[Record]:
    count, source = len(records), records.source
    keys: Sequence[bytes | None] = [None] * count if records.keys is None else records.keys
    headers: Iterable[Any] = [()] * count if records.headers is None else records.headers
    columns = zip(records.values, keys, headers, records.timestamps.tolist(), strict=True)
    for value, key, names, timestamp in columns:
        yield Record(source, value, key, {name.lower(): text for name, text in names}, timestamp)


def _joined(halves: Halves, source: str, half: Half) -> bytes | DropReason | None:
    """The events of a call that is complete now."""
    other = halves.take(source, half)
    if not isinstance(other, Half):
        return other
    request, answer = (other, half) if half.answer else (half, other)
    return call(request, answer)


def call(request: Half, answer: Half) -> bytes:
    """The events of a call, one a row. Raises Refused where request and answer do not fit."""
    mine, theirs = len(request.rows), len(answer.rows)
    if theirs and theirs != mine:
        raise Refused(RejectReason.ROWS_DIFFER, f"the request has {mine} rows, and its answer {theirs}", request.model)
    took = answer.time - request.time
    head = b'"model":%b,"time":%b' % (encode(request.model), encode(request.time))
    tail = b",".join(part for part in (request.head, answer.head) if part)
    if took >= 0:
        head += b',"latency_seconds":%b' % encode(round(took, 6))
    if tail:
        head += b"," + tail
    names = [request.id] if mine == 1 else [f"{request.id}/{i}" for i in range(mine)]
    answers: Sequence[bytes] = answer.rows or [b""] * mine
    return together(
        b'{%b,"id":%b,%b%b}' % (head, encode(name), row, b"," + told if told else b"")
        for name, row, told in zip(names, request.rows, answers, strict=True)
    )


def together(events: Iterable[bytes]) -> bytes:
    """One event, or an array of several."""
    several = [*events]
    return several[0] if len(several) == 1 else b"[" + b",".join(several) + b"]"


def text_of(value: bytes | None, what: str) -> str:
    """A key or a header as text; "" where there is none. Raises Refused."""
    try:
        return (value or b"").decode()
    except UnicodeDecodeError:
        raise Refused(RejectReason.NOT_UTF8, f"{what}: not UTF-8") from None


def time_of(record: Record) -> float:
    """Of a platform whose records say none. Raises Refused."""
    if math.isnan(record.timestamp):
        raise Refused(RejectReason.BAD_TIME, "time: the record has no timestamp, and the format has no other time")
    return record.timestamp


def lists_rows(mapping: RecordMapping) -> bool:
    """Whether the mapping gives names to the items of a row that is a list."""
    return bool(mapping.features.names)


def is_plain(mapping: RecordMapping) -> bool:
    """Whether the mapping says nothing but the format."""
    return not mapping.fields and mapping.features == FeatureSource()
