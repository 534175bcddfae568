"""Prometheus' and Alertmanager's configuration: valid, and alerts reach whom they should, once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftd.config.process import LimitsSection
from tests.deploy.reading import DEPLOY, read_yaml, run
from tests.rules.reading import RULE_FILES, alerts
from tests.servers.prometheus import Alertmanager, StartAlertmanager, Webhook, wait_until

PROMETHEUS = DEPLOY / "prometheus" / "prometheus.yml"
ALERTMANAGER = DEPLOY / "alertmanager" / "alertmanager.yml"
ROUTES = {"critical": "page", "warning": "ticket", "info": "nobody", "none": "watchdog"}


@pytest.mark.integration
def test_promtool_accepts_the_configuration(promtool: str, tmp_path: Path) -> None:
    config = read_yaml(PROMETHEUS)
    config["rule_files"] = [str(path) for path in RULE_FILES]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    said = run(promtool, "check", "config", tmp_path / "prometheus.yml")
    assert f"{len(RULE_FILES)} rule files found" in said


def test_job_is_called_as_the_rules_say_and_takes_all_series_of_driftd() -> None:
    job = next(job for job in read_yaml(PROMETHEUS)["scrape_configs"] if job["job_name"] == "driftd")
    assert job["sample_limit"] > LimitsSection().series


@pytest.mark.integration
def test_amtool_accepts_the_configuration(amtool: str) -> None:
    run(amtool, "check-config", ALERTMANAGER)


@pytest.mark.integration
@pytest.mark.parametrize("name", sorted(alerts()))
def test_alert_reaches_its_receiver(amtool: str, name: str) -> None:
    labels = [f"{key}={value}" for key, value in alerts()[name]["labels"].items()]
    expected = ROUTES[alerts()[name]["labels"]["severity"]]
    route = ["config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={expected}"]
    run(amtool, *route, f"alertname={name}", *labels)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        pytest.param({"alertname": "Other", "severity": "info"}, "nobody", id="info is not routed"),
        pytest.param({"alertname": "Other"}, "ticket", id="nothing is lost for want of a severity"),
    ],
)
def test_other_alerts_reach(amtool: str, labels: Mapping[str, str], receiver: str) -> None:
    route = ["config", "routes", "test", f"--config.file={ALERTMANAGER}", f"--verify.receivers={receiver}"]
    run(amtool, *route, *(f"{key}={value}" for key, value in labels.items()))


def test_incidents_are_grouped_by_alert_and_model_and_repeated_at_the_group_interval() -> None:
    route = read_yaml(ALERTMANAGER)["route"]
    assert route["group_by"] == ["alertname", "model"]
    for each in [route, *route["routes"]]:
        assert {"alertname", "model", "page", "incident"} >= set(each.get("group_by", []))
        if "repeat_interval" in each:
            group = _minutes(each.get("group_interval", route["group_interval"]))
            assert _minutes(each["repeat_interval"]) % group == 0


def test_alerts_that_inhibit_or_are_inhibited_exist() -> None:
    for rule in read_yaml(ALERTMANAGER)["inhibit_rules"]:
        for matcher in rule["source_matchers"] + rule["target_matchers"]:
            label, _, value = matcher.partition("=")
            names = set(value.strip('~"').split("|"))
            known = {a["labels"][label] for a in alerts().values()} if label == "area" else set(alerts())
            assert names <= known, matcher


def _minutes(text: str) -> float:
    return float(text[:-1]) * {"m": 1, "h": 60, "d": 1440}[text[-1]]


@pytest.fixture(scope="module")
def alertmanager(start_alertmanager: StartAlertmanager) -> Alertmanager:
    """With deploy's configuration, whose receivers lead nowhere here: only the states are asked."""
    return start_alertmanager(ALERTMANAGER.read_text().replace("http://pager:8080", "http://127.0.0.1:9"))


def _labels(name: str, **own: str) -> dict[str, str]:
    return {"alertname": name, **alerts()[name]["labels"], **own}


def _inhibited(server: Alertmanager, labels: Mapping[str, str]) -> bool:
    """Whether the alert is inhibited, once Alertmanager has looked at it."""

    def found() -> list[dict[str, Any]]:
        seen = [a for a in server.alerts() if a["labels"] == labels]
        return [a for a in seen if a["status"]["state"] != "unprocessed"]

    return bool(wait_until(found, f"{labels} in Alertmanager")[0]["status"]["inhibitedBy"])


def _wait_for_the_inhibitor(server: Alertmanager, job: str) -> None:
    """It takes alerts in their order, behind the answer to the POST: a later pair known, the case is too."""
    later = {"job": f"{job}-later", "model": "later"}
    server.post(_labels("DriftdModelDrift", **later), _labels("DriftdFeatureDrift", **later))
    wait_until(lambda: _inhibited(server, _labels("DriftdFeatureDrift", **later)), "the inhibitor")


@pytest.mark.integration
@pytest.mark.parametrize(
    ("source", "target", "inhibited"),
    [
        pytest.param("DriftdDown", "DriftdModelDrift", True, id="drift while driftd is down"),
        pytest.param("DriftdLoopStuck", "DriftdFeatureDrift", True, id="drift while driftd is stuck"),
        pytest.param("DriftdKafkaDisconnected", "DriftdMissingValues", True, id="quality while Kafka is away"),
        pytest.param("DriftdConsumerLag", "DriftdPredictionDrift", True, id="drift in old data"),
        pytest.param("DriftdNoData", "DriftdModelDrift", True, id="drift of a model that sends nothing"),
        pytest.param("DriftdDown", "DriftdNoData", True, id="silence of a model while driftd is down"),
        pytest.param("DriftdConsumerLag", "DriftdModelSilent", True, id="a model that driftd has not come to yet"),
        pytest.param("DriftdNoData", "DriftdModelSilent", True, id="the ticket of what pages"),
        pytest.param("DriftdModelDrift", "DriftdFeatureDrift", True, id="a feature of a model that drifted as a whole"),
        pytest.param("DriftdModelDrift", "DriftdMissingValues", True, id="missing values of a model that pages"),
        pytest.param(
            "DriftdErrorBudgetBurnFast", "DriftdErrorBudgetBurnSlow", True, id="the slow burn during the fast"
        ),
        pytest.param("DriftdNoData", "DriftdSampleRatioBroken", True, id="a split that gets nothing"),
        pytest.param("DriftdMostRejected", "DriftdNoData", True, id="a model whose records are all refused"),
        pytest.param("DriftdChallengerWorse", "DriftdErrorDrift", True, id="errors that a challenger makes"),
        pytest.param("DriftdChallengerWorse", "DriftdLatencyBudgetBurnSlow", True, id="a challenger that is slow"),
        pytest.param("DriftdChallengerWorse", "DriftdFeatureDrift", False, id="inputs are no variant's"),
        pytest.param("DriftdCostBudgetBurnFast", "DriftdCostBudgetExceeded", True, id="the month of what burns fast"),
        pytest.param("DriftdModelDrift", "DriftdCostBudgetBurnFast", False, id="money is another matter"),
        pytest.param("DriftdDown", "DriftdErrorBudgetBurnFast", False, id="a burning budget is news all the same"),
        pytest.param("DriftdRejects", "DriftdModelDrift", False, id="rejects do not hide drift"),
        pytest.param("DriftdMostRejected", "DriftdModelDrift", False, id="nor do many of them"),
        pytest.param("DriftdFeatureDrift", "DriftdModelDrift", False, id="a ticket never hides a page"),
        pytest.param("DriftdModelDrift", "DriftdErrorDrift", False, id="errors say what drift does not"),
    ],
)
def test_inhibition(alertmanager: Alertmanager, source: str, target: str, inhibited: bool, request: Any) -> None:
    model = {"job": f"driftd-{abs(hash(request.node.name))}", "model": "fraud"}  # apart from the other cases
    of_driftd = {"DriftdDown", "DriftdLoopStuck", "DriftdKafkaDisconnected", "DriftdConsumerLag", "DriftdMostRejected"}
    about_model = source not in of_driftd
    cause = _labels(source, **(model if about_model else {"job": model["job"]}))
    effect = _labels(target, **model)
    other = _labels(target, job=model["job"], model="churn")
    alertmanager.post(cause, effect, other)
    _wait_for_the_inhibitor(alertmanager, model["job"])
    assert _inhibited(alertmanager, effect) is inhibited
    assert _inhibited(alertmanager, other) is (inhibited and not about_model)
    alertmanager.post(cause, resolved=True)
    wait_until(lambda: not _inhibited(alertmanager, effect), "the end of the inhibition")


def _hurried(webhook: Webhook, group_wait: str = "1s") -> str:
    config = read_yaml(ALERTMANAGER)
    for route in (config["route"], *config["route"]["routes"]):
        route["group_wait"] = group_wait
    return yaml.safe_dump(config).replace("http://pager:8080", webhook.url)


@pytest.mark.integration
def test_a_second_fault_of_a_model_is_an_incident_of_its_own(
    start_alertmanager: StartAlertmanager, webhook: Webhook
) -> None:
    server = start_alertmanager(_hurried(webhook))
    model = {"job": "driftd", "model": "fraud"}
    server.post(_labels("DriftdModelDrift", **model, page="1"))
    webhook.wait_for("firing", "DriftdModelDrift", "/page")
    server.post(_labels("DriftdModelDrift", **model, page="1"), _labels("DriftdModelDrift", **model, page="2"))
    wait_until(lambda: len(webhook.notifications) == 2, "the second call, well before group_interval")
    assert [body["groupLabels"]["page"] for _, body in webhook.notifications] == ["1", "2"]
    assert len({body["groupKey"] for _, body in webhook.notifications}) == 2
    server.stop()


@pytest.mark.integration
def test_tickets_of_one_model_come_in_one_notification_whatever_alerts_they_are(
    start_alertmanager: StartAlertmanager, webhook: Webhook
) -> None:
    server = start_alertmanager(_hurried(webhook, group_wait="4s"))
    model = {"job": "driftd", "model": "fraud"}
    tickets = [_labels("DriftdFeatureDrift", **model, feature=feature) for feature in ("amount", "age")]
    server.post(*tickets, _labels("DriftdMissingValues", **model, feature="country"), since=0)
    server.post(_labels("DriftdFeatureDrift", job="driftd", model="churn", feature="tenure"), since=0)
    webhook.wait_for("firing", "DriftdFeatureDrift", "/ticket")
    wait_until(lambda: len(webhook.notifications) == 2, "both models' notifications")
    sizes = {body["groupLabels"]["model"]: len(body["alerts"]) for _, body in webhook.notifications}
    assert sizes == {"fraud": 3, "churn": 1}
    server.stop()
