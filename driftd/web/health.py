"""The state of driftd itself: what came in, what was refused, what lags, what was saved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from driftd.core.text import duration
from driftd.engine.degradation import LEVELS
from driftd.learn.remarks import remarks, unwatched
from driftd.monitor.view import Snapshot
from driftd.web.format import age

LAG_SECONDS: Final = 300.0
STALE_SECONDS: Final = 60.0
SOME: Final = 0.01
"""Share of the received events from which on refused ones are worth a runbook."""


class Fact(NamedTuple):
    """``text`` is plain; ``alert`` names the runbook that helps where something is wrong, else it is empty."""

    name: str
    text: str
    alert: str = ""


def health(snapshot: Snapshot) -> list[Fact]:
    """What is known, in the order in which it is shown."""
    return [_ready(snapshot), *_kafka(snapshot), *_events(snapshot), _configuration(snapshot), *_references(snapshot)]


def _ready(snapshot: Snapshot) -> Fact:
    reasons = "; ".join(snapshot.not_ready)
    return Fact("Ready", reasons or "yes", "DriftdNotReady" if reasons else "")


def _kafka(snapshot: Snapshot) -> Iterator[Fact]:
    """Nothing for a replay, which has no broker and writes no checkpoints."""
    t = snapshot.telemetry
    connected = dict(t.rows("driftd_kafka_connected")).get(())
    if connected is None:
        return
    text, alert = ("connected", "") if connected else ("does not answer", "DriftdKafkaDisconnected")
    yield Fact("Kafka", text, alert)
    lag = t.rows("driftd_consumer_lag_records")
    behind = max((v for _, v in t.rows("driftd_consumer_lag_seconds")), default=0.0)
    records = f"{sum(v for _, v in lag):,.0f} records, {duration(behind)}, over {len(lag)} partitions"
    yield Fact("Lag", records if lag else "no partitions", "DriftdConsumerLag" if behind > LAG_SECONDS else "")
    yield _checkpoint(snapshot)
    yield from _bends(snapshot)


def _bends(snapshot: Snapshot) -> Iterator[Fact]:
    """What driftd does less of for now."""
    level = int(snapshot.telemetry.get("driftd_degradation_level"))
    if level:
        yield Fact("Degraded", f"level {level}: {LEVELS[level]}", "DriftdDegraded")
    if snapshot.telemetry.get("driftd_circuit_breaker_open"):
        yield Fact("Dead letters", "none are sent: most records are rejected", "DriftdMostRejected")


def _checkpoint(snapshot: Snapshot) -> Fact:
    t = snapshot.telemetry
    saved, failures = t.get("driftd_checkpoint_timestamp_seconds"), t.get("driftd_checkpoint_failures_total")
    text = f"saved {age(snapshot.now - saved)} ago" if saved else "none yet"
    if not failures:
        return Fact("Checkpoint", text)
    stale = snapshot.now - saved > STALE_SECONDS
    return Fact("Checkpoint", f"{text}, {failures:,.0f} failed", "DriftdCheckpointFailing" if stale else "")


def _events(snapshot: Snapshot) -> Iterator[Fact]:
    t = snapshot.telemetry
    received, events = t.get("driftd_events_received_total"), {k[0]: v for k, v in t.rows("driftd_events_total")}
    yield Fact("Accepted", f"{events.get('accepted', 0):,.0f} of {received:,.0f} events")
    for outcome, alert in (("rejected", "DriftdRejects"), ("dropped", "DriftdEventsDropped")):
        count = events.get(outcome, 0)
        reasons = ", ".join(f"{k[0]} {v:,.0f}" for k, v in t.rows(f"driftd_events_{outcome}_total") if v)
        text = f"{count:,.0f} ({reasons})" if reasons else f"{count:,.0f}"
        yield Fact(outcome.capitalize(), text, alert if count > SOME * received else "")
    yield Fact("Late", f"{events.get('late', 0):,.0f}")


def _references(snapshot: Snapshot) -> Iterator[Fact]:
    """What references cannot be used for, and what they do not have."""
    for m in snapshot.models:
        if m.judgement is not None:
            yield from (Fact("Reference", f"{m.name}: {remark}") for remark in remarks(m.judgement.reference))
        if m.unwatched:
            yield Fact("Not watched", f"{m.name}: {unwatched(m.unwatched)}")


def _configuration(snapshot: Snapshot) -> Fact:
    if dict(snapshot.telemetry.rows("driftd_config_last_reload_successful")).get((), 1.0):
        return Fact("Configuration", "loaded")
    return Fact("Configuration", "the last reload was refused; the old one stays in force", "DriftdConfigReloadFailed")
