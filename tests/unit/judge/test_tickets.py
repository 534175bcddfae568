"""e-BH: selections by hand, its rate of false ones, and the evidence of one window."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.channel import Channel, Role
from driftd.core.event import Kind
from driftd.core.reference import Reference, bins_id, numeric_bins
from driftd.core.summary import Summary
from driftd.judge.exchangeable.shape import Shape
from driftd.judge.tickets import selected, window_evidence

NAN = float("nan")


@pytest.mark.parametrize(
    ("evidence", "chosen"),
    [
        # four channels at alpha .1: one needs 40, the second 20, the third 13.4, the fourth 10
        pytest.param([39.9, 1, 1, 1], [], id="not enough for one"),
        pytest.param([40, 1, 1, 1], [0], id="enough for one"),
        pytest.param([1, 20, 1, 20], [1, 3], id="two help each other"),
        pytest.param([20, 1, 1, 1], [], id="alone it would not do"),
        pytest.param([10, 10, 10, 10], [0, 1, 2, 3], id="all together"),
        pytest.param([41, 19, 14, 1], [0, 1, 2], id="the third takes the second along"),
        pytest.param([NAN, NAN, NAN, 10], [3], id="who is not looked at does not count"),
        pytest.param([NAN] * 4, [], id="nobody is looked at"),
    ],
)
def test_selection(evidence: list[float], chosen: list[int]) -> None:
    assert np.flatnonzero(selected(np.array(evidence), 0.1)).tolist() == chosen


def test_false_discoveries_stay_below_alpha_also_where_channels_depend(rng: np.random.Generator) -> None:
    channels, drifted, alpha, shares = 40, 8, 0.2, []
    for _ in range(2000):
        common = rng.normal()  # the same noise in every channel: the worst dependence
        z = 0.8 * common + 0.6 * rng.normal(size=channels)
        z[:drifted] += 3.5
        evidence = np.exp(2 * z - 2)  # a likelihood ratio of N(2, 1) against N(0, 1): mean 1 without drift
        chosen = selected(evidence, alpha)
        shares.append(chosen[drifted:].sum() / max(chosen.sum(), 1))
    assert np.mean(shares) <= alpha * (channels - drifted) / channels
    assert np.mean(shares) > 0  # else the test says nothing


def test_the_evidence_of_a_window_without_drift_is_an_e_value(rng: np.random.Generator) -> None:
    x = rng.normal(size=3000)
    bins = numeric_bins(x)
    channels = (Channel("x", Role.FEATURE, Kind.NUMERIC),)
    counts = np.bincount(bins.place(x), minlength=bins.used)[None]
    empty = Summary.empty(bins_id("m", channels, [bins]), 1, bins.used)
    summary = Summary(empty.bins_id, 3000, counts, empty.moments, empty.extremes, empty.latency, empty.latency_le)
    reference = Reference("m", 1, channels, (bins,), summary, np.zeros(1), np.ones(1), True, 0.0, 1.0)
    shape = Shape.of(reference, np.zeros(1), np.zeros(1))
    state = shape.start()

    def evidence(values: np.ndarray) -> float:
        return float(window_evidence(shape, state, np.bincount(bins.place(values), minlength=bins.used)[None])[0])

    assert np.mean([evidence(rng.normal(size=500)) for _ in range(500)]) <= 1
    assert evidence(rng.normal(size=500) + 0.5) > 1e6
