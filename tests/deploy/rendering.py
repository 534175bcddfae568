"""The chart rendered by Helm's own engine, and deploy/kubernetes/ made from it.

``python -m tests.deploy.rendering`` writes the plain manifests.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import helm_python as helm
import yaml

from tests.deploy.reading import DEPLOY

CHART: Final = DEPLOY / "helm" / "driftd"
PLAIN: Final = DEPLOY / "kubernetes"
OF_HELM: Final = re.compile(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", re.MULTILINE)

MEMBERS: Final = {"config": {"members": {"enabled": True}}, "replicas": 3, "networkPolicy": {"enabled": True}}
OPERATOR: Final[dict[str, dict[str, Any]]] = {
    "podMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
    "prometheusRule": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
    "dashboards": {"enabled": True},
}
PLAIN_FILES: Final[Mapping[str, tuple[Mapping[str, Any], tuple[str, ...], str]]] = {
    "driftd.yaml": (
        {},
        ("serviceaccount", "configmap", "service", "statefulset", "poddisruptionbudget"),
        "One driftd with its state on a volume. Change the image, the brokers and the topics.",
    ),
    "members.yaml": (
        MEMBERS,
        ("serviceaccount", "configmap", "service", "statefulset", "poddisruptionbudget", "networkpolicy"),
        "Three members that share models, without volumes. docs/members.md has the three topics that they need.",
    ),
    "receive.yaml": (
        {"receive": {"enabled": True}},
        ("receive",),
        "Events over HTTP into the topic, beside driftd.yaml or members.yaml, whose account and settings it has.",
    ),
    "monitoring.yaml": (
        OPERATOR,
        ("podmonitor", "prometheusrule", "dashboards"),
        "For the Prometheus Operator and Grafana's sidecar. Rules with your links and owners: `driftd generate rules`.",
    ),
}
"""File -> values, templates in their order, what it is for."""


def render(values: Mapping[str, Any] | None = None, *, name: str = "driftd") -> dict[str, str]:
    """Text by template: ``statefulset``, ``tests/ready``, ``NOTES.txt``. Raises HelmError."""
    with helm.Chart.load(CHART) as chart:
        found = chart.render(dict(values or {}), name=name, namespace="monitoring")
    return {path.removeprefix("driftd/templates/").removesuffix(".yaml"): text for path, text in found.items()}


def objects(values: Mapping[str, Any] | None = None, *, name: str = "driftd") -> list[dict[str, Any]]:
    """All that Helm would apply."""
    texts = (text for path, text in render(values, name=name).items() if path != "NOTES.txt")
    return [one for text in texts for one in yaml.safe_load_all(text) if one]


def one(kind: str, values: Mapping[str, Any] | None = None, **more: str) -> dict[str, Any]:
    """The first object of this kind."""
    return next(o for o in objects(values, **more) if o["kind"] == kind)


def plain(name: str) -> str:
    """A file of deploy/kubernetes/ as the chart has it."""
    values, templates, what = PLAIN_FILES[name]
    rendered = render(values)
    head = f"# {what}\n#\n# Made from deploy/helm/driftd by `python -m tests.deploy.rendering`. kubectl apply -f FILE\n"
    texts = (rendered[template].strip().removeprefix("---\n") for template in templates)
    return head + OF_HELM.sub("", "".join(f"---\n{text}\n" for text in texts))


if __name__ == "__main__":
    for file in PLAIN_FILES:
        (PLAIN / file).write_text(plain(file))
        print(PLAIN / file)
