"""An event as one line of JSON, whatever a service has its values in."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any, Final

MOST_DEPTH: Final = 100
"""Levels of nesting; events have three, and a structure that contains itself has no end."""
_ABSENT: Final = frozenset({"NAType", "NaTType"})
"""Types of pandas that stand for no value, and are not None."""


class Encoder:
    """``refused`` counts values that JSON has no word for; ``last`` says which type was the last of them. They are sent
    as null, which driftd counts as missing, as it does with a value of a wrong type.
    """

    def __init__(self) -> None:
        self.refused, self.last = 0, ""

    def encode(self, event: Mapping[str, Any]) -> bytes:
        """The event without what is None. Raises ValueError or RecursionError where it cannot be written."""
        known = {name: value for name, value in event.items() if value is not None}
        try:
            text = _dumps(known, default=self._plain)
        except (ValueError, TypeError):  # NaN, or a name that is no text: seldom, so that only it pays
            text = _dumps(self._cleaned(known, 0), default=None)
        return text.encode("ascii")

    def _plain(self, value: Any) -> Any:
        """What stands for a value that the json module does not know."""
        if type(value).__name__ in _ABSENT:
            return None
        if isinstance(value, date):  # a datetime is one, too
            return value.isoformat()
        if isinstance(value, Decimal) or (isinstance(value, Real) and not hasattr(value, "tolist")):
            return float(value)
        if isinstance(value, Mapping):
            return dict(value)
        tolist = getattr(value, "tolist", None)  # numpy, pandas, torch: a scalar of theirs becomes Python's
        if callable(tolist):
            return tolist()
        if isinstance(value, set | frozenset):
            return sorted(value, key=repr)
        self.refused, self.last = self.refused + 1, type(value).__name__
        return None

    def _cleaned(self, value: Any, depth: int) -> Any:
        """With null for NaN and infinity, and text for names."""
        if depth > MOST_DEPTH:
            raise ValueError(f"nested deeper than {MOST_DEPTH} levels")
        if value is None or isinstance(value, str | bool | int):
            return value
        if isinstance(value, float):
            return value if math.isfinite(value) else None
        if isinstance(value, Mapping):
            return {str(name): self._cleaned(item, depth + 1) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._cleaned(item, depth + 1) for item in value]
        return self._cleaned(self._plain(value), depth + 1)


def _dumps(value: Any, default: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=default)
