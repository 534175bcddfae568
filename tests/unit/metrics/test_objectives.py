"""Objectives from the configuration to /metrics, where the alert rules find them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from driftd.config import load
from driftd.core.errors import ConfigError
from driftd.core.objective import DAYS, Objective
from driftd.core.slice import Slice
from driftd.core.summary import LATENCY_LE
from driftd.metrics.aggregates import ModelCounts, count_lines
from driftd.wiring.app import pipeline_of

ROOT = Path(__file__).parents[3]
LATENCIES = np.arange(1, len(LATENCY_LE) + 2)
"""1 up to 1 ms, 2 up to 2.5 ms, ... 14 beyond 10 s."""


def objective(tmp_path: Path, text: str, model: str = "fraud") -> Objective:
    file = tmp_path / "driftd.yaml"
    file.write_text(text)
    return pipeline_of(load(file).settings).monitor.settings(Slice(model)).objective


@pytest.mark.parametrize(
    ("seconds", "slow"),
    [(0.001, sum(range(2, 15))), (0.25, 9 + 10 + 11 + 12 + 13 + 14), (10.0, 14)],
)
def test_slow_is_what_takes_longer_than_the_bound(seconds: float, slow: int) -> None:
    assert Objective(latency_seconds=seconds).slow(LATENCIES) == slow


def test_a_model_has_the_objectives_of_all_and_its_own(tmp_path: Path) -> None:
    text = """
    slo: {success_objective: 0.999, latency_seconds: 0.5}
    models: [{name: fraud, slo: {latency_seconds: 0.1, latency_objective: 0.95}}, {name: price}]
    """
    assert objective(tmp_path, "log: {}") == Objective(0.01, 0.01, 0.25)
    assert objective(tmp_path, text) == Objective(0.001, 0.05, 0.1)
    assert objective(tmp_path, text, "price") == objective(tmp_path, text, "found later") == Objective(0.001, 0.01, 0.5)


def test_another_bound_is_refused_and_the_known_ones_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"latency_seconds: expected a bound of .*0\.1, 0\.25, 0\.5"):
        objective(tmp_path, "slo: {latency_seconds: 0.3}")
    with pytest.raises(ConfigError, match="success_objective"):
        objective(tmp_path, "slo: {success_objective: 99.9}")


def test_budgets_and_slow_predictions_are_metrics() -> None:
    counts = ModelCounts(105, latency_le=LATENCIES, objective=Objective(0.001, 0.05, 0.1))
    text = b"".join(line for _, line in count_lines("fraud", counts)).decode()
    for line in (
        'driftd_slo_error_budget_ratio{model="fraud"} 0.001',
        'driftd_slo_latency_budget_ratio{model="fraud"} 0.05',
        'driftd_slo_latency_threshold_seconds{model="fraud"} 0.1',
        f'driftd_slow_predictions_total{{model="fraud"}} {8 + 9 + 10 + 11 + 12 + 13 + 14}',
    ):
        assert line in text.splitlines()
    silent = b"".join(line for _, line in count_lines("fraud", ModelCounts(105))).decode()
    assert "latency" not in silent, "nobody measures it: nothing can be slow"


def test_the_rules_speak_of_as_many_days() -> None:
    assert f"over {DAYS} days" in (ROOT / "alert_rules" / "slo.yml").read_text()
