"""What to do about a change, by its cause or else its kind: for the incident's page and for the runbooks, from here."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from driftd.core.channel import JOINT, Role, RoleRow
from driftd.core.incident import PIPELINE
from driftd.detectors.registry import faults
from driftd.judge.natural.kinds import Kind
from driftd.monitor import branches
from driftd.monitor.branches import BY_CAUSE, BY_KIND, FINER, REBASELINE, Branch

PAGES: Final = "DriftdModelDrift"
"""The alert that calls somebody."""
ALERTS: Final = (PAGES, *dict.fromkeys(r.row.alert for r in Role), *dict.fromkeys(f.alert for f in faults().values()))
"""Those that are about changes of channels: their runbooks have the branches."""
_ROLES: Final = {role.value: role for role in Role if role is not Role.FEATURE}
_LATENCY: Final = (Kind.LATENCY_P50, Kind.LATENCY_P99)


def branch_of(kind: str, cause: str = "", channel: str = "") -> Branch:
    """What to do about such a change of ``channel``."""
    role = _ROLES.get(channel, Role.FEATURE)
    if cause != PIPELINE and role.row.errors:
        return branches.ERRORS if role is Role.ERROR else branches.WRONG
    return (
        branches.JOINT if channel == JOINT and not cause else BY_CAUSE.get(cause) or BY_KIND.get(kind, branches.UNKNOWN)
    )


def ticket_alert(kind: str, role: RoleRow) -> str:
    """The alert of a ticket (alert_rules): that of its kind, but for errors, which have one."""
    by_kind = {k: fault.alert for fault in faults().values() for k in fault.changes}
    return role.alert if role.errors else by_kind.get(kind, role.alert)


def of_alert(alert: str) -> list[Branch]:
    """The branches of an alert's runbook, each once: of all that its channels may have."""
    found = (b for role in Role for kind in _kinds(role) if alert in {PAGES, ticket_alert(kind, role.row)}
             for b in _branches(kind, role))  # fmt: skip
    return [*dict.fromkeys(found), branches.PIPELINE]


def _kinds(role: Role) -> Iterable[Kind]:
    if role.row.errors:
        return (Kind.ERRORS,)
    return _LATENCY if role is Role.LATENCY else (k for k in Kind if k not in {*_LATENCY, Kind.ERRORS})


def _branches(kind: Kind, role: Role) -> Iterator[Branch]:
    yield from (branch_of(kind, cause, role.value) for cause in ("", *FINER.get(kind, ())))


def in_markdown(alert: str) -> str:
    """For the runbook of an alert, between its marks."""
    return "\n\n".join(_section(branch) for branch in of_alert(alert))


def _section(branch: Branch) -> str:
    mine = [*branch.steps, *([new_normal(branch, REBASELINE)] if branch.stays else [])]
    called = [name for table in (BY_KIND, BY_CAUSE) for name, b in table.items() if b is branch]
    words = dict.fromkeys(name.replace("_", " ") for name in called)
    aside = f" ({', '.join(words)})" if words and [*words] != [branch.title.lower()] else ""
    steps = "\n".join(f"{n}. {step}" for n, step in enumerate(mine, 1))
    return f"#### {branch.title}{aside}\n\n{branch.happened}\n\n{steps}"


def new_normal(branch: Branch, command: str) -> str:
    return f"Only if {branch.stays}: {command}. What is open ends with your reason."
