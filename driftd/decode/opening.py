"""Records of any format to driftd's own events, as JSON: what a format has to say, and the loop over the records.

record -> the format's ``read`` -> an event, or several | one half of a call | no prediction
                                                          `- waits until the other half comes
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol, TypeVar

from msgspec import ValidationError
from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RecordBatch, RejectReason
from driftd.decode.json.fast import Unwrapped
from driftd.decode.json.strict import DECODE_ERRORS, Refused, expected_in, malformed, require_room
from driftd.decode.limits import LATEST_TIME, Limits
from driftd.decode.mapping.spec import FeatureSource, RecordMapping
from driftd.ingest.halves import Half, Halves

T = TypeVar("T")
PATH: Final = "driftd-path"
"""The header that says in which file a record was: platforms have what it is of in the folders' names."""


UNFORESEEN: Final = (
    *(ArithmeticError, AssertionError, AttributeError, LookupError),
    *(NotImplementedError, RecursionError, TypeError, ValueError),
)
"""What a mistake of driftd raises. One record must not end the process, which would read it again after each start."""


class Record(NamedTuple):
    """One record; names of ``headers`` are small letters. ``timestamp`` in epoch seconds, NaN where there is none."""

    source: str
    value: bytes | None
    key: bytes | None
    headers: Mapping[str, bytes]
    timestamp: float


class Beside(NamedTuple):
    """Events as JSON, b"" where there are none, and how many others of the record are dropped, by reason."""

    events: bytes
    dropped: Mapping[DropReason, int]


Read = bytes | Beside | Half | DropReason
"""Events as JSON, an object or an array; half of a call; or why it is none."""


class Opener(Protocol):
    """A stretch of records as events. Made once for each topic that has the format."""

    def open(self, records: RecordBatch, halves: Halves) -> Unwrapped | None:
        """None: the records are events as they are."""
        ...


class Format(Protocol):
    """A module of ``driftd.decode.formats``. One whose records are columns has ``codec`` in place of ``opener``, with
    the same arguments, for a driftd.decode.Codec.
    """

    TITLE: str
    """What the records are called, for people."""
    PAIRS: bool
    """Whether requests and answers are records of their own; False where it is not there."""
    PROPOSED: Mapping[str, Any]
    """What the mapping needs beside the format."""
    REMARKS: Sequence[str]
    """What `driftd check --sample` says with it."""
    NEEDS: str
    """What the platform has to write, for records of which nothing, or no prediction, can be read."""

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
        reached, beside = -math.inf, Counter[DropReason]()
        for i, record in enumerate(each(records)):
            try:
                got = read(record)
                if isinstance(got, Half):
                    self._require_time(got, record)
                    reached = max(reached, got.time)
                    made = _joined(halves, source, got)
                elif isinstance(got, Beside):
                    made = got.events or None
                    beside.update(got.dropped)
                else:
                    made = got
            except Refused as why:
                refused[i] = why
            except UNFORESEEN as error:
                refused[i] = unforeseen(error)
            if i in refused:
                values[i] = record.value  # whoever explains the refusal may look at it
                continue
            if isinstance(made, bytes):
                values[i] = made
            else:
                passed[i] = made
        return Unwrapped(values, refused, passed=passed, dropped=halves.overflow() + beside, reached=reached)

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


def unforeseen(error: BaseException) -> Refused:
    """A record that made driftd fail; the text has nothing of what is in it."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    at = "" if last is None else f" in {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}"
    return Refused(RejectReason.UNDECODABLE, f"driftd failed on it, please report it: {type(error).__name__}{at}")


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
    took = answer.time - request.time
    head = [b'"latency_seconds":%b' % encode(round(took, 6))] if took >= 0 else []
    head += [part for part in (request.head, answer.head) if part]
    return events_of_call(request.model, request.time, request.id, head, request.rows, answer.rows)


def events_of_call(
    model: str,
    time: float,
    identity: str | Sequence[str],
    head: Iterable[bytes],
    asked: Sequence[bytes],
    told: Sequence[bytes],
) -> bytes:
    """One a row, of what was asked and what was told, as members of events; of either there may be nothing, and so of
    ``model`` (""), ``time`` (NaN) and ``identity`` (the call's, or that of each row). Raises Refused where the numbers
    of rows differ.
    """
    rows = len(asked) or len(told)
    if asked and told and len(asked) != len(told):
        raise Refused(
            RejectReason.ROWS_DIFFER, f"the request has {len(asked)} rows, and its answer {len(told)}", model or None
        )
    first = [b'"model":%b' % encode(model)] if model else []
    first += [] if math.isnan(time) else [b'"time":%b' % encode(time)]
    same = b",".join((*first, *head))
    own = sum(map(len, asked)) + sum(map(len, told))
    require_room(rows, len(same) + (len(identity) if isinstance(identity, str) else 0), own)
    if isinstance(identity, str):
        ids: Sequence[str] = [identity] if rows == 1 else [f"{identity}/{i}" for i in range(rows)]
    elif len(identity) != rows:
        raise Refused(RejectReason.ROWS_DIFFER, f"{len(identity)} ids, and {rows} rows", model or None)
    else:
        ids = identity
    named = [b'"id":%b' % encode(name) for name in ids] if identity else [b""] * rows
    parts = zip(named, asked or [b""] * rows, told or [b""] * rows, strict=True)
    return together(b"{%b}" % b",".join(filter(None, (same, *part))) for part in parts)


def together(events: Iterable[bytes]) -> bytes:
    """One event, or an array of several."""
    several = [*events]
    return several[0] if len(several) == 1 else b"[" + b",".join(several) + b"]"


def seconds_of(moment: datetime | None) -> float:
    """Epoch seconds, in UTC where it names no offset; NaN where there is none."""
    if moment is None:
        return math.nan
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()


def shaped(decoder: Decoder[T], value: bytes, what: str) -> T:
    """A record as the format has it. Raises Refused."""
    try:
        return decoder.decode(value)
    except ValidationError as error:
        where = str(error).partition(" - at `$")[2].rstrip("`").lstrip(".") or "record"
        reason = RejectReason.BAD_TIME if "RFC3339" in str(error) else RejectReason.WRONG_TYPE
        raise Refused(reason, f"{where}: not as {what} has it{expected_in(error)}") from None
    except DECODE_ERRORS as error:
        raise malformed(value, error) from None


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
