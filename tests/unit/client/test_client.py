"""What the client promises to the service it runs in: it neither waits nor raises, and every event is counted."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from ipaddress import ip_address
from itertools import pairwise
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pydantic
import pytest

from driftd.client import Client, Drop, Refused, Stats, Unavailable
from tests.unit.decode.make import decode, only

ROOT = Path(__file__).resolve().parents[3]


class Taker:
    """Takes events, unless it is told to fail; ``open`` lets it begin."""

    def __init__(self, *failures: Exception, opened: bool = True) -> None:
        self.events: list[dict[str, Any]] = []
        self.sizes: list[int] = []
        self.failures = [*failures]
        self.open = threading.Event()
        if opened:
            self.open.set()

    def __call__(self, events: Sequence[bytes]) -> None:
        self.open.wait(60)
        if self.failures:
            raise self.failures.pop(0)
        self.events += map(json.loads, events)
        self.sizes.append(len(events))


def adds_up(stats: Stats) -> bool:
    return stats.logged == stats.sent + stats.waiting + sum(stats.dropped.values())


def test_an_event_arrives_with_all_its_fields() -> None:
    taker = Taker()
    with Client(taker, model="fraud", version="7") as client:
        assert client.log(features={"amount": 12.5, "country": "DE"}, prediction=1, score=0.93, id="a", time=5.0)
        assert client.log("churn", {"age": None}, "stays", version="2", error=None)
        assert client.label("a", 1)
    first, second, label = taker.events
    assert first == {
        "model": "fraud",
        "version": "7",
        "time": 5.0,
        "features": {"amount": 12.5, "country": "DE"},
        "prediction": 1,
        "score": 0.93,
        "id": "a",
    }
    assert (second["model"], second["version"], second["features"]) == ("churn", "2", {"age": None})
    assert {k: label[k] for k in ("model", "id", "label")} == {"model": "fraud", "id": "a", "label": 1}
    assert client.stats() == Stats(logged=3, sent=3)


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(2**40), 2**40),
        (np.bool_(True), True),
        (np.nan, None),
        (np.float64("inf"), None),
        (np.array([1, 2]), [1, 2]),
        (np.array(3.0), 3.0),
        (pd.NA, None),
        (pd.NaT, None),
        (pd.Timestamp("2026-11-30T07:00:00Z"), "2026-11-30T07:00:00+00:00"),
        (pd.Timestamp("2026-11-30T08:00:00", tz="Europe/Berlin"), "2026-11-30T07:00:00+00:00"),
        (pd.Timestamp("2026-11-30T07:00:00"), "2026-11-30T07:00:00+00:00"),
        (np.datetime64("2026-11-30T07:00:00.5", "ns"), "2026-11-30T07:00:00.500000+00:00"),
        (np.datetime64("2026-11-30T07:00:00"), "2026-11-30T07:00:00+00:00"),
        (np.datetime64("2026-11-30"), "2026-11-30T00:00:00+00:00"),
        (np.datetime64("NaT"), None),
        (np.array(["2026-11-30", "NaT"], "datetime64[ns]"), ["2026-11-30T00:00:00+00:00", None]),
        (np.timedelta64(3_500, "ms"), 3.5),
        (np.timedelta64(3_000_000_000, "ns"), 3.0),
        (pd.Timedelta(seconds=3), 3.0),
        (timedelta(minutes=1), 60.0),
        (date(2026, 11, 30), "2026-11-30T00:00:00+00:00"),
        (date(9999, 12, 31), "9999-12-31T00:00:00+00:00"),
        (datetime(2026, 11, 30, 7), "2026-11-30T07:00:00+00:00"),  # noqa: DTZ001
        (datetime(2026, 11, 30, 7, tzinfo=timezone(timedelta(hours=2))), "2026-11-30T05:00:00+00:00"),
        (Decimal("1.5"), 1.5),
        ((1, float("nan")), [1, None]),
        ({"b", "a"}, ["a", "b"]),
        ("a\ud800b", "a\ufffdb"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (np.array([UUID(int=7), None]), ["00000000-0000-0000-0000-000000000007", None]),
        (Colour.RED, "red"),
        ([Colour.RED, float("nan")], ["red", None]),
        (PurePosixPath("a/b"), "a/b"),
        (ip_address("10.0.0.1"), "10.0.0.1"),
    ],
)
def test_values_of_other_libraries_become_those_of_json(value: Any, sent: Any) -> None:
    taker = Taker()
    with Client(taker) as client:
        assert client.log("m", {"x": value, "y": 1})
    assert taker.events[0]["features"] == {"x": sent, "y": 1}
    assert client.stats().values_refused == 0


def test_a_value_without_a_word_in_json_costs_only_itself_and_is_counted() -> None:
    taker = Taker()
    with Client(taker) as client:
        client.log("m", {"x": object(), "y": b"raw", "z": 3})
    assert taker.events[0]["features"] == {"x": None, "y": None, "z": 3}
    stats = client.stats()
    assert (stats.values_refused, stats.last_error) == (2, "a value of type bytes was sent as null")


class Broken:
    def tolist(self) -> float:
        raise RuntimeError("on another device")


def test_a_value_that_fails_to_say_what_it_is_costs_only_itself() -> None:
    taker = Taker()
    with Client(taker) as client:
        client.log("m", {"x": Broken(), "y": np.datetime64("20000-01-01"), "z": 3})
    assert taker.events[0]["features"] == {"x": None, "y": None, "z": 3}
    assert client.stats().values_refused == 2


def test_a_value_that_was_sent_as_null_is_counted_once_beside_a_nan_too() -> None:
    with Client(Taker()) as client:
        client.log("m", {"x": b"raw", "y": float("nan")})
    assert client.stats().values_refused == 1


NOON: Final = 1_796_040_000.0
"""2026-11-30 12:00:00 UTC."""


@pytest.mark.parametrize(
    "time",
    [
        NOON,
        np.float64(NOON),
        Decimal(int(NOON)),
        "2026-11-30T12:00:00Z",
        datetime(2026, 11, 30, 12, tzinfo=UTC),
        datetime.fromtimestamp(NOON),  # noqa: DTZ006  (as datetime.now(): in the zone of the process)
        pd.Timestamp("2026-11-30T12:00:00Z"),
        np.datetime64("2026-11-30T12:00:00"),
        np.datetime64("2026-11-30T12:00:00", "ns"),
    ],
)
def test_driftd_reads_a_time_in_whatever_the_service_has_it(time: Any) -> None:
    assert event_time(time) == NOON


def test_a_day_is_the_time_at_which_it_begins() -> None:
    assert event_time(date(2026, 11, 30)) == NOON - 43_200


@pytest.mark.parametrize("time", [pd.NaT, pd.NA, np.datetime64("NaT"), float("nan"), np.float32("nan"), None])
def test_an_event_whose_time_is_missing_happens_now(monkeypatch: pytest.MonkeyPatch, time: Any) -> None:
    monkeypatch.setattr("driftd.client.client.time.time", lambda: NOON)
    assert event_time(time) == NOON


def event_time(time: Any) -> float:
    """Of an event that was logged with this ``time``, what driftd takes it for."""
    taken: list[bytes] = []
    with Client(taken.extend) as client:
        assert client.log("m", {"x": 1}, time=time)
    assert client.stats().values_refused == 0
    return float(only(decode(taken[0], timestamp=NOON + 100)).times[0])


def test_names_that_are_no_text_become_text() -> None:
    taker = Taker()
    with Client(taker) as client:
        names: dict[Any, float] = {(1, 2): 1.0, 3: float("nan")}
        client.log("m", names)
    assert taker.events[0]["features"] == {"(1, 2)": 1.0, "3": None}


def test_a_row_of_pandas_is_features() -> None:
    taker = Taker()
    with Client(taker) as client:
        client.log("m", pd.DataFrame({"x": [1.5], "y": ["DE"]}).iloc[0])
    assert taker.events[0]["features"] == {"x": 1.5, "y": "DE"}


class Row(NamedTuple):
    x: float
    y: str


class Model(pydantic.BaseModel):
    x: float
    y: str


@pytest.mark.parametrize("row", [Row(1.5, "DE"), Model(x=1.5, y="DE"), MappingProxyType({"x": 1.5, "y": "DE"})])
def test_what_has_names_and_values_is_features(row: Any) -> None:
    taker = Taker()
    with Client(taker) as client:
        assert client.log("m", row)
    assert taker.events[0]["features"] == {"x": 1.5, "y": "DE"}


@pytest.mark.parametrize(
    "features",
    [np.array([[0.1, 0.2]]), ["ab", "cd"], [("a", 1)], (), "", 5, pd.DataFrame({"x": [1.5, 2.5]}), {"ab"}],
)
def test_features_without_names_are_refused_and_counted(features: Any) -> None:
    """They became names: [[0.1, 0.2]] was the feature 0.1."""
    with Client(Taker()) as client:
        assert not client.log("m", features)
        with client.call("m", features):
            pass
    assert client.stats().dropped == {Drop.UNUSABLE: 2}
    assert "features: expected a mapping of names to values, got " in client.stats().last_error


@pytest.mark.parametrize(
    ("id_", "sent"),
    [
        ("a", "a"),
        (7, 7),
        (np.int64(7), 7),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (Colour.RED, "red"),
    ],
)
def test_a_label_has_the_id_of_its_prediction(id_: Any, sent: Any) -> None:
    taker = Taker()
    with Client(taker) as client:
        assert client.log("m", {"x": 1}, id=id_)
        assert client.label(id_, 1, "m")
    assert [event["id"] for event in taker.events] == [sent, sent]


@pytest.mark.parametrize("id_", [None, "", float("nan"), pd.NA, object(), b"a", ["a"], {"a": 1}, True])
def test_a_label_without_a_usable_id_is_refused_and_counted(id_: Any) -> None:
    with Client(Taker()) as client:
        assert not client.label(id_, 1, "m")
    assert client.stats().dropped == {Drop.UNUSABLE: 1}
    assert client.stats().last_error == f"id: expected text or a number, got {type(id_).__name__}"


def test_what_cannot_be_an_event_is_counted_and_raises_nothing() -> None:
    circle: dict[str, Any] = {}
    circle["again"] = circle
    with Client(Taker()) as client:
        assert not client.log("m", circle)
        assert not client.log("m", 5)  # type: ignore[arg-type]
        assert client.log("m", {"x": 1}, time=datetime(2026, 11, 30, tzinfo=UTC))
    assert client.stats().dropped == {Drop.UNUSABLE: 2}
    assert adds_up(client.stats())


def test_later_changes_of_the_features_do_not_reach_the_event() -> None:
    taker, features = Taker(opened=False), {"x": 1}
    with Client(taker) as client:
        client.log("m", features)
        features["x"] = 2
        taker.open.set()
    assert taker.events[0]["features"] == {"x": 1}


def test_a_full_queue_drops_the_newest_and_the_caller_goes_on() -> None:
    taker = Taker(opened=False)
    client = Client(taker, max_events=10)
    taken = [client.log("m", {"x": n}) for n in range(25)]
    assert taken == [True] * 10 + [False] * 15
    assert client.stats().dropped == {Drop.FULL: 15}
    taker.open.set()
    client.close(60)
    assert [e["features"]["x"] for e in taker.events] == [*range(10)]
    assert adds_up(client.stats())


def test_the_queue_is_bounded_in_bytes_too() -> None:
    taker = Taker(opened=False)
    client = Client(taker, max_bytes=1000)
    taken = [client.log("m", {"x": "y" * 400}) for _ in range(4)]
    assert taken == [True, True, False, False]
    taker.open.set()
    client.close(60)
    assert client.log("m", {"x": 1}) is False
    assert client.stats().dropped == {Drop.FULL: 2, Drop.CLOSED: 1}


def test_batches_keep_to_their_size() -> None:
    taker = Taker(opened=False)
    client = Client(taker, batch_events=4, linger_seconds=0)
    for n in range(11):
        client.log("m", {"x": n})
    taker.open.set()
    client.close(60)
    assert max(taker.sizes) <= 4
    assert [e["features"]["x"] for e in taker.events] == [*range(11)]


def test_what_is_not_taken_is_sent_again_in_order(caplog: pytest.LogCaptureFixture) -> None:
    taker = Taker(Unavailable("busy", seconds=0.0), OSError("gone"))
    client = Client(taker, batch_events=2)
    for n in range(5):
        client.log("m", {"x": n})
    assert client.flush(60)
    client.close()
    assert [e["features"]["x"] for e in taker.events] == [*range(5)]
    assert client.stats().sent == 5
    assert [r.message for r in caplog.records if r.levelname == "WARNING"] == ["events cannot be sent, and wait: busy"]


def test_a_batch_that_nobody_takes_is_given_up_and_holds_back_no_other() -> None:
    taker = Taker(*[OSError("gone")] * 2)
    client = Client(taker, batch_events=2, give_up_seconds=0)
    for n in range(6):
        client.log("m", {"x": n})
    assert client.flush(60)
    client.close()
    assert [e["features"]["x"] for e in taker.events] == [4, 5]
    assert client.stats().dropped == {Drop.UNDELIVERED: 4}
    assert client.stats().last_error == "OSError: gone"


def lost(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    """How many events the log says are lost, line by line, and why."""
    found = (re.fullmatch(r"(\d+) events are lost: (.*)", r.getMessage()) for r in caplog.records)
    return [(int(one[1]), one[2]) for one in found if one]


def test_events_that_are_given_up_are_told_at_once_and_all_by_the_end(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(Taker(*[OSError("gone")] * 9), batch_events=2, give_up_seconds=0, linger_seconds=30)
    for n in range(5):
        client.log("m", {"x": n})
    assert client.flush(60)
    assert lost(caplog) == [(2, "OSError: gone")], "at the first batch, and not at each"
    client.close()
    assert lost(caplog) == [(2, "OSError: gone"), (3, "OSError: gone")]


def test_how_many_were_lost_is_told_when_events_are_sent_again(caplog: pytest.LogCaptureFixture) -> None:
    client = Client(Taker(*[OSError("gone")] * 2), batch_events=2, give_up_seconds=0, linger_seconds=30)
    for n in range(6):
        client.log("m", {"x": n})
    assert client.flush(60)
    assert lost(caplog) == [(2, "OSError: gone"), (2, "OSError: gone")]
    client.close()
    assert len(lost(caplog)) == 2


def test_events_given_up_while_the_process_ends_are_told_together(caplog: pytest.LogCaptureFixture) -> None:
    taker = Taker(*[OSError("gone")] * 99, opened=False)
    client = Client(taker, batch_events=2, linger_seconds=0)
    for n in range(6):
        client.log("m", {"x": n})
    taker.open.set()
    client.close(0.6)
    assert lost(caplog) == [(6, "OSError: gone")]


def test_every_other_way_to_lose_an_event_is_told_too(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    taker = Taker(opened=False)
    client = Client(taker, max_events=2)
    for n in range(5):
        client.log("m", {"x": n})
    client.log("m", 5)  # type: ignore[arg-type]
    full = "more would wait than max_events and max_bytes allow"
    assert [text for _, text in lost(caplog)][:1] == [full]
    assert len(lost(caplog)) == 2
    taker.open.set()
    client.close(60)
    client.log("m", {"x": 6})
    monkeypatch.setattr(threading.Thread, "start", lambda _: raise_(RuntimeError("can't start new thread")))
    Client(taker).log("m", {"x": 1})
    assert Counter(text for _, text in lost(caplog) if "TypeError" not in text) == {
        full: 2,
        "the client is closed": 1,
        "no thread could be started": 1,
    }
    assert sum(n for n, text in lost(caplog) if text == full) == client.stats().dropped[Drop.FULL] == 3


def raise_(error: Exception) -> None:
    raise error


def test_a_batch_that_is_too_large_is_cut_until_the_one_is_found_that_is() -> None:
    taken: list[int] = []

    def send(events: Sequence[bytes]) -> None:
        numbers = [json.loads(e)["features"]["x"] for e in events]
        if 5 in numbers:
            raise Refused("HTTP 413", too_large=True)
        taken.extend(numbers)

    with Client(send) as client:
        for n in range(8):
            client.log("m", {"x": n})
    assert taken == [0, 1, 2, 3, 4, 6, 7]
    assert client.stats() == Stats(8, 7, 0, {Drop.REFUSED: 1}, 0, "HTTP 413")


def test_what_is_refused_for_good_is_not_sent_again() -> None:
    with Client(Taker(Refused("HTTP 400: model: missing"))) as client:
        client.log("m", {"x": 1})
    assert client.stats().dropped == {Drop.REFUSED: 1}


@pytest.mark.parametrize("returned", [None, 0, 17, True, "ok", object()])
def test_a_function_that_returns_has_taken_the_events_whatever_it_returns(returned: Any) -> None:
    """As ``file.write`` and ``requests.post`` do."""
    asked: list[int] = []

    def send(events: Sequence[bytes]) -> Any:
        asked.append(len(events))
        return returned

    with Client(send, linger_seconds=30) as client:
        client.log("m", {"x": 1})
        client.log("m", {"x": 2})
    assert asked == [2]
    assert client.stats() == Stats(2, 2)


def test_refusals_of_a_part_are_told_with_their_reason_and_not_each_time(caplog: pytest.LogCaptureFixture) -> None:
    def send(events: Sequence[bytes]) -> None:
        raise Refused("model: missing", events=1 if len(events) > 1 else 5)

    with Client(send, batch_events=2, linger_seconds=30) as client:
        for n in range(5):
            client.log("m", {"x": n})
        assert client.flush(60)
    assert client.stats() == Stats(5, 2, 0, {Drop.REFUSED: 3}, 0, "model: missing")
    told = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert told == ["1 events are refused: model: missing", "2 events are refused: model: missing"]


def test_closing_waits_no_longer_than_it_may_and_counts_what_is_lost() -> None:
    taker = Taker(opened=False)
    client = Client(taker, batch_events=1)
    for n in range(3):
        client.log("m", {"x": n})
    client.close(0.01)
    assert client.stats().dropped == {Drop.UNDELIVERED: 3}
    taker.open.set()
    for thread in threading.enumerate():
        if thread.name == "driftd-client":
            thread.join(60)
    assert adds_up(client.stats())
    assert len(taker.events) <= 1, "after the end only what was under way"


def test_many_threads_lose_and_double_nothing() -> None:
    taker = Taker()

    def work(worker: int) -> None:
        for n in range(500):
            client.log("m", {"worker": worker, "n": n})

    with Client(taker, linger_seconds=0) as client:
        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    seen = Counter((e["features"]["worker"], e["features"]["n"]) for e in taker.events)
    assert set(seen.values()) == {1}
    assert len(seen) == 4000
    for worker in range(8):
        mine = [e["features"]["n"] for e in taker.events if e["features"]["worker"] == worker]
        assert all(a < b for a, b in pairwise(mine))
    assert client.stats() == Stats(logged=4000, sent=4000)


def test_a_call_is_timed_and_its_error_is_logged_and_raised() -> None:
    taker = Taker()
    client = Client(taker, model="fraud")
    with client.call(features={"x": 1}, version="3") as call:
        call.prediction = 0.25
        call.set(score=0.5, id="r1")
    with pytest.raises(ZeroDivisionError), client.call("other", {"x": 2}):
        _ = 1 / 0
    with client.call(features={"x": 3}) as call:
        call.leave_out()
    client.close()
    good, bad = taker.events
    assert (good["prediction"], good["score"], good["id"], good["version"]) == (0.25, 0.5, "r1", "3")
    assert good["latency_seconds"] >= 0
    assert good["time"] > 1.7e9
    assert "error" not in good
    assert (bad["model"], bad["error"], "prediction" in bad) == ("other", "ZeroDivisionError", False)


def test_a_call_works_across_awaits() -> None:
    taker = Taker()

    async def answer(client: Client, n: int) -> None:
        with client.call("m", {"n": n}) as call:
            await asyncio.sleep(0)
            call.prediction = n

    async def all_of_them(client: Client) -> None:
        await asyncio.gather(*(answer(client, n) for n in range(5)))

    with Client(taker) as client:
        asyncio.run(all_of_them(client))
    assert sorted((e["features"]["n"], e["prediction"]) for e in taker.events) == [(n, n) for n in range(5)]


@pytest.mark.parametrize("url", ["", "ftp://x/y", "http://", "kafka://broker", "kafka:///topic"])
def test_an_address_that_leads_nowhere_is_refused_at_once_without_its_secrets(url: str) -> None:
    with pytest.raises(ValueError, match="expected http://HOST:PORT/events or kafka://HOST:PORT/TOPIC"):
        Client(url)


def test_importing_it_imports_neither_numpy_nor_the_daemon() -> None:
    code = (
        "import sys; before = set(sys.modules); import driftd.client;"
        "new = {m.partition('.')[0] for m in set(sys.modules) - before};"
        "print(sorted(new - set(sys.stdlib_module_names)));"
        "print(sorted(m for m in sys.modules if m.startswith('driftd')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    others, ours = done.stdout.splitlines()
    assert others == "['driftd']"
    assert {m for m in eval(ours) if not m.startswith("driftd.client")} == {"driftd"}


SERVICE = """
import json, os, sys, threading
from driftd.client import Client
path = sys.argv[1]
def send(events):
    with open(path, "ab") as file:
        file.write(b"".join(b"%d " % os.getpid() + e + b"\\n" for e in events))
    return 0
client = Client(send, linger_seconds=30)
"""


def written(path: Path) -> list[tuple[int, Any]]:
    lines = [line.split(" ", 1) for line in path.read_text().splitlines()]
    return [(int(process), json.loads(event)["features"]["x"]) for process, event in lines]


def run_service(tmp_path: Path, code: str) -> list[tuple[int, Any]]:
    path = tmp_path / "sent"
    path.touch()
    subprocess.run([sys.executable, "-c", SERVICE + code, str(path)], check=True, cwd=ROOT, timeout=60)
    return written(path)


def test_what_waits_at_the_end_of_the_process_is_sent(tmp_path: Path) -> None:
    assert [x for _, x in run_service(tmp_path, "client.log('m', {'x': 1})")] == [1]


def test_a_process_ends_though_nobody_takes_its_events() -> None:
    code = (
        "from driftd.client import Client; import threading\n"
        "client = Client(lambda events: threading.Event().wait(), close_seconds=0.1)\n"
        "client.log('m', {'x': 1})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, timeout=60, capture_output=True, text=True, check=True
    )
    assert done.stderr == "1 events are lost: the time to send them is over\n"


FORK = """
client.log('m', {'x': 'parent'})
lock = client._lock
held, go = threading.Event(), threading.Event()
def hold():
    with lock:
        held.set(); go.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    client.log('m', {'x': 'child'})
    assert client.stats().logged == 1
    client.close()
    os._exit(0)
os.waitpid(child, 0)
go.set()
"""


def test_a_child_sends_its_own_events_and_the_parent_its_own_each_once(tmp_path: Path) -> None:
    """Forked while another thread holds the lock, which nobody would ever open in the child."""
    sent = run_service(tmp_path, FORK)
    assert sorted(x for _, x in sent) == ["child", "parent"]
    assert len({process for process, _ in sent}) == 2


@pytest.mark.parametrize("method", [m for m in ("fork", "spawn") if m in multiprocessing.get_all_start_methods()])
def test_a_process_of_multiprocessing_sends_what_waits_before_it_ends(tmp_path: Path, method: str) -> None:
    script = tmp_path / "service.py"
    script.write_text(
        SERVICE
        + "def work(n):\n    client.log('m', {'x': n})\n"
        + "if __name__ == '__main__':\n    import multiprocessing\n"
        + f"    context = multiprocessing.get_context({method!r})\n"
        + "    client.log('m', {'x': 0})\n"
        + "    all_ = [context.Process(target=work, args=(n,)) for n in (1, 2)]\n"
        + "    [p.start() for p in all_]; [p.join() for p in all_]\n"
    )
    path = tmp_path / "sent"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, str(script), str(path)], check=True, timeout=120, env=environment)
    assert sorted(x for _, x in written(path)) == [0, 1, 2]


def test_a_signal_handler_may_log_while_its_own_thread_does(tmp_path: Path) -> None:
    code = """
import signal
client.log('m', {'x': 'before'})
signal.signal(signal.SIGUSR1, lambda *_: client.log('m', {'x': 'handler'}))
with client._lock:
    os.kill(os.getpid(), signal.SIGUSR1)
    threading.Event().wait(0.01)
"""
    assert sorted(x for _, x in run_service(tmp_path, code)) == ["before", "handler"]
