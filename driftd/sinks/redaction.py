"""Dead letters without the values of the record: each one hashed, or none."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from driftd.core.event import MAX_NAME_BYTES
from driftd.core.hashing import Hasher
from driftd.core.values import category

Headers = list[tuple[str, bytes]]
Redact = Callable[[bytes | None, bytes | None, Headers], tuple[bytes | None, bytes | None, Headers]]
"""(value, key, the record's own headers) -> the same without values."""

MOST_BYTES: Final = 262_144
"""A larger value is dropped: taking it apart would hold up the loop."""
_CLASSES: Final = "score"
"""The event's field whose names are values: {class: probability}."""


def dropped(_value: bytes | None, _key: bytes | None, _headers: Headers) -> tuple[None, None, Headers]:
    """Nothing of the record."""
    return None, None, []


def hashed(hasher: Hasher) -> Redact:
    """Structure and names of fields stay, each value becomes its hash; a value that is not JSON is dropped."""

    def redact(value: bytes | None, key: bytes | None, headers: Headers) -> tuple[bytes | None, bytes | None, Headers]:
        names = [(name if len(name) <= MAX_NAME_BYTES else _of(name, hasher), text) for name, text in headers]
        return (
            None if value is None else _json(value, hasher),
            None if key is None else _bytes(key, hasher),
            [(name, _bytes(text, hasher)) for name, text in names],
        )

    return redact


def _json(value: bytes, hasher: Hasher) -> bytes | None:
    if len(value) > MOST_BYTES:
        return None
    try:
        return json.dumps(_leaves(json.loads(value), hasher)).encode()
    except (ValueError, RecursionError):  # not UTF-8, not JSON, too deep
        return None


def _leaves(value: Any, hasher: Hasher) -> Any:
    if isinstance(value, dict):
        return {
            _name(k, hasher): _leaves(_classes(v, hasher) if k == _CLASSES else v, hasher) for k, v in value.items()
        }
    if isinstance(value, list):
        return [_leaves(v, hasher) for v in value]
    return None if value is None else _of(value, hasher)


def _classes(scores: Any, hasher: Hasher) -> Any:
    return {_of(k, hasher): v for k, v in scores.items()} if isinstance(scores, dict) else scores


def _name(name: str, hasher: Hasher) -> str:
    """A name as long as no feature's may be is none."""
    return name if len(name.encode("utf-8", "surrogatepass")) <= MAX_NAME_BYTES else _of(name, hasher)


def _of(value: float | str | bool, hasher: Hasher) -> str:
    """The hash that the value has as a category."""
    if isinstance(value, bool):
        return hasher.hash("true" if value else "false")
    if isinstance(value, int) and abs(value) > 2**1000:  # beyond the range of a float
        return hasher.hash(hex(value))
    return hasher.hash(category(value if isinstance(value, str) else float(value)))


def _bytes(text: bytes, hasher: Hasher) -> bytes:
    return hasher.hash(text.decode("utf-8", "surrogateescape")).encode()
