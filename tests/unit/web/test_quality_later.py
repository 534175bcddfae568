"""Labels that come later say how right the model is now: from the events to the page, the API, explain and /metrics."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest

from driftd.cli.ask import model_lines
from driftd.core.event import Decoded, EventBatch, LabelBatch
from driftd.core.lists import CLASSES
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.ingest.outcomes.join import Joining
from driftd.learn.build import Learning
from driftd.metrics.series import MetricsSink
from driftd.monitor.settings import ModelSettings
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import openapi
from driftd.web.quality_card import spelled
from driftd.web.site import answer, request_of
from tests.stage.snapshot import snapshot
from tests.unit.core.make import WINDOWS, choose, frozen, pipeline_of, thawed
from tests.unit.web.test_site import said

N, RATE, DELAY, LEARN = 5000, 5.0, 60.0, 1000
FRAUD, PART = Slice("fraud"), Slice("fraud/labels")
HARD = 3500
"""From then on all scores are near one half, and no label comes any more."""


def sent(rng: np.random.Generator, wrong_from: int = N) -> tuple[EventBatch, LabelBatch]:
    """Scores are probabilities; from ``wrong_from`` on labels are drawn without them."""
    score = np.where(np.arange(N) < HARD, rng.random(N), rng.uniform(0.4, 0.6, N))
    label = (rng.random(N) < np.where(np.arange(N) < wrong_from, score, 0.5)).astype(float)
    fields: dict[str, Any] = {"prediction": (score >= 0.5).astype(float), "score": score}
    times, ids = 1000.0 + np.arange(N) / RATE, [f"id{i}" for i in range(N)]
    rows = EventBatch("fraud", np.arange(N), times, {"x": rng.normal(size=N)}, fields, "7", ids=ids)
    n = HARD
    return rows, LabelBatch(np.arange(n), times[:n] + DELAY, ids[:n], label[:n].tolist())


def read(rows: EventBatch, later: LabelBatch) -> dict[str, ModelView]:
    """With a restart on the way."""
    p = pipeline_of(ModelSettings(choose, Learning(), learn_events=LEARN), replace(WINDOWS, min_events=600))
    p.labels, p.most_slices = Joining(3600.0, 100_000, always=True), 10
    state, b = State(), 0
    for source in (("predictions", 0), ("labels", 0)):
        p.ingest(state, source, 0, Decoded(0, [], []))
    for a in range(0, N, 50):
        p.ingest(state, ("predictions", 0), a + 50, Decoded(50, [rows.take(np.arange(a, a + 50))], []))
        end = int(np.searchsorted(later.times, rows.times[a + 49]))
        if end > b:
            part = LabelBatch(later.offsets[b:end], later.times[b:end], later.ids[b:end], later.labels[b:end])
            batch = EventBatch("fraud", np.empty(0, np.int64), np.empty(0), {}, labels_alone=part)
            p.ingest(state, ("labels", 0), end, Decoded(end - b, [batch], []))
            b = end
        p.settle(state)
        if a == 2000:
            state = thawed(p, frozen(p, state))
    p.settle(state, end=True)
    return {
        key.model: ModelView(key.model, m.judgement, hops=m.hops, quality=m.quality) for key, m in state.models.items()
    }


def body_of(known: Snapshot, model: str) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads(answer(request_of(f"/api/v1/model?model={model}", None), lambda: known).body)
    return found


def test_a_model_whose_labels_come_later_has_an_estimate_of_its_window(rng: np.random.Generator) -> None:
    views = read(*sent(rng))
    known = snapshot(models=tuple(views.values()), findings=[])
    body = body_of(known, "fraud")
    found = body["estimated"]
    accuracy = found["values"]["accuracy"]
    assert (body["quality"], found["by"], found["learned_from"]) == (None, "scores", "fraud/labels")
    assert accuracy["low"] < 0.55 < accuracy["high"]  # of probabilities from 0.4 to 0.6
    assert accuracy["high"] < 0.7  # of all from 0 to 1 it is 0.75
    assert found["values"].keys() == {"accuracy", "precision", "recall", "f1"}
    part = body_of(known, "fraud/labels")
    seen = next(line for line in part["quality"]["lines"] if line["statistic"] == "accuracy")["values"]["window"]
    assert part["estimated"]["values"]["accuracy"] == found["confirmed"]["said"]
    assert found["confirmed"]["seen"] == seen
    assert found["confirmed"]["said"]["low"] < seen["value"] < found["confirmed"]["said"]["high"]
    assert not found["contradicted"]
    text = f"The last labels that came say {spelled('accuracy', seen['value'])}, where scores alone said "
    assert text in found["sentence"]
    assert found["sentence"].replace("\u00a0", " ") in "\n".join(model_lines(body))
    page = said("/model?model=fraud", known)
    assert found["sentence"].replace("\u00a0", " ") in page.replace("\u00a0", " ")
    assert "whose labels came to fraud/labels" in page
    assert "no labels have come since" not in page
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/Model", "components": document["components"]})
    alone = snapshot(models=(views["fraud"],), findings=[])
    assert body_of(alone, "fraud")["estimated"] is None


def test_labels_that_mean_something_else_contradict_the_estimate(rng: np.random.Generator) -> None:
    """A coin decides for the last labels."""
    views = read(*sent(rng, HARD - 1200))
    found = body_of(snapshot(models=tuple(views.values()), findings=[]), "fraud")["estimated"]
    assert found["contradicted"]
    assert found["confirmed"]["contradicted"]
    assert found["sentence"].endswith(": scores mean something else now.")


def test_of_several_classes_joined_labels_have_areas_and_the_model_an_accuracy(rng: np.random.Generator) -> None:
    """Three probabilities, uniform: the largest is 11/18 in the mean, and less from ``HARD`` on."""
    rows, later = sent(rng)
    p, names = rng.dirichlet([1.0, 1.0, 1.0], N), np.array(["bird", "cat", "dog"])
    p[HARD:] = rng.dirichlet([4.0, 4.0, 4.0], N - HARD)
    label = (rng.random(N)[:, None] > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    fields: dict[str, Any] = {"prediction": names[p.argmax(axis=1)].tolist(), "score": p.max(axis=1)}
    fields |= {f"{CLASSES}{name}": p[:, i] for i, name in enumerate(names)}
    views = read(replace(rows, fields=fields), replace(later, labels=names[label[:HARD]].tolist()))
    known = snapshot(models=tuple(views.values()), findings=[])
    found, part = body_of(known, "fraud")["estimated"], body_of(known, "fraud/labels")
    assert found["learned_from"] == "fraud/labels"
    assert found["values"].keys() == {"accuracy"}
    right = p[HARD + 700 :].max(axis=1).mean()
    assert found["values"]["accuracy"]["low"] < right < found["values"]["accuracy"]["high"] < 11 / 18
    areas = next(line for line in part["quality"]["lines"] if line["statistic"] == "auc_macro")["values"]
    pairs = [(p[:HARD, k][label[:HARD] == k][:, None] - p[:HARD, k][label[:HARD] != k]) for k in range(3)]
    truth = float(np.mean([np.mean(x > 0) for x in pairs]))
    assert areas["window"]["low"] < truth < areas["window"]["high"]
    assert areas["since"]["value"] == pytest.approx(truth, abs=0.02)


def test_metrics_have_it_once_the_labels_are_known(rng: np.random.Generator) -> None:
    views = read(*sent(rng))
    found = body_of(snapshot(models=tuple(views.values()), findings=[]), "fraud")["estimated"]["values"]["accuracy"]
    exporter = MetricsSink()
    series = 'driftd_model_quality_estimate{model="fraud",statistic="accuracy"}'
    model, part = views["fraud"].judgement, views["fraud/labels"].judgement
    assert model is not None
    assert part is not None
    exporter.update(model)
    assert series not in text_of(exporter)
    exporter.update(part)
    exporter.update(model)
    assert f"{series} {found['value']:.6g}\n" in text_of(exporter)
    assert 'driftd_model_quality_estimate_lower{model="fraud",statistic="accuracy"} 0.' in text_of(exporter)
    assert 'driftd_model_quality_estimate{model="fraud/labels",statistic="accuracy"} 0.' in text_of(exporter)


def text_of(exporter: MetricsSink) -> str:
    return exporter.render().decode()


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("m", "m/labels"), ("m/labels", "m/labels"), ("m/segments/country=DE", "m/labels/segments/country=DE"),
        ("m/labels/segments/country=DE", "m/labels/segments/country=DE"),
    ],
)  # fmt: skip
def test_each_slice_knows_its_labels(name: str, labels: str) -> None:
    assert Slice(name).labels == Slice(labels)
