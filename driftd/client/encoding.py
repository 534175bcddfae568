"""An event as one line of JSON, whatever a service has its values in."""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from numbers import Real
from os import PathLike, fspath
from typing import Any, Final

MOST_DEPTH: Final = 100
"""Levels of nesting; events have three, and a structure that contains itself has no end."""
_DIGITS: Final = 308
_HUGE: Final = re.compile(rf"\d{{{_DIGITS + 1}}}")
"""Digits of a number that may be beyond floats."""
_ABSENT: Final = frozenset({"NAType", "NaTType"})
"""Types of pandas that stand for no value, and are not None."""
_TEXTS: Final = frozenset({"uuid", "ipaddress"})
"""Modules of types whose ``str`` is what is meant; by name, for they need not be loaded."""
_CLOCKS: Final = {"M": "datetime64", "m": "timedelta64"}
"""numpy's types of times and durations, by the kind of their dtype. Their own ``tolist`` gives a number of nanoseconds,
or a time without an offset.
"""


class Encoder:
    """``refused`` counts values that JSON has no word for; ``last`` says which type was the last of them. They are sent
    as null, which driftd counts as missing, as it does with a value of a wrong type.
    """

    def __init__(self) -> None:
        self.refused, self.last = 0, ""

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """The event without what is None. Raises ValueError or RecursionError where it cannot be written."""
        known = {name: value for name, value in event.items() if value is not None}
        refused: list[str] = []
        try:
            text = _dumps(known, default=lambda value: plain(value, refused))
        except (ValueError, TypeError):  # NaN, or a name that is no text
            text = ""
        if not text or "\\ud" in text or (len(text) > _DIGITS and _HUGE.search(text)):  # seldom, so that only it pays
            refused = []  # the first attempt may have met some of them
            text = _dumps(_cleaned(known, 0, refused), default=None)
        if refused:
            self.refused, self.last = self.refused + len(refused), refused[-1]
        return text.encode("ascii")


def plain(value: Any, refused: list[str]) -> Any:
    """What stands for a value that the json module does not know. None where nothing does: its type is in ``refused``
    then.
    """
    try:
        return _known(value)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001  (whatever another library's type raises: it costs this value, not the event)
        refused.append(type(value).__name__)
        return None


def instant(value: Any) -> Any:
    """``time`` of an event, as driftd reads it where there is a way: epoch seconds or RFC 3339. None where it is
    missing, which NaN and NaT are too. A datetime without a zone is in that of the process, as everywhere in Python.
    """
    if value is None or isinstance(value, int | str):
        return value
    if isinstance(value, datetime) and type(value).__name__ not in _ABSENT:
        return value.timestamp()
    refused: list[str] = []
    found = plain(value, refused)
    if refused:
        return value  # for the encoder to count
    return None if isinstance(found, float) and math.isnan(found) else found


def identity(value: Any) -> str | int | float:
    """``id`` of an event: text that is not empty, or a number. Raises TypeError."""
    found = value if value is None or isinstance(value, str | int | float) else plain(value, [])
    if isinstance(found, str) and found:
        return found
    if isinstance(found, int | float) and not isinstance(found, bool) and math.isfinite(found):
        return found
    raise TypeError(f"id: expected text or a number, got {type(value).__name__}")


def named(model: Any, otherwise: Any) -> str | None:
    """``model`` of an event: text; a whole number is its digits. Raises TypeError."""
    found = plain(model, []) if callable(getattr(model, "tolist", None)) else model
    if found is None or found == "":
        found = otherwise
    if isinstance(found, int) and not isinstance(found, bool):
        return str(found)
    if found is None or isinstance(found, str):
        return found
    raise TypeError(f"model: expected text, got {type(model).__name__}")


def mapping(features: Any) -> dict[Any, Any] | None:
    """``features`` of an event: a mapping, a row of pandas, a named tuple or a model of pydantic. Raises TypeError."""
    if features is None or isinstance(features, dict):
        return features
    if isinstance(features, tuple) and hasattr(features, "_asdict"):
        return dict(features._asdict())
    named = callable(getattr(features, "keys", None)) and getattr(features, "ndim", 1) == 1
    if isinstance(features, Mapping) or named or hasattr(features, "model_dump"):
        return dict(features)
    raise TypeError(f"features: expected a mapping of names to values, got {type(features).__name__}")


def _known(value: Any) -> Any:
    """Raises TypeError for a type that nothing stands for."""
    kind = type(value).__name__
    if kind in _ABSENT:
        return None
    if isinstance(value, date):
        return _rfc3339(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal) or (isinstance(value, Real) and not hasattr(value, "tolist")):
        return float(value)
    if isinstance(value, Mapping):
        return dict(value)
    if type(value).__module__ == "numpy" and value.dtype.kind in _CLOCKS:
        return _clocked(value)
    if callable(getattr(value, "tolist", None)):  # numpy, pandas, torch: a scalar of theirs becomes Python's
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value, key=repr)
    return _named(value)


def _named(value: Any) -> Any:
    """What is known by a text: an enum, a path, a UUID, an address."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, PathLike):
        return fspath(value)
    if any(one.__module__ in _TEXTS for one in type(value).__mro__):
        return str(value)
    raise TypeError(type(value).__name__)


def _rfc3339(value: date) -> str:
    """In UTC, which is also the zone of a time that names none, as in numpy and pandas; of a date, where it begins."""
    if not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day, tzinfo=UTC)
    elif value.utcoffset() is None:
        value = value.replace(tzinfo=UTC)
    return value.astimezone(UTC).isoformat()


def _clocked(value: Any) -> Any:
    """Times and durations of numpy, alone or in an array: Python's, which have microseconds."""
    found = value.astype(f"{_CLOCKS[value.dtype.kind]}[us]").tolist()
    if isinstance(found, int):
        raise TypeError("beyond the years that Python knows")
    return found


def _cleaned(value: Any, depth: int, refused: list[str]) -> Any:
    """With null for NaN and infinity, and text for names."""
    if depth > MOST_DEPTH:
        raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _whole(value)
    if isinstance(value, int):
        if value.bit_length() > sys.float_info.max_exp:  # which driftd would refuse, and the event with it
            refused.append("int")
            return None
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {_whole(str(name)): _cleaned(item, depth + 1, refused) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_cleaned(item, depth + 1, refused) for item in value]
    return _cleaned(plain(value, refused), depth + 1, refused)


def _whole(text: str) -> str:
    """With U+FFFD for each half of a surrogate pair: there is no UTF-8 of it, and nobody could read the event."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _dumps(value: Any, default: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default)
