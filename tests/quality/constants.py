"""What the judge's chosen constants cost: each one lower and higher, its delays and false alarms beside the default's.

usage: python -m tests.quality.constants [--only NAME]... [--seeds N] [--jobs N]

Prints the table of docs/judge.md, "How much the chosen constants matter". Every number is simulated and seeded. Four
experiments: channels (eight changes of numbers and categories, A = 1e7), pairs (five changes of a correlation or within
a group, A = 1e7), weeks (eight changes of hourly channels with a weekly pattern, A = 3e5), episodes (changes that end).
*Delay* is the geometric mean over changes and seeds of the delay over the default's; a change that is not found counts
as its horizon. *False alarms* are those without a change, at a smaller A, as a share of what the guarantee allows.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

import driftd.judge
from driftd.core.channel import Role
from driftd.judge import step
from driftd.judge.learned import learn
from driftd.judge.step import MicroBatch
from tests.stage.judged import LEARNED, PANE, ROLES, Column, counted, first_joint_alarm, judged, model_of, reference_of
from tests.unit.judge.rhythms import WEEK, Columns, Stream, channels_of, weekly_noise

Floats = NDArray[np.float64]
Rng = np.random.Generator
HORIZON: Final = 5000
EACH: Final = 6
"""Channels of each kind of change."""
JOINT_CHANGES: Final = (
    *("correlation", "one group fails", "one group fails, another recovers", "errors move to the high third"),
    "a score moves in one group",
)
BESIDE: Final = 6
"""Numbers beside those that change."""
LEARNED_WEEKS, LATER_WEEKS = 24, 16


@dataclass(frozen=True, slots=True)
class Outcome:
    """``delays`` of each change, censored at its horizon; how many were ``found``; ``alarms`` without a change, and how
    many are ``allowed`` in expectation.
    """

    delays: Floats
    found: int
    alarms: int
    allowed: float


Experiment = Callable[[int], Outcome]


def names(values: Any) -> list[str]:
    return [str(v) for v in values]


def numbers(rng: Rng, n: int) -> Iterator[Floats]:
    """Changes of a normal channel from LEARNED + 500 on."""
    at, later = LEARNED + 500, np.arange(n) >= LEARNED + 500
    changes: tuple[Callable[[Floats], Floats], ...] = (
        lambda x: x + 0.12,
        lambda x: x + 0.3,
        lambda x: x * 0.8,
        lambda x: np.where(rng.random(n) < 0.02, np.nan, x),
        lambda x: x + np.clip((np.arange(n) - at) / 3000, 0, 1),
    )
    for change in changes:
        for _ in range(EACH):
            x = rng.normal(size=n)
            yield np.where(later, change(x), x)


def categories(rng: Rng, n: int) -> Iterator[list[str]]:
    before = np.array([0.30, 0.25, 0.20, 0.15, 0.05, 0.05])
    at = LEARNED + 500
    for after in ([0.25, 0.30, 0.20, 0.15, 0.05, 0.05], [0.30, 0.25, 0.20, 0.15, 0.02, 0.08]):
        for _ in range(EACH):
            yield names(np.concatenate([rng.choice(6, at, p=before), rng.choice(6, n - at, p=np.array(after))]))
    for _ in range(EACH):
        many = rng.integers(0, 100, n)
        frequent = int(np.argmax(np.bincount(many[:LEARNED])))
        yield names(np.where((np.arange(n) >= at) & (rng.random(n) < 0.04), frequent, many))


def nothing(rng: Rng, n: int) -> list[Column]:
    out: list[Column] = []
    for _ in range(4 * EACH):
        out += [rng.normal(size=n), rng.standard_t(1.2, size=n), (rng.random(n) < 0.05).astype(float)]
        out += [names(rng.integers(0, 100, n)), names(rng.integers(0, 5000, n))]
        out.append(names(np.minimum(rng.zipf(1.6, n), 10**7)))
    return out


def channels(seed: int) -> Outcome:
    rng = np.random.default_rng([seed, 1])
    n = LEARNED + 500 + HORIZON
    seen = judged([*numbers(rng, n), *categories(rng, n)], 1e7).alarms - 500
    delays = np.where((seen > 0) & np.isfinite(seen), seen, HORIZON)
    alarms, allowed = 0, 0.0
    for learned, pane, events in ((300, 10, 1000), (1000, 50, 4000)):
        columns = nothing(rng, learned + events)
        alarms += int(np.count_nonzero(np.isfinite(judged(columns, 10.0 * events, learned, pane).alarms)))
        allowed += len(columns) / 10
    return Outcome(delays, int(np.count_nonzero(delays < HORIZON)), alarms, allowed)


def joint_alarm(rng: Rng, learned: int, events: int, a: float, at: int, change: str) -> float:
    """Events after the reference at the joint path's first alarm, with columns beside those that change."""
    n = learned + events
    columns = model_of(rng, n, learned + at, change)
    group, score = np.array(columns[2]), np.asarray(columns[3])
    if change == "a score moves in one group":
        columns[3] = score + 1.5 * ((group == "g4") & (np.arange(n) >= learned + at))
    columns += [rng.normal(size=n) for _ in range(BESIDE)]
    columns.append(names(rng.integers(0, 8, n)))
    roles = [*ROLES, *[Role.FEATURE] * (BESIDE + 1)]
    return first_joint_alarm(columns, learned, a, roles=roles)[0]


def pairs(seed: int) -> Outcome:
    rng = np.random.default_rng([seed, 2])
    at, delays = 500, []
    for change in JOINT_CHANGES:
        alarm = joint_alarm(rng, LEARNED, at + HORIZON, 1e7, at, change)
        delays.append(min(alarm - at, HORIZON) if alarm > at else HORIZON)
    alarms = sum(np.isfinite(joint_alarm(rng, 1000, 4000, 4e4, 10**9, "")) for _ in range(20))
    found = np.array(delays, np.float64)
    return Outcome(found, int(np.count_nonzero(found < HORIZON)), int(alarms), 2.0)


def weeks(seed: int) -> Outcome:
    rng = np.random.default_rng([seed, 3])
    learned, start, n = LEARNED_WEEKS * WEEK, (LEARNED_WEEKS + 3) * WEEK + 50, (LEARNED_WEEKS + LATER_WEEKS) * WEEK
    x = channels_of(rng, weekly_noise(rng, LEARNED_WEEKS + LATER_WEEKS, 8))
    changes: tuple[Callable[[Floats], Floats], ...] = (
        lambda v: v * 0.85,
        lambda v: v + 20,
        lambda v: np.roll(v, 2),
        lambda v: 100 + (v - 100) * 1.4,
        lambda v: v * 1.609,
        lambda v: np.where(np.arange(n) % 29 == 0, np.nan, v),
        lambda v: 0 * v + 90,
    )
    later = np.arange(n) >= start
    columns: Columns = [np.where(later, change(x[:, i]), x[:, i]) for i, change in enumerate(changes)]
    category = names(rng.choice(4, n, p=[0.4, 0.3, 0.2, 0.1]))
    swaps = later & (rng.random(n) < 0.3)
    columns.append(["2" if c == "1" and swap else c for c, swap in zip(category, swaps, strict=True)])
    _, s = Stream.of(columns, learned).evidence()
    horizon = n - start
    first = np.where((s[:, :-1] >= 3e5).any(axis=0), np.argmax(s[:, :-1] >= 3e5, axis=0), n) - (start - learned)
    delays = np.where((first >= 0) & (first < horizon), np.maximum(first, 1), horizon).astype(np.float64)
    alarms, allowed = 0, 0.0
    for kind, phi in (("normal", 0.0), ("t3", 0.0), ("normal", 0.6)):
        quiet = channels_of(rng, weekly_noise(rng, LEARNED_WEEKS + LATER_WEEKS, 20, kind, phi))
        _, s = Stream.of(list(quiet.T), learned).evidence()
        alarms += int(np.count_nonzero(s.max(axis=0) >= 3e4))
        allowed += 21 * (n - learned) / 3e4
    return Outcome(delays, int(np.count_nonzero(delays < horizon)), alarms, allowed)


def episodes(seed: int) -> Outcome:
    """Changes that last 2,000 events: delays are those from their end to the episode's; found are those that made one
    episode each; a false alarm is an episode more than that.
    """
    rng, lasts, n = np.random.default_rng([seed, 4]), 2000, LEARNED + 500 + 2000 + 12_000
    x = rng.normal(size=(24, n))
    x[:, LEARNED + 500 : LEARNED + 500 + lasts] += np.repeat([0.25, 0.4, 1.0], 8)[:, None]
    reference, placed, singles, doubles = reference_of(list(x))
    times = np.arange(n, dtype=float)
    learned, state = learn(reference, placed[:, :LEARNED], x[:, :LEARNED], times[:LEARNED], singles, doubles)
    opened, closes = np.zeros(len(x)), np.full(len(x), float(n))
    nobody, a = np.full(len(x), np.nan), np.full(len(x) + 1, 1e6)
    for low in range(LEARNED, n, PANE):
        counts = counted(placed[:, low : low + PANE], reference.width)
        summary = replace(reference.summary, events=PANE, counts=counts)
        state, out = step.of_events(learned, state, MicroBatch(low, low + PANE, summary, None, nobody), a)
        opened[out.opened] += 1
        closes[out.closed] = low + PANE - (LEARNED + 500 + lasts)
    return Outcome(np.maximum(closes, PANE), int(np.sum(opened == 1)), int(np.sum(opened - 1)), float(len(x)))


@dataclass(frozen=True, slots=True)
class Variant:
    """A constant by module and name, its other values, and the experiment that shows what they cost."""

    module: str
    name: str
    values: tuple[Any, ...]
    experiment: Experiment


def half_and_double(module: str, name: str, experiment: Experiment) -> Variant:
    value = getattr(importlib.import_module(f"driftd.judge.{module}"), name)
    whole = isinstance(value, int)
    return Variant(module, name, (max(value // 2, 1), value * 2) if whole else (value / 2, value * 2), experiment)


def variants() -> list[Variant]:
    e, s = "exchangeable.", "seasonal."
    halves = [
        *((e + "shape", name, channels) for name in ("LOCATION_WEIGHT", "SCALE_WEIGHT", "CHANGES", "MOST_CHANCE")),
        *((e + "shape", name, channels) for name in ("FAULT_CHANCE", "FEW", "LUCK_SD", "TAKEN_SD", "PLACE_CLIP")),
        *((e + "candidates", name, channels) for name in ("MOST_CANDIDATES", "OLDEST")),
        *((e + "exponential_tilt", name, channels) for name in ("ERRORS", "SPENT")),
        *((e + "joint", name, pairs) for name in ("ONE", "ATOMS")),
        *((e + "pair_rows", name, pairs) for name in ("MAX_GROUPS", "MAX_ANSWERS", "LEAST_SHARE", "FREQUENT", "HIGH")),
        *(("episodes", name, episodes) for name in ("QUIET_TIMES", "LEAST_QUIET", "CALM")),
        *((s + "season", name, weeks) for name in ("FAULT_SHARE", "LEAST_AUTOCORRELATION")),
        *((s + "clock", name, weeks) for name in ("LEAST_WEEKS_OLD", "WEEKS_BACK")),
        *((s + "slot_profile", name, weeks) for name in ("PARTS", "WINSOR", "RIDGE", "LEAST_SPREAD")),
        *((s + "weeks", name, weeks) for name in ("CONTRASTS", "DAY_CLIP", "WEEK_CLIP")),
        *((s + "fault_flags", name, weeks) for name in ("GROWTH", "LEAST_RUN", "MISS", "ROOM")),
        *((s + "level_shift", name, weeks) for name in ("STEP_SD", "LEAST_FREEDOM")),
    ]
    others = [
        Variant(e + "shape", "BORDER", (0.03, 1.0), channels),
        Variant(e + "shape", "LOCATIONS", (np.array([0.08, 0.4]), np.array([0.05, 0.11, 0.25, 0.55, 1.2])), channels),
        Variant(e + "shape", "SCALES", (np.array([0.25]), np.array([0.05, 0.1, 0.2, 0.4, 0.8])), channels),
        Variant(e + "beta_binomial", "MEMORIES", ((2.0, 25.0), (8.0, 100.0)), channels),
        Variant(s + "level_shift", "AUTOCORRELATED", ((0.0, 0.5), (0.0, 0.25, 0.5, 0.75)), weeks),
        Variant(s + "slot_profile", "SMOOTHING", ((1,), (1, 2, 3, 4, 3, 2, 1)), weeks),
        Variant(s + "fault_flags", "SIZES", (np.array([0.4]), np.array([0.05, 0.1, 0.2, 0.4, 0.9])), weeks),
    ]
    return [*(half_and_double(*h) for h in halves), *others]


def modules() -> list[Any]:
    found = pkgutil.walk_packages(driftd.judge.__path__, "driftd.judge.")
    return [importlib.import_module(m.name) for m in found]


@contextmanager
def patched(values: Mapping[str, Any], module: str) -> Iterator[None]:
    """With constants of ``module`` changed wherever they were imported."""
    home, undo = importlib.import_module(f"driftd.judge.{module}"), []
    for name, value in values.items():
        before = getattr(home, name)
        for other in modules():
            if getattr(other, name, None) is before:
                undo.append((other, name, before))
                setattr(other, name, value)
    try:
        yield
    finally:
        for other, name, before in undo:
            setattr(other, name, before)


def derived(name: str, value: Any) -> dict[str, Any]:
    """The constant and those that follow from it."""
    from driftd.judge.exchangeable import shape  # noqa: PLC0415  its present values

    out: dict[str, Any] = {name: value}
    if name in ("LOCATIONS", "SCALES"):
        locations, scales = (value, shape.SCALES) if name == "LOCATIONS" else (shape.LOCATIONS, value)
        out["DELTAS"] = np.concatenate([locations, -locations, scales, -scales])
        out["N_LOCATIONS"] = 2 * len(locations)
    if name == "ONE":
        out["UNIT"] = 1 / value
    return out


def run(module: str, name: str, value: Any, experiment: Experiment, seeds: int) -> Outcome:
    with patched({} if value is None else derived(name, value), module):
        parts = [experiment(seed) for seed in range(seeds)]
    return Outcome(
        np.concatenate([p.delays for p in parts]),
        sum(p.found for p in parts),
        sum(p.alarms for p in parts),
        sum(p.allowed for p in parts),
    )


def shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, np.ndarray):
        value = tuple(value.tolist())
    return ", ".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"


def cell(value: Any, out: Outcome, base: Outcome) -> str:
    ratio = float(np.exp(np.mean(np.log(out.delays / base.delays))))
    return f"{shown(value)}: {ratio:.2f}, {out.found} of {len(out.delays)}, {out.alarms / out.allowed:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    given = parser.parse_args()
    chosen = [v for v in variants() if not given.only or v.name in given.only]
    begun = time.monotonic()
    with ProcessPoolExecutor(given.jobs) as pool:

        def go(module: str, name: str, value: Any, experiment: Experiment) -> Future[Outcome]:
            return pool.submit(run, module, name, value, experiment, given.seeds)

        bases = {e: go("bounds", "", None, e) for e in dict.fromkeys(v.experiment for v in chosen)}
        tried = [(v, [(x, go(v.module, v.name, x, v.experiment)) for x in v.values]) for v in chosen]
        print("| constant | lower: delay, found, false alarms | higher: delay, found, false alarms |\n|---|---|---|")
        for experiment, future in bases.items():
            print(f"| *{experiment.__name__}* | {cell('as it is', future.result(), future.result())} | |")
        for v, outcomes in tried:
            cells = [cell(value, outcome.result(), bases[v.experiment].result()) for value, outcome in outcomes]
            print(f"| `{v.module}.{v.name}` | {' | '.join(cells)} |", flush=True)
    print(f"{given.seeds} seeds, {(time.monotonic() - begun) / 60:.0f} minutes", file=sys.stderr)


if __name__ == "__main__":
    main()
