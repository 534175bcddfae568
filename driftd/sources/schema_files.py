"""Schemas that are files of a folder: of registries that nobody here may ask, such as AWS Glue's.

schemas/b7b4a7f0-9c96-41e4-8c1b-0f7b3a9d0c11.avsc      schema version of AWS Glue
schemas/7.proto                                        id of a frame
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from driftd.decode.registry import GLUE, RegisteredSchema, Registry, SchemaRef
from driftd.sources.proto_text import NotCompiled, compiled

_TYPES: Final = {".avsc": "AVRO", ".proto": "PROTOBUF"}
MOST_BYTES: Final = 4 << 20
"""Of a file, as of a registry's answer."""


@dataclass(slots=True)
class FolderRegistry:
    """A Registry (driftd.decode.registry). ``behind`` is asked for what is not there, but for AWS Glue's."""

    folder: Path
    behind: Registry | None = None
    _unusable: dict[Path, tuple[int, str]] = field(default_factory=dict)
    """Files that were no use, when they were last changed, and why: protoc takes a second to say so."""

    def load(self, ref: SchemaRef, *, serialized: bool) -> RegisteredSchema | str:
        for suffix, kind in _TYPES.items():
            path = self.folder / f"{ref.value}{suffix}"  # of digits, or a UUID
            try:
                with path.open("rb") as file:
                    changed, data = os.fstat(file.fileno()).st_mtime_ns, file.read(MOST_BYTES + 1)
            except FileNotFoundError:
                continue
            except OSError as e:
                return f"{path}: {e.strerror}"
            if path in self._unusable and self._unusable[path][0] == changed:
                return self._unusable[path][1]
            found = _read(path, kind, data, glue=ref.kind == GLUE, serialized=serialized)
            if isinstance(found, str):
                self._unusable[path] = changed, found
            return found
        if self.behind is not None and ref.kind != GLUE:
            return self.behind.load(ref, serialized=serialized)
        return f"no {ref.value}{' or '.join(_TYPES)} in schema_registry.folder"


def _read(path: Path, kind: str, data: bytes, *, glue: bool, serialized: bool) -> RegisteredSchema | str:
    if len(data) > MOST_BYTES:
        return f"{path}: more than {MOST_BYTES} bytes"
    schema = RegisteredSchema(kind, data.decode(errors="replace"), glue=glue)
    if serialized and kind == "PROTOBUF":
        try:
            return replace(compiled(schema), glue=glue)
        except NotCompiled as e:
            return f"{path}: {e}"
    return schema
