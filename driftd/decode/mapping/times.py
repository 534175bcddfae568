"""Which member of a record is its time: by its name, and by what its value can be read as."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from driftd.decode.limits import LATEST_TIME
from driftd.decode.mapping.familiar import NAMES, plain
from driftd.decode.mapping.spec import UNITS, Path, spell

_EPOCH_2000: Final = 946_684_800.0
_DAY: Final = 86_400.0
_RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*(Z|[+-]\d\d:?\d\d)$", re.IGNORECASE)
_NO_OFFSET: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?")
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")
_UNIT: Final = re.compile(r"(?<=.)(ms|us|ns|millis|micros|nanos|sec|secs|seconds|utc)$")
_WRAPPERS: Final = frozenset({"$date", "$numberLong", "long", "double", "string", "value", "seconds", "iso"})
"""Members around a value that say its type, as MongoDB, Avro's JSON and Protobuf's have them: the name is outside."""
_FEATURES: Final = frozenset({"features", *NAMES["features"]} - {"request", "payload", "attributes"})
"""What is inside of these is what a model was asked, times too."""
_ENDS: Final = ("timestamp", "datetime", "time", "_at", "_on", "_ts", "date")


@dataclass(frozen=True, slots=True)
class TimeFound:
    """``source`` as a mapping has it, None where there is no time; ``others`` could have been taken, too;
    ``unreadable`` are called like times. ``guessed``: nobody is known to call the time so.
    """

    source: Any
    path: Path
    others: list[Path]
    unreadable: list[Path]
    guessed: bool = False

    def all(self) -> list[Path]:
        return [path for path in (self.path, *self.others, *self.unreadable) if path]


def is_asked(path: Path) -> bool:
    """Whether it is inside of what a model was asked."""
    return bool(_FEATURES & {step for step in path[:-1] if isinstance(step, str)})


def find_time(values_at: Mapping[Path, Any]) -> TimeFound:
    """The surest name first, then the shallowest path."""
    found: list[tuple[int, int, Path, Any]] = []
    unreadable: list[Path] = []
    for path, value in values_at.items():
        if isinstance(value, dict | list) or is_asked((*path, "")):
            continue
        rank = _rank(path)
        source = None if rank is None else time_source(path, value)
        if rank is not None and source is not None:
            found.append((rank, len(path), path, source))
        elif rank is not None and rank < len(_RANKS) and isinstance(value, str | int | float):
            unreadable.append(path)
    found.sort(key=lambda one: one[:2])
    if not found:
        return TimeFound(None, (), [], unreadable)
    rank, _, path, source = found[0]
    return TimeFound(source, path, [other for _, _, other, _ in found[1:]], unreadable, rank == len(_RANKS))


def time_source(path: Path, value: Any) -> Any:
    """How a mapping reads the value as a time; None where it cannot."""
    text = spell(path)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        number = float(value)
    if number is not None:
        unit = next((u for u, per in UNITS.items() if _EPOCH_2000 <= number / per < LATEST_TIME / 2), None)
        return None if unit is None else with_unit(text, unit, isinstance(value, str))
    if isinstance(value, str) and _NO_OFFSET.fullmatch(value):
        return {"path": text, "zone": "UTC"}
    return text if isinstance(value, str) and _RFC3339.match(value) else None


def is_called_a_time(path: Path) -> bool:
    """As events' times are called, and not only with an end like one: `signup_time` is what somebody wants to watch."""
    rank = _rank(path)
    return rank is not None and rank < len(_RANKS)


def is_of_the_call(value: Any, when: Any) -> bool:
    """Whether two times are within a day: of the same call, and not of something that it is about."""
    here, there = _moment(value), _moment(when)
    return here is not None and there is not None and abs(here - there) < _DAY


def _moment(value: Any) -> float | None:
    """Seconds since 1970; None of what is no time."""
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return None
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        return None
    number = float(value)
    return next((number / per for per in UNITS.values() if _EPOCH_2000 <= number / per < LATEST_TIME / 2), None)


def with_unit(path: str, unit: str, is_text: bool) -> Any:
    return path if unit == "s" and not is_text else {"path": path, "unit": unit}


def _plain(name: str) -> str:
    """Without the unit, too: ``event_time_ms``."""
    return _UNIT.sub("", plain(name))


_RANKS: Final = {name: i for i, name in enumerate(dict.fromkeys(map(_plain, ("time", *NAMES["time"]))))}


def _rank(path: Path) -> int | None:
    """Smaller is surer; None where the name is none of a time. ``len(_RANKS)``: it only ends like one."""
    names = [step for step in path if isinstance(step, str)]
    while len(names) > 1 and names[-1] in _WRAPPERS:
        names.pop()
    if not names:
        return None
    known = _RANKS.get(_plain(names[-1]))
    if known is None and re.sub(r"(?<=[a-z])(?=[A-Z])", "_", names[-1]).lower().endswith(_ENDS):
        return len(_RANKS)
    return known
