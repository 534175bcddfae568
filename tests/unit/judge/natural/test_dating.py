"""When a change began: a step fitted to hops, against timelines by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.judge.natural.dating import dated, of_rate

Floats = NDArray[np.float64]
HOP = 1200.0


def hops(size: list[float]) -> tuple[Floats, Floats, Floats]:
    start = HOP * np.arange(len(size), dtype=np.float64)
    return start, start + HOP, np.array(size)


@pytest.mark.parametrize(
    ("size", "since"),
    [
        pytest.param([0, 0, 0, 1, 1, 1], 3.0, id="with a hop"),
        pytest.param([0, 0, 0, 0.7, 1, 1], 3.3, id="within a hop: seven tenths of it changed"),
        pytest.param([0.1, -0.1, 0, 0, 0, 1], 5.0, id="in the last hop, of which nobody knows the part"),
        pytest.param([0, np.nan, 0, 1, np.nan, 1], 3.0, id="hops that hold too little say nothing"),
    ],
)
def test_a_change_is_dated_to_a_hop_and_to_the_part_of_it_that_has_changed(size: list[float], since: float) -> None:
    found = dated(*hops(size), np.full(len(size), 0.02))
    assert found.since / HOP == pytest.approx(since, abs=0.05)
    assert found.inside
    assert found.error <= 1.05 * HOP


def test_of_hops_that_all_show_it_nobody_knows_how_long_before_it_began() -> None:
    found = dated(*hops([1.0] * 6), np.full(6, 0.02))
    assert (found.since, found.error, found.inside) == (0.0, 6 * HOP, False)


@pytest.mark.parametrize("deviation", [0.05, 0.3, 0.5])
@pytest.mark.parametrize("slow", [1, 4])
def test_the_error_holds_the_beginning_nineteen_times_in_twenty(
    rng: np.random.Generator, deviation: float, slow: int
) -> None:
    """A change to 1 within ``slow`` hops, somewhere among 6; the noise of a hop is of as many events as it has."""
    wrong, errors = 0, []
    for _ in range(500):
        begun = rng.uniform(1, 4)
        start, end, _ = hops([0.0] * 6)
        share = np.clip((np.arange(6)[:, None] + np.linspace(0, 1, 50) - begun) / max(slow - 1, 1e-9), 0, 1).mean(
            axis=1
        )
        found = dated(start, end, share + rng.normal(0, deviation, 6), np.full(6, deviation**2))
        middle = begun + (slow - 1) / 2  # of a slow change no place is more its beginning than another
        wrong += abs(found.since / HOP - middle) > found.error / HOP + (slow - 1) / 2
        errors.append(found.error)
    assert wrong / 500 < 0.08
    assert np.median(errors) <= (1.6 if deviation < 0.3 else 4.0) * HOP


def test_a_small_rate_is_known_less_well_than_a_gross_one_and_many_events_better_than_few() -> None:
    rate, p0, events = np.array([1.0, 0.1, 0.1]), np.full(3, 0.05), np.array([60, 60, 6000])
    gross, small, many = of_rate(rate, p0, events, np.full(3, 3600.0))
    assert gross < 120
    assert small > 3600
    assert many == pytest.approx(small / 100)
