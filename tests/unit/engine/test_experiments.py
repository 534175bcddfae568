"""Experiments end to end in one process and in a group: each event counts once, through kills and however it comes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from driftd.core.errors import MessageUnreadable
from driftd.core.event import Decoded, EventBatch, LabelBatch
from driftd.core.experiment import Measure, Metric, Rule, Shares
from driftd.core.slice import Slice
from driftd.engine.exchange.messages import Tried, decode, encode, key_of, small
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.ingest.outcomes.join import Joining
from driftd.judge.experiments.state import Experiment
from driftd.judge.experiments.verdict import Result, Verdict
from driftd.monitor.experiments import results
from tests.unit.core.make import feed, frozen, pipeline, thawed
from tests.unit.engine.exchange.group import Group, by_key
from tests.unit.engine.exchange.test_group import BEGIN, alone, faulty, learner
from tests.unit.judge.experiments.test_experiment import assert_same

RULE = Rule(
    "exp",
    "m",
    ("champion", "challenger"),
    (Metric(Measure.ERRORS, 0.01), Metric(Measure.SCORE, 0.1, higher=True)),
    shares=(Shares(0.0, (0.5, 0.5)),),
)
M = Slice("m")


def with_variants(rows: EventBatch, seed: int, *, worse: float = 0.2, named: bool = True) -> EventBatch:
    """Users who come back, half of them with each variant; the challenger fails more."""
    rng, n = np.random.default_rng(seed), len(rows)
    user = rng.integers(0, 3_000, n)
    arm = user % 2
    fields: dict[str, Any] = {
        **rows.fields,
        "variant": [RULE.arms[a] for a in arm.tolist()],
        "error": rng.random(n) < np.where(arm == 1, worse, 0.02),
        "score": rng.normal(size=n),
    }
    if named:
        fields["unit"] = [f"user-{u}" for u in user.tolist()]
    return replace(rows, fields=fields)


def trying(p: Pipeline, *rules: Rule) -> Pipeline:
    return replace(p, monitor=replace(p.monitor, experiments={"m": rules}))


def in_group() -> Pipeline:
    return trying(learner(), RULE)


def experiment(state: State, key: Slice = M) -> Experiment:
    (found,) = state.models[key].experiments.values()
    return found


def said(state: State, rule: Rule = RULE) -> Result:
    (found,) = results(state.models, M, (rule,))
    return found


def minutes(n: int, per_second: float = 5.0) -> EventBatch:
    rng = np.random.default_rng(7)
    times = 1000.0 + np.arange(n) / per_second
    return EventBatch("m", np.arange(n), times, {"x": rng.normal(size=n)}, {"prediction": np.ones(n)})


def test_a_challenger_that_fails_more_is_worse_from_the_first_events_on_before_any_reference() -> None:
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    feed(p, state, ("t", 0), with_variants(minutes(6_000), 1))
    assert state.models[M].reference is None
    errors, score = said(state).comparisons
    assert (errors.verdict, score.verdict) == (Verdict.WORSE, Verdict.EQUAL)
    assert errors.low > 0.01
    assert not errors.independent
    assert not said(state).broken


def test_events_are_counted_once_while_and_after_a_reference_is_learned() -> None:
    rows = with_variants(minutes(6_000), 1)
    counted = []
    for learn_events in (500, 10**9):
        p, state = trying(pipeline(learn_events=learn_events), RULE), State()
        for begin, end in pairwise([*range(0, 6_000, 250), 6_000]):
            feed(p, state, ("t", 0), rows.take(np.arange(begin, end)))
        counted.append(experiment(state))
    assert_same(*counted)
    assert 5_000 < counted[0].events.sum() <= 6_000


def test_a_restart_in_the_middle_changes_nothing() -> None:
    rows, ends = with_variants(minutes(6_000), 1), [*range(0, 6_000, 333), 6_000]
    p, undisturbed = trying(pipeline(learn_events=500), RULE), State()
    q, killed = trying(pipeline(learn_events=500), RULE), State()
    for begin, end in pairwise(ends):
        feed(p, undisturbed, ("t", 0), rows.take(np.arange(begin, end)))
        feed(q, killed, ("t", 0), rows.take(np.arange(begin, end)))
        killed = thawed(q, frozen(q, killed))
    assert_same(experiment(undisturbed), experiment(killed))
    assert frozen(p, undisturbed) == frozen(q, killed)


def test_variants_on_partitions_of_their_own_are_compared() -> None:
    """Whoever gives each variant a topic of its own has panes with both only when all of them are together."""
    rows = with_variants(minutes(6_000), 1, named=False)
    arm = np.array([v == "challenger" for v in rows.fields["variant"]])
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    parts = by_key(rows, arm.astype(np.int64))
    for k in (0, 1):
        p.ingest(state, (f"t{k}", 0), 0, Decoded(0, [], []))
    for begin, end in pairwise(range(0, 3_001, 300)):
        for k, part in enumerate(parts):
            feed(p, state, (f"t{k}", 0), part.take(np.arange(begin, min(end, len(part)))))
    assert said(state).comparisons[0].verdict is Verdict.WORSE


def test_a_version_may_be_the_variant() -> None:
    rule = replace(RULE, by=type(RULE.by).VERSION, arms=("1", "2"))
    rows = with_variants(minutes(3_000), 1)
    versions = ["2" if v == "challenger" else "1" for v in rows.fields["variant"]]
    rows = replace(rows, version=versions).without_fields(["variant"])
    p, state = trying(pipeline(learn_events=10**9), rule), State()
    feed(p, state, ("t", 0), rows)
    assert said(state, rule).comparisons[0].verdict is Verdict.WORSE


def test_events_before_the_start_do_not_count() -> None:
    rule = replace(RULE, start=1300.0)
    p, state = trying(pipeline(learn_events=10**9), rule), State()
    feed(p, state, ("t", 0), with_variants(minutes(3_000), 1))
    assert said(state, rule).since == 1260.0  # the minute in which it starts
    assert experiment(state).events.sum() == sum(1300 <= t < 1560 for t in minutes(3_000).times)


def test_another_rule_begins_anew_and_other_shares_do_not() -> None:
    rows = with_variants(minutes(3_000), 1)
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    feed(p, state, ("t", 0), rows.take(np.arange(2_000)))
    before = experiment(state).events.sum()
    p = trying(p, replace(RULE, shares=()))
    feed(p, state, ("t", 0), rows.take(np.arange(2_000, 2_900)))
    assert experiment(state).events.sum() > before
    p = trying(p, replace(RULE, alpha=0.01))
    feed(p, state, ("t", 0), rows.take(np.arange(2_900, 3_000)))
    assert not state.models[M].experiments


def test_without_an_experiment_nothing_is_kept_and_no_unit_is() -> None:
    p, state = pipeline(learn_events=10**9), State()
    feed(p, state, ("t", 0), with_variants(minutes(1_000), 1))
    stream = state.partitions["t", 0].streams[M]
    assert not stream.trials
    assert not {"variant", "unit"} & {name for rows in stream.rows for name in rows.fields}
    assert b"user-" not in frozen(p, state)


def test_units_are_hashes_in_the_state() -> None:
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    feed(p, state, ("t", 0), with_variants(minutes(1_000), 1))
    assert b"user-" not in frozen(p, state)
    assert len(experiment(state).units.hashes) > 100
    rows = state.partitions["t", 0].streams[M].rows
    assert not {"variant", "unit"} & {name for batch in rows for name in batch.fields}


def test_how_right_each_is_comes_from_labels_that_are_joined_later() -> None:
    rule = replace(RULE, metrics=(Metric(Measure.QUALITY, 0.02),))
    p, state = trying(pipeline(learn_events=10**9), rule), State()
    p.labels, p.most_slices = Joining(600.0, 100_000, always=True), 10
    rows = with_variants(minutes(6_000), 1)
    rows = replace(rows, ids=[f"id{i}" for i in range(6_000)])
    rng = np.random.default_rng(3)
    wrong = rng.random(6_000) < np.where(np.array(rows.fields["variant"]) == "challenger", 0.3, 0.1)
    labels = LabelBatch(np.arange(6_000), rows.times + 45, [f"id{i}" for i in range(6_000)], [*(~wrong).astype(float)])
    none = rows.take(np.zeros(0, np.intp))
    for begin, end in pairwise(range(0, 6_001, 500)):
        feed(p, state, ("t", 0), rows.take(np.arange(begin, end)))
        at = slice(begin, end)
        some = LabelBatch(labels.offsets[at], labels.times[at], labels.ids[at], labels.labels[at])
        p.ingest(state, ("l", 0), end, Decoded(500, [replace(none, labels_alone=some)], []))
        p.settle(state)
    (found,) = said(state, rule).comparisons
    assert found.verdict is Verdict.WORSE
    assert found.low < 0.2 < found.high
    assert not found.independent


@pytest.mark.parametrize(("members", "kills", "seed"), [(1, 0.0, 0), (3, 0.2, 4)])
def test_a_group_counts_what_one_process_counts(members: int, kills: float, seed: int) -> None:
    rows = with_variants(faulty(seed, 0.2, 0.1), seed)
    parts = by_key(rows, np.random.default_rng(seed).integers(0, 4, len(rows)))
    group = Group.of(in_group, parts, members, owners=2)
    assert bool(group.run(np.random.default_rng(seed), most=150, kills=kills)) == bool(kills)
    _, state = alone(in_group, parts)
    (owned,) = [o.owned.state for m in group.members for o in m.owners.values() if M in o.owned.state.models]
    expected, found = experiment(state), experiment(owned)
    assert expected.last > BEGIN + 3600
    assert found.last == expected.last
    assert_same(replace(found, waiting=None), replace(expected, waiting=None))


SHADOW = replace(RULE, shadow=True, shares=())


def shadowed() -> Pipeline:
    return trying(learner(), SHADOW)


def test_a_group_leaves_what_a_shadow_answers_out_of_the_model_as_one_process_does() -> None:
    rows = with_variants(faulty(3, 0.2, 0.1), 3)
    parts = by_key(rows, np.arange(len(rows)) % 4)
    group = Group.of(shadowed, parts, members=3, owners=2)
    group.run(np.random.default_rng(3), most=150, kills=0.0)
    _, state = alone(shadowed, parts)
    (owned,) = [o.owned.state for m in group.members for o in m.owners.values() if M in o.owned.state.models]
    assert_same(replace(experiment(owned), waiting=None), replace(experiment(state), waiting=None))
    served = rows.fields["variant"].count("champion")  # type: ignore[union-attr]
    assert state.counters(M).events == served < len(rows)
    mine, other = state.models[M].reference, owned.models[M].reference
    assert mine is not None
    assert other is not None
    assert mine.id == other.id


@pytest.mark.parametrize("metric", [Metric(Measure.ERRORS, 0.01), Metric(Measure.QUALITY, 0.01)])
def test_joined_labels_of_a_shadow_are_not_those_of_the_model(metric: Metric) -> None:
    p, state, n = trying(pipeline(learn_events=10**9), replace(SHADOW, metrics=(metric,))), State(), 400
    p.labels, p.most_slices = Joining(3600.0, 10_000, always=True), 10
    rows = with_variants(minutes(n), 2)
    ids = [f"r{i}" for i in range(n)]
    rows = replace(rows, ids=ids, fields={**rows.fields, "prediction": [1.0] * n})
    labels = LabelBatch(np.arange(n), rows.times + 60, ids, [1.0] * n)
    p.ingest(state, ("p", 0), n, Decoded(n, [rows], []))
    p.ingest(state, ("l", 0), n, Decoded(n, [replace(rows.take(np.arange(0)), labels_alone=labels)], []))
    served = rows.fields["variant"].count("champion")  # type: ignore[union-attr]
    assert state.counters(Slice.of_labels("m")).events == served < n


def messages() -> list[Tried]:
    rows = with_variants(faulty(1, 0.1, 0.05), 1)
    group = Group.of(in_group, by_key(rows, np.arange(len(rows)) % 2), members=2, owners=1)
    group.run(np.random.default_rng(1), most=200)
    return [m for data in group.panes[0] if isinstance(m := decode(data), Tried)]


def test_what_members_say_of_experiments_comes_back_is_cut_between_panes_and_checked() -> None:
    said = messages()
    assert all(encode(decode(encode(m))) == encode(m) for m in said)
    assert all(key_of(m).startswith("m|tried@") for m in said)
    whole = max(said, key=lambda m: len(m.trials[RULE.id].sums.rows))
    parts = [*small(whole, len(encode(whole)) // 2)]
    assert len(parts) > 1
    rows = np.concatenate([part.trials[RULE.id].sums.keys for part in parts])  # type: ignore[union-attr]
    assert rows.tolist() == whole.trials[RULE.id].sums.keys.tolist()
    trial = whole.trials[RULE.id]
    for broken in (
        replace(trial, sums=replace(trial.sums, values=trial.sums.values[1:])),
        replace(trial, sums=replace(trial.sums, keys=trial.sums.keys[::-1])),
        replace(trial, units=replace(trial.units, arms=trial.units.arms - 5)),
        replace(trial, units=replace(trial.units, panes=trial.units.panes + 10**6)),
        replace(trial, units=replace(trial.units, hashes=trial.units.hashes + 2.0**52)),
    ):
        with pytest.raises(MessageUnreadable):
            decode(encode(replace(whole, trials={RULE.id: broken})))


def test_what_another_driftd_counted_in_other_columns_is_left_alone() -> None:
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    feed(p, state, ("t", 0), with_variants(minutes(1_000), 1))
    before = experiment(state)
    (message, *_) = messages()
    trial = message.trials[RULE.id]
    foreign = replace(trial, sums=replace(trial.sums, width=trial.sums.width + 1))
    state.models[M].trials["t", 9] = {RULE.id: foreign}
    state.models[M].tried = None
    p.settle(state, end=True)
    assert experiment(state).events.sum() <= 1_000
    assert before.events.sum() > 0


def test_a_model_that_learns_anew_goes_on_with_its_experiments() -> None:
    p, state = trying(pipeline(learn_events=10**9), RULE), State()
    feed(p, state, ("t", 0), with_variants(minutes(1_000), 1))
    model = state.models[M]
    assert experiment(state).events.sum() > 0
    anew = model.afresh()
    assert anew.experiments is model.experiments
    assert (anew.trials, anew.tried) == (model.trials, model.tried)


@pytest.mark.parametrize("mine", [True, False])
def test_an_experiment_says_not_yet_before_the_first_event_where_its_model_is_judged(mine: bool) -> None:
    p, state = in_group(), State()
    p.begin(state, {}, lambda _: mine)
    assert (M in state.models) is mine
    assert [c.code for c in said(state).comparisons] == [0, 0]
