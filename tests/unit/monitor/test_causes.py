"""What has broken, from events to findings: each cause where the truth is known, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.finding import CHANGE, Finding, Status
from tests.unit.judge.natural.stage import HOUR, Columns
from tests.unit.monitor.test_changes import BEGIN, during, live, watched

Bools = NDArray[np.bool_]
Break = Callable[[Columns, Bools], None]
BEGINS, HOURS = 6, 11


def swapped(columns: Columns, on: Bools) -> None:
    columns["amount"][on], columns["age"][on] = columns["age"][on].copy(), columns["amount"][on].copy()
    columns["city"][on & (columns["city"] == "a")] = "A."


def units(columns: Columns, on: Bools) -> None:
    columns["amount"][on] *= 100
    columns["temp"][on] = np.round(columns["temp"][on] * 1.8 + 32, 1)
    columns["city"][on & (np.random.default_rng(3).random(on.size) < 0.15)] = "zz"


def cut(columns: Columns, on: Bools) -> None:
    columns["amount"][on] *= -1
    columns["age"][on] = np.minimum(columns["age"][on], 43.5)
    columns["city"][on] = [str(7 + len(v)) for v in columns["city"][on]]


def moved(columns: Columns, on: Bools) -> None:
    columns["age"][on] += 30
    columns["amount"][on] *= 4
    columns["city"][on & (np.random.default_rng(3).random(on.size) < 0.5)] = "b"


def shifted(columns: Columns, on: Bools) -> None:
    """All low amounts are gone, and many lie in one bin; but none are equal."""
    columns["amount"][on] = np.round(columns["amount"][on] + 30, 2)


def crept(columns: Columns, on: Bools) -> None:
    columns["age"][on] += 25 * np.clip((columns["time"][on] - BEGIN - BEGINS * HOUR) / (36 * HOUR), 0, 1)


@cache
def found(change: Break, polls: int = 20, *, restart: bool = False) -> tuple[bytes, list[Finding]]:
    columns = live(HOURS)
    change(columns, during(columns, BEGINS, HOURS))
    return watched(columns, polls, restart=restart)


def test_what_creeps_is_named_hours_later_too() -> None:
    """The first looks come after minutes, when nothing of it shows."""
    columns = live(30)
    crept(columns, during(columns, BEGINS, 30))
    said = [f for f in watched(columns)[1] if f.feature == "age" and f.detector == CHANGE]
    assert not said[0].cause
    named = next(f for f in said if f.cause)
    assert named.cause == "gradual"
    assert named.window_end < BEGIN + 23 * HOUR  # not only when windows of most of a day have filled


def last(change: Break) -> dict[str, tuple[str, str]]:
    """The last that is said of each channel."""
    open_ = (f for f in found(change)[1] if f.detector == CHANGE and f.status >= Status.WARNING)
    return {f.feature or "": (f.cause, f.detail) for f in open_}


@pytest.mark.parametrize(
    ("change", "channel", "cause", "detail"),
    [
        (swapped, "amount", "swapped", "with age"),
        (swapped, "age", "swapped", "with amount"),
        (swapped, "city", "renamed", "'a' to 'A.'"),
        (units, "amount", "unit", "x 100"),
        (units, "temp", "unit", "C to F"),
        (units, "city", "new_value", "'zz'"),
        (cut, "amount", "sign_flipped", ""),
        (cut, "age", "clipped", "above 43.5"),
        (cut, "city", "type_changed", "numbers in place of text"),
        (moved, "age", "", ""),
        (moved, "amount", "", ""),
        (moved, "city", "", ""),
        (shifted, "amount", "", ""),
    ],
)
def test_a_cause_is_named_where_it_is_known(change: Break, channel: str, cause: str, detail: str) -> None:
    assert last(change)[channel] == (cause, detail)


def test_the_reason_says_it_too_and_so_does_the_model() -> None:
    mine = [f for f in found(units)[1] if f.feature == "temp" and f.cause]
    assert "; temp reads 1.8 x + 32 (C to F?); it began " in mine[-1].because


def test_causes_do_not_depend_on_how_events_came_or_on_restarts() -> None:
    once = found(units)
    assert found(units, 3) == once
    assert found(units, 7, restart=True) == once


def test_a_look_that_brings_nothing_new_is_no_finding() -> None:
    told = [f for f in found(moved)[1] if f.detector == CHANGE and f.status is f.previous]
    assert all(a.kind != b.kind or a.value != b.value for a, b in pairwise(told))
