"""Times, ages and numbers as a person reads them."""

from __future__ import annotations

import math

import pytest

from driftd.core.text import when
from driftd.web import format as spelled

NOW = 1_796_094_420.0
"""Tuesday, 1 December 2026, 03:07 UTC."""
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


@pytest.mark.parametrize(
    ("before", "said"),
    [(26 * MINUTE, "02:41"), (13 * HOUR, "Mon 14:07"), (6 * DAY, "Wed 03:07"), (7 * DAY, "24 Nov 03:07"),
     (400 * DAY, "27 Oct 2025 03:07"), (-2 * DAY, "3 Dec 03:07")],
)  # fmt: skip
def test_when(before: float, said: str) -> None:
    assert when(NOW - before, NOW) == said


@pytest.mark.parametrize("seconds", [math.nan, math.inf, 1e300])
def test_no_time_is_a_dash(seconds: float) -> None:
    assert when(seconds, NOW) == "-"
    assert spelled.date_of(seconds) == "-"
    assert spelled.typed(seconds) == ""


def test_what_is_typed_is_read() -> None:
    assert spelled.read_time(spelled.typed(NOW)) == NOW
    assert spelled.read_time("2026-12-01T03:07:00Z") == NOW
    assert spelled.read_time("2026-12-01T04:07+01:00") == NOW
    assert spelled.read_time("yesterday") is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59.9, "59 s"), (26 * MINUTE, "26 min"), (75 * MINUTE, "1 h 15 min"), (2 * HOUR, "2 h"),
     (2 * DAY + 18 * HOUR, "2 d 18 h"), (-5, "0 s"), (math.nan, "-")],
)  # fmt: skip
def test_age(seconds: float, said: str) -> None:
    assert spelled.age(seconds).replace("\u00a0", " ") == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0"), (45, "45"), (4567, "4,570"), (4.5678, "4.57"), (0.001234, "0.00123"), (1e-9, "1e-09"), (-12.0, "-12"),
     (1e48, "over 10¹²"), (-1e48, "-over 10¹²"), (math.nan, "-"), (math.inf, "beyond"), (-math.inf, "below")],
)  # fmt: skip
def test_number(value: float, said: str) -> None:
    assert spelled.number(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(0, "0 %"), (1, "100 %"), (0.62, "62 %"), (0.0031, "0.31 %"), (0.031, "3.1 %"), (0.9999, "99.9 %"),
     (0.00001, "0.001 %"), (math.nan, "-")],
)  # fmt: skip
def test_share(value: float, said: str) -> None:
    assert spelled.share(value).replace("\u00a0", " ") == said


def test_rates_and_factors() -> None:
    assert spelled.rate(182 / 60).replace("\u00a0", " ") == "182 / min"
    assert spelled.rate(9.2 / 3600).replace("\u00a0", " ") == "9.2 / h"
    assert spelled.times(1.234) == "1.2"
    assert spelled.times(5e9) == "over 1,000"
