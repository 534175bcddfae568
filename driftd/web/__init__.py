"""HTTP: /metrics, health, readiness, reload, and the status page."""

from driftd.web.server import HttpServer, Limits, Views
from driftd.web.snapshot import ModelView, Snapshot

__all__ = ["HttpServer", "Limits", "ModelView", "Snapshot", "Views"]
