"""The daemon as a process on a bad day: brokers go, topics come late, members join, disks break, bytes are hostile."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from driftd.engine.snapshot.coding import decode_checkpoint
from driftd.engine.store import FORMAT, MAGIC, read_file
from driftd.engine.watchdog import STUCK_EXIT_CODE
from tests.bench.events import values
from tests.integration.kafka_helpers import reading
from tests.integration.kafka_helpers import settings as kafka_settings
from tests.servers.kafka import PASSWORD, USER, Broker, LocalBroker
from tests.stage.daemon import DriftdProcess, wait_until
from tests.stage.forked import driftd

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


def settings(broker: Broker, topic: str, member: str = "one", **sections: Any) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": f"group-{topic}",
            "group_instance_id": member,
            "start": "earliest",
            "session_timeout_seconds": 6,
        },
        "learning": {"events": 500},
        "windows": {"window_seconds": 4, "pane_seconds": 1, "out_of_orderness_seconds": 1, "idle_seconds": 2},
        **sections,
    }


def started(
    daemons: list[DriftdProcess], folder: Path, config: dict[str, Any], *, forked: bool = True
) -> DriftdProcess:
    daemon = DriftdProcess(folder, config, forked=forked)
    daemons.append(daemon)
    return daemon.start()


def test_sigterm_drains_saves_commits_and_exits_0(kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]) -> None:
    topic = kafka.create_topic("drain", 2)
    kafka.produce(topic, list(values(2000)))
    daemon = started(daemons, tmp_path, settings(kafka, topic, state={"checkpoint_seconds": 600}))
    daemon.wait_received(2000)
    assert daemon.terminate(15) == 0
    assert "drained" in daemon.log
    saved = decode_checkpoint(read_file(tmp_path / "state" / "checkpoint"))
    assert (saved.received, saved.accepted) == (2000, 2000)
    assert sum(p.next_offset for p in saved.partitions) == 2000
    again = started(daemons, tmp_path, settings(kafka, topic))
    again.wait_ready()
    kafka.produce(topic, list(values(10)))
    again.wait_received(2010)
    assert again.value("driftd_events_received_total") == 2010  # counters go on, nothing was read twice
    assert again.terminate() == 0


def test_reload_takes_a_good_configuration_and_refuses_a_bad_one(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("reload")
    config = settings(kafka, topic)
    daemon = started(daemons, tmp_path, config)
    daemon.wait_ready()
    assert daemon.get("/-/reload", "POST")[0] == 200
    (tmp_path / "driftd.yaml").write_text("windows: {window_second: 5}")
    code, text = daemon.get("/-/reload", "POST")
    assert code == 500
    assert "did you mean 'window_seconds'" in text
    assert "the old configuration keeps running" in text
    assert daemon.value("driftd_config_last_reload_successful") == 0
    assert daemon.get("/-/ready")[0] == 200
    (tmp_path / "driftd.yaml").write_text(
        json.dumps({"windows": config["windows"]})
    )  # cut short, as while it is written
    code, text = daemon.get("/-/reload", "POST")
    assert code == 500
    assert "kafka.bootstrap_servers: not set" in text
    daemon.configure({**config, "alarms": {"false_alarms_per_month": 2}})
    daemon.reload()  # SIGHUP
    daemon.wait(lambda: daemon.value("driftd_config_last_reload_successful") == 1, "the reload to be taken")
    daemon.configure({**config, "limits": {"records_per_second": 1}})
    assert daemon.get("/-/reload", "POST") == (200, "in force\n")
    kafka.produce(topic, list(values(2000)), partition=0)
    daemon.wait_received(2000)
    assert daemon.value("driftd_events_dropped_total", reason="rate_limit") > 1000, "a flood can be met while it lasts"
    daemon.configure({**config, "limits": {"series": 1000}})
    assert daemon.get("/-/reload", "POST") == (200, "in force, but limits: after a restart\n")
    assert daemon.terminate() == 0


def test_a_broker_that_goes_away_for_a_while_loses_nothing_and_readiness_tells(
    own_kafka: LocalBroker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = own_kafka.create_topic("gone", 2)
    own_kafka.produce(topic, list(values(1000)))
    daemon = started(daemons, tmp_path, settings(own_kafka, topic))
    daemon.wait_received(1000)
    own_kafka.kill9()
    daemon.wait(lambda: daemon.get("/-/ready")[0] == 503, "readiness to tell")
    assert daemon.value("driftd_kafka_connected") == 0
    assert daemon.get("/-/healthy")[0] == 200  # restarting driftd would help nobody
    time.sleep(12)  # twice its session in the group
    assert daemon.alive
    own_kafka.start()
    own_kafka.produce(topic, list(values(1500))[1000:])
    daemon.wait_received(1500)
    daemon.wait(lambda: daemon.get("/-/ready")[0] == 200, "readiness to come back")
    assert daemon.value("driftd_events_received_total") == 1500
    assert daemon.balanced()
    assert daemon.terminate() == 0


def test_a_topic_that_does_not_exist_yet_and_a_partition_that_is_added_are_read_from_their_beginning(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = f"later-{tmp_path.name}-{os.getpid()}"
    config = settings(kafka, topic)
    config["kafka"]["start"] = "latest"
    daemon = started(daemons, tmp_path, config)
    wait_until(lambda: "does not exist" in daemon.get("/-/ready")[1], "readiness to name the topic")
    kafka.create_named(topic, 1)
    kafka.produce(topic, list(values(300)))
    daemon.wait_received(300, 90)
    kafka.add_partitions(topic, 2)
    kafka.produce(topic, list(values(200)), partition=1)
    daemon.wait_received(500, 90)
    assert daemon.value("driftd_events_received_total") == 500
    assert daemon.value("driftd_assigned_partitions") == 2
    assert daemon.balanced()


def test_partitions_added_while_a_daemon_restarts_are_read_from_their_beginning(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("grows", 1)
    config = settings(kafka, topic)
    config["kafka"] |= {"start": "latest", "session_timeout_seconds": 60}
    daemon = started(daemons, tmp_path, config)
    daemon.wait_ready()
    kafka.produce(topic, list(values(100)))
    daemon.wait_received(100)
    assert daemon.terminate() == 0
    kafka.add_partitions(topic, 3)
    kafka.produce(topic, list(values(200)), partition=2)
    daemon.start()
    daemon.wait_received(300)
    daemon.wait(lambda: daemon.value("driftd_assigned_partitions") == 3, "all partitions to be ours")
    daemon.wait_ready()
    assert daemon.value("driftd_events_received_total") == 300
    assert f"no member of group 'group-{topic}' reads {topic}/1, {topic}/2; rebalancing" in daemon.log
    assert daemon.balanced()


@pytest.mark.parametrize("start", ["earliest", "latest"])
def test_a_topic_made_anew_while_driftd_is_down_is_read_from_its_beginning(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], start: str
) -> None:
    """It has grown past the old position: without the topic's id in the checkpoint its head would be skipped."""
    topic, later = kafka.create_topic("anew"), f"later-{tmp_path.name}-{os.getpid()}"
    config = settings(kafka, topic)
    config["kafka"] |= {"start": start, "topics": [topic, later], "session_timeout_seconds": 60}
    daemon = started(daemons, tmp_path, config)
    daemon.wait(lambda: daemon.value("driftd_assigned_partitions") == 1, "the partition")
    kafka.produce(topic, list(values(300)))
    daemon.wait_received(300)
    assert daemon.terminate() == 0
    kafka.recreate(topic)
    kafka.produce(topic, list(values(500)))
    kafka.create_named(later)
    kafka.produce(later, list(values(20)))
    daemon.start()
    daemon.wait_received(820)
    daemon.wait(lambda: daemon.value("driftd_rewinds_total") == 1, "the rewind to be counted")
    assert daemon.value("driftd_events_received_total") == 820  # also the topic that did not exist: all of it is new
    assert f"{topic}/0@300: the topic was made anew (its id was " in daemon.log
    assert daemon.balanced()
    assert daemon.terminate() == 0
    daemon.start()
    kafka.produce(topic, list(values(10)))
    daemon.wait_received(830)
    assert daemon.value("driftd_events_received_total") == 830
    assert daemon.value("driftd_rewinds_total") == 0


def test_members_that_join_and_leave_count_every_event_once(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("members", 4)
    events = list(values(6000))
    kafka.produce(topic, events[:2000])
    one = started(daemons, tmp_path / "one", settings(kafka, topic, "one"))
    one.wait_received(2000)
    two = started(daemons, tmp_path / "two", settings(kafka, topic, "two"))
    two.wait(lambda: two.value("driftd_assigned_partitions") == 2, "the second member to get its share")
    one.wait(lambda: one.value("driftd_assigned_partitions") == 2, "the first to give it up")
    kafka.produce(topic, events[2000:4000])
    wait_until(lambda: _together(one, two) >= 4000, "both to read on")
    assert two.terminate() == 0  # a static member says nothing to the group: its partitions wait for the session
    one.wait(lambda: one.value("driftd_assigned_partitions") == 4, "the first to take over")
    kafka.produce(topic, events[4000:])
    one.wait(lambda: one.value("driftd_events_received_total") >= 6000 - _stored(two), "the first to read the rest")
    assert one.value("driftd_events_received_total") + _stored(two) == 6000
    assert one.balanced()


def _together(*daemons: DriftdProcess) -> float:
    return sum(d.value("driftd_events_received_total") for d in daemons)


def _stored(daemon: DriftdProcess) -> int:
    """What the daemon had counted when it stopped."""
    return decode_checkpoint(read_file(daemon.folder / "state" / "checkpoint")).received


def test_a_backlog_beside_empty_partitions_waits_until_they_are_idle_and_nothing_is_lost_or_late(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("lopsided", 4)
    kafka.produce(topic, list(values(60_000)), partition=0)
    config = settings(kafka, topic)
    config["windows"]["idle_seconds"] = 20
    daemon = started(daemons, tmp_path, config)
    daemon.wait(lambda: daemon.value("driftd_held_partitions") == 1, "the partition to be held")
    assert 0 < daemon.value("driftd_events_received_total") < 60_000
    assert f"waits until other partitions catch up: {topic}/0" in daemon.log
    daemon.wait_received(60_000, 120)
    daemon.wait(lambda: daemon.value("driftd_held_partitions") == 0, "nobody to be held")
    assert daemon.value("driftd_events_total", outcome="late") == 0
    assert daemon.balanced()
    assert daemon.terminate() == 0


def test_hostile_input_is_counted_bounded_and_kept_as_dead_letters(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic, letters = kafka.create_topic("hostile"), kafka.create_topic("letters")
    good = list(values(600))

    def event(**fields: Any) -> bytes:
        return json.dumps({"model": "m", "time": 1795413600.0, "features": {"x": 1.0}, **fields}).encode()

    hostile = {
        b'{"model": "m", "features": {"x"': "not_json",
        b"": "empty",
        b'{"model": "m", "features": {"x": NaN}}': "not_finite",
        b'{"model": "m", "prediction": 1e400}': "not_finite",
        b'{"model": "m", "features": {"x": "\xff\xfe"}}': "not_utf8",
        b'{"model":"m","features":{"x":' + b"[" * 10_000 + b"]" * 10_000 + b"}}": "too_deep",
        event(features={"x": "y" * 1_000_000}): "too_large",
        event(time=1795413600000): "bad_time",
        event(model=7): "wrong_type",
        event(features=None): "missing_field",
        b"[1, 2]": "not_an_event",
    }
    harmless = [
        b'{"model": "m", "time": 1795413600.0, "features": {"x": 1, "x": 2}}',  # a key twice: the last wins
        event(model='quo"te\nline\\', features={'a "b"\n': 1.0}),
        event(unknown={"field": [1, {"deep": None}]}),
        event(features={"x": {"deep": 1}}),  # one value refused
    ]
    names = [event(features={f"feature_{i}_{j}": 1.0 for j in range(500)}) for i in range(2000)]  # a million names
    config = settings(kafka, topic, discovery={"max_features": 50, "max_models": 4})
    config["kafka"]["dead_letter_topic"] = letters
    daemon = started(daemons, tmp_path, config)
    kafka.produce(topic, good)
    kafka.produce(topic, [*hostile, *harmless], max_request_size=4 << 20)
    kafka.produce(topic, names)
    total = len(good) + len(names) + len(harmless) + len(hostile) + 1  # the array has two
    daemon.wait_received(total, 120)
    assert daemon.alive
    assert daemon.balanced()
    rejected = {
        labels[0][1]: v
        for (name, labels), v in daemon.metrics().items()
        if name == "driftd_events_rejected_total" and v
    }
    expected: dict[str, int] = {}
    for reason in hostile.values():
        expected[reason] = expected.get(reason, 0) + (2 if reason == "not_an_event" else 1)
    assert rejected == expected
    assert daemon.value("driftd_ignored_features_total", model="m") >= 900_000
    assert daemon.value("driftd_values_refused_total", model="m", feature="x") == 1
    assert daemon.value("driftd_predictions_total", model='quo"te\nline\\') == 1
    daemon.wait(lambda: daemon.value("driftd_dead_letters_total", outcome="sent") >= len(hostile), "dead letters")
    assert daemon.terminate() == 0


@pytest.mark.parametrize(
    ("login", "said"),
    [
        pytest.param("denied", "no permission to see it, or it does not exist (needs DESCRIBE and READ)", id="topic"),
        pytest.param("elsewhere", "the broker's certificate is for another host than '127.0.0.1'", id="wrong host"),
        pytest.param("mtls", "set kafka.ssl_certfile and kafka.ssl_keyfile", id="no certificate"),
    ],
)
def test_what_will_not_pass_by_waiting_ends_run_with_its_cause(
    secure_kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], login: str, said: str
) -> None:
    topic = secure_kafka.create_topic("denied")
    secure_kafka.allow_only("somebody", topic)
    config = settings(secure_kafka, topic)
    if login == "denied":
        (tmp_path / "password").write_text(PASSWORD)
        (tmp_path / "password").chmod(0o600)
        config["kafka"] |= {
            "bootstrap_servers": secure_kafka.sasl, "security_protocol": "SASL_PLAINTEXT", "sasl_username": USER,
            "sasl_mechanism": "SCRAM-SHA-256", "sasl_password_file": "password",
        }  # fmt: skip
    else:
        cafile = secure_kafka.certificate(f"{login}.pem")
        config["kafka"] |= {
            "bootstrap_servers": getattr(secure_kafka, login), "security_protocol": "SSL", "ssl_cafile": cafile,
        }  # fmt: skip
    daemon = started(daemons, tmp_path, config)
    assert daemon.exit_code() == 3
    assert said in daemon.log
    assert "does not exist yet" not in daemon.log


def test_a_record_of_100_mb_is_rejected_unread_in_bounded_memory_and_reading_goes_on(
    own_kafka: LocalBroker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = own_kafka.create_topic("huge", configs={"max.message.bytes": str(200 << 20)})
    letters = own_kafka.create_topic("letters")
    config = settings(own_kafka, topic)
    config["kafka"]["dead_letter_topic"] = letters
    daemon = started(daemons, tmp_path, config, forked=False)
    own_kafka.produce(topic, list(values(300)))
    own_kafka.produce(topic, [bytes(100 << 20)], max_request_size=200 << 20, request_timeout_ms=60_000)
    own_kafka.produce(topic, list(values(200)))
    daemon.wait_received(501)
    daemon.wait(lambda: daemon.value("driftd_dead_letters_total", outcome="sent") == 1, "the dead letter")
    assert daemon.value("driftd_events_rejected_total", reason="too_large") == 1
    assert daemon.balanced()
    assert f"{topic}/0@300: a batch of 104857" in daemon.log
    assert daemon.peak_memory_bytes() < 250 << 20
    with reading(kafka_settings(own_kafka.bootstrap, letters)) as reader:
        assert reader.read(1) == [b""]
        headers = dict((reader.batches[0].headers or [[]])[0])
    assert headers["__driftd.errors.offset"] == b"300"
    assert daemon.terminate() == 0


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(lambda raw: raw[:-10], "bytes where", id="cut short"),
        pytest.param(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), "checksum differs", id="one bit flipped"),
    ],
)
def test_a_damaged_checkpoint_is_kept_aside_and_the_one_before_it_loses_nothing(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], damage: Any, message: str
) -> None:
    topic = kafka.create_topic("corrupt")
    kafka.produce(topic, list(values(400)))
    daemon = started(daemons, tmp_path, settings(kafka, topic))
    checkpoint = tmp_path / "state" / "checkpoint"
    daemon.wait_received(400)
    wait_until(checkpoint.exists, "the first checkpoint")
    assert daemon.terminate() == 0
    bad = damage(checkpoint.read_bytes())
    checkpoint.write_bytes(bad)
    daemon.start()
    daemon.wait_ready()
    kafka.produce(topic, list(values(100)))
    daemon.wait_received(500)
    assert daemon.value("driftd_events_received_total") == 500  # from the positions of the checkpoint before
    assert message in daemon.log
    assert "kept as checkpoint.bad, going on from the checkpoint before it" in daemon.log
    assert (tmp_path / "state" / "checkpoint.bad").read_bytes() == bad


def test_a_checkpoint_of_a_later_driftd_is_refused_and_left_alone(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("later")
    kafka.produce(topic, list(values(100)))
    daemon = started(daemons, tmp_path, settings(kafka, topic))
    daemon.wait_received(100)
    assert daemon.terminate() == 0
    checkpoint = tmp_path / "state" / "checkpoint"
    raw = checkpoint.read_bytes()
    newer = MAGIC + (FORMAT + 1).to_bytes(2, "big") + raw[len(MAGIC) + 2 :]
    checkpoint.write_bytes(newer)
    daemon.start()
    assert daemon.exit_code() == 4
    assert (
        f"written in format {FORMAT + 1}, this driftd reads format {FORMAT}; upgrade driftd, or move it" in daemon.log
    )
    assert checkpoint.read_bytes() == newer


def test_a_full_disk_is_told_and_nothing_is_committed_until_it_has_room(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("full")
    kafka.produce(topic, list(values(400)))
    daemon = started(daemons, tmp_path, settings(kafka, topic))
    daemon.wait_received(400)
    wait_until((tmp_path / "state" / "checkpoint").exists, "the first checkpoint")
    blocker = tmp_path / "state" / "checkpoint.tmp"
    wait_until(lambda: _block(blocker), "the place of the temporary file to be free")
    kafka.produce(topic, list(values(100)))
    daemon.wait_received(500)
    daemon.wait(lambda: daemon.value("driftd_checkpoint_failures_total") > 0, "the failure to be counted")
    assert "monitoring goes on, offsets are not committed" in daemon.log
    daemon.kill9()
    blocker.rmdir()
    daemon.start()
    daemon.wait_received(500)
    assert daemon.value("driftd_events_received_total") == 500
    assert daemon.balanced()


def test_while_the_dead_letter_topic_is_away_models_are_watched_nothing_is_saved_and_no_letter_is_lost(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic, letters = kafka.create_topic("poisoned"), f"letters-of-{time.time_ns()}"
    kafka.produce(topic, [*values(300), *(b"junk %d" % n for n in range(100)), *values(300)], partition=0)
    config = settings(kafka, topic, state={"checkpoint_seconds": 0.5})
    config["kafka"]["dead_letter_topic"] = letters
    daemon = started(daemons, tmp_path, config)
    daemon.wait_received(700)
    daemon.wait(lambda: daemon.value("driftd_checkpoint_failures_total") >= 3, "failures, again and again")
    assert _saved_up_to(tmp_path) <= 300
    status, text = daemon.get("/-/ready")
    assert (status, "100 dead letters wait: it does not exist" in text) == (503, True)
    assert daemon.value("driftd_ready") == 1
    kafka.produce(topic, list(values(50)), partition=0)
    daemon.wait_received(750)
    kafka.create_named(letters)
    daemon.wait(lambda: daemon.value("driftd_dead_letters_total", outcome="sent") == 100, "the letters to be sent")
    daemon.wait_ready()
    wait_until(lambda: _saved_up_to(tmp_path) == 750, "a checkpoint")
    assert daemon.value("driftd_dead_letters_total", outcome="failed") == 0
    assert daemon.balanced()
    assert daemon.terminate() == 0
    with reading(kafka_settings(kafka.bootstrap, letters)) as reader:
        assert set(reader.read(100)) == {b"junk %d" % n for n in range(100)}


def _saved_up_to(folder: Path) -> int:
    """The offset at which the checkpoint goes on; 0 without one."""
    path = folder / "state" / "checkpoint"
    return sum(p.next_offset for p in decode_checkpoint(read_file(path)).partitions) if path.exists() else 0


def test_a_loop_that_stands_still_says_where_ends_with_5_and_loses_nothing(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    """The disk does not answer: writing to a pipe that nobody reads never returns."""
    topic = kafka.create_topic("stuck")
    kafka.produce(topic, list(values(400)))
    daemon = started(daemons, tmp_path, settings(kafka, topic, limits={"stuck_seconds": 10}))
    daemon.wait_received(400)
    wait_until((tmp_path / "state" / "checkpoint").exists, "the first checkpoint")
    pipe = tmp_path / "state" / "checkpoint.tmp"
    wait_until(lambda: _replaced_by_pipe(pipe), "the place of the temporary file to be free")
    kafka.produce(topic, list(values(100)))
    assert daemon.exit_code() == STUCK_EXIT_CODE
    lines = [line for line in daemon.log.splitlines() if "CRITICAL thread " in line]
    (main,) = [line for line in lines if "thread MainThread: " in line]
    assert main.index("futures/_base.py") < main.index("engine/daemon.py"), "innermost first; it waits for the disk"
    assert any("engine/store.py" in line for line in lines), "so does the thread that writes"
    pipe.unlink()
    daemon.start()
    daemon.wait_received(500)
    assert daemon.value("driftd_events_received_total") == 500
    assert daemon.balanced()


def _replaced_by_pipe(path: Path) -> bool:
    try:
        os.mkfifo(path)
    except FileExistsError:
        return False
    return True


def test_sigterm_on_a_full_disk_says_what_is_not_saved_and_exits_4(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("full-stop")
    kafka.produce(topic, list(values(400)))
    blocker = tmp_path / "state" / "checkpoint.tmp"
    blocker.mkdir(parents=True)
    daemon = started(daemons, tmp_path, settings(kafka, topic))
    daemon.wait_received(400)
    assert daemon.terminate() == 4
    assert "stopped without saving: 400 records since the last checkpoint are read again" in daemon.log
    assert "drained" not in daemon.log
    blocker.rmdir()
    daemon.start()
    daemon.wait_received(400)
    assert daemon.terminate() == 0


def test_kill_9_before_the_first_checkpoint_loses_nothing_that_came_after_the_start(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("latest", 2)
    kafka.produce(topic, list(values(300)))
    config = settings(kafka, topic, state={"checkpoint_seconds": 600})
    config["kafka"]["start"] = "latest"
    daemon = started(daemons, tmp_path, config)
    daemon.wait_ready()
    kafka.produce(topic, list(values(1000)))
    daemon.wait_received(1000)
    daemon.kill9()
    daemon.start()
    daemon.wait_received(1000)
    assert daemon.value("driftd_events_received_total") == 1000
    assert daemon.balanced()


def test_a_second_daemon_on_the_same_state_is_refused_and_the_first_goes_on(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("twice")
    first = started(daemons, tmp_path / "a", settings(kafka, topic))
    first.wait_ready()
    state = {"directory": str(tmp_path / "a" / "state")}
    second = started(daemons, tmp_path / "b", settings(kafka, topic, member="two", state=state))
    assert second.exit_code() == 4
    assert "uses this state directory; stop it, or give this one a directory of its own" in second.log
    kafka.produce(topic, list(values(100)))
    first.wait_received(100)
    assert first.terminate() == 0


def test_a_silent_model_leaves_the_pages_comes_back_and_is_forgotten_for_good(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("retired")
    kafka.produce(topic, list(values(600)))
    config = settings(kafka, topic)
    config["windows"]["retire_seconds"] = 5
    daemon = started(daemons, tmp_path, config)
    daemon.wait_received(600)
    daemon.wait(lambda: daemon.value("driftd_retired_models") == 1, "the model to be retired")
    assert 'model="' not in daemon.get("/metrics")[1]
    assert json.loads(daemon.get("/api/v1/models")[1])["models"] == []
    assert "is off all pages (no events for 5 seconds: the model is retired); its state is kept" in daemon.log
    daemon.kill9()
    daemon.start()
    daemon.wait(lambda: daemon.value("driftd_retired_models") == 1, "the model to be retired still")
    kafka.produce(topic, list(values(700))[600:])
    daemon.wait(lambda: daemon.value("driftd_predictions_total", model="flight-delay") == 700, "the model to be back")
    command = ("forget", "flight-delay", "--state-dir", str(tmp_path / "state"))
    refused = driftd(tmp_path, *command)
    assert refused.returncode == 4
    assert "another driftd" in refused.stderr
    assert daemon.terminate() == 0
    assert "700 predictions" in driftd(tmp_path, *command).stdout
    daemon.start()
    daemon.wait_ready()
    assert 'model="' not in daemon.get("/metrics")[1]
    assert daemon.value("driftd_events_received_total") == 700
    assert daemon.balanced()


def _block(path: Path) -> bool:
    """A folder where the temporary file should go: writing fails as on a full disk, also for root."""
    try:
        path.mkdir()
    except FileExistsError:
        return False
    return True
