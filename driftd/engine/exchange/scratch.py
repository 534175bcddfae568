"""What waits to be joined, where memory need not hold it: an SQLite database that ends with the process.

What must last lies in the state topic (driftd.engine.exchange.waiting), and is put here again by whoever takes over.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from driftd.core.errors import StateError
from driftd.engine.label_store import Row, entry_of, row_of, searches
from driftd.ingest.outcomes.pending import Changes, Entry, Key

_FIELDS: Final = "SELECT key, model, time, value FROM pending"


@dataclass(slots=True)
class Scratch:
    """A database without a name in ``folder``, or where the system has temporary files if that cannot be written; it is
    there from the first key on. All of it belongs to the loop's thread.

    Raises: StateError, from everything that reads or writes: it has no other copy here, so driftd ends, and begins
    anew from the topic.
    """

    folder: Path | None = None
    _db: sqlite3.Connection | None = None

    def write(self, changes: Changes) -> None:
        self.put(row_of(key, changes[key]) for key in sorted(changes))

    def put(self, rows: Iterable[Row]) -> None:
        """Rows of the table; of keys that are dropped the value is None."""
        rows = [*rows]
        if not rows:
            return
        try:
            db = self._opened()
            db.execute("BEGIN")
            kept = [row for row in rows if row[3] is not None]
            db.executemany("INSERT OR REPLACE INTO pending VALUES (?, ?, ?, ?)", kept)
            db.executemany("DELETE FROM pending WHERE key = ?", [row[:1] for row in rows if row[3] is None])
            db.execute("COMMIT")
        except (sqlite3.Error, OSError) as e:
            raise self._unusable(e) from e

    def find(self, keys: Sequence[Key]) -> Mapping[Key, Entry]:
        out: dict[Key, Entry] = {}
        for query, some in searches(keys) if self._db is not None else ():
            out.update(self._entries(query, some))
        return out

    def before(self, time: float) -> Iterable[tuple[Key, Entry]]:
        return self._entries(f"{_FIELDS} WHERE time < ?", (time,))

    def beyond(self, key: Key) -> Iterable[tuple[Key, Entry]]:
        return self._entries(f"{_FIELDS} WHERE key >= ?", (key,))

    def of(self, model: str) -> Iterable[tuple[Key, Entry]]:
        return self._entries(f"{_FIELDS} WHERE model = ?", (model,))

    def between(self, first: Key, until: Key) -> list[Row]:
        """The rows of the keys from ``first`` on, before ``until``, in order."""
        return self._rows(f"{_FIELDS} WHERE key >= ? AND key < ? ORDER BY key", (first, until))

    def __len__(self) -> int:
        return int(self._number("SELECT count(*) FROM pending"))

    @property
    def bytes(self) -> int:
        return self._number("PRAGMA page_count") * self._number("PRAGMA page_size")

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
        self._db = None

    def _number(self, query: str) -> int:
        found: Any = self._rows(query, ())
        return int(found[0][0]) if found else 0

    def _entries(self, query: str, values: Sequence[Any]) -> Iterator[tuple[Key, Entry]]:
        for key, model, time, value in self._rows(query, values):
            try:
                yield key, entry_of(model, time, value or b"")
            except msgspec.MsgspecError as e:
                raise self._unusable(e) from e

    def _rows(self, query: str, values: Sequence[Any]) -> list[Row]:
        try:
            return [] if self._db is None else self._db.execute(query, values).fetchall()
        except sqlite3.Error as e:
            raise self._unusable(e) from e

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            self._db = self._open()
            self._db.execute("PRAGMA journal_mode = OFF")  # what fails half-way is not used any more
            self._db.execute("PRAGMA synchronous = OFF")
            self._db.execute(
                "CREATE TABLE pending (key BLOB PRIMARY KEY, model TEXT, time REAL, value BLOB) WITHOUT ROWID"
            )
        return self._db

    def _open(self) -> sqlite3.Connection:
        try:
            if self.folder is None:
                return sqlite3.connect("", isolation_level=None)
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            handle, name = tempfile.mkstemp(prefix="labels.", suffix=".scratch", dir=self.folder)
        except OSError:
            return sqlite3.connect("", isolation_level=None)
        os.close(handle)
        try:
            db = sqlite3.connect(name, isolation_level=None)
            db.execute("PRAGMA locking_mode = EXCLUSIVE")
        finally:
            Path(name).unlink()  # so that nothing is left after kill -9: what is open stays
        return db

    def _unusable(self, why: Exception) -> StateError:
        where = "temporary files" if self.folder is None else self.folder
        return StateError(
            f"{where}: what waits for labels cannot be kept there: {why}; free space, or lower labels.max_pending. "
            "Nothing is lost: it lies in the state topic"
        )
