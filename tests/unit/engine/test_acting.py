"""The desk: what people ask for is done between two polls, is saved, and only then answered."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, cast

import numpy as np
import pytest

from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused
from driftd.core.slice import Slice
from driftd.engine.acting import perform
from driftd.engine.desk import Done
from driftd.engine.exchange.member import Member, View
from driftd.engine.exchange.messages import Address
from driftd.engine.exchange.owner import Owner
from driftd.engine.exchange.reader import Plans
from driftd.engine.state import State
from driftd.learn import sample
from driftd.learn.renewed import renewed_of
from driftd.monitor.state import ModelState
from tests.unit.core.make import pipeline
from tests.unit.engine.exchange.group import Group, by_key
from tests.unit.engine.exchange.test_group import faulty, learner
from tests.unit.engine.test_daemon import A, Stage, drifting, full_disk, quiet
from tests.unit.judge.natural.stage import HOUR
from tests.unit.monitor import test_growing as growing
from tests.unit.monitor import test_regrowth as regrowing

M = Slice("m")


def maintenance(model: str = "m", when: float = 1e9) -> Act:
    return Act(Deed.MAINTENANCE, "anna", when, "retrain", model, (), 0.0, 2e9)


def asked(stage: Stage, *acts: Act) -> Done:
    """What is answered to who asks from another thread, while the loop goes round."""
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(stage.daemon.desk.ask, acts)
        while not answer.done():
            stage.go(0)
        return answer.result()


def test_a_daemon_that_has_a_state_directory_forgets_nothing_while_it_runs() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    with pytest.raises(ActRefused, match="stop it, driftd forget MODEL, start it"):
        asked(stage, Act(Deed.FORGET, "anna", 1e9, "retired", "m"))
    assert list(stage.state.models) == [M]
    assert stage.state.models[M].acts == ()


def test_an_act_is_saved_before_it_is_answered() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    assert stage.journal == []
    answer: Future[Done] = Future()
    answer.add_done_callback(lambda _: stage.journal.append("answer"))
    stage.daemon.desk._orders.put(([maintenance()], answer))
    stage.go(0)
    assert stage.journal == ["flush", "save", "commit", "answer"]
    done = answer.result()
    assert done == Done(done.text)
    assert done.text.startswith("m: nothing rings from 1970-01-01 00:00 to 2033-05-18 03:33 UTC")
    assert stage.state.models[M].acts == (maintenance(),)


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (Act(Deed.FEEDBACK, "anna", 1e9, "", "m", about="5d0c", verdict="false_alarm"),
         "noted: incident 5d0c was a false alarm (feedback by anna)"),
        (Act(Deed.FEEDBACK, "anna", 1e9, "cents", "m", about="5d0c", verdict="real"),
         "noted: incident 5d0c was real (feedback by anna: cents)"),
        (Act(Deed.MAINTENANCE, "anna", 1e9, "retrain", "m", (), 1e9, 1e9 + 3600), ")"),
        (Act(Deed.MAINTENANCE, "anna", 1e9, "retrain", "m", (), 1e9 - 8e5, 1e9 + 3600),
         "; what rang before now has rung"),
    ],
)  # fmt: skip
def test_the_answer_names_what_was_done(act: Act, said: str) -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    assert asked(stage, act).text.endswith(said)


def test_the_answer_says_that_it_could_not_be_saved() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    stage.checkpoints.error = full_disk()
    assert asked(stage, maintenance()).unsaved == str(full_disk())
    assert stage.state.models[M].acts == (maintenance(),)
    stage.checkpoints.error = None
    stage.go(10)
    assert stage.journal[-2:] == ["save", "commit"]


def test_what_a_rebaseline_ends_is_told_before_it_is_saved() -> None:
    stage = Stage(drifting())
    stage.go(0, 4)
    stage.journal.clear()
    asked(stage, Act(Deed.REBASELINE, "anna", 1e9, "new sensor", "m"))
    assert stage.journal[:3] == ["emit", "flush", "save"]
    assert {f.because for f in stage.sink.offered[-1]} == {"rebaseline by anna: new sensor"}
    assert stage.state.models[M].reference is None


@pytest.mark.parametrize(
    ("acts", "why"),
    [
        ([maintenance("n")], "no model 'n'"),
        ([Act(Deed.CANCEL, "anna", 1e9, "", "m", about="nothing")], "no maintenance window 'nothing'"),
        ([Act(Deed.REBASELINE, "anna", 1e9, "why", "m", ("y",))], "has no channel 'y'"),
    ],
)
def test_what_cannot_be_done_is_refused_and_not_remembered(acts: Sequence[Act], why: str) -> None:
    stage = Stage(drifting())
    stage.go(0, 4)
    stage.journal.clear()
    with pytest.raises(ActRefused, match=why):
        asked(stage, *acts)
    assert stage.state.models[M].acts == ()
    assert stage.journal == []


def test_of_several_acts_those_that_can_be_done_are_done_and_saved_and_the_others_are_told() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    stage.journal.clear()
    done = asked(stage, maintenance("n"), maintenance())
    assert not done.unsaved
    assert "no model 'n'" in done.text
    assert stage.state.models[M].acts == (maintenance(),)
    assert stage.journal != []


def test_feedback_is_counted() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    for verdict in ("real", "false_alarm", "false_alarm"):
        asked(stage, Act(Deed.FEEDBACK, "anna", 1e9, "", "m", about="1", verdict=verdict))
    counted = {verdict: stage.telemetry.get("driftd_feedback_total", verdict) for verdict in ("real", "false_alarm")}
    assert counted == {"real": 1, "false_alarm": 2}


def test_a_loop_that_stands_still_is_said_and_the_act_is_done_when_it_goes_on() -> None:
    stage = Stage(quiet(A))
    stage.go(0, 4)
    with pytest.raises(TimeoutError):
        stage.daemon.desk.ask([maintenance()], 0.01)
    stage.go(0)
    assert stage.state.models[M].acts == (maintenance(),)


def until(group: Group, rng: np.random.Generator, time: float) -> None:
    """The group reads and judges up to about then."""
    for _ in range(400):
        for member in group.members:
            group.turn(member, rng, 400, time)
        if all(group.parts[s].times[min(r.partition.next_offset, len(group.parts[s]) - 1)] > time
               for m in group.members for s, r in m.readers.items()):  # fmt: skip
            break
    group.finish()


def test_in_a_group_readers_hear_that_the_model_learns_anew_and_so_it_does(rng: np.random.Generator) -> None:
    rows = faulty(3, 1.5, 0.9)
    parts = by_key(rows, np.arange(len(rows)) % 2)
    group = Group.of(learner, parts, 2, 1)
    half = float(np.quantile(rows.times, 0.7))
    until(group, rng, half)
    (owner,) = [owner for member in group.members for owner in member.owners.values()]
    first = owner.owned.state.models[M].reference
    assert first is not None
    assert [plan.reference is None for plan in group.planned] == [False]
    outcome, _ = perform(owner.owned.state, owner.pipeline, Act(Deed.REBASELINE, "anna", 1e9, "new", "m"))
    assert {f.because for f in outcome.findings} == {"rebaseline by anna: new"}
    group.note(outcome)
    group.finish()
    assert [plan.reference is None for plan in group.planned] == [False, True]
    group.run(rng, 400)
    after = owner.owned.state.models[M].reference
    assert after is not None
    assert after.first > half - 7200
    assert after.first > first.last


def test_in_a_group_a_channel_alone_learns_anew(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its owner counts the model meanwhile, as while a reference is young."""
    monkeypatch.setattr(sample, "MOST_VALUES", 40_000)
    rows = regrowing.rows()
    rows = rows.take(np.flatnonzero(rows.times < growing.BEGIN + 34 * HOUR))
    group = Group.of(lambda: growing.grower(28.0), by_key(rows, rows.offsets % 2), 2, 1)
    until(group, rng, growing.BEGIN + regrowing.ACT * HOUR)
    (owner,) = [owner for member in group.members for owner in member.owners.values()]
    planned = [group.planned[-1].reference is not None]
    before = owner.owned.state.models[M].reference
    outcome, said = perform(owner.owned.state, owner.pipeline, Act(Deed.REBASELINE, "anna", 1e9, "new", "m", ("age",)))
    assert "age: learned anew from what comes" in said
    group.note(outcome)
    group.run(rng, 4000)
    planned.append(group.planned[-1].reference is not None)
    assert planned == [True, False]
    after = owner.owned.state.models[M].reference
    assert before is not None
    assert after is not None
    assert [r.blind for r in renewed_of(after)] == [False]
    row, other = after.rows["age"], after.rows["amount"]
    assert after.center[row] == pytest.approx(100 * before.center[row], rel=0.1)
    assert after.center[other] == before.center[other]


class Owners:
    """An exchange that knows of two partitions of models; the second is another member's."""

    def owner_of(self, model: str) -> int:
        return 1 if model == "elsewhere" else 0


class Quiet:
    """A reporter that says nothing."""

    def exchanged(self, late: int, foreign: int) -> None: ...


def test_a_member_says_who_can_where_it_does_not_judge_the_model() -> None:
    pipeline, nothing = learner(), cast(Any, None)
    member = Member(
        pipeline, View(), nothing, None, cast(Any, Quiet()), nothing, nothing,
        exchange=cast(Any, Owners()), panes_topic="panes", plans=Plans(pipeline), sources=list, generation=lambda: 1,
        group="g", panes_partitions=lambda: 2,
    )  # fmt: skip
    owner = member.owners[0] = Owner(pipeline, member.plans)
    owner.owned.state.models[M] = ModelState(M)
    member._view()
    assert member._judging(M) is owner.owned.state
    with pytest.raises(ActRefused, match="another member of the group judges 'elsewhere': ask the one"):
        member._judging(Slice("elsewhere"))
    with pytest.raises(ActRefused, match="no model 'n'"):
        member._judging(Slice("n"))
    member.addresses.learn(Address(1, 3, "http://d-1:9477"))
    with pytest.raises(ActRefused, match="ask the one at http://d-1:9477") as refused:
        member._judging(Slice("elsewhere"))
    assert refused.value.members == ("http://d-1:9477",)
    assert member.others() == ("http://d-1:9477",)


def test_maintenance_of_a_model_is_that_of_its_labels_too() -> None:
    state, p = State(models={key: ModelState(key) for key in (M, Slice("m/labels"), Slice("other"))}), pipeline()
    window = maintenance()
    perform(state, p, window)
    perform(state, p, Act(Deed.FEEDBACK, "anna", 2e9, "", "m", about="5f1e", verdict="real"))
    assert state.models[Slice("m/labels")].acts == (window,)
    assert state.models[Slice("other")].acts == ()
    cancel = Act(Deed.CANCEL, "anna", 1.5e9, "", "m", about=window.id)
    perform(state, p, cancel)
    assert state.models[Slice("m/labels")].acts == (window, cancel)
