"""Fresh streams from real rows: the same classes of drift with every number drawn from a seed nobody tuned to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.quality import ours

GENERATORS: Final[dict[str, Callable[[str], list[str]]]] = {
    "exchangeable": lambda seed: [seed],
    "seasonal": lambda seed: ["--seed", seed],
}
"""Module beside this one, to the arguments after the data folder and the output folder."""


def redraw(data: Path, folder: Path, seed: int) -> list[Path]:
    """One folder a generator, written where it is not there yet. The same seed gives the same streams."""
    out = []
    for name, more in GENERATORS.items():
        target = folder / f"{name}-{seed}"
        if not (target / "manifest.json").exists():
            command = [sys.executable, "-m", f"tests.quality.{name}", str(data), str(target), *more(str(seed))]
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                text=True,
                cwd=ours.ROOT,
                env=os.environ | {"PYTHONPATH": str(ours.ROOT)},
            )
            if done.returncode != 0:
                raise RuntimeError(f"{' '.join(command[1:])}: exit {done.returncode}: {done.stderr.strip()[-1000:]}")
        out.append(target)
    return out
