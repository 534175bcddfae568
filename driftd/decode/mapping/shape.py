"""Records of a mapping, for the JSON codec: in one pass where structs can say the mapping, else rewritten first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import DecodeError, Raw
from msgspec.json import Decoder

from driftd.core.event import Schema
from driftd.decode.json.compiled import CompiledSchema, decoder_for
from driftd.decode.json.fast import Shape
from driftd.decode.json.strict import Refused, events_of
from driftd.decode.limits import Limits
from driftd.decode.mapping.direct import Indirect, MappedSchema
from driftd.decode.mapping.rewrite import Rewriter
from driftd.decode.mapping.rows import Rows
from driftd.decode.mapping.spec import RecordMapping, Source


class MappedShape(Shape):
    """``direct``: one pass; the strict path gets records rewritten either way."""

    def __init__(self, mapping: RecordMapping, limits: Limits) -> None:
        self._mapping = mapping
        self.own = Rewriter(mapping, limits).rewritten  # type: ignore[method-assign]
        self._rows = Rows(mapping)
        self.extra = len(mapping.features.names) + len(mapping.features.paths)
        model = mapping.sources["model"]
        assert isinstance(model, Source)
        self._tag = str(model.path[0]) if model.path else None
        self.direct = self._mapped(Schema(str(model.value) if model.path is None else "any"), ()) is not None

    def compile(self, schema: Schema, spare: Iterable[str] = ()) -> CompiledSchema:
        spare = tuple(spare)
        mapped = self._mapped(schema, spare) if self.direct else None
        return CompiledSchema(schema, spare) if mapped is None else mapped

    def events(self, value: bytes) -> list[bytes | Raw]:
        items = events_of(value)
        if not self._rows.at:
            return items
        rows = [row for item in items for row in self._rows.each(item)]
        return items if len(rows) == len(items) else rows

    def decoder(self, compiled: Sequence[CompiledSchema]) -> Callable[[Any], Any]:
        if not self.direct:
            return self._rewriting(decoder_for(compiled).decode)
        wanted = [one for one in compiled if isinstance(one, MappedSchema)]
        if self._tag is not None:
            return decoder_for(wanted, self._tag).decode
        return Decoder(wanted[0].envelope).decode if wanted else _refuse

    def _mapped(self, schema: Schema, spare: Iterable[str]) -> MappedSchema | None:
        try:
            return MappedSchema(schema, spare, self._mapping)
        except Indirect:
            return None

    def _rewriting(self, decode: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def decoded(value: Any) -> Any:
            if not value or self._rows.count(value) > 1:
                raise DecodeError
            try:
                return decode(self.own(value))
            except Refused as refused:
                raise DecodeError from refused

        return decoded


def _refuse(_: Any) -> Any:
    raise DecodeError
