"""Lists where one value is meant: `[0.7]` for `0.7`, and probabilities in order of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from msgspec import MsgspecError, Raw
from msgspec.json import Decoder

ONE: Final = frozenset({"prediction", "score", "label"})
"""Fields where a list of one value is that value: servers answer a request of one row with such a list."""
_items: Final = Decoder(list[Raw])


def of_one(raw: Any) -> Any:
    """The JSON in a list of one, and in that if it is another; what is no such list as it is."""
    while bytes(raw).lstrip()[:1] == b"[":
        try:
            items = _items.decode(raw)
        except (MsgspecError, UnicodeError, RecursionError):
            return raw
        if len(items) != 1:
            return raw
        raw = items[0]
    return raw


def singles(values: Sequence[Any]) -> Sequence[Any]:
    """Decoded values, with the number in place of each list of one."""
    if list not in set(map(type, values)):
        return values
    return [v[0] if type(v) is list and len(v) == 1 else v for v in values]


def by_place(values: Sequence[Any]) -> Sequence[Any]:
    """Scores, with an object in place of each list: the names of classes are their places."""
    values = singles(values)
    if list not in set(map(type, values)):
        return values
    return [dict(zip(map(str, range(len(v))), v, strict=True)) if type(v) is list else v for v in values]
