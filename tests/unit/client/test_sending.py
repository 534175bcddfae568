"""How events leave the process over HTTP: what is asked, and what each answer means."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from driftd.client import Client, Drop, Stats

Answered = tuple[int, dict[str, str], bytes]
OK: Answered = (200, {}, b'{"received": 1, "written": 1, "refused": 0}\n')


class Other:
    """The other side: answers in turn, the last one for ever, and remembers what it was asked."""

    def __init__(self, *answers: Answered) -> None:
        self.answers, self.asked = [*answers], list[tuple[str, dict[str, str], bytes]]()
        self.url = ""

    def answer(self) -> Answered:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]

    @property
    def events(self) -> list[Any]:
        return [json.loads(line) for _, _, body in self.asked for line in body.splitlines()]


@contextmanager
def listening(*answers: Answered) -> Iterator[Other]:
    other = Other(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            other.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
            status, headers, text = other.answer()
            self.send_response(status)
            for name, value in (headers | {"Content-Length": str(len(text))}).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    other.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield other
    finally:
        server.shutdown()
        server.server_close()


def test_events_are_lines_of_one_request() -> None:
    with listening(OK) as other:
        with Client(f"{other.url}/events?x=1", linger_seconds=30) as client:
            client.log("m", {"x": "é\n"})
            client.log("m", {"x": 2})
        ((path, headers, body),) = other.asked
    assert path == "/events?x=1"
    assert headers["content-type"] == "application/x-ndjson"
    assert "authorization" not in headers
    assert body.count(b"\n") == 2
    assert [e["features"]["x"] for e in other.events] == ["é\n", 2]
    assert client.stats() == Stats(2, 2)


@pytest.mark.parametrize(
    ("userinfo", "options", "expected"),
    [
        ("", {"user": "app", "password": "p:w"}, "Basic " + base64.b64encode(b"app:p:w").decode()),
        ("app:p%3Aw@", {}, "Basic " + base64.b64encode(b"app:p:w").decode()),
        ("", {"token": "t0"}, "Bearer t0"),
    ],
)
def test_a_login_is_sent_along(userinfo: str, options: dict[str, Any], expected: str) -> None:
    with listening(OK) as other:
        with Client(other.url.replace("http://", f"http://{userinfo}"), **options) as client:
            client.log("m", {"x": 1})
        ((path, headers, _),) = other.asked
    assert (path, headers["authorization"]) == ("/", expected)


@pytest.mark.parametrize(
    ("status", "answer", "refused", "error"),
    [
        (
            200,
            {
                "received": 3,
                "written": 1,
                "refused": 2,
                "errors": [
                    {"event": 1, "reason": "wrong_type", "detail": "id: expected a string or a number, got a list"},
                    {"event": 2, "reason": "bad_time", "detail": "time: expected ..."},
                ],
            },
            2,
            "2 of 3 events were refused; the first, wrong_type: id: expected a string or a number, got a list",
        ),
        (200, {"received": 3, "written": 2, "refused": 1}, 1, "1 of 3 events were refused"),
        (200, {"refused": 1, "errors": ["odd"]}, 1, "1 of 3 events were refused"),
        (200, {"refused": "odd"}, 0, ""),
        (200, [1], 0, ""),
        (
            400,
            {"received": 3, "refused": 3, "errors": [{"event": 0, "reason": "not_json", "detail": "not JSON"}]},
            3,
            "HTTP 400: 3 of 3 events were refused; the first, not_json: not JSON",
        ),
        (400, {"received": 0, "refused": 0, "error": "no events in it"}, 3, "HTTP 400: no events in it"),
    ],
)
def test_what_the_other_side_refused_of_a_batch_is_counted_and_says_why(
    status: int, answer: Any, refused: int, error: str, caplog: pytest.LogCaptureFixture
) -> None:
    with listening((status, {}, json.dumps(answer).encode())) as other:
        with Client(other.url, linger_seconds=30) as client:
            for n in range(3):
                client.log("m", {"x": n})
        assert len(other.asked) == 1
    assert client.stats() == Stats(3, 3 - refused, 0, {Drop.REFUSED: refused} if refused else {}, 0, error)
    assert error in caplog.text


def test_an_answer_that_asks_for_patience_says_why() -> None:
    said = {"received": 1, "written": 0, "refused": 0, "failed": 1, "error": "kafka b1:9092: no answer"}
    with listening((503, {}, json.dumps(said).encode())) as other, Client(other.url, give_up_seconds=0) as client:
        client.log("m", {"x": 1})
        assert client.flush(60)
    assert client.stats().last_error == "HTTP 503: kafka b1:9092: no answer"


@pytest.mark.parametrize("status", [301, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_may_be_another_next_time_is_asked_for_again(status: int) -> None:
    with listening((status, {"Retry-After": "0"}, b"not now\n"), OK) as other:
        with Client(other.url) as client:
            client.log("m", {"x": 1})
            assert client.flush(60)
        assert len(other.asked) == 2
    assert replace(client.stats(), last_error="") == Stats(1, 1)
    assert client.stats().last_error.startswith(f"HTTP {status}: not now")


def test_retry_after_is_heeded() -> None:
    with listening((429, {"Retry-After": "7"}, b""), OK) as other:
        client = Client(other.url, give_up_seconds=6)
        client.log("m", {"x": 1})
        assert client.flush(60)
        client.close()
        assert len(other.asked) == 1, "7 seconds are more than 6"
    assert client.stats().dropped == {Drop.UNDELIVERED: 1}


@pytest.mark.parametrize("status", [400, 415, 422])
def test_an_answer_that_stays_the_same_drops_the_batch(status: int) -> None:
    with listening((status, {}, b"model: missing\nmore\n")) as other:
        with Client(other.url) as client:
            client.log("m", {"x": 1})
        assert len(other.asked) == 1
    assert client.stats() == Stats(1, 0, 0, {Drop.REFUSED: 1}, 0, f"HTTP {status}: model: missing more")


def test_a_body_that_is_too_large_comes_in_halves() -> None:
    with listening((413, {}, b"too large"), OK) as other:
        with Client(other.url, linger_seconds=30) as client:
            for n in range(4):
                client.log("m", {"x": n})
        assert [body.count(b"\n") for _, _, body in other.asked] == [4, 2, 2]
    assert client.stats() == Stats(4, 4)


def test_nobody_listening_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with listening(OK) as other:
        url = other.url
    client = Client(url, give_up_seconds=0)
    client.log("m", {"x": 1})
    assert client.flush(60)
    client.close()
    assert client.stats().dropped == {Drop.UNDELIVERED: 1}
    assert client.stats().last_error.startswith("ConnectionRefusedError")
    assert "events cannot be sent, and wait: ConnectionRefusedError" in caplog.text


def test_kafka_without_its_library_is_told_where_the_client_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kafka", None)
    with pytest.raises(ValueError, match="needs the package kafka-python"):
        Client("kafka://broker:9092/predictions")


def test_kafka_that_does_not_answer_is_told_within_the_timeout() -> None:
    """In a process of its own: kafka-python leaves the sockets of connections that were not made."""
    with listening(OK) as other:
        address = other.url.removeprefix("http://").partition("/")[0]
    code = (
        "import logging; from driftd.client import Client; logging.getLogger('kafka').disabled = True\n"
        f"client = Client('kafka://{address}/predictions', timeout_seconds=0.2, give_up_seconds=0)\n"
        "client.log('m', {'x': 1}); print(client.flush(20), client.stats().last_error, sep=chr(10))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    flushed, error = done.stdout.splitlines()
    assert flushed == "True", "kafka-python's own limit is 30 s"
    assert error.startswith("Kafka")
    assert error.count("Error:") == 1
    assert f"1 events are lost: {error}\n" in done.stderr


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (301, {"Location": "https://receive/events"}, "HTTP 301: https://receive/events; give the url that it goes to"),
        (401, {}, "HTTP 401: user and password, or token, are options of the client"),
        (403, {}, "HTTP 403: this login may not send events there"),
        (404, {}, "HTTP 404: the url's path is /v1, and driftd receive takes events at /events"),
        (405, {}, "HTTP 405: the url's path is /v1, and driftd receive takes events at /events"),
        (413, {}, "HTTP 413: a smaller batch_events or batch_bytes sends less at once"),
        (429, {"Retry-After": "7"}, "HTTP 429: the other side has too much to do; the events wait"),
    ],
)
def test_an_answer_that_means_a_mistake_says_what_to_do(status: int, headers: dict[str, str], said: str) -> None:
    with listening((status, headers, b"")) as other:
        client = Client(f"{other.url}/v1", give_up_seconds=0, batch_events=1)
        client.log("m", {"x": 1})
        assert client.flush(60)
        client.close()
    assert client.stats().last_error.startswith(said)


def test_a_path_that_is_right_is_not_blamed() -> None:
    with listening((404, {}, b"no such topic")) as other:
        client = Client(f"{other.url}/events", give_up_seconds=0)
        client.log("m", {"x": 1})
        assert client.flush(60)
        client.close()
    assert client.stats().last_error == "HTTP 404: no such topic"


def error_of(url: str) -> str:
    client = Client(url, give_up_seconds=0)
    client.log("m", {"x": 1})
    assert client.flush(60)
    client.close()
    return client.stats().last_error


def test_https_to_who_speaks_http_says_so() -> None:
    with listening(OK) as other:
        assert "speaks no TLS, the url begins with http://" in error_of(f"https{other.url.removeprefix('http')}/events")


def test_http_to_who_hangs_up_at_once_as_tls_does_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            while True:
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        said = error_of(f"http://127.0.0.1:{server.getsockname()[1]}/events")
    assert "if 127.0.0.1 speaks TLS, the url begins with https://" in said
