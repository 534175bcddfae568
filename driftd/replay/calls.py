"""Whom experiments of a history call: the page about a worse challenger, the ticket about a split that is not kept."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import isfinite

from driftd.judge.experiments.verdict import Result


@dataclass(frozen=True, slots=True)
class Called:
    """One page or ticket (``severity``) of the rule ``alert``, at the time that the verdict came. ``challenger`` and
    its ``metrics``, the first first, are "" and none of a split.
    """

    severity: str
    alert: str
    model: str
    experiment: str
    challenger: str
    metrics: tuple[str, ...]
    at: float


def calls(results: Iterable[Result]) -> tuple[Called, ...]:
    """In order of time. A challenger that is worse on several metrics is one page, at the first of them."""
    return tuple(sorted((c for r in results for c in _calls(r)), key=lambda c: (c.at, c.experiment, c.challenger)))


def _calls(r: Result) -> Iterator[Called]:
    if isfinite(r.broken_since):
        yield Called("ticket", "DriftdSampleRatioBroken", r.rule.model, r.rule.name, "", (), r.broken_since)
    for name in r.rule.challengers:
        mine = sorted(
            (c.paged, c.metric.name) for c in r.comparisons if c.challenger.name == name and isfinite(c.paged)
        )
        if mine:
            metrics = tuple(metric for _, metric in mine)
            yield Called("page", "DriftdChallengerWorse", r.rule.model, r.rule.name, name, metrics, mine[0][0])
