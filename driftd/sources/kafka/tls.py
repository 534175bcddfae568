"""What went wrong in TLS, in words, and what helps: OpenSSL's own texts name an alert, not its cause."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path
from typing import Final

NOT_YET_VALID, HAS_EXPIRED = 9, 10  # X509_V_ERR_..., as OpenSSL numbers them
OTHER_HOST: Final = frozenset({62, 64})  # the name, the address
EXPIRED: Final = "CERTIFICATE_EXPIRED"
UNWANTED: Final = (EXPIRED, "CERTIFICATE_UNKNOWN", "BAD_CERTIFICATE", "UNKNOWN_CA", "CERTIFICATE_REVOKED")


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


def own_certificate(
    error: ssl.SSLError, certfile: str | None, keyfile: str | None = None, password: str | None = None
) -> str | None:
    """Why the broker does not take ours; None where its alert says nothing of certificates."""
    alert = error.reason or ""
    if "ALERT" not in alert:
        return None
    if certfile is None:
        if "CERTIFICATE" in alert or "HANDSHAKE_FAILURE" in alert:
            return (
                "the broker wants a certificate of its clients (mutual TLS); "
                "set kafka.ssl_certfile and kafka.ssl_keyfile"
            )
        return None
    if not alert.endswith(UNWANTED):
        return None
    # Brokers in Java say "certificate unknown" of an expired one too.
    if alert.endswith(EXPIRED) or has_expired(certfile, keyfile, password):
        return f"the broker refuses our certificate, which has expired; renew kafka.ssl_certfile: {certfile}"
    return (
        "the broker refuses our certificate; it must be signed by an authority that the broker trusts (its "
        f"ssl.truststore), and be valid now; kafka.ssl_certfile: {certfile}"
    )


def has_expired(certfile: str, keyfile: str | None, password: str | None) -> bool:
    """Asks OpenSSL, by a handshake with ourselves that trusts this certificate and so can only object to its dates."""
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    try:
        server.load_cert_chain(certfile, keyfile, password or "")
        client.load_verify_locations(certfile)
        ends = [client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True)]
        for end in ends * 2:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()
    except ssl.SSLCertVerificationError as error:
        return error.verify_code == HAS_EXPIRED
    except OSError:  # they cannot be read, or OpenSSL does not like something else of them
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
