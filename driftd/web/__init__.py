"""HTTP: /metrics, health, readiness, reload, and the status page."""

from driftd.monitor.view import ModelView, Snapshot
from driftd.web.server import HttpServer, ServerLimits, Views

__all__ = ["HttpServer", "ModelView", "ServerLimits", "Snapshot", "Views"]
