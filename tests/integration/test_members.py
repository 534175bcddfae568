"""Members of a group that share models say what one process says: a real broker, real processes, kill -9."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time
import uuid
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition

from driftd.cli import cli
from tests.servers import find_free_port
from tests.servers.kafka import Broker, LocalBroker, closing
from tests.stage.daemon import DriftdProcess, wait_until
from tests.unit.judge.natural.stage import HOUR, MONDAY, NAMES, traffic

pytestmark = [pytest.mark.integration, pytest.mark.timeout(400)]

BEGIN = MONDAY + 9 * HOUR
HOURS = 14
FAULT = 12
PARTITIONS = 4
MODELS = 2
SESSION_SECONDS = 6
KEPT = {"panes": {}, "plans": {"cleanup.policy": "compact"}, "state": {"cleanup.policy": "compact"}}
NEVER_REACHED = 1e6
"""With a limit records come packed, what members say to each other, too."""


def events() -> list[list[bytes]]:
    """Of each partition. Two hours before the end one feature has no value and another is a hundredfold. The last event
    is in all partitions, so that the end does not depend on which falls silent first.
    """
    rows = []
    for number in range(MODELS):
        columns = traffic(np.random.default_rng(11 + number), BEGIN, BEGIN + HOURS * HOUR)
        for i, moment in enumerate(columns["time"].tolist()):
            features = {name: columns[name][i] for name in NAMES}
            if moment > BEGIN + FAULT * HOUR:
                features |= {"age": None, "amount": features["amount"] * 100}
            score = float(columns["score"][i])
            event = {"model": f"m{number}", "time": moment, "features": features, "prediction": int(score > 0.5)}
            rows.append({**event, "score": score})
    rows.sort(key=lambda event: event["time"])
    where = np.random.default_rng(3).integers(0, PARTITIONS, len(rows)).tolist()
    last = {**rows[-1], "time": rows[-1]["time"] + 600.0}
    return [
        [json.dumps(event).encode() for event, at in zip(rows, where, strict=True) if at == k]
        + [json.dumps(last).encode()]
        for k in range(PARTITIONS)
    ]


def produce(broker: Broker, topic: str, parts: list[list[bytes]], pause: float) -> None:
    with broker.producer(linger_ms=5) as producer:
        for begin in range(0, max(map(len, parts)), 150):
            for number, part in enumerate(parts):
                for event in part[begin : begin + 150]:
                    producer.send(topic, event, partition=number)
            producer.flush(timeout=60)
            time.sleep(pause)


def settings(broker: Broker, topic: str, name: str, members: dict[str, Any]) -> dict[str, Any]:
    return {
        "kafka": {
            "bootstrap_servers": broker.bootstrap,
            "topics": [topic],
            "group_id": f"{topic}-{'group' if members else name}",
            "group_instance_id": name,
            "start": "earliest",
            "session_timeout_seconds": SESSION_SECONDS,
        },
        "learning": {"events": 1000},
        "limits": {"records_per_second": NEVER_REACHED} if members else {},
        "state": {"checkpoint_seconds": 2},
        "members": members,
    }


def test_three_members_some_of_them_killed_and_one_asleep_find_what_one_process_finds(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], rng: np.random.Generator
) -> None:
    parts = events()
    total = sum(map(len, parts))
    topic = kafka.create_topic("shared", PARTITIONS)
    topics = {"panes_topic": ("panes", 3), "plans_topic": ("plans", 1), "state_topic": ("state", 2)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    producer = threading.Thread(target=produce, args=(kafka, topic, parts, 0.4))
    producer.start()
    group = [
        DriftdProcess(tmp_path / name, settings(kafka, topic, name, {"enabled": True, **shared}))
        for name in ("a", "b", "c")
    ]
    daemons += group
    for member in group:
        member.start()
    for _ in range(3):
        time.sleep(float(rng.uniform(1.0, 3.0)))
        victim = group[int(rng.integers(len(group)))]
        victim.kill9()
        victim.start()
    asleep = group[int(rng.integers(len(group)))]
    assert asleep.process is not None
    asleep.process.send_signal(signal.SIGSTOP)  # until others have its partitions; then it goes on where it was
    time.sleep(SESSION_SECONDS + 3)
    asleep.process.send_signal(signal.SIGCONT)
    producer.join()
    alone = DriftdProcess(tmp_path / "alone", settings(kafka, topic, "alone", {}))
    daemons.append(alone)
    alone.start()
    alone.wait_received(total)
    assert alone.terminate() == 0
    expected = alone.findings()
    assert {"missing", "unit"} <= {f["kind"] for f in expected.values() if f["severity"] == "page"}

    def told() -> dict[str, dict[str, Any]]:
        return {key: finding for member in group for key, finding in member.findings().items()}

    wait_until(lambda: told().keys() >= expected.keys(), "what one process found", 150)
    wait_until(lambda: sum(m.value("driftd_events_received_total") for m in group) == total, "all events, once")
    assert told() == expected
    assert [member.terminate() for member in group] == [0, 0, 0]


def test_a_broker_that_goes_away_ends_no_member(
    own_kafka: LocalBroker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    parts = events()
    total = sum(map(len, parts))
    topic = own_kafka.create_topic("shared", PARTITIONS)
    topics = {"panes_topic": ("panes", 2), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: own_kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    group = [
        DriftdProcess(tmp_path / name, settings(own_kafka, topic, name, {"enabled": True, **shared}))
        for name in ("a", "b")
    ]
    daemons += group
    for member in group:
        member.start()
    for member in group:
        member.wait_ready()
    produce(own_kafka, topic, [part[:600] for part in parts], 0.0)
    own_kafka.kill9()
    time.sleep(SESSION_SECONDS + 2)
    assert all(member.alive for member in group)
    own_kafka.start()
    produce(own_kafka, topic, [part[600:] for part in parts], 0.0)
    wait_until(lambda: sum(m.value("driftd_events_received_total") for m in group) == total, "all events, once", 120)
    kinds = {"missing", "unit"}
    wait_until(lambda: kinds <= {f["kind"] for m in group for f in m.findings().values()}, "both faults", 120)
    assert [member.terminate() for member in group] == [0, 0]


def test_members_of_one_host_are_started_again_and_stop_together(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("shared", 2)
    topics = {"panes_topic": ("panes", 2), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    port = next(port for _ in range(100) if is_free((port := find_free_port()) + 1))
    both = DriftdProcess(tmp_path / "host", settings(kafka, topic, "host", shared), port, ("--members", "2"))
    second = DriftdProcess(tmp_path / "second", {}, port + 1)  # only to ask it
    daemons.append(both)
    both.start()
    assert both.process is not None
    parent = both.process.pid
    wait_until(lambda: both.get("/-/ready")[0] == second.get("/-/ready")[0] == 200, "two members that are ready")
    victim = children(parent)[1]
    os.kill(victim, signal.SIGKILL)
    again = wait_until(lambda: (len(now := children(parent)) == 2 and victim not in now and now) or None, "two members")
    wait_until(lambda: both.get("/-/ready")[0] == second.get("/-/ready")[0] == 200, "two members that are ready")
    assert both.terminate() == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in again)


def test_a_member_that_stops_hands_its_partitions_over_at_once_and_every_event_is_shown_by_one_member(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("shared", 1)
    topics = {"panes_topic": ("panes", 3), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    sent = sorted((event for part in events() for event in part[:200]), key=lambda event: json.loads(event)["time"])
    kafka.produce(topic, sent)
    group = []
    for name in ("a", "b"):
        wanted = settings(kafka, topic, name, {"enabled": True, **shared})
        wanted["kafka"]["session_timeout_seconds"] = 240  # longer than this test may take
        group.append(DriftdProcess(tmp_path / name, wanted))
    daemons += group

    def assigned(member: DriftdProcess) -> int:
        return int(member.value("driftd_assigned_partitions"))

    def shown(*members: DriftdProcess) -> float:
        return sum(m.value("driftd_predictions_total", model=f"m{n}") for m in members for n in range(MODELS))

    def shared_out() -> bool:
        return sum(map(assigned, group)) == 4 and all(map(assigned, group)) and shown(*group) == len(sent)

    group[0].start()
    wait_until(lambda: shown(group[0]) == len(sent), "events are counted")
    group[1].start()
    wait_until(shared_out, "each has some partitions, and each event is shown once")
    goes, stays = group
    assert goes.terminate() == 0
    wait_until(lambda: assigned(stays) == 4, "all partitions are with the one that stayed")
    wait_until(lambda: stays.value("driftd_group_members") == 1, "the group knows")
    goes.start()
    wait_until(shared_out, "each has some partitions again, and each event is shown once")


def test_groups_that_use_the_same_topics_leave_each_other_alone_and_other_partitions_are_refused(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    """Two teams, models of the same names, the topics of the default: one of them has the fault. Then a member begins
    with a panes topic of another number of partitions.
    """
    parts = events()
    total = sum(map(len, parts))
    topics = {"panes_topic": ("panes", 2), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    faulty, healthy = kafka.create_topic("faulty", PARTITIONS), kafka.create_topic("healthy", PARTITIONS)
    produce(kafka, faulty, parts, 0.0)
    fault = BEGIN + FAULT * HOUR
    produce(
        kafka, healthy, [[e for e in part[:-1] if json.loads(e)["time"] < fault] + [part[-1]] for part in parts], 0.0
    )
    teams = []
    for topic in (faulty, healthy):
        wanted = settings(kafka, topic, "a", {"enabled": True, **shared})
        teams.append(DriftdProcess(tmp_path / topic, wanted))
    alone = DriftdProcess(tmp_path / "alone", settings(kafka, faulty, "alone", {}))
    daemons += [*teams, alone]
    for one in (*teams, alone):
        one.start()
    teams[0].wait_received(total)
    alone.wait_received(total)
    assert alone.terminate() == 0
    wait_until(lambda: teams[0].findings() == alone.findings(), "the findings of one process")
    assert not [f for f in teams[1].findings().values() if f["severity"] == "page"]
    assert "uses topic" in teams[1].log
    assert all(team.terminate() == 0 for team in teams)
    other = settings(kafka, faulty, "a", {"enabled": True, **shared, "panes_topic": kafka.create_topic("panes", 5)})
    moved = DriftdProcess(tmp_path / "moved", other)
    daemons.append(moved)
    moved.start()
    assert moved.exit_code() == 4
    assert "models would have other owners" in moved.log


def test_a_member_whose_panes_have_another_length_than_those_of_its_group_does_not_begin(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    """The numbers of panes would mean other times: with longer panes the next one is due in decades."""
    topic = kafka.create_topic("shared", 2)
    topics = {"panes_topic": ("panes", 2), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    kafka.produce(topic, [event for part in events() for event in part[:50]])
    wanted = settings(kafka, topic, "a", {"enabled": True, **shared}) | {"windows": {"pane_seconds": 5}}
    member = DriftdProcess(tmp_path / "a", wanted)
    longer = {**settings(kafka, topic, "b", {"enabled": True, **shared}), "windows": {"pane_seconds": 10}}
    other = DriftdProcess(tmp_path / "b", longer)
    daemons += [member, other]
    member.start()
    member.wait_received(50 * PARTITIONS)
    other.start()
    assert other.exit_code() == 4
    assert "windows.pane_seconds is 10 here, and 5 in what group" in other.log
    assert member.terminate() == 0
    member.configure(wanted | {"windows": {"pane_seconds": 10}})
    member.start()
    assert member.exit_code() == 4
    member.configure(wanted)
    member.start()
    member.wait_received(50 * PARTITIONS)
    assert member.terminate() == 0


def test_topics_that_are_missing_are_named_with_what_creates_them_and_a_reload_is_refused_in_words(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic, panes, rest = kafka.create_topic("shared", 1), kafka.create_topic("panes", 2), uuid.uuid4().hex[:8]
    plans, state = f"plans-{rest}", f"state-{rest}"
    shared = {"panes_topic": panes, "plans_topic": plans, "state_topic": state}
    member = DriftdProcess(tmp_path / "a", settings(kafka, topic, "a", {"enabled": True, **shared}))
    daemons.append(member)
    member.start()

    def names(name: str) -> bool:
        status, text = member.get("/-/ready")
        return status == 503 and f"topic '{name}' does not exist" in text and f"--create --topic {name} " in text

    member.wait(lambda: names(plans) and names(state), "both topics")
    kafka.create_named(plans)  # as brokers do it unless they are told
    kafka.create_named(state, configs=KEPT["state"])
    member.wait(
        lambda: f"--entity-name {plans} --add-config cleanup.policy=compact" in member.get("/-/ready")[1], "plans"
    )
    assert f"'{state}'" not in member.get("/-/ready")[1]
    checked = CliRunner().invoke(cli, ["check", "--config", str(member.folder / "driftd.yaml")])
    assert f"{plans} 1 cleanup.policy is delete; driftd needs compact" in " ".join(checked.stdout.split())
    assert "cleanup.policy is delete; driftd needs compact" in member.log
    kafka.configure_topic(plans, KEPT["plans"])
    member.wait_ready()
    assert member.value("driftd_ready") == 1
    asked = member.get("/-/reload", "POST")
    assert asked[0] == 500
    assert "members of a group take a new configuration with a restart, one after the other" in asked[1]
    assert member.value("driftd_config_last_reload_successful") == 0
    member.reload()
    member.wait(
        lambda: member.log.count("configuration refused, the old one keeps running") == 2, "SIGHUP says so, too"
    )
    assert member.terminate() == 0


def test_what_one_member_is_asked_is_done_by_the_one_that_judges_the_model(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    topic = kafka.create_topic("shared", 1)
    topics = {"panes_topic": ("panes", 6), "plans_topic": ("plans", 1), "state_topic": ("state", 1)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    names = [f"m{number}" for number in range(6)]
    event = '{"model": "%s", "time": %f, "features": {"x": 1.5}}'
    kafka.produce(topic, [(event % (name, BEGIN + second)).encode() for second in range(20) for name in names])
    group = [
        DriftdProcess(tmp_path / name, settings(kafka, topic, name, {"enabled": True, **shared})) for name in ("a", "b")
    ]
    daemons += group
    for member in group:
        member.start()

    def judged(member: DriftdProcess) -> set[str]:
        return {model["model"] for model in json.loads(member.get("/api/v1/models")[1])["models"]}

    def shared_out() -> bool:
        first, second = map(judged, group)
        return bool(first and second) and not first & second and first | second == set(names)

    wait_until(shared_out, "each judges some models", 120)

    def told(member: DriftdProcess, *words: str) -> str:
        url = f"http://127.0.0.1:{member.port}"
        return CliRunner().invoke(cli, [*words, "--url", url], catch_exceptions=False, standalone_mode=False).output

    def acts(member: DriftdProcess) -> list[tuple[str, str]]:
        done = json.loads(member.get("/api/v1/acts")[1])["acts"]
        return sorted((act["deed"], act["model"]) for act in done)

    def asked(member: DriftdProcess, model: str) -> tuple[int, dict[str, Any]]:
        status, body = member.get("/api/v1/act", "POST", f"do=cancel&about=00&model={model}".encode())
        return status, json.loads(body)

    def all_know() -> bool:
        """Each names the other, of its models."""
        return all(
            (found := asked(member, model))[0] == 409 and found[1]["members"] == [f"http://127.0.0.1:{other.port}"]
            for member, other in (group, group[::-1])
            for model in judged(other)
        )

    wait_until(lambda: shared_out() and all_know(), "each knows where to ask")
    for model in names:  # of each of them one member is asked that does not judge it
        stranger = next(member for member in group if model not in judged(member))
        said = told(stranger, "maintenance", model, "--to", "+1h", "--because", "release")
        assert said.startswith(f"{model}: nothing rings")
    wait_until(lambda: all(acts(m) == [("maintenance", name) for name in sorted(judged(m))] for m in group), "one each")
    assert len(told(group[0], "maintenance", "--all", "--to", "+3h", "--because", "all").splitlines()) == len(names)
    assert [len(acts(member)) for member in group] == [2 * len(judged(member)) for member in group]
    model = min(judged(group[1]))
    form = {
        "do": "maintenance",
        "model": model,
        "to": "+5h",
        "because": "typed & sent",
        "back": f"/model?model={model}",
    }
    status, page = group[0].get("/act", "POST", urlencode(form).encode())
    assert status == 409
    (link,) = re.findall(rf'href="http://127.0.0.1:{group[1].port}(/asked[^"]*)"', page)
    shown = group[1].get(unescape(link))[1].partition('action="/act">')[2].partition("Do it")[0]
    typed = {name: unescape(value) for name, value in re.findall(r'name="([^"]*)" value="([^"]*)"', shown)}
    assert typed == form
    group[1].get("/act", "POST", urlencode(typed).encode())
    assert len(acts(group[1])) == 2 * len(judged(group[1])) + 1
    goes, stays = group
    assert goes.terminate() == 0
    wait_until(lambda: judged(stays) == set(names), "one judges all", 120)
    assert len(acts(stays)) == 2 * len(names) + 1, "acts move with the model"
    goes.start()
    wait_until(lambda: shared_out() and all_know(), "who comes later knows where to ask", 120)


def test_a_model_that_any_member_is_asked_to_forget_is_gone_from_all_of_them_and_from_their_topics(
    kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    """Also over kill -9 of all. The word ``atlantis`` is in the reference and in the plan of the model alone."""
    topic = kafka.create_topic("shared", 2)
    topics = {"panes_topic": ("panes", 6), "plans_topic": ("plans", 2), "state_topic": ("state", 2)}
    shared = {name: kafka.create_topic(prefix, count, KEPT[prefix]) for name, (prefix, count) in topics.items()}
    names = ["gone", *(f"m{number}" for number in range(5))]

    def send(begin: float, count: int, models: list[str]) -> None:
        for partition in range(2):
            moments = [(begin + 2 * i + partition, i) for i in range(count // 2)]
            kafka.produce(topic, [event(name, *at) for at in moments for name in models], partition=partition)

    def event(model: str, when: float, number: int) -> bytes:
        places = ("atlantis", "utopia") if model == "gone" else ("here", "there")
        features = {"place": places[number % 2], "x": number % 17}
        return json.dumps({"model": model, "time": when, "features": features}).encode()

    group = [
        DriftdProcess(tmp_path / name, settings(kafka, topic, name, {"enabled": True, **shared}))
        for name in ("a", "b", "c")
    ]
    daemons += group
    for member in group:
        member.start()

    def judged(member: DriftdProcess) -> set[str]:
        return {model["model"] for model in json.loads(member.get("/api/v1/models")[1])["models"]}

    def counted(model: str) -> float:
        return sum(member.value("driftd_predictions_total", model=model) for member in group)

    def lies_in(topic: str) -> bool:
        """Whether the word will stay there when it is compacted."""
        return any(b"atlantis" in value for value in compacted(kafka, topic).values())

    send(BEGIN, 3_000, names)
    wait_until(lambda: all(counted(name) == 3_000 for name in names), "all events", 120)
    wait_until(lambda: lies_in(shared["plans_topic"]) and lies_in(shared["state_topic"]), "a plan and a checkpoint", 60)
    wait_until(lambda: sum(map(len, map(judged, group))) == len(names), "each is judged by one")
    stranger = next(member for member in group if "gone" not in judged(member))
    url = f"http://127.0.0.1:{stranger.port}"
    words = ["forget", "gone", "--because", "retired", "--url", url]
    said = CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False).output
    assert said.startswith("gone: forgotten by all members, with its reference of ")
    wait_until(lambda: not any("gone" in judged(m) or 'model="gone"' in m.get("/metrics")[1] for m in group), "gone")
    wait_until(lambda: not lies_in(shared["plans_topic"]) and not lies_in(shared["state_topic"]), "nothing is left", 60)
    for member in group:
        member.kill9()
    for member in group:
        member.start()
    send(BEGIN + 4_000, 1_000, ["gone", "m1"])
    wait_until(lambda: counted("m1") == 4_000, "the others go on", 120)
    wait_until(lambda: counted("gone") == 1_000, "it begins anew")
    assert sum(m.value("driftd_events_received_total") for m in group) == 3_000 * len(names) + 2_000
    assert [member.terminate() for member in group] == [0, 0, 0]


def compacted(broker: Broker, topic: str) -> dict[tuple[int, bytes], bytes]:
    """The last value of each key, where it is not deleted."""
    found: dict[tuple[int, bytes], bytes] = {}
    with closing(KafkaConsumer(bootstrap_servers=broker.bootstrap)) as consumer:
        partitions = [TopicPartition(topic, p) for p in sorted(consumer.partitions_for_topic(topic))]
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        ends = consumer.end_offsets(partitions)
        while any(consumer.position(p) < ends[p] for p in partitions):
            for records in consumer.poll(timeout_ms=500).values():
                for record in records:
                    found[record.partition, record.key] = record.value or b""
    return found


def children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_free(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) != 0
