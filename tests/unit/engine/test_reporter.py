"""From events to what is told of them: an episode is on /metrics, on the page and in the counters, once."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from driftd.core.event import RefusedValue
from driftd.core.finding import Finding, Severity, Status
from driftd.core.pane import Counters
from driftd.core.slice import Slice
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import start_models
from driftd.engine.reporter import Reporter
from driftd.engine.state import State
from driftd.metrics.exposition import MAX_LABEL_BYTES
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.alert_texts import MOST_TICKETS
from driftd.monitor.incidents import folded
from driftd.monitor.sentence import sentence
from driftd.monitor.state import ModelState
from driftd.web.health import health
from driftd.web.site import answer, request_of
from tests.stage.memory import MemorySource
from tests.unit.core.make import events, feed, frozen, pipeline, stream, thawed
from tests.unit.monitor.test_growing import KEY
from tests.unit.monitor.test_incidents import OK, PAGE, TICKET, call, finding
from tests.unit.monitor.test_maintenance import window
from tests.unit.monitor.test_rebaseline import Watch, faulty

LEARNED, DRIFTS, END = 3000, 4500, 8000
CELL = ("t", 0)


def reporter(p: Pipeline) -> Reporter:
    return Reporter(MetricsSink(), Telemetry(), p)


def watched(shift_at: int | None) -> tuple[Reporter, State, list[Finding]]:
    """8,000 events of a model called m, in polls of 500; numbers and colours change at ``shift_at``, numbers by far."""
    p, state = pipeline(learn_events=LEARNED), State()
    told = reporter(p)
    batch = stream(np.random.default_rng(3), END, shift_at)
    if shift_at is not None:
        np.asarray(batch.columns["x"])[shift_at:] += 500
    found: list[Finding] = []
    for low in range(0, END, 500):
        outcome = feed(p, state, CELL, batch.take(np.arange(low, low + 500)))
        told.judged(outcome.judgements, state)
        told.found(outcome.findings)
        told.counts(state)
        found += outcome.findings
    return told, state, found


def series(told: Reporter, name: str) -> dict[str, float]:
    """Feature (or "") -> value."""
    samples = [s for f in text_string_to_metric_families(told.metrics.render().decode()) for s in f.samples]
    return {s.labels.get("feature", ""): s.value for s in samples if s.name == name}


@pytest.fixture(scope="module")
def changed() -> tuple[Reporter, State, list[Finding]]:
    return watched(DRIFTS)


def test_counts_of_partitions_that_moved_are_shown_no_more_and_those_of_models_that_came_are() -> None:
    told, fraud, price = reporter(pipeline()), Slice("fraud"), Slice("price")

    def shown() -> list[str]:
        text = told.metrics.render().decode()
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        return [s.labels["model"] for s in samples if s.name == "driftd_predictions_total"]

    told.read({fraud: Counters(), price: Counters()}, [])
    assert shown() == ["fraud", "price"]
    told.read({price: Counters()}, [])
    assert shown() == ["price"], "another member reads its partitions now"
    told.read({}, [price])
    assert shown() == ["price"], "we judge it now"


def test_an_episode_is_told_in_metrics_and_counted_once(changed: tuple[Reporter, State, list[Finding]]) -> None:
    told, state, found = changed
    assert sum(f.opens_page for f in found) == 1
    assert state.models[Slice("m")].pages == 1
    assert series(told, "driftd_pages_total") == {"": 1}
    assert series(told, "driftd_model_status") == {"": Status.DRIFT}
    (page,) = incidents(told, "driftd_page_info")
    assert page == {"model": "m", "page": "1", "incident": incidents(told)[0]["incident"]}
    status = series(told, "driftd_feature_status")
    assert (status["x"], status["color"]) == (Status.DRIFT, Status.DRIFT)
    assert series(told, "driftd_feature_drift_since_timestamp_seconds")["x"] == pytest.approx(1000 + DRIFTS / 5, abs=60)


def incidents(told: Reporter, name: str = "driftd_incident_info") -> list[dict[str, str]]:
    """The labels of each series about an open incident."""
    samples = [s for f in text_string_to_metric_families(told.metrics.render().decode()) for s in f.samples]
    return [s.labels for s in samples if s.name == name]


def test_pages_of_models_with_one_cause_share_an_incident_that_stays(
    changed: tuple[Reporter, State, list[Finding]],
) -> None:
    """The second model breaks two minutes after the first, which then ends: the alerts of both keep their labels."""
    drifted = changed[1].models[Slice("m")].judgement
    assert drifted is not None
    told, state = Reporter(MetricsSink(), Telemetry(), pipeline()), State()

    def break_down(name: str, channel: str, at: float) -> None:
        model = state.models.setdefault(Slice(name), ModelState(Slice(name)))
        model.judgement, model.pages = replace(drifted, slice=Slice(name)), model.pages + 1
        found = [finding(channel, at, PAGE, since=500.0, model=name), call(at, channel, model=name)]
        model.incidents = folded(model.incidents, found, 9)

    def shown() -> dict[str, tuple[str, str]]:
        told.round(state, MemorySource(), 2000.0)
        return {p["model"]: (p["page"], p["incident"]) for p in incidents(told, "driftd_page_info")}

    def sentences() -> set[str]:
        return {p["summary"].partition(" since ")[0] for p in incidents(told)}

    break_down("fraud", "amount", 600.0)
    first = shown()
    assert sentences() == {"fraud: amount 100% missing (usually 0%)"}
    break_down("churn", "amount", 720.0)
    assert shown() == first | {"churn": ("1", first["fraud"][1])}
    assert sentences() == {"fraud and churn: amount 100% missing (usually 0%)"}
    before = state.models[Slice("fraud")]
    before.incidents = folded(before.incidents, [finding("amount", 900.0, OK, PAGE, model="fraud")], 9)
    assert shown() == first | {"churn": ("1", first["fraud"][1])}
    again = Reporter(MetricsSink(), Telemetry(), pipeline())  # after a restart
    again.round(state, MemorySource(), 2000.0)
    assert {p["incident"] for p in incidents(again, "driftd_page_info")} == {first["fraud"][1]}


def test_an_open_page_has_one_text_that_stays_the_same_until_midnight_and_leads_to_its_incident() -> None:
    p, state = pipeline(), State()
    model = state.models[Slice("fraud")] = ModelState(Slice("fraud"))
    told = Reporter(MetricsSink(), Telemetry(), p, external_url="https://driftd.example/watch/")
    first, soon, far = (finding(c, at, PAGE) for c, at in (("amount", 600.0), ("age", 700.0), ("sex", 36_000.0)))
    tickets = [finding(f"t{k}", 40_000.0 * (k + 2), TICKET) for k in range(MOST_TICKETS + 2)]
    model.incidents = folded((), [first, call(600, "amount"), soon, far, call(36_000, "sex"), *tickets], 99)
    told.round(state, MemorySource(), 40_000.0)
    (page,) = [labels for labels in incidents(told) if labels["severity"] == "page"]
    assert page == {
        "model": "fraud",
        "severity": "page",
        "incident": far.id,
        "kind": "missing",
        "feature": "sex",
        "summary": "fraud: sex 100% missing (usually 0%) since 10:00 UTC; 89 other channels unchanged",
        "hint": "Values are missing: look at the producer or the join that fills it.",
        "url": f"https://driftd.example/watch/incident?id={far.id}",
    }
    assert [i["feature"] for i in incidents(told) if i["severity"] == "ticket"] == ["t6", "t5", "t4", "t3", "t2"]
    text = told.metrics.render()
    told.round(state, MemorySource(), 86_399.0)
    assert told.metrics.render() == text
    told.round(state, MemorySource(), 86_400.0)
    assert {i["summary"][-48:] for i in incidents(told) if i["severity"] == "page"} == {
        "since Thu 10:00 UTC; 89 other channels unchanged"
    }
    over = [finding(channel, 90_000.0, OK, PAGE) for channel in ("amount", "age", "sex")]
    model.incidents = folded(model.incidents, over, 99)
    told.round(state, MemorySource(), 90_001.0)
    assert {i["severity"] for i in incidents(told)} == {"ticket"}


def test_a_page_that_came_back_uncalled_is_no_alert(changed: tuple[Reporter, State, list[Finding]]) -> None:
    told, state, _ = changed
    model = state.models[KEY]

    def pages() -> list[str]:
        text = told.metrics.render().decode()
        samples = [s for f in text_string_to_metric_families(text) for s in f.samples]
        return [s.labels["page"] for s in samples if s.name == "driftd_page_info"]

    told.counts(state)
    assert pages() == ["1"]
    before = model.standing
    try:
        model.standing = replace(before, quiet=True)
        told.counts(state)
        assert pages() == []
    finally:
        model.standing = before
        told.counts(state)
    assert pages() == ["1"]


def test_a_text_is_longer_than_a_name_may_be_and_breaks_no_line() -> None:
    p, state = pipeline(), State()
    name = '欺诈"\n' * 40
    model = state.models[Slice(name)] = ModelState(Slice(name))
    model.incidents = folded((), [finding("金额" * 40, 600, PAGE, model=name)], 9)
    told = reporter(p)
    told.round(state, MemorySource(), 700.0)
    (shown,) = incidents(told)
    assert shown["summary"] == sentence(model.incidents[0], 700.0)
    assert len(shown["summary"].encode()) > MAX_LABEL_BYTES
    assert "url" not in shown or shown["url"] == ""


def test_an_incident_is_on_metrics_with_its_page(changed: tuple[Reporter, State, list[Finding]]) -> None:
    told, state, found = changed
    (incident,) = state.models[Slice("m")].incidents
    assert incident.called == next(f.window_end for f in found if f.opens_page)
    shown, *tickets = incidents(told)
    assert (shown["incident"], shown["severity"], shown["kind"]) == (incident.id, "page", incident.kind)
    assert shown["summary"].startswith("m: ")
    assert {t["feature"] for t in tickets} == {p.channel for p in incident.parts if p.now is Severity.TICKET}
    assert {(t["severity"], t["summary"]) for t in tickets} <= {("ticket", shown["summary"])}


def test_evidence_is_told_for_every_channel_that_the_judge_watches(
    changed: tuple[Reporter, State, list[Finding]],
) -> None:
    told, state, _ = changed
    guard = state.models[Slice("m")].judge
    assert guard is not None
    cell = state.models[Slice("m")]
    assert cell.reference is not None
    names = [c.name for c, free in zip(cell.reference.channels, guard.learned.independent, strict=True) if free]
    assert set(series(told, "driftd_feature_evidence")) == set(names)
    assert set(series(told, "driftd_feature_evidence_threshold")) == set(names)
    pages = series(told, "driftd_feature_may_page")
    assert set(pages) == {c.name for c in cell.reference.channels}
    assert sum(pages.values()) + guard.learned.joint_pages == series(told, "driftd_model_may_page_features")[""]


def test_no_drift_no_page() -> None:
    told, _, found = watched(None)
    assert not [f for f in found if f.status is Status.DRIFT]
    assert series(told, "driftd_pages_total") == {"": 0}


def test_the_promise_follows_what_is_known(changed: tuple[Reporter, State, list[Finding]]) -> None:
    told, state, _ = changed
    assert told.telemetry.get("driftd_false_alarms_budget") == 1
    assert 0 < told.telemetry.get("driftd_false_alarms_bound") <= 1.2
    assert told.certificate() is told.certificate()
    told.counts(State())
    told.state = State()
    assert told.certificate().channels == 0
    told.state = state
    assert told.snapshot().certificate is told.certificate()


def test_pages_survive_a_restart(changed: tuple[Reporter, State, list[Finding]]) -> None:
    _, state, _ = changed
    p = pipeline(learn_events=LEARNED)
    again = thawed(p, frozen(p, state))
    told = reporter(p)
    told.judged(start_models(again, p, {}), again)
    told.counts(again)
    assert series(told, "driftd_pages_total") == {"": 1}
    assert series(told, "driftd_model_status") == {"": Status.DRIFT}


def test_a_page_is_a_model_that_turns_to_drift(changed: tuple[Reporter, State, list[Finding]]) -> None:
    page = next(f for f in changed[2] if f.opens_page)
    assert page.kind == "range"  # all of them are 500 more, not multiplied
    assert not replace(page, severity=None).opens_page  # more channels joined
    assert not replace(page, severity=Severity.TICKET).opens_page
    assert not replace(page, feature="x").opens_page


def test_late_events_are_told_by_partition_and_reason_with_the_worst_lateness() -> None:
    p, state = pipeline(), State()
    told = reporter(p)
    feed(p, state, CELL, events([1000, 1050, 1025, 1031], [0, 0, 0, 0], ["red"] * 4))
    told.counts(state)
    rows = told.telemetry.rows
    assert rows("driftd_events_late_total") == [(("t", "0", "frontier"), 0), (("t", "0", "watermark"), 1)]
    assert rows("driftd_event_lateness_max_seconds") == [(("t", "0", "watermark"), 25)]
    assert sum(n for _, n in rows("driftd_events_late_total")) == told.telemetry.get("driftd_events_total", "late")


def test_the_first_refused_value_of_each_model_and_feature_is_logged_and_all_are_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    p, state = pipeline(), State()
    told = reporter(p)
    rows = events([1000, 1001, 1002], [0, np.nan, np.nan], ["red"] * 3)
    rows = replace(rows, refused={"x": np.array([False, True, True]), "score": np.array([True, False, False])})
    feed(p, state, CELL, rows)
    why = 'expected a number, got "12,50"'
    for offset in (1, 2):
        told.once.refused(CELL, [RefusedValue("m", "x", offset, 1000.0 + offset, why)])
    told.once.refused(CELL, [RefusedValue("m", "two\nlines", 0, 1000.0, why)])
    assert caplog.messages == [
        't/0@1: m: x: expected a number, got "12,50": the value counts as missing; event accepted',
        't/0@0: m: two\\nlines: expected a number, got "12,50": the value counts as missing; event accepted',
    ]
    told.counts(state)
    assert series(told, "driftd_values_refused_total") == {"features.score": 1, "x": 2}
    assert told.telemetry.get("driftd_events_total", "accepted") == 3


def test_names_from_outside_fill_neither_log_nor_memory(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("driftd.engine.once.MOST_NAMED", 3)
    told = reporter(pipeline())
    for n in range(100):
        told.once.unwatched([("m", f"feature {n}")])
    assert len(caplog.messages) == 4
    assert "3 features have been named here; further ones are counted only" in caplog.messages
    assert len(told.once._unwatched) == 3


def test_features_that_no_reference_has_are_logged_once_each(caplog: pytest.LogCaptureFixture) -> None:
    told = reporter(pipeline())
    told.once.unwatched([("m", "n"), ("m", "two\nlines"), ("o", "n"), ("m", "n")])
    told.once.unwatched([("m", "n"), ("m", "x")])
    rest = "not in the reference, so not watched; build a new one for that"
    assert caplog.messages == [
        f"m: new features n, two\\nlines: {rest}",
        f"o: new feature n: {rest}",
        f"m: new feature x: {rest}",
    ]


def test_features_that_nobody_watches_are_counted_and_named_until_a_reference_has_them() -> None:
    p, state = pipeline(learn_events=LEARNED), State()
    told = reporter(p)
    feed(p, state, CELL, stream(np.random.default_rng(3), END, END))
    told.once.unwatched([("m", "late"), ("m", "x"), ("gone", "late")])
    told.counts(state)
    told.state = state
    assert told.telemetry.get("driftd_unwatched_features") == 1
    (model,) = told.snapshot().models
    assert model.unwatched == ("late",)
    assert "m: new feature late: not in the reference" in " ".join(f.text for f in health(told.snapshot()))


def test_a_page_and_its_number_are_on_metrics_at_the_same_time() -> None:
    """Between a judgement and the end of the round may lie a checkpoint, and a scrape: the alert has the number."""
    p, state = pipeline(learn_events=LEARNED), State()
    told = reporter(p)
    batch = stream(np.random.default_rng(3), END, DRIFTS)
    np.asarray(batch.columns["x"])[DRIFTS:] += 500
    for low in range(0, END, 500):
        told.judged(feed(p, state, CELL, batch.take(np.arange(low, low + 500))).judgements, state)
        if series(told, "driftd_model_status").get("") == Status.DRIFT:
            assert series(told, "driftd_pages_total")[""] == 1
            return
    pytest.fail("no page")


def test_what_driftd_costs_is_told_of_what_this_process_has_read() -> None:
    """12 s at its first round, with a million events from before it; 3 s more for the next 150,000: 20 s a million."""
    told, state = reporter(pipeline()), State()
    seconds = iter([12.0, 12.5, 15.0])
    told.processor_seconds = lambda: next(seconds)
    name, source = "driftd_million_events_processor_seconds", MemorySource({})
    for received, cost in ((1_000_000, 0.0), (1_000_100, 0.0), (1_150_000, 20.0)):
        state.received = received
        told.round(state, source, 1000.0)
        assert told.telemetry.get(name) == cost


def test_a_partition_that_nobody_reads_makes_driftd_unready() -> None:
    p, source = pipeline(learn_events=LEARNED), MemorySource({CELL: []})
    told = reporter(p)
    source.seek({CELL: 0})
    said: list[tuple[str, ...]] = []
    for unread in ((), (("t", 1), ("t", 2))):
        source.unread = unread
        told.round(State(), source, 0.0)
        said.append(told.not_ready)
    assert said == [(), ("no member of the group reads t/1, t/2",)]
    assert told.telemetry.get("driftd_ready") == 0


def test_causes_that_take_turns_are_told_once_each_and_again_when_they_come_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = reporter(pipeline(learn_events=LEARNED))

    def say(now: float, *causes: str) -> list[str]:
        caplog.clear()
        told.beat(now)
        for cause in causes:
            told.out_of_reach(cause)
        return [record.getMessage() for record in caplog.records]

    assert say(0, "no plans", "no state", "no plans", "no state") == ["no plans", "no state"]
    assert [say(now, "no plans", "no state") for now in range(1, 200, 20)] == [[]] * 10
    assert say(600, "no state") == ["no state"]


def test_a_topic_that_members_need_makes_driftd_unready_and_silences_no_drift() -> None:
    p, source = pipeline(learn_events=LEARNED), MemorySource({CELL: []})
    told = reporter(p)
    source.seek({CELL: 0})
    told.round(State(), source, 0.0, ["topic 'driftd.plans' does not exist; create it: kafka-topics.sh"])
    assert told.not_ready == ("topic 'driftd.plans' does not exist; create it: kafka-topics.sh",)
    assert told.telemetry.get("driftd_ready") == 1


def test_a_model_that_stops_is_silent_on_metrics_and_pages_while_others_send(rng: np.random.Generator) -> None:
    p, state = pipeline(), State()
    told, source = reporter(p), MemorySource({CELL: []})
    batch = replace(stream(rng, 10_800), times=np.arange(864_000.0, 874_800.0))
    feed(p, state, CELL, batch)
    feed(p, state, CELL, replace(batch, model="busy"))
    now = 5e8  # the events are from another time: a replay
    told.round(state, source, now)
    feed(p, state, CELL, replace(batch.take(np.arange(60)), model="busy", times=np.arange(874_800.0, 874_860.0)))
    told.round(state, source, now + 400)
    lines = [x for x in told.metrics.render().decode().splitlines() if x.startswith("driftd_model_silence")]
    assert lines[:3] == [
        'driftd_model_silence_seconds{model="m"} 400',
        'driftd_model_silence_limit_seconds{model="m",severity="page"} +Inf',
        'driftd_model_silence_limit_seconds{model="m",severity="ticket"} 300',
    ]
    assert len(lines) == 3
    source.connected = False  # nothing can arrive: that is no silence of a model
    told.round(state, source, now + 3999)
    source.connected = True
    told.round(state, source, now + 4000)
    assert "driftd_model_silence_" not in told.metrics.render().decode()
    told.round(state, source, now + 4400)
    page = answer(request_of("/", None), lambda: told.snapshot(now + 4400)).body.decode()
    assert "no events (usually 3,600 an hour)" in page.replace("\u00a0", " ")


def test_a_model_is_in_maintenance_until_what_was_muted_is_told() -> None:
    """A page and its number appear together: the metric falls with the call that made up for it."""
    w = Watch(faulty(0.5, ("age", 8, 99, 100.0)))
    told = reporter(w.p)
    w.until(7)
    w.act(window(7, 9))
    seen = []
    for hour in (7.5, 8.5, 9.0, 9.5):
        w.until(hour)
        told.judged([], w.state)
        told.counts(w.state)
        seen.append([*series(told, "driftd_maintenance").values(), *series(told, "driftd_pages_total").values()])
    assert seen == [[1, 0], [1, 0], [1, 0], [0, 1]]
    w.state.models[KEY].muted = (w.findings[-1],)
    told.counts(w.state)
    assert [*series(told, "driftd_maintenance").values()] == [1]
