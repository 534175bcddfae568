"""Docs tables, dashboard and rules in the repository are what the code says; one command renews them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from driftd.cli import cli
from driftd.core.errors import ConfigError
from driftd.detectors.registry import faults, registry
from driftd.generate import PARTS, docs, outdated, rules
from driftd.generate.dashboard import dashboards
from driftd.generate.grafana import Panel, Row, placed
from driftd.metrics.catalogue import METRICS
from driftd.metrics.exposition import Metric

ROOT = Path(__file__).parents[3]
FILES = {name: part for part, files in PARTS.items() for name in files}


@pytest.mark.parametrize("part", PARTS)
def test_the_files_of_the_repository_are_up_to_date(part: str) -> None:
    assert sorted(map(str, outdated(ROOT, [part]))) == [], "run 'make generate'"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("docs/metrics.md", "Events read;", "Events seen;"),
        ("docs/detectors.md", "| `psi` |", "| `psy` |"),
        ("docs/config.md", "Consumer group", "Group"),
        ("deploy/grafana/dashboards/driftd-channel.json", "Jensen-Shannon", "Jensen"),
        ("alert_rules/drift.yml", "missing|", ""),
        ("alert_rules/quality.yml", "DriftdOutOfRange", "DriftdRange"),
        ("deploy/helm/driftd/files/rules/slo.yml", "14.4", "14"),
        ("deploy/helm/driftd/values.schema.json", "Pods.", "Pod."),
    ],
)
def test_a_file_that_was_changed_by_hand_is_noticed_and_renewed(checkout: Path, name: str, old: str, new: str) -> None:
    path = checkout / name
    before = path.read_text()
    assert old in before
    path.write_text(before.replace(old, new))
    part = FILES[name]
    checked = CliRunner().invoke(cli, ["generate", "checkout", part, "--check", "--root", str(checkout)])
    assert (checked.exit_code, checked.output) == (1, f"{path}: not up to date\n")
    assert CliRunner().invoke(cli, ["generate", "checkout", "--root", str(checkout)]).output == f"{path}: renewed\n"
    assert path.read_text() == before
    assert CliRunner().invoke(cli, ["generate", "checkout", "--check", "--root", str(checkout)]).exit_code == 0


def test_elsewhere_than_in_a_checkout_it_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="at the top of a checkout"):
        outdated(tmp_path, ["docs"])
    assert (
        "expected docs, dashboards, rules, chart" in CliRunner().invoke(cli, ["generate", "checkout", "charts"]).output
    )


def test_a_block_that_nobody_makes_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"expected \['a'\], found \['b'\]"):
        docs.fill("<!-- generated: b -->\n<!-- end -->\n", {"a": str})


def test_a_metric_is_one_row_of_the_table() -> None:
    rows = docs.metric_table([Metric("driftd_x_total", "counter", "things", ("a", "b"), "Things.")]).splitlines()
    assert rows[0] == "| metric | type | unit | labels | meaning |"
    assert rows[2] == "| `driftd_x_total` | counter | things | `a`, `b` | Things. |"


@pytest.mark.parametrize("name", registry())
def test_every_detector_has_its_section_and_its_panel(name: str) -> None:
    assert f"\n### {name}\n" in (ROOT / "docs" / "detectors.md").read_text()
    metric = registry()[name].metric
    tops = json.loads(dashboards()["driftd-channel.json"])["panels"]
    panels = [one for top in tops for one in (top, *top.get("panels", ()))]
    queries = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    has_threshold = f"{metric}_threshold" in METRICS
    assert any(f"({metric}{{" in query for query in queries) == has_threshold


def test_a_data_sheet_is_read_from_the_docstring() -> None:
    class Invented:
        """What it is.

        ``x`` more of it,
        in two lines.
        Unit: none; 0 or 1.

        Settings: ``effect``, the least
                  that matters.
        Noise:    none.
        """

    text, fields = docs.sheet(Invented)
    assert text == "What it is.\n\n`x` more of it, in two lines."
    assert fields == {"Unit": "none; 0 or 1.", "Settings": "`effect`, the least that matters.", "Noise": "none."}


def test_each_fault_has_an_alert_and_drift_alerts_leave_it_out() -> None:
    alerts: list[dict[str, Any]] = yaml.safe_load(rules.quality())["groups"][0]["rules"]
    assert [alert["alert"] for alert in alerts] == [fault.alert for fault in faults().values()]
    for alert, name in zip(alerts, faults(), strict=True):
        kinds = "|".join(faults()[name].changes)
        assert f'driftd_feature_change_info{{kind=~"{kinds}"}}' in alert["expr"]
        assert registry()[name].metric in alert["annotations"]["description"]
    assert rules.drift('kind=~"a|b"') == 'kind=~"missing|refused|range|new_value|renamed"'


def test_panels_stand_beside_each_other_as_they_fit() -> None:
    places = [p["gridPos"] for p in placed([Row("one", [Panel({}, 16, 7), Panel({}, 8, 9), Panel({}, 4, 2)])])]
    assert [(p["x"], p["y"], p["w"], p["h"]) for p in places] == [
        (0, 0, 24, 1),
        (0, 1, 16, 7),
        (16, 1, 8, 9),
        (0, 10, 4, 2),
    ]
