"""The dashboard: read by Grafana's own types, kept to dashboard-linter's rules, and every query answered."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any, Final

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from driftd.metrics.catalogue import METRICS
from driftd.metrics.exposition import Metric
from tests.deploy.reading import DEPLOY, read_yaml
from tests.rules.reading import RULE_FILES, RUNBOOKS, alerts, metrics_in, recorded
from tests.servers.prometheus import Exposition, StartPrometheus, wait_until

PATH: Final = DEPLOY / "grafana" / "dashboards" / "driftd.json"
DASHBOARD: Final[dict[str, Any]] = json.loads(PATH.read_text())
ALL: Final[list[dict[str, Any]]] = [one for top in DASHBOARD["panels"] for one in (top, *top.get("panels", ()))]
"""With those within folded rows."""
PANELS: Final = [panel for panel in ALL if panel["type"] != "row"]
OPEN: Final = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
"""Those that are seen without opening a row."""
VARIABLES: Final = {variable["name"]: variable for variable in DASHBOARD["templating"]["list"]}
QUERIES: Final = [(panel["title"], target["expr"]) for panel in PANELS for target in panel["targets"]]
UNITS: Final = {"short", "percentunit", "s", "eps", "suffix: ×", "suffix: nats", "suffix: reference sd"}
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


def test_grafanas_types_read_all_of_it() -> None:
    """The SDK drops what it does not know, so a misspelt field shows as lost."""
    assert set(lost(DASHBOARD, read_back(DASHBOARD))) == UNKNOWN_TO_THE_SDK


def test_a_misspelt_field_is_noticed() -> None:
    misspelt = {**DASHBOARD, "refesh": "30s"}
    assert "refesh" in set(lost(misspelt, read_back(misspelt)))


def test_data_source_is_a_variable_and_every_panel_uses_it() -> None:
    assert VARIABLES["datasource"]["type"] == "datasource"
    for panel in PANELS:
        assert {t["datasource"]["uid"] for t in panel["targets"]} | {panel["datasource"]["uid"]} == {"${datasource}"}


def test_links_of_alerts_lead_here_with_variables_that_exist() -> None:
    for name, alert in alerts().items():
        url = alert["annotations"]["dashboard_url"]
        assert f"/d/{DASHBOARD['uid']}/" in url
        assert set(re.findall(r"[?&]var-(\w+)=", url)) <= VARIABLES.keys(), name


def test_ids_and_titles_are_unique() -> None:
    ids = [panel["id"] for panel in ALL]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in PANELS]
    assert len(titles) == len(set(titles))


def test_panels_do_not_overlap_and_fit_the_width() -> None:
    for beside in (DASHBOARD["panels"], *(top["panels"] for top in DASHBOARD["panels"] if top.get("panels"))):
        taken: dict[tuple[int, int], str] = {}
        for panel in beside:
            place = panel["gridPos"]
            assert place["x"] + place["w"] <= 24, panel["title"]
            for x in range(place["x"], place["x"] + place["w"]):
                for y in range(place["y"], place["y"] + place["h"]):
                    assert taken.setdefault((x, y), panel["title"]) == panel["title"]


def test_a_folded_row_holds_its_panels_and_an_open_one_is_followed_by_them() -> None:
    rows = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
    assert {row["title"].split(" $")[0] for row in rows if not row["collapsed"]} >= {
        "Model",
        "Feature",
        "driftd itself",
    }
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


@pytest.mark.parametrize(("title", "query"), QUERIES)
def test_query_keeps_to_what_exists(title: str, query: str) -> None:
    histogram = {
        f"{name}{end}" for name, m in METRICS.items() if m.type == "histogram" for end in ("_bucket", "_count")
    }
    assert metrics_in(query) <= METRICS.keys() | histogram, title
    assert set(re.findall(r"\b(?:driftd|model|partition):[\w:]+", query)) <= recorded()
    assert set(re.findall(r"\$(\w+)", query)) <= VARIABLES.keys() | {"__rate_interval"}
    assert re.findall(r"\[(.*?)\]", query) in ([], ["30d"], ["1h"] * 3, *(["$__rate_interval"] * n for n in (1, 2, 3)))


def test_provisioning_leads_to_the_folder_and_data_source_that_compose_mounts() -> None:
    services = read_yaml(DEPLOY / "compose.yaml")["services"]
    provisioning = DEPLOY / "grafana" / "provisioning"
    folder = read_yaml(provisioning / "dashboards" / "driftd.yaml")["providers"][0]["options"]["path"]
    assert f"./grafana/dashboards:{folder}:ro" in services["grafana"]["volumes"]
    source = read_yaml(provisioning / "datasources" / "prometheus.yaml")["datasources"][0]
    assert source["uid"] == VARIABLES["datasource"]["current"]["value"]
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
        exposition.show({k: v for metric in METRICS.values() for k, v in series_of(metric, now)})

    publish()
    server = start_prometheus({"driftd": [exposition.address]}, rules=RULE_FILES)
    values = {"$__rate_interval": "10s", "$model": "fraud", "$feature": "amount"}
    waiting = [re.sub(r"\$\w+", lambda match: values[match.group()], query) for _, query in QUERIES]

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
