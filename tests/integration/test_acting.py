"""What people do about a real driftd on a real broker: done means saved, forms work in a browser, and what is the new
normal is quiet until the next fault.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest

from tests.rules.quick import quick_alertmanager, quick_rules
from tests.servers.kafka import Broker
from tests.servers.prometheus import Prometheus, StartAlertmanager, StartPrometheus, Webhook, serving_webhook
from tests.servers.prometheus import wait_until as wait_for
from tests.stage.daemon import DriftdProcess
from tests.stage.forked import driftd

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

HOUR = 3600.0
WHY = "amounts are in cents from now on"
PER_HOUR = 900
MANY = 5
"""Times as many events an hour do not fit into the sample of the first day: after it they are not kept."""


def traffic(begin: float, end: float, factor: float, times_as_many: int = 1) -> list[bytes]:
    """A model whose amounts are ``factor`` times as large as in the beginning."""
    rng = np.random.default_rng(int(begin))
    times = np.sort(rng.uniform(begin, end, times_as_many * int(PER_HOUR * (end - begin) / HOUR)))
    amounts, ages = factor * np.exp(rng.normal(3, 0.6, len(times))), rng.normal(40, 10, len(times))
    shops = rng.choice(["a", "b", "c"], len(times), p=[0.5, 0.3, 0.2])
    return [
        json.dumps({
            "model": "shop", "time": t, "prediction": int(a > 45),
            "features": {"amount": round(float(x), 2), "age": round(float(a), 1), "shop": str(s)},
        }).encode()
        for t, x, a, s in zip(times.tolist(), amounts, ages, shops, strict=True)
    ]  # fmt: skip


class Shop:
    """A topic with the model's events up to about now, and a driftd that reads it; it saves when it is asked alone."""

    def __init__(self, kafka: Broker, folder: Path) -> None:
        self.kafka, self.topic = kafka, kafka.create_topic("acting", 1)
        kafka_settings = {
            "bootstrap_servers": kafka.bootstrap,
            "topics": [self.topic],
            "group_id": self.topic,
            "group_instance_id": "one",
            "start": "earliest",
        }
        state = {"checkpoint_seconds": 3600.0}
        windows = {"window_seconds": 400, "min_events": 50, "idle_seconds": 2, "out_of_orderness_seconds": 1}
        self.driftd = DriftdProcess(folder, {"kafka": kafka_settings, "state": state, "windows": windows})
        self.sent = 0

    def send(self, begin: float, end: float, factor: float = 1.0, times_as_many: int = 1) -> None:
        events = traffic(begin, end, factor, times_as_many)
        with self.kafka.producer() as producer:
            for event in events:
                producer.send(self.topic, event)
            producer.flush(timeout=60)
        self.sent += len(events)

    def wait(self, status: float) -> None:
        key = ("driftd_model_status", (("model", "shop"),))
        self.driftd.wait(lambda: self.driftd.metrics().get(key) == status, f"status {status}")

    def cli(self, *words: str) -> str:
        done = driftd(self.driftd.folder, *words, "--url", f"http://127.0.0.1:{self.driftd.port}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def acts(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.driftd.get("/api/v1/acts")[1])["acts"]
        return found

    def told(self, channel: str | None) -> list[dict[str, Any]]:
        return [f for f in self.driftd.findings().values() if f["feature"] == channel]


@pytest.fixture
def shop(kafka: Broker, tmp_path: Path) -> Iterator[Shop]:
    made = Shop(kafka, tmp_path / "driftd")
    yield made
    if made.driftd.alive:
        made.driftd.kill9()


def at_minute(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds))


def test_done_is_saved_the_new_normal_is_quiet_and_the_next_fault_pages(shop: Shop) -> None:
    now = time.time() // 60 * 60
    fault = now - 2 * HOUR
    shop.send(now - 30 * HOUR, fault)
    shop.send(fault, now - HOUR, 100)
    shop.driftd.start()
    shop.wait(3)
    assert {f["kind"] for f in shop.told("amount") if f["severity"] == "page"} == {"unit"}
    said = shop.cli("rebaseline", "shop", "amount", "--from", at_minute(fault), "--because", WHY, "--as", "anna")
    shop.driftd.kill9()  # done means saved, although a checkpoint is due in an hour
    assert said.startswith("amount: learned anew from what came since")
    shop.driftd.start()
    shop.driftd.wait_ready()
    (act,) = shop.acts()
    assert (act["who"], act["why"], act["channels"]) == ("local as anna", WHY, ["amount"])
    shop.send(now - HOUR, now - 0.8 * HOUR, 100)
    shop.wait(0)
    assert shop.told("amount")[-1]["because"] == f"rebaseline by local as anna: {WHY}"
    shop.send(now - 0.8 * HOUR, now - 0.3 * HOUR, 100)
    time.sleep(3)  # it reads them
    assert shop.driftd.value("driftd_model_status", model="shop") == 0
    shop.send(now - 0.3 * HOUR, now, 10_000)
    shop.wait(3)
    assert [f for f in shop.told("amount") if f["severity"] == "page" and f["window_end"] > now - 0.3 * HOUR]


def test_a_channel_of_a_model_whose_events_are_not_kept_is_learned_from_what_comes(shop: Shop) -> None:
    now = time.time() // 60 * 60
    shop.send(now - 30 * HOUR, now - 3 * HOUR, 1, MANY)
    shop.send(now - 3 * HOUR, now - 2 * HOUR, 100, MANY)
    shop.driftd.start()
    shop.wait(3)
    said = shop.cli("rebaseline", "shop", "amount", "--because", WHY, "--as", "anna")
    shop.driftd.kill9()
    comes = [f"amount: learned anew from what comes from {at_minute(now - 2 * HOUR - ago)[:-1]}" for ago in (0, 60)]
    assert said.startswith(tuple(comes))  # a pane may begin in the minute before
    assert shop.told("amount")[-1]["because"] == f"rebaseline by local as anna: {WHY}"
    shop.driftd.start()
    shop.driftd.wait_ready()
    shop.wait(0)
    assert "amount: cannot see: learning again since" in shop.driftd.get("/model?model=shop")[1]
    assert "not watched, it is learned anew" in shop.driftd.get("/channel?model=shop&channel=amount")[1]
    shop.send(now - 2 * HOUR, now - HOUR, 100, MANY)
    shop.driftd.wait(lambda: "amount: its new normal is" in shop.driftd.get("/model?model=shop")[1], "learned")
    assert shop.driftd.value("driftd_model_status", model="shop") == 0
    shop.send(now - HOUR, now - 0.3 * HOUR, 10_000, MANY)
    shop.wait(3)
    assert shop.told("amount")[-1]["severity"] == "page"


def test_what_was_not_answered_was_never_done(shop: Shop) -> None:
    """A disk that is full: the answer says so; after kill -9 nobody knows of it."""
    now = time.time() // 60 * 60
    shop.send(now - 4 * HOUR, now - HOUR)
    shop.driftd.start()
    shop.wait(0)
    shop.cli("maintenance", "shop", "--to", "+1h", "--because", "the first")
    folder = shop.driftd.folder / "state"
    folder.rename(folder.with_name("moved"))
    folder.write_text("no folder")
    form = urlencode({"do": "maintenance", "model": "shop", "to": "+2h", "because": "the second"}).encode()
    status, answer = post(shop, form)
    assert status == 503
    assert "done, but not saved yet" in answer
    shop.driftd.kill9()
    folder.unlink()
    folder.with_name("moved").rename(folder)
    shop.driftd.start()
    shop.driftd.wait_ready()
    assert [act["why"] for act in shop.acts()] == ["the first"]


def post(shop: Shop, form: bytes, path: str = "/api/v1/act", **headers: str) -> tuple[int, str]:
    return shop.driftd.get(path, "POST", form, headers)


def rings(pager: Webhook) -> list[dict[str, Any]]:
    return pager.alerts("firing", "DriftdModelDrift", "/page")


def test_maintenance_by_a_form_mutes_and_what_lasts_rings_when_it_is_ended(
    shop: Shop, start_prometheus: StartPrometheus, start_alertmanager: StartAlertmanager, tmp_path: Path
) -> None:
    """To the pager: driftd, the shipped rules, a real Prometheus and a real Alertmanager."""
    now = time.time() // 60 * 60
    shop.send(now - 30 * HOUR, now - HOUR)
    shop.driftd.start()
    shop.wait(0)
    with serving_webhook() as pager:
        alertmanager = start_alertmanager(quick_alertmanager(pager.url))
        scraped = {"driftd": [f"127.0.0.1:{shop.driftd.port}"]}
        prometheus = start_prometheus(scraped, rules=quick_rules(tmp_path), alertmanager=alertmanager.url)
        maintain(shop, now, prometheus, pager)
        prometheus.stop()
        alertmanager.stop()


def maintain(shop: Shop, now: float, prometheus: Prometheus, pager: Webhook) -> None:
    begin = at_minute(now - 1.1 * HOUR)
    fields = {"do": "maintenance", "model": "shop", "from": begin, "to": "+2h", "because": "retrain", "as": "anna"}
    form = urlencode(fields | {"back": "/model?model=shop"}).encode()
    assert post(shop, form, "/act", Origin="http://evil.example")[0] == 403
    page = post(shop, form, "/act", Origin=f"http://127.0.0.1:{shop.driftd.port}")
    assert page[0] == 200  # of the page that it leads back to
    assert "local as anna" in page[1]
    shop.driftd.wait(lambda: "nothing of \u2068shop\u2069 rings" in shop.driftd.get("/model?model=shop")[1], "a banner")
    shop.send(now - HOUR, now - 0.5 * HOUR, 100)
    shop.wait(3)
    wait_for(lambda: prometheus.query('driftd_model_status{model="shop"} == 3'), "a scrape of the page")
    time.sleep(5)  # rules are evaluated every second
    assert "DriftdModelDrift" not in prometheus.firing()
    assert rings(pager) == []
    assert shop.driftd.value("driftd_maintenance", model="shop") == 1
    assert shop.driftd.value("driftd_pages_total", model="shop") == 0
    assert not [f for f in shop.driftd.findings().values() if f["severity"] is not None]
    (window,) = json.loads(shop.driftd.get("/api/v1/acts")[1])["windows"]
    assert window["id"] in shop.cli("maintenance")
    shop.cli("maintenance", "--cancel", window["id"])
    shop.send(now - 0.5 * HOUR, time.time() + 240, 100)
    shop.driftd.wait(lambda: shop.driftd.value("driftd_pages_total", model="shop") == 1, "a call")
    assert shop.driftd.value("driftd_maintenance", model="shop") == 0
    (call,) = wait_for(lambda: rings(pager), "the page")
    assert call["labels"]["page"] == "1"
