"""Silence by the clock of arrivals."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from driftd.core.pane import Counters
from driftd.core.slice import Slice
from driftd.engine.quiet import TOLD_SECONDS, Arrivals
from driftd.engine.state import State
from driftd.monitor.silence import LEAST_SECONDS
from tests.unit.core.make import feed, pipeline, stream

M = Slice("m")
SOME = Counters(events=10, last_event=1_000.0)


def seconds(arrivals: Arrivals, counters: Counters, now: float, behind: float = 0.0) -> float | None:
    found = arrivals.quiet({M: counters}, {}, now, behind)
    return found[M].seconds if M in found else None


def test_silence_counts_from_the_last_arrival_whatever_the_time_of_the_events() -> None:
    arrivals = Arrivals()
    assert seconds(arrivals, SOME, 0) is None
    assert seconds(arrivals, SOME, TOLD_SECONDS - 1) is None
    assert seconds(arrivals, SOME, TOLD_SECONDS) == TOLD_SECONDS
    assert seconds(arrivals, replace(SOME, events=11), 500) is None  # an old event is a sign of life, too
    assert seconds(arrivals, replace(SOME, events=11), 700) == 200


@pytest.mark.parametrize(
    "after",
    [replace(SOME, excluded=1), replace(SOME, sampled_out=1), replace(SOME, last_event=2_000.0)],
    ids=["excluded", "sampled out", "judged here, read elsewhere"],
)
def test_every_event_is_a_sign_of_life(after: Counters) -> None:
    arrivals = Arrivals()
    seconds(arrivals, SOME, 0)
    assert seconds(arrivals, after, 300) is None


def test_what_driftd_has_not_read_yet_may_be_the_models() -> None:
    arrivals = Arrivals()
    seconds(arrivals, SOME, 0)
    assert seconds(arrivals, SOME, 300, behind=290) is None
    assert seconds(arrivals, SOME, 300, behind=100) == 200


def test_after_a_restart_a_model_is_as_silent_as_it_was_beside_the_others() -> None:
    """Eleven hours of silence were "OK: nothing has changed" until its limit had passed again."""
    labels = Slice.of_labels("m")
    counters = {M: SOME, labels: SOME, Slice("busy"): replace(SOME, last_event=4_990.0)}
    arrivals = Arrivals()
    found = arrivals.quiet(counters, {}, 7.0, 0.0, reached=5_000.0)
    assert {key: quiet.seconds for key, quiet in found.items()} == {M: 4_000.0}
    assert arrivals.quiet(counters, {}, 17.0, 0.0, reached=5_010.0)[M].seconds == 4_010
    assert M not in arrivals.quiet({**counters, M: replace(SOME, events=11)}, {}, 20.0, 0.0, reached=5_013.0)
    assert Slice("old") not in arrivals.quiet({**counters, Slice("old"): SOME}, {}, 21.0, 0.0, reached=5_013.0)
    assert not Arrivals().quiet(counters, {}, 7.0, 9_000.0, reached=5_000.0)  # what was not read yet may be theirs


def test_a_model_that_never_sent_anything_is_not_silent() -> None:
    arrivals = Arrivals()
    seconds(arrivals, Counters(), 0)
    assert seconds(arrivals, Counters(), 1e6) is None


def test_what_is_usual_comes_from_the_values_that_are_kept(rng: np.random.Generator) -> None:
    p, state, arrivals = pipeline(), State(), Arrivals()
    batch = stream(rng, 3 * 3600)
    feed(p, state, ("t", 0), replace(batch, times=np.arange(len(batch)) / 1.0))
    counters = {M: state.counters(M)}
    arrivals.quiet(counters, state.models, 0, 0)
    found = arrivals.quiet(counters, state.models, LEAST_SECONDS, 0)[M]
    assert found.usual is not None
    assert found.usual.usual == 3600
    assert (found.due, found.usual.ticket) == ("ticket", LEAST_SECONDS)
    again = arrivals.quiet(counters, state.models, 2 * LEAST_SECONDS, 0)[M]
    assert again.usual is found.usual  # not computed again
