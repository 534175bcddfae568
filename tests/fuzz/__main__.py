"""`make fuzz`: each target in a process of its own, for as long as is asked; failures go to corpus/.

Run: python -m tests.fuzz [--seconds N] [--seed N] [target ...]
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.engine import Run, lines, name_of
from tests.fuzz.targets import TARGETS

MEMORY_BYTES = 4 << 30
"""Of a process: an input must not make driftd ask for more."""


def child(name: str, seconds: float, seed: int, folder: Path) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    target, until = TARGETS[name], time.monotonic() + seconds
    run = Run(target, target.attempt(folder), random.Random(seed), folder / "current")
    run.fuzz(lambda _: time.monotonic() < until)
    print("\n".join(lines(run)), flush=True)
    for crash in run.crashes.values():
        _keep(name, crash.data)
        print(crash.text, flush=True)
    return bool(run.crashes)


def _keep(name: str, data: bytes) -> None:
    TARGETS[name].folder.mkdir(parents=True, exist_ok=True)
    (TARGETS[name].folder / name_of(data)).write_bytes(data)


def parent(names: list[str], seconds: float, seed: int) -> int:
    failed = 0
    for name in names:
        with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as folder:
            options = ["--child", folder, "--seconds", str(seconds), "--seed", str(seed), name]
            code = subprocess.run([sys.executable, "-m", "tests.fuzz", *options], check=False).returncode
            if code < 0:
                _keep(name, (Path(folder) / "current").read_bytes())
                print(f"{name}: ended by signal {-code}; the input is in corpus/{name}", flush=True)
            failed |= code != 0
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description="Fuzz driftd's decoders.")
    parser.add_argument("targets", nargs="*", metavar="target", help=f"of {', '.join(TARGETS)}; none: all")
    parser.add_argument("--seconds", type=float, default=300, help="for each target")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    unknown = set(given.targets) - TARGETS.keys()
    if unknown:
        parser.error(f"unknown target {', '.join(sorted(unknown))}; expected {', '.join(TARGETS)}")
    if given.child is not None:
        return child(given.targets[0], given.seconds, given.seed, given.child)
    return parent(given.targets or [*TARGETS], given.seconds, given.seed)


if __name__ == "__main__":
    sys.exit(main())
