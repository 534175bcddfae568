"""Records of several rows, where a mapping reads features from the first item of a list: one record a row.

    features: instances[0], prediction: predictions[0]
    {"instances": [[1], [2]], "predictions": [3, 4]}  ->  {"instances": [[1]], "predictions": [3]}, {... [[2]] ... [4]}

Read by its first row alone, all others of such a record would be lost, and nobody told.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Any, Final

from msgspec.json import Decoder, encode

from driftd.core.event import RejectReason
from driftd.decode.json.strict import DECODE_ERRORS, Refused, require_room
from driftd.decode.mapping.leaves import as_list, value_at, walk
from driftd.decode.mapping.spec import Path, RecordMapping, Source, spell

_any: Final = Decoder(Any)


class Rows:
    """Of a mapping whose features are under an item 0; ``at`` is where the rows are."""

    def __init__(self, mapping: RecordMapping) -> None:
        under = mapping.features.under
        self.at: Path = () if under is None or not under or under[-1] != 0 else under[:-1]
        sources = [s for name, s in mapping.sources.items() if name != "model" and isinstance(s, Source)]
        self._beside = [s.path for s in sources if s.path is not None and 0 in s.path]
        paths = [under, *mapping.features.paths.values()]
        for source in mapping.sources.values():
            paths += [source.path] if isinstance(source, Source) else source.values()
        self._read = {path[0] for path in paths if path}
        identity = mapping.path_of("id")
        self._identity = identity if identity is not None and not any(isinstance(s, int) for s in identity) else None

    def count(self, record: Any) -> int:
        """How many rows there are; 1 where it is another mapping, or the record has no such list."""
        if not self.at:
            return 1
        try:
            return len(as_list.decode(walk(record, self.at)))
        except DECODE_ERRORS:
            return 1

    def each(self, record: Any) -> list[Any]:
        """The record, or a record a row. Raises Refused where another list has not as many."""
        count = self.count(record)
        if count < 2:
            return [record]
        try:
            whole = _any.decode(record)
        except DECODE_ERRORS:
            return [record]  # which is refused, as it is
        if isinstance(whole, dict):  # else what nobody reads would be in each of them
            whole = {name: value for name, value in whole.items() if name in self._read}
        lists = [self.at, *dict.fromkeys(_rows_at(whole, path, count) for path in self._beside)]
        shared = whole
        for path in lists:
            shared = _replaced(shared, path, [])
        require_room(count, len(encode(shared)), memoryview(record).nbytes)
        return [encode(self._row(whole, lists, i)) for i in range(count)]

    def _row(self, whole: Any, lists: list[Path], i: int) -> Any:
        out = whole
        for path in lists:
            out = _replaced(out, path, [value_at(whole, path)[i]])
        name = None if self._identity is None else value_at(whole, self._identity)
        if self._identity is not None and isinstance(name, str | int) and not isinstance(name, bool):
            out = _replaced(out, self._identity, f"{name}/{i}")
        return out


def _rows_at(whole: Any, path: Path, count: int) -> Path:
    """The list on the way that has an item for each row. Raises Refused."""
    found = [
        path[:n] for n in _zeros(path) if isinstance(each := value_at(whole, path[:n]), list) and len(each) == count
    ]
    if found:
        return found[0]
    sizes = [len(each) for n in _zeros(path) if isinstance(each := value_at(whole, path[:n]), list)]
    raise Refused(
        RejectReason.ROWS_DIFFER,
        f"{count} rows of features, and {sizes[0] if sizes else 'none'} in {spell(path)}"[:200],
    )


def _zeros(path: Path) -> Iterator[int]:
    return (n for n, step in enumerate(path) if step == 0 and isinstance(step, int))


def _replaced(value: Any, path: Path, new: Any) -> Any:
    """With another value at the path; what is not on the way is shared."""
    if not path:
        return new
    out = copy(value)
    out[path[0]] = _replaced(value[path[0]], path[1:], new)
    return out
