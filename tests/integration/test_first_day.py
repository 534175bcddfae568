"""README's command line and nothing else: a day of ordinary traffic through a real broker, then three faults, each to
the pager through a real Prometheus and a real Alertmanager.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.rules.quick import quick_alertmanager, quick_rules
from tests.servers.kafka import Broker
from tests.servers.prometheus import StartAlertmanager, StartPrometheus, Webhook, serving_webhook
from tests.servers.prometheus import wait_until as wait_for
from tests.stage.daemon import DriftdProcess
from tests.unit.judge.natural.stage import HOUR, MONDAY, NAMES, traffic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]

BEGIN = MONDAY + 9 * HOUR
FAULT = BEGIN + 26 * HOUR
END = FAULT + 1.5 * HOUR
FAULTS = {"nulls": ("age", "missing"), "cents": ("amount", "unit"), "stuck": ("age", "frozen")}
"""The feature that breaks in each model, and the kind of fault."""


def events() -> list[bytes]:
    """Three models with 2,700 events a day and a daily rhythm; at FAULT one feature of each breaks."""
    columns = traffic(np.random.default_rng(3), BEGIN, END)
    times = columns["time"]
    models = [*FAULTS]
    out = []
    for i, time in enumerate(times.tolist()):
        model = models[i % len(models)]
        features = {name: columns[name][i] for name in NAMES}
        if time >= FAULT:
            features |= {"nulls": {"age": None}, "cents": {"amount": 100 * features["amount"]}, "stuck": {"age": 40.0}}[
                model
            ]
        score = float(columns["score"][i])
        event = {"model": model, "time": time, "features": features, "prediction": int(score > 0.5), "score": score}
        out.append(json.dumps(event).encode())
    return out


def drifts(driftd: DriftdProcess, model: str) -> bool:
    return driftd.value("driftd_model_status", model=model) == 3


def paged(pager: Webhook, model: str) -> list[dict[str, Any]]:
    return [a for a in pager.alerts("firing", "DriftdModelDrift", "/page") if a["labels"]["model"] == model]


@pytest.fixture
def daemon(kafka: Broker, tmp_path: Path) -> Iterator[tuple[DriftdProcess, str]]:
    """`driftd run` with the flags of README; the address and the folder of its state are the test's."""
    topic = kafka.create_topic("first-day", 2)
    process = DriftdProcess(tmp_path, {})
    (tmp_path / "driftd.yaml").unlink()
    flags = ["--bootstrap-servers", kafka.bootstrap, "--topic", topic]
    own = ["--listen", f"127.0.0.1:{process.port}", "--state-dir", "state"]
    with process.log_file.open("ab") as log:
        process.process = subprocess.Popen(
            [sys.executable, "-m", "driftd", "run", *flags, *own],
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    yield process, topic
    if process.alive:
        process.kill9()


def test_faults_page_after_a_day_of_ordinary_traffic_without_configuration(
    kafka: Broker,
    daemon: tuple[DriftdProcess, str],
    start_prometheus: StartPrometheus,
    start_alertmanager: StartAlertmanager,
    tmp_path: Path,
) -> None:
    driftd, topic = daemon
    sent = events()
    first = next(i for i, e in enumerate(sent) if json.loads(e)["time"] >= FAULT)
    with serving_webhook() as pager:
        alertmanager = start_alertmanager(quick_alertmanager(pager.url))
        prometheus = start_prometheus(
            {"driftd": [f"127.0.0.1:{driftd.port}"]}, rules=quick_rules(tmp_path), alertmanager=alertmanager.url
        )
        driftd.wait_ready()
        kafka.produce(topic, sent[:first])
        driftd.wait_received(first)
        driftd.wait(lambda: "knows 24 hours" in driftd.get("/model?model=nulls")[1], "a reference of a day")
        assert {driftd.value("driftd_pages_total", model=model) for model in FAULTS} == {0.0}

        kafka.produce(topic, sent[first:])
        for model, (feature, kind) in FAULTS.items():
            driftd.wait(partial(drifts, driftd, model), f"{model}: DRIFT")
            page = wait_for(partial(paged, pager, model), f"the page of {model}")[0]
            assert page["labels"]["severity"] == "critical"
            assert re.search(rf"{feature} \({kind}\) since \d+ \w+ \d\d:\d\d", page["annotations"]["description"])
            assert driftd.value("driftd_pages_total", model=model) == 1
        prometheus.stop()
        alertmanager.stop()
    assert driftd.balanced()
    assert driftd.value("driftd_events_total", outcome="accepted") == len(sent)
    assert driftd.terminate() == 0
