"""More models, features, categories and segments than there is room for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.traffic import START, fill, settings

MODELS, EVENTS, SECONDS = 100, 700, 3.2
"""So many models have so many events each, so many seconds apart: after half an hour and 500 each is judged."""


def wide(features: int, numbers: range) -> Iterator[bytes]:
    """These events of all models, each with as many features as a model may have."""
    for number in numbers:
        values = ",".join(f'"f{f}":{(number * 7 + f * 3) % 101 + 0.5}' for f in range(features))
        for model in range(MODELS):
            when = START + number * SECONDS
            yield f'{{"model":"m{model}","time":{when:.2f},"features":{{{values}}}}}'.encode()


def new_names(count: int) -> Iterator[bytes]:
    """So many models, features, categories and segments that nobody has seen before."""
    for n in range(count):
        yield b'{"model":"new-%d","time":%.2f,"features":{"x":1.0}}' % (n, START)
        yield (
            b'{"model":"m0","time":%.2f,"features":{"f0":"category-%d","new-%d":1.0},"segments":{"s%d":"v%d"}}'
            % (START, n, n, n, n)
        )


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    count, features, cap = stage.of(10_000, 200_000, 1_000_000), stage.of(5, 30, 200), stage.of(3000, 20_000, 100_000)
    topic = broker.create_topic("names")
    given = settings(
        broker,
        topic,
        discovery={"max_models": MODELS, "max_features": features},
        learning={"grow_seconds": "28d"},
        limits={"series": cap},
        state={"checkpoint_seconds": 10},
        windows={"window_seconds": 60, "pane_seconds": 5, "min_events": 20, "idle_seconds": 3},
    )
    daemon = stage.member("names", given)
    daemon.wait_ready()
    total = fill(broker, topic, wide(features, range(1)))
    total += fill(broker, topic, new_names(count))
    total += fill(broker, topic, wide(features, range(1, EVENTS)))
    slowest, end = 0.0, time.monotonic() + 1200
    windows = "driftd_window_end_timestamp_seconds"
    while daemon.value(windows, model=f"m{MODELS - 1}") < START + (EVENTS - 80) * SECONDS:
        assert time.monotonic() < end, "not all was judged"
        began = time.monotonic()
        daemon.get("/metrics")
        slowest = max(slowest, time.monotonic() - began)
    daemon.wait_received(total, 600)
    outcome.true("not balanced", daemon.balanced())
    outcome.equal("events received", daemon.value("driftd_events_received_total"), total)
    outcome.equal("models left out", daemon.value("driftd_events_dropped_total", reason="model_limit"), count)
    outcome.equal("features left out", daemon.value("driftd_ignored_features_total", model="m0"), count)
    outcome.true("no series was left out", daemon.value("driftd_series_dropped_total", reason="limit") > 0)
    outcome.measure(f"{MODELS} models of {features} features, and {count:,} new names of each kind")
    outcome.at_most(f"about them, at a cap of {cap:,},", daemon.value("driftd_series"), cap, "series")
    outcome.at_most("slowest scrape", slowest, 1, "s")
    outcome.at_most("peak memory", daemon.peak_memory_bytes() / (1 << 20), 1200, "MB")
    return outcome


EXPERIMENT = Experiment(
    "as many distinct models, features, categories and segments",
    "series at the cap, scrape under 1 s, memory bounded",
    run,
)
