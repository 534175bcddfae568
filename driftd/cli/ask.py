"""`driftd status` and `driftd explain`: what the pages say, for whoever is on a terminal; both read the JSON API."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from urllib.parse import unquote, urlencode, urlsplit

import click

from driftd.cli import options
from driftd.cli.output import print_json, print_line
from driftd.core.text import clean

URL: Final = "http://127.0.0.1:9477"
TIMEOUT_SECONDS: Final = 20.0
MOST_BYTES: Final = 64 << 20
address = click.option(
    "--url",
    metavar="URL",
    default=URL,
    help="Address of a running driftd; http://USER:PASSWORD@HOST:PORT where needed.",
)


@click.command(
    epilog=options.examples(
        ("driftd status", "open incidents with their ids, then one line a model, worst first"),
        ("driftd status --url http://driftd-0:9477 --output json", "of another host, for a script"),
    )
)
@address
@options.output
def status(url: str, output: str) -> None:
    """Say how a running driftd and its models are, worst first."""
    body = asked(url, "/api/v1/models")
    if output == "json":
        print_json(body)
        return
    for line in status_lines(body):
        print_line(line)


@click.command(
    epilog=options.examples(
        ("driftd explain fraud", "what has changed on a model, its incidents with timeline, and what to do"),
        ("driftd explain fraud amount", "one channel: usual and now, since when, where to look"),
        ('driftd explain fraud amount --at "2026-12-01 03:07"', "its values and incidents at that time"),
    )
)
@click.argument("model")
@click.argument("channel", required=False)
@click.option("--at", metavar="TIME", default="", help="Values as they were then, in UTC; of a channel.")
@address
@options.output
def explain(model: str, channel: str | None, at: str, url: str, output: str) -> None:
    """Say what has changed on MODEL, or on one CHANNEL of it: since when, how much, and what to do."""
    from driftd.cli.incident_lines import incident_lines  # noqa: PLC0415

    if at and channel is None:
        raise click.UsageError("--at is of a channel: driftd explain MODEL CHANNEL --at TIME")
    if channel is None:
        body = asked(url, "/api/v1/model", model=model)
        lines = model_lines(body)
    else:
        body = asked(url, "/api/v1/channel", model=model, channel=channel, **({"as_of": at} if at else {}))
        lines = channel_lines(body)
    body["incidents"] = incidents_of(url, model, channel, at)
    if output == "json":
        print_json(body)
        return
    for line in (*lines, *incident_lines(body["incidents"])):
        print_line(line)


def incidents_of(url: str, model: str, channel: str | None, at: str) -> list[dict[str, Any]]:
    """Those of the model, or of the channel, that are open, or that lasted at that time; pages first."""
    from driftd.cli.incident_lines import concerned  # noqa: PLC0415
    from driftd.web.format import read_time  # noqa: PLC0415

    lines = asked(url, "/api/v1/incidents", model=model)["incidents"]
    bodies = (asked(url, "/api/v1/incident", id=id_) for id_ in concerned(lines, read_time(at) if at else None))
    return [b for b in bodies if channel in {None, *(p["channel"] for p in b["parts"] if p["model"] == model)}]


def asked(url: str, path: str, **query: str) -> dict[str, Any]:
    """The API's answer, as ``fetched``."""
    return read(url, fetched(url, path, **query))


def fetched(url: str, path: str, **query: str) -> bytes:
    """Raises SourceError where nobody answers, ConfigError where what is asked for is not there or makes no sense."""
    return answer_to(url, f"{path}?{urlencode(query, errors='replace')}", None)


def read(url: str, body: bytes) -> dict[str, Any]:
    """The JSON that was answered."""
    import orjson  # noqa: PLC0415

    from driftd.core.errors import SourceError  # noqa: PLC0415

    try:
        found: dict[str, Any] = orjson.loads(body)
    except ValueError as e:
        raise SourceError(f"{clean(url)}: no driftd answers there ({e}); --url names another") from e
    if not isinstance(found, dict):
        raise SourceError(f"{clean(url)}: no driftd answers there; --url names another")
    return found


def answer_to(url: str, target: str, form: bytes | None) -> bytes:
    """What is answered to a question, or to a form. Raises as ``fetched``, and ActRefused where the form is refused.

    A redirect is not followed: it would take the login along to whatever it names, and leave the form behind.
    """
    from http import HTTPStatus  # noqa: PLC0415
    from http.client import HTTPException  # noqa: PLC0415
    from urllib.error import HTTPError  # noqa: PLC0415
    from urllib.request import HTTPRedirectHandler, Request, build_opener  # noqa: PLC0415

    from driftd.core.errors import ActRefused, ConfigError, SourceError  # noqa: PLC0415

    class Stay(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            """The answer is an error then, as where there is no handler."""

    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigError(f"--url {clean(url)}: expected http://HOST:PORT")
    where = parts.netloc.rpartition("@")[2]
    request = Request(f"{parts.scheme}://{where}{parts.path.rstrip('/')}{target}", form)  # noqa: S310
    if parts.username is not None:
        secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(secret).decode()}")
    try:
        with build_opener(Stay).open(request, timeout=TIMEOUT_SECONDS) as answer:
            body: bytes = answer.read(MOST_BYTES)
            return body
    except HTTPError as e:
        if 300 <= e.code < 400:
            there = clean(e.headers.get("Location", "elsewhere"), 200)
            raise SourceError(f"{where}: leads to {there}; give the address of driftd in --url") from e
        if e.code in {400, 404} or form is not None:
            text, members = _error(e.read(MOST_BYTES))
            raise (ConfigError(f"{where}: {text}") if form is None else ActRefused(f"{where}: {text}", members)) from e
        if e.code == HTTPStatus.UNAUTHORIZED:
            raise SourceError(f"{where}: user and password required: --url http://USER:PASSWORD@HOST:PORT") from e
        raise SourceError(f"{where}: {e.code} {e.reason}") from e
    except (OSError, HTTPException, ValueError) as e:
        reason = getattr(e, "reason", e)
        raise SourceError(f"{where}: no driftd answers there ({reason}); --url names another") from e


def _error(body: bytes) -> tuple[str, list[str]]:
    """What is wrong, and members that may be able to do it."""
    import orjson  # noqa: PLC0415

    try:
        found = orjson.loads(body)
        members = found.get("members", ())
        return clean(str(found["error"]), 300), [*map(str, members)] if isinstance(members, list) else []
    except (ValueError, KeyError, TypeError, AttributeError):
        return clean(body.decode(errors="replace").strip(), 300) or "not found", []


def status_lines(body: Mapping[str, Any]) -> Iterator[str]:
    from driftd.core.text import plural, when  # noqa: PLC0415

    now = body["time"]
    reached = f", complete up to {when(min(body['complete_to'], now), now)}" if body["complete_to"] is not None else ""
    yield clean(body["sentence"], 300)
    models = len(body["models"])
    yield f"{models:,} {plural('model', models)}{reached} (UTC)"
    for i in body["incidents"]:
        who = f" ({clean(i['acknowledged'], 100)} looks at it)" if i["acknowledged"] else ""
        yield f"{i['status'].upper():<9} {clean(i['sentence'], 200)} [{i['id']}]{who}"
    for m in body["models"]:
        yield _line(m["status"], _of_model(m), m["since"], now, f"{_silence(m, now)}{_muted(m, now)}")


def _muted(m: Mapping[str, Any], now: float) -> str:
    from driftd.core.text import when  # noqa: PLC0415

    return "" if m["muted_until"] is None else f", in maintenance until {when(m['muted_until'], now)}: nothing rings"


def model_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """How channels move together is told where it changed, and is no channel."""
    from driftd.core.text import plural  # noqa: PLC0415
    from driftd.web.format import NBSP  # noqa: PLC0415

    now, m = body["time"], body["model"]
    yield _line(m["status"], _of_model(m), m["since"], now, f"{_silence(m, now)}{_muted(m, now)}")
    changed = [c for c in body["channels"] if c["status"] in {"page", "ticket"}]
    for c in changed:
        yield _line(c["status"], c["sentence"], c["since"], now, _size(c))
    calm = sum(c["role"] != "joint" for c in body["channels"]) - sum(c["role"] != "joint" for c in changed)
    yield f"{calm} {plural('channel', calm)} {'is' if calm == 1 else 'are'} calm"
    yield from _segments(body.get("segments", ()), now)
    yield from _quality(body["quality"], now)
    if body["estimated"] is not None:
        by, said = body["estimated"]["by"], body["estimated"]["sentence"].replace(NBSP, " ")
        yield f"By its {by} alone, the last window: {clean(said, 400)}"
    yield from _cost(body["cost"])
    yield from _where(changed[0] if changed else None)


def _segments(segments: Sequence[Mapping[str, Any]], now: float) -> Iterator[str]:
    """Those that have changed, the largest change first; and how right the model is in each."""
    from driftd.core.text import plural  # noqa: PLC0415
    from driftd.web.format import NBSP  # noqa: PLC0415
    from driftd.web.quality import Quantity  # noqa: PLC0415
    from driftd.web.quality_card import cell  # noqa: PLC0415

    changed = [s for s in segments if s["status"] in {"page", "ticket"}]
    for s in changed:
        yield _line(s["status"], f"in {clean(s['segment'], 60)}: {s['sentence']}", s["since"], now, "")
    if calm := len(segments) - len(changed):
        yield f"{calm} {plural('segment', calm)} {'is' if calm == 1 else 'are'} calm or learning"
    for s in (s for s in segments if s["quality"] is not None):
        q = s["quality"]
        day, usual = (cell(q["statistic"], None if q[n] is None else Quantity(**q[n])) for n in ("value", "usual"))
        beside = "" if q["usual"] is None else f"  usual {usual.text}"
        said = f"{q['statistic']} {day.text} ({day.interval}){beside}; {q['events']:,} labels in 24 hours"
        yield f"  in {clean(s['segment'], 60)}: {said}".replace(NBSP, " ")


def _quality(q: Mapping[str, Any] | None, now: float) -> Iterator[str]:
    """How right the model is, in the last 24 hours in which labels came, and usually."""
    from driftd.core.text import when  # noqa: PLC0415
    from driftd.web.format import NBSP  # noqa: PLC0415
    from driftd.web.quality import Quantity  # noqa: PLC0415
    from driftd.web.quality_card import cell  # noqa: PLC0415

    if q is None:
        return
    about = "" if q["positive"] is None else f"; precision, recall and scores are about {clean(q['positive'], 60)}"
    yield f"Labels: {q['events'].get('day', 0):,} events in the 24 hours to {when(q['last'], now)}{about}"
    for line in q["lines"]:
        day, usual = (
            None if found is None else cell(line["statistic"], Quantity(**found))
            for found in (line["values"].get(name) for name in ("day", "reference"))
        )
        if day is not None:
            between = f" ({day.interval})" if day.interval else ""
            beside = "" if usual is None else f"  usual {usual.text}"
            yield f"  {line['statistic']:<20} {day.text:>10}{between}{beside}".replace(NBSP, " ")
    for remark in q["remarks"]:
        yield f"  {clean(remark, 200)}"


def _cost(c: Mapping[str, Any] | None) -> Iterator[str]:
    """What the model costs this month, and by version."""
    from driftd.web.cost import money  # noqa: PLC0415
    from driftd.web.format import NBSP  # noqa: PLC0415

    if c is None:
        return
    yield f"Cost: {clean(c['sentence'].replace(NBSP, ' '), 200)}"
    for v in c["versions"]:
        each = "" if v["per_success"] is None else f", {money(v['per_success'])} for each success"
        lacks = f", {v['unpriced']:,} without a price" if v["unpriced"] else ""
        tokens = f"{v['tokens_in']:,} tokens in, {v['tokens_out']:,} out"
        name, amount = clean(v["version"] or "-", 20), f"{money(v['amount']):>10} {clean(c['currency'], 10)}"
        yield f"  {name:<20} {amount}{each}; {v['events']:,} events{lacks}, {tokens}"


def channel_lines(body: Mapping[str, Any]) -> Iterator[str]:
    """The values of the last stretch alone: what it has none of is told as none, and not as it was before."""
    from driftd.core.text import when  # noqa: PLC0415
    from driftd.web.format import NBSP, number, share  # noqa: PLC0415

    c, now = body["channel"], body["time"]
    status, said = c["status"], c["sentence"] or f"{clean(c['channel'], 60)}: nothing has changed"
    if body["silence"]:
        status, said = (status, said) if c["sentence"] else ("SILENT", f"{clean(c['channel'], 60)}: not known now")
    yield _line(status, f"{clean(c['model'], 60)}: {said}", c["since"], now, _size(c))
    if body["silence"]:
        yield f"  {clean(c['model'], 60)}: {clean(body['silence'], 200)}"
    if body["times"]:
        first, step = body["times"][-1] - body["step_seconds"] / 2, body["step_seconds"]
        yield f"  {'values of':<20} {when(first, now)} to {when(first + step, now)}"
    for s in body["series"]:
        value, usual = (next(iter(s[side][-1:]), None) for side in ("values", "usual"))
        spell = number if s["name"] in {"mean", "p5", "p50", "p95", "typical_size"} else share
        unit = f" {clean(c['unit'], 12)}" if spell is number and c["unit"] else ""
        last = "none" if value is None else f"{spell(value)}{unit}"
        if value is None and s.get("last"):  # beyond the reference's values
            last = clean(s["last"].replace(NBSP, " "), 40)
        if last != "none" or any(x is not None for x in s["values"]):
            beside = "" if usual is None else f"  usual {spell(usual)}{unit}"
            yield f"  {clean(s['name'], 40):<20} {last:>10}{beside}"
    if c["regime"]:
        yield f"  regime               {c['regime']}: {clean(c['regime_because'] or '', 300)}"
    if c["cannot_see"]:
        yield f"  cannot see           {', '.join(c['cannot_see'])}"
    yield from _where(c if c["hint"] else None)


def _of_model(m: Mapping[str, Any]) -> str:
    return f"{clean(m['model'], 60)}: {m['sentence']}"


def _silence(m: Mapping[str, Any], now: float) -> str:
    """Of a model whose sentence says something else."""
    from driftd.core.text import when  # noqa: PLC0415
    from driftd.web.format import age  # noqa: PLC0415

    if m["silent_seconds"] is None or m["channel"] is None:
        return ""
    last = "" if m["last_event"] is None else f"; the last is of {when(m['last_event'], now)}"
    return f", no event for {age(m['silent_seconds'])}{last}"


def _line(status: str, said: str, since: float | None, now: float, more: str = "") -> str:
    from driftd.core.text import when  # noqa: PLC0415
    from driftd.web.format import age  # noqa: PLC0415

    began = "" if since is None else f" since {when(since, now)} ({age(now - since)})"
    return f"{status.upper():<9} {clean(said, 270)}{began}{more}".rstrip()


def _size(c: Mapping[str, Any]) -> str:
    from driftd.web.format import times  # noqa: PLC0415

    if c["size"] is None or c["size_of"] == "threshold":
        return ""
    return f", {times(c['size'])} times a {c['size_of']}'s size"


def _where(c: Mapping[str, Any] | None) -> Iterator[str]:
    if c is not None:
        yield f"Look: {clean(c['hint'], 200)} Runbook: {c['runbook']}"
