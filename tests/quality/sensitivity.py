"""How soon a shift of a normal channel is found, beside the number of events that any test would need."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.quality import ours
from tests.quality.cache import Cache, digest_of
from tests.quality.streams import MONTH_SECONDS, budget

SHIFTS: Final = (0.05, 0.1, 0.2, 0.3, 0.5, 1.0)
REFERENCES: Final = (3_000, 30_000)
RUN_LENGTH: Final = 1e7
BEFORE: Final = 2_000
AFTER: Final = 20_000
DEVIATIONS: Final = 3.5
"""How many standard errors of the reference the finite bound allows for: the level at which driftd pays for it."""


def any_test(shift: float, run_length: float) -> float:
    """Events that any test needs that alarms falsely once in ``run_length`` events, however well it knows the
    reference: ln A / KL, KL = shift^2 / 2 for unit normals (Lorden 1971; Lai 1998; asymptotically sharp).
    """
    return 2 * math.log(run_length) / shift**2


def finite_reference(shift: float, run_length: float, n_ref: int, deviations: float = DEVIATIONS) -> float:
    """The same where the reference's mean is only known to ``deviations`` standard errors, and the null is every mean
    within: 2 ln A / (shift - eps)^2, eps = deviations / sqrt(n_ref). Infinite for shifts that the reference hides.
    """
    eps = deviations / math.sqrt(n_ref)
    return math.inf if shift <= eps else 2 * math.log(run_length) / (shift - eps) ** 2


@dataclass(frozen=True, slots=True)
class Delay:
    """One shift against one reference: delays of the seeds that found it within AFTER events."""

    n_ref: int
    shift: float
    delays: tuple[int, ...]
    seeds: int

    @property
    def median(self) -> float:
        """Over all seeds; infinite where less than half found it."""
        return median([*self.delays, *[math.inf] * (self.seeds - len(self.delays))])


def measure(seeds: Sequence[int], cache: Cache, jobs: int, say: Callable[[str], None]) -> list[Delay]:
    digest = digest_of([*(ours.ROOT / "driftd").rglob("*.py"), Path(__file__), Path(ours.__file__)])
    out = []
    with ProcessPoolExecutor(jobs) as pool:
        tasks = {n_ref: [pool.submit(_cached, cache, n_ref, s, digest) for s in seeds] for n_ref in REFERENCES}
        for n_ref, runs in tasks.items():
            found = [r.result() for r in runs]
            for shift in SHIFTS:
                delays = tuple(sorted(d[str(shift)] for d in found if str(shift) in d))
                out.append(Delay(n_ref, shift, delays, len(seeds)))
                say(f"sensitivity, reference {n_ref}: shift {shift} found by {len(delays)}/{len(seeds)}: {delays}")
    return out


def _cached(cache: Cache, n_ref: int, seed: int, digest: str) -> Any:
    return cache.of(lambda: simulate(n_ref, seed), "sensitivity", n_ref, seed, digest)


def simulate(n_ref: int, seed: int) -> dict[str, int]:
    """One stream with a channel for each shift, one event a second: shift to delay, where it was found."""
    rng = np.random.default_rng([seed, n_ref])
    n, change = n_ref + BEFORE + AFTER, n_ref + BEFORE
    columns: dict[str, Any] = {}
    for shift in SHIFTS:
        x = rng.standard_normal(n)
        x[change:] += shift
        columns[f"shift_{shift}"] = x
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "shifts.parquet"
        pq.write_table(pa.table(columns), file, compression="lz4")
        findings, _ = ours.replay(file, n_ref, budget(MONTH_SECONDS, len(SHIFTS) + 2, RUN_LENGTH), ())
    out: dict[str, int] = {}
    for alarm in ours.alarms_of(findings, {}, np.arange(n, dtype=np.float64), tickets=True):
        shift_name = alarm.feature.removeprefix("shift_")
        if alarm.index >= change and alarm.feature in columns:
            out.setdefault(shift_name, alarm.index - change)
    return out
