"""Which page or data an address has: from a request and what driftd knows, without a socket."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

import orjson

from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused
from driftd.core.text import jsonable
from driftd.engine.desk import Done
from driftd.monitor.incidents import MOST_ENDED
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import api, openapi
from driftd.web.acts import acts_of, form_of
from driftd.web.answer import HTML, JSON, Answer
from driftd.web.pages import channel, experiment, findings, fleet, frame, health, incident, incidents, model, runbook
from driftd.web.pages.frame import Request
from driftd.web.query import refused

MAX_FIELDS: Final = 12
"""Of a query."""
_FIELDS: Final = ("do", "model", "channel", "about", "all", "verdict", "because", "from", "to", "as")
"""Of the forms of pages."""
_YEAR: Final = 31_536_000
_KEPT: Final = (("Cache-Control", f"private, max-age={_YEAR}, immutable"),)


def request_of(target: str, cookies: str | None, who: str = "") -> Request:
    """Raises ValueError for more than MAX_FIELDS query fields. Of a field that comes twice the first one counts."""
    path, _, query = target.partition("?")
    fields = parse_qs(query, max_num_fields=MAX_FIELDS, errors="replace")
    return Request(path, {name: values[0] for name, values in fields.items()}, _theme(cookies), who)


def answer(request: Request, snapshot: Callable[[], Snapshot]) -> Answer:
    """``request.path`` is one of PATHS."""
    if request.path in _STATIC:
        name = request.path.rpartition("/")[2]
        return Answer(frame.static(name), frame.STATIC[name], headers=_KEPT)
    if request.path == "/theme":
        return _choose_theme(request)
    if request.path == "/" and request.get("model"):  # as links of earlier versions have it
        return _see(frame.model_link(request.get("model")))
    if request.path == openapi.DOCUMENT:
        return Answer(openapi.document(), JSON)
    known = snapshot()
    if wrong := refused(request, known.now):
        return _bad(request, known, wrong)
    if request.path in api.ROUTES:
        body, found = api.answer(request, known)
        return Answer(body, JSON, HTTPStatus.OK if found else HTTPStatus.NOT_FOUND)
    return _PAGES[request.path](request, known)


def answer_act(
    page: bool,
    body: bytes,
    who: str,
    snapshot: Callable[[], Snapshot],
    act: Callable[[Sequence[Act]], Done],
    others: Callable[[], Collection[str]] = tuple,
) -> Answer:
    """Does what the form ``body`` asks for in the name of ``who``; back to the ``page`` it came from, else JSON. That
    names members of the group: those that can do what this one cannot, and after an act on all models the ``others``.
    """
    form, status, members = dict[str, list[str]](), HTTPStatus.OK, list[str]()
    try:
        form = form_of(body)
        done = act(acts_of(form, who, time.time(), snapshot()))
        text, members = done.text, [*others()] if "all" in form else []
        if done.unsaved:
            status, text = HTTPStatus.SERVICE_UNAVAILABLE, f"{done.text}\ndone, but not saved yet: {done.unsaved}"
    except ActRefused as e:
        members = [*(e.members or (others() if e.elsewhere else ()))]
        status, text = HTTPStatus.CONFLICT if members else HTTPStatus.BAD_REQUEST, str(e)
    except TimeoutError:
        status, text = HTTPStatus.SERVICE_UNAVAILABLE, "the loop has not come round yet; it is done when it does"
    if not page:
        known: dict[str, object] = {"done" if status is HTTPStatus.OK else "error": text}
        known |= {"members": members} if members else {}
        return Answer(orjson.dumps(jsonable(known), option=orjson.OPT_APPEND_NEWLINE), JSON, status)
    back = _back(form.get("back", ["/"])[0])
    if status is HTTPStatus.OK:
        return _see(back)
    request = Request("/", {"refresh": "off"}, who=who)  # no address of its own: to refresh it is to ask for another
    typed = [(name, value) for name, values in form.items() if name != "back" for value in values]
    there = [(member, _there(member, typed)) for member in members if status is HTTPStatus.CONFLICT]
    return Answer(_message(request, snapshot(), text, back=back, typed=typed, there=there), HTML, status)


def _there(member: str, typed: Sequence[tuple[str, str]]) -> str:
    """The page of another member where what was typed here can be sent: a login of ours is none of its business, and a
    form that we sent on it would refuse, as one of another site's.
    """
    fields = dict(typed)
    if not fields.keys() <= set(_FIELDS) or len(fields) < len(typed):
        return f"{member}/"  # no form of a page
    return member + frame.link("/asked", **fields)


def _asked(request: Request, snapshot: Snapshot) -> Answer:
    """What was typed elsewhere, to be looked at and sent: an address alone does nothing."""
    typed = [(name, value) for name in _FIELDS if (value := request.get(name))]
    if request.get("do") not in {deed.value for deed in Deed}:
        return _missing(request, snapshot, "Nothing is asked for here", "")
    back = frame.model_link(request.get("model")) if request.get("model") else "/"
    text = "Not done yet: look at it, and send it"
    return Answer(
        _message(replace(request, query={**request.query, "refresh": "off"}), snapshot, text, back=back, typed=typed),
        HTML,
    )


def _message(
    request: Request,
    snapshot: Snapshot,
    text: str,
    *,
    back: str,
    more: str = "",
    typed: Sequence[tuple[str, str]] = (),
    there: Sequence[tuple[str, str]] = (),
) -> bytes:
    """A page of one sentence; with what somebody ``typed``, and ``there``, addresses of members and links to them."""
    return frame.render("message.html", request, snapshot, text=text, more=more, back=back, typed=typed, there=there)


def _back(address: str) -> str:
    """A page of ours."""
    return address if address.partition("?")[0] in _PAGES else "/"


def _choose_theme(request: Request) -> Answer:
    """Remembers which colours somebody wants, in a cookie of theirs; back to a page of ours only."""
    back, theme = _back(request.get("back")), request.get("theme")
    if theme not in frame.THEMES:
        theme = "auto"
    return _see(back, ("Set-Cookie", f"theme={theme}; Path=/; Max-Age={_YEAR}; SameSite=Strict; HttpOnly"))


def _see(address: str, *headers: tuple[str, str]) -> Answer:
    safe = "".join(c for c in address if c.isascii() and c.isprintable())
    return Answer(b"", status=HTTPStatus.SEE_OTHER, headers=(("Location", safe), *headers))


def _theme(cookies: str | None) -> str:
    try:
        found = SimpleCookie(cookies or "").get("theme")
    except CookieError:
        return "auto"
    return found.value if found is not None and found.value in frame.THEMES else "auto"


def named(snapshot: Snapshot, name: str) -> ModelView | None:
    """The model as its name stands in an address: what UTF-8 cannot carry is a question mark there."""
    return next((m for m in snapshot.models if name in {m.name, m.name.encode("utf-8", "replace").decode()}), None)


def _fleet(request: Request, snapshot: Snapshot) -> Answer:
    return Answer(fleet.page(request, snapshot), HTML)


def _model(request: Request, snapshot: Snapshot) -> Answer:
    m = named(snapshot, request.get("model"))
    if m is None:
        return _missing(request, snapshot, f"No model is called {request.get('model') or '(no name)'}")
    return Answer(model.page(request, snapshot, m), HTML)


def _channel(request: Request, snapshot: Snapshot) -> Answer:
    m, name = named(snapshot, request.get("model")), request.get("channel")
    if m is None:
        return _missing(request, snapshot, f"No model is called {request.get('model') or '(no name)'}")
    body = channel.page(request, snapshot, m, name)
    if body is None:
        return _missing(request, snapshot, f"{m.name} has no channel {name or '(no name)'} that was judged")
    return Answer(body, HTML)


def _findings(request: Request, snapshot: Snapshot) -> Answer:
    return Answer(findings.page(request, snapshot), HTML)


def _incidents(request: Request, snapshot: Snapshot) -> Answer:
    return Answer(incidents.page(request, snapshot), HTML)


def _incident(request: Request, snapshot: Snapshot) -> Answer:
    body = incident.page(request, snapshot)
    return _no_incident(request, snapshot) if body is None else Answer(body, HTML)


def _report(request: Request, snapshot: Snapshot) -> Answer:
    body = incident.report(request, snapshot)
    if body is None:
        return _no_incident(request, snapshot)
    return Answer(body, HTML, headers=(("Content-Disposition", 'attachment; filename="report.html"'),))


def _no_incident(request: Request, snapshot: Snapshot) -> Answer:
    return _missing(request, snapshot, "No incident has this id", f"A model remembers its last {MOST_ENDED}.")


def _experiment(request: Request, snapshot: Snapshot) -> Answer:
    body = experiment.page(request, snapshot)
    if body is None:
        text = f"No experiment is called {request.get('name') or '(no name)'}"
        return _missing(request, snapshot, text, "Experiments are those of driftd.yaml; another member may judge it.")
    return Answer(body, HTML)


def _health(request: Request, snapshot: Snapshot) -> Answer:
    return Answer(health.page(request, snapshot), HTML)


def _runbook(request: Request, snapshot: Snapshot) -> Answer:
    body = runbook.page(request, snapshot)
    if body is None:
        return _missing(request, snapshot, f"No alert is called {request.get('alert') or '(no name)'}", "")
    return Answer(body, HTML)


def _bad(request: Request, snapshot: Snapshot, wrong: Mapping[str, str]) -> Answer:
    text = "; ".join(f"{name}: {why}" for name, why in wrong.items())
    if request.path in api.ROUTES:
        return Answer(orjson.dumps({"error": text}, option=orjson.OPT_APPEND_NEWLINE), JSON, HTTPStatus.BAD_REQUEST)
    back = request.with_(**dict.fromkeys(wrong))
    return Answer(_message(request, snapshot, text, back=back), HTML, HTTPStatus.BAD_REQUEST)


def _missing(
    request: Request, snapshot: Snapshot, text: str, more: str = "It may have been retired, or renamed."
) -> Answer:
    return Answer(_message(request, snapshot, text, back="/", more=more), HTML, HTTPStatus.NOT_FOUND)


_PAGES: Final[Mapping[str, Callable[[Request, Snapshot], Answer]]] = {
    "/": _fleet,
    "/model": _model,
    "/channel": _channel,
    "/incidents": _incidents,
    "/incident": _incident,
    "/report": _report,
    "/experiment": _experiment,
    "/findings": _findings,
    "/health": _health,
    "/runbook": _runbook,
    "/asked": _asked,
}
_STATIC: Final = frozenset(f"/static/{name}" for name in frame.STATIC)
ACTING: Final = ("/act", openapi.ACT)
"""Paths that a form is sent to: of pages, and of programs."""
PATHS: Final = (*_PAGES, "/theme", *sorted(_STATIC), *api.ROUTES, openapi.DOCUMENT)
