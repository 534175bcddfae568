"""Settings of a model's service: objectives, and what its events cost."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from driftd.config.section import Section
from driftd.config.values import Seconds, Several, matching
from driftd.core.summary import LATENCY_LE

Share = Annotated[float, Field(gt=0, lt=1)]


def _bound(seconds: float) -> float:
    if seconds not in LATENCY_LE:
        known = ", ".join(f"{bound:g}" for bound in LATENCY_LE)
        raise ValueError(f"expected a bound of driftd_prediction_latency_seconds: {known}")
    return seconds


LatencyBound = Annotated[Seconds, AfterValidator(_bound)]


class SloSection(Section):
    success_objective: Share = Field(
        default=0.99,
        description="Share of the predictions that must succeed, over 30 days: 0.999 allows one failure in 1,000.",
    )
    latency_objective: Share = Field(
        default=0.99, description="Share of the predictions that must not take longer than `latency_seconds`."
    )
    latency_seconds: LatencyBound = Field(
        default=0.25,
        description="What takes longer is slow; one of 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, "
        "2.5, 5 and 10.",
    )


class ModelSlo(Section):
    success_objective: Share | None = Field(default=None, description="Unset: `slo.success_objective`.")
    latency_objective: Share | None = Field(default=None, description="Unset: `slo.latency_objective`.")
    latency_seconds: LatencyBound | None = Field(default=None, description="Unset: `slo.latency_seconds`.")


Amount = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
"""Money, in the currency of ``prices``."""


class PriceSetting(Section):
    """What models and versions cost whose names match; ``*`` stands for any text."""

    model: str = Field(default="*", min_length=1, description="Names of models; `*` stands for any text: `chat*`.")
    version: str = Field(default="*", min_length=1, description="The same of their versions.")
    input: Amount = Field(default=0.0, description="Money for a million input tokens.")
    output: Amount = Field(default=0.0, description="Money for a million output tokens, those of reasoning too.")
    cached: Amount | None = Field(default=None, description="For input tokens read from a cache. Unset: `input`.")
    cache_write: Amount | None = Field(default=None, description="For those written to one. Unset: `input`.")
    event: Amount = Field(default=0.0, description="Money for each event.")
    second: Amount = Field(default=0.0, description="Money for each second of `latency_seconds`.")


class PricesSection(Section):
    currency: Annotated[str, matching(r"[A-Z]{3}", "three capital letters, such as EUR")] = Field(
        default="USD",
        description="Currency of prices, of budgets and of the amounts that events state: three letters.",
    )
    models: Annotated[tuple[PriceSetting, ...], Several] = Field(
        default=(),
        description="Prices by model and version: `[{model: 'chat*', input: 3, output: 15}]`. Of several that match "
        "the most exact counts. An amount that an event states goes first.",
    )


class ModelCost(Section):
    budget: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = Field(
        default=None, description="Money that it may cost in a calendar month (UTC). Unset: no alert about its cost."
    )
