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
from driftd.decode.wire import fields, integers, packed, require_whole, signed, text_in, varints

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
    for number, value in fields(data):
        if not isinstance(value, bytes):
            continue
        if number in _TEXTS:
            setattr(body, _TEXTS[number], text_in(value))
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
    for number, value in fields(data):
        if isinstance(value, bytes):
            if number == 1:
                tensor.name = text_in(value)
            elif number == 2:
                tensor.datatype = text_in(value)
            elif number == 3:
                shape += map(signed, varints(value))
            elif number == 5:
                tensor.data = _contents(value)
        elif number == 3 and isinstance(value, int):
            shape.append(signed(value))
    tensor.shape = shape
    return tensor


def _contents(data: bytes) -> list[Any]:
    out: list[Any] = []
    for number, value in fields(data):
        kind = _CONTENTS.get(number)
        if kind is None:
            continue
        if kind == "bytes":
            out.append(text_in(value) if isinstance(value, bytes) else value)
        elif kind.startswith("<"):
            out += packed(value, kind) if isinstance(value, bytes) else [value]
        else:
            numbers: Iterable[Any] = integers(value)
            out += [*map(signed, numbers)] if kind == "int" else [*map(bool, numbers)] if kind == "bool" else [*numbers]
    return out


def _raw(tensor: Tensor, raw: bytes) -> list[Any]:
    kind = tensor.datatype
    if kind == "BYTES":
        return [*_texts(raw)]
    if kind == "BF16":  # the upper half of a float32
        require_whole(raw, 2)
        wide: list[Any] = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32).tolist()
        return wide
    if kind not in _RAW:
        raise _bad("a tensor of an unknown datatype")
    return packed(raw, _RAW[kind])


def _texts(raw: bytes) -> Iterator[str]:
    """Each with its length before it."""
    at = 0
    while at < len(raw):
        size = int.from_bytes(raw[at : at + 4], "little")
        at += 4
        if at + size > len(raw):
            raise _bad("a text is cut off")
        yield text_in(raw[at : at + size])
        at += size


def _bad(detail: str) -> Refused:
    return Refused(RejectReason.UNDECODABLE, f"not a message of the inference protocol: {detail}")
