"""The HTTP server under every page and endpoint: few paths, few threads, a deadline on everything."""

from __future__ import annotations

import logging
import re
import socket
import ssl
import sys
import threading
import zlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

from driftd.core.errors import ConfigError
from driftd.sources.renewed import Renewed
from driftd.web import guard
from driftd.web.answer import TEXT, Answer
from driftd.web.pages import frame
from driftd.web.passwords import TooManyPasswords, user_of
from driftd.web.slots import Pool, Slots
from driftd.web.webconfig import WebConfig, load

log = logging.getLogger("driftd.http")

MAX_BODY_BYTES: Final = 32_768
LINGER_BYTES: Final = 16 << 20
LINGER_SECONDS: Final = 2.0
"""How much of a body that was refused is still read, and how long each read may take."""
_LENGTH: Final = re.compile("[0-9]{1,9}")
"""With more digits the number may not fit into a read, and Python refuses to parse thousands of them."""
_MANY: Final = frozenset({Pool.BCRYPT, Pool.EVENTS})
"""Where these are taken, it is clients that are too many, and not driftd that is busy."""
_SECURITY: Final = {
    "Content-Security-Policy": frame.CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with no-referrer a browser's form sends Origin: null, and would be refused
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """``connections`` at a time whose request is read, ``answers`` at a time of each kind (driftd.web.slots.Pool);
    ``request_seconds`` to send a request, ``response_seconds`` to take the answer. ``events``: as ``answers``, of
    requests that bring events.
    """

    connections: int = 32
    answers: int = 8
    events: int = 8
    request_seconds: float = 10.0
    response_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class Route:
    """``answer`` is called in a thread of the request's. ``alone``: what is said to who may not change anything, where
    the path does that; "": whoever may ask may. ``most_bytes`` of a body.
    """

    methods: tuple[str, ...]
    pool: Pool
    answer: Callable[[Handler], Answer]
    alone: str = ""
    most_bytes: int = MAX_BODY_BYTES


def no_path(path: str, known: Collection[str]) -> Answer:  # noqa: ARG001 (some say more of some paths)
    return Answer("no such path; there are\n{}\n".format("\n".join(known)).encode(), status=HTTPStatus.NOT_FOUND)


def nobody_counts(path: str, status: int) -> None:
    """What came of a request."""


class RouteServer:
    """Serves ``routes`` from its threads. A connection carries one request. Probes need no password. Probes, scrapes,
    pages, reloads, events and checks of passwords have slots of their own (driftd.web.slots).

    Raises: ConfigError if the address is taken or the web.config file is wrong.
    """

    def __init__(
        self,
        address: tuple[str, int],
        routes: Mapping[str, Route],
        *,
        web_config: Path | None = None,
        hosts: Collection[str] = (),
        limits: ServerLimits | None = None,
        setting: str = "http.listen",
        missing: Callable[[str, Collection[str]], Answer] = no_path,
        answered: Callable[[str, int], None] = nobody_counts,
    ) -> None:
        self._web_config = web_config
        self._server = _Server(
            address, routes, web_config, frozenset(hosts), limits or ServerLimits(), setting, missing, answered
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), name="http", daemon=True)

    @property
    def port(self) -> int:
        """The port that is listened on, also where 0 was asked for."""
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        host = str(self._server.server_address[0])
        scheme = "http" if self._server.web.tls is None else "https"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        self._thread.start()

    @property
    def certificate(self) -> Path | None:
        """The file of the certificate that clients see; None without TLS, or where it is in web.config itself."""
        tls = self._server.web.tls
        return None if tls is None else tls.certificate

    def check_web_config(self) -> None:
        """Raises ConfigError where the file is no good now; what it says is in force with the next connection."""
        if self._web_config is not None:
            load(self._web_config)

    def close(self, timeout_seconds: float = 5.0) -> None:
        """Accepts no more connections, gives answers in progress so long to finish, then cuts them off."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()
        self._server.slots.finish(timeout_seconds)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(
        self,
        address: tuple[str, int],
        routes: Mapping[str, Route],
        web_config: Path | None,
        hosts: frozenset[str],
        limits: ServerLimits,
        setting: str,
        missing: Callable[[str, Collection[str]], Answer],
        answered: Callable[[str, int], None],
    ) -> None:
        self.routes, self.hosts, self.limits, self.missing, self.answered = routes, hosts, limits, missing, answered
        self.loopback = guard.is_loopback(address[0])
        self.web = WebConfig(files=() if web_config is None else (web_config,))
        self._renewed = Renewed(
            lambda: self.web.files,
            lambda: self.web if web_config is None else load(web_config, self.web),
            lambda text: log.error("%s", text),
        )
        self.web = self._renewed.get()
        sizes = {Pool.REQUEST: limits.connections, Pool.EVENTS: limits.events}
        self.slots = Slots(dict.fromkeys(Pool, limits.answers) | sizes)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        try:
            super().__init__(address, Handler)
        except OSError as e:
            raise ConfigError(
                f"{setting} {address[0]}:{address[1]}: {e.strerror or e}; choose another address or stop what uses it"
            ) from e

    def server_bind(self) -> None:
        # not HTTPServer's, which asks the resolver for the host's full name and may wait for it
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "driftd", int(self.server_address[1])

    def process_request(self, request: Any, client_address: Any) -> None:
        self.slots.admit(request, self.limits.request_seconds)
        super().process_request(request, client_address)

    def close_request(self, request: Any) -> None:
        self.slots.drop(request)
        super().close_request(request)

    def service_actions(self) -> None:
        self.slots.cut_overdue()

    def get_request(self) -> tuple[Any, Any]:
        request, address = super().get_request()
        # Here alone: files are looked at once for each connection, and no thread waits for another one's look.
        self.web = self._renewed.get()
        if self.web.tls is not None:
            # the handshake waits for the client, so it belongs to the connection's own thread
            request = self.web.tls.context.wrap_socket(request, server_side=True, do_handshake_on_connect=False)
        return request, address

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 (the library's signature)
        error = sys.exception()
        if isinstance(error, OSError):  # TLS that failed, a client that went away or was cut off
            log.debug("connection from %s given up: %s", client_address[0], error)
        else:
            log.error("an HTTP request could not be answered", exc_info=error)


class Handler(BaseHTTPRequestHandler):
    """One request: ``body`` is what came with it, ``address`` the path without its query."""

    server: _Server
    request: socket.socket
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        self.request.settimeout(self.server.limits.request_seconds)
        super().setup()
        self.web, self.body, self._unread = self.server.web, b"", 0
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
            if self.web.tls is not None and (why := self.web.tls.refuses(self.request)):
                log.warning("%s: refused: %s", self.client_address[0], why)
                raise ConnectionAbortedError(why)

    def do_GET(self) -> None:
        self.server.slots.work(self.request)
        if self.command in {"POST", "PUT"}:
            length = self.headers.get("Content-Length", "0")
            known = "Transfer-Encoding" not in self.headers and _LENGTH.fullmatch(length)
            self._unread = min(int(length), LINGER_BYTES) if known else LINGER_BYTES
        answer = self._refusal() or self._answer()
        self.server.slots.wait_for_client(self.request)
        self._send(answer)
        self._linger()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 (the library's names)

    def _answer(self) -> Answer:
        try:
            return self.server.routes[self.address].answer(self)
        except Exception:
            log.exception("%s could not be answered", self.address)
            return Answer(b"driftd failed to answer; its log has the reason\n", status=HTTPStatus.INTERNAL_SERVER_ERROR)

    @property
    def address(self) -> str:
        return self.path.partition("?")[0]

    def _refusal(self) -> Answer | None:
        """What is wrong with the request, or None; after it the connection has a slot and the deadline of an answer."""
        route = self.server.routes.get(self.address)
        if route is None:
            return self.server.missing(self.address, self.server.routes)
        if self.command not in route.methods:
            allow = (("Allow", ", ".join(route.methods)),)
            return Answer(f"use {route.methods[0]}\n".encode(), status=HTTPStatus.METHOD_NOT_ALLOWED, headers=allow)
        refused = guard.refused_host(self.headers, self.server.hosts, loopback=self.server.loopback)
        if refused:
            return Answer(f"{refused}\n".encode(), status=HTTPStatus.MISDIRECTED_REQUEST)
        return (
            self._refused_rate(route.pool)
            or self._refused_user(route.pool)
            or self._refused_write(route)
            or self._refused_slot(route.pool)
        )

    def _refused_rate(self, pool: Pool) -> Answer | None:
        limit = self.web.rate_limit
        if limit is None or pool is Pool.PROBE or limit.allows():
            return None
        wait = (("Retry-After", "1"),)
        return Answer(b"too many requests\n", status=HTTPStatus.TOO_MANY_REQUESTS, headers=wait)

    def _refused_slot(self, pool: Pool) -> Answer | None:
        seconds = self.server.limits.response_seconds
        if not self.server.slots.move(self.request, pool, seconds):
            busy = HTTPStatus.TOO_MANY_REQUESTS if pool in _MANY else HTTPStatus.SERVICE_UNAVAILABLE
            return Answer(b"busy with others; try again\n", status=busy, headers=(("Retry-After", "1"),))
        self.request.settimeout(seconds)
        return None

    def _refused_user(self, pool: Pool) -> Answer | None:
        passwords, given = self.web.passwords, self.headers["Authorization"]
        if passwords is None or pool is Pool.PROBE:
            return None
        accepted = passwords.remembered(given)
        if accepted is None and (refused := self._refused_slot(Pool.BCRYPT)) is not None:
            return refused
        try:
            if accepted or passwords.accept(given, str(self.client_address[0])):
                return None
        except TooManyPasswords as e:
            wait = (("Retry-After", f"{e.seconds:.0f}"),)
            return Answer(f"{e}\n".encode(), status=HTTPStatus.TOO_MANY_REQUESTS, headers=wait)
        ask = (("WWW-Authenticate", 'Basic realm="driftd", charset="UTF-8"'),)
        return Answer(b"user and password required\n", status=HTTPStatus.UNAUTHORIZED, headers=ask)

    def _refused_write(self, route: Route) -> Answer | None:
        """What changes something needs a login or this machine, and no page of another site."""
        if self.command not in {"POST", "PUT"}:
            return None
        if refused := guard.refused_origin(self.headers):
            return Answer(f"{refused}\n".encode(), status=HTTPStatus.FORBIDDEN)
        if route.alone and not self.who():
            return Answer(route.alone.encode() + b"\n", status=HTTPStatus.FORBIDDEN)
        if "Transfer-Encoding" in self.headers:
            text = b"a body in chunks (transfer-encoding); send it whole, with content-length\n"
            return Answer(text, status=HTTPStatus.LENGTH_REQUIRED)
        length = self.headers.get("Content-Length", "0")
        if re.fullmatch("[0-9]+", length) is None:
            return Answer(b"content-length: expected a number of bytes\n", status=HTTPStatus.BAD_REQUEST)
        if not _LENGTH.fullmatch(length) or int(length) > route.most_bytes:
            text = f"a body of more than {route.most_bytes} bytes\n".encode()
            return Answer(text, status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        self.server.slots.wait_for_body(self.request)
        self.body, self._unread = self.rfile.read(int(length)), 0
        self.server.slots.work(self.request)
        if len(self.body) < int(length):
            raise ConnectionAbortedError("the client went away before it had sent all")
        return None

    def who(self) -> str:
        """By which name the client is known; "" where it may not change anything."""
        user = user_of(self.headers["Authorization"]) if self.web.passwords is not None else ""
        client = str(self.client_address[0])
        return guard.known_as(self.request, client, self.headers, user=user, version=self.request_version)

    def _send(self, answer: Answer) -> None:
        self.server.answered(self.address, answer.status)
        body, zipped = answer.body, answer.gzipped
        if not zipped and len(body) > 1400 and self.takes_gzip():
            press = zlib.compressobj(1, zlib.DEFLATED, 31)
            body, zipped = press.compress(body) + press.flush(), True
        self.send_response(answer.status)
        headers = {"Content-Type": answer.type, "Content-Length": str(len(body)), "Vary": "Accept-Encoding"}
        if zipped:
            headers["Content-Encoding"] = "gzip"
        for name, value in (headers | _SECURITY | dict(self.web.headers) | dict(answer.headers)).items():
            if value:
                self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _linger(self) -> None:
        """Reads what the client goes on to send of a body that was refused. If the connection were closed before, it
        would be reset, and a client that is still writing would never see the answer.
        """
        if not self._unread:
            return
        self.request.settimeout(LINGER_SECONDS)
        if not isinstance(self.request, ssl.SSLSocket):
            self.request.shutdown(socket.SHUT_WR)  # who has read the answer closes, and nobody waits
        while self._unread > 0 and (part := self.rfile.read1(min(self._unread, 65_536))):
            self._unread -= len(part)

    def takes_gzip(self) -> bool:
        for item in self.headers.get("Accept-Encoding", "").split(","):
            coding, _, q = item.partition(";")
            if coding.strip().lower() in {"gzip", "*"}:
                return q.replace(" ", "") not in {"q=0", "q=0.0", "q=0.00", "q=0.000"}
        return False

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """What the library finds wrong (malformed, too long, unknown method), without its HTML."""
        body = f"{message or HTTPStatus(code).phrase}\n".encode("ascii", "replace")
        self.request_version = self.protocol_version  # of what could not be read nothing is known: answer in full
        self.send_response(code)
        for name, value in {"Content-Type": TEXT, "Content-Length": str(len(body)), **_SECURITY}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        return "driftd"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the library's signature)
        log.debug("%s %s", self.client_address[0], format % args)
