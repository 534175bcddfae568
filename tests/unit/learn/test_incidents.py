"""An incident inside a reference is told with its time, and rhythms, weekends and shifts are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.reference import Exclusion, Reference
from driftd.learn.build import Learning, build
from driftd.learn.incidents import incidents_of
from driftd.learn.remarks import remarks
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, Columns, batch, traffic

Floats = NDArray[np.float64]


def learned(days: float, breaks: Callable[[Columns, NDArray[np.bool_]], None], at: float, hours: float) -> Reference:
    columns = traffic(np.random.default_rng(3), MONDAY, MONDAY + days * DAY)
    age = (columns["time"] - MONDAY) / HOUR
    breaks(columns, (age >= at) & (age < at + hours))
    return build(batch(columns), Learning())


def shift(columns: Columns, now: NDArray[np.bool_]) -> None:
    columns["age"][now] += 30


def lose(columns: Columns, now: NDArray[np.bool_]) -> None:
    columns["amount"][now & (np.random.default_rng(1).random(len(now)) < 0.8)] = np.nan


def rename(columns: Columns, now: NDArray[np.bool_]) -> None:
    columns["city"][now] = "zz"


@pytest.mark.parametrize(
    ("breaks", "channel", "kind"), [(shift, "age", "level"), (lose, "amount", "missing"), (rename, "city", "mix")]
)
@pytest.mark.parametrize(("days", "at", "hours"), [(1.3, 14, 3), (7, 30, 12)])
def test_an_incident_has_its_channel_and_its_time(
    breaks: Any, channel: str, kind: str, days: float, at: float, hours: float
) -> None:
    reference = learned(days, breaks, at, hours)
    (found,) = (i for i in incidents_of(reference) if reference.channels[i.row].name == channel)
    assert found.kind == kind
    within = 0.03 * days * DAY
    assert found.start == pytest.approx(MONDAY + at * HOUR, abs=within)
    assert found.end == pytest.approx(MONDAY + (at + hours) * HOUR, abs=within)
    (told,) = remarks(reference)
    assert told.startswith("an incident inside? ")
    assert f"{channel} ({kind})" in told


def weekends(columns: Columns, _: NDArray[np.bool_]) -> None:
    weekend = ((columns["time"] - MONDAY) // DAY) % 7 >= 5
    columns["amount"][weekend] *= 6
    columns["city"][weekend] = "a"


def every_night(columns: Columns, _: NDArray[np.bool_]) -> None:
    columns["age"][columns["time"] % DAY < 4 * HOUR] += 30


@pytest.mark.parametrize(
    ("days", "breaks", "at", "hours"),
    [
        pytest.param(1.3, shift, 0, 0, id="a day and a night"),
        pytest.param(12, weekends, 0, 0, id="a weekend"),
        pytest.param(20, weekends, 0, 0, id="weekends"),
        pytest.param(5, every_night, 0, 0, id="a job of every night"),
        pytest.param(5, shift, 0, 60, id="half of it"),
        pytest.param(5, shift, 110, 60, id="a shift at its end"),
    ],
)
def test_what_returns_or_is_a_part_of_the_normal_is_none(days: float, breaks: Any, at: float, hours: float) -> None:
    assert not remarks(learned(days, breaks, at, hours))


def test_without_the_incident_later_drift_is_seen_again() -> None:
    """The sentence's own times leave it out, and the middle of the reference is what it was."""
    columns = traffic(np.random.default_rng(3), MONDAY, MONDAY + 2 * DAY)
    shift(columns, np.abs(columns["time"] - MONDAY - 20 * HOUR) < 2 * HOUR)
    (told,) = remarks(build(batch(columns), Learning()))
    begin, end = (np.datetime64(t.removesuffix("Z")).astype(float) for t in told.rpartition(" ")[2].split("/"))
    again = build(batch(columns), Learning(exclude=(Exclusion(begin, end, ""),)))
    assert not remarks(again)
    assert again.center[again.rows["age"]] == pytest.approx(40, abs=0.5)
