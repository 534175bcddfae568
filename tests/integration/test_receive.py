"""`driftd receive` beside a real broker: HTTP in, records in the topic, findings out; and what it says if it cannot."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import bcrypt
import pytest
import yaml

from driftd.client import Client, Drop
from tests.bench.events import START
from tests.integration.kafka_helpers import reading, settings
from tests.integration.test_cli_kafka import WINDOWS
from tests.servers import find_free_port
from tests.servers.kafka import Broker, LocalBroker
from tests.stage.daemon import wait_until
from tests.stage.forked import driftd

pytestmark = pytest.mark.integration

JSON: Final = {"Content-Type": "application/json"}
LINES: Final = {"Content-Type": "application/x-ndjson"}


@dataclass
class Receiver:
    """`driftd receive` as a process of its own."""

    folder: Path
    config: dict[str, Any]
    port: int = field(default_factory=find_free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> Receiver:
        own = {"listen": f"127.0.0.1:{self.port}", **self.config.get("receive", {})}
        (self.folder / "receive.yaml").write_text(yaml.safe_dump({**self.config, "receive": own}))
        with (self.folder / "receive.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "driftd", "receive", "--config", "receive.yaml"],
                cwd=self.folder,
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: self.ask("GET", "/-/healthy")[0] == 200, "the receiver listens")
        return self

    @property
    def log(self) -> str:
        return (self.folder / "receive.log").read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | Iterator[bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, {**(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()

    def post(self, body: bytes | list[Any], headers: Mapping[str, str] = JSON) -> tuple[int, dict[str, Any]]:
        status, said = self.ask(
            "POST", "/events", body if isinstance(body, bytes) else json.dumps(body).encode(), headers
        )
        return status, json.loads(said)

    def ready(self) -> bool:
        return self.ask("GET", "/-/ready")[0] == 200

    def value(self, name: str) -> float:
        lines = [line for line in self.ask("GET", "/metrics")[1].splitlines() if line.startswith(f"{name} ")]
        return float(lines[0].split()[1]) if lines else 0.0

    def stop(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextlib.contextmanager
def receiving(folder: Path, bootstrap: str, topic: str, **more: Any) -> Iterator[Receiver]:
    config = {"kafka": {"bootstrap_servers": bootstrap, "topics": topic}, **more}
    receiver = Receiver(folder, config).start()
    try:
        yield receiver
    finally:
        assert receiver.process is not None
        if receiver.process.poll() is None:
            receiver.process.kill()
            receiver.process.wait()


def event(n: int, **more: Any) -> dict[str, Any]:
    return {"model": "m", "features": {"n": n}, **more}


def test_every_kind_of_body_reaches_the_topic_as_it_came(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic("received")
    envelope = {"specversion": "1.0", "id": "s1", "source": "s", "type": "t", "data": event(4), "partitionkey": "k"}
    binary = {
        "Content-Type": "application/json",
        "Ce-Id": "7d0c",
        "Ce-Specversion": "1.0",
        "Ce-Type": "org.kubeflow.serving.inference.request",
        "Ce-Source": "http://localhost:9081/",
        "Ce-Time": "2026-11-28T10:00:00.120Z",
        "Ce-Inferenceservicename": "fraud",
        "Ce-Endpoint": "",
    }
    with receiving(tmp_path, kafka.bootstrap, topic) as receiver:
        wait_until(receiver.ready, "readiness")
        ok = {"received": 1, "written": 1, "refused": 0}
        assert receiver.post(json.dumps(event(1)).encode()) == (200, ok)
        assert receiver.post([event(2), event(3)])[1]["written"] == 2
        assert receiver.post(json.dumps(envelope).encode(), {"Content-Type": "application/cloudevents+json"}) == (
            200,
            ok,
        )
        assert receiver.post([envelope] * 2, {"Content-Type": "application/cloudevents-batch+json"})[1]["written"] == 2
        assert receiver.post(b'{"instances": [[6.8, 2.8, 4.8, 1.4]]}', binary) == (200, ok)
        assert receiver.post(b'{"model": "m", "prediction": 1}\n{"model": "m", "prediction": 2}\n', LINES)[0] == 200
        assert receiver.value("driftd_receive_events_written_total") == 9
        assert receiver.value("driftd_receive_events_received_total") == 9
        assert receiver.value("driftd_receive_topic_writable") == 1
        assert receiver.stop() == 0
    with reading(settings(kafka.bootstrap, topic)) as reader:
        values = reader.read(9)
        keys = [k for b in reader.batches for k in b.keys or [None] * len(b)]
        headers = [dict(h) for b in reader.batches for h in b.headers or [()] * len(b)]
    assert [json.loads(v or b"") for v in values[:3]] == [event(1), event(2), event(3)]
    assert json.loads(values[3] or b"") == json.loads(values[5] or b"") == envelope
    assert keys[3:7] == [b"k", b"k", b"k", None]
    assert headers[3] == headers[4] == {"content-type": b"application/cloudevents+json"}
    assert values[6] == b'{"instances": [[6.8, 2.8, 4.8, 1.4]]}'
    assert headers[6] == {
        "ce_id": b"7d0c",
        "ce_specversion": b"1.0",
        "ce_type": b"org.kubeflow.serving.inference.request",
        "ce_source": b"http://localhost:9081/",
        "ce_time": b"2026-11-28T10:00:00.120Z",
        "ce_inferenceservicename": b"fraud",
        "ce_endpoint": b"",
        "content-type": b"application/json",
    }


EVENTS: Final = 3000


def test_what_a_client_logs_ends_in_a_finding(kafka: Broker, tmp_path: Path) -> None:
    """Amounts that in the second half are ten times as large, from the client over HTTP and Kafka to the replay."""
    configs = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
    topic, rng = kafka.create_topic("received", configs=configs), random.Random(5)
    later = "windows: {future_seconds: 10y}\n"  # the events' times are those of a timeline of tests
    with receiving(tmp_path, kafka.bootstrap, topic, windows={"future_seconds": "3650d"}) as receiver:
        with Client(receiver.url, model="fraud", close_seconds=60) as client:
            for i in range(EVENTS):
                amount = rng.gauss(100, 20) * (10 if i >= EVENTS // 2 else 1)
                features = {"amount": amount, "country": rng.choice(["DE", "FR"])}
                client.log(features=features, prediction=rng.randrange(2), time=START + i / 100)
            assert client.flush(60)
        assert client.stats().sent == EVENTS
        assert receiver.value("driftd_receive_events_written_total") == EVENTS
    (tmp_path / "driftd.yaml").write_text(later.replace("10y", "3650d"))
    source = ("--bootstrap-servers", kafka.bootstrap, "--topic", topic)
    done = driftd(tmp_path, "replay", *source, "--reference-events", "1000", "--findings", "found.jsonl", *WINDOWS)
    assert done.returncode == 0, done.stderr
    assert f"read {EVENTS} = accepted {EVENTS} +" in done.stderr
    findings = [json.loads(line) for line in (tmp_path / "found.jsonl").read_text().splitlines()]
    told = {(f["model"], f["feature"]) for f in findings if f["status"] in {"WARNING", "DRIFT"}}
    assert ("fraud", "amount") in told
    assert ("fraud", "country") not in told


@pytest.mark.timeout(240)
def test_every_event_that_was_acknowledged_is_in_the_topic_though_the_broker_dies(
    own_kafka: LocalBroker, tmp_path: Path
) -> None:
    topic = own_kafka.create_topic("received", partitions=2)
    acknowledged: set[int] = set()
    answers: Counter[int] = Counter()
    over = threading.Event()

    def produce(worker: int) -> None:
        for n in range(worker, 10**9, 4):
            if over.is_set():
                return
            status, said = receiver.post([event(2 * n), event(2 * n + 1)])
            answers[status] += 1
            if status == 200:
                assert said == {"received": 2, "written": 2, "refused": 0}
                acknowledged.update((2 * n, 2 * n + 1))
            else:
                assert status == 503, said
                over.wait(0.05)

    with receiving(tmp_path, own_kafka.bootstrap, topic, receive={"ack_seconds": 3}) as receiver:
        wait_until(receiver.ready, "readiness")
        workers = [threading.Thread(target=produce, args=(k,)) for k in range(4)]
        for one in workers:
            one.start()
        try:
            wait_until(lambda: answers[200] > 50, "events are taken")
            own_kafka.kill9()
            wait_until(lambda: answers[503] > 10, "events are refused")
            wait_until(lambda: not receiver.ready(), "it is not ready")
            assert receiver.ask("GET", "/-/healthy")[0] == 200
            own_kafka.start()
            before = answers[200]
            wait_until(lambda: answers[200] > before + 50, "events are taken again", 120)
        finally:
            over.set()
            for one in workers:
                one.join()
        wait_until(receiver.ready, "readiness")
        received, written = (receiver.value(f"driftd_receive_events_{x}_total") for x in ("received", "written"))
        page = receiver.ask("GET", "/metrics")[1]
        refused = sum(
            float(line.split()[1])
            for line in page.splitlines()
            if line.startswith("driftd_receive_events_refused_total{")
        )
        assert received == written + refused
        assert written >= len(acknowledged)
        assert receiver.stop() == 0
    ends = sum(own_kafka.end_of(topic, partition) for partition in (0, 1))
    with reading(settings(own_kafka.bootstrap, topic)) as reader:
        found = {json.loads(v or b"")["features"]["n"] for v in reader.read(ends)}
    assert acknowledged <= found
    assert len(acknowledged) > 200


def test_without_a_broker_it_starts_answers_503_and_says_why(tmp_path: Path) -> None:
    port = find_free_port()
    with receiving(tmp_path, f"127.0.0.1:{port}", "t", receive={"ack_seconds": 2}) as receiver:
        status, said = receiver.post([event(1)])
        assert status == 503
        assert (said["written"], said["failed"]) == (0, 1)
        assert f"127.0.0.1:{port}" in said["error"]
        assert "connection refused" in wait_until(lambda: _not_ready(receiver, "refused"), "the reason")
        with Client(receiver.url, give_up_seconds=0) as client:
            client.log("m", {"x": 1})
            assert client.flush(60)
        assert client.stats().dropped == {Drop.UNDELIVERED: 1}
        assert client.stats().last_error.startswith("HTTP 503")
        assert receiver.stop() == 0


def _not_ready(receiver: Receiver, what: str) -> str:
    status, body = receiver.ask("GET", "/-/ready")
    return body if status == 503 and what in body else ""


def test_a_topic_that_is_not_there_is_told_and_taken_once_it_is(kafka: Broker, tmp_path: Path) -> None:
    topic = f"later-{os.getpid()}-{random.randrange(10**9)}"
    with receiving(tmp_path, kafka.bootstrap, topic, receive={"ack_seconds": 5}) as receiver:
        assert "does not exist; create it" in wait_until(lambda: _not_ready(receiver, "exist"), "the reason")
        assert receiver.post([event(1)])[0] == 503
        kafka.create_named(topic)
        wait_until(receiver.ready, "readiness")
        assert receiver.post([event(1)])[0] == 200


def test_a_record_that_the_topic_never_takes_is_refused_and_the_others_are_written(
    kafka: Broker, tmp_path: Path
) -> None:
    topic = kafka.create_topic("small", configs={"max.message.bytes": "20000"})
    with receiving(tmp_path, kafka.bootstrap, topic) as receiver:
        status, said = receiver.post([event(1), event(2, id="x" * 30_000), event(3)])
        assert (status, said["written"], said["refused"]) == (200, 2, 1)
        assert (said["errors"][0]["event"], said["errors"][0]["reason"]) == (1, "too_large")
        assert receiver.post([event(4)])[0] == 200
    with reading(settings(kafka.bootstrap, topic)) as reader:
        assert [json.loads(v or b"")["features"]["n"] for v in reader.read(3)] == [1, 3, 4]


def test_a_record_that_the_topic_never_takes_costs_no_other_request_anything(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic("small", partitions=2, configs={"max.message.bytes": "100000"})
    answers: Counter[int] = Counter()
    over = threading.Event()

    def produce(worker: int) -> None:
        n = worker
        while not over.is_set():
            answers[receiver.post([event(n)])[0]] += 1
            n += 4

    with receiving(tmp_path, kafka.bootstrap, topic) as receiver:
        wait_until(receiver.ready, "readiness")
        workers = [threading.Thread(target=produce, args=(k,)) for k in range(4)]
        for one in workers:
            one.start()
        try:
            for _ in range(4):
                before = answers.total()
                wait_until(lambda before=before: answers.total() > before + 20, "events are taken")  # type: ignore[misc]
                status, said = receiver.post([event(1, id="x" * 150_000)])
                assert (status, said["written"], said["refused"]) == (413, 0, 1)
                assert receiver.post([event(1, id="x" * 60_000)])[0] == 200, "the topic takes it, beside the others"
        finally:
            over.set()
            for one in workers:
                one.join()
    assert {*answers} == {200}


def test_who_may_not_or_sends_too_much_is_told_so(kafka: Broker, tmp_path: Path) -> None:
    topic = kafka.create_topic("received")
    hashed = bcrypt.hashpw(b"pw", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(yaml.safe_dump({"basic_auth_users": {"app": hashed}}))
    http_ = {"web_config": "web.yml"}
    with receiving(tmp_path, kafka.bootstrap, topic, http=http_, receive={"body_bytes": 2048}) as receiver:
        wait_until(receiver.ready, "readiness")
        login = {"Authorization": "Basic " + base64.b64encode(b"app:pw").decode()}
        assert receiver.ask("POST", "/events", b"{}", JSON)[0] == 401
        assert receiver.ask("POST", "/events", b"x" * 8_000_000, JSON)[0] == 401, "said though the body was not read"
        assert receiver.post([event(1)], JSON | login)[0] == 200
        status, text = receiver.ask("POST", "/events", b"x" * 2_000_000, JSON | login)
        assert (status, text) == (413, "a body of more than 2048 bytes\n")
        status, text = receiver.ask("POST", "/events", iter([b"x" * 100_000] * 80), JSON | login)
        assert (status, text) == (411, "a body in chunks (transfer-encoding); send it whole, with content-length\n")
        assert receiver.ask("GET", "/events", headers=login)[0] == 405
        assert receiver.ask("POST", "/events", b"a,b", {"Content-Type": "text/csv"} | login)[0] == 415
        elsewhere = JSON | login | {"Origin": "http://elsewhere.example"}
        assert receiver.ask("POST", "/events", b"{}", elsewhere)[0] == 403
        with Client(receiver.url, user="app", password="pw", model="m", linger_seconds=30) as client:
            for n in range(60):
                client.log(features={"n": n})
        assert client.stats().sent == 60, "more than one body may have, so it came in parts"
        metrics = receiver.ask("GET", "/metrics", headers=login)[1]
        for code in (200, 401, 403, 405, 411, 413, 415):
            assert f'driftd_receive_requests_total{{code="{code}"}}' in metrics
    assert "pw" not in receiver.log.replace("http", "")


def test_more_requests_than_may_wait_get_429_and_a_stop_answers_those_that_do(
    own_kafka: LocalBroker, tmp_path: Path
) -> None:
    topic = own_kafka.create_topic("received")
    config = {"requests": 2, "ack_seconds": 45}
    answers: list[int] = []

    def post(n: int) -> None:
        status = 429
        while status == 429:  # the test's own question may be in the way
            status, _ = receiver.ask("POST", "/events", json.dumps([event(n)]).encode(), JSON)
        answers.append(status)

    with receiving(tmp_path, own_kafka.bootstrap, topic, receive=config) as receiver:
        wait_until(receiver.ready, "readiness")
        assert receiver.post([event(0)])[0] == 200
        assert own_kafka.process is not None
        own_kafka.process.send_signal(signal.SIGSTOP)
        waiting = [threading.Thread(target=post, args=(n,)) for n in (1, 2)]
        try:
            for one in waiting:
                one.start()
            with contextlib.ExitStack() as silent:
                for _ in range(3):
                    silent.enter_context(socket.create_connection(("127.0.0.1", receiver.port)))
                wait_until(lambda: receiver.ask("POST", "/events", b"{}", JSON)[0] == 429, "the bound")
                connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=60)
                silent.enter_context(contextlib.closing(connection))
                connection.request("POST", "/events", b"{}", JSON)
                assert connection.getresponse().headers["Retry-After"] == "1"
            assert receiver.process is not None
            receiver.process.send_signal(signal.SIGTERM)
        finally:
            own_kafka.process.send_signal(signal.SIGCONT)
        for one in waiting:
            one.join()
        assert answers == [200, 200]
        assert receiver.process.wait(60) == 0
    with reading(settings(own_kafka.bootstrap, topic)) as reader:
        assert {json.loads(v or b"")["features"]["n"] for v in reader.read(3)} == {0, 1, 2}
