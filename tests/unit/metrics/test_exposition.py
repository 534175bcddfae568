"""The page that Prometheus reads: exact text, the limit, silence, and blocks."""

import gzip
import math
import shutil
import subprocess
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.parser import text_string_to_metric_families

from driftd.core.channel import Channel, Role
from driftd.core.cost import Money, Spend, Spending
from driftd.core.event import EventBatch, Kind
from driftd.core.finding import JUDGE, Joint, Judgement, Status
from driftd.core.quality.scoring import Scoring
from driftd.core.reference import Gap, Reference
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.ingest.quality import outcomes
from driftd.judge.budget import ModelGuarantee
from driftd.learn.gaps import table_of
from driftd.learn.quality import BY_SCORE
from driftd.metrics.aggregates import HOURLY, IncidentText, ModelCounts, Page, SegmentCounts
from driftd.metrics.catalogue import BLIND_CHANGES, METRICS, STATISTICS
from driftd.metrics.exposition import MAX_LABEL_BYTES, Lines, label_value, labels, number
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from tests.servers import need
from tests.stage.judgement import END, NAN, cover, evidence, judgement, reference, scores
from tests.unit.web.test_experiments import WORSE

COUNTS = ModelCounts(
    predictions=12_345_678,
    pages=2,
    prediction_errors=12,
    labels=9,
    refused={"amount": 3},
    last_event=END - 1.5,
    latency_le=np.array([0, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
    latency_seconds=12.25,
)


JOINS = LabelCounts(
    predictions=25,
    labels=11,
    waiting=10,
    joined=7,
    own=1,
    unlabelled=2,
    duplicate_predictions=3,
    conflicts=1,
    unsampled=1,
    early=2,
    late=1,
    duplicates=1,
    no_id=4,
    last=END,
    delays=np.array([0, 0, 5, 0, 0, 2, 0, 0, 0, 0]),
    delay_seconds=500_000.5,
)


def sink(**over: object) -> MetricsSink:
    return MetricsSink(**over)  # type: ignore[arg-type]


def lines(page: bytes, *families: str) -> list[str]:
    return [x for x in page.decode().splitlines() if x.startswith(families)]


def features_on(page: bytes, model: str) -> list[str]:
    start = f'driftd_feature_status{{model="{model}",feature="'
    return [x.removeprefix(start).split('"')[0] for x in lines(page, start)]


def test_a_judged_model_reads_like_this() -> None:
    s = sink()
    on = reference("fraud", ["amount", "age"])
    verdicts = (scores("psi", [0.3123456789, 0.02, NAN]), evidence([3.2, 0.001, NAN]))
    joint = Joint(7.60090295, math.log1p(1e6), Status.OK, NAN)
    s.update(judgement(on=on, verdicts=verdicts, joint=joint), COUNTS, cover(on, dependent=[2]))
    assert s.render().decode() == (
        """\
# HELP driftd_feature_psi Population stability index of the window against the reference.
# TYPE driftd_feature_psi gauge
driftd_feature_psi{model="fraud",feature="amount"} 0.312346
driftd_feature_psi{model="fraud",feature="age"} 0.02
# HELP driftd_feature_psi_threshold driftd_feature_psi fires from here on: the larger of effect and noise.
# TYPE driftd_feature_psi_threshold gauge
driftd_feature_psi_threshold{model="fraud",feature="amount"} 0.1
driftd_feature_psi_threshold{model="fraud",feature="age"} 0.1
# HELP driftd_feature_evidence The judge's evidence that the channel has changed: ln(1 + S).
# TYPE driftd_feature_evidence gauge
driftd_feature_evidence{model="fraud",feature="amount"} 14.9787
driftd_feature_evidence{model="fraud",feature="age"} 6.90875
# HELP driftd_feature_evidence_threshold ln(1 + A), A from the budget: evidence beyond it opens an episode.
# TYPE driftd_feature_evidence_threshold gauge
driftd_feature_evidence_threshold{model="fraud",feature="amount"} 13.8155
driftd_feature_evidence_threshold{model="fraud",feature="age"} 13.8155
# HELP driftd_feature_value What numbers were in the last judged window: mean, p5, p50, p95; docs/metrics.md.
# TYPE driftd_feature_value gauge
driftd_feature_value{model="fraud",feature="amount",statistic="mean"} 0
driftd_feature_value{model="fraud",feature="age",statistic="mean"} 0
driftd_feature_value{model="fraud",feature="prediction",statistic="mean"} 0
driftd_feature_value{model="fraud",feature="amount",statistic="p5"} 10
driftd_feature_value{model="fraud",feature="age",statistic="p5"} 2.782
driftd_feature_value{model="fraud",feature="prediction",statistic="p5"} 2.782
driftd_feature_value{model="fraud",feature="amount",statistic="p50"} 32.8571
driftd_feature_value{model="fraud",feature="age",statistic="p50"} 20.2
driftd_feature_value{model="fraud",feature="prediction",statistic="p50"} 20.2
driftd_feature_value{model="fraud",feature="amount",statistic="p95"} 39.2857
driftd_feature_value{model="fraud",feature="age",statistic="p95"} 38.02
driftd_feature_value{model="fraud",feature="prediction",statistic="p95"} 38.02
# HELP driftd_feature_value_reference p5 and p95 of the reference's numbers.
# TYPE driftd_feature_value_reference gauge
driftd_feature_value_reference{model="fraud",feature="amount",statistic="p5"} 2.8
driftd_feature_value_reference{model="fraud",feature="age",statistic="p5"} 2.8
driftd_feature_value_reference{model="fraud",feature="prediction",statistic="p5"} 2.8
driftd_feature_value_reference{model="fraud",feature="amount",statistic="p95"} 38
driftd_feature_value_reference{model="fraud",feature="age",statistic="p95"} 38
driftd_feature_value_reference{model="fraud",feature="prediction",statistic="p95"} 38
# HELP driftd_feature_drift_ratio Statistic over threshold; every detector fires at 1.
# TYPE driftd_feature_drift_ratio gauge
driftd_feature_drift_ratio{model="fraud",feature="amount",detector="psi"} 3.12346
driftd_feature_drift_ratio{model="fraud",feature="age",detector="psi"} 0.2
driftd_feature_drift_ratio{model="fraud",feature="amount",detector="judge"} 1.08419
driftd_feature_drift_ratio{model="fraud",feature="age",detector="judge"} 0.500072
# HELP driftd_feature_firing 1 while the detector fires, after hysteresis, else 0.
# TYPE driftd_feature_firing gauge
driftd_feature_firing{model="fraud",feature="amount",detector="psi"} 1
driftd_feature_firing{model="fraud",feature="age",detector="psi"} 0
driftd_feature_firing{model="fraud",feature="amount",detector="judge"} 1
driftd_feature_firing{model="fraud",feature="age",detector="judge"} 0
# HELP driftd_feature_firings_total Times the detector began to fire.
# TYPE driftd_feature_firings_total counter
driftd_feature_firings_total{model="fraud",feature="amount",detector="psi"} 1
driftd_feature_firings_total{model="fraud",feature="age",detector="psi"} 0
driftd_feature_firings_total{model="fraud",feature="amount",detector="judge"} 1
driftd_feature_firings_total{model="fraud",feature="age",detector="judge"} 0
# HELP driftd_feature_status Status of the channel: 0 OK, 1 LEARNING, 2 WARNING, 3 DRIFT.
# TYPE driftd_feature_status gauge
driftd_feature_status{model="fraud",feature="amount"} 3
driftd_feature_status{model="fraud",feature="age"} 0
driftd_feature_status{model="fraud",feature="prediction"} 0
# HELP driftd_feature_drift_since_timestamp_seconds Estimated start of the change; absent without a page or a ticket.
# TYPE driftd_feature_drift_since_timestamp_seconds gauge
driftd_feature_drift_since_timestamp_seconds{model="fraud",feature="amount"} 1795413180
# HELP driftd_feature_may_page 1 where the judge's episodes may page; faults and large changes may page anywhere.
# TYPE driftd_feature_may_page gauge
driftd_feature_may_page{model="fraud",feature="amount"} 1
driftd_feature_may_page{model="fraud",feature="age"} 1
driftd_feature_may_page{model="fraud",feature="prediction"} 0
# HELP driftd_feature_inflation_ratio How much more runs of events vary than independent ones.
# TYPE driftd_feature_inflation_ratio gauge
driftd_feature_inflation_ratio{model="fraud",feature="amount"} 1.1
driftd_feature_inflation_ratio{model="fraud",feature="age"} 1.1
driftd_feature_inflation_ratio{model="fraud",feature="prediction"} 9.2
# HELP driftd_model_status Status of the model as a whole: 0 OK, 1 LEARNING, 2 WARNING, 3 DRIFT.
# TYPE driftd_model_status gauge
driftd_model_status{model="fraud"} 3
# HELP driftd_model_features Channels monitored: features, prediction, score and errors.
# TYPE driftd_model_features gauge
driftd_model_features{model="fraud"} 3
# HELP driftd_model_page_features Channels with an open page: status DRIFT.
# TYPE driftd_model_page_features gauge
driftd_model_page_features{model="fraud"} 1
# HELP driftd_model_ticket_features Channels with an open ticket: status WARNING.
# TYPE driftd_model_ticket_features gauge
driftd_model_ticket_features{model="fraud"} 0
# HELP driftd_model_joint_evidence The judge's evidence that channels no longer move together: ln(1 + S).
# TYPE driftd_model_joint_evidence gauge
driftd_model_joint_evidence{model="fraud"} 7.6009
# HELP driftd_model_joint_evidence_threshold ln(1 + A), A from the budget: evidence beyond it opens an episode.
# TYPE driftd_model_joint_evidence_threshold gauge
driftd_model_joint_evidence_threshold{model="fraud"} 13.8155
# HELP driftd_model_joint_firing 1 while an episode of the joint path is open, else 0.
# TYPE driftd_model_joint_firing gauge
driftd_model_joint_firing{model="fraud"} 0
# HELP driftd_model_may_page_features Channels whose episodes make pages, the joint path included.
# TYPE driftd_model_may_page_features gauge
driftd_model_may_page_features{model="fraud"} 3
# HELP driftd_model_ticket_only_features Channels that make tickets and never pages.
# TYPE driftd_model_ticket_only_features gauge
driftd_model_ticket_only_features{model="fraud"} 1
# HELP driftd_model_false_alarm_threshold_events Least A of what pages: a false page has a chance of n / A in n events.
# TYPE driftd_model_false_alarm_threshold_events gauge
driftd_model_false_alarm_threshold_events{model="fraud"} 1000000
# HELP driftd_model_reference_span_seconds From the first event of the reference to the last.
# TYPE driftd_model_reference_span_seconds gauge
driftd_model_reference_span_seconds{model="fraud"} 3600
# HELP driftd_pages_total Calls: the status turned to DRIFT, or another channel broke 30 minutes later or more.
# TYPE driftd_pages_total counter
driftd_pages_total{model="fraud"} 2
# HELP driftd_maintenance 1 while a maintenance window keeps pages and tickets of the model from ringing, else 0.
# TYPE driftd_maintenance gauge
driftd_maintenance{model="fraud"} 0
# HELP driftd_model_info Always 1; the model's version and the reference it is judged against.
# TYPE driftd_model_info gauge
driftd_model_info{model="fraud",version="7",reference="4"} 1
# HELP driftd_window_events Events in the last judged window.
# TYPE driftd_window_events gauge
driftd_window_events{model="fraud"} 1000
# HELP driftd_window_start_timestamp_seconds Start of the last judged window, event time.
# TYPE driftd_window_start_timestamp_seconds gauge
driftd_window_start_timestamp_seconds{model="fraud"} 1795413000
# HELP driftd_window_end_timestamp_seconds End of the last judged window, event time.
# TYPE driftd_window_end_timestamp_seconds gauge
driftd_window_end_timestamp_seconds{model="fraud"} 1795413600
# HELP driftd_window_events_per_second Event rate in the last judged window.
# TYPE driftd_window_events_per_second gauge
driftd_window_events_per_second{model="fraud"} 1.6666666666666667
# HELP driftd_window_error_ratio Share of the window's events with a service error.
# TYPE driftd_window_error_ratio gauge
driftd_window_error_ratio{model="fraud"} 0.01
# HELP driftd_window_latency_seconds Latency quantiles of the last judged window, within 2 %.
# TYPE driftd_window_latency_seconds summary
driftd_window_latency_seconds{model="fraud",quantile="0.5"} 0.0118615
driftd_window_latency_seconds{model="fraud",quantile="0.9"} 0.0118615
driftd_window_latency_seconds{model="fraud",quantile="0.99"} 0.0118615
# HELP driftd_last_event_timestamp_seconds Time of the latest event, event time.
# TYPE driftd_last_event_timestamp_seconds gauge
driftd_last_event_timestamp_seconds{model="fraud"} 1795413598.5
# HELP driftd_predictions_total Prediction events accepted.
# TYPE driftd_predictions_total counter
driftd_predictions_total{model="fraud"} 12345678
# HELP driftd_prediction_errors_total Prediction events with a service error.
# TYPE driftd_prediction_errors_total counter
driftd_prediction_errors_total{model="fraud"} 12
# HELP driftd_labels_total Labels that came with their prediction.
# TYPE driftd_labels_total counter
driftd_labels_total{model="fraud"} 9
# HELP driftd_unjoined_labels_total Labels that came without their prediction.
# TYPE driftd_unjoined_labels_total counter
driftd_unjoined_labels_total{model="fraud"} 0
# HELP driftd_ignored_features_total Feature values passed over because the model has too many features.
# TYPE driftd_ignored_features_total counter
driftd_ignored_features_total{model="fraud"} 0
# HELP driftd_sampled_out_events_total Events beyond limits.events_per_second; those that stay stand for them.
# TYPE driftd_sampled_out_events_total counter
driftd_sampled_out_events_total{model="fraud"} 0
# HELP driftd_values_refused_total Values of a wrong type or not finite, in accepted events; they count as missing.
# TYPE driftd_values_refused_total counter
driftd_values_refused_total{model="fraud",feature="amount"} 3
# HELP driftd_slo_error_budget_ratio Share of predictions that may fail (setting slo).
# TYPE driftd_slo_error_budget_ratio gauge
driftd_slo_error_budget_ratio{model="fraud"} 0.01
# HELP driftd_slo_latency_budget_ratio Share of predictions that may be slow.
# TYPE driftd_slo_latency_budget_ratio gauge
driftd_slo_latency_budget_ratio{model="fraud"} 0.01
# HELP driftd_slo_latency_threshold_seconds What takes longer is slow.
# TYPE driftd_slo_latency_threshold_seconds gauge
driftd_slo_latency_threshold_seconds{model="fraud"} 0.25
# HELP driftd_slow_predictions_total Predictions slower than the model's threshold.
# TYPE driftd_slow_predictions_total counter
driftd_slow_predictions_total{model="fraud"} 1
# HELP driftd_prediction_latency_seconds Latency of predictions, as the events state it.
# TYPE driftd_prediction_latency_seconds histogram
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.001"} 0
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.0025"} 0
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.005"} 0
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.01"} 0
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.025"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.05"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.1"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.25"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="0.5"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="1.0"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="2.5"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="5.0"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="10.0"} 5
driftd_prediction_latency_seconds_bucket{model="fraud",le="+Inf"} 6
driftd_prediction_latency_seconds_sum{model="fraud"} 12.25
driftd_prediction_latency_seconds_count{model="fraud"} 6
# HELP driftd_series Series about models and features exported now.
# TYPE driftd_series gauge
driftd_series 98
# HELP driftd_series_limit Most series about models and features that may be exported (limits.series).
# TYPE driftd_series_limit gauge
driftd_series_limit 100000
# HELP driftd_series_dropped_total Series left out of a judged window's export, by reason (limit).
# TYPE driftd_series_dropped_total counter
driftd_series_dropped_total{reason="limit"} 0
"""
    )


def test_a_learning_model_says_how_far_it_is() -> None:
    s = sink()
    s.learning("fraud", 0.42)
    page = s.render()
    assert lines(page, "driftd_model_") == [
        'driftd_model_status{model="fraud"} 1',
        'driftd_model_learning_ratio{model="fraud"} 0.42',
    ]
    assert not lines(page, "driftd_feature", "driftd_window")


def test_of_a_model_that_another_member_judges_only_counts_are_shown() -> None:
    s = sink()
    s.count("fraud", COUNTS, elsewhere=True)
    assert lines(s.render(), "driftd_model_") == []
    assert lines(s.render(), "driftd_predictions_total")
    s.count("fraud", COUNTS)
    assert lines(s.render(), "driftd_model_") == ['driftd_model_status{model="fraud"} 1']


def test_a_model_with_a_reference_and_no_judged_window_is_learning() -> None:
    s = sink()
    s.count("fraud", COUNTS)
    assert lines(s.render(), "driftd_model_") == ['driftd_model_status{model="fraud"} 1']


def test_a_model_that_learns_anew_drops_its_old_verdicts() -> None:
    s = sink()
    s.update(judgement())
    s.learning("fraud", 0.0)
    assert not lines(s.render(), "driftd_feature", "driftd_window")


def test_infinity_is_spelled_as_prometheus_spells_it() -> None:
    s = sink()
    s.update(judgement(verdicts=(scores("psi", [0.3, 0.02, 0.1], threshold=float("inf")),)))
    assert 'driftd_feature_psi_threshold{model="fraud",feature="age"} +Inf' in s.render().decode()


def test_sequential_detectors_find_their_metric_by_name() -> None:
    s = sink()
    s.update(judgement(verdicts=(scores("adwin", [2, 0, NAN], threshold=1),)))
    assert lines(s.render(), "driftd_feature_adwin") == [
        'driftd_feature_adwin_detections{model="fraud",feature="amount"} 2',
        'driftd_feature_adwin_detections{model="fraud",feature="age"} 0',
    ]


def test_a_window_over_its_threshold_fires_and_the_model_makes_no_page() -> None:
    s = sink()
    s.update(judgement(verdicts=(scores("psi", [0.3, 0.02, 0.1]), evidence([0.4, 0.1, NAN]))))
    page = s.render()
    assert lines(page, 'driftd_feature_firing{model="fraud",feature="amount"') == [
        'driftd_feature_firing{model="fraud",feature="amount",detector="psi"} 1',
        'driftd_feature_firing{model="fraud",feature="amount",detector="judge"} 0',
    ]
    assert 'driftd_feature_drift_since_timestamp_seconds{model="fraud",feature="amount"}' in page.decode()
    assert 'driftd_model_status{model="fraud"} 2' in page.decode()
    assert lines(page, "driftd_model_page_features", "driftd_model_ticket_features") == [
        'driftd_model_page_features{model="fraud"} 0',
        'driftd_model_ticket_features{model="fraud"} 2',
    ]


def test_without_a_judge_nothing_pages_and_nothing_is_promised() -> None:
    s = sink()
    s.update(judgement(verdicts=(scores("psi", [0.3, 0.02, 0.1]),)))
    page = s.render()
    assert not lines(page, "driftd_feature_may_page", "driftd_feature_evidence", "driftd_model_false_alarm")
    assert lines(page, "driftd_model_may_page_features{", "driftd_model_ticket_only_features{") == [
        'driftd_model_may_page_features{model="fraud"} 0',
        'driftd_model_ticket_only_features{model="fraud"} 3',
    ]


def test_an_episode_of_the_joint_path_is_on_the_page() -> None:
    s = sink()
    quiet = (evidence([0.0, 0.0, 0.0]),)
    s.update(judgement(verdicts=quiet, joint=Joint(0.1, 13.8155, Status.DRIFT, END)))
    assert lines(s.render(), "driftd_model_joint_", "driftd_model_status") == [
        'driftd_model_status{model="fraud"} 3',
        'driftd_model_joint_evidence{model="fraud"} 0.1',
        'driftd_model_joint_evidence_threshold{model="fraud"} 13.8155',
        'driftd_model_joint_firing{model="fraud"} 1',
    ]


def test_two_detectors_share_a_family_without_splitting_it() -> None:
    s = sink()
    s.update(judgement("b", verdicts=(scores("psi", [1, 0, 0]), scores("ks", [0, 0, 1]))))
    s.update(judgement("a", verdicts=(scores("psi", [1, 0, 0]), scores("ks", [0, 0, 1]))))
    page = s.render().decode().splitlines()
    where = [i for i, x in enumerate(page) if x.startswith("driftd_feature_drift_ratio{")]
    assert len(where) == 12
    assert where == list(range(where[0], where[0] + 12))
    assert page.count("# TYPE driftd_feature_drift_ratio gauge") == 1


class TestLimit:
    """Each model has 20 aggregates and wants 52 series for its features: 18 for amount, 17 for age and prediction."""

    def page(self, limit: int, traffic: dict[str, int], configured: tuple[str, ...] = ()) -> tuple[MetricsSink, bytes]:
        s = sink(limit=limit, configured=configured)
        for name, predictions in traffic.items():
            s.update(judgement(name), ModelCounts(predictions=predictions))
        return s, s.render()

    def kept(self, limit: int, traffic: dict[str, int], configured: tuple[str, ...] = ()) -> dict[str, list[str]]:
        _, page = self.page(limit, traffic, configured)
        return {name: features_on(page, name) for name in traffic}

    def test_more_traffic_goes_first_and_order_of_arrival_does_not_matter(self) -> None:
        one = self.kept(110, {"a": 10, "b": 10_000})
        assert one == self.kept(110, {"b": 10_000, "a": 10})
        assert one["b"] == ["amount", "age", "prediction"]
        assert len(one["a"]) < 3

    def test_configured_models_go_before_traffic(self) -> None:
        kept = self.kept(110, {"a": 10, "b": 10_000}, configured=("a",))
        assert kept["a"] == ["amount", "age", "prediction"]
        assert len(kept["b"]) < 3

    def test_equal_traffic_goes_by_name(self) -> None:
        kept = self.kept(110, {"b": 1000, "a": 1001})
        assert len(kept["a"]) == 3
        assert len(kept["b"]) < 3

    def test_within_a_model_the_prediction_goes_first_and_no_channel_is_half_there(self) -> None:
        kept = self.kept(21 + 20, {"a": 1})
        assert kept["a"] == ["prediction"]

    def test_aggregates_are_there_at_limit_zero(self) -> None:
        s, page = self.page(0, {"a": 1, "b": 1})
        assert not lines(page, "driftd_feature")
        assert lines(page, "driftd_model_status{") == [f'driftd_model_status{{model="{m}"}} 3' for m in "ab"]
        assert s.dropped == 104

    def test_values_are_left_out_before_anything_that_alerts_ask_for(self) -> None:
        # 48 aggregates and 2 x 34 series for alerts; 18 values fit once into the rest
        s, page = self.page(48 + 68 + 22, {"a": 1, "b": 1_000})
        for m in "ab":
            assert features_on(page, m) == ["amount", "age", "prediction"]
            assert len(lines(page, f'driftd_feature_drift_ratio{{model="{m}"')) == 6
        assert not lines(page, 'driftd_feature_value{model="a"', 'driftd_feature_value_reference{model="a"')
        assert len(lines(page, 'driftd_feature_value{model="b"', 'driftd_feature_value_reference{model="b"')) == 18
        assert s.series == 48 + 68 + 18

    def test_what_is_left_out_is_counted(self) -> None:
        s, page = self.page(60, {"a": 1, "b": 1})
        assert s.series <= 60
        assert lines(page, "driftd_series") == [
            f"driftd_series {s.series}",
            "driftd_series_limit 60",
            f'driftd_series_dropped_total{{reason="limit"}} {s.dropped}',
        ]
        assert s.dropped > 0

    def test_a_model_that_leaves_makes_room(self) -> None:
        s, page = self.page(100, {"a": 10, "b": 10_000})
        assert len(features_on(page, "a")) < 3
        s.remove("b")
        assert len(features_on(s.render(), "a")) == 3
        assert b'"b"' not in s.render()


class TestSilence:
    #   last event    |
    #   features      |---- 12 windows of 600 s ----|
    #   aggregates    |---- until the model is retired (remove) ----
    def silent(self, seconds: float) -> bytes:
        s = sink()
        s.update(judgement(), COUNTS)
        s.prune(now=0)
        s.prune(now=seconds)
        return s.render()

    @pytest.mark.parametrize(
        ("seconds", "features"),
        [(7200, True), (7201, False), (1e9, False)],
    )
    def test_features_end_before_aggregates(self, seconds: float, features: bool) -> None:
        page = self.silent(seconds)
        assert bool(lines(page, "driftd_feature")) == features
        assert lines(page, "driftd_model_status")

    def test_an_event_starts_the_wait_again_and_a_judgement_brings_the_features_back(self) -> None:
        s = sink()
        s.update(judgement(), COUNTS)
        s.prune(now=0)
        s.count("fraud", ModelCounts(last_event=END + 60))
        s.prune(now=7201)
        assert lines(s.render(), "driftd_feature")
        s.prune(now=7201 + 7201)
        assert not lines(s.render(), "driftd_feature")
        s.update(judgement(), COUNTS)
        assert lines(s.render(), "driftd_feature")


def test_a_model_that_sends_nothing_says_for_how_long_and_what_is_due() -> None:
    s = sink()
    s.update(judgement(), COUNTS)
    s.quiet({"fraud": {"": 400.4, "page": math.inf, "ticket": 300, HOURLY: 331.7}})
    assert lines(s.render(), "driftd_model_usual") == ['driftd_model_usual_events_per_hour{model="fraud"} 332']
    assert lines(s.render(), "driftd_model_silence") == [
        'driftd_model_silence_seconds{model="fraud"} 400',
        'driftd_model_silence_limit_seconds{model="fraud",severity="page"} +Inf',
        'driftd_model_silence_limit_seconds{model="fraud",severity="ticket"} 300',
    ]
    s.quiet({})
    assert not lines(s.render(), "driftd_model_silence")
    assert not lines(s.render(), "driftd_model_usual")


SPENDING = Spending(
    {"7": Spend(3, 1, 1, Money(2, 500_000_000), 900, 80), "8": Spend(1, money=Money(1))},
    {"2026-11-01": Money(2), "2026-11-02": Money(1, 500_000_000)},
)


def big_page() -> MetricsSink:
    registry = CollectorRegistry()
    telemetry = Telemetry()
    registry.register(telemetry)
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    for name, m in METRICS.items():
        if "model" not in m.labels:
            telemetry.set(name, 1, *("x" for _ in m.labels))
    s = sink(registry=registry)
    names = [f"f{i}" for i in range(30)]
    every = [name for name in STATISTICS if name != JUDGE]
    for k in range(12):
        on = reference(f"m{k}", names)
        verdicts = [*(scores(d, [0.5, *[0.01] * 30]) for d in every), evidence([2.0, *[0.01] * 30])]
        joint = Joint(2.0, 13.8, Status.OK, NAN)
        j = judgement(on.model, on=on, verdicts=verdicts, joint=joint, kinds={0: "missing"})
        s.update(labelled(j) if k == 0 else j, COUNTS, sighted(on))
    tried = (WORSE, replace(WORSE, rule=replace(WORSE.rule, name="shadows", shadow=True)))
    segments = SegmentCounts(1, 20, 7, 3)
    s.count("m0", replace(COUNTS, joins=JOINS, spending=SPENDING, budget=500.0, experiments=tried, segments=segments))
    part = "m0/segments/country=DE"
    s.update(labelled(judgement(part, on=reference(part, names), verdicts=[evidence([0.1] * 31)])), COUNTS)
    told = IncidentText("5f1e", "page", "missing", "f0", "m0: f0 100% missing since 14:20 UTC", "Look.", "")
    s.incidents("m0", "5f1e", lambda: [told], Page(2, "5f1e"), "Inputs come from #pay.")
    s.learning("new", 0.1, COUNTS)
    s.quiet({"m3": {"": 400.4, "page": math.inf, "ticket": 300, HOURLY: 331.7}})
    return s


def labelled(j: Judgement) -> Judgement:
    """With labels in its window and in its reference, and scores."""
    scoring, fields = Scoring(("0", "1"), positive=1), {"label": [1.0, 0.0, 1.0], "prediction": [1.0, 0.0, 0.0]}
    batch = EventBatch(j.model, np.arange(3), np.arange(3.0), {}, fields)
    found = outcomes(scoring, batch, np.zeros(3, np.int64))
    learned = {**j.reference.learned, **scoring.table(next(iter(found.values())))}
    learned[BY_SCORE] = np.full((j.reference.width, 4), 100)
    channels = (Channel("score", Role.SCORE, Kind.NUMERIC), *j.reference.channels[1:])
    return replace(j, outcomes=found, reference=replace(j.reference, learned=learned, channels=channels))


def sighted(on: Reference) -> ModelGuarantee:
    """The first channel cannot see two classes of change, the last one."""
    blind = [("level", "mix"), *((),) * (len(on.channels) - 2), ("fault",)]
    return replace(cover(on), blind=tuple(blind))


def test_every_metric_of_the_table_is_on_the_full_page_and_no_family_twice() -> None:
    families = [f.name for f in text_string_to_metric_families(big_page().render().decode())]
    assert len(families) == len(set(families))
    assert set(families) >= {n.removesuffix("_total") for n in METRICS}


def test_what_became_of_labels_that_came_alone() -> None:
    assert JOINS.balanced
    s = sink()
    s.count("m", replace(COUNTS, joins=JOINS))
    about = [x for x in lines(s.render(), "driftd_") if "join" in x or "_label_" in x]
    assert [x for x in about if not x.endswith(" 0") and "_bucket" not in x] == [
        'driftd_label_joins_total{model="m",outcome="joined"} 7',
        'driftd_label_joins_total{model="m",outcome="late"} 1',
        'driftd_label_joins_total{model="m",outcome="duplicate"} 1',
        'driftd_prediction_joins_total{model="m",outcome="labelled"} 8',
        'driftd_prediction_joins_total{model="m",outcome="unlabelled"} 2',
        'driftd_prediction_joins_total{model="m",outcome="duplicate"} 3',
        'driftd_prediction_joins_total{model="m",outcome="conflict"} 1',
        'driftd_prediction_joins_total{model="m",outcome="unsampled"} 1',
        'driftd_prediction_joins_total{model="m",outcome="no_id"} 4',
        'driftd_joins_waiting{model="m",what="predictions"} 10',
        'driftd_joins_waiting{model="m",what="labels"} 2',
        'driftd_label_coverage_ratio{model="m"} 0.8',
        f'driftd_last_label_timestamp_seconds{{model="m"}} {number(END)}',
        'driftd_label_delay_seconds_sum{model="m"} 500000.5',
        'driftd_label_delay_seconds_count{model="m"} 7',
    ]
    assert 'driftd_label_delay_seconds_bucket{model="m",le="3600.0"} 5' in about


def test_events_of_a_part_are_not_counted_a_second_time() -> None:
    s = sink()
    s.count("m", COUNTS)
    s.count("m/labels", replace(COUNTS, pages=1))
    of_part = [x.partition("{")[0] for x in lines(s.render(), "driftd_") if '"m/labels"' in x]
    assert of_part == [
        "driftd_model_status",
        "driftd_pages_total",
        "driftd_maintenance",
        "driftd_last_event_timestamp_seconds",
    ]


def test_the_kind_of_an_open_change_is_a_label() -> None:
    s = sink()
    s.update(judgement("m", ("a", "b"), kinds={0: "missing", 2: "mix"}))
    info = [line for line in s.render().decode().splitlines() if line.startswith("driftd_feature_change_info{")]
    assert info == [
        'driftd_feature_change_info{model="m",feature="a",kind="missing"} 1',
        'driftd_feature_change_info{model="m",feature="prediction",kind="mix"} 1',
    ]
    s.update(judgement("m", ("a", "b")))
    assert b"driftd_feature_change_info" not in s.render()


def test_a_feature_that_has_never_had_a_value_is_blind() -> None:
    s, on = sink(), reference("m", ["a"])
    gaps = [Gap("empty", -np.inf, np.inf, "missing"), Gap("a", -np.inf, 5.0)]
    on = replace(on, learned={**on.learned, **table_of(gaps)})
    s.update(judgement("m", on=on), COUNTS, cover(on))
    assert lines(s.render(), "driftd_feature_blind") == [
        f'driftd_feature_blind{{model="m",feature="empty",change="{change}"}} 1' for change in BLIND_CHANGES
    ]


def test_what_a_channel_cannot_see_has_a_series_and_what_it_sees_has_none() -> None:
    s, on = sink(), reference("m", ["a", "b"])
    s.update(judgement("m", on=on), COUNTS, sighted(on))
    assert lines(s.render(), "driftd_feature_blind") == [
        'driftd_feature_blind{model="m",feature="prediction",change="fault"} 1',
        'driftd_feature_blind{model="m",feature="a",change="level"} 1',
        'driftd_feature_blind{model="m",feature="a",change="mix"} 1',
    ]
    s.update(judgement("m", on=on), COUNTS, cover(on))
    assert b"driftd_feature_blind" not in s.render()


def test_gzip_members_join_to_the_plain_page() -> None:
    s = big_page()
    own = s.render().partition(b"# HELP driftd_series ")[0]
    assert gzip.decompress(s.render(gzip=True)).startswith(own)


def test_only_the_blocks_of_the_judged_model_are_compressed_again() -> None:
    s = sink()
    names = [f"f{i}" for i in range(400)]
    for k in range(9):
        s.update(judgement(f"m{k}", names))
    s.render(gzip=True)
    before = s._zipped
    s.update(judgement("m4", names, verdicts=(scores("psi", [0.2] * 401),)))
    s.render(gzip=True)
    psi = [key for key in before if key[0] == "driftd_feature_psi"]
    assert len(psi) == 3
    assert [s._zipped[key] is before[key] for key in psi] == [True, False, True]
    assert gzip.decompress(s.render(gzip=True)) == s.render()


@pytest.mark.integration
def test_promtool_has_no_complaint() -> None:
    promtool = shutil.which("promtool")
    need("promtool", promtool, "apt-get install prometheus")
    assert promtool
    done = subprocess.run([promtool, "check", "metrics"], input=big_page().render(), capture_output=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


names = st.text(st.characters(codec="utf-8"), max_size=200)


@given(model=names, feature=names)
def test_hostile_names_read_back_as_they_were(model: str, feature: str) -> None:
    s = sink()
    ref = reference(model, [feature])
    s.update(judgement(on=ref, model=model))
    back = {f.name: f for f in text_string_to_metric_families(s.render().decode())}
    seen = back["driftd_feature_psi"].samples[0].labels
    for value, shown in ((model, seen["model"]), (feature, seen["feature"])):
        assert shown == value if len(value.encode()) <= MAX_LABEL_BYTES else len(shown.encode()) <= MAX_LABEL_BYTES


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5).map(lambda s: s * 60), st.text(max_size=3))
def test_long_names_that_differ_stay_apart(name: str, end: str) -> None:
    one, other = name + "1" + end, name + "2" + end
    assert label_value(one) != label_value(other)


def test_half_a_surrogate_pair_is_shown_as_a_question_mark() -> None:
    assert label_value("a\ud800b") == "a?b"


@given(st.floats())
def test_numbers_read_back(value: float) -> None:
    assert float(number(value)) == value or value != value  # noqa: PLR0124 (NaN)


def test_percent_signs_in_names_are_not_formats() -> None:
    texts = [labels({"feature": "%d %s %"})]
    assert Lines("m", texts).render(np.array([1.0]), np.array([True])) == b'm{feature="%d %s %"} 1\n'


def test_members_carry_no_time_stamp() -> None:
    s = sink()
    s.update(judgement())
    member = zlib.decompressobj(31)
    member.decompress(s.render(gzip=True))
    assert s.render(gzip=True)[4:8] == b"\0\0\0\0"


def test_refused_values_are_counted_by_feature_while_the_model_learns_too() -> None:
    s = sink()
    s.learning("fraud", 0.5, ModelCounts(refused={"y": 2, "amount": 7}))
    assert lines(s.render(), "driftd_values_refused_total") == [
        'driftd_values_refused_total{model="fraud",feature="amount"} 7',
        'driftd_values_refused_total{model="fraud",feature="y"} 2',
    ]
    s.update(judgement(), ModelCounts(refused={"amount": 8}))
    assert lines(s.render(), "driftd_values_refused_total") == [
        'driftd_values_refused_total{model="fraud",feature="amount"} 8'
    ]


def test_a_segment_has_its_first_statistic_and_what_is_usual_there() -> None:
    on, s = reference("m/labels/segments/country=DE", ["x"]), sink()
    s.update(labelled(judgement(on.model, on=on, verdicts=[evidence([0.1, 0.1])])), COUNTS)
    about = '{model="m/labels",segment="country=DE",statistic="accuracy"}'
    assert lines(s.render(), "driftd_segment_quality") == [
        f"driftd_segment_quality{about} 0.666667",
        f"driftd_segment_quality_reference{about} 0.666667",
    ]


def test_a_segment_has_series_of_what_rings_alone() -> None:
    """A model of 30 features has hundreds; of twenty segments that would be thousands."""
    on, s = reference("m/segments/country=DE", [f"f{i}" for i in range(30)]), sink()
    verdicts = [evidence([2.0, *[0.01] * 30])]
    s.update(judgement(on.model, on=on, verdicts=verdicts, kinds={0: "missing"}), COUNTS, sighted(on), frozenset())
    lines = [line for line in s.render().decode().splitlines() if line and not line.startswith("#")]
    calm = [line for line in lines if "country=DE" in line]
    assert {line.partition("{")[0] for line in calm} <= {
        "driftd_segment_status", "driftd_segment_events_total", "driftd_segment_quality",
        "driftd_segment_quality_reference", "driftd_pages_total", "driftd_maintenance",
        "driftd_model_features", "driftd_model_page_features",
    }  # fmt: skip
    name = on.channels[0].name
    s.update(
        judgement(on.model, on=on, verdicts=verdicts, kinds={0: "missing"}), COUNTS, sighted(on), frozenset({name})
    )
    rings = [line for line in s.render().decode().splitlines() if line.startswith("driftd_feature_status{")]
    assert len(rings) == 1
    assert f'feature="{name}"' in rings[0]
