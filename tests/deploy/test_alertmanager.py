"""`driftd generate alertmanager`: what amtool accepts, teams' routes, and how messages read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from click.testing import CliRunner

from driftd.cli import cli
from driftd.core.errors import ConfigError
from driftd.generate.alertmanager import TEMPLATES, Receivers, configuration
from tests.deploy.reading import DEPLOY, run
from tests.servers.prometheus import StartAlertmanager, Webhook, wait_until

TEMPLATE: Final = DEPLOY / "alertmanager" / TEMPLATES
MAIL: Final = {"smarthost": "mail:587", "mail_from": "driftd@corp.example"}
WORDS: Final = (
    *("--page", "pagerduty:/etc/am/key", "--page", "risk=slack:/etc/am/slack#risk", "--page", "risk=webhook:http://x"),
    *("--ticket", "email:ml@corp.example", "--ticket", "risk=slack:/etc/am/slack#risk-tickets"),
    *("--watchdog", "webhook:http://switch", "--smarthost", "mail:587", "--mail-from", "driftd@corp.example"),
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    done = CliRunner().invoke(cli, ["generate", "alertmanager", *WORDS, "-o", str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return tmp_path


def test_without_receivers_it_is_the_example_of_deploy() -> None:
    assert configuration(Receivers()) == (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()


@pytest.mark.integration
def test_amtool_accepts_it_with_its_templates(amtool: str, folder: Path) -> None:
    said = run(amtool, "check-config", folder / "alertmanager.yml")
    assert "6 receivers" in said
    assert "1 templates" in said


@pytest.mark.integration
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (("alertname=DriftdModelDrift", "severity=critical", "team=risk"), "page-risk"),
        (("alertname=DriftdModelDrift", "severity=critical", "team=crm"), "page"),
        (("alertname=DriftdDown", "severity=critical"), "page"),
        (("alertname=DriftdFeatureDrift", "severity=warning", "team=risk"), "ticket-risk"),
        (("alertname=DriftdFeatureDrift", "severity=warning"), "ticket"),
        (("alertname=DriftdDegraded", "severity=info", "team=risk"), "nobody"),
        (("alertname=DriftdWatchdog", "severity=none"), "watchdog"),
    ],
)
def test_alerts_go_to_their_team(amtool: str, folder: Path, labels: tuple[str, ...], receiver: str) -> None:
    file = f"--config.file={folder / 'alertmanager.yml'}"
    run(amtool, "config", "routes", "test", file, f"--verify.receivers={receiver}", *labels)


def test_what_inhibits_and_how_alerts_are_grouped_is_that_of_the_example(folder: Path) -> None:
    ours, example = (
        yaml.safe_load(text) for text in ((folder / "alertmanager.yml").read_text(), configuration(Receivers()))
    )
    assert ours["inhibit_rules"] == example["inhibit_rules"]
    for route in ours["route"]["routes"]:
        route.pop("routes", None)
    assert ours["route"] == example["route"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Receivers(("pager:x",), ("webhook:http://x",)), "--page: pager:x: expected pagerduty:KEYFILE"),
        (Receivers(("slack:/file",), ("webhook:http://x",)), "--page: slack:/file: expected"),
        (Receivers(("webhook:http://x",)), "--ticket: expected a receiver without a team"),
        (Receivers(("risk=webhook:http://x",), ("webhook:http://x",)), "--page: expected a receiver without a team"),
        (Receivers(("email:a@b",), ("webhook:http://x",)), "expected --smarthost HOST:PORT and --mail-from ADDRESS"),
    ],
)
def test_a_mistake_is_told(given: Receivers, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        configuration(given)


@pytest.mark.parametrize(("host", "asked"), [("localhost:25", False), ("127.0.0.1:2525", False), ("mail:587", True)])
def test_a_mail_server_on_the_machine_itself_is_not_asked_for_tls(host: str, asked: bool) -> None:
    config = configuration(Receivers(("email:a@b",), ("webhook:http://x",), smarthost=host, mail_from="d@b"))
    page = next(r for r in yaml.safe_load(config)["receivers"] if r["name"] == "page")
    assert page["email_configs"][0].get("require_tls", True) == asked


@pytest.mark.integration
def test_whom_to_call_stands_in_every_message(amtool: str, tmp_path: Path) -> None:
    known = alert()
    known["annotations"]["help"] = "Inputs come from <payments>. Fallback: use rules."
    assert "Inputs come from <payments>. Fallback: use rules.\n" in rendered(amtool, tmp_path, "driftd.text", known)
    assert "from &lt;payments&gt;. Fallback" in rendered(amtool, tmp_path, "driftd.slack.text", known)
    assert "from &lt;payments&gt;. Fallback" in rendered(amtool, tmp_path, "driftd.html", known, kind="html")


def alert(**more: str) -> dict[str, Any]:
    return {
        "status": "firing",
        "labels": {"alertname": "DriftdModelDrift", "model": "fraud", "severity": "critical", "owner": "ann", **more},
        "annotations": {
            "summary": f"Model {more.get('model', 'fraud')} has drifted",
            "description": "amount: unit since 14:20 UTC",
            "runbook_url": "https://wiki.corp/DriftdModelDrift.md",
            "dashboard_url": "https://grafana.corp/d/driftd-model?var-model=fraud",
            "incident_url": "https://driftd.corp/incident?id=5f1e",
        },
        "startsAt": "2026-11-29T14:24:00Z",
        "endsAt": "2026-11-29T15:30:00Z",
    }


def rendered(
    amtool: str, folder: Path, name: str, *alerts: dict[str, Any], status: str = "firing", kind: str = "text"
) -> str:
    data = folder / "data.json"
    data.write_text(json.dumps({"status": status, "alerts": alerts, "commonLabels": {}, "groupLabels": {}}))
    text = f'{{{{ template "{name}" . }}}}'
    return run(
        *(amtool, "template", "render", f"--template.glob={TEMPLATE}", f"--template.text={text}"),
        *(f"--template.data={data}", f"--template.type={kind}"),
    ).rstrip("\n")


@pytest.mark.integration
def test_the_subject_says_what_it_is_about_in_one_line(amtool: str, tmp_path: Path) -> None:
    assert rendered(amtool, tmp_path, "driftd.subject", alert()) == "PAGE Model fraud has drifted"
    assert rendered(amtool, tmp_path, "driftd.subject", alert(severity="warning")) == "TICKET Model fraud has drifted"
    two = rendered(amtool, tmp_path, "driftd.subject", alert(), alert(), status="resolved")
    assert two == "OVER Model fraud has drifted (2 alerts)"


@pytest.mark.integration
def test_the_text_has_time_owner_and_links(amtool: str, tmp_path: Path) -> None:
    assert rendered(amtool, tmp_path, "driftd.text", alert()).strip().splitlines() == [
        "Model fraud has drifted",
        "amount: unit since 14:20 UTC",
        "Alert since 2026-11-29 14:24 UTC. Owner: ann.",
        "Incident: https://driftd.corp/incident?id=5f1e",
        "Runbook: https://wiki.corp/DriftdModelDrift.md",
        "Dashboard: https://grafana.corp/d/driftd-model?var-model=fraud",
    ]
    over = rendered(amtool, tmp_path, "driftd.text", {**alert(), "status": "resolved"}, status="resolved")
    assert "From 2026-11-29 14:24 to 2026-11-29 15:30 UTC." in over


@pytest.mark.integration
def test_the_incident_is_what_a_message_leads_to_and_the_dashboard_where_there_is_none(
    amtool: str, tmp_path: Path
) -> None:
    assert rendered(amtool, tmp_path, "driftd.incident", alert()) == "https://driftd.corp/incident?id=5f1e"
    none = alert()
    none["annotations"]["incident_url"] = ""
    assert rendered(amtool, tmp_path, "driftd.incident", none).startswith("https://grafana.corp/")
    for name, kind in (("driftd.text", "text"), ("driftd.slack.text", "text"), ("driftd.html", "html")):
        assert "https://driftd.corp/incident?id=5f1e" in rendered(amtool, tmp_path, name, alert(), kind=kind)
        assert "Incident" not in rendered(amtool, tmp_path, name, none, kind=kind)
    config = configuration(Receivers(("pagerduty:/key", "slack:/url#ml"), ("webhook:http://x",)))
    page = next(r for r in yaml.safe_load(config)["receivers"] if r["name"] == "page")
    assert page["pagerduty_configs"][0]["client_url"] == '{{ template "driftd.incident" . }}'
    assert [link["text"] for link in page["pagerduty_configs"][0]["links"]] == ["Incident", "Runbook", "Dashboard"]
    assert page["slack_configs"][0]["title_link"] == '{{ template "driftd.incident" . }}'


@pytest.mark.integration
def test_of_many_alerts_the_first_is_told_whole_and_the_others_in_a_line(amtool: str, tmp_path: Path) -> None:
    ten = [alert(model=f"m{k}") for k in range(10)]
    text = rendered(amtool, tmp_path, "driftd.text", *ten)
    assert text.count("amount: unit since") == 1
    assert "- Model m9 has drifted https://driftd.corp/incident?id=5f1e" in text
    slack = rendered(amtool, tmp_path, "driftd.slack.text", *ten)
    assert slack.count("Runbook") == 1
    assert "<https://driftd.corp/incident?id=5f1e|Model m9 has drifted>" in slack
    html = rendered(amtool, tmp_path, "driftd.html", *ten, kind="html")
    assert '<a href="https://driftd.corp/incident?id=5f1e">Model m9 has drifted</a>' in html


@pytest.mark.integration
def test_a_name_from_the_topic_can_neither_call_a_channel_nor_be_markup(amtool: str, tmp_path: Path) -> None:
    bad = alert(model="<!channel> & <b>")
    for name in ("driftd.slack.subject", "driftd.slack.text"):
        text = rendered(amtool, tmp_path, name, bad, bad)
        assert "&lt;!channel&gt; &amp; &lt;b&gt;" in text
        assert "<!channel>" not in text
    html = rendered(amtool, tmp_path, "driftd.html", bad, kind="html")
    assert "<h3>Model &lt;!channel&gt; &amp; &lt;b&gt; has drifted</h3>" in html


@pytest.mark.integration
def test_a_page_arrives_in_slack(start_alertmanager: StartAlertmanager, webhook: Webhook, tmp_path: Path) -> None:
    (tmp_path / "url").write_text(f"{webhook.url}/slack")
    config = configuration(Receivers((f"slack:{tmp_path / 'url'}#ml",), ("webhook:http://127.0.0.1:9",)))
    config = config.replace("group_wait: 30s", "group_wait: 1s").replace("[driftd.tmpl]", f"['{TEMPLATE}']")
    server = start_alertmanager(config)
    server.post(alert()["labels"])
    wait_until(lambda: webhook.notifications, "the message to Slack")
    path, body = webhook.notifications[0]
    assert (path, body["channel"]) == ("/slack", "#ml")
    attachment = body["attachments"][0]
    assert attachment["color"] == "danger"
    assert attachment["title"].startswith("PAGE ")
    server.stop()
