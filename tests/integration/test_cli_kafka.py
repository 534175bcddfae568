"""The commands that read a topic, each as a process of its own: check, replay, reference; and replay of a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench.events import RATE, START, values
from tests.servers.kafka import Broker
from tests.stage.forked import driftd

pytestmark = pytest.mark.integration

EVENTS: Final = 3000
MODEL: Final = "flight-delay"
WINDOWS: Final = (
    *("--set", "windows.window_seconds=1", "--set", "windows.pane_seconds=0.25"),
    *("--set", "windows.min_events=100"),
)
KEYS: Final = frozenset({
    *("id", "model", "feature", "segment", "detector", "status", "statistic", "threshold", "effect", "noise"),
    *("ratio", "events", "window_start", "window_end", "since", "because"),
})  # fmt: skip


def drifting() -> list[bytes]:
    """Flights that in the second half all go a thousand miles further."""
    events: list[dict[str, Any]] = [json.loads(value) for value in values(EVENTS, MODEL)]
    for event in events[EVENTS // 2 :]:
        event["features"]["distance"] += 1000
    return [json.dumps(event).encode() for event in events]


@pytest.fixture(scope="module")
def topic(kafka: Broker) -> str:
    # The records are as old as their events, whatever the clock says: neither too new to take nor too old to keep.
    configs = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
    name = kafka.create_topic("cli", configs=configs)
    kafka.produce(name, drifting(), timestamp_ms=int(1000 * (START + EVENTS / RATE)))
    return name


def replay(folder: Path, findings: str, *words: str) -> list[dict[str, Any]]:
    """The findings of a replay that accounts for all events."""
    done = driftd(folder, "replay", "--reference-events", "500", "--findings", findings, *WINDOWS, *words)
    assert done.returncode == 0, done.stderr
    account = f"read {EVENTS} = accepted {EVENTS} + rejected 0 + late 0 + dropped 0"
    assert done.stderr.splitlines()[-1] == account
    return [json.loads(line) for line in (folder / findings).read_text().splitlines()]


def test_check_names_a_topic_that_can_be_read(kafka: Broker, topic: str, tmp_path: Path) -> None:
    done = driftd(tmp_path, "check", "--bootstrap-servers", kafka.bootstrap, "--topic", topic)
    assert done.returncode == 0, done.stderr
    assert re.search(rf"{topic}\s+1\s+readable", done.stdout)
    assert "No problems found." in done.stdout


def test_check_of_a_missing_topic_exits_3_and_says_why(kafka: Broker, tmp_path: Path) -> None:
    done = driftd(tmp_path, "check", "--bootstrap-servers", kafka.bootstrap, "--topic", "nobody-made-this")
    assert done.returncode == 3
    assert re.search(r"nobody-made-this.*does not exist", done.stdout)
    assert "1 problem found." in done.stdout


def test_check_tells_of_topics_that_cannot_be_written_and_of_a_state_that_cannot_be_saved(
    kafka: Broker, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    letters = kafka.create_topic("letters")
    broker = ("--bootstrap-servers", kafka.bootstrap, "--topic", topic)
    good = ("--set", f"kafka.dead_letter_topic={letters}", "--state-dir", "state", "--set", "findings.path=f/f.jsonl")
    done = driftd(tmp_path, "check", *broker, *good)
    assert done.returncode == 0, done.stdout
    assert re.search(rf"{letters}\s+1\s+writable \(dead-letter\)", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["file"], "check leaves nothing behind"
    no_state = driftd(tmp_path, "check", *broker, "--state-dir", "file/state", "--output", "json")
    assert no_state.returncode == 4
    (problem,) = json.loads(no_state.stdout)["problems"]
    assert "state.directory: " in problem
    assert "file: Not a directory; nothing could be saved" in problem
    no_topic = driftd(tmp_path, "check", *broker, "--set", "kafka.findings_topic=nobody-made-this")
    assert no_topic.returncode == 3
    assert re.search(r"nobody-made-this\s+0\s+does not exist; create it", no_topic.stdout)
    assert "1 problem found." in no_topic.stdout


def test_a_topic_replayed_twice_gives_the_same_bytes(kafka: Broker, topic: str, tmp_path: Path) -> None:
    source = ("--topic", topic, "--bootstrap-servers", kafka.bootstrap)
    found = replay(tmp_path, "first.jsonl", *source)
    replay(tmp_path, "again.jsonl", *source)
    assert ("distance", "WARNING") in {(finding["feature"], finding["status"]) for finding in found}
    assert (tmp_path / "first.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_two_configurations_read_a_topic_once(kafka: Broker, topic: str, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("alarms: {false_alarms_per_month: 10}\n")
    source = ("--topic", topic, "--bootstrap-servers", kafka.bootstrap, "--reference-events", "500", *WINDOWS)
    done = driftd(tmp_path, "replay", *source, "--compare", "other.yaml", "--output", "json")
    assert done.returncode == 0, done.stderr
    both = json.loads(done.stdout)
    assert [c["name"] for c in both["configurations"]] == ["no file", "other.yaml"]
    assert [c["accepted"] for c in both["configurations"]] == [EVENTS, EVENTS]
    assert all("distance" in {t["channel"] for t in c["tickets"]} for c in both["configurations"])
    assert "alarms.false_alarms_per_month" in {s["setting"] for s in both["settings"]}


def test_a_reference_built_from_a_topic_is_listed(kafka: Broker, topic: str, tmp_path: Path) -> None:
    state = ("--state-dir", "state", "--output", "json")
    source = ("--topic", topic, "--bootstrap-servers", kafka.bootstrap)
    built = driftd(tmp_path, "reference", "build", MODEL, "--first", "500", "--reason", "a test", *source, *state)
    assert built.returncode == 0, built.stderr
    listed = driftd(tmp_path, "reference", "list", *state)
    assert listed.returncode == 0, listed.stderr
    (reference,) = json.loads(listed.stdout)
    (seen,) = json.loads(built.stdout)
    assert {key: seen[key] for key in reference} == reference
    assert seen["proposed_kind"] == "fixed"
    assert reference["model"] == MODEL
    assert reference["version"] == 1
    assert reference["events"] == 500
    assert reference["source"] == topic
    assert reference["reason"] == "a test"


def test_a_batch_too_large_to_be_fetched_is_counted_and_told_and_the_rest_is_read(
    kafka: Broker, tmp_path: Path
) -> None:
    configs = {"message.timestamp.after.max.ms": str(2**63 - 1), "retention.ms": "-1"}
    holed = kafka.create_topic("holed", configs=configs | {"max.message.bytes": str(64 << 20)})
    events, when = drifting(), int(1000 * (START + EVENTS / RATE))
    kafka.produce(holed, events[:1000], timestamp_ms=when)
    kafka.produce(holed, [b"x" * (40 << 20)], timestamp_ms=when, max_request_size=64 << 20, batch_size=64 << 20)
    kafka.produce(holed, events[1000:], timestamp_ms=when)
    source = ("--topic", holed, "--bootstrap-servers", kafka.bootstrap)
    done = driftd(tmp_path, "replay", "--reference-events", "500", *WINDOWS, *source)
    assert done.returncode == 0, done.stderr
    account = f"read {EVENTS + 1} = accepted {EVENTS} + rejected 1 (too_large 1) + late 0 + dropped 0"
    assert done.stderr.splitlines()[-1] == account
    told = rf"{holed}/0@1000: offsets 1000 to 1000: a batch of 4194\d\d\d\d bytes, at most \d+ are fetched; rejected"
    assert re.search(told, done.stderr + done.stdout), done.stderr
    built = driftd(tmp_path, "reference", "build", MODEL, *source, "--state-dir", "state", "--output", "json")
    assert built.returncode == 0, built.stderr
    assert json.loads(built.stdout)[0]["events"] == EVENTS
    assert "read 3001 = accepted 3000 + rejected 1 (too_large 1)" in built.stderr


def test_a_file_is_told_window_by_window_with_every_key_of_the_interface(tmp_path: Path) -> None:
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(drifting()))
    found = replay(tmp_path, "findings.jsonl", "--events", "events.jsonl", "--every-window")
    assert all(finding.keys() >= KEYS for finding in found)
    assert {finding["model"] for finding in found} == {MODEL}
    assert {finding["feature"] for finding in found} >= {None, "distance", "carrier", "prediction", "score"}
    assert {"OK", "WARNING"} <= {finding["status"] for finding in found if finding["feature"] == "distance"}
    assert all(START <= finding["window_start"] < finding["window_end"] <= START + EVENTS / RATE for finding in found)
