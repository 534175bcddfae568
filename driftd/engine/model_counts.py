"""A model's counters as metrics and pages want them, and the maintenance windows that it is in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from driftd.core.act import Act, in_force
from driftd.core.pane import Counters
from driftd.core.segmenting import Census
from driftd.core.slice import Slice
from driftd.core.units import MONTH_SECONDS
from driftd.engine.state import State
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.judge.experiments.verdict import Result
from driftd.metrics.aggregates import ModelCounts, SegmentCounts
from driftd.monitor.experiments import results
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import ModelState


def counts_of(
    model: ModelState,
    counters: Counters,
    settings: ModelSettings,
    joins: LabelCounts | None = None,
    experiments: Sequence[Result] = (),
) -> ModelCounts:
    """What was read of a model."""
    return ModelCounts(
        counters.events,
        counters.failed,
        counters.labels,
        counters.unjoined_labels,
        counters.ignored_features,
        counters.refused,
        model.pages,
        sum(at > counters.last_event - MONTH_SECONDS for at in model.paged),
        counters.last_event,
        counters.latency_le if counters.latency_le.any() else None,
        counters.latency_ns / 1e9,
        counters.sampled_out,
        objective=settings.objective,
        joins=joins,
        spending=counters.spending,
        currency=settings.prices.currency,
        budget=settings.budget,
        experiments=experiments,
    )


def judged_counts(monitor: Monitor, model: ModelState, counters: Counters, state: State) -> ModelCounts:
    """What was read of a model that is judged here, with its segments, experiments and joined labels."""
    key, joins = model.slice, state.outcomes.counts.get(model.name)
    rules = () if key.part else monitor.experiments_of(key)
    found = counts_of(model, counters, monitor.settings(key), joins, results(state.models, key, rules))
    return replace(found, segments=_segments(monitor, key, state))


def _segments(monitor: Monitor, key: Slice, state: State) -> SegmentCounts | None:
    """How many of the model there are, and what makes none."""
    wanted, census = monitor.settings(key).segmenting, state.segments.get(key.model, Census())
    if wanted is None:
        return None
    there = sum(k.within != "" and k.whole == key.model and not m.retired for k, m in state.models.items())
    return SegmentCounts(there, wanted.most, census.other, census.missing)


def maintenance_of(monitor: Monitor, model: ModelState, state: State | None) -> tuple[tuple[Act, ...], Act | None]:
    """The maintenance windows of the model that are not over, and the one that it is in: by the time of events."""
    if state is None or state.frontier is None:
        return (), None
    now = (state.frontier + 1) * monitor.windows.pane_seconds
    every = monitor.maintenance(model)
    lasting = tuple(replace(w, model=model.name) for w in every if w.end is None or w.end > now)
    return lasting, in_force(lasting, now)
