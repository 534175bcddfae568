"""Basic authentication: passwords against bcrypt hashes, few tries, and what was right once is not computed again."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftd.core.errors import ConfigError

log = logging.getLogger("driftd.http")

TRIES: Final = 10
"""Wrong passwords of one client in TRIES_SECONDS."""
TRIES_SECONDS: Final = 60.0
_NOBODY: Final = "$2b$10$zQsh3rWguvL/iW8kMlG9t.OPl4KYknh9bjj3OG3qy07ubwY3L0cgC"
"""Compared against for users that do not exist: the time of the answer must not reveal who exists."""


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


def user_of(authorization: str | None) -> str:
    """Whom a basic Authorization header names; "" where it is none."""
    given = _given(authorization)
    return "" if given is None else given[0]


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
