"""What is said of a model as a whole on /metrics: its window, its part of the certificate, its counts."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.cost import NOTHING, TOKENS, Month, Spending
from driftd.core.finding import Judgement, Status
from driftd.core.objective import USUAL, Objective
from driftd.core.quality.estimates import estimates, events, statistics
from driftd.core.quality.scoring import Scoring
from driftd.core.quality.sums import merged
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import LATENCY_LE
from driftd.ingest.outcomes.counts import DELAY_LE, LabelCounts
from driftd.judge.budget import ModelGuarantee
from driftd.judge.experiments.srm import THRESHOLD
from driftd.judge.experiments.verdict import Result
from driftd.learn.quality import estimate_of
from driftd.metrics.exposition import histogram, labels, sample

QUANTILES: Final = (0.5, 0.9, 0.99)
HOURLY: Final = "hourly"
"""Of a silent model, beside its severities: the events an hour that are usual."""


@dataclass(frozen=True, slots=True)
class SegmentCounts:
    """How many segments a model has, and may have; events whose value of a field is no segment, or is missing."""

    watched: int
    limit: int
    other: int
    missing: int


@dataclass(frozen=True, slots=True, eq=False)
class ModelCounts:
    """What has been counted of one model since monitoring began, as the state has it.

    ``latency_le`` int64[len(LATENCY_LE) + 1], each bucket's own count, None where no event states a latency;
    ``latency_seconds`` their sum. ``last_event`` is the latest event time in epoch seconds;
    ``recent_pages`` are those of the 30 days before it; ``refused`` the refused values of each feature that has some.
    ``maintenance``: whether a window keeps it from ringing. ``objective``: what is allowed of failures and latency.
    ``joins``: what became of labels that came alone, None where none are joined. ``spending`` in ``currency``;
    ``budget`` of a month, None where nobody says. ``experiments``: what they say by now. ``segments``: None where none
    are wanted.
    """

    predictions: int = 0
    prediction_errors: int = 0
    labels: int = 0
    unjoined_labels: int = 0
    ignored_features: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)
    pages: int = 0
    recent_pages: int = 0
    last_event: float = float("nan")
    latency_le: NDArray[np.int64] | None = None
    latency_seconds: float = 0.0
    sampled_out: int = 0
    maintenance: bool = False
    objective: Objective = USUAL
    joins: LabelCounts | None = None
    spending: Spending = NOTHING
    currency: str = "USD"
    budget: float | None = None
    experiments: Sequence[Result] = ()
    segments: SegmentCounts | None = None


@dataclass(frozen=True, slots=True)
class IncidentText:
    """An open incident as an alert tells it; ``feature`` is its strongest channel, or one of it that has a ticket,
    ``hint`` where to look first.
    """

    id: str
    severity: str
    kind: str
    feature: str
    summary: str
    hint: str
    url: str


@dataclass(frozen=True, slots=True)
class Page:
    """The call that is open on a model: its ``number``, and the ``cause`` that pages of several models may share."""

    number: int
    cause: str


def page_line(model: str, page: Page) -> tuple[str, bytes]:
    text = labels({"model": model, "page": str(page.number), "incident": page.cause})
    return "driftd_page_info", f"driftd_page_info{text} 1\n".encode()


def help_line(model: str, text: str) -> tuple[str, bytes]:
    return "driftd_model_help_info", f"driftd_model_help_info{labels({'model': model}, {'help': text})} 1\n".encode()


def incident_lines(model: str, incidents: Iterable[IncidentText]) -> Iterator[tuple[str, bytes]]:
    for i in incidents:
        pairs = {"model": model, "severity": i.severity, "incident": i.id, "kind": i.kind, "feature": i.feature}
        text = labels(pairs, {"summary": i.summary, "hint": i.hint, "url": i.url})
        yield "driftd_incident_info", f"driftd_incident_info{text} 1\n".encode()


def window_lines(j: Judgement) -> Iterator[tuple[str, bytes]]:
    me, s = {"model": j.model}, j.summary
    about = {"version": ",".join(j.versions), "reference": str(j.reference.version)}
    yield "driftd_model_info", sample("driftd_model_info", me | about, 1)
    rows = {
        "driftd_model_status": j.status,
        "driftd_model_features": len(j.channel_status),
        "driftd_model_page_features": j.paging,
        "driftd_model_ticket_features": int(np.count_nonzero(j.channel_status == Status.WARNING)),
        "driftd_window_events": s.events,
        "driftd_window_start_timestamp_seconds": j.window_start,
        "driftd_window_end_timestamp_seconds": j.window_end,
        "driftd_window_events_per_second": s.events / max(j.window_end - j.window_start, 1e-9),
        "driftd_window_error_ratio": s.failed / max(s.events, 1),
    }
    for name, value in rows.items():
        yield name, sample(name, me, value)
    for q, seconds in zip(QUANTILES, s.latency_quantiles(QUANTILES), strict=True):
        if not math.isnan(seconds):
            name = "driftd_window_latency_seconds"
            yield name, sample(name, me | {"quantile": str(q)}, float(f"{seconds:.6g}"))


def quality_lines(j: Judgement, later: Reference | None = None) -> Iterator[tuple[str, bytes]]:
    """How right the model was in the window, and in the reference; nothing where the window has no labels. And how
    right it should be by its scores. ``later``: the reference of its joined labels.
    """
    yield from _estimate_lines(j, later)
    scoring = Scoring.of(j.reference.learned) if j.outcomes else None
    own = [] if scoring is None else [*scoring.own(j.outcomes).values()]
    if scoring is None or not own:
        return
    me, whole, usual = {"model": j.model}, merged(own).whole, scoring.known(j.reference.learned)
    yield "driftd_model_labelled_events", sample("driftd_model_labelled_events", me, int(events(scoring, whole)))
    known = [("", 0), ("_lower", 1), ("_upper", 2)]
    tables = [(estimates(scoring, whole), known)]
    if usual is not None:
        tables.append((estimates(scoring, usual.whole), [("_reference", 0)]))
    for values, columns in tables:
        for ending, column in columns:
            name = f"driftd_model_quality{ending}"
            for statistic, value in zip(statistics(scoring), values[:, column].tolist(), strict=True):
                if math.isfinite(value):
                    yield name, sample(name, me | {"statistic": statistic.name}, float(f"{value:.6g}"))


def _estimate_lines(j: Judgement, later: Reference | None) -> Iterator[tuple[str, bytes]]:
    found = estimate_of(j.reference, j.summary.counts, j.outcomes, later)
    if found is not None:
        for column, ending in enumerate(("", "_lower", "_upper")):
            name = f"driftd_model_quality_estimate{ending}"
            for statistic, value in zip(found.statistics, found.values[:, column].tolist(), strict=True):
                if math.isfinite(value):
                    about = {"model": j.model, "statistic": statistic}
                    yield name, sample(name, about, float(f"{value:.6g}"))


def promise_lines(j: Judgement, cover: ModelGuarantee | None) -> Iterator[tuple[str, bytes]]:
    """The joint path, and the model's part of the certificate."""
    me = {"model": j.model}
    rows: dict[str, float] = {}
    if j.joint is not None:
        rows["driftd_model_joint_evidence"] = float(f"{j.joint.statistic:.6g}")
        rows["driftd_model_joint_evidence_threshold"] = float(f"{j.joint.threshold:.6g}")
        rows["driftd_model_joint_firing"] = j.joint.status >= Status.WARNING
    paging = 0 if cover is None else int(np.count_nonzero(cover.pages))
    rows["driftd_model_may_page_features"] = paging
    rows["driftd_model_ticket_only_features"] = len(j.channel_status if cover is None else cover.names) - paging
    if cover is not None:
        rows["driftd_model_false_alarm_threshold_events"] = float(f"{cover.least:.6g}")
        rows["driftd_model_reference_span_seconds"] = cover.span_seconds
    for name, value in rows.items():
        if not math.isnan(value):
            yield name, sample(name, me, value)


def learning_lines(model: str, ratio: float | None) -> Iterator[tuple[str, bytes]]:
    me = {"model": model}
    yield "driftd_model_status", sample("driftd_model_status", me, Status.LEARNING)
    if ratio is not None:
        yield "driftd_model_learning_ratio", sample("driftd_model_learning_ratio", me, ratio)


def segment_lines(
    model: str, status: Status, events: int, j: Judgement | None, joint: bool
) -> Iterator[tuple[str, bytes]]:
    """All that is said of a segment beside what rings: series of a model for each would cost more than they tell."""
    key = Slice(model)
    about = {"model": key.whole, "segment": key.within}
    yield "driftd_segment_status", sample("driftd_segment_status", about, status)
    yield "driftd_segment_events_total", sample("driftd_segment_events_total", about, events)
    yield from _segment_quality(about, j)
    if j is not None and j.status >= Status.WARNING:  # what the texts of alerts ask for
        rows = {"driftd_model_features": len(j.channel_status), "driftd_model_page_features": j.paging}
        for name, value in (rows | ({"driftd_model_joint_firing": 1} if joint else {})).items():
            yield name, sample(name, {"model": model}, value)


def _segment_quality(about: Mapping[str, str], j: Judgement | None) -> Iterator[tuple[str, bytes]]:
    """The first statistic alone, in the window and in the reference."""
    scoring = Scoring.of(j.reference.learned) if j is not None and j.outcomes else None
    if j is None or scoring is None or not (own := [*scoring.own(j.outcomes).values()]):
        return
    first = statistics(scoring)[0].name
    for ending, sums in (("", merged(own)), ("_reference", scoring.known(j.reference.learned))):
        value = math.nan if sums is None else float(estimates(scoring, sums.whole)[0, 0])
        if math.isfinite(value):
            name = f"driftd_segment_quality{ending}"
            yield name, sample(name, {**about, "statistic": first}, float(f"{value:.6g}"))


def quiet_lines(model: str, seconds: Mapping[str, float]) -> Iterator[tuple[str, bytes]]:
    """Under "" how long the model has sent nothing, under a severity from when on that is one, under HOURLY how many
    events an hour are usual now.
    """
    for severity, value in seconds.items():
        if severity == HOURLY:
            name = "driftd_model_usual_events_per_hour"
            yield name, sample(name, {"model": model}, float(f"{value:.3g}"))
            continue
        name = f"driftd_model_silence{'_limit' if severity else ''}_seconds"
        about = {"model": model} | ({"severity": severity} if severity else {})
        yield name, sample(name, about, float(f"{value:.0f}"))


def join_lines(model: str, c: LabelCounts) -> Iterator[tuple[str, bytes]]:
    """What became of labels that came alone, and of predictions that wait for some."""
    me = {"model": model}
    families = {
        ("driftd_label_joins_total", "outcome"): {
            "joined": c.joined,
            "late": c.late,
            "unmatched": c.unmatched,
            "duplicate": c.duplicates,
            "correction": c.corrections,
            "unsampled": c.unsampled_labels,
            "lost": c.lost_labels,
        },
        ("driftd_prediction_joins_total", "outcome"): {
            "labelled": c.joined + c.own,
            "unlabelled": c.unlabelled,
            "duplicate": c.duplicate_predictions,
            "conflict": c.conflicts,
            "unsampled": c.unsampled,
            "lost": c.lost,
            "no_id": c.no_id,
        },
        ("driftd_joins_waiting", "what"): {"predictions": c.waiting, "labels": c.early},
    }
    for (name, label), rows in families.items():
        yield name, b"".join(sample(name, me | {label: key}, n) for key, n in rows.items())
    for name, value in (("driftd_label_coverage_ratio", c.coverage), ("driftd_last_label_timestamp_seconds", c.last)):
        if math.isfinite(value):
            yield name, sample(name, me, value)
    name = "driftd_label_delay_seconds"
    yield name, histogram(name, model, DELAY_LE, c.delays.tolist(), c.delay_seconds)


def cost_lines(model: str, c: ModelCounts) -> Iterator[tuple[str, bytes]]:
    """What a model's events have cost, and what they may."""
    me, money = {"model": model}, {"model": model, "currency": c.currency}
    for version, s in sorted(c.spending.versions.items()):
        mine = me | {"version": version}
        yield "driftd_cost_total", sample("driftd_cost_total", mine | {"currency": c.currency}, float(s.money))
        for name, n in (
            ("driftd_cost_events_total", s.events),
            ("driftd_cost_failed_events_total", s.failed),
            ("driftd_unpriced_events_total", s.unpriced),
        ):
            yield name, sample(name, mine, n)
        for of in TOKENS:
            kind = of.removeprefix("tokens_")
            yield "driftd_tokens_total", sample("driftd_tokens_total", mine | {"type": kind}, getattr(s, of))
    month = Month.of(c.spending.days, c.last_event) if math.isfinite(c.last_event) else Month(0.0, None)
    for name, value in (
        ("driftd_cost_month", month.spent),
        ("driftd_cost_month_forecast", month.forecast),
        ("driftd_cost_budget", c.budget),
    ):
        if value is not None:
            yield name, sample(name, money, value)


def experiment_lines(model: str, r: Result) -> Iterator[tuple[str, bytes]]:
    """What an experiment says, from the first event on: whoever rolls out must not take a missing series for a yes."""
    me = {"model": model, "experiment": r.rule.name}
    for variant, n in zip(r.rule.arms, r.events, strict=True):
        unseen = r.rule.shadow and variant != r.rule.champion
        name = "driftd_variant_shadow_events_total" if unseen else "driftd_variant_events_total"
        yield name, sample(name, me | {"variant": variant}, n)
    name = "driftd_variant_other_events_total"
    yield name, sample(name, me, r.others)
    if not math.isnan(r.evidence):
        for name, value in (
            ("driftd_variant_srm_evidence", float(f"{r.evidence:.6g}")),
            ("driftd_variant_srm_evidence_threshold", float(f"{THRESHOLD:.6g}")),
        ):
            yield name, sample(name, me, value)
    for control in r.controls:
        name, mine = "driftd_variant_control_differs", me | {"metric": control.metric.name}
        yield name, sample(name, mine, int(math.isfinite(control.since)))
    for c in r.comparisons:
        mine = me | {"metric": c.metric.name, "challenger": c.challenger.name}
        yield "driftd_variant_verdict", sample("driftd_variant_verdict", mine, c.code)
        yield "driftd_variant_margin", sample("driftd_variant_margin", mine, c.metric.margin)
        if math.isfinite(c.low):
            for name, value in (("", c.estimate), ("_lower", c.low), ("_upper", c.high)):
                full = f"driftd_variant_difference{name}"
                yield full, sample(full, mine, float(f"{value:.6g}"))


def _segments(me: Mapping[str, str], c: SegmentCounts | None) -> Iterator[tuple[str, bytes]]:
    if c is None:
        return
    yield "driftd_segments", sample("driftd_segments", me, c.watched)
    yield "driftd_segments_limit", sample("driftd_segments_limit", me, c.limit)
    name, why = "driftd_unsegmented_events_total", {"other": c.other, "missing": c.missing}
    yield name, b"".join(sample(name, {**me, "reason": reason}, n) for reason, n in why.items())


def count_lines(model: str, c: ModelCounts) -> Iterator[tuple[str, bytes]]:
    me, key = {"model": model}, Slice(model)
    if math.isfinite(c.last_event) and not key.within:
        name = "driftd_last_event_timestamp_seconds"
        yield name, sample(name, me, c.last_event)
    if key.part:  # its events are those of the model: in a sum they would count twice
        for name, mine in (("driftd_pages_total", c.pages), ("driftd_maintenance", int(c.maintenance))):
            yield name, sample(name, me, mine)
        return
    if c.joins is not None:
        yield from join_lines(model, c.joins)
    rows = {
        "driftd_predictions_total": c.predictions,
        "driftd_prediction_errors_total": c.prediction_errors,
        "driftd_labels_total": c.labels,
        "driftd_unjoined_labels_total": c.unjoined_labels,
        "driftd_ignored_features_total": c.ignored_features,
        "driftd_pages_total": c.pages,
        "driftd_sampled_out_events_total": c.sampled_out,
        "driftd_maintenance": c.maintenance,
        "driftd_slo_error_budget_ratio": c.objective.error_budget,
    }
    for name, value in rows.items():
        yield name, sample(name, me, value)
    yield from _segments(me, c.segments)
    if c.spending.versions or c.budget is not None:
        yield from cost_lines(model, c)
    yield from chain.from_iterable(experiment_lines(model, result) for result in c.experiments)
    for feature, n in sorted(c.refused.items()):
        name = "driftd_values_refused_total"
        yield name, sample(name, me | {"feature": Channel.of_feature(feature).name}, n)
    if c.latency_le is not None:
        for name, value in {
            "driftd_slo_latency_budget_ratio": c.objective.latency_budget,
            "driftd_slo_latency_threshold_seconds": c.objective.latency_seconds,
            "driftd_slow_predictions_total": c.objective.slow(c.latency_le),
        }.items():
            yield name, sample(name, me, value)
        name = "driftd_prediction_latency_seconds"
        yield name, histogram(name, model, LATENCY_LE, c.latency_le.tolist(), c.latency_seconds)
