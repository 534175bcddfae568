"""Features called as driftd's own channels are watched like any other, from the file to the metric."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from driftd.config import Settings
from driftd.core.channel import OWN_NAMES, Channel, Role
from driftd.core.finding import CHANGE, Judgement
from driftd.decode.tabular.layout import Layout
from driftd.metrics.series import MetricsSink
from driftd.replay.run import Replay
from driftd.sources.files.source import open_events
from driftd.wiring.app import pipeline_of

EVENTS, LEARNED = 3000, 1000
NAMES: Final = ("score", "label", "error", "prediction", "prediction_error", "latency", "features.x", "*")
LAYOUT: Final = {
    "model": "m",
    "prediction": "answer",
    "score": "sure",
    "label": "truth",
    "error": "down",
    "latency_seconds": "took",
}
SETTINGS: Final[dict[str, Any]] = {
    "learning": {"events": LEARNED},
    "windows": {"window_seconds": 400, "pane_seconds": 10, "min_events": 400, "out_of_orderness_seconds": 0},
    "detectors": {"numeric": ["psi"]},
}


def rows() -> Iterator[tuple[int, dict[str, float], dict[str, float]]]:
    """(time, features, the event's own fields); every feature but x moves by two standard deviations half way."""
    rng = np.random.default_rng(5)
    drawn = rng.normal(size=(EVENTS, len(NAMES) + 1)).round(6)
    drawn[EVENTS // 2 :, :-1] += 2
    own = rng.integers(0, 2, (EVENTS, 2))
    for i, values in enumerate(drawn.tolist()):
        features = dict(zip((*NAMES, "x"), values, strict=True))
        prediction, label = own[i].tolist()
        yield i, features, {"prediction": prediction, "score": 0.5, "label": label, "error": 0, "latency_seconds": 0.1}


def as_json(folder: Path) -> tuple[str, Layout | None]:
    path = folder / "m.jsonl"
    events = ({"model": "m", "time": t, "features": features, **own} for t, features, own in rows())
    path.write_text("\n".join(map(json.dumps, events)))
    return str(path), None


def as_csv(folder: Path) -> tuple[str, Layout]:
    path = folder / "m.csv"
    with path.open("w", newline="") as out:
        writer = csv.DictWriter(out, ["time", *NAMES, "x", *list(LAYOUT.values())[1:]])
        writer.writeheader()
        for time, features, own in rows():
            writer.writerow({"time": time, **features, **{LAYOUT[name]: value for name, value in own.items()}})
    return str(path), Layout(LAYOUT)


def judged(path: str, layout: Layout | None, **models: Any) -> list[Judgement]:
    events = open_events(path, layout)
    pipeline = pipeline_of(Settings.model_validate(SETTINGS | models))
    pipeline.codec = events.codec
    replay = Replay.of(pipeline, {})
    outcomes = [*map(replay.take, events.batches()), replay.finish()]
    return [judgement for outcome in outcomes for judgement in outcome.judgements]


@pytest.mark.parametrize("write", [as_json, as_csv])
def test_such_a_feature_has_a_channel_findings_and_metrics(tmp_path: Path, write: Any) -> None:
    judgements = judged(*write(tmp_path))
    channels = {c.name: c for c in judgements[-1].reference.channels}
    wanted = {f"features.{name}" for name in NAMES}
    assert {name for name, c in channels.items() if c.role is Role.FEATURE} == {"x", *wanted}
    assert channels.keys() - {"x", *wanted} == OWN_NAMES - {"*"}

    found = {f.feature for j in judgements for f in j.findings if f.detector == "psi"}
    assert found == wanted

    sink = MetricsSink()
    sink.update(judgements[-1])
    page = sink.render().decode()
    for name in ("x", *wanted):
        assert f'driftd_feature_psi{{model="m",feature="{name}"}}' in page
    assert page.count('driftd_feature_psi{model="m",feature="score"}') == 1


def test_the_configuration_calls_it_as_events_do(tmp_path: Path) -> None:
    path, layout = as_json(tmp_path)
    features = {"score": {"type": "categorical", "detectors": ["chi2"]}, "label": {"detectors": []}}
    judgement = judged(path, layout, models=[{"name": "m", "features": features}])[-1]
    by_channel = {
        c.name: {s.detector for s in judgement.scores if np.isfinite(s.threshold[row]) and s.detector != CHANGE}
        for row, c in enumerate(judgement.reference.channels)
    }
    assert by_channel["features.score"] == {"chi2", "judge"}
    assert by_channel["features.label"] <= {"judge"}
    assert "psi" in by_channel["score"]
    assert "psi" in by_channel["features.error"]
    assert Channel.of_feature("score").name in by_channel
