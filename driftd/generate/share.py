"""Files that driftd is made of besides its code: rules, runbooks, unit, chart. A wheel has them in driftd/share."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]


@cache
def share() -> Path:
    """The folder that holds alert_rules/ and deploy/: the wheel's copy, or the checkout that this runs from."""
    packaged = _PACKAGE / "share"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def shared(name: str) -> str:
    """The text of such a file, by its path in a checkout."""
    return (share() / name).read_text(encoding="utf-8")


FOLDERS: Final = {
    "runbooks": "alert_rules/runbooks",
    "chart": "deploy/helm/driftd",
    "unit": "deploy/systemd",
    "config": "deploy/driftd.yaml",
}
"""What `driftd generate files` copies."""


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
