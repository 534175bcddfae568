"""Features that come as several rows, or by column, in records that somebody else has shaped.

[{"a": 1}, {"a": 2}], [[1], [2]], {"columns": ["a"], "data": [[1], [2]]}   a record is an event for each row (rows.py)
{"a": [1, 2]}, {"a": {"0": 1, "1": 2}}, with as many predictions           a mapping reads the first of each column
[{"name": "a", "value": 1}, {"name": "b", "value": 2}]                     by its place, if that is the same in all
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from driftd.decode.mapping.inference import nameable, row_of
from driftd.decode.mapping.leaves import value_at
from driftd.decode.mapping.proposal import Proposal
from driftd.decode.mapping.spec import Path, parse, spell

_PAIRS: Final = tuple((name, value) for name in ("name", "feature", "key") for value in ("value", "val"))
_BY_ROW: Final = ("prediction", "score", "label", "latency")


def asked_at(path: Path, value: Any, records: Sequence[Mapping[str, Any]], found: Proposal) -> Any:
    """What ``features`` is in the mapping, for the object or list at ``path``."""
    at = spell(path)
    if isinstance(value, list):
        if (named := _pairs(value)) is not None:
            return _by_place(path, named, records, found) or at
        if isinstance(value[0], dict):
            return {"under": spell((*path, 0))}
        return row_of(spell((*path, 0)), value[0]) if isinstance(value[0], list) else row_of(at, value)
    names, rows = value.get("columns"), value.get("data")
    if isinstance(names, list) and isinstance(rows, list) and rows and isinstance(rows[0], list):
        return row_of(spell((*path, "data", 0)), rows[0], [*map(str, names)])
    return _columns(path, value, records, found) or at


def _pairs(items: Sequence[Any]) -> tuple[list[str], str] | None:
    """The names in a list of names and values, and what the values are called."""
    for name, value in _PAIRS:
        if all(isinstance(item, dict) and {name, value} <= item.keys() for item in items):
            names = [item[name] for item in items]
            return (names, value) if nameable(names) else None
    return None


def _by_place(
    path: Path, named: tuple[list[str], str], records: Sequence[Mapping[str, Any]], found: Proposal
) -> dict[str, Any] | None:
    for record in records:
        items = value_at(record, path)
        other = _pairs(items) if isinstance(items, list) and items else None
        if other != named:
            found.warnings.append(
                f"`{spell(path)}` is a list of names and values whose order differs, and a mapping reads a list by its "
                "places: send an object of name to value"
            )
            return {"under": spell(path)}
    found.remarks.append(
        f"`{spell(path)}` is read by the places in it: a producer that sends an object of name to value is safer"
    )
    names, value = named
    return {"paths": {name: spell((*path, i, value)) for i, name in enumerate(names)}}


def _columns(
    path: Path, value: Mapping[str, Any], records: Sequence[Mapping[str, Any]], found: Proposal
) -> dict[str, Any] | None:
    """Of columns that are as long as what was predicted; a list by itself may be an embedding."""
    given = found.mapping.get("prediction")
    steps = parse(given) if isinstance(given, str) else ()
    steps = steps[:-1] if steps and steps[-1] == 0 else steps
    told = (
        {id(record): answers for record in records if isinstance(answers := value_at(record, steps), list)}
        if steps
        else {}
    )
    answers = next((told.get(id(record)) for record in records if value_at(record, path) is value), None)
    if not isinstance(answers, list) or not nameable([*value]):
        return None
    count = len(answers)
    keys = {frozenset(column) if isinstance(column, dict) else _length(column) for column in value.values()}
    if keys == {count} and not any(isinstance(column[0], dict | list) for column in value.values()):
        first: str | int = 0
    elif len(keys) == 1 and all(
        isinstance(c, dict) and len(c) == count and all(map(str.isdigit, c)) for c in value.values()
    ):
        first = next(iter(next(iter(value.values()))))
    else:
        return None
    found.mapping["prediction"] = spell((*steps, 0))
    found.one_row(max(map(len, told.values())))
    return {"paths": {name: spell((*path, name, first)) for name in value}}


def rows_of(found: Proposal) -> Path | None:
    """The list of which each item is a row of features, by what is proposed; None where there is none."""
    features = found.mapping.get("features")
    under = features if isinstance(features, str) else (features or {}).get("under")
    path = parse(under) if under and under != "." else ()
    return path[:-1] if path and path[-1] == 0 else None


def by_row(values_at: Mapping[Path, Any], found: Proposal) -> None:
    """Lists with an item for each row of features are read by row, too."""
    at = rows_of(found)
    rows = values_at.get(at) if at is not None else None
    for key in _BY_ROW if isinstance(rows, list) else ():
        given = found.mapping.get(key)
        path = parse(given) if isinstance(given, str) else ()
        value = None if 0 in path else values_at.get(path)  # it is a row's already
        if isinstance(value, list) and isinstance(rows, list) and len(value) == len(rows) > 1:
            found.mapping[key] = spell((*path, 0))


def _length(column: Any) -> int:
    return len(column) if isinstance(column, list) and column else -1
