"""The silences that a replay tells are those that the daemon would have told, at the times that it would have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from driftd import config
from driftd.cli import reports
from driftd.monitor.silence import silence
from driftd.replay import silences
from driftd.replay.report import Tally
from driftd.replay.run import Accounts, Replay
from driftd.replay.silences import Arrived, Silent
from driftd.sources.files.source import open_events
from driftd.wiring.app import pipeline_of
from tests.unit.monitor.test_silence import DAY, HOUR, MONDAY, WEEK, Times, day_and_night, office, poisson, timeline


def found(times: Times, end: float | None = None, pieces: int = 1) -> list[Silent]:
    arrived = Arrived("m")
    for part in np.array_split(times, pieces):
        if len(part):
            arrived.note(part)
    return arrived.all(float(times.max()) if end is None else end)


def without(times: Times, start: float, hours: float) -> Times:
    return times[(times < start) | (times >= start + hours * HOUR)]


def test_a_model_that_stopped_for_hours_is_told_with_what_is_usual_then(rng: np.random.Generator) -> None:
    """busy ... 3 h nothing ... busy: a page, for its own hours say that thousands of events are missing"""
    start = MONDAY + 16 * DAY + 10 * HOUR
    (one,) = found(without(poisson(day_and_night, 20, rng), start, 3.5))
    assert (one.model, one.severity, one.ended) == ("m", "page", True)
    assert one.start == pytest.approx(start, abs=120)
    assert one.end == pytest.approx(start + 3.5 * HOUR, abs=120)
    assert one.usual == pytest.approx(day_and_night(np.array([16 * DAY + 10 * HOUR]))[0], rel=0.3)


def test_what_is_natural_is_no_silence(rng: np.random.Generator) -> None:
    first, *others = found(poisson(office, 28, rng))  # nights and weekends
    assert (first.start, first.severity, others) == (
        MONDAY + 18 * HOUR,
        "ticket",
        [],
    )  # of the first night nobody knows
    assert found(poisson(day_and_night, 28, rng)) == []
    assert found(MONDAY + np.arange(0, 20 * DAY, 6 * HOUR)) == []  # four a day


def test_who_does_not_come_back_is_told_up_to_the_end(rng: np.random.Generator) -> None:
    times = poisson(day_and_night, 16, rng)
    (one,) = found(times, float(times.max()) + 6 * HOUR)
    assert not one.ended
    assert one.end == float(times.max()) + 6 * HOUR


def test_it_is_the_rule_of_the_daemon(rng: np.random.Generator) -> None:
    """What was known when the last event came, no more: as the daemon's own timeline has it."""
    times = poisson(day_and_night, 20, rng)
    start = MONDAY + 15 * DAY + 3 * HOUR
    before = times[times < start]
    known = silence(timeline(before), float(before[-1]))
    for seconds, severity in ((known.ticket - 120, None), (known.ticket + 240, "ticket"), (known.page + 240, "page")):
        gaps = [s for s in found(without(times, start, seconds / HOUR)) if abs(s.start - start) < 600]
        assert [s.severity for s in gaps] == ([] if severity is None else [severity])


def test_what_is_found_does_not_depend_on_how_it_is_read(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = poisson(day_and_night, 40, rng)
    for day, hours in ((9, 4.0), (21, 9.0), (33, 2.5)):
        times = without(times, MONDAY + day * DAY + 9 * HOUR, hours)
    whole = found(times)
    assert len(whole) == 3
    monkeypatch.setattr(silences, "MOST_MINUTES", 3000)
    assert found(times, pieces=400) == whole
    shuffled = np.concatenate([part[::-1] for part in np.array_split(times, 60)])
    assert found(shuffled, float(times.max()), pieces=300) == whole


def test_a_working_day_without_an_event_is_no_weekend(rng: np.random.Generator) -> None:
    times = poisson(office, 26, rng)
    gone = without(times, MONDAY + 2 * WEEK + 8 * HOUR, 10.0)  # a Monday without anybody
    assert [s.severity for s in found(gone) if s.start > MONDAY + WEEK] == ["page"]


def test_the_report_tells_them_of_models_that_had_a_reference(capsys: pytest.CaptureFixture[str]) -> None:
    report = replace(
        Tally().report(MONDAY, MONDAY + DAY, 1.0),
        silences=(
            Silent("fraud", MONDAY + 7800, MONDAY + 20_400, True, "page", 18_000.0),
            Silent("rare", MONDAY + 7800, MONDAY + DAY, False, "ticket", 12.0),
        ),
    )
    reports.text(report, Accounts(9, 9, {}, 0, {}))
    rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "2 silences, longer than is natural for the model:" in rows
    assert "2025-08-04 02:10 fraud 2025-08-04 05:40 3.5 hours 300 a minute a page" in rows
    assert "2025-08-04 02:10 rare still silent 22 hours 12 an hour a ticket" in rows


def test_a_replay_looks_for_them_from_the_first_reference_on(tmp_path: Path) -> None:
    """A reference that grows ends later than the silence."""
    path, start = tmp_path / "e.jsonl", MONDAY + 9 * HOUR
    times = without(MONDAY + np.arange(0, 1.5 * DAY, 20.0), start, 3.5)
    path.write_text("".join(f'{{"model":"m","time":{t},"features":{{"x":{t % 7}}}}}\n' for t in times))
    loaded, source = config.load(None, env={}, flags={}), open_events(str(path), None)
    run = Replay.of(pipeline_of(loaded.settings, source.codec), {}, source.partitions)
    for records in source.batches():
        run.take(records)
    run.finish()
    assert [(s.model, s.start, s.end) for s in run.report().silences] == [("m", start, start + 3.5 * HOUR)]
