"""Objectives: by hand-drawn hours, and the alert rules' own numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftd.core.objective import DAY, FAST, HOUR, LEAST, SLOW, Objective
from driftd.core.summary import LATENCY_LE
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor import timeline as t
from driftd.monitor.timeline import MOST, STEPS, TOTALS, WIDTH, Level, Points, Timeline
from driftd.monitor.view import ModelView
from driftd.web.objectives import ObjectiveLine, objective_charts, objective_lines
from tests.stage.snapshot import snapshot

END = 1_790_553_600.0 + 40 * DAY
RULES = Path("alert_rules")
Share = Callable[[float], float]
"""Seconds before the end -> share of the predictions that were bad."""


def model(failed: Share, days: float = 40.0, *, a_minute: float = 100.0, slow: Share | None = None) -> ModelView:
    """So many predictions a minute up to the end."""
    levels = []
    for step, most in zip(STEPS, MOST, strict=True):
        numbers = np.arange(int((END - days * DAY) // step), int(END // step))[-most:]
        before = END - (numbers + 0.5) * step
        totals = np.zeros((len(numbers), TOTALS), np.float32)
        totals[:, t.EVENTS] = a_minute * step / 60
        totals[:, t.FAILED] = totals[:, t.EVENTS] * [failed(x) for x in before]
        if slow is not None:
            totals[:, t.TIMED] = totals[:, t.EVENTS]
            totals[:, t.SLOW] = totals[:, t.EVENTS] * [slow(x) for x in before]
        values = np.zeros((len(numbers), 1, WIDTH), np.float32)
        levels.append(Level(None, Points.none(1), Points.of(numbers, totals, values)))
    le = None if slow is None else np.ones(len(LATENCY_LE) + 1, np.int64)
    counts = ModelCounts(1, latency_le=le, objective=Objective(0.01, 0.05, 0.1))
    return ModelView("m", counts=counts, timeline=Timeline(("x",), ((),), tuple(levels)))


def line_of(m: ModelView, at: int = 0) -> ObjectiveLine:
    return objective_lines(m, snapshot(now=END + 30, reached=END))[at]


def test_success_and_latency_in_numbers_and_in_a_sentence() -> None:
    m = model(lambda _: 0.004, slow=lambda _: 0.01)
    success, latency = objective_lines(m, snapshot(now=END + 30, reached=END))
    assert (success.objective, success.target, success.seconds) == ("success", 0.99, None)
    assert (success.predictions, success.bad) == (100 * 60 * 24 * 30, 576 * 30)
    assert success.budget_left == pytest.approx(0.6, abs=1e-3)
    assert success.burn_rate == pytest.approx(0.4, abs=1e-3)
    assert success.burning is None
    assert success.sentence == (
        "99\u00a0% must succeed, over 30 days. In the last 30\u00a0d 17,280 of 4,320,000 predictions failed, "
        "0.4\u00a0%: 60\u00a0% of the budget is left. The last hour used it 0.4 times as fast as it may."
    )
    assert (latency.target, latency.seconds) == (0.95, 0.1)
    assert latency.budget_left == pytest.approx(0.8, abs=1e-3)
    assert latency.sentence.startswith("95\u00a0% must take at most 100 ms, over 30 days.")


@pytest.mark.parametrize(
    ("failed", "burning", "runbook"),
    [
        pytest.param(lambda _: 0.0, None, None, id="nothing failed"),
        pytest.param(lambda ago: 0.2 * (ago < HOUR), "page", "DriftdErrorBudgetBurnFast", id="a fifth for an hour"),
        pytest.param(lambda ago: 0.2 * (600 < ago < HOUR), None, None, id="it is over"),
        pytest.param(lambda ago: 0.07 * (ago < 6 * HOUR), "page", "DriftdErrorBudgetBurnFast", id="7 % for six hours"),
        pytest.param(lambda ago: 0.04 * (ago < DAY), "ticket", "DriftdErrorBudgetBurnSlow", id="4 % for a day"),
        pytest.param(lambda ago: 0.02 * (ago < 3 * DAY), "ticket", "DriftdErrorBudgetBurnSlow", id="2 % for three"),
        pytest.param(lambda ago: 0.009 * (ago < 30 * DAY), None, None, id="just within the budget"),
    ],
)
def test_it_burns_where_the_alert_would(failed: Share, burning: str | None, runbook: str | None) -> None:
    line = line_of(model(failed))
    assert (line.burning, line.runbook) == (burning, runbook)


def test_a_budget_that_is_used_up_and_one_that_will_be() -> None:
    over = line_of(model(lambda _: 0.03))
    assert over.budget_left == pytest.approx(-2, abs=0.01)
    assert "the budget is used up. The last hour used it 3 times as fast as it may." in over.sentence
    soon = line_of(model(lambda ago: 0.2 * (ago < HOUR)))
    assert "20 times as fast as it may; at that rate the rest lasts 1\u00a0d 11\u00a0h." in soon.sentence


def test_few_predictions_burn_nothing_and_say_so() -> None:
    line = line_of(model(lambda _: 0.5, a_minute=1.0))
    assert line.burn_rate is None
    assert f"In the last hour there were fewer than {LEAST}." in line.sentence
    assert line.burning == "page"  # six hours have enough
    assert line_of(model(lambda _: 0.5, days=0.1, a_minute=0.5)).burning is None


def test_what_is_known_is_named_and_a_backlog_is_judged_by_its_own_time() -> None:
    line = line_of(model(lambda _: 0.004, days=2.5))
    assert (line.span_seconds, line.predictions) == (2.5 * DAY, 360_000)
    m = model(lambda ago: 0.2 * (ago < HOUR))
    (late,) = objective_lines(m, snapshot(now=END + 90 * DAY, reached=END))
    assert late.burn_rate == pytest.approx(20, abs=0.1)


def test_nothing_is_said_without_values_over_time() -> None:
    m = replace(model(lambda _: 0.0), timeline=Timeline())
    assert objective_lines(m, snapshot()) == []
    assert objective_charts(m, snapshot()) == []


def test_the_rules_say_the_same() -> None:
    text = (RULES / "slo.yml").read_text()
    for speed, rules in (("Fast", FAST), ("Slow", SLOW)):
        alert = text.split(f"alert: DriftdErrorBudgetBurn{speed}")[1].split("- alert")[0]
        found = re.findall(r"ratio_rate(\d+)([mhd]) > ([\d.]+)", alert)
        unit = {"m": 60.0, "h": HOUR, "d": DAY}
        expected = [(seconds, rate) for rate, long, short in rules for seconds in (long, short)]
        assert [(int(n) * unit[u], float(rate)) for n, u, rate in found] == expected
    assert f"expr: vector({LEAST})" in (RULES / "recording.yml").read_text()
