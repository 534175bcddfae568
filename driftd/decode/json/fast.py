"""JSON events to columns: typed decoding at full speed, and the strict path for whatever that refuses.

    values -> one msgspec decoder for all models (told apart by ``model``) -> structs -> columns
                 `-- refused, for any reason -> strict path: event, Reject or drop --'

A record that the decoder refuses costs only itself the fast path. Order is kept throughout, because what an
event may discover depends on what came before it: the result does not depend on how records were batched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec import DecodeError, Raw
from numpy.typing import NDArray

from driftd.core.event import (
    Decoded,
    DropReason,
    EventBatch,
    FlagColumn,
    Kind,
    RecordBatch,
    RefusedValue,
    Reject,
    Schema,
)
from driftd.decode.json.columns import Table
from driftd.decode.json.compiled import MAX_SPARE, CompiledSchema, StrictEnvelope, decoder_for, plain
from driftd.decode.json.strict import (
    DECODE_ERRORS,
    Accepted,
    Context,
    Refused,
    accept,
    crowded,
    events_of,
    examine,
    fields_of,
    require_name,
    unwatched,
)  # fmt: skip
from driftd.decode.limits import DEFAULT_LIMITS, MAX_DEPTH, Limits
from driftd.ingest.halves import Halves

_RECOMPILE_AFTER: Final = 32
"""Events on the strict path that a new schema would have spared; compiling one costs about as much as they do."""


class Unwrapped(NamedTuple):
    """What an envelope or another format around the JSON left for this codec: per record the value, or why it is
    refused already, and what stands in for a missing time (epoch seconds or NaN; None: for none) and id.

    ``passed``: records that hold no event (None: they wait for another one), or one that is dropped. ``dropped``: what
    ended beside the records. ``reached``: as in Decoded.
    """

    values: Sequence[bytes | None]
    refused: Mapping[int, Refused]
    times: NDArray[np.float64] | None = None
    ids: Sequence[str | None] | None = None
    passed: Mapping[int, DropReason | None] = MappingProxyType({})
    dropped: Mapping[DropReason, int] = MappingProxyType({})
    reached: float = -np.inf


class Shape:
    """What records look like: driftd's own events. Those of a mapping are driftd.decode.mapping.shape."""

    extra: int = 0
    """Features of an event that need no name in its record."""

    def compile(self, schema: Schema, spare: Iterable[str] = ()) -> CompiledSchema:
        return CompiledSchema(schema, spare)

    def decoder(self, compiled: Sequence[CompiledSchema]) -> Callable[[Any], Any]:
        """What the fast path decodes one event with; it may refuse whatever it likes."""
        return decoder_for(compiled).decode

    def events(self, value: bytes) -> list[bytes | Raw]:
        """The events of a record, each by itself: the value, if it is one. Raises Refused."""
        return events_of(value)

    def own(self, value: Any) -> Any:
        """One event as driftd's own, for the strict path. Raises Refused."""
        return value


_OWN: Final = Shape()


class JsonCodec:
    """Decodes records whose value is an event or an array of events, as docs/events.md describes them.

    Holds compiled schemas from call to call; they decide how fast it is, never what comes out. ``fast=False``
    sends everything down the strict path (tests compare the two). Raises nothing for what a record holds.
    """

    def __init__(self, limits: Limits = DEFAULT_LIMITS, *, fast: bool = True, shape: Shape = _OWN) -> None:
        self.limits = limits
        self.shape = shape
        self._fast = fast
        self.compiled: dict[str, CompiledSchema] = {}
        self._decodes: list[CompiledSchema] = []
        self._decode: Callable[[Any], Any] = _refuse

    def decode(
        self,
        records: RecordBatch,
        schemas: Mapping[str, Schema],
        halves: Halves | None = None,  # noqa: ARG002  whoever unwraps has joined them
        *,
        unwrapped: Unwrapped | None = None,
    ) -> Decoded:
        """``schemas`` are the models known so far. A model or feature that is discovered comes back as a batch or
        column that has no schema yet; the caller hands the grown schema to the next call (a new model's with
        ``limits.max_features``, a new feature as Kind.ANY, columns in the batch's order).
        """
        self.compiled = {name: self._compile(schema) for name, schema in schemas.items()}
        return _Run(self, records, unwrapped).decoded()

    def _compile(self, schema: Schema) -> CompiledSchema:
        known = self.compiled.get(schema.model)
        if known is not None and (known.schema is schema or known.schema == schema):
            return known
        return self.shape.compile(schema, known.spare if known is not None else ())

    def decoder(self) -> Callable[[Any], Any]:
        wanted = [*self.compiled.values()]
        if len(wanted) != len(self._decodes) or any(a is not b for a, b in zip(wanted, self._decodes, strict=True)):
            self._decodes = wanted
            self._decode = self.shape.decoder(wanted) if wanted and self._fast else _refuse
        return self._decode


class _Growth:
    """What one call learns about one model before its schema is compiled anew."""

    __slots__ = ("ignored", "refused", "schema", "spare")

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.spare: dict[str, None] = {}
        self.ignored = 0
        self.refused: dict[str, RefusedValue] = {}  # the first of each feature

    def add_features(self, names: Sequence[str]) -> None:
        """New features, of any kind; they need no spare name any more."""
        schema = self.schema
        features = {**schema.features, **dict.fromkeys(names, Kind.ANY)}
        self.schema = Schema(schema.model, features, schema.prediction, schema.open, schema.max_features)
        for name in names:
            self.spare.pop(name, None)

    def add_spare(self, names: Iterable[str]) -> bool:
        """Adds names that have no column, as far as there is room; whether any of them is new."""
        room = MAX_SPARE - len(self.spare)
        fresh = [n for n in names if n not in self.spare and plain(n)][:room]
        self.spare.update(dict.fromkeys(fresh))
        return bool(fresh)


class _Run:
    """One call of decode: the state that must not outlive it."""

    def __init__(self, codec: JsonCodec, records: RecordBatch, unwrapped: Unwrapped | None) -> None:
        self.codec = codec
        self.limits = codec.limits
        most = codec.limits.features_per_event
        self.crowd = replace(codec.limits, features_per_event=max(most - codec.shape.extra, 0))
        self.records = records
        self.unwrapped = unwrapped
        self.values: Sequence[Any] = records.values if unwrapped is None else unwrapped.values
        self.compiled = codec.compiled
        self.growths: dict[str, _Growth] = {}
        self.rejects: list[tuple[int, Reject]] = []
        self.dropped: dict[DropReason, int] = {} if unwrapped is None else {**unwrapped.dropped}
        self.passed = {} if unwrapped is None else unwrapped.passed
        self.debt = 0
        self.stale = False
        self.exploded: list[tuple[int, list[Any]]] = []
        refused = {} if unwrapped is None else unwrapped.refused
        self.unfit = {index: self._reject(index, why) for index, why in refused.items()}

    def decoded(self) -> Decoded:
        values = self._examined()
        events, raws, rows = self._flatten(self._decode_all(values), values)
        received = len(events) + (0 if self.unwrapped is None else sum(self.unwrapped.dropped.values()))
        groups = self._grouped(events)
        batches = [self._batch(model, positions, events, raws, rows) for model, positions in groups.items()]
        self.rejects.sort(key=lambda entry: entry[0])
        return Decoded(
            received,
            [b for b in batches if b is not None],
            [reject for _, reject in self.rejects],
            self.dropped,
            [value for growth in self.growths.values() for value in growth.refused.values()],
            self._unwatched(raws[-1]) if raws and raws[-1] else (),
            -np.inf if self.unwrapped is None else self.unwrapped.reached,
        )

    def _unwatched(self, value: bytes | Raw) -> list[tuple[str, str]]:
        try:
            return unwatched(self.codec.shape.own(value), self.compiled, self.limits)
        except Refused:
            return []

    # -- before decoding --

    # Whole, because its loop runs for every record, and a function call for each would slow decoding down.
    def _examined(self) -> list[Any]:
        """The values for the fast decoder; b"" (which it refuses) where the strict path must look first."""
        values = [*self.values]
        lengths = [*map(len, filter(None, values))]
        # a value of n bytes nests at most n / 2 levels and holds at most n / 4 features
        harmless = min(self.limits.record_bytes, 2 * MAX_DEPTH, 4 * self.crowd.features_per_event)
        if len(lengths) < len(values) or max(lengths, default=0) > harmless or not all(map(bytes.isascii, values)):
            doubtful = [i for i, v in enumerate(values) if not v or len(v) > harmless or not v.isascii()]
            for i in (i for i in doubtful if i not in self.passed):
                try:
                    if crowded(examine(values[i], self.limits), self.crowd):
                        values[i] = b""
                except Refused as refused:
                    self.unfit.setdefault(i, self._reject(i, refused))
        for i in (*self.unfit, *self.passed):
            values[i] = b""
        return values

    # -- decoding, in order --

    def _decode_all(self, values: Sequence[Any]) -> list[Any]:
        """For each value an event, or what the strict path made of it. What raises is passed over, not the rest."""
        decode = self.codec.decoder()
        out: list[Any] = []
        rest = iter(values)
        while True:
            try:
                out.extend(map(decode, rest))  # on an exception the results before it stay in ``out``
                return out
            except DECODE_ERRORS:
                out.append(self._record(len(out), decode))
                if self.stale and self.debt >= _RECOMPILE_AFTER:
                    self._recompile()
                    decode = self.codec.decoder()

    def _record(self, index: int, decode: Callable[[Any], Any]) -> Any:
        """A record on the strict path: one outcome, or a list of them for an array."""
        if index in self.unfit:
            return self.unfit[index]
        if index in self.passed:
            return self._passed(index)
        try:
            value = examine(self.values[index], self.limits)
            items = self.codec.shape.events(value)
        except Refused as refused:
            return self._reject(index, refused)
        if items[0] is value:
            return self._event(index, value)
        outcomes = []
        for item in items:
            try:
                outcomes.append(self._event(index, item) if crowded(item, self.crowd) else decode(item))
            except DECODE_ERRORS:
                outcomes.append(self._event(index, item))
        self.exploded.append((index, items))
        return outcomes

    def _passed(self, index: int) -> list[Any] | None:
        """A record that holds no event, or one that is dropped."""
        reason = self.passed[index]
        if reason is None:
            self.exploded.append((index, []))
            return []
        self.dropped[reason] = self.dropped.get(reason, 0) + 1
        return None

    def _event(self, index: int, value: bytes | Raw) -> Any:
        """One event on the strict path: a StrictEnvelope, a Reject, or None (dropped)."""
        try:
            model, fields = fields_of(self.codec.shape.own(value), self.limits)
            growth = self._growth(model)
            schema = growth.schema if growth is not None else Schema(model, open=False)
            accepted = accept(model, fields, schema, self.limits, self._context(index))
        except Refused as refused:
            return self._reject(index, refused)
        if growth is None:
            reason = DropReason.MODEL_LIMIT if self.limits.discover else DropReason.UNCONFIGURED_MODEL
            self.dropped[reason] = self.dropped.get(reason, 0) + 1
            return None
        self.debt += 1
        return self._grow(growth, accepted, index)

    def _grow(self, growth: _Growth, accepted: Accepted, index: int) -> Any:
        """Takes in what an accepted event discovers; a rejected one discovers nothing."""
        schema = growth.schema
        if schema.model not in self.growths:
            self.growths[schema.model] = growth
            self.stale = self.stale or schema.model not in self.compiled
        if accepted.new:
            growth.add_features(accepted.new)
            self.stale = True
        if accepted.nulls or accepted.over:
            self.stale = growth.add_spare((*accepted.nulls, *accepted.over)) or self.stale
        growth.ignored += len(accepted.over)
        for name, why in accepted.event.refused.items():
            if name not in growth.refused:
                offset = int(self.records.offsets[index])
                growth.refused[name] = RefusedValue(schema.model, name, offset, accepted.event.time, why)
        return accepted.event

    def _growth(self, model: str) -> _Growth | None:
        """The model's state in this call; None when it is not known and may not be discovered."""
        growth = self.growths.get(model)
        if growth is not None:
            return growth
        compiled = self.compiled.get(model)
        if compiled is not None:
            growth = _Growth(compiled.schema)
            growth.spare = dict.fromkeys(compiled.spare)
            return growth
        require_name(model, "model", self.limits)
        known = len(self.compiled) + sum(name not in self.compiled for name in self.growths)
        if not self.limits.discover or known >= self.limits.max_models:
            return None
        return _Growth(Schema(model, max_features=self.limits.max_features))

    def _recompile(self) -> None:
        for model, growth in self.growths.items():
            self.compiled[model] = self._renewed(model, growth)
        self.debt, self.stale = 0, False

    def _renewed(self, model: str, growth: _Growth) -> CompiledSchema:
        """The model's schema as it is after what was learned; the same one if that was nothing."""
        known = self.compiled.get(model)
        if known is None or known.schema is not growth.schema or len(known.spare) != len(growth.spare):
            return self.codec.shape.compile(growth.schema, growth.spare)
        return known

    def _context(self, index: int) -> Context:
        timestamp = float(self.records.timestamps[index])
        if self.unwrapped is None:
            return Context(timestamp)
        ids, times = self.unwrapped.ids, self.unwrapped.times
        time = np.nan if times is None else float(times[index])
        return Context(timestamp, time, None if ids is None else ids[index])

    def _reject(self, index: int, refused: Refused) -> Reject:
        return Reject(index, int(self.records.offsets[index]), refused.reason, refused.detail, refused.model)

    # -- after decoding --

    def _flatten(self, outcomes: list[Any], values: Sequence[Any]) -> tuple[list[Any], Sequence[Any], Any]:
        """Events, their bytes and the row of each one's record; arrays are laid out in place."""
        rows = np.arange(len(outcomes))
        if self.exploded:
            items = dict(self.exploded)
            sizes = np.ones(len(outcomes), np.intp)
            sizes[list(items)] = [len(i) for i in items.values()]
            rows = np.repeat(rows, sizes)
            values = [v for i, value in enumerate(values) for v in items.get(i, (value,))]
            outcomes = [e for i, o in enumerate(outcomes) for e in (o if i in items else (o,))]
        return outcomes, values, rows

    def _grouped(self, events: list[Any]) -> dict[str, list[int] | None]:
        """Positions of each model's events, models in order of appearance; None for all of them."""
        owners = {getattr(t, "owner", None) for t in set(map(type, events))}
        if len(owners) == 1 and isinstance(owner := owners.pop(), str):
            return {owner: None}
        groups: dict[str, list[int]] = {}
        for position, event in enumerate(events):
            if isinstance(event, Reject):
                self.rejects.append((position, event))
            elif event is not None:
                groups.setdefault(event.owner, []).append(position)
        return {**groups}

    # Whole, because its steps narrow the same rows, times and table, and each piece would have to pass them on.
    def _batch(
        self, model: str, positions: list[int] | None, events: list[Any], values: Sequence[Any], rows: NDArray[np.intp]
    ) -> EventBatch | None:
        if positions is not None:
            events = [events[p] for p in positions]
            rows = rows[positions]
        growth = self.growths.get(model)
        if growth is not None:
            self.compiled[model] = self._renewed(model, growth)
        compiled = self.compiled[model]
        table = Table(events)
        timestamps = self.records.timestamps[rows]
        stand_in = None if self.unwrapped is None else self.unwrapped.times
        fallback = None if stand_in is None else stand_in[rows]
        times = table.event_times(timestamps, fallback)
        ids = table.event_ids(self._envelope_ids(rows))
        alone = table.labels_alone(ids)
        doubtful = table.doubtful(times, timestamps, self.limits.future_seconds, alone)
        for i in sorted(doubtful):
            self._look_again(i if positions is None else positions[i], int(rows[i]), values)
        labels = None
        alone -= doubtful
        if alone and ids is not None:
            there = sorted(alone)
            offsets, mine = self.records.offsets[rows[there]], [ids[i] for i in there]
            labels = table.only(alone).label_batch(model, offsets, times[there], mine, self.limits.hasher)
        if doubtful or alone:
            growth = self.growths.get(model)
            gone = doubtful | alone
            keep = [i for i in range(len(events)) if i not in gone]
            events = [events[i] for i in keep]
            table, rows, times = table.without(gone), rows[keep], times[keep]
            ids = None if ids is None else [ids[i] for i in keep]
        ignored = growth.ignored if growth is not None else 0
        if not len(times) and labels is None:
            return None
        batch = table.batch(compiled, self.records.offsets[rows], times, labels, ignored, self.limits.hasher)
        if self.limits.keep_ids:
            batch = replace(batch, ids=ids)
        return replace(batch, refused=_refused(events)) if growth is not None and growth.refused else batch

    def _envelope_ids(self, rows: NDArray[np.intp]) -> list[str | None] | None:
        ids = None if self.unwrapped is None else self.unwrapped.ids
        return None if ids is None else [ids[row] for row in rows.tolist()]

    def _look_again(self, position: int, row: int, values: Sequence[Any]) -> None:
        """A doubtful event on the strict path, which refuses it."""
        outcome = self._event(row, values[position])
        if isinstance(outcome, Reject):
            self.rejects.append((position, outcome))


def _refused(events: Sequence[Any]) -> dict[str, FlagColumn]:
    """``EventBatch.refused`` of events, some of which have been on the strict path."""
    out: dict[str, FlagColumn] = {}
    for i, event in enumerate(events):
        for name in event.refused if type(event) is StrictEnvelope else ():
            if name not in out:
                out[name] = np.zeros(len(events), np.bool_)
            out[name][i] = True
    return out


def _refuse(_: Any) -> Any:
    raise DecodeError
