"""The endpoint: a request in, an answer when its events are in the topic, and counts of both."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from prometheus_client import CollectorRegistry, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client import Counter as PrometheusCounter

from driftd.core.event import RejectReason
from driftd.core.text import jsonable
from driftd.decode import Codec
from driftd.metrics.catalogue import RECEIVE
from driftd.metrics.exposition import CONTENT_TYPE
from driftd.receive.body import BadRequest, Record, hint, records_of
from driftd.receive.check import checked
from driftd.receive.topic import Topic
from driftd.web.answer import JSON, Answer
from driftd.web.httpd import Handler, Route
from driftd.web.slots import Pool

PATH: Final = "/events"
SHOWN: Final = 10
"""Refused events that an answer names: more make a producer's mistake no clearer."""
UNAVAILABLE: Final = "unavailable"
"""Why events were refused that the topic did not take. Not one of RejectReason: nothing is wrong with them."""
REASONS: Final = (*(reason.value for reason in RejectReason), UNAVAILABLE)
AGAIN: Final = (("Retry-After", "1"),)


class Metrics:
    """The metrics of RECEIVE. received = written + refused, at any time between two requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry
        kinds: dict[str, Any] = {"counter": PrometheusCounter, "gauge": Gauge, "histogram": Histogram}
        made = {
            m.name: kinds[m.type](m.name, m.help, [n for n in m.labels if n != "le"], registry=registry)
            for m in RECEIVE
        }
        self.requests = made["driftd_receive_requests_total"]
        self.received = made["driftd_receive_events_received_total"]
        self.written = made["driftd_receive_events_written_total"]
        self.refused = made["driftd_receive_events_refused_total"]
        self.bytes = made["driftd_receive_written_bytes_total"]
        self.seconds = made["driftd_receive_write_duration_seconds"]
        self.up = made["driftd_receive_topic_writable"]
        for reason in REASONS:
            self.refused.labels(reason)

    def answered(self, path: str, status: int) -> None:
        """Of requests to PATH, those too that got no further than their password."""
        if path == PATH:
            self.requests.labels(str(status)).inc()

    def page(self) -> bytes:
        return generate_latest(self.registry)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """``codec`` makes a codec that has seen no event; ``not_ready`` has the reasons, none if events are taken."""

    topic: Topic
    codec: Callable[[], Codec]
    metrics: Metrics
    not_ready: Callable[[], Sequence[str]]
    body_bytes: int
    now: Callable[[], float] = time.time

    def routes(self) -> Mapping[str, Route]:
        read = ("GET", "HEAD")
        return {
            PATH: Route(("POST",), Pool.EVENTS, self._events, most_bytes=self.body_bytes),
            "/metrics": Route(read, Pool.SCRAPE, lambda _: Answer(self.metrics.page(), CONTENT_TYPE)),
            "/-/healthy": Route(read, Pool.PROBE, lambda _: Answer(b"ok\n")),
            "/-/ready": Route(read, Pool.PROBE, lambda _: self._ready()),
        }

    def _ready(self) -> Answer:
        reasons = [*self.not_ready()]
        status = HTTPStatus.SERVICE_UNAVAILABLE if reasons else HTTPStatus.OK
        return _json({"ready": not reasons, "reasons": reasons}, status)

    def _events(self, handler: Handler) -> Answer:
        try:
            records = records_of(handler.headers, handler.body, self.body_bytes)
        except BadRequest as e:
            why = _hinted(str(e), handler) if e.status is HTTPStatus.BAD_REQUEST else str(e)
            return _json({"received": 0, "written": 0, "refused": 0, "error": why}, e.status)
        return self.take(records, lambda: hint(handler.headers, handler.body))

    def take(self, records: Sequence[Record], looks: Callable[[], str] = str) -> Answer:
        """Writes what driftd can use of the records. 200: all of it is in the topic; 400: there was nothing of it;
        413: all of it is larger than driftd, or the topic, takes;
        503: the topic did not take all, and what is not counted as written should be sent again.
        ``looks``: what the request may be, asked where nothing of it is accepted.
        """
        looked = checked(records, self.topic.name, self.codec, self.now())
        why = {i: (r.reason.value, r.detail + f"; {r.hint}" * bool(r.hint)) for i, r in looked.refused.items()}
        places = [i for i in range(len(records)) if i not in why]
        problem, written = "", 0
        if looked.good:
            with self.metrics.seconds.time():
                outcome = self.topic.write(looked.good)
            written, problem = sum(outcome.acknowledged), outcome.problem
            too_large = (RejectReason.TOO_LARGE.value, "more than the topic takes (max.message.bytes)")
            why |= {places[k]: too_large for k in outcome.too_large}
            self.metrics.bytes.inc(
                sum(len(r.value) for r, done in zip(looked.good, outcome.acknowledged, strict=True) if done)
            )
        failed = len(records) - written - len(why)
        self._count(len(records), written, Counter(reason for reason, _ in why.values()), failed)
        said: dict[str, Any] = {"received": len(records), "written": written, "refused": len(why)}
        if why:
            said["errors"] = [
                {"event": i, "reason": reason, "detail": detail} for i, (reason, detail) in sorted(why.items())[:SHOWN]
            ]
        if failed:
            text = problem or "not acknowledged in time"
            return _json({**said, "failed": failed, "error": text}, HTTPStatus.SERVICE_UNAVAILABLE, AGAIN)
        if not written and {reason for reason, _ in why.values()} == {RejectReason.TOO_LARGE.value}:
            return _json(said, HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
        if written:
            return _json(said, HTTPStatus.OK)
        return _json({**said, "hint": words} if (words := looks()) else said, HTTPStatus.BAD_REQUEST)

    def _count(self, received: int, written: int, refused: Mapping[str, int], failed: int) -> None:
        self.metrics.received.inc(received)
        self.metrics.written.inc(written)
        for reason, events in refused.items():
            self.metrics.refused.labels(reason).inc(events)
        self.metrics.refused.labels(UNAVAILABLE).inc(failed)


def _hinted(text: str, handler: Handler) -> str:
    more = hint(handler.headers, handler.body)
    return f"{text}; {more}" if more else text


def _json(said: Mapping[str, Any], status: HTTPStatus, headers: tuple[tuple[str, str], ...] = ()) -> Answer:
    return Answer(orjson.dumps(jsonable(said), option=orjson.OPT_APPEND_NEWLINE), JSON, status, headers=headers)
