"""The dashboards: read by Grafana's own types, kept to dashboard-linter's rules, and every query answered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from driftd.metrics.catalogue import METRICS
from driftd.metrics.exposition import Metric
from tests.deploy.reading import DEPLOY, read_yaml, run
from tests.rules.reading import RULE_FILES, RUNBOOKS, alerts, metrics_in, recorded
from tests.servers.prometheus import Exposition, StartPrometheus, wait_until

FOLDER: Final = DEPLOY / "grafana" / "dashboards"
DASHBOARDS: Final[dict[str, dict[str, Any]]] = {
    path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))
}


def every(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """With those within folded rows."""
    return [one for top in dashboard["panels"] for one in (top, *top.get("panels", ()))]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {variable["name"]: variable for variable in dashboard["templating"]["list"]}


BY_UID: Final = {
    uid: [panel for panel in every(dashboard) if panel["type"] != "row"] for uid, dashboard in DASHBOARDS.items()
}
PANELS: Final = [panel for panels in BY_UID.values() for panel in panels]
OPEN: Final = [panel for one in DASHBOARDS.values() for panel in one["panels"] if panel["type"] != "row"]
"""Those that are seen without opening a row."""
QUERIES: Final = [
    (uid, panel["title"], target["expr"])
    for uid, panels in BY_UID.items()
    for panel in panels
    for target in panel["targets"]
]
MARKS: Final = [
    (uid, mark["name"], mark["expr"])
    for uid, dashboard in DASHBOARDS.items()
    for mark in dashboard["annotations"]["list"]
    if "expr" in mark
]
UNITS: Final = {"short", "percentunit", "s", "eps", "suffix: ×", "suffix: nats", "suffix: reference sd", "bytes"}
UNKNOWN_TO_THE_SDK: Final = {
    # The Prometheus data source's own settings of an annotation and of a variable; the SDK's types stop before them.
    "annotations.list.titleFormat",
    "annotations.list.textFormat",
    "annotations.list.step",
    "templating.list.definition",
}
LABELS: Final = {
    "model": ("fraud",),
    "statistic": ("accuracy", "auc", "log_loss"),
    "currency": ("USD",),
    "type": ("input",),
    "outcome": ("joined",),
    "what": ("labels",),
    "feature": ("amount",),
    "detector": ("psi",),
    "quantile": ("0.5",),
    "le": ("0.25", "+Inf"),
    "version": ("7",),
    "experiment": ("fraud-v8",),
    "metric": ("errors",),
    "challenger": ("v8",),
    "variant": ("v8",),
    "service": ("fraud",),
    "reference": ("v1",),
    "topic": ("payments",),
    "partition": ("0",),
    "reason": ("limit",),
    "kind": ("missing",),
    "change": ("level",),
    "severity": ("page", "ticket"),
    "page": ("3",),
    "incident": ("5f1e",),
    "segment": ("country=DE",),
    "summary": ("fraud: amount 100% missing since 14:20 UTC",),
    "hint": ("Missing values: what produces them, and what it reads.",),
    "help": ("Owner: payments.",),
    "url": ("https://driftd.example/incident?id=5f1e",),
}
"""Of labels whose values the table of metrics leaves open."""
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
each_dashboard = pytest.mark.parametrize("dashboard", DASHBOARDS.values(), ids=DASHBOARDS)


def lost(ours: object, theirs: object, path: str = "") -> Iterator[str]:
    """What of ``ours`` is not in ``theirs``; places of a list are not told apart."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key, value in ours.items():
            place = f"{path}.{key}".lstrip(".")
            yield from lost(value, theirs[key], place) if key in theirs else [place]
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for one, other in zip(ours, theirs, strict=True):
            yield from lost(one, other, path)
    elif ours != theirs:
        yield path


def read_back(dashboard: dict[str, Any]) -> Any:
    register_default_plugins()
    return json.loads(JSONEncoder(sort_keys=True).encode(Dashboard.from_json(dashboard)))


def test_there_is_one_for_each_question() -> None:
    assert DASHBOARDS.keys() == {"driftd-fleet", "driftd-model", "driftd-channel", "driftd-daemon"}
    assert {uid: dashboard["uid"] for uid, dashboard in DASHBOARDS.items()} == {uid: uid for uid in DASHBOARDS}


@each_dashboard
def test_grafanas_types_read_all_of_it(dashboard: dict[str, Any]) -> None:
    """The SDK drops what it does not know, so a misspelt field shows as lost."""
    assert set(lost(dashboard, read_back(dashboard))) <= UNKNOWN_TO_THE_SDK


def test_a_misspelt_field_is_noticed() -> None:
    misspelt = {**DASHBOARDS["driftd-fleet"], "refesh": "30s"}
    assert "refesh" in set(lost(misspelt, read_back(misspelt)))


def test_data_source_is_a_variable_and_every_panel_uses_it() -> None:
    for dashboard in DASHBOARDS.values():
        assert variables(dashboard)["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert {t["datasource"]["uid"] for t in panel["targets"]} | {panel["datasource"]["uid"]} == {"${datasource}"}


def test_links_of_alerts_lead_to_a_dashboard_with_variables_that_it_has() -> None:
    for name, alert in alerts().items():
        require_link(alert["annotations"]["dashboard_url"], name)


def require_link(url: str, where: str) -> None:
    found = re.search(r"/d/([\w-]+)", url)
    assert found, where
    given = set(re.findall(r"[?&]var-(\w+)=", url))
    assert given <= variables(DASHBOARDS[found[1]]).keys(), where


def test_panels_lead_to_dashboards_with_variables_that_they_have() -> None:
    urls = set(re.findall(r'"url": "(/d/[^"]*)"', json.dumps([*DASHBOARDS.values()])))
    assert {url.partition("?")[0] for url in urls} == {"/d/driftd-model", "/d/driftd-channel"}
    for url in urls:
        require_link(url, url)


def test_each_leads_to_the_others_with_what_is_shown() -> None:
    for uid, dashboard in DASHBOARDS.items():
        (others,) = [link for link in dashboard["links"] if link["type"] == "dashboards"]
        assert others["includeVars"]
        assert others["keepTime"]
        assert set(others["tags"]) <= set(dashboard["tags"]), uid


def test_ids_and_titles_are_unique() -> None:
    for uid, dashboard in DASHBOARDS.items():
        ids = [panel["id"] for panel in every(dashboard)]
        assert len(ids) == len(set(ids)), uid
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))


@each_dashboard
def test_panels_do_not_overlap_and_fit_the_width(dashboard: dict[str, Any]) -> None:
    for beside in (dashboard["panels"], *(top["panels"] for top in dashboard["panels"] if top.get("panels"))):
        taken: dict[tuple[int, int], str] = {}
        for panel in beside:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@each_dashboard
def test_a_folded_row_holds_its_panels_and_an_open_one_is_followed_by_them(dashboard: dict[str, Any]) -> None:
    rows = [panel for panel in dashboard["panels"] if panel["type"] == "row"]
    assert not rows[0]["collapsed"]
    assert all(bool(row["panels"]) == row["collapsed"] for row in rows)


@each_panel
def test_panel_says_what_it_shows(panel: dict[str, Any]) -> None:
    assert panel["title"]
    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    assert panel["targets"]
    for target in panel["targets"]:
        assert target["expr"].strip()
        assert target["legendFormat"]


def test_money_has_its_currency_and_statistics_their_units() -> None:
    units = {panel["title"]: panel["fieldConfig"]["defaults"]["unit"] for panel in PANELS}
    assert units["Evidence: judge and threshold"] == "suffix: nats"
    assert units["Population stability index: statistic and threshold"] == "suffix: nats"
    assert units["Wasserstein: statistic and threshold"] == "suffix: reference sd"
    assert units["Drift ratio per channel"] == "suffix: ×"
    money = [t for panel in PANELS for t in panel.get("targets", []) if "driftd_cost_" in t["expr"]]
    assert len(money) == 4
    assert all("{{currency}}" in t["legendFormat"] for t in money)


def test_a_month_is_asked_for_once_and_not_for_every_point() -> None:
    months = [target for panel in PANELS for target in panel["targets"] if "[30d]" in target["expr"]]
    assert months
    assert all(target["instant"] and not target["range"] for target in months)


@each_panel
def test_links_of_panel_lead_to_runbooks(panel: dict[str, Any]) -> None:
    known = {f"https://runbooks.example.com/driftd/{path.name}" for path in RUNBOOKS}
    assert {link["url"] for link in panel["links"]} <= known


def test_every_alert_is_reached_from_some_panel() -> None:
    linked = {link["url"].rpartition("/")[2].removesuffix(".md") for panel in PANELS for link in panel["links"]}
    assert linked == set(alerts()) - {"DriftdWatchdog"}


@pytest.mark.parametrize(("uid", "title", "query"), [*QUERIES, *MARKS])
def test_query_keeps_to_what_exists(uid: str, title: str, query: str) -> None:
    histogram = {
        f"{name}{end}" for name, m in METRICS.items() if m.type == "histogram" for end in ("_bucket", "_count")
    }
    assert metrics_in(query) <= METRICS.keys() | histogram, title
    assert set(re.findall(r"\b(?:driftd|model|partition):[\w:]+", query)) <= recorded()
    assert set(re.findall(r"\$(\w+)", query)) <= variables(DASHBOARDS[uid]).keys() | {"__rate_interval"}
    assert re.findall(r"\[(.*?)\]", query) in ([], ["30d"], ["1h"] * 3, *(["$__rate_interval"] * n for n in (1, 2, 3)))


def test_a_version_is_marked_when_it_is_first_there_and_the_first_of_all_is_not(promtool: str, tmp_path: Path) -> None:
    (query,) = {expr for uid, name, expr in MARKS if (uid, name) == ("driftd-model", "Versions")}
    info = 'driftd_model_info{model="fraud",version="%s",reference="r"}'
    other = 'driftd_model_info{model="other",version="9",reference="r"}'

    def at(time: str, *versions: str) -> dict[str, Any]:
        found = [{"labels": f'{{model="fraud",version="{version}"}}', "value": 1} for version in versions]
        return {"expr": query.replace("$model", "fraud"), "eval_time": time, "exp_samples": found}

    series = ((info % "7", "_x2 1x10 stale"), (info % "8", "_x13 1x20"), (other, "_x14 1x20"))
    lines = [{"series": name, "values": values} for name, values in series]
    looked = [at("2m"), at("10m"), at("13m", "8"), at("14m30s"), at("20m")]
    tests = {"tests": [{"interval": "1m", "input_series": lines, "promql_expr_test": looked}]}
    (tmp_path / "marks.yml").write_text(json.dumps(tests))
    run(promtool, "test", "rules", str(tmp_path / "marks.yml"))


def test_provisioning_leads_to_the_folder_and_data_source_that_compose_mounts() -> None:
    services = read_yaml(DEPLOY / "compose.yaml")["services"]
    provisioning = DEPLOY / "grafana" / "provisioning"
    folder = read_yaml(provisioning / "dashboards" / "driftd.yaml")["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]
    source = read_yaml(provisioning / "datasources" / "prometheus.yaml")["datasources"][0]
    assert {source["uid"]} == {variables(one)["datasource"]["current"]["value"] for one in DASHBOARDS.values()}
    home = services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (FOLDER / home.removeprefix(f"{folder}/")).is_file()
    assert source["url"] == "http://prometheus:9090"


def series_of(metric: Metric, value: float) -> Iterator[tuple[str, float]]:
    """Every series that the labels of the table allow, with the values of LABELS where it leaves them open."""
    names = (
        [metric.name + end for end in ("_bucket", "_count", "_sum")] if metric.type == "histogram" else [metric.name]
    )
    for name in names:
        labels = [label for label in metric.labels if label != "le" or name.endswith("_bucket")]
        for values in _product([metric.values or LABELS[label] for label in labels]):
            text = ",".join(f'{label}="{v}"' for label, v in zip(labels, values, strict=True))
            yield f"{name}{{{text}}}", value


def _product(choices: list[tuple[str, ...]]) -> Iterable[tuple[str, ...]]:
    return ((),) if not choices else ((first, *rest) for first in choices[0] for rest in _product(choices[1:]))


@pytest.mark.integration
def test_every_query_is_answered(start_prometheus: StartPrometheus, exposition: Exposition) -> None:
    """By a real Prometheus that scrapes one series of every metric in the table, counters growing."""

    def publish() -> None:
        now = time.time()
        known = {k: v for metric in METRICS.values() for k, v in series_of(metric, now)}
        exposition.show(known | dict.fromkeys(("process_cpu_seconds_total", "process_resident_memory_bytes"), now))

    publish()
    server = start_prometheus({"driftd": [exposition.address]}, rules=RULE_FILES)
    values = {"$__rate_interval": "10s", "$model": "fraud", "$feature": "amount"}
    waiting = [re.sub(r"\$\w+", lambda match: values[match.group()], query) for *_, query in QUERIES]

    def all_answered() -> bool:
        publish()
        waiting[:] = [query for query in waiting if not server.query(query)]
        return not waiting

    try:
        wait_until(all_answered, f"an answer to {waiting}")
    except TimeoutError:
        pytest.fail("no answer to:\n" + "\n".join(waiting))
    finally:
        server.stop()
