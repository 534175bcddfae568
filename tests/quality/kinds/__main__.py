"""How often is the cause that a finding names the right one?

usage: python -m tests.quality.kinds [--seed 11]... [--models 4] [--only TEXT] [--write]

Puts one fault of each cause into models of tests/quality/everyday and into the demo's flights, runs them through the
pipeline against a reference of 7 or 28 days, and counts what the channel's findings say at the end of twelve hours (36
where it comes slowly): the right cause, nothing finer than the kind, or a wrong one. Tune on seeds 11, 12 and 13 only.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from driftd.config.settings import Settings
from driftd.core.event import EventBatch
from driftd.core.finding import CHANGE, Finding, Status
from driftd.core.incident import PIPELINE
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.learn.build import Learning, build
from driftd.monitor.silence import silence
from driftd.monitor.state import ModelState
from driftd.wiring.app import pipeline_of
from tests.quality.everyday.judging import batch_of
from tests.quality.everyday.traffic import DAY, HOUR, Base, Columns, Floats
from tests.quality.kinds.bases import LATENCY, VERSION, everyday, of_flights
from tests.quality.kinds.faults import SILENT as NOTHING
from tests.quality.kinds.faults import Fault, faults_of, put
from tests.unit.core.make import feed

PAGE: Final = Path(__file__).parents[3] / "docs" / "kinds.md"
BEGIN, END = "<!-- measured -->\n", "<!-- end -->\n"
CLAIMS: Final = (
    "swapped",
    "unit",
    "sign_flipped",
    "clipped",
    "hours_shifted",
    "renamed",
    "join_broken",
    "type_changed",
)
"""Causes that nothing but a fault has; the flights have gaps and new values of their own."""
SOON, KNOWN_DAYS = 3600.0, 2
"""Seconds within which the silence of a model must be told, where its hours are known of two other days."""
RIGHT, GENERAL, WRONG, SILENT = "right", "general", "wrong", "silent"


@dataclass(frozen=True, slots=True)
class Case:
    seed: int
    base: str
    fault: Fault
    said: str
    verdict: str


def batch(base: Base, times: Floats, columns: Columns) -> EventBatch:
    rows, refused = batch_of(base, times, columns)
    fields = dict(rows.fields) | {"latency_seconds": columns[LATENCY].astype(np.float64)}
    versions = columns[VERSION].tolist()
    return EventBatch(rows.model, rows.offsets, rows.times, rows.columns, fields, versions, refused=refused)


def found(base: Base, reference: Reference, times: Floats, columns: Columns) -> tuple[list[Finding], ModelState]:
    """What the pipeline says of a stretch, and how the model is after it."""
    p, state = pipeline_of(Settings()), State()
    p.slices.adopt(state, Slice("m"), reference)
    rows, out = batch(base, times, columns), list[Finding]()
    for part in np.array_split(np.arange(len(rows)), max(len(rows) // 2000, 1)):
        out += feed(p, state, ("t", 0), rows.take(part)).findings
    return out, state.models[Slice("m")]


def silent(model: ModelState, last: float) -> tuple[str, str]:
    """When a model that stops would be told as silent."""
    due = silence(model.timeline, last)
    said = f"ticket after {due.ticket:.0f} s, page after {due.page:.0f} s, {due.usual:.0f} events an hour are usual"
    return said, RIGHT if min(due.ticket, due.page) <= SOON else SILENT


def of_incidents(model: ModelState, begins: float) -> tuple[str, str]:
    """Whether an incident since then is about the pipeline as a whole."""
    mine = [i for i in model.incidents if i.opened > begins]
    said = "; ".join(f"{i.kind} {i.cause} of {len(i.parts)}" for i in mine)
    if any(i.cause == PIPELINE for i in mine):
        return said, RIGHT
    return said, WRONG if any(i.cause in CLAIMS for i in mine) else GENERAL if mine else SILENT


def verdict(fault: Fault, findings: list[Finding], begins: float) -> tuple[str, str]:
    """What is said of the channels that were broken, and how right that is."""
    last: dict[str, Finding] = {}
    for f in findings:
        if (
            f.feature in fault.channels
            and f.detector == CHANGE
            and f.window_end > begins
            and f.status >= Status.WARNING
        ):
            last[f.feature] = f
    others = {f.feature: f"{f.feature}: {f.cause} {f.detail}" for f in findings if _elsewhere(fault, f, begins)}
    if others:
        return "; ".join(others.values()), WRONG
    if not last:
        return "", SILENT
    said = "; ".join(f"{f.feature}: {f.kind} {f.cause} {f.detail}".strip() for f in last.values())
    named = {f.new_version for f in findings if f.feature in fault.channels and f.window_end > begins} - {None}
    if named - {fault.version}:
        return f"{said}; version {named}", WRONG
    if fault.version is not None:
        return said, RIGHT if named else GENERAL
    if fault.kinds:
        return said, RIGHT if all(f.kind in fault.kinds and not f.cause for f in last.values()) else WRONG
    names = [f for f in last.values() if f.cause]
    if any(f.cause != fault.cause or fault.detail not in f.detail for f in names):
        same = all(f.cause == fault.cause and not f.detail for f in names)
        return said, GENERAL if same else WRONG
    return said, RIGHT if names or not fault.cause else GENERAL


def _elsewhere(fault: Fault, f: Finding, begins: float) -> bool:
    """Whether a cause is said of another channel that has none."""
    return f.feature not in {None, *fault.channels} and f.window_end > begins and f.cause in CLAIMS


def run(seed: int, models: int, only: str) -> Iterator[Case]:
    for number in range(models):
        for make in (everyday, of_flights):
            base = make(number, seed)
            rng = np.random.default_rng([seed, 60, number])
            days = 28 if number % 2 else 7
            reference = build(batch(base, *base.reference(f"{days}d")), Learning())
            for k, fault in enumerate(faults_of(base, rng)):
                if only not in fault.name:
                    continue
                draw = np.random.default_rng([seed, 61, number, k])
                start = base.judged + float(draw.integers(0, 8)) * DAY + float(draw.uniform(0, 12)) * HOUR
                begins = start + float(draw.uniform(4, 8)) * HOUR
                slow = fault.cause == "gradual"
                start -= KNOWN_DAYS * DAY if fault.cause == NOTHING else 0.0
                times, columns = base.between(start, begins + (48 if slow else 12) * HOUR)
                if not put(base, fault, times, columns, begins, draw):
                    continue
                if fault.cause == NOTHING:
                    kept = times < begins
                    times, columns = times[kept], {n: c[kept] for n, c in columns.items()}
                findings, model = found(base, reference, times, columns)
                if fault.cause == NOTHING:
                    said, how = silent(model, float(times[-1]))
                elif fault.cause == PIPELINE:
                    said, how = of_incidents(model, begins)
                else:
                    said, how = verdict(fault, findings, begins)
                yield Case(seed, f"{base.name} {number}", fault, said, how)


def table(cases: list[Case]) -> str:
    rows = [
        "| put in | cases | right % | more general % | wrong % | nothing was told of |",
        "|---|---|---|---|---|---|",
    ]
    names = list(dict.fromkeys(c.fault.name for c in cases))
    causes = [n for n in names if not n.startswith("no cause")]
    groups = [(n, [c for c in cases if c.fault.name == n]) for n in names]
    groups.append(("**all causes**", [c for c in cases if c.fault.name in causes]))
    groups.append(("**no cause**", [c for c in cases if c.fault.name not in causes]))
    for name, mine in groups:
        told = [c for c in mine if c.verdict != SILENT]
        share = [
            f"{100 * np.mean([c.verdict == v for c in told]):.0f}" if told else "-" for v in (RIGHT, GENERAL, WRONG)
        ]
        rows.append(f"| {name} | {len(told)} | {' | '.join(share)} | {len(mine) - len(told)} |")
    return "\n".join(rows)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.quality.kinds")
    parser.add_argument("--seed", type=int, action="append", default=[])
    parser.add_argument("--models", type=int, default=4)
    parser.add_argument("--only", default="")
    parser.add_argument("--all", action="store_true", help="tells also what was right")
    parser.add_argument("--write", action="store_true", help="writes the table to docs/kinds.md")
    a = parser.parse_args()
    started, cases = time.process_time(), list[Case]()
    for seed in a.seed or [11]:
        for case in run(seed, a.models, a.only):
            cases.append(case)
            if case.verdict != RIGHT or a.all:
                print(
                    f"{case.verdict:8} {case.seed} {case.base}: {case.fault.name} {case.fault.channels} "
                    f"{case.fault.size}: {case.said}",
                    file=sys.stderr,
                    flush=True,
                )
    text = table(cases)
    print(text)
    print(f"{time.process_time() - started:.0f} s of processor time", file=sys.stderr)
    if a.write:
        page = PAGE.read_text()
        head, rest = page.split(BEGIN, 1)
        PAGE.write_text(head + BEGIN + text + "\n" + END + rest.split(END, 1)[1])


if __name__ == "__main__":
    main()
