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
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

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
from driftd.decode.wire import Message, packed, require_whole, signed, text_in, varints

TITLE: Final = "TensorFlow Serving prediction log"
PROPOSED: Final[Mapping[str, Any]] = {}
REMARKS: Final = ()
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
_SERIALIZED: Final = frozenset({"examples", "inputs", "input", "input_example_tensor", "serialized_examples"})
"""Names of tensors of text that hold serialized tf.Example."""
_CLASSIFY, _REGRESS, _PREDICT = 2, 3, 6
_OTHERS: Final = {4: "multi inference", 5: "session runs", 7: "streams of predictions"}


@dataclass(frozen=True, slots=True)
class _Serving:
    named: bool
    limits: Limits

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
        spec = [told.inner(2), about.inner(1), asked.inner(1)]  # the answer has the version that answered
        model = next((name for one in spec if (name := one.text(1))), "")
        version = next((text for one in spec if (text := _version(one))), "")
        head = [b'"version":%b' % encode(version)] if version else []
        if kind == _PREDICT:
            requests, answers = self._asked(asked), _predicted(told, self.limits)
        else:
            requests = _examples(asked.inner(2))
            answers = _classified(told.inner(1)) if kind == _CLASSIFY else _regressed(told.inner(1))
        time = float(about.whole(4) or math.nan)
        return events_of_call(model, time, "", head, some(requests, "the request"), answers)

    def _asked(self, asked: Message) -> Rows:
        tensors = _by_name(asked, 2)
        if len(tensors) == 1:
            ((name, data),) = tensors
            tensor = Message(data)
            if name in _SERIALIZED and tensor.whole(1) == _STRING:
                return tuple(_features_of(example) for example in tensor.several(8))
        return requested_of(Body(inputs=_tensors(tensors, self.limits)), listed=self.named)


def _predicted(told: Message, limits: Limits) -> Rows:
    tensors = _tensors(_by_name(told, 1), limits)
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


def _by_name(message: Message, number: int) -> list[tuple[str, bytes]]:
    """Of a map of tensors, in order of their names: Protobuf's maps have none."""
    return sorted((entry.text(1), entry.data(2)) for entry in map(Message, message.several(number)))


def _tensors(named: Sequence[tuple[str, bytes]], limits: Limits) -> list[Tensor]:
    return [_tensor(name, Message(data), limits.record_bytes) for name, data in named]


def _tensor(name: str, given: Message, most: int) -> Tensor:
    kind, content = given.whole(1), given.data(4)
    shape = [Message(dimension).whole(1) for dimension in given.inner(2).several(2)]
    size = math.prod(shape)
    if kind == _STRING:
        values: list[Any] = [text_in(value) for value in given.several(8)]
    elif kind not in _TYPES and kind != _BFLOAT16:
        raise Refused(RejectReason.UNDECODABLE, f"tensor '{name[:60]}': a type that is not read")
    elif content:
        values = _wide(content) if kind == _BFLOAT16 else packed(content, _TYPES[kind])
    else:
        values = [v for n, how in _LISTS.items() for part in given.values.get(n, ()) for v in _listed(part, how)]
        if kind in {_HALF, _BFLOAT16}:
            bits = np.array(values, np.uint16).tobytes()
            values = _wide(bits) if kind == _BFLOAT16 else packed(bits, _TYPES[kind])
    if 0 < len(values) < size <= most:  # the last value stands for all that follow
        values += [values[-1]] * (size - len(values))
    return Tensor(name=name, shape=shape or [len(values)], data=values)


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
    numbers = [*varints(value)] if isinstance(value, bytes) else [value]
    if kind == "bits":
        return [int(number) & 0xFFFF for number in numbers]
    return [bool(n) if kind == "bool" else n if kind == "uint" else signed(n) for n in numbers]


def opener(mapping: RecordMapping, limits: Limits) -> EachRecord:
    return EachRecord(_Serving(lists_rows(mapping), limits), limits)


def recognise(record: Record) -> bool:
    try:
        message = Message(record.value or b"")
        kind = next((n for n in (_PREDICT, _CLASSIFY, _REGRESS) if n in message), None)
        return kind is not None and bool(message.inner(kind).inner(1).inner(1).text(1))
    except Refused:
        return False
