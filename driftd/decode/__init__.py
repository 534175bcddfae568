"""Bytes to columns: what comes off the wire becomes event batches, rejects and counts.

A format of records is a module or a package in this folder that has ``record_codec``; its name is the format's.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Protocol

from driftd.decode.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:  # the command line's help imports this package and waits for nothing heavy
    from driftd.core.event import Decoded, RecordBatch, Schema

__all__ = ["Codec", "Limits", "codec_of", "formats"]


class Codec(Protocol):
    """Turns a stretch of records into columns. ``schemas`` are the models known so far, by name.

    Raises nothing for what a record holds: every event ends in a batch, in a reject or in a drop count.
    """

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema]) -> Decoded: ...


def codec_of(limits: Limits = DEFAULT_LIMITS, record_format: str = "json") -> Codec:
    codec: Codec = import_module(f"{__name__}.{record_format}").record_codec(limits)
    return codec


def formats() -> list[str]:
    """The formats that records may have."""
    names = [module.name for module in pkgutil.iter_modules(__path__)]
    return [name for name in names if hasattr(import_module(f"{__name__}.{name}"), "record_codec")]
