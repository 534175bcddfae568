"""What a checkpoint shares with the one before it, in files of its own: written once, named by their content.

checkpoint            -> parts/a.part  parts/b.part      references, events that one is learned from,
                                                               values over time, how right a model was
checkpoint.previous   -> parts/a.part  parts/c.part      d.part, which neither names, is removed
"""

from __future__ import annotations

import contextlib
import hashlib
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from driftd.core.errors import CheckpointCorrupt, StateError, StateUnwritable
from driftd.core.reference import Reference
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import (
    decode_past,
    decode_points,
    decode_reference,
    decode_rows,
    encode_past,
    encode_points,
    encode_reference,
    encode_rows,
)
from driftd.engine.snapshot.growth import GrowthSnapshot
from driftd.engine.snapshot.model import ModelSnapshot, TimelineSnapshot
from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.monitor.quality import Past
from driftd.monitor.timeline import Points

LEAST_BYTES: Final = 65_536
"""Rows and points that take less stay in the checkpoint, encoded once: a file of their own would cost more."""
PORTION_BYTES: Final = 16 << 20
"""Parts that are held encoded until they are written. Chosen: a hundred models that learn at once have 20 times that,
and a disk is as quick with so much at a time.
"""
CHECKPOINTS: Final = 2
"""On disk: the last one and the one before."""
SUFFIX: Final = ".part"

Identity = tuple[int, ...]
Encoded = Callable[[], bytes]
Known = dict[Identity, tuple[object, str | msgspec.Raw]]
"""The name of each part, or what it is encoded to where it is small."""
_T = TypeVar("_T", Reference, RowsSnapshot, Points, Past)


@dataclass(slots=True)
class Parts:
    """The parts in ``folder``; ``write`` and ``read`` handle files as driftd.engine.store does.

    A part is on disk before a checkpoint names it. Parts are known by identity: what a state holds may be replaced, but
    is never changed.
    """

    folder: Path
    write: Callable[[Mapping[Path, bytes]], int]
    read: Callable[[Path], bytes]
    _known: Known = field(default_factory=dict)
    _named: deque[frozenset[str]] = field(default_factory=lambda: deque(maxlen=CHECKPOINTS))

    def named(self, checkpoint: Checkpoint) -> tuple[Checkpoint, Callable[[], int]]:
        """The checkpoint with the names of its parts in their place, and what writes those that are not there yet: it
        returns their bytes, or raises StateUnwritable, and is called before the next checkpoint is ``named``.
        """
        out, known, fresh = shorten(checkpoint, self._known)

        def put() -> int:
            size, portion = 0, dict[Path, bytes]()
            for name, encoded in fresh.items():
                path = self._path(name)
                if path.exists():
                    continue
                portion[path] = encoded()
                if part_name(portion[path]) != name:
                    raise StateUnwritable(f"{path}: changed while it was saved")
                if sum(map(len, portion.values())) >= PORTION_BYTES:
                    size, portion = size + self.write(portion), {}
            size += self.write(portion)
            self._known = known  # not before: what could not be written has no name
            return size

        return out, put

    def get(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint with its parts again. Raises CheckpointCorrupt where one is gone or damaged."""
        out, known = whole(checkpoint, lambda name: self.read(self._path(name)))
        self._known |= known
        return out

    def saved(self, checkpoint: Checkpoint) -> None:
        """The checkpoint that ``named`` gave is on disk: removes what neither it nor the one before names."""
        self._named.append(names_in(checkpoint))
        if len(self._named) == CHECKPOINTS:
            self.keep(frozenset().union(*self._named))

    def keep(self, names: frozenset[str]) -> None:
        """Removes all parts but these."""
        for path in self.folder.glob(f"*{SUFFIX}"):
            if path.stem not in names:
                with contextlib.suppress(OSError):  # it is tried again with the next checkpoint
                    path.unlink()

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}{SUFFIX}"


def part_name(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:32]


def shorten(checkpoint: Checkpoint, known: Known) -> tuple[Checkpoint, Known, dict[str, Encoded]]:
    """The checkpoint with the names of its parts in their place; what is known now; the parts that were not known. They
    are encoded once more when they are written: all of them together may be as large as the state.
    """
    now: Known = {}
    fresh: dict[str, Encoded] = {}

    def short(value: _T, encode: Callable[[_T], bytes], least: int = 0) -> Any:
        identity = _identity(value)
        found = known.get(identity)
        if found is None:
            payload = encode(value)
            if len(payload) < least:
                found = value, msgspec.Raw(payload)
            else:
                name = part_name(payload)
                found = value, name
                fresh[name] = partial(encode, value)
        now[identity] = found
        return found[1]

    def named(model: ModelSnapshot) -> ModelSnapshot:
        reference = model.reference
        if isinstance(reference, Reference):
            reference = short(reference, encode_reference)
        model = _sampled(model, lambda r: r if isinstance(r, str) else short(r, encode_rows, LEAST_BYTES))
        t = model.timeline
        sealed = [p if isinstance(p, str) else short(p, encode_points, LEAST_BYTES) for p in t.sealed]
        quality = model.quality
        if quality is not None and isinstance(quality.past, Past):
            quality = replace(quality, past=short(quality.past, encode_past, LEAST_BYTES))
        return replace(model, reference=reference, timeline=replace(t, sealed=sealed), quality=quality)

    return replace(checkpoint, models=[named(model) for model in checkpoint.models]), now, fresh


def whole(checkpoint: Checkpoint, read: Callable[[str], bytes]) -> tuple[Checkpoint, Known]:
    """The checkpoint with its parts again, and their names. Raises CheckpointCorrupt where one is gone or damaged."""
    known: Known = {}

    def value(name: str, decode: Callable[[bytes], _T]) -> _T:
        try:
            out = decode(read(name))
        except StateError as e:
            raise CheckpointCorrupt(f"a part of the checkpoint is unusable: {name}: {e}") from e
        known[_identity(out)] = out, name
        return out

    def complete(model: ModelSnapshot) -> ModelSnapshot:
        reference = model.reference
        if isinstance(reference, str):
            reference = value(reference, decode_reference)
        model = _sampled(model, lambda r: value(r, decode_rows) if isinstance(r, str) else r)
        timeline = replace(model.timeline, sealed=[*_whole(model.timeline, value)])
        quality = model.quality
        if quality is not None and isinstance(quality.past, str):
            quality = replace(quality, past=value(quality.past, decode_past))
        return replace(model, reference=reference, timeline=timeline, quality=quality)

    return replace(checkpoint, models=[complete(model) for model in checkpoint.models]), known


def names_in(checkpoint: Checkpoint) -> frozenset[str]:
    """The parts that the checkpoint names."""
    found: set[str] = set()
    for model in checkpoint.models:
        rows = [r for growth in model.growths for r in growth.rows or []]
        past = None if model.quality is None else model.quality.past
        parts = (model.reference, *rows, *model.timeline.sealed, past)
        found.update(part for part in parts if isinstance(part, str))
    return frozenset(found)


def _sampled(model: ModelSnapshot, change: Callable[[RowsSnapshot | str], RowsSnapshot | str]) -> ModelSnapshot:
    """With other rows of what is learned from."""

    def changed(growth: GrowthSnapshot) -> GrowthSnapshot:
        return growth if growth.rows is None else replace(growth, rows=[change(r) for r in growth.rows])

    growth = None if model.growth is None else changed(model.growth)
    return replace(model, growth=growth, regrowths=[replace(r, growth=changed(r.growth)) for r in model.regrowths])


def _whole(timeline: TimelineSnapshot, value: Callable[[str, Callable[[bytes], Points]], Points]) -> Iterator[Points]:
    for points in timeline.sealed:
        yield value(points, decode_points) if isinstance(points, str) else points


def _identity(value: Reference | RowsSnapshot | Points | Past) -> Identity:
    """Equal for the same objects only, as long as somebody holds them. A snapshot of rows is made anew for each
    checkpoint, its columns are not.
    """
    if isinstance(value, Reference | Points | Past):
        return (id(value),)
    columns = map(_column, (*value.columns, *value.fields, *value.refused))
    return (id(value.offsets), id(value.times), id(value.version), *map(id, columns))


_column: Final = itemgetter(1)
