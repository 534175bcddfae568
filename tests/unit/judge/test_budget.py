"""What the certificate promises, against simulated waits and hand-made covers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.units import MONTH_SECONDS
from driftd.judge.budget import LEAST_A, Certificate, ModelGuarantee, even_shares, false_alarms, thresholds


def cover(
    model: str = "m", channels: int = 4, models: int = 1, budget: float = 1.0, tickets: int = 0
) -> ModelGuarantee:
    k = channels + 1
    rate = np.full(k, 10.0)
    a = thresholds(rate, even_shares(np.ones(k, bool)) / models, budget)
    pages = np.arange(k) >= tickets
    return ModelGuarantee(
        model,
        (*(f"c{i}" for i in range(channels)), "*"),
        ("independent",) * channels + ("joint",),
        ("",) * k,
        pages=pages,
        judged=np.ones(k, bool),
        a=a,
        monthly=rate * MONTH_SECONDS,
        n_detectors=np.ones(k),
        design_effect=np.ones(k),
        span_seconds=3600.0,
    )


@pytest.mark.parametrize("p", [0.01, 0.3, 1.0, 1.7, 5.0])
def test_false_alarms_bound_the_renewals_of_uniform_waits(p: float) -> None:
    rng = np.random.default_rng(7)
    runs = 40_000
    waits = np.cumsum(rng.random((runs, int(4 * p) + 20)), axis=1)
    seen = np.count_nonzero(waits <= p, axis=1)
    error = 4 * seen.std() / np.sqrt(runs)
    bound = float(false_alarms(np.array(p)))
    assert seen.mean() - error <= bound <= seen.mean() + 0.06 + error


@pytest.mark.parametrize("budget", [0.1, 1.0, 10.0])
@pytest.mark.parametrize("channels", [1, 4, 99])
def test_the_bound_is_the_budget_whatever_the_shares(budget: float, channels: int) -> None:
    promise = Certificate.of(budget, 1, [cover(channels=channels, budget=budget)])
    assert promise.bound == pytest.approx(budget)


@pytest.mark.parametrize("accepted", [1e-3, 0.5, 1.0, 1.7, 2.0, 30.0])
def test_a_is_as_large_as_the_false_alarms_that_are_accepted_allow(accepted: float) -> None:
    monthly = 10.0 * MONTH_SECONDS
    a = thresholds(np.array([10.0]), np.ones(1), accepted)
    assert float(false_alarms(monthly / a)[0]) == pytest.approx(accepted)


def test_a_rare_channel_needs_evidence_too() -> None:
    assert thresholds(np.array([1e-6]), np.ones(1), 1.0).tolist() == [LEAST_A]


def test_shares_kept_for_models_to_come_are_not_spent() -> None:
    promise = Certificate.of(1.0, 4, [cover("a", models=4), cover("b", models=4)])
    assert promise.bound == pytest.approx(0.5)


def test_a_channel_that_makes_tickets_never_pages() -> None:
    promise = Certificate.of(1.0, 1, [cover(tickets=5), "counts only"])
    assert (promise.channels, promise.paging, promise.tickets, promise.bound) == (5, 0, 5, 0.0)
    assert promise.unjudged == ("counts only",)


def test_two_detectors_of_a_channel_share_its_part() -> None:
    one = cover()
    halves = thresholds(one.monthly / MONTH_SECONDS, even_shares(one.pages) / 2, 1.0)
    assert Certificate.of(1.0, 1, [replace(one, a=halves, n_detectors=one.n_detectors * 2)]).bound == pytest.approx(1.0)


def test_nothing_known_yet() -> None:
    promise = Certificate.of(1.0, 100, [])
    assert (promise.channels, promise.bound) == (0, 0.0)
    assert np.isnan(promise.least)
    assert np.isnan(promise.shortest_span_seconds)
