"""What is watched: a model, or one variant or segment of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Slice:
    """The key of everything that is watched. ``variant`` and ``segment`` are empty for the whole model."""

    model: str
    variant: str = ""
    segment: str = ""

    def __str__(self) -> str:
        return "/".join(filter(None, (self.model, self.variant, self.segment)))
