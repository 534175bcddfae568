"""HTTP: /metrics, health, readiness, reload, and the status page."""

from driftd.http.server import HttpServer, Limits, Views
from driftd.http.view import ModelView, Snapshot

__all__ = ["HttpServer", "Limits", "ModelView", "Snapshot", "Views"]
