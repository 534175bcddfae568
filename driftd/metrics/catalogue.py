"""Every metric that driftd exports, in one table, and the values of those that describe driftd itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from driftd.core.event import DropReason, RejectReason
from driftd.core.finding import Status
from driftd.metrics.exposition import Metric

_CHANNEL: Final = ("model", "feature")
_VERDICT: Final = ("model", "feature", "detector")
_MODEL: Final = ("model",)

_STATISTICS: Final = (
    ("driftd_feature_psi", "nats", "Population stability index of the window against the reference"),
    ("driftd_feature_ks_statistic", "ratio", "Largest distance between the two distribution functions, 0 to 1"),
    ("driftd_feature_js_distance", "ratio", "Jensen-Shannon distance of the window from the reference, 0 to 1"),
    (
        "driftd_feature_wasserstein_distance",
        "reference sd",
        "Wasserstein distance in the reference's standard deviations",
    ),
    ("driftd_feature_chi2_statistic", "1", "Chi-squared statistic of the window's bins against the reference's"),
    ("driftd_feature_hellinger_distance", "ratio", "Hellinger distance of the window from the reference, 0 to 1"),
    ("driftd_feature_missing_ratio", "ratio", "Share of the window's values that are missing"),
    ("driftd_feature_unseen_ratio", "ratio", "Share of the window's values that the reference never saw"),
    ("driftd_feature_out_of_range_ratio", "ratio", "Share of the window's values outside the reference's range"),
)
_SEQUENTIAL: Final = (
    ("driftd_feature_adwin_detections", "Detections by ADWIN in the current window; 1 is drift"),
    ("driftd_feature_page_hinkley_detections", "Detections by Page-Hinkley in the current window; 1 is drift"),
    ("driftd_feature_ddm_detections", "Detections by DDM in the current window; 1 is drift"),
    ("driftd_feature_hddm_detections", "Detections by HDDM in the current window; 1 is drift"),
)
_EVIDENCE: Final = (
    ("driftd_feature_evidence", _CHANNEL, "The judge's evidence that the channel has changed: ln(1 + S)"),
    ("driftd_model_joint_evidence", _MODEL, "The judge's evidence that channels no longer move together: ln(1 + S)"),
)
_STATUS: Final = "0 OK, 1 LEARNING, 2 WARNING, 3 DRIFT"


def _channels() -> Iterator[Metric]:
    for name, unit, text in _STATISTICS:
        yield Metric(name, "gauge", unit, _CHANNEL, text + ".")
        yield Metric(
            f"{name}_threshold",
            "gauge",
            unit,
            _CHANNEL,
            f"From here on {name} means drift: the larger of effect and noise.",
        )
    for name, text in _SEQUENTIAL:
        yield Metric(name, "gauge", "detections", _CHANNEL, text + ".")
    yield from _evidence(*_EVIDENCE[0])
    yield Metric(
        "driftd_feature_drift_ratio",
        "gauge",
        "ratio",
        _VERDICT,
        "Statistic over threshold; 1 or more means drift, whatever the detector.",
    )
    yield Metric(
        "driftd_feature_drifted",
        "gauge",
        "",
        _VERDICT,
        "1 while the detector says drift, after hysteresis, else 0.",
    )
    yield Metric("driftd_feature_status", "gauge", "", _CHANNEL, f"Worst status over the detectors: {_STATUS}.")
    yield Metric(
        "driftd_feature_drift_since_timestamp_seconds",
        "gauge",
        "seconds",
        _CHANNEL,
        "Estimated start of the change; absent while there is none.",
    )
    yield Metric(
        "driftd_drift_detections_total", "counter", "detections", _VERDICT, "Entries into drift since monitoring began."
    )
    yield Metric(
        "driftd_feature_pages",
        "gauge",
        "",
        _CHANNEL,
        "1 where an episode of the channel pages, 0 where it makes a ticket.",
    )
    yield Metric(
        "driftd_feature_inflation_ratio",
        "gauge",
        "ratio",
        _CHANNEL,
        "How much more runs of events vary than independent ones.",
    )


def _evidence(name: str, labels: tuple[str, ...], text: str) -> Iterator[Metric]:
    yield Metric(name, "gauge", "nats", labels, text + ".")
    yield Metric(
        f"{name}_threshold",
        "gauge",
        "nats",
        labels,
        "ln(1 + A), A from the budget: evidence beyond it opens an episode.",
    )


def _models() -> Iterator[Metric]:
    yield Metric("driftd_model_status", "gauge", "", _MODEL, f"Status of the model as a whole: {_STATUS}.")
    yield Metric(
        "driftd_model_learning_ratio",
        "gauge",
        "ratio",
        _MODEL,
        "Share of the reference collected so far, 0 to 1; absent once judged.",
    )
    yield Metric(
        "driftd_model_features",
        "gauge",
        "features",
        _MODEL,
        "Channels monitored: features, prediction, score and errors.",
    )
    yield Metric("driftd_model_drifted_features", "gauge", "features", _MODEL, "Channels whose status is DRIFT.")
    yield from _evidence(*_EVIDENCE[1])
    yield Metric("driftd_model_joint_drifted", "gauge", "", _MODEL, "1 while an episode of the joint path is open.")
    yield Metric(
        "driftd_model_paging_channels",
        "gauge",
        "channels",
        _MODEL,
        "Channels whose episodes page, the joint path included.",
    )
    yield Metric(
        "driftd_model_ticket_channels",
        "gauge",
        "channels",
        _MODEL,
        "Channels that make tickets and never page.",
    )
    yield Metric(
        "driftd_model_false_alarm_threshold_events",
        "gauge",
        "events",
        _MODEL,
        "Least A of what pages: a false page has a chance of n / A in n events.",
    )
    yield Metric(
        "driftd_model_reference_span_seconds",
        "gauge",
        "seconds",
        _MODEL,
        "From the first event of the reference to the last.",
    )
    yield Metric(
        "driftd_pages_total", "counter", "pages", _MODEL, "Times the model's status turned to DRIFT: each is a page."
    )
    yield Metric(
        "driftd_model_info",
        "gauge",
        "",
        ("model", "version", "reference"),
        "Always 1; the model's version and the reference it is judged against.",
    )
    yield Metric("driftd_window_events", "gauge", "events", _MODEL, "Events in the last judged window.")
    yield Metric(
        "driftd_window_start_timestamp_seconds",
        "gauge",
        "seconds",
        _MODEL,
        "Start of the last judged window, event time.",
    )
    yield Metric(
        "driftd_window_end_timestamp_seconds", "gauge", "seconds", _MODEL, "End of the last judged window, event time."
    )
    yield Metric(
        "driftd_window_events_per_second", "gauge", "events per second", _MODEL, "Event rate in the last judged window."
    )
    yield Metric(
        "driftd_window_error_ratio", "gauge", "ratio", _MODEL, "Share of the window's events with a service error."
    )
    yield Metric(
        "driftd_window_latency_seconds",
        "summary",
        "seconds",
        (*_MODEL, "quantile"),
        "Latency quantiles of the last judged window, within 2 %.",
    )
    yield Metric(
        "driftd_last_event_timestamp_seconds", "gauge", "seconds", _MODEL, "Time of the latest event, event time."
    )
    yield Metric("driftd_predictions_total", "counter", "events", _MODEL, "Prediction events accepted.")
    yield Metric(
        "driftd_prediction_errors_total", "counter", "events", _MODEL, "Prediction events with a service error."
    )
    yield Metric("driftd_labels_total", "counter", "labels", _MODEL, "Labels that came with their prediction.")
    yield Metric(
        "driftd_unjoined_labels_total", "counter", "labels", _MODEL, "Labels that came without their prediction."
    )
    yield Metric(
        "driftd_ignored_features_total",
        "counter",
        "values",
        _MODEL,
        "Feature values passed over because the model has too many features.",
    )
    yield Metric(
        "driftd_prediction_latency_seconds",
        "histogram",
        "seconds",
        (*_MODEL, "le"),
        "Latency of predictions, as the events state it.",
    )


_SELF: Final = (
    Metric(
        "driftd_events_received_total", "counter", "events", (), "Events read; each event of an array record counts."
    ),
    Metric(
        "driftd_events_total",
        "counter",
        "events",
        ("outcome",),
        "What became of the events: accepted, rejected, late or dropped.",
    ),
    Metric(
        "driftd_events_rejected_total",
        "counter",
        "events",
        ("reason",),
        "Records that are not usable events, by reason.",
    ),
    Metric(
        "driftd_events_dropped_total",
        "counter",
        "events",
        ("reason",),
        "Usable events that driftd chose not to monitor or never saw, by reason.",
    ),
    Metric(
        "driftd_consumer_lag_records",
        "gauge",
        "records",
        ("topic", "partition"),
        "Records in the partition that have not been read yet.",
    ),
    Metric(
        "driftd_consumer_lag_seconds",
        "gauge",
        "seconds",
        ("topic", "partition"),
        "Age of the oldest record that has not been read yet.",
    ),
    Metric("driftd_assigned_partitions", "gauge", "partitions", (), "Partitions assigned to this process."),
    Metric("driftd_kafka_connected", "gauge", "", (), "1 while a broker answers, else 0."),
    Metric("driftd_rebalances_total", "counter", "rebalances", (), "Times the partitions were assigned anew."),
    Metric(
        "driftd_commit_failures_total",
        "counter",
        "commits",
        (),
        "Offset commits that failed; nothing is lost, the checkpoint has the positions.",
    ),
    Metric(
        "driftd_dead_letters_total",
        "counter",
        "records",
        ("outcome",),
        "Rejected records for the dead-letter topic: sent or failed.",
    ),
    Metric("driftd_checkpoint_timestamp_seconds", "gauge", "seconds", (), "When the last checkpoint was written."),
    Metric("driftd_checkpoint_bytes", "gauge", "bytes", (), "Size of the last checkpoint."),
    Metric("driftd_checkpoint_duration_seconds", "gauge", "seconds", (), "How long the last checkpoint took."),
    Metric("driftd_checkpoint_failures_total", "counter", "checkpoints", (), "Checkpoints that could not be written."),
    Metric("driftd_build_info", "gauge", "", ("version",), "Always 1; the version that runs."),
    Metric("driftd_loop_timestamp_seconds", "gauge", "seconds", (), "When the loop last went round: the heartbeat."),
    Metric("driftd_ready", "gauge", "", (), "1 while the configuration is loaded and partitions are assigned, else 0."),
    Metric(
        "driftd_config_last_reload_successful",
        "gauge",
        "",
        (),
        "1 if the last reload of the configuration succeeded, else 0.",
    ),
    Metric(
        "driftd_config_last_reload_success_timestamp_seconds",
        "gauge",
        "seconds",
        (),
        "When the configuration was last loaded with success.",
    ),
    Metric("driftd_series", "gauge", "series", (), "Series about models and features exported now."),
    Metric(
        "driftd_series_limit",
        "gauge",
        "series",
        (),
        "Most series about models and features that may be exported (limits.series).",
    ),
    Metric(
        "driftd_series_dropped_total",
        "counter",
        "series",
        ("reason",),
        "Series left out of a judged window's export, by reason (limit).",
    ),
    Metric(
        "driftd_discovery_limit_reached",
        "gauge",
        "",
        ("what",),
        "1 while discovery holds as many as it may, by what: models or features.",
    ),
    Metric(
        "driftd_false_alarms_budget",
        "gauge",
        "pages per month",
        (),
        "False pages a month that the user accepts (alarms.false_alarms_per_month).",
    ),
    Metric(
        "driftd_false_alarms_bound",
        "gauge",
        "pages per month",
        (),
        "False pages a month to expect at most from the models known now, if their regimes are what they seemed.",
    ),
    Metric("driftd_findings_total", "counter", "findings", ("status",), "Findings emitted, by the status they report."),
)

METRICS: Final[dict[str, Metric]] = {m.name: m for m in (*_channels(), *_models(), *_SELF)}
"""Name -> metric, in the order of the page and of docs/metrics.md."""

SELF_METRICS: Final[dict[str, Metric]] = {m.name: m for m in _SELF}
"""Those that describe driftd itself."""

_FROM_ZERO: Final[dict[str, tuple[str, ...]]] = {
    "driftd_events_total": ("accepted", "rejected", "late", "dropped"),
    "driftd_events_rejected_total": tuple(RejectReason),
    "driftd_events_dropped_total": tuple(DropReason),
    "driftd_dead_letters_total": ("sent", "failed"),
    "driftd_discovery_limit_reached": ("models", "features"),
    "driftd_findings_total": tuple(s.name for s in Status),
}
"""Label values known beforehand: their series start at 0, or `increase()` would miss the first event of each."""

_WRITTEN_BY_SINK: Final = frozenset(("driftd_series", "driftd_series_limit", "driftd_series_dropped_total"))


class Telemetry(Collector):
    """The values behind SELF_METRICS, as a collector for prometheus_client.

    Counters are set to what the state says rather than incremented: after a restart from a checkpoint they go on
    where they were. The loop's thread writes, the scrape's thread reads a copy; neither takes a lock.
    """

    def __init__(self) -> None:
        self._values: dict[tuple[str, tuple[str, ...]], float] = {
            (m.name, ()): 0.0 for m in _SELF if m.type == "counter" and not m.labels
        }
        self._values.update(((name, (str(v),)), 0.0) for name, values in _FROM_ZERO.items() for v in values)

    def set(self, name: str, value: float, *label_values: str) -> None:
        """Sets one series; ``label_values`` in the order of the table. KeyError for a metric that is not in it."""
        if len(SELF_METRICS[name].labels) != len(label_values):
            raise ValueError(f"{name} has the labels {SELF_METRICS[name].labels}, got {label_values}")
        self._values[name, label_values] = float(value)

    def add(self, name: str, amount: float = 1, *label_values: str) -> None:
        self.set(name, self._values.get((name, label_values), 0.0) + amount, *label_values)

    def get(self, name: str, *label_values: str) -> float:
        """The value set last, 0 if none was."""
        return self._values.get((name, label_values), 0.0)

    def replace(self, name: str, values: Mapping[tuple[str, ...], float]) -> None:
        """Sets all series of a metric at once and forgets the others: partitions given up have no lag.

        A scrape sees the old ones or the new ones, never a gap between.
        """
        rest = {k: v for k, v in self._values.items() if k[0] != name}
        self._values = rest | {(name, label_values): float(v) for label_values, v in values.items()}

    def clear(self, name: str) -> None:
        """Forgets all series of a metric."""
        self.replace(name, {})

    def rows(self, name: str) -> list[tuple[tuple[str, ...], float]]:
        """All series of a metric: label values and value, sorted."""
        return sorted((k[1], v) for k, v in self._values.copy().items() if k[0] == name)

    def collect(self) -> Iterator[Family]:
        values = self._values.copy()
        rows: dict[str, list[tuple[tuple[str, ...], float]]] = {}
        for (name, label_values), value in values.items():
            rows.setdefault(name, []).append((label_values, value))
        for name, metric in SELF_METRICS.items():
            if name in rows and name not in _WRITTEN_BY_SINK:
                kind = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
                family = kind(name, metric.help, labels=metric.labels)
                for label_values, value in sorted(rows[name]):
                    family.add_metric(label_values, value)
                yield family
