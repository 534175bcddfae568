"""What alert_rules/ and the dashboards say, read for the tests, once: none of them changes what it is given."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
RULES: Final = ROOT / "alert_rules"
RULE_FILES: Final = sorted(RULES.glob("*.yml"))
TEST_FILES: Final = sorted((RULES / "tests").glob("*.yml"))
RUNBOOKS: Final = sorted((RULES / "runbooks").glob("*.md"))

_METRIC = re.compile(r"\bdriftd_[a-z0-9_]+")


@cache
def rules() -> list[dict[str, Any]]:
    return [
        rule for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"] for rule in group["rules"]
    ]


def alerts() -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded() -> set[str]:
    return {rule["record"] for rule in rules() if "record" in rule}


@cache
def rule_tests() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(test file, test) pairs of promtool's unit tests."""
    files = [yaml.safe_load(path.read_text()) for path in TEST_FILES]
    return [(file, test) for file in files for test in file["tests"]]


def metrics_in(text: str) -> set[str]:
    """Names of driftd's own metrics in a query or a text; names of recording rules are not metrics."""
    bare = re.sub(r"\b\w+:[\w:]+", " ", text)
    return {match for match in _METRIC.findall(bare) if not match.endswith("_")}


def expressions() -> list[tuple[str, str]]:
    """(where, PromQL) of every rule, and of the queries inside annotations."""
    out = []
    for rule in rules():
        name = rule.get("alert") or rule["record"]
        out.append((name, rule["expr"]))
        out.extend((name, text) for text in rule.get("annotations", {}).values())
    return out


def runbook_queries(path: Path) -> list[str]:
    """The lines of a runbook's ``promql`` blocks; each is a query of its own."""
    blocks = re.findall(r"```promql\n(.*?)```", path.read_text(), flags=re.DOTALL)
    return [line.strip() for block in blocks for line in block.splitlines() if line.strip()]


def duration_minutes(text: str) -> float:
    """Prometheus' ``1d2h30m`` in minutes."""
    units = {"d": 1440.0, "h": 60.0, "m": 1.0, "s": 1 / 60}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"(\d+)([dhms])", text))
