"""Results on disk, keyed by what they depend on: a second run asks the peers nothing that they have answered."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


def digest_of(files: Iterable[Path]) -> str:
    """One digest for the contents of files, in the order of their names."""
    out = hashlib.sha256()
    for file in sorted(files):
        out.update(file.name.encode() + b"\0" + file.read_bytes())
    return out.hexdigest()


@dataclass(frozen=True, slots=True)
class Cache:
    """A folder of JSON files."""

    folder: Path

    def path(self, *key: object) -> Path:
        """Where the result of ``key`` lies; its first part is readable."""
        text = json.dumps([str(part) for part in key])
        return self.folder / f"{key[0]}-{hashlib.sha256(text.encode()).hexdigest()[:20]}.json"

    def get(self, *key: object) -> Any:
        """None where there is no whole result."""
        try:
            return json.loads(self.path(*key).read_text())
        except (OSError, ValueError):
            return None

    def put(self, value: Any, *key: object) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.path(*key)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(value) + "\n")
        part.replace(path)

    def of(self, make: Callable[[], Any], *key: object) -> Any:
        found = self.get(*key)
        if found is None:
            found = make()
            self.put(found, *key)
        return found
