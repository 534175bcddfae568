"""MLRun's monitoring stream: one record a call, with inputs, outputs and latency (docs/how-to/mlrun.md).

`microsec` is the part of the latency below a second. How many seconds there were beside it is told by the record's own
timestamp, since MLRun writes it when the call ends; where that does not fit, the event has no latency.
Source: mlrun, mlrun/serving/v2_serving.py (_ModelLogPusher) and system_steps.py, 1.12.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, events_of_call, lists_rows, seconds_of, shaped
from driftd.decode.payload import Rows, named_row
from driftd.decode.protocol import answered, features_of

TITLE: Final = "MLRun monitoring stream"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "requests need inputs, and what `predict` of the model server returns is the answer's outputs"
_NULL: Final = Raw(b"null")
_OFF: Final = 0.3
"""Seconds that the record's timestamp may lie from whole seconds and `microsec` behind the call's begin. Chosen: longer
than writing takes, and short enough to tell 1.2 s from 0.2 s."""
_MOST_SECONDS: Final = 600
"""A timestamp further behind is of a record that was written again."""


class _Request(Struct, gc=False):
    id: str | int | None = None
    inputs: Raw = _NULL
    input_schema: list[str] | None = None


class _Answer(Struct, gc=False):
    outputs: Raw = _NULL
    output_schema: list[str] | None = None


class _Call(Struct, gc=False):
    model: str | None = None
    when: datetime | None = None
    op: str | None = None
    request: _Request | None = None
    resp: _Answer | None = None
    error: Raw = _NULL
    microsec: float | None = None
    sampling_percentage: float | None = None


_call: Final = Decoder(_Call)
_list: Final = Decoder(list[Raw])


@dataclass(frozen=True, slots=True)
class _MLRun:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        call = shaped(_call, examine(record.value, self.limits), "MLRun's stream")
        if call.request is None or call.op == "explain":
            return DropReason.NOT_A_PREDICTION
        head = []
        time = seconds_of(call.when)
        failed = bytes(call.error) not in {b"null", b'""', b"false"}
        if failed:
            head.append(b'"error":true')
        took = _latency(call.microsec, record.timestamp - time)
        if not math.isnan(took):
            head.append(b'"latency_seconds":%b' % encode(round(took, 6)))
        requests = self._asked(call.request)
        answers = () if failed or call.resp is None else _told(call.resp)
        if not requests and not answers:
            raise Refused(RejectReason.MISSING_FIELD, "features: no inputs in the request")
        sampled = call.sampling_percentage is not None and call.sampling_percentage < 100
        # of a sample the rows are numbered anew, and a label for one of them would be another's
        identity = "" if sampled or call.request.id is None else str(call.request.id)
        return events_of_call(call.model or "", time, identity, head, requests, answers)

    def _asked(self, request: _Request) -> Rows:
        names = None if self.named else request.input_schema
        return tuple(
            b'"features":' + (named_row(row, names) if names else features_of(bytes(row), listed=self.named))
            for row in _inputs(request.inputs)
        )


def _inputs(raw: Raw) -> list[Raw]:
    """Rows. MLRun puts another list around inputs of which one is no list: a single row, or several objects."""
    rows = _items(raw)
    if len(rows) == 1 and bytes(rows[0])[:1] == b"[":
        inner = _list.decode(rows[0])
        if inner and all(bytes(item)[:1] == b"{" for item in inner):
            return inner
    return [raw] if rows and not any(bytes(row)[:1] in {b"[", b"{"} for row in rows) else rows


def _told(answer: _Answer) -> Rows:
    names = answer.output_schema or ()
    several = len(names) > 1
    return tuple(answered(named_row(row, names) if several else bytes(row)) for row in _items(answer.outputs))


def _items(raw: Raw) -> list[Raw]:
    text = bytes(raw)
    return _list.decode(raw) if text[:1] == b"[" else [] if text == b"null" else [raw]


def _latency(microseconds: float | None, passed: float) -> float:
    """``passed``: seconds from the call's begin to the record's timestamp. NaN where it cannot be told."""
    if microseconds is None or math.isnan(passed) or not 0 <= microseconds < 1e6:
        return math.nan
    below = microseconds / 1e6
    whole = round(passed - below)
    if not 0 <= whole <= _MOST_SECONDS or abs(passed - below - whole) > _OFF:
        return math.nan
    return whole + below


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_MLRun(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    value = record.value or b""
    return all(name in value for name in (b'"function_uri"', b'"request"', b'"when"'))
