"""Closed panes come in at least once, in any order: the model side is the same as if each came once, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.finding import Finding
from driftd.core.pane import ClosedPane, ClosedPanes, RawRows
from driftd.core.pane_block import PaneBlock, merge
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import merge as merge_summaries
from driftd.core.window import TimedDetection, panes_of
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn.build import Learning, build
from driftd.monitor.intake import take_in, take_out, together
from driftd.monitor.settle import Evaluated
from driftd.monitor.state import ModelState
from tests.unit.core.make import WINDOWS, events, frozen, pipeline, stream

KEY = Slice("m")
A, B = ("t", 0), ("t", 1)
Message = ClosedPane | ClosedPanes | RawRows


@pytest.fixture(scope="module")
def reference() -> Reference:
    return build(stream(np.random.default_rng(1), 300), Learning(bins=5))


def closed(reference: Reference, batch: EventBatch, source: TopicPartition, offset: int = 1) -> list[ClosedPane]:
    """Every pane of the events, as the ingest side closes them."""
    panes = panes_of(batch.times, WINDOWS.pane_seconds)
    summaries = summarise_with(reference, batch, encode_with(reference, batch), panes)
    return [ClosedPane(KEY, number, source, offset, s, versions=frozenset("1")) for number, s in summaries.items()]


def arrive(model: ModelState, message: Message) -> None:
    take_in(model, message.alone if isinstance(message, ClosedPane) else message)


def out(model: ModelState, reached: int) -> PaneBlock:
    panes = take_out(model, reached)
    assert panes is not None
    return panes


def block(panes: Sequence[ClosedPane]) -> ClosedPanes:
    """Panes of one source as one message."""
    return replace(panes[0].alone, panes=merge([pane.alone.panes for pane in panes]))


def raw(batch: EventBatch, source: TopicPartition, through: int) -> RawRows:
    return RawRows(KEY, through, source, int(batch.offsets[-1]) + 1, batch, panes_of(batch.times, WINDOWS.pane_seconds))


def evaluated(
    p: Pipeline, reference: Reference | None, rounds: Sequence[Sequence[Message]], reached: Sequence[int]
) -> tuple[bytes, list[Finding]]:
    """The state and the findings after these messages came in, round by round."""
    state, findings = State(), list[Finding]()
    state.models[KEY] = ModelState(KEY)
    if reference is not None:
        p.monitor.adopt(state.models, KEY, reference)
    for messages, end in zip(rounds, reached, strict=True):
        for message in messages:
            arrive(state.models[KEY], message)
        evaluated = Evaluated()
        p.monitor.settle(state.models[KEY], end, evaluated)
        findings += [f for judgement in evaluated.judgements for f in judgement.findings]
    return frozen(p, state), findings


@dataclass(frozen=True)
class Story:
    """Panes of two sources in three rounds, each as it closes, and what is made of them."""

    rounds: list[list[ClosedPane]]
    reached: tuple[int, int, int]
    expected: tuple[bytes, list[Finding]]


@pytest.fixture(scope="module")
def story(reference: Reference) -> Story:
    batch = stream(np.random.default_rng(2), 600, shift_at=200)
    half = np.arange(len(batch)) % 2 == 0
    panes = [
        *closed(reference, batch.take(np.flatnonzero(half)), A),
        *closed(reference, batch.take(np.flatnonzero(~half)), B),
    ]
    numbers = sorted({pane.number for pane in panes})
    third = numbers[len(numbers) // 3], numbers[2 * len(numbers) // 3], numbers[-1]
    rounds = [[p for p in panes if low < p.number <= high] for low, high in zip((-1, *third), third, strict=False)]
    return Story(rounds, third, evaluated(pipeline(), reference, rounds, third))


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_message_that_comes_again_changes_nothing(reference: Reference, story: Story, data: st.DataObject) -> None:
    again = []
    for i, messages in enumerate(story.rounds):
        # each at least once, in any order; and some of the rounds before, whose panes have been evaluated
        repeated = data.draw(
            st.lists(st.sampled_from([m for part in story.rounds[: i + 1] for m in part]), max_size=20)
        )
        again.append(data.draw(st.permutations([*messages, *repeated])))
    assert evaluated(pipeline(), reference, again, story.reached) == story.expected


def test_panes_of_a_source_may_come_as_one_message_and_all_of_them_again(reference: Reference, story: Story) -> None:
    """Again by a source that was interrupted."""
    assert any(f.feature == "x" for f in story.expected[1])
    first, second, third = (
        [block(mine) for source in (A, B) if (mine := [p for p in part if p.source == source])] for part in story.rounds
    )
    for rounds in ([first, second, third], [first, [*first, *second], [*first, *second, *third]]):
        assert evaluated(pipeline(), reference, rounds, story.reached) == story.expected


@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_raw_rows_that_come_again_are_learned_from_once(data: st.DataObject) -> None:
    batch = stream(np.random.default_rng(3), 90)
    panes = panes_of(batch.times, WINDOWS.pane_seconds)
    ends = sorted({int(n) for n in np.quantile(panes, [0.3, 0.6, 1.0])})
    once: list[list[Message]] = [
        [raw(batch.take(np.flatnonzero((panes > low) & (panes <= high))), A, high)]
        for low, high in zip((-1, *ends), ends, strict=False)
    ]
    # a source that was interrupted sends everything from its beginning
    whole = [raw(batch.take(np.flatnonzero(panes <= high)), A, high) for high in ends]
    again = [
        [*data.draw(st.permutations([m, *rest])), w]
        for (m,), rest, w in zip(once, ([], once[0], once[1]), whole, strict=True)
    ]

    def learned(rounds: Sequence[Sequence[Message]]) -> tuple[int, list[float]]:
        model, p = ModelState(KEY), pipeline(learn_events=1000)
        for messages, end in zip(rounds, ends, strict=True):
            for message in messages:
                arrive(model, message)
            assert p.monitor.learn({KEY: model}, model, end) is None
        return model.learned, sorted(t for rows in model.rows for t in rows.times.tolist())

    assert learned(again) == learned(once) == (len(batch), sorted(batch.times.tolist()))


def test_of_two_messages_for_one_pane_and_source_the_later_one_counts(reference: Reference) -> None:
    #   source t/0   pane 100: 2 events at offset 5   then the whole pane, 3 events, at offset 9
    early = closed(reference, events([1000, 1001], [0, 0], ["red"] * 2), A, 5)[0]
    whole = closed(reference, events([1000, 1001, 1002], [0, 0, 0], ["red"] * 3), A, 9)[0]
    other = closed(reference, events([1003], [0], ["blue"]), B, 2)[0]
    for order in ([early, whole, other], [whole, other, early], [other, early, whole, early]):
        model = ModelState(KEY, reference)
        for message in order:
            arrive(model, message)
        (run,) = together(out(model, 100), [0, 1])
        assert (run.number, run.summary.events) == (100, 4)
        assert run.versions == {"1": (100, 100)}


def test_panes_come_out_in_order_and_no_further_than_asked(reference: Reference) -> None:
    model = ModelState(KEY, reference)
    for message in reversed(closed(reference, events([1000, 1010, 1020, 1030], [0] * 4, ["red"] * 4), A)):
        arrive(model, message)
    assert out(model, 102).numbers.tolist() == [100, 101, 102]
    assert model.taken == 102
    assert out(model, 200).numbers.tolist() == [103]
    assert take_out(model, 300) is None


def test_detections_of_all_sources_come_in_order_of_time(reference: Reference) -> None:
    model = ModelState(KEY, reference)
    for source, times in ((B, (1004.0, 1001.0)), (A, (1003.0, 1002.0))):
        (pane,) = closed(reference, events([1000], [0], ["red"]), source)
        hits = tuple(TimedDetection("adwin", "x", t, 0.1, 0.2) for t in times)
        arrive(model, replace(pane, detections=hits))
    (run,) = together(out(model, 100), [0, 1])
    assert [d.time for d in run.detections] == [1001.0, 1002.0, 1003.0, 1004.0]


def test_runs_are_the_panes_between_two_cuts(reference: Reference) -> None:
    model = ModelState(KEY, reference)
    for source, colours in ((A, ["red"] * 4), (B, ["blue"] * 4)):
        for message in closed(reference, events([1000, 1010, 1020, 1030], [0, 1, 2, 3], colours), source):
            arrive(model, message)
    panes = out(model, 103)
    runs = [*together(panes, [0, 1, 4])]
    assert [(run.first, run.number, run.summary.events) for run in runs] == [(100, 100, 2), (101, 103, 6)]
    summaries = [panes.summary(place) for place in range(4)]
    for run, mine in zip(runs, (summaries[:1], summaries[1:]), strict=True):
        alone = merge_summaries(mine)
        for one, other in zip(fields(run.summary), fields(alone), strict=True):
            np.testing.assert_array_equal(getattr(run.summary, one.name), getattr(alone, other.name))
