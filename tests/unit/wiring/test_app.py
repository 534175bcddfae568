"""From settings to how a model's reference is learned, cut, compared and left out of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from driftd import config
from driftd.cli.replay import learn_all
from driftd.config import Flag
from driftd.core.contacts import Contacts
from driftd.core.errors import ConfigError
from driftd.core.event import Kind
from driftd.core.reference import Exclusion, Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.engine.references import start_models
from driftd.engine.state import State
from driftd.engine.store import ReferenceStore
from driftd.learn.build import Learning, build
from driftd.wiring.app import pipeline_of, references_of
from driftd.wiring.decoding import hasher_of, limits_of
from driftd.wiring.kafka import kafka_settings
from driftd.wiring.models import PAGE_AFTER_SECONDS
from tests.unit.core.make import stream

DAY = 86_400.0


def load(tmp_path: Path, text: str, env: Mapping[str, str] | None = None, **flags: Any) -> config.Settings:
    file = tmp_path / "driftd.yaml"
    file.write_text(f"state: {{directory: {tmp_path}}}\n{text}")
    return config.load(file, env or {}, {k.replace("__", "."): Flag("--x", v) for k, v in flags.items()}).settings


@pytest.mark.parametrize(
    ("text", "flags", "expected"),
    [
        pytest.param("", {}, PAGE_AFTER_SECONDS, id="by default a day"),
        pytest.param("learning: {events: 10000}", {}, 0, id="events stated, even if the default"),
        pytest.param("learning: {seconds: 1h}", {}, 0, id="seconds stated"),
        pytest.param("", {"learning__events": 500}, 0, id="--reference-events"),
        pytest.param("learning: {kind: fixed}", {}, PAGE_AFTER_SECONDS, id="another setting states nothing"),
        pytest.param("models: [{name: m, reference: {events: 50}}]", {}, 0, id="stated for the model"),
        pytest.param("models: [{name: m, reference: {seconds: 2d}}]", {}, 0, id="seconds for the model"),
        pytest.param("models: [{name: m}]", {}, PAGE_AFTER_SECONDS, id="a model of which nothing is stated"),
        pytest.param("models: [{name: o, reference: {events: 5}}]", {}, PAGE_AFTER_SECONDS, id="stated for another"),
        pytest.param("learning: {page_after_seconds: 2h}", {}, 7200, id="as set"),
        pytest.param("learning: {events: 10, page_after_seconds: 7d}", {}, 7 * DAY, id="as set, though stated"),
        pytest.param("learning: {page_after_seconds: 0}", {}, 0, id="none"),
    ],
)
def test_a_reference_that_nobody_chose_must_span_a_day_before_it_pages(
    tmp_path: Path, text: str, flags: dict[str, Any], expected: float
) -> None:
    watch = pipeline_of(load(tmp_path, text, **flags)).monitor.settings(Slice("m"))
    assert watch.learning.least_span_seconds == expected


def test_units_of_all_models_and_of_one(tmp_path: Path) -> None:
    text = "units: {amount: EUR, temp: \u00b0C}\nmodels: [{name: m, units: {amount: ct, prediction: min}}]"
    monitor = pipeline_of(load(tmp_path, text)).monitor
    assert monitor.settings(Slice("m")).units == {"amount": "ct", "temp": "\u00b0C", "prediction": "min"}
    assert monitor.settings(Slice("other")).units == {"amount": "EUR", "temp": "\u00b0C"}
    for wrong in ("''", "' EUR'", "'a{b'", "'a\"b'", "aaaaaaaaaaaaa"):
        with pytest.raises(ConfigError, match=r"units\.amount"):
            load(tmp_path, f"units: {{amount: {wrong}}}")


def test_contacts_are_the_models_own(tmp_path: Path) -> None:
    text = "models: [{name: m, owner: ann, upstream: 'gateway, #pay', fallback: use rules, runbook: https://w/x}]"
    monitor = pipeline_of(load(tmp_path, text)).monitor
    assert monitor.settings(Slice("m")).contacts == Contacts("ann", "gateway, #pay", "use rules", "https://w/x")
    assert monitor.settings(Slice("other")).contacts == Contacts()
    told = "Inputs come from gateway, #pay. Fallback: use rules. Its own runbook: https://w/x."
    assert (monitor.settings(Slice("m")).contacts.help, Contacts("ann").help) == (told, "")
    assert Contacts(fallback="use rules.").help == "Fallback: use rules."
    with pytest.raises(ConfigError, match=r"models\[0\].runbook"):
        load(tmp_path, "models: [{name: m, runbook: 'javascript:1'}]")


def test_the_environment_states_it_too(tmp_path: Path) -> None:
    settings = load(tmp_path, "", {"DRIFTD_LEARNING__EVENTS": "10000"})
    assert pipeline_of(settings).monitor.settings(Slice("m")).learning.least_span_seconds == 0


def test_what_spans_too_little_makes_tickets_and_says_why() -> None:
    rows = stream(np.random.default_rng(3), 400)
    short, enough = (build(rows, Learning(bins=5, least_span_seconds=s)).learned for s in (DAY, 10.0))
    assert not short["learned.pages"].any()
    assert enough["learned.pages"].any()
    assert all("too short to show a rhythm of days: tickets only" in why for why in short["learned.why"])


def test_a_models_own_reference_settings_come_before_those_of_learning(tmp_path: Path) -> None:
    text = """
learning: {kind: seasonal, period_seconds: 2d, exclude: [2026-12-24/2026-12-27 Christmas]}
models:
  - {name: own, reference: {kind: rolling, period_seconds: 1d, exclude: [{from: 100, to: 200, why: off}]}}
  - {name: bare}
"""
    pipeline = pipeline_of(load(tmp_path, text))
    christmas = Exclusion(1798070400.0, 1798329600.0, "Christmas")
    own, bare, other = (pipeline.monitor.settings(Slice(name)).learning for name in ("own", "bare", "other"))
    assert (own.kind, own.period_seconds, own.exclude) == (
        ReferenceKind.ROLLING,
        DAY,
        (christmas, Exclusion(100, 200, "off")),
    )
    for learning in (bare, other):
        assert (learning.kind, learning.period_seconds) == (ReferenceKind.SEASONAL, 2 * DAY)
        assert learning.exclude == (christmas,)
    assert own.windows == pipeline.monitor.windows


def test_replay_from_the_first_events_keeps_kind_and_exclusions(tmp_path: Path) -> None:
    text = "models: [{name: m, reference: {events: 50, kind: rolling, exclude: [2026-12-24/2026-12-27]}}]"
    kept = learn_all(load(tmp_path, text)).models[0].reference
    assert (kept.events, kept.kind, len(kept.exclude)) == (None, "rolling", 1)


@pytest.fixture
def stored(tmp_path: Path) -> Reference:
    rows = stream(np.random.default_rng(4), 300)
    return ReferenceStore(tmp_path / "references").add(build(rows, Learning(bins=5)))


@pytest.mark.parametrize(("kind", "text"), [("fixed", ""), ("fixed", "fixed"), ("rolling", "rolling")])
def test_the_configured_kind_wins_over_the_stored_one(tmp_path: Path, stored: Reference, kind: str, text: str) -> None:
    settings = load(tmp_path, f"learning: {{kind: {text}}}" if text else "")
    assert references_of(settings)["m"].kind.value == kind
    assert references_of(settings)["m"].id == stored.id


@pytest.mark.usefixtures("stored")
def test_seasonal_needs_a_reference_that_was_built_so(tmp_path: Path) -> None:
    settings = load(tmp_path, "models: [{name: m, reference: {kind: seasonal}}]")
    message = "reference m v1: fixed, config asks for seasonal; run 'driftd reference build m --kind seasonal'"
    with pytest.raises(ConfigError, match=message):
        references_of(settings)


def test_a_reference_of_another_kind_is_taken_up_and_the_judge_goes_on(tmp_path: Path, stored: Reference) -> None:
    pipeline, state = pipeline_of(load(tmp_path, "")), State()
    start_models(state, pipeline, {"m": stored})
    guard = state.models[Slice("m")].judge
    start_models(state, pipeline, {"m": replace(stored, kind=ReferenceKind.ROLLING)})
    reference = state.models[Slice("m")].reference
    assert reference is not None
    assert reference.kind is ReferenceKind.ROLLING
    assert state.models[Slice("m")].judge is guard is not None


@pytest.mark.parametrize(
    ("limits", "fetched", "late"),
    [
        pytest.param("{}", 1 << 19, False, id="what is fetched is decoded: less memory"),
        pytest.param("{events_per_second: 100}", 1 << 19, False, id="so it is with this limit"),
        pytest.param("{records_per_second: 100}", 4 << 20, True, id="most of it may be skipped"),
        pytest.param(
            "{records_per_second: 100}\nschema_registry: {url: http://registry}",
            4 << 20,
            False,
            id="all records are looked at for their schemas",
        ),
    ],
)
def test_where_records_are_skipped_more_is_fetched_at_once_and_unpacked_late(
    tmp_path: Path, limits: str, fetched: int, late: bool
) -> None:
    kafka = "kafka: {bootstrap_servers: [b:9092], topics: [t]}"
    found = kafka_settings(load(tmp_path, f"{kafka}\nlimits: {limits}"))
    assert (found.partition_fetch_bytes, found.unpacks_late) == (fetched, late)


@pytest.mark.parametrize(
    ("text", "shares", "slices", "always"),
    [
        pytest.param("{}", 2, 4, False, id="labels may come: room for two more slices"),
        pytest.param("labels: {join: always}", 4, 4, True, id="labels are expected: a share of the budget each"),
        pytest.param("labels: {join: never}", 2, 4, None, id="counted only"),
        pytest.param("members: {enabled: true}", 2, 4, False, id="members join as one process does"),
        pytest.param("members: {enabled: true}\nlabels: {join: always}", 4, 4, True, id="and from the start on"),
        pytest.param("discovery: {enabled: true, max_models: 9}", 9, 9, False, id="a share of models to come"),
    ],
)
def test_what_labels_take_of_the_budget(
    tmp_path: Path, text: str, shares: int, slices: int, always: bool | None
) -> None:
    models = "models: [{name: a}, {name: b}]"
    discovery = "" if "discovery" in text else "discovery: {enabled: false}\n"
    pipeline = pipeline_of(load(tmp_path, f"{models}\n{discovery}{'' if text == '{}' else text}\n"))
    assert (pipeline.monitor.budget_models, pipeline.most_slices) == (shares, slices)
    assert (None if pipeline.labels is None else pipeline.labels.always) is always


def test_ids_are_decoded_for_the_join_and_shown_to_nobody_where_privacy_hides_them(tmp_path: Path) -> None:
    hides = "privacy: {dead_letters: drop}\n"
    for labels, kept in (("", True), ("labels: {join: never}\n", False)):
        settings = load(tmp_path, hides + labels)
        assert limits_of(settings).keep_ids is kept
        assert not pipeline_of(settings).shows_ids
    assert pipeline_of(load(tmp_path, "")).shows_ids


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("models: [{name: m}]", None, id="inferred"),
        pytest.param("models: [{name: m, positive: fraud}]", "fraud", id="by name"),
        pytest.param("models: [{name: m, positive: 1}]", "1", id="a number is a class, too"),
        pytest.param("models: [{name: m, positive: true}]", "True", id="and so is a truth"),
        pytest.param("models: [{name: o, positive: fraud}]", None, id="of another model"),
    ],
)
def test_the_positive_class_is_the_one_that_the_user_names(tmp_path: Path, text: str, expected: str | None) -> None:
    assert pipeline_of(load(tmp_path, text)).monitor.settings(Slice("m")).learning.positive == expected


def test_a_positive_class_is_known_by_its_hash_where_events_have_that(tmp_path: Path) -> None:
    key = "0123456789abcdef" * 2
    text = f"privacy: {{hash_text: true, key: {key}}}\nmodels: [{{name: m, positive: fraud}}]"
    settings = load(tmp_path, text)
    hasher = hasher_of(settings)
    assert hasher is not None
    (known,) = hasher.answer("m", ["fraud"], Kind.CATEGORICAL)
    assert pipeline_of(settings).monitor.settings(Slice("m")).learning.positive == known != "fraud"
