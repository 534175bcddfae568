"""Clocks, and how often the loop does what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clock:
    """Wall time in epoch seconds and monotonic time in seconds."""

    now: Callable[[], float]
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Timing:
    """``instance`` is written beside committed offsets, so that a member knows its own commits again;
    ``start`` says where to begin in a partition that has neither checkpoint nor committed offset.
    """

    instance: str
    start: str = "latest"
    checkpoint_seconds: float = 10.0
    idle_seconds: float = 60.0
    drain_seconds: float = 10.0
    poll_seconds: float = 0.5
