"""The daemon's HTTP: pages, data, acts, metrics, health, readiness, reload."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

import orjson

from driftd.core.act import Act
from driftd.core.errors import ActRefused
from driftd.core.text import jsonable
from driftd.engine.desk import Done
from driftd.metrics.exposition import CONTENT_TYPE
from driftd.monitor.view import Snapshot
from driftd.web.acts import NOBODY
from driftd.web.answer import JSON, Answer
from driftd.web.httpd import Handler, Route, RouteServer, ServerLimits, no_path
from driftd.web.openapi import DOCUMENT
from driftd.web.pages.frame import prepare
from driftd.web.site import ACTING, MAX_FIELDS, PATHS, answer, answer_act, request_of
from driftd.web.slots import Pool

HEALTHY_SECONDS: Final = 60.0
"""Without a round of the loop; then liveness fails."""


def nobody_acts(_: Sequence[Act]) -> Done:
    """Of what only shows."""
    raise ActRefused("nothing can be done here: this is a replay")


@dataclass(frozen=True, slots=True)
class Views:
    """What the server needs from the daemon; called from the server's threads, several at a time.

    metrics    the page for Prometheus, gzipped if True is given
    age        seconds since the daemon's loop last completed a round
    not_ready  the reasons why driftd is not ready; none if it is
    reload     reloads the configuration, waits, and returns whether it is in force, with a text
    snapshot   what the web pages show
    act        does what somebody asks for, waits until it is saved, and says what came of it; raises ActRefused, and
               TimeoutError while the loop stands still
    others     addresses of the other members of a group
    """

    metrics: Callable[[bool], bytes]
    age: Callable[[], float]
    not_ready: Callable[[], Sequence[str]]
    reload: Callable[[], tuple[bool, str]]
    snapshot: Callable[[], Snapshot]
    act: Callable[[Sequence[Act]], Done] = nobody_acts
    others: Callable[[], Collection[str]] = tuple


class HttpServer(RouteServer):
    """Serves the pages and their data (driftd.web.site), /metrics, /-/healthy, /-/ready and /-/reload.

    Raises: ConfigError if the address is taken or the web.config file is wrong.
    """

    def __init__(
        self,
        address: tuple[str, int],
        views: Views,
        *,
        web_config: Path | None = None,
        hosts: Collection[str] = (),
        limits: ServerLimits | None = None,
    ) -> None:
        routes = _routes(views)
        super().__init__(address, routes, web_config=web_config, hosts=hosts, limits=limits, missing=_missing)

    def start(self) -> None:
        super().start()
        threading.Thread(target=prepare, name="driftd-templates", daemon=True).start()


def _missing(path: str, known: Collection[str]) -> Answer:
    if not path.startswith("/api/"):
        return no_path(path, known)
    body = orjson.dumps({"error": f"no such path; {DOCUMENT} has all"}, option=orjson.OPT_APPEND_NEWLINE)
    return Answer(body, JSON, HTTPStatus.NOT_FOUND)


_READ: Final = ("GET", "HEAD")


def _routes(views: Views) -> Mapping[str, Route]:
    def metrics(handler: Handler) -> Answer:
        gzip = handler.takes_gzip()
        return Answer(views.metrics(gzip), CONTENT_TYPE, gzipped=gzip)

    def healthy(_: Handler) -> Answer:
        age = views.age()
        text = f"last round of the loop {age:.1f} s ago; more than {HEALTHY_SECONDS:g} s is unhealthy\n".encode()
        return Answer(text, status=HTTPStatus.OK if age <= HEALTHY_SECONDS else HTTPStatus.SERVICE_UNAVAILABLE)

    def ready(_: Handler) -> Answer:
        reasons = list(views.not_ready())
        body = orjson.dumps(jsonable({"ready": not reasons, "reasons": reasons}), option=orjson.OPT_APPEND_NEWLINE)
        return Answer(body, JSON, HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK)

    def reload(_: Handler) -> Answer:
        taken, text = views.reload()
        status = HTTPStatus.OK if taken else HTTPStatus.INTERNAL_SERVER_ERROR
        return Answer(f"{text}\n".encode("utf-8", "replace"), status=status)

    def site(handler: Handler) -> Answer:
        try:
            request = request_of(handler.path, handler.headers["Cookie"], handler.who())
        except ValueError:
            text = f"more than {MAX_FIELDS} query fields\n"
            return Answer(text.encode(), status=HTTPStatus.BAD_REQUEST)
        return answer(request, views.snapshot)

    def act(handler: Handler) -> Answer:
        """Does what a form asks for: of a page back to it, else as JSON."""
        page, who = handler.address == "/act", handler.who()
        return answer_act(page, handler.body, who, views.snapshot, views.act, views.others)

    alone = "from another machine this needs a password or a certificate (http.web_config); SIGHUP does the same"
    return {
        **dict.fromkeys(PATHS, Route(_READ, Pool.PAGE, site)),
        "/metrics": Route(_READ, Pool.SCRAPE, metrics),
        "/-/healthy": Route(_READ, Pool.PROBE, healthy),
        "/-/ready": Route(_READ, Pool.PROBE, ready),
        "/-/reload": Route(("POST", "PUT"), Pool.RELOAD, reload, alone),
        **dict.fromkeys(ACTING, Route(("POST",), Pool.RELOAD, act, NOBODY)),
    }
