"""Findings as lines, and as pages and tickets from their beginning to their end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from driftd.core.finding import Finding, Status
from driftd.web import words


@dataclass(frozen=True, slots=True)
class FindingLine:
    """A finding in one line: when it was told, about what, what it turned to and what it had been."""

    id: str
    time: float
    model: str
    channel: str | None
    status: str
    previous: str
    severity: str | None
    since: float | None
    what: str
    kind: str | None
    because: str
    since_error_seconds: float | None


@dataclass(frozen=True, slots=True)
class Episode:
    """A page or a ticket from its beginning to its end; ``ended`` None while it is open. ``model`` as a whole where
    ``channel`` is None.
    """

    model: str
    channel: str | None
    status: str
    what: str
    kind: str | None
    since: float | None
    told: float
    ended: float | None


def finding_line(f: Finding) -> FindingLine:
    return FindingLine(
        f.id,
        f.window_end,
        f.model,
        f.feature,
        words.STATUS_WORDS[f.status],
        words.STATUS_WORDS[f.previous],
        None if f.severity is None else f.severity.value,
        f.since,
        words.told(f),
        f.kind or None,
        f.because,
        f.since_error_seconds,
    )


def episodes(findings: Sequence[Finding]) -> list[Episode]:
    """Pages and tickets with their ends, newest first; ``findings`` as in Snapshot. What one had risen to counts."""
    open_: dict[tuple[str, str | None, str], Episode] = {}
    done: list[Episode] = []
    for f in reversed(findings):
        key = f.model, f.feature, f.detector
        before = open_.pop(key, None)
        if f.status < Status.WARNING:
            if before is not None:
                done.append(_ended(before, f.window_end))
            continue
        status = words.STATUS_WORDS[f.status]
        if before is not None and before.status == "page":
            status = "page"
        told = f.window_end if before is None else before.told
        since = f.since if before is None or before.since is None else before.since
        open_[key] = Episode(f.model, f.feature, status, words.told(f), f.kind or None, since, told, None)
    return sorted([*done, *open_.values()], key=lambda e: (e.ended is not None, -e.told))


def _ended(e: Episode, at: float) -> Episode:
    return Episode(e.model, e.channel, e.status, e.what, e.kind, e.since, e.told, at)
