"""The seasonal judge: its bound on drift-free weeks, its verdicts on drifts, and its state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core import arrays
from driftd.judge.seasonal.clock import SlotSummary
from driftd.judge.seasonal.days import ReferenceDays
from driftd.judge.seasonal.level_shift import EXCHANGEABLE, Series
from driftd.judge.seasonal.season import Season, SeasonState, step
from driftd.judge.seasonal.slot_profile import day_statistics
from tests.unit.judge.rhythms import HOURS, START, WEEK, Columns, Stream, channels_of, followed, weekly_noise

Floats = NDArray[np.float64]
LEARNED = 24 * WEEK
A = 3e5
LOW, WEEKS, CHANNELS = 5e4, 30, 50
MOST = 13  # the bound is 30 * 168 / 5e4 * 51 = 5.1 in expectation; above 13 it holds with probability .001


def alarms(s: Floats, a: float) -> int:
    """Channels whose evidence ever reaches a."""
    return int(np.count_nonzero(s.max(axis=0) >= a))


@pytest.mark.parametrize(
    ("kind", "phi"),
    [
        pytest.param("normal", 0.0, id="independent weeks"),
        pytest.param("t3", 0.0, id="heavy tails"),
        pytest.param("lognormal", 0.0, id="skewed"),
        pytest.param("normal", 0.6, id="weeks follow each other"),
        pytest.param("normal", 0.85, id="weeks follow each other closely"),
        pytest.param("t3", 0.6, id="follow each other with heavy tails"),
    ],
)
def test_alarms_without_drift_are_fewer_than_events_over_a(rng: np.random.Generator, kind: str, phi: float) -> None:
    x = channels_of(rng, weekly_noise(rng, 24 + WEEKS, CHANNELS, kind, phi))
    season, s = Stream.of(list(x.T), LEARNED).evidence()
    assert (len(season.phi) > 1) == (phi > 0)
    assert alarms(s, LOW) <= MOST


def test_the_bound_breaks_where_weeks_that_follow_each_other_are_taken_for_exchangeable(
    rng: np.random.Generator,
) -> None:
    """So the test above can fail."""
    x = channels_of(rng, weekly_noise(rng, 24 + WEEKS, CHANNELS, "normal", 0.85))
    stream = Stream.of(list(x.T), LEARNED)
    season, state = stream.learn()
    blind = replace(season, phi=np.array(EXCHANGEABLE))

    def first(series: Series) -> Series:
        k = slice(0, 1)
        return replace(
            series, phi=series.phi[k], xx=series.xx[k], xy=series.xy[k], yy=series.yy[k], total=series.total[k],
            prefix=series.prefix[:, k],
        )  # fmt: skip

    state = replace(state, alone=first(state.alone), shaped=first(state.shaped), joint=first(state.joint))
    s = followed(blind, state, stream.later())[1]
    assert alarms(s, LOW) > MOST


def moved(x: Floats, start: int, change: Callable[[Floats], Floats]) -> Floats:
    out = x.copy()
    out[start:] = change(x)[start:]
    return out


@pytest.mark.parametrize(
    ("change", "within"),
    [
        pytest.param(lambda x: x * 0.75, 5, id="a quarter less"),
        pytest.param(lambda x: x + 20, 9, id="20 more"),
        pytest.param(lambda x: np.roll(x, 3), 5, id="3 hours late"),
        pytest.param(lambda x: 100 + (x - 100) * 1.5, 5, id="the rhythm half as large again"),
        pytest.param(lambda x: x * 1.609, 2, id="kilometres for miles"),
        pytest.param(lambda x: x * 1000, 2, id="another unit"),
        pytest.param(lambda x: np.where(np.arange(len(x)) % 17 == 0, np.nan, x), 2, id="6 % missing"),
        pytest.param(lambda x: np.full(len(x), 90.0), 5, id="stands still"),
    ],
)
def test_drift_is_found(rng: np.random.Generator, change: Callable[[Floats], Floats], within: int) -> None:
    x = channels_of(rng, weekly_noise(rng, 45, 3))
    start = 30 * WEEK + 50
    columns: Columns = [moved(x[:, 0], start, change), x[:, 1], x[:, 2]]
    _, s = Stream.of(columns, LEARNED).evidence()
    found = np.flatnonzero(s[:, 0] >= A)
    assert len(found)
    assert start - LEARNED <= found[0] <= start - LEARNED + within * WEEK
    assert alarms(s[:, 1:3], A) == 0


def test_a_change_hidden_by_a_sibling_s_noise_is_found_jointly(rng: np.random.Generator) -> None:
    shared = weekly_noise(rng, 45, 1)
    levels = np.concatenate([3 * shared, 3 * shared], axis=1) + 0.2 * weekly_noise(rng, 45, 2)
    x = channels_of(rng, levels)
    start = 30 * WEEK
    _, s = Stream.of([moved(x[:, 0], start, lambda v: v * 0.96), x[:, 1]], LEARNED).evidence()
    assert alarms(s[:, :2], A) == 0
    assert alarms(s[:, 2:], A) == 1
    assert np.argmax(s[:, 2] >= A) >= start - LEARNED


def test_a_change_of_category_shares_is_found(rng: np.random.Generator) -> None:
    n, start = 40 * WEEK, 30 * WEEK
    c = rng.choice(["a", "b", "c", "d"], n, p=[0.4, 0.3, 0.2, 0.1])
    c[start:] = np.where((c[start:] == "b") & (rng.random(n - start) < 0.4), "c", c[start:])
    _, s = Stream.of([c.tolist()], LEARNED).evidence()
    found = np.flatnonzero(s[:, 0] >= A)
    assert start - LEARNED <= found[0] <= start - LEARNED + 5 * WEEK


def test_units_do_not_matter(rng: np.random.Generator) -> None:
    x = channels_of(rng, weekly_noise(rng, 40, 2))
    x[32 * WEEK :, 0] += 15
    _, s = Stream.of(list(x.T), LEARNED).evidence()
    _, t = Stream.of([x[:, 0] * 1000, x[:, 1] / 1000], LEARNED).evidence()
    np.testing.assert_allclose(s, t, rtol=1e-6)


def test_the_state_goes_on_bit_for_bit(rng: np.random.Generator) -> None:
    x = channels_of(rng, weekly_noise(rng, 30, 3, phi=0.8))
    stream = Stream.of(list(x.T), LEARNED + 11)
    season, state = stream.learn()
    season = arrays.load(Season, arrays.dump(season))
    for i, slot in enumerate(stream.later()):
        if i % 100 == 0:
            state = arrays.load(SeasonState, arrays.dump(state))
        again = arrays.load(SeasonState, arrays.dump(state)) if i % 97 == 0 else state
        state, s = step(season, state, slot)
        np.testing.assert_array_equal(step(season, again, slot)[1], s)


def split(slot: SlotSummary) -> list[SlotSummary]:
    """Two panes that merge to the slot: one value of each channel in the first, the others in the second."""
    some = np.minimum(slot.values, 1)
    head = np.zeros_like(slot.counts)
    for k in range(len(some)):
        head[k, np.flatnonzero(slot.counts[k])[:1]] = 1
    first = SlotSummary(slot.number, head, some, np.where(some > 0, slot.low, 0.0), slot.low, slot.low)
    rest = SlotSummary(
        slot.number, slot.counts - head, slot.values - some, slot.sums - first.sums,
        np.where(slot.values > 1, slot.low, np.inf), np.where(slot.values > 1, slot.high, -np.inf),
    )  # fmt: skip
    return [first, rest]


def test_panes_of_a_slot_are_as_good_as_the_slot(rng: np.random.Generator) -> None:
    """Only runs may differ: within a busy pane shorter ones are not seen."""
    n = 30 * WEEK * 4
    x = np.round(np.repeat(channels_of(rng, weekly_noise(rng, 30, 2)), 4, axis=0) + rng.normal(size=(n, 2)))
    stream = Stream.of(list(x.T), LEARNED * 4, START + HOURS / 4 * np.arange(n, dtype=np.float64))
    season, state = stream.learn()
    slots = stream.later()
    whole = followed(season, state, slots)[0]
    parts = followed(season, state, [p for slot in slots for p in split(slot)])[0]
    np.testing.assert_allclose(parts.evidence, whole.evidence, rtol=1e-9)
    assert parts.joint_evidence == pytest.approx(whole.joint_evidence, rel=1e-9)


def test_lost_hours_days_and_weeks_are_neither_drift_nor_an_error(rng: np.random.Generator) -> None:
    x = channels_of(rng, weekly_noise(rng, 60, 4))
    hour = np.arange(len(x))
    lost = (rng.random(len(x)) < 0.1) | (hour // 24 % 31 == 3) | np.isin(hour // WEEK, [5, 6, 30, 31, 32, 45])
    columns: Columns = list(x[~lost].T)
    stream = Stream.of(columns, int(np.count_nonzero(~lost[:LEARNED])), (START + HOURS * hour)[~lost])
    season, s = stream.evidence()
    assert season.seasons == 22
    assert not season.pages
    assert alarms(s, A) == 0
    late = replace(stream.later()[-1], number=stream.later()[-1].number + 10_000 * WEEK)
    assert np.isfinite(followed(*stream.learn(), [late])[1]).all()


def test_channels_that_never_move_or_are_never_there_say_nothing(rng: np.random.Generator) -> None:
    x = channels_of(rng, weekly_noise(rng, 30, 1))[:, 0]
    columns: Columns = [x, np.full(len(x), 7.0), np.full(len(x), np.nan), ["same"] * len(x), np.zeros(len(x))]
    _, s = Stream.of(columns, LEARNED).evidence()
    assert np.isfinite(s).all()
    assert alarms(s, A) == 0


def test_a_reference_that_ends_within_a_day_goes_on_with_it(rng: np.random.Generator) -> None:
    x = channels_of(rng, weekly_noise(rng, 27, 2))
    season, state = Stream.of(list(x.T), LEARNED).learn()
    whole = followed(season, state, Stream.of(list(x.T), LEARNED).later()[: 2 * WEEK])[0]
    cut = Stream.of(list(x.T), LEARNED + 31)
    later = followed(*cut.learn(), cut.later()[: 2 * WEEK - 31])[0]
    assert later.today == whole.today
    np.testing.assert_array_equal(later.alone.blocks, whole.alone.blocks)


def test_the_reference_s_days_are_as_far_from_their_slots_as_new_days_are(rng: np.random.Generator) -> None:
    """Without leaving their own season out they would be nearer, by about one part in 24."""
    x = channels_of(rng, np.zeros((24 + 200, 20)))
    stream = Stream.of(list(x.T), LEARNED)
    season, _ = stream.learn()
    spread = season.layout.kind == 1
    slots, _ = stream.slots(slice(LEARNED, None))
    new = ReferenceDays.of(slots, season.clock)
    fresh = []
    for d in range(new.whole):
        part = slice(d % 7 * 24, (d % 7 + 1) * 24)
        numbers, _ = day_statistics(
            new.values[d // 7, part], new.sums[d // 7, part], season.profile.day(d, season.clock), season.floor,
            season.positive,
        )  # fmt: skip
        fresh.append(numbers[1])
    assert np.mean(season.weeks.center[spread]) == pytest.approx(np.mean(fresh), rel=0.01)
