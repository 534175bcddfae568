"""Rules, dashboard, docs tables and the chart's files, made from the catalogue of metrics and the detectors.

Each function takes the file as it is and gives it as it should be; ``driftd generate checkout`` writes them into one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Final

from driftd.config.share import RUNBOOKS, shared
from driftd.core.errors import ConfigError
from driftd.generate import chart, docs, rules
from driftd.generate.dashboard import SHEETS, dashboards
from driftd.monitor.steps import ALERTS

Renew = Callable[[str], str]

CHART: Final = "deploy/helm/driftd/"


def _rules(name: str, _: str) -> str:
    return rules.files()[name]


def _dashboard(name: str, _: str) -> str:
    return dashboards()[name]


def _dashboards(folder: str) -> dict[str, Renew]:
    return {f"{folder}/{sheet.uid}.json": partial(_dashboard, f"{sheet.uid}.json") for sheet in SHEETS}


PARTS: Final[dict[str, dict[str, Renew]]] = {
    "docs": {
        "docs/metrics.md": docs.metrics,
        "docs/detectors.md": docs.detectors,
        "docs/config.md": docs.configuration,
        "docs/runbooks.md": lambda text: docs.runbooks(text, rules.alerts()),
        **{f"{RUNBOOKS}/{alert}.md": partial(docs.branches, alert) for alert in ALERTS},
    },
    "dashboards": _dashboards("deploy/grafana/dashboards"),
    "rules": {"alert_rules/drift.yml": rules.drift, "alert_rules/quality.yml": lambda _: rules.quality()},
    "chart": {
        **{f"{CHART}files/rules/{name}": partial(_rules, name) for name in rules.FILES},
        **_dashboards(f"{CHART}files/dashboards"),
        f"{CHART}values.schema.json": lambda _: chart.schema(shared(f"{CHART}values.yaml")),
        f"{CHART}README.md": lambda text: chart.readme(text, shared(f"{CHART}values.yaml")),
    },
}
"""What can be asked for -> file -> its content."""


def outdated(root: Path, parts: Iterable[str]) -> dict[Path, str]:
    """The files of a checkout that are not what the code says, with what they should hold."""
    found = {}
    for part in parts:
        for name, renew in PARTS[part].items():
            path = root / name
            try:
                text = path.read_text(encoding="utf-8")
            except OSError as e:
                raise ConfigError(f"{path}: {e.strerror}; run it at the top of a checkout of driftd") from e
            if (wanted := renew(text)) != text:
                found[path] = wanted
    return found
