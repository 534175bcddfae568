"""Secrets from files that nobody else can read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from driftd.core.errors import ConfigError

MOST_BYTES: Final = 65_536


def read_secret(path: Path) -> str:
    """The text of a password file. Raises OSError, or ValueError that says what is wrong with it.

    As with PostgreSQL's keys, the group may read a file that belongs to another user: so Kubernetes mounts secrets for
    a pod with ``fsGroup``.
    """
    with path.open("rb") as file:
        found = os.fstat(file.fileno())
        mode = found.st_mode & 0o777
        if mode & (0o077 if found.st_uid == os.geteuid() else 0o037):
            raise ValueError(f"others than its owner can read it (mode {mode:o}); expected mode 600: chmod 600 {path}")
        return _text(file.read(MOST_BYTES + 1), "a password")


def secret_now(setting: str, given: str | None, file: Path | str | None) -> str:
    """The secret of kafka.``setting`` as its file has it now, else as ``given``, else empty. Raises ConfigError."""
    if file is None:
        return given or ""
    try:
        return read_secret(Path(file))
    except (OSError, ValueError) as e:
        said = e.strerror if isinstance(e, OSError) else str(e)
        raise ConfigError(f"kafka.{setting}_file: {file}: {said}") from None


def read_text(path: Path, what: str) -> str:
    """The text of a file whose mode others choose: Kubernetes gives projected tokens modes of its own."""
    with path.open("rb") as file:
        return _text(file.read(MOST_BYTES + 1), what)


def _text(raw: bytes, what: str) -> str:
    if len(raw) > MOST_BYTES:
        raise ValueError(f"larger than {MOST_BYTES} bytes; expected {what}")
    try:
        text = raw.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError(f"not UTF-8; expected {what}") from None
    if not text:
        raise ValueError(f"is empty; expected {what}")
    return text
