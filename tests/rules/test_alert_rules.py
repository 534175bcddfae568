"""Every alert has its test and its runbook, says what it must, and names only metrics that exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftd.detectors.registry import faults
from driftd.judge.natural.kinds import KINDS
from driftd.metrics.catalogue import METRICS
from tests.rules.reading import (
    RULE_FILES,
    RULES,
    RUNBOOKS,
    TEST_FILES,
    alerts,
    duration_minutes,
    expressions,
    metrics_in,
    recorded,
    rule_tests,
    runbook_queries,
)

ALERTS = alerts()
each_alert = pytest.mark.parametrize("name", sorted(ALERTS))
each_runbook = pytest.mark.parametrize("runbook", RUNBOOKS, ids=lambda path: path.stem)
HISTOGRAM = ("_bucket", "_sum", "_count")


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def unknown_metrics(text: str) -> set[str]:
    known = METRICS.keys() | {
        name + end for name, metric in METRICS.items() if metric.type == "histogram" for end in HISTOGRAM
    }
    return metrics_in(text) - known


@pytest.mark.integration
def test_promtool_accepts_the_rules(promtool: str) -> None:
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULE_FILES))


@pytest.mark.integration
@pytest.mark.parametrize("path", TEST_FILES, ids=lambda path: path.stem)
def test_promtool_passes_the_tests(promtool: str, path: Path) -> None:
    run(promtool, "test", "rules", str(path))


@pytest.mark.integration
def test_promtool_fails_a_test_that_expects_the_alert_one_step_early(promtool: str, tmp_path: Path) -> None:
    text = (RULES / "tests" / "drift.yml").read_text()
    early = tmp_path / "early.yml"
    early.write_text(text.replace("- ../", f"- {RULES}/").replace("eval_time: 10m", "eval_time: 9m"))
    assert subprocess.run([promtool, "test", "rules", str(early)], capture_output=True, check=False).returncode != 0


def test_alerts_and_runbooks_are_the_same_names() -> None:
    assert {path.stem for path in RUNBOOKS} == set(ALERTS)


def test_alerts_and_tests_are_the_same_names() -> None:
    tested = {step["alertname"] for _, test in rule_tests() for step in test["alert_rule_test"]}
    assert tested == set(ALERTS)


@each_alert
def test_says_what_the_person_on_call_needs(name: str) -> None:
    alert = ALERTS[name]
    assert name.startswith("Driftd")
    assert set(alert["labels"]) == {"severity", "area"}
    assert alert["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert alert["labels"]["area"] in {"cost", "drift", "experiments", "quality", "slo", "driftd"}
    own = {"incident_url"} if alert["labels"]["area"] in {"drift", "quality"} else set()
    own |= {"help"} if "$labels.model" in str(alert["annotations"]) else set()
    assert set(alert["annotations"]) == {"summary", "description", "runbook_url", "dashboard_url", *own}
    assert alert["annotations"]["runbook_url"] == f"https://runbooks.example.com/driftd/{name}.md"
    assert alert["annotations"]["dashboard_url"].startswith("https://grafana.example.com/d/driftd-")
    assert "$value" not in str(alert["labels"])
    assert "topk" not in alert["expr"]


@each_alert
def test_waits_before_it_fires(name: str) -> None:
    alert = ALERTS[name]
    if alert["labels"]["area"] in {"drift", "quality"}:  # the status has waited, and has its hysteresis behind it
        page = alert["labels"]["severity"] == "critical"
        assert duration_minutes(alert.get("for", "0m")) == (0 if page else 2)
        assert duration_minutes(alert["keep_firing_for"]) >= 10
    elif name != "DriftdWatchdog":
        assert duration_minutes(alert["for"]) >= 1


def test_kinds_of_change_that_rules_name_exist_and_each_is_one_alert_s() -> None:
    named = [kind for fault in faults().values() for kind in fault.changes]
    assert set(named) < set(KINDS)
    assert len(named) == len(set(named))


@each_alert
def test_a_ticket_about_a_model_says_that_it_is_one(name: str) -> None:
    if ALERTS[name]["labels"]["area"] in {"drift", "quality"}:
        ticket = ALERTS[name]["labels"]["severity"] == "warning"
        assert ALERTS[name]["annotations"]["description"].count("A ticket, not a page:") == ticket


@each_alert
def test_is_silent_a_step_before_then_fires_then_resolves(name: str) -> None:
    """Some test has the three in a row; the step is the test file's evaluation interval."""
    if name == "DriftdWatchdog":
        return
    assert any(_turns(file, test, name) for file, test in rule_tests())


def _turns(file: dict[str, Any], test: dict[str, Any], name: str) -> bool:
    steps = [(duration_minutes(s["eval_time"]), s["exp_alerts"]) for s in test["alert_rule_test"]]
    if any(s["alertname"] != name for s in test["alert_rule_test"]):
        return False
    first = next((i for i, (_, fired) in enumerate(steps) if fired), 0)
    step = duration_minutes(file["evaluation_interval"])
    return first > 0 and steps[first][0] - steps[first - 1][0] == step and not steps[-1][1]


def test_expected_alerts_tell_labels_and_annotations_but_no_instance() -> None:
    for _, test in rule_tests():
        for step in test["alert_rule_test"]:
            for expected in step["exp_alerts"]:
                assert not {"instance", "pod"} & set(expected["exp_labels"]), test["name"]
                assert set(expected["exp_annotations"]) == set(ALERTS[step["alertname"]]["annotations"]), test["name"]


def test_rules_and_their_tests_name_only_metrics_that_exist() -> None:
    assert {where: unknown for where, text in expressions() if (unknown := unknown_metrics(text))} == {}
    series = [row["series"] for _, test in rule_tests() for row in test["input_series"]]
    assert {text for text in series if unknown_metrics(text)} == set()


def test_labels_in_the_tests_are_those_of_the_metric() -> None:
    for _, test in rule_tests():
        for row in test["input_series"]:
            name, _, rest = row["series"].partition("{")
            if not name.startswith("driftd_"):
                continue
            base = next((name.removesuffix(end) for end in HISTOGRAM if name.endswith(end)), name)
            labels = set(yaml.safe_load("{" + rest.replace("=", ": "))) - {"instance", "pod", "job"}
            assert labels <= set(METRICS[base].labels), row["series"]


def test_an_unknown_metric_is_noticed() -> None:
    assert unknown_metrics("max(driftd_feature_psy) > model:driftd_predictions:increase1h") == {"driftd_feature_psy"}
    assert unknown_metrics("rate(driftd_prediction_latency_seconds_bucket[5m])") == set()


def test_alerts_use_only_recorded_names_that_are_recorded() -> None:
    used = {found for _, text in expressions() for found in re.findall(r"\b(?:driftd|model|partition):[\w:]+", text)}
    assert used <= recorded()


@each_runbook
def test_runbook_has_its_sections(runbook: Path) -> None:
    text = runbook.read_text()
    assert text.startswith(f"# {runbook.stem}\n")
    for section in ("Meaning", "Impact", "Diagnosis", "Mitigation", "Who to call", "Silence", "After"):
        assert f"\n## {section}\n" in text, section
    alert = ALERTS[runbook.stem]
    assert f"Severity: {alert['labels']['severity']}" in text
    if alert["labels"]["severity"] != "none":
        assert f"amtool silence add alertname={runbook.stem}" in text
    if alert["labels"]["area"] in {"drift", "quality"}:
        assert "### Real drift or a broken pipeline?" in text
        assert "\ndriftd explain MODEL" in text
    assert "\n### False alarm\n" in text.partition("\n## After\n")[2]
    assert runbook_queries(runbook)


def test_the_page_s_runbook_has_a_branch_for_every_kind_of_change() -> None:
    text = (RULES / "runbooks" / "DriftdModelDrift.md").read_text()
    branches = re.findall(r"^#### (.+?)(?: \((.+)\))?$", text, re.MULTILINE)
    named = {word for title, words in branches for word in (words or title.lower()).split(", ")}
    assert {kind.replace("_", " ") for kind in KINDS} <= named


@each_runbook
def test_runbook_names_only_metrics_that_exist(runbook: Path) -> None:
    assert unknown_metrics(runbook.read_text()) == set()


@pytest.mark.integration
def test_queries_of_the_runbooks_parse(promtool: str, tmp_path: Path) -> None:
    queries = [query for runbook in RUNBOOKS for query in runbook_queries(runbook)]
    rules = [{"record": f"query:{number}", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": rules}]}))
    run(promtool, "check", "rules", str(path))
