"""TLS, passwords, headers and a rate limit from a web.config file, as Prometheus' exporter-toolkit defines it."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from driftd.config import yamlfile
from driftd.config.values import seconds
from driftd.core.errors import ConfigError
from driftd.core.text import did_you_mean
from driftd.web.passwords import Memory, Passwords
from driftd.web.server_tls import KEYS, ServerTls, server_tls

_HASH: Final = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")
_HEADERS: Final[Mapping[str, tuple[str, ...]]] = {
    "Content-Security-Policy": (),
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
}
"""Headers that may be set, and the values that they may have; none: any."""


class RateLimit:
    """A token bucket: ``burst`` requests at once, one more each ``interval_seconds``."""

    def __init__(self, interval_seconds: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._interval, self._burst, self._monotonic = interval_seconds, burst, monotonic
        self._left, self._at = float(burst), monotonic()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        with self._lock:
            now = self._monotonic()
            self._left = min(self._burst, self._left + (now - self._at) / self._interval)
            self._at = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


@dataclass(frozen=True, slots=True)
class WebConfig:
    """None where the file does not ask for it; ``headers`` replace the defaults, and take away where they are empty.

    ``files`` are those that were read.
    """

    tls: ServerTls | None = None
    passwords: Passwords | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    rate_limit: RateLimit | None = None
    files: tuple[Path, ...] = ()


def load(path: Path, before: WebConfig | None = None) -> WebConfig:
    """Reads the file; paths in it are relative to its folder. Passwords that ``before`` accepted need no check again.

    Raises: ConfigError, naming file and key; no value of the file is in its text.
    """
    document = yamlfile.read(path, str(path))
    if document.mistakes:
        raise ConfigError("\n".join(document.mistakes))
    known = ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit")
    top = _section(path, "", document.data, known)
    tls = _section(path, "tls_server_config", top.get("tls_server_config") or {}, KEYS)
    http = _section(path, "http_server_config", top.get("http_server_config") or {}, ("http2", "headers"))
    if not isinstance(http.get("http2", True), bool):
        raise ConfigError(f"{path}: http_server_config.http2: expected true or false")
    users = top.get("basic_auth_users")
    memory = None if before is None or before.passwords is None else before.passwords.memory
    served = server_tls(path, tls) if tls else None
    return WebConfig(
        served,
        _passwords(path, users, memory) if users else None,
        _headers(path, http.get("headers") or {}),
        _rate_limit(path, top.get("rate_limit") or {}),
        (path, *(served.files if served is not None else ())),
    )


def _section(path: Path, where: str, value: Any, known: Collection[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{path}: {where or 'the file'}: expected a mapping")
    for key in value:
        if key not in known:
            name = f"{where}.{key}" if where else key
            raise ConfigError(f"{path}: {name}: unknown key{did_you_mean(key, known)}")
    return value


def _headers(path: Path, value: Any) -> dict[str, str]:
    headers = _section(path, "http_server_config.headers", value, _HEADERS)
    for name, text in headers.items():
        where = f"{path}: http_server_config.headers.{name}"
        if not isinstance(text, str) or not text.isprintable() or not text.isascii():
            raise ConfigError(f"{where}: expected one line of text")
        if _HEADERS[name] and text.lower() not in _HEADERS[name]:
            raise ConfigError(f"{where}: expected {' or '.join(_HEADERS[name])}")
    return headers


def _rate_limit(path: Path, value: Any) -> RateLimit | None:
    limit = _section(path, "rate_limit", value, ("interval", "burst"))
    burst = limit.get("burst", 0)
    try:
        interval = seconds(limit.get("interval", 0))
    except ValueError:
        raise ConfigError(f"{path}: rate_limit.interval: expected a duration such as 100ms") from None
    if not interval:
        return None
    if not isinstance(burst, int) or isinstance(burst, bool) or burst < 1:
        raise ConfigError(f"{path}: rate_limit.burst: expected a number of requests, 1 or more; with fewer none passes")
    return RateLimit(interval, burst)


def _passwords(path: Path, users: Any, memory: Memory | None) -> Passwords:
    if not isinstance(users, dict):
        raise ConfigError(f"{path}: basic_auth_users: expected user names with bcrypt hashes")
    for user, value in users.items():
        if not isinstance(value, str) or not _HASH.fullmatch(value):
            raise ConfigError(
                f"{path}: basic_auth_users.{user}: expected a bcrypt hash, such as `htpasswd -nB {user}` writes"
            )
    return Passwords(users, memory)
