"""A stand-in of a schema registry for tests: the read side of Confluent's REST API and of Apicurio's, as their papers
have them. A real one is in real_registry.py.

Confluent: GET /schemas/ids/{id}, /schemas/guids/{guid}, /subjects/{subject}/versions/{version}, ?format=serialized; 404
with error_code 40403 or 40402. Apicurio: GET /apis/registry/v3/ids/{contentIds,globalIds}/{id}[/references],
/groups/{g}/artifacts/{a}/versions/{v}[/references|/content].
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.servers import find_free_port


@dataclass
class Registry:
    """``answers`` by path (with the query); ``asked`` in order. ``status``: of all answers, where it is not 0."""

    answers: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    logins: list[str | None] = field(default_factory=list)
    status: int = 0
    port: int = field(default_factory=find_free_port)
    _server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def schema(self, number: int, text: str, kind: str = "AVRO", form: str = "", **more: Any) -> None:
        about = {} if kind == "AVRO" else {"schemaType": kind}
        self.answers[f"/schemas/ids/{number}{form}"] = {"schema": text, **about, **more}

    def start(self) -> None:
        registry = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = unquote(self.path)
                registry.asked.append(path)
                registry.logins.append(self.headers.get("Authorization"))
                found = registry.answers.get(path, registry.answers.get(urlsplit(path).path))
                status = registry.status or (404 if found is None else 200)
                missing = {"error_code": 40403, "message": "Schema not found"}
                body = found if isinstance(found, bytes) else json.dumps(missing if found is None else found).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None


@contextmanager
def serving() -> Iterator[Registry]:
    registry = Registry()
    registry.start()
    try:
        yield registry
    finally:
        registry.stop()
