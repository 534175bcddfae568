"""What events cost, to the billionth: against sums by hand, in any order and in any pieces."""

from __future__ import annotations

from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.core.cost import (
    DAY,
    FREE,
    MOST_DAYS,
    MOST_VERSIONS,
    NANO,
    NOTHING,
    PREFIX,
    Money,
    Month,
    Price,
    Prices,
    Spend,
    Spending,
)
from driftd.core.event import EventBatch
from driftd.core.pane import Counters
from driftd.engine.codec import TypedCodec
from driftd.ingest.counters import counted

NOV_10 = 1_794_268_800.0
"""2026-11-10T00:00:00Z."""


def batch(model: str = "chat", version: Any = "7", times: Any = None, failed: Any = None, **columns: Any) -> EventBatch:
    """``tokens_in=[1, None]`` and so on; ``seconds`` are latencies."""
    n = len(next(iter(columns.values())))
    numbers = {k: np.array(v, np.float64) for k, v in columns.items()}
    fields: dict[str, Any] = {"latency_seconds" if k == "seconds" else PREFIX + k: v for k, v in numbers.items()}
    if failed is not None:
        fields["error"] = np.array(failed)
    stamps = np.full(n, NOV_10) if times is None else np.array(times, np.float64)
    return EventBatch(model, np.arange(n), stamps, {}, fields, version)


def day(after: int) -> str:
    return (date(2026, 11, 10) + timedelta(after)).isoformat()


def money(prices: Prices, events: EventBatch) -> float:
    return float(prices.spending(events).whole.money)


CACHED = {"tokens_in": [10_000], "tokens_cached": [6000], "tokens_cache_write": [1000], "tokens_out": [500]}


@pytest.mark.parametrize(
    ("price", "events", "expected"),
    [
        # 3,000 x 3 + 6,000 x .3 + 1,000 x 3.75 + 500 x 15, a million
        pytest.param(
            Price(input=3, cached=0.3, cache_write=3.75, output=15), CACHED, 0.02205, id="all kinds of tokens"
        ),
        pytest.param(Price(input=3, output=15), CACHED, 0.0375, id="cached ones without a price are input"),
        pytest.param(
            Price(input=3, cached=0.3, output=15),
            {"tokens_in": [10], "tokens_cached": [6000], "tokens_out": [0]},
            0.00183,
            id="cached ones are beside the input where they are more",
        ),
        pytest.param(Price(input=0.02), {"tokens_in": [1]}, 20e-9, id="one token"),
        pytest.param(
            Price(output=2), {"tokens_out": [100], "tokens_reasoning": [90]}, 0.0002, id="reasoning is output"
        ),
        pytest.param(Price(event=0.01), {"seconds": [np.nan, 3]}, 0.02, id="an event has a price without any field"),
        pytest.param(Price(second=0.5), {"seconds": [np.nan, 3]}, 1.5, id="seconds"),
        pytest.param(Price(input=3), {"tokens_in": [1e6, 1e6], "amount": [0.25, None]}, 3.25, id="stated goes first"),
        pytest.param(Price(input=1e6), {"tokens_in": [1e9] * 12}, 12e9, id="beyond 64 bits of billionths"),
    ],
)
def test_an_event_costs_what_the_table_says(price: Price, events: Any, expected: float) -> None:
    assert money(Prices((price,)), batch(**events)) == pytest.approx(expected, rel=1e-15)


def test_what_nobody_prices_is_counted_and_never_free_of_charge() -> None:
    spend = FREE.spending(batch(tokens_in=[100, None, 50], amount=[None, None, 0.5], failed=[True, True, False])).whole
    assert (spend.events, spend.failed, spend.unpriced, spend.tokens_in) == (2, 1, 1, 150)
    assert float(spend.money) == 0.5
    assert spend.per_success == 0.5
    assert Spend(3, 3, 0, Money(1)).per_success is None


def test_events_that_say_nothing_cost_nothing() -> None:
    assert FREE.spending(batch(seconds=[1.0])) is NOTHING
    assert Prices((Price("other*", event=1),)).spending(batch(seconds=[1.0])) is NOTHING
    assert Prices((Price(input=1),)).spending(batch(seconds=[1.0])).whole == Spend()


@pytest.mark.parametrize(
    ("model", "version", "event"),
    [("chat-large", "7", 3.0), ("chat-large", "8-beta", 4.0), ("chat-small", "8-beta", 2.0), ("other", "7", 1.0)],
)
def test_the_most_exact_pattern_counts(model: str, version: str, event: float) -> None:
    table = (Price(event=1), Price("chat*", event=2), Price("chat-large", event=3), Price("chat-large", "8*", event=4))
    assert money(Prices(table), batch(model, version, seconds=[1])) == event
    assert money(Prices(table[::-1]), batch(model, version, seconds=[1])) == event


rows = st.lists(
    st.tuples(
        st.sampled_from(["7", "8", None]),
        st.integers(0, 3),
        st.integers(0, 10**9),
        st.one_of(st.none(), st.floats(0, 1e9, allow_nan=False)),
    ),
    min_size=1,
    max_size=12,
)


def of_rows(some: list[Any]) -> EventBatch:
    versions, days, tokens, amounts = zip(*some, strict=True)
    return batch(version=[*versions], times=[NOV_10 + d * DAY for d in days], tokens_in=tokens, amount=amounts)


@given(rows, st.data())
def test_sums_are_exact_in_any_pieces_and_any_order(some: list[Any], data: st.DataObject) -> None:
    prices = Prices((Price(input=0.0375),))
    exact = sum(round(Fraction(t * 75, 2)) if a is None else int(np.rint(a * NANO)) for _, _, t, a in some)
    whole = counted(Counters(), of_rows(some), of_rows(some), prices)
    assert whole.spending.whole.money == Money.of(exact)
    assert sum(Fraction(m.units) + Fraction(m.nanos, NANO) for m in whole.spending.days.values()) == Fraction(
        exact, NANO
    )
    shuffled = data.draw(st.permutations(some))
    cut = data.draw(st.integers(0, len(some)))
    parts = [p for p in (shuffled[:cut], shuffled[cut:]) if p]
    one_by_one = Counters()
    for part in parts:
        one_by_one = counted(one_by_one, of_rows(part), of_rows(part), prices)
    assert one_by_one.spending == whole.spending
    members = [counted(Counters(), of_rows(p), of_rows(p), prices) for p in parts]
    assert members[0].merge(members[-1] if len(members) > 1 else Counters()).spending == whole.spending
    codec = TypedCodec(Counters)
    assert codec.decode(codec.encode(whole)).spending == whole.spending


def test_days_and_versions_are_bounded() -> None:
    spent = Counters()
    for day in range(100):
        events = batch(version=f"v{day}", times=[NOV_10 + day * DAY], amount=[1.0])
        spent = counted(spent, events, events)
    assert (len(spent.spending.days), min(spent.spending.days)) == (MOST_DAYS, "2026-12-18")
    assert {*spent.spending.versions} == {f"v{day}" for day in range(100 - MOST_VERSIONS, 100)}


def test_a_month_is_forecast_by_the_days_of_the_last_week() -> None:
    days = {day(k): Money(100 if k < -7 else 10) for k in range(-19, 0)} | {day(0): Money(4)}
    # nine days of November: two of 100, seven of 10; today 4 by noon, and 20.5 days of 10 are left
    month = Month.of(days, NOV_10 + DAY / 2)
    assert month.spent == 2 * 100 + 7 * 10 + 4
    assert month.forecast == pytest.approx(month.spent + 20.5 * 10)
    assert Month.of({day(0): Money(5)}, NOV_10 + 1) == Month(5.0, None), "no whole day is known"
    assert Month.of({day(-1): Money(9), day(0): Money(5)}, NOV_10 + 1).forecast is None, "the first may be a part"
    december = Month.of(days, NOV_10 + 21 * DAY)
    assert (december.spent, december.forecast) == (0.0, 0.0)


def test_nothing_added_is_nothing() -> None:
    some = Spending({"7": Spend(1)}, {day(3): Money(1)})
    assert some.merge(NOTHING) == NOTHING.merge(some) == some
