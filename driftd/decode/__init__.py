"""Bytes to columns: what comes off the wire becomes event batches, rejects and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Protocol

from driftd.core.event import Decoded, RecordBatch, RejectReason, Schema
from driftd.decode.cloudevents import unwrap
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import DEFAULT_LIMITS, Limits

__all__ = ["Codec", "EventsCodec", "JsonCodec", "Limits"]


class Codec(Protocol):
    """Turns a stretch of records into columns. ``schemas`` are the models known so far, by name.

    Raises nothing for what a record holds: every event ends in a batch, in a reject or in a drop count.
    """

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded: ...


class EventsCodec:
    """JSON events, plain or in CloudEvents of binary or structured mode, record by record (docs/events.md)."""

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
