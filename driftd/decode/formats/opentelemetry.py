"""OpenTelemetry spans of calls of language models, as the collector's Kafka exporter writes them: OTLP in either form.

A span with a `gen_ai.operation.name` of inference is an event; others are dropped as `not_a_prediction`. Only
attributes of the tables below are read: never messages, prompts or instructions.
Source: open-telemetry/semantic-conventions, docs/registry/attributes/gen-ai.md; opentelemetry-proto, trace.proto;
docs/how-to/opentelemetry.md.
"""

from __future__ import annotations

import struct
from base64 import b16encode
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import DecodeError, Raw, Struct
from msgspec.json import Decoder, encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.fields import COSTS
from driftd.decode.json.strict import DECODE_ERRORS, Refused, examine
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import UNFORESEEN, Beside, EachRecord, Read, Record, shaped, together
from driftd.decode.registry import checked
from driftd.decode.wire import Message

TITLE: Final = "OpenTelemetry spans"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ("kafkaexporter's encodings otlp_json and otlp_proto are read, those of Jaeger and Zipkin are not",)
NEEDS: Final = (
    "spans need gen_ai.operation.name (chat, generate_content, text_completion or embeddings), and "
    "gen_ai.response.finish_reasons, the prediction; instrumentations of OpenTelemetry's GenAI conventions set them"
)
_OPERATION: Final = "gen_ai.operation.name"
_INFERENCE: Final = frozenset({"chat", "generate_content", "text_completion", "embeddings"})
"""Agents and tools are spans around these, and would count them twice."""
_SERVICE: Final = "service.name"
_ALIASES: Final[Mapping[str, tuple[str, ...]]] = {
    "asked": ("gen_ai.request.model",),
    "answered": ("gen_ai.response.model",),
    "id": ("gen_ai.response.id",),
    "reasons": ("gen_ai.response.finish_reasons",),
    "failed": ("error.type",),
}
_FEATURES: Final[Mapping[str, tuple[str, ...]]] = {
    "operation": (_OPERATION,),
    "provider": ("gen_ai.provider.name", "gen_ai.system"),
    "agent": ("gen_ai.agent.name",),
    "error_type": ("error.type",),
    "time_to_first_chunk": ("gen_ai.response.time_to_first_chunk",),
    "input_tokens": COSTS["tokens_in"],
    "output_tokens": COSTS["tokens_out"],
    "temperature": ("gen_ai.request.temperature",),
    "top_p": ("gen_ai.request.top_p",),
    "top_k": ("gen_ai.request.top_k",),
    "max_tokens": ("gen_ai.request.max_tokens",),
    "frequency_penalty": ("gen_ai.request.frequency_penalty",),
    "presence_penalty": ("gen_ai.request.presence_penalty",),
    "choices": ("gen_ai.request.choice.count",),
    "output_type": ("gen_ai.output.type", "gen_ai.openai.request.response_format"),
}
"""Feature to attribute, and the names that it had before."""
_TOKENS: Final = {name: names for name, names in COSTS.items() if name != "amount"}
_REASONS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "complete": "stop",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "tool_use": "tool_call",
    "tool_calls": "tool_call",
    "function_call": "tool_call",
    "refusal": "content_filter",
    "safety": "content_filter",
}
"""Providers' own words for why an answer ended, in small letters."""
_WORST: Final = ("error", "content_filter", "length", "tool_call", "stop")
_UNKNOWN: Final = _WORST.index("stop") - 0.5
"""Where among these a word stands that is none of them."""
_READ: Final = frozenset(name for table in (_ALIASES, _FEATURES, _TOKENS) for names in table.values() for name in names)
_EPOCH_2000, _EPOCH_2200 = 946_684_800 * 10**9, 7_258_118_400 * 10**9
_UNREADABLE: Final = (Refused, DecodeError, *UNFORESEEN)
_OF_MODELS: Final = ("gen_ai.", "llm.", "openinference.", "traceloop.", "ai.")
"""How names of attributes of model calls begin, in these conventions and in others."""
_FAILED: Final = 2
"""Status code of a span that went wrong."""


class _Attribute(Struct, gc=False):
    key: str = ""
    value: Raw = Raw(b"{}")


class _Resource(Struct, gc=False):
    attributes: list[_Attribute] = []


class _Status(Struct, gc=False):
    code: int | str | None = None


class _Span(Struct, gc=False):
    spanId: str = ""  # noqa: N815  as OTLP has it
    startTimeUnixNano: str | int = 0  # noqa: N815
    endTimeUnixNano: str | int = 0  # noqa: N815
    attributes: list[_Attribute] = []
    status: _Status | None = None


class _Scope(Struct, gc=False):
    spans: list[_Span] = []


class _OfResource(Struct, gc=False):
    resource: _Resource | None = None
    scopeSpans: list[_Scope] = []  # noqa: N815


class _Traces(Struct, gc=False):
    resourceSpans: list[_OfResource] = []  # noqa: N815


class _Value(Struct, gc=False):
    stringValue: str | None = None  # noqa: N815
    intValue: str | int | None = None  # noqa: N815
    doubleValue: float | str | None = None  # noqa: N815
    boolValue: bool | None = None  # noqa: N815
    arrayValue: dict[str, list[_Value]] | None = None  # noqa: N815


_traces: Final = Decoder(_Traces)
_value: Final = Decoder(_Value)


@dataclass(frozen=True, slots=True)
class _Call:
    """A span, times in nanoseconds; ``attributes`` are those that are read."""

    service: str
    id: str
    start: int
    end: int
    failed: bool
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Spans:
    limits: Limits

    def read(self, record: Record) -> Read:
        value = checked(record.value, self.limits)
        text = value.lstrip()[:1] == b"{"
        calls = [*(_of_json(shaped(_traces, examine(value, self.limits), "OTLP")) if text else _of_protobuf(value))]
        if not calls:
            raise Refused(RejectReason.EMPTY, "no spans in the record")
        events = [_event(call) for call in calls if call.attributes.get(_OPERATION) in _INFERENCE]
        others = len(calls) - len(events)
        if not events:
            return Beside(b"", {DropReason.NOT_A_PREDICTION: others})
        return Beside(together(events), {DropReason.NOT_A_PREDICTION: others} if others else {})


def _event(call: _Call) -> bytes:
    given = {name: _first(call.attributes, names) for name, names in _ALIASES.items()}
    asked = given["asked"] or given["answered"]
    names = [str(part) for part in (call.service, asked) if part]
    lasted = (call.end - call.start) / 1e9 if call.end >= call.start else None
    features = {name: _first(call.attributes, aliases) for name, aliases in _FEATURES.items()}
    tokens = {name: _first(call.attributes, aliases) for name, aliases in _TOKENS.items()}
    features["tokens_per_second"] = _speed(lasted, features["time_to_first_chunk"], tokens["tokens_out"])
    event: dict[str, Any] = {
        "model": "/".join(names),
        "version": given["answered"],
        "id": given["id"] or call.id,
        "time": call.start / 1e9,
        "latency_seconds": lasted,
        "features": {name: value for name, value in features.items() if value is not None},
        "prediction": _reason(given["reasons"]),
        "cost": {name: value for name, value in tokens.items() if value is not None} or None,
        "error": True if call.failed or given["failed"] else None,
    }
    return encode({name: value for name, value in event.items() if value is not None})


def _reason(given: Any) -> str | None:
    """Why the answer ended; of several answers to one call the worst reason, and an unknown one before a stop."""
    found = [r.lower() for r in (given if isinstance(given, list) else [given]) if isinstance(r, str) and r]
    known = [_REASONS.get(reason, reason) for reason in found]
    return min(known, key=lambda reason: _WORST.index(reason) if reason in _WORST else _UNKNOWN, default=None)


def _speed(lasted: float | None, first: Any, tokens: Any) -> float | None:
    """Tokens a second behind the first one, of an answer that is streamed; None where nothing says so."""
    numbers = [x for x in (lasted, first, tokens) if isinstance(x, int | float) and not isinstance(x, bool)]
    if len(numbers) < 3:
        return None
    whole, begun, n = numbers
    return (n - 1) / (whole - begun) if n > 1 and 0 <= begun < whole else None


def _first(attributes: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((attributes[name] for name in names if name in attributes), None)


# -- OTLP as JSON --


def _of_json(traces: _Traces) -> Iterator[_Call]:
    for of in traces.resourceSpans:
        attributes = of.resource.attributes if of.resource is not None else []
        service = next((_plain(a.value) for a in attributes if a.key == _SERVICE), "")
        for span in (span for scope in of.scopeSpans for span in scope.spans):
            read = {a.key: _plain(a.value) for a in span.attributes if a.key in _READ}
            code = span.status.code if span.status is not None else None
            failed = code in {_FAILED, str(_FAILED), "STATUS_CODE_ERROR"}
            yield _Call(
                str(service), span.spanId, _nanos(span.startTimeUnixNano), _nanos(span.endTimeUnixNano), failed, read
            )


def _plain(raw: Raw) -> Any:
    try:
        return _of_value(_value.decode(raw))
    except DECODE_ERRORS:
        return None


def _of_value(value: _Value) -> Any:
    if value.intValue is not None:
        return _number(value.intValue, int)
    if value.doubleValue is not None:
        return _number(value.doubleValue, float)
    if value.arrayValue is not None:
        return [_of_value(item) for item in value.arrayValue.get("values", [])]
    return value.stringValue if value.boolValue is None else value.boolValue


def _number(value: str | float, kind: type[int | float]) -> int | float | None:
    try:
        return kind(value)
    except ValueError:
        return None


def _nanos(value: str | int) -> int:
    try:
        return int(value)
    except ValueError:
        raise Refused(RejectReason.BAD_TIME, "startTimeUnixNano: expected a number of nanoseconds") from None


# -- OTLP as Protobuf --


def _of_protobuf(data: bytes) -> Iterator[_Call]:
    for of in map(Message, Message(data).several(1)):
        service = _attributes(of.inner(1), 1, frozenset({_SERVICE})).get(_SERVICE, "")
        for scope in map(Message, of.several(2)):
            for span in map(Message, scope.several(2)):
                yield _Call(
                    str(service),
                    b16encode(span.data(2)).decode().lower(),
                    _fixed(span.real(7)),
                    _fixed(span.real(8)),
                    span.inner(15).whole(3) == _FAILED,
                    _attributes(span, 9, _READ),
                )


def _attributes(message: Message, number: int, wanted: frozenset[str]) -> dict[str, Any]:
    pairs = ((pair, pair.text(1)) for pair in map(Message, message.several(number)))
    return {name: _any_value(pair.inner(2)) for pair, name in pairs if name in wanted}


def _any_value(value: Message) -> Any:
    if 1 in value:
        return value.text(1)
    if 2 in value:
        return bool(value.whole(2))
    if 3 in value:
        return value.whole(3)
    if 5 in value:
        return [_any_value(Message(item)) for item in value.inner(5).several(1)]
    return value.real(4) if 4 in value else None


def _fixed(value: float) -> int:
    """A fixed64, of the float that has the same bytes."""
    return int.from_bytes(struct.pack("<d", value), "little")


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:  # noqa: ARG001  the mapping is the codec's
    return EachRecord(_Spans(limits), limits)


def recognise(record: Record) -> bool:
    """Spans of any kind: which of them are calls of language models is ``seen``."""
    value = record.value or b""
    if value[:1] != b"\n":
        return value[:1] == b"{" and b'"resourceSpans"' in value[:200]
    try:
        starts = [call.start for call in _of_protobuf(value)]
    except _UNREADABLE:
        return False
    return bool(starts) and all(_EPOCH_2000 < start < _EPOCH_2200 for start in starts)


def seen(records: Iterable[Record]) -> Iterator[str]:
    """How many of the spans are calls of language models, what the others are, and which of their attributes are of
    models.
    """
    operations: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for record in records:
        value = record.value or b""
        try:
            calls = [*(_of_json(_traces.decode(value)) if value[:1] == b"{" else _of_protobuf(value))]
            operations.update(str(call.attributes.get(_OPERATION, "")) for call in calls)
            names.update(name for span in _names_in(value) if _OPERATION not in span for name in span)
        except _UNREADABLE:
            continue
    spans, usable = operations.total(), sum(operations[name] for name in _INFERENCE)
    if usable == spans:
        return
    others = [f"{n} {name[:40]}" for name, n in operations.most_common() if name and name not in _INFERENCE][:5]
    others += [f"{operations['']} without {_OPERATION}"] if operations[""] else []
    yield f"{usable} of {spans} spans are calls of language models; the others are {', '.join(others)}"
    of_models = sorted((name[:60] for name in names if name.startswith(_OF_MODELS)), key=lambda n: (-names[n], n))[:5]
    if of_models:
        yield f"spans without {_OPERATION} have {', '.join(of_models)}: their instrumentation is of other conventions"


def _names_in(value: bytes) -> Iterator[frozenset[str]]:
    """The names of each span's attributes."""
    if value[:1] == b"{":
        spans = (s for of in _traces.decode(value).resourceSpans for scope in of.scopeSpans for s in scope.spans)
        yield from (frozenset(attribute.key for attribute in span.attributes) for span in spans)
        return
    for of in map(Message, Message(value).several(1)):
        for scope in map(Message, of.several(2)):
            for span in map(Message, scope.several(2)):
                yield frozenset(pair.text(1) for pair in map(Message, span.several(9)))
