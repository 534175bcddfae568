"""OAUTHBEARER: tokens from a file, or from a token endpoint by client credentials (RFC 6749, section 4.4)."""

from __future__ import annotations

import base64
import json
import logging
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol
from urllib import error, parse, request

from driftd.core.errors import ConfigError, DriftdError, SourceError, SourceRefused
from driftd.core.text import clean
from driftd.sources.secret_file import MOST_BYTES, read_text

log = logging.getLogger("driftd.kafka")

SETTING: Final = "kafka.sasl_oauthbearer_"
TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token of RFC 6750
ANSWER_SECONDS: Final = 10.0
RENEW_AFTER: Final = 0.8
"""Of a token's life; kafka-python logs in anew after 0.85 of a session's."""
LIFE_SECONDS: Final = 300.0
"""Of a token whose life the endpoint does not say."""
LONGEST_BACKOFF_SECONDS: Final = 10.0
AGAIN_SECONDS: Final = 30.0
"""A token that a broker refuses is replaced where it is older: its keys may have changed, or this machine slept."""


class TokenSource(Protocol):
    def token(self) -> str:
        """A token that is valid now. Raises SourceRefused where trying again does not help, else SourceError."""

    def refused(self) -> None:
        """A broker does not take the last one."""


@dataclass(frozen=True, slots=True)
class TokenFile:
    """Read for each login: whoever writes the file renews the token."""

    path: Path
    now: Callable[[], float] = field(default=time.time, repr=False)

    def token(self) -> str:
        setting = f"{SETTING}token_file: {self.path}"
        try:
            token = read_text(self.path, "a token")
        except OSError as e:
            raise SourceError(f"{setting}: {e.strerror}; a token must lie there") from None
        except ValueError as e:
            raise SourceError(f"{setting}: {e}") from None
        if not TOKEN.fullmatch(token):
            raise SourceError(f"{setting}: expected one token in one line, without 'Bearer'")
        expired = self.now() - (expiry_of(token) or self.now())
        if expired > 0:
            # The broker's refusal would end driftd; whoever renews the file may only be late.
            raise SourceError(f"{setting}: the token expired {expired:.0f} s ago; renew it, or set the clock")
        return token

    def refused(self) -> None:
        """Who writes the file has to renew it."""


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Asks for a token as ``client_id``; ``secret`` is asked for each time, so that its file may be renewed."""

    url: str
    client_id: str
    secret: Callable[[], str] = field(repr=False)
    scope: str | None = None
    cafile: str | None = None

    @property
    def where(self) -> str:
        return f"token endpoint {self.url}"

    def fetch(self) -> tuple[str, float]:
        """A token and the seconds it is valid for. Raises SourceRefused, SourceError, ConfigError (secret, CA file)."""
        secret = self.secret()
        form = {"grant_type": "client_credentials"} | ({"scope": self.scope} if self.scope else {})
        login = base64.b64encode(f"{self.client_id}:{secret}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Accept": "application/json", "User-Agent": "driftd"}
        asked = request.Request(self.url, parse.urlencode(form).encode(), headers)  # noqa: S310  (http or https)
        opener = request.build_opener(_NoRedirects, request.HTTPSHandler(context=self._context()))
        try:
            with opener.open(asked, timeout=ANSWER_SECONDS) as answer:
                body = answer.read(MOST_BYTES + 1)
        except error.HTTPError as e:
            with e:
                raise self._refused(e.code, _body(e), (login, secret)) from None
        except (OSError, HTTPException, ValueError) as e:
            raise self._away(e) from None
        return self._token_in(body)

    def _context(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self.cafile)
        except (OSError, ssl.SSLError) as e:
            raise ConfigError(f"{SETTING}cafile: {self.cafile}: {getattr(e, 'strerror', None) or e}") from None

    def _away(self, e: Exception) -> SourceError:
        cause = e.reason if isinstance(e, error.URLError) and isinstance(e.reason, Exception) else e
        if isinstance(cause, ssl.SSLCertVerificationError):
            cure = f"set {SETTING}cafile to its authority"
            return SourceRefused(f"{self.where}: certificate not trusted: {cause.verify_message}; {cure}")
        if isinstance(cause, TimeoutError):
            said = f"no answer in {ANSWER_SECONDS:g} s"
        elif isinstance(cause, socket.gaierror):
            said = "no such host; check its name, or this machine's DNS"
        elif isinstance(cause, OSError) and cause.strerror:
            said = cause.strerror[0].lower() + cause.strerror[1:]
        else:
            said = type(cause).__name__
        return SourceError(f"{self.where}: {said}")

    def _refused(self, status: int, body: bytes, secrets: Sequence[str]) -> SourceError:
        said = _object(body)
        kind, text = str(said.get("error", "")), str(said.get("error_description", ""))
        told = ": ".join(part for part in (kind, text) if part)
        for secret in secrets:  # an endpoint may repeat what it was sent
            told = told.replace(secret, "***")
        told = clean(told, 200)
        if status >= 500 or status == 429:
            return SourceError(f"{self.where}: answers {status}{f': {told}' if told else ''}")
        if kind == "invalid_scope":
            return SourceRefused(f"{self.where}: {told}; check {SETTING}scope")
        if status in {400, 401, 403}:
            cure = f"check {SETTING}client_id and {SETTING}client_secret_file"
            return SourceRefused(f"{self.where}: refuses client '{self.client_id}': {told or status}; {cure}")
        cure = f"check {SETTING}token_endpoint_url (token_endpoint in the issuer's /.well-known/openid-configuration)"
        return SourceRefused(f"{self.where}: answers {status}, which no token endpoint does; {cure}")

    def _token_in(self, body: bytes) -> tuple[str, float]:
        said = _object(body)
        token, life = said.get("access_token"), said.get("expires_in")
        if not isinstance(token, str) or not TOKEN.fullmatch(token):
            cure = f"check {SETTING}token_endpoint_url"
            raise SourceRefused(f"{self.where}: its answer has no access_token; {cure}")
        if isinstance(life, str) and life.isdecimal():
            life = float(life)
        if isinstance(life, bool) or not isinstance(life, (int, float)) or not 0 < life < 1e9:
            life = LIFE_SECONDS
        return token, float(life)


class _NoRedirects(request.HTTPRedirectHandler):
    """Another address gets no secret of ours."""

    def redirect_request(self, *_: Any) -> None:
        return None


class ClientCredentials:
    """Tokens of an endpoint, one at a time for all clients: fetched on a thread of its own before the last one expires.

    ``token`` waits only where there is none. While the endpoint is away the old token is used for as long as it lives.
    """

    def __init__(self, endpoint: TokenEndpoint, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.endpoint = endpoint
        self._monotonic = monotonic
        self._token, self._since, self._until = "", 0.0, 0.0
        self._failure: DriftdError | None = None
        self._changed = threading.Condition()
        self._closed = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None

    def token(self) -> str:
        with self._changed:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._keep, name="driftd-kafka-token", daemon=True)
                self._thread.start()
            self._changed.wait_for(lambda: self._valid or self._failure is not None, ANSWER_SECONDS + 1)
            if self._valid:
                return self._token
            failure = self._failure or SourceError(f"{self.endpoint.where}: no answer in {ANSWER_SECONDS:g} s")
            raise type(failure)(str(failure))

    def refused(self) -> None:
        with self._changed:
            if self._valid and self._monotonic() - self._since > AGAIN_SECONDS:
                log.info("%s: a broker refuses its token; asking for another", self.endpoint.where)
                self._until, self._failure = 0.0, None
                self._wake.set()

    def close(self) -> None:
        self._closed = True
        self._wake.set()

    @property
    def _valid(self) -> bool:
        return self._monotonic() < self._until

    def _keep(self) -> None:
        """Fetches a token when it is time, until ``close``; what fails is tried again, later and later."""
        if self.endpoint.url.startswith("http://"):
            log.warning("%s: http sends the client's secret unencrypted; let it be https", self.endpoint.where)
        attempt, wait = 0, 0.0
        while True:
            self._wake.wait(wait)
            self._wake.clear()
            if self._closed:
                return
            try:
                token, life = self.endpoint.fetch()
            except DriftdError as e:
                attempt += 1
                wait = min(2.0 ** (attempt - 1), LONGEST_BACKOFF_SECONDS)
                self._fail(e)
            else:
                attempt, wait = 0, RENEW_AFTER * life
                with self._changed:
                    if self._failure is not None and self._token:
                        log.info("%s: answers again", self.endpoint.where)
                    self._token, self._failure, self._since = token, None, self._monotonic()
                    self._until = self._since + life - min(5.0, life / 10)  # it must still arrive at a broker
                    self._changed.notify_all()

    def _fail(self, failure: DriftdError) -> None:
        with self._changed:
            if self._valid and str(failure) != str(self._failure):
                left = self._until - self._monotonic()
                log.warning("%s; trying again, the token in hand is valid for %.0f s more", failure, left)
            self._failure = failure
            self._changed.notify_all()


def expiry_of(token: str) -> float | None:
    """When a JWT expires, in epoch seconds; None where it does not say, or is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, (int, float)) and abs(expires) < 1e15 else None


def _body(answer: Any) -> bytes:
    try:
        return bytes(answer.read(MOST_BYTES))
    except (OSError, HTTPException, ValueError):
        return b""


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        said = json.loads(body[:MOST_BYTES])
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
