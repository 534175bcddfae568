"""Rows about driftd itself: whether it runs, what becomes of events, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftd.generate.grafana import Panel, lines, stat

YES_NO: Final = (("no", None), ("yes", None))
MUST: Final = ("red", (1, "green"))
NOT_USED: Final = ("driftd_events_rejected_total", "driftd_events_dropped_total", "driftd_events_late_total")


def state() -> Iterator[Panel]:
    yield stat(
        "Up", "Instances that Prometheus reaches.", 'sum(up{job="driftd"})', colors=MUST, runbooks=["DriftdDown"]
    )
    for title, description, query, alert in (
        (
            "Ready",
            "Configuration loaded and partitions assigned, in at least one instance.",
            "max(driftd_ready)",
            "DriftdNotReady",
        ),
        ("Kafka", "A broker answers every instance.", "min(driftd_kafka_connected)", "DriftdKafkaDisconnected"),
        (
            "Configuration",
            "The last reload succeeded in every instance.",
            "min(driftd_config_last_reload_successful)",
            "DriftdConfigReloadFailed",
        ),
    ):
        yield stat(title, description, query, colors=MUST, names=YES_NO, runbooks=[alert])
    yield stat(
        "Heartbeat",
        "Since the slowest loop last went round.",
        "max(time() - driftd_loop_timestamp_seconds)",
        colors=("green", (30, "yellow"), (120, "red")),
        unit="s",
        decimals=0,
        runbooks=["DriftdLoopStuck"],
    )
    yield stat(
        "Checkpoint age",
        "Since the oldest last checkpoint.",
        "max(time() - driftd_checkpoint_timestamp_seconds)",
        colors=("green", (60, "yellow"), (300, "red")),
        unit="s",
        decimals=0,
        runbooks=["DriftdCheckpointStale", "DriftdCheckpointFailing"],
    )
    yield stat(
        "Series",
        "Series exported, of those allowed (limits.series).",
        "max(driftd_series / driftd_series_limit)",
        colors=("green", (0.7, "yellow"), (0.9, "red")),
        unit="percentunit",
        runbooks=["DriftdSeriesLimit", "DriftdDiscoveryLimit"],
    )
    yield stat("driftd version", "Version that runs.", "max by (version) (driftd_build_info)", legend="{{version}}")


def events() -> Iterator[Panel]:
    yield lines(
        "Lag",
        "Age of the oldest record not yet read, per topic, worst partition; the objective is driftd:slo:lag_seconds.",
        [("max by (topic) (driftd_consumer_lag_seconds)", "{{topic}}"), ("driftd:slo:lag_seconds", "threshold")],
        size=(8, 8),
        unit="s",
        runbooks=["DriftdConsumerLag", "DriftdDegraded"],
    )
    per_second = "(rate({}[$__rate_interval]))"
    yield lines(
        "Events by outcome",
        "What became of the events read: accepted, rejected, late or dropped, per second.",
        [("sum by (outcome) " + per_second.format("driftd_events_total"), "{{outcome}}")],
        size=(8, 8),
        unit="eps",
        runbooks=["DriftdRejects", "DriftdMostRejected", "DriftdEventsDropped"],
    )
    yield lines(
        "Rejected, dropped and late by reason",
        "Records that are not usable events, and events that were not monitored or came too late, per second; "
        "docs/events.md and docs/metrics.md explain the reasons.",
        [
            (" + ".join("sum " + per_second.format(metric) for metric in NOT_USED), "all"),
            ("sum by (reason) " + per_second.format("driftd_events_rejected_total") + " > 0", "{{reason}}"),
            ("sum by (reason) " + per_second.format("driftd_events_dropped_total") + " > 0", "dropped: {{reason}}"),
            ("sum by (reason) " + per_second.format("driftd_events_late_total") + " > 0", "late: {{reason}}"),
        ],
        size=(8, 8),
        unit="eps",
        runbooks=["DriftdRejects", "DriftdEventsDropped"],
    )


def cost() -> Iterator[Panel]:
    yield lines(
        "Processor",
        "Processors that each instance keeps busy; one is 100 %.",
        [('rate(process_cpu_seconds_total{job="driftd"}[$__rate_interval])', "{{instance}}")],
        size=(8, 8),
        unit="percentunit",
    )
    yield lines(
        "Memory",
        "Resident memory of each instance.",
        [('process_resident_memory_bytes{job="driftd"}', "{{instance}}")],
        size=(8, 8),
        unit="bytes",
    )
    yield lines(
        "Processor time for a million events",
        "Of what was read lately; docs/how-to/sizing.md.",
        [("max by (instance) (driftd_million_events_processor_seconds)", "{{instance}}")],
        size=(8, 8),
        unit="s",
    )
    yield lines(
        "Checkpoints: bytes",
        "What the last checkpoint of each instance wrote.",
        [("max by (instance) (driftd_checkpoint_bytes)", "{{instance}}")],
        size=(8, 8),
        unit="bytes",
        runbooks=["DriftdCheckpointFailing"],
    )
    yield lines(
        "Checkpoints: time",
        "How long the last checkpoint of each instance took.",
        [("max by (instance) (driftd_checkpoint_duration_seconds)", "{{instance}}")],
        size=(8, 8),
        unit="s",
        runbooks=["DriftdCheckpointStale"],
    )
    yield lines(
        "Series and members",
        "Series about models and channels that are exported; members of the consumer group.",
        [
            ("sum(driftd_series)", "series"),
            ("max(driftd_group_members)", "members"),
        ],
        size=(8, 8),
        runbooks=["DriftdSeriesLimit"],
    )
