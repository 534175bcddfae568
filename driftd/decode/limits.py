"""How large, deep, long and numerous the things in a record may be, and which of them may be shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from driftd.decode.mapping.spec import Mappings

if TYPE_CHECKING:  # the command line's help imports this module and waits for nothing heavy
    from driftd.core.hashing import Hasher
    from driftd.decode.registry import Registry

MAX_DEPTH: Final = 500
"""Levels of nesting in a record. Python's own limit moves with the caller's stack, and a verdict must not."""
GROWS: Final = 16
"""How many times as large a record may be as JSON: a number of 8 bytes has up to 24 digits, and each row becomes an
event with all the names.
"""
LATEST_TIME: Final = 7_258_118_400.0
"""2200-01-01T00:00:00Z in epoch seconds: what lies beyond is taken to be milliseconds, not a date."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the codecs read, what they refuse, and how much they may discover.

    record_bytes       a record's value, before anything is decoded
    features_per_event distinct names in one event's ``features``
    name_bytes         a model's or feature's name in UTF-8, where it is not in a schema already
    future_seconds     how far an event may lie ahead of its record's timestamp
    discover           whether models without a schema are taken in
    max_models         schemas given plus models discovered
    max_features       ``Schema.max_features`` of a discovered model
    show_values        whether what is said of a bad record may quote short values and times of it
    keep_ids           whether batches have ids: somebody may see them, or labels are joined by them
    hasher             replaces values of categories; None: they stay as they are
    mappings           where the fields are in records that are not of driftd's own shape
    registry           who has the schemas of records that are framed by a schema registry; None: nobody
    """

    record_bytes: int = 262_144
    features_per_event: int = 1000
    name_bytes: int = 128
    future_seconds: float = 300.0
    discover: bool = True
    max_models: int = 100
    max_features: int = 200
    show_values: bool = True
    keep_ids: bool = True
    hasher: Hasher | None = None
    mappings: Mappings = field(default_factory=Mappings)
    registry: Registry | None = None


DEFAULT_LIMITS: Final = Limits()
