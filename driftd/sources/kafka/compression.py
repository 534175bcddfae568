"""A batch's records decompressed, and never more of them than allowed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from enum import StrEnum
from typing import Final

import lz4.frame  # type: ignore[import-untyped]
import snappy  # type: ignore[import-untyped]
import zstandard

XERIAL: Final = b"\x82SNAPPY\x00"


class Damage(StrEnum):
    """Why a batch cannot be read."""

    CHECKSUM = "checksum"  # may be the wire's doing: worth fetching again
    MALFORMED = "malformed"
    TOO_LARGE = "too_large"  # would be too large once decompressed
    CODEC = "codec"


class Unreadable(Exception):
    """One batch cannot be read, and why."""

    def __init__(self, damage: Damage, detail: str) -> None:
        super().__init__(detail)
        self.damage = damage


NOT_DECOMPRESSED: Final = (
    zlib.error,
    RuntimeError,
    ValueError,
    EOFError,
    struct.error,
    zstandard.ZstdError,
    snappy.UncompressError,
)


def decompress(codec: int, data: bytes, max_bytes: int) -> bytes:
    """A batch's records, decompressed; never more than ``max_bytes`` of them (a bomb raises Unreadable)."""
    expand = CODECS.get(codec)
    if expand is None:
        raise Unreadable(Damage.CODEC, f"unknown compression codec {codec}")
    try:
        return expand(data, max_bytes)
    except NOT_DECOMPRESSED as error:
        raise Unreadable(Damage.MALFORMED, f"cannot be decompressed: {str(error)[:100]}") from None


def too_large(max_bytes: int) -> Unreadable:
    return Unreadable(Damage.TOO_LARGE, f"the batch decompresses to more than {max_bytes} bytes")


def gunzip(data: bytes, max_bytes: int) -> bytes:
    found = b""
    while data:
        inflate = zlib.decompressobj(31)
        found += inflate.decompress(data, max_bytes + 1 - len(found))
        if len(found) > max_bytes:
            raise too_large(max_bytes)
        if not inflate.eof:
            raise EOFError("the gzip stream is cut short")
        data = inflate.unused_data
    return found


def unsnap(data: bytes, max_bytes: int) -> bytes:
    """Snappy, either bare or in the xerial framing of the Java client (magic, two i32, then blocks)."""
    if not data.startswith(XERIAL):
        return unsnap_block(data, max_bytes)
    found: list[bytes] = []
    at, size = 16, 0
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        if length < 0:
            raise ValueError("a snappy block has a negative length")
        block = unsnap_block(data[at + 4 : at + 4 + length], max_bytes - size)
        size += len(block)
        found.append(block)
        at += 4 + length
    return b"".join(found)


def unsnap_block(data: bytes, max_bytes: int) -> bytes:
    length = shift = 0
    for byte in data[:5]:  # a block begins with its length once decompressed
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            break
    if length > max_bytes:
        raise too_large(max_bytes)
    return bytes(snappy.uncompress(data))


def unlz4(data: bytes, max_bytes: int) -> bytes:
    frame = lz4.frame.LZ4FrameDecompressor()
    found = frame.decompress(data, max_length=max_bytes + 1)
    if len(found) > max_bytes:
        raise too_large(max_bytes)
    if not frame.eof:
        raise EOFError("the lz4 frame is cut short")
    return bytes(found)


def unzstd(data: bytes, max_bytes: int) -> bytes:
    size = zstandard.frame_content_size(data)
    if 0 <= size <= max_bytes:
        return zstandard.ZstdDecompressor().decompress(data)
    found: list[bytes] = []
    left = max_bytes
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        while part := reader.read(1 << 20):
            left -= len(part)
            if left < 0:
                raise too_large(max_bytes)
            found.append(part)
    return b"".join(found)


CODECS: Final[dict[int, Callable[[bytes, int], bytes]]] = {1: gunzip, 2: unsnap, 3: unlz4, 4: unzstd}
