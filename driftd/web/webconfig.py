"""TLS and passwords from a web.config file, as Prometheus' exporter-toolkit defines it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import re
import secrets
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import yaml

from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean

log = logging.getLogger("driftd.http")

_T = TypeVar("_T")
TRIES: Final = 10
"""Wrong passwords of one client in TRIES_SECONDS."""
TRIES_SECONDS: Final = 60.0
_HASH: Final = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_NOBODY: Final = "$2b$10$zQsh3rWguvL/iW8kMlG9t.OPl4KYknh9bjj3OG3qy07ubwY3L0cgC"
"""Compared against for users that do not exist: the time of the answer must not reveal who exists."""
_CLIENT_AUTH: Final = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
_VERSIONS: Final = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_HEADERS: Final = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)


class TooManyPasswords(Exception):
    """The client has had enough tries for now; ``seconds`` until the next."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many wrong passwords from this address; try again in {seconds:.0f} s")
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Memory:
    """Accepted passwords, each as a keyed digest by its bcrypt hash; it may outlive a reload."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    digests: dict[str, bytes] = field(default_factory=dict)

    def digest(self, password: str) -> bytes:
        return hashlib.blake2b(password.encode(), key=self.key).digest()


class Passwords:
    """Checks HTTP basic authentication against bcrypt hashes; an accepted password is remembered by its digest.

    bcrypt takes tens of milliseconds by design: without the memory each scrape would, and one at a time, so that a
    flood of wrong passwords keeps one core busy and no more. A client has TRIES wrong ones in TRIES_SECONDS.
    """

    def __init__(
        self,
        users: Mapping[str, str],
        memory: Memory | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        try:
            import bcrypt  # noqa: PLC0415 (needed only where passwords are asked for)
        except ImportError as e:
            raise ConfigError("web config: basic_auth_users needs the package bcrypt; pip install bcrypt") from e
        self._check = bcrypt.checkpw
        self._users = dict(users)
        self.memory = memory or Memory()
        self._lock = threading.Lock()
        self._monotonic = monotonic
        self._tries: Counter[str] = Counter()
        self._counted_since = monotonic()
        self._counting = threading.Lock()

    def remembered(self, authorization: str | None) -> bool | None:
        """What ``accept`` says where nothing has to be computed for it, else None."""
        given = _given(authorization)
        if given is None:
            return False
        user, password = given
        accepted = self.memory.digests.get(self._users.get(user, ""), b"")
        return True if hmac.compare_digest(accepted, self.memory.digest(password)) else None

    def accept(self, authorization: str | None, client: str) -> bool:
        """Whether an Authorization header from ``client`` (its address) names a user and the user's password.

        Raises: TooManyPasswords, and computes nothing.
        """
        given, answer = _given(authorization), self.remembered(authorization)
        if given is None or answer is not None:
            return answer is True
        self._count(client)
        user, password = given
        known = self._users.get(user)
        with self._lock:
            # bcrypt reads 72 bytes; the package refuses more, others cut
            right = self._check(password.encode()[:72], (known or _NOBODY).encode()) and known is not None
        if right and known is not None:
            self.memory.digests[known] = self.memory.digest(password)
            with self._counting:
                self._tries[client] -= 1
        return right

    def _count(self, client: str) -> None:
        """Counts a try before it is computed: a hundred at once must not wait behind each other."""
        with self._counting:
            now = self._monotonic()
            if now - self._counted_since >= TRIES_SECONDS:
                self._tries, self._counted_since = Counter(), now
            if self._tries[client] >= TRIES:
                raise TooManyPasswords(self._counted_since + TRIES_SECONDS - now)
            self._tries[client] += 1
            if self._tries[client] == TRIES:
                log.warning("%s: %d wrong passwords; no more are checked for a while", client, TRIES)


def _given(authorization: str | None) -> tuple[str, str] | None:
    """User and password of a basic Authorization header; None where it is none."""
    scheme, _, encoded = (authorization or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:  # not base64, not ASCII, or not UTF-8 inside
        return None
    return user, password


@dataclass(frozen=True, slots=True)
class WebConfig:
    """``tls`` and ``passwords`` are None where the file does not ask for them; ``headers`` replace the defaults."""

    tls: ssl.SSLContext | None = None
    passwords: Passwords | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


def load(path: Path, before: WebConfig | None = None) -> WebConfig:
    """Reads the file; paths in it are relative to its folder. Passwords that ``before`` accepted need no check again.

    Raises: ConfigError, naming file and key.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8")) or {}
    # ValueError: not UTF-8, or a date that there is not; RecursionError: nested too deep
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as e:
        raise ConfigError(f"{path}: cannot be read: {' '.join(str(e).split())}") from e
    top = _section(path, "", raw, ("tls_server_config", "http_server_config", "basic_auth_users"))
    tls = top.get("tls_server_config")
    http = _section(path, "http_server_config", top.get("http_server_config") or {}, ("http2", "headers"))
    headers = _section(path, "http_server_config.headers", http.get("headers") or {}, _HEADERS)
    for name, value in headers.items():
        if not isinstance(value, str) or not value.isprintable():
            raise ConfigError(f"{path}: http_server_config.headers.{name}: expected one line of text")
    users = top.get("basic_auth_users")
    memory = None if before is None or before.passwords is None else before.passwords.memory
    passwords = _passwords(path, users, memory) if users else None
    return WebConfig(_tls(path, tls) if tls else None, passwords, headers)


def _section(path: Path, where: str, value: Any, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {where or 'the file'}: expected a mapping, got {type(value).__name__}")
    for key in value:
        if key not in known:
            name = f"{where}.{key}" if where else key
            raise ConfigError(f"{path}: {name}: unknown key{did_you_mean(key, known)}")
    return value


def _passwords(path: Path, users: Any, memory: Memory | None) -> Passwords:
    if not isinstance(users, dict):
        raise ConfigError(f"{path}: basic_auth_users: expected user names with bcrypt hashes")
    for user, value in users.items():
        if not isinstance(user, str) or not isinstance(value, str) or not _HASH.fullmatch(value):
            raise ConfigError(
                f"{path}: basic_auth_users.{user}: expected a bcrypt hash, such as `htpasswd -nB {user}` writes"
            )
    return Passwords(users, memory)


def _tls(path: Path, value: Any) -> ssl.SSLContext:
    known = ("cert_file", "key_file", "client_ca_file", "client_auth_type", "min_version", "max_version")
    tls = _section(path, "tls_server_config", value, known)
    for key in ("cert_file", "key_file"):
        if not isinstance(tls.get(key), str):
            raise ConfigError(f"{path}: tls_server_config.{key}: expected the path of a PEM file")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _choice(path, "min_version", tls.get("min_version", "TLS12"), _VERSIONS)
    context.maximum_version = _choice(path, "max_version", tls.get("max_version", "TLS13"), _VERSIONS)
    auth = tls.get("client_auth_type", "RequireAndVerifyClientCert" if "client_ca_file" in tls else "NoClientCert")
    try:
        context.load_cert_chain(path.parent / tls["cert_file"], path.parent / tls["key_file"])
        if "client_ca_file" in tls:
            context.load_verify_locations(path.parent / str(tls["client_ca_file"]))
    except (OSError, ValueError) as e:  # ValueError: a NUL in a name
        raise ConfigError(f"{path}: tls_server_config: certificate or key cannot be loaded: {e}") from e
    context.verify_mode = _choice(path, "client_auth_type", auth, _CLIENT_AUTH)
    if context.verify_mode is not ssl.CERT_NONE and "client_ca_file" not in tls:
        raise ConfigError(f"{path}: tls_server_config.client_ca_file: needed for client_auth_type {auth}")
    return context


def _choice(path: Path, key: str, value: Any, known: Mapping[str, _T]) -> _T:
    if not isinstance(value, str) or value not in known:
        raise ConfigError(f"{path}: tls_server_config.{key}: expected one of {', '.join(known)}, got {value!r}")
    return known[value]
