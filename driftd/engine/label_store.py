"""What waits to be joined, on disk: an SQLite database that can go back to what a checkpoint has seen.

                      saved 7        saved 8            kill -9
    labels.sqlite    --- 7 ----------- 8 ------------- 9 |           a transaction for each checkpoint, before it
    checkpoint           7             8                 |           so the database is at it or ahead of it
    after a restart                    8 <-- undone ---- 9           also back to 7, if checkpoint 8 is damaged

The two files cannot be renamed together. So each transaction keeps what it has overwritten, until neither the
checkpoint nor the one before it can need it.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from driftd.core.errors import StateUnwritable
from driftd.core.event import Scalar
from driftd.ingest.outcomes.pending import Changes, Entry, Key

NAME: Final = "labels.sqlite"
LAYOUT: Final = 1
"""Of the tables: a database of another layout cannot be used."""
CHECKPOINTS: Final = 2
"""On disk: the last one and the one before."""
_AT_ONCE: Final = 500
"""Keys in a query: SQLite takes 32,766, and from some hundreds on a query costs by its keys alone."""
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS pending (key BLOB PRIMARY KEY, model TEXT, time REAL, value BLOB) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS undo (generation INTEGER, key BLOB, model TEXT, time REAL, value BLOB,
    PRIMARY KEY (generation, key)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS meta (layout INTEGER, generation INTEGER, oldest INTEGER);
"""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
Row = tuple[Key, str, float, bytes | None]


class _Value(NamedTuple):
    """An Entry without what has columns of its own."""

    stage: int
    prediction: Scalar
    score: float | None
    version: str | None
    label: Scalar
    source: tuple[str, int] | None
    offset: int
    variant: str | None = None
    unit: float | None = None
    chances: dict[str, float] | None = None
    segments: tuple[str, ...] = ()


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(_Value).decode


def searches(keys: Sequence[Key]) -> Iterator[tuple[str, Sequence[Key]]]:
    """Queries for the entries of ``keys``, with the values of each."""
    for first in range(0, len(keys), _AT_ONCE):
        some = keys[first : first + _AT_ONCE]
        marks = ",".join("?" * len(some))
        yield f"SELECT key, model, time, value FROM pending WHERE key IN ({marks})", some  # noqa: S608


def row_of(key: Key, entry: Entry | None) -> Row:
    return (key, "", 0.0, None) if entry is None else (key, entry.model, entry.time, _encode((entry.stage, *entry[3:])))


def entry_of(model: str, time: float, value: bytes) -> Entry:
    v = _decode(value)
    return Entry(v.stage, model, time, *v[1:])


class Unusable(Exception):
    """The database cannot be brought to what the checkpoint has seen."""


@dataclass(slots=True)
class LabelStore:
    """The database at ``path``; nothing is there before the first key is to be kept.

    ``write`` is called in the thread that writes checkpoints, the rest in the loop's; each has its own connection.
    ``at``: the generation that is committed. ``broken``: why it cannot be used any more, "" while it can.
    """

    path: Path
    at: int = 0
    broken: str = ""
    _reader: sqlite3.Connection | None = None
    _writer: sqlite3.Connection | None = None
    _named: deque[int] = field(default_factory=lambda: deque(maxlen=CHECKPOINTS))
    """By the checkpoints on disk, as far as it is known."""

    def open(self, generation: int) -> None:
        """Brings the database to ``generation``. Raises Unusable."""
        self._named.clear()
        self._named.append(generation)
        self.at = generation
        if not self.path.exists():
            if generation:
                raise Unusable(f"{self.path}: missing")
            return
        try:
            with closing(_connected(self.path)) as db:
                found = db.execute("PRAGMA quick_check(1)").fetchone()[0]
                if found != "ok":
                    raise Unusable(f"{self.path}: {found}")
                _go_back(db, generation, self.path)
            self._reader = _connected(self.path)
        except (sqlite3.Error, msgspec.MsgspecError) as e:
            raise Unusable(f"{self.path}: {e}") from e

    def set_aside(self) -> str:
        """Begins anew; the name under which the database is kept, "" where there is none."""
        self.close()
        self.at, self.broken = 0, ""
        self._named.clear()
        kept = ""
        for ending in ("", "-wal", "-shm"):
            path = self.path.with_name(self.path.name + ending)
            if path.exists():
                path.replace(path.with_name(f"{self.path.name}.bad{ending}"))
                kept = kept or f"{self.path.name}.bad"
        return kept

    def close(self) -> None:
        for connection in (self._reader, self._writer):
            if connection is not None:
                connection.close()
        self._reader = self._writer = None

    # -- the loop's side --

    def find(self, keys: Sequence[Key]) -> Mapping[Key, Entry]:
        out: dict[Key, Entry] = {}
        for query, some in searches(keys):
            out.update(self._read(query, some))
        return out

    def before(self, time: float) -> Iterable[tuple[Key, Entry]]:
        return self._read("SELECT key, model, time, value FROM pending WHERE time < ?", (time,))

    def beyond(self, key: Key) -> Iterable[tuple[Key, Entry]]:
        return self._read("SELECT key, model, time, value FROM pending WHERE key >= ?", (key,))

    def of(self, model: str) -> Iterable[tuple[Key, Entry]]:
        return self._read("SELECT key, model, time, value FROM pending WHERE model = ?", (model,))

    def __len__(self) -> int:
        return 0 if self._reader is None else int(self._reader.execute("SELECT count(*) FROM pending").fetchone()[0])

    @property
    def bytes(self) -> int:
        """On disk."""
        paths = (self.path, self.path.with_name(f"{self.path.name}-wal"))
        return sum(path.stat().st_size for path in paths if path.exists())

    def _read(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Key, Entry]]:
        if self.broken or not (self._reader or self.at):
            return
        try:
            if self._reader is None:
                self._reader = _connected(self.path)
            rows: list[Row] = self._reader.execute(query, values).fetchall()
            for key, model, time, value in rows:
                yield key, entry_of(model, time, value or b"")
        except (sqlite3.Error, msgspec.MsgspecError) as e:
            self.broken = f"{self.path}: {e}"

    # -- the side of checkpoints --

    def write(self, changes: Changes, generation: int) -> None:
        """Commits the changes as ``generation``. Raises StateUnwritable; then nothing has changed."""
        if generation <= self.at:
            return
        try:
            if self._writer is None:
                self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
                self.path.touch(mode=0o640)
                self._writer = _connected(self.path)
                self._writer.executescript(_TABLES)
            _commit(self._writer, changes, generation, self._named[0] if len(self._named) == CHECKPOINTS else 0)
        except (sqlite3.Error, OSError) as e:
            if getattr(e, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
                self.broken = f"{self.path}: {e}"
            raise StateUnwritable(f"{self.path}: cannot be written: {e}; the last good one is kept") from e
        self.at = generation

    def saved(self, generation: int) -> None:
        """The checkpoint that names ``generation`` is on disk."""
        self._named.append(generation)


def forget(path: Path, model: str) -> None:
    """Removes what waits of a model. The daemon does not run."""
    if path.exists():
        with closing(_connected(path)) as db, db:
            db.executescript(_TABLES)
            db.execute("DELETE FROM pending WHERE model = ?", (model,))
            db.execute("UPDATE undo SET value = NULL, model = NULL WHERE model = ?", (model,))


def _connected(path: Path) -> sqlite3.Connection:
    # the threads take turns, each with a connection of its own: begun in one, closed in the other
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")  # a checkpoint that names a transaction must not outlive it
    return db


def _commit(db: sqlite3.Connection, changes: Changes, generation: int, unneeded: int) -> None:
    rows = [row_of(key, changes[key]) for key in sorted(changes)]
    db.execute("CREATE TEMP TABLE IF NOT EXISTS fresh (key BLOB PRIMARY KEY, model, time, value) WITHOUT ROWID")
    db.execute("BEGIN IMMEDIATE")
    try:
        db.execute("DELETE FROM fresh")
        db.executemany("INSERT INTO fresh VALUES (?, ?, ?, ?)", rows)
        db.execute("DELETE FROM undo WHERE generation <= ?", (unneeded,))
        db.execute(
            "INSERT OR IGNORE INTO undo SELECT ?, f.key, p.model, p.time, p.value "
            "FROM fresh f LEFT JOIN pending p ON p.key = f.key",
            (generation,),
        )
        db.execute("INSERT OR REPLACE INTO pending SELECT * FROM fresh WHERE value IS NOT NULL")
        db.execute("DELETE FROM pending WHERE key IN (SELECT key FROM fresh WHERE value IS NULL)")
        db.execute("DELETE FROM fresh")
        (known,) = db.execute("SELECT count(*) FROM meta").fetchone()
        if known:
            db.execute("UPDATE meta SET generation = ?, oldest = max(oldest, ?)", (generation, unneeded))
        else:
            db.execute("INSERT INTO meta VALUES (?, ?, ?)", (LAYOUT, generation, unneeded))
        db.execute("COMMIT")
    except sqlite3.Error:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise


def _go_back(db: sqlite3.Connection, generation: int, path: Path) -> None:
    """Undoes what came after ``generation``. Raises Unusable where that is not known."""
    db.executescript(_TABLES)
    row = db.execute("SELECT layout, generation, oldest FROM meta").fetchone()
    layout, at, oldest = row or (LAYOUT, 0, 0)
    if layout != LAYOUT:
        raise Unusable(f"{path}: of layout {layout}, this driftd reads {LAYOUT}")
    if not oldest <= generation <= at:
        raise Unusable(f"{path}: has what came from {oldest} to {at}, and the checkpoint has seen {generation}")
    db.execute("BEGIN IMMEDIATE")
    later = "SELECT DISTINCT generation FROM undo WHERE generation > ? ORDER BY generation DESC"
    for (each,) in db.execute(later, (generation,)).fetchall():
        db.execute(
            "INSERT OR REPLACE INTO pending SELECT key, model, time, value FROM undo "
            "WHERE generation = ? AND value IS NOT NULL",
            (each,),
        )
        db.execute(
            "DELETE FROM pending WHERE key IN (SELECT key FROM undo WHERE generation = ? AND value IS NULL)", (each,)
        )
    db.execute("DELETE FROM undo WHERE generation > ?", (generation,))
    db.execute("UPDATE meta SET generation = ?", (generation,))
    db.execute("COMMIT")
