"""What the decoder knows of a model while its reference grows."""

from __future__ import annotations

import numpy as np

from driftd.core.event import Kind
from driftd.engine.state import State
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import choose, feed, pipeline_of
from tests.unit.judge.natural.stage import HOUR, batch, traffic
from tests.unit.monitor.test_growing import BEGIN, KEY, A, grower


def test_kinds_of_a_reference_that_grows_stay_that_of_the_prediction_too() -> None:
    pipeline, state = grower(28.0), State()
    for hour in range(3):
        begin = BEGIN + hour * HOUR
        feed(pipeline, state, A, batch(traffic(np.random.default_rng(hour), begin, begin + HOUR)))
    model = state.models[KEY]
    assert model.reference is not None
    assert model.wants_rows
    schema = pipeline.schemas.of(state)[KEY.model]
    assert schema.open
    assert (schema.prediction, schema.features["age"]) == (Kind.NUMERIC, Kind.NUMERIC)


def test_who_reads_for_others_knows_configured_models_before_their_plans() -> None:
    """And one that is discovered is unknown to it, as to a process that has just begun."""
    pipeline = pipeline_of(ModelSettings(choose, discover=False), configured={"m": ModelSettings(choose)})
    found = pipeline.schemas.of(State())
    assert [*found] == ["m"]
    assert found["m"].open
