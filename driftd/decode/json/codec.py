"""Records of JSON events, plain or in CloudEvents of binary or structured mode, record by record (docs/events.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftd.core.event import Decoded, RecordBatch, RejectReason, Schema
from driftd.decode.cloudevents import unwrap
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import DEFAULT_LIMITS, Limits


class EventsCodec:
    """Opens the envelopes, then decodes what is inside."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._json = JsonCodec(limits)

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded:
        decoded = self._json.decode(records, schemas, unwrap(records, self.limits))
        return explained(decoded, records.refused) if records.refused else decoded


def explained(decoded: Decoded, refused: Mapping[int, str]) -> Decoded:
    """Rejects of records that the source could not hand over, with its reason in place of "empty"."""
    bomb = RejectReason.DECOMPRESSION_BOMB
    rejects = [replace(r, reason=bomb, detail=refused[r.offset]) if r.offset in refused else r for r in decoded.rejects]
    return replace(decoded, rejects=rejects)
