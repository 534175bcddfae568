"""Rules, dashboard and docs tables, made from the catalogue of metrics and the registry of detectors.

Each function takes the file as it is and gives it as it should be; ``driftd generate`` writes them into a checkout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from driftd.core.errors import ConfigError
from driftd.generate import docs, rules
from driftd.generate.dashboard import dashboard

Renew = Callable[[str], str]

PARTS: Final[dict[str, dict[str, Renew]]] = {
    "docs": {
        "docs/metrics.md": docs.metrics,
        "docs/detectors.md": docs.detectors,
        "docs/config.md": docs.configuration,
    },
    "dashboard": {"deploy/grafana/dashboards/driftd.json": lambda _: dashboard()},
    "rules": {"alert_rules/drift.yml": rules.drift, "alert_rules/quality.yml": lambda _: rules.quality()},
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
