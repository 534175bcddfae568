"""The dashboard's row about the segments of a model."""

from __future__ import annotations

from collections.abc import Iterator

from driftd.generate.grafana import Panel, lines, stat, statuses
from driftd.generate.rows_model import MODEL


def segments() -> Iterator[Panel]:
    yield statuses(
        "Segments",
        "Status of each segment of the model; docs/segments.md. What the model as a whole rings for, its segments "
        "show and do not ring for. No data without models[].segments.",
        (f"max by (segment) (driftd_segment_status{MODEL})", "{{segment}}"),
        runbooks=["DriftdModelDrift"],
    )
    yield lines(
        "Events by segment",
        "Events a second of each segment. Silence of one is told by nobody: the mix of the model's channel shows it.",
        [(f"sum by (segment) (rate(driftd_segment_events_total{MODEL}[$__rate_interval]))", "{{segment}}")],
        size=(12, 9),
        unit="eps",
    )
    yield lines(
        "How right it is by segment",
        "Accuracy of each segment, or the mean absolute error of numbers, in its last judged window, by labels in the "
        "events. Those of labels that come later: choose MODEL/labels above. docs/segments.md.",
        [(f"max by (segment, statistic) (driftd_segment_quality{MODEL})", "{{segment}}, {{statistic}}")],
        size=(12, 8),
        runbooks=["DriftdErrorDrift"],
    )
    yield stat(
        "Segments that are watched",
        "Values that are segments now, beside the ceiling (segments.max_segments).",
        f"max(driftd_segments{MODEL})",
    )
    yield stat(
        "Segments at most",
        "The ceiling: values beyond it are counted, and watched with the whole alone.",
        f"max(driftd_segments_limit{MODEL})",
        runbooks=["DriftdSegmentLimit"],
    )
    per_event = (
        f"sum by (reason) (rate(driftd_unsegmented_events_total{MODEL}[$__rate_interval]))"
        f" / ignoring (reason) group_left () sum(rate(driftd_predictions_total{MODEL}[$__rate_interval]))"
    )
    yield lines(
        "Events without a segment",
        "Events that make no segment of a field, for each event of the model: other (a small value, "
        "or one beyond the ceiling) or missing. Each field counts them.",
        [(per_event, "{{reason}}")],
        size=(12, 8),
        unit="percentunit",
        runbooks=["DriftdSegmentLimit"],
    )
