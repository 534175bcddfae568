"""A scrape of 100,000 series over HTTP while the pipeline consumes: how long, and how much it slows the rest."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any

from driftd.web import HttpServer
from driftd.wiring.run import views_of
from tests.bench.memory import LEARN, Stage, source

MODELS, FEATURES = 65, 100
SECONDS = 10.0

_SCRAPER = """
import json, sys, time, urllib.request
took = []
for _ in range(int(sys.argv[2])):
    began = time.perf_counter()
    request = urllib.request.Request(sys.argv[1], headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        answer.read()
    took.append(time.perf_counter() - began)
    time.sleep(max(0.0, 1.0 - took[-1]))
print(json.dumps(took))
"""


def rate(stage: Stage, seconds: float) -> float:
    """Values a second that the pipeline takes in."""
    began, values = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        stage.step(200)
        values += 200 * stage.models * stage.features
    return values / (time.perf_counter() - began)


def measure() -> dict[str, Any]:
    """Scrapes once a second, fifteen times as often as Prometheus would."""
    with source() as path:
        stage = Stage(path, MODELS, FEATURES)
    while stage.begin < LEARN + 4000:
        stage.step()
    server = HttpServer(("127.0.0.1", 0), views_of(stage.reporter, None))
    server.start()
    alone = [rate(stage, SECONDS / 2)]
    command = [sys.executable, "-c", _SCRAPER, f"{server.url}/metrics", str(int(SECONDS))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as scraper:
        beside = rate(stage, SECONDS)
        out, _ = scraper.communicate(timeout=120)
    alone.append(rate(stage, SECONDS / 2))
    server.close()
    took = json.loads(out)
    result = {
        "series": stage.reporter.metrics.series,
        "scrape_median_seconds": round(statistics.median(took), 3),
        "scrape_worst_seconds": round(max(took), 3),
        "speed_kept": round(beside / statistics.mean(alone), 3),
    }
    print(result, flush=True)
    return result


if __name__ == "__main__":
    measure()
