"""Records of JSON events, plain or in CloudEvents of binary or structured mode, record by record (docs/events.md).

records -> envelopes opened -> mapping of the topic, if it has one -> JsonCodec -> hints
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from driftd.core.event import Decoded, RecordBatch, RejectReason, Schema
from driftd.decode.cloudevents import unwrap
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import DEFAULT_LIMITS, Limits
from driftd.decode.mapping.hints import hinted
from driftd.decode.mapping.rewrite import Rewriter

_ANY: Final = 1 << 62
"""What a mapping has put together may be larger than its record, whose own size was looked at before."""


class EventsCodec:
    """Opens the envelopes, then decodes what is inside."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._json = JsonCodec(limits)
        self._mapped = JsonCodec(replace(limits, record_bytes=_ANY))
        self._rewriters: dict[str, Rewriter] = {}

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded:
        unwrapped, mapping, json = unwrap(records, self.limits), self.limits.mappings.of(records.source), self._json
        values = records.values if unwrapped is None else unwrapped.values
        if mapping is not None:
            rewriter = self._rewriters.get(records.source)
            if rewriter is None:
                rewriter = self._rewriters[records.source] = Rewriter(mapping, self.limits)
            unwrapped, json = rewriter.unwrapped(values, unwrapped), self._mapped
        decoded = json.decode(records, schemas, unwrapped)
        if decoded.rejects:
            decoded = replace(decoded, rejects=[hinted(r, values[r.index], mapping) for r in decoded.rejects])
        return explained(decoded, records.refused) if records.refused else decoded


def explained(decoded: Decoded, refused: Mapping[int, str]) -> Decoded:
    """Rejects of records that the source could not hand over, with its reason in place of "empty"."""
    bomb = RejectReason.DECOMPRESSION_BOMB
    rejects = [replace(r, reason=bomb, detail=refused[r.offset]) if r.offset in refused else r for r in decoded.rejects]
    return replace(decoded, rejects=rejects)
