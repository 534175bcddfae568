"""HTTP: /metrics, health, readiness, reload, and the status page."""

from driftd.monitor.view import ModelView, Snapshot
from driftd.web.server import HttpServer, Limits, Views

__all__ = ["HttpServer", "Limits", "ModelView", "Snapshot", "Views"]
