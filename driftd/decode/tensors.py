"""The open inference protocol (V2) in Protobuf: ModelInferRequest and ModelInferResponse as the JSON bodies are.

Written by hand for these two messages: a general reader makes objects of all that is in them, and needs a package.
Source: kserve/kserve, docs/predict-api/v2/grpc_predict_v2.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import numpy as np

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused
from driftd.decode.protocol import Body, Tensor
from driftd.decode.wire import Varints

_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
"""Bytes of the kinds whose numbers have as many as that."""
_RAW: Final = {
    "BOOL": "<?",
    "INT8": "<i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "UINT8": "<u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
}
"""Types of raw contents; BYTES and BF16 have readers of their own."""
_CONTENTS: Final = {1: "bool", 2: "int", 3: "int", 4: "uint", 5: "uint", 6: "<f4", 7: "<f8", 8: "bytes"}
"""Fields of InferTensorContents."""


def request_of(data: bytes) -> Body:
    """Raises Refused."""
    return _body(data, answer=False)


def response_of(data: bytes) -> Body:
    """Raises Refused."""
    return _body(data, answer=True)


_TEXTS: Final = {1: "model_name", 2: "model_version", 3: "id"}


def _body(data: bytes, *, answer: bool) -> Body:
    body, tensors, raws = Body(), list[Tensor](), list[bytes]()
    raw_at = 6 if answer else 7
    for number, value in _fields(data):
        if not isinstance(value, bytes):
            continue
        if number in _TEXTS:
            setattr(body, _TEXTS[number], _text(value))
        elif number == 5:
            tensors.append(_tensor(value))
        elif number == raw_at:
            raws.append(value)
    if raws:
        if len(raws) != len(tensors):
            raise _bad(f"{len(tensors)} tensors and raw contents of {len(raws)}")
        for tensor, raw in zip(tensors, raws, strict=True):
            tensor.data = _raw(tensor, raw)
    if answer:
        body.outputs = tensors
    else:
        body.inputs = tensors
    return body


def _tensor(data: bytes) -> Tensor:
    tensor, shape = Tensor(), list[int]()
    for number, value in _fields(data):
        if isinstance(value, bytes):
            if number == 1:
                tensor.name = _text(value)
            elif number == 2:
                tensor.datatype = _text(value)
            elif number == 3:
                shape += map(_signed, _varints(value))
            elif number == 5:
                tensor.data = _contents(value)
        elif number == 3 and isinstance(value, int):
            shape.append(_signed(value))
    tensor.shape = shape
    return tensor


def _contents(data: bytes) -> list[Any]:
    out: list[Any] = []
    for number, value in _fields(data):
        kind = _CONTENTS.get(number)
        if kind is None:
            continue
        if kind == "bytes":
            out.append(_text(value) if isinstance(value, bytes) else value)
        elif kind.startswith("<"):
            out += _numbers(value, kind) if isinstance(value, bytes) else [value]
        else:
            numbers: Iterable[Any] = _varints(value) if isinstance(value, bytes) else [value]
            out += (
                [*map(_signed, numbers)] if kind == "int" else [*map(bool, numbers)] if kind == "bool" else [*numbers]
            )
    return out


def _raw(tensor: Tensor, raw: bytes) -> list[Any]:
    kind = tensor.datatype
    if kind == "BYTES":
        return [*_texts(raw)]
    if kind == "BF16":  # the upper half of a float32
        _require_whole(raw, 2)
        wide: list[Any] = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32).tolist()
        return wide
    if kind not in _RAW:
        raise _bad("a tensor of an unknown datatype")
    return _numbers(raw, _RAW[kind])


def _numbers(data: bytes, kind: str) -> list[Any]:
    """NaN and infinity are null in JSON, and missing."""
    _require_whole(data, np.dtype(kind).itemsize)
    out: list[Any] = np.frombuffer(data, kind).tolist()
    return out


def _require_whole(data: bytes, size: int) -> None:
    if len(data) % size:
        raise _bad(f"{len(data)} bytes of numbers that have {size} each")


def _texts(raw: bytes) -> Iterator[str]:
    """Each with its length before it."""
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        at += 4
        if at + size > len(raw):
            raise _bad("a text is cut off")
        yield _text(raw[at : at + size])
        at += size


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused(RejectReason.NOT_UTF8, "a text that is not UTF-8") from None


def _signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def _varints(data: bytes) -> Iterator[int]:
    reader = Varints(data)
    while reader.at < len(data):
        yield reader.varint()


# Whole, with numbers of one byte read in place: it runs for every field of every tensor.
def _fields(data: bytes) -> Iterator[tuple[int, int | bytes | float]]:
    """Number and value of each field: bytes of messages, texts and lists, else a number. Raises Refused."""
    at, size = 0, len(data)
    while at < size:
        tag = data[at]
        at += 1
        if tag >= 0x80:
            tag, at = _varint(data, at - 1)
        number, kind = tag >> 3, tag & 7
        if not number:
            raise _bad("a field without number")
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, value
            continue
        length = _FIXED.get(kind)
        if length is None:
            if kind != _BYTES:
                raise _bad("a field of an unknown kind")
            length, at = (data[at], at + 1) if at < size and data[at] < 0x80 else _varint(data, at)
        begin, at = at, at + length
        if at > size:
            raise _bad("a field is cut off")
        part = data[begin:at]
        yield number, part if kind == _BYTES else float(np.frombuffer(part, f"<f{length}")[0])


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at a place, and where it ends."""
    reader = Varints(data, at)
    return reader.varint(), reader.at


def _bad(detail: str) -> Refused:
    return Refused(RejectReason.UNDECODABLE, f"not a message of the inference protocol: {detail}")
