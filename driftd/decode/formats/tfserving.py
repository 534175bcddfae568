"""TensorFlow Serving's PredictionLog: request and answer in one message of Protobuf (docs/how-to/prediction-logs.md).

predict   tensors by name                    features by tensor; of serialized tf.Example by their names
classify  tf.Example -> labels with scores   prediction and score
regress   tf.Example -> a number

Whole seconds, no id, no latency. Files are TFRecord.
Source: tensorflow/serving, tensorflow_serving/apis/prediction_log.proto; tensorflow/core/framework/tensor.proto.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from struct import Struct
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import numpy as np
from msgspec.json import encode

from driftd.core.event import DropReason, RejectReason
from driftd.decode.json.strict import Refused
from driftd.decode.limits import Limits
from driftd.decode.mapping.spec import RecordMapping
from driftd.decode.opening import EachRecord, Read, Record, events_of_call, lists_rows
from driftd.decode.payload import Rows
from driftd.decode.protocol import Body, Tensor, answer_of, requested_of, some
from driftd.decode.registry import checked
from driftd.decode.wire import SINGLE, Message, fields, integers, packed, require_whole, signed, text_in

TITLE: Final = "TensorFlow Serving prediction log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
NEEDS: Final = "the log needs predict, classify or regress calls, with request and response"
_TYPES: Final = {
    1: "<f4",
    2: "<f8",
    3: "<i4",
    4: "<u1",
    5: "<i2",
    6: "<i1",
    9: "<i8",
    10: "<?",
    17: "<u2",
    19: "<f2",
    22: "<u4",
    23: "<u8",
}
"""DataType of a TensorProto: how its ``tensor_content`` is read."""
_STRING, _HALF, _BFLOAT16 = 7, 19, 14
_LISTS: Final = {5: "<f4", 6: "<f8", 7: "int", 8: "text", 10: "int", 11: "bool", 13: "bits", 16: "uint", 17: "uint"}
"""Fields of a TensorProto that have its values one by one."""
_CONTENT, _DTYPE, _SHAPE, _TEXTS = 4, 1, 2, 8
_MOST_KNOWN: Final = 4096
"""Beginnings of tensors, and model specs, that are remembered. Chosen: more than models have inputs."""
_LONGEST_KNOWN: Final = 512
"""Bytes of one, so that all of them take 2 MB at the most."""
_ONE_ROW: Final[tuple[list[int], ...]] = ([], [1], [1, 1])
"""Shapes of one row and one column."""
_SERIALIZED: Final = frozenset({"examples", "inputs", "input", "input_example_tensor", "serialized_examples"})
"""Names of tensors of text that hold serialized tf.Example."""
_CLASSIFY, _REGRESS, _PREDICT = 2, 3, 6
_OTHERS: Final = {4: "multi inference", 5: "session runs", 7: "streams of predictions"}


@dataclass(frozen=True, slots=True)
class _Serving:
    named: bool
    limits: Limits
    tensors: _Tensors
    specs: dict[bytes, tuple[str, str]] = field(default_factory=dict)

    def read(self, record: Record) -> Read:
        message = Message(checked(record.value, self.limits))
        kind = next((n for n in (_PREDICT, _CLASSIFY, _REGRESS) if n in message), None)
        if kind is None:
            other = next((words for n, words in _OTHERS.items() if n in message), None)
            if other is None:
                return DropReason.NOT_A_PREDICTION
            raise Refused(RejectReason.UNDECODABLE, f"a log of {other}, which is not read")
        about, log = message.inner(1), message.inner(kind)
        asked, told = log.inner(1), log.inner(2)
        specs = [self._spec(data) for data in (told.data(2), about.data(1), asked.data(1))]
        model, version = (next(filter(None, given), "") for given in zip(*specs, strict=True))  # what answered first
        head = [b'"version":%b' % encode(version)] if version else []
        if kind == _PREDICT:
            requests, answers = self._asked(asked), self._predicted(told)
        else:
            requests = _examples(asked.inner(2))
            answers = _classified(told.inner(1)) if kind == _CLASSIFY else _regressed(told.inner(1))
        time = float(about.whole(4) or math.nan)
        return events_of_call(model, time, "", head, some(requests, "the request"), answers)

    def _spec(self, data: bytes) -> tuple[str, str]:
        """Name and version of the model."""
        if (known := self.specs.get(data)) is None:
            spec = Message(data)
            known = spec.text(1), _version(spec)
            _remember(self.specs, data, known, len(data))
        return known

    def _asked(self, asked: Message) -> Rows:
        entries = asked.several(2)
        if len(entries) == 1:
            entry = Message(entries[0])
            tensor = entry.inner(2)
            if entry.text(1) in _SERIALIZED and tensor.whole(_DTYPE) == _STRING:
                return tuple(_features_of(example) for example in tensor.several(_TEXTS))
        if not self.named and (single := self.tensors.single(entries)) is not None:
            return (b'"features":' + encode(single),)
        return requested_of(Body(inputs=self.tensors.read(entries)), listed=self.named)

    def _predicted(self, told: Message) -> Rows:
        tensors = self.tensors.read(told.several(1))
        return answer_of(Body(outputs=tensors))[1] if tensors else ()


def _classified(told: Message) -> Rows:
    """Of each example the label of the highest score."""
    out = []
    for one in map(Message, told.several(1)):
        classes = [*map(Message, one.several(1))]
        scores = {entry.text(1) or str(i): entry.real(2) for i, entry in enumerate(classes)}
        if not scores:
            raise Refused(RejectReason.MISSING_FIELD, "prediction: an answer without classes")
        best = max(scores, key=scores.__getitem__)
        out.append(b'"prediction":%b,"score":%b' % (encode(best), encode(scores)))
    return tuple(out)


def _regressed(told: Message) -> Rows:
    return tuple(b'"prediction":%b' % encode(Message(one).real(1)) for one in told.several(1))


def _version(spec: Message) -> str:
    """A label, else the number."""
    return spec.text(4) or (str(spec.inner(2).whole(1)) if 2 in spec else "")


# -- tf.Example --


def _examples(given: Message) -> Rows:
    """Of an Input: a list of examples, or one with a context that all of them have."""
    inner = given.inner(2 if 2 in given else 1)
    context = _values(inner.inner(2)) if 2 in given else {}
    return tuple(_features_of(example, context) for example in inner.several(1))


def _features_of(example: bytes, context: Mapping[str, Any] = MappingProxyType({})) -> bytes:
    return b'"features":' + encode({**context, **_values(Message(example))})


def _values(example: Message) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for pair in map(Message, example.inner(1).several(1)):
        name, values = pair.text(1), _feature(pair.inner(2))
        if len(values) <= 1:
            out[name] = values[0] if values else None
        else:
            out.update({f"{name}[{i}]": value for i, value in enumerate(values)})
    return out


def _feature(feature: Message) -> list[Any]:
    for number, kind in ((1, "text"), (2, "<f4"), (3, "int")):
        if number in feature:
            return [v for value in feature.inner(number).values.get(1, ()) for v in _listed(value, kind)]
    return []


# -- tensors --


class _Begin(NamedTuple):
    """How an entry begins, and what that says of it: ``field`` is the tensor's whose bytes come then, up to its end.
    ``single`` reads these where they are one number; ``text``: they are one text.
    """

    data: bytes
    name: str
    kind: int
    shape: list[int]
    field: int
    single: Struct | None
    text: bool


@dataclass(slots=True)
class _Tensors:
    """Entries of maps of tensors. Those of a model differ in the values at their ends, so how they begin is read once.
    ``most``: values of one.
    """

    most: int
    known: dict[tuple[bytes, int], _Begin] = field(default_factory=dict)

    def read(self, entries: Sequence[bytes]) -> list[Tensor]:
        """In order of their names: Protobuf's maps have none."""
        return sorted(map(self._one, entries), key=_name)

    def single(self, entries: Sequence[bytes]) -> dict[str, Any] | None:
        """The values by name of tensors that have one value each; None where that is not known of all of them."""
        out: dict[str, Any] = {}
        known = self.known
        for entry in entries:
            begin = known.get((entry[: 2 + entry[1]], len(entry))) if len(entry) > 1 else None
            if begin is None or not entry.startswith(begin.data):
                return None
            if begin.single is not None:
                (out[begin.name],) = begin.single.unpack_from(entry, len(begin.data))
            elif begin.text:
                out[begin.name] = text_in(entry[len(begin.data) :])
            else:
                return None
        return dict(sorted(out.items())) if 0 < len(out) == len(entries) else None

    def _one(self, entry: bytes) -> Tensor:
        place = entry[: 2 + entry[1]] if len(entry) > 1 else b"", len(entry)
        begin = self.known.get(place)
        if begin is not None and entry.startswith(begin.data):
            return self._tensor(begin.name, begin.kind, begin.shape, [(begin.field, entry[len(begin.data) :])])
        pairs = Message(entry)
        name, parts = pairs.text(1), [*fields(pairs.data(2))]
        about, values = Message(), [part for part in parts if part[0] not in {_DTYPE, _SHAPE}]
        for number, value in parts:
            about.values.setdefault(number, []).append(value)
        kind, shape = about.whole(_DTYPE), [Message(one).whole(1) for one in about.inner(_SHAPE).several(2)]
        if len(values) == 1 and parts[-1] is values[0] and entry.endswith(pairs.data(2)):
            number, last = values[0]
            if isinstance(last, bytes) and [*fields(entry)][-1][0] == 2:
                data = entry[: len(entry) - len(last)]
                text = kind == _STRING and number == _TEXTS and shape in _ONE_ROW
                begin = _Begin(data, name, kind, shape, number, _single(number, kind, shape, last), text)
                _remember(self.known, place, begin, len(data))
        return self._tensor(name, kind, shape, values)

    def _tensor(self, name: str, kind: int, shape: list[int], parts: Sequence[tuple[int, Any]]) -> Tensor:
        content = next((value for number, value in reversed(parts) if number == _CONTENT), b"")
        if kind == _STRING:
            values: list[Any] = [text_in(v) for number, v in parts if number == _TEXTS and isinstance(v, bytes)]
        elif kind not in _TYPES and kind != _BFLOAT16:
            raise Refused(RejectReason.UNDECODABLE, f"tensor '{name[:60]}': a type that is not read")
        elif content and isinstance(content, bytes):
            values = _wide(content) if kind == _BFLOAT16 else packed(content, _TYPES[kind])
        else:
            values = [v for number, part in parts if number in _LISTS for v in _listed(part, _LISTS[number])]
            if kind in {_HALF, _BFLOAT16}:
                bits = np.array(values, np.uint16).tobytes()
                values = _wide(bits) if kind == _BFLOAT16 else packed(bits, _TYPES[kind])
        size = math.prod(shape)
        if 0 < len(values) < size <= self.most:  # the last value stands for all that follow
            values += [values[-1]] * (size - len(values))
        return Tensor(name=name, shape=shape or [len(values)], data=values)


def _single(number: int, kind: int, shape: list[int], data: bytes) -> Struct | None:
    """What reads the values of a tensor of one row, where they are one number; else None."""
    name = _TYPES.get(kind, "") if number == _CONTENT else _LISTS.get(number, "")
    one = SINGLE.get(name)
    fits = one is not None and one.size == len(data) and shape in _ONE_ROW and _TYPES.get(kind) == name
    return one if fits else None


def _name(tensor: Tensor) -> str:
    return tensor.name


def _remember(table: dict[Any, Any], key: Any, value: Any, size: int) -> None:
    if size <= _LONGEST_KNOWN:
        if len(table) >= _MOST_KNOWN:
            table.clear()
        table[key] = value


def _wide(content: bytes) -> list[Any]:
    require_whole(content, 2)
    wide: list[Any] = (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32).tolist()
    return wide


def _listed(value: Any, kind: str) -> list[Any]:
    """A field that may be packed."""
    if kind == "text":
        return [text_in(value)] if isinstance(value, bytes) else []
    if kind.startswith("<"):
        return packed(value, kind) if isinstance(value, bytes) else [value]
    numbers = [*integers(value)]
    if kind == "bits":
        return [int(number) & 0xFFFF for number in numbers]
    return [bool(n) if kind == "bool" else n if kind == "uint" else signed(n) for n in numbers]


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_Serving(lists_rows(mapping), limits, _Tensors(limits.record_bytes)), limits)


def recognise(record: Record) -> bool:
    try:
        message = Message(record.value or b"")
        kind = next((n for n in (_PREDICT, _CLASSIFY, _REGRESS) if n in message), None)
        return kind is not None and bool(message.inner(kind).inner(1).inner(1).text(1))
    except Refused:
        return False
