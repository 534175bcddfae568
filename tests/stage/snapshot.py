"""A daemon's evening, for the web pages: one model has drifted, one is quiet, one warns, one learns."""

import math
from dataclasses import replace
from functools import partial

import numpy as np

from driftd.core.finding import CHANGE, JUDGE, Joint, Judgement, Severity, Status
from driftd.core.incident import Example, Incident, together
from driftd.judge.budget import Certificate
from driftd.metrics.aggregates import ModelCounts
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.incidents import folded
from driftd.monitor.silence import Quiet
from driftd.monitor.timeline import FAILED, STEPS, TOTALS, WIDTH, Level, Points, Timeline, ValueReader
from driftd.web import ModelView, Snapshot
from tests.stage.judgement import END, NAN, changes, cover, evidence, finding, judgement, scores

NOW = END + 95.0


def telemetry() -> Telemetry:
    t = Telemetry()
    t.set("driftd_events_received_total", 1_204_113)
    for outcome, n in (("accepted", 1_204_001), ("rejected", 100), ("late", 12)):
        t.set("driftd_events_total", n, outcome)
    t.set("driftd_events_rejected_total", 100, "wrong_type")
    for partition, records, seconds in (("0", 12, 0.4), ("1", 830, 2.1)):
        t.set("driftd_consumer_lag_records", records, "predictions", partition)
        t.set("driftd_consumer_lag_seconds", seconds, "predictions", partition)
    t.set("driftd_kafka_connected", 1)
    t.set("driftd_checkpoint_timestamp_seconds", NOW - 7)
    t.set("driftd_config_last_reload_successful", 1)
    return t


def timeline(reader: ValueReader, end: float = END) -> Timeline:
    """A hundred points of each step: means around 25, no value in the middle of the night."""
    levels = []
    for step in STEPS:
        numbers = np.arange(int(end // step) - 100, int(end // step))
        values = np.full((100, len(reader.channels), WIDTH), np.nan, np.float32)
        values[:, :, 0] = 0.01
        values[:, :, 1:] = 25 + np.sin(np.arange(100) / 10)[:, None, None]
        values[:, reader.categorical, 1:] = 0.2
        values[40:50] = np.nan
        totals = np.full((100, TOTALS), 0.02 * step, np.float32)
        totals[:, FAILED:] *= (0.004, 0.0, 0.0)
        levels.append(Level(None, Points.none(len(reader.channels)), Points.of(numbers, totals, values)))
    return Timeline(reader.channels, reader.labels, tuple(levels))


def view(judged: Judgement, counts: ModelCounts, **over: object) -> ModelView:
    reader = ValueReader.of(judged.reference, None)
    began = {"6": END - 90_000, "7": END - 80_000, "8": END - 600}
    values: dict[str, object] = {"timeline": timeline(reader), "reader": reader, "started": began}
    return ModelView(judged.model, judged, counts=counts, **(values | over))  # type: ignore[arg-type]


def incidents(model: str = "fraud", channel: str = "cat_country", other: str = "hour") -> list[Incident]:
    """One that pages, which another channel joined, and one that was over a day before."""
    told = partial(finding, detector=CHANGE, kind="missing", reference_value=0.0)
    before = END - 90_000
    was = told(model, channel, window_end=before, since=before - 300, value=0.5, severity=Severity.TICKET,
               status=Status.WARNING)  # fmt: skip
    over = told(model, channel, window_end=before + 7200, status=Status.OK, previous=Status.WARNING, since=None)
    opened = told(model, channel, value=0.24, severity=Severity.PAGE, window_end=END - 180)
    called = finding(model, None, detector="model", channels=(channel,), severity=Severity.PAGE, window_end=END - 180)
    joined = told(model, other, kind="level", value=33.0, reference_value=20.0, severity=Severity.TICKET,
                  status=Status.WARNING)  # fmt: skip
    past, last = folded((), [was, over, opened, called, joined], 6)
    places = (("9f3c", 18_205, last.since - 90), ("", 18_290, last.since + 30), (channel, 18_311, last.since + 60))
    examples = tuple(Example(model, "predictions", 3, offset, time, id_) for id_, offset, time in places)
    return together((past, replace(last, examples=examples)))


def snapshot(**over: object) -> Snapshot:
    features = ["amount", "cat_country", "age", "hour", "balance"]
    drifted = judgement(
        "fraud",
        features,
        verdicts=(
            scores("psi", [0.02, 0.03, 0.05, 0.31, 0.01, 0.12]),
            scores("ks", [0.01, NAN, 0.02, 0.22, 0.03, 0.05]),
            scores("missing", [0.0, 0.24, 0.01, 0.0, 0.0, NAN], threshold=0.05),
            evidence([4e-4, 2.6, NAN, 31.0, 2e-3, 0.08]),
            changes([0, 1.2, 0, 0, 0, 0]),
        ),
        kinds={1: "missing"},
        versions=("7", "8"),
        because="2 of 6 channels drifted: hour, cat_country",
        joint=Joint(math.log1p(2.1e3), math.log1p(1e6), Status.OK, NAN),
    )
    quiet = judgement("recommendations", features, verdicts=(scores("psi", [0.01] * 6), evidence([1e-5] * 6)))
    warned = judgement(
        "churn",
        ["tenure"],
        verdicts=(scores("out_of_range", [0.2, 0.01]), evidence([0.02, 1e-4])),
        because="tickets, no page: 1 of 2 channels: tenure",
    )
    covers = (cover(drifted.reference, dependent=[2]), cover(quiet.reference), cover(warned.reference))
    opened = {"detector": JUDGE, "threshold": math.log1p(1e6), "regime": "independent"}
    episodes = tuple(
        finding("fraud", name, statistic=math.log1p(ratio * 1e6), effective_events=600.0, because=because, **opened)
        for name, ratio, because in (
            ("hour", 31.0, "evidence 31 times the threshold A (one in 1e+06 events); 30..40: 25% -> 70%"),
            ("cat_country", 2.6, "evidence 2.6 times the threshold A (one in 1e+06 events); missing: 0% -> 24%"),
        )
    )
    missing = finding(
        "fraud", "cat_country", detector=CHANGE, kind="missing", value=0.24, reference_value=0.0, severity=Severity.PAGE
    )
    values: dict[str, object] = {
        "now": NOW,
        "models": (
            view(quiet, ModelCounts(2_000_000, last_event=NOW - 2)),
            view(drifted, ModelCounts(812_000, refused={"amount": 3}, pages=2, recent_pages=1, last_event=NOW - 1)),
            view(warned, ModelCounts(9_000, last_event=NOW - 4000), quiet=Quiet(4000.0)),
            ModelView("pricing", None, 0.42, ModelCounts(4_200, last_event=NOW - 3)),
        ),
        "findings": (finding("fraud", None, because="2 of 6 channels drifted: hour, cat_country"), missing, *episodes),
        "not_ready": (),
        "telemetry": telemetry(),
        "certificate": Certificate.of(1.0, 100, [*covers, "pricing"]),
        "runbooks": "https://runbooks.example.com/driftd",
        "incidents": () if "findings" in over else incidents(),
    }
    return Snapshot(**(values | over))  # type: ignore[arg-type]


def many(models: int = 100, features: int = 200) -> Snapshot:
    names = [f"feature_{i}" for i in range(features)]
    rng = np.random.default_rng(1)
    views = [
        view(
            judgement(f"model_{k}", names, verdicts=(scores("psi", (rng.random(features + 1) * 0.15).tolist()),)),
            ModelCounts(1_000, last_event=NOW),
        )
        for k in range(models)
    ]
    return snapshot(models=views, incidents=())
