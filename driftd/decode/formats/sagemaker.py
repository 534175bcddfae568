"""SageMaker's data capture: JSON lines, one an invocation, with the bodies of request and answer as text.

file    ENDPOINT/VARIANT/yyyy/mm/dd/hh/NAME.jsonl      model and variant, where the lines come from files
record  {"captureData": {"endpointInput": part, "endpointOutput": part},
         "eventMetadata": {"eventId", "inferenceId", "inferenceTime"}}
part    {"observedContentType": "text/csv", "data": "12.5,1", "encoding": "CSV"}    CSV, JSON or BASE64
truth   {"groundTruthData": part, "eventMetadata": {"eventId"}}                     a label for that id

Source: awsdocs/amazon-sagemaker-developer-guide, doc_source/model-monitor-data-capture-endpoint.md and
model-monitor-model-quality-merge.md; docs/how-to/sagemaker.md.
"""

from __future__ import annotations

import binascii
import math
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import PATH, EachRecord, Read, Record, events_of_call, lists_rows, seconds_of, shaped
from driftd.decode.payload import Rows, asked, asked_of_table, items_of, json_in, table, told, told_of_table

TITLE: Final = "SageMaker data capture"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = (
    "model and variant are in the files' path, ENDPOINT/VARIANT/yyyy/mm/dd/hh; elsewhere give `model: {value: NAME}`",
)
NEEDS: Final = (
    "the endpoint's DataCaptureConfig needs CaptureOptions Input and Output, and bodies that are "
    "CSV or JSON by CaptureContentTypeHeader"
)
_PLACE: Final = re.compile(r"(?:.*/)?([^/]+)/([^/]+)/(20\d\d)/([01]\d)/([0-3]\d)/([012]\d)/[^/]+", re.DOTALL)
_HOUR: Final = 3600.0
_NULL: Final = Raw(b"null")


class _Part(Struct, gc=False):
    data: Raw = _NULL
    encoding: str | None = None
    observedContentType: str | None = None  # noqa: N815  as it is there


class _Captured(Struct, gc=False):
    endpointInput: _Part | None = None  # noqa: N815
    endpointOutput: _Part | None = None  # noqa: N815


class _About(Struct, gc=False):
    eventId: str | None = None  # noqa: N815
    inferenceId: str | None = None  # noqa: N815
    inferenceTime: datetime | None = None  # noqa: N815


class _Line(Struct, gc=False):
    captureData: _Captured | None = None  # noqa: N815
    groundTruthData: _Part | None = None  # noqa: N815
    eventMetadata: _About | None = None  # noqa: N815


_line: Final = Decoder(_Line)
_text: Final = Decoder(str)


@dataclass(frozen=True, slots=True)
class _SageMaker:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        value = examine(record.value, self.limits)
        line = shaped(_line, value, "SageMaker's data capture")
        captured, truth, about = line.captureData, line.groundTruthData, line.eventMetadata or _About()
        if captured is None and truth is None:
            return DropReason.NOT_A_PREDICTION
        place = _PLACE.fullmatch(record.headers.get(PATH, b"").decode(errors="replace"))
        head = []
        model = variant = ""
        time = seconds_of(about.inferenceTime)
        if captured is None and math.isnan(time) and place is not None:
            time = _hour_of(place) + _HOUR  # a truth says nothing of its time: at the end of its hour it is known
        if place is not None and captured is not None:
            model, variant = place[1], place[2]
        if variant:
            head.append(b'"variant":%b' % encode(variant))
        requests = self._asked(captured.endpointInput) if captured and captured.endpointInput else ()
        answers = _told(captured.endpointOutput, len(requests)) if captured and captured.endpointOutput else ()
        labels = _labels(truth) if truth is not None else ()
        if not requests and not answers and not labels:
            raise Refused(RejectReason.MISSING_FIELD, "captureData: neither endpointInput nor endpointOutput")
        if labels and (requests or answers):  # merged by SageMaker
            rows = len(requests) or len(answers)
            if len(labels) != rows:
                raise Refused(RejectReason.ROWS_DIFFER, f"{rows} rows, and ground truth of {len(labels)}")
            merged = answers or (b"",) * rows
            labels = tuple(b",".join(filter(None, pair)) for pair in zip(merged, labels, strict=True))
        return events_of_call(model, time, about.inferenceId or about.eventId or "", head, requests, labels or answers)

    def _asked(self, part: _Part) -> Rows:
        body = _body(part, "endpointInput")
        if isinstance(body, bytes):
            return asked(body, listed=self.named)
        return asked_of_table(table(body), listed=self.named)


def _told(part: _Part, rows: int) -> Rows:
    body = _body(part, "endpointOutput")
    return told(body, rows) if isinstance(body, bytes) else told_of_table(table(body), rows)


def _labels(part: _Part) -> Rows:
    """Of ground truth the first value of each line, or each item of a list."""
    body = _body(part, "groundTruthData")
    if isinstance(body, bytes):
        return tuple(b'"label":%b' % value for value in items_of(body))
    return tuple(b'"label":' + line[0] for line in table(body))


def _body(part: _Part, where: str) -> bytes | str:
    """JSON as bytes, CSV as text."""
    kind, text = _kind(part, where)
    if kind == "CSV":
        called_csv = json_in(text) if text.lstrip()[:1] in {"[", "{"} else None
        return text if called_csv is None else called_csv
    found = json_in(text) or text.encode()
    if found[:1] == b'"' and (inside := _text.decode(found)).lstrip()[:1] in {"[", "{"}:  # JSON as a text of JSON
        return json_in(inside) or found
    return found


def _kind(part: _Part, where: str) -> tuple[str, str]:
    """CSV or JSON, and the text."""
    kind = (part.encoding or "").upper()
    if kind == "JSON" and bytes(part.data)[:1] in {b"{", b"["}:
        return kind, bytes(part.data).decode()
    try:
        text = _text.decode(part.data)
    except DECODE_ERRORS:
        raise Refused(RejectReason.WRONG_TYPE, f"{where}.data: expected a string") from None
    if kind in {"CSV", "JSON"}:
        return kind, text
    if kind != "BASE64":
        raise Refused(RejectReason.UNDECODABLE, f"{where}.encoding: expected CSV, JSON or BASE64")
    content = (part.observedContentType or "").partition(";")[0].strip().lower()
    kind = "CSV" if content == "text/csv" else "JSON" if "json" in content else ""
    if not kind:
        raise Refused(RejectReason.UNDECODABLE, f"{where}: base64 of what is neither CSV nor JSON by its content type")
    try:
        return kind, b64decode(text, validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(RejectReason.UNDECODABLE, f"{where}.data: not base64 of text") from None


def _hour_of(place: re.Match[str]) -> float:
    try:
        return datetime(int(place[3]), int(place[4]), int(place[5]), int(place[6]), tzinfo=UTC).timestamp()
    except ValueError:
        return math.nan


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_SageMaker(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    head = (record.value or b"")[:400]
    return b'"captureData"' in head or b'"groundTruthData"' in head
