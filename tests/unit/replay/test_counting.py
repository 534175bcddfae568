"""Stretches of a history are counted side by side, and merged to what one process has that reads them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from driftd.core.event import Decoded, DropReason, EventBatch, RecordBatch, Reject, RejectReason, Schema, TopicPartition
from driftd.core.experiment import Measure, Metric, Rule, Shares
from driftd.core.finding import Finding
from driftd.core.reference import Exclusion
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.learn.build import Learning
from driftd.monitor.model import Monitor
from driftd.monitor.settings import ModelSettings
from driftd.replay import merging
from driftd.replay.counting import Counted, Plan, decode, encode, panes
from tests.unit.core.make import WINDOWS, choose, frozen

SOURCE: TopicPartition = ("history", 0)
RULE = Rule("r", "m0", ("a", "b"), (Metric(Measure.ERRORS, 0.01),), shares=(Shares(0.0, (0.5, 0.5)),))
BEGIN = 1_791_763_200.0


class History:
    """Events of several models that lie among each other, as their own codec. One in 97 cannot be decoded."""

    def __init__(self, rows: EventBatch, models: Sequence[str], most: int = 100) -> None:
        self.rows = rows
        self.models = np.array(models)
        self.most = most

    def __len__(self) -> int:
        return len(self.rows)

    def records(self, begin: int, end: int) -> RecordBatch:
        n = end - begin
        return RecordBatch(*SOURCE, np.arange(begin, end), np.full(n, np.nan), [b""] * n, end)

    def decode(self, records: RecordBatch, schemas: Mapping[str, Schema], halves: object = None) -> Decoded:  # noqa: ARG002
        rejects = [
            Reject(i, o, RejectReason.WRONG_TYPE, "of no use")
            for i, o in enumerate(records.offsets.tolist())
            if o % 97 == 5
        ]
        good = records.offsets[records.offsets % 97 != 5]
        batches, dropped = list[EventBatch](), 0
        for model in dict.fromkeys(self.models[good].tolist()):
            mine = good[self.models[good] == model]
            new = {b.model for b in batches} - schemas.keys()
            if model not in schemas and len(schemas) + len(new) >= self.most:
                dropped += len(mine)
            else:
                batches.append(replace(self.rows.take(mine), model=model))
        return Decoded(len(records), batches, rejects, {DropReason.MODEL_LIMIT: dropped} if dropped else {})


def history(seed: int, n: int, models: int = 1, out_of_order: float = 0.0, most: int = 100) -> History:
    rng = np.random.default_rng(seed)
    times = BEGIN + np.arange(n) * 0.5 + rng.normal(0, 1, n) * out_of_order
    drift = np.where(np.arange(n) > 0.7 * n, 2.0, 0.0)
    x = rng.normal(size=n) + drift
    x[rng.random(n) < 0.1] = 0.5  # values that repeat
    color = rng.choice([*"abc", None], n).tolist()
    for at in range(n // 2, n, 40):
        color[at] = f"new {at // 400}"  # comes three times among a hundred events
    rows = EventBatch(
        "m",
        np.arange(n, dtype=np.int64),
        times,
        {"x": x, "color": color},
        {
            "prediction": (x > 0).astype(np.float64),
            "label": [float(v) for v in x > 0.5 * drift],
            "latency_seconds": rng.random(n),
            "error": rng.random(n) < np.where(drift > 0, 0.2, 0.01),
            "variant": rng.choice(["a", "b"], n).tolist(),
            "unit": [f"u{i}" for i in rng.integers(0, 500, n).tolist()],
        },
        version=[str(1 + (i > n // 3)) for i in range(n)],
    )
    return History(rows, [f"m{k}" for k in rng.integers(0, models, n).tolist()], most)


def pipeline(events: History, *, grow: bool = False, exclude: tuple[Exclusion, ...] = ()) -> Pipeline:
    learning = Learning(bins=5, windows=WINDOWS, exclude=exclude)
    ours = ModelSettings(choose, learning, learn_events=150, grow_seconds=28 * 86_400.0 if grow else None)
    monitor = Monitor(WINDOWS, ours, experiments={name: (replace(RULE, model=name),) for name in ("m0", "m1")})
    return Pipeline(events, monitor, max_models=events.most)


def alone(events: History, p: Pipeline) -> tuple[State, list[Finding]]:
    """One process that reads all of it in order."""
    state, found = State(), list[Finding]()
    for begin in range(0, len(events), 256):
        p.take(state, events.records(begin, min(begin + 256, len(events))))
        found += p.settle(state).findings
    return state, [*found, *p.settle(state, end=True).findings]


def apart(events: History, p: Pipeline, cuts: Sequence[int], plan_every: int = 1) -> tuple[State, list[Finding], int]:
    """The stretches between ``cuts``, so many with one plan, counted in any order; how many were counted again."""
    state, found, again = State(), list[Finding](), 0
    ends = [*zip([0, *cuts], [*cuts, len(events)], strict=True)]
    for group in range(0, len(ends), plan_every):
        plan = Plan.of(p, state)
        told = [counted(events, plan, *end) for end in reversed(ends[group : group + plan_every])]
        for stretch in sorted(told, key=lambda s: s.first):
            mine = stretch
            if not merging.agrees(p, state, SOURCE, mine):
                again += 1
                mine = counted(events, Plan.of(p, state), mine.first, mine.next, state.partitions[SOURCE].latest)
                assert merging.agrees(p, state, SOURCE, mine)
            list(merging.merge(p, state, SOURCE, mine))
            found += p.settle(state).findings
    return state, [*found, *p.settle(state, end=True).findings], again


def counted(events: History, plan: Plan, begin: int, end: int, before: float = -np.inf) -> Counted:
    """As it comes over the wire; rows came in two batches."""
    middle = (begin + end) // 2
    batches = [events.records(a, b) for a, b in ((begin, middle), (middle, end)) if b > a]
    return decode(encode(panes(batches, plan, before)))


def by_model(found: list[Finding]) -> list[Finding]:
    """Models are judged one after the other, as often as stretches come."""
    return sorted(found, key=lambda finding: finding.slice)


cuts = st.lists(st.integers(1, 2999), min_size=1, max_size=6, unique=True).map(sorted)


@settings(
    max_examples=20, phases=[Phase.explicit, Phase.generate]
)  # an example takes a second: shrinking takes minutes
@given(
    seed=st.integers(0, 9),
    cuts=cuts,
    plan_every=st.integers(1, 4),
    models=st.sampled_from([1, 3]),
    out_of_order=st.sampled_from([0.0, 3.0, 10.0]),
)
def test_any_split_gives_the_same_findings_and_the_same_state(
    seed: int, cuts: list[int], plan_every: int, models: int, out_of_order: float
) -> None:
    events = history(seed, 3000, models, out_of_order)
    exclude = (Exclusion(BEGIN + 700, BEGIN + 800, ""),)
    p, q = pipeline(events, exclude=exclude), pipeline(events, exclude=exclude)
    state, found = alone(events, p)
    other, told, _ = apart(events, q, cuts, plan_every)
    assert by_model(told) == by_model(found)
    assert frozen(q, other) == frozen(p, state)
    assert all(m.experiments for key, m in state.models.items() if key.model in {"m0", "m1"})


@pytest.mark.parametrize(
    ("events", "cuts", "plan_every", "again"),
    [
        pytest.param(history(1, 3000), [1000, 2000], 1, 0, id="in order of time: nothing is counted twice"),
        pytest.param(history(1, 3000, out_of_order=10.0), [1000, 2000], 1, 2, id="late at the borders"),
        pytest.param(history(1, 3000, models=6, most=4), [10, 1500], 3, 2, id="more models than are watched"),
        pytest.param(history(1, 3000, models=6, most=4), [10, 1500], 1, 0, id="the plan has those that there are"),
    ],
)
def test_a_stretch_that_depends_on_those_before_it_is_counted_again(
    events: History, cuts: list[int], plan_every: int, again: int
) -> None:
    p, q = pipeline(events), pipeline(events)
    state, found = alone(events, p)
    other, told, times = apart(events, q, cuts, plan_every)
    assert times == again
    assert by_model(told) == by_model(found)
    assert frozen(q, other) == frozen(p, state)


def test_models_whose_bins_stay_travel_as_panes_and_others_as_rows() -> None:
    events, state = history(1, 3000), State()
    p = pipeline(events)
    first = counted(events, Plan.of(p, state), 0, 1000)
    list(merging.merge(p, state, SOURCE, first))
    p.settle(state)
    second = counted(events, Plan.of(p, state), 1000, 3000)
    assert [part.panes is None for part in (*first.parts, *second.parts)] == [True, False]
    rows, panes_ = second.parts[0].rows, second.parts[0].panes
    assert rows is not None
    assert panes_ is not None
    assert (len(rows.times), int(panes_.events.sum())) == (100, second.accepted - 100)


def test_few_events_a_pane_travel_as_rows() -> None:
    events, state = history(1, 3000), State()
    spread = replace(events.rows, times=BEGIN + np.arange(3000.0) * 5)
    events.rows = spread
    p = pipeline(events)
    list(merging.merge(p, state, SOURCE, counted(events, Plan.of(p, state), 0, 1000)))
    p.settle(state)
    (part,) = counted(events, Plan.of(p, state), 1000, 3000).parts
    assert part.panes is None
