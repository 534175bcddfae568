"""The dashboards: all models, one model, one channel, and driftd itself, each with links to the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from driftd.generate import rows_driftd, rows_model, rows_models, rows_segments, rows_service
from driftd.generate.grafana import CHANNEL, DAEMON, FLEET, MODEL, RUNBOOKS, SOURCE, Json, Row, placed

TAG: Final = "driftd"
"""By which the dashboards find each other."""
_MODELS: Final = ("model", "label_values(driftd_model_status, model)")
_CHANNELS: Final = ("feature", 'label_values(driftd_feature_status{model="$model"}, feature)')


@dataclass(frozen=True, slots=True)
class Sheet:
    """A dashboard. ``variables``: name and query, each may use the ones before; ``alerts`` and ``versions`` are the
    matchers of what is marked on its panels, None where nothing is.
    """

    uid: str
    title: str
    description: str
    rows: Callable[[], Iterator[Row]]
    variables: tuple[tuple[str, str], ...] = ()
    alerts: str | None = None
    versions: str | None = None


def _fleet() -> Iterator[Row]:
    yield Row("All models", rows_models.all_models())
    yield Row("Can a page be trusted?", rows_models.trust())


def _model() -> Iterator[Row]:
    """Folded: what has data only where it was configured, or events say it."""
    yield Row("Model $model", rows_model.model())
    yield Row("Service of $model", rows_service.service())
    yield Row("Latency and cost of $model", rows_service.latency_and_cost(), folded=True)
    yield Row("How right $model is", rows_service.performance(), folded=True)
    yield Row("Labels of $model that come later", rows_service.later_labels(), folded=True)
    yield Row("Segments of $model", rows_segments.segments(), folded=True)
    yield Row("Experiments of $model", rows_service.experiments(), folded=True)


def _channel() -> Iterator[Row]:
    yield Row("$feature of $model", rows_model.feature())
    yield Row("Evidence and chosen detectors: $feature of $model", rows_model.detectors(), folded=True)


def _daemon() -> Iterator[Row]:
    yield Row("Does it run?", rows_driftd.state())
    yield Row("What becomes of events", rows_driftd.events())
    yield Row("What it costs", rows_driftd.cost())


SHEETS: Final = (
    Sheet(
        FLEET,
        "driftd: all models",
        "How all models are, what is open, and what a page is worth.",
        _fleet,
    ),
    Sheet(
        MODEL,
        "driftd: one model",
        "Channels of a model, its service, latency, cost, quality, labels, segments and experiments.",
        _model,
        (_MODELS,),
        alerts='model=~"$model|"',
        versions='model="$model"',
    ),
    Sheet(
        CHANNEL,
        "driftd: one channel",
        "Values of a channel beside its reference's, and what each detector says of them.",
        _channel,
        (_MODELS, _CHANNELS),
        alerts='model="$model", feature=~"$feature|"',
        versions='model="$model"',
    ),
    Sheet(
        DAEMON,
        "driftd itself",
        "Whether driftd runs, what becomes of the events that it reads, and what it costs.",
        _daemon,
        alerts='model=""',
    ),
)


def dashboards() -> dict[str, str]:
    """The files of deploy/grafana/dashboards, by name."""
    return {f"{sheet.uid}.json": _file(sheet) for sheet in SHEETS}


def _file(sheet: Sheet) -> str:
    return json.dumps({**_frame(sheet), "panels": placed(sheet.rows())}, indent=2) + "\n"


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
        "sort": 7,
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "options": [],
        "current": {},
        "skipUrlSync": False,
    }


def _source() -> Json:
    return {
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


def _marks(sheet: Sheet) -> Iterator[Json]:
    """Vertical lines on every panel: alerts while they fire, and the time at which another version was first there."""
    yield {
        "builtIn": 1,
        "datasource": {"type": "grafana", "uid": "-- Grafana --"},
        "enable": True,
        "hide": True,
        "iconColor": "rgba(0, 211, 255, 1)",
        "name": "Annotations & Alerts",
        "type": "dashboard",
    }
    if sheet.alerts is not None:
        names = 'alertname=~"Driftd.*", alertname!="DriftdWatchdog", alertstate="firing"'
        yield _mark(
            "Alerts of driftd", "red", f"ALERTS{{{names}, {sheet.alerts}}}", "{{alertname}}", "{{model}} {{feature}}"
        )
    if sheet.versions is not None:
        known = f"driftd_model_info{{{sheet.versions}}}"
        query = (
            f"max by (model, version) ({known}) unless max by (model, version) ({known} offset 1m)"
            f" and on (model) max by (model) ({known} offset 1m)"
        )
        yield _mark("Versions", "blue", query, "version {{version}}", "{{model}}")


def _mark(name: str, color: str, query: str, title: str, text: str) -> Json:
    return {
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": color,
        "name": name,
        "expr": query,
        "titleFormat": title,
        "textFormat": text,
        "step": "60s",
    }


def _links() -> list[Json]:
    """To the other dashboards, with the model, the channel and the time that are shown; and to the runbooks."""
    common = {"icon": "doc", "tooltip": "", "asDropdown": False}
    others = {"title": "driftd", "type": "dashboards", "tags": [TAG], "url": "", "targetBlank": False}
    runbooks = {"title": "Runbooks", "type": "link", "tags": [], "url": RUNBOOKS, "targetBlank": True}
    return [
        {**common, **others, "includeVars": True, "keepTime": True},
        {**common, **runbooks, "includeVars": False, "keepTime": False},
    ]


def _frame(sheet: Sheet) -> Json:
    """All but the panels."""
    return {
        "uid": sheet.uid,
        "title": sheet.title,
        "description": sheet.description,
        "tags": [TAG, "machine learning"],
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
        "links": _links(),
        "annotations": {"list": [*_marks(sheet)]},
        "templating": {"list": [_source(), *(_variable(*each) for each in sheet.variables)]},
    }
