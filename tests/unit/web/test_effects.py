"""What an incident did to events and answers, by hand-drawn minutes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.incident import Incident
from driftd.monitor import timeline as t
from driftd.monitor.timeline import STEPS, TOTALS, WIDTH, Level, Points, Timeline
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.effects import Effect, effects
from driftd.web.incidents import named
from tests.stage.judgement import END
from tests.stage.snapshot import NOW, incidents, snapshot

OPEN = incidents()[0]
MINUTES = 240


def given(kind: str = "missing", value: float | None = 0.9, *, channel: str = "cat_country", end: float = END,
          events: float = 10.0, answers: tuple[float, float] = (0.25, 0.25)) -> tuple[Incident, Snapshot]:  # fmt: skip
    """``fraud`` with so many events a minute, half of their countries missing since the change, and a tenth failing."""
    before = snapshot()
    fraud = next(m for m in before.models if m.name == "fraud")
    reader = fraud.reader
    assert reader is not None
    assert fraud.judgement is not None
    calm = replace(fraud.judgement, channel_status=np.zeros_like(fraud.judgement.channel_status))
    part = replace(OPEN.first, channel=channel, kind=kind, value=value)
    incident = replace(OPEN, parts=(part,), ended=None if end == END else end)
    numbers = np.arange(int(END // 60) - MINUTES, int(END // 60))
    after = numbers >= incident.since // 60
    totals = np.zeros((MINUTES, TOTALS), np.float32)
    totals[:, t.EVENTS], totals[:, t.FAILED] = events, np.where(after, events / 10, 0)
    values = np.full((MINUTES, len(reader.channels), WIDTH), np.nan, np.float32)
    values[:, reader.channels.index("cat_country"), t.SHARE_MISSING] = np.where(after, 0.5, 0.0)
    values[:, reader.channels.index("prediction"), t.MEAN] = np.where(after, answers[1], answers[0])
    levels = [
        Level(None, Points.none(len(reader.channels)), Points.of(numbers, totals, values) if step == STEPS[0]
              else Points.none(len(reader.channels))) for step in STEPS
    ]  # fmt: skip
    mine = replace(
        fraud, judgement=calm, timeline=Timeline(reader.channels, reader.labels, tuple(levels)), reader=reader
    )
    others = [m for m in before.models if m.name != "fraud"]
    return incident, replace(before, models=[mine, *others], incidents=[incident])


def of(incident: Incident, known: Snapshot) -> Effect:
    (found,) = effects(incident, known)
    return found


@pytest.mark.parametrize(
    ("kind", "value", "channel", "share"),
    [
        pytest.param("missing", 0.9, "cat_country", 0.5, id="counted where it is kept, whatever was told"),
        pytest.param("errors", 0.9, "prediction", 0.1, id="failures are counted"),
        pytest.param("frozen", 0.8, "amount", 0.8, id="else as it was told"),
        pytest.param("unit", 100.0, "amount", None, id="a factor is of all values together"),
        pytest.param("", None, "amount", None, id="of no known kind"),
    ],
)
def test_how_many_events_came_and_how_many_it_touched(
    kind: str, value: float | None, channel: str, share: float | None
) -> None:
    found = of(*given(kind, value, channel=channel))
    minutes = END // 60 - OPEN.since // 60
    assert (found.model, found.events) == ("fraud", 10 * minutes)
    assert found.share == (None if share is None else pytest.approx(share))
    assert found.touched == (None if share is None else round(share * 10 * minutes))


def test_what_is_over_counts_to_its_end() -> None:
    end = OPEN.since + 120.0
    assert of(*given(end=end)).events == 10 * (np.ceil(end / 60) - OPEN.since // 60)


def test_answers_that_stayed_and_answers_that_changed() -> None:
    (stayed,) = of(*given()).answers
    assert (stayed.channel, stayed.what, stayed.changed) == ("prediction", "mean", False)
    assert stayed.text == "mean 0.25 before, 0.25 since"
    (moved,) = of(*given("missing", 0.9, channel="prediction", answers=(0.25, 0.75))).answers
    assert (moved.changed, moved.before, moved.since) == (True, 0.25, 0.75)


def test_of_few_events_nothing_is_said_about_answers() -> None:
    assert of(*given(events=1.0)).answers == []


def test_a_model_without_values_over_time_has_no_effect_to_show() -> None:
    incident, known = given()
    bare = [replace(m, timeline=Timeline()) for m in known.models]
    assert effects(incident, replace(known, models=bare)) == []
    assert effects(incident, replace(known, models=[ModelView("other")])) == []
    assert named(known, incident.id) is not None
    assert known.now == NOW


def test_of_events_that_are_old_no_whole_day_is_counted() -> None:
    """Replayed, or of a model that has long been silent: its last event says where to count to."""
    incident, known = given()
    mine = next(m for m in known.models if m.name == "fraud")
    last = replace(mine, counts=replace(mine.counts, last_event=END))
    late = replace(known, models=[last, *(m for m in known.models if m.name != "fraud")], now=END + 62 * 86_400)
    assert of(incident, late).events == of(incident, replace(known, now=END)).events > 0
