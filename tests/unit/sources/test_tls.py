"""What an alert or OpenSSL's reason means, and which setting helps; real ones are in tests/integration."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from driftd.sources.kafka import tls


def ours(certfile: str | None) -> tls.ClientTls:
    return tls.ClientTls(None, certfile, None, None, None)


def failed(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, "as OpenSSL says it")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("code", "told"),
    [
        pytest.param(62, "for another host than 'kafka-1'; give kafka.bootstrap_servers a name", id="name"),
        pytest.param(64, "for another host than 'kafka-1'", id="address"),
        pytest.param(10, "has expired; renew it on the broker", id="expired"),
        pytest.param(9, "not valid yet; set this machine's clock", id="a clock is wrong"),
        pytest.param(19, "not trusted: why; set kafka.ssl_cafile", id="self-signed in its chain"),
    ],
)
def test_a_certificate_of_a_broker(code: int, told: str) -> None:
    error = ssl.SSLCertVerificationError(1, "as OpenSSL says it")
    error.verify_code, error.verify_message = code, "why"
    assert told in tls.brokers_certificate(error, "kafka-1")


@pytest.mark.parametrize(
    ("reason", "certfile", "told"),
    [
        pytest.param("TLSV13_ALERT_CERTIFICATE_REQUIRED", None, "wants a certificate", id="TLS 1.3"),
        pytest.param("SSLV3_ALERT_BAD_CERTIFICATE", None, "wants a certificate", id="Java, TLS 1.2"),
        pytest.param("SSLV3_ALERT_HANDSHAKE_FAILURE", None, "wants a certificate", id="OpenSSL, TLS 1.2"),
        pytest.param("SSLV3_ALERT_HANDSHAKE_FAILURE", "own.pem", None, id="we gave one: it may be the ciphers"),
        pytest.param("SSLV3_ALERT_CERTIFICATE_EXPIRED", "own.pem", "has expired; renew", id="expired"),
        pytest.param("TLSV1_ALERT_UNKNOWN_CA", "own.pem", "signed by an authority", id="unknown authority"),
        pytest.param("WRONG_VERSION_NUMBER", None, None, id="no TLS at all"),
        pytest.param("TLSV1_ALERT_PROTOCOL_VERSION", None, None, id="another version of TLS"),
        pytest.param(None, None, None, id="no reason"),
    ],
)
def test_a_certificate_of_ours(reason: str, certfile: str | None, told: str | None) -> None:
    said = tls.own_certificate(failed(reason), ours(certfile))
    assert (said is None) if told is None else (said is not None and told in said)


def test_files_that_cannot_be_read_speak_for_themselves(tmp_path: Path) -> None:
    assert tls.own_files(FileNotFoundError(2, "No such file"), "own.pem", "own.key", None) is None
    gone = str(tmp_path / "gone.pem")
    assert not tls.has_expired(ours(gone), gone)


@pytest.mark.parametrize(
    ("certificate", "key", "told"),
    [
        pytest.param("BEGIN CERTIFICATE", "BEGIN ENCRYPTED PRIVATE KEY", "set kafka.ssl_password_file", id="PKCS 8"),
        pytest.param("BEGIN CERTIFICATE", "Proc-Type: 4,ENCRYPTED", "set kafka.ssl_password_file", id="old format"),
        pytest.param("\x30\x82", "BEGIN PRIVATE KEY", "own.pem: no 'CERTIFICATE' in PEM format there", id="DER"),
        pytest.param("BEGIN CERTIFICATE", "BEGIN CERTIFICATE", "own.key: no 'PRIVATE KEY' in PEM", id="no key"),
    ],
)
def test_a_key_and_a_certificate_that_cannot_be_used(tmp_path: Path, certificate: str, key: str, told: str) -> None:
    own, own_key = tmp_path / "own.pem", tmp_path / "own.key"
    own.write_text(certificate)
    own_key.write_text(key)
    assert told in (tls.own_files(failed("PEM_LIB"), str(own), str(own_key), None) or "")
