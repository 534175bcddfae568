"""Feast's logs of features: a row an entity, with a status beside each feature (docs/how-to/platform-files.md).

{"driver_id": 1, "stats__trips": 7, "stats__trips__timestamp": "...", "stats__trips__status": 1,
 "__log_timestamp": "2026-09-01T10:00:00.120000+00:00", "__log_date": "2026-09-01", "__request_id": "r1"}

Columns without a status are join keys and what the request brought; an event has them as `entities`, for a mapping.
Source: feast-dev/feast, sdk/python/feast/feature_logging.py; protos/feast/serving/ServingService.proto (FieldStatus).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import Raw
from msgspec.json import Decoder, encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, shaped

TITLE: Final = "Feast feature log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = (
    "each feature needs its columns NAME, NAME__timestamp and NAME__status; logs of features have no prediction"
)
_OWN: Final = ("__log_timestamp", "__request_id", "__log_date")
_STATUS, _TIMESTAMP = "__status", "__timestamp"
_PRESENT: Final = b"1"
"""Of FieldStatus. Others are invalid (0), null (2), not found (3), older than it may be (4): the value is missing."""
_members: Final = Decoder(dict[str, Raw])


@dataclass(frozen=True, slots=True)
class _Feast:
    limits: Limits

    def read(self, record: Record) -> Read:
        columns = shaped(_members, examine(record.value, self.limits), "a log of Feast")
        time, identity, _ = (columns.pop(name, None) for name in _OWN)
        features = {
            name: raw if bytes(columns[name + _STATUS]) == _PRESENT else None
            for name, raw in columns.items()
            if name + _STATUS in columns
        }
        if not features:
            raise Refused(RejectReason.MISSING_FIELD, "features: no column has a status beside it")
        known = {name + end for name in features for end in ("", _STATUS, _TIMESTAMP)}
        event = {
            "time": time,
            "id": identity,
            "features": features,
            "entities": {name: raw for name, raw in columns.items() if name not in known},
        }
        return encode({name: value for name, value in event.items() if value is not None})


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:  # noqa: ARG001  the mapping is the codec's
    return EachRecord(_Feast(limits), limits)


def recognise(record: Record) -> bool:
    value = record.value or b""
    return b'"__log_timestamp"' in value and b'__status"' in value
