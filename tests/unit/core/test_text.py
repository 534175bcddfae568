"""Numbers, times and names as text, and what JSON can hold."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from driftd.core.text import clean, did_you_mean, duration, in_order, jsonable, minute, percent, plural, printable, utc

NAN = math.nan


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"), (1, "1 second"), (59, "59 seconds"), (90, "1.5 minutes"), (1800, "30 minutes"),
        (3600, "1 hour"), (86400 * 1.25, "1.2 days"), (86400 * 28, "28 days"), (86400 * 60, "2 months"),
        (86400 * 480, "1.3 years"), (NAN, "-"),
    ],
)  # fmt: skip
def test_durations_have_two_digits_and_the_unit_that_one_would_use(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("share", "text"), [(0, "0%"), (0.0023, "0.23%"), (0.05, "5%"), (0.697, "70%"), (1, "100%")])
def test_shares_are_percentages_of_two_digits(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("count", "text"), [(0, "pages"), (1, "page"), (1.0, "page"), (0.5, "pages"), (2, "pages")])
def test_one_is_singular(count: float, text: str) -> None:
    assert plural("page", count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "1970-01-01T00:00:00Z"), (None, "-"), (NAN, "-"), (1e300, "-"), (1795413599.999, "2026-11-23T05:59:59Z")],
)
def test_times_are_utc_and_say_so(seconds: float | None, text: str) -> None:
    assert utc(seconds) == text
    assert minute(seconds) == (text[:16].replace("T", " "))


def test_names_from_outside_cannot_move_the_cursor() -> None:
    assert clean("a\x1b[2Jb\n\u202ec") == "a\ufffd[2Jb\ufffd\ufffdc"
    assert len(clean("x" * 500)) == 120
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"


@pytest.mark.parametrize(
    ("wrong", "known", "listed", "says"),
    [
        pytest.param("Treshold", ["threshold", "effect"], True, "; did you mean 'threshold'?", id="close, any case"),
        pytest.param("x", ["threshold", "effect"], True, "; expected one of threshold, effect", id="nothing close"),
        pytest.param("x", ["threshold", "effect"], False, "", id="nothing close, and the names are not shown"),
        pytest.param("x", [], True, "", id="no names"),
        pytest.param(3, [f"name{i}" for i in range(31)], True, ", name29, ...", id="many names"),
    ],
)
def test_a_mistyped_name_gets_the_one_that_was_meant(
    wrong: object, known: list[str], *, listed: bool, says: str
) -> None:
    found = did_you_mean(wrong, known, listed=listed)
    assert found.endswith(says)
    assert bool(found) == bool(says)


def test_what_json_cannot_hold_is_null_or_a_question_mark() -> None:
    value = {"a": NAN, "b": (math.inf, -math.inf, 1.5, True, None), "\ud800": ["\ud800", np.int64(3), np.float64(NAN)]}
    assert jsonable(value) == {"a": None, "b": [None, None, 1.5, True, None], "?": ["?", 3, None]}
    assert jsonable(np.array([1.0, NAN])) == [1.0, None]
    assert json.dumps(jsonable({"x": NAN}), allow_nan=False) == '{"x": null}'


def test_names_are_sorted_as_people_do() -> None:
    names = ["m10", "m2", "M1", "m", "m2-b", "a", "m02", "\u0663", "2", "m2.5"]
    assert sorted(names, key=in_order) == ["2", "\u0663", "a", "m", "M1", "m02", "m2", "m2-b", "m2.5", "m10"]


@pytest.mark.parametrize("name", ["", "7" * 100, "\u00b2", "\udcff"])
def test_every_name_has_a_place(name: str) -> None:
    assert sorted([name, "m"], key=in_order)
