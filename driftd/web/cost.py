"""What a model has cost: this month against its budget, and by version."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

from driftd.core.cost import Month, Spend
from driftd.monitor.view import ModelView


@dataclass(frozen=True, slots=True)
class Spent:
    """Of a version's events since they are counted, those that say tokens or money, or have a price: ``failed`` of them
    failed, of ``unpriced`` no money is known. ``per_success``: money of all for each that did not fail.
    """

    version: str
    events: int
    failed: int
    unpriced: int
    amount: float
    per_success: float | None
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_cache_write: int
    tokens_reasoning: int


@dataclass(frozen=True, slots=True)
class ModelCost:
    """Money in ``currency``. ``month``: of the calendar month (UTC) of the latest event, and its ``forecast``, null
    before a whole day is known; ``budget`` of a month, null where nobody says; ``versions`` with the dearest first.
    """

    currency: str
    month: float
    forecast: float | None
    budget: float | None
    versions: list[Spent]
    sentence: str


def cost_of(m: ModelView) -> ModelCost | None:
    """None where nothing is known of its cost."""
    c = m.counts
    if not c.spending.versions:
        return None
    month = Month.of(c.spending.days, c.last_event) if isfinite(c.last_event) else Month(0.0, None)
    versions = sorted(c.spending.versions.items(), key=lambda item: (-float(item[1].money), item[0]))
    each = [_spent(version, s) for version, s in versions]
    return ModelCost(c.currency, month.spent, month.forecast, c.budget, each, _sentence(month, c.budget, c.currency))


def _spent(version: str, s: Spend) -> Spent:
    return Spent(
        version,
        s.events,
        s.failed,
        s.unpriced,
        float(s.money),
        s.per_success,
        s.tokens_in,
        s.tokens_out,
        s.tokens_cached,
        s.tokens_cache_write,
        s.tokens_reasoning,
    )


def _sentence(month: Month, budget: float | None, currency: str) -> str:
    out = f"{money(month.spent)} {currency} this month (UTC)"
    if month.forecast is not None:
        out += f", about {money(month.forecast)} by its end at the rate of the last week"
    if budget is not None:
        over = "; over budget" if max(month.spent, month.forecast or 0.0) > budget else ""
        out += f", of a budget of {money(budget)}{over}"
    return f"{out}."


def money(value: float) -> str:
    """``1,234.50``; more digits of what is less than 1."""
    return f"{value:,.2f}" if value >= 1 or value == 0 else f"{value:.3g}"
