"""`driftd reference build` says what it saw: rhythm, natural variation, the kind that fits, weeks that are missing."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd.cli import main
from tests.unit.learn.test_comparison import DAY, HOUR, MONDAY, WEEK_SECONDS

COLUMNS = ("--model", "m", "--time", "ts", "--prediction", "p")
WINDOWS = ("--set", "windows.window_seconds=3h", "--set", "windows.min_events=30")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run_command(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as leaving:
            main(list(words))
        out = capsys.readouterr()
        return int(leaving.value.code or 0), out.out, out.err

    return run_command


def write(*, rhythm: bool, weeks: int = 3, every: float = 120.0) -> str:
    """An event each two minutes; x follows the hour of the day, or nothing."""
    rng = np.random.default_rng(20261123)
    n = int(weeks * WEEK_SECONDS / every)
    times = MONDAY + np.arange(n) * every
    hour = (times - MONDAY) % DAY / HOUR
    x = rng.normal(size=n) + (3 * np.sin(hour / 24 * 2 * np.pi) if rhythm else 0)
    with Path("events.csv").open("w") as file:
        rows = csv.writer(file)
        rows.writerow(["ts", "x", "p"])
        rows.writerows(zip(times.tolist(), x.round(4).tolist(), (x > 0).astype(int).tolist(), strict=True))
    return "events.csv"


def test_a_rhythm_is_seen_and_the_seasonal_kind_is_proposed(run: Any) -> None:
    code, out, _ = run("reference", "build", "--events", write(rhythm=True), *COLUMNS, *WINDOWS)
    assert code == 0
    assert "Rhythm: daily in 2 of 3 channels" in out
    assert re.search(r"Natural variation: in 2 of 3 channels .* differ by more than chance, median PSI [\d.]+ \(", out)
    assert "Kind: seasonal fits better (--kind seasonal); it compares a window with the same hours of the week" in out
    assert "Seasons: 3 whole weeks; " in out
    assert " more are needed before the judge knows 2 of 3 channels" in out


def test_a_rhythm_for_scripts(run: Any) -> None:
    words = ("reference", "build", "--events", write(rhythm=True), *COLUMNS, *WINDOWS, "--output", "json")
    (found,) = json.loads(run(*words)[1])
    assert found["proposed_kind"] == "seasonal"
    assert found["rhythm"]["daily"] == ["x", "prediction"]
    assert found["kind"] == "fixed"
    x = next(c for c in found["seen"] if c["channel"] == "x")
    assert x["natural_psi"]["hours_median"] < x["natural_psi"]["median"] / 2
    assert not x["pages"]


def test_without_a_rhythm_nothing_is_proposed(run: Any) -> None:
    out = run("reference", "build", "--events", write(rhythm=False), *COLUMNS, *WINDOWS)[1]
    assert "Rhythm: no daily or weekly rhythm" in out
    assert "windows differ by chance alone" in out
    assert "fits" not in out


def test_the_proposed_kind_can_be_taken(run: Any) -> None:
    words = ("reference", "build", "--events", write(rhythm=True), *COLUMNS, *WINDOWS, "--kind", "seasonal")
    out = run(*words)[1]
    assert "Kind: seasonal fits; it compares" in out
    (listed,) = json.loads(run("reference", "list", "--output", "json")[1])
    assert listed["kind"] == "seasonal"
    Path("driftd.yaml").write_text("models: [{name: m, reference: {kind: seasonal}}]")
    assert run("check", "--offline")[0] == 0


def test_what_is_excluded_is_not_in_the_reference_and_is_shown(run: Any) -> None:
    events = write(rhythm=True)
    first, last = "2008-05-06", "2008-05-08T12:00:00"
    words = ("reference", "build", "--events", events, *COLUMNS, *WINDOWS, "--output", "json")
    (whole,) = json.loads(run(*words)[1])
    (part,) = json.loads(run(*words, "--exclude", f"{first}/{last} festival", "--exclude", "1999-01-01/1999-01-02")[1])
    assert whole["events"] - part["events"] == 2.5 * DAY / 120
    assert [e["why"] for e in part["excluded"]] == ["festival"]
    assert "Left out: 2008-05-06 00:00 to 2008-05-08 12:00 UTC: festival" in run("reference", "show", "m")[1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("2008-05-06", "expected FROM/TO, such as 2026-12-24/2026-12-27, got '2008-05-06'"),
        ("2008-05-06/2008-05-06", "expected a time after 'from' (2008-05-06), got"),
        ("yesterday/today", "expected a date or a time, such as 2026-12-24 or 2026-12-24T18:00:00Z"),
    ],
)
def test_an_exclusion_that_is_none_is_told(run: Any, text: str, message: str) -> None:
    code, _, err = run("reference", "build", "--events", "x.csv", "--exclude", text)
    assert code == 2
    assert f"Invalid value for --exclude: {message}" in err


def test_too_few_windows_say_nothing_and_that_is_said(run: Any) -> None:
    out = run(
        "reference", "build", "--events", write(rhythm=False, weeks=1), *COLUMNS, "--set", "windows.window_seconds=2d"
    )[1]
    assert "Natural variation: unknown; it takes 5 windows or more" in out
