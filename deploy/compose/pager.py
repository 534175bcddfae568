"""A stand-in for a pager: prints the alerts that Alertmanager sends, and serves the runbooks. Standard library only.

usage: pager.py HOST:PORT RUNBOOKS
"""

from __future__ import annotations

import functools
import json
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Pager(SimpleHTTPRequestHandler):
    """POST: an Alertmanager webhook at /page, /ticket or /watchdog. GET /runbooks/...: the runbooks' folder."""

    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".md": "text/plain; charset=utf-8"}  # noqa: RUF012

    def translate_path(self, path: str) -> str:
        return super().translate_path(path.removeprefix("/runbooks"))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        if self.path != "/watchdog":
            for alert in body["alerts"]:
                print(line(self.path.strip("/"), alert), flush=True)
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        """Print alerts, not requests."""


def line(receiver: str, alert: dict[str, Any]) -> str:
    """One alert in one line: what, since when (UTC), and where to read on."""
    when = alert["startsAt"] if alert["status"] == "firing" else alert["endsAt"]
    name, notes = alert["labels"]["alertname"], alert["annotations"]
    return f"{when} {receiver} {alert['status'].upper()} {name}: {notes['summary']}  {notes['runbook_url']}"


def main() -> None:
    address, runbooks = sys.argv[1:]
    host, _, port = address.rpartition(":")
    handler = functools.partial(Pager, directory=runbooks)
    ThreadingHTTPServer((host, int(port)), handler).serve_forever()


if __name__ == "__main__":
    main()
