"""The alert rules for a configuration: with its links, owners, severities and waits, without what it leaves out.

The rules of the default configuration are alert_rules/. They are changed as text, rule by rule, so that their comments
stay and the default configuration gives them to the letter.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from driftd.config import Settings
from driftd.config.values import spell_seconds
from driftd.core.errors import ConfigError
from driftd.core.slice import PARTS, Slice
from driftd.generate import rules

RUNBOOKS: Final = "https://runbooks.example.com/driftd"
GRAFANA: Final = "https://grafana.example.com"
MODEL_AREAS: Final = ("drift", "quality")
"""Areas of the alerts whose waits follow the windows."""
OWNED: Final = ("owner", "team")

_RULE: Final = re.compile(r"(?:^ {6}#.*\n)*^ {6}- (alert|record): (\S+)\n(?:^(?: {8}.*)?\n)*", re.MULTILINE)
_SPECIAL: Final = re.compile(r"[\\.+*?()|\[\]{}^$]")
"""What Go's regexp.QuoteMeta escapes; the chart has it from there, and its rules are these to the letter."""
_LABEL: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class RuleSettings:
    """What a configuration says about rules; the defaults are those of the default configuration."""

    runbooks: str = RUNBOOKS
    grafana: str = GRAFANA
    job: str = "driftd"
    disabled: tuple[str, ...] = ()
    severities: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    owners: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Model -> ``owner`` and ``team``, where it has them."""
    external: str = ""
    """Where people reach driftd's pages; "" where that is not known."""
    ticket_for: str = "2m"
    keep_firing_for: str = "10m"


def rule_settings(settings: Settings) -> RuleSettings:
    """Raises ConfigError for the name of an alert that driftd does not have, or of a label that Prometheus refuses."""
    given, windows = settings.rules, settings.windows
    for key, names in (("disabled", given.disabled), ("severities", tuple(given.severities))):
        if unknown := sorted(set(names) - set(alert_names())):
            raise ConfigError(
                f"rules.{key}: {', '.join(unknown)}: no such alert; expected some of {', '.join(alert_names())}"
            )
    for label in given.labels:
        if not _LABEL.fullmatch(label) or label in {"alertname", "severity", "area", *OWNED}:
            raise ConfigError(f"rules.labels: {label!r}: expected a label's name that the rules do not set themselves")
    owners = {
        model.name: {key: value for key in OWNED if (value := getattr(model, key)) is not None}
        for model in settings.models
    }
    # A ticket waits for about a judgement, so that a page of the same fault may overtake it.
    judgement = math.floor(windows.window_seconds / windows.hops / 60) * 60.0
    return RuleSettings(
        runbooks=(settings.http.runbooks or RUNBOOKS).rstrip("/"),
        grafana=given.dashboards.rstrip("/"),
        job=given.job,
        disabled=given.disabled,
        severities=given.severities,
        labels=given.labels,
        owners={model: facts for model, facts in sorted(owners.items()) if facts},
        ticket_for=spell_seconds(max(judgement, 120.0)),
        keep_firing_for=spell_seconds(max(math.ceil(windows.window_seconds / 60) * 60.0, 600.0)),
        external=(settings.http.external_url or "").rstrip("/"),
    )


def alert_names() -> list[str]:
    return [m[2] for text in rules.files().values() for m in _RULE.finditer(text) if m[1] == "alert"]


def rule_files(given: RuleSettings) -> dict[str, str]:
    """Rule files by name; one of which nothing is left is not there."""
    texts = {name: rule_file(text, given) for name, text in rules.files().items()}
    return {name: text for name, text in texts.items() if _RULE.search(text)}


def rule_file(text: str, given: RuleSettings) -> str:
    for old, new in ((RUNBOOKS, given.runbooks), (GRAFANA, given.grafana)):
        text = text.replace(old, new)
    text = text.replace('job="driftd"', f'job="{given.job}"')
    return _RULE.sub(lambda rule: _changed(rule[0], rule[2], given) if rule[1] == "alert" else rule[0], text)


def _changed(rule: str, name: str, given: RuleSettings) -> str:
    if name in given.disabled:
        return ""
    if name in given.severities:
        rule = _field(rule, "severity", given.severities[name])
    if any(f" area: {area}\n" in rule for area in MODEL_AREAS):
        rule = _field(_field(rule, "for", given.ticket_for), "keep_firing_for", given.keep_firing_for)
    labels = dict(given.labels)
    if "$labels.model" in rule:
        if given.external:
            rule = _field(rule, "runbook_url", _quoted(_runbook(rule, name, given.external)))
        labels |= {label: text for label in OWNED if (text := of_model(label, given.owners))}
    added = "".join(f"          {label}: {_quoted(value)}\n" for label, value in labels.items())
    return rule.replace("        labels:\n", f"        labels:\n{added}")


def _runbook(rule: str, name: str, external: str) -> str:
    """The page of driftd that has the alert's names filled in. Of driftd's own alerts it is no help: it may be down."""
    names = ["model", *(["feature"] if "$labels.feature" in rule else [])]
    filled = "".join(f"&{label}={{{{ $labels.{label} | urlquery }}}}" for label in names)
    return f"{external}/runbook?alert={name}{filled}"


def _field(rule: str, name: str, value: str) -> str:
    return re.sub(rf"^( +){name}: .*$", lambda match: f"{match[1]}{name}: {value}", rule, flags=re.MULTILINE)


def of_model(label: str, owners: Mapping[str, Mapping[str, str]]) -> str:
    """A label that depends on the alert's model, as a template of Prometheus; it has none for other models."""
    branches = [f"if {_is_of(m)} }}}}{facts[label]}{{{{" for m, facts in owners.items() if label in facts]
    return f"{{{{ {' else '.join(branches)} end }}}}" if branches else ""


def _is_of(model: str) -> str:
    """Whether the alert is about the model, one of its parts, or a segment of it: these are found as they come."""
    name, mine = (_SPECIAL.sub(r"\\\g<0>", text) for text in (model, Slice.of_segment("", "").model))
    of = f"{name}(/{'|/'.join(PARTS)})?{mine}"
    return f'or (eq $labels.model {_names(model)}) (match "^{_go(of)}" $labels.model)'


def _names(model: str) -> str:
    """Of the model and its parts, one of which the alert may be about."""
    return " ".join(f'"{_go(name)}"' for name in (model, *(f"{model}/{part}" for part in PARTS)))


def _go(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def joined(files: Mapping[str, str]) -> str:
    """One rule file of several."""
    return "groups:\n" + "\n".join(text.partition("groups:\n")[2].rstrip("\n") + "\n" for text in files.values())


def prometheus_rule(files: Mapping[str, str], name: str, namespace: str | None, labels: Mapping[str, str]) -> str:
    """The Prometheus Operator's object."""
    place = f"  namespace: {namespace}\n" if namespace else ""
    chosen = "".join(f"    {key}: {_quoted(value)}\n" for key, value in labels.items())
    head = f"apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: {name}\n{place}"
    body = "".join(f"  {line}" if line.strip() else line for line in joined(files).splitlines(keepends=True))
    return f"{head}{f'  labels:{chr(10)}{chosen}' if chosen else ''}spec:\n{body}"
