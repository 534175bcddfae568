"""HTTP: /metrics, health, readiness, reload, the web pages, and what people do on them."""

from driftd.monitor.view import ModelView, Snapshot
from driftd.web.httpd import ServerLimits
from driftd.web.server import HEALTHY_SECONDS, HttpServer, Views, nobody_acts

__all__ = ["HEALTHY_SECONDS", "HttpServer", "ModelView", "ServerLimits", "Snapshot", "Views", "nobody_acts"]
