"""What all pages share: the address with its state, templates, static files, the bar on top."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from math import isfinite
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from driftd import __version__
from driftd.core.finding import Severity
from driftd.core.text import clean, duration, plural, when
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import format as spelled
from driftd.web import words
from driftd.web.acts import NOBODY, REPLAY
from driftd.web.facts import ModelLine, Opened
from driftd.web.segments import fleet_lines

REFRESH_SECONDS: Final = 30
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src data:; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
STATIC: Final = {"driftd.css": "text/css; charset=utf-8", "driftd.js": "text/javascript; charset=utf-8"}
THEMES: Final = ("auto", "light", "dark")
ACTED_ON: Final = frozenset({"/model", "/channel", "/incident"})
"""Pages with forms to act: without a script nothing refreshes them, for it would take away what somebody types."""
SHAPES: Final = {"page": "▲", "ticket": "◆", "blind": "■", "learning": "○", "ok": "✓"}
"""Shape, word and colour say the status, so none is needed alone."""
WORDS: Final = {
    "page": "PAGE",
    "ticket": "TICKET",
    "blind": "BLIND",
    "learning": "LEARNING",
    "ok": "OK",
}


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for: path, query and the theme of the cookie; ``who`` asks, "" where they may not act."""

    path: str
    query: Mapping[str, str]
    theme: str = "auto"
    who: str = ""

    def get(self, name: str) -> str:
        return self.query.get(name, "")

    @property
    def refreshes(self) -> bool:
        return self.get("refresh") != "off"

    def with_(self, /, **changed: str | None) -> str:
        """The same address with some of its state changed."""
        state = {**self.query, **changed}
        return link(self.path, **{key: value for key, value in state.items() if value})


def link(path: str, /, **query: str) -> str:
    """An address here; every name is quoted."""
    return f"{path}?{urlencode(query, errors='replace')}" if query else path


def model_link(model: str) -> str:
    return link("/model", model=model)


def channel_link(model: str, channel: str) -> str:
    return link("/channel", model=model, channel=channel)


def isolated(text: object, most: int = 80) -> str:
    """A name from outside: cut if it is long, isolated so that right-to-left text stays in its place."""
    return f"\u2068{clean(str(text).replace(spelled.NBSP, ' '), most)}\u2069"


def was(word: str) -> Markup:
    """A status of the past: nothing that needs somebody now."""
    return Markup('<span class="st st-past"><span aria-hidden="true">{}</span> was {}</span>').format(
        SHAPES[word], word
    )


def runbook(snapshot: Snapshot, alert: str, about: ModelView | None = None) -> Markup:
    """A link to where somebody keeps them, else to driftd's own, with the name of the model filled in."""
    if not alert:
        return Markup()
    if not snapshot.runbooks:
        known = {} if about is None else {"model": about.name}
        return Markup('<a href="{}">{}</a>').format(link("/runbook", alert=alert, **known), alert)
    return Markup('<a href="{}/{}.md" rel="noreferrer">{}</a>').format(snapshot.runbooks.rstrip("/"), alert, alert)


@cache
def static(name: str) -> bytes:
    """A file of driftd.web.static. KeyError for any other name."""
    if name not in STATIC:
        raise KeyError(name)
    return files("driftd.web").joinpath("static", name).read_bytes()


@cache
def static_link(name: str) -> str:
    """With a digest of its content: browsers keep what does not change."""
    return f"/static/{name}?v={hashlib.sha256(static(name)).hexdigest()[:12]}"


@cache
def status(word: str) -> Markup:
    return Markup('<span class="st st-{}"><span aria-hidden="true">{}</span> {}</span>').format(
        word, SHAPES[word], WORDS[word]
    )


@cache
def environment() -> Environment:
    out = Environment(
        loader=PackageLoader("driftd.web", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    out.filters |= {
        "number": spelled.number,
        "share": spelled.share,
        "rate": lambda value: "-" if value is None else spelled.rate(value),
        "times": spelled.times,
        "age": spelled.age,
        "typed": spelled.typed,
        "date": spelled.date_of,
        "duration": duration,
        "iso": isolated,
        "count": lambda n: f"{n:,.0f}",
    }
    out.globals |= {
        "model_link": model_link,
        "channel_link": channel_link,
        "link": link,
        "status": status,
        "was": was,
        "static": static_link,
        "plural": plural,
        "channel_name": words.channel_name,
        "version": __version__,
        "refresh_seconds": REFRESH_SECONDS,
        "shapes": SHAPES,
        "words": WORDS,
        "themes": THEMES,
        "asked": {"because": "Because", "from": "From (UTC)", "to": "To (UTC)", "as": "Your name, if you like"},
    }
    return out


def prepare() -> None:
    """Compiles all templates: whoever opens a page first does not wait for that."""
    for name in environment().list_templates():
        environment().get_template(name)


def model_lines(snapshot: Snapshot, opened: Opened | None = None) -> list[ModelLine]:
    """Worst first."""
    known = snapshot.opened if opened is None else opened
    return fleet_lines(snapshot, known)


def render(template: str, request: Request, snapshot: Snapshot, **values: Any) -> bytes:
    """A page as UTF-8 HTML. Every name from outside is escaped."""
    now = snapshot.now
    if snapshot.replay:
        request = replace(request, who="")
    page = environment().get_template(template)
    html = page.render(
        request=request,
        snapshot=snapshot,
        now=now,
        read_only=REPLAY if snapshot.replay else NOBODY,
        forms=bool(request.who) and request.path in ACTED_ON,
        paging=sum(i.now is Severity.PAGE for i in snapshot.incidents),
        reached=snapshot.reached if isfinite(snapshot.reached) else None,
        when=lambda t: when(t, now),
        runbook=lambda alert: runbook(snapshot, alert, values.get("m")),
        **values,
    )
    return html.encode("utf-8", "replace")
