"""More models, features, categories and segments than there is room for."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.traffic import START, fill, settings

MODELS, FEATURES, EVENTS = 100, 200, 250
CAP = 100_000


def wide() -> Iterator[bytes]:
    """Events of as many models and features as discovery takes."""
    for number in range(EVENTS):
        features = ",".join(f'"f{f}":{(number * 7 + f * 3) % 101 + 0.5}' for f in range(FEATURES))
        for model in range(MODELS):
            yield f'{{"model":"m{model}","time":{START + number / 10:.2f},"features":{{{features}}}}}'.encode()


def new_names(count: int) -> Iterator[bytes]:
    """So many models, features, categories and segments that nobody has seen before."""
    when = START + EVENTS / 10
    for n in range(count):
        yield b'{"model":"new-%d","time":%.2f,"features":{"x":1.0}}' % (n, when)
        yield (
            b'{"model":"m0","time":%.2f,"features":{"f0":"category-%d","new-%d":1.0},"segments":{"s%d":"v%d"}}'
            % (when, n, n, n, n)
        )


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    count = stage.of(10_000, 200_000, 1_000_000)
    topic = broker.create_topic("names")
    given = settings(broker, topic, learning={"events": EVENTS - 100}, state={"checkpoint_seconds": 10})
    daemon = stage.member("names", given)
    daemon.wait_ready()
    total = fill(broker, topic, wide()) + fill(broker, topic, new_names(count))
    slowest, end = 0.0, time.monotonic() + 900
    while daemon.value("driftd_events_received_total") < total:
        assert time.monotonic() < end, "the names were not read"
        began = time.monotonic()
        daemon.get("/metrics")
        slowest = max(slowest, time.monotonic() - began)
    outcome.true("not balanced", daemon.balanced())
    outcome.equal("models", daemon.value("driftd_events_dropped_total", reason="model_limit"), count)
    outcome.equal("features", daemon.value("driftd_ignored_features_total", model="m0"), count)
    outcome.at_most("series", daemon.value("driftd_series"), CAP, "series")
    outcome.at_most("slowest scrape", slowest, 1, "s")
    outcome.at_most("peak memory", daemon.peak_memory_bytes() / (1 << 20), 1200, "MB")
    outcome.measure(f"{MODELS} models of {FEATURES} features, then {count:,} new names of each kind")
    return outcome


EXPERIMENT = Experiment(
    "as many distinct models, features, categories and segments",
    "series at the cap, scrape under 1 s, memory bounded",
    run,
)
