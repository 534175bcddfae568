"""The alert rules that name kinds of change: an alert for each data fault in quality.yml; drift.yml leaves them out."""

from __future__ import annotations

import re
from typing import Final

import yaml

from driftd.config.share import shared
from driftd.detectors import Fault
from driftd.detectors.registry import faults, registry

FILES: Final = ("cost.yml", "drift.yml", "driftd.yml", "experiments.yml", "quality.yml", "recording.yml", "slo.yml")
_FAULTS: Final = re.compile(r'kind=~"[^"]*"')

_QUALITY: Final = """\
# Are the values of a feature there, known and in range? Tickets: nearly always a broken or changed producer.
#
# Made by `driftd generate rules`: an alert for each data fault (driftd/detectors), by the kind of the channel's ticket.
# A channel that pages makes none of them. `for` and `keep_firing_for` are those of drift.yml.
groups:
  - name: driftd-quality
    rules:
"""
_ALERT: Final = """\
      - alert: {alert}
        expr: |
          max without (instance, pod) (driftd_feature_status{{feature!~"error|prediction_error"}}) == 2
          and max without (instance, pod, kind) (driftd_feature_change_info{{kind=~"{kinds}"}})
          unless on (model) max by (model) (driftd_maintenance) == 1
        for: 2m
        keep_firing_for: 10m
        labels:
          severity: warning
          area: quality
        annotations:
          summary: '{{{{ with printf "max by (summary) (driftd_incident_info{{model=%q,severity=\\"ticket\\",feature=%q}}) or max by (summary) (last_over_time(driftd_incident_info{{model=%q,severity=\\"ticket\\",feature=%q}}[15m]))" $labels.model $labels.feature $labels.model $labels.feature | query }}}}{{{{ . | first | label "summary" }}}}{{{{ else }}}}{summary}{{{{ end }}}}'
          description: >-
            {{{{ with printf "max by (hint) (driftd_incident_info{{model=%q,severity=\\"ticket\\",feature=%q}})" $labels.model $labels.feature | query }}}}{{{{ with . | first | label "hint" }}}}{{{{ . }}}} {{{{ end }}}}{{{{ end }}}}A ticket, not a page: {{{{ $labels.feature }}}} of model {{{{ $labels.model }}}} has changed{{{{ range printf "max by (kind) (driftd_feature_change_info{{model=%q,feature=%q}}) == 1" $labels.model $labels.feature | query }}}}: {{{{ .Labels.kind | reReplaceAll "_" " " }}}}{{{{ end }}}}{{{{ range printf "max(driftd_feature_drift_since_timestamp_seconds{{model=%q,feature=%q}})" $labels.model $labels.feature | query }}}} since {{{{ (.Value | toTime).Format "2 Jan 15:04" }}}} UTC{{{{ end }}}}.
            {{{{ with printf "max({metric}{{model=%q,feature=%q}})" $labels.model $labels.feature | query }}}}In the last window {{{{ . | first | value | humanizePercentage }}}} of its values {share}.{{{{ end }}}}
            Usually a producer has changed or broken.
          help: '{{{{ with printf "max by (help) (driftd_model_help_info{{model=%q}})" $labels.model | query }}}}{{{{ . | first | label "help" }}}}{{{{ end }}}}'
          runbook_url: https://runbooks.example.com/driftd/{alert}.md
          dashboard_url: 'https://grafana.example.com/d/driftd-channel?var-model={{{{ $labels.model | urlquery }}}}&var-feature={{{{ $labels.feature | urlquery }}}}{{{{ with printf "(min(driftd_feature_drift_since_timestamp_seconds{{model=%q,feature=%q}}) - 3600) * 1000" $labels.model $labels.feature | query }}}}&from={{{{ . | first | value | printf "%.0f" }}}}&to=now{{{{ end }}}}'
          incident_url: '{{{{ with printf "max by (url) (driftd_incident_info{{model=%q,severity=\\"ticket\\",feature=%q}}) or max by (url) (last_over_time(driftd_incident_info{{model=%q,severity=\\"ticket\\",feature=%q}}[15m]))" $labels.model $labels.feature $labels.model $labels.feature | query }}}}{{{{ . | first | label "url" }}}}{{{{ end }}}}'
"""  # noqa: E501  (a template of Prometheus must not contain line breaks)


def quality() -> str:
    return _QUALITY + "\n".join(_alert(kind, fault) for kind, fault in faults().items())


def _alert(kind: str, fault: Fault) -> str:
    names = {"feature": "{{ $labels.feature }}", "model": "{{ $labels.model }}"}
    summary = fault.summary.format(**names).replace("'", "''")
    return _ALERT.format(
        alert=fault.alert,
        kinds="|".join(fault.changes),
        metric=registry()[kind].metric,
        summary=summary,
        share=fault.share,
    )


def drift(text: str) -> str:
    """``kind=~`` names the kinds of change that have an alert in quality.yml."""
    kinds = "|".join(kind for fault in faults().values() for kind in fault.changes)
    return _FAULTS.sub(f'kind=~"{kinds}"', text)


def files() -> dict[str, str]:
    """The rules of the default configuration, by file: what alert_rules/ holds."""
    found = {name: shared(f"alert_rules/{name}") for name in FILES}
    return found | {"drift.yml": drift(found["drift.yml"]), "quality.yml": quality()}


def alerts() -> list[tuple[str, str, str]]:
    """(name, severity, area) of every alert, those that page first."""
    groups = [group for text in files().values() for group in yaml.safe_load(text)["groups"]]
    found = [
        (r["alert"], r["labels"]["severity"], r["labels"]["area"]) for g in groups for r in g["rules"] if "alert" in r
    ]
    order = ("critical", "warning", "info", "none")
    return sorted(found, key=lambda row: (order.index(row[1]), row[2], row[0]))
