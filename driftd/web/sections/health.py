"""How driftd itself does: what came in, what was turned away, what lags, what was saved."""

from __future__ import annotations

from driftd.monitor.view import Snapshot
from driftd.web.format import ago, span


def facts(snapshot: Snapshot) -> list[tuple[str, str, str]]:
    """Name, plain text, and the alert whose runbook helps where something is wrong, else an empty text."""
    t, now = snapshot.telemetry, snapshot.now
    events = {k[0]: v for k, v in t.rows("driftd_events_total")}
    rejects = ", ".join(f"{k[0]} {v:,.0f}" for k, v in t.rows("driftd_events_rejected_total") if v)
    dropped = ", ".join(f"{k[0]} {v:,.0f}" for k, v in t.rows("driftd_events_dropped_total") if v)
    lag = t.rows("driftd_consumer_lag_records")
    behind = max((v for _, v in t.rows("driftd_consumer_lag_seconds")), default=0.0)
    some = 0.01 * t.get("driftd_events_received_total")  # fewer than that are no reason to get up
    connected = dict(t.rows("driftd_kafka_connected")).get(())
    saved, failures = t.get("driftd_checkpoint_timestamp_seconds"), t.get("driftd_checkpoint_failures_total")
    reloaded = dict(t.rows("driftd_config_last_reload_successful")).get((), 1.0)
    ready = "; ".join(snapshot.not_ready)
    out = [
        ("Ready", ready or "yes", "DriftdNotReady" if ready else ""),
        ("Accepted", f"{events.get('accepted', 0):,.0f} of {t.get('driftd_events_received_total'):,.0f} events", ""),
        (
            "Rejected",
            f"{events.get('rejected', 0):,.0f}{f' ({rejects})' if rejects else ''}",
            "DriftdRejects" if events.get("rejected", 0) > some else "",
        ),
        (
            "Dropped",
            f"{events.get('dropped', 0):,.0f}{f' ({dropped})' if dropped else ''}",
            "DriftdEventsDropped" if events.get("dropped", 0) > some else "",
        ),
        ("Late", f"{events.get('late', 0):,.0f}", ""),
        (
            "Configuration",
            "loaded" if reloaded else "the last reload was refused; the old one runs on",
            "" if reloaded else "DriftdConfigReloadFailed",
        ),
    ]
    if connected is not None:  # a replay has no broker and writes no checkpoints
        out[1:1] = [
            ("Kafka", "connected" if connected else "does not answer", "" if connected else "DriftdKafkaDisconnected"),
            (
                "Lag",
                f"{sum(v for _, v in lag):,.0f} records, {span(behind)}, over {len(lag)} partitions"
                if lag
                else "no partitions",
                "DriftdConsumerLag" if behind > 300 else "",
            ),
            (
                "Checkpoint",
                (ago(saved, now) if saved else "none yet") + (f", {failures:,.0f} failed" if failures else ""),
                "DriftdCheckpointFailing" if failures and now - saved > 60 else "",
            ),
        ]
    return out
