"""Values of dataclasses and numpy arrays as msgpack and back: typed, exact to the bit, without pickle."""

from __future__ import annotations

from math import prod
from typing import Any, Final, Generic, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

DENSE: Final = 1
"""Extension code of an array as it lies in memory."""
SPARSE: Final = 2
"""Extension code of an array of integers by those that are not 0: latency sketches and bin counts are mostly 0."""
MOST_BYTES: Final = 1 << 30
"""Of one array. A sparse one says in a few bytes how large it is: nobody may be made to ask for more memory."""
_KINDS: Final = frozenset("biufUS")
SPARSE_FROM: Final = 64
"""Elements from which an array may be written sparsely; below, the indices cost more than they save."""


class _Header(msgspec.Struct, array_like=True):
    dtype: str
    shape: tuple[int, ...]
    index: bytes
    values: bytes


_header: Final = msgspec.msgpack.Decoder(_Header)


def _encode_array(value: Any) -> msgspec.msgpack.Ext:
    if not isinstance(value, np.ndarray):
        raise NotImplementedError(f"a checkpoint cannot hold a {type(value).__name__}")
    # never floats: -0.0 is not 0
    if value.size >= SPARSE_FROM and value.dtype.kind in "iu" and np.count_nonzero(value) * 2 < value.size:
        flat = value.ravel()
        index = np.flatnonzero(flat)
        head = _Header(value.dtype.str, value.shape, index.astype("<u4").tobytes(), flat[index].tobytes())
        return msgspec.msgpack.Ext(SPARSE, msgspec.msgpack.encode(head))
    head = _Header(value.dtype.str, value.shape, b"", value.tobytes())
    return msgspec.msgpack.Ext(DENSE, msgspec.msgpack.encode(head))


def _decode_array(code: int, data: memoryview) -> NDArray[Any]:
    if code not in (DENSE, SPARSE):
        raise ValueError(f"extension {code} is none of driftd's")
    head = _header.decode(data)
    dtype = _dtype(head.dtype)
    if dtype.kind not in _KINDS or dtype.itemsize * prod(head.shape) > MOST_BYTES:
        raise ValueError(f"an array of {head.dtype} and {prod(head.shape)} elements is none of driftd's")
    values = np.frombuffer(head.values, dtype)
    if code == DENSE:
        return values.reshape(head.shape).copy()
    out = np.zeros(prod(head.shape), dtype)
    out[np.frombuffer(head.index, "<u4")] = values
    return out.reshape(head.shape)


def _dtype(text: str) -> np.dtype[Any]:
    try:
        return np.dtype(text)
    except SyntaxError as e:  # numpy reads some of them as Python
        raise ValueError(f"an array of {text!r} is none of driftd's") from e


def _require_array(kind: type, value: Any) -> Any:
    """Arrays have come out of ``_decode_array`` already; anything else in their place is refused."""
    if not isinstance(value, np.ndarray):
        raise TypeError(f"expected an array, got {type(value).__name__} for {kind}")
    return value


class TypedCodec(Generic[T]):
    """Encodes values of one dataclass; decodes what it encoded, checking every type on the way.

    Raises: msgspec.MsgspecError, ValueError and TypeError from ``decode`` where the data is not of that type.
    """

    def __init__(self, kind: type[T]) -> None:
        self._encoder = msgspec.msgpack.Encoder(enc_hook=_encode_array, order="deterministic")
        self._decoder = msgspec.msgpack.Decoder(kind, dec_hook=_require_array, ext_hook=_decode_array)

    def encode(self, value: T) -> bytes:
        return self._encoder.encode(value)

    def decode(self, data: bytes) -> T:
        try:
            return self._decoder.decode(data)
        except RecursionError as e:
            raise ValueError("nested too deep") from e
