"""What the status page and /api/v1/status show, taken from the daemon at one moment."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from driftd import __version__
from driftd.core.finding import JUDGE, Judgement, Scores, Status
from driftd.core.reference import Role
from driftd.core.summary import FIRST_VALUE
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.metrics.aggregates import QUANTILES
from driftd.monitor.view import ModelView, Snapshot
from driftd.sinks.log import finding_fields


@dataclass(frozen=True, slots=True, eq=False)
class ChannelView:
    """One channel of a judged model. ``scores``: (detector's scores, row) of windows where it applies, worst ratio
    first; ``evidence`` the judge's. ``regime`` "" and ``pages`` False without a judge; ``why`` says what was measured.
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

    @property
    def ratio(self) -> float:
        return float(self.scores[0][0].ratio[self.scores[0][1]]) if self.scores else float("nan")

    @property
    def firing(self) -> tuple[str, ...]:
        """The detectors that fire, the worst first, the judge last: windows say better what moved."""
        every = (*self.scores, *((self.evidence,) if self.evidence is not None else ()))
        return tuple(s.detector for s, row in every if s.status[row] >= Status.WARNING)

    @property
    def every(self) -> tuple[tuple[Scores, int], ...]:
        """The judge's scores and the windows'."""
        return self.scores if self.evidence is None else (self.evidence, *self.scores)

    @property
    def bins(self) -> tuple[tuple[str, float, float], ...]:
        """Label, reference share and current share of each bin, 0..1; NaN where a side has no events."""
        return tuple(_bins(self.judgement, self.row))

    @property
    def moved(self) -> tuple[tuple[str, float, float], ...]:
        """The bins whose share has changed, most moved first."""
        changed = [b for b in self.bins if abs(b[2] - b[1]) >= 0.0005]
        return tuple(sorted(changed, key=lambda b: -abs(b[2] - b[1])))


def channels(j: Judgement, cover: ModelGuarantee | None = None) -> list[ChannelView]:
    """All channels of the judgement, worst first: by status, then by ratio, then by name."""
    if cover is not None and cover.names[: len(j.channel_status)] != tuple(c.name for c in j.reference.channels):
        cover = None  # another reference than the judgement's: it has just been replaced
    views = [_channel(j, row, cover) for row in range(len(j.channel_status))]
    return sorted(views, key=lambda v: (-v.status, -v.ratio if not math.isnan(v.ratio) else 1.0, v.name))


def _channel(j: Judgement, row: int, cover: ModelGuarantee | None) -> ChannelView:
    channel = j.reference.channels[row]
    scored = [(s, row) for s in j.scores if not math.isnan(s.ratio[row])]
    regime = (cover.regime[row], cover.why[row], bool(cover.pages[row])) if cover is not None else ("", "", False)
    since = float(j.since[row])
    return ChannelView(
        channel.name,
        channel.role,
        Status(int(j.channel_status[row])),
        None if math.isnan(since) else since,
        tuple(sorted((x for x in scored if x[0].detector != JUDGE), key=lambda x: -x[0].ratio[row])),
        j,
        row,
        next((x for x in scored if x[0].detector == JUDGE), None),
        *regime,
    )


def _bins(j: Judgement, row: int) -> Iterator[tuple[str, float, float]]:
    old, new = j.reference.summary.counts[row], j.summary.counts[row]
    with np.errstate(invalid="ignore", divide="ignore"):
        before, after = old / old.sum(), new / new.sum()
    for column in range(int(j.reference.used[row])):
        if column >= FIRST_VALUE or old[column] or new[column]:
            yield j.reference.label(row, column), float(before[column]), float(after[column])


def worst_first(models: Sequence[ModelView]) -> list[ModelView]:
    """By status, channels that page, then name; those that still learn after those with a warning."""
    return sorted(models, key=lambda m: (-m.status, -(m.judgement.paging if m.judgement else 0), m.name))


def status_json(snapshot: Snapshot) -> bytes:
    """Everything on the page as data; times in epoch seconds, statuses by name, NaN as null."""
    t = snapshot.telemetry
    lag = dict(t.rows("driftd_consumer_lag_seconds"))
    body = {
        "version": __version__,
        "time": snapshot.now,
        "ready": not snapshot.not_ready,
        "reasons": [_text(r) for r in snapshot.not_ready],
        "events": {k[0]: int(v) for k, v in t.rows("driftd_events_total")},
        "rejected": {k[0]: int(v) for k, v in t.rows("driftd_events_rejected_total") if v},
        "partitions": [
            {"topic": _text(k[0]), "partition": k[1], "lag_records": records, "lag_seconds": lag.get(k)}
            for k, records in t.rows("driftd_consumer_lag_records")
        ],
        "checkpoint_time": t.get("driftd_checkpoint_timestamp_seconds") or None,
        "certificate": _certificate(snapshot.certificate) if snapshot.certificate is not None else None,
        "models": [_model(m, snapshot.cover(m.name)) for m in worst_first(snapshot.models)],
        "findings": [finding_fields(f) for f in snapshot.findings],
    }
    return orjson.dumps(body, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY)


def _text(value: str) -> str:
    return value.encode("utf-8", "replace").decode()


def _certificate(promise: Certificate) -> dict[str, Any]:
    return {
        "false_alarms_per_month": promise.budget,
        "false_pages_a_month_at_most": promise.bound,
        "models": promise.models,
        "channels": promise.channels,
        "paging_channels": promise.paging,
        "ticket_channels": promise.tickets,
        "least_threshold_events": promise.least,
        "shortest_reference_seconds": promise.shortest_span_seconds,
        "without_judge": [_text(name) for name in promise.unjudged],
    }


def _model(m: ModelView, cover: ModelGuarantee | None) -> dict[str, Any]:
    out: dict[str, Any] = {"model": _text(m.name), "status": m.status.name, "predictions": m.counts.predictions}
    out["pages"], out["pages_last_30_days"] = m.counts.pages, m.counts.recent_pages
    out["last_event"] = m.counts.last_event if math.isfinite(m.counts.last_event) else None
    j = m.judgement
    if j is None:
        return out | {"learning_ratio": m.learning}
    latency = j.summary.latency_quantiles(QUANTILES)
    return out | {
        "because": _text(j.because),
        "joint": None
        if j.joint is None
        else {
            "status": j.joint.status.name,
            "since": j.joint.since,
            "statistic": j.joint.statistic,
            "threshold": j.joint.threshold,
        },
        "versions": [_text(v) for v in j.versions],
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
        "features": [
            {
                "feature": _text(c.name),
                "role": c.role.value,
                "status": c.status.name,
                "since": c.since,
                "ratio": c.ratio,
                "pages": c.pages,
                "regime": c.regime or None,
                "regime_because": _text(c.why) or None,
                "detectors": [
                    {
                        "detector": s.detector,
                        "status": Status(int(s.status[row])).name,
                        "statistic": float(s.statistic[row]),
                        "threshold": float(s.threshold[row]),
                        "ratio": float(s.ratio[row]),
                    }
                    for s, row in c.every
                ],
                "moved": [{"bin": _text(b), "reference": p, "current": q} for b, p, q in c.moved[:5]]
                if c.status > Status.LEARNING
                else [],
            }
            for c in channels(j, cover)
        ],
    }
