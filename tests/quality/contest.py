"""driftd and its peers on every stream of a folder: alarms and seconds, cached, scored by the folder's score.py."""

from __future__ import annotations

import json
import math
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq
from river.drift import KSWIN

from tests.quality import ours, peers
from tests.quality.cache import Cache, digest_of
from tests.quality.scoring import Score, score
from tests.quality.streams import Stream, streams_of

HERE: Final = Path(__file__).parent
VENV_PEERS: Final = {
    "evidently": "Evidently DataDriftPreset, windows of 1,000",
    "nannyml": "NannyML univariate (Jensen-Shannon), chunks of 1,000",
}
GROUPS: Final = ("iid", "seasonal", "real")
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Contestant:
    """Who, and what it did: alarms by stream, processor seconds per 100,000 rows and score of each group."""

    name: str
    title: str
    alarms: Mapping[str, list[tuple[str, int]]]
    seconds_per_100k: Mapping[str, float]
    scores: Mapping[str, Score]
    remark: str = ""


def contest(
    folder: Path, script: Path, cache: Cache, venv: Path | None, jobs: int, only: Sequence[str], say: Say
) -> list[Contestant]:
    """Everyone on every stream. ``venv`` is the Python that has Evidently and NannyML; without it they are left out."""
    streams = streams_of(folder)
    results: list[tuple[str, str, dict[str, Any], str]] = []
    for name, title in titles().items():
        if only and name not in only:
            continue
        if name in VENV_PEERS:
            if venv is None:
                continue
            answers = elsewhere(name, streams, cache, venv, say)
        else:
            with ProcessPoolExecutor(jobs) as pool:
                tasks = [pool.submit(one, name, s, cache) for s in streams]
                answers = {}
                for s, task in zip(streams, tasks, strict=True):
                    answers[s.name] = task.result()
                    say(f"{name:<13} {s.name:<24} {_told(answers[s.name])}")
        results.append((name, title, answers, _remark(answers)))
    return [_scored(*r, streams, script, folder / "manifest.json") for r in results]


def titles() -> dict[str, str]:
    here = {name: title for name, (title, _) in peers.PEERS.items()}
    return {ours.NAME: "driftd replay, default configuration"} | here | VENV_PEERS


def one(name: str, stream: Stream, cache: Cache) -> Any:
    """One contestant on one stream, from the cache where it has been seen."""
    if name == ours.NAME:
        sources = [*(ours.ROOT / "driftd").rglob("*.py"), HERE / "ours.py", HERE / "streams.py"]
        return cache.of(lambda: _ours(stream), name, stream.digest, digest_of(sources))
    return cache.of(lambda: _peer(name, stream), name, stream.digest, peers.RIVER, digest_of([HERE / "peers.py"]))


def _ours(stream: Stream) -> dict[str, Any]:
    alarms, seconds, given = ours.run(stream)
    judged = [a.threshold for a in alarms if a.detector == "judge" and a.threshold]
    return {
        "alarms": [(a.feature, a.index) for a in alarms],
        "seconds": seconds,
        "detail": [asdict(a) for a in alarms],
        "budget": given.false_alarms_per_month,
        "times_stated": [math.expm1(t) / stream.run_length for t in judged],  # the judge's threshold is ln(1 + A)
    }


def _peer(name: str, stream: Stream) -> dict[str, Any]:
    table = pq.read_table(stream.path)
    _, peer = peers.PEERS[name]
    alarms: list[tuple[str, int]] = []
    seconds = 0.0
    for channel, (kind, _) in stream.channels.items():
        values = peers.codes(table[channel], stream.n_ref, kind == "categorical")
        started = time.process_time()
        alarms += [(channel, i) for i in peer(values, stream.n_ref, kind != "numeric")]
        seconds += time.process_time() - started
    if name == "kswin":
        # our table makes its calls of scipy quick; its users wait for them
        sample = np.random.default_rng(1).normal(size=1500)
        started = time.process_time()
        peers.drive(KSWIN(seed=peers.KSWIN_SEED), sample)
        seconds = (time.process_time() - started) / len(sample) * stream.n * len(stream.channels)
    return {"alarms": alarms, "seconds": seconds}


def elsewhere(name: str, streams: Sequence[Stream], cache: Cache, python: Path, say: Say) -> dict[str, Any]:
    """A peer in the environment of its own: one process for all streams that it has not been asked yet."""
    script = HERE / "peers_venv.py"
    key = (digest_of([script]), version_of(name, python))
    answers = {s.name: cache.get(name, s.digest, *key) for s in streams}
    left = [s for s in streams if answers[s.name] is None]
    if left:
        quiet = os.environ | {"NML_DISABLE_USAGE_LOGGING": "1", "DO_NOT_TRACK": "1"}  # both report home otherwise
        process = subprocess.Popen(
            [str(python), str(script), name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet
        )
        assert process.stdin is not None
        assert process.stdout is not None
        for s in left:
            channels = {c: kind for c, (kind, _) in s.channels.items()}
            request = {"stream": s.name, "file": str(s.path), "n_ref": s.n_ref, "channels": channels}
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{name} left at stream {s.name}: exit {process.wait()}")
            answers[s.name] = json.loads(line)
            cache.put(answers[s.name], name, s.digest, *key)
        process.stdin.close()
        process.wait()
    for s in streams:
        say(f"{name:<13} {s.name:<24} {_told(answers[s.name])}")
    return answers


def version_of(package: str, python: Path) -> str:
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    done = subprocess.run([str(python), "-c", code], check=True, capture_output=True, text=True)
    return f"{package} {done.stdout.strip()}"


def _told(answer: Mapping[str, Any]) -> str:
    return f"{len(answer['alarms']):5d} alarms  {answer['seconds']:7.1f} s"


def _remark(answers: Mapping[str, Any]) -> str:
    raised = sum(a.get("raised", 0) for a in answers.values())
    if raised:
        return f"raised an exception for {raised} columns of a window"
    by = Counter(alarm["detector"] for a in answers.values() for alarm in a.get("detail", ()))
    times = [t for a in answers.values() for t in a.get("times_stated", ())]
    openers = "alarms came from " + ", ".join(f"{who} ({n})" for who, n in by.most_common()) if by else ""
    return openers + (f"; A was {min(times):.2f} to {max(times):.2f} times the stated one" if times else "")


def _scored(
    name: str, title: str, answers: dict[str, Any], remark: str, streams: Sequence[Stream], script: Path, manifest: Path
) -> Contestant:
    found = {s: [(f, int(i)) for f, i in a["alarms"]] for s, a in answers.items()}
    extra = [ours.JOINT] if name == ours.NAME else []
    groups = [g for g in GROUPS if any(s.group == g for s in streams)]
    scores = {g: score(script, manifest, streams, g, found, extra) for g in groups}
    seconds = {g: _per_100k([s for s in streams if s.group == g], answers) for g in groups}
    return Contestant(name, title, found, seconds, scores, remark)


def _per_100k(streams: Sequence[Stream], answers: Mapping[str, Any]) -> float:
    return float(sum(answers[s.name]["seconds"] for s in streams) / sum(s.n for s in streams) * 1e5)
