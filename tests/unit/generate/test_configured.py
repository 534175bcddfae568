"""Rules for a configuration: the default gives alert_rules/; what another says is in them, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner

from driftd.cli import cli
from driftd.config import Settings, load
from driftd.core.errors import ConfigError
from driftd.generate.configured import RuleSettings, joined, of_model, prometheus_rule, rule_files, rule_settings

ROOT: Final = Path(__file__).parents[3]
ALERT_RULES: Final = {path.name: path.read_text() for path in (ROOT / "alert_rules").glob("*.yml")}


def settings(**given: Any) -> RuleSettings:
    return rule_settings(Settings(**given))


def rules(given: RuleSettings) -> dict[str, dict[str, Any]]:
    groups = [group for text in rule_files(given).values() for group in yaml.safe_load(text)["groups"]]
    return {rule.get("alert") or rule["record"]: rule for group in groups for rule in group["rules"]}


DEFAULT: Final = rules(RuleSettings())


def test_the_files_of_alert_rules_are_those_of_the_default_configuration() -> None:
    assert rule_files(settings()) == ALERT_RULES
    assert settings() == RuleSettings()


def test_an_alert_that_is_switched_off_is_gone_with_its_comment_and_the_others_are_untouched() -> None:
    given = settings(rules={"disabled": ["DriftdNoData"]})
    assert rules(given) == {name: rule for name, rule in DEFAULT.items() if name != "DriftdNoData"}
    assert "silent where it was busy" not in rule_files(given)["driftd.yml"]


def test_a_file_of_which_nothing_is_left_is_not_there() -> None:
    quality = [name for name, rule in DEFAULT.items() if rule.get("labels", {}).get("area") == "quality"]
    assert set(rule_files(settings(rules={"disabled": quality}))) == set(ALERT_RULES) - {"quality.yml"}


def test_links_lead_where_the_configuration_says() -> None:
    given = settings(http={"runbooks": "https://wiki.corp/d/"}, rules={"dashboards": "https://grafana.corp/"})
    assert not any("example.com" in text for text in rule_files(given).values())
    found = rules(given)["DriftdDown"]["annotations"]
    assert found["runbook_url"] == "https://wiki.corp/d/DriftdDown.md"
    assert found["dashboard_url"] == "https://grafana.corp/d/driftd-daemon"


def test_runbooks_of_models_are_driftd_s_own_pages_where_its_address_is_known() -> None:
    """And no other: a driftd that is down shows none."""
    found = rules(settings(http={"runbooks": "https://wiki.corp", "external_url": "https://driftd.corp/w/"}))
    links = {name: rule["annotations"]["runbook_url"] for name, rule in found.items() if "annotations" in rule}
    model = "{{ $labels.model | urlquery }}"
    assert links["DriftdModelDrift"] == f"https://driftd.corp/w/runbook?alert=DriftdModelDrift&model={model}"
    assert links["DriftdMissingValues"] == (
        f"https://driftd.corp/w/runbook?alert=DriftdMissingValues&model={model}"
        "&feature={{ $labels.feature | urlquery }}"
    )
    own = {name for name, link in links.items() if link == f"https://wiki.corp/{name}.md"}
    assert {"DriftdDown", "DriftdNotReady", "DriftdLoopStuck", "DriftdKafkaDisconnected", "DriftdWatchdog"} <= own
    assert own | {name for name, link in links.items() if f"alert={name}&model=" in link} == set(links)


def test_the_job_is_that_of_the_scrape() -> None:
    text = rule_files(settings(rules={"job": "ml/driftd"}))["driftd.yml"]
    assert 'absent(up{job="ml/driftd"})' in text


def test_severities_and_labels() -> None:
    found = rules(settings(rules={"severities": {"DriftdRejects": "critical"}, "labels": {"env": "it's"}}))
    assert found["DriftdRejects"]["labels"] == {"severity": "critical", "area": "driftd", "env": "it's"}
    assert found["DriftdDegraded"]["labels"] == {"severity": "info", "area": "driftd", "env": "it's"}


def test_alerts_about_a_model_have_its_owner_and_no_others_have_one() -> None:
    found = rules(
        settings(models=[{"name": "fraud", "team": "risk"}, {"name": "x"}, {"name": 'a"b', "owner": "a@b.c"}])
    )
    of_models = {name for name, rule in found.items() if "team" in rule.get("labels", {})}
    assert of_models == {name for name, rule in DEFAULT.items() if "$labels.model" in str(rule.get("annotations"))}
    assert "DriftdModelDrift" in of_models
    assert "DriftdDown" not in of_models
    labels = found["DriftdNoData"]["labels"]
    fraud = '(eq $labels.model "fraud" "fraud/labels") (match "^fraud(/labels)?/segments/" $labels.model)'
    assert labels["team"] == f"{{{{ if or {fraud} }}}}risk{{{{ end }}}}"
    mine = 'or (eq $labels.model "a\\"b" "a\\"b/labels") (match "^a\\"b(/labels)?/segments/" $labels.model)'
    assert labels["owner"] == f"{{{{ if {mine} }}}}a@b.c{{{{ end }}}}"


def test_a_label_of_several_models() -> None:
    owners = {"a": {"team": "one"}, "b": {"owner": "x"}, "c": {"team": "two"}}
    assert of_model("team", owners) == (
        '{{ if or (eq $labels.model "a" "a/labels") (match "^a(/labels)?/segments/" $labels.model) }}one'
        '{{ else if or (eq $labels.model "c" "c/labels") (match "^c(/labels)?/segments/" $labels.model) }}two{{ end }}'
    )
    assert of_model("team", {}) == ""


@pytest.mark.parametrize(
    ("window", "hops", "waits"),
    [
        pytest.param("10m", 4, ("2m", "10m"), id="the default"),
        pytest.param("1h", 4, ("15m", "1h"), id="a judgement each quarter of an hour"),
        pytest.param("1m", 4, ("2m", "10m"), id="never less than the default"),
        pytest.param("1d", 1, ("1d", "1d"), id="once a day"),
    ],
)
def test_alerts_about_models_wait_as_long_as_a_judgement_takes(window: str, hops: int, waits: tuple[str, str]) -> None:
    found = rules(settings(windows={"window_seconds": window, "hops": hops, "pane_seconds": "5s"}))
    for name, rule in found.items():
        if rule.get("labels", {}).get("area") in {"drift", "quality"}:
            assert rule["keep_firing_for"] == waits[1]
            assert rule.get("for") == (waits[0] if "for" in DEFAULT[name] else None)
        else:
            assert rule == DEFAULT[name]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"disabled": ["DriftdDwon"]},
            r"rules\.disabled: DriftdDwon: no such alert; expected some of DriftdCostBudgetBurnFast, ",
        ),
        ({"severities": {"Driftd": "info"}}, r"rules\.severities: Driftd: no such alert"),
        ({"labels": {"a-b": "x"}}, r"rules\.labels: 'a-b': expected a label's name"),
        ({"labels": {"severity": "x"}}, r"that the rules do not set themselves"),
    ],
)
def test_a_mistake_is_told(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(rules=given)


@pytest.mark.parametrize("owner", ["a{{b", 'a"b', "a'b", "a\nb", ""])
def test_an_owner_cannot_break_out_of_its_template(owner: str, tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    file.write_text(yaml.safe_dump({"models": [{"name": "x", "owner": owner}]}))
    with pytest.raises(ConfigError, match="owner"):
        load(file, env={})


def test_the_operators_object_and_one_file_have_the_rules_of_all_files() -> None:
    files = rule_files(RuleSettings())
    groups = [group for text in files.values() for group in yaml.safe_load(text)["groups"]]
    assert yaml.safe_load(joined(files)) == {"groups": groups}
    found = yaml.safe_load(prometheus_rule(files, "x", "monitoring", {"release": "kps"}))
    assert found["spec"] == {"groups": groups}
    assert found["metadata"] == {"name": "x", "namespace": "monitoring", "labels": {"release": "kps"}}
    assert yaml.safe_load(prometheus_rule(files, "x", None, {}))["metadata"] == {"name": "x"}


def generate(*words: str) -> str:
    done = CliRunner().invoke(cli, ["generate", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def warned(*words: str) -> str:
    return CliRunner().invoke(cli, ["generate", *words], catch_exceptions=False).stderr


def test_links_that_lead_to_an_example_are_told_in_one_line_apart_from_the_rules(tmp_path: Path) -> None:
    own = ("--runbooks", "https://wiki.corp", "--dashboards", "https://grafana.corp")
    assert warned("rules", *own) == ""
    assert warned("dashboards", *own[:2], "-o", str(tmp_path)) == ""
    assert warned("rules") == (
        "warning: links lead to an example: https://runbooks.example.com/driftd (--runbooks), "
        "https://grafana.example.com (--dashboards); give your own\n"
    )
    assert "(--runbooks); give" in warned("rules", *own[2:], "--set", "http.external_url=https://driftd.corp")


def test_rules_are_written_into_a_folder_or_to_standard_output(tmp_path: Path) -> None:
    said = generate("rules", "-o", str(tmp_path / "new"))
    assert sorted(said.splitlines()) == sorted(str(tmp_path / "new" / name) for name in ALERT_RULES)
    assert {path.name: path.read_text() for path in (tmp_path / "new").iterdir()} == ALERT_RULES
    assert generate("rules") == joined(rule_files(RuleSettings()))
    assert yaml.safe_load(generate("rules", "--format", "prometheusrule"))["kind"] == "PrometheusRule"
    assert "https://wiki.corp/DriftdDown.md" in generate("rules", "--runbooks", "https://wiki.corp")


def test_secrets_need_not_be_on_this_machine(tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    kafka = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "x"}
    secret = {"kafka": {**kafka, "sasl_password_file": "/nowhere/x"}, "privacy": {"hash_text": True, "key_file": "/no"}}
    file.write_text(yaml.safe_dump(secret))
    with pytest.raises(ConfigError, match="No such file"):
        load(file, env={})
    assert "/etc/driftd-secrets/x" in generate("chart-values", "--config", str(file))
    assert generate("rules", "--config", str(file)) == generate("rules")


def test_a_secret_in_the_file_does_not_become_a_value(tmp_path: Path) -> None:
    file = tmp_path / "driftd.yaml"
    kafka = {"security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "sasl_username": "x", "sasl_password": "hush"}
    file.write_text(yaml.safe_dump({"kafka": kafka}))
    with pytest.raises(ConfigError, match=r"kafka\.sasl_password: a secret must not stand in values") as refused:
        generate("chart-values", "--config", str(file))
    assert "hush" not in str(refused.value)


def test_dashboards_link_to_the_runbooks(tmp_path: Path) -> None:
    generate("dashboards", "--runbooks", "https://wiki.corp", "-o", str(tmp_path))
    assert "https://wiki.corp/DriftdDown.md" in (tmp_path / "driftd-daemon.json").read_text()
    assert not [path for path in tmp_path.iterdir() if "example.com" in path.read_text()]


@pytest.mark.parametrize(("what", "some"), [("runbooks", "DriftdDown.md"), ("chart", "Chart.yaml")])
def test_files_that_come_with_driftd_are_copied(what: str, some: str, tmp_path: Path) -> None:
    assert str(tmp_path / some) in generate("files", what, "-o", str(tmp_path))
    assert (tmp_path / some).stat().st_size > 0


def test_unit_and_configuration_are_copied(tmp_path: Path) -> None:
    generate("files", "unit", "-o", str(tmp_path))
    generate("files", "config", "-o", str(tmp_path))
    assert {path.name for path in tmp_path.iterdir()} == {"driftd.service", "driftd-receive.service", "driftd.yaml"}
