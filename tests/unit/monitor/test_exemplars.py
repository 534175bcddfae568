"""Events that incidents name: which of them are kept, and which an incident takes."""

from __future__ import annotations

from dataclasses import replace
from operator import itemgetter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.event import EventBatch, Kind, RecordBatch, Schema
from driftd.core.exemplars import ID_BYTES, Exemplars, as_id
from driftd.core.finding import Severity
from driftd.core.incident import Example, Incident, Part
from driftd.decode.json.codec import EventsCodec
from driftd.decode.json.fast import JsonCodec
from driftd.decode.limits import Limits
from driftd.engine.state import State
from driftd.monitor.exemplars import EACH_SIDE, KEPT, MOST, UNSURE_SECONDS, Recent, exemplified
from driftd.monitor.state import ModelState
from tests.unit.core.make import feed, frozen, thawed
from tests.unit.judge.natural.stage import DAY, HOUR
from tests.unit.monitor.test_growing import BEGIN, KEY, A, grower
from tests.unit.monitor.test_rebaseline import faulty


def events(times: list[float], ids: list[str | float | None] | None = None) -> Exemplars:
    """All of them, at the offsets 0, 1, ..."""
    n = len(times)
    rows = EventBatch("m", np.arange(n), np.array(times), {}, ids=ids)
    return Exemplars.first(rows, np.arange(n))


def recent(times: list[float], *, source: tuple[str, int] = ("events", 0)) -> Recent:
    return Recent().with_panes([(source, events(times, [f"e{t:.0f}" for t in times]))])


def incident(since: float, *later: float, ended: float | None = None) -> Incident:
    """Open since then; other channels joined later."""
    parts = tuple(
        Part("m", f"c{k}", "unit", None, None, 2.0, at, at, Severity.PAGE, (("change", Severity.PAGE),))
        for k, at in enumerate((since, *later))
    )
    return Incident("i", since, since, parts, (), (("m", 4),), ended=ended)


def taken(i: Incident, known: Recent, until: float = np.inf) -> list[float]:
    (after,) = exemplified((i,), known, "m", until)
    return [e.time for e in after.examples]


def test_an_event_is_named_with_its_place_and_id() -> None:
    known = recent([100.0, 200.0, 1000.0], source=("clicks", 3))
    (after,) = exemplified((incident(500.0),), known, "m", np.inf)
    assert after.examples == (
        Example("m", "clicks", 3, 0, 100.0, "e100"),
        Example("m", "clicks", 3, 1, 200.0, "e200"),
        Example("m", "clicks", 3, 2, 1000.0, "e1000"),
    )


@pytest.mark.parametrize(
    ("times", "since", "until", "expected"),
    [
        pytest.param([0, 100, 200, 300, 800, 900], 700.0, np.inf, [100, 200, 300, 800, 900], id="nearest before"),
        pytest.param([0, 800, 900, 1000, 1100], 700.0, np.inf, [0, 900, 1000, 1100], id="last since then"),
        pytest.param([0, 800, 900, 1000], 700.0, 950.0, [0, 800, 900], id="none of what is not evaluated"),
        pytest.param([600, 660, 690, 700], 700.0, np.inf, [600, 700], id="a minute before it nothing is sure"),
        pytest.param([], 700.0, np.inf, [], id="nothing known"),
    ],
)
def test_three_of_each_side(times: list[float], since: float, until: float, expected: list[float]) -> None:
    assert taken(incident(since), recent([float(t) for t in times]), until) == expected


def test_what_an_incident_has_named_it_keeps_and_what_is_missing_comes_later() -> None:
    (first,) = exemplified((incident(700.0),), recent([100.0, 800.0]), "m", np.inf)
    later = recent([300.0, 900.0, 1000.0, 1100.0])
    (second,) = exemplified((first,), later, "m", np.inf)
    assert [e.time for e in second.examples] == [100.0, 300.0, 800.0, 1000.0, 1100.0]
    (third,) = exemplified((second,), recent([5000.0]), "m", np.inf)
    assert third is second


def test_a_channel_that_joins_later_gets_events_of_after_its_own_change() -> None:
    (first,) = exemplified((incident(700.0),), recent([0.0, 800.0, 900.0, 1000.0]), "m", np.inf)
    joined = replace(first, parts=incident(700.0, 2000.0).parts)
    (after,) = exemplified((joined,), recent([2100.0, 2200.0, 2300.0]), "m", np.inf)
    assert [e.time for e in after.examples] == [0.0, 800.0, 900.0, 1000.0, 2100.0, 2200.0, 2300.0]


def test_many_channels_do_not_make_it_long() -> None:
    i = incident(700.0)
    for at in range(1000, 30_000, 1000):
        joined = replace(incident(700.0, float(at)), examples=i.examples)
        (i,) = exemplified((joined,), recent([float(at + k) for k in range(0, 900, 100)]), "m", np.inf)
    assert MOST - EACH_SIDE <= len(i.examples) <= MOST


def test_what_has_ended_gets_none() -> None:
    i = incident(700.0, ended=2000.0)
    assert exemplified((i,), recent([0.0, 800.0]), "m", np.inf) == (i,)


def test_what_is_kept_reaches_back_a_month_and_is_bounded() -> None:
    times = np.arange(0, 40 * DAY, 20.0)
    kept = Recent().with_panes([(("events", 0), events(times.tolist()))]).until(np.inf)
    assert len(kept) <= sum(most for _, most in KEPT)
    ages = times[-1] - kept.times
    assert ages.max() > 28 * DAY
    assert np.count_nonzero(ages <= 25 * 60) == 25
    assert np.count_nonzero(ages <= 5 * HOUR) >= 24 + 25


@given(cuts=st.lists(st.integers(1, 400), max_size=6), seed=st.integers(0, 99))
def test_the_same_is_kept_however_the_panes_came(cuts: list[int], seed: int) -> None:
    times = np.cumsum(np.random.default_rng(seed).exponential(400.0, 400))
    whole = Recent().with_panes([(("events", 0), events(times.tolist()))]).until(np.inf)
    parts, every = Recent(), events(times.tolist())
    for low, high in zip([0, *sorted(cuts)], [*sorted(cuts), 400], strict=True):
        now = slice(low, high)
        parts = parts.with_panes([(("events", 0), every.changed(itemgetter(now)))]).until(np.inf)
    for name in ("times", "offsets", "ids", "at"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


def test_sources_come_and_go() -> None:
    known = recent([100.0], source=("b", 1)).with_panes([(("a", 0), events([50.0, 150.0]))])
    assert known.sources == (("a", 0), ("b", 1))
    assert [e.topic for e in known.examples("m", np.arange(3))] == ["a", "b", "a"]
    later = known.with_panes([(("c", 2), events([90 * DAY]))]).until(np.inf)
    assert later.sources == (("c", 2),)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("9f3c", "9f3c", id="text"),
        pytest.param(7.0, "7", id="a number as it is written"),
        pytest.param(None, "", id="none"),
        pytest.param("x" * 80, "x" * (ID_BYTES - 3) + "...", id="too long"),
        pytest.param("\ud800", "?", id="half a surrogate"),
    ],
)
def test_ids_as_they_are_kept(value: str | float | None, kept: str) -> None:
    assert as_id(value).decode() == kept


def test_the_constants_fit_each_other() -> None:
    assert 2 * EACH_SIDE <= MOST
    assert KEPT[0][0] >= UNSURE_SECONDS


def watched(step_hours: float, *, restart: bool) -> tuple[EventBatch, ModelState]:
    """A model whose ages are a hundredfold from the tenth hour on, after eleven and a half."""
    rows = faulty(0.5, ("age", 10, 99, 100.0))
    rows = replace(rows, ids=[f"call-{offset}" for offset in rows.offsets.tolist()])
    pipeline, state = grower(28.0), State()
    for end in np.arange(step_hours, 11.5 + 1e-6, step_hours):
        at = (rows.times - BEGIN) / HOUR
        feed(pipeline, state, A, rows.take(np.flatnonzero((at >= end - step_hours) & (at < end))))
        state = thawed(pipeline, frozen(pipeline, state)) if restart else state
    return rows, state.models[KEY]


def test_an_incident_of_real_traffic_names_events_of_before_and_after_its_change() -> None:
    rows, model = watched(0.5, restart=True)
    (opened,) = (i for i in model.incidents if i.ended is None)
    named = opened.examples
    assert [e.time >= opened.since for e in named] == [False] * EACH_SIDE + [True] * EACH_SIDE
    for e in named:
        assert (e.model, (e.topic, e.partition), e.id) == ("m", A, f"call-{e.offset}")
        assert e.time == rows.times[rows.offsets == e.offset]
    ages = np.asarray(rows.columns["age"], np.float64)[[e.offset for e in named]].tolist()
    assert max(ages[:3]) < 100 < min(ages[3:])


def test_the_same_events_are_named_however_they_came() -> None:
    one, other = watched(0.5, restart=True)[1], watched(11.5, restart=False)[1]
    assert [e.id for e in other.incidents[0].examples] == [""] * 6  # all of them waited for the first reference
    nameless = [[replace(e, id="") for e in i.examples] for i in one.incidents]
    assert nameless == [[*i.examples] for i in other.incidents]
    assert one.exemplars.times.tolist() == other.exemplars.times.tolist()


def test_ids_come_with_events_and_not_where_values_are_hidden() -> None:
    lines = [
        b'{"model": "m", "id": "9f3c", "time": 1, "features": {"x": 1}}',
        b'{"model": "m", "id": 7, "time": 2, "features": {"x": 1}}',
        b'{"model": "m", "time": 3, "features": {"x": 1}}',
    ]
    records = RecordBatch("t", 0, np.arange(3), np.full(3, 10.0), lines, 3)
    for known in ({}, {"m": Schema("m", {"x": Kind.NUMERIC})}):  # strictly, and fast
        (batch,) = JsonCodec().decode(records, known).batches
        assert [as_id(i) for i in batch.ids or ()] == [b"9f3c", b"7", b""]
        (hidden,) = JsonCodec(Limits(keep_ids=False)).decode(records, known).batches
        assert hidden.ids is None


def test_the_envelope_has_an_id_where_the_event_has_none() -> None:
    value = b'{"specversion": "1.0", "id": "env", "source": "s", "type": "t", "data": {"model": "m", "prediction": 1}}'
    headers = [[("content-type", b"application/cloudevents+json")]]
    records = RecordBatch("t", 0, np.arange(1), np.full(1, 10.0), [value], 1, headers=headers)
    (batch,) = EventsCodec().decode(records, {}).batches
    assert batch.ids == ["env"]
