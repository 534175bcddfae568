"""Models that leave: nothing of them stays open, and events bring them back with what they had learned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.event import EventBatch
from driftd.core.finding import Finding, Severity, Status
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import start_models
from driftd.engine.retirement import UNCONFIGURED, heard, leaving
from driftd.engine.state import State
from tests.unit.core.make import events, feed, frozen, pipeline, stream, thawed
from tests.unit.engine.test_daemon import A, Stage, drifting, numbers, quiet
from tests.unit.engine.test_reporter import reporter, series

M = Slice("m")
SOURCE = ("t", 0)
DAY = 86_400.0
LEARNED, END = 3000, 8000


def paged(end: int = END) -> tuple[Pipeline, State, list[Finding]]:
    """A model whose numbers have changed by a factor of hundreds: first tickets, then a page."""
    p, state = pipeline(learn_events=LEARNED), State()
    batch = stream(np.random.default_rng(3), END, 4500)
    np.asarray(batch.columns["x"])[4500:] += 500
    found = [f for low in range(0, end, 500) for f in feed(p, state, SOURCE, _part(batch, low)).findings]
    return p, state, found


def _part(batch: EventBatch, low: int) -> EventBatch:
    return batch.take(np.arange(low, low + 500))


def standing(findings: list[Finding]) -> dict[tuple[str | None, str], Status]:
    """What whoever follows the findings takes to be open, by feature and detector."""
    last = {(f.feature, f.detector): f.status for f in findings}
    return {key: status for key, status in last.items() if status >= Status.WARNING}


@pytest.mark.parametrize(("end", "status"), [(END, Status.DRIFT), (6000, Status.WARNING)], ids=["page", "tickets"])
def test_what_is_open_on_a_model_ends_with_the_reason_when_it_is_retired(end: int, status: Status) -> None:
    p, state, found = paged(end)
    told = reporter(p)
    told.judged(start_models(state, p, {}), state)
    told.counts(state)
    assert series(told, "driftd_model_status") == {"": status}
    assert standing(found)
    outcome = p.judging.retire(state, M, "no events for a week")
    assert {f.because for f in outcome.findings} == {"no events for a week"}
    assert not [f for f in outcome.findings if f.severity is not None]
    assert standing([*found, *outcome.findings]) == {}
    told.judged(outcome.judgements, state)
    told.retired("m", "no events for a week")
    told.counts(state)
    assert b'model="m"' not in told.metrics.render()
    assert told.snapshot().models == []
    assert told.telemetry.get("driftd_retired_models") == 1
    assert p.judging.retire(state, M, "again").findings == ()  # nothing is open any more


def test_a_retired_model_survives_a_restart_and_comes_back_with_its_history() -> None:
    p, state, _ = paged()
    reference, pages = state.models[M].reference, state.models[M].pages
    p.judging.retire(state, M, "silent")
    state = thawed(p, frozen(p, state))
    told = reporter(p)
    told.judged(start_models(state, p, {}), state)
    told.counts(state)
    assert b'model="m"' not in told.metrics.render()
    more = stream(np.random.default_rng(4), 1000)
    more = replace(more, times=more.times + 10 * DAY, offsets=more.offsets + END)
    heard(state, [more], now=11 * DAY)
    outcome = feed(p, state, SOURCE, more)
    told.judged(outcome.judgements, state)
    told.counts(state)
    assert not [f for f in outcome.findings if f.severity is Severity.PAGE]  # as the reference has it
    assert series(told, "driftd_model_status") == {"": Status.OK}
    assert series(told, "driftd_pages_total") == {"": pages}
    again = state.models[M].reference
    assert reference is not None
    assert again is not None
    assert again.id == reference.id


def test_a_model_that_still_drifts_when_it_comes_back_pages_again() -> None:
    p, state, _ = paged()
    p.judging.retire(state, M, "silent")
    more = stream(np.random.default_rng(4), 3000)
    np.asarray(more.columns["x"])[:] += 500
    outcome = feed(p, state, SOURCE, replace(more, times=more.times + 10 * DAY, offsets=more.offsets + END))
    assert [f.opens_page for f in outcome.findings].count(True) == 1


#   days    0        5      8  8.1   9          17.1
#   a       events                   events
#   b       events   events
#   leaves                      a                b...
def test_who_is_silent_for_longer_than_the_setting_leaves_and_only_while_driftd_is_caught_up() -> None:
    p, state = pipeline(), State()
    p.retire_seconds = 8 * DAY
    a, b = (replace(events([1000.0], [0.0], ["red"]), model=name) for name in "ab")
    for each in (a, b):
        feed(p, state, SOURCE, each)
    heard(state, [a, b], now=0.0)
    heard(state, [b], now=5 * DAY)
    assert [*leaving(state, p, 8 * DAY, caught_up=True)] == []
    assert [*leaving(state, p, 8.1 * DAY, caught_up=False)] == []
    assert [key.model for key, _ in leaving(state, p, 8.1 * DAY, caught_up=True)] == ["a"]
    p.judging.retire(state, Slice("a"), "")
    assert [*leaving(state, p, 9 * DAY, caught_up=True)] == []
    heard(state, [a], now=9 * DAY)
    assert not state.models[Slice("a")].retired
    assert {key.model for key, _ in leaving(state, p, 17.1 * DAY, caught_up=True)} == {"a", "b"}


def test_a_checkpoint_that_does_not_say_when_it_heard_of_a_model_starts_the_wait() -> None:
    p, state = pipeline(), State()
    p.retire_seconds = DAY
    feed(p, state, SOURCE, events([1000.0], [0.0], ["red"]))
    assert [*leaving(state, p, 1e9, caught_up=True)] == []
    assert [*leaving(state, p, 1e9 + DAY, caught_up=True)] == []
    assert [key for key, _ in leaving(state, p, 1e9 + DAY + 1, caught_up=True)] == [M]


def with_models(p: Pipeline, *names: str, discover: bool) -> Pipeline:
    settings = replace(p.monitor.default, discover=discover)
    return Pipeline(p.codec, replace(p.monitor, default=settings, configured=dict.fromkeys(names, settings)))


@pytest.mark.parametrize("discover", [True, False])
def test_a_model_that_left_the_configuration_leaves_and_comes_back_with_it(discover: bool) -> None:
    p = with_models(pipeline(), "m", discover=discover)
    state = State()
    start_models(state, p, {})
    assert [*leaving(state, p, 1e12, caught_up=True)] == []  # a configured model that never had events stays
    feed(p, state, SOURCE, events([1000.0], [0.0], ["red"]))
    state = thawed(p, frozen(p, state))
    without = with_models(pipeline(), discover=discover)
    start_models(state, without, {})
    assert [*leaving(state, without, 0.0, caught_up=False)] == [(M, UNCONFIGURED)]
    without.judging.retire(state, M, UNCONFIGURED)
    assert [*leaving(state, without, 1e12, caught_up=True)] == []
    assert ("m" in without.schemas.of(state)) == discover  # where nothing is discovered its events are dropped
    start_models(state, p, {})
    assert not state.models[M].retired


def test_the_daemon_retires_a_silent_model_saves_that_and_takes_it_back() -> None:
    stage = Stage(drifting())
    stage.daemon.pipeline.retire_seconds = 100.0
    stage.go(0, 10, 90)
    found = list(stage.sink.taken)
    assert standing(found)
    stage.journal.clear()
    stage.go(11)
    assert standing(stage.sink.taken) == {}
    assert stage.state.models[M].retired
    assert stage.telemetry.get("driftd_retired_models") == 1
    stage.go(10)
    assert stage.journal == ["emit", "flush", "save", "commit"]
    values, times = numbers(50)
    stage.source.append(A, values, [t + 1000 for t in times])
    stage.go(1)
    assert not stage.state.models[M].retired
    assert stage.telemetry.get("driftd_retired_models") == 0
    assert b'model="m"' in stage.daemon.reporter.metrics.render()


def test_while_a_partition_is_behind_nobody_is_silent() -> None:
    stage = Stage(quiet(A))
    stage.daemon.pipeline.retire_seconds = 100.0
    stage.go(0, 1)
    stage.source.connected = False
    stage.go(101)
    assert not stage.state.models[M].retired
    stage.source.connected = True
    stage.go(1)
    assert stage.state.models[M].retired
