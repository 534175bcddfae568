"""What `driftd generate files` copies of the files that driftd is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from driftd.config.share import RUNBOOKS, share

FOLDERS: Final = {
    "runbooks": RUNBOOKS,
    "chart": "deploy/helm/driftd",
    "unit": "deploy/systemd",
    "config": "deploy/driftd.yaml",
}
"""By the name that the command has for it."""


def copied(name: str, out: Path) -> list[Path]:
    """Copies a file, or what is in a folder, into ``out``; gives the copies."""
    source = share() / name
    found = []
    for path in [source] if source.is_file() else sorted(p for p in source.rglob("*") if p.is_file()):
        target = out / (path.name if path == source else path.relative_to(source))
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        found.append(target)
    return found
