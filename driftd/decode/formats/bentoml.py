"""BentoML's monitoring log: JSON lines of a monitor's columns (docs/how-to/platform-files.md).

file   MONITOR/data/data.WORKER.log       the model, where the lines come from files
line   {"amount": 12.5, "verdict": 1, "timestamp": "2026-11-28T10:00:00.120000", "request_id": "1", "trace_id": "2"}

Times have no offset and count as UTC, which containers have. Lines of the file of schemas are no predictions.
Source: bentoml/BentoML, src/bentoml/_internal/monitoring/default.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Raw
from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import PATH, EachRecord, Read, Record, events_of_call, seconds_of, shaped

TITLE: Final = "BentoML monitoring log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = (
    "the monitor has to log features and prediction (`mon.log(VALUE, name=NAME, role=..., data_type=...)`), and "
    "`prediction: features.NAME` in the mapping says which column is the prediction"
)
_OWN: Final = ("timestamp", "request_id", "trace_id")
_members: Final = Decoder(dict[str, Raw])
_time: Final = Decoder(datetime)
_text: Final = Decoder(str)


@dataclass(frozen=True, slots=True)
class _BentoML:
    limits: Limits

    def read(self, record: Record) -> Read:
        columns = shaped(_members, examine(record.value, self.limits), "BentoML's monitoring log")
        if "meta_data" in columns and "columns" in columns and "timestamp" not in columns:
            return DropReason.NOT_A_PREDICTION
        given, identity, _ = (columns.pop(name, None) for name in _OWN)
        try:
            time = seconds_of(None if given is None else _time.decode(given))
        except DECODE_ERRORS:
            raise Refused(RejectReason.BAD_TIME, "timestamp: expected a date and a time") from None
        name = _text_of(identity)
        parts = record.headers.get(PATH, b"").decode(errors="replace").split("/")
        model = parts[-3] if len(parts) > 3 and parts[-2] == "data" else ""
        row = b'"features":' + encode(columns)
        return events_of_call(model, time, "" if name in {"None", "0"} else name, (), (row,), ())


def _text_of(raw: Raw | None) -> str:
    try:
        return "" if raw is None else _text.decode(raw)
    except DECODE_ERRORS:
        return bytes(raw or b"").decode(errors="replace")


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:  # noqa: ARG001  the mapping is the codec's
    return EachRecord(_BentoML(limits), limits)


def recognise(record: Record) -> bool:
    value = record.value or b""
    of_data = all(b'"%b"' % name.encode() in value for name in _OWN)
    return value[:1] == b"{" and (of_data or (b'"bento_name"' in value and b'"columns"' in value))
