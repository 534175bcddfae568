"""What of the Helm chart is made: its copies of rules and dashboard, the schema of its values and README's table.

Names, defaults and meanings are those of values.yaml, where ``# -- `` opens the meaning of the key below it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import yaml

from driftd.config.describe import settings
from driftd.generate.docs import fill, table

Json = dict[str, Any]

_TYPES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}
_NAME: Final = {"type": "string", "pattern": "^Driftd[A-Za-z]+$"}
_SEVERITY: Final = {"enum": ["critical", "warning", "info", "none"]}
_DURATION: Final = {"type": "string", "pattern": r"^([0-9]+(ms|[smhdwy]))+$"}
_PORT: Final = {"type": "integer", "minimum": 1, "maximum": 65535}
_URL: Final = {"type": "string", "pattern": "^https?://"}
_LABELS: Final = {"type": "object", "additionalProperties": {"type": "string"}}
_OWNER: Final = {
    "type": "object",
    "properties": {"owner": {"type": "string"}, "team": {"type": "string"}},
    "additionalProperties": False,
}
_SECTIONS: Final = frozenset(
    {
        "image",
        "persistence",
        "service",
        "ingress",
        "links",
        "podMonitor",
        "prometheusRule",
        "dashboards",
        "networkPolicy",
        "receive",
    }
) | {"podDisruptionBudget", "serviceAccount"}
"""Mappings with a fixed set of keys; those of others are Kubernetes' or the user's own."""
_EXACT: Final[Mapping[str, Json]] = {
    "replicas": {"type": "integer", "minimum": 0},
    "image.pullPolicy": {"enum": ["Always", "IfNotPresent", "Never"]},
    "image.digest": {"type": "string", "pattern": "^(sha256:[0-9a-f]{64})?$"},
    "persistence.size": {"type": "string", "pattern": "^[0-9]+(Ki|Mi|Gi|Ti)?$"},
    "service.type": {"enum": ["ClusterIP", "NodePort", "LoadBalancer"]},
    "service.port": _PORT,
    "links.runbooks": _URL,
    "links.grafana": _URL,
    "podMonitor.interval": _DURATION,
    "podMonitor.scrapeTimeout": _DURATION,
    "prometheusRule.disabled": {"type": "array", "items": _NAME},
    "prometheusRule.severities": {"type": "object", "propertyNames": _NAME, "additionalProperties": _SEVERITY},
    "prometheusRule.alertLabels": _LABELS,
    "prometheusRule.owners": {"type": "object", "additionalProperties": _OWNER},
    "prometheusRule.ticketFor": _DURATION,
    "prometheusRule.keepFiringFor": _DURATION,
    "networkPolicy.kafkaPorts": {"type": "array", "items": _PORT, "minItems": 1},
    "receive.replicas": {"type": "integer", "minimum": 0},
    "receive.port": _PORT,
    "podDisruptionBudget.maxUnavailable": {"type": ["integer", "string"]},
    "terminationGracePeriodSeconds": {"type": "integer", "minimum": 1},
    "commonLabels": _LABELS,
    "podLabels": _LABELS,
    "podAnnotations": _LABELS,
    "nodeSelector": _LABELS,
}


def schema(values: str) -> str:
    """values.schema.json, draft 7: an unknown key is refused, at the top, in sections and in ``config``."""
    found = _object(yaml.safe_load(values), "")
    found["properties"]["config"] = {**_config(), "description": found["properties"]["config"]["description"]}
    found["properties"]["global"] = {"type": "object", "description": "Helm's own, for charts that hold this one."}
    meanings = {name: meaning for name, _, meaning in rows(values)}
    for name, meaning in meanings.items():
        _at(found, name)["description"] = meaning
    head = {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Values of driftd's chart"}
    return json.dumps(head | found, indent=2) + "\n"


def _object(values: Mapping[str, Any], prefix: str) -> Json:
    properties: Json = {}
    for key, value in values.items():
        path = f"{prefix}{key}"
        if path in _EXACT:
            properties[key] = dict(_EXACT[path])
        elif path in _SECTIONS:
            properties[key] = _object(value, f"{path}.")
        else:
            properties[key] = {"type": _TYPES[type(value)]}
        properties[key].setdefault("description", "")
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _config() -> Json:
    """Sections of driftd.yaml and their keys; types and values are for driftd to judge."""
    sections: dict[str, Json] = {}
    for setting in settings():
        section, _, rest = setting.path.partition(".")
        name = section.removesuffix("[]")
        if name != section:
            sections[name] = {"type": "array"}
        elif rest:
            place = sections.setdefault(name, {"type": "object", "additionalProperties": False, "properties": {}})
            if "properties" in place:
                place["properties"][re.split(r"[.\[]", rest)[0]] = {}
        else:
            sections.setdefault(name, {})
    return {"type": "object", "additionalProperties": False, "properties": sections}


def _at(found: Json, path: str) -> Json:
    for key in path.split("."):
        found = found["properties"][key]
    return found


def rows(values: str) -> Iterator[tuple[str, str, str]]:
    """(key, default as JSON, meaning) of each ``# -- `` in values.yaml."""
    defaults = yaml.safe_load(values)
    section, meaning = "", ""
    for line in values.splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            meaning = text.removeprefix("# -- ")
        elif match := re.match(r"( *)([A-Za-z]+):", line):
            if not match[1]:
                section = match[2]
            if meaning:
                path = f"{section}.{match[2]}" if match[1] else section
                value = defaults
                for key in path.split("."):
                    value = value[key]
                yield path, json.dumps(value), meaning
                meaning = ""


def readme(text: str, values: str) -> str:
    return fill(
        text,
        {
            "values": lambda: table(
                ("value", "default", "meaning"),
                ((f"`{name}`", f"`{default}`", meaning) for name, default, meaning in rows(values)),
            )
        },
    )
