"""Models that leave: silent for long, or no longer configured. Their state stays, and events bring them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import isnan, nan

from driftd.core.event import EventBatch
from driftd.core.segmenting import SLOT_SECONDS, Census
from driftd.core.slice import Slice
from driftd.core.text import duration
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State

UNCONFIGURED = "the configuration no longer has the model"


def heard(state: State, batches: Iterable[EventBatch], now: float) -> None:
    """Events have come in at ``now``, wall time in epoch seconds: their models are there, and there again."""
    for batch in batches:
        keys = [Slice(batch.model), *([Slice.of_labels(batch.model)] if batch.label_only else [])]
        for key in keys:
            if (model := state.models.get(key)) is not None:
                model.heard, model.retired = now, False


def configured(state: State, pipeline: Pipeline) -> None:
    """Marks the models that the user names now; one that is named again is there again."""
    for name in pipeline.monitor.configured:
        model = state.models.get(Slice(name))
        if model is not None and not model.configured:
            model.configured, model.retired, model.heard = True, False, nan


def _left(state: State, pipeline: Pipeline, key: Slice) -> str:
    """Why a segment leaves, "" where it stays: by the time of events, so that what takes its place is the same
    however they come.
    """
    census, wanted = state.segments.get(key.root), pipeline.monitor.settings(Slice(key.root)).segmenting
    census = census or Census()
    if wanted is None or key.within not in {*census.admitted, *wanted.named}:
        return UNCONFIGURED
    last, now = census.last.get(key.within), (state.frontier or 0) * pipeline.monitor.windows.pane_seconds
    if last is None or now - (last + 1) * SLOT_SECONDS <= pipeline.retire_seconds:
        return ""
    census.leave(key.within)
    return f"no events for {duration(pipeline.retire_seconds)}: the segment is retired"


def leaving(state: State, pipeline: Pipeline, now: float, *, caught_up: bool) -> Iterator[tuple[Slice, str]]:
    """The models that leave at ``now``, and why. Who is not ``caught_up`` cannot say who is silent."""
    for key, model in sorted(state.models.items()):
        if model.retired:
            continue
        if key.within and (why := _left(state, pipeline, key)):
            yield key, why
        elif key.root not in pipeline.monitor.configured and (
            model.configured or not pipeline.monitor.default.discover
        ):
            yield key, UNCONFIGURED
        elif key.within:
            continue
        elif isnan(model.heard):  # the checkpoint does not say when
            model.heard = now if any(key in p.streams for p in state.partitions.values()) else nan
        elif caught_up and now - model.heard > pipeline.retire_seconds:
            yield key, f"no events for {duration(pipeline.retire_seconds)}: the model is retired"
