"""The demo's second scene: labels hours later, two variants, airlines as segments, prices."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
import pytest

from driftd import config
from driftd.core.slice import Slice
from driftd.data import flights
from driftd.data.scene import THRESHOLDS, Flights
from driftd.decode import Limits
from driftd.engine.state import State
from driftd.replay.run import Replay
from driftd.wiring.app import pipeline_of

END = 1_362_700_800.0
"""8 March: a week after the reference."""


@pytest.fixture(scope="module")
def replayed() -> tuple[Flights, Replay, State]:
    loaded = config.load(flights.labels_config(), env={}, flags={})
    events = Flights(Limits(), END)
    run = Replay.of(pipeline_of(loaded.settings, events.codec), {}, events.partitions)
    for records in events.batches():
        run.take(records)
    run.finish()
    return events, run, run.state


def test_every_flight_is_a_prediction_and_each_that_flew_has_its_label_later(
    replayed: tuple[Flights, Replay, State],
) -> None:
    events, _, state = replayed
    table = pq.read_table(flights.path())
    n = int(np.searchsorted(table["ts"].to_numpy(), END))
    flown = n - table["label"].slice(0, n).null_count
    counts = state.outcomes.counts["flight-delay"]
    assert (events.predictions, len(events.records)) == (n, n + flown)
    assert (counts.predictions, counts.joined, counts.unmatched) == (n, flown, 0)
    assert state.balanced


def test_the_experiment_says_what_the_rows_say(replayed: tuple[Flights, Replay, State]) -> None:
    (found,) = replayed[1].experiments()
    assert found.rule.name == "lower-threshold"
    table = pq.read_table(flights.path()).to_pandas()
    rows = table[(table.ts < END) & table.label.notna()]
    wrong = {v: float(np.mean((rows.proba >= at) != rows.label)) for v, at in THRESHOLDS.items()}
    assert wrong["v2"] > wrong["v1"] + 0.02
    assert any("worse" in c.verdict.value and c.metric.measure.value == "quality" for c in found.comparisons)


def test_the_largest_airlines_are_segments_of_predictions_and_of_labels(
    replayed: tuple[Flights, Replay, State],
) -> None:
    state = replayed[2]
    names = {key.within for key in state.models if key.joined and key.within}
    assert names == {f"carrier={name}" for name in ("UA", "B6", "EV", "DL", "AA", "MQ")}
    assert names == {key.within for key in state.models if key.within and not key.joined}
    assert state.counters(Slice("flight-delay/labels/segments/carrier=UA")).events > 3000
