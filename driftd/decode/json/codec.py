"""Records of events, record by record: of the format and the mapping of their topic (docs/events.md).

records -> opened by the format: JSON events -> mapping of the topic, if it has one -> JsonCodec -> hints
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Protocol

from driftd.core.event import Decoded, RecordBatch, Reject, Schema, Withheld
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import DEFAULT_LIMITS, GROWS, Limits
from driftd.decode.mapping.hints import Explaining
from driftd.decode.mapping.shape import MappedShape
from driftd.decode.mapping.spec import JSON, RecordMapping
from driftd.decode.opening import Opener, is_plain
from driftd.decode.registry import Registered
from driftd.ingest.halves import Halves


class _Decodes(Protocol):
    """What reads the records of a topic: a driftd.decode.Codec."""

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: Halves | None = None) -> Decoded: ...


@dataclass(slots=True)
class _Topic:
    """How records of a topic are read. ``codec`` is its own: compiled schemas are those of its mapping."""

    opener: Opener
    codec: JsonCodec
    explaining: Explaining

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: Halves | None = None) -> Decoded:
        unwrapped = self.opener.open(records, Halves() if halves is None else halves)
        decoded = self.codec.decode(records, schemas, unwrapped=unwrapped)
        if decoded.rejects:
            decoded = replace(decoded, rejects=self.explaining.explained(decoded.rejects, records, unwrapped))
        return decoded

    def prepare(self, records: RecordBatch) -> None:
        """Raises SourceError where a schema registry does not answer."""
        if isinstance(self.opener, Registered):
            self.opener.prepare(records)


class EventsCodec:
    """Opens the records, then decodes what is inside."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self.limits = limits
        self._own = self._topic(None)
        self._mapped: dict[str, _Decodes] = {}

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: Halves | None = None) -> Decoded:
        decoded = self._of(records.source).decode(records, schemas, halves)
        return explained(decoded, records.refused) if records.refused else decoded

    def prepare(self, records: RecordBatch) -> None:
        """Raises SourceError where a schema registry does not answer."""
        topic = self._of(records.source)
        if isinstance(topic, _Topic):
            topic.prepare(records)

    def _of(self, source: str) -> _Decodes:
        mapping = self.limits.mappings.of(source)
        if mapping is None:
            return self._own
        if source not in self._mapped:
            self._mapped[source] = self._topic(mapping)
        return self._mapped[source]

    def _topic(self, mapping: RecordMapping | None) -> _Decodes:
        given, limits = mapping or RecordMapping(), self.limits
        module = import_module(f"driftd.decode.formats.{given.format}")
        if hasattr(module, "codec"):  # of columns, that are never JSON
            columns: _Decodes = module.codec(given, limits)
            return columns
        opener: Opener = module.opener(given, limits)
        if given.format != JSON:
            limits = replace(limits, record_bytes=GROWS * limits.record_bytes)
        explaining = Explaining(mapping, limits)
        if mapping is None or (mapping.format != JSON and is_plain(mapping)):
            return _Topic(opener, JsonCodec(limits), explaining)
        return _Topic(opener, JsonCodec(limits, shape=MappedShape(mapping, limits)), explaining)


def explained(decoded: Decoded, refused: Mapping[int, Withheld]) -> Decoded:
    """Rejects of records that the source could not hand over, with its reason in place of "empty"."""

    def of(reject: Reject) -> Reject:
        reason, detail = refused.get(reject.offset, (reject.reason, reject.detail))
        return replace(reject, reason=reason, detail=detail)

    return replace(decoded, rejects=[of(reject) for reject in decoded.rejects])
