"""Updates and scrapes at 100,000 series: driftd's writer against prometheus_client.

python tests/bench/exposition.py [models] [features]
"""

import gzip
import itertools
import statistics
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable

import numpy as np
from prometheus_client import CollectorRegistry, Gauge, generate_latest

from driftd.core.finding import Judgement, Scores
from driftd.metrics.aggregates import ModelCounts
from driftd.metrics.series import MetricsSink
from tests.stage.judgement import judgement, reference

DETECTORS = ("psi", "ks", "missing", "out_of_range")


def milliseconds(work: Callable[[], object], repeat: int = 5) -> float:
    took = []
    for _ in range(repeat):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1e3


def judgements(models: int, features: int, seed: int) -> list[Judgement]:
    rng = np.random.default_rng(seed)
    names = [f"feature_{i:03d}" for i in range(features)]
    out = []
    for k in range(models):
        ref = reference(f"model_{k:03d}", names)
        n = len(ref.channels)
        verdicts = []
        for detector in DETECTORS:
            x = rng.random(n)
            limit, zeros = np.full(n, 2.0), np.zeros(n, np.int64)
            verdicts.append(Scores(detector, x, limit, limit, limit, x / limit, zeros.astype(np.int8), zeros))
        out.append(judgement(ref.model, verdicts=verdicts, on=ref))
    return out


def gil_share(scrape: Callable[[], object]) -> float:
    """How much of its speed a busy thread keeps while the page is scraped over and over."""

    def spin(seconds: float) -> int:
        rounds, until = 0, time.perf_counter() + seconds
        while time.perf_counter() < until:
            sum(range(500))
            rounds += 1
        return rounds

    alone = spin(1.0)
    stop = threading.Event()

    def scrapes() -> None:
        while not stop.is_set():
            scrape()
            stop.wait(0.5)  # a scrape every half second is thirty times what Prometheus does

    thread = threading.Thread(target=scrapes)
    thread.start()
    beside = spin(2.0) / 2
    stop.set()
    thread.join()
    return beside / alone


def main(models: int, features: int) -> None:
    counts = ModelCounts(predictions=1)
    rounds = [judgements(models, features, seed) for seed in (1, 2)]
    turns = itertools.cycle(rounds)
    tracemalloc.start()
    sink = MetricsSink(limit=10**9, registry=CollectorRegistry())
    for j in rounds[0]:
        sink.update(j, counts)
    sink.render(gzip=True)
    print(f"series {sink.series:,} of {models} models x {features} features")
    print(f"memory                          {tracemalloc.get_traced_memory()[0] / 1e6:8.1f} MB")
    tracemalloc.stop()
    plain, zipped = len(sink.render()) / 1e6, len(sink.render(gzip=True)) / 1e6
    print(f"page                            {plain:8.1f} MB, gzip {zipped:.2f} MB")

    def update_all() -> None:
        for j in next(turns):
            sink.update(j, counts)

    def judged_then_scraped() -> float:
        update_all()
        return milliseconds(lambda: sink.render(gzip=True), 1)

    took = milliseconds(update_all)
    print(f"update, all models              {took:8.1f} ms ({took / models:.2f} ms a model)")
    print(f"scrape, gzip, nothing judged    {milliseconds(lambda: sink.render(gzip=True)):8.1f} ms")
    print(f"scrape, gzip, all just judged   {statistics.median(judged_then_scraped() for _ in range(3)):8.1f} ms")
    print(f"scrape, plain                   {milliseconds(sink.render):8.1f} ms")
    print(f"busy thread keeps               {gil_share(lambda: sink.render(gzip=True)):8.0%} (scraped every 0.5 s)")

    registry = CollectorRegistry()
    gauges = [
        Gauge(f"driftd_bench_{i}", "bench", ["model", "feature"], registry=registry)
        for i in range(sink.series // (models * features))
    ]
    for g in gauges:
        for j in rounds[0]:
            for c in j.reference.channels:
                g.labels(j.model, c.name).set(0.123456)
    page = generate_latest(registry)
    took = milliseconds(lambda: generate_latest(registry), 3)
    print(f"prometheus_client, plain        {took:8.1f} ms ({page.count(b'} '):,} series)")
    print(
        f"prometheus_client, gzip         {milliseconds(lambda: gzip.compress(generate_latest(registry)), 3):8.1f} ms"
    )
    print(f"busy thread keeps               {gil_share(lambda: generate_latest(registry)):8.0%}")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:3])) if len(sys.argv) == 3 else main(50, 95)
