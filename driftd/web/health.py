"""The state of driftd itself: what came in, what was refused, what lags, what was saved."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Final, NamedTuple

from driftd.core.event import places
from driftd.core.slice import Slice
from driftd.core.text import clean, duration, plural
from driftd.engine.degradation import LEVELS
from driftd.learn.remarks import remarks, unwatched
from driftd.monitor.view import Snapshot
from driftd.web.facts import silent_seconds
from driftd.web.format import age, date_of

LAG_SECONDS: Final = 300.0
STALE_SECONDS: Final = 60.0
SOON_SECONDS: Final = 7 * 86_400.0
"""Before a certificate expires. Chosen: those that renew themselves do so weeks before."""
MB: Final = 1e6
SOME: Final = 0.01
"""Share of the received events from which on refused ones are worth a runbook."""
MOST_SILENT: Final = 5
"""Models without events that are named."""


class Fact(NamedTuple):
    """``text`` is plain; ``alert`` names the runbook that helps where something is wrong, else it is empty. ``wrong``:
    something is, and there is no runbook.
    """

    name: str
    text: str
    alert: str = ""
    wrong: bool = False


def health(snapshot: Snapshot) -> list[Fact]:
    """What is known, in the order in which it is shown."""
    return [
        _ready(snapshot), *_kafka(snapshot), *_events(snapshot), _configuration(snapshot), *_limits(snapshot),
        *_labels(snapshot), *_certificates(snapshot), *_silent(snapshot), *_references(snapshot),
    ]  # fmt: skip


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
    records = (
        f"{sum(v for _, v in lag):,.0f} records, {duration(behind)}, over {len(lag):,} {plural('partition', len(lag))}"
    )
    yield Fact("Lag", records if lag else "no partitions", "DriftdConsumerLag" if behind > LAG_SECONDS else "")
    yield _members(snapshot)
    yield _checkpoint(snapshot)
    yield from _bends(snapshot)


def _bends(snapshot: Snapshot) -> Iterator[Fact]:
    """What driftd does less of for now."""
    level = int(snapshot.telemetry.get("driftd_degradation_level"))
    text = f"level {level}: {LEVELS[level]}" if level else f"no: {LEVELS[0]}"
    yield Fact("Degraded", text, "DriftdDegraded" if level else "")
    if snapshot.telemetry.get("driftd_circuit_breaker_open"):
        yield Fact("Dead letters", "none are sent: most records are rejected", "DriftdMostRejected")


def _members(snapshot: Snapshot) -> Fact:
    """What the others read only the broker knows: ``kafka-consumer-groups.sh --describe``."""
    t = snapshot.telemetry
    members = int(t.get("driftd_group_members"))
    mine = sorted((k[0], int(k[1])) for k, _ in t.rows("driftd_consumer_lag_records"))
    group = f"{members} in the group; " if members else ""
    return Fact("Members", f"{group}this one reads {places(mine) or 'no partition'}")


def _limits(snapshot: Snapshot) -> Iterator[Fact]:
    """Those that are set, and what of the process is known."""
    if snapshot.memory is not None:
        used, most = snapshot.memory
        text = f"{used / MB:,.0f} MB" + ("" if most is None else f" of {most / MB:,.0f} MB (limits.memory_bytes)")
        yield Fact("Memory", text, wrong=most is not None and used > most)
    yield from _costs(snapshot)
    dropped = dict(snapshot.telemetry.rows("driftd_events_dropped_total")).get(("rate_limit",), 0)
    for what, most_a_second in snapshot.rate_limits.items():
        of = "partition" if what == "records" else "model and partition"
        yield Fact("Rate limit", f"{most_a_second:,.0f} {what} a second of a {of}; {dropped:,.0f} left out so far")


def _costs(snapshot: Snapshot) -> Iterator[Fact]:
    """What driftd itself takes, where that is known."""
    if seconds := snapshot.telemetry.get("driftd_million_events_processor_seconds"):
        yield Fact("Costs", f"{seconds:,.3g} processor seconds for a million events")


def _labels(snapshot: Snapshot) -> Iterator[Fact]:
    """What waits for the join of labels, where any does."""
    t = snapshot.telemetry
    waiting, ratio = t.get("driftd_label_store_entries"), t.get("driftd_label_sample_ratio")
    if waiting:
        sampled = f"; a sample of 1 in {1 / ratio:,.0f} by id is joined (labels.max_pending)" if 0 < ratio < 1 else ""
        size = t.get("driftd_label_store_bytes") / MB
        yield Fact("Labels", f"{waiting:,.0f} predictions and labels kept for the join, {size:,.0f} MB{sampled}")


def _certificates(snapshot: Snapshot) -> Iterator[Fact]:
    for what, expiry in snapshot.expiries.items():
        left = expiry - snapshot.now
        if isnan(expiry):
            yield Fact("Certificate", f"of the {what}: cannot be read", wrong=True)
        elif left < 0:
            yield Fact("Certificate", f"of the {what}: expired {age(-left)} ago", wrong=True)
        else:
            soon = "; renew it" if left < SOON_SECONDS else ""
            yield Fact(
                "Certificate", f"of the {what}: valid until {date_of(expiry)}, {age(left)}{soon}", wrong=bool(soon)
            )


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


def _silent(snapshot: Snapshot) -> Iterator[Fact]:
    """Models of which nothing arrives, longest first: driftd sees nothing of them."""
    silent = sorted(((s, m.name) for m in snapshot.models if (s := silent_seconds(m)) is not None), reverse=True)
    if silent:
        named = ", ".join(f"{clean(name, 60)} for {age(seconds)}" for seconds, name in silent[:MOST_SILENT])
        rest = len(silent) - MOST_SILENT
        alert = "DriftdLabelsStopped" if all(Slice(name).part for _, name in silent) else "DriftdNoData"
        yield Fact("Silent", named + (f" and {rest} more" if rest > 0 else ""), alert)


def _references(snapshot: Snapshot) -> Iterator[Fact]:
    """What references cannot be used for, and what they do not have."""
    for m in (m for m in snapshot.models if not Slice(m.name).within):
        if m.judgement is not None:
            yield from (Fact("Reference", f"{m.name}: {remark}") for remark in remarks(m.judgement.reference))
        if m.unwatched:
            yield Fact("Not watched", f"{m.name}: {unwatched(m.unwatched)}")


def _configuration(snapshot: Snapshot) -> Fact:
    if dict(snapshot.telemetry.rows("driftd_config_last_reload_successful")).get((), 1.0):
        return Fact("Configuration", "loaded")
    return Fact("Configuration", "the last reload was refused; the old one stays in force", "DriftdConfigReloadFailed")
