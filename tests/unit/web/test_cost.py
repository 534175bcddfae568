"""What a model costs, as the API, the page and `driftd explain` say it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import orjson
import pytest

from driftd.cli.ask import model_lines
from driftd.core.cost import Money, Spend, Spending
from driftd.metrics.aggregates import ModelCounts
from driftd.monitor.view import ModelView
from driftd.web import openapi
from driftd.web.cost import money
from driftd.web.site import answer, request_of
from tests.stage.snapshot import snapshot

NOV_10_NOON = 1_794_268_800.0 + 43_200
SPENT = Spending(
    {"7": Spend(100, 20, 0, Money(20), 9000, 800, 4000), "8<b>": Spend(3, 3, 2, Money(30), 500, 20)},
    {f"2026-11-0{k}": Money(5) for k in range(1, 10)} | {"2026-11-10": Money(5)},
)
VIEW = ModelView("m", None, counts=ModelCounts(103, spending=SPENT, currency="EUR", last_event=NOV_10_NOON))


def asked(path: str, m: ModelView) -> bytes:
    return answer(request_of(path, None), lambda: snapshot(models=(m,), findings=[])).body


def body_of(m: ModelView) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(asked("/api/v1/model?model=m", m))
    return found


def test_the_month_its_forecast_and_each_version() -> None:
    body = body_of(VIEW)
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/Model", "components": document["components"]})
    cost = body["cost"]
    # nine days and half a day of 5 each, then 20.5 days of 5
    assert (cost["currency"], cost["month"], cost["forecast"], cost["budget"]) == ("EUR", 50, 50 + 20.5 * 5, None)
    versions = [(v["version"], v["amount"], v["per_success"]) for v in cost["versions"]]
    assert versions == [("8<b>", 30, None), ("7", 20, 0.25)]
    assert cost["sentence"] == "50.00 EUR this month (UTC), about 152.50 by its end at the rate of the last week."


@pytest.mark.parametrize(("budget", "over"), [(40.0, True), (100.0, True), (152.5, False)])
def test_a_budget_is_over_where_the_forecast_is(budget: float, over: bool) -> None:
    cost = body_of(replace(VIEW, counts=replace(VIEW.counts, budget=budget)))["cost"]
    assert cost["sentence"].endswith("; over budget.") == over


def test_page_and_command_say_the_same() -> None:
    page, lines = asked("/model?model=m", VIEW).decode(), [*model_lines(body_of(VIEW))]
    sentence = body_of(VIEW)["cost"]["sentence"]
    assert sentence in page
    assert "8<b>" not in page
    assert f"Cost: {sentence}" in lines
    assert "  8<b>                      30.00 EUR; 3 events, 2 without a price, 500 tokens in, 20 out" in lines
    assert "  7                         20.00 EUR, 0.25 for each success; 100 events, 9,000 tokens in, 800 out" in lines


def test_a_model_without_cost_shows_none() -> None:
    free = replace(VIEW, counts=ModelCounts(103, budget=5.0))
    assert body_of(free)["cost"] is None
    assert "What it costs" not in asked("/model?model=m", free).decode()
    assert not [line for line in model_lines(body_of(free)) if "Cost" in line]


@pytest.mark.parametrize(("value", "text"), [(0, "0.00"), (1234.5, "1,234.50"), (0.0031, "0.0031"), (2e-8, "2e-08")])
def test_small_money_keeps_its_digits(value: float, text: str) -> None:
    assert money(value) == text
