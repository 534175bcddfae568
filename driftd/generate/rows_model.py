"""Rows about one model's channels, and one of them by every detector."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from driftd.detectors import NUMBERS
from driftd.detectors.registry import faults, in_order, is_fault, is_sequential, registry
from driftd.generate.grafana import (
    CHANNEL,
    STATUS_NAMES,
    STATUS_STEPS,
    Panel,
    Query,
    address,
    bars,
    lines,
    stat,
    statuses,
    suffix,
)

MODEL: Final = '{model="$model"}'
FEATURE: Final = '{model="$model", feature="$feature"}'
OTHERS: Final = 'detector!="judge"'
TIMES: Final = suffix("×")
NO_UNIT: Final = frozenset({"1", "ratio"})
"""Of statistics that have none: distances from 0 to 1, and chi-squared."""
_TO_CHANNEL: Final = {
    "title": "Show this channel",
    "targetBlank": False,
    "url": address(CHANNEL, model="${model}", feature="${__field.labels.feature}"),
}


def model() -> Iterator[Panel]:
    yield stat(
        "Status",
        "Status of the model as a whole. DRIFT while an episode pages, WARNING while there are tickets only.",
        f"max(driftd_model_status{MODEL})",
        colors=STATUS_STEPS,
        names=STATUS_NAMES,
        runbooks=["DriftdModelDrift"],
    )
    yield stat(
        "Channels that page now",
        "Channels with an open episode that pages; how channels move together counts apart.",
        f"max(driftd_model_page_features{MODEL})",
        colors=("green", (1, "yellow")),
        runbooks=["DriftdFeatureDrift"],
    )
    yield stat(
        "Channels",
        "Channels that are monitored.",
        f"max(driftd_model_features{MODEL})",
    )
    yield stat(
        "Learned",
        "Share of the reference collected so far. 1 once the model is judged.",
        f"max(driftd_model_learning_ratio{MODEL}) or max(driftd_model_status{MODEL} != bool 1)",
        unit="percentunit",
    )
    yield stat(
        "Window events",
        "Events in the last judged window. A window grows back in time until it holds windows.min_events.",
        f"max(driftd_window_events{MODEL})",
    )
    yield stat(
        "Window length",
        "From start to end of the last judged window, in event time.",
        f"max(driftd_window_end_timestamp_seconds{MODEL} - driftd_window_start_timestamp_seconds{MODEL})",
        unit="s",
    )
    yield stat(
        "Version",
        "Version of the model and the reference it is judged against.",
        f"max by (version, reference) (driftd_model_info{MODEL})",
        legend="{{version}} / {{reference}}",
        size=(6, 4),
    )
    yield statuses(
        "Open episodes and tickets",
        "Each channel of the model that is not quiet: WARNING is a ticket, DRIFT an open episode that pages.",
        (f"max by (feature) (driftd_feature_status{MODEL})", "{{feature}}"),
        runbooks=["DriftdModelDrift", "DriftdFeatureDrift"],
        size=(24, 8),
        links=[_TO_CHANNEL],
    )
    ratio = f'max by (feature) (driftd_feature_drift_ratio{{model="$model", {OTHERS}}})'
    yield lines(
        "Drift ratio per channel",
        "Statistic over threshold of the worst window or sequential detector of each channel: at 1 it fires, which "
        "makes a ticket. What pages is the evidence below.",
        [(ratio, "{{feature}}")],
        size=(16, 9),
        unit=TIMES,
        limit=1,
        runbooks=["DriftdFeatureDrift", "DriftdModelDrift"],
        links=[_TO_CHANNEL],
    )
    yield bars(
        "Drift ratio now",
        "The same at this moment, worst first.",
        (f"sort_desc({ratio})", "{{feature}}"),
        colors=("green", (0.7, "yellow"), (1, "red")),
        runbooks=["DriftdFeatureDrift"],
        unit=TIMES,
        decimals=2,
        max=2,
    )
    yield lines(
        "Evidence per channel",
        "The judge: ln(1 + S) over ln(1 + A). At 1 an episode opens and the evidence starts again from 0. "
        "A change climbs in a straight line.",
        [
            (
                f"max by (feature) (driftd_feature_evidence{MODEL} / driftd_feature_evidence_threshold{MODEL})",
                "{{feature}}",
            ),
            (
                f"max(driftd_model_joint_evidence{MODEL} / driftd_model_joint_evidence_threshold{MODEL})",
                "together",
            ),
        ],
        size=(16, 9),
        unit=TIMES,
        limit=1,
        runbooks=["DriftdModelDrift"],
        links=[_TO_CHANNEL],
    )
    yield bars(
        "Changed for",
        "How long each channel that is not quiet has been so, by its estimated start.",
        (
            'sort_desc(max by (feature) (time() - driftd_feature_drift_since_timestamp_seconds{model="$model"}))',
            "{{feature}}",
        ),
        colors=("text",),
        runbooks=["DriftdModelDrift", "DriftdFeatureDrift"],
        unit="s",
        decimals=0,
        noValue="Nothing has changed.",
    )


def feature() -> Iterator[Panel]:
    yield lines(
        "Values",
        "Mean and three quantiles of the window's numbers; dashed, between what nine of ten of the reference's numbers "
        "lie. No data for categories.",
        [
            (f"max by (statistic) (driftd_feature_value{FEATURE})", "{{statistic}}"),
            (f"max by (statistic) (driftd_feature_value_reference{FEATURE})", "reference, {{statistic}}"),
        ],
        size=(16, 8),
        least=None,
        runbooks=["DriftdFeatureDrift"],
    )
    yield stat(
        "Pages or tickets",
        "Whether an episode of this channel pages. Tickets only: its values follow each other and too few seasons are "
        "known, or the reference is too short.",
        f"max(driftd_feature_may_page{FEATURE})",
        size=(4, 8),
        colors=("text",),
        names=(("tickets only", "yellow"), ("pages", "green")),
        runbooks=["DriftdFeatureDrift"],
    )
    yield stat(
        "Variance inflation",
        "How much more runs of events of this channel vary than independent ones: so many events tell as much as one "
        "independent one.",
        f"max(driftd_feature_inflation_ratio{FEATURE})",
        unit=TIMES,
        size=(4, 8),
        colors=("green", (1.5, "yellow")),
        runbooks=["DriftdFeatureDrift"],
    )
    yield lines(
        "Drift ratio per detector",
        "Statistic over threshold of each detector that watches this channel. At 1 it fires.",
        [
            (
                f'max by (detector) (driftd_feature_drift_ratio{{model="$model", feature="$feature", {OTHERS}}})',
                "{{detector}}",
            )
        ],
        size=(12, 8),
        unit=TIMES,
        limit=1,
        runbooks=["DriftdFeatureDrift", "DriftdPredictionDrift", "DriftdErrorDrift", "DriftdLatencyDrift"],
    )
    known = {name: (registry()[name].metric, registry()[name].title.lower()) for name in faults()}
    yield lines(
        ", ".join(title for _, title in known.values()).capitalize(),
        "Shares of the window's values, with their thresholds (dashed).",
        [q for metric, title in known.values() for q in _with_threshold(metric, title, f"{title}, threshold")],
        size=(12, 8),
        unit="percentunit",
        runbooks=[fault.alert for fault in faults().values()],
    )


def detectors() -> Iterator[Panel]:
    """What is there for some channels alone: evidence of independent and seasonal ones, detectors that were chosen."""
    yield lines(
        "Evidence: judge and threshold",
        "Nats. The threshold (dashed) follows from the budget. No data where the judge keeps no evidence: then the "
        "channel makes tickets by its window statistics.",
        _with_threshold("driftd_feature_evidence", "evidence", "threshold"),
        size=(24, 7),
        unit=suffix("nats"),
        runbooks=["DriftdModelDrift"],
    )
    shapes = [name for name in in_order() if not is_fault(name) and not is_sequential(name)]
    for name in sorted(shapes, key=lambda name: not registry()[name].default_for):
        yield _shape(name)


def _shape(name: str) -> Panel:
    cls = registry()[name]
    return lines(
        f"{cls.title}: statistic and threshold",
        f"{cls.help}.{' Numeric features only.' if cls.kinds == NUMBERS else ''} The threshold (dashed) is the larger "
        "of what matters and what chance explains. No data where the detector is not configured for this channel.",
        _with_threshold(cls.metric, name, "threshold"),
        size=(8, 7),
        unit=suffix(cls.unit) if cls.unit not in NO_UNIT else "short",
        runbooks=["DriftdFeatureDrift"],
    )


def _with_threshold(metric: str, name: str, threshold: str) -> list[Query]:
    worst = "max without (instance, pod) "
    return [(f"{worst}({metric}{FEATURE})", name), (f"{worst}({metric}_threshold{FEATURE})", threshold)]
