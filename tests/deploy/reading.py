"""Where deploy/ is, and how its linters are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"


def run(*command: str | Path, text: str | None = None) -> str:
    """Standard output; fails the test with all that was printed."""
    done = subprocess.run([str(part) for part in command], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> Path:
    """A linter that pip installed beside this Python (the extra ``dev``)."""
    return Path(sys.executable).with_name(name)


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text())
