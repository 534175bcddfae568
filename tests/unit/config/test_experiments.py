"""Experiments in driftd.yaml: rules as they come out, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftd import config
from driftd.core.errors import ConfigError
from driftd.core.experiment import By, Measure, Metric, Role, Rule, Shares
from driftd.core.slice import Slice
from driftd.wiring.app import pipeline_of

GOOD = """
experiments:
- name: fraud-v8
  model: fraud
  champion: v7
  challengers: [v8]
  start: 2026-12-01
  shares: {v7: 90, v8: 10}
  metrics:
  - {measure: errors, margin: 0.005}
  - {measure: latency, threshold_seconds: 250ms, margin: 0.02, role: goal}
  - {measure: score, margin: 0.1, higher_is_better: true, cap: 5}
"""
METRIC = "  - {measure: errors, margin: 0.005}"


def loaded(tmp_path: Path, text: str) -> config.Loaded:
    path = tmp_path / "driftd.yaml"
    path.write_text(text)
    return config.load(path, {})


def test_a_rule_is_what_the_file_says_for_a_model_that_nobody_configured(tmp_path: Path) -> None:
    monitor = pipeline_of(loaded(tmp_path, GOOD).settings).monitor
    metrics = (
        Metric(Measure.ERRORS, 0.005),
        Metric(Measure.LATENCY, 0.02, Role.GOAL, beyond=0.25),
        Metric(Measure.SCORE, 0.1, higher=True, cap=5.0),
    )
    start = 1_796_083_200.0
    expected = Rule("fraud-v8", "fraud", ("v7", "v8"), metrics, 0.05, By.VARIANT, start, (Shares(0.0, (0.9, 0.1)),))
    assert monitor.experiments_of(Slice("fraud")) == (expected,)
    assert monitor.experiments_of(Slice("other")) == ()
    assert not monitor.configured
    assert expected.level == pytest.approx(0.05 / 3)


def test_a_ramp_has_shares_from_each_step_on(tmp_path: Path) -> None:
    text = GOOD.replace(
        "shares: {v7: 90, v8: 10}",
        "ramp:\n  - {from: 2026-12-01, shares: {v7: 99, v8: 1}}\n  - {from: 2026-12-02, shares: {v7: 1, v8: 1}}",
    )
    (rule,) = pipeline_of(loaded(tmp_path, text).settings).monitor.experiments_of(Slice("fraud"))
    assert rule.shares == (Shares(1_796_083_200.0, (0.99, 0.01)), Shares(1_796_169_600.0, (0.5, 0.5)))


def test_labels_have_the_part_of_a_rule_that_is_about_quality_at_the_same_level(tmp_path: Path) -> None:
    text = GOOD.replace(METRIC, f"{METRIC}\n  - {{measure: quality, margin: 0.01}}")
    (rule,) = pipeline_of(loaded(tmp_path, text).settings).monitor.experiments_of(Slice("fraud"))
    (part,) = pipeline_of(loaded(tmp_path, text).settings).monitor.experiments_of(Slice("fraud/labels"))
    assert [m.measure for m in part.metrics] == [Measure.QUALITY]
    assert part.level == pytest.approx(rule.level)


MISTAKES = [
    ("challengers: [v8]", "challengers: [v7]", "challengers: 'v7' appears twice among champion and challengers"),
    ("v8: 10}", "v9: 10}", "shares.v9: no variant of the experiment; "),
    ("{v7: 90, v8: 10}", "{v7: 90}", "shares: expected a share of each variant, and there is none of v8"),
    ("threshold_seconds: 250ms, ", "", "metrics[1].measure: needs threshold_seconds: shares beyond it are "),
    ("0.005", "0.005, threshold_seconds: 1", "metrics[0].threshold_seconds: only latency has a threshold"),
    ("0.005", "0.005, cap: 1", "metrics[0].cap: errors is a share; only cost, quality, score have a cap"),
    ("margin: 0.005", "margin: 5", "metrics[0].margin: expected a share below 1, got 5; a point is 0.01"),
    ("margin: 0.005", "margin: 0", "metrics[0].margin: expected more than 0, got 0"),
    ("challengers: [v8]", "challengers: []", "challengers: expected at least 1 of them, got none"),
    (
        "challengers: [v8]",
        f"challengers: [{', '.join(f'v{n}' for n in range(10, 20))}]",
        "challengers: expected at most 9 of them, got 10",
    ),
    (
        "margin: 0.1, higher_is_better: true, cap: 5",
        "margin: 0.1",
        "metrics[2].measure: needs higher_is_better: true where more of the score is better, else false",
    ),
    (METRIC, f"{METRIC}\n{METRIC}", "metrics: 'errors' appears twice"),
    ("0.005}", "0.005, higher_is_better: true}", "metrics[0].higher_is_better: errors is better where it is lower"),
    (
        "measure: errors",
        "measure: error",
        "metrics[0].measure: expected one of errors, latency, quality, score, cost, ",
    ),
]


@pytest.mark.parametrize(("old", "new", "expected"), MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, GOOD.replace(old, new, 1))
    assert f"experiments[0].{expected}" in str(error.value)


def test_a_name_is_given_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="experiment 'fraud-v8' appears twice, first as experiments\\[0\\]"):
        loaded(tmp_path, GOOD + GOOD.replace("experiments:\n", "", 1))


SHADOW = "  shadow: true\n  metrics: [{measure: errors, margin: 0.01}]\n"


def test_a_shadow_has_no_share_and_is_nowhere_else_traffic(tmp_path: Path) -> None:
    good = GOOD.partition("  shares:")[0] + SHADOW
    (rule,) = pipeline_of(loaded(tmp_path, good).settings).monitor.experiments_of(Slice("fraud"))
    assert rule.shadow
    assert rule.of_labels is None or rule.of_labels.shadow
    with pytest.raises(ConfigError, match=r"experiments\[0\].shares: a shadow answers what the champion answers"):
        loaded(tmp_path, GOOD + "  shadow: true\n")
    other = (
        good.replace("experiments:\n", "", 1)
        .replace("fraud-v8", "more")
        .replace(SHADOW, SHADOW.replace("true", "false"))
    )
    with pytest.raises(ConfigError, match=r"experiments\[1\].challengers: 'v8' is a shadow in experiment 'fraud-v8'"):
        loaded(tmp_path, good + other)


def test_an_empty_list_of_metrics_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"experiments\[0\].metrics: expected at least 1 of them, got none"):
        loaded(tmp_path, GOOD.partition("  metrics:")[0] + "  metrics: []\n")


def test_a_champion_that_challenges_itself_is_one_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(tmp_path, GOOD.replace("challengers: [v8]", "challengers: [v7]"))
    assert str(error.value).count("experiments[0]") == 1
