"""Experiments as the metrics, the API, the page and the command line tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest

from driftd.cli.experiment import report_lines, status_lines
from driftd.core.experiment import Measure, Metric, Role, Rule, Shares
from driftd.core.text import when
from driftd.judge.experiments.state import Experiment
from driftd.judge.experiments.verdict import Result, result
from driftd.metrics.aggregates import ModelCounts, count_lines
from driftd.monitor.view import ModelView
from driftd.web import openapi
from driftd.web.site import PATHS, answer, request_of
from tests.stage.snapshot import snapshot
from tests.unit.judge.experiments.make import PANE, events, rule, run
from tests.unit.web.test_site import Elements

HOSTILE = "b<script>"
METRICS = (
    Metric(Measure.ERRORS, 0.01),
    Metric(Measure.LATENCY, 0.02, beyond=0.25),
    Metric(Measure.SCORE, 0.1, Role.GOAL, higher=True),
)
RULE = rule(METRICS, name="exp")


def outcome(
    rates: tuple[float, float] = (0.02, 0.10), share: float = 0.5, mine: Rule = RULE, panes: int = 80
) -> Result:
    rng = np.random.default_rng(5)
    made = []
    for t in range(panes):
        arms = (rng.random(100) < share).astype(int)
        failed, scores = rng.random(100) < np.array(rates)[arms], rng.normal(size=100)
        made.append(events(arms, at=1.8e9 + t * PANE, failed=failed, scores=scores, offset=100 * t))
    return result(mine, run(mine, made))


WORSE = outcome()


def asked(path: str, *results: Result) -> bytes:
    m = ModelView("m", None, counts=ModelCounts(8000, experiments=results, last_event=1.8e9))
    return answer(request_of(path, None), lambda: snapshot(models=(m,), findings=[])).body


def one(*results: Result) -> dict[str, Any]:
    body: dict[str, Any] = orjson.loads(asked("/api/v1/experiment?name=exp", *results))
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/OneExperiment", "components": document["components"]})
    return body


def metrics(*results: Result) -> list[str]:
    lines = count_lines("m", ModelCounts(1, experiments=results))
    return [x for x in b"".join(line for _, line in lines).decode().splitlines() if "variant" in x]


def test_a_worse_challenger_is_minus_one_with_its_interval() -> None:
    found = metrics(WORSE)
    about = 'model="m",experiment="exp",metric="errors",challenger="b"'
    assert f"driftd_variant_verdict{{{about}}} -1" in found
    assert f"driftd_variant_margin{{{about}}} 0.01" in found
    lower = f"driftd_variant_difference_lower{{{about}}}"
    low = next(float(x.rpartition(" ")[2]) for x in found if x.startswith(lower))
    assert 0.01 < low < 0.08
    assert 'driftd_variant_verdict{model="m",experiment="exp",metric="latency_over_0.25s",challenger="b"} 0' in found
    assert f'driftd_variant_events_total{{model="m",experiment="exp",variant="a"}} {WORSE.events[0]}' in found


def test_before_the_first_event_every_verdict_is_there_and_0() -> None:
    """A missing series would read as a yes, or stop a rollout that has not begun."""
    found = metrics(result(RULE, Experiment.start(RULE)))
    assert sum(x.startswith("driftd_variant_verdict{") and x.endswith(" 0") for x in found) == 3
    assert not [x for x in found if "difference" in x or "srm" in x]


def test_a_broken_split_is_seen_and_nothing_is_said_of_challengers() -> None:
    found = metrics(outcome(share=0.35))
    evidence, enough = (
        next(float(x.rpartition(" ")[2]) for x in found if x.startswith(name + "{"))
        for name in ("driftd_variant_srm_evidence", "driftd_variant_srm_evidence_threshold")
    )
    assert evidence > enough
    assert {x.rpartition(" ")[2] for x in found if "verdict" in x} == {"0"}


def test_api_page_and_command_say_the_same() -> None:
    e = one(WORSE)["experiment"]
    assert e["sentence"] == "experiment exp: b is worse"
    errors, slow, score = e["comparisons"]
    assert (errors["verdict"], errors["code"], errors["role"]) == ("worse", -1, "guardrail")
    assert errors["low"] < errors["difference"] < errors["high"]
    assert slow["why"] == "no event of the champion yet"
    assert score["role"] == "goal"
    assert len(errors["history"]) > 10
    page = asked("/experiment?name=exp", WORSE).decode()
    lines = [*report_lines(e, 1.8e9)]
    status = [*status_lines({"experiment": e, "time": 1.8e9})]
    for c in e["comparisons"]:
        assert c["sentence"] in page.replace("\u00a0", " ")
        since = "" if c["verdict_since"] is None else f"; since {when(c['verdict_since'], 1.8e9)}"
        assert f"  {c['role']:<10} {c['sentence']}{since}" in lines
        assert f"  {c['role']:<10} {c['sentence']}{since}" in status
    assert status[0] == "WORSE     m: experiment exp: b is worse"
    assert page.count("<figure>") == 2
    assert "Events name no unit" in page


def test_the_sentence_has_means_interval_margin_and_points() -> None:
    (errors, *_) = one(WORSE)["experiment"]["comparisons"]
    means = f"{100 * errors['challenger_mean']:.3g}% in place of {100 * errors['champion_mean']:.3g}%"
    assert errors["sentence"].startswith(f"b: errors worse: {means}, by +")
    assert errors["sentence"].endswith(" points (margin 1)")


def test_all_experiments_come_with_those_first_that_need_somebody() -> None:
    calm = outcome((0.02, 0.02), mine=replace(RULE, name="calm"))
    broken = outcome(share=0.35, mine=replace(RULE, name="split"))
    body = orjson.loads(asked("/api/v1/experiments", calm, broken, WORSE))
    assert [e["name"] for e in body["experiments"]] == ["exp", "split", "calm"]
    lines = [*status_lines(body)]
    assert [line.split()[0] for line in lines] == ["WORSE", "SPLIT", "NOT"]
    none = [*status_lines({"experiments": [], "time": 0})]
    assert none == ["No experiments. They are set up in driftd.yaml: experiments."]


def test_the_models_page_links_to_its_experiments() -> None:
    page = asked("/model?model=m", WORSE).decode()
    assert '<a href="/experiment?name=exp">' in page
    assert "Experiments</h2>" not in asked("/model?model=m").decode()


def test_every_link_of_the_page_leads_somewhere() -> None:
    links = {a["href"] for a in Elements(asked("/experiment?name=exp", WORSE).decode()).of("a")}
    assert {link.partition("?")[0] for link in links if link and link.startswith("/")} <= {*PATHS, "/metrics"}
    assert {"/model?model=m", "/api/v1/experiment?name=exp"} <= links


def test_names_from_outside_stay_text_and_an_unknown_name_is_not_found() -> None:
    mine = replace(RULE, arms=("a", HOSTILE))
    page = asked("/experiment?name=exp", result(mine, Experiment.start(mine))).decode()
    assert HOSTILE not in page
    assert "b&lt;script&gt;" in page
    assert "No experiment is called nobody" in asked("/experiment?name=nobody", WORSE).decode()
    body = orjson.loads(asked("/api/v1/experiment?name=nobody", WORSE))
    assert body == {"error": "no experiment is called 'nobody'; there are: exp"}


@pytest.mark.parametrize(
    ("changed", "remark"),
    [
        ({"shares": ()}, "No shares are given"),
        ({}, "Events name no unit"),
        ({"start": 1.8e9 - 86_400}, "It began after the start"),
        ({"metrics": (Metric(Measure.SCORE, 0.1, cap=2.0),)}, "Values beyond a cap"),
    ],
)
def test_what_a_verdict_rests_on_is_said(changed: dict[str, Any], remark: str) -> None:
    remarks = one(outcome(mine=replace(RULE, **changed), panes=5))["experiment"]["remarks"]
    assert any(text.startswith(remark) for text in remarks)


def test_events_of_other_variants_are_told_by_all() -> None:
    odd = replace(outcome(panes=5), others=1234, names=("V8", HOSTILE))
    e = one(odd)["experiment"]
    assert (e["other_events"], e["other_variants"]) == (1234, ["V8", HOSTILE])
    remark = f"1,234 events of other variants are left out, such as 'V8', '{HOSTILE}'."
    assert remark in e["remarks"]
    assert f"  {remark}" in [*report_lines(e, 1.8e9)]
    page = asked("/experiment?name=exp", odd).decode()
    assert "1,234 events of other variants" in page
    assert HOSTILE not in page
    assert 'driftd_variant_other_events_total{model="m",experiment="exp"} 1234' in metrics(odd)


def test_an_experiment_of_the_past_shares_shows_those_of_now() -> None:
    steps = replace(RULE, shares=(Shares(0.0, (0.9, 0.1)), Shares(1.8e9, (0.5, 0.5))))
    variants = one(outcome(mine=steps, panes=5))["experiment"]["variants"]
    assert [v["wanted"] for v in variants] == [v["wanted_now"] for v in variants] == [0.5, 0.5]


@pytest.mark.parametrize("named", [True, False])
def test_a_ramp_shows_what_was_to_come_so_far_of_what_the_test_counts(named: bool) -> None:
    """10 minutes at 90 to 10, then 30 at 50 to 50, kept to the letter: so far 60 to 40. One user comes very often."""
    mine = replace(RULE, shares=(Shares(0.0, (0.9, 0.1)), Shares(1.8e9 + 10 * PANE, (0.5, 0.5))))
    made = []
    for t in range(40):
        arms = (np.arange(100) >= (90 if t < 10 else 50)).astype(int)
        each = [f"u{t}-{i}" for i in range(100)]
        units = [*each, *["often"] * 100] if named else None
        arms = np.concatenate([arms, np.ones(100, int)]) if named else arms
        made.append(events(arms, at=1.8e9 + t * PANE, units=units, offset=1000 * t))
    body = one(result(mine, run(mine, made)))
    variants = body["experiment"]["variants"]
    assert [v["wanted"] for v in variants] == pytest.approx([0.6, 0.4], abs=1e-3)
    assert [v["share"] for v in variants] == pytest.approx([0.6, 0.4], abs=1e-3)
    assert [v["wanted_now"] for v in variants] == [0.5, 0.5]
    text = "\n".join(report_lines(body["experiment"], 0.0))
    assert f"60%{' of the units' if named else ''}, to get 60% so far and 50% now" in text
    page = asked("/experiment?name=exp", result(mine, run(mine, made))).decode()
    assert ("share of units</th>" in page) is named
    assert ">now</th>" in page


def test_answers_of_a_shadow_are_no_traffic_that_an_alert_asks_for() -> None:
    """DriftdChallengerWorse rings for a challenger that gets events of driftd_variant_events_total."""
    shadow = replace(WORSE, rule=replace(RULE, shadow=True))
    lines, about = metrics(shadow), '{model="m",experiment="exp",variant="b"} '
    assert not [x for x in lines if x.startswith(f"driftd_variant_events_total{about}")]
    assert f"driftd_variant_shadow_events_total{about}{WORSE.events[1]}" in lines
    assert 'driftd_variant_verdict{model="m",experiment="exp",metric="errors",challenger="b"} -1' in lines
    assert one(shadow)["experiment"]["shadow"]
    page = asked("/experiment?name=exp", shadow).decode()
    assert "Nobody gets what a shadow answers: it has no share of the traffic." in page
    assert "49.6%" not in page
    assert "49.6%" in asked("/experiment?name=exp", WORSE).decode()


def test_a_champion_that_differs_from_itself_is_told_and_one_that_does_not_too() -> None:
    calm = "Control: one half of a does not differ from the other, by hash, as it must be."
    assert calm in one(WORSE)["experiment"]["remarks"]
    assert {c["differs_since"] for c in one(WORSE)["experiment"]["control"]} == {None}
    about = 'driftd_variant_control_differs{model="m",experiment="exp",metric="errors"}'
    assert f"{about} 0" in metrics(WORSE)
    first, *others = WORSE.controls
    odd = replace(WORSE, controls=(replace(first, since=1.8e9), *others))
    (told,) = [r for r in one(odd)["experiment"]["remarks"] if r.startswith("Control")]
    assert told.startswith(
        f"Control: one half of the units of a, by hash, differs from the other in errors since {when(1.8e9, odd.last)}."
    )
    assert told.endswith("By chance it comes in at most 5% of experiments.")
    assert one(odd)["experiment"]["control"][0] == {"metric": "errors", "differs_since": 1.8e9}
    assert f"{about} 1" in metrics(odd)
    page = asked("/experiment?name=exp", odd).decode()
    assert "trust no verdict before you know why" in page
    assert calm not in page
