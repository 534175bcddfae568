"""Records of JSON events, plain or in CloudEvents of binary or structured mode, record by record (docs/events.md).

records -> envelopes opened -> mapping of the topic, if it has one -> JsonCodec -> hints
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftd.core.event import Decoded, RecordBatch, RejectReason, Schema
from driftd.decode.cloudevents import unwrap
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import DEFAULT_LIMITS, Limits
from driftd.decode.mapping.hints import with_hints
from driftd.decode.mapping.shape import MappedShape
from driftd.decode.mapping.spec import RecordMapping


class EventsCodec:
    """Opens the envelopes, then decodes what is inside."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._json = JsonCodec(limits)
        self._mapped: dict[str, JsonCodec] = {}

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded:
        unwrapped, mapping = unwrap(records, self.limits), self.limits.mappings.of(records.source)
        codec = self._json if mapping is None else self._codec_of(records.source, mapping)
        decoded = codec.decode(records, schemas, unwrapped)
        if decoded.rejects:
            values = records.values if unwrapped is None else unwrapped.values
            decoded = replace(decoded, rejects=with_hints(decoded.rejects, values, mapping))
        return explained(decoded, records.refused) if records.refused else decoded

    def _codec_of(self, source: str, mapping: RecordMapping) -> JsonCodec:
        """One for each topic, because compiled schemas are those of its mapping."""
        if source not in self._mapped:
            self._mapped[source] = JsonCodec(self.limits, shape=MappedShape(mapping, self.limits))
        return self._mapped[source]


def explained(decoded: Decoded, refused: Mapping[int, str]) -> Decoded:
    """Rejects of records that the source could not hand over, with its reason in place of "empty"."""
    bomb = RejectReason.DECOMPRESSION_BOMB
    rejects = [replace(r, reason=bomb, detail=refused[r.offset]) if r.offset in refused else r for r in decoded.rejects]
    return replace(decoded, rejects=rejects)
