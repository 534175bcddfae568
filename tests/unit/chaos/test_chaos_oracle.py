"""The recount that experiments compare with: it judges records by the documents, and what differs is a fault."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.chaos import report
from tests.chaos.experiment import Experiment, Outcome, Stage
from tests.chaos.oracle import Count, Series, _add, compare, compare_series, depth, event_of
from tests.chaos.poison import CHEAP, DEEP, LARGE
from tests.chaos.traffic import RUBBISH, START, events, last
from tests.stage.daemon import DriftdProcess

GOOD = b'{"model":"fraud","time":%.1f,"features":{"amount":1.5,"age":30,"country":"DE"},"prediction":1}'


@pytest.mark.parametrize("value", [*RUBBISH, *CHEAP, DEEP, LARGE, None])
def test_what_is_poison_is_no_event(value: bytes | None) -> None:
    assert event_of(value) is None


def test_all_events_of_the_traffic_are_events() -> None:
    assert all(event_of(value) is not None for value in [*events(2000, rubbish=0), last(START)])


@pytest.mark.parametrize(
    ("text", "deep"),
    [
        pytest.param(b"[" * 600 + b"]" * 600, 600, id="lists"),
        pytest.param(b'["' + b"[" * 600 + b'"]', 1, id="brackets in a text"),
        pytest.param(b'["\\"' + b"[" * 600 + b'"]', 1, id="after an escaped quote"),
        pytest.param(b"[]" * 600, 1, id="one after the other"),
    ],
)
def test_depth(text: bytes, deep: int) -> None:
    assert depth(text) == deep


class Told(DriftdProcess):
    """A daemon that says this."""

    def __init__(self, said: Series) -> None:
        self.said = said

    def metrics(self) -> Series:
        return self.said


def counted() -> Count:
    """Two events of one partition in order, one that is late, one record that is none."""
    count, latest = Count(), {0: float("-inf")}
    for offset, value in enumerate((GOOD % START, GOOD % (START + 60), GOOD % (START + 1), b"{")):
        record = SimpleNamespace(offset=offset, value=value)
        _add(count, latest, 0, record, 1.0, 5.0)
    return count


def series(**other: float) -> Series:
    outcomes = {"accepted": 2.0, "rejected": 1.0, "late": 1.0, **other}
    said: Series = {("driftd_events_total", (("outcome", name),)): number for name, number in outcomes.items()}
    model = (("model", "fraud"),)
    return {
        ("driftd_events_received_total", ()): 4.0,
        **said,
        ("driftd_predictions_total", model): 2.0,
        ("driftd_last_event_timestamp_seconds", model): START + 60,
    }


def test_what_is_equal_holds_and_what_is_not_is_named() -> None:
    right, wrong = Outcome(), Outcome()
    compare(right, counted(), [Told(series())])
    compare(wrong, counted(), [Told(series(late=0.0))])
    assert right.faults == []
    assert len(wrong.faults) == 1
    assert wrong.faults[0].startswith("events by outcome: {'accepted': 2.0, 'rejected': 1.0, 'late': 0.0}, not")


def test_members_of_a_group_are_counted_together() -> None:
    outcome, nothing = Outcome(), dict.fromkeys(series(), 0.0)
    compare(outcome, counted(), [Told(series()), Told(nothing)])
    assert outcome.faults == []
    compare(outcome, counted(), [Told(series()), Told(series())])
    assert outcome.faults


def test_series_that_differ_are_named() -> None:
    outcome = Outcome()
    compare_series(outcome, series(), series(late=2.0), "here")
    assert outcome.measured == ["1 differences in 6 series here"]
    assert "outcome" in outcome.faults[0]


def row(name: str, faults: list[str]) -> report.Result:
    def run(stage: Stage) -> Outcome:
        raise NotImplementedError

    return report.Result(Experiment(name, "equal", run), "small", Outcome(["1 s"], faults), 2.0)


def test_a_row_replaces_its_own_and_tells_what_falls_short(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# Title\n\n{report.BEGIN}\n\n{report.END}\n\nmore\n")
    report.renew(page, row("one", []))
    report.renew(page, row("two", []))
    report.renew(page, row("one", ["a | b"]))
    rows = [line for line in page.read_text().splitlines() if line.startswith(("| one", "| two"))]
    assert len(rows) == 2
    assert rows[0].endswith("| **falls short**: a / b |")
    assert rows[1].endswith("| held |")
    assert page.read_text().endswith(f"{report.END}\n\nmore\n")
