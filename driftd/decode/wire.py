"""Protobuf on the wire: fields of a message by number, without a schema or a package."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Any, Final

import numpy as np

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused

_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
"""Bytes of the kinds whose numbers have as many as that."""


SINGLE: Final = {
    "<?": Struct("<?"),
    "<f2": Struct("<e"),
    "<f4": Struct("<f"),
    "<f8": Struct("<d"),
    **{f"<i{size}": Struct(f"<{code}") for size, code in zip((1, 2, 4, 8), "bhiq", strict=True)},
    **{f"<u{size}": Struct(f"<{code}") for size, code in zip((1, 2, 4, 8), "BHIQ", strict=True)},
}
"""What reads one number, by numpy's name of its kind."""


class Varints:
    """Reads ``data`` from ``at`` on. Raises Refused where it ends too early."""

    __slots__ = ("at", "data")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data, self.at = data, at

    def varint(self) -> int:
        value = shift = 0
        while True:
            if self.at >= len(self.data) or shift > 63:
                raise Refused(RejectReason.UNDECODABLE, "a number is cut off, or longer than 64 bits")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)


# Whole, with numbers of one byte read in place: it runs for every field of every tensor.
def fields(data: bytes) -> Iterator[tuple[int, int | bytes | float]]:
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


def packed(data: bytes, kind: str) -> list[Any]:
    """NaN and infinity are null in JSON, and missing. ``kind`` as numpy has it."""
    single = SINGLE[kind]
    if len(data) == single.size:  # as tensors of a single row have: numpy takes four times as long for it
        return [*single.unpack(data)]
    require_whole(data, single.size)
    out: list[Any] = np.frombuffer(data, kind).tolist()
    return out


def require_whole(data: bytes, size: int) -> None:
    if len(data) % size:
        raise _bad(f"{len(data)} bytes of numbers that have {size} each")


def text_in(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise Refused(RejectReason.NOT_UTF8, "a text that is not UTF-8") from None


def signed(value: int) -> int:
    return value - (1 << 64) if value >> 63 else value


def varints(data: bytes) -> Iterator[int]:
    reader = Varints(data)
    while reader.at < len(data):
        yield reader.varint()


def integers(value: bytes | float) -> Iterable[int]:
    """Of a field of integers, packed or not. Raises Refused."""
    if isinstance(value, bytes):
        return varints(value)
    if not isinstance(value, int):
        raise _bad("a float in place of an integer")
    return (value,)


class Message:
    """The fields of a message, by number. What is not there is empty, 0 or "", as Protobuf has it. Raises Refused."""

    __slots__ = ("values",)

    def __init__(self, data: bytes = b"") -> None:
        self.values: dict[int, list[int | bytes | float]] = {}
        for number, value in fields(data):
            self.values.setdefault(number, []).append(value)

    def __contains__(self, number: int) -> bool:
        return number in self.values

    def several(self, number: int) -> list[bytes]:
        """All values of a field of bytes, texts or messages."""
        return [value for value in self.values.get(number, ()) if isinstance(value, bytes)]

    def data(self, number: int) -> bytes:
        last = self.values.get(number, (b"",))[-1]
        return last if isinstance(last, bytes) else b""

    def inner(self, number: int) -> Message:
        return Message(self.data(number))

    def text(self, number: int) -> str:
        return text_in(self.data(number))

    def whole(self, number: int) -> int:
        """A signed number of variable length."""
        last = self.values.get(number, (0,))[-1]
        return signed(last) if isinstance(last, int) else 0

    def real(self, number: int) -> float:
        """A number of fixed length."""
        last = self.values.get(number, (0.0,))[-1]
        return last if isinstance(last, float) else 0.0


def _bad(detail: str) -> Refused:
    return Refused(RejectReason.UNDECODABLE, f"not Protobuf as expected: {detail}")
