"""One judged window, made by hand, with exactly the numbers that a test wants to see on the page."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from driftd.core.channel import Channel, Role
from driftd.core.event import Kind
from driftd.core.finding import CHANGE, JUDGE, Finding, Joint, Judgement, MovedBin, Scores, Status
from driftd.core.reference import Bins, Reference, bins_from_edges, category_bins
from driftd.core.slice import Slice
from driftd.core.summary import LATENCY_LE, Summary, latency_bins
from driftd.judge.budget import ModelGuarantee

NAN = float("nan")
END = 1_795_413_600.0


def reference(model: str, features: Sequence[str], *, version: int = 4) -> Reference:
    """Numeric features on four quantile bins, categorical ones (named cat...) on three, and the prediction."""
    channels = [Channel(f, Role.FEATURE, Kind.CATEGORICAL if f.startswith("cat") else Kind.NUMERIC) for f in features]
    channels.append(Channel("prediction", Role.PREDICTION, Kind.NUMERIC))
    bins = [_bins(c) for c in channels]
    summary = _summary(bins, [[0, 0, 0, 250, 250, 250, 250, 0]] * len(bins), 1000)
    zeros, ones = np.zeros(len(bins)), np.ones(len(bins))
    return Reference(
        model,
        version,
        tuple(channels),
        tuple(bins),
        summary,
        zeros,
        ones,
        classes=True,
        first=END - 7200,
        last=END - 3600,
        source="topic predictions",
        created_by="learned",
        reason="first start",
    )


def _bins(channel: Channel) -> Bins:
    if channel.kind is Kind.NUMERIC:
        return bins_from_edges(np.array([np.nextafter(1.0, 0), 10, 20, 30, 40]))
    return category_bins(["DE"] * 5 + ["FR"] * 3 + ["<b>IT</b>"])


def _summary(bins: Sequence[Bins], rows: Sequence[Sequence[int]], events: int) -> Summary:
    empty = Summary.empty("bins", len(bins), 8)
    counts = np.array(rows, np.int64)
    latency = np.bincount(latency_bins(np.full(events, 0.012)), minlength=len(empty.latency))
    le = np.zeros(len(LATENCY_LE) + 1, np.int64)
    le[4] = events
    return Summary(
        "bins",
        events,
        counts,
        empty.moments,
        empty.extremes,
        latency,
        le,
        latency_ns=events * 12_000_000,
        failed=events // 100,
        first=END - 600,
        last=END - 1,
    )


def scores(detector: str, statistic: Sequence[float], threshold: float = 0.1) -> Scores:
    """A window's or a sequential detector's: tickets, by the ratio alone; NaN where the detector does not apply."""
    x = np.array(statistic, np.float64)
    limit = np.where(np.isnan(x), NAN, threshold)
    status = np.where(x >= limit, Status.WARNING, Status.OK).astype(np.int8)
    return Scores(detector, x, limit, limit, limit / 2, x / limit, status, (status > Status.OK).astype(np.int64))


def evidence(ratios: Sequence[float], a: float = 1e6, *, tickets: Sequence[int] = ()) -> Scores:
    """The judge's, by S over A of every channel: 1 or more is an open episode, a ticket in the rows of ``tickets``."""
    x = np.array(ratios, np.float64)
    limit = np.where(np.isnan(x), NAN, np.log1p(a))
    opened = np.full(len(x), Status.DRIFT, np.int8)
    opened[list(tickets)] = Status.WARNING
    status = np.where(x >= 1, opened, Status.OK).astype(np.int8)
    s, opens = np.log1p(x * a), (status > Status.OK).astype(np.int64)
    return Scores(JUDGE, s, limit, np.zeros(len(x)), limit, s / limit, status, opens)


def changes(ratios: Sequence[float], *, tickets: Sequence[int] = ()) -> Scores:
    """Of open faults and changes, by their size over the least that counts; 0 for none, tickets as in ``evidence``."""
    x = np.array(ratios, np.float64)
    status = np.where(x > 0, Status.DRIFT, Status.OK).astype(np.int8)
    status[list(tickets)] = Status.WARNING
    needed = np.where(x > 0, 0.2, NAN)
    return Scores(CHANGE, x * 0.2, needed, needed, np.zeros(len(x)), x, status, (x > 0).astype(np.int64))


def cover(on: Reference, a: float = 1e6, *, dependent: Sequence[int] = ()) -> ModelGuarantee:
    """What the judge promises: every channel independent but those in the rows of ``dependent``; a joint path."""
    k = len(on.channels) + 1
    free = np.ones(k, bool)
    free[list(dependent)] = False
    why = "autocorrelation 0.61 (limit 0.08), means of 300 events vary 9.2 times as chance would; 0 of 24 weeks known"
    return ModelGuarantee(
        on.model,
        (*(c.name for c in on.channels), "*"),
        (*("independent" if f else "dependent" for f in free[:-1]), "joint"),
        tuple("autocorrelation 0.01, window means vary 1.1 times as chance would" if f else why for f in free),
        pages=free,
        judged=free,
        a=np.full(k, a),
        monthly=np.full(k, a / 700),
        n_detectors=np.ones(k),
        design_effect=np.where(free, 1.1, 9.2),
        span_seconds=3600.0,
    )


def finding(model: str, feature: str | None, **over: object) -> Finding:
    values: dict[str, object] = {
        "slice": Slice(model),
        "feature": feature,
        "detector": "psi",
        "status": Status.DRIFT,
        "previous": Status.OK,
        "statistic": 0.31,
        "threshold": 0.1,
        "effect": 0.1,
        "noise": 0.05,
        "ratio": 3.1,
        "events": 1000,
        "window_start": END - 600,
        "window_end": END,
        "since": END - 420,
        "because": "psi 0.31 is 3.1 times its threshold 0.1",
        "effective_events": 900.0,
        "tests": 12,
        "regime": "independent",
        "moved": (MovedBin("30..40", 0.25, 0.7), MovedBin("0..10", 0.25, 0.05)),
    }
    return Finding(**(values | over))  # type: ignore[arg-type]


def judgement(
    model: str = "fraud",
    features: Sequence[str] = ("amount", "age"),
    *,
    verdicts: Sequence[Scores] | None = None,
    on: Reference | None = None,
    events: int = 1000,
    versions: tuple[str, ...] = ("7",),
    joint: Joint | None = None,
    because: str = "amount has moved",
    kinds: Mapping[int, str] = MappingProxyType({}),
) -> Judgement:
    ref = on or reference(model, features)
    n = len(ref.channels)
    if verdicts is None:
        verdicts = (scores("psi", [0.31, *[0.02] * (n - 1)]), evidence([3.2, *[1e-4] * (n - 1)]))
    worst = np.max([s.status for s in verdicts], axis=0).astype(np.int8)
    since = np.where(worst >= Status.WARNING, END - 420, NAN)
    moved = [0, 0, 0, 50, 100, 150, 700, 0]
    rows = [moved if worst[i] >= Status.WARNING else [10, 0, 0, 250, 240, 250, 250, 0] for i in range(n)]
    found = tuple(
        finding(model, c.name) for c, status in zip(ref.channels, worst, strict=True) if status == Status.DRIFT
    )
    return Judgement(
        Slice(model),
        ref,
        versions,
        Status(max(int(worst.max()), 0 if joint is None else joint.status)),
        worst,
        since,
        tuple(verdicts),
        _summary(ref.bins, rows, events),
        END - 600,
        END,
        because,
        found,
        joint,
        dict(kinds),
    )
