"""Records of a batch that decompresses to more than allowed, as far as bounded memory and time reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from driftd.sources.kafka.compression import Unreadable
from driftd.sources.kafka.varint import encoded, varint

LARGEST_SHARE: Final = 4
"""A record is kept whole up to this part of the limit; of a larger one only its offset and time are kept."""
STREAMED: Final = 4
"""So many times the limit is decompressed of one batch at most: 256 MiB, which takes 0.1 (zstd) to 0.6 s (gzip)."""
MOST_RECORDS: Final = 100_000
"""At 2 us a record in Python."""

_HEAD: Final = 21  # attributes (1 byte), timestamp delta and offset delta (10 at most): where a record says its offset
_NOTHING: Final = encoded(0)  # no headers
_NULL: Final = b"\x01"  # -1: no key, no value


@dataclass(frozen=True, slots=True)
class Salvaged:
    """``records``: ``count`` records as they would stand in a batch, those too large without key, value and headers.

    ``huge`` has the sizes of those by offset delta; ``next_delta`` is the first one that was not read.
    """

    records: bytes
    count: int
    huge: dict[int, int]
    next_delta: int


class _Ended(Exception):
    """The batch, or what may be decompressed of it, is used up."""


class _Stream:
    """Bytes that come in pieces, ``most`` of them at most."""

    def __init__(self, pieces: Iterator[bytes], most: int) -> None:
        self._pieces = pieces
        self._piece = b""
        self._at = 0
        self._left = most

    def take(self, size: int, *, keep: bool = True) -> bytes:
        """The next ``size`` bytes; nothing of them without ``keep``. Raises _Ended."""
        found = []
        while size > 0:
            if self._at == len(self._piece):
                self._next_piece()
            part = self._piece[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            if keep:
                found.append(part)
        return b"".join(found)

    def length(self) -> int:
        """The varint that each record begins with."""
        raw = b""
        while not raw or raw[-1] > 127:
            raw += self.take(1)
            if len(raw) > 5:
                raise _Ended
        return varint(raw, 0)[0]

    def _next_piece(self) -> None:
        piece = next(self._pieces, None)
        if piece is None or self._left <= 0:
            raise _Ended
        self._left -= len(piece)
        self._piece, self._at = piece, 0


def salvage(pieces: Iterator[bytes], count: int, max_bytes: int) -> Salvaged:
    """Reads the batch's ``count`` records one by one until something ends it; keeps ``max_bytes`` of them at most."""
    stream = _Stream(pieces, STREAMED * max_bytes)
    records, huge = BytesIO(), dict[int, int]()
    done = next_delta = 0
    try:
        while done < min(count, MOST_RECORDS):
            length = stream.length()
            fits = length <= max_bytes // LARGEST_SHARE
            if length < 0 or (fits and records.tell() + length > max_bytes):
                break
            body = stream.take(length if fits else _HEAD)
            _, at = varint(body, 1)
            delta, at = varint(body, at)
            if not fits:
                stream.take(length - _HEAD, keep=False)
                body = body[:at] + _NULL + _NULL + _NOTHING
                huge[delta] = length
            records.write(encoded(len(body)) + body)
            done, next_delta = done + 1, delta + 1
    except (_Ended, Unreadable, IndexError):
        pass
    return Salvaged(records.getvalue(), done, huge, next_delta)
