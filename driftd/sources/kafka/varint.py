"""One zigzag varint at a time; records.py decodes those of many records at once."""

from __future__ import annotations

from driftd.sources.kafka.compression import Damage, Unreadable


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The number that begins at ``at``, and where it ends; IndexError past the end."""
    value = shift = 0
    while True:
        byte = buffer[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value >> 1) ^ -(value & 1), at
        shift += 7
        if shift > 63:
            raise Unreadable(Damage.MALFORMED, "a number is longer than 64 bits")


def encoded(value: int) -> bytes:
    """The zigzag varint of a number of 0 or more."""
    value <<= 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
