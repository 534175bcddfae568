"""Where the files are that driftd is made of besides its code: rules, runbooks, unit, chart."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

_PACKAGE: Final = Path(__file__).resolve().parents[1]
RUNBOOKS: Final = "alert_rules/runbooks"


@cache
def share() -> Path:
    """The folder that holds alert_rules/ and deploy/: the wheel's copy, or the checkout that this runs from."""
    packaged = _PACKAGE / "share"
    return packaged if packaged.is_dir() else _PACKAGE.parent


def shared(name: str) -> str:
    """The text of such a file, by its path in a checkout."""
    return (share() / name).read_text(encoding="utf-8")


@cache
def runbooks() -> frozenset[str]:
    """The alerts that have one; none where an installation left them out."""
    return frozenset(path.stem for path in (share() / RUNBOOKS).glob("*.md"))
