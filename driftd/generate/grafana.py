"""Grafana's JSON for panels, as short calls; dashboard.py says which panels there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

Json = dict[str, Any]

SOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
RUNBOOKS: Final = "https://runbooks.example.com/driftd/"
FLEET: Final = "driftd-fleet"
MODEL: Final = "driftd-model"
CHANNEL: Final = "driftd-channel"
DAEMON: Final = "driftd-daemon"
"""The dashboards, by their uid, which is their name in addresses and the name of their file, too."""
STATUS_STEPS: Final = ("green", (1, "blue"), (2, "yellow"), (3, "red"))
STATUS_NAMES: Final = (("OK", "green"), ("LEARNING", "blue"), ("WARNING", "yellow"), ("DRIFT", "red"))
LAST: Final = {"calcs": ["lastNotNull"], "fields": "", "values": False}
LINE: Final = {
    "drawStyle": "line",
    "lineWidth": 1,
    "fillOpacity": 0,
    "showPoints": "never",
    "spanNulls": False,
    "lineInterpolation": "stepAfter",
}
DASHED: Final[dict[str, Json]] = {
    word: {
        "matcher": {"id": "byRegexp", "options": f"/{word}/"},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": color}},
        ],
    }
    for word, color in (("threshold", "red"), ("reference", "text"))
}
"""Lines whose legend has the word."""

Steps = tuple[str | tuple[float, str], ...]
Query = tuple[str, str]
"""PromQL, and the legend."""


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel before it has its place; ``width`` and ``height`` in Grafana's grid of 24 columns."""

    json: Json
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Row:
    """``folded``: its panels ask for nothing until somebody opens it."""

    title: str
    panels: Iterable[Panel]
    folded: bool = False


def address(uid: str, **variables: str) -> str:
    """Of another dashboard, with the data source and the time that are shown."""
    given = "".join(f"var-{name}={value}&" for name, value in variables.items())
    return f"/d/{uid}?{given}${{datasource:queryparam}}&${{__url_time_range}}"


def suffix(unit: str) -> str:
    """A unit that Grafana has not, written behind the numbers."""
    return f"suffix: {unit}"


def steps(given: Steps) -> Json:
    """``("green", (1, "red"))``: green, red from 1 on."""
    pairs = [(None, s) if isinstance(s, str) else s for s in given]
    return {"mode": "absolute", "steps": [{"color": color, "value": value} for value, color in pairs]}


def mapping(names: Iterable[tuple[str, str | None]]) -> list[Json]:
    """0, 1, 2, ... as words, with their colours where they have some."""
    options = {
        str(i): {"text": text, **({"color": color} if color else {}), "index": i}
        for i, (text, color) in enumerate(names)
    }
    return [{"type": "value", "options": options}]


def panel(
    kind: str,
    title: str,
    description: str,
    queries: Iterable[Query],
    *,
    size: tuple[int, int],
    options: Json,
    defaults: Json,
    overrides: Iterable[Json] = (),
    runbooks: Iterable[str] = (),
    instant: bool = False,
    table: bool = False,
) -> Panel:
    """What all panels have in common; ``defaults`` are added to those of the field configuration."""
    targets = [
        {
            "refId": chr(ord("A") + i),
            "datasource": SOURCE,
            "expr": expr,
            "legendFormat": legend,
            "editorMode": "code",
            "range": not instant,
            "instant": instant,
            **({"format": "table"} if table else {}),
        }
        for i, (expr, legend) in enumerate(queries)
    ]
    known = {"unit": "short", "thresholds": steps(("green",)), "mappings": [], "custom": {}}
    json = {
        "id": 0,
        "type": kind,
        "title": title,
        "description": description,
        "datasource": SOURCE,
        "gridPos": {},
        "fieldConfig": {"defaults": {**known, "color": {"mode": "thresholds"}, **defaults}, "overrides": [*overrides]},
        "options": options,
        "targets": targets,
        "links": [{"title": f"Runbook {a}", "url": f"{RUNBOOKS}{a}.md", "targetBlank": True} for a in runbooks],
    }
    return Panel(json, *size)


def stat(
    title: str,
    description: str,
    query: str,
    *,
    size: tuple[int, int] = (3, 4),
    colors: Steps = ("green",),
    names: Iterable[tuple[str, str | None]] = (),
    unit: str = "short",
    legend: str = "__auto",
    runbooks: Iterable[str] = (),
    **more: Any,
) -> Panel:
    """One number; with a ``legend`` the label it is made of instead."""
    return panel(
        "stat",
        title,
        description,
        [(query, legend)],
        size=size,
        options={
            "reduceOptions": LAST,
            "orientation": "auto",
            "textMode": "auto" if legend == "__auto" else "name",
            "colorMode": "value",
            "graphMode": "none",
            "justifyMode": "auto",
        },
        defaults={"unit": unit, "thresholds": steps(colors), "mappings": mapping(names) if names else [], **more},
        runbooks=runbooks,
        instant=True,
    )


def lines(
    title: str,
    description: str,
    queries: Iterable[Query],
    *,
    size: tuple[int, int],
    unit: str = "short",
    limit: float | None = None,
    least: float | None = 0,
    runbooks: Iterable[str] = (),
    links: Iterable[Json] = (),
) -> Panel:
    """Lines over time; one whose legend has "threshold" or "reference" in it is dashed. ``limit`` draws a red line.
    The axis begins at ``least``; None: at the least value. ``links`` are those of each line.
    """
    shown = [*queries]
    custom = LINE if limit is None else {**LINE, "thresholdsStyle": {"mode": "line"}}
    return panel(
        "timeseries",
        title,
        description,
        shown,
        size=size,
        options={
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        },
        defaults={
            "unit": unit,
            "thresholds": steps(("green",) if limit is None else ("green", (limit, "red"))),
            "color": {"mode": "palette-classic"},
            "custom": custom,
            **({"links": [*links]} if links else {}),
            **({} if least is None else {"min": least}),
        },
        overrides=[how for word, how in DASHED.items() if any(word in legend for _, legend in shown)],
        runbooks=runbooks,
    )


def statuses(
    title: str,
    description: str,
    query: Query,
    *,
    runbooks: Iterable[str],
    size: tuple[int, int] = (12, 9),
    links: Iterable[Json] = (),
) -> Panel:
    return panel(
        "state-timeline",
        title,
        description,
        [query],
        size=size,
        options={
            "mergeValues": True,
            "showValue": "auto",
            "alignValue": "left",
            "rowHeight": 0.9,
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
            "tooltip": {"mode": "single", "sort": "none"},
        },
        defaults={
            "thresholds": steps(STATUS_STEPS),
            "mappings": mapping(STATUS_NAMES),
            "custom": {"fillOpacity": 70, "lineWidth": 0},
            **({"links": [*links]} if links else {}),
        },
        runbooks=runbooks,
    )


def bars(
    title: str, description: str, query: Query, *, colors: Steps, runbooks: Iterable[str] = (), **more: Any
) -> Panel:
    return panel(
        "bargauge",
        title,
        description,
        [query],
        size=(8, 9),
        options={
            "displayMode": "lcd",
            "orientation": "horizontal",
            "showUnfilled": True,
            "valueMode": "color",
            "minVizHeight": 16,
            "minVizWidth": 8,
            "namePlacement": "auto",
            "sizing": "auto",
            "reduceOptions": LAST,
        },
        defaults={"thresholds": steps(colors), "min": 0, **more},
        runbooks=runbooks,
        instant=True,
    )


def table(
    title: str,
    description: str,
    columns: Mapping[str, str],
    *,
    sort: str,
    fields: Mapping[str, Mapping[str, Any]],
    size: tuple[int, int] = (12, 9),
    runbooks: Iterable[str] = (),
) -> Panel:
    """A line a model. ``columns``: heading -> query; ``fields``: heading -> properties of its cells."""
    link = {"title": "Show this model", "targetBlank": False, "url": address(MODEL, model="${__value.raw}")}
    found = panel(
        "table",
        title,
        description,
        [(query, "__auto") for query in columns.values()],
        size=size,
        options={"showHeader": True, "cellHeight": "sm", "sortBy": [{"displayName": sort, "desc": True}]},
        defaults={},
        overrides=[
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": key, "value": value} for key, value in properties.items()],
            }
            for name, properties in {"Model": {"links": [link]}, **fields}.items()
        ],
        runbooks=runbooks,
        instant=True,
        table=True,
    )
    names = {f"Value #{chr(ord('A') + i)}": name for i, name in enumerate(columns)}
    found.json["transformations"] = [
        {"id": "merge", "options": {}},
        {"id": "organize", "options": {"excludeByName": {"Time": True}, "renameByName": {"model": "Model", **names}}},
    ]
    return found


def labels(
    title: str, description: str, query: str, columns: Mapping[str, str], *, empty: str, fields: Mapping[str, Any]
) -> Panel:
    """A line a series. ``columns``: label -> heading, of those that are shown, in order; ``empty`` is told where there
    is none; ``fields``: heading -> properties of its cells.
    """
    found = panel(
        "table",
        title,
        description,
        [(query, "__auto")],
        size=(24, 7),
        options={"showHeader": True, "cellHeight": "sm", "sortBy": []},
        defaults={"noValue": empty},
        overrides=[
            {
                "matcher": {"id": "byName", "options": name},
                "properties": [{"id": key, "value": value} for key, value in properties.items()],
            }
            for name, properties in fields.items()
        ],
        instant=True,
        table=True,
    )
    order = {label: place for place, label in enumerate(columns)}
    hidden = {"Time": True, "Value": True}
    organised = {"excludeByName": hidden, "indexByName": order, "renameByName": dict(columns)}
    found.json["transformations"] = [{"id": "organize", "options": organised}]
    return found


def placed(rows: Iterable[Row]) -> list[Json]:
    """All panels with their ids and places: rows below each other, panels from left to right as they fit. Those of a
    folded row are within it, as Grafana keeps them.
    """
    out: list[Json] = []
    number = count(1)
    y = 0
    for row in rows:
        place = {"h": 1, "w": 24, "x": 0, "y": y}
        head = {"type": "row", "title": row.title, "collapsed": row.folded, "gridPos": place, "panels": []}
        out.append({**head, "id": next(number)})
        panels = out[-1]["panels"] if row.folded else out
        x, below, height = 0, y + 1, 0
        for one in row.panels:
            if x + one.width > 24:
                x, below, height = 0, below + height, 0
            at = {"h": one.height, "w": one.width, "x": x, "y": below}
            panels.append({**one.json, "gridPos": at, "id": next(number)})
            x, height = x + one.width, max(height, one.height)
        y = y + 1 if row.folded else below + height
    return out
