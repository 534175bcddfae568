"""The findings of a model that are remembered: pages show them, also after a restart."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Final

import numpy as np

from driftd.core.finding import Finding, Status

MOST: Final = 100
"""The most recent; and, however old, what opened the pages and tickets that are open still."""


def remembered(before: tuple[Finding, ...], found: Iterable[Finding]) -> tuple[Finding, ...]:
    """Oldest first; ``found`` are ``plain``."""
    told = (*before, *found)
    old, recent = told[:-MOST], told[-MOST:]
    last = {(f.feature, f.detector): f for f in told}
    return (*(f for f in old if last[f.feature, f.detector] is f and f.status >= Status.WARNING), *recent)


def plain(finding: Finding) -> Finding:
    """With Python's numbers in place of numpy's."""
    numbers = {f.name: getattr(finding, f.name) for f in fields(finding)}
    return replace(finding, **{name: v.item() for name, v in numbers.items() if isinstance(v, np.generic)})
