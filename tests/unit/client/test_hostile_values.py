"""Whatever a service logs: nothing raises, all is counted, and one bad value of a feature costs no event."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from driftd.client import Client
from driftd.core.event import Decoded
from driftd.decode import codec_of
from tests.unit.decode.make import only, records


class Silent:
    def __str__(self) -> str:
        raise RuntimeError("no")

    __repr__ = __str__


VALUES: list[Any] = [
    *(None, float("nan"), float("inf"), 10**400, -(10**5000), 2**70, "\ud800", "a\udfffb", "\ud83d\ude00", "\x00"),
    *("x" * 100_000, b"abc", bytearray(b"x"), np.float32(1.5), np.float64("nan"), np.int64(7), np.bool_(True)),
    *(np.str_("x"), np.array([1, 2]), np.array([[1.5]]), np.array(3.0), np.array(["a"]), np.datetime64("2026-01-01")),
    *(dt.datetime(2026, 1, 1), dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.date(2026, 1, 1), dt.timedelta(seconds=1)),  # noqa: DTZ001
    *(Decimal("1.5"), Decimal("NaN"), Decimal("1e999"), Decimal("sNaN"), Silent(), {1: 2}, {None: 1}, {"\ud800": 1}),
    *([1, None], [float("nan")], ["\ud800"], {1}, range(3), 1 + 2j, True, "", [], {}, object(), (1, 2), type),
    {"a": [10**400]},
]  # fmt: skip
IDS = [f"{i} {type(v).__name__}" for i, v in enumerate(VALUES)]


def arrived(log: Any) -> tuple[Decoded | None, Any]:
    """What driftd makes of what was sent, and the client's counts."""
    sent: list[bytes] = []

    def take(batch: Sequence[bytes]) -> None:
        sent.extend(batch)

    with Client(take, model="m", linger_seconds=0.001) as client:
        log(client)
    stats = client.stats()
    assert stats.logged == 1 == len(sent) + sum(stats.dropped.values())
    return codec_of().decode(records(sent, timestamp=time.time()), {}) if sent else None, stats


@pytest.mark.parametrize("value", VALUES, ids=IDS)
def test_a_feature_costs_only_itself(value: Any) -> None:
    decoded, _ = arrived(lambda client: client.log(features={"x": value, "ok": 1}, prediction=1))
    assert decoded is not None
    assert [*only(decoded).columns["ok"]] == [1.0]


@pytest.mark.parametrize("value", VALUES, ids=IDS)
@pytest.mark.parametrize(
    "field", ["model", "prediction", "score", "label", "id", "version", "time", "cost", "features", "error", "extra"]
)
def test_no_field_raises_and_what_was_not_sent_is_counted(field: str, value: Any) -> None:
    decoded, _ = arrived(lambda client: client.log(**{"features": {"x": 1}, "prediction": 1, field: value}))
    if decoded is not None:
        assert decoded.received == 1
        assert not [r for r in decoded.rejects if r.reason in {"not_utf8", "not_finite", "not_json"}]
        assert field == "model" or not [r for r in decoded.rejects if r.detail.startswith("model")]


def test_what_driftd_could_not_read_is_null_or_u_fffd_and_counted() -> None:
    decoded, stats = arrived(lambda client: client.log(features={"x": 1, "y": "a\ud800"}, prediction=10**400))
    assert decoded is not None
    one = only(decoded)
    assert ([*one.columns["y"]], one.prediction, stats.values_refused) == (["a\ufffd"], None, 1)


@pytest.mark.parametrize(("model", "name"), [(7, "7"), (np.int64(7), "7"), (np.str_("f"), "f"), ("", "m"), (None, "m")])
def test_a_model_is_text_or_a_whole_number(model: Any, name: str) -> None:
    decoded, _ = arrived(lambda client: client.log(model, {"x": 1}))
    assert decoded is not None
    assert only(decoded).model == name


@pytest.mark.parametrize("model", [1.5, True, b"f", ["f"], object()])
def test_another_model_is_refused_where_it_is_logged(model: Any) -> None:
    decoded, stats = arrived(lambda client: client.log(model, {"x": 1}))
    assert decoded is None
    assert stats.dropped == {"unusable": 1}
    assert "model: expected text" in stats.last_error
