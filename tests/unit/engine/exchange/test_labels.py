"""Members join labels as one process does: each once, through kills, take-overs and zombies."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from driftd.core.event import Decoded, EventBatch, LabelBatch, TopicPartition
from driftd.core.experiment import Measure, Metric, Rule, Shares
from driftd.core.finding import Finding
from driftd.core.segmenting import Segmenting
from driftd.core.slice import Slice
from driftd.engine.exchange.member import View
from driftd.engine.exchange.messages import Bundle, Labelled, Message, ToJoin, Tried, decode, encode
from driftd.engine.exchange.owner import Owner
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.ingest.outcomes.join import Joining
from driftd.ingest.outcomes.pending import Entry
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import pipeline_of
from tests.unit.engine.exchange.group import Group, cut, times_of
from tests.unit.engine.exchange.test_group import BEGIN, LEARNING, WINDOWS
from tests.unit.judge.experiments.test_experiment import assert_same
from tests.unit.judge.natural.stage import HOUR

PART = Slice("m/labels")
SPAN, DELAY, HORIZON = 14 * HOUR, 2 * HOUR, 5 * HOUR
N, WRONG = 3_500, 2_000
"""One prediction in 14 seconds; from the 2000th on six in ten are wrong, before that one in ten."""
Parts = dict[TopicPartition, EventBatch]


def joiner(*, always: bool = True) -> Pipeline:
    wanted = Segmenting(("country",), {"country": ("DE", "FR")}, share=0.5)
    settings = ModelSettings(lambda _: (), LEARNING, learn_events=400, segmenting=wanted, share=wanted.whole)
    p = pipeline_of(settings, WINDOWS)
    p.labels, p.most_slices = Joining(HORIZON, 100_000, always=always), 10
    return p


RULE = Rule("exp", "m", ("champion", "challenger"), (Metric(Measure.QUALITY, 0.01),), shares=(Shares(0.0, (0.5, 0.5)),))


def tried() -> Pipeline:
    p = joiner()
    return replace(p, monitor=replace(p.monitor, experiments={"m": (RULE,)}))


def parts(seed: int) -> Parts:
    """Predictions on three partitions, labels on two of another topic. Of labels some never come, some come twice, some
    are corrected, some are late, and some are for nothing that was predicted.
    """
    rng = np.random.default_rng(seed)
    times, said = BEGIN + np.sort(rng.uniform(0, SPAN, N)), rng.integers(0, 2, N).astype(float)
    fields: dict[str, Any] = {"prediction": said, "score": rng.uniform(size=N).round(3)}
    columns = {"x": rng.normal(size=N), "country": rng.choice(["DE", "FR", "US"], N).tolist()}
    ids = [f"id{i}" if i % 50 else None for i in range(N)]
    fields |= {"variant": [RULE.arms[i % 2] for i in range(N)], "unit": [f"user{i % 900}" for i in range(N)]}
    rows = EventBatch("m", np.arange(N), times, columns, fields, "7", ids=ids)
    wrong, fate = rng.uniform(size=N) < np.where(np.arange(N) < WRONG, 0.1, 0.6), rng.uniform(size=N)
    later: list[tuple[float, int, str, float]] = []
    for i in range(N):
        true, at = float(said[i] != wrong[i]), times[i] + DELAY + 600 * rng.uniform()
        name, where = f"id{i}" if fate[i] < 0.97 else f"nobody{i}", i % 2
        if fate[i] < 0.05:
            continue
        if fate[i] < 0.1:
            at = times[i] + HORIZON + 60.0
        later.append((at, where, name, true))
        if 0.1 <= fate[i] < 0.2:  # again, the same one or another
            later.append((at + 1200 * rng.uniform(), where, name, true if fate[i] < 0.15 else 1 - true))
    later = sorted(one for one in later if one[0] < BEGIN + SPAN)
    out: Parts = {}
    places = rng.integers(0, 3, N)
    for k in range(3):
        out["predictions", k] = at_home(rows.take(np.flatnonzero(places == k)))
    for k in range(2):
        mine = [one for one in later if one[1] == k]
        alone = LabelBatch(
            np.arange(len(mine)), np.array([one[0] for one in mine]), [one[2] for one in mine], [one[3] for one in mine]
        )
        out["labels", k] = EventBatch("m", np.empty(0, np.int64), np.empty(0), {}, labels_alone=alone)
    return out


def at_home(part: EventBatch) -> EventBatch:
    return replace(part, offsets=np.arange(len(part)))


def alone(sources: Parts, make: Callable[[], Pipeline] = joiner) -> tuple[list[Finding], State]:
    """One process that reads all."""
    p, state, found = make(), State(), list[Finding]()
    for source in sources:
        p.ingest(state, source, 0, Decoded(0, [], []))
    for begin, end in pairwise(np.arange(BEGIN, BEGIN + SPAN + HOUR, HOUR / 4).tolist()):
        for source, part in sources.items():
            first, last = np.searchsorted(times_of(part), [begin, end]).tolist()
            if last > first:
                p.ingest(state, source, last, Decoded(last - first, [cut(part, first, last)], []))
        found += p.settle(state).findings
    return found, state


def owner_of(group: Group) -> Owner:
    (owner,) = [o for m in group.members for o in m.owners.values() if Slice("m") in o.owned.state.models]
    return owner


def facts(c: LabelCounts) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value := getattr(c, name), np.ndarray) else value for name in c.__slots__
    }


def waits(state: State) -> dict[bytes, Entry]:
    return dict(state.outcomes.pending.beyond(b""))


@pytest.mark.parametrize(
    ("members", "kills", "seed"), [(1, 0.0, 0), (3, 0.0, 1), (2, 0.1, 2), (3, 0.1, 3), (3, 0.2, 4)]
)
def test_a_group_joins_what_one_process_joins(members: int, kills: float, seed: int) -> None:
    sources = parts(seed)
    group = Group.of_sources(joiner, sources, members, owners=2)
    killed = group.run(np.random.default_rng(seed), most=100, kills=kills)
    assert bool(killed) == bool(kills)
    expected, state = alone(sources)
    owned = owner_of(group).owned.state
    mine, theirs = owned.outcomes.counts["m"], state.outcomes.counts["m"]
    assert mine.balanced
    assert facts(mine) == facts(theirs)
    every = ("joined", "waiting", "unlabelled", "duplicates", "corrections", "late", "unmatched", "early", "no_id")
    assert min(getattr(theirs, name) for name in every) > 10
    assert theirs.predictions == sum(len(p) for (t, _), p in sources.items() if t == "predictions") - theirs.no_id
    assert waits(owned) == waits(state)
    assert owned.counters(PART).events == state.counters(PART).events == theirs.joined
    assert set(owned.models) == set(state.models)
    assert {key for key in state.models if key.joined and key.within}
    assert {f.model for f in expected if f.feature == "prediction_error"} >= {"m/labels"}
    assert sorted(repr(f) for f in group.told) == sorted(repr(f) for f in expected)
    assert not {plan.slice for plan in group.planned if plan.slice.joined}


@pytest.mark.parametrize(("kills", "seed"), [(0.2, 11)])
def test_quality_of_variants_by_later_labels_is_that_of_one_process(kills: float, seed: int) -> None:
    """Variants and users travel with what is joined; the pairs are counted where they are made."""
    sources = parts(seed)
    group = Group.of_sources(tried, sources, 3, owners=2)
    group.run(np.random.default_rng(seed), most=100, kills=kills)
    _, state = alone(sources, tried)
    (expected,), (found,) = (s.models[PART].experiments.values() for s in (state, owner_of(group).owned.state))
    assert expected.last == found.last > BEGIN + 10 * HOUR
    assert_same(replace(found, waiting=None), replace(expected, waiting=None))
    assert not [m for m in said(group.panes) if isinstance(m, Tried) and m.slice.joined]


def said(logs: list[list[bytes]]) -> Iterator[Message]:
    for log in logs:
        for data in log:
            message = decode(data)
            assert not isinstance(message, Bundle)
            yield message


def test_features_do_not_travel_with_what_is_joined() -> None:
    group = Group.of_sources(joiner, parts(1), 1, owners=1)
    group.run(np.random.default_rng(1), most=300)
    sent = [message for message in said(group.panes) if isinstance(message, ToJoin)]
    assert sum(len(m.arrived.predictions) for m in sent if m.arrived.predictions is not None) == N - N // 50
    assert not [m for m in sent if re.search(rb"country(?!=)|features", encode(m))]


@pytest.mark.parametrize(("kills", "seed"), [(0.0, 6), (0.2, 7)])
def test_with_auto_predictions_are_sent_when_somebody_says_that_labels_come(kills: float, seed: int) -> None:
    """Labels come from two hours on, and lie where no prediction is read."""
    sources = parts(seed)
    group = Group.of_sources(lambda: joiner(always=False), sources, 3, owners=2)
    group.run(np.random.default_rng(seed), most=100, kills=kills, ahead=300.0)
    counts = owner_of(group).owned.state.outcomes.counts["m"]
    assert counts.balanced
    assert {m.model for m in said([group.plans]) if isinstance(m, Labelled)} == {"m"}
    first = min(float(times_of(part)[0]) for (topic, _), part in sources.items() if topic == "labels")
    after = [
        part.take(np.flatnonzero(part.times > first + HOUR)) for (t, _), part in sources.items() if t == "predictions"
    ]
    every = sum(len(p) - (p.ids or []).count(None) for p in after)
    assert every <= counts.predictions < every + 1.5 * N * HOUR / SPAN
    assert counts.joined > 1000
    labels = sum(len(times_of(part)) for (topic, _), part in sources.items() if topic == "labels")
    assert counts.labels == labels


def test_with_auto_nothing_is_sent_of_a_model_without_labels() -> None:
    sources = {at: part for at, part in parts(8).items() if at[0] == "predictions"}
    group = Group.of_sources(lambda: joiner(always=False), sources, 2, owners=2)
    group.run(np.random.default_rng(8), most=300)
    assert not [m for m in said(group.panes) if isinstance(m, ToJoin)]
    assert not owner_of(group).owned.state.outcomes.counts


def test_a_model_that_is_forgotten_leaves_nothing_that_waits() -> None:
    sources = parts(9)
    group = Group.of_sources(joiner, sources, 2, owners=2)
    group.run(np.random.default_rng(9), most=300)
    owner = owner_of(group)
    (k,) = [k for m in group.members for k, o in m.owners.items() if o is owner]
    assert group.waiting[k]
    group.forget("m")
    assert not waits(owner.owned.state)
    assert not owner.owned.state.outcomes.counts
    assert not group.waiting[k]
    for place in range(2):  # what was read since the last checkpoint is sent again, and belongs to what was forgotten
        group.kill(place)
    group.finish()
    assert not any(o.owned.state.outcomes.counts for m in group.members for o in m.owners.values())


def test_a_member_shows_what_is_joined_and_waits_in_all_partitions_that_it_judges() -> None:
    """Nobody else does, so that sums over the group count each once."""
    group = Group.of_sources(joiner, parts(12), 1, owners=1)
    group.run(np.random.default_rng(12), most=400)
    owned = owner_of(group).owned.state
    waiting = owned.outcomes.pending.size
    other = State()
    other.outcomes.halvings = 2
    view = View(owned=[owned, other])
    assert waiting > 1000
    assert (view.kept.entries, view.kept.halvings) == (waiting, 2)
    assert view.kept.bytes > 20 * waiting
    assert view.counters(PART).events == owned.outcomes.counts["m"].joined > 1000
    assert view.counters(PART).last_event == owned.counters(PART).last_event
    assert view.counters(Slice("m")).events == 0, "those are shown by who reads them"
    assert View().kept == (0, 0, 0)
