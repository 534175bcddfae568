"""Checkpoints and references on disk: written whole or not at all, checked when read, the previous checkpoint kept."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from driftd.core.errors import (
    CheckpointCorrupt,
    CheckpointTooNew,
    CheckpointTooOld,
    HashedOtherwise,
    StateError,
    StateUnwritable,
)
from driftd.core.reference import Reference
from driftd.engine import label_store
from driftd.engine.hashed import require_hashing
from driftd.engine.label_store import LabelStore, Unusable
from driftd.engine.parts import Parts
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.coding import decode_checkpoint, decode_reference, encode_checkpoint, encode_reference
from driftd.engine.state import State
from driftd.ingest.outcomes import join
from driftd.learn.growth import GROWING, GROWN

log = logging.getLogger("driftd")

MAGIC = b"driftd\n"
FORMAT = 15
_HEADER = len(MAGIC) + 2 + 8 + 32  # magic, format, length of the payload, its SHA-256


def write_file(path: Path, payload: bytes, *, previous: Path | None = None) -> int:
    """Writes the payload atomically; returns the bytes written. What was at ``path`` is kept at ``previous``.

    In this order: temporary file, fsync, renames, fsync of the folder. A crash leaves the old file or the new one, or,
    between the two renames, the old one at ``previous`` alone.
    Raises StateUnwritable when the disk is full or the folder may not be written.
    """
    return _write({path: payload}, previous)


def write_files(files: Mapping[Path, bytes]) -> int:
    """As ``write_file``, files of one folder: each is there whole or not at all. Together, since a file system makes
    many files durable at about the price of one.
    """
    return _write(files, None)


def _write(files: Mapping[Path, bytes], previous: Path | None) -> int:
    written, path = 0, Path()
    temporary = {path: path.with_name(path.name + ".tmp") for path in files}
    try:
        for path, payload in files.items():
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
            head = MAGIC + FORMAT.to_bytes(2, "big") + len(payload).to_bytes(8, "big")
            temporary[path].touch(mode=0o640)
            with temporary[path].open("wb") as f:
                written += f.write(head + hashlib.sha256(payload).digest())
                written += f.write(payload)
        for path in files:
            _sync(temporary[path])
        for path in files:
            if previous is not None and path.exists():
                path.replace(previous)
            temporary[path].replace(path)
        for folder in {path.parent for path in files}:
            _sync(folder)
    except OSError as e:
        with contextlib.suppress(OSError):
            for each in temporary.values():
                each.unlink(missing_ok=True)
        raise StateUnwritable(f"{path}: cannot be written: {e.strerror}; the last good one is kept") from e
    return written


def _sync(path: Path) -> None:
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def unwritable(folder: Path) -> str:
    """Why nothing could be saved in ``folder``, which need not exist yet; "" if it could. Leaves nothing behind."""
    place = folder
    try:
        while not place.exists() and place != place.parent:
            place = place.parent
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(4096))
    except OSError as e:
        return f"{place}: {e.strerror}"
    return ""


def read_file(path: Path) -> bytes:
    """The payload of ``path``. Raises CheckpointCorrupt, CheckpointTooNew, CheckpointTooOld or StateError."""
    try:
        raw = path.read_bytes()
    except OSError as e:
        raise StateError(f"{path}: cannot be read: {e.strerror}") from e
    if raw[: len(MAGIC)] != MAGIC or len(raw) < _HEADER:
        raise CheckpointCorrupt(f"{path}: not a driftd state file, or cut short ({len(raw)} bytes)")
    version = int.from_bytes(raw[len(MAGIC) : len(MAGIC) + 2], "big")
    if version > FORMAT:
        raise CheckpointTooNew(
            f"{path}: written in format {version}, this driftd reads format {FORMAT}; upgrade driftd, or "
            f"{_start_anew(path)}"
        )
    if version < FORMAT:
        raise CheckpointTooOld(
            f"{path}: written in format {version}, this driftd reads format {FORMAT}; run the driftd that wrote it, or "
            f"{_start_anew(path)}"
        )
    length = int.from_bytes(raw[len(MAGIC) + 2 : len(MAGIC) + 10], "big")
    digest, payload = raw[len(MAGIC) + 10 : _HEADER], raw[_HEADER:]
    if len(payload) != length:
        raise CheckpointCorrupt(f"{path}: {len(payload)} bytes where {length} were written")
    if hashlib.sha256(payload).digest() != digest:
        raise CheckpointCorrupt(f"{path}: checksum differs")
    return payload


def _start_anew(path: Path) -> str:
    if path.suffix == SUFFIX:
        return "move it away and build the reference anew with 'driftd reference build'"
    return "move it away: reading then goes on from the committed offsets, and models are learned anew"


def set_aside(path: Path) -> Path:
    """Renames a bad file so that it can be looked at; an earlier bad one is kept too."""
    for n in range(1000):
        aside = path.with_name(path.name + (".bad" if n == 0 else f".bad{n}"))
        if not aside.exists():
            path.rename(aside)
            return aside
    raise StateError(f"{path}: 1000 bad files are kept beside it; look at them and delete them")


SUFFIX = ".reference"


class ReferenceStore:
    """References under ``folder``, one file a version, never overwritten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _path(self, model: str, version: int) -> Path:
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", model)[:80]
        if safe != model:
            safe += "-" + hashlib.sha256(model.encode()).hexdigest()[:8]
        return self.folder / f"{safe}.v{version}{SUFFIX}"

    def list(self) -> list[Reference]:
        """All references, by model and version. Raises StateError on one that cannot be read."""
        found = [read_reference(p) for p in sorted(self.folder.glob(f"*{SUFFIX}"))]
        return sorted(found, key=lambda r: (r.model, r.version))

    def latest(self, model: str) -> Reference | None:
        mine = [r for r in self.list() if r.model == model]
        return mine[-1] if mine else None

    def numbered(self, reference: Reference) -> Reference:
        """The reference as the model's next version; nothing is written. A stage of a reference that grows keeps its
        version if it is stored already: it was learned again after a restart. Stages that were not stored count, too:
        how many are learned between two checkpoints depends on how events are polled.
        """
        before = self.latest(reference.model)
        if before is None:
            return reference
        one, other = ((r.id, r.summary.events, r.last) for r in (before, reference))
        again = one == other and reference.reason in {GROWING, GROWN}
        return replace(reference, version=before.version if again else max(before.version + 1, reference.version))

    def add(self, reference: Reference) -> Reference:
        """Saves it as the model's next version and returns that. Raises StateUnwritable."""
        reference = self.numbered(reference)
        self.keep(reference)
        return reference

    def keep(self, reference: Reference) -> None:
        """Saves it under the version it has, unless that is there already. Raises StateUnwritable."""
        path = self._path(reference.model, reference.version)
        if not path.exists():
            write_file(path, encode_reference(reference))

    def remove(self, reference: Reference) -> None:
        """Raises StateUnwritable."""
        path = self._path(reference.model, reference.version)
        try:
            path.unlink(missing_ok=True)
        except OSError as e:
            raise StateUnwritable(f"{path}: cannot be removed: {e.strerror}") from e


def read_reference(path: Path) -> Reference:
    payload = read_file(path)
    try:
        return decode_reference(payload)
    except CheckpointCorrupt as e:
        raise CheckpointCorrupt(f"{path}: {e}") from e


class CheckpointFile:
    """The checkpoint of one daemon: ``folder``/checkpoint, and the one before it: ``folder``/checkpoint.previous."""

    def __init__(self, folder: Path, clock: Callable[[], float]) -> None:
        self.path = folder / "checkpoint"
        self.previous = folder / "checkpoint.previous"
        self.parts = Parts(folder / "parts", write_files, read_file)
        self.labels = LabelStore(folder / label_store.NAME)
        self._clock = clock
        self._writer = ThreadPoolExecutor(1, "driftd-checkpoint")
        self._writing: Future[int] | None = None

    def save(self, state: State, pipeline: Pipeline) -> int:
        """Writes what has changed of the state; returns the bytes. Raises StateUnwritable."""
        return self.begin(state, pipeline).result()

    def begin(self, state: State, pipeline: Pipeline) -> Future[int]:
        """As ``save``, but only takes the state: a thread writes it. After the checkpoint before it, if that still is
        being written.
        """
        self._wait()
        if trouble := self._attach(state):
            log.error("%s", trouble)
        pending = state.outcomes.pending
        changes = pending.hand_over(kept=self.labels.at >= pending.generation)
        generation, pane_seconds = pending.generation, pipeline.monitor.windows.pane_seconds
        whole = Checkpoint.of(state, pipeline.slices.sequential_of, pane_seconds, self._clock(), pipeline.hashing)
        checkpoint, put_parts = self.parts.named(whole)
        payload = encode_checkpoint(checkpoint)

        def write() -> int:
            size = put_parts()
            self.labels.write(changes, generation)  # before the checkpoint that names it
            size += write_file(self.path, payload, previous=self.previous)
            self.parts.saved(checkpoint)
            self.labels.saved(generation)
            return size

        self._writing = self._writer.submit(write)
        return self._writing

    def _attach(self, state: State, *, anew: bool = False) -> str:
        """What waits to be joined lies in our database, as the state has seen it; "" or what was lost with it."""
        pending = state.outcomes.pending
        if pending.base is self.labels and not anew and not self.labels.broken:
            return ""
        why = self.labels.broken
        if not why:
            try:
                self.labels.open(pending.generation)
            except Unusable as e:
                why = str(e)
        if not why:
            pending.base, pending.size = self.labels, len(self.labels) + len(pending.changed)
            return ""
        kept, lost = self.labels.set_aside(), join.lose(state.outcomes)
        state.outcomes.pending.base = self.labels
        aside = f"; kept as {kept}" if kept else ""
        return f"{why}{aside}; {lost:,} predictions and labels that waited for each other are lost, and counted"

    def _wait(self) -> None:
        if self._writing is not None:
            wait([self._writing])

    def load(self, pipeline: Pipeline) -> tuple[State, str]:
        """The state, empty where there is none, and a sentence on what became of a bad one ("" if all is well).

        A checkpoint that is damaged is kept aside, and the one before it is used: reading goes on from its positions.
        Without one, reading goes on from the committed offsets.
        Raises: CheckpointTooNew, CheckpointTooOld, HashedOtherwise: the checkpoint is good, and is not set aside.
        """
        self._wait()
        said: list[str] = []
        for path in (self.path, self.previous):
            if not path.exists():
                continue
            try:
                checkpoint = self._read(path, pipeline)
                state = checkpoint.restore(pipeline.slices.sequential_of)
            except (CheckpointTooNew, CheckpointTooOld, HashedOtherwise):
                raise
            except StateError as e:
                said.append(f"{e}; kept as {set_aside(path).name}")
                continue
            if said or path == self.previous:
                saved = datetime.fromtimestamp(checkpoint.saved, UTC)
                said.append(f"going on from the checkpoint before it, saved {saved:%Y-%m-%d %H:%M:%S} UTC")
            return state, ", ".join(filter(None, (*said, self._attach(state, anew=True))))
        if said:
            said.append("starting from committed offsets, LEARNING")
        state = State()
        return state, ", ".join(filter(None, (*said, self._attach(state, anew=True))))

    def read(self, path: Path) -> Checkpoint:
        """The checkpoint at ``path``, with its parts. Raises StateError."""
        payload = read_file(path)
        try:
            return self.parts.get(decode_checkpoint(payload))
        except CheckpointCorrupt as e:
            raise CheckpointCorrupt(f"{path}: {e}") from e

    def _read(self, path: Path, pipeline: Pipeline) -> Checkpoint:
        checkpoint = self.read(path)
        wanted, found = pipeline.monitor.windows.pane_seconds, checkpoint.pane_seconds
        if found != wanted:
            raise StateError(
                f"{path}: made with windows.pane_seconds {found:g}, now it is {wanted:g}; panes cannot be cut anew"
            )
        require_hashing(checkpoint, pipeline.hashing, str(path))
        return checkpoint
