"""Secrets of a daemon that logs in, or fails to, reloads, is asked and dies: none is in its log, pages or files."""

from __future__ import annotations

import base64
import signal
import urllib.error
import urllib.request
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from tests.bench.events import values
from tests.integration.test_daemon_bad_days import settings
from tests.servers.kafka import Broker, closing
from tests.stage.daemon import DriftdProcess
from tests.stage.tokens import CLIENT, Endpoint, token_endpoint

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
CANARY = "tweety-9f3c"
PAGES = ("/", "/metrics", "/api/v1/models", "/api/v1/health", "/-/ready", "/-/healthy", "/config", "/nothing")
DEBUG = ("--set", "log.level=debug", "--set", "http.web_config=web.yml")
JSON = ("--set", "log.format=json")


def private(folder: Path, name: str, text: str) -> str:
    file = folder / name
    file.write_text(text)
    file.chmod(0o600)
    return name


def inputs(folder: Path) -> str:
    """web.config, whose user has a canary for a password."""
    hashed = bcrypt.hashpw(CANARY.encode(), bcrypt.gensalt(4)).decode()
    private(folder, "web.yml", f"basic_auth_users: {{me: {hashed}}}")
    return hashed


def asked(daemon: DriftdProcess, path: str, password: str, method: str = "GET") -> str:
    login = base64.b64encode(f"me:{password}".encode()).decode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{daemon.port}{path}?x={CANARY[::-1]}",
        headers={"Authorization": f"Basic {login}"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return f"{answer.headers}{answer.read().decode()}"
    except urllib.error.HTTPError as e:
        return f"{e.headers}{e.read().decode()}"


def leaks(folder: Path, secrets: Iterable[str], given: Iterable[str]) -> list[str]:
    """Files in which one of ``secrets`` stands, plain or in base64, but for those that were ``given``."""
    plain = [s.encode() for s in secrets]
    users = (b"", f"{CLIENT}:".encode())  # as HTTP sends them, alone and behind a user
    needles = [*plain, *(base64.b64encode(user + s)[:-4] for s in plain for user in users)]
    files = [f for f in folder.rglob("*") if f.is_file() and f.relative_to(folder).as_posix() not in {*given}]
    assert len(files) >= 1
    return [f"{f.relative_to(folder)}" for f in files if any(n in f.read_bytes() for n in needles)]


def failing(secure_kafka: Broker, folder: Path, login: str) -> dict[str, Any]:
    """Settings of kafka whose secret is a canary that opens nothing."""
    if login == "password":
        return {
            "bootstrap_servers": secure_kafka.sasl, "security_protocol": "SASL_PLAINTEXT", "sasl_username": "driftd",
            "sasl_mechanism": "SCRAM-SHA-256", "sasl_password_file": private(folder, "secret", CANARY),
        }  # fmt: skip
    if login == "key":
        return {
            "bootstrap_servers": secure_kafka.mtls, "security_protocol": "SSL",
            "ssl_cafile": secure_kafka.certificate("mtls.pem"), "ssl_certfile": secure_kafka.certificate("client.pem"),
            "ssl_keyfile": secure_kafka.certificate("locked.key"), "ssl_password": CANARY,
        }  # fmt: skip
    oauth = {
        "bootstrap_servers": secure_kafka.oauth, "security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER",
        "ssl_cafile": secure_kafka.cafile,
    }  # fmt: skip
    if login == "token":
        return oauth | {"sasl_oauthbearer_token_file": private(folder, "secret", f"{CANARY}.{CANARY}.{CANARY}")}
    return oauth | {"sasl_oauthbearer_client_id": CLIENT, "sasl_oauthbearer_client_secret": CANARY}


@pytest.mark.parametrize(
    ("login", "code", "said"),
    [
        pytest.param("password", 3, "check kafka.sasl_username", id="password"),
        pytest.param("key", 2, "does not open the key", id="password of the key"),
        pytest.param("token", 3, "SASL OAUTHBEARER", id="token"),
        pytest.param("client", 3, "refuses client 'driftd'", id="client secret, which the endpoint echoes"),
    ],
)
def test_a_login_that_fails_shows_no_secret(
    secure_kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess], login: str, code: int, said: str
) -> None:
    inputs(tmp_path)
    with token_endpoint(Endpoint(secure_kafka.certificate("tokens.key"))) as endpoint:
        config = settings(secure_kafka, "t")
        config["kafka"] |= failing(secure_kafka, tmp_path, login)
        if login == "client":
            config["kafka"]["sasl_oauthbearer_token_endpoint_url"] = endpoint.url
        daemon = DriftdProcess(tmp_path, config, options=DEBUG)
        daemons.append(daemon)
        assert daemon.start().exit_code() == code
    assert said in daemon.log
    assert leaks(tmp_path, [CANARY], ["driftd.yaml", "secret", "web.yml"]) == []


def test_a_daemon_that_works_is_asked_reloaded_and_killed_shows_no_secret(
    secure_kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    with closing(secure_kafka.admin()) as admin:
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion("tweety", ScramMechanism.SCRAM_SHA_256, CANARY)]
        )
    hashed, topic, letters = inputs(tmp_path), secure_kafka.create_topic(), secure_kafka.create_topic("letters")
    config = settings(secure_kafka, topic)
    config["kafka"] |= failing(secure_kafka, tmp_path, "password") | {
        "sasl_username": "tweety",
        "dead_letter_topic": letters,
        "findings_topic": letters,
    }
    daemon = DriftdProcess(tmp_path, config, options=(*DEBUG, *JSON))
    daemons.append(daemon)
    daemon.start()
    secure_kafka.produce(topic, [*values(1000), b"poison"])
    daemon.wait(lambda: "driftd_events_received_total 1001" in asked(daemon, "/metrics", CANARY), "events")
    bodies = [asked(daemon, page, password) for page in PAGES for password in (CANARY, f"{CANARY}-wrong")]
    (tmp_path / "driftd.yaml").write_text(f"kafka: {{sasl_password: *{CANARY}}}")
    bodies.append(asked(daemon, "/-/reload", CANARY, "POST"))
    assert "refused" in bodies[-1]
    private(tmp_path, "web.yml", f"basic_auth_users: {{me: {hashed}, you: {CANARY}}}")
    bodies.append(asked(daemon, "/", CANARY))
    daemon.wait(lambda: "stays in use" in daemon.log, "the refusal of web.yml")
    assert daemon.process is not None
    daemon.process.send_signal(signal.SIGABRT)  # the stacks of all threads
    assert daemon.exit_code() != 0
    assert "most recent call first" in daemon.log  # of whichever thread the signal found
    secrets = [CANARY, hashed]
    assert [body for body in bodies if any(s in body for s in secrets)] == []
    assert leaks(tmp_path, secrets, ["driftd.yaml", "secret", "web.yml"]) == []
    assert {"secret", "driftd.yaml", "web.yml"} == {*leaks(tmp_path, secrets, [])}, "they are looked for"
    assert (tmp_path / "state").is_dir()


def test_tokens_are_in_no_log_and_no_file(secure_kafka: Broker, tmp_path: Path, daemons: list[DriftdProcess]) -> None:
    inputs(tmp_path)
    topic = secure_kafka.create_topic()
    with token_endpoint(Endpoint(secure_kafka.certificate("tokens.key"), life_seconds=6, secret=CANARY)) as endpoint:
        config = settings(secure_kafka, topic)
        config["kafka"] |= failing(secure_kafka, tmp_path, "client") | {
            "sasl_oauthbearer_token_endpoint_url": endpoint.url,
            "dead_letter_topic": topic + "-none",
        }
        daemon = DriftdProcess(tmp_path, config, options=DEBUG)
        daemons.append(daemon)
        daemon.start()
        secure_kafka.produce(topic, list(values(100)))
        daemon.wait(lambda: "driftd_events_received_total 100" in asked(daemon, "/metrics", CANARY), "events")
        daemon.wait(lambda: len(endpoint.given) >= 3, "more tokens")
        bodies = [asked(daemon, page, CANARY) for page in PAGES]
        endpoint.fault = (500, CANARY.encode())
        daemon.wait(lambda: "answers 500" in daemon.log, "an endpoint that is away")
        secrets = [CANARY, *(part for token in endpoint.given for part in token.split(".")[1:])]
        assert daemon.terminate() == 0
    assert [body for body in bodies if any(s in body for s in secrets)] == []
    assert leaks(tmp_path, secrets, ["driftd.yaml", "web.yml"]) == []
