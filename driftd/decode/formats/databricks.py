r"""Databricks' inference tables: a row a request, with its bodies as text; Parquet or JSON lines.

{"databricks_request_id", "client_request_id", "request_time", "status_code", "execution_duration_ms",
 "served_entity_id", "request": "{\"dataframe_split\": ...}", "response": "{\"predictions\": [0.9]}"}

Tables of before 2025 have `timestamp_ms`, `execution_time_ms` and `request_metadata` in place of some of them.
Source: Databricks documentation, inference tables for monitoring models; docs/how-to/platform-files.md.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Raw, Struct
from msgspec.json import Decoder, encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, events_of_call, lists_rows, seconds_of, shaped
from driftd.decode.payload import Rows, asked, told

TITLE: Final = "Databricks inference table"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = (
    "rows need bodies, and Databricks keeps none over 1 MiB: send less in a request, as "
    "dataframe_split, dataframe_records, instances or inputs"
)
_NULL: Final = Raw(b"null")


class _Row(Struct, gc=False):
    databricks_request_id: str | None = None
    client_request_id: str | None = None
    request_time: datetime | None = None
    timestamp_ms: float | None = None
    status_code: int | None = None
    execution_duration_ms: float | None = None
    execution_time_ms: float | None = None
    served_entity_id: str | None = None
    request: Raw = _NULL
    response: Raw = _NULL
    request_metadata: dict[str, str | None] | list[tuple[str, str | None]] | None = None  # Parquet has maps as pairs


_row: Final = Decoder(_Row)
_text: Final = Decoder(str)


@dataclass(frozen=True, slots=True)
class _Databricks:
    named: bool
    limits: Limits

    def read(self, record: Record) -> Read:
        row = shaped(_row, examine(record.value, self.limits), "Databricks' inference tables")
        time = seconds_of(row.request_time)
        if math.isnan(time) and row.timestamp_ms is not None:
            time = row.timestamp_ms / 1e3
        took = row.execution_time_ms if row.execution_duration_ms is None else row.execution_duration_ms
        about = dict(row.request_metadata or {})
        failed = row.status_code is not None and row.status_code != 200
        head = [
            b'"%b":%b' % (name, encode(value))
            for name, value in (
                (b"version", about.get("model_version")),
                (b"variant", row.served_entity_id),
                (b"latency_seconds", None if took is None else took / 1e3),
                (b"error", True if failed else None),
            )
            if value is not None
        ]
        body = _body(row.request)
        requests: Rows = asked(body, listed=self.named) if body else ()
        answers: Rows = () if failed else told(_body(row.response)) if _body(row.response) else ()
        if not requests and not answers:
            raise Refused(RejectReason.MISSING_FIELD, "request: neither a request nor an answer in the row")
        identity = row.client_request_id or row.databricks_request_id or ""
        return events_of_call(about.get("model_name") or "", time, identity, head, requests, answers)


def _body(raw: Raw) -> bytes:
    """The JSON in it, whether it is text or not; empty where it is null: a body over 1 MiB is not kept."""
    text = bytes(raw)
    if text[:1] == b'"':
        return _text.decode(raw).encode()
    return b"" if text == b"null" else text


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_Databricks(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    return b'"databricks_request_id"' in (record.value or b"")
