"""The alert rules that name detectors: an alert for each data fault in quality.yml; drift.yml leaves the faults out."""

from __future__ import annotations

import re
from typing import Final

from driftd.detectors import Fault
from driftd.detectors.registry import faults, registry

_SHAPES: Final = re.compile(r'detector!~"[^"]*"')

_QUALITY: Final = """\
# Are the values of a feature there, known and in range? Tickets: nearly always a broken or changed producer.
#
# Made by `driftd generate rules`: an alert for each detector of a data fault (driftd/detectors).
# `for` is two windows and `keep_firing_for` one, as in drift.yml.
groups:
  - name: driftd-quality
    rules:
"""
_ALERT: Final = """\
      - alert: {alert}
        expr: max without (instance, pod, detector) (driftd_feature_firing{{detector="{kind}"}}) == 1
        for: 20m
        keep_firing_for: 10m
        labels:
          severity: warning
          area: quality
        annotations:
          summary: '{summary}'
          description: >-
            A ticket, not a page: in the last window of model {{{{ $labels.model }}}}
            {{{{ with printf "max({metric}{{model=%q,feature=%q}})" $labels.model $labels.feature | query }}}}{{{{ . | first | value | humanizePercentage }}}}{{{{ end }}}}
            of the values of {{{{ $labels.feature }}}} {share}; so it has been for two windows.
            Usually a producer has changed or broken.
          runbook_url: https://runbooks.example.com/driftd/{alert}.md
          dashboard_url: 'https://grafana.example.com/d/driftd/driftd?var-model={{{{ $labels.model | urlquery }}}}&var-feature={{{{ $labels.feature | urlquery }}}}'
"""  # noqa: E501  (a template of Prometheus must not contain line breaks)


def quality() -> str:
    return _QUALITY + "\n".join(_alert(kind, fault) for kind, fault in faults().items())


def _alert(kind: str, fault: Fault) -> str:
    names = {"feature": "{{ $labels.feature }}", "model": "{{ $labels.model }}"}
    summary = fault.summary.format(**names).replace("'", "''")
    metric = registry()[kind].metric
    return _ALERT.format(alert=fault.alert, kind=kind, metric=metric, summary=summary, share=fault.share)


def drift(text: str) -> str:
    """``detector!~`` excludes the detectors that have an alert in quality.yml."""
    return _SHAPES.sub(f'detector!~"{"|".join(faults())}"', text)
