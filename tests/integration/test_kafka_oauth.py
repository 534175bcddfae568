"""OAUTHBEARER on a real broker that checks signatures, by token file and by client credentials."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from driftd import config
from driftd.core.errors import SourceError, SourceRefused
from driftd.sources.kafka.oauth import ClientCredentials
from driftd.sources.kafka.settings import KafkaSettings
from driftd.sources.kafka.source import KafkaSource, check_topics
from driftd.wiring.kafka import kafka_settings
from tests.bench.events import values
from tests.integration.kafka_helpers import numbers, reading
from tests.integration.test_daemon_bad_days import settings, started
from tests.servers.kafka import REAUTH_SECONDS, Broker
from tests.stage.daemon import DriftdProcess
from tests.stage.tokens import CLIENT, SECRET, Endpoint, signed, token_endpoint

pytestmark = pytest.mark.integration


@pytest.fixture
def endpoint(secure_kafka: Broker) -> Iterator[Endpoint]:
    own = secure_kafka.certificate("ssl.pem"), secure_kafka.certificate("ssl.key")
    with token_endpoint(Endpoint(secure_kafka.certificate("tokens.key")), own) as served:
        yield served


def loaded(folder: Path, broker: Broker, topic: str, **sasl: Any) -> KafkaSettings:
    """From the YAML that a user would write."""
    kafka = {
        "bootstrap_servers": broker.oauth,
        "topics": [topic],
        "group_id": topic,
        "start": "earliest",
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "OAUTHBEARER",
        "ssl_cafile": broker.cafile,
        **{f"sasl_oauthbearer_{name}": value for name, value in sasl.items()},
    }
    (folder / "driftd.yaml").write_text(yaml.safe_dump({"kafka": kafka}))
    return kafka_settings(config.load(folder / "driftd.yaml", {}).settings)


def by_endpoint(folder: Path, broker: Broker, topic: str, endpoint: Endpoint, secret: str = SECRET) -> KafkaSettings:
    file = folder / "client-secret"
    file.write_text(secret + "\n")
    file.chmod(0o600)
    client = {"client_id": CLIENT, "client_secret_file": "client-secret", "cafile": broker.cafile, "scope": "kafka"}
    extensions = {"logicalCluster": "lkc-1", "identityPoolId": "pool-1"}  # as Confluent Cloud wants them
    return loaded(folder, broker, topic, token_endpoint_url=endpoint.url, extensions=extensions, **client)


@pytest.fixture
def closing() -> Iterator[list[KafkaSettings]]:
    """Settings whose threads end with the test."""
    made: list[KafkaSettings] = []
    yield made
    for one in made:
        assert isinstance(one.tokens, ClientCredentials)
        one.tokens.close()


def test_a_token_file_lets_us_in_and_is_read_anew_for_each_login(secure_kafka: Broker, tmp_path: Path) -> None:
    topic, key = secure_kafka.create_topic(), secure_kafka.certificate("tokens.key")
    token = tmp_path / "token"
    token.write_text(signed(key, life_seconds=REAUTH_SECONDS + 2))
    token.chmod(0o644)  # as Kubernetes projects it
    options = loaded(tmp_path, secure_kafka, topic, token_file="token")
    assert not check_topics(options).problems
    with reading(options) as reader:
        secure_kafka.produce(topic, numbers(0, 100))
        reader.read(100)
        before = options.logins.count
        token.write_text(signed(key))
        # sessions that began with the first token have ended by then
        reader.until(lambda: options.logins.count >= before + 4, 60)
        secure_kafka.produce(topic, numbers(100, 200))
        assert Counter(reader.read(200)) == Counter(numbers(0, 200))


def test_client_credentials_let_us_in_with_one_token_for_all_and_sessions_are_renewed_quietly(
    secure_kafka: Broker, tmp_path: Path, endpoint: Endpoint, closing: list[KafkaSettings]
) -> None:
    topic = secure_kafka.create_topic()
    endpoint.life_seconds = 10
    options = by_endpoint(tmp_path, secure_kafka, topic, endpoint)
    closing.append(options)
    assert not check_topics(options, {topic: "findings"}).problems
    with reading(options) as reader:
        secure_kafka.produce(topic, numbers(0, 100))
        reader.read(100)
        assert len(endpoint.given) == 1
        reader.until(lambda: len(endpoint.given) >= 3, 60)
        before = options.logins.count
        reader.until(lambda: options.logins.count >= before + 2, 60)
        secure_kafka.produce(topic, numbers(100, 200))
        assert Counter(reader.read(200)) == Counter(numbers(0, 200))
    assert endpoint.asked[0] == {"grant_type": "client_credentials", "scope": "kafka"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param({"secret": "changed"}, "refuses client 'driftd': invalid_client: .*; check kafka", id="secret"),
        pytest.param({"audience": "other"}, r"SASL OAUTHBEARER: .*; the token must be .*\.audience", id="audience"),
        pytest.param({"fault": (404, b"")}, "answers 404, .*; check .*token_endpoint_url", id="another path"),
        pytest.param({"fault": (302, b""), "headers": {"Location": "/x"}}, "answers 302", id="redirect"),
        pytest.param({"fault": (400, b'{"error": "invalid_scope"}')}, "check .*_scope", id="scope"),
        pytest.param({"fault": (200, b"<html>")}, "its answer has no access_token", id="a page for people"),
    ],
)
def test_a_refusal_is_told_with_cause_and_cure(
    secure_kafka: Broker,
    tmp_path: Path,
    endpoint: Endpoint,
    closing: list[KafkaSettings],
    change: dict[str, Any],
    said: str,
) -> None:
    for name, value in change.items():
        setattr(endpoint, name, value)
    options = by_endpoint(tmp_path, secure_kafka, "t", endpoint)
    closing.append(options)
    with pytest.raises(SourceRefused, match=said) as error:
        KafkaSource(options).poll(0.1)
    assert SECRET not in str(error.value) + repr(options) + repr(options.tokens)


def test_an_endpoint_with_another_authority_is_refused_and_gets_no_secret(
    secure_kafka: Broker, tmp_path: Path, endpoint: Endpoint, closing: list[KafkaSettings]
) -> None:
    by_endpoint(tmp_path, secure_kafka, "t", endpoint)
    client = {"client_id": CLIENT, "client_secret_file": "client-secret"}
    options = loaded(tmp_path, secure_kafka, "t", token_endpoint_url=endpoint.url, **client)
    closing.append(options)
    with pytest.raises(SourceRefused, match=r"certificate not trusted: .*; set kafka\.sasl_oauthbearer_cafile"):
        check_topics(options)
    assert endpoint.asked == []


def test_an_endpoint_that_is_away_is_waited_for_and_one_that_ends_later_disturbs_nobody(
    secure_kafka: Broker, tmp_path: Path, endpoint: Endpoint, closing: list[KafkaSettings]
) -> None:
    topic = secure_kafka.create_topic()
    endpoint.fault, endpoint.life_seconds = (503, b"down"), 6
    options = by_endpoint(tmp_path, secure_kafka, topic, endpoint)
    closing.append(options)
    with reading(options) as reader:
        with pytest.raises(SourceError, match=r"answers 503; attempt 1, next in 1 s") as error:
            reader.round()
        assert not isinstance(error.value, SourceRefused)
        endpoint.fault = None
        secure_kafka.produce(topic, numbers(0, 100))
        while not reader.values:
            with contextlib.suppress(SourceError):  # what it has just been told
                reader.read(100)
        endpoint.fault = (503, b"down")
        # longer than the token lives: connections end, and come back without a restart
        reader.until(lambda: "answers 503" in reader.source.health().last_error, 60)
        reader.until(lambda: not reader.source.health().connected, 60)
        endpoint.fault = None
        secure_kafka.produce(topic, numbers(100, 200))
        assert Counter(reader.read(200, 60)) == Counter(numbers(0, 200))


@pytest.mark.parametrize("members", [False, True], ids=["alone", "members"])
def test_all_that_a_daemon_reads_and_writes_outlives_its_sessions_and_loses_nothing(
    secure_kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], endpoint: Endpoint, members: bool
) -> None:
    topic, letters = secure_kafka.create_topic(partitions=2), secure_kafka.create_topic("letters")
    endpoint.life_seconds = 12
    by_endpoint(tmp_path, secure_kafka, topic, endpoint)
    written = yaml.safe_load((tmp_path / "driftd.yaml").read_text())["kafka"]
    config = settings(secure_kafka, topic)
    config["kafka"] |= written | {"dead_letter_topic": letters, "findings_topic": letters, "session_timeout_seconds": 6}
    if members:
        shared = {"panes_topic": secure_kafka.create_topic("panes")}
        for name in ("plans_topic", "state_topic"):
            shared[name] = secure_kafka.create_topic(name, configs={"cleanup.policy": "compact"})
        config["members"] = {"enabled": True, **shared}
    daemon = started(daemons, tmp_path, config)
    for part in (1, 2, 3):
        secure_kafka.produce(topic, [*values(500), b"poison"])
        daemon.wait_received(501 * part)
        daemon.wait(partial(reached, daemon, "driftd_dead_letters_total", part, outcome="sent"), "the dead letter")
        logins = daemon.value("driftd_logins_total")
        daemon.wait(partial(reached, daemon, "driftd_logins_total", logins + 4), "sessions that are renewed")
    daemon.wait_ready()
    assert daemon.value("driftd_events_received_total") == 1503
    assert daemon.balanced()
    assert len(endpoint.given) >= 2
    assert daemon.terminate() == 0


def reached(daemon: DriftdProcess, metric: str, least: float, **labels: str) -> bool:
    return daemon.value(metric, **labels) >= least
