"""A real Prometheus and Alertmanager on free ports of 127.0.0.1, a page to scrape and a webhook to ring.

``python -m tests.servers.prometheus --install`` brings the servers (and Chromium, for the picture of the status
page) from Debian where apt-get and root are there. A machine without them skips these tests, saying so; CI fails.

Timing: Prometheus first scrapes 5 to 6 s after its start and cannot be hurried; then everything runs at 1 s.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, TypeAlias, TypeVar

import pytest
import yaml

from tests.servers import find_free_port, need, spawn

DEBIAN_PACKAGES: Final = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-alertmanager": "prometheus-alertmanager",
    "amtool": "prometheus-alertmanager",
    "chromium": "chromium",
}
"""Program -> Debian package that has it."""

REASON: Final = "not on this machine; `make servers` as root on Debian, or put it on the PATH"
PATIENCE: Final = 60.0
"""Seconds a server may take to come up or a state to be reached; the machine is shared."""


def find(program: str) -> str | None:
    """Path of the program, also under the name upstream's archive gives it (Debian adds a prefix)."""
    return shutil.which(program) or shutil.which(program.removeprefix("prometheus-"))


T = TypeVar("T")


def wait_until(look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
    """The first true value of ``look``, asked every 50 ms; TimeoutError names what was waited for."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            seen = look()
        except (urllib.error.URLError, ConnectionError):
            seen = None
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(0.05)


def fetch(url: str, body: object = None, timeout: float = 10) -> Any:
    """The answer as JSON where it is JSON, else as text; ``body`` makes it a POST."""
    request = urllib.request.Request(
        url,
        data=None if body is None else json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:
        text = answer.read().decode()
        return json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text


@dataclass
class Process:
    """A server process, its address and its log."""

    url: str
    log: Path
    popen: subprocess.Popen[bytes]

    def ready(self) -> None:
        """Wait for ``/-/ready``; a server that ended says why."""

        def answered() -> bool:
            if self.popen.poll() is not None:
                raise RuntimeError(f"{self.popen.args!r} ended: {self.log.read_text()[-2000:]}")
            return bool(fetch(f"{self.url}/-/ready"))

        wait_until(answered, f"{self.url}/-/ready")

    def stop(self) -> None:
        self.popen.terminate()
        try:
            self.popen.wait(10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Prometheus(Process):
    """A running Prometheus."""

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Instant vector: a list of {"metric": labels, "value": [time, text]}."""
        answer = fetch(f"{self.url}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        result: list[dict[str, Any]] = answer["data"]["result"]
        return result

    def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = fetch(f"{self.url}/api/v1/alerts")["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    def targets(self) -> list[dict[str, Any]]:
        active: list[dict[str, Any]] = fetch(f"{self.url}/api/v1/targets")["data"]["activeTargets"]
        return active


class Alertmanager(Process):
    """A running Alertmanager."""

    def post(self, *alerts: Mapping[str, str], resolved: bool = False, since: float = 3600) -> None:
        """Fire (or resolve) alerts with these labels, as Prometheus would, that began ``since`` seconds ago: a
        group is sent at once, with what it has by then, if one of its alerts is older than group_wait."""
        now = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + (-1 if resolved else 3600)))
        start = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now - since))
        fetch(f"{self.url}/api/v2/alerts", [{"labels": dict(a), "startsAt": start, "endsAt": stamp} for a in alerts])

    def alerts(self) -> list[dict[str, Any]]:
        """All alerts with their status: ``{"labels", "status": {"state", "inhibitedBy", ...}, "receivers"}``."""
        seen: list[dict[str, Any]] = fetch(f"{self.url}/api/v2/alerts")
        return seen


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Say nothing per request."""


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Webhook:
    """What the pager got: each notification as (path, payload), in order of arrival."""

    url: str
    notifications: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def alerts(self, status: str, name: str, path: str = "") -> list[dict[str, Any]]:
        """The alerts of this name and status ("firing" or "resolved") that arrived, at ``path`` if given."""
        return [
            alert
            for where, payload in list(self.notifications)
            for alert in payload["alerts"]
            if alert["status"] == status and alert["labels"]["alertname"] == name and where.startswith(path)
        ]

    def wait_for(self, status: str, name: str, path: str = "", seconds: float = PATIENCE) -> dict[str, Any]:
        """The first such alert; TimeoutError where none comes."""
        return wait_until(lambda: self.alerts(status, name, path), f"{name} {status} at the webhook", seconds)[0]


@dataclass
class Exposition:
    """A page to scrape; ``text`` is what the next scrape gets."""

    url: str
    text: str = ""

    @property
    def address(self) -> str:
        return self.url.removeprefix("http://")

    def show(self, series: Mapping[str, float]) -> None:
        """Publish ``{'name{label="x"}': value}``; what is not in it is gone."""
        self.text = "".join(f"{name} {value!r}\n" for name, value in series.items())


@contextmanager
def serving_webhook() -> Iterator[Webhook]:
    """A receiver that remembers what was posted to it."""
    webhook = Webhook("")

    class Receiver(_Handler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            webhook.notifications.append((self.path, json.loads(body)))
            self.send_response(200)
            self.end_headers()

    with _serving(Receiver) as webhook.url:
        yield webhook


@contextmanager
def serving_exposition() -> Iterator[Exposition]:
    """A /metrics page whose text a test sets."""
    page = Exposition("")

    class Page(_Handler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
            self.end_headers()
            self.wfile.write(page.text.encode())

    with _serving(Page) as page.url:
        yield page


def run_prometheus(
    folder: Path, targets: Mapping[str, Iterable[str]], rules: Iterable[Path] = (), alertmanager: str | None = None
) -> Prometheus:
    """Start Prometheus on ``{job: [host:port]}``, with rule files and an Alertmanager's URL, all at 1 s."""
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [
            {"job_name": job, "static_configs": [{"targets": list(addresses)}]} for job, addresses in targets.items()
        ],
    }
    if alertmanager:
        static = {"static_configs": [{"targets": [alertmanager.removeprefix("http://")]}]}
        config["alerting"] = {"alertmanagers": [static]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    program = find("prometheus")
    assert program is not None
    port = find_free_port()
    log = folder / "prometheus.log"
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--rules.alert.resend-delay=1s",
        "--rules.alert.for-grace-period=0s",
        "--log.level=warn",
    ]
    server = Prometheus(f"http://127.0.0.1:{port}", log, spawn(command, log))
    server.ready()
    return server


def run_alertmanager(folder: Path, config: str) -> Alertmanager:
    """Start Alertmanager with this configuration."""
    (folder / "alertmanager.yml").write_text(config)
    program = find("prometheus-alertmanager")
    assert program is not None
    port = find_free_port()
    log = folder / "alertmanager.log"
    command = [
        program,
        f"--config.file={folder / 'alertmanager.yml'}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",  # else it waits 10 s for gossip
        "--log.level=warn",
    ]
    server = Alertmanager(f"http://127.0.0.1:{port}", log, spawn(command, log))
    server.ready()
    return server


StartPrometheus: TypeAlias = Callable[..., Prometheus]
StartAlertmanager: TypeAlias = Callable[[str], Alertmanager]


@pytest.fixture(scope="session")
def promtool() -> str:
    path = find("promtool")
    need("promtool", path, REASON)
    return str(path)


@pytest.fixture(scope="session")
def amtool() -> str:
    path = find("amtool")
    need("amtool", path, REASON)
    return str(path)


@pytest.fixture(scope="session")
def chromium() -> str:
    path = find("chromium")
    need("Chromium", path, REASON)
    return str(path)


@pytest.fixture(scope="session")
def start_prometheus(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartPrometheus]:
    """``start_prometheus({"driftd": ["127.0.0.1:9477"]}, rules=[...], alertmanager=url)``; all end with the session."""
    need("Prometheus", find("prometheus"), REASON)
    with ExitStack() as running:

        def start(
            targets: Mapping[str, Iterable[str]], rules: Iterable[Path] = (), alertmanager: str | None = None
        ) -> Prometheus:
            server = run_prometheus(tmp_path_factory.mktemp("prometheus"), targets, rules, alertmanager)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture(scope="session")
def start_alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Generator[StartAlertmanager]:
    """``start_alertmanager(config_text)``; all end with the session."""
    need("Alertmanager", find("prometheus-alertmanager"), REASON)
    with ExitStack() as running:

        def start(config: str) -> Alertmanager:
            server = run_alertmanager(tmp_path_factory.mktemp("alertmanager"), config)
            running.callback(server.stop)
            return server

        yield start


@pytest.fixture
def webhook() -> Generator[Webhook]:
    with serving_webhook() as receiver:
        yield receiver


@pytest.fixture
def exposition() -> Generator[Exposition]:
    with serving_exposition() as page:
        yield page


def install() -> int:
    """Install from Debian what is missing; 0 where all is there in the end."""
    missing = sorted({package for program, package in DEBIAN_PACKAGES.items() if not find(program)})
    if not missing:
        print("servers: Prometheus, Alertmanager and Chromium are here")
        return 0
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        print(f"servers: {', '.join(missing)}: not here, and apt-get as root is needed to install", file=sys.stderr)
        return 1
    # RUNLEVEL=1: the packages must not start their own servers on the well-known ports.
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    print(f"servers: installing {', '.join(missing)}", flush=True)
    for command in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *missing]):
        done = subprocess.run(["apt-get", *command], env=quiet, stdout=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            print(f"servers: apt-get {command[0]} failed ({done.returncode})", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    if sys.argv[1:] != ["--install"]:
        sys.exit("usage: python -m tests.servers.prometheus --install")
    sys.exit(install())
