"""ADWIN, Page-Hinkley, DDM and HDDM: river's results, state as data, and the false alarms that were promised."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from river import drift as _river
from scipy import stats

from driftd.core.errors import CheckpointCorrupt, CheckpointTooNew
from driftd.detectors import Detection, SequentialDetector
from driftd.detectors.adwin import Adwin
from driftd.detectors.ddm import DDM
from driftd.detectors.hddm import HDDM
from driftd.detectors.page_hinkley import PageHinkley

drift: Any = _river  # it has no types

# sensitive settings, so that random streams do hold detections
ALL: list[SequentialDetector] = [
    Adwin(delta=0.05, clock=4),
    PageHinkley(delta=0.01, threshold=1.0),
    DDM(drift_threshold=2.0, warm_errors=3),
    HDDM(drift_confidence=0.05, two_sided_test=True),
]


def by_river(detector: Any, values: np.ndarray) -> list[int]:
    found = []
    for i, x in enumerate(values.tolist()):
        detector.update(x)
        if detector.drift_detected:
            found.append(i)
    return found


def raw(rng: np.random.Generator) -> np.ndarray:
    return np.concatenate([rng.normal(0, 1, 2000), rng.normal(2, 1, 2000), rng.normal(-1, 3, 2000)])


def errors(rng: np.random.Generator) -> np.ndarray:
    return np.asarray(rng.random(8000) < np.repeat([0.05, 0.3, 0.02, 0.5], 2000), np.float64)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("ours", "rivers", "stream"),
    [
        pytest.param(Adwin(delta=0.002), drift.ADWIN, raw, id="ADWIN on raw values"),
        pytest.param(Adwin(delta=0.002), drift.ADWIN, errors, id="ADWIN on errors"),
        pytest.param(PageHinkley(delta=0.005, threshold=50.0, alpha=0.9999), drift.PageHinkley, raw, id="Page-Hinkley"),
        pytest.param(DDM(drift_threshold=3.0, warm_errors=0), drift.binary.DDM, errors, id="DDM"),
        pytest.param(HDDM(drift_confidence=0.001), drift.binary.HDDMA, errors, id="HDDM_A"),
        pytest.param(
            HDDM(drift_confidence=0.001, two_sided_test=True),
            lambda: drift.binary.HDDMA(two_sided_test=True),
            errors,
            id="HDDM_A, both sides",
        ),
    ],
)
def test_detections_are_rivers(ours: SequentialDetector, rivers: Any, stream: Any, seed: int) -> None:
    values = stream(np.random.default_rng(seed))
    found = ours.feed(ours.start(), values)
    assert [d.index for d in found] == by_river(rivers(), values)
    assert found, "a stream without a detection would show nothing"


def test_width_is_adwins_after_the_cut_and_the_means_are_those_of_either_part(rng: np.random.Generator) -> None:
    values = np.r_[rng.random(3000) * 0.5, 0.5 + rng.random(3000) * 0.5]
    rivers, ours = drift.ADWIN(delta=1e-6), Adwin()
    first = ours.feed(ours.start(), values)[0]
    for x in values[: first.index + 1].tolist():
        rivers.update(x)
    assert rivers.drift_detected
    assert first.width == rivers.width
    assert first.after == rivers.estimation
    assert first.before == pytest.approx(values[: first.index + 1 - first.width].mean())


@pytest.mark.parametrize("detector", [PageHinkley(), HDDM()], ids=lambda d: d.kind)
def test_the_change_is_dated_and_described(detector: SequentialDetector, rng: np.random.Generator) -> None:
    shares = (rng.random(4000) < np.repeat([0.05, 0.5], [3000, 1000])).astype(float)
    first = detector.feed(detector.start(), shares)[0]
    assert 3000 <= first.index < 3200
    assert abs(first.index - first.width - 3000) < 40
    assert first.before == pytest.approx(0.05, abs=0.03)
    assert first.after == pytest.approx(0.5, abs=0.2)


def test_ddm_names_the_best_error_rate_and_all_since(rng: np.random.Generator) -> None:
    values = (rng.random(4000) < np.repeat([0.05, 0.5], [3000, 1000])).astype(float)
    first = DDM().feed(DDM().start(), values)[0]
    assert 3000 <= first.index < 3200
    best = first.index + 1 - first.width
    assert first.before == pytest.approx(values[:best].mean())
    assert first.after == pytest.approx(values[best : first.index + 1].mean())


streams = st.lists(st.sampled_from([0.0, 0.0, 0.1, 0.45, 1.0, 1.0]), min_size=1, max_size=60).map(
    lambda block: np.repeat(block, 7)
)
cuts = st.lists(st.integers(0, 420), max_size=6)


def fed_in_pieces(
    detector: SequentialDetector, values: np.ndarray, at: Sequence[int], *, reload: bool
) -> tuple[list[Detection], bytes]:
    state, found, begin = detector.start(), [], 0
    for end in [*sorted(min(c, len(values)) for c in at), len(values)]:
        fed = detector.feed(state, values[begin:end])
        found += [Detection(d.index + begin, d.width, d.before, d.after) for d in fed]
        if reload:
            state = detector.load(detector.dump(state))
        begin = end
    return found, detector.dump(state)


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.kind)
@given(values=streams, at=cuts)
def test_batches_do_not_matter(detector: SequentialDetector, values: np.ndarray, at: list[int]) -> None:
    undisturbed = fed_in_pieces(detector, values, [], reload=False)
    assert fed_in_pieces(detector, values, at, reload=False) == undisturbed


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.kind)
@given(values=streams, at=cuts)
def test_a_restart_goes_on_bit_for_bit(detector: SequentialDetector, values: np.ndarray, at: list[int]) -> None:
    undisturbed = fed_in_pieces(detector, values, [], reload=False)
    assert fed_in_pieces(detector, values, at, reload=True) == undisturbed


@pytest.mark.parametrize("detector", ALL, ids=lambda d: d.kind)
class TestBadState:
    def test_bytes_that_are_no_state_are_refused(self, detector: SequentialDetector) -> None:
        good = detector.dump(detector.start())
        for bad in (b"", b"\xff" * 40, good[:-3], msgspec.msgpack.encode([1, "other", [], []])):
            with pytest.raises(CheckpointCorrupt, match=detector.kind):
                detector.load(bad)

    def test_a_later_format_is_refused(self, detector: SequentialDetector) -> None:
        _, *rest = msgspec.msgpack.decode(detector.dump(detector.start()))
        with pytest.raises(CheckpointTooNew):
            detector.load(msgspec.msgpack.encode([99, *rest]))

    def test_values_gathered_under_other_settings_are_not_continued(
        self, detector: SequentialDetector, rng: np.random.Generator
    ) -> None:
        state = detector.start()
        detector.feed(state, rng.random(100).round())
        other = type(detector)()
        assert other.dump(other.load(detector.dump(state))) == other.dump(other.start())

    def test_a_value_that_is_not_finite_is_refused_before_it_poisons_the_state(
        self, detector: SequentialDetector
    ) -> None:
        for bad in (np.nan, np.inf):
            state = detector.start()
            with pytest.raises(ValueError, match="finite"):
                detector.feed(state, np.array([0.0, bad]))
            assert detector.dump(state) == detector.dump(detector.start())


def test_adwins_core_with_a_flipped_bit_is_refused_and_does_not_panic() -> None:
    data = bytearray(Adwin().dump(Adwin().start()))
    data[60] ^= 1
    with pytest.raises(CheckpointCorrupt):
        Adwin().load(bytes(data))


def test_page_hinkleys_run_length_keeps_its_bound(rng: np.random.Generator) -> None:
    """At a threshold of 5 the bound is one false alarm in 202 values, seen is one in about 5,000."""
    detector = PageHinkley(threshold=5.0)
    false = len(detector.feed(detector.start(), rng.random(200_000)))
    assert 0 < false <= 200_000 * 2 * np.exp(-24 * 0.05 * 5.0)


def test_forgetting_breaks_page_hinkleys_bound(rng: np.random.Generator) -> None:
    """Why alpha is 1 here and not river's 0.9999: the sums stop drifting apart, and chance reaches any threshold."""
    values = rng.random(300_000)
    remembers, forgets = PageHinkley(), PageHinkley(alpha=0.9999)
    assert not remembers.feed(remembers.start(), values)
    assert forgets.feed(forgets.start(), values)


def test_ddm_waits_for_errors_where_rivers_alarms_at_the_first(rng: np.random.Generator) -> None:
    values = (rng.random(20_000) < 0.002).astype(float)
    assert len(by_river(drift.binary.DDM(), values)) > 10
    assert not DDM().feed(DDM().start(), values)


@pytest.mark.parametrize("rate", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("detector", [Adwin(delta=0.002), DDM(drift_threshold=3.0), HDDM(drift_confidence=1e-3)])
def test_false_alarms_on_errors_are_as_rare_as_stated(
    detector: SequentialDetector, rate: float, rng: np.random.Generator
) -> None:
    """Stated for these settings: at most 1 in 16,000 (ADWIN), about 1 in 90,000 (DDM), 1 in 50,000 (HDDM)."""
    values = (rng.random((20, 20_000)) < rate).astype(float)
    false = sum(len(detector.feed(detector.start(), stream)) for stream in values)
    assert false <= stats.poisson.ppf(0.999, values.size / 50_000)


@pytest.mark.parametrize("detector", [Adwin(), PageHinkley(), DDM(), HDDM()], ids=lambda d: d.kind)
def test_a_budget_only_tightens(detector: SequentialDetector, rng: np.random.Generator) -> None:
    assert detector.within_budget(10) == detector
    tight = detector.within_budget(1e12)
    assert tight != detector
    shifted = (rng.random(4000) < np.repeat([0.05, 0.95], 2000)).astype(float)
    assert 2000 <= tight.feed(tight.start(), shifted)[0].index < 2200


def test_river_is_not_imported_until_adwin_starts_and_then_only_its_core() -> None:
    code = (
        "import sys, driftd.detectors.registry as r; d = r.build('adwin')\n"
        "assert not any(m.startswith('river') for m in sys.modules), 'imported early'\n"
        "d.start(); assert 'river.drift' not in sys.modules and 'scipy.stats' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
