"""HTTP: /metrics, health, readiness, reload, the web pages, and what people do on them."""

from driftd.monitor.view import ModelView, Snapshot
from driftd.web.server import HEALTHY_SECONDS, HttpServer, ServerLimits, Views, nobody_acts

__all__ = ["HEALTHY_SECONDS", "HttpServer", "ModelView", "ServerLimits", "Snapshot", "Views", "nobody_acts"]
