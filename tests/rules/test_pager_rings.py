"""From a metric to the pager: real Prometheus, real rules, real Alertmanager with deploy's configuration, a webhook."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.rules.quick import quick_alertmanager, quick_rules
from tests.servers.prometheus import (
    Exposition,
    Prometheus,
    StartAlertmanager,
    StartPrometheus,
    Webhook,
    serving_exposition,
    serving_webhook,
    wait_until,
)

pytestmark = pytest.mark.integration


@dataclass
class Road:
    """What the tests of this module share: a page that is scraped, and the pager at the other end."""

    driftd: Exposition
    prometheus: Prometheus
    pager: Webhook

    def show(self, **changed: float) -> None:
        """A healthy driftd with one model, but for what is changed."""
        now = time.time()
        pages = changed.get("pages", 1)
        status, loop, missing = changed.get("status", 0), changed.get("loop", now), changed.get("missing", 0)
        self.driftd.show(
            {
                'driftd_model_status{model="fraud"}': status,
                'driftd_model_features{model="fraud"}': 20,
                'driftd_model_page_features{model="fraud"}': 7 if status == 3 else 0,
                **({f'driftd_page_info{{model="fraud",page="{pages:.0f}"}}': 1} if status == 3 else {}),
                'driftd_feature_status{model="fraud",feature="amount"}': status,
                'driftd_feature_drift_since_timestamp_seconds{model="fraud",feature="amount"}': 1_795_413_180,
                'driftd_feature_change_info{model="fraud",feature="amount",kind="frozen"}': 1,
                'driftd_feature_status{model="fraud",feature="age"}': 2 * missing,
                'driftd_feature_change_info{model="fraud",feature="age",kind="missing"}': 1,
                'driftd_feature_missing_ratio{model="fraud",feature="age"}': 0.3,
                "driftd_ready": 1,
                "driftd_kafka_connected": 1,
                "driftd_config_last_reload_successful": 1,
                "driftd_loop_timestamp_seconds": loop,
            }
        )


@pytest.fixture(scope="module")
def road(
    start_prometheus: StartPrometheus, start_alertmanager: StartAlertmanager, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Road]:
    rules: list[Path] = quick_rules(tmp_path_factory.mktemp("rules"))
    with serving_webhook() as pager, serving_exposition() as page:
        alertmanager = start_alertmanager(quick_alertmanager(pager.url))
        prometheus = start_prometheus({"driftd": [page.address]}, rules=rules, alertmanager=alertmanager.url)
        road = Road(page, prometheus, pager)
        road.show()
        wait_until(lambda: prometheus.query("driftd_ready"), "the first scrape")
        yield road
        prometheus.stop()
        alertmanager.stop()


def test_model_that_drifts_pages_once_and_a_second_fault_calls_again(road: Road) -> None:
    road.show(status=3)
    page = road.pager.wait_for("firing", "DriftdModelDrift", "/page")
    assert page["labels"]["model"] == "fraud"
    assert page["labels"]["severity"] == "critical"
    assert "instance" not in page["labels"]
    assert page["annotations"]["summary"] == "Model fraud has drifted from its reference"
    assert "Channels that page: 7 of 20" in page["annotations"]["description"]
    assert "amount (frozen) since 23 Nov 05:53" in page["annotations"]["description"]
    assert page["annotations"]["runbook_url"].endswith("/DriftdModelDrift.md")
    road.show(status=3, pages=2)
    wait_until(lambda: _calls(road) == {"1", "2"}, "the second call")
    road.show(pages=2)
    wait_until(lambda: "DriftdModelDrift" not in road.prometheus.firing(), "the end of both")
    road.pager.wait_for("resolved", "DriftdModelDrift", "/page")


def _calls(road: Road) -> set[str]:
    return {alert["labels"]["page"] for alert in road.pager.alerts("firing", "DriftdModelDrift")}


def test_missing_values_open_a_ticket_and_close_it(road: Road) -> None:
    road.show(missing=1)
    ticket = road.pager.wait_for("firing", "DriftdMissingValues", "/ticket")
    assert ticket["labels"]["feature"] == "age"
    assert "30% of its values are missing" in ticket["annotations"]["description"]
    road.show()
    road.pager.wait_for("resolved", "DriftdMissingValues", "/ticket")


def test_stuck_driftd_pages_and_drift_is_no_news_meanwhile(road: Road) -> None:
    stuck = time.time() - 600
    road.show(loop=stuck)
    road.pager.wait_for("firing", "DriftdLoopStuck", "/page")
    before = len(road.pager.alerts("firing", "DriftdModelDrift"))
    road.show(loop=stuck, status=3)
    wait_until(lambda: "DriftdModelDrift" in road.prometheus.firing(), "DriftdModelDrift firing in Prometheus")
    road.show(loop=stuck)  # the drift ends first: the end of the inhibition must not let it through
    wait_until(lambda: "DriftdModelDrift" not in road.prometheus.firing(), "the end of DriftdModelDrift")
    road.show()
    road.pager.wait_for("resolved", "DriftdLoopStuck", "/page")
    assert len(road.pager.alerts("firing", "DriftdModelDrift")) == before


def test_watchdog_arrives_where_the_dead_mans_switch_listens(road: Road) -> None:
    assert road.pager.wait_for("firing", "DriftdWatchdog", "/watchdog")["labels"]["severity"] == "none"


TEN = [f"model-{k}" for k in range(10)]
BUDGETS = ("DriftdErrorBudgetBurnSlow", "DriftdLatencyBudgetBurnSlow")


def test_ten_models_with_one_cause_are_one_notification_and_inhibit_their_budgets(
    start_prometheus: StartPrometheus, start_alertmanager: StartAlertmanager, tmp_path: Path
) -> None:
    """Budgets burn by rules of their own that ask for nothing but the metric: the real ones take days."""
    budget = [
        {"alert": name, "expr": "driftd_model_status == 3", "labels": {"severity": "warning", "area": "slo"}}
        for name in BUDGETS
    ]
    groups = {"groups": [{"name": "budgets", "rules": budget}]}
    (tmp_path / "budgets.yml").write_text(yaml.safe_dump(groups))
    rules = [*quick_rules(tmp_path), tmp_path / "budgets.yml"]
    with serving_webhook() as pager, serving_exposition() as page:
        configuration = quick_alertmanager(pager.url).replace("group_wait: 0s", "group_wait: 4s")
        alertmanager = start_alertmanager(configuration)
        prometheus = start_prometheus({"driftd": [page.address]}, rules=rules, alertmanager=alertmanager.url)
        page.show({"driftd_ready": 1})
        wait_until(lambda: prometheus.query("driftd_ready"), "the first scrape")

        def show(models: list[str], cause: str, **more: float) -> None:
            calls = {
                f'driftd_page_info{{model="{m}",page="{k}",incident="{cause}"}}': 1.0 for k, m in enumerate(models)
            }
            status = {f'driftd_model_status{{model="{m}"}}': 3.0 for m in models}
            page.show({"driftd_ready": 1.0, **calls, **status, **more})

        alone = {
            'driftd_page_info{model="alone",page="1",incident="b2"}': 1.0,
            'driftd_model_status{model="calm"}': 3.0,
        }
        show(TEN, "a1", **alone)
        pager.wait_for("firing", "DriftdModelDrift", "/page")
        wait_until(lambda: len(pages_of(pager, "a1")) == 1 and len(pages_of(pager, "b2")) == 1, "a notification each")
        wait_until(lambda: {*BUDGETS} <= {*prometheus.firing()}, "budgets that burn")
        (together,) = pages_of(pager, "a1")
        assert sorted(alert["labels"]["model"] for alert in together["alerts"]) == sorted(TEN)
        assert together["groupLabels"] == {"alertname": "DriftdModelDrift", "incident": "a1"}
        # a model without a page has the ticket of its budget, the ten have none
        for name in BUDGETS:
            pager.wait_for("firing", name, "/ticket")
            assert {alert["labels"]["model"] for alert in pager.alerts("firing", name)} == {"calm"}
        page.show({"driftd_ready": 1})
        wait_until(lambda: any(n["status"] == "resolved" for n in pages_of(pager, "a1")), "its end")
        assert [n["status"] for n in pages_of(pager, "a1")] == ["firing", "resolved"]
        prometheus.stop()
        alertmanager.stop()


def pages_of(pager: Webhook, incident: str) -> list[dict[str, Any]]:
    pages = [payload for where, payload in list(pager.notifications) if where == "/page"]
    return [payload for payload in pages if payload["groupLabels"].get("incident") == incident]
