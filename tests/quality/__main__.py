"""`make quality`: does driftd find real drift sooner than its peers, and hold its budget of false alarms?

usage: python -m tests.quality [--data DIR]... [--redraw SEED]... [--write FILE] [--quick | --full] [--only PART]...

Parts: streams (driftd and its peers on folders of streams with known drift), nulls (simulated streams without drift),
sensitivity (delay against shift). docs/quality.md holds what was measured; nothing here is a test.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from tests.bench.__main__ import machine
from tests.quality import contest, nulls, ours, peers, report, sensitivity
from tests.quality.cache import Cache
from tests.quality.losses import DataSet
from tests.quality.redraw import redraw
from tests.quality.streams import streams_of

SHARED = ours.ROOT.parent / "shared" / "data"


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.quality", description=__doc__.splitlines()[0] if __doc__ else ""
    )
    parser.add_argument(
        "--data",
        action="append",
        type=Path,
        help="Folder with manifest.json and streams; repeatable. Default: ../shared/data where it is.",
    )
    parser.add_argument(
        "--redraw",
        action="append",
        type=int,
        default=[],
        metavar="SEED",
        help="Also on streams drawn anew, exchangeable and seasonal, from the first data folder; repeatable.",
    )
    parser.add_argument(
        "--score",
        type=Path,
        help="score.py. Default: the data folder's own, else the first data folder's that has one.",
    )
    parser.add_argument("--write", type=Path, help="Where the document goes. Default: standard output.")
    parser.add_argument("--cache", type=Path, default=ours.ROOT / "build" / "quality", help="Folder of results.")
    parser.add_argument("--venv", type=Path, help="Python that has Evidently and NannyML.")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, default=1000, help="The first of the simulations' seeds.")
    parser.add_argument("--seeds", type=int, help="How many. Default: 10 (nulls), 10 (sensitivity).")
    parser.add_argument("--months", type=float, help="Times the usual months of the null streams.")
    parser.add_argument("--only", action="append", choices=("streams", "nulls", "sensitivity"))
    parser.add_argument("--contestant", action="append", choices=tuple(contest.titles()), default=[])
    parser.add_argument("--kind", action="append", choices=tuple(k.name for k in nulls.KINDS), default=[])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="For development: 2 seeds, short, no KSWIN.")
    size.add_argument("--full", action="store_true", help="Five times the months of the null streams.")
    return parser


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)


def streams(a: argparse.Namespace, cache: Cache, notes: list[str]) -> list[DataSet]:
    folders: list[Path] = list(a.data or ([SHARED] if (SHARED / "manifest.json").exists() else []))
    if not folders:
        notes.append("No folder of streams was given (`make quality DATA=DIR`): only simulated streams were measured.")
        say(notes[-1])
    drawn: list[Path] = []
    for seed in a.redraw if folders else ():
        drawn += redraw(folders[0], a.cache / "streams", seed)
    only = a.contestant or ([n for n in contest.titles() if n not in {"kswin", "evidently"}] if a.quick else [])
    if a.quick and not a.contestant:
        notes.append("Quick mode: without KSWIN and Evidently.")
    if drawn and not a.full and not a.contestant:
        notes.append("KSWIN takes half a minute a stream: it runs on the redrawn streams with `--full` only.")
    swift = [n for n in contest.titles() if n != "kswin"]
    out = []
    for folder in (*folders, *drawn):
        script = a.score or next(
            (f / "score.py" for f in (folder, *folders, SHARED) if (f / "score.py").exists()), None
        )
        if script is None:
            sys.exit(f"{folder}: no score.py there, nor in {SHARED}; give --score FILE")
        asked = only or ([] if a.full or folder not in drawn else swift)
        found = contest.contest(folder, script, cache, a.venv, a.jobs, asked, say)
        out.append(DataSet(f"Data set `{folder.name}`", len(streams_of(folder)), found))
    return out


def commit() -> str:
    """The commit that is measured, where git knows it."""
    command = ["git", "-C", str(ours.ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    return f" ({done.stdout.strip()})" if done.returncode == 0 else ""


def main() -> None:
    a = arguments().parse_args()
    started = time.monotonic()
    cache, notes = Cache(a.cache), []
    parts = set(a.only or ("streams", "nulls", "sensitivity"))
    if "streams" in parts and a.venv is None:
        notes.append("Evidently and NannyML were not installed (`--venv`): without their rows.")
        say(notes[-1])
    count = a.seeds or (2 if a.quick else 10)
    seeds = range(a.seed, a.seed + count)
    scale = a.months or (0.25 if a.quick else 5.0 if a.full else 1.0)
    kinds = [k for k in nulls.KINDS if k.name in a.kind or not a.kind]
    sets = streams(a, cache, notes) if "streams" in parts else []
    null = nulls.measure(seeds, scale, cache, a.jobs, kinds, say) if "nulls" in parts else []
    delays = sensitivity.measure(seeds, cache, a.jobs, say) if "sensitivity" in parts else []
    versions = [f"driftd {version('driftd')}{commit()}", peers.RIVER]
    versions += [contest.version_of(name, a.venv) for name in contest.VENV_PEERS] if a.venv else []
    command = shlex.join(["python", "-m", "tests.quality", *_shown(sys.argv[1:])])
    minutes = (time.monotonic() - started) / 60
    about = report.About(machine(), time.strftime("%Y-%m-%d", time.gmtime()), versions, command, minutes, notes)
    text = report.document(about, sets, null, delays, f"seeds {seeds.start} to {seeds.stop - 1}")
    if a.write:
        a.write.write_text(text)
        say(f"{a.write} written after {minutes:.1f} minutes")
    else:
        print(text)


def _shown(arguments: list[str]) -> list[str]:
    """Paths by their last part: the document is no place for this machine's folders."""
    return [Path(x).name if x.startswith("/") else x for x in arguments]


if __name__ == "__main__":
    try:
        main()
    except RuntimeError as e:  # what driftd, a peer or score.py said; results so far are in the cache
        sys.exit(f"quality: {e}")
