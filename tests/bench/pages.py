"""The pages of a fleet in an incident: how long each takes, beside the floor of any page made by a template."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment

from driftd.web import HttpServer, Views
from driftd.web.site import answer, request_of
from tests.pictures.fleet import Fleet, fleet

MODELS, FEATURES = 100, 100
OWN_FEATURES: Final = 5
"""Of each model of the fleet, without more."""
ROUNDS: Final = 15
FLOOR: Final = (
    """<table>{% for row in rows %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}</table>"""
)
"""A hundred rows of ten escaped cells: what the fleet has."""

_BROWSER = """
import json, sys, time, urllib.request
took, sizes = {}, {}
for _ in range(int(sys.argv[1])):
    for url in sys.argv[2:]:
        began = time.perf_counter()
        with urllib.request.urlopen(url, timeout=60) as answer:
            sizes[url] = len(answer.read())
        took.setdefault(url, []).append(time.perf_counter() - began)
print(json.dumps([took, sizes]))
"""


def measure() -> dict[str, Any]:
    """The pages in turn, asked for by another process; the first round, in which templates are compiled, apart."""
    shown = fleet(MODELS, features=FEATURES - OWN_FEATURES)
    known = shown.snapshot()
    views = Views(lambda _: b"", lambda: 0.0, lambda: (), lambda: (True, ""), shown.snapshot)
    server = HttpServer(("127.0.0.1", 0), views)
    server.start()
    incident = next(i for i in known.incidents if i.ended is None)
    pages = {
        "fleet": "/",
        "model": "/model?model=fraud-card",
        "channel": "/channel?model=fraud-card&channel=amount",
        "incidents": "/incidents",
        f"incident, {len(incident.totals)} models": f"/incident?id={quote(incident.id)}",
        "findings": "/findings",
        "health": "/health",
        "/api/v1/models": "/api/v1/models",
    }
    urls = [f"{server.url}{path}" for path in pages.values()]
    command = [sys.executable, "-c", _BROWSER, str(ROUNDS + 1), *urls]
    out = subprocess.run(command, check=True, capture_output=True, text=True)
    server.close()
    floor = statistics.median(_floor() for _ in range(ROUNDS))
    took, sizes = json.loads(out.stdout)
    table = [
        {
            "page": page,
            "first_ms": round(took[url][0] * 1e3),
            "median_ms": round(statistics.median(took[url][1:]) * 1e3),
            "processor_ms": round(statistics.median(_processor(pages[page], shown) for _ in range(5)) * 1e3),
            "times_floor": round(statistics.median(took[url][1:]) / floor, 1),
            "kilobytes": round(sizes[url] / 1e3),
        }
        for page, url in zip(pages, urls, strict=True)
    ]
    for row in table:
        print(row, flush=True)
    return {"floor_ms": round(floor * 1e3, 2), "table": table}


def _processor(path: str, shown: Fleet) -> float:
    """Processor seconds of an answer without its socket."""
    began = time.thread_time()
    answer(request_of(path, None), shown.snapshot)
    return time.thread_time() - began


def _floor() -> float:
    rows = [[f"cell {i} <{k}>" for k in range(10)] for i in range(MODELS)]
    template = Environment(autoescape=True).from_string(FLOOR)
    began = time.perf_counter()
    template.render(rows=rows)
    return time.perf_counter() - began


if __name__ == "__main__":
    print(measure())
