"""Whom the experiments of a history would have called, as the report of a replay counts them."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from driftd.cli import reports
from driftd.cli.experiment import report_lines
from driftd.core.experiment import Measure, Metric
from driftd.judge.experiments.verdict import Result, result
from driftd.replay.calls import Called, calls
from driftd.replay.report import Report
from driftd.replay.run import Accounts
from driftd.web.experiments import experiment
from tests.unit.judge.experiments.make import ERRORS, PANE, events, rule, run

BOTH = (ERRORS, replace(ERRORS, margin=0.02), Metric(Measure.LATENCY, 0.01, beyond=0.1))


def outcome(failing: float, share: float = 0.5, panes: int = 60) -> Result:
    rng = np.random.default_rng(3)
    made = []
    for t in range(panes):
        arms = (rng.random(200) < share).astype(int)
        made.append(events(arms, at=t * PANE, failed=rng.random(200) < np.where(arms, failing, 0.02), offset=200 * t))
    mine = rule(BOTH, name="exp")
    return result(mine, run(mine, made))


WORSE, BROKEN, SAME = outcome(0.2), outcome(0.02, 0.4), outcome(0.02)


def told(capsys: pytest.CaptureFixture[str], *results: Result) -> list[str]:
    reports.text(Report(0.0, 3600.0, 1.0, (), (), {}, {}, calls=calls(results)), Accounts(1, 1, {}, 0, {}))
    return [line.strip() for line in capsys.readouterr().out.splitlines()]


def test_a_challenger_that_is_worse_is_one_page_at_the_time_of_its_first_verdict(
    capsys: pytest.CaptureFixture[str],
) -> None:
    since = [c.since for c in WORSE.comparisons[:2]]
    assert 0 < since[0] <= since[1] < 3600
    (page,) = calls([WORSE])
    assert page == Called("page", "DriftdChallengerWorse", "m", "exp", "b", ("errors", "errors"), since[0])
    lines = told(capsys, WORSE)
    assert "1 page of an experiment:" in lines
    assert any("DriftdChallengerWorse" in line and "b is worse: errors" in line for line in lines)
    assert "No other pages, with a budget of 1 false page a month." in lines
    assert "No tickets." in lines


def test_a_split_that_is_not_kept_is_a_ticket(capsys: pytest.CaptureFixture[str]) -> None:
    (ticket,) = calls([BROKEN])
    assert (ticket.severity, ticket.alert, ticket.at) == ("ticket", "DriftdSampleRatioBroken", BROKEN.broken_since)
    lines = told(capsys, BROKEN)
    assert "1 ticket of an experiment:" in lines
    assert "No other tickets." in lines
    assert "No pages, with a budget of 1 false page a month." in lines


def test_an_experiment_without_either_calls_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    assert calls([SAME]) == ()
    assert told(capsys, SAME)[1:] == ["No pages, with a budget of 1 false page a month.", "No tickets."]


def test_verdicts_and_a_broken_split_have_their_time() -> None:
    lines = [*report_lines(asdict(experiment(WORSE)), 3600.0)]
    minute = int(WORSE.comparisons[0].since // 60)
    assert any("errors worse" in line and line.endswith(f"; since 00:{minute:02}") for line in lines)
    (split,) = [line for line in report_lines(asdict(experiment(BROKEN)), 3600.0) if "the split" in line]
    assert f"the split is broken since 00:{int(BROKEN.broken_since // 60):02}: " in split


def test_a_shadow_that_is_worse_calls_nobody() -> None:
    found = replace(WORSE.rule, shadow=True)
    rng, made = np.random.default_rng(3), []
    for t in range(60):
        arms = np.repeat([0, 1], 100)
        made.append(events(arms, at=t * PANE, failed=rng.random(200) < np.where(arms, 0.2, 0.02), offset=200 * t))
    mine = result(found, run(found, made))
    assert [c.code for c in mine.comparisons] == [-1, -1, 0]
    assert calls([mine]) == ()
    assert experiment(mine).sentence == "experiment exp: b is worse"
    lines = [*report_lines(asdict(experiment(mine)), 3600.0)]
    assert any(line.split() == ["b", "6,000", "events,", "a", "shadow's"] for line in lines)
    assert not any("No shares" in line for line in lines)
