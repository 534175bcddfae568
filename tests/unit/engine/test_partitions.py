"""Keyed topics: what one partition sees is no sample of the model. Nothing may depend on that."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.event import Decoded, EventBatch
from driftd.core.fault_counters import COLUMNS, REPEATED
from driftd.core.finding import Finding
from driftd.core.reference import Reference
from driftd.core.window import Windows
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import State
from driftd.judge.natural import features
from driftd.judge.natural.runtime import natural_of
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import feed, pipeline_of
from tests.unit.judge.natural.stage import DAY, HOUR, MONDAY, batch, traffic

BEGIN = MONDAY + 9 * HOUR
WINDOWS = Windows(pane_seconds=60.0, window_seconds=600.0, min_events=100, out_of_orderness_seconds=60)
LEARNING = Learning(bins=10, windows=WINDOWS, least_span_seconds=DAY)
PARTITIONS = 4
Keys = NDArray[np.int64]


def grower() -> Pipeline:
    return pipeline_of(ModelSettings(lambda _: (), LEARNING, grow_seconds=3 * DAY), WINDOWS)


def learner(events: int) -> Pipeline:
    return pipeline_of(ModelSettings(lambda _: (), LEARNING, learn_events=events), WINDOWS)


def run(p: Pipeline, rows: EventBatch, keys: Keys, turn: int = 1_000) -> tuple[list[Finding], list[Reference]]:
    """Event k lies in partition ``keys[k]``; the partitions are read in turns."""
    state, findings, learned = State(), list[Finding](), list[Reference]()
    parts = [rows.take(np.flatnonzero(keys == k)) for k in range(int(keys.max()) + 1)]
    for k, part in enumerate(parts):
        part.offsets[:] = np.arange(len(part))
        p.ingest(state, ("t", k), 0, Decoded(0, [], []))
    edges = [*rows.times[::turn].tolist(), np.inf]
    for begin, end in pairwise(edges):
        for k, part in enumerate(parts):
            mine = np.flatnonzero((part.times >= begin) & (part.times < end))
            if len(mine):
                outcome = feed(p, state, ("t", k), part.take(mine))
                findings += outcome.findings
                learned += outcome.learned
    assert state.late == 0
    return findings, learned


def regions(seed: int, days: float, *, seconds: float = 0.0) -> tuple[EventBatch, Keys]:
    """The partition is the customer's region, which is a feature, a number, and a level of another. With ``seconds``
    many events have the same time.
    """
    columns = traffic(np.random.default_rng(seed), BEGIN, BEGIN + days * DAY)
    key = np.random.default_rng(seed + 1).integers(0, PARTITIONS, len(columns["time"]))
    columns["city"] = np.array(["north", "east", "south", "west"], object)[key]
    columns["temp"] = 10.0 * key
    columns["amount"] = np.round(columns["amount"] * (1 + key), 2)
    if seconds:
        columns["time"] = np.floor(columns["time"] / seconds) * seconds
    return batch(columns), key


def told(findings: Sequence[Finding]) -> list[tuple[object, ...]]:
    return [(f.window_end, f.detector, f.feature, f.status, f.severity, f.kind) for f in findings]


@pytest.mark.parametrize("seconds", [0.0, 30.0])
def test_a_topic_keyed_by_region_says_what_one_partition_says(seconds: float) -> None:
    rows, key = regions(3, 1.4, seconds=seconds)
    findings, learned = run(grower(), rows, key)
    alone, expected = run(grower(), rows, np.zeros(len(key), np.int64))
    assert [(r.id, r.summary.events, r.last) for r in learned] == [(r.id, r.summary.events, r.last) for r in expected]
    assert told(findings) == told(alone)
    assert not [f for f in findings if f.severity is not None]


def test_a_reference_of_so_many_events_is_no_more_of_one_partition_than_of_another() -> None:
    """A minute has 400 events here; the reference ends within one, where all events have one time."""
    rows, key = regions(5, 0.3)
    rows.times[:] = BEGIN + np.floor(np.arange(len(rows)) / 400) * 60
    _, (learned,) = run(learner(900), rows, key, turn=400)
    assert learned.summary.events == 900
    city = learned.summary.counts[[c.name for c in learned.channels].index("city")]
    shares = city[city > 0] / 900
    assert len(shares) == PARTITIONS
    # binomial: .25, standard deviation .0144
    assert np.abs(shares - 0.25).max() < 4.5 * 0.0144


def test_repeats_within_partitions_are_no_more_than_the_values_allow() -> None:
    """Each partition has one value; of 40 values in 4 bins of 10 a quarter repeats in any order (90 / 39 in each)."""
    rows, key = regions(7, 1.4)
    _, learned = run(grower(), rows, key)
    natural = natural_of(learned[-1])
    assert natural is not None
    row = [c.name for c in learned[-1].channels].index("city")
    width = natural.layout.width
    sums = np.zeros((1, len(learned[-1].channels), width + COLUMNS + 2), np.int64)
    sums[0, row, np.flatnonzero(learned[-1].summary.counts[row])] = 10
    sums[0, row, width + REPEATED] = 40
    told = natural.layout.features(sums)[0, row]
    assert told[features.LIVE] == 40
    assert told[features.REPEATED] == 10


def sessions(seed: int, days: float) -> tuple[EventBatch, Keys]:
    """Users come for five requests within a quarter of an hour, half of them for the first time; a partition is a
    fourth of the users. What they are is the same in each of their requests.
    """
    columns = traffic(np.random.default_rng(seed), BEGIN, BEGIN + days * DAY)
    rng, user, new = np.random.default_rng(seed + 1), np.zeros(len(columns["time"]), np.int64), 5_000
    active: list[tuple[int, int, float]] = []
    for i, now in enumerate(columns["time"].tolist()):
        active = [(who, left, end) for who, left, end in active if left > 0 and end > now]
        if active and rng.random() < 0.8:
            place = int(rng.integers(len(active)))
            who, left, end = active[place]
            active[place] = who, left - 1, end
        else:
            new += 1
            who = int(rng.integers(3_000)) if rng.random() < 0.5 else new
            active.append((who, int(rng.geometric(0.2)), now + 900))
        user[i] = who
    columns["shop"] = np.array([f"u{k}" for k in user.tolist()], object)
    columns["age"] = 20.0 + np.random.default_rng(1).integers(0, 60, user.max() + 1)[user]
    return batch(columns), user % PARTITIONS


@pytest.mark.parametrize("seed", [3, 5])
def test_users_who_stay_in_one_partition_page_nobody(seed: int) -> None:
    rows, key = sessions(seed, 1.4)
    findings, _ = run(grower(), rows, key)
    assert [f.because for f in findings if f.severity is not None and f.severity.value == "page"] == []
