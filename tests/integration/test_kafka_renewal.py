"""Certificates, keys and passwords that are renewed on disk while driftd runs: the next connection uses them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion

from tests.bench.events import values
from tests.integration.test_daemon_bad_days import settings, started
from tests.servers.kafka import KEY_PASSWORD, PASSWORD, USER, LocalBroker, closing, local_broker
from tests.stage.daemon import DriftdProcess

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def broker() -> Iterator[LocalBroker]:
    """Of these tests alone: what it trusts changes."""
    with local_broker() as own:
        yield own


def lock(key: str, to: Path, password: str) -> None:
    command = ["openssl", "pkey", "-in", key, "-aes256", "-passout", f"pass:{password}", "-out", str(to)]
    subprocess.run(command, check=True, capture_output=True)


def private(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


def watching(
    broker: LocalBroker, folder: Path, daemons: list[DriftdProcess], **kafka: Any
) -> tuple[str, DriftdProcess]:
    """A daemon with a consumer and a producer; one event of the topic and one dead letter have come through."""
    topic, letters = broker.create_topic("renewed"), broker.create_topic("letters")
    config = settings(broker, topic)
    config["kafka"] |= kafka | {"dead_letter_topic": letters}
    daemon = started(daemons, folder, config)
    come_through(broker, daemon, topic, 1)
    return topic, daemon


def come_through(broker: LocalBroker, daemon: DriftdProcess, topic: str, times: int) -> None:
    """Ten events and a record that is none, for the ``times``-th time."""
    broker.produce(topic, [*values(10), json.dumps("poison").encode()])
    daemon.wait_received(11 * times)
    daemon.wait(lambda: daemon.value("driftd_dead_letters_total", outcome="sent") == times, "the dead letter")


def test_a_new_certificate_key_and_authority_are_used_from_the_next_connection_on(
    broker: LocalBroker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    ca, pem, key, password = (tmp_path / name for name in ("ca.pem", "me.pem", "me.key", "key-password"))
    shutil.copy(broker.certificate("mtls.pem"), ca)
    shutil.copy(broker.certificate("client.pem"), pem)
    shutil.copy(broker.certificate("locked.key"), key)
    private(password, KEY_PASSWORD)
    topic, daemon = watching(
        broker, tmp_path, daemons, bootstrap_servers=broker.mtls, security_protocol="SSL", ssl_cafile="ca.pem",
        ssl_certfile="me.pem", ssl_keyfile="me.key", ssl_password_file="key-password",
    )  # fmt: skip

    pem.write_text("half a certif")  # what is broken is told, and what was read before stays in use
    broker.restart()
    come_through(broker, daemon, topic, 2)
    assert "kafka.ssl_certfile" in daemon.log
    assert "what was read before stays in use" in daemon.log

    # The broker gets a certificate of another authority, and trusts another one than before: only new files help.
    broker.stop()
    shutil.copy(broker.certificate("ssl-store.pem"), broker.certificate("mtls-store.pem"))
    kept = Path(broker.certificate("client.pem")).read_bytes()
    shutil.copy(broker.certificate("stranger.pem"), broker.certificate("client.pem"))
    try:
        shutil.copy(broker.certificate("ssl.pem"), ca)
        shutil.copy(broker.certificate("stranger.pem"), pem)
        lock(broker.certificate("stranger.key"), key, "another-password")
        private(password, "another-password\n")
        broker.start()
        come_through(broker, daemon, topic, 3)
    finally:
        Path(broker.certificate("client.pem")).write_bytes(kept)
    assert daemon.value("driftd_events_received_total") == 33
    assert daemon.balanced()
    assert daemon.terminate() == 0


def test_a_new_password_is_used_from_the_next_login_on(
    broker: LocalBroker, tmp_path: Path, daemons: list[DriftdProcess]
) -> None:
    password = tmp_path / "password"
    private(password, PASSWORD)
    topic, daemon = watching(
        broker, tmp_path, daemons, bootstrap_servers=broker.sasl, security_protocol="SASL_PLAINTEXT",
        sasl_mechanism="SCRAM-SHA-256", sasl_username=USER, sasl_password_file="password",
    )  # fmt: skip
    logins = daemon.value("driftd_logins_total")
    with closing(broker.admin()) as admin:
        admin.alter_user_scram_credentials(
            [UserScramCredentialUpsertion(USER, ScramMechanism.SCRAM_SHA_256, "new one")]
        )
    broker.restart()
    refused = "SASL SCRAM-SHA-256 as user 'driftd'"
    daemon.wait(lambda: refused in daemon.log and "check kafka.sasl_username" in daemon.log, "the cause")
    assert refused in daemon.get("/-/ready")[1]
    private(password, "new one")  # it came later than the broker's
    assert daemon.get("/-/reload", "POST")[1].startswith("in force\n"), "no restart is needed for it"
    come_through(broker, daemon, topic, 2)
    assert daemon.value("driftd_logins_total") > logins
    for secret in (PASSWORD, "new one"):
        assert secret not in daemon.log
    assert daemon.terminate() == 0
