"""How right a model is, as the API, the page, `driftd explain` and /metrics say it: the numbers that one counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jsonschema
import numpy as np
import orjson
import pytest

from driftd.cli.ask import model_lines
from driftd.core.event import EventBatch
from driftd.core.slice import Slice
from driftd.engine.state import State
from driftd.ingest.outcomes.counts import LabelCounts
from driftd.metrics.aggregates import ModelCounts, quality_lines
from driftd.monitor.view import ModelView
from driftd.web import openapi
from driftd.web.quality import Quantity, quality_of
from driftd.web.quality_card import cell, spelled
from driftd.web.site import answer, request_of
from tests.stage.judgement import judgement, scores
from tests.stage.snapshot import snapshot, view
from tests.unit.core.make import WINDOWS, feed, pipeline
from tests.unit.web.test_site import said

DAY = 86_400
BEGIN = 20_000 * DAY
N = 3000
SECONDS = 100
"""Between two events: three and a half days in all."""


def rows(rng: np.random.Generator, **other: Any) -> EventBatch:
    """Right in 80 of 100, in 60 of 100 since the second day; version 2 from then on."""
    times, late = BEGIN + SECONDS * np.arange(N, dtype=float), np.arange(N) >= DAY // SECONDS
    label = (rng.random(N) < 0.3).astype(float)
    right = rng.random(N) < np.where(late, 0.6, 0.8)
    fields: dict[str, Any] = {
        "prediction": np.where(right, label, 1 - label), "label": label.tolist(),
        "score": np.clip(np.where(right, label, 1 - label) * 0.6 + 0.4 * rng.random(N), 0, 1), **other,
    }  # fmt: skip
    fields = {name: column for name, column in fields.items() if column is not None}
    return EventBatch("m", np.arange(N), times, {"x": rng.normal(size=N)}, fields, np.where(late, "2", "1").tolist())


def view_of(batch: EventBatch, learn: int = 200, window: int = 40) -> ModelView:
    p, state = pipeline(learn_events=learn, windows=replace(WINDOWS, min_events=window)), State()
    feed(p, state, ("t", 0), batch)
    p.settle(state, end=True)
    m = state.models[Slice("m")]
    assert m.reference is not None
    return ModelView(
        "m", m.judgement, timeline=m.timeline, reader=p.monitor.reader(m.reference), hops=m.hops, quality=m.quality
    )


def share_right(batch: EventBatch, which: slice) -> float:
    return float(np.mean(np.asarray(batch.fields["prediction"])[which] == np.asarray(batch.fields["label"])[which]))


def body_of(m: ModelView) -> dict[str, Any]:
    known = snapshot(models=(m,), findings=[])
    found: dict[str, Any] = orjson.loads(answer(request_of("/api/v1/model?model=m", None), lambda: known).body)
    return found


def test_the_api_has_the_shares_that_one_counts(rng: np.random.Generator) -> None:
    batch = rows(rng)
    body = body_of(view_of(batch))
    q = body["quality"]
    accuracy = next(line for line in q["lines"] if line["statistic"] == "accuracy")["values"]
    last_day = slice(int(np.ceil((N * SECONDS // 3600 - 24) * 3600 / SECONDS)), N)
    assert accuracy["reference"]["value"] == pytest.approx(share_right(batch, slice(200)))
    assert accuracy["since"]["value"] == pytest.approx(share_right(batch, slice(200, N)))
    assert accuracy["day"]["value"] == pytest.approx(share_right(batch, last_day))
    assert accuracy["day"]["low"] < accuracy["day"]["value"] < accuracy["day"]["high"]
    assert (q["events"]["reference"], q["events"]["since"], q["positive"]) == (200, N - 200, "1")
    assert [v["version"] for v in q["versions"]] == ["2", "1"]
    of_version = {v["version"]: v["values"]["accuracy"]["value"] for v in q["versions"]}
    assert of_version["1"] == pytest.approx(share_right(batch, slice(200, DAY // SECONDS)))
    assert {c["name"]: c["labels"] for c in q["classes"]}.keys() == {"0", "1"}
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/Model", "components": document["components"]})


def test_hours_are_the_hours_own(rng: np.random.Generator) -> None:
    batch = rows(rng)
    q = quality_of(view_of(batch))
    assert q is not None
    series = next(s for s in q.series if s.statistic == "accuracy")
    assert q.step_seconds == 3600
    for at, value in zip(q.times[1:], series.values[1:], strict=True):  # a part of the first was learned from
        first, last = (int(np.ceil((at + side - BEGIN) / SECONDS)) for side in (-1800, 1800))
        assert value == pytest.approx(share_right(batch, slice(first, last)), abs=1e-6)


def test_the_page_and_explain_say_the_same(rng: np.random.Generator) -> None:
    m = view_of(rows(rng))
    known = snapshot(models=(m,), findings=[])
    page = answer(request_of("/model?model=m", None), lambda: known).body.decode()
    lines = [line.replace("\u00a0", " ") for line in model_lines(body_of(m))]
    assert "How right it is" in page
    accuracy = next(line for line in lines if line.startswith("  accuracy"))
    q = quality_of(m)
    assert q is not None
    values = next(line for line in q.lines if line.statistic == "accuracy").values
    for name in ("day", "reference"):
        said = spelled("accuracy", values[name].value)
        assert said.replace("\u00a0", " ") in accuracy
        assert said in page
    assert "By version" in page
    assert "Accuracy" in page


def test_metrics_have_the_window_with_its_interval_and_the_reference(rng: np.random.Generator) -> None:
    m = view_of(rows(rng))
    assert m.judgement is not None
    text = b"".join(line for _, line in quality_lines(m.judgement)).decode()
    q = quality_of(m)
    assert q is not None
    accuracy = next(line for line in q.lines if line.statistic == "accuracy").values["window"]
    assert f'driftd_model_quality{{model="m",statistic="accuracy"}} {accuracy.value:.6g}' in text
    assert f'driftd_model_quality_lower{{model="m",statistic="accuracy"}} {accuracy.low:.6g}' in text
    assert 'driftd_model_quality_reference{model="m",statistic="auc"}' in text
    assert f'driftd_model_labelled_events{{model="m"}} {q.events["window"]}' in text
    assert "precision_macro" in text
    assert "nan" not in text.lower()


def test_where_labels_end_the_scores_say_how_right_it_should_be(rng: np.random.Generator) -> None:
    batch = rows(rng)
    label = np.asarray(batch.fields["label"], float)
    label[1000:] = np.nan
    batch = replace(batch, fields={**batch.fields, "label": label})
    m = view_of(batch, learn=1000, window=800)
    assert m.judgement is not None
    body = body_of(m)
    assert body["quality"] is None
    assert body["estimated"]["events"] == m.judgement.summary.events
    accuracy = body["estimated"]["values"]["accuracy"]
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert accuracy["value"] == pytest.approx(share_right(batch, slice(1000)), abs=0.05)
    said = body["estimated"]["sentence"]
    assert said.startswith(f"Accuracy {spelled('accuracy', accuracy['value'])}")
    known = snapshot(models=(m,), findings=[])
    page = answer(request_of("/model?model=m", None), lambda: known).body.decode()
    assert said in page
    assert "no labels have come since" in page
    assert said.replace("\u00a0", " ") in "\n".join(model_lines(body))
    text = b"".join(line for _, line in quality_lines(m.judgement)).decode()
    assert f'driftd_model_quality_estimate{{model="m",statistic="accuracy"}} {accuracy["value"]:.6g}' in text
    assert "driftd_model_quality{" not in text
    document = orjson.loads(openapi.document())
    jsonschema.validate(body, {"$ref": "#/components/schemas/Model", "components": document["components"]})


def test_labels_that_contradict_the_estimate_are_told(rng: np.random.Generator) -> None:
    """Right in 80 of 100, then in 60, with the same scores."""
    batch = rows(rng)
    m = view_of(batch, learn=800, window=800)
    body = body_of(m)
    window = next(line for line in body["quality"]["lines"] if line["statistic"] == "accuracy")["values"]["window"]
    assert body["estimated"]["contradicted"]
    assert f"Its labels say {spelled('accuracy', window['value'])}" in body["estimated"]["sentence"]
    steady = batch.take(np.arange(800))
    again = EventBatch(
        "m",
        np.arange(2400),
        BEGIN + SECONDS * np.arange(2400.0),
        {"x": rng.normal(size=2400)},
        {name: np.tile(np.asarray(column, float), 3) for name, column in steady.fields.items()},
        "1",
    )
    calm = body_of(view_of(again, learn=800, window=800))["estimated"]
    assert not calm["contradicted"]
    assert "labels say" not in calm["sentence"]


def test_areas_of_several_classes_are_told_everywhere(rng: np.random.Generator) -> None:
    """Of three probabilities, uniform, that are what they say."""
    names, p = ("bird", "cat", "dog"), rng.dirichlet([1.0, 1.0, 1.0], N)
    label = (rng.random(N)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    batch = rows(
        rng, prediction=[names[i] for i in p.argmax(axis=1)], label=[names[i] for i in label], score=p.max(axis=1),
        **{f"class.{name}": p[:, i] for i, name in enumerate(names)},
    )  # fmt: skip
    m = view_of(batch, learn=1000, window=800)
    body, q = body_of(m), quality_of(m)
    assert q is not None
    pairs = [(p[:, k][label == k][:, None] - p[:, k][label != k]) for k in range(3)]
    truth = np.mean([np.mean(x > 0) for x in pairs])
    values = next(line for line in body["quality"]["lines"] if line["statistic"] == "auc_macro")["values"]
    assert values["since"]["low"] < truth < values["since"]["high"]
    assert values["reference"]["value"] == pytest.approx(truth, abs=0.03)
    assert {"auc_macro", "auc_weighted"} <= body["quality"]["versions"][0]["values"].keys()
    assert [s.statistic for s in q.series] == ["accuracy", "auc", "auc_macro", "mae"][: len(q.series)]
    page = said("/model?model=m", snapshot(models=(m,), findings=[]))
    assert "AUC, mean over classes" in page
    assert "Probabilities are kept in 210 bins" in page
    assert any(line.startswith("  auc_macro") for line in model_lines(body))
    assert m.judgement is not None
    text = b"".join(line for _, line in quality_lines(m.judgement)).decode()
    window = values["window"]
    known = {"": window["value"], "_lower": window["low"], "_upper": window["high"]}
    for ending, value in (known | {"_reference": values["reference"]["value"]}).items():
        assert f'driftd_model_quality{ending}{{model="m",statistic="auc_macro"}} {value:.6g}\n' in text


def test_without_labels_nothing_is_said(rng: np.random.Generator) -> None:
    m = view_of(rows(rng, label=[None] * N))
    assert m.quality is None
    assert (body_of(m)["quality"], body_of(m)["estimated"]) == (None, None)
    assert m.judgement is not None
    assert [*quality_lines(m.judgement)] == []
    known = snapshot(models=(m,), findings=[])
    assert "How right it is" not in answer(request_of("/model?model=m", None), lambda: known).body.decode()


def test_numbers_have_errors_in_the_unit_of_the_label(rng: np.random.Generator) -> None:
    label = rng.normal(500, 40, N)
    m = view_of(rows(rng, label=label.tolist(), prediction=label + 3, score=None))
    q = quality_of(m)
    assert q is not None
    values = {line.statistic: line.values["since"].value for line in q.lines}
    assert [values["mae"], values["bias"]] == pytest.approx([3, 3])
    assert q.positive is None
    assert q.classes == []


def test_classes_by_name_are_no_markup_and_those_that_nobody_knew_are_told(rng: np.random.Generator) -> None:
    names = np.array(["<b>", "cat", "dog"])[rng.integers(0, 3, N)]
    odd = [*names[:200].tolist(), *["bird"] * 50, *names[250:].tolist()]
    m = view_of(rows(rng, prediction=names.tolist(), label=odd, score=None))
    known = snapshot(models=(m,), findings=[])
    page = answer(request_of("/model?model=m", None), lambda: known).body.decode()
    assert "By class" in page
    assert "<b>cat" not in page
    assert "&lt;b&gt;" in page
    assert m.quality is not None
    first = replace(m.quality, hour=m.quality.total["1"])  # as if they were all of the last hour
    q = quality_of(replace(m, quality=first))
    assert q is not None
    assert q.remarks == ["50 events had a class that the reference has not; accuracy counts them."]


def test_values_are_written_with_their_interval() -> None:
    assert cell("accuracy", Quantity(0.9474, 0.941, 0.9526)).interval.replace("\u00a0", " ") == "94.1 % to 95.3 %"
    assert spelled("accuracy", 0.99964).replace("\u00a0", " ") == "99.96 %"
    assert spelled("mae", 12.5) == "12.5"
    assert cell("auc", None).text == "–"


def test_the_page_of_a_model_says_how_right_its_labels_that_came_later_show_it(rng: np.random.Generator) -> None:
    batch = rows(rng)
    part = replace(view_of(batch), name="fraud/labels")
    known = view(judgement("fraud", ["x"]), ModelCounts(9_000, joins=LabelCounts(labels=3000, joined=3000)))
    accuracy = next(line for line in body_of(view_of(batch))["quality"]["lines"] if line["statistic"] == "accuracy")
    text = said("/model?model=fraud", snapshot(models=(known, part), findings=[]))
    assert f"Accuracy {spelled('accuracy', accuracy['values']['day']['value'])}".replace("\u00a0", " ") in text
    assert "of the labels of 24 hours" in text
    assert "of the labels of 24 hours" not in said("/model?model=fraud", snapshot(models=(known,), findings=[]))


@pytest.mark.parametrize("under", ["m/segments/country=DE", "m/labels/segments/country=DE"])
def test_a_segment_says_how_right_the_model_is_there(under: str, rng: np.random.Generator) -> None:
    """By labels in its events, and by those that came later."""
    batch = rows(rng)
    calm = (scores("psi", [0.01, 0.01]),)
    labelled = view_of(batch)
    whole, own = (
        view(judgement(name, ["x"], verdicts=calm), ModelCounts(9)) for name in ("m", "m/segments/country=DE")
    )
    models = (whole, replace(labelled, name=under), *([own] if under != own.name else []))
    known = snapshot(models=models, findings=[])
    body = orjson.loads(answer(request_of("/api/v1/model?model=m", None), lambda: known).body)
    (line,) = body["segments"]
    last_day = slice(int(np.ceil((N * SECONDS // 3600 - 24) * 3600 / SECONDS)), N)
    q = line["quality"]
    assert (line["segment"], q["statistic"], q["model"]) == ("country=DE", "accuracy", under)
    assert q["value"]["value"] == pytest.approx(share_right(batch, last_day))
    assert q["value"]["low"] < q["value"]["value"] < q["value"]["high"]
    assert q["usual"]["value"] == pytest.approx(share_right(batch, slice(200)))
    assert q["events"] == N - last_day.start
    page, told = said("/model?model=m", known), "\n".join(model_lines(body))
    shown = cell("accuracy", Quantity(**q["value"])).text.replace("\u00a0", " ")
    assert "Accuracy, 24 h" in page
    assert shown in page.replace("\u00a0", " ")
    assert f"in country=DE: accuracy {shown}" in told
    assert f"{q['events']:,} labels in 24 hours" in told


def test_errors_of_numbers_are_estimated_by_inputs_without_labels(rng: np.random.Generator) -> None:
    """x from 0.5 on in the window, whose labels do not come: errors are N(0, x)."""
    x = np.where(np.arange(N) < 2000, rng.random(N), rng.uniform(0.5, 1.0, N))
    label = [*(2 * x[:2000] + rng.normal(size=2000) * x[:2000]).tolist(), *[None] * (N - 2000)]
    times = BEGIN + SECONDS * np.arange(N, dtype=float)
    batch = EventBatch("m", np.arange(N), times, {"x": x}, {"prediction": 2 * x, "label": label})
    m = view_of(batch, learn=2000, window=800)
    body = body_of(m)
    mae = body["estimated"]["values"]["mae"]
    assert (body["quality"], body["estimated"]["by"]) == (None, "inputs")
    assert mae["low"] < 0.5984 < mae["high"]
    assert mae["value"] == pytest.approx(0.5984, rel=0.05)
    assert body["estimated"]["sentence"].startswith(f"Mean absolute error {spelled('mae', mae['value'])} (")
    known = snapshot(models=(m,), findings=[])
    assert "By its inputs alone, the last window should have" in said("/model?model=m", known)
    assert "By its inputs alone, the last window: Mean absolute error" in "\n".join(model_lines(body))
    assert m.judgement is not None
    told = b"".join(text for _, text in quality_lines(m.judgement)).decode()
    assert 'driftd_model_quality_estimate{model="m",statistic="mae"} 0.' in told
    assert 'driftd_model_quality_estimate_upper{model="m",statistic="mae"} 0.' in told


def test_probabilities_of_several_classes_have_means_over_classes_too(rng: np.random.Generator) -> None:
    names, said_ = ("bird", "cat", "dog"), rng.dirichlet([1.0, 1.0, 1.0], N)
    label = (rng.random(N)[:, None] > said_.cumsum(axis=1)).sum(axis=1)
    fields: dict[str, Any] = {
        "prediction": [names[i] for i in said_.argmax(axis=1)], "score": said_.max(axis=1),
        "label": [names[i] if k < 2000 else None for k, i in enumerate(label)],
        **{f"class.{name}": said_[:, i] for i, name in enumerate(names)},
    }  # fmt: skip
    times = BEGIN + SECONDS * np.arange(N, dtype=float)
    batch = EventBatch("m", np.arange(N), times, {"x": rng.normal(size=N)}, fields)
    body = body_of(view_of(batch, learn=2000, window=800))
    values = body["estimated"]["values"]
    assert values["accuracy"]["low"] < 11 / 18 < values["accuracy"]["high"]  # the mean of the largest of three
    assert values.keys() == {"accuracy", "precision_macro", "recall_macro", "f1_macro"}
    assert body["estimated"]["by"] == "scores"
    assert ", recall_macro " in body["estimated"]["sentence"]
