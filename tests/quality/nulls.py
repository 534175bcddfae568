"""Streams without drift through `driftd replay`: false pages a month against the budget.

A month must be long in events for a bound to mean much and short for many months to be simulated: channels without
rhythm come in bursts of 25 events every six hours (3,000 a month, a pane a burst), channels with one once an hour
(720 a month, 30 weeks of reference), and the tiny ones one event every four hours (180 a month). Weekends and campaigns
come 10 at a time every half hour, with a week or five days of reference; everyday traffic is that of
tests/quality/everyday, a week of reference and two that are judged.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.stats import chi2

from tests.quality import ours
from tests.quality.cache import Cache, digest_of
from tests.quality.everyday import traffic
from tests.quality.streams import MONTH_SECONDS

Columns = dict[str, Any]
Say = Callable[[str], None]

BUDGETS: Final = (0.1, 1.0, 10.0)
MONTHS: Final = {0.1: 20.0, 1.0: 6.0, 10.0: 2.0}
"""Months after the reference, a seed: ten seeds at the budget's limit give 20, 60 and 200 pages."""
START: Final = 1_600_041_600.0  # a Monday, 00:00 UTC
CONFIDENCE: Final = 0.99


@dataclass(frozen=True, slots=True)
class Clockwork:
    """``burst`` events at once, every ``every_seconds``."""

    burst: int
    every_seconds: float

    @property
    def monthly(self) -> float:
        return MONTH_SECONDS / self.every_seconds * self.burst

    def times(self, n: int) -> NDArray[np.float64]:
        i = np.arange(n)
        return START + (i // self.burst) * self.every_seconds + (i % self.burst) * 0.01


BURSTS: Final = Clockwork(25, 6 * 3600.0)
HOURLY: Final = Clockwork(1, 3600.0)
SPARSE: Final = Clockwork(1, 4 * 3600.0)
HALF_HOURLY: Final = Clockwork(10, 1800.0)
DAILY: Final = 480
"""Derived: events a day of HALF_HOURLY."""


@dataclass(frozen=True, slots=True)
class Null:
    """A kind of stream without drift."""

    name: str
    what: str
    make: Callable[[np.random.Generator, int], Columns]
    clock: Clockwork = BURSTS
    n_ref: int = 3000
    options: tuple[str, ...] = ()
    part: float = 1.0
    """Of the months that the others are given."""

    def history(self, rng: np.random.Generator, months: float) -> History:
        """A reference and so many months after it."""
        n = self.n_ref + round(months * self.clock.monthly)
        return History(self.clock.times(n), self.make(rng, n), self.n_ref, months)


@dataclass(frozen=True, slots=True)
class History:
    """What is replayed: the first ``n_ref`` events are the reference, ``months`` are judged."""

    times: NDArray[np.float64]
    columns: Columns
    n_ref: int
    months: float


@dataclass(frozen=True, slots=True)
class Everyday(Null):
    """Traffic with rhythm, wander, feasts, campaigns, bots and deploys: two weeks of it at most."""

    def history(self, rng: np.random.Generator, months: float) -> History:
        base = traffic.draw(int(rng.integers(1000)), int(rng.integers(2**31)))
        judged = min(traffic.JUDGED_DAYS * 86_400.0, months * MONTH_SECONDS)
        times, columns = base.between(base.judged - 7 * 86_400.0, base.judged + judged)
        told = {name: column if column.dtype.kind != "O" else column.tolist() for name, column in columns.items()}
        n_ref = int(np.searchsorted(times, base.judged))
        return History(times, told, n_ref, judged / MONTH_SECONDS)


def normal(features: int) -> Callable[[np.random.Generator, int], Columns]:
    def make(rng: np.random.Generator, n: int) -> Columns:
        return {f"x{k}": rng.standard_normal(n).astype(np.float32) for k in range(features)}

    return make


def labelled(rng: np.random.Generator, n: int) -> Columns:
    """Numbers, a category, and a calibrated classifier's score, prediction and label."""
    score = rng.beta(1.5, 4.0, n)
    group = rng.choice(np.array(["a", "b", "c", "d"]), n, p=[0.6, 0.25, 0.1, 0.05])
    return {
        "x0": rng.standard_normal(n),
        "x1": rng.standard_normal(n) + 2 * score,
        "group": group,
        "score": score,
        "prediction": (score >= 0.4).astype(np.int8),
        "label": (rng.random(n) < score).astype(np.int8),
    }


def autoregressive(rho: float, features: int = 5) -> Callable[[np.random.Generator, int], Columns]:
    def make(rng: np.random.Generator, n: int) -> Columns:
        return {f"x{k}": _ar(rng, n, rho).astype(np.float32) for k in range(features)}

    return make


def _ar(rng: np.random.Generator, n: int, rho: float) -> NDArray[np.float64]:
    """A stationary AR(1) path of unit variance."""
    noise = rng.standard_normal(n) * np.sqrt(1 - rho**2)
    noise[0] = rng.standard_normal()
    out: NDArray[np.float64] = lfilter([1.0], [1.0, -rho], noise)
    return out


def heavy(rng: np.random.Generator, n: int) -> Columns:
    return {
        "cauchy": rng.standard_cauchy(n),
        "t2": rng.standard_t(2, n),
        "lognormal": rng.lognormal(0, 2, n),
        "pareto": rng.pareto(1.1, n),
        "zero_inflated": np.where(rng.random(n) < 0.7, 0.0, rng.lognormal(0, 2, n)),
    }


def seasonal(rng: np.random.Generator, n: int) -> Columns:
    """Day and week in level and spread, autocorrelated noise of rho 0.7; one of counts, one of shares."""
    hour = np.arange(n) % 168
    day = 1 + 0.6 * np.sin(2 * np.pi * hour / 24) + 0.4 * (hour >= 120)
    return {
        "level": 10 * day + _ar(rng, n, 0.7),
        "spread": day * _ar(rng, n, 0.7),
        "count": rng.poisson(np.exp(3 + 0.5 * day + 0.2 * _ar(rng, n, 0.7))).astype(np.float64),
        "share": 1 / (1 + np.exp(-(day + 0.5 * _ar(rng, n, 0.7)))),
    }


def sessions(rng: np.random.Generator, n: int) -> Columns:
    """Users who return: three of four events are of one of the twenty users before; each has an age, a country and a
    usual amount of its own.
    """
    user = np.arange(n)
    for i in np.flatnonzero(rng.random(n) < 0.75).tolist():
        user[i] = user[max(i - 1 - int(rng.integers(20)), 0)]
    age, amount = rng.normal(40, 12, n)[user], rng.normal(3, 1, n)[user] + rng.normal(0, 0.3, n)
    country = rng.choice(np.array(["de", "fr", "es", "it", "pt"]), n, p=[0.4, 0.3, 0.15, 0.1, 0.05])[user]
    return {"age": np.round(age), "amount": np.exp(amount), "country": country}


def weekends(rng: np.random.Generator, n: int) -> Columns:
    """On Saturdays and Sundays everybody is half a deviation older, buys less, and more of them are new. The reference
    is five days long, from Monday on: it has not seen one.
    """
    off = np.arange(n) // DAILY % 7 >= 5
    return _customers(rng, n, off)


def campaigns(rng: np.random.Generator, n: int) -> Columns:
    """Every day is a campaign with probability 1/12: as on a weekend, with a week of reference."""
    return _customers(rng, n, np.repeat(rng.random(n // DAILY + 1) < 1 / 12, DAILY)[:n])


def _customers(rng: np.random.Generator, n: int, other: NDArray[np.bool_]) -> Columns:
    hour = 2 * np.pi * (np.arange(n) % DAILY) / DAILY
    wander = np.repeat(_ar(rng, n // DAILY + 1, 0.7), DAILY)[:n]
    new = rng.random(n) < np.where(other, 0.35, 0.2)
    return {
        "age": np.round(40 + 12 * rng.standard_normal(n) + 2 * np.sin(hour) + 6 * other),
        "amount": np.exp(3 + rng.standard_normal(n) + 0.2 * np.sin(hour - 1) + 0.1 * wander - 0.3 * other),
        "customer": np.where(new, "new", "known"),
        "items": rng.poisson(2 + 0.3 * np.sin(hour) - 0.4 * other),
    }


def categories(rng: np.random.Generator, n: int) -> Columns:
    """Zipf categories with 200, 1,000 and 5,000 values, and one that is new nearly every time."""
    out: Columns = {}
    for size in (200, 1000, 5000):
        p = 1 / np.arange(1, size + 1)
        out[f"zipf_{size}"] = np.char.add("v", rng.choice(size, n, p=p / p.sum()).astype(str))
    out["id"] = np.char.add("u", rng.integers(0, 10**6, n).astype(str))
    return out


KINDS: Final = (
    Null("independent", "5 normal features", normal(5)),
    Null("labelled", "3 features, score, prediction, label, prediction_error", labelled),
    Null("features 50", "50 normal features", normal(50)),
    Null("features 500", "500 normal features", normal(500), options=("--set", "discovery.max_features=500"), part=0.3),
    Null("heavy-tailed", "Cauchy, t2, lognormal, Pareto, zero-inflated", heavy),
    Null("high-cardinality", "categories of 200, 1,000, 5,000 and 1,000,000 values", categories),
    Null("AR 0.9", "5 features, one value an hour", autoregressive(0.9), HOURLY, 5040),
    Null("AR 0.99", "5 features, one value an hour", autoregressive(0.99), HOURLY, 5040),
    Null("seasonal", "4 features with day and week, AR 0.7 noise, one value an hour", seasonal, HOURLY, 5040),
    Null("tiny", "5 normal features, one event every 4 hours, 300 of reference", normal(5), SPARSE, 300),
    Null("sessions", "3 features of users who return", sessions),
    Null("weekends", "4 features, other at weekends; 5 days of reference", weekends, HALF_HOURLY, 5 * DAILY, part=0.5),
    Null("campaigns", "4 features, one day in 12 a campaign; a week", campaigns, HALF_HOURLY, 7 * DAILY, part=0.5),
    Everyday("everyday", "a drawn model with answers and labels; a week of reference, two weeks judged", normal(0)),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """False pages of one kind at one budget, all seeds together."""

    kind: str
    budget: float
    pages: int
    months: float
    by: Mapping[str, int]
    seconds: float
    events: int

    @property
    def rate(self) -> float:
        return self.pages / self.months

    @property
    def interval(self) -> tuple[float, float]:
        low, high = poisson_interval(self.pages)
        return low / self.months, high / self.months

    @property
    def verdict(self) -> str:
        """What the interval says of the budget: held (all below), broken (all above), or neither is shown."""
        low, high = self.interval
        return "held" if high <= self.budget else "BROKEN" if low > self.budget else "inside"


def poisson_interval(count: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The exact (Garwood 1936) interval for the mean of a Poisson count."""
    miss = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(chi2.ppf(miss, 2 * count)) / 2
    return low, float(chi2.ppf(1 - miss, 2 * count + 2)) / 2


def measure(
    seeds: Sequence[int], scale: float, cache: Cache, jobs: int, kinds: Sequence[Null], say: Say
) -> list[Measured]:
    """Every kind at every budget; ``scale`` multiplies the months."""
    key = (scale, digest_of([*(ours.ROOT / "driftd").rglob("*.py"), Path(__file__), Path(ours.__file__)]))
    out = []
    with ProcessPoolExecutor(jobs) as pool:
        tasks = {
            (kind.name, budget): [pool.submit(_cached, cache, kind.name, budget, seed, *key) for seed in seeds]
            for kind in kinds
            for budget in BUDGETS
        }
        for (name, budget), runs in tasks.items():
            out.append(_together(name, budget, [r.result() for r in runs]))
            m = out[-1]
            low, high = m.interval
            say(
                f"null {name:<17} budget {budget:<4g} {m.rate:6.2f} a month [{low:.2f}, {high:.2f}] {m.verdict:<7}"
                f" {m.pages} pages in {m.months:.0f} months {dict(m.by) or ''} {m.seconds:.0f} s"
            )
    return out


def _together(kind: str, budget: float, runs: Sequence[Mapping[str, Any]]) -> Measured:
    by: dict[str, int] = {}
    for r in runs:
        for feature in r["features"]:
            by[feature] = by.get(feature, 0) + 1
    return Measured(
        kind,
        budget,
        sum(len(r["features"]) for r in runs),
        sum(r["months"] for r in runs),
        dict(sorted(by.items(), key=lambda item: -item[1])[:5]),
        sum(r["seconds"] for r in runs),
        sum(r["events"] for r in runs),
    )


def _cached(cache: Cache, name: str, budget: float, seed: int, scale: float, digest: str) -> Any:
    kind = next(k for k in KINDS if k.name == name)
    return cache.of(lambda: simulate(kind, budget, seed, scale), "null", name, budget, seed, scale, digest)


def simulate(kind: Null, budget: float, seed: int, scale: float) -> dict[str, Any]:
    """One seed: the channels that paged (once a page), over how many months."""
    rng = np.random.default_rng([seed, KINDS.index(kind), BUDGETS.index(budget)])
    history = kind.history(rng, MONTHS[budget] * scale * kind.part)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "null.parquet"
        pq.write_table(pa.table({"time": history.times, **history.columns}), file, compression="lz4")
        findings, seconds = ours.replay(file, history.n_ref, budget, kind.options)
    alarms = ours.alarms_of(findings, {}, history.times)
    return {
        "features": [a.feature for a in alarms],
        "months": history.months,
        "seconds": seconds,
        "events": len(history.times),
    }
