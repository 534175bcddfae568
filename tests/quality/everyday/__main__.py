"""Is an alarm useful on ordinary traffic? Faults found, right channel, right kind, and quiet where there is no fault.

usage: python -m tests.quality.everyday --seed 11 [--seed 12]... [--models 6] [--only TEXT] [--by kind]...
       [--replay | --zero]

Draws models from each seed, puts faults into their traffic, and judges pane counters with natural/; with --replay by
`driftd replay` and a given reference, with --zero by `driftd replay` without any configuration. Tune on seeds 11, 12
and 13 only.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tests.quality.everyday.faults import REFERENCES, cases_of, stretch
from tests.quality.everyday.judging import Alarm, Judge
from tests.quality.everyday.replayed import Replay
from tests.quality.everyday.scoring import BY, Score, score, table
from tests.quality.everyday.traffic import Base, draw
from tests.quality.ours import children_seconds

Make = Callable[[Base, str], Judge | Replay]


def run(
    seed: int, models: int, only: str = "", make: Make = Judge.of, lengths: Sequence[str] = REFERENCES
) -> Iterator[Score]:
    """Every case of a seed whose id contains ``only``; nulls always."""
    for number in range(models):
        base = draw(number, seed)
        cases = cases_of(base, np.random.default_rng([seed, 50, number]))
        chosen = [c for c in cases if only in c.id or c.kind == "null"]
        if not any(only in c.id for c in chosen):
            continue
        null: dict[str, Sequence[Alarm]] = {}
        for length in lengths:
            judge = make(base, length)
            for case in (c for c in chosen if c.length == length):
                alarms = judge.alarms(*stretch(base, case), case.end)
                if case.kind == "null":
                    null[length] = alarms
                yield score(seed, case, base, alarms, null)


def _seconds() -> float:
    """Of processor time, replays included."""
    return time.process_time() + children_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.quality.everyday")
    parser.add_argument("--seed", type=int, action="append", default=[])
    parser.add_argument("--models", type=int, default=6)
    parser.add_argument("--only", default="")
    parser.add_argument("--by", action="append", choices=tuple(BY), default=[])
    parser.add_argument("--replay", action="store_true", help="`driftd replay` with a reference of the case's length")
    parser.add_argument("--zero", action="store_true", help="`driftd replay` without any configuration or reference")
    a = parser.parse_args()
    started, scores = _seconds(), list[Score]()
    with tempfile.TemporaryDirectory() as folder:
        replayed = partial(Replay.of, folder=Path(folder), zero=a.zero)
        make: Make = replayed if a.replay or a.zero else Judge.of
        for seed in a.seed or [11]:
            for one in run(seed, a.models, a.only, make, ("10k",) if a.zero else REFERENCES):
                scores.append(one)
                print(one.case.id, end=" ", file=sys.stderr, flush=True)
    print(table(scores, a.by))
    print(f"{_seconds() - started:.0f} s of processor time", file=sys.stderr)


if __name__ == "__main__":
    main()
