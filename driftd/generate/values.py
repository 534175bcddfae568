"""Values for the Helm chart, from a driftd.yaml."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Final

import yaml

from driftd.config import yamlfile
from driftd.core.errors import ConfigError
from driftd.generate.configured import RuleSettings

_OF_THE_CHART: Final = (("http", "listen"), ("state", "directory"), ("kafka", "group_instance_id"))
_SECRETS: Final = ("sasl_password", "ssl_password", "sasl_oauthbearer_client_secret", "key")
_HEAD: Final = """\
# For driftd's chart: driftd generate files chart -o driftd-chart; helm install driftd driftd-chart -f values.yaml
# With the Prometheus Operator add podMonitor.enabled, prometheusRule.enabled and the labels that it chooses by.
"""
_MOUNT: Final = "/etc/driftd-secrets/"


def chart_values(path: Path | None, given: RuleSettings) -> str:
    """``config`` as the file has it, and what it says about rules. Raises ConfigError where a secret stands in it."""
    config = copy.deepcopy(yamlfile.read(path, str(path)).data) if path else {}
    for section in ("kafka", "privacy"):
        for secret in _SECRETS:
            if (config.get(section) or {}).get(secret) is not None:
                raise ConfigError(
                    f"{path}: {section}.{secret}: a secret must not stand in values; put it in a Secret "
                    f"(existingSecret), and its path in {section}.{secret}_file"
                )
    dropped = [f"{section}.{key}" for section, key in _OF_THE_CHART if _take(config, section, key)]
    moved = [f"{section}.{key}: {value}" for section, key, value in _files(config)]
    notes = [f"# Left to the chart: {', '.join(dropped)}."] if dropped else []
    if moved:
        notes.append(f"# These files must be in a Secret; name it in existingSecret, its keys appear in {_MOUNT}:")
        notes += [f"#   {line}" for line in moved]
    values: dict[str, Any] = {"config": {key: value for key, value in config.items() if value != {}}}
    if moved:
        values["existingSecret"] = "driftd"
    values["links"] = {"runbooks": given.runbooks, "grafana": given.grafana}
    rules = {
        "job": given.job,
        "disabled": [*given.disabled],
        "severities": dict(given.severities),
        "alertLabels": dict(given.labels),
        "owners": {model: dict(facts) for model, facts in given.owners.items()},
        "ticketFor": given.ticket_for,
        "keepFiringFor": given.keep_firing_for,
    }
    values["prometheusRule"] = {key: value for key, value in rules.items() if value}
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=120)
    return _HEAD + "".join(f"{note}\n" for note in notes) + text


def _take(config: dict[str, Any], section: str, key: str) -> bool:
    within = config.get(section)
    return isinstance(within, dict) and within.pop(key, None) is not None


def _files(config: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(section, key, new path) of files that driftd reads; ``config`` gets the paths at which the Secret is mounted."""
    found = []
    for section, keys in config.items():
        if not isinstance(keys, dict):
            continue
        for key, value in keys.items():
            if isinstance(value, str) and value.startswith("/") and _is_secret(section, key):
                keys[key] = _MOUNT + Path(value).name
                found.append((section, key, keys[key]))
    return found


def _is_secret(section: str, key: str) -> bool:
    return key.endswith("file") or (section, key) == ("http", "web_config")
