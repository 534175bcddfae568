"""What reaches the person on call: eleven faults through a real Kafka, Prometheus and Alertmanager, one model each.

usage: python -m tests.notifications --write docs/alerts.md   # a quarter of an hour, most of it until silence is told
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml

from tests.rules.quick import quick_alertmanager, quick_rules
from tests.servers.kafka import local_broker
from tests.servers.prometheus import Webhook, run_alertmanager, run_prometheus, serving_webhook, wait_until
from tests.stage.daemon import DriftdProcess
from tests.unit.judge.natural.stage import HOUR, MONDAY, NAMES, traffic

BEGIN: Final = MONDAY + 9 * HOUR
FAULT: Final = BEGIN + 28 * HOUR
"""Of the hours before and after it driftd has seen one of another day."""
APART: Final = 900.0
"""Faults that begin so long after each other are no one cause."""
SETTLED_SECONDS: Final = 45.0
"""So long nothing new may arrive before all is told."""
TICKETS_WAIT: Final = "15s"
SILENT_SECONDS: Final = 1500.0
PATIENCE: Final = 1500.0
"""Seconds for what takes one minute on a machine that does nothing else."""
SILENCE: Final = {"DriftdNoData", "DriftdModelSilent", "DriftdLabelsStopped"}
HEAD: Final = """\
# Alerts, as they arrive

Made by `python -m tests.notifications --write docs/alerts.md`; do not edit. Eleven models with a day of ordinary
traffic (8,000 events, a daily rhythm, two related numbers), of which nothing is configured but, for `fraud`, whom to
call; then one fault in each, by a real Kafka, Prometheus and Alertmanager with the rules and the configuration of
this repository (their waits shortened). Each text is what Alertmanager posted to the webhook. Times are those of the
events: the first fault begins at {begins} UTC, the others a quarter of an hour after each other; the last two are one
cause, and one notification. Hours of events come within minutes and tickets wait for seconds: the ticket of a budget
that burns slowly arrives here before the page that would hold it back.
"""
HELPED: Final = {
    "name": "fraud",
    "upstream": "payments-gateway, #payments-oncall",
    "fallback": "switch on fraud-rules in the console",
}
"""What the owners of one model say of it."""
Event = dict[str, Any]


def _sets(name: str, value: Any) -> Callable[[Event], None]:
    return lambda event: event["features"].update({name: value})


def _times(name: str, factor: float) -> Callable[[Event], None]:
    return lambda event: event["features"].update({name: event["features"][name] * factor})


def _fails(event: Event) -> None:
    if event["time"] % 1 < 0.4:
        del event["prediction"], event["score"]
        event["error"] = "upstream timeout"


def _all_null(event: Event) -> None:
    event["features"] = dict.fromkeys(event["features"])


def _renames(event: Event) -> None:
    event["features"]["city"] = event["features"]["city"].upper()


def _new_value(event: Event) -> None:
    if event["time"] % 1 < 0.3:
        event["features"]["city"] = "atlantis"


def _later(event: Event) -> None:
    event["features"]["temp"] += 60


@dataclass(frozen=True, slots=True)
class Fault:
    """``wanted``: the channel and the kind that a person would name; None where no event comes any more."""

    model: str
    what: str
    change: Callable[[Event], None] | None
    wanted: tuple[str, str] | None


FAULTS: Final = (
    Fault("churn", "`age` is null in every event", _sets("age", None), ("age", "missing")),
    Fault("fraud", "`amount` comes in cents", _times("amount", 100), ("amount", "unit")),
    Fault("pricing", "`age` is always 40.0: a cache is stuck", _sets("age", 40.0), ("age", "frozen")),
    Fault("search", "a `city` that nobody knew, in 30 % of the events", _new_value, ("city", "new_value")),
    Fault("ranking", "`city` in capitals", _renames, ("city", "renamed")),
    Fault("credit", "`age` comes as text", _sets("age", "n/a"), ("age", "refused")),
    Fault("eta", "40 % of the requests fail", _fails, ("error", "errors")),
    Fault("weather", "`temp` is 60 degrees too high", _later, ("temp", "range")),
    Fault("routing", "the model sends nothing any more", None, None),
    Fault("upsell", "all features are null: the pipeline is broken", _all_null, ("amount", "missing")),
    Fault("basket", "the same pipeline, at the same time", _all_null, ("amount", "missing")),
)
STARTS: Final = [FAULT + APART * min(place, len(FAULTS) - 2) for place in range(len(FAULTS))]
"""When each begins: the last two together."""
END: Final = STARTS[-1] + 2 * HOUR


def events() -> tuple[list[bytes], int]:
    """A day of ordinary traffic of all models, then hours with the faults; and how many events come before these."""
    out: list[tuple[float, bytes]] = []
    for seed, (fault, start) in enumerate(zip(FAULTS, STARTS, strict=True)):
        columns = traffic(np.random.default_rng(seed), BEGIN, END if fault.change else start)
        for i, at in enumerate(columns["time"].tolist()):
            score = float(columns["score"][i])
            event: Event = {
                "model": fault.model,
                "time": at,
                "features": {name: columns[name][i] for name in NAMES},
                "prediction": int(score > 0.5),
                "score": score,
            }
            if columns["error"][i] and i % 3 == 0:  # 0.3 %: the budget is 1 %
                event |= {"error": "timeout"}
            if at >= start and fault.change is not None:
                fault.change(event)
            out.append((at, json.dumps(event).encode()))
    out.sort(key=lambda pair: pair[0])
    return [value for _, value in out], sum(at < FAULT for at, _ in out)


def arrived(pager: Webhook, model: str) -> list[dict[str, Any]]:
    """The alerts about the model, as they first came; pages before tickets. The traffic of all of them ends at last:
    silence is told of the one that stops at the fault.
    """
    ends = {fault.model for fault in FAULTS if fault.change}
    first: dict[str, dict[str, Any]] = {}
    for _, payload in list(pager.notifications):
        for alert in payload["alerts"]:
            about, silent = alert["labels"].get("model"), alert["labels"]["alertname"] in SILENCE
            if alert["status"] == "firing" and about == model and not (silent and model in ends):
                first.setdefault(alert["fingerprint"], alert)
    return sorted(first.values(), key=lambda alert: alert["labels"]["severity"])


def _settled(pager: Webhook, models: set[str], early: dict[str, list[dict[str, Any]]], seconds: float) -> None:
    """Waits until each model has called since ``early`` and nothing more has come for a while."""
    deadline, seen, since = time.monotonic() + seconds, -1, time.monotonic()
    while time.monotonic() < deadline:
        if len(pager.notifications) != seen:
            seen, since = len(pager.notifications), time.monotonic()
        if time.monotonic() - since > SETTLED_SECONDS and all(
            len(arrived(pager, model)) > len(early[model]) for model in models
        ):
            return
        time.sleep(1)


def _silent(pager: Webhook) -> bool:
    stopped = {fault.model for fault in FAULTS if fault.change is None}
    return stopped <= {alert["labels"]["model"] for alert in pager.alerts("firing", "DriftdNoData")}


def _routes(pager: str) -> str:
    """Shortened, but for what lets a page overtake its ticket: tickets wait for longer than pages, as shipped."""
    routes = yaml.safe_load(quick_alertmanager(pager))
    for route in routes["route"]["routes"]:
        if route["receiver"] == "ticket":
            route["group_wait"] = TICKETS_WAIT
    return yaml.safe_dump(routes)


def collect(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Model -> the alerts that arrived."""
    sent, before = events()
    with local_broker() as broker, serving_webhook() as pager:
        topic = broker.create_topic("predictions", 2)
        settings = {
            "kafka": {
                "bootstrap_servers": broker.bootstrap,
                "topics": [topic],
                "group_id": "driftd",
                "start": "earliest",
            },
            "http": {"external_url": "https://driftd.example"},
            "models": [HELPED],
        }
        driftd = DriftdProcess(folder / "driftd", settings, forked=False).start()
        alertmanager = run_alertmanager(folder, _routes(pager.url))
        prometheus = run_prometheus(
            folder, {"driftd": [f"127.0.0.1:{driftd.port}"]}, quick_rules(folder), alertmanager.url
        )
        try:
            driftd.wait_ready(PATIENCE)
            broker.produce(topic, sent[:before])
            driftd.wait_received(before, PATIENCE)
            driftd.wait(lambda: "knows 24 hours" in driftd.get("/model?model=churn")[1], "a reference of a day")
            early = {fault.model: arrived(pager, fault.model) for fault in FAULTS}
            broker.produce(topic, sent[before:])
            driftd.wait_received(len(sent), PATIENCE)
            _settled(pager, {fault.model for fault in FAULTS if fault.change}, early, PATIENCE)
            wait_until(lambda: _silent(pager), "the page about silence", SILENT_SECONDS)
            time.sleep(SETTLED_SECONDS)
            return {
                fault.model: [a for a in arrived(pager, fault.model) if a not in early[fault.model]] for fault in FAULTS
            }
        finally:
            prometheus.stop()
            alertmanager.stop()
            driftd.kill9()


def document(found: dict[str, list[dict[str, Any]]]) -> str:
    lines = HEAD.format(begins=time.strftime("%H:%M", time.gmtime(FAULT))).splitlines()
    for fault in FAULTS:
        lines += ["", f"## {fault.model}: {fault.what}"]
        alerts = found[fault.model]
        if not alerts:
            lines += ["", "**Nothing arrived.**"]
        for alert in alerts:
            labels, notes = alert["labels"], alert["annotations"]
            where = labels.get("feature", "")
            lines += [
                "",
                f"`{labels['alertname']}`, severity {labels['severity']}{f', {where}' if where else ''}",
                "",
                f"> **{notes['summary']}**",
                ">",
                *[f"> {line}" for line in notes["description"].splitlines()],
                *([f"> {notes['help']}"] if notes.get("help") else []),
            ]
            lines += [
                f"> {name.removesuffix('_url')}: {notes[name]}" for name in sorted(notes) if name.endswith("_url")
            ]
    return "\n".join(lines) + "\n"


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m tests.notifications", description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--write", type=Path, metavar="FILE", required=True)
    args = asked.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftd-notifications-") as folder:
        found = collect(Path(folder))
    args.write.write_text(document(found), encoding="utf-8")
    for fault in FAULTS:
        said = [f"{a['labels']['severity']}: {a['annotations']['summary']}" for a in found[fault.model]]
        print(f"{fault.model}: {fault.what}: {said}", flush=True)


if __name__ == "__main__":
    main()
