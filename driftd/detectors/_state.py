"""Sequential detectors' state as bytes: msgpack of numbers, text and bytes, never pickle."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from driftd.core.errors import CheckpointCorrupt, CheckpointTooNew

if TYPE_CHECKING:
    from driftd.detectors import SequentialDetector

FORMAT: Final = 1
_Packed = tuple[int, str, list[Any], list[float | bytes]]


def pack(detector: SequentialDetector, fields: Iterable[Any]) -> bytes:
    return msgspec.msgpack.encode([FORMAT, detector.kind, settings(detector), list(fields)])


def unpack(detector: SequentialDetector, data: bytes, length: int) -> list[Any] | None:
    """The fields that ``pack`` was given; None when they were gathered under other settings.

    Raises CheckpointCorrupt if ``data`` is not a state of this kind, CheckpointTooNew if a later driftd wrote it.
    """
    try:
        version, kind, made_with, fields = msgspec.msgpack.decode(data, type=_Packed)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise CheckpointCorrupt(f"state of detector '{detector.kind}': {error}; the detector starts afresh") from error
    if version > FORMAT:
        raise CheckpointTooNew(f"state of detector '{detector.kind}': format {version}, this driftd reads {FORMAT}")
    if kind != detector.kind or len(fields) != length:
        raise CheckpointCorrupt(f"state of detector '{detector.kind}': found one of '{kind}', {len(fields)} fields")
    return fields if made_with == settings(detector) else None


def settings(detector: SequentialDetector) -> list[Any]:
    return list(astuple(detector))  # type: ignore[call-overload]  # the protocol asks for a dataclass in words only


def numbers(values: NDArray[np.float64]) -> Sequence[float]:
    """The values as Python floats. A single NaN or infinity would poison a running mean for ever: ValueError."""
    if not np.isfinite(values).all():
        raise ValueError("a sequential detector is fed finite values only; missing ones are left out")
    out: list[float] = values.tolist()
    return out
