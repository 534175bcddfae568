"""driftd itself: lag, refused events by reason and field, members, limits, the certificate and what nobody sees."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from driftd.core.channel import Channel
from driftd.core.refusals import Refusal
from driftd.monitor.view import Snapshot
from driftd.web.guarantee import MAX_CHANNELS, promises, ticket_only
from driftd.web.health import health
from driftd.web.pages.frame import Request, render
from driftd.web.snapshot import watches_changes

MOST_ROWS = 50
NEAR = 0.9
"""Use of a limit from which on it is near."""


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    used: int
    most: int | None
    picture: Markup
    near: bool


@dataclass(frozen=True, slots=True)
class Partition:
    topic: str
    partition: str
    records: float
    seconds: float | None


def page(request: Request, snapshot: Snapshot) -> bytes:
    facts = health(snapshot)
    wrong = [fact for fact in facts if fact.alert or fact.wrong]
    said = "; ".join(f"{fact.name}: {fact.text}" for fact in wrong)
    tone = "blind" if snapshot.not_ready else "ticket" if wrong else "ok"
    return render(
        "health.html",
        request,
        snapshot,
        facts=facts,
        tone=tone,
        headline=said or "driftd sees everything",
        partitions=partitions(snapshot),
        rejected=rejected(snapshot)[:MOST_ROWS],
        dropped=_counts(snapshot, "driftd_events_dropped_total"),
        refused=refused(snapshot)[:MOST_ROWS],
        limits=list(limits(snapshot)),
        promises=promises(snapshot),
        ticket_only=list(ticket_only(snapshot)),
        most_channels=MAX_CHANNELS,
        watched={m.name for m in snapshot.models if m.judgement is not None and watches_changes(m.judgement)},
    )


def partitions(snapshot: Snapshot) -> list[Partition]:
    """The slowest first."""
    t = snapshot.telemetry
    lag = dict(t.rows("driftd_consumer_lag_seconds"))
    found = [Partition(k[0], k[1], records, lag.get(k)) for k, records in t.rows("driftd_consumer_lag_records")]
    return sorted(found, key=lambda p: (-(p.seconds or 0.0), p.topic, p.partition))[:MOST_ROWS]


def rejected(snapshot: Snapshot) -> list[Refusal]:
    """By reason and field, the most first; those that came before fields were kept under their reason alone."""
    known = [*snapshot.refusals.events.values()]
    told = Counter({reason: int(n) for reason, n in _counts(snapshot, "driftd_events_rejected_total")})
    told.subtract({reason: sum(r.events for r in known if r.reason == reason) for reason in told})
    rest = [Refusal(reason, "", None, n, "", "", 0, 0) for reason, n in told.items() if n > 0]
    return sorted([*known, *rest], key=lambda r: (-r.events, r.reason, r.field))


def _counts(snapshot: Snapshot, metric: str) -> list[tuple[str, float]]:
    return sorted(((k[0], v) for k, v in snapshot.telemetry.rows(metric) if v), key=lambda row: -row[1])


def refused(snapshot: Snapshot) -> list[tuple[str, str, int, Refusal | None]]:
    """Model, channel, how many of its values were of another type, and the first of them; the most first."""
    first = snapshot.refusals.values
    rows = [
        (m.name, Channel.of_feature(f).name, n, first.get((m.name, f)))
        for m in snapshot.models
        for f, n in m.counts.refused.items()
        if n
    ]
    return sorted(rows, key=lambda row: -row[2])


def limits(snapshot: Snapshot) -> Iterator[Limit]:
    for name, (used, most) in snapshot.limits.items():
        if most is None:
            continue
        part = used / max(most, 1)
        said = f"{name}: {used:,} of {most:,}"
        yield Limit(name, used, most, _use(part, said), part >= NEAR)


def _use(part: float, said: str) -> Markup:
    css = " v-ticket" if part >= NEAR else ""
    return Markup(
        '<svg class="bullet" role="img" aria-label="{}"><rect class="track" width="100%" y="3" height="10"/>'
        '<rect class="v{}" width="{:.1f}%" y="5" height="6"/></svg>'
    ).format(said, css, 100 * min(part, 1.0))
