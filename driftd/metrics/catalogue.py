"""Every metric that driftd exports, one row each; docs, HELP lines, label checks and first values follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftd.core.bin_values import STATISTICS as STATISTICS_OF_NUMBERS
from driftd.core.event import DropReason, RejectReason
from driftd.core.finding import CHANGE, JUDGE, Status
from driftd.core.quality.estimates import STATISTICS as STATISTICS_OF
from driftd.detectors.registry import in_order, is_sequential, registry
from driftd.metrics.exposition import Metric

_CHANNEL: Final = ("model", "feature")
_VERDICT: Final = ("model", "feature", "detector")
_MODEL: Final = ("model",)
_QUALITY: Final = ("model", "statistic")
_VERSION: Final = ("model", "version")
_MONEY: Final = ("model", "currency")
_MONEY_OF: Final = ("model", "version", "currency")
_EXPERIMENT: Final = ("model", "experiment")
_CHALLENGER: Final = ("model", "experiment", "metric", "challenger")
_PARTITION: Final = ("topic", "partition")
BLIND_CHANGES: Final = ("fault", "level", "mix")
"""Classes of change that a channel may be unable to see (monitor.reach)."""
BAND: Final = ("p5", "p95")
"""Statistics of the reference's numbers that are exported: nine of ten values lie between them."""
VALUES: Final = ("driftd_feature_value", "driftd_feature_value_reference")
"""For people alone: left out first where limits.series is reached."""
_STATUS: Final = "0 OK, 1 LEARNING, 2 WARNING, 3 DRIFT"


def gauge(name: str, unit: str, text: str, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Metric:
    return Metric(name, "gauge", unit, labels, text, values)


def counter(name: str, unit: str, text: str, labels: tuple[str, ...] = (), values: tuple[str, ...] = ()) -> Metric:
    return Metric(name, "counter", unit, labels, text, values)


def _detectors() -> Iterator[Metric]:
    """A gauge of each detector's statistic, and its threshold where that is not always 1."""
    for kind in in_order():
        cls = registry()[kind]
        yield gauge(cls.metric, cls.unit, f"{cls.help}.", _CHANNEL)
        if not is_sequential(kind):
            text = f"{cls.metric} fires from here on: the larger of effect and noise."
            yield gauge(f"{cls.metric}_threshold", cls.unit, text, _CHANNEL)


def _evidence(name: str, labels: tuple[str, ...], text: str) -> tuple[Metric, Metric]:
    threshold = "ln(1 + A), A from the budget: evidence beyond it opens an episode."
    return gauge(name, "nats", text, labels), gauge(f"{name}_threshold", "nats", threshold, labels)


SECTIONS: Final[dict[str, tuple[Metric, ...]]] = {
    "Features": (
        *_detectors(),
        *_evidence(
            "driftd_feature_evidence", _CHANNEL, "The judge's evidence that the channel has changed: ln(1 + S)."
        ),
        gauge(
            "driftd_feature_change_size",
            "",
            "Size of the open fault or change, in what its kind is about (docs/judge.md); 0 while there is none.",
            _CHANNEL,
        ),
        gauge(
            "driftd_feature_change_size_threshold",
            "",
            "Least size that makes a page or a ticket of the open change; absent while there is none.",
            _CHANNEL,
        ),
        gauge(
            "driftd_feature_change_info",
            "",
            "1 while a fault or change of this kind is open.",
            ("model", "feature", "kind"),
        ),
        gauge(
            "driftd_feature_value",
            "",
            f"What numbers were in the last judged window: {', '.join(STATISTICS_OF_NUMBERS)}; docs/metrics.md.",
            ("model", "feature", "statistic"),
        ),
        gauge(
            "driftd_feature_value_reference",
            "",
            f"{' and '.join(BAND)} of the reference's numbers.",
            ("model", "feature", "statistic"),
        ),
        gauge("driftd_feature_drift_ratio", "ratio", "Statistic over threshold; every detector fires at 1.", _VERDICT),
        gauge("driftd_feature_firing", "", "1 while the detector fires, after hysteresis, else 0.", _VERDICT),
        counter("driftd_feature_firings_total", "", "Times the detector began to fire.", _VERDICT),
        gauge(
            "driftd_feature_status",
            "",
            f"Status of the channel: {_STATUS}.",
            _CHANNEL,
        ),
        gauge(
            "driftd_feature_drift_since_timestamp_seconds",
            "seconds",
            "Estimated start of the change; absent without a page or a ticket.",
            _CHANNEL,
        ),
        gauge(
            "driftd_feature_may_page",
            "",
            "1 where the judge's episodes may page; faults and large changes may page anywhere.",
            _CHANNEL,
        ),
        gauge(
            "driftd_feature_blind",
            "",
            f"1 where no change of this class can make a page or a ticket ({', '.join(BLIND_CHANGES)}); else absent.",
            ("model", "feature", "change"),
        ),
        gauge(
            "driftd_feature_inflation_ratio",
            "ratio",
            "How much more runs of events vary than independent ones.",
            _CHANNEL,
        ),
    ),
    "Models": (
        gauge("driftd_model_status", "", f"Status of the model as a whole: {_STATUS}.", _MODEL),
        gauge(
            "driftd_model_learning_ratio",
            "ratio",
            "Share of the reference collected so far, 0 to 1; absent once judged.",
            _MODEL,
        ),
        gauge(
            "driftd_model_features", "features", "Channels monitored: features, prediction, score and errors.", _MODEL
        ),
        gauge("driftd_model_page_features", "features", "Channels with an open page: status DRIFT.", _MODEL),
        gauge(
            "driftd_incident_info",
            "",
            "1 while the incident is open: what alerts say of it. One a model for its page, and one for each channel "
            "with a ticket, ten at most.",
            ("model", "severity", "incident", "kind", "feature", "summary", "hint", "url"),
        ),
        gauge(
            "driftd_model_help_info",
            "",
            "1 for a model whose upstream, fallback or runbook the configuration names: what alerts say of them.",
            ("model", "help"),
        ),
        gauge(
            "driftd_page_info",
            "",
            "1 while a page of the model is open: the number of its last call, and the incident that pages share.",
            ("model", "page", "incident"),
        ),
        gauge(
            "driftd_segment_status",
            "",
            "Status of a segment of the model (docs/segments.md): 0 OK, 1 LEARNING, 2 WARNING, 3 DRIFT. What rings has "
            'series of its own with model="MODEL/segments/SEGMENT"; all else of segments is on the pages.',
            ("model", "segment"),
        ),
        counter("driftd_segment_events_total", "events", "Events of a segment of the model.", ("model", "segment")),
        gauge(
            "driftd_segment_quality",
            "",
            "How right the model was in a segment in its last judged window: accuracy of classes, mae of numbers. With "
            'model="MODEL/labels" by labels that came later.',
            ("model", "segment", "statistic"),
        ),
        gauge(
            "driftd_segment_quality_reference",
            "",
            "The same of the segment's reference, where that has labels.",
            ("model", "segment", "statistic"),
        ),
        gauge("driftd_segments", "segments", "Segments of a model that are watched by themselves.", _MODEL),
        gauge("driftd_segments_limit", "segments", "The most that there may be (segments.max_segments).", _MODEL),
        counter(
            "driftd_unsegmented_events_total",
            "events",
            "Events of a model that make no segment of a field, by why: other (a value with too few events, beyond "
            "max_segments, or that was not named) or missing. Each field counts them.",
            ("model", "reason"),
        ),
        gauge("driftd_model_ticket_features", "features", "Channels with an open ticket: status WARNING.", _MODEL),
        *_evidence(
            "driftd_model_joint_evidence",
            _MODEL,
            "The judge's evidence that channels no longer move together: ln(1 + S).",
        ),
        gauge("driftd_model_joint_firing", "", "1 while an episode of the joint path is open, else 0.", _MODEL),
        gauge(
            "driftd_model_may_page_features",
            "features",
            "Channels whose episodes make pages, the joint path included.",
            _MODEL,
        ),
        gauge("driftd_model_ticket_only_features", "features", "Channels that make tickets and never pages.", _MODEL),
        gauge(
            "driftd_model_false_alarm_threshold_events",
            "events",
            "Least A of what pages: a false page has a chance of n / A in n events.",
            _MODEL,
        ),
        gauge(
            "driftd_model_reference_span_seconds",
            "seconds",
            "From the first event of the reference to the last.",
            _MODEL,
        ),
        counter(
            "driftd_pages_total",
            "pages",
            "Calls: the status turned to DRIFT, or another channel broke 30 minutes later or more.",
            _MODEL,
        ),
        gauge(
            "driftd_maintenance",
            "",
            "1 while a maintenance window keeps pages and tickets of the model from ringing, else 0.",
            _MODEL,
        ),
        gauge(
            "driftd_model_info",
            "",
            "Always 1; the model's version and the reference it is judged against.",
            ("model", "version", "reference"),
        ),
        gauge("driftd_window_events", "events", "Events in the last judged window.", _MODEL),
        gauge(
            "driftd_window_start_timestamp_seconds", "seconds", "Start of the last judged window, event time.", _MODEL
        ),
        gauge("driftd_window_end_timestamp_seconds", "seconds", "End of the last judged window, event time.", _MODEL),
        gauge("driftd_window_events_per_second", "events per second", "Event rate in the last judged window.", _MODEL),
        gauge("driftd_window_error_ratio", "ratio", "Share of the window's events with a service error.", _MODEL),
        Metric(
            "driftd_window_latency_seconds",
            "summary",
            "seconds",
            (*_MODEL, "quantile"),
            "Latency quantiles of the last judged window, within 2 %.",
        ),
        gauge(
            "driftd_model_labelled_events",
            "events",
            "Events of the last judged window with a label and a prediction; absent without any.",
            _MODEL,
        ),
        gauge(
            "driftd_model_quality",
            "",
            f"How right the model was in the last judged window: {', '.join(s.name for s in STATISTICS_OF)}.",
            _QUALITY,
        ),
        gauge("driftd_model_quality_lower", "", "Lower end of its interval at 95 %, where it has one.", _QUALITY),
        gauge("driftd_model_quality_upper", "", "Upper end of the interval.", _QUALITY),
        gauge("driftd_model_quality_reference", "", "The same of the reference, where that has labels.", _QUALITY),
        gauge(
            "driftd_model_quality_estimate",
            "",
            "How right the model should be in the last judged window without labels: by its scores accuracy, "
            "precision, recall and f1 (_macro of several classes), of numbers by its inputs mae and rmse. Where labels "
            "come later it is learned from those that came.",
            _QUALITY,
        ),
        gauge("driftd_model_quality_estimate_lower", "", "Lower end of its interval at 95 %: accuracy, mae.", _QUALITY),
        gauge("driftd_model_quality_estimate_upper", "", "Upper end of the interval.", _QUALITY),
        gauge(
            "driftd_model_silence_seconds",
            "seconds",
            "How long nothing of the model has arrived; absent below a minute.",
            _MODEL,
        ),
        gauge(
            "driftd_model_silence_limit_seconds",
            "seconds",
            "From when on silence is a ticket, a page, by the model's own traffic at this hour; +Inf if never. "
            "Absent while it sends and while no values are kept (state.values).",
            (*_MODEL, "severity"),
        ),
        gauge(
            "driftd_model_usual_events_per_hour",
            "events",
            "Events an hour that are usual at this hour, while the model sends none; 0 if not known yet.",
            _MODEL,
        ),
        gauge("driftd_last_event_timestamp_seconds", "seconds", "Time of the latest event, event time.", _MODEL),
        counter("driftd_predictions_total", "events", "Prediction events accepted.", _MODEL),
        counter("driftd_prediction_errors_total", "events", "Prediction events with a service error.", _MODEL),
        counter("driftd_labels_total", "labels", "Labels that came with their prediction.", _MODEL),
        counter("driftd_unjoined_labels_total", "labels", "Labels that came without their prediction.", _MODEL),
        counter(
            "driftd_label_joins_total",
            "labels",
            "What became of labels that came alone: joined, late, unmatched, duplicate, correction, unsampled or lost.",
            (*_MODEL, "outcome"),
        ),
        counter(
            "driftd_prediction_joins_total",
            "predictions",
            "What became of predictions with an id that wait for a label: labelled, unlabelled, duplicate, conflict, "
            "unsampled or lost; and no_id.",
            (*_MODEL, "outcome"),
        ),
        gauge(
            "driftd_joins_waiting",
            "",
            "Predictions that wait for their label, and labels that wait for their prediction, now.",
            (*_MODEL, "what"),
        ),
        gauge(
            "driftd_label_coverage_ratio",
            "ratio",
            "Share of predictions that got a label, of those that have one or are beyond labels.horizon_seconds.",
            _MODEL,
        ),
        gauge("driftd_last_label_timestamp_seconds", "seconds", "Latest time of a label that came alone.", _MODEL),
        Metric(
            "driftd_label_delay_seconds",
            "histogram",
            "seconds",
            (*_MODEL, "le"),
            "How long after its prediction a joined label became known.",
        ),
        counter(
            "driftd_ignored_features_total",
            "values",
            "Feature values passed over because the model has too many features.",
            _MODEL,
        ),
        counter(
            "driftd_sampled_out_events_total",
            "events",
            "Events beyond limits.events_per_second; those that stay stand for them.",
            _MODEL,
        ),
        counter(
            "driftd_values_refused_total",
            "values",
            "Values of a wrong type or not finite, in accepted events; they count as missing.",
            _CHANNEL,
        ),
        gauge("driftd_slo_error_budget_ratio", "ratio", "Share of predictions that may fail (setting slo).", _MODEL),
        gauge("driftd_slo_latency_budget_ratio", "ratio", "Share of predictions that may be slow.", _MODEL),
        gauge("driftd_slo_latency_threshold_seconds", "seconds", "What takes longer is slow.", _MODEL),
        counter(
            "driftd_slow_predictions_total",
            "events",
            "Predictions slower than the model's threshold.",
            _MODEL,
        ),
        Metric(
            "driftd_prediction_latency_seconds",
            "histogram",
            "seconds",
            (*_MODEL, "le"),
            "Latency of predictions, as the events state it.",
        ),
        counter("driftd_cost_total", "", "Money that events cost: as they state it, else by prices.", _MONEY_OF),
        counter(
            "driftd_tokens_total",
            "tokens",
            "Tokens; cached and cache_write are parts of in, reasoning of out.",
            (*_VERSION, "type"),
        ),
        counter("driftd_cost_events_total", "events", "Events whose tokens or money are known.", _VERSION),
        counter("driftd_cost_failed_events_total", "events", "Those of them that failed.", _VERSION),
        counter("driftd_unpriced_events_total", "events", "Those whose tokens are known, and no price.", _VERSION),
        gauge(
            "driftd_cost_month", "", "Money of the calendar month (UTC) of the latest event; members add up.", _MONEY
        ),
        gauge(
            "driftd_cost_month_forecast", "", "The same at the end of the month, by the days of the last week.", _MONEY
        ),
        gauge("driftd_cost_budget", "", "Money that a month may cost (models[].cost.budget).", _MONEY),
    ),
    "Experiments": (
        gauge(
            "driftd_variant_verdict",
            "",
            "-1 worse by more than the margin, 0 not yet, 1 not worse, 2 better; 0 while the traffic is split wrongly.",
            _CHALLENGER,
        ),
        gauge("driftd_variant_margin", "", "Smallest difference that matters, as the rule has it.", _CHALLENGER),
        gauge(
            "driftd_variant_difference",
            "",
            "Challenger - champion, in the unit of the metric; absent while none is believed.",
            _CHALLENGER,
        ),
        gauge("driftd_variant_difference_lower", "", "Low end of its confidence sequence.", _CHALLENGER),
        gauge("driftd_variant_difference_upper", "", "High end of its confidence sequence.", _CHALLENGER),
        counter(
            "driftd_variant_events_total", "events", "Events of each variant that count.", (*_EXPERIMENT, "variant")
        ),
        counter(
            "driftd_variant_shadow_events_total",
            "events",
            "Answers of each shadow that count, which nobody gets: they are no traffic, and nobody is paged for them.",
            (*_EXPERIMENT, "variant"),
        ),
        counter(
            "driftd_variant_other_events_total",
            "events",
            "Events of variants that the experiment does not name, such as misspelt ones: they are left out.",
            _EXPERIMENT,
        ),
        gauge(
            "driftd_variant_control_differs",
            "",
            "1 where one half of the champion's units differs from the other, by hash, which nothing explains; else 0.",
            (*_EXPERIMENT, "metric"),
        ),
        gauge(
            "driftd_variant_srm_evidence",
            "nats",
            "Evidence that the traffic is not split as it is to be; absent where no shares are given.",
            _EXPERIMENT,
        ),
        gauge(
            "driftd_variant_srm_evidence_threshold",
            "nats",
            "ln(1,000): beyond it nothing is said of challengers.",
            _EXPERIMENT,
        ),
    ),
    "Events": (
        counter("driftd_events_received_total", "events", "Events read; each event of an array record counts."),
        counter(
            "driftd_events_total",
            "events",
            "What became of the events: accepted, rejected, late or dropped.",
            ("outcome",),
            ("accepted", "rejected", "late", "dropped"),
        ),
        counter(
            "driftd_events_rejected_total",
            "events",
            "Records that are not usable events, by reason.",
            ("reason",),
            tuple(RejectReason),
        ),
        counter(
            "driftd_events_dropped_total",
            "events",
            "Usable events that driftd chose not to monitor or never saw, by reason.",
            ("reason",),
            tuple(DropReason),
        ),
        counter(
            "driftd_logged_calls_total",
            "calls",
            "Calls whose request and answer are records of their own, by the platform's name of what was called and by "
            "what came of them: answered, unanswered (failed, or its answer was not logged), no_request or duplicate.",
            ("service", "outcome"),
        ),
        gauge("driftd_logged_calls_waiting", "calls", "Requests and answers that wait for their other half."),
        counter(
            "driftd_events_late_total",
            "events",
            "Events that came after their pane was closed, by what closed it: watermark or frontier.",
            (*_PARTITION, "reason"),
        ),
        gauge(
            "driftd_event_lateness_max_seconds",
            "seconds",
            "Worst lateness, behind the partition's latest event (watermark) or the last closed pane (frontier).",
            (*_PARTITION, "reason"),
        ),
    ),
    "Kafka": (
        gauge(
            "driftd_consumer_lag_records",
            "records",
            "Records in the partition that have not been read yet.",
            _PARTITION,
        ),
        gauge(
            "driftd_consumer_lag_seconds",
            "seconds",
            "Age of the oldest record that has not been read yet.",
            _PARTITION,
        ),
        gauge("driftd_assigned_partitions", "partitions", "Partitions assigned to this process."),
        gauge("driftd_group_members", "members", "Members of the consumer group; 0 while that is not known."),
        counter(
            "driftd_exchange_late_events_total",
            "events",
            "Events that came to the owner of their model when their pane was judged. Only where members share models.",
        ),
        counter(
            "driftd_exchange_foreign_panes_total",
            "panes",
            "Panes from other members that were counted on bins that their model no longer has.",
        ),
        gauge(
            "driftd_held_partitions",
            "partitions",
            "Partitions that are not read on because they are far ahead of others in event time: memory is bounded.",
        ),
        gauge("driftd_kafka_connected", "", "1 while a broker answers, else 0."),
        counter(
            "driftd_logins_total",
            "logins",
            "Logins (SASL) that brokers accepted: one for each connection, and one more before its session expires.",
        ),
        counter("driftd_rebalances_total", "rebalances", "Times the partitions were assigned anew."),
        counter(
            "driftd_rewinds_total",
            "partitions",
            "Partitions in which reading went back: their topic was made anew, or their log was cut back.",
        ),
        counter(
            "driftd_commit_failures_total",
            "commits",
            "Offset commits that failed; nothing is lost, the checkpoint has the positions.",
        ),
        counter(
            "driftd_dead_letters_total",
            "records",
            "Rejected records for the dead-letter topic: sent, failed (given up), or suppressed while most records are "
            "bad.",
            ("outcome",),
            ("sent", "failed", "suppressed"),
        ),
        gauge(
            "driftd_circuit_breaker_open",
            "",
            "1 while most of the last 1,000 to 2,000 records are rejected, so no dead letters are sent; else 0.",
        ),
    ),
    "State": (
        gauge("driftd_checkpoint_timestamp_seconds", "seconds", "When the last checkpoint was written."),
        gauge("driftd_checkpoint_bytes", "bytes", "Bytes that the last checkpoint wrote."),
        gauge("driftd_checkpoint_duration_seconds", "seconds", "How long the last checkpoint took."),
        counter("driftd_checkpoint_failures_total", "checkpoints", "Checkpoints that could not be written."),
        gauge(
            "driftd_label_sample_ratio",
            "ratio",
            "Share of ids that are joined: below 1 where more wait than labels.max_pending.",
        ),
        gauge("driftd_label_store_entries", "", "Predictions and labels that are kept for the join."),
        gauge("driftd_label_store_bytes", "bytes", "Size of what is kept for the join, on disk."),
    ),
    "driftd itself": (
        gauge("driftd_build_info", "", "Always 1; the version that runs.", ("version",)),
        gauge("driftd_loop_timestamp_seconds", "seconds", "When the loop last went round: the heartbeat."),
        gauge(
            "driftd_degradation_level",
            "",
            "What is shed because driftd cannot keep up (limits.shed_lag_seconds): 0 nothing, 1 sequential detectors "
            "but for those of errors, 2 half, 3 three quarters, 4 seven eighths of the records.",
        ),
        gauge("driftd_ready", "", "1 while Kafka answers, partitions are assigned and each has a reader, else 0."),
        gauge(
            "driftd_config_last_reload_successful", "", "1 if the last reload of the configuration succeeded, else 0."
        ),
        gauge(
            "driftd_config_last_reload_success_timestamp_seconds",
            "seconds",
            "When the configuration was last loaded with success.",
        ),
        gauge(
            "driftd_million_events_processor_seconds",
            "seconds",
            "Processor seconds that the process has taken for a million events read, since its start; 0: too few.",
        ),
        gauge("driftd_series", "series", "Series about models and features exported now."),
        gauge(
            "driftd_series_limit",
            "series",
            "Most series about models and features that may be exported (limits.series).",
        ),
        counter(
            "driftd_series_dropped_total",
            "series",
            "Series left out of a judged window's export, by reason (limit).",
            ("reason",),
        ),
        gauge(
            "driftd_discovery_limit_reached",
            "",
            "1 while discovery holds as many as it may, by what: models or features.",
            ("what",),
            ("models", "features"),
        ),
        gauge(
            "driftd_unwatched_features",
            "features",
            "Features that came after the bins of their model's reference were made, so nobody watches them: the "
            "web pages name them.",
        ),
        gauge(
            "driftd_retired_models",
            "models",
            "Models that have been silent for windows.retire_seconds, or that left the configuration: kept in the "
            "checkpoint, without series of their own.",
        ),
        gauge(
            "driftd_false_alarms_budget",
            "pages per month",
            "False pages a month that the user accepts (alarms.false_alarms_per_month).",
        ),
        gauge(
            "driftd_false_alarms_bound",
            "pages per month",
            "False pages a month to expect at most from the models known now, if their regimes are what they seemed.",
        ),
        counter(
            "driftd_feedback_total",
            "verdicts",
            "What people said of incidents since driftd started, by verdict: real or false_alarm.",
            ("verdict",),
            ("real", "false_alarm"),
        ),
        counter(
            "driftd_findings_total",
            "findings",
            "Findings emitted, by the status they report.",
            ("status",),
            tuple(s.name for s in Status),
        ),
    ),
}
"""Heading of docs/metrics.md -> its metrics, in the order of the page and of /metrics."""

RECEIVE: Final = (
    counter("driftd_receive_requests_total", "", "Requests to /events, by the status of their answer.", ("code",)),
    counter("driftd_receive_events_received_total", "events", "Events that came; written or refused."),
    counter("driftd_receive_events_written_total", "events", "Events that the topic acknowledged."),
    counter(
        "driftd_receive_events_refused_total",
        "events",
        "Events that were not written, or not acknowledged (unavailable).",
        ("reason",),
    ),
    counter("driftd_receive_written_bytes_total", "bytes", "Bytes of the events that the topic acknowledged."),
    Metric(
        "driftd_receive_write_duration_seconds",
        "histogram",
        "seconds",
        ("le",),
        "How long Kafka took for the events of a request.",
    ),
    gauge("driftd_receive_topic_writable", "", "1 while the topic can be written, else 0."),
)
"""Metrics of `driftd receive`, a process of its own."""

METRICS: Final[dict[str, Metric]] = {m.name: m for rows in SECTIONS.values() for m in rows}

STATISTICS: Final[dict[str, str]] = {
    JUDGE: "driftd_feature_evidence",
    CHANGE: "driftd_feature_change_size",
    **{kind: cls.metric for kind, cls in registry().items()},
}
"""Detector -> metric of its statistic, the judge among them."""

SELF_METRICS: Final[dict[str, Metric]] = {name: m for name, m in METRICS.items() if "model" not in m.labels}
"""Those that describe driftd itself."""
