"""Signed tokens (JWT) and an endpoint on 127.0.0.1 that gives them out for client credentials, as Keycloak would.

openssl signs: the tests need no library for it.
"""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

KEY: Final = "tokens.key"
JWKS: Final = "tokens.jwks"
CLIENT, SECRET = "driftd", "correct+horse/battery=="


def openssl(*words: str, given: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *words], input=given, capture_output=True, check=True, timeout=60).stdout


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def make_token_key(folder: Path) -> None:
    """KEY signs; JWKS is what a broker checks with."""
    openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", str(folder / KEY))
    modulus = openssl("rsa", "-in", str(folder / KEY), "-noout", "-modulus").decode().strip().removeprefix("Modulus=")
    key = {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "tests", "e": "AQAB", "n": b64(bytes.fromhex(modulus))}
    (folder / JWKS).write_text(json.dumps({"keys": [key]}))


def signed(key: Path | str, *, life_seconds: float = 3600, audience: str = "kafka", subject: str = CLIENT) -> str:
    now = int(time.time())
    claims: dict[str, Any] = {"sub": subject, "iss": "https://tests", "aud": audience, "scope": "read", "iat": now - 1}
    head = {"alg": "RS256", "typ": "JWT", "kid": "tests"}
    parts = (head, {**claims, "exp": now + int(life_seconds)})
    text = ".".join(b64(json.dumps(part).encode()) for part in parts)
    return f"{text}.{b64(openssl('dgst', '-sha256', '-sign', str(key), given=text.encode()))}"


@dataclass
class Endpoint:
    """What it gives out and how it answers; ``asked`` are the forms that came, in order, ``given`` the tokens.

    ``fault`` is a status and a body to answer with instead; ``silent``: it says nothing for so many seconds.
    """

    key: Path | str
    life_seconds: float = 3600
    audience: str = "kafka"
    secret: str = SECRET
    fault: tuple[int, bytes] | None = None
    silent: float = 0.0
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    url: str = ""

    def answer(self, authorization: str, form: dict[str, str]) -> tuple[int, bytes]:
        self.asked.append(form)
        time.sleep(self.silent)
        if self.fault is not None:
            return self.fault
        login = base64.b64decode(authorization.removeprefix("Basic ")).decode()
        if login != f"{CLIENT}:{self.secret}" or form.get("grant_type") != "client_credentials":
            said = {
                "error": "invalid_client",
                "error_description": f"Invalid client credentials: {authorization} {login}",
            }
            return 401, json.dumps(said).encode()
        token = signed(self.key, life_seconds=self.life_seconds, audience=self.audience)
        self.given.append(token)
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": self.life_seconds}
        return 200, json.dumps(answer).encode()


@contextmanager
def token_endpoint(endpoint: Endpoint, certificate: tuple[str, str] | None = None, port: int = 0) -> Iterator[Endpoint]:
    """Serves ``endpoint``, over TLS where there is a certificate and its key."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
            answer = endpoint.answer(self.headers["Authorization"], {name: values[0] for name, values in form.items()})
            self.send_response(answer[0])
            for name, value in endpoint.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer[1])))
            self.end_headers()
            self.wfile.write(answer[1])

        def log_message(self, *_: Any) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Clients that go away are part of the tests."""

    server = Server(("127.0.0.1", port), Handler)
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    endpoint.url = f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_address[1]}/realms/tests/token"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
