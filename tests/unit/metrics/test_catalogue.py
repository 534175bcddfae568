"""The table of metrics, and the values behind driftd's own metrics."""

import re
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry, generate_latest

from driftd.core.event import RejectReason
from driftd.detectors.registry import is_sequential, registry
from driftd.metrics.catalogue import METRICS, SECTIONS, SELF_METRICS
from driftd.metrics.exposition import Metric
from driftd.metrics.telemetry import Telemetry

ROOT = Path(__file__).parents[3]


def test_names_are_there_once() -> None:
    assert len(METRICS) == sum(map(len, SECTIONS.values()))


def test_a_metric_whose_values_are_known_has_one_label() -> None:
    assert all(len(m.labels) == 1 for m in METRICS.values() if m.values)


@pytest.mark.parametrize("m", METRICS.values(), ids=list(METRICS))
def test_names_follow_prometheus_conventions(m: Metric) -> None:
    assert re.fullmatch(r"driftd_[a-z0-9]+(_[a-z0-9]+)*", m.name)
    assert (m.type == "counter") == m.name.endswith("_total")
    assert (m.unit == "seconds") == m.name.replace("_threshold", "").endswith("_seconds")
    assert ("quantile" in m.labels) == (m.type == "summary")
    assert m.help.endswith(".")


@pytest.mark.parametrize("name", registry())
def test_every_detector_has_its_metric_and_a_window_detector_a_threshold(name: str) -> None:
    detector = registry()[name]
    metric = METRICS[detector.metric]
    assert (metric.unit, metric.help) == (detector.unit, f"{detector.help}.")
    assert (f"{metric.name}_threshold" in METRICS) != is_sequential(name)


def test_no_name_says_drifted() -> None:
    """It once stood for "fires" and for "pages"."""
    assert not [name for name, m in METRICS.items() if "drifted" in name + m.help]


@pytest.mark.parametrize("path", sorted((ROOT / "alert_rules").glob("*.yml")), ids=lambda p: str(p.name))
def test_rules_use_metrics_that_exist(path: Path) -> None:
    expressions = [rule["expr"] for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]]
    # what has a colon before or after it belongs to the name of a recording rule
    used = {name for e in expressions for name in re.findall(r"(?<![:\w])driftd_\w+(?![:\w])", e)}
    assert {re.sub(r"_seconds_(bucket|sum|count)$", "_seconds", name) for name in used} <= set(METRICS)


@pytest.fixture
def telemetry() -> Telemetry:
    return Telemetry()


def page(telemetry: Telemetry) -> str:
    registry = CollectorRegistry()
    registry.register(telemetry)
    return generate_latest(registry).decode()


def test_counters_are_set_to_what_the_state_says(telemetry: Telemetry) -> None:
    telemetry.set("driftd_events_total", 40, "accepted")
    telemetry.set("driftd_events_total", 41, "accepted")
    telemetry.add("driftd_rebalances_total")
    assert 'driftd_events_total{outcome="accepted"} 41.0\n' in page(telemetry)
    assert "driftd_rebalances_total 1.0\n" in page(telemetry)
    assert "_created" not in page(telemetry)


def test_counters_with_known_labels_start_at_zero(telemetry: Telemetry) -> None:
    text = page(telemetry)
    for reason in RejectReason:
        assert f'driftd_events_rejected_total{{reason="{reason}"}} 0.0\n' in text


def test_lag_of_partitions_that_went_away_is_forgotten(telemetry: Telemetry) -> None:
    lag = "driftd_consumer_lag_records"
    telemetry.replace(lag, {("payments", "3"): 7, ("payments", "4"): 8})
    telemetry.replace(lag, {("payments", "4"): 9})
    assert telemetry.rows(lag) == [(("payments", "4"), 9.0)]
    telemetry.clear(lag)
    assert lag not in page(telemetry)


def test_a_metric_outside_the_table_is_refused(telemetry: Telemetry) -> None:
    with pytest.raises(KeyError):
        telemetry.set("driftd_surprise_total", 1)
    with pytest.raises(ValueError, match="has the labels"):
        telemetry.set("driftd_events_total", 1)


def test_nothing_in_the_own_table_is_about_a_model() -> None:
    assert not any("model" in m.labels for m in SELF_METRICS.values())
