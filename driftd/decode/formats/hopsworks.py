"""Hopsworks' logs of a feature view: a row a prediction (docs/how-to/platform-files.md).

{"log_id": "...", "log_time": "2026-09-01T10:00:00.120000", "td_version": 1, "model_name": "fraud",
 "model_version": "7", "request_id": "r1", "request_parameters": "{}", "amount": 12.5, "predicted_fraud": 1}

Times are local ones of whoever logs, without an offset, and count as UTC, which containers have.
Source: logicalclocks/hopsworks-api, python/hopsworks_common/constants.py (FEATURE_LOGGING).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from msgspec import Raw
from msgspec.json import Decoder, encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, seconds_of, shaped

TITLE: Final = "Hopsworks feature log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "`feature_view.log(..., predictions=...)` logs predictions beside the features"
_OWN: Final = ("log_time", "model_name", "model_version", "request_id", "log_id", "td_version", "request_parameters")
_PREDICTED: Final = "predicted_"
_NULL: Final = b"null"
_members: Final = Decoder(dict[str, Raw])
_time: Final = Decoder(datetime)


@dataclass(frozen=True, slots=True)
class _Hopsworks:
    limits: Limits

    def read(self, record: Record) -> Read:
        columns = shaped(_members, examine(record.value, self.limits), "a log of Hopsworks")
        if "log_id" not in columns or "log_time" not in columns:
            raise Refused(RejectReason.MISSING_FIELD, "log_id, log_time: no row of a log has neither")
        time, model, version, request, log, *_ = (columns.pop(name, None) for name in _OWN)
        told = {name.removeprefix(_PREDICTED): columns.pop(name) for name in [*columns] if name.startswith(_PREDICTED)}
        event: dict[str, Any] = {
            "time": _moment(time),
            "model": model,
            "version": version,
            "id": log if request is None or bytes(request) == _NULL else request,
            "features": columns,
            "prediction": next(iter(told.values()), None),
            "outputs": told if len(told) > 1 else None,
        }
        return encode({name: value for name, value in event.items() if value is not None})


def _moment(time: Raw | None) -> Raw | float | None:
    """In seconds where it is text; a number is what the mapping says."""
    if time is None or bytes(time)[:1] != b'"':
        return time
    try:
        return seconds_of(_time.decode(time))
    except DECODE_ERRORS:
        raise Refused(RejectReason.BAD_TIME, "log_time: expected a date and a time") from None


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:  # noqa: ARG001  the mapping is the codec's
    return EachRecord(_Hopsworks(limits), limits)


def recognise(record: Record) -> bool:
    value = record.value or b""
    return all(name in value for name in (b'"log_id"', b'"log_time"', b'"td_version"'))
