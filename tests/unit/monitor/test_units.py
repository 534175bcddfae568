"""In what a channel's numbers are: said of it from the finding to the sentence, and of no other one."""

from __future__ import annotations

from dataclasses import replace

from driftd.learn.build import Learning
from driftd.monitor.sentence import sentence
from driftd.monitor.settings import ModelSettings
from tests.unit.core.make import pipeline_of
from tests.unit.judge.natural.stage import DAY
from tests.unit.monitor.test_growing import KEY, WINDOWS
from tests.unit.monitor.test_rebaseline import Watch, faulty


def test_a_unit_goes_from_the_setting_to_the_incidents_sentence_over_restarts() -> None:
    settings = ModelSettings(
        lambda _: (), Learning(bins=10, windows=WINDOWS, least_span_seconds=DAY), grow_seconds=28 * DAY,
        units={"age": "years", "nothing": "m"},
    )  # fmt: skip
    w = Watch(faulty(0.6, ("age", 8, 99, 100.0)), pipeline_of(settings, WINDOWS))
    found = w.until(9)
    assert {f.unit for f in found if f.feature == "age"} == {"years"}
    assert {f.unit for f in found if f.feature != "age"} <= {""}
    judged = w.state.models[KEY].judgement
    (incident,) = w.state.models[KEY].incidents
    assert "100 times larger (usually 38.7 years)" in sentence(incident, w.rows.times.max())
    assert judged is None or judged.units == settings.units
    plain = replace(incident, parts=tuple(replace(p, unit="") for p in incident.parts))
    assert "(usually 38.7)" in sentence(plain, w.rows.times.max())
