"""What events cost: tokens and money as integers that add up exactly, and the prices that make one of the other."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.event import EventBatch, versions

PREFIX: Final = "cost."
"""An event's ``cost`` is columns: ``EventBatch.fields["cost.tokens_in"]`` and others, float64, NaN missing."""
AMOUNT: Final = PREFIX + "amount"
TOKENS: Final = ("tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write", "tokens_reasoning")
"""The third and fourth are parts of the first, the last one of the second."""
NANO: Final = 10**9
"""Money is summed in billionths: a token at 0.02 a million is 20 of them."""
DAY: Final = 86_400
MOST_DAYS: Final = 62
"""Days whose spending is kept: this month and the one before."""
WEEK: Final = 7
"""Days that a forecast goes by: one of each."""
MOST_VERSIONS: Final = 50
"""Of a model in one partition; where more answer, that which did so least lately is no longer counted apart."""
MOST_AMOUNT: Final = 1e9
"""Of one event, as fields allow it; a price that makes more of it makes so much. Two halves of its billionths can be
summed in int64 over 2**31 events."""

_EPOCH: Final = date(1970, 1, 1).toordinal()

Integers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, order=True)
class Money:
    """Whole units and billionths: both fit into a checkpoint's 64 bits, whatever the currency."""

    units: int = 0
    nanos: int = 0

    @classmethod
    def of(cls, nanos: int) -> Money:
        return cls(*divmod(nanos, NANO))

    def __add__(self, other: Money) -> Money:
        more, nanos = divmod(self.nanos + other.nanos, NANO)
        return Money(self.units + other.units + more, nanos)

    def __float__(self) -> float:
        return (self.units * NANO + self.nanos) / NANO


@dataclass(frozen=True, slots=True)
class Spend:
    """Of the events of one version that said tokens or money, or have a price: ``failed`` of them failed, of
    ``unpriced`` the money is not known. Tokens as in TOKENS. ``last``: the latest event's time.
    """

    events: int = 0
    failed: int = 0
    unpriced: int = 0
    money: Money = Money()
    tokens_in: int = 0
    tokens_out: int = 0
    tokens_cached: int = 0
    tokens_cache_write: int = 0
    tokens_reasoning: int = 0
    last: float = -np.inf

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            self.events + other.events,
            self.failed + other.failed,
            self.unpriced + other.unpriced,
            self.money + other.money,
            self.tokens_in + other.tokens_in,
            self.tokens_out + other.tokens_out,
            self.tokens_cached + other.tokens_cached,
            self.tokens_cache_write + other.tokens_cache_write,
            self.tokens_reasoning + other.tokens_reasoning,
            max(self.last, other.last),
        )

    @property
    def per_success(self) -> float | None:
        """Money of all, failures too, for each that did not fail."""
        good = self.events - self.failed
        return float(self.money) / good if good > 0 else None


@dataclass(frozen=True, slots=True)
class Spending:
    """What a model's events have cost: by version since the beginning, and by day (UTC, ``2026-11-10``) of the last
    MOST_DAYS. ``merge`` is exact, associative and commutative.
    """

    versions: Mapping[str, Spend]
    days: Mapping[str, Money]

    def merge(self, other: Spending) -> Spending:
        if not other.versions or not self.versions:
            return self if self.versions else other
        versions, days = dict(self.versions), dict(self.days)
        for version, more in other.versions.items():
            versions[version] = versions.get(version, Spend()) + more
        for day, money in other.days.items():
            days[day] = days.get(day, Money()) + money
        oldest = _date(_number(max(days)) - MOST_DAYS + 1) if days else ""
        return Spending(versions, {day: money for day, money in days.items() if day >= oldest})

    def bounded(self) -> Spending:
        """With the versions that answered last."""
        if len(self.versions) <= MOST_VERSIONS:
            return self
        kept = sorted(self.versions, key=lambda v: (-self.versions[v].last, v))[:MOST_VERSIONS]
        return Spending({version: self.versions[version] for version in kept}, self.days)

    @property
    def whole(self) -> Spend:
        return sum(self.versions.values(), Spend())


NOTHING: Final = Spending({}, {})


@dataclass(frozen=True, slots=True)
class Price:
    """Of models and versions whose names match: money a million tokens, an event, a second of latency. None: as
    ``input``.
    """

    model: str = "*"
    version: str = "*"
    input: float = 0.0
    output: float = 0.0
    cached: float | None = None
    cache_write: float | None = None
    event: float = 0.0
    second: float = 0.0

    @property
    def of_tokens(self) -> bool:
        return any((self.input, self.output, self.cached, self.cache_write))

    def nanos(self, batch: EventBatch) -> NDArray[np.float64]:
        """float64[n], whole billionths of each event; NaN where it has none of what is priced."""
        given = {name: batch.fields.get(PREFIX + name) for name in TOKENS}
        tokens = {k: np.zeros(len(batch)) if v is None else np.nan_to_num(np.asarray(v)) for k, v in given.items()}
        apart = tokens["tokens_cached"] + tokens["tokens_cache_write"]
        # OpenTelemetry counts them within the input; where that is less, somebody counts them beside it
        plain = np.where(apart > tokens["tokens_in"], tokens["tokens_in"], tokens["tokens_in"] - apart)
        # in billionths first: a price has few digits, so products are whole, and exact where a float is
        of_in, of_out = np.rint(self.input * NANO), np.rint(self.output * NANO)
        cached = of_in if self.cached is None else np.rint(self.cached * NANO)
        written = of_in if self.cache_write is None else np.rint(self.cache_write * NANO)
        million = (
            plain * of_in
            + tokens["tokens_cached"] * cached
            + tokens["tokens_cache_write"] * written
            + tokens["tokens_out"] * of_out
        )
        seconds = batch.latency_seconds
        known = np.full(len(batch), self.event > 0)
        out = million / 1e6 + self.event * NANO
        if self.of_tokens:
            known |= _any(batch, TOKENS)
        if self.second and seconds is not None:
            out += np.nan_to_num(seconds) * self.second * NANO
            known |= ~np.isnan(seconds)
        return np.where(known, np.rint(np.minimum(out, MOST_AMOUNT * NANO)), np.nan)


@dataclass(frozen=True, slots=True)
class Prices:
    """The table of all models; of several that match a name the one with the longest text before its first * counts,
    first of the model, then of the version, and then the first.
    """

    table: tuple[Price, ...] = ()
    currency: str = "USD"

    def of(self, model: str, version: str) -> Price | None:
        fits = [p for p in self.table if fnmatchcase(model, p.model) and fnmatchcase(version, p.version)]
        return max(fits, key=lambda p: (_literal(p.model), _literal(p.version)), default=None)

    def amounts(self, batch: EventBatch) -> NDArray[np.float64] | None:
        """float64[n]: what each event costs, NaN where that is not known; None where it is of none."""
        if not self.table and AMOUNT not in batch.fields:
            return None
        out, names = np.full(len(batch), np.nan), np.array([v or "" for v in versions(batch)], object)
        for name in sorted(set(names.tolist())):
            at = np.flatnonzero(names == name)
            out[at] = self._nanos(batch.take(at), self.of(batch.model, name)) / NANO
        return out

    def spending(self, batch: EventBatch) -> Spending:
        """What the events of a batch cost."""
        stated = any(name.startswith(PREFIX) for name in batch.fields)
        if not stated and not self.table:
            return NOTHING
        versions = batch.version
        if versions is None or isinstance(versions, str):
            return self._of(batch, versions or "", stated=stated)
        out, names = NOTHING, np.array([v or "" for v in versions], object)
        for name in sorted(set(names)):
            out = out.merge(self._of(batch.take(np.flatnonzero(names == name)), name, stated=stated))
        return out

    def _of(self, batch: EventBatch, version: str, *, stated: bool) -> Spending:
        price = self.of(batch.model, version)
        if price is None and not stated:
            return NOTHING
        nanos = self._nanos(batch, price)
        priced = ~np.isnan(nanos)
        here = priced | _any(batch, TOKENS)
        if not here.any():
            return NOTHING
        failed = 0 if batch.failed is None else int(np.count_nonzero(batch.failed & here))
        whole = np.where(priced, nanos, 0).astype(np.int64)
        tokens = [_total(batch.fields.get(PREFIX + name)) for name in TOKENS]
        t_in, t_out, cached, written, reasoning = tokens
        unpriced, last = int(np.count_nonzero(here & ~priced)), float(batch.times[here].max())
        spend = Spend(
            int(np.count_nonzero(here)),
            failed,
            unpriced,
            Money.of(_sum(whole)),
            t_in,
            t_out,
            cached,
            written,
            reasoning,
            last,
        )
        day = (batch.times[here] // DAY).astype(np.int64)
        mine = whole[here]
        return Spending({version: spend}, {_date(int(d)): Money.of(_sum(mine[day == d])) for d in np.unique(day)})

    @staticmethod
    def _nanos(batch: EventBatch, price: Price | None) -> NDArray[np.float64]:
        """float64[n], whole billionths: as each event states it, else by the price; NaN where neither says."""
        given = batch.fields.get(AMOUNT)
        nanos = np.full(len(batch), np.nan) if given is None else np.rint(np.asarray(given, np.float64) * NANO)
        return nanos if price is None else np.where(np.isnan(nanos), price.nanos(batch), nanos)


@dataclass(frozen=True, slots=True)
class Month:
    """The calendar month (UTC) of a time: ``spent`` in it, and what that comes to by its end if each day is as those of
    the last week; None before a whole day is known.
    """

    spent: float
    forecast: float | None

    @classmethod
    def of(cls, by_day: Mapping[str, Money], now: float) -> Month:
        days = {_number(day): money for day, money in by_day.items()}
        today, at = int(now // DAY), datetime.fromtimestamp(now, UTC)
        first = today - at.day + 1
        left = monthrange(at.year, at.month)[1] - at.day + 1 - now % DAY / DAY
        spent = float(sum((m for day, m in days.items() if first <= day <= today), Money()))
        # the first day that is known may have begun before driftd did
        begin = max(min(days, default=today) + 1, today - WEEK)
        if begin >= today:
            return cls(spent, None)
        week = float(sum((m for day, m in days.items() if begin <= day < today), Money()))
        return cls(spent, spent + week / (today - begin) * left)


FREE: Final = Prices()
"""Without a table: what events say they cost."""


def cost_fields(batch: EventBatch) -> list[str]:
    """The fields that nobody reads once they are counted."""
    return [name for name in batch.fields if name.startswith(PREFIX)]


def _any(batch: EventBatch, names: Iterable[str]) -> NDArray[np.bool_]:
    """Which events have one of these."""
    out = np.zeros(len(batch), bool)
    for name in names:
        column = batch.fields.get(PREFIX + name)
        if column is not None:
            out |= ~np.isnan(np.asarray(column, np.float64))
    return out


def _total(column: object) -> int:
    return 0 if column is None else int(np.rint(np.nan_to_num(np.asarray(column, np.float64))).astype(np.int64).sum())


def _sum(values: Integers) -> int:
    """Exactly, beyond int64: in two halves."""
    return (int((values >> 31).sum()) << 31) + int((values & (2**31 - 1)).sum())


def _date(day: int) -> str:
    return date.fromordinal(_EPOCH + day).isoformat()


def _number(day: str) -> int:
    return date.fromisoformat(day).toordinal() - _EPOCH


def _literal(pattern: str) -> int:
    """Characters before the first that stands for others."""
    return next((i for i, c in enumerate(pattern) if c in "*?["), len(pattern) + 1)
