"""JSON events, plain or in CloudEvents (docs/events.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from driftd.core.event import RecordBatch
from driftd.decode.cloudevents import unwrap
from driftd.decode.json.fast import Unwrapped
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import Record
from driftd.ingest.halves import Halves

TITLE: Final = "JSON"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "records need the fields of an event, or a mapping that says where they are"


@dataclass(frozen=True, slots=True)
class _Envelopes:
    limits: Limits

    def open(self, records: RecordBatch, halves: Halves) -> Unwrapped | None:  # noqa: ARG002  every record is whole
        return unwrap(records, self.limits)


def opener(mapping: RecordMapping, limits: Limits) -> _Envelopes:  # noqa: ARG001  the mapping is the codec's
    return _Envelopes(limits)


def recognise(record: Record) -> bool:  # noqa: ARG001
    return False  # what it is without a word
