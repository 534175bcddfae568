"""The walk of a new user at the pace of life: real servers, rules, routes and dashboards as generated.

usage: python -m tests.notifications.walk --write docs/tutorial.md   # a quarter of an hour, most of it waiting
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socketserver
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from tests.servers import find_free_port, spawn
from tests.servers.kafka import LocalBroker, local_broker
from tests.servers.prometheus import Process, Prometheus, fetch, find
from tests.stage.daemon import DriftdProcess

DAY: Final = 86_400.0
HISTORY: Final = 26 * 3600.0
RATE: Final = 0.5
"""Events a second of each model."""
CALM_SECONDS: Final = 90.0
PATIENCE: Final = 900.0
BEGINS, ENDS = "<!-- walk -->", "<!-- end -->"
FAULTS: Final = {
    "payments": "cents come for euros",
    "scoring": "`age` is null in every event",
    "quotes": "it sends nothing any more",
}
"""Of each model, from the same second on."""
STEPS: Final = ("page", "cause", "alert", "mail")


class Inbox(socketserver.ThreadingTCPServer):
    """A mail server that keeps the subjects of what it gets, with the time."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", find_free_port()), _Smtp)
        self.subjects: list[tuple[float, str]] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Smtp(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        text: list[str] | None = None
        self._say("220 inbox")
        for raw in self.rfile:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if text is not None and line != ".":
                text.append(line)
            elif text is not None:
                self._keep("\n".join(text))
                text = None
            elif line[:4].upper() == "DATA":
                text = []
                self._say("354 go on")
            else:
                self._say("250 yes")

    def _keep(self, text: str) -> None:
        found = re.search(r"^Subject: (.*(?:\n[ \t].*)*)", text, re.MULTILINE)
        assert isinstance(self.server, Inbox)
        self.server.subjects.append((time.time(), found[1].replace("\n", "") if found else ""))
        self._say("250 kept")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


def events(rng: np.random.Generator, begin: float, end: float, fault: float) -> list[bytes]:
    """Of all models, in order of time: levels follow the hour, and from ``fault`` on each has its own."""
    out: list[tuple[float, dict[str, Any]]] = []
    for model in FAULTS:
        for at in np.sort(rng.uniform(begin, end, rng.poisson(RATE * (end - begin)))).tolist():
            amount = float(np.exp(rng.normal(3 + 0.2 * np.sin(2 * np.pi * at / DAY), 0.8)))
            features: dict[str, Any] = {
                "amount": round(amount, 2),
                "age": round(float(rng.normal(40, 11))),
                "country": str(rng.choice(["DE", "FR", "NL"], p=[0.5, 0.3, 0.2])),
            }
            if at >= fault and model == "quotes":
                continue
            if at >= fault:
                features |= {"amount": round(100 * amount)} if model == "payments" else {"age": None}
            event = {"model": model, "time": at, "features": features, "prediction": int(rng.random() < 0.04)}
            out.append((at, event))
    return [json.dumps(event).encode() for _, event in sorted(out, key=lambda pair: pair[0])]


def generated(folder: Path, *words: str) -> None:
    subprocess.run([sys.executable, "-m", "driftd", "generate", *words], cwd=folder, check=True, capture_output=True)


@contextlib.contextmanager
def servers(folder: Path, driftd: DriftdProcess, inbox: Inbox) -> Iterator[Prometheus]:
    """Prometheus and Alertmanager as docs/tutorial.md says."""
    mail = ["--smarthost", f"127.0.0.1:{inbox.server_address[1]}", "--mail-from", "driftd@corp.example"]
    generated(folder, "rules", "--config", str(driftd.folder / "driftd.yaml"), "-o", "rules")
    generated(folder, "alertmanager", "--page", "email:you@corp.example", "--ticket", "email:you@corp.example",
              *mail, "-o", ".")  # fmt: skip
    generated(folder, "dashboards", "-o", ".")
    at, there = find_free_port(), find_free_port()
    (folder / "prometheus.yml").write_text(
        yaml.safe_dump(
            {
                "global": {"scrape_interval": "15s", "evaluation_interval": "15s"},
                "rule_files": ["rules/*.yml"],
                "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{at}"]}]}]},
                "scrape_configs": [
                    {"job_name": "driftd", "static_configs": [{"targets": [f"127.0.0.1:{driftd.port}"]}]}
                ],
            }
        )
    )
    programs = [str(find("prometheus-alertmanager")), str(find("prometheus"))]
    own = [
        ["--config.file=alertmanager.yml", "--storage.path=am", "--cluster.listen-address="],
        ["--config.file=prometheus.yml", "--storage.tsdb.path=tsdb"],
    ]
    running = list[Process]()
    for program, options, port in zip(programs, own, (at, there), strict=True):
        log = folder / f"{port}.log"
        absolute = [re.sub(r"=(?=[a-z])", f"={folder}/", option) for option in options]
        command = [program, *absolute, f"--web.listen-address=127.0.0.1:{port}"]
        running.append(Prometheus(f"http://127.0.0.1:{port}", log, spawn(command, log)))
    try:
        for server in running:
            server.ready()
        prometheus = running[1]
        assert isinstance(prometheus, Prometheus)
        yield prometheus
    finally:
        for server in running:
            server.stop()


def shown(folder: Path) -> dict[str, list[str]]:
    """The panels of the dashboards that are seen without opening a row: title -> its queries."""
    values = {"$__rate_interval": "1m", "$model": "payments", "$feature": "amount"}

    def filled(query: str) -> str:
        return re.sub(r"\$\w+", lambda found: values[found.group()], query)

    panels = [p for path in sorted(folder.glob("driftd-*.json")) for p in json.loads(path.read_text())["panels"]]
    return {p["title"]: [filled(t["expr"]) for t in p["targets"]] for p in panels if p["type"] != "row"}


def reached(driftd: DriftdProcess, prometheus: Prometheus, inbox: Inbox, model: str) -> Iterator[str]:
    """Which of STEPS the fault of a model has come to by now."""
    fleet = json.loads(driftd.get("/api/v1/models")[1])["models"]
    mine = next(line for line in fleet if line["model"] == model)
    if mine["status"] == "page":
        yield "page"
    incidents = json.loads(driftd.get(f"/api/v1/incidents?model={model}&status=open")[1])["incidents"]
    silent = mine["silent_seconds"] is not None and mine["status"] == "page"
    if silent or any(i["cause"] for i in incidents):
        yield "cause"
    firing = fetch(f"{prometheus.url}/api/v1/alerts")["data"]["alerts"]
    if any(a["state"] == "firing" and a["labels"].get("model") == model for a in firing):
        yield "alert"
    if any(model in subject for _, subject in inbox.subjects):
        yield "mail"


def walk(folder: Path, broker: LocalBroker | Any) -> list[str]:
    rng, topic, inbox = np.random.default_rng(8), broker.create_topic("predictions", 1), Inbox()
    kafka = {"bootstrap_servers": broker.bootstrap, "topics": [topic], "group_id": "driftd", "start": "earliest"}
    port = find_free_port()
    settings = {"kafka": kafka, "http": {"external_url": f"http://127.0.0.1:{port}"}}
    driftd = DriftdProcess(folder / "driftd", settings, port=port, forked=False)
    past = time.time()
    sent = events(rng, past - HISTORY, past, np.inf)
    broker.produce(topic, sent)
    begun = time.time()
    driftd.start()
    try:
        driftd.wait_ready(PATIENCE)
        driftd.wait_received(len(sent), PATIENCE)
        driftd.wait(lambda: "knows 24 hours" in driftd.get("/model?model=quotes")[1], "a reference", PATIENCE)
        read = time.time() - begun
        with servers(folder, driftd, inbox) as prometheus:
            fault, last = time.time() + CALM_SECONDS, past
            times: dict[str, dict[str, float]] = {model: {} for model in FAULTS}
            board, filled = shown(folder), dict[str, float]()
            while time.time() < fault + PATIENCE and not all(len(known) == len(STEPS) for known in times.values()):
                now = time.time()
                broker.produce(topic, events(rng, last, now, fault))
                last = now
                for title, queries in board.items():
                    if title not in filled and any(map(prometheus.query, queries)):
                        filled[title] = time.time() - fault
                for model, known in times.items():
                    for what in reached(driftd, prometheus, inbox, model):
                        known.setdefault(what, time.time() - fault)
                time.sleep(1)
            subjects = {m: next((s for _, s in inbox.subjects if m in s), "") for m in FAULTS}
            return report(len(sent), read, [filled.get(title, np.inf) for title in board], times, subjects)
    finally:
        driftd.kill9()
        inbox.shutdown()


def report(
    sent: int, read: float, filled: list[float], times: dict[str, dict[str, float]], subjects: dict[str, str]
) -> list[str]:
    """``filled``: when each panel had data, in seconds from the faults on."""
    day, calm, last = time.strftime("%Y-%m-%d", time.gmtime()), sum(at < 0 for at in filled), max(filled)
    others = f"all of them {spelled(last)} after" if np.isfinite(last) else "**not all of them** after"
    lines = [
        f"Measured on {os.cpu_count()} cores on {day}, three models of {60 * RATE:.0f} events a minute each.",
        f"`driftd run` had read their last {HISTORY / 3600:.0f} hours ({sent:,} events) and learned its",
        f"references {read:.0f} s after its start. Prometheus and Alertmanager then ran as above, nothing",
        f"shortened. Then all three failed at once. {calm} of the {len(filled)} panels of the dashboards that are",
        f"seen without opening a row had data before that, {others} it: the others are about open changes.",
        "From the first wrong event (or the last one) on, in minutes and seconds:",
        "",
        "| what happened | PAGE on driftd | its cause there | alert in Prometheus | mail in the inbox |",
        "|---|---|---|---|---|",
    ]
    for model, what in FAULTS.items():
        each = (times[model].get(step) for step in STEPS)
        lines.append(f"| {model}: {what} | {' | '.join('-' if t is None else spelled(t) for t in each)} |")
    return [*lines, "", *(f"> {subject}\n>" for subject in subjects.values()), ""]


def spelled(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def main() -> None:
    asked = argparse.ArgumentParser(
        prog="python -m tests.notifications.walk", description=(__doc__ or "").split("\n")[0]
    )
    asked.add_argument("--write", type=Path, metavar="FILE", required=True)
    file = asked.parse_args().write
    before, rest = file.read_text(encoding="utf-8").split(BEGINS)
    with tempfile.TemporaryDirectory(prefix="driftd-walk-") as folder, local_broker() as broker:
        lines = walk(Path(folder), broker)
    text = "\n".join(lines).rstrip(">\n")
    file.write_text(f"{before}{BEGINS}\n{text}\n{ENDS}{rest.split(ENDS)[1]}", encoding="utf-8")
    print(text, flush=True)


if __name__ == "__main__":
    main()
