"""The OpenAPI document of the JSON behind the pages, made of its types."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import msgspec
import orjson

from driftd import __version__
from driftd.core.act import Deed
from driftd.web.api import AS_OF, RANGE, ROUTES, WHICH, Route
from driftd.web.bodies import Problem

DOCUMENT: Final = "/api/v1/openapi.json"
ACT: Final = "/api/v1/act"


@cache
def document() -> bytes:
    """OpenAPI 3.1."""
    bodies = [route.body for route in ROUTES.values()]
    _, schemas = msgspec.json.schema_components([*bodies, Problem], ref_template="#/components/schemas/{name}")
    paths = {path: {"get": _operation(route)} for path, route in ROUTES.items()} | {ACT: {"post": _acting()}}
    info = {
        "title": "driftd",
        "version": __version__,
        "description": "What the pages show, as data. Times are epoch seconds of event time, in UTC.",
    }
    body = {"openapi": "3.1.0", "info": info, "paths": paths, "components": {"schemas": schemas}}
    return orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _operation(route: Route) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{route.body.__name__}"}
    out: dict[str, Any] = {"summary": route.summary, "responses": {"200": _response("The answer.", schema)}}
    if route.required:
        out["responses"]["404"] = _response("There is no such thing.", {"$ref": "#/components/schemas/Problem"})
    if any(parameter in route.parameters for parameter in (RANGE, AS_OF, WHICH)):
        out["responses"]["400"] = _response("A value makes no sense.", {"$ref": "#/components/schemas/Problem"})
    out["parameters"] = [
        {"name": name, "in": "query", "required": i < route.required, "description": text, "schema": {"type": "string"}}
        for i, (name, text) in enumerate(route.parameters)
    ]
    return out


def _acting() -> dict[str, Any]:
    """What does something: a form, by who has logged in or is on driftd's machine."""
    fields: dict[str, Any] = {name: {"type": "string", "description": text} for name, text in _FORM}
    fields["channel"] = {"type": "array", "items": {"type": "string"}, "description": "Channels; repeat the field."}
    form = {"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": fields}}}
    members = {"type": "array", "items": {"type": "string"}, "description": "Addresses of other members of the group."}
    done = {"type": "object", "properties": {"done": {"type": "string"}, "members": members}}
    problem = {"$ref": "#/components/schemas/Problem"}
    elsewhere = {"type": "object", "properties": {"error": {"type": "string"}, "members": members}}
    return {
        "summary": "Do something about a model. The answer comes when it is saved.",
        "requestBody": {"required": True, "content": form},
        "responses": {
            "200": _response("Done and saved.", done),
            "400": _response("It cannot be done; nothing has changed.", problem),
            "403": {"description": "Neither a login nor this machine, or a page of another site."},
            "409": _response("Another member of the group can do it, or may be able to: ask it.", elsewhere),
            "503": _response("It is not saved yet.", problem),
        },
    }


def _response(text: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


_FORM: Final = (
    ("do", f"{', '.join(Deed)}."),
    ("model", "The model's name."),
    ("all", "1: all models, of a maintenance."),
    ("from", "now, -30m, +2h or 2026-12-01 03:07 in UTC."),
    ("to", "As from."),
    ("because", "Why; at most 500 characters."),
    ("as", "Who asks, where the login does not say it."),
    ("about", "The id of an incident, or of the window to cancel."),
    ("verdict", "real or false_alarm, of a feedback."),
)
