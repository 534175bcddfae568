"""What a configuration will see: windows at the observed rate, thresholds in them, and the smallest changes."""

from __future__ import annotations

import numpy as np
import pytest

from driftd.core.channel import JOINT, Channel
from driftd.core.reference import Reference
from driftd.core.window import Windows
from driftd.detectors.missing import Missing
from driftd.detectors.psi import PSI
from driftd.learn.build import Learning, build
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.sensitivity import DAY, ChannelSensitivity, ModelSensitivity, hop_seconds, scaled, sensitivity_of
from tests.unit.core.make import wide

WINDOWS = Windows(pane_seconds=10.0, window_seconds=600, min_events=1000, hops=4)
RATE = 50.0


def choose(channel: Channel) -> tuple[PSI, Missing]:
    del channel
    return PSI(), Missing()


@pytest.fixture(scope="module")
def reference() -> Reference:
    rng = np.random.default_rng(7)
    n = 6000
    walk = np.cumsum(rng.normal(size=n))
    columns = {
        "amount": np.exp(rng.normal(size=n)),
        "age": rng.normal(size=n),
        "country": rng.choice(["DE", "FR", "IT"], n, p=[0.5, 0.3, 0.2]).tolist(),
        "walk": walk,
        "flag": (rng.random(n) < 0.2).astype(float),
    }
    return build(wide(columns, per_second=RATE), Learning())


def seen(reference: Reference, windows: Windows = WINDOWS, budget: float = 1.0) -> ModelSensitivity:
    return sensitivity_of(reference, DetectorSet.of(reference, choose, budget, 1), windows, budget, 1)


def of(sight: ModelSensitivity, channel: str) -> ChannelSensitivity:
    return next(s for s in sight.channels if s.channel == channel)


@pytest.mark.parametrize(
    ("rate", "hop"),
    [
        pytest.param(50.0, 150.0, id="fast: the window that was asked for"),
        pytest.param(1.0, 250.0, id="slow: it grows until it holds enough events"),
        pytest.param(0.7, 360.0, id="in whole panes"),
        pytest.param(1e-6, 31 * DAY / 4, id="at most the longest window"),
    ],
)
def test_a_hop_lasts_until_it_holds_enough_events(rate: float, hop: float) -> None:
    assert hop_seconds(WINDOWS, rate) == hop


def test_the_window_and_its_thresholds_are_those_that_the_rate_brings(reference: Reference) -> None:
    sight = seen(reference)
    assert sight.window_seconds == 600
    assert sight.window_events == pytest.approx(600 * RATE, rel=0.001)
    (psi, missing) = of(sight, "amount").thresholds
    assert (psi.detector, psi.threshold, psi.source) == ("psi", 0.1, "effect")
    assert missing.threshold == pytest.approx(max(missing.effect, missing.noise))
    small = seen(reference, Windows(pane_seconds=1.0, window_seconds=2, min_events=100, hops=4))
    (psi, _) = of(small, "amount").thresholds
    assert (psi.source, psi.threshold) == ("noise", psi.noise)
    assert psi.noise > 0.1


def test_each_channel_says_what_is_found_or_why_nobody_knows(reference: Reference) -> None:
    sight = seen(reference)
    shift, *_ = of(sight, "amount").finds
    assert (shift.kind, shift.within_seconds) == ("shift", 600)
    assert 0.05 < shift.least < 0.5
    assert {(f.kind, f.value) for f in of(sight, "country").finds} == {("share", "DE"), ("share", "missing")}
    assert {(f.kind, f.value) for f in of(sight, "flag").finds} == {("share", "1"), ("share", "missing")}
    walk = of(sight, "walk")
    assert (walk.regime, walk.pages, walk.finds) == ("dependent", False, ())
    assert "weeks known" in walk.unknown
    assert np.isnan(walk.a)


def test_how_channels_move_together_comes_last_where_pairs_are_watched(reference: Reference) -> None:
    sight = seen(reference)
    assert sight.channels[-1].channel == JOINT
    assert sight.channels[-1].unknown
    assert len(sight.channels) == len(reference.channels) + 1


def test_a_larger_budget_pages_sooner_and_sees_smaller_changes(reference: Reference) -> None:
    one, ten = (of(seen(reference, budget=b), "amount") for b in (1.0, 10.0))
    assert one.a == pytest.approx(10 * ten.a, rel=0.5)
    assert one.apart_seconds == pytest.approx(one.a / RATE, rel=0.01)
    (missing, sooner) = (next(f for f in found.finds if f.kind == "share") for found in (one, ten))
    assert missing.least > sooner.least


def test_a_shift_below_the_least_ticket_is_not_said_to_be_found(reference: Reference) -> None:
    shifts = [f.least for f in of(seen(reference), "amount").finds if f.kind == "shift"]
    assert min(shifts) == 0.1  # with 30,000 events the evidence shows less


def test_without_a_judge_nothing_pages_and_the_reason_is_told(reference: Reference) -> None:
    bare = Reference(**{f: getattr(reference, f) for f in reference.__dataclass_fields__ if f != "learned"})
    amount = of(seen(bare), "amount")
    assert (amount.pages, amount.finds) == (False, ())
    assert "reference build" in amount.unknown
    assert amount.thresholds


def test_scaled_counts_keep_their_shares(reference: Reference) -> None:
    half = scaled(reference.summary, 0.5)
    assert half.events == 3000
    assert np.abs(half.counts - reference.summary.counts / 2).max() <= 0.5
