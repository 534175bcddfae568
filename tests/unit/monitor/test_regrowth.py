"""One channel of a model whose events are not kept any more is learned anew, and the others do not notice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from driftd.core.errors import ActRefused
from driftd.core.event import EventBatch, concatenate
from driftd.core.finding import Finding, Status
from driftd.core.reference import Reference
from driftd.engine.acting import perform
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.judge.natural.runtime import natural_of
from driftd.learn import sample
from driftd.learn.remarks import remarks
from driftd.learn.renewed import renewed_of
from driftd.monitor import regrowth
from driftd.monitor.state import ModelState
from tests.unit.core.make import feed, frozen, pipeline_of, thawed
from tests.unit.judge.natural.stage import HOUR
from tests.unit.monitor.test_growing import BEGIN, KEY, WINDOWS, A, grower
from tests.unit.monitor.test_rebaseline import Watch, act, faulty, pages

ACT = 31.0
"""Hours after the beginning: the first day is over, and of age a page is open for an hour."""

PHASES = (Phase.explicit, Phase.generate)
"""Each example takes seconds: what fails is not made smaller."""


@pytest.fixture(autouse=True)
def _busy(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if the model had far more events than a sample holds: bins stay after a day."""
    monkeypatch.setattr(sample, "MOST_VALUES", 40_000)
    yield
    until_then.cache_clear()


def rows() -> EventBatch:
    """age is in another unit from hour 30 on; amount breaks at 34, and is well again at 36."""
    return faulty(2.3, ("age", 30, 99, 100.0), ("amount", 34, 36, 100.0), ("age", 44, 99, 100.0))


@cache
def until_then() -> bytes:
    w = Watch(rows())
    assert pages(w.until(ACT)) == {"age"}
    model = w.state.models[KEY]
    assert model.growth is not None
    assert model.growth.sample is None
    return frozen(w.p, w.state)


def watch(p: Pipeline | None = None) -> Watch:
    w = Watch(rows(), p or grower(28.0))
    w.state, w.at = thawed(w.p, until_then()), ACT
    return w


def go(w: Watch, *cuts: float) -> list[Finding]:
    """What is found between these hours, each poll up to the next."""
    found, times = list[Finding](), (w.rows.times - BEGIN) / HOUR
    for start, end in pairwise(cuts):
        mine = np.flatnonzero((times >= start) & (times < end))
        if len(mine):
            outcome = feed(w.p, w.state, A, w.rows.take(mine))
            found += outcome.findings
            w.learned += outcome.learned
    w.findings += found
    return found


def saved(w: Watch) -> bytes:
    """The state as a checkpoint has it, with what is learned from in one piece: batches depend on polls."""
    model = w.state.models[KEY]
    joined = []
    for r in model.regrowths:
        known = r.growth.sample
        assert known is not None
        units = (np.concatenate(known.units),)
        one = replace(known, rows=(concatenate(known.rows),), units=units)
        joined.append(replace(r, growth=replace(r.growth, sample=one)))
    model.regrowths = tuple(joined)
    return frozen(w.p, w.state)


def parts(p: Pipeline, state: State, but: Sequence[str]) -> dict[str, Any]:
    """All that the model knows and remembers of the other channels, as bytes."""
    model = state.models[KEY]
    reference, natural = model.reference, model.natural
    assert reference is not None
    assert natural is not None
    learned, detectors = natural_of(reference), p.monitor.detectors(reference)
    assert learned is not None
    assert detectors.limits is not None
    mine = [row for row, c in enumerate(reference.channels) if c.name not in but]
    out: dict[str, Any] = {"first": reference.first, "last": reference.last, "bins": [reference.bins[i] for i in mine]}
    out["bins"] = [(b.edges.tobytes(), b.categories, b.labels) for b in out["bins"]]
    for name in ("counts", "moments"):
        out[name] = getattr(reference.summary, name)[mine]
    out |= {"center": reference.center[mine], "scale": reference.scale[mine]}
    out |= {f"natural {kind}": table[mine] for kind, table in reference.natural.items()}
    rules = np.isin(learned.fast.rules.channel, mine)
    for level in ("page", "ticket"):
        limits = getattr(detectors.limits, level)
        out[f"fast {level}"] = limits.fast[rules]
        out[f"slow {level}"] = [None if x is None else x[:, mine].tobytes() for x in limits.slow]
        out[f"sizes {level}"] = getattr(detectors.limits.sizes, level)[:, mine]
    assert learned.relations is not None
    apart = ~learned.relations.about(~np.isin(learned.scores.rows, mine))
    for level in ("page", "ticket"):
        related = getattr(detectors.limits, level).related
        out[f"related {level}"] = [None if x is None else x[apart].tobytes() for x in related]
    out["cells"] = natural.cells.sums[:, apart]
    out["a"] = detectors.a[:-1][mine]
    out["detectors"] = {
        kind: [g.channels[mine].tobytes() for g in groups] for kind, groups in detectors.windows.items()
    }
    for f in fields(natural.cusum):
        out[f"cusum {f.name}"] = getattr(natural.cusum, f.name)[rules]
    for name in ("near", "day"):
        ring = getattr(natural, name)
        out[name] = [ring.hops.sums[:, mine].tobytes(), ring.waiting.sums[:, mine].tobytes()]
    out |= {"tick": natural.tick.sums[:, mine], "recent": natural.recent[mine]}
    out |= {"runs": natural.runs[:, :, mine], "begun": natural.begun[:, :, mine]}
    episodes = natural.episodes
    for name in episodes.__slots__:
        value = getattr(episodes, name)
        out[f"episodes {name}"] = value[..., mine] if isinstance(value, np.ndarray) else value
    out["hops"] = [(h.start, h.end, h.summary.events, h.summary.counts[mine].tobytes()) for h in model.hops.done]
    out["history"] = None
    if model.growth is not None and model.growth.history is not None:
        history = model.growth.history
        out["history"] = [history.hours.sums[:, mine].tobytes(), history.peaks[:, mine].tobytes(), len(history.days)]
        out["growth"] = (model.growth.begun, model.growth.stage)
    assert model.judge is not None
    own = [row for row in model.judge.learned.rows.tolist() if row in mine]
    at = [model.judge.learned.rows.tolist().index(row) for row in own]
    out |= {"grown": model.judge.state.evidence.grown[at], "seen": model.judge.state.evidence.seen[at]}
    out["s"] = model.judge.state.s[:-1][own]
    out["points"] = [
        (level.tail.numbers.tobytes(), level.tail.values[:, mine].tobytes(), level.sealed.values[:, mine].tobytes())
        for level in model.timeline.levels
    ]
    out["open"] = [None if v.open is None else v.open.sums[:, mine].tobytes() for v in model.timeline.levels]
    stream = state.partitions[A].streams[KEY]
    assert stream.panes is not None
    out["panes"] = stream.panes.dense.sums[:, mine]
    return {k: v.tobytes() if isinstance(v, np.ndarray) else v for k, v in out.items()}


def found_of(found: Sequence[Finding], but: Sequence[str]) -> list[Finding]:
    """Of channels; what is said of the model as a whole counts those that are open."""
    return [f for f in found if f.feature is not None and f.feature not in but]


@settings(max_examples=3, deadline=None, phases=PHASES)
@example("score", [33.2])
@given(
    channel=st.sampled_from(["age", "city", "temp", "score"]),
    cuts=st.lists(st.floats(ACT + 0.05, 34.4), min_size=2, max_size=6, unique=True).map(sorted),
)
def test_the_others_are_as_without_the_act(channel: str, cuts: list[float]) -> None:
    """What is known and remembered of them, byte by byte, and what is found; however polls are cut."""
    plain, acted = watch(), watch()
    acted.act(act(channel))
    but = ["age", channel]  # of age a page is open in one of them
    assert parts(acted.p, acted.state, but) == parts(plain.p, plain.state, but)
    told = go(plain, ACT, 31.7, 34.5), go(acted, ACT, *cuts, 34.5)
    assert found_of(told[0], but) == found_of(told[1], but)
    assert {f.feature for f in found_of(told[0], but)} == {"amount"}
    reference = acted.state.models[KEY].reference
    assert reference is not None
    assert [r.blind for r in renewed_of(reference)] == [False]  # it took its place twice meanwhile
    before, after = parts(plain.p, plain.state, but), parts(acted.p, acted.state, but)
    assert {name for name in before if before[name] != after[name]} == set()


@settings(max_examples=1, deadline=None, phases=PHASES)
@example([31.6, 32.7], True)
@given(
    cuts=st.lists(st.floats(ACT + 0.05, 33.4), min_size=2, max_size=6, unique=True).map(sorted), restart=st.booleans()
)
def test_nothing_depends_on_how_events_arrive(cuts: list[float], restart: bool) -> None:
    one, other = watch(), watch()
    for w in (one, other):
        w.act(act("age"))
    told = go(one, ACT, 33.5)
    again = list[Finding]()
    for start, end in pairwise([ACT, *cuts, 33.5]):
        again += go(other, start, end)
        if restart:
            other.state = thawed(other.p, frozen(other.p, other.state))
    assert told == again
    assert [r.id for r in one.learned] == [r.id for r in other.learned]
    assert saved(one) == saved(other)


def of(model: ModelState) -> Reference:
    assert model.reference is not None
    return model.reference


def test_what_is_open_ends_for_the_act_and_it_is_watched_again_on_bins_of_its_own() -> None:
    w = watch()
    old = of(w.state.models[KEY])
    said = w.act(act("age"))
    assert (
        "age: learned anew from what comes from 2026-09-29 16:00 UTC on; not watched until 2026-09-29 16:30 UTC" in said
    )
    ends = [(f.feature, f.status, f.because) for f in w.findings if f.feature is not None]
    assert ends == [("age", Status.OK, "rebaseline by anna: amounts are in cents from now on")]
    model = w.state.models[KEY]
    assert [i.ended is not None for i in model.incidents] == [True]
    assert model.acts == (act("age"),)
    assert "age: cannot see: learning again since 2026-09-29 16:00 UTC, ready at 2026-09-29 16:30 UTC" in " ".join(
        remarks(of(model))
    )
    assert not w.until(33.5)
    new = of(w.state.models[KEY])
    row = new.rows["age"]
    assert new.center[row] == pytest.approx(100 * old.center[row], rel=0.1)
    assert [t for t in remarks(new) if "cannot see" in t] == []
    assert pages(w.until(36.5)) == {"amount"}
    assert not pages(w.until(43.5))  # the night and the morning
    assert pages(w.until(46)) == {"age"}  # a hundred times larger again


def test_the_stretch_that_is_asked_for_is_learned_from_and_no_more() -> None:
    w = watch()
    start, end = BEGIN + 32 * HOUR, BEGIN + 34 * HOUR
    said = w.act(act("age", start=start, end=end))
    assert "learned anew from what comes from 2026-09-29 17:00 UTC on to 2026-09-29 19:00 UTC" in said
    w.until(32)
    assert [r.blind for r in renewed_of(of(w.state.models[KEY]))] == [True]
    w.until(36)
    (mark,) = renewed_of(of(w.state.models[KEY]))
    assert (mark.since, mark.last, np.isnan(mark.due)) == (start, end, True)
    model = w.state.models[KEY]
    assert model.regrowths == ()
    row, times = of(model).rows["age"], w.rows.times
    assert of(model).summary.counts[row].sum() == np.count_nonzero((times >= start) & (times < end))


def test_what_was_before_is_not_kept_and_the_answer_says_so() -> None:
    w = watch()
    assert "from 2026-09-29 16:00 UTC on (what came before is not kept)" in w.act(act("age", start=BEGIN + 30 * HOUR))


def test_a_channel_with_few_events_waits_and_says_when_it_is_tried_again() -> None:
    w = watch()
    w.rows = w.rows.take(np.flatnonzero((w.rows.times < BEGIN + ACT * HOUR) | (w.rows.offsets % 10 == 0)))
    w.act(act("age"))
    go(w, *np.arange(ACT, 36.1))
    model = w.state.models[KEY]
    assert [r.blind for r in renewed_of(of(model))] == [True]
    (told,) = regrowth.told(model).values()
    assert "age: cannot see: learning again since 2026-09-29 16:00 UTC, ready at 2026-09-29 21:00 UTC" in told
    go(w, 36, 37.3)  # a hundred are enough after six hours
    assert [r.blind for r in renewed_of(of(w.state.models[KEY]))] == [False]


def test_while_a_page_of_it_is_open_it_does_not_learn() -> None:
    w = Watch(faulty(2.3, ("age", 30, 99, 100.0), ("age", 32.2, 34.2, 100.0)))
    w.state, w.at = thawed(w.p, until_then()), ACT
    w.act(act("age"))
    found = w.until(32.5)
    first = of(w.state.models[KEY])
    found += w.until(33.5)
    assert pages(found) == {"age"}
    assert of(w.state.models[KEY]).id == first.id
    w.until(37.5)  # it waited by the hour
    now = of(w.state.models[KEY])
    assert now.id != first.id
    assert now.center[now.rows["age"]] == pytest.approx(first.center[first.rows["age"]], rel=0.1)
    assert now.last < BEGIN + 33 * HOUR
    assert renewed_of(now)[0].last > BEGIN + 34 * HOUR


def test_a_second_act_begins_again_and_one_for_the_model_ends_all() -> None:
    w = watch()
    w.act(act("age", "city"))
    w.until(31.5)
    w.act(act("age"))
    model = w.state.models[KEY]
    assert [r.channels for r in model.regrowths] == [("city",), ("age",)]
    w.until(33)
    w.act(act())
    assert w.state.models[KEY].regrowths == ()
    w.until(36)
    assert renewed_of(of(w.state.models[KEY])) == ()


@pytest.mark.parametrize(
    ("end", "why"),
    [
        (31.2, r"half an hour and 500 events of it at least\. End it \(--to\) at 2026-09-29 16:30 UTC or later"),
        (30.5, r"events of 'm' are not kept, so a channel is learned from what comes after 2026-09-29 16:00 UTC"),
    ],
)
def test_too_short_a_stretch_is_refused_and_changes_nothing(end: float, why: str) -> None:
    w = watch()
    before = frozen(w.p, w.state)
    with pytest.raises(ActRefused, match=why):
        perform(w.state, w.p, act("age", start=BEGIN + 30 * HOUR, end=BEGIN + end * HOUR))
    assert frozen(w.p, w.state) == before


def test_a_reference_that_has_grown_to_its_end_lets_a_channel_learn_anew() -> None:
    w = Watch(faulty(2.3, ("age", 32, 99, 100.0)), grower(1.25))
    assert pages(w.until(33)) == {"age"}
    model = w.state.models[KEY]
    assert model.growth is None
    w.act(act("age"))
    assert not w.until(35)
    model = w.state.models[KEY]
    assert [r.blind for r in renewed_of(of(model))] == [False]
    assert model.arrived == {}


def test_other_settings_do_not_leave_it_unwatched() -> None:
    w = watch()
    w.act(act("age"))
    w.p = pipeline_of(replace(w.p.monitor.default, grow_seconds=None), WINDOWS)
    w.until(33.5)
    assert [r.blind for r in renewed_of(of(w.state.models[KEY]))] == [False]


def test_whose_checkpoint_was_lost_begin_again() -> None:
    w = watch()
    w.act(act("age"))
    w.until(31.5)
    w.state.models[KEY].regrowths = ()
    w.until(34)
    assert [r.blind for r in renewed_of(of(w.state.models[KEY]))] == [False]


def test_its_relations_rest_and_are_watched_again_after_a_day() -> None:
    """None of them makes a finding meanwhile, although the values that they were learned from are gone."""
    w = watch()
    w.rows = faulty(3.1, ("age", 30, 99, 100.0))
    w.act(act("age"))
    go(w, ACT, 40, 54)
    assert mean_limit(w) == (-np.inf, -np.inf)
    before = natural_of(of(w.state.models[KEY]))
    go(w, 54, 56)
    (mark,) = renewed_of(of(w.state.models[KEY]))
    assert mark.related
    now = natural_of(of(w.state.models[KEY]))
    assert before is not None
    assert before.relations is not None
    assert before.relation_near is not None
    assert now is not None
    assert now.relation_near is not None
    place = before.scores.rows.tolist().index(of(w.state.models[KEY]).rows["age"])
    mine = before.relations.about(np.arange(len(before.scores.rows)) == place)
    changed = before.relation_near.largest.mean != now.relation_near.largest.mean
    assert changed.tolist() == mine.tolist()
    limit, others = mean_limit(w)
    assert 0.3 < limit < 1
    assert 0.3 < others < 1
    assert found_of(w.findings, ["age"]) == []
    assert [f.kind for f in w.findings if f.feature == "age"] == ["unit"]  # what the act has ended
    times = w.rows.times - BEGIN
    age = np.asarray(w.rows.columns["age"]).copy()
    broken = np.flatnonzero(times > 58 * HOUR)
    age[broken] = np.random.default_rng(1).permutation(age[broken])
    w.rows = replace(w.rows, columns={**w.rows.columns, "age": age})
    assert {(f.feature, f.kind) for f in go(w, 56, 60, 66) if f.feature is not None} & {
        ("age", "joint"),
        ("*", "joint"),
    }


def mean_limit(w: Watch) -> tuple[float, float]:
    """Below which the relation of age makes a ticket, and the least of those that rest on it."""
    reference = of(w.state.models[KEY])
    learned, limits = natural_of(reference), w.p.monitor.detectors(reference).limits
    assert learned is not None
    assert limits is not None
    assert learned.relations is not None
    rows, near = learned.scores.rows.tolist(), limits.ticket.related[1]
    assert near is not None
    place = rows.index(reference.rows["age"])
    own = learned.relations.rows.tolist().index(place)
    others = np.flatnonzero(learned.relations.weight[:, place] != 0)
    return float(near[own]), float(near[others].min())


def test_the_next_stage_of_the_model_leaves_it_alone() -> None:
    """After three days the others are learned from all their hours, and it from its own events."""
    plain, acted = watch(), watch()
    for w in (plain, acted):
        w.rows = faulty(3.1, ("age", 30, 99, 100.0))
    acted.act(act("age"))
    for w in (plain, acted):
        go(w, ACT, 40, 60, 73.5)
    one, other = (of(w.state.models[KEY]) for w in (plain, acted))
    before = natural_of(acted.learned[-2])
    assert one.last == other.last > BEGIN + 71 * HOUR
    row = other.rows["age"]
    assert other.center[row] == pytest.approx(4000, rel=0.05)
    assert renewed_of(other)[0].last == BEGIN + (ACT + 24) * HOUR
    mine = [i for i in range(len(other.channels)) if i != row]
    assert one.summary.counts[mine].tobytes() == other.summary.counts[mine].tobytes()
    was, now = natural_of(one), natural_of(other)
    assert was is not None
    assert now is not None
    assert was.near.largest.mean[:, mine].tobytes() == now.near.largest.mean[:, mine].tobytes()
    assert before is not None
    assert now.near.largest.mean[:, row].tobytes() == before.near.largest.mean[:, row].tobytes()
    assert np.isfinite(now.near.largest.mean[:, row]).any()
    assert before.tests is not None
    assert now.tests is None  # the others have been learned anew, so that all share the budget anew
    assert (now.block_lengths / HOUR).round().tolist() == [3 if i == row else 9 for i in range(len(other.channels))]
    assert now.days_known.round(1).tolist() == [1.0 if i == row else 3.0 for i in range(len(other.channels))]
