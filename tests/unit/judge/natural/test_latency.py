"""Latency as a channel: slow for an hour pages, slow for minutes does not; what is said are its own quantiles."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import EventBatch
from driftd.core.reference import tail_bins
from driftd.core.summary import FIRST_VALUE
from driftd.ingest.binning import encode_with
from driftd.judge.natural import features, slow_requests
from driftd.judge.natural.changes import CHANGES, Change, OwnSize, OwnSizes
from driftd.judge.natural.episodes import PAGE, TICKET, Turn
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.latency import TESTS, Lasting, LatencyLearned
from driftd.judge.natural.learned import HOPS
from driftd.judge.natural.predictive import Predictive
from driftd.judge.natural.reach import UP, reach
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.runtime import natural_of
from driftd.judge.natural.size_table import sizes_of
from driftd.judge.natural.step import Products, start, step
from driftd.judge.natural.thresholds import thresholds
from driftd.learn.build import Learning, build
from driftd.learn.natural import ticks_of
from driftd.monitor.reach import blind, undetectable

Floats = NDArray[np.float64]
Slow = Callable[[Floats, Floats], Floats]
"""(hours since the change may begin, latencies) -> latencies."""
DAY, HOUR, BEGIN = 86_400.0, 3_600.0, 1_790_553_600.0
A_DAY = 8_000


def events(
    rng: np.random.Generator, begin: float, days: float, change: Slow = lambda _, seconds: seconds
) -> EventBatch:
    """Requests of a day with its rhythm, answered in a tenth of a second; a burst of a minute now and then."""
    minutes = np.arange(begin, begin + days * DAY, 60.0)
    times = np.repeat(minutes, rng.poisson((1 + 0.6 * np.sin(2 * np.pi * minutes / DAY)) * A_DAY / 1440))
    times = np.sort(times + 60 * rng.random(len(times)))
    seconds = 0.1 * np.exp(0.5 * rng.normal(size=len(times)) + 0.15 * np.sin(2 * np.pi * times / DAY))
    bursts = np.isin(times // 60, rng.choice(minutes // 60, int(4 * days) + 1)) & (rng.random(len(times)) < 0.3)
    seconds[bursts] *= 10
    seconds = change((times - begin) / HOUR, seconds)
    x = rng.normal(size=len(times))
    return EventBatch("m", np.arange(len(times)), times, {"x": x}, fields={"latency_seconds": seconds})


def turns(change: Slow, days: float = 7.0, hours: float = 12.0, parts: int = 1) -> list[Turn]:
    """What is said of the hours after a reference of so many days, in so many steps."""
    rng = np.random.default_rng(5)
    rows = events(rng, BEGIN - days * DAY, days)
    reference = build(rows, Learning())
    learned = natural_of(reference)
    assert learned is not None
    after = events(rng, BEGIN, hours / 24, change)
    told = ticks_of(reference, after, encode_with(reference, after), learned.limits, None, 10.0)
    none, limits, state = Products.none(len(learned.scores.rows)), thresholds(learned), start(learned)
    found: list[Turn] = []
    for index in np.array_split(np.arange(len(told.ticks)), parts):
        state, verdict = step(learned, limits, state, told.ticks.part(slice(index[0], index[-1] + 1)), none)
        found += verdict.turns
    return [t for t in found if t.channel == reference.rows["latency"]]


def since(hour: float, factor: float, share: float = 1.0, until: float = np.inf) -> Slow:
    def change(age: Floats, seconds: Floats) -> Floats:
        mine = (age >= hour) & (age < until) & (np.arange(len(age)) * 617 % 1000 < 1000 * share)
        return np.where(mine, seconds * factor, seconds)

    return change


@pytest.mark.parametrize(
    ("change", "kind", "within_hours"),
    [
        pytest.param(since(3, 10), Kind.LATENCY_P50, 1.0, id="all requests 10 times"),
        pytest.param(since(3, 3), Kind.LATENCY_P50, 2.5, id="all requests 3 times"),
        pytest.param(since(3, 20, 0.10), Kind.LATENCY_P99, 2.5, id="a tenth of them 20 times"),
        pytest.param(lambda age, s: np.where(age >= 3, 30.0, s), Kind.LATENCY_P50, 1.0, id="all at the timeout"),
    ],
)
def test_slow_requests_page(change: Slow, kind: Kind, within_hours: float) -> None:
    pages = [t for t in turns(change) if t.level == PAGE]
    assert pages
    assert pages[0].kind is kind
    assert 3.0 < (pages[0].time - BEGIN) / HOUR <= 3.0 + within_hours
    assert abs(pages[0].since - BEGIN - 3 * HOUR) < 0.5 * HOUR


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(since(99, 1), id="ordinary"),
        pytest.param(since(3, 10, until=3 + 10 / 60), id="a deploy of ten minutes"),
        pytest.param(since(3, 30, until=3 + 2 / 60), id="two minutes of anything"),
        pytest.param(since(3, 0.1), id="faster"),
        pytest.param(since(3, 1.2), id="a fifth slower"),
        pytest.param(since(3, 10, 0.005), id="one request in 200"),
    ],
)
def test_what_is_no_fault_says_nothing(change: Slow) -> None:
    assert turns(change) == []


@pytest.mark.parametrize(
    ("slow", "share"),
    [
        pytest.param([80, 80, 80], 0.8, id="it lasts"),
        pytest.param([0, 0, 80], 0.0, id="a burst in the last hop"),
        pytest.param([80, 80, 0], 0.0, id="a deploy that is over"),
        pytest.param([40, 80, 10], 0.2, id="twice the least"),
        pytest.param([8, 10, 12], 0.1, id="a part of the requests"),
    ],
)
def test_a_share_counts_with_what_each_part_of_the_hour_has(slow: list[int], share: float) -> None:
    sums = np.zeros((3, 1, features.FEATURES), np.int64)
    sums[:, 0, features.LIVE], sums[:, 0, features.FAR] = 100, slow
    begin = np.array([0.0, 1200.0, 2400.0])
    seen = Lasting.of(TESTS[0], 0, Runs(begin, np.add(begin, 1200.0, dtype=np.float64), np.full(3, 100), sums), 3, 50)
    assert (seen.first.tolist(), seen.last.tolist()) == ([0], [2])
    assert seen.share.tolist() == pytest.approx([share])
    assert seen.least[0] <= seen.share[0]


def test_slower_by_two_thirds_is_a_ticket() -> None:
    assert {t.level for t in turns(since(3, 1.7))} - {0} == {TICKET}


@pytest.mark.parametrize("parts", [7, 150])
def test_what_is_said_does_not_depend_on_how_many_panes_come_at_once(parts: int) -> None:
    """The median moves hours after the slowest requests do."""

    def change(age: Floats, seconds: Floats) -> Floats:
        return since(9, 10)(age, since(2, 30, 0.15)(age, seconds))

    at_once, split = turns(change, hours=16), turns(change, hours=16, parts=parts)
    assert {t.kind for t in at_once} == {Kind.LATENCY_P50, Kind.LATENCY_P99}
    assert [str(t) for t in split] == [str(t) for t in at_once]  # NaN is not NaN


@pytest.mark.parametrize("new", [1, 5, 20])
def test_a_change_began_where_the_hops_that_are_kept_show_it(new: int) -> None:
    """One that is older than those began with the first of them, whether 1 hop has come or 20 at once."""
    stage = events(np.random.default_rng(5), BEGIN - 3 * DAY, 3.0)
    reference = build(stage, Learning())
    learned = natural_of(reference)
    assert learned is not None
    kept, row = HOPS[0] + new, reference.rows["latency"]
    sums = np.zeros((kept, len(reference.channels), features.FEATURES + reference.width), np.int64)
    sums[:, row, [features.LIVE, features.EVENTS]], sums[:, row, [features.FAR, features.HIGH]] = 100, 90
    sums[:, row, features.FEATURES + FIRST_VALUE + 10] = 100
    begin = np.array([1200.0 * k for k in range(20 + HOPS[0])])[-kept:]
    hops = Runs(begin, np.add(begin, 1200.0, dtype=np.float64), np.full(kept, 100), sums)
    fires = slow_requests.of_hops(learned, thresholds(learned), hops, new)
    last = [fire for fire in fires if fire.time == hops.end[-1]]
    assert {fire.since for fire in last} == {float(hops.start[-1] - 1200.0 * HOPS[0])}


def test_what_is_said_is_the_quantile_since_the_change() -> None:
    page = next(t for t in turns(since(3, 10)) if t.level == PAGE)
    assert page.usual == pytest.approx(0.1, rel=0.15)
    assert page.value == pytest.approx(1.0, rel=0.25)


def test_a_page_ends_when_requests_are_as_quick_as_before() -> None:
    last = turns(since(3, 10, until=5), hours=9)[-1]
    assert last.level == 0
    assert (last.time - BEGIN) / HOUR < 6.5


def test_models_whose_events_state_none_have_no_such_channel() -> None:
    rows = events(np.random.default_rng(1), BEGIN, 1.0)
    without = build(replace(rows, fields={}), Learning())
    learned = natural_of(without)
    assert [c.role for c in without.channels] == [Role.FEATURE, Role.ERROR]
    assert learned is not None
    assert learned.latency is None
    assert not any("latency" in name for name in without.learned)


def test_a_request_that_states_none_says_nothing() -> None:
    rng = np.random.default_rng(1)
    rows = events(rng, BEGIN, 1.0)
    seconds = rows.fields["latency_seconds"]
    assert isinstance(seconds, np.ndarray)
    seconds[::2] = np.nan
    reference = build(rows, Learning())
    row = reference.rows["latency"]
    assert reference.summary.missing[row] == 0
    assert reference.summary.channel_events[row] == np.isfinite(seconds).sum()


@pytest.mark.parametrize("q", [0.5, 0.99])
@pytest.mark.parametrize("factor", [1.0, 10.0, 60.0])
def test_bins_tell_quantiles_far_beyond_what_was_seen(q: float, factor: float) -> None:
    rng = np.random.default_rng(3)
    x = 0.1 * np.exp(0.6 * rng.normal(size=20_000))
    bins = tail_bins(x)
    none = Predictive(np.zeros(0), np.zeros(0), np.zeros(0))
    counts = np.bincount(bins.place(x * factor), minlength=bins.used).astype(np.float64)
    told = LatencyLearned(0, bins.edges, np.zeros(0), none).quantile(counts, q)
    # half octaves: a bin is wrong by less than its width, interpolated by less than a fifth
    assert told == pytest.approx(float(np.quantile(x * factor, q)), rel=0.2)


@pytest.mark.parametrize("x", [np.zeros(50), np.full(50, 0.2), np.array([0.2])], ids=lambda x: f"{len(x)} of {x[0]}")
def test_bins_of_latencies_without_a_tail(x: Floats) -> None:
    bins = tail_bins(x)
    assert np.all(np.diff(bins.edges) > 0)
    assert np.all(bins.place(x) >= FIRST_VALUE)


def test_the_user_s_sizes_of_the_channel_stand() -> None:
    reference = build(events(np.random.default_rng(1), BEGIN, 1.0), Learning())
    learned = natural_of(reference)
    assert learned is not None
    far, row = CHANGES.index(Change.FAR), reference.rows["latency"]
    table = OwnSizes(table={Change.FAR: OwnSize(page=0.7)})
    channel = OwnSizes(channel={Change.FAR: OwnSize(page=0.3)})
    assert sizes_of(learned, [table] * 3).page[far].tolist() == [0.7, 0.7, 0.05]  # features' sizes are not its own
    assert sizes_of(learned, [channel] * 3).page[far, row] == 0.3


def test_what_is_promised_of_slow_requests_pages_in_time_and_nothing_else_is_asked() -> None:
    reference = build(events(np.random.default_rng(5), BEGIN - 7 * DAY, 7.0), Learning())
    learned = natural_of(reference)
    assert learned is not None
    row, seen = reference.rows["latency"], reach(learned, thresholds(learned), reference)
    assert undetectable(reference, learned, seen, np.zeros(3, bool))[row] == ()
    assert blind(reference, learned, seen, np.zeros(3, bool))[row] == ()
    far = (seen.channel == row) & (seen.change == CHANGES.index(Change.FAR)) & seen.page
    assert seen.direction[far].tolist() == [UP]
    (least,), (seconds,) = seen.least[far].tolist(), seen.seconds[far].tolist()
    assert 0.05 < least < 0.15
    pages = [t for t in turns(since(3, 30, least), hours=3 + 1.5 * seconds / HOUR) if t.level == PAGE]
    assert pages
    assert pages[0].time - BEGIN - 3 * HOUR <= 1.5 * seconds
