"""How much memory the models may take that the settings allow: measured (docs/benchmarks.md), the worst of each."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from driftd.config.settings import Settings
from driftd.core.text import plural

PROCESS_BYTES: Final = 160_000_000
"""The process with its libraries, and the records of a poll."""
WAITING_BYTES: Final = 64 << 20
"""Panes that wait for other partitions (driftd.engine.read_ahead); messages that wait for a topic (driftd.sinks)."""
SAMPLE_BYTES: Final = 20_000_000
"""Of a model while its reference is learned from events: 400,000 values, where they are text."""
EARLY_BYTES: Final = 130_000
"""Of a channel by then; a hundred categories, its series with it."""
CHANNEL_BYTES: Final = 360_000
"""The same after 28 days; a number takes half of that."""
VALUES_BYTES: Final = 60_000
"""The same in its values over time."""
KEPT_BYTES: Final = 1_000
"""The same in one hop or open pane."""
LEARNING_BYTES: Final = 220_000_000
"""More for the one model that is learned at the time, from events."""
MONTH_BYTES: Final = 8_000_000
"""More for each channel of the model that is learned at the time, from 28 days."""
OUTPUTS: Final = 6
"""Channels of a model beside its features."""


def shapes(settings: Settings) -> tuple[int, int]:
    """The most models, segments among them, and the most channels of one."""
    d, features = settings.discovery, [len(m.features) for m in settings.models]
    segments = sum(m.segments.max_segments for m in settings.models if m.segments.fields)
    if not d.enabled:
        return len(features) + segments, max(features, default=0) + OUTPUTS
    return max(d.max_models, len(features)) + segments, max(d.max_features, *features, 0) + OUTPUTS


def needed(settings: Settings, models: int, channels: int) -> int:
    """The most bytes that so many models of so many channels take."""
    w = settings.windows
    kept = KEPT_BYTES * (w.out_of_orderness_seconds / w.pane_seconds + 2 + 2 * w.hops)
    model = max(SAMPLE_BYTES + channels * EARLY_BYTES, channels * CHANNEL_BYTES) + channels * round(kept)
    model += channels * VALUES_BYTES * settings.state.values
    topics = [settings.kafka.dead_letter_topic, settings.kafka.findings_topic]
    waiting = WAITING_BYTES * (1 + sum(topic is not None for topic in topics))
    return PROCESS_BYTES + waiting + models * model + max(LEARNING_BYTES, channels * MONTH_BYTES)


def fits(settings: Settings, memory_bytes: int) -> Iterator[str]:
    """What would fit: fewer models of as many features, or as many models of fewer; else fewer of both."""
    models, channels = shapes(settings)
    fewer = bisect_right(range(1, models + 1), memory_bytes, key=lambda n: needed(settings, n, channels))
    if fewer:
        yield text(fewer, channels - OUTPUTS)
    while models:
        narrower = _features(settings, memory_bytes, models)
        if narrower:
            yield text(models, narrower)
        models = 0 if fewer or narrower else models // 2


def _features(settings: Settings, memory_bytes: int, models: int) -> int:
    """The most features of so many models."""
    some = range(OUTPUTS + 1, shapes(settings)[1] + 1)
    return bisect_right(some, memory_bytes, key=lambda channels: needed(settings, models, channels))


def text(models: int, features: int) -> str:
    return f"{models:,} {plural('model', models)} of {features:,} {plural('feature', features)}"
