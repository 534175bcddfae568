"""Ways to get events out of the process: over HTTP to `driftd receive`, or to Kafka with a library that is there."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

MOST_ANSWER_BYTES: Final = 65_536
MOST_TEXT: Final = 300
"""Characters of an answer that are repeated: what `driftd receive` says of an event is shorter."""
_NEVER: Final = frozenset({400, 413, 415, 422})
"""Answers that will be the same next time."""
_USER_AGENT: Final = "driftd-client"
_PATH: Final = "/events"
_ADVICE: Final = {
    401: "user and password, or token, are options of the client",
    403: "this login may not send events there",
    413: "a smaller batch_events or batch_bytes sends less at once; receive.body_bytes is the bound there",
    429: "the other side has too much to do; the events wait, and are sent again",
}
"""What helps where the answer itself does not say it."""


class Unavailable(Exception):
    """The events were not taken now, and may be later: after ``seconds`` where the other side says so."""

    def __init__(self, text: str, seconds: float | None = None) -> None:
        super().__init__(text)
        self.seconds = seconds


class Refused(Exception):
    """The events will never be taken: so many ``events`` of them while the others are safe, else all.

    ``too_large``: fewer at once might be taken.
    """

    def __init__(self, text: str, *, too_large: bool = False, events: int | None = None) -> None:
        super().__init__(text)
        self.too_large, self.events = too_large, events


class Send(Protocol):
    """Sends events and returns once they are safe. What it returns does not count.

    Raises: Unavailable, or any other exception, to be asked again; Refused where that would not help.
    """

    def __call__(self, events: Sequence[bytes], /) -> object: ...


def sender(url: str, options: Mapping[str, Any], timeout_seconds: float) -> Send:
    """By the scheme of ``url``: http, https, or kafka (kafka://broker1:9092,broker2:9092/TOPIC). Raises ValueError."""
    parts = urlsplit(url)
    if parts.scheme in {"http", "https"} and parts.hostname:
        return HttpSend(parts, timeout_seconds, **options)
    topic = parts.path.strip("/")
    if parts.scheme == "kafka" and parts.netloc and topic:
        return KafkaSend(parts.netloc.split(","), topic, timeout_seconds, options)
    raise ValueError(f"expected http://HOST:PORT/events or kafka://HOST:PORT/TOPIC, got {parts.scheme}://...")


class HttpSend:
    """To an address that takes JSON lines. ``user`` and ``password``, ``token``, TLS files as Python's ssl has them.

    A connection a request: the other side may be any of several, and closes it anyway.
    """

    def __init__(
        self,
        url: SplitResult,
        timeout_seconds: float,
        *,
        user: str | None = None,
        password: str | None = None,
        token: str | None = None,
        cafile: str | None = None,
        certfile: str | None = None,
        keyfile: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._host, self._port, self._timeout = url.hostname or "", url.port, timeout_seconds
        self._path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._tls: ssl.SSLContext | None = None
        if url.scheme == "https":
            self._tls = ssl.create_default_context(cafile=cafile)
            if certfile is not None:
                self._tls.load_cert_chain(certfile, keyfile)
        self._headers = {"Content-Type": "application/x-ndjson", "User-Agent": _USER_AGENT, **(headers or {})}
        user = user or (unquote(url.username) if url.username else None)
        password = password or (unquote(url.password) if url.password else None)
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        elif user is not None:
            both = base64.b64encode(f"{user}:{password or ''}".encode()).decode()
            self._headers["Authorization"] = f"Basic {both}"

    def __call__(self, events: Sequence[bytes]) -> None:
        status, retry_after, body = self._post(b"\n".join(events) + b"\n")
        refused, text = _said(body, len(events))
        if 200 <= status < 300:
            if refused:
                raise Refused(text, events=refused)
        elif status in _NEVER:
            raise Refused(self._advised(status, text), too_large=status == 413)
        else:
            seconds = float(retry_after) if retry_after.isdigit() else None
            raise Unavailable(self._advised(status, text if seconds is not None or text else retry_after), seconds)

    def _advised(self, status: int, text: str) -> str:
        """The answer, and what to do about it where that is on this side."""
        advice = _ADVICE.get(status, "")
        if status in {404, 405} and self._path != _PATH:
            advice = f"the url's path is {self._path}, and driftd receive takes events at {_PATH}"
        if 300 <= status < 400:
            advice = "give the url that it goes to: events are sent to no other"
        return f"HTTP {status}: {text}{'; ' * bool(text and advice)}{advice}"

    def _post(self, body: bytes) -> tuple[int, str, bytes]:
        try:
            return self._posted(body)
        except ssl.SSLCertVerificationError as e:
            words = f"the certificate of {self._host} is not trusted ({e.verify_message}); cafile is for its authority"
            raise Unavailable(words) from e
        except ssl.SSLError as e:
            raise Unavailable(f"{_named(e)}; if {self._host} speaks no TLS, the url begins with http://") from e
        except (http.client.BadStatusLine, ConnectionResetError) as e:
            if self._tls is not None:
                raise
            raise Unavailable(f"{_named(e)}; if {self._host} speaks TLS, the url begins with https://") from e

    def _posted(self, body: bytes) -> tuple[int, str, bytes]:
        if self._tls is None:
            connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        else:
            connection = http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._tls)
        try:
            connection.request("POST", self._path, body, self._headers)
            answer = connection.getresponse()
            named = answer.headers.get("Retry-After", "") or answer.headers.get("Location", "")
            return answer.status, named, answer.read(MOST_ANSWER_BYTES)
        finally:
            connection.close()


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _said(body: bytes, sent: int) -> tuple[int, str]:
    """How many events `driftd receive` has refused, and why the first; of other answers 0 and their text, in a line."""
    try:
        answer = json.loads(body)
        refused = max(0, int(answer["refused"]))
    except (ValueError, KeyError, TypeError):
        return 0, " ".join(body[: 4 * MOST_TEXT].decode("utf-8", "replace").split())[:MOST_TEXT]
    if "error" in answer:
        return refused, str(answer["error"])[:MOST_TEXT]
    text = f"{refused} of {sent} events were refused"
    try:
        first = answer["errors"][0]
        text += f"; the first, {first['reason']}: {first['detail']}"
    except (LookupError, TypeError):
        pass
    return refused, text[:MOST_TEXT]


class KafkaSend:
    """To a topic, acknowledged by all replicas, with kafka-python. ``options`` are KafkaProducer's.

    The producer is opened with the first events, by the thread that sends: that may take seconds, and it must not be
    taken along into a process that forks. One that failed is given up, and opened anew.
    """

    def __init__(
        self, servers: Sequence[str], topic: str, timeout_seconds: float, options: Mapping[str, Any] | None = None
    ) -> None:
        try:
            import kafka  # noqa: PLC0415  (optional: only who sends to Kafka needs it)
        except ImportError:
            raise ValueError("kafka://... needs the package kafka-python; or send to `driftd receive`") from None
        self._library, self._servers, self._topic, self._timeout = kafka, [*servers], topic, timeout_seconds
        self._options, self._process = dict(options or {}), 0
        self._too_large = kafka.errors.MessageSizeTooLargeError
        self._producer: Any = None
        self._inherited: list[Any] = []

    def __call__(self, events: Sequence[bytes]) -> None:
        if self._process != os.getpid():
            # kept, not ended: a producer of the parent would wait for a thread that is not here
            self._inherited, self._process, self._producer = [self._producer], os.getpid(), None
        refused = self._write(events)
        if len(events) > 1:  # one that is too large takes those with it that share its request
            refused = [i for i in refused if self._write([events[i]])]
        if refused:
            text = f"{len(refused)} of {len(events)} events are larger than topic '{self._topic}' takes"
            raise Refused(text, events=len(refused))

    def _write(self, events: Sequence[bytes]) -> list[int]:
        """Those that the topic found too large, by their place. Raises what the library raises."""
        if self._producer is None:
            self._producer = self._open()
        refused = []
        try:
            sent = [(i, self._give(event)) for i, event in enumerate(events)]
            for i, future in sent:
                try:
                    taken = future is not None and future.get(timeout=self._timeout) is not None
                except self._too_large:
                    taken = False
                if not taken:
                    refused.append(i)
        except Exception:
            self._end()
            raise
        if refused:  # it would fail all that follow the same way
            self._end()
        return refused

    def _give(self, event: bytes) -> Any:
        """The library's future; None for what it does not take itself."""
        try:
            return self._producer.send(self._topic, event)
        except self._too_large:
            return None

    def _end(self) -> None:
        """What it still has is sent anew by the next one; its own thread must not go on with it."""
        producer, self._producer = self._producer, None
        try:
            producer.close(timeout=0)
        except Exception:  # noqa: BLE001  (it raises where something is left; and its thread then goes on)
            inner = getattr(producer, "_sender", None)
            if inner is not None:
                inner.force_close()
                producer._closed = True  # noqa: SLF001  (else its finalizer waits, and complains, once more)

    def _open(self) -> Any:
        """Raises what the library raises; it leaves the connections of a producer that did not come to be open."""
        opened: list[Any] = []
        own: dict[str, Any] = {
            "bootstrap_servers": self._servers,
            "client_id": _USER_AGENT,
            "acks": "all",
            "request_timeout_ms": round(self._timeout * 1000),
            "delivery_timeout_ms": round(self._timeout * 1000) + 1000,
            "max_block_ms": round(self._timeout * 1000),
        }
        if "bootstrap_timeout_ms" in self._library.KafkaProducer.DEFAULT_CONFIG:  # not in all its versions
            own["bootstrap_timeout_ms"] = round(self._timeout * 1000)
        options = own | self._options
        connect = options.get("kafka_client") or self._library.KafkaProducer.DEFAULT_CONFIG.get("kafka_client")
        if connect is not None:

            def connected(**given: Any) -> Any:
                opened.append(connect(**given))
                return opened[-1]

            options["kafka_client"] = connected
        try:
            return self._library.KafkaProducer(**options)
        except Exception:
            for client in opened:
                client.close()
            raise
