"""Records that platforms' own code made, through a real broker to a finding."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.bench.events import START
from tests.integration.samples import SAMPLED, Call, Sample
from tests.integration.test_cli_kafka import WINDOWS, driftd
from tests.integration.test_formats import TOPIC, found_in
from tests.servers.kafka import Broker, closing
from tests.stage.daemon import DriftdProcess

pytestmark = pytest.mark.integration

CALLS: Final = 400
A_SECOND: Final = 100
LEARNED: Final = 200
WHOLE: Final = [name for name, sample in SAMPLED.items() if len(sample.topics) == 1]
JOINED: Final = [name for name in SAMPLED if name not in WHOLE]


def calls() -> Iterator[Call]:
    """Amounts are ten times as large in the second half."""
    rng = random.Random(5)
    for i in range(CALLS):
        bump = 10 if i >= CALLS // 2 else 1
        yield Call(i, START + i / A_SECOND, (rng.gauss(100, 20) * bump, rng.gauss(100, 20) * bump))


def sent(kafka: Broker, sample: Sample, name: str) -> list[str]:
    """The topics."""
    prefix = f"{name}-{random.randrange(10**9)}"
    topics = [kafka.create_named(f"{prefix}.{end}".strip("."), 1, TOPIC) for end in sample.topics]
    with closing(kafka.producer()) as producer:
        for call in calls():
            for one in sample.records(call):
                about: dict[str, Any] = {"headers": [*one.headers], "key": one.key, "partition": 0}
                stamp = int(1000 * (call.at + one.after))
                producer.send(topics[one.topic], one.value, timestamp_ms=stamp, **about)
        producer.flush(timeout=60)
    return topics


@pytest.mark.parametrize("name", WHOLE)
def test_a_record_of_a_platforms_own_ends_in_a_finding(kafka: Broker, tmp_path: Path, name: str) -> None:
    sample = SAMPLED[name]
    (topic,) = sent(kafka, sample, name)
    mapping = {"format": name.partition("-")[0], **sample.mapping}
    (tmp_path / "driftd.yaml").write_text(json.dumps({"mapping": mapping}))
    words = ("--bootstrap-servers", kafka.bootstrap, "--topic", topic, "--findings", "found.jsonl", *WINDOWS)
    done = driftd(tmp_path, "replay", "--reference-events", str(LEARNED), *words)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert re.search(rf"accepted {CALLS * sample.rows} \+ rejected 0 \+ late 0 ", done.stderr)
    assert sample.finding in found_in(tmp_path)
    assert {channel for _, channel in found_in(tmp_path)} <= {sample.finding[1], None}


@pytest.mark.parametrize("name", JOINED)
def test_halves_of_a_platforms_own_over_two_topics_end_in_a_finding(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], name: str
) -> None:
    sample = SAMPLED[name]
    topics = sent(kafka, sample, name)
    settings: dict[str, Any] = {
        "kafka": {"bootstrap_servers": kafka.bootstrap, "topics": topics, "group_id": topics[0], "start": "earliest"},
        "mapping": {"format": name.partition("-")[0]},
        "learning": {"events": LEARNED},
        "windows": {"window_seconds": 1, "pane_seconds": 0.25, "min_events": 100, "out_of_orderness_seconds": 1},
    }
    daemon = DriftdProcess(tmp_path, settings)
    daemons.append(daemon)
    daemon.start()
    daemon.wait_received(CALLS * sample.rows)

    def told() -> bool:
        return sample.finding in {(f["model"], f["feature"]) for f in daemon.findings().values()}

    daemon.wait(told, "a finding")
    assert daemon.value("driftd_events_total", outcome="accepted") == CALLS * sample.rows
    assert daemon.balanced()
