"""Checkpoints and references on disk: written whole or not at all, checked when read."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from driftd.core.errors import CheckpointCorrupt, CheckpointTooNew, StateError, StateUnwritable
from driftd.core.reference import Reference
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot import dump_reference, dump_state, load_reference, load_state
from driftd.engine.state import State

MAGIC = b"driftd\n"
FORMAT = 2
_HEADER = len(MAGIC) + 2 + 8 + 32  # magic, format, length of the payload, its SHA-256


def write_file(path: Path, data: Any) -> int:
    """Writes ``data`` (plain) atomically; returns the bytes written.

    In this order: temporary file, fsync, rename, fsync of the folder. A crash leaves the old file or the new one.
    Raises StateUnwritable when the disk is full or the folder may not be written.
    """
    payload = msgspec.msgpack.encode(data)
    head = MAGIC + FORMAT.to_bytes(2, "big") + len(payload).to_bytes(8, "big") + hashlib.sha256(payload).digest()
    temporary = path.with_name(path.name + ".tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        with temporary.open("wb") as f:
            f.write(head)
            f.write(payload)
            f.flush()
            os.fsync(f.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as e:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise StateUnwritable(f"{path}: cannot be written: {e.strerror}; the last good one is kept") from e
    return len(head) + len(payload)


def read_file(path: Path) -> Any:
    """The plain data of ``path``. Raises CheckpointCorrupt, CheckpointTooNew or StateError."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise StateError(f"{path}: cannot be read: {e.strerror}") from e
    if raw[: len(MAGIC)] != MAGIC or len(raw) < _HEADER:
        raise CheckpointCorrupt(f"{path}: not a driftd state file, or cut short ({len(raw)} bytes)")
    version = int.from_bytes(raw[len(MAGIC) : len(MAGIC) + 2], "big")
    if version > FORMAT:
        raise CheckpointTooNew(f"{path}: written in format {version}, this driftd reads up to {FORMAT}; upgrade driftd")
    if version < FORMAT:
        raise CheckpointCorrupt(f"{path}: format {version} was never written by a released driftd")
    length = int.from_bytes(raw[len(MAGIC) + 2 : len(MAGIC) + 10], "big")
    digest, payload = raw[len(MAGIC) + 10 : _HEADER], raw[_HEADER:]
    if len(payload) != length:
        raise CheckpointCorrupt(f"{path}: {len(payload)} bytes where {length} were written")
    if hashlib.sha256(payload).digest() != digest:
        raise CheckpointCorrupt(f"{path}: checksum differs")
    try:
        return msgspec.msgpack.decode(payload)
    except msgspec.MsgspecError as e:
        raise CheckpointCorrupt(f"{path}: {e}") from e


def set_aside(path: Path) -> Path:
    """Renames a bad file so that it can be looked at; an earlier bad one is kept too."""
    for n in range(1000):
        aside = path.with_name(path.name + (".bad" if n == 0 else f".bad{n}"))
        if not aside.exists():
            path.rename(aside)
            return aside
    raise StateError(f"{path}: 1000 bad files are kept beside it; look at them and delete them")


class ReferenceStore:
    """References under ``folder``, one file a version, never overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, model: str, version: int) -> Path:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", model)[:80]
        if safe != model:
            safe += "-" + hashlib.sha256(model.encode()).hexdigest()[:8]
        return self.folder / f"{safe}.v{version}.reference"

    def list(self) -> list[Reference]:
        """All references, by model and version. Raises StateError on one that cannot be read."""
        found = [read_reference(p) for p in sorted(self.folder.glob("*.reference"))]
        return sorted(found, key=lambda r: (r.model, r.version))

    def latest(self, model: str) -> Reference | None:
        mine = [r for r in self.list() if r.model == model]
        return mine[-1] if mine else None

    def numbered(self, reference: Reference) -> Reference:
        """The reference as the model's next version; nothing is written."""
        before = self.latest(reference.model)
        return replace(reference, version=1 if before is None else before.version + 1)

    def add(self, reference: Reference) -> Reference:
        """Saves it as the model's next version and returns that. Raises StateUnwritable."""
        reference = self.numbered(reference)
        self.keep(reference)
        return reference

    def keep(self, reference: Reference) -> None:
        """Saves it under the version it has, unless that is there already. Raises StateUnwritable."""
        path = self._path(reference.model, reference.version)
        if not path.exists():
            write_file(path, dump_reference(reference))


def read_reference(path: Path) -> Reference:
    try:
        return load_reference(read_file(path))
    except (KeyError, TypeError, ValueError) as e:
        raise CheckpointCorrupt(f"{path}: not a reference: {e}") from e


class CheckpointFile:
    """The checkpoint of one daemon: ``folder``/checkpoint."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.path = folder / "checkpoint"
        self._clock = clock

    def save(self, state: State, pipeline: Pipeline) -> int:
        """Writes the state; returns the bytes. Raises StateUnwritable."""
        data = {
            "saved": self._clock(),
            "pane_seconds": pipeline.windows.pane_seconds,
            "state": dump_state(state, pipeline.sequential_of),
        }
        return write_file(self.path, data)

    def load(self, pipeline: Pipeline) -> tuple[State, str]:
        """The state, empty where there is none, and a sentence on what became of a bad one ("" if all is well).

        A checkpoint that cannot be used is kept aside; reading then goes on from the committed offsets.
        """
        if not self.path.exists():
            return State(), ""
        try:
            return self._read(pipeline), ""
        except StateError as e:
            aside = set_aside(self.path)
            return State(), f"{e}; kept as {aside.name}, starting from committed offsets, LEARNING"

    def _read(self, pipeline: Pipeline) -> State:
        data = read_file(self.path)
        if not isinstance(data, dict) or "state" not in data:
            raise CheckpointCorrupt(f"{self.path}: not a checkpoint")
        wanted, found = pipeline.windows.pane_seconds, data.get("pane_seconds")
        if found != wanted:
            raise StateError(
                f"{self.path}: made with windows.pane_seconds {found}, now it is {wanted}; panes cannot be cut anew"
            )
        return load_state(data["state"], pipeline.sequential_of)
