"""Numbers of variable length, as Protobuf and Avro write them."""

from __future__ import annotations

from driftd.core.event import RejectReason
from driftd.decode.json.strict import Refused


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
