"""TLS to brokers with files that may be renewed, and what went wrong in it, in words: OpenSSL names an alert alone."""

from __future__ import annotations

import contextlib
import logging
import ssl
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

from driftd.core.errors import ConfigError
from driftd.sources.renewed import Renewed
from driftd.sources.secret_file import secret_now

log = logging.getLogger("driftd.kafka")

NOT_YET_VALID, HAS_EXPIRED = 9, 10  # X509_V_ERR_..., as OpenSSL numbers them
OTHER_HOST: Final = frozenset({62, 64})  # the name, the address
EXPIRED: Final = "CERTIFICATE_EXPIRED"
UNWANTED: Final = (EXPIRED, "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_REVOKED")


@dataclass(frozen=True, slots=True)
class ClientTls:
    """Whom to trust, the system's authorities where there is no ``cafile``, and our certificate, if there is one."""

    cafile: str | None
    certfile: str | None
    keyfile: str | None
    password: str | None = field(repr=False)
    password_file: str | None

    @property
    def files(self) -> list[Path]:
        return [Path(name) for name in (self.cafile, self.certfile, self.keyfile, self.password_file) if name]

    def context(self) -> ssl.SSLContext:
        """Of the files as they are now. Raises ConfigError."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            if self.cafile:
                context.load_verify_locations(self.cafile)
            else:
                context.load_default_certs()
        except (OSError, ssl.SSLError) as error:
            raise ConfigError(f"kafka.ssl_cafile: {self.cafile}: {reason(error)}") from None
        if self.certfile:
            password = secret_now("ssl_password", self.password, self.password_file)
            try:
                # An empty password instead of None: OpenSSL must not ask at the terminal.
                context.load_cert_chain(self.certfile, self.keyfile, password)
            except (OSError, ssl.SSLError) as error:
                what = f"{self.certfile}, {self.keyfile or 'no key file'}"
                known = own_files(error, self.certfile, self.keyfile, password)
                raise ConfigError(known or f"kafka.ssl_certfile, ssl_keyfile: {what}: {reason(error)}") from None
        return context


@cache
def renewed(tls: ClientTls) -> Renewed[ssl.SSLContext]:
    """One for all clients of a process: a new client must not fail for a file that old ones do without."""
    return Renewed(lambda: tls.files, tls.context, log.warning)


class RenewedContext:
    """Given to kafka-python in place of an SSLContext: each connection gets one of the files as they are now."""

    def __init__(self, tls: ClientTls) -> None:
        self._renewed = renewed(tls)
        self._renewed.get()  # what is wrong at the start is told at once

    def wrap_socket(self, *connection: Any, **options: Any) -> ssl.SSLSocket:
        return self._renewed.get().wrap_socket(*connection, **options)


def reason(error: BaseException) -> str:
    """The cause of a network or TLS error in a few words."""
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__


def brokers_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    """Why we do not take the broker's certificate."""
    if error.verify_code in OTHER_HOST:
        return (
            f"the broker's certificate is for another host than '{host}'; give kafka.bootstrap_servers a name that the "
            "certificate has (subject alternative name), or let it be issued for this one"
        )
    if error.verify_code == HAS_EXPIRED:
        return "the broker's certificate has expired; renew it on the broker, or set this machine's clock"
    if error.verify_code == NOT_YET_VALID:
        return "the broker's certificate is not valid yet; set this machine's clock, or the broker's"
    return f"certificate not trusted: {error.verify_message}; set kafka.ssl_cafile to the broker's authority"


def own_certificate(error: ssl.SSLError, ours: ClientTls) -> str | None:
    """Why the broker does not take ours; None where its alert says nothing of certificates."""
    alert = error.reason or ""
    if "ALERT" not in alert:
        return None
    if ours.certfile is None:
        if "CERTIFICATE" in alert or "HANDSHAKE_FAILURE" in alert:
            return (
                "the broker wants a certificate of its clients (mutual TLS); "
                "set kafka.ssl_certfile and kafka.ssl_keyfile"
            )
        return None
    if not alert.endswith(UNWANTED):
        return None
    # Brokers in Java say "certificate unknown" of an expired one too.
    if alert.endswith(EXPIRED) or has_expired(ours, ours.certfile):
        return f"the broker refuses our certificate, which has expired; renew kafka.ssl_certfile: {ours.certfile}"
    return (
        "the broker refuses our certificate; it must be signed by an authority that the broker trusts (its "
        f"ssl.truststore), and be valid now; kafka.ssl_certfile: {ours.certfile}"
    )


def has_expired(ours: ClientTls, certfile: str) -> bool:
    """Asks OpenSSL, by a handshake with ourselves that trusts this certificate and so can only object to its dates."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server.load_cert_chain(certfile, ours.keyfile, secret_now("ssl_password", ours.password, ours.password_file))
        client.load_verify_locations(certfile)
        ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
        for end in ends * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return error.verify_code == HAS_EXPIRED
    except (OSError, ConfigError):  # they cannot be read, or OpenSSL does not like something else of them
        return False
    return False


def own_files(error: OSError, certfile: str, keyfile: str | None, password: str | None) -> str | None:
    """Why our certificate and key cannot be loaded; None where the error itself says it (no such file)."""
    if not isinstance(error, ssl.SSLError):
        return None
    key = keyfile or certfile
    setting = f"kafka.ssl_keyfile: {key}" if keyfile else f"kafka.ssl_certfile: {key}"
    if "KEY_VALUES_MISMATCH" in (error.reason or ""):
        return f"{setting}: the key does not belong to the certificate {certfile}"
    if "CERTIFICATE" not in text_of(certfile):
        return f"kafka.ssl_certfile: {certfile}: no 'CERTIFICATE' in PEM format there"
    if is_encrypted(key):
        if not password:
            return f"{setting}: the key is encrypted; set kafka.ssl_password_file"
        return f"{setting}: kafka.ssl_password_file (or ssl_password) does not open the key"
    return None if "PRIVATE KEY" in text_of(key) else f"{setting}: no 'PRIVATE KEY' in PEM format there"


def is_encrypted(keyfile: str) -> bool:
    """PKCS 8 says so in its first line, the older format in a header."""
    return "ENCRYPTED" in text_of(keyfile)


def text_of(path: str) -> str:
    try:
        return Path(path).read_text("ascii", errors="replace")
    except OSError:
        return ""
