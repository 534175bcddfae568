"""What every detector promises, whichever it is: a new one is held to all of it without a line here."""

from __future__ import annotations

import tracemalloc
from dataclasses import FrozenInstanceError, dataclass, fields, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from driftd.core.channel import Role
from driftd.core.errors import BinsDiffer
from driftd.core.reference import Reference
from driftd.core.summary import Summary, merge
from driftd.detectors import Described, DescribedWindow, SequentialDetector, WindowDetector
from driftd.detectors._bins import Floats, merged
from driftd.detectors.chi2 import Chi2
from driftd.detectors.hellinger import Hellinger
from driftd.detectors.registry import build, is_sequential, registry, settings_of
from tests.contract.detector_levels import (
    BUDGETS,
    MOST_CONSERVATIVE,
    SHAPES,
    STREAMS,
    documented_noise,
    false_alarms,
    fired,
    largest_share,
    most_false_alarms,
    pairs,
    too_often,
)
from tests.unit.detectors import make

WINDOW = [name for name in registry() if not is_sequential(name)]
SEQUENTIAL = [name for name in registry() if is_sequential(name)]
METHODS = ("statistic", "noise", "material")


def values(rng: np.random.Generator, n: int, shift: float = 0.0) -> dict[str, Any]:
    """Numbers with and without gaps, errors, categories, a constant: one of each that occurs."""
    gaps = rng.exponential(1 + shift, n)
    gaps[rng.random(n) < 0.05 + shift / 10] = np.nan
    return {
        "x": rng.normal(shift, 1, n),
        "gaps": gaps,
        "error": (rng.random(n) < 0.02 + shift / 10).astype(float),
        "same": np.full(n, 7.0),
        "c": rng.choice([*"abcdef", f"z{shift}"], n, p=[0.3, 0.2, 0.2, 0.1, 0.1, 0.05, 0.05]).tolist(),
        "flag": [None if r < 0.02 else "yes" if r < 0.5 else "no" for r in rng.random(n)],
    }


@pytest.fixture
def reference(rng: np.random.Generator) -> Reference:
    return make.reference(values(rng, 5000), roles={"error": Role.ERROR})


@pytest.fixture
def moved(reference: Reference, rng: np.random.Generator) -> Summary:
    return make.window(reference, values(rng, 1000, 2.0))


def window_detector(name: str) -> WindowDetector:
    detector = build(name)
    assert isinstance(detector, WindowDetector)
    return detector


def all_of(detector: WindowDetector, reference: Reference, window: Summary) -> dict[str, np.ndarray]:
    return {
        "statistic": detector.statistic(reference, window),
        "noise": detector.noise(reference, window, 1e-6),
        "material": detector.material(reference, window),
    }


@pytest.mark.parametrize("name", registry())
class TestEvery:
    def test_is_a_frozen_value_with_a_data_sheet(self, name: str) -> None:
        detector: Any = build(name)
        assert detector == build(name)
        assert hash(detector) == hash(build(name))
        with pytest.raises(FrozenInstanceError):
            setattr(detector, fields(detector)[0].name, 1)
        for part in ("Settings:", "Noise:", "Raises:", "Source:"):
            assert part in (type(detector).__doc__ or ""), part

    def test_names_itself_and_its_metric(self, name: str) -> None:
        cls: Any = registry()[name]
        assert cls.kind == name
        assert cls.metric.startswith("driftd_feature_")
        assert cls.__module__ == f"driftd.detectors.{name}"
        assert isinstance(build(name), DescribedWindow if name in WINDOW else Described)
        assert not cls.help.endswith(".")

    def test_documents_each_of_its_settings(self, name: str) -> None:
        for setting in settings_of(name):
            assert f"``{setting}``" in (registry()[name].__doc__ or "")

    def test_is_of_one_of_the_two_kinds(self, name: str) -> None:
        detector = build(name)
        assert isinstance(detector, WindowDetector) is (name in WINDOW)
        assert isinstance(detector, SequentialDetector) is (name in SEQUENTIAL)


@pytest.mark.parametrize("name", WINDOW)
class TestWindow:
    def test_scores_where_it_applies_and_abstains_elsewhere(
        self, name: str, reference: Reference, moved: Summary
    ) -> None:
        detector = window_detector(name)
        applies = detector.applies(reference)
        assert applies.dtype == bool
        for method, seen in all_of(detector, reference, moved).items():
            assert seen.dtype == np.float64, method
            np.testing.assert_array_equal(np.isfinite(seen), applies, err_msg=method)
            assert (seen[applies] >= 0).all(), method

    def test_is_quiet_on_the_reference_itself_and_loud_on_what_has_moved(
        self, name: str, reference: Reference, moved: Summary, rng: np.random.Generator
    ) -> None:
        detector = window_detector(name)
        for window, fires in ((make.window(reference, values(rng, 1000)), False), (moved, True)):
            seen = all_of(detector, reference, window)
            alarm = seen["statistic"] >= np.maximum(seen["material"], seen["noise"])
            assert alarm.any() == fires

    def test_order_and_shards_do_not_matter(self, name: str, reference: Reference, rng: np.random.Generator) -> None:
        detector, columns = window_detector(name), values(rng, 900, 0.4)
        mixed = rng.permutation(900)
        whole = make.window(reference, columns)

        def part(rows: np.ndarray) -> Summary:
            return make.window(
                reference,
                {k: v[rows] if isinstance(v, np.ndarray) else [v[i] for i in rows] for k, v in columns.items()},
            )

        shards = merge([part(rows) for rows in np.array_split(mixed, 3)])
        for method, seen in all_of(detector, reference, whole).items():
            for other in (part(mixed), shards):
                np.testing.assert_array_equal(all_of(detector, reference, other)[method], seen)

    def test_several_windows_at_once_are_each_as_it_is_alone(
        self, name: str, reference: Reference, moved: Summary, rng: np.random.Generator
    ) -> None:
        detector = window_detector(name)
        alone = [make.window(reference, values(rng, n)) for n in (1000, 300, 1)]
        windows = [moved, *alone, Summary.empty(reference.id, len(reference.channels), reference.width)]
        together = replace(moved, counts=np.array([window.counts for window in windows]))
        for method, seen in all_of(detector, reference, together).items():
            shape = (len(windows), len(reference.channels))
            for mine, window in zip(np.broadcast_to(seen, shape), windows, strict=True):
                np.testing.assert_array_equal(mine, all_of(detector, reference, window)[method], err_msg=method)

    def test_channels_do_not_touch_each_other(self, name: str, reference: Reference, moved: Summary) -> None:
        detector = window_detector(name)
        seen = all_of(detector, reference, moved)
        emptied = moved.counts.copy()
        emptied[1:] = 0
        alone = all_of(detector, reference, make.summary(reference.id, emptied))
        for method in METHODS:
            assert np.array_equal(alone[method][:1], seen[method][:1], equal_nan=True), method

    @pytest.mark.parametrize("empty", ["window", "reference", "both"])
    def test_abstains_without_events_and_warns_of_nothing(
        self, name: str, empty: str, reference: Reference, moved: Summary
    ) -> None:
        detector = window_detector(name)
        nothing = make.summary(reference.id, np.zeros_like(moved.counts))
        if empty != "window":
            bins = dict(zip(reference.rows, reference.bins, strict=True))
            reference = make.on_bins(bins, {n: [] for n in bins}, {"error": Role.ERROR})
            assert reference.id == nothing.bins_id
        window = moved if empty == "reference" else nothing
        assert np.isnan(detector.statistic(reference, window)).all()
        assert np.isnan(detector.noise(reference, window, 1e-6)).all()

    def test_few_events_are_no_drift(self, name: str, reference: Reference, rng: np.random.Generator) -> None:
        detector = window_detector(name)
        for n in (1, 2, 10):
            window = make.window(reference, values(rng, n))
            seen = all_of(detector, reference, window)
            assert not (seen["statistic"] >= np.maximum(seen["material"], seen["noise"])).any()

    def test_noise_grows_as_alpha_falls_and_falls_as_events_grow(
        self, name: str, reference: Reference, rng: np.random.Generator
    ) -> None:
        detector = window_detector(name)
        applies = detector.applies(reference)
        counts = make.window(reference, values(rng, 1000)).counts
        small, large = (make.summary(reference.id, counts * by) for by in (1, 30))
        rare, common = (detector.noise(reference, small, a)[applies] for a in (1e-8, 1e-3))
        assert (rare >= common).all()
        if name != "chi2":  # its level depends on the number of bins only, its statistic grows with the events
            assert (
                detector.noise(reference, large, 1e-6)[applies] <= detector.noise(reference, small, 1e-6)[applies]
            ).all()

    def test_other_bins_are_refused(self, name: str, reference: Reference, rng: np.random.Generator) -> None:
        other = make.reference(values(rng, 500))
        with pytest.raises(BinsDiffer):
            window_detector(name).statistic(reference, other.summary)

    def test_keeps_no_window_alive(self, name: str, reference: Reference, rng: np.random.Generator) -> None:
        detector = window_detector(name)
        windows = [make.window(reference, values(rng, 50)) for _ in range(20)]

        def judge() -> None:
            for window in windows:
                all_of(detector, reference, make.summary(reference.id, window.counts.copy()))

        judge()
        tracemalloc.start()
        for _ in range(5):
            judge()
        grown = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        assert grown < 200_000


@dataclass(frozen=True, slots=True)
class TotalVariation(Hellinger):
    """Half the sum of the shares' differences, at the noise level of another distance: looks right and is not."""

    kind: ClassVar[str] = "tv"

    def statistic(self, reference: Reference, current: Summary) -> Floats:
        p, q = merged(reference, current).shares
        out: Floats = np.abs(p - q).sum(axis=1) / 2
        return out


@dataclass(frozen=True, slots=True)
class LevelledTotalVariation(TotalVariation):
    """The same at a level of its own: by Cauchy and Schwarz it is at most ``sqrt(k X2) / 2``."""

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        both = merged(reference, current)
        return np.sqrt(both.k * both.level(alpha)) / 2


@dataclass(frozen=True, slots=True)
class Deaf(Chi2):
    """A level that chance never reaches."""

    def noise(self, reference: Reference, current: Summary, alpha: float) -> Floats:
        return 3 * merged(reference, current).level(alpha)


class TestLevel:
    """``noise(alpha)`` is reached with probability alpha where nothing has changed, whatever the shape."""

    @pytest.mark.parametrize("name", WINDOW)
    def test_fires_no_more_often_than_alpha_and_often_enough(self, name: str) -> None:
        detector = window_detector(name)
        assert list(too_often(detector)) == []
        assert largest_share(detector) >= MOST_CONSERVATIVE

    @pytest.mark.parametrize("name", [name for name in WINDOW if registry()[name].noise_formula])
    @pytest.mark.parametrize("shape", SHAPES)
    def test_the_documented_formula_is_what_the_code_computes(self, name: str, shape: str) -> None:
        detector = window_detector(name)
        reference, window = pairs(shape)
        for alpha in (0.05, 1e-6):
            noise = detector.noise(reference, window, alpha)
            np.testing.assert_allclose(noise, documented_noise(detector, shape, alpha), rtol=1e-12)

    def test_a_level_borrowed_from_another_distance_is_noticed(self) -> None:
        assert len(list(too_often(TotalVariation()))) >= 3
        n, judged = fired(TotalVariation(), "errors in halves", 0.01)
        assert n / judged > 0.05
        assert list(too_often(LevelledTotalVariation())) == []
        assert largest_share(LevelledTotalVariation()) >= MOST_CONSERVATIVE

    def test_a_level_that_chance_never_reaches_is_noticed(self) -> None:
        assert largest_share(Deaf()) < MOST_CONSERVATIVE


@pytest.mark.parametrize("name", SEQUENTIAL)
class TestSequential:
    def stream(self, rng: np.random.Generator) -> np.ndarray:
        return np.asarray(rng.random(6000) < np.repeat([0.1, 0.8], 3000), np.float64)

    def sequential(self, name: str) -> SequentialDetector:
        detector = build(name)
        assert isinstance(detector, SequentialDetector)
        return detector

    def test_is_silent_before_the_change_and_finds_it(self, name: str, rng: np.random.Generator) -> None:
        detector = self.sequential(name)
        found = detector.feed(detector.start(), self.stream(rng))
        assert found
        assert 3000 <= found[0].index < 3300
        assert found[0].before < 0.2
        assert found[0].before < found[0].after

    @pytest.mark.parametrize("stream", STREAMS)
    @pytest.mark.parametrize("values", BUDGETS)
    def test_a_budget_bounds_the_false_alarms(self, name: str, stream: str, values: float) -> None:
        detector = self.sequential(name)
        if detector.errors_only and not STREAMS[stream][0]:
            return
        assert false_alarms(detector, stream, values) <= most_false_alarms(values)

    def test_the_result_does_not_depend_on_batches_or_restarts(self, name: str, rng: np.random.Generator) -> None:
        detector, stream = self.sequential(name), self.stream(rng)
        whole = detector.start()
        detector.feed(whole, stream)
        pieces = detector.start()
        for piece in np.split(stream, np.sort(rng.integers(0, 6000, 40))):
            detector.feed(pieces, piece)
            pieces = detector.load(detector.dump(pieces))
        assert detector.dump(pieces) == detector.dump(whole)

    def test_no_values_change_nothing(self, name: str) -> None:
        detector = self.sequential(name)
        state = detector.start()
        before = detector.dump(state)
        assert list(detector.feed(state, np.empty(0))) == []
        assert detector.dump(state) == before

    def test_states_are_apart(self, name: str, rng: np.random.Generator) -> None:
        detector = self.sequential(name)
        one, other = detector.start(), detector.start()
        detector.feed(one, self.stream(rng))
        assert detector.dump(other) == detector.dump(detector.start())
