"""The how-to about logging predictions: each of its examples runs, and its events arrive as events."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from driftd.core.event import RecordBatch
from driftd.decode import codec_of

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "how-to" / "log-predictions.md"
ADDRESS: Final = "http://127.0.0.1:9478/events"


def block(heading: str) -> str:
    text = PAGE.read_text().partition(f"## {heading}\n" if heading else "# Log predictions")[2]
    blocks: list[str] = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return blocks[0]


def needs(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")


class Other:
    """Stands in for `driftd receive`."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.url = ""

    @property
    def events(self) -> list[dict[str, Any]]:
        """What came, all of which driftd accepts."""
        count = len(self.lines)
        batch = RecordBatch("t", 0, np.arange(count), np.full(count, 4e9), self.lines, count)
        assert codec_of().decode(batch, {}).rejects == []
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def other() -> Iterator[Other]:
    made = Other()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            made.lines += self.rfile.read(int(self.headers["Content-Length"])).splitlines()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"refused": 0}')

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    made.url = f"http://127.0.0.1:{server.server_address[1]}/events"
    yield made
    server.shutdown()
    server.server_close()


def run(other: Other, tmp_path: Path, code: str, *words: str, text: str = "") -> str:
    path = tmp_path / "example.py"
    assert ADDRESS in code
    path.write_text(code.replace(ADDRESS, other.url))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(path), *words]
    done = subprocess.run(
        command, input=text, capture_output=True, text=True, env=environment, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_first_example_sends_a_prediction_and_its_label(other: Other, tmp_path: Path) -> None:
    assert run(other, tmp_path, block("")).startswith("True Stats(logged=2, sent=2, waiting=0, dropped={}")
    prediction, label = other.events
    assert (prediction["prediction"], prediction["id"], label["label"], label["id"]) == (1, "9f3c", 1, "9f3c")


def test_fastapi(other: Other, tmp_path: Path) -> None:
    needs("fastapi")
    drive = """
import asyncio, json
async def ask(body):
    sent = []
    async def receive():
        return {"type": "http.request", "body": json.dumps(body).encode(), "more_body": False}
    async def send(message):
        sent.append(message)
    scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": "/predict",
             "raw_path": b"/predict", "query_string": b"", "root_path": "", "scheme": "http", "server": ("x", 1),
             "client": ("x", 2), "headers": [(b"content-type", b"application/json")]}
    await app(scope, receive, send)
    return sent[0]["status"], sent[1]["body"]
print(asyncio.run(ask({"amount": 250.0, "country": "DE"})), asyncio.run(ask({"amount": "x"}))[0])
"""
    assert run(other, tmp_path, block("FastAPI") + drive) == "(200, b'{\"fraud\":1}') 422\n"
    (event,) = other.events
    assert (event["features"], event["prediction"]) == ({"amount": 250.0, "country": "DE"}, 1)
    assert event["latency_seconds"] >= 0


def test_scikit_learn(other: Other, tmp_path: Path) -> None:
    needs("sklearn")
    run(other, tmp_path, block("scikit-learn"))
    assert len(other.events) == 20
    assert {len(e["features"]) for e in other.events} == {30}
    assert all((e["score"] > 0.5) == e["prediction"] for e in other.events)


def test_lightgbm(other: Other, tmp_path: Path) -> None:
    needs("lightgbm")
    run(other, tmp_path, block("LightGBM"))
    assert len(other.events) == 20
    assert all({*e["features"]} == {"distance", "weight"} and e["latency_seconds"] > 0 for e in other.events)


VLLM: Final = """\
INFO 11-30 07:00:01 [logger.py:42] Received request chatcmpl-a1: params: SamplingParams(n=1), lora_request: None.
INFO 11-30 07:00:02 [logger.py:42] Received request chatcmpl-b2: params: SamplingParams(n=1), lora_request: None.
INFO:     127.0.0.1:4711 - "POST /v1/chat/completions HTTP/1.1" 200 OK
INFO 11-30 07:00:04 [logger.py:71] Generated response chatcmpl-a1: output: 'Hello: there', \
output_token_ids: [9906, 25, 1070], finish_reason: stop
INFO 11-30 07:00:05 [logger.py:71] Generated response chatcmpl-b2 (streaming delta): output: 'x', \
output_token_ids: [87], finish_reason: None
INFO 11-30 07:00:07 [logger.py:71] Generated response chatcmpl-b2 (streaming complete): output: 'xyz', \
output_token_ids: None, finish_reason: length
"""
"""As vllm/entrypoints/logger.py of vllm-project/vllm writes it (log_inputs, log_outputs), with vLLM's own prefix."""


def test_the_log_of_vllm(other: Other, tmp_path: Path) -> None:
    run(other, tmp_path, block("vLLM's log"), "llama", text=VLLM)
    first, second = other.events
    assert (first["model"], first["id"], first["latency_seconds"]) == ("llama", "chatcmpl-a1", 3.0)
    assert (first["cost"], first["features"]["finish_reason"]) == ({"tokens_out": 3}, "stop")
    assert [e["features"]["characters"] for e in (first, second)] == [12, 3]
    assert (second["latency_seconds"], second["features"]["finish_reason"]) == (5.0, "length")
    assert "cost" not in second
    assert b"Hello" not in b"".join(other.lines)


def test_an_asgi_middleware_needs_no_framework(other: Other) -> None:
    """What the page says of `call` holds in any ASGI application."""
    from driftd.client import Client  # noqa: PLC0415

    client = Client(other.url, model="m")

    async def app(scope: Any, _: Any, send: Any) -> None:
        with client.call(features={"path": scope["path"]}) as call:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            call.prediction = 1

    async def send(_: Any) -> None:
        await asyncio.sleep(0)

    asyncio.run(app({"type": "http", "path": "/p"}, None, send))
    client.close(60)
    assert [e["features"] for e in other.events] == [{"path": "/p"}]
