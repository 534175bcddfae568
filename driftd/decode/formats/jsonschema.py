"""JSON records of a schema registry: the frame is taken off, and the schema is not needed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from driftd.decode.json.strict import Refused
from driftd.decode.limits import DEFAULT_LIMITS, Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Record
from driftd.decode.registry import unframed

TITLE: Final = "JSON framed by a schema registry"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("the mapping of fields, if there is one, is of the JSON behind the frame",)
NEEDS: Final = "records need the fields of an event, or a mapping that says where they are"


@dataclass(frozen=True, slots=True)
class _Unframed:
    limits: Limits

    def read(self, record: Record) -> bytes:
        return unframed(record, self.limits).data


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:  # noqa: ARG001  the mapping is the codec's
    return EachRecord(_Unframed(limits), limits)


def recognise(record: Record) -> bool:
    try:
        return unframed(record, DEFAULT_LIMITS).data[:1] in {b"{", b"["}
    except Refused:
        return False
