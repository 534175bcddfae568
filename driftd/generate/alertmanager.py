"""Alertmanager's configuration: deploy/alertmanager/alertmanager.yml with the receivers that somebody names."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from driftd.config.share import shared
from driftd.core.errors import ConfigError

TEMPLATES: Final = "driftd.tmpl"
BASE: Final = "deploy/alertmanager/alertmanager.yml"

ROUTES: Final = {"page": 2, "ticket": 2}
"""Routes of each severity: pages of an incident that models may share, and others; tickets of models, and others."""

_RECEIVER: Final = re.compile(r"(?:(?P<team>[\w@.+/ -]+)=)?(?P<kind>pagerduty|slack|email|webhook):(?P<where>.+)")
_SECTION: Final = re.compile(r"^receivers:\n.*?(?=^inhibit_rules:)", re.MULTILINE | re.DOTALL)
_HEAD: Final = re.compile(r"\A(?:#.*\n)+")
_LINKS: Final = ("Incident", "Runbook", "Dashboard")
_HERE: Final = ("localhost", "127.0.0.1", "[::1]")
"""A mail server on the machine itself seldom has TLS, and Alertmanager asks for it by default."""


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who gets what, as ``[TEAM=]KIND:WHERE``; without pages the stand-in of the compose file."""

    page: tuple[str, ...] = ()
    ticket: tuple[str, ...] = ()
    watchdog: str | None = None
    smarthost: str | None = None
    mail_from: str | None = None


def configuration(given: Receivers) -> str:
    """alertmanager.yml. Raises ConfigError for a receiver that it does not understand."""
    base = shared(BASE)
    if given == Receivers():
        return base
    pages, tickets = by_team(given.page, "--page"), by_team(given.ticket, "--ticket")
    watchdog = by_team((given.watchdog,) if given.watchdog else (), "--watchdog")
    for option, found in (("--page", pages), ("--ticket", tickets)):
        if None not in found:
            raise ConfigError(f"{option}: expected a receiver without a team, too, for what belongs to none")
    text = _HEAD.sub("# Made by `driftd generate alertmanager`. For Alertmanager 0.25 and later.\n", base)
    text = _SECTION.sub(lambda _: _receivers(pages, tickets, watchdog, given) + "\n", text)
    for name, found in (("page", pages), ("ticket", tickets)):
        text = _with_routes(text, name, found)
    return text


def by_team(texts: tuple[str, ...], option: str) -> dict[str | None, list[tuple[str, str]]]:
    """Team, None for all others -> (kind, where) of its receivers."""
    found: dict[str | None, list[tuple[str, str]]] = {}
    for text in texts:
        match = _RECEIVER.fullmatch(text)
        if match is None or (match["kind"] == "slack" and not re.search(r".#[^#]+$", match["where"])):
            raise ConfigError(
                f"{option}: {text}: expected pagerduty:KEYFILE, slack:URLFILE#CHANNEL, email:ADDRESS or webhook:URL, "
                "with TEAM= before it for the models of a team"
            )
        found.setdefault(match["team"], []).append((match["kind"], match["where"]))
    return found


def _with_routes(text: str, name: str, found: Mapping[str | None, Any]) -> str:
    """The route of pages, or of tickets, with a branch for each team."""
    teams = sorted(team for team in found if team is not None)
    if not teams:
        return text
    lines = "      routes:\n" + "".join(
        f"        - matchers: [team={json.dumps(team)}]\n          receiver: {_name(name, team)}\n" for team in teams
    )
    severity = "critical" if name == "page" else "warning"
    route = re.compile(rf'^    - matchers: \[severity="{severity}".*\]\n(?:      .*\n)+', re.MULTILINE)
    changed, times = route.subn(lambda match: match[0] + lines, text)
    if times != ROUTES[name]:
        raise ConfigError(f"{BASE}: expected {ROUTES[name]} routes of severity {severity}, found {times}")
    return changed


def _name(kind: str, team: str | None) -> str:
    return kind if team is None else f"{kind}-{re.sub(r'[^A-Za-z0-9]+', '-', team)}"


def _receivers(
    pages: Mapping[str | None, list[tuple[str, str]]],
    tickets: Mapping[str | None, list[tuple[str, str]]],
    watchdog: Mapping[str | None, list[tuple[str, str]]],
    given: Receivers,
) -> str:
    rows: list[dict[str, Any]] = []
    for name, found in (("page", pages), ("ticket", tickets)):
        rows += [{"name": _name(name, t), **_configs(r, given)} for t, r in found.items()]
    rows.append({"name": "watchdog", **_configs(watchdog.get(None, []), given, resolved=False)})
    rows.append({"name": "nobody"})
    return yaml.safe_dump({"receivers": rows}, sort_keys=False, width=1000, allow_unicode=True)


def _configs(receivers: list[tuple[str, str]], given: Receivers, *, resolved: bool = True) -> dict[str, Any]:
    found: dict[str, list[dict[str, Any]]] = {}
    for kind, where in receivers:
        for key, config in _config(kind, where, given):
            found.setdefault(key, []).append({**config, "send_resolved": resolved})
    return found


def _config(kind: str, where: str, given: Receivers) -> Iterator[tuple[str, dict[str, Any]]]:
    subject = '{{ template "driftd.subject" . }}'
    if kind == "pagerduty":
        yield (
            "pagerduty_configs",
            {
                "routing_key_file": where,
                "severity": '{{ template "driftd.severity" . }}',
                "description": subject,
                "client": "driftd",
                "client_url": '{{ template "driftd.incident" . }}',
                "details": {"what": '{{ template "driftd.text" . }}'},
                "links": [{"text": text, "href": f'{{{{ template "driftd.{text.lower()}" . }}}}'} for text in _LINKS],
            },
        )
    elif kind == "slack":
        file, _, channel = where.rpartition("#")
        yield (
            "slack_configs",
            {
                "api_url_file": file,
                "channel": f"#{channel}",
                "color": '{{ template "driftd.color" . }}',
                "title": '{{ template "driftd.slack.subject" . }}',
                "title_link": '{{ template "driftd.incident" . }}',
                "text": '{{ template "driftd.slack.text" . }}',
                "fallback": subject,
            },
        )
    elif kind == "email":
        if not given.smarthost or not given.mail_from:
            raise ConfigError(f"email:{where}: expected --smarthost HOST:PORT and --mail-from ADDRESS, too")
        yield (
            "email_configs",
            {
                "to": where,
                "from": given.mail_from,
                "smarthost": given.smarthost,
                "headers": {"Subject": subject},
                "text": '{{ template "driftd.text" . }}',
                "html": '{{ template "driftd.html" . }}',
                **({"require_tls": False} if given.smarthost.rpartition(":")[0] in _HERE else {}),
            },
        )
    else:
        yield "webhook_configs", {"url": where}
