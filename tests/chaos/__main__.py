"""`make chaos`: faults on purpose, beside a count of the topic that driftd has no part in (docs/reliability.md).

usage: python -m tests.chaos [--size small|medium|full] [--write FILE] [ROW]...
"""

from __future__ import annotations

import argparse
import importlib
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kafka.errors import KafkaError

from tests.chaos import report
from tests.chaos.experiment import SIZES, Experiment, Outcome, Size, Stage
from tests.servers.kafka import LocalBroker, local_broker

ROWS = (
    *("kills", "members", "keyed", "broker", "poison", "huge", "dependencies"),
    *("topics", "backlog", "flood", "names", "checkpoints", "login", "soak"),
)


def experiment(row: str) -> Experiment:
    found = importlib.import_module(f"tests.chaos.{row}").EXPERIMENT
    assert isinstance(found, Experiment)
    return found


def perform(row: str, size: Size, broker: LocalBroker) -> report.Result:
    """One experiment. What stops it is a fault like others."""
    began = time.monotonic()
    chosen = experiment(row)
    with tempfile.TemporaryDirectory(prefix="driftd-chaos-") as place:
        stage = Stage(broker, Path(place), size)
        try:
            outcome = chosen.run(stage)
        except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError, KafkaError) as e:
            outcome = Outcome(faults=[f"did not come to its end: {e}"[:2000]])
        finally:
            stage.close()
            if not broker.alive:
                broker.start()
    return report.Result(chosen, size, outcome, time.monotonic() - began)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default: all")
    parser.add_argument("--size", choices=SIZES, default="medium")
    parser.add_argument("--write", type=Path, help="The document whose table is renewed.")
    a = parser.parse_args()
    if unknown := set(a.rows) - set(ROWS):
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    fell_short = 0
    with local_broker() as broker:
        for row in a.rows or ROWS:
            print(f"{row} ...", flush=True)
            result = perform(row, a.size, broker)
            fell_short += not result.outcome.passed
            print(report.line(result), flush=True)
            if a.write:
                report.renew(a.write, result)
    return int(fell_short > 0)


if __name__ == "__main__":
    sys.exit(main())
