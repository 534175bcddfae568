"""The dashboard: a row of panels for each question."""

from __future__ import annotations

import json

from driftd.generate import rows_driftd, rows_model, rows_models, rows_segments
from driftd.generate.grafana import RUNBOOKS, SOURCE, Json, Row, placed


def dashboard() -> str:
    """deploy/grafana/dashboards/driftd.json. Folded: what has data only where it was configured, or events say it."""
    rows = [
        Row("All models", rows_models.all_models()),
        Row("Can a page be trusted?", rows_models.trust()),
        Row("Model $model", rows_model.model()),
        Row("Feature $feature of $model", rows_model.feature()),
        Row("Service of $model", rows_model.service()),
        Row("driftd itself", rows_driftd.driftd()),
        Row("Evidence and chosen detectors: $feature of $model", rows_model.detectors(), folded=True),
        Row("Latency and cost of $model", rows_model.latency_and_cost(), folded=True),
        Row("How right $model is", rows_model.performance(), folded=True),
        Row("Labels of $model that come later", rows_model.later_labels(), folded=True),
        Row("Segments of $model", rows_segments.segments(), folded=True),
        Row("Experiments of $model", rows_model.experiments(), folded=True),
    ]
    return json.dumps({**_frame(), "panels": placed(rows)}, indent=2) + "\n"


def _variable(name: str, query: str) -> Json:
    return {
        "name": name,
        "label": name.capitalize(),
        "type": "query",
        "datasource": SOURCE,
        "definition": query,
        "query": {"qryType": 1, "query": query, "refId": f"{name}-variable"},
        "refresh": 2,
        "regex": "",
        "sort": 1,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
        "skipUrlSync": False,
    }


def _frame() -> Json:
    """All but the panels."""
    source = {
        "name": "datasource",
        "label": "Data source",
        "type": "datasource",
        "query": "prometheus",
        "regex": "",
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "refresh": 1,
        "current": {"selected": False, "text": "Prometheus", "value": "prometheus"},
        "options": [],
        "skipUrlSync": False,
    }
    alerts = {
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": "red",
        "name": "Alerts of driftd",
        "expr": 'ALERTS{alertname=~"Driftd.*", alertname!="DriftdWatchdog", alertstate="firing", model=~"$model|"}',
        "titleFormat": "{{alertname}}",
        "textFormat": "{{model}} {{feature}}",
        "step": "60s",
    }
    own = {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
    runbooks = {
        "title": "Runbooks",
        "url": RUNBOOKS,
        "type": "link",
        "icon": "doc",
        "targetBlank": True,
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "tags": [],
        "tooltip": "",
    }
    models, features = (
        "label_values(driftd_model_status, model)",
        'label_values(driftd_feature_status{model="$model"}, feature)',
    )
    return {
        "uid": "driftd",
        "title": "driftd",
        "description": "Drift of models, what a page is worth, one model, one feature, its service, and driftd itself.",
        "tags": ["driftd", "machine learning"],
        "timezone": "utc",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 41,
        "version": 1,
        "refresh": "30s",
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "liveNow": False,
        "time": {"from": "now-6h", "to": "now"},
        "timepicker": {},
        "links": [runbooks],
        "annotations": {"list": [own, alerts]},
        "templating": {"list": [source, _variable("model", models), _variable("feature", features)]},
    }
