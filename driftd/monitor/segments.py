"""Segments of a model beside the whole: what they learn from it, and which of their changes are its."""

from __future__ import annotations

from dataclasses import replace

from driftd.core.reference import Reference
from driftd.monitor.settings import ModelSettings


def as_whole(settings: ModelSettings, whole: Reference) -> ModelSettings:
    """How a segment learns: its features are of the kinds that the whole's are, and so are its answers. Without that a
    country whose postal codes are digits would take codes of letters for faults.
    """
    kinds = {c.feature: c.kind for c in whole.channels if c.feature is not None}
    learning = replace(settings.learning, kinds={**settings.learning.kinds, **kinds}, classes=whole.classes)
    return replace(settings, learning=learning)
