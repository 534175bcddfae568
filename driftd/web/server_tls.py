"""``tls_server_config`` of a web.config file as Python's ssl can do it; what it cannot is refused, not left out."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean

T = TypeVar("T")

KEYS: Final = (
    *("cert_file", "cert", "key_file", "key", "client_ca_file", "client_ca", "client_auth_type"),
    *("client_allowed_sans", "min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites"),
    "curve_preferences",
)
_REQUIRED: Final = "RequireAndVerifyClientCert"
_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    _REQUIRED: ssl.CERT_REQUIRED,
}
_UNVERIFIED: Final = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_CURVES: Final = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}
_CIPHERS: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
_OF_TLS13: Final = ("TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256")
"""Not to be chosen: they come with TLS 1.3, as in Go."""


@dataclass(frozen=True, slots=True)
class ServerTls:
    """``sans``: a client's certificate must be for one of these; empty: for any. ``files`` were read for it, among them
    our own ``certificate`` (None: it stands in the configuration).
    """

    context: ssl.SSLContext
    sans: frozenset[str]
    files: tuple[Path, ...]
    certificate: Path | None = None

    def refuses(self, connection: ssl.SSLSocket) -> str:
        """Why the client's certificate is not one that is wanted; empty where it is."""
        if not self.sans:
            return ""
        certificate = connection.getpeercert() or {}
        names: Any = certificate.get("subjectAltName", ())
        mine = {_plain(value) for _, value in names}
        return "" if mine & self.sans else f"the client's certificate is for {', '.join(sorted(mine)) or 'nobody'}"


def server_tls(path: Path, tls: Mapping[str, Any]) -> ServerTls:
    """Reads the section of the file ``path``, whose keys are KEYS. Raises ConfigError, naming file and key."""
    section = _Section(path, tls)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _versions(section, context)
    _ciphers(section, context)
    _curves(section, context)
    files = [*_own_certificate(section, context), *_clients(section, context)]
    sans = section.texts("client_allowed_sans")
    if sans and context.verify_mode is not ssl.CERT_REQUIRED:
        raise section.mistake("client_allowed_sans", f"needs client_auth_type {_REQUIRED}")
    return ServerTls(context, frozenset(map(_plain, sans)), tuple(files), section.file("cert_file"))


@dataclass(frozen=True, slots=True)
class _Section:
    path: Path
    values: Mapping[str, Any]

    def mistake(self, key: str, text: str) -> ConfigError:
        return ConfigError(f"{self.path}: tls_server_config.{key}: {text}")

    def choice(self, key: str, default: str, known: Mapping[str, T]) -> T:
        value = self.values.get(key, default)
        if not isinstance(value, str) or value not in known:
            raise self.mistake(key, f"expected one of {', '.join(known)}, got {value!r}")
        return known[value]

    def texts(self, key: str) -> list[str]:
        value = self.values.get(key) or []
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise self.mistake(key, "expected a list of names")
        return value

    def file(self, key: str) -> Path | None:
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value or "\0" in value:
            raise self.mistake(key, "expected the path of a PEM file")
        return self.path.parent / value

    def pem(self, key: str) -> tuple[str, list[Path]]:
        """The text of ``key``, or of the file that ``key``_file names, which is the second value."""
        file, text = self.file(f"{key}_file"), self.values.get(key)
        if (file is None) == (text is None):
            both = f"; {key} is given as well, keep one of them" if file is not None else f", or {key} in the file"
            raise self.mistake(f"{key}_file", f"expected the path of a PEM file{both}")
        if file is None:
            if not isinstance(text, str):
                raise self.mistake(key, "expected a PEM text")
            return text, []
        try:
            return file.read_text("ascii", errors="replace"), [file]
        except OSError as e:
            raise self.mistake(f"{key}_file", f"{file}: cannot be loaded: {e.strerror}") from None


def _versions(section: _Section, context: ssl.SSLContext) -> None:
    least, most = section.choice("min_version", "TLS12", _VERSIONS), section.choice("max_version", "TLS13", _VERSIONS)
    if most < least:
        raise section.mistake("max_version", "is below min_version")
    context.minimum_version, context.maximum_version = least, most


def _ciphers(section: _Section, context: ssl.SSLContext) -> None:
    names = _known(section, "cipher_suites", (*_CIPHERS, *_OF_TLS13))
    older = [_CIPHERS[name] for name in names if name in _CIPHERS]
    if older:
        context.set_ciphers(":".join(older))
    elif names:  # those of TLS 1.3 alone
        if context.maximum_version < ssl.TLSVersion.TLSv1_3:
            raise section.mistake("cipher_suites", "has none for TLS 1.2, and max_version is TLS12")
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    prefer = section.values.get("prefer_server_cipher_suites", True)
    if not isinstance(prefer, bool):
        raise section.mistake("prefer_server_cipher_suites", "expected true or false")
    if not prefer:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE


def _curves(section: _Section, context: ssl.SSLContext) -> None:
    curves = _known(section, "curve_preferences", tuple(_CURVES))
    if len(curves) > 1:
        raise section.mistake("curve_preferences", "driftd can be given one curve; name one, or leave it out for all")
    if curves:
        context.set_ecdh_curve(_CURVES[curves[0]])


def _known(section: _Section, key: str, known: Sequence[str]) -> list[str]:
    names = section.texts(key)
    for name in names:
        if name not in known:
            raise section.mistake(key, f"unknown name '{name[:60]}'{did_you_mean(name, known)}")
    return names


def _own_certificate(section: _Section, context: ssl.SSLContext) -> list[Path]:
    (certificate, there), (key, here) = section.pem("cert"), section.pem("key")
    try:
        with _as_file(f"{key.rstrip()}\n{certificate}") as both:
            context.load_cert_chain(both, password="")  # an encrypted key must not ask at the terminal
    except OSError as e:
        said = getattr(e, "reason", None) or e.strerror or type(e).__name__
        where = ", ".join(map(str, (*there, *here))) or "cert, key"
        raise section.mistake("cert_file", f"certificate or key cannot be loaded: {where}: {said}") from None
    return [*there, *here]


def _clients(section: _Section, context: ssl.SSLContext) -> list[Path]:
    given = "client_ca_file" in section.values or "client_ca" in section.values
    wanted = section.values.get("client_auth_type", _REQUIRED if given else "NoClientCert")
    if wanted in _UNVERIFIED:
        text = f"{wanted} takes certificates of anybody, which driftd cannot; expected {_REQUIRED}"
        raise section.mistake("client_auth_type", text)
    mode = section.choice("client_auth_type", wanted, _CLIENT_AUTH)
    if not given:
        if mode is not ssl.CERT_NONE:
            raise section.mistake("client_ca_file", f"needed for client_auth_type {wanted}")
        return []
    if mode is ssl.CERT_NONE:
        raise section.mistake(
            "client_auth_type",
            f"NoClientCert asks for no certificate that client_ca_file could check; expected {_REQUIRED}",
        )
    authority, files = section.pem("client_ca")
    try:
        context.load_verify_locations(cadata=authority)
    except (ssl.SSLError, ValueError):
        where = ", ".join(map(str, files)) or "client_ca"
        raise section.mistake("client_ca_file", f"{where}: no certificates in PEM format there") from None
    context.verify_mode = mode
    return files


@contextlib.contextmanager
def _as_file(text: str) -> Iterator[str]:
    """Python loads certificates from files only: in memory where there is such a file, else one of mode 600 for now."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("pem")
        with os.fdopen(number, "w") as file:
            file.write(text)
            file.flush()
            yield f"/proc/self/fd/{number}"
    else:
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(text)
            file.flush()
            yield file.name


def _plain(name: str) -> str:
    """Addresses in one spelling."""
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(name))
    return name
