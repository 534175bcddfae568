"""The real rules and the real Alertmanager configuration, in a hurry: only durations and addresses are changed.

Used where an alert has to arrive within a test: the expressions, labels, annotations, routes and inhibitions are the
shipped ones.
"""

from __future__ import annotations

import re
from pathlib import Path

from tests.rules.reading import ROOT, RULE_FILES

_WAITS = re.compile(r"^( +)(for|keep_firing_for): \w+$", flags=re.MULTILINE)
_TIMINGS = re.compile(r"\b(group_wait|group_interval|repeat_interval): \w+")
_QUICK = {"for": "2s", "keep_firing_for": "1s", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h"}


def quick_rules(folder: Path) -> list[Path]:
    """Copies of alert_rules/*.yml in ``folder`` with ``for: 2s`` and ``keep_firing_for: 1s``."""
    copies = []
    for path in RULE_FILES:
        copy = folder / path.name
        copy.write_text(_WAITS.sub(lambda m: f"{m[1]}{m[2]}: {_QUICK[m[2]]}", path.read_text()))
        copies.append(copy)
    return copies


def quick_alertmanager(pager: str) -> str:
    """deploy/alertmanager/alertmanager.yml with ``pager`` as the webhooks' address, notifying at once."""
    text = (ROOT / "deploy" / "alertmanager" / "alertmanager.yml").read_text()
    return _TIMINGS.sub(lambda m: f"{m[1]}: {_QUICK[m[1]]}", text).replace("http://pager:8080", pager)
