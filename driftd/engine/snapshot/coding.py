"""A checkpoint, a reference and what lies beside them, as bytes and back."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from driftd.core.errors import CheckpointCorrupt
from driftd.core.reference import Reference
from driftd.engine.codec import TypedCodec
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.monitor.quality import Past
from driftd.monitor.timeline import Points

_T = TypeVar("_T")
_CHECKPOINT: Final = TypedCodec(Checkpoint)
_REFERENCE: Final = TypedCodec(Reference)
_ROWS: Final = TypedCodec(RowsSnapshot)
_POINTS: Final = TypedCodec(Points)
_PAST: Final = TypedCodec(Past)
_WRONG: Final = (msgspec.MsgspecError, KeyError, TypeError, ValueError, IndexError)


def encode_checkpoint(checkpoint: Checkpoint) -> bytes:
    return _CHECKPOINT.encode(checkpoint)


def decode_checkpoint(data: bytes) -> Checkpoint:
    """Raises CheckpointCorrupt when the data is not what ``encode_checkpoint`` made."""
    return _decoded(_CHECKPOINT, data, "the checkpoint's content is not what driftd writes")


def encode_reference(reference: Reference) -> bytes:
    return _REFERENCE.encode(reference)


def decode_reference(data: bytes) -> Reference:
    """Raises CheckpointCorrupt when the data is not what ``encode_reference`` made."""
    return _decoded(_REFERENCE, data, "not a reference")


def encode_rows(rows: RowsSnapshot) -> bytes:
    return _ROWS.encode(rows)


def decode_rows(data: bytes) -> RowsSnapshot:
    """Raises CheckpointCorrupt when the data is not what ``encode_rows`` made."""
    return _decoded(_ROWS, data, "not rows of events")


def encode_points(points: Points) -> bytes:
    return _POINTS.encode(points)


def decode_points(data: bytes) -> Points:
    """Raises CheckpointCorrupt when the data is not what ``encode_points`` made."""
    return _decoded(_POINTS, data, "not values over time")


def encode_past(past: Past) -> bytes:
    return _PAST.encode(past)


def decode_past(data: bytes) -> Past:
    """Raises CheckpointCorrupt when the data is not what ``encode_past`` made."""
    return _decoded(_PAST, data, "not how right a model was")


def _decoded(codec: TypedCodec[_T], data: bytes, otherwise: str) -> _T:
    try:
        return codec.decode(data)
    except _WRONG as e:
        raise CheckpointCorrupt(f"{otherwise}: {type(e).__name__}: {e}") from e
