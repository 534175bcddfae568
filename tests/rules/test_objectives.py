"""Rules of models with objectives of their own: judged by promtool beside models that have none."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from driftd.config import Settings
from driftd.generate.configured import rule_files, rule_settings

STRICT: Final = {"name": "strict", "slo": {"errors": 0.001, "slow": 0.002, "latency_seconds": 1.0}}


def series(model: str, *, failed: int, over_quarter: int, over_one: int) -> list[dict[str, str]]:
    """A thousand predictions a minute, so many of which fail or take longer than 0.25 s and 1 s."""
    labels = f'job="driftd",model="{model}"'
    steps = {
        f"driftd_predictions_total{{{labels}}}": 1000,
        f"driftd_prediction_errors_total{{{labels}}}": failed,
        f"driftd_prediction_latency_seconds_count{{{labels}}}": 1000,
        f'driftd_prediction_latency_seconds_bucket{{{labels},le="0.25"}}': 1000 - over_quarter,
        f'driftd_prediction_latency_seconds_bucket{{{labels},le="1.0"}}': 1000 - over_one,
    }
    return [{"series": name, "values": f"0+{step}x90"} for name, step in steps.items()]


def fires(
    promtool: str, folder: Path, settings: dict[str, Any], inputs: list[dict[str, str]], alert: str, *models: str
) -> str:
    """Empty where exactly these models have the alert after an hour and a half; else what promtool says."""
    files = rule_files(rule_settings(Settings(**settings)))
    for name, text in files.items():
        (folder / name).write_text(text)
    firing = f'ALERTS{{alertname="{alert}",alertstate="firing"}}'
    labels = [{"job": "driftd", "model": m, "severity": "critical", "area": "slo"} for m in models]
    test = {
        "rule_files": ["recording.yml", "slo.yml"],
        "evaluation_interval": "1m",
        "group_eval_order": ["driftd-objectives", "driftd-rates", "driftd-rates-long", "driftd-slo"],
        "tests": [
            {
                "interval": "1m",
                "input_series": inputs,
                "promql_expr_test": [
                    {
                        "expr": f"count by (job, model, severity, area) ({firing})",
                        "eval_time": "85m",
                        "exp_samples": [
                            {"labels": "{" + ",".join(f'{k}="{v}"' for k, v in row.items()) + "}", "value": 1}
                            for row in labels
                        ],
                    }
                ],
            }
        ],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [promtool, "test", "rules", str(folder / "test.yml")], capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.integration
def test_each_model_burns_its_own_error_budget(promtool: str, tmp_path: Path) -> None:
    inputs = [row for model in ("strict", "other") for row in series(model, failed=20, over_quarter=0, over_one=0)]
    alert = "DriftdErrorBudgetBurnFast"
    assert fires(promtool, tmp_path, {"models": [STRICT]}, inputs, alert, "strict") == ""
    assert fires(promtool, tmp_path, {}, inputs, alert) == ""
    assert fires(promtool, tmp_path, {"rules": {"slo": {"errors": 0.001}}}, inputs, alert, "other", "strict") == ""


@pytest.mark.integration
def test_each_model_is_slow_by_its_own_limit(promtool: str, tmp_path: Path) -> None:
    """Both have the same latencies: 20 % above a quarter of a second, 0.5 % above one."""
    inputs = [row for model in ("strict", "other") for row in series(model, failed=0, over_quarter=200, over_one=5)]
    alert = "DriftdLatencyBudgetBurnFast"
    assert fires(promtool, tmp_path, {}, inputs, alert, "other", "strict") == ""
    assert fires(promtool, tmp_path, {"models": [STRICT]}, inputs, alert, "other") == ""


@pytest.mark.integration
def test_promtool_accepts_rules_of_every_configuration(promtool: str, tmp_path: Path) -> None:
    hostile = {"name": 'a"b\\c.d$1', "slo": {"latency_seconds": 10}, "team": "x"}
    given = {
        "models": [STRICT, hostile],
        "rules": {"labels": {"env": "it's"}, "job": "ml/driftd", "slo": {"slow": 0.1}},
    }
    for name, text in rule_files(rule_settings(Settings(**given))).items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, tmp_path.glob("*.yml"))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
