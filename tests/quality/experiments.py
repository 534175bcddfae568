"""`python -m tests.quality.experiments`: how often a comparison that is looked at after every minute is wrong, and how
long it takes where there is something to find; beside the usual test, looked at as often, and at its end alone.

docs/experiments.md holds what was measured; nothing here is a test.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from driftd.core.experiment import BUCKETS, Measure, Metric, Rule
from driftd.judge.experiments.srm import THRESHOLD
from driftd.judge.experiments.state import AT_ONCE, Ratio, Tally

Floats = NDArray[np.float64]

MINUTES, EVENTS = 400, 100
"""Of a run, and of a minute: 40,000 events and 400 looks."""
LEVEL: Final = 0.05
MARGIN: Final = 0.01
SHARE: Final = Metric(Measure.ERRORS, MARGIN)
SCORE: Final = Metric(Measure.SCORE, MARGIN)
FALSE: Final = {0.0: (0, 1, 3), MARGIN: (0, 2)}
"""Claims (judge.experiments.bernoulli) that are false at a true difference."""


@dataclass(frozen=True, slots=True)
class Run:
    """Events of a run, in order: minute, arm, unit (-1: each is one by itself) and value of each."""

    minutes: NDArray[np.int64]
    arms: NDArray[np.int64]
    units: NDArray[np.int64]
    values: Floats


def _frame(rng: np.random.Generator, share: Floats) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    minutes = np.repeat(np.arange(MINUTES), EVENTS)
    return minutes, (rng.random(len(minutes)) < share[minutes]).astype(np.int64)


def requests(rng: np.random.Generator, share: Floats, rate: Floats, more: float = 0.0) -> Run:
    """Each is given to an arm by itself."""
    minutes, arms = _frame(rng, share)
    failed = rng.random(len(minutes)) < rate[minutes] + more * arms
    return Run(minutes, arms, np.full(len(minutes), -1), failed.astype(np.float64))


def people(rng: np.random.Generator, share: Floats, level: Floats, n: int, more: float = 0.0) -> Run:
    """They come back, each with a level of their own, and are given to arms by hash; where shares change they move."""
    minutes = np.repeat(np.arange(MINUTES), EVENTS)
    own, place = rng.normal(0, 0.7, n), rng.random(n)
    who = rng.integers(0, n, len(minutes))
    arms = (place[who] < share[minutes]).astype(np.int64)
    return Run(minutes, arms, who, own[who] + level[minutes] + rng.normal(0, 0.7, len(minutes)) + more * arms)


HALF: Final = np.full(MINUTES, 0.5)
RAMP: Final = np.linspace(0.02, 0.5, MINUTES)
DAY: Final = np.sin(np.linspace(0, 4 * np.pi, MINUTES))
FLAT: Final = np.full(MINUTES, 0.03)
STILL: Final = np.zeros(MINUTES)
Make = Callable[[np.random.Generator], Run]
NULLS: Final[dict[str, tuple[Metric, float, Make]]] = {
    "requests, half and half, 3% fail": (SHARE, 0.0, lambda r: requests(r, HALF, FLAT)),
    "the same, of rare failures (0.2%)": (SHARE, 0.0, lambda r: requests(r, HALF, FLAT / 15)),
    "ramp 2 to 50% while failures go from 1 to 5%": (
        SHARE,
        0.0,
        lambda r: requests(r, RAMP, np.linspace(0.01, 0.05, MINUTES)),
    ),
    "rhythm: failures between 1 and 5%, twice a day": (SHARE, 0.0, lambda r: requests(r, HALF, 0.03 + 0.02 * DAY)),
    "exactly the margin worse (3 and 4%)": (SHARE, MARGIN, lambda r: requests(r, HALF, FLAT, MARGIN)),
    "2,000 people who come back": (SCORE, 0.0, lambda r: people(r, HALF, STILL, 2_000)),
    "the same, level with a rhythm": (SCORE, 0.0, lambda r: people(r, HALF, DAY, 2_000)),
    "the same, ramp 2 to 50% while the level rises": (
        SCORE,
        0.0,
        lambda r: people(r, RAMP, np.linspace(0, 1, MINUTES), 2_000),
    ),
    "50 people, ramp and rising level": (SCORE, 0.0, lambda r: people(r, RAMP, np.linspace(0, 1, MINUTES), 50)),
}
EFFECTS: Final[dict[str, tuple[Metric, float, float, Make]]] = {
    "requests, 2 and 3% fail": (SHARE, 0.02, 0.01, lambda r: requests(r, HALF, FLAT / 1.5, 0.01)),
    "requests, 2 and 4% fail": (SHARE, 0.02, 0.02, lambda r: requests(r, HALF, FLAT / 1.5, 0.02)),
    "requests, 0.2 and 1% fail": (SHARE, 0.002, 0.008, lambda r: requests(r, HALF, FLAT / 15, 0.008)),
    "2,000 people, 0.1 of 0.99 sd": (SCORE, 0.0, 0.1, lambda r: people(r, HALF, STILL, 2_000, 0.1)),
}
"""And the rate, and the difference."""


def tallied(rng: np.random.Generator, metric: Metric, run: Run) -> Tally:
    """As a daemon has it that closed every minute."""
    named = bool((run.units >= 0).any())
    hashed = rng.integers(0, BUCKETS, int(run.units.max()) + 1 if named else len(run.minutes))
    bucket = hashed[run.units] if named else hashed
    whole = np.rint(run.values / metric.unit).astype(np.int64)
    cells = np.zeros((MINUTES, 2, BUCKETS, 2), np.int64)
    for column, what in ((cells[..., 0], np.ones_like(whole)), (cells[..., 1], whole)):
        np.add.at(column, (run.minutes, run.arms, bucket), what)
    rule, out = Rule("r", "m", ("a", "b"), (metric,), LEVEL), Tally.none()
    ends, kept = 60.0 * np.arange(1.0, MINUTES + 1), np.zeros(MINUTES, bool)
    for at in range(0, MINUTES, AT_ONCE):
        mine = slice(at, at + AT_ONCE)
        out = out.take(rule, metric, ends[mine], cells[mine], kept[mine])
    return out


def pooled(run: Run, difference: float = 0.0) -> NDArray[np.bool_]:
    """After each minute: does the usual test on all events so far say that the arms differ? bool[minutes]"""
    n, x, q = (np.zeros((MINUTES, 2)) for _ in range(3))
    for out, what in ((n, 1.0), (x, run.values), (q, run.values**2)):
        np.add.at(out, (run.minutes, run.arms), what)
    n, x, q = (np.cumsum(a, axis=0) for a in (n, x, q))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = x / n
        error = np.sqrt(((q / n - mean**2) / n).sum(axis=1))
        z = np.abs(mean[:, 1] - mean[:, 0] - difference) / error
    return np.asarray(z > norm.ppf(1 - LEVEL / 2))


def shown(metric: Metric, tally: Tally, run: Run) -> Floats:
    """When each claim was shown, in minutes; NaN never."""
    independent = metric.share and bool((run.units < 0).all())
    return np.asarray(tally.shown[0 if independent else 1] / 60.0)


def nulls(rng: np.random.Generator, runs: int) -> Iterator[list[str]]:
    for what, (metric, difference, make) in NULLS.items():
        wrong = naive = once = 0
        for _ in range(runs):
            run = make(rng)
            claims = shown(metric, tallied(rng, metric, run), run)
            wrong += bool((~np.isnan(claims[list(FALSE[difference])])).any())
            usual = pooled(run, difference)
            naive += bool(usual[10:].any())
            once += bool(usual[-1])
        yield [what, f"{wrong / runs:.1%}", f"{naive / runs:.1%}", f"{once / runs:.1%}"]


def delays(rng: np.random.Generator, runs: int) -> Iterator[list[str]]:
    """Until it is said that b is above a at all: as a test of equality does."""
    for what, (metric, rate, difference, make) in EFFECTS.items():
        found = np.full(runs, np.nan)
        for k in range(runs):
            run = make(rng)
            found[k] = shown(metric, tallied(rng, metric, run), run)[1] * EVENTS
        variance = rate * (1 - rate) + (rate + difference) * (1 - rate - difference) if metric.share else 2 * 0.99**2
        fixed = 2 * variance * ((norm.ppf(1 - LEVEL / 2) + norm.ppf(0.8)) / difference) ** 2
        power = np.count_nonzero(~np.isnan(found)) / runs
        median = f"{np.median(found[~np.isnan(found)]):,.0f}" if power else "-"
        yield [what, f"{power:.0%}", median, f"{fixed:,.0f}" if metric.share else "(people, not events, limit it)"]


def splits(rng: np.random.Generator, runs: int) -> Iterator[list[str]]:
    for share in (0.5, 0.49, 0.48, 0.45):
        at = np.full(runs, np.nan)
        for k in range(runs):
            b = rng.binomial(EVENTS, share, MINUTES)
            ratio = Ratio.none(2)
            for t, counts in enumerate(np.column_stack([EVENTS - b, b])):
                ratio = ratio.take(np.array([t + 1.0]), counts[None], np.full((1, 2), 0.5))
                if ratio.evidence >= THRESHOLD:
                    at[k] = (t + 1) * EVENTS
                    break
        found = ~np.isnan(at)
        yield [
            f"{100 * (1 - share):.0f} to {100 * share:.0f}",
            f"{found.mean():.1%}",
            f"{np.median(at[found]):,.0f}" if found.any() else "-",
        ]


def _table(head: list[str], rows: Iterator[list[str]]) -> None:
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(row) + " |", flush=True)
    print()


def main(arguments: list[str] | None = None) -> None:
    parser: Any = argparse.ArgumentParser(prog="python -m tests.quality.experiments")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    began, rng = time.monotonic(), np.random.default_rng(given.seed)
    print(f"{given.runs} runs of {MINUTES} minutes with {EVENTS} events each, alpha 5%, seed {given.seed}.\n")
    head = ["no difference", "driftd, every minute", "usual test, every minute", "usual test, once at the end"]
    _table(head, nulls(rng, given.runs))
    head = ["a difference", "found to be one at all", "events (median)", "usual test, fixed, 80% power"]
    _table(head, delays(rng, given.runs))
    _table(["split, 50 to 50 wanted", "found", "events (median)"], splits(rng, given.runs))
    print(f"{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
