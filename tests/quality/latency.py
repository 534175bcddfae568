"""Is a page about latency useful? Ordinary latency of simulated models over months, and faults put into it.

usage: python -m tests.quality.latency [--models 8] [--days 30] [--seed 1] [--events 4000] [--faults]

Ordinary: lognormal, a daily and a weekly rhythm of load and of what load does to it, days that are busier than others,
bursts of a minute in which a part of the requests waits for a collector of garbage, deploys of some minutes in which
all requests are slow, each with a cold start after it. Nothing is configured: references grow. Tickets and pages are
counted from the first day on; with ``--faults`` one fault begins three days before each model's end.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.config import Settings
from driftd.core.event import Decoded, EventBatch
from driftd.core.finding import Finding, Severity
from driftd.engine.state import State
from driftd.wiring.app import pipeline_of

Floats = NDArray[np.float64]

DAY: Final = 86_400.0
BEGIN: Final = 1_791_763_200.0
BATCH: Final = 4096
LATENCY: Final = "latency"


@dataclass(frozen=True, slots=True)
class Service:
    """How a model answers: ``median`` seconds at usual load, ``sigma`` of ln of the latency, ``rhythm`` and ``load``
    (by how much ln of the latency follows ln of the load), ``busy`` deviation of a day's load; a week has ``deploys``
    of ``deploy_minutes`` that are ``slow`` times as slow, and ``bursts`` of a minute; ``cached``: share of the requests
    that take a tenth; ``workers``: requests that are slow after a deploy, in ten minutes.
    """

    median: float
    sigma: float
    rhythm: float
    load: float
    busy: float
    deploys: float
    deploy_minutes: float
    slow: float
    bursts: float
    cached: float
    workers: int

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Service:
        return cls(
            median=float(np.exp(rng.uniform(np.log(0.005), np.log(0.5)))),
            sigma=float(rng.uniform(0.25, 0.9)),
            rhythm=float(rng.uniform(0.3, 0.9)),
            load=float(rng.uniform(0.0, 0.6)),
            busy=float(rng.uniform(0.05, 0.25)),
            deploys=float(rng.uniform(1, 6)),
            deploy_minutes=float(rng.uniform(2, 10)),
            slow=float(np.exp(rng.uniform(np.log(2), np.log(10)))),
            bursts=float(rng.uniform(0, 60)),
            cached=float(rng.choice([0.0, 0.0, 0.3, 0.8])),
            workers=int(rng.integers(2, 24)),
        )

    def traffic(self, rng: np.random.Generator, days: int, a_day: int) -> tuple[Floats, Floats]:
        """Times and latencies, float64[n] each."""
        grid = np.arange(days * 1440) * 60.0
        day = grid / DAY
        week = np.where((day.astype(int) + 3) % 7 >= 5, -0.35, 0.0)
        each = self.busy * rng.normal(size=days)[day.astype(int)]
        load = self.rhythm * np.sin(2 * np.pi * (day - 0.35)) + week + each
        n = rng.poisson(a_day / 1440 * np.exp(load) / np.mean(np.exp(load)))
        times = np.sort(np.repeat(grid, n) + 60 * rng.random(int(n.sum())))
        minute = (times // 60).astype(int)
        wander = np.cumsum(rng.normal(scale=0.002, size=len(grid)))
        level = np.log(self.median) + self.load * load + wander - np.mean(wander)
        ln = level[minute] + self.sigma * rng.normal(size=len(times))
        ln -= np.log(10) * (rng.random(len(times)) < self.cached)
        for at in rng.choice(len(grid), rng.poisson(self.bursts * days / 7)):
            hit = (minute == at) & (rng.random(len(times)) < rng.uniform(0.1, 0.5))
            ln[hit] += rng.uniform(np.log(3), np.log(30))
        for at in grid[rng.choice(len(grid), rng.poisson(self.deploys * days / 7))]:
            inside = (times >= at) & (times < at + 60 * self.deploy_minutes)
            ln[inside] += np.log(self.slow)
            cold = (times >= at + 60 * self.deploy_minutes) & (times < at + 60 * (self.deploy_minutes + 10))
            after = np.flatnonzero(cold)[: self.workers]
            ln[after] += rng.uniform(np.log(5), np.log(40))
        return times + BEGIN, np.exp(ln)


@dataclass(frozen=True, slots=True)
class Fault:
    """So many requests, a ``share``, take ``factor`` times as long, or all the same ``seconds``."""

    share: float = 1.0
    factor: float = 1.0
    seconds: float = np.nan

    def of(self, ordinary: Floats, rng: np.random.Generator) -> Floats:
        slow = ordinary * self.factor if np.isnan(self.seconds) else np.full(len(ordinary), self.seconds)
        return np.where(rng.random(len(ordinary)) < self.share, slow, ordinary)


FAULTS: Final = {
    "twice as slow": Fault(factor=2),
    "3 times": Fault(factor=3),
    "10 times": Fault(factor=10),
    "10 times in 2 %": Fault(0.02, 10),
    "10 times in 5 %": Fault(0.05, 10),
    "10 times in 10 %": Fault(0.10, 10),
    "timeout of 30 s in 100 %": Fault(seconds=30),
    "timeout of 30 s in 8 %": Fault(0.08, seconds=30),
    "a tenth of the time": Fault(factor=0.1),
}


def findings(times: Floats, seconds: Floats, rng: np.random.Generator) -> Iterator[Finding]:
    """What driftd says of a model with one feature and these latencies."""
    pipeline, state = pipeline_of(Settings(), shown=False), State()
    amount = np.exp(rng.normal(size=len(times)))
    for part in np.array_split(np.arange(len(times)), max(len(times) // BATCH, 1)):
        fields = {"latency_seconds": seconds[part], "prediction": (amount[part] > 1).astype(float)}
        batch = EventBatch("m", part, times[part], {"amount": amount[part]}, fields)
        pipeline.ingest(state, ("t", 0), int(part[-1]) + 1, Decoded(len(part), [batch], []))
        yield from pipeline.settle(state).findings
    yield from pipeline.settle(state, end=True).findings


def alarms(times: Floats, seconds: Floats, rng: np.random.Generator) -> list[Finding]:
    """The tickets and pages of the channel, from the first day on."""
    told = (f for f in findings(times, seconds, rng) if f.feature == LATENCY and f.severity is not None)
    return [f for f in told if f.window_end >= BEGIN + DAY]


def ordinary(models: int, days: int, events: int, seed: int) -> None:
    pages = tickets = 0
    for number in range(models):
        rng = np.random.default_rng([seed, number])
        service = Service.draw(rng)
        found = alarms(*service.traffic(rng, days, events), rng)
        pages += sum(f.severity is Severity.PAGE for f in found)
        tickets += sum(f.severity is Severity.TICKET for f in found)
        for f in found:
            print(f"  model {number}, day {(f.window_end - BEGIN) / DAY:.2f}: {f.severity} {f.because}", flush=True)
        print(f"model {number}: {len(found)} alarms; {service}", flush=True)
    months = models * (days - 1) / 30.44
    print(f"{months:.1f} model-months: {pages} pages, {tickets} tickets ({tickets / months:.2f} a month)")


def faulty(models: int, days: int, events: int, seed: int) -> None:
    for name, fault in FAULTS.items():
        waits: dict[Severity, list[float]] = {Severity.PAGE: [], Severity.TICKET: []}
        said = ""
        for number in range(models):
            rng = np.random.default_rng([seed, number])
            times, seconds = Service.draw(rng).traffic(rng, days, events)
            since = BEGIN + (days - 3) * DAY + rng.uniform(0, DAY)
            after = times >= since
            seconds[after] = fault.of(seconds[after], rng)
            found = [f for f in alarms(times, seconds, rng) if f.window_end > since]
            for severity, mine in waits.items():
                first = [f.window_end - since for f in found if f.severity is severity][:1]
                mine += [w for w in first if w < DAY]
            said = next((f"{f.because} (since {f.since - since:+.0f} s)" for f in found if f.since), said)
        for severity, mine in waits.items():
            middle = f", median {np.median(mine) / 60:.0f} min, worst {max(mine) / 60:.0f}" if mine else ""
            print(f"{name}: {severity.value} in {len(mine)} of {models}{middle}", flush=True)
        print(f"  {said}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--days", type=int, default=30)
    parser.add_argument("--events", type=int, default=4000, help="of a model a day")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", action="store_true")
    given = parser.parse_args()
    (faulty if given.faults else ordinary)(given.models, given.days, given.events, given.seed)


if __name__ == "__main__":
    main()
