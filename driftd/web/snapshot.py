"""The content of the web pages and of /api/v1/status, taken from the daemon at one moment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from driftd import __version__
from driftd.core.channel import Role
from driftd.core.finding import CHANGE, JUDGE, Finding, Judgement, Scores, Status
from driftd.core.summary import FIRST_VALUE
from driftd.core.text import jsonable
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.metrics.aggregates import QUANTILES
from driftd.monitor.view import ModelView, Snapshot
from driftd.sinks.log import finding_fields


@dataclass(frozen=True, slots=True, eq=False)
class ChannelView:
    """One channel of a judged model. ``scores``: (detector's scores, row) of windows where it applies, worst ratio
    first; ``evidence`` the judge's; ``change`` the size of the open fault or change, of the ``kind``, None and "" where
    there is none. ``regime`` "" and ``pages`` False without a judge; ``why`` says what was measured; ``blind`` the
    classes of change that the channel cannot see.
    """

    name: str
    role: Role
    status: Status
    since: float | None
    scores: tuple[tuple[Scores, int], ...]
    judgement: Judgement
    row: int
    evidence: tuple[Scores, int] | None = None
    regime: str = ""
    why: str = ""
    pages: bool = False
    change: tuple[Scores, int] | None = None
    kind: str = ""
    blind: tuple[str, ...] = ()

    @property
    def ratio(self) -> float:
        return float(self.scores[0][0].ratio[self.scores[0][1]]) if self.scores else float("nan")

    @property
    def firing(self) -> tuple[str, ...]:
        """The windows' detectors that fire, the worst first, then the judge: windows show better what moved."""
        every = (*self.scores, *((self.evidence,) if self.evidence is not None else ()))
        return tuple(s.detector for s, row in every if s.status[row] >= Status.WARNING)

    @property
    def every(self) -> tuple[tuple[Scores, int], ...]:
        """The open change, the judge's scores and the windows'."""
        own = (one for one in (self.change, self.evidence) if one is not None)
        return (*own, *self.scores)

    @property
    def bins(self) -> tuple[tuple[str, float, float], ...]:
        """Label, reference share and current share of each bin, 0..1; NaN where a side has no events."""
        return tuple(_bins(self.judgement, self.row))

    @property
    def moved(self) -> tuple[tuple[str, float, float], ...]:
        """The bins whose share has changed, most moved first."""
        changed = [b for b in self.bins if abs(b[2] - b[1]) >= 0.0005]
        return tuple(sorted(changed, key=lambda b: -abs(b[2] - b[1])))


def channels(j: Judgement, guarantee: ModelGuarantee | None = None) -> list[ChannelView]:
    """All channels of the judgement, worst first: by status, then by ratio, then by name."""
    views = [channel(j, row, guarantee) for row in range(len(j.channel_status))]
    return sorted(views, key=lambda v: (-v.status, -v.ratio if not math.isnan(v.ratio) else 1.0, v.name))


def channel(j: Judgement, row: int, guarantee: ModelGuarantee | None) -> ChannelView:
    """The channel in this row of the judgement's reference."""
    mine = j.reference.channels[row]
    scored = [(s, row) for s in j.scores if not math.isnan(s.ratio[row])]
    regime = ("", "", False)
    if guarantee is not None and guarantee.names[row : row + 1] != (mine.name,):
        guarantee = None  # another reference than the judgement's: it has just been replaced
    if guarantee is not None:
        regime = (guarantee.regime[row], guarantee.why[row], bool(guarantee.pages[row]))
    since = float(j.since[row])
    return ChannelView(
        mine.name,
        mine.role,
        Status(int(j.channel_status[row])),
        None if math.isnan(since) else since,
        tuple(sorted((x for x in scored if x[0].detector not in {JUDGE, CHANGE}), key=lambda x: -x[0].ratio[row])),
        j,
        row,
        next((x for x in scored if x[0].detector == JUDGE), None),
        *regime,
        next((x for x in scored if x[0].detector == CHANGE and x[0].status[row] >= Status.WARNING), None),
        j.kinds.get(row, ""),
        guarantee.blind[row] if guarantee is not None and guarantee.blind else (),
    )


def _bins(j: Judgement, row: int) -> Iterator[tuple[str, float, float]]:
    old, new = j.reference.summary.counts[row], j.summary.counts[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        before, after = old / old.sum(), new / new.sum()
    for column in range(int(j.reference.used[row])):
        if column >= FIRST_VALUE or old[column] or new[column]:
            yield j.reference.label(row, column), float(before[column]), float(after[column])


def watches_changes(j: Judgement) -> bool:
    """Whether faults and large changes are looked for: not where the reference holds counts alone."""
    return any(s.detector == CHANGE for s in j.scores)


def worst_first(models: Sequence[ModelView]) -> list[ModelView]:
    """By status, channels that page, then name; those that still learn after those with a warning."""
    return sorted(models, key=lambda m: (-m.status, -(m.judgement.paging if m.judgement else 0), m.name))


def status_json(snapshot: Snapshot) -> bytes:
    """Everything on the page as data; times in epoch seconds, statuses by name, NaN as null."""
    t = snapshot.telemetry
    lag = dict(t.rows("driftd_consumer_lag_seconds"))
    opened = snapshot.opened
    body = {
        "version": __version__,
        "time": snapshot.now,
        "ready": not snapshot.not_ready,
        "reasons": list(snapshot.not_ready),
        "events": {k[0]: int(v) for k, v in t.rows("driftd_events_total")},
        "rejected": {k[0]: int(v) for k, v in t.rows("driftd_events_rejected_total") if v},
        "partitions": [
            {"topic": k[0], "partition": k[1], "lag_records": records, "lag_seconds": lag.get(k)}
            for k, records in t.rows("driftd_consumer_lag_records")
        ],
        "checkpoint_time": t.get("driftd_checkpoint_timestamp_seconds") or None,
        "certificate": None if snapshot.certificate is None else _certificate(snapshot.certificate),
        "models": [_model(m, snapshot.guarantee(m.name), opened) for m in worst_first(snapshot.models)],
        "findings": [finding_fields(f) for f in snapshot.findings],
    }
    return orjson.dumps(jsonable(body), option=orjson.OPT_APPEND_NEWLINE)


def _certificate(of: Certificate) -> dict[str, Any]:
    return {
        "false_alarms_per_month": of.budget,
        "false_pages_a_month_at_most": of.bound,
        "models": of.models,
        "channels": of.channels,
        "paging_channels": of.paging,
        "ticket_channels": of.tickets,
        "least_threshold_events": of.least,
        "shortest_reference_seconds": of.shortest_span_seconds,
        "without_judge": of.unjudged,
    }


def _model(
    m: ModelView, guarantee: ModelGuarantee | None, opened: Mapping[tuple[str, str, str], Finding]
) -> dict[str, Any]:
    out: dict[str, Any] = {
        "model": m.name,
        "status": m.status.name,
        "predictions": m.counts.predictions,
        "pages": m.counts.pages,
        "pages_last_30_days": m.counts.recent_pages,
        "last_event": m.counts.last_event,
    }
    if m.judgement is None:
        return out | {"learning_ratio": m.learning}
    views = channels(m.judgement, guarantee)
    features = [_feature(c, opened.get((m.name, c.name, CHANGE)) if c.kind else None) for c in views]
    return out | _judged(m.judgement) | {"growth": m.growth or None, "features": features}


def _judged(j: Judgement) -> dict[str, Any]:
    latency = j.summary.latency_quantiles(QUANTILES)
    joint = None
    if j.joint is not None:
        joint = {
            "status": j.joint.status.name,
            "since": j.joint.since,
            "statistic": j.joint.statistic,
            "threshold": j.joint.threshold,
        }
    return {
        "because": j.because,
        "joint": joint,
        "versions": j.versions,
        "reference": {
            "version": j.reference.version,
            "id": j.reference.id,
            "first": j.reference.first,
            "last": j.reference.last,
            "events": j.reference.summary.events,
        },
        "window": {
            "start": j.window_start,
            "end": j.window_end,
            "events": j.summary.events,
            "error_ratio": j.summary.failed / max(j.summary.events, 1),
            "latency_seconds": {str(q): v for q, v in zip(QUANTILES, latency, strict=True)},
        },
    }


def _feature(c: ChannelView, told: Finding | None) -> dict[str, Any]:
    """``told``: the finding that named its open change, if it is known."""
    moved = c.moved[:5] if c.status > Status.LEARNING else ()
    return {
        "feature": c.name,
        "role": c.role.value,
        "status": c.status.name,
        "since": c.since,
        "kind": c.kind or None,
        "value": None if told is None else told.value,
        "reference_value": None if told is None else told.reference_value,
        "ratio": c.ratio,
        "pages": c.pages,
        "regime": c.regime or None,
        "regime_because": c.why or None,
        "cannot_see": list(c.blind),
        "detectors": [
            {
                "detector": s.detector,
                "status": Status(int(s.status[row])).name,
                "statistic": s.statistic[row],
                "threshold": s.threshold[row],
                "ratio": s.ratio[row],
            }
            for s, row in c.every
        ],
        "moved": [{"bin": b, "reference": p, "current": q} for b, p, q in moved],
    }
