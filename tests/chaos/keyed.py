"""A topic keyed by a feature: one partition says the same of it as four."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import COUNTRIES, START, events, fill, last, settings

PARTITIONAL = ("driftd_assigned_partitions", "driftd_held_partitions", "driftd_events_late", "driftd_event_lateness")


def run(stage: Stage) -> Outcome:
    outcome = Outcome()
    total = stage.of(30_000, 100_000, 1_000_000)
    seen: list[tuple[oracle.Series, dict[str, dict[str, Any]]]] = []
    for partitions in (1, len(COUNTRIES)):
        topic = stage.broker.create_topic("keyed", partitions)
        with stage.broker.producer(batch_size=128 << 10, linger_ms=20, acks=1) as producer:
            for value in events(total, rubbish=0, late=0):
                country = json.loads(value)["features"]["country"]
                producer.send(topic, value, partition=COUNTRIES.index(country) % partitions)
            producer.flush(timeout=300)
        sent = total + fill(stage.broker, topic, [last(START + total * 0.002)] * len(COUNTRIES), partitions)
        daemon = stage.member(f"keyed-{partitions}", settings(stage.broker, topic))
        series = at_rest(daemon, sent)
        oracle.compare(outcome, oracle.recount(stage.broker, topic), [daemon])
        seen.append((oracle.without(series, PARTITIONAL), daemon.findings()))
        daemon.kill9()
    (one, told), (four, also) = seen
    oracle.compare_series(outcome, one, four, "between 1 and 4 partitions")
    outcome.equal("findings", told, also)
    outcome.measure(f"{len(told)} findings, byte-equal" if told == also else f"{len(told)} and {len(also)} findings")
    return outcome


EXPERIMENT = Experiment(
    "a topic keyed by a feature, 1 against 4 partitions", "the same reference, regimes and verdicts", run
)
