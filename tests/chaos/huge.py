"""Records of 100 MB, as they are, among events of all partitions: the rest is read, in little memory."""

from __future__ import annotations

from typing import Final

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.traffic import START, close, events, fill, settings

PARTITIONS: Final = 2
HUGE_BYTES: Final = 100 << 20


def run(stage: Stage) -> Outcome:
    outcome, broker = Outcome(), stage.broker
    total, huge = stage.of(10_000, 100_000, 500_000), stage.of(2, 4, 10)
    topic = broker.create_topic("huge", PARTITIONS, {"max.message.bytes": str(200 << 20)})
    letters = broker.create_topic("letters")
    sent = 0
    for part in range(huge):
        begin = START + part * total / huge * 0.002
        sent += fill(broker, topic, events(total // huge, rubbish=0, late=0, begin=begin), PARTITIONS)
        limits = {"max_request_size": 200 << 20, "request_timeout_ms": 240_000, "delivery_timeout_ms": 300_000}
        with broker.producer(**limits) as producer:
            producer.send(topic, bytes(HUGE_BYTES), partition=part % PARTITIONS).get(timeout=300)
            sent += 1
    sent += close(broker, topic, START + total * 0.002, PARTITIONS)
    daemon = stage.member("huge", settings(broker, topic, kafka={"dead_letter_topic": letters}))
    at_rest(daemon, sent)
    outcome.measure(f"{huge} records of {HUGE_BYTES >> 20} MB")
    outcome.at_most("peak memory", daemon.peak_memory_bytes() / (1 << 20), 300, "MB")
    count = oracle.recount(broker, topic)
    oracle.compare(outcome, count, [daemon])
    rejected = daemon.value("driftd_events_rejected_total", reason="too_large")
    outcome.equal("records rejected as too large", rejected, float(huge))
    outcome.equal("exit code", daemon.terminate(), 0)
    found = oracle.letters(broker, letters)
    outcome.equal("records that dead letters are about", sorted(found), sorted(count.bad))
    return outcome


EXPERIMENT = Experiment(
    "records of 100 MB, where the broker takes them",
    "equal; each rejected and told, reading goes on; memory bounded",
    run,
)
