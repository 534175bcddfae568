"""Bytes to columns: what comes off the wire becomes event batches, rejects and counts.

A format of records is a module in ``formats/`` that has ``opener``, or ``codec``; its name is the format's.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from driftd.decode.limits import DEFAULT_LIMITS, Limits

if TYPE_CHECKING:  # the command line's help imports this package and waits for nothing heavy
    from driftd.core.event import Decoded, RecordBatch, Schema
    from driftd.ingest.halves import Halves

__all__ = ["Codec", "Fetching", "Limits", "codec_of", "format_names", "pairs"]


class Codec(Protocol):
    """Turns a stretch of records into columns. ``schemas`` are the models known so far, by name; ``halves`` what waits
    of calls whose requests and answers are records of their own (None: nothing does, and nothing is kept).

    Raises nothing for what a record holds: every event ends in a batch, in a reject or in a drop count.
    """

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: Halves | None = None) -> Decoded: ...


@runtime_checkable
class Fetching(Protocol):
    """A Codec that has to fetch what it decodes with."""

    def prepare(self, records: RecordBatch) -> None:
        """Where it raises SourceError nothing of the records has been taken in."""
        ...


def codec_of(limits: Limits = DEFAULT_LIMITS) -> Codec:
    """That of records; what format they have depends on their topic (``limits.mappings``)."""
    from driftd.decode.json.codec import EventsCodec  # noqa: PLC0415  which takes msgspec and numpy

    return EventsCodec(limits)


def pairs(record_format: str) -> bool:
    """Whether requests and answers are records of their own, which have to be read by one process."""
    return bool(getattr(import_module(f"{__name__}.formats.{record_format}"), "PAIRS", False))


def format_names() -> list[str]:
    """The formats that records may have."""
    return sorted(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "formats")]))
