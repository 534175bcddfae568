"""`driftd run` as a process of its own, as systemd or Kubernetes would run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.servers import find_free_port
from tests.stage.forked import Forked

T = TypeVar("T")
PATIENCE = 60.0


def wait_until(look: Callable[[], T | None], what: str, seconds: float = PATIENCE) -> T:
    """The first true answer of ``look``, which may raise OSError while it is too early."""
    end = time.monotonic() + seconds
    seen: object = None
    while time.monotonic() < end:
        try:
            found = look()
        except OSError as e:
            seen = e
        else:
            if found:
                return found
            seen = found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds:.0f} s for {what}; saw {seen!r}")


@dataclass
class DriftdProcess:
    """One daemon in ``folder``: its configuration, state, findings and log are there.

    Not ``forked`` where its memory or processor time is looked at: then it is `python -m driftd`.
    """

    folder: Path
    settings: dict[str, Any]
    port: int = field(default_factory=find_free_port)
    options: tuple[str, ...] = ()
    forked: bool = True
    process: subprocess.Popen[bytes] | Forked | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.configure(self.settings)

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Writes driftd.yaml; state, http and findings are the process's own."""
        merged = {
            **settings,
            "http": {**settings.get("http", {}), "listen": f"127.0.0.1:{self.port}"},
            "findings": {"path": "findings.jsonl"},
            "state": {"directory": "state", "checkpoint_seconds": 0.3, **settings.get("state", {})},
        }
        (self.folder / "driftd.yaml").write_text(yaml.safe_dump(merged))

    def start(self, environment: Mapping[str, str] | None = None) -> DriftdProcess:
        """``environment`` is added to ours, and has to be there when Python starts."""
        words = ["run", "--config", "driftd.yaml", *self.options]
        if self.forked and environment is None:
            self.process = Forked(words, self.folder, self.log_file, self.log_file)
            return self
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "driftd", *words],
                cwd=self.folder,
                env={**os.environ, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        return self

    @property
    def log_file(self) -> Path:
        return self.folder / "driftd.log"

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill9(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def terminate(self, seconds: float = 30) -> int:
        """SIGTERM; its exit code."""
        assert self.process is not None
        if self.alive:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def exit_code(self, seconds: float = PATIENCE) -> int:
        """Of a process that ends by itself."""
        assert self.process is not None
        return self.process.wait(timeout=seconds)

    def peak_memory_bytes(self) -> int:
        """The most that it has had in memory."""
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * int(status.split("VmHWM:")[1].split()[0])

    def reload(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def get(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str]:
        """Status and body of an HTTP answer, whatever the status; of the page that it leads to."""
        url = f"http://127.0.0.1:{self.port}{path}"
        request = urllib.request.Request(url, body, {**(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=40) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        text = self.get("/metrics")[1]
        return {
            (s.name, tuple(sorted(s.labels.items()))): s.value
            for family in text_string_to_metric_families(text)
            for s in family.samples
        }

    def value(self, metric: str, **labels: str) -> float:
        """One series, 0 while it is not there."""
        return self.metrics().get((metric, tuple(sorted(labels.items()))), 0.0)

    def wait_received(self, events: float, seconds: float = PATIENCE) -> None:
        self.wait(lambda: self.value("driftd_events_received_total") >= events, f"{events:.0f} events", seconds)

    def wait_ready(self, seconds: float = PATIENCE) -> None:
        self.wait(lambda: self.get("/-/ready")[0] == 200, "readiness", seconds)

    def wait(self, look: Callable[[], T], what: str, seconds: float = PATIENCE) -> T:
        """The first true answer of ``look`` while the process lives; else its log says why not."""

        def alive() -> T:
            if not self.alive:
                raise AssertionError(f"driftd has ended, waiting for {what}\n{self.log[-3000:]}")
            return look()

        try:
            return wait_until(alive, what, seconds)
        except AssertionError as e:
            raise AssertionError(f"{e}\n{self.log[-3000:]}") from None

    def balanced(self) -> bool:
        """received == accepted + rejected + late + dropped."""
        seen = self.metrics()
        parts = sum(v for (name, _), v in seen.items() if name == "driftd_events_total")
        return bool(seen["driftd_events_received_total", ()] == parts)

    def findings(self) -> dict[str, dict[str, Any]]:
        """By id: a restart may repeat one, never with other content."""
        out: dict[str, dict[str, Any]] = {}
        path = self.folder / "findings.jsonl"
        for line in path.read_bytes().splitlines() if path.exists() else ():
            try:
                finding = json.loads(line)
            except ValueError:
                continue  # cut off by kill -9; it is written again after the restart
            assert out.setdefault(finding["id"], finding) == finding
        return out
