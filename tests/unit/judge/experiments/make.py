"""Panes of experiments for tests: events of arms with units, as one process counts them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from driftd.core.event import EventBatch
from driftd.core.experiment import Measure, Metric, Rule, Shares
from driftd.ingest.experiments import prepared, trial
from driftd.judge.experiments.state import Experiment

PANE = 60.0
ERRORS = Metric(Measure.ERRORS, 0.01)
HALF = (Shares(0.0, (0.5, 0.5)),)


def rule(metrics: Sequence[Metric] = (ERRORS,), **other: Any) -> Rule:
    return Rule(**{"name": "r", "model": "m", "arms": ("a", "b"), "metrics": tuple(metrics), "shares": HALF} | other)


def events(
    arms: np.ndarray,
    *,
    at: float = 0.0,
    failed: np.ndarray | None = None,
    scores: np.ndarray | None = None,
    units: Sequence[Any] | None = None,
    offset: int = 0,
) -> EventBatch:
    """Events of arms ``a`` (0) and ``b`` (1), spread over a pane from ``at`` on."""
    n = len(arms)
    fields: dict[str, Any] = {"variant": [("a", "b", "c")[arm] for arm in arms.tolist()]}
    if failed is not None:
        fields["error"] = failed.astype(bool)
    if scores is not None:
        fields["score"] = scores.astype(float)
    if units is not None:
        fields["unit"] = list(units)
    times: np.ndarray[Any, np.dtype[np.float64]] = at + np.arange(n, dtype=np.float64) * (PANE / n)
    return EventBatch("m", np.arange(offset, offset + n), times, {}, fields)


def run(rule: Rule, batches: Iterator[EventBatch] | Sequence[EventBatch], at_once: int = 50) -> Experiment:
    """The experiment after panes that follow each other, one a batch, ``at_once`` of them taken together."""
    out, waiting = Experiment.start(rule), []
    for number, batch in enumerate(batches):
        found = trial(rule, prepared(batch, (rule,)), np.floor(batch.times / PANE).astype(np.int64))
        waiting += [] if found is None else [found]
        if (number + 1) % at_once == 0:
            out, waiting = out.take(rule, waiting, number, PANE), []
    return out.take(rule, waiting, 1 << 40, PANE)
