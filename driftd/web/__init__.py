"""HTTP: /metrics, health, readiness, reload, and the web pages."""

from driftd.monitor.view import ModelView, Snapshot
from driftd.web.server import HEALTHY_SECONDS, HttpServer, ServerLimits, Views

__all__ = ["HEALTHY_SECONDS", "HttpServer", "ModelView", "ServerLimits", "Snapshot", "Views"]
