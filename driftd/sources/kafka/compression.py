"""A batch's records decompressed, and never more of them than allowed."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from enum import StrEnum
from io import BytesIO
from typing import Final

import lz4.frame  # type: ignore[import-untyped]
import snappy  # type: ignore[import-untyped]
import zstandard

PIECE: Final = 1 << 20
KEPT_BYTES: Final = 8 << 20
"""Of a batch before it is known that all of it fits. A larger one is decompressed twice: fetches bring batches of a
megabyte, and few of them are packed as tightly."""
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
    """A batch's records, decompressed; never more than ``max_bytes`` of them (a bomb raises Unreadable), in little more
    memory than they take.
    """
    found: list[bytes] = []
    size = 0
    for piece in pieces(codec, data, max_bytes):
        size += len(piece)
        if size > max_bytes:
            raise too_large(max_bytes)
        if size <= KEPT_BYTES or (not found and size == len(piece)):  # all at once
            found.append(piece)
        else:
            found.clear()
    if found:
        return found[0] if len(found) == 1 else b"".join(found)
    whole = BytesIO()
    for piece in pieces(codec, data, max_bytes):
        whole.write(piece)
    return whole.getvalue()


def pieces(codec: int, data: bytes, max_bytes: int) -> Iterator[bytes]:
    """The same bit by bit, without an end: a piece has PIECE bytes, or ``max_bytes`` where the format asks for it."""
    expand = CODECS.get(codec)
    if expand is None:
        raise Unreadable(Damage.CODEC, f"unknown compression codec {codec}")
    try:
        yield from expand(data, max_bytes)
    except NOT_DECOMPRESSED as error:
        raise Unreadable(Damage.MALFORMED, f"cannot be decompressed: {str(error)[:100]}") from None


def too_large(max_bytes: int) -> Unreadable:
    return Unreadable(Damage.TOO_LARGE, f"the batch decompresses to more than {max_bytes} bytes")


def gunzip(data: bytes, max_bytes: int) -> Iterator[bytes]:  # noqa: ARG001  (its pieces are small)
    while data:
        inflate = zlib.decompressobj(31)
        while not inflate.eof:
            piece = inflate.decompress(data, PIECE)
            data = inflate.unconsumed_tail
            if not piece and not data and not inflate.eof:
                raise EOFError("the gzip stream is cut short")
            yield piece
        data = inflate.unused_data


def unsnap(data: bytes, max_bytes: int) -> Iterator[bytes]:
    """Snappy, either bare or in the xerial framing of the Java client (magic, two i32, then blocks)."""
    if not data.startswith(XERIAL):
        yield unsnap_block(data, max_bytes)
        return
    at = 16
    while at < len(data):
        (length,) = struct.unpack_from(">i", data, at)
        if length < 0:
            raise ValueError("a snappy block has a negative length")
        yield unsnap_block(data[at + 4 : at + 4 + length], max_bytes)
        at += 4 + length


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


def unlz4(data: bytes, max_bytes: int) -> Iterator[bytes]:  # noqa: ARG001  (its pieces are small)
    frame = lz4.frame.LZ4FrameDecompressor()
    while not frame.eof:
        piece = bytes(frame.decompress(data, max_length=PIECE))
        if not piece and not frame.eof and frame.needs_input:
            raise EOFError("the lz4 frame is cut short")
        data = b""
        yield piece


def unzstd(data: bytes, max_bytes: int) -> Iterator[bytes]:
    size = zstandard.frame_content_size(data)
    if 0 <= size <= max_bytes:
        yield zstandard.ZstdDecompressor().decompress(data)
        return
    with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
        while piece := reader.read(PIECE):
            yield piece


CODECS: Final[dict[int, Callable[[bytes, int], Iterator[bytes]]]] = {1: gunzip, 2: unsnap, 3: unlz4, 4: unzstd}
