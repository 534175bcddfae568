"""A topic keyed by a feature: one partition says the same of it as four, and as four that three members share."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos import oracle
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.kills import at_rest
from tests.chaos.members import MEMBERS, shared, told
from tests.chaos.traffic import COUNTRIES, START, events, fill, last, settings
from tests.stage.daemon import wait_until

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
    (one, found), (four, also) = seen
    oracle.compare_series(outcome, one, four, "between 1 and 4 partitions")
    outcome.equal("findings", found, also)
    outcome.measure(f"{len(found)} findings, byte-equal" if found == also else f"{len(found)} and {len(also)} findings")
    by_members(stage, outcome, topic, sent, one, found)
    return outcome


def by_members(
    stage: Stage, outcome: Outcome, topic: str, sent: int, one: oracle.Series, found: dict[str, dict[str, Any]]
) -> None:
    """The four partitions once more, which members share: what they count and find together is what one finds alone."""
    group = stage.members("keyed-shared", settings(stage.broker, topic, members=shared(stage)), MEMBERS)
    for member in group:
        member.start()

    def received() -> float:
        return sum(member.value("driftd_events_received_total") for member in group)

    wait_until(lambda: received() == sent and told(group).keys() >= found.keys(), "what one process found", 600)
    oracle.compare(outcome, oracle.recount(stage.broker, topic), group)
    outcome.equal("findings of members", told(group), found)
    outcome.measure(f"{MEMBERS} members: the same findings" if told(group) == found else "members: other findings")
    status = "driftd_model_status"
    theirs = {key: value for member in group for key, value in member.metrics().items() if key[0] == status}
    mine = {key: value for key, value in one.items() if key[0] == status}
    outcome.equal("verdicts of members", theirs, mine)


EXPERIMENT = Experiment(
    "a topic keyed by a feature, 1 against 4 partitions, and against 3 members that share the 4",
    "the same reference, regimes and verdicts",
    run,
)
