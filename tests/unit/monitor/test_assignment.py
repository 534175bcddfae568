"""How the false-alarm budget is shared: over models, channels and the joint path, and what may page for a channel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftd.config import Settings
from driftd.core.channel import Channel, Role
from driftd.core.reference import Reference
from driftd.core.units import MONTH_SECONDS
from driftd.detectors import SequentialDetector, WindowDetector
from driftd.detectors.adwin import Adwin
from driftd.detectors.ddm import DDM
from driftd.detectors.hddm import HDDM
from driftd.detectors.page_hinkley import PageHinkley
from driftd.detectors.psi import PSI
from driftd.judge.budget import false_alarms
from driftd.learn.build import Learning, build
from driftd.monitor.assignment import VALUES_PER_FALSE_ALARM, Detector, DetectorSet
from driftd.wiring.detectors import chooser
from tests.unit.core.make import choose, stream, without_latency

REFERENCE = build(without_latency(stream(np.random.default_rng(7), 400)), Learning(bins=5))
ERROR = REFERENCE.rows["error"]


def of_errors(*detectors: Detector) -> Any:
    """The choice: these on both error channels, PSI everywhere else."""

    def choose_(channel: Channel) -> Sequence[Detector]:
        return detectors if channel.role in (Role.ERROR, Role.PREDICTION_ERROR) else (PSI(),)

    return choose_


def monthly(reference: Reference, plan: DetectorSet) -> np.ndarray:
    """Events a month of each channel and of the joint path."""
    assert plan.judged is not None
    per_second = reference.summary.channel_events / plan.judged.span_seconds
    return np.append(per_second, per_second.max()) * MONTH_SECONDS


@given(budget=st.floats(0.01, 1000), models=st.integers(1, 500), n=st.integers(0, 3))
def test_the_shares_of_everything_that_may_page_add_up_to_the_budget(budget: float, models: int, n: int) -> None:
    plan = DetectorSet.of(REFERENCE, of_errors(*(Adwin(), DDM(), HDDM())[:n]), budget, models)
    n_detectors = np.ones(len(REFERENCE.channels) + 1)
    for _, name in plan.paging:
        n_detectors[REFERENCE.rows[name]] += 1
    assert n_detectors.sum() == len(n_detectors) + 2 * n
    pages = models * np.sum(n_detectors * false_alarms(monthly(REFERENCE, plan) / plan.a))
    assert pages <= budget * (1 + 1e-12)
    if plan.a.min() > 100:  # nothing is given away, but where a threshold is held up at 100 events
        assert pages == pytest.approx(budget)


@given(pages=st.lists(st.booleans(), min_size=len(REFERENCE.channels), max_size=len(REFERENCE.channels)))
def test_those_that_page_share_the_budget_and_those_that_do_not_have_one_of_their_own(pages: list[bool]) -> None:
    plan = DetectorSet.of(REFERENCE, choose)
    assert plan.judged is not None
    learned = replace(plan.judged, pages=np.array(pages))
    n_detectors = np.ones(len(pages), np.intp)
    shares = false_alarms(monthly(REFERENCE, plan) / learned.thresholds(3.0, 1, n_detectors))
    paging = np.array([*pages, True])  # the joint path pages
    assert shares[paging].sum() == pytest.approx(3.0)
    assert shares[~paging].sum() == pytest.approx(3.0 if not all(pages) else 0.0)


def test_a_channel_that_nothing_else_watches_has_its_share_for_the_judge_alone() -> None:
    plan = DetectorSet.of(REFERENCE, choose, 2.0, 5)
    shares = false_alarms(monthly(REFERENCE, plan) / plan.a)
    channels = len(REFERENCE.channels)
    expected = np.full(channels + 1, 2.0 / 5 / (channels + 1))
    expected[[ERROR]] /= 2  # ADWIN
    np.testing.assert_allclose(shares, expected)
    assert plan.paging == {("adwin", "error")}  # `choose` has none on prediction_error


@pytest.mark.parametrize("budget", [1e-3, 0.1, 1.0, 10.0])
def test_adwins_delta_follows_from_the_channels_share(budget: float) -> None:
    plan = DetectorSet.of(REFERENCE, of_errors(Adwin(delta=0.5)), budget)
    adwin = plan.sequential_of("adwin", ERROR)
    assert isinstance(adwin, Adwin)
    assert adwin.delta == pytest.approx(adwin.clock / plan.a[ERROR])
    # a check every `clock` values, each false with probability delta at most: as many a month as the share allows
    checks = np.array(adwin.delta * monthly(REFERENCE, plan)[ERROR] / adwin.clock)
    assert false_alarms(checks) == pytest.approx(budget / (len(REFERENCE.channels) + 1) / 2)


def test_the_budget_only_makes_a_detector_more_silent() -> None:
    plan = DetectorSet.of(REFERENCE, of_errors(Adwin()), 1e6)
    adwin = plan.sequential_of("adwin", ERROR)
    assert isinstance(adwin, Adwin)
    assert adwin.delta == Adwin().delta < adwin.clock / plan.a[ERROR]


@pytest.mark.parametrize("own", [Adwin(delta=0.3), PageHinkley(threshold=2.0), DDM(drift_threshold=2.0), HDDM()])
def test_a_detector_without_the_budget_keeps_its_sensitivity_and_never_pages(own: Any) -> None:
    free = type(own)(**{name: getattr(own, name) for name in own.__slots__ if name != "budget"}, budget=False)
    plan = DetectorSet.of(REFERENCE, of_errors(free), 1e-6)
    assert plan.sequential_of(own.kind, ERROR) == free
    assert plan.paging == frozenset()
    without = DetectorSet.of(REFERENCE, of_errors(), 1e-6)
    np.testing.assert_array_equal(plan.a, without.a)  # it takes nothing from the judge's share


def test_detectors_of_features_and_predictions_never_page() -> None:
    def everywhere(_: Channel) -> Sequence[Detector]:
        return (Adwin(), PageHinkley())

    paging = DetectorSet.of(REFERENCE, everywhere).paging
    assert paging == {(kind, name) for kind in ("adwin", "page_hinkley") for name in ("error", "prediction_error")}


def test_without_what_the_judge_learned_there_are_no_thresholds_and_a_detector_has_ten_million_values() -> None:
    rows = stream(np.random.default_rng(7), 400)
    whole = build(rows, Learning(bins=5))
    bare = Reference(
        whole.model, 1, whole.channels, whole.bins, whole.summary, whole.center, whole.scale, True, whole.first, 0.0
    )
    plan = DetectorSet.of(bare, of_errors(Adwin(delta=0.5)))
    assert plan.judged is None
    assert np.isnan(plan.a).all()
    adwin = plan.sequential_of("adwin", ERROR)
    assert isinstance(adwin, Adwin)
    assert adwin.delta == adwin.clock / VALUES_PER_FALSE_ALARM


@pytest.mark.parametrize(
    ("options", "pages"),
    [
        pytest.param({}, True, id="as it comes"),
        pytest.param({"clock": 16}, True, id="a setting that is no sensitivity"),
        pytest.param({"delta": 0.002}, False, id="a sensitivity of the user's own"),
        pytest.param({"budget": False}, False, id="the budget refused"),
        pytest.param({"delta": 0.002, "budget": True}, True, id="at most so sensitive, within the budget"),
    ],
)
def test_a_users_own_delta_is_kept_and_never_pages(options: dict[str, Any], pages: bool) -> None:
    settings = Settings.model_validate({"detectors": {"errors": [{"kind": "adwin", **options}]}})
    plan = DetectorSet.of(REFERENCE, chooser(settings, None))
    assert (("adwin", "error") in plan.paging) is pages
    adwin = plan.sequential_of("adwin", ERROR)
    assert isinstance(adwin, Adwin)
    if not pages:
        assert adwin.delta == options.get("delta", Adwin().delta)
    else:
        assert adwin.delta <= adwin.clock / plan.a[ERROR]


def test_window_statistics_have_a_budget_of_their_own_that_counts_channels_and_detectors() -> None:
    def two(_: Channel) -> Sequence[WindowDetector | SequentialDetector]:
        return (PSI(), Adwin())

    assert DetectorSet.of(REFERENCE, two).tests == 2 * len(REFERENCE.channels)


def test_the_guarantee_names_what_each_channel_cannot_see() -> None:
    plan = DetectorSet.of(REFERENCE, choose)
    cover = plan.cover(REFERENCE)
    assert not isinstance(cover, str)
    assert len(cover.blind) == len(REFERENCE.channels)
    exact = plan.proved
    assert exact.any()
    assert not any(mine for mine, sure in zip(cover.blind, exact, strict=True) if sure)
    assert plan.judged is not None
    unproved = replace(plan, judged=replace(plan.judged, independent=np.zeros(len(exact), bool))).cover(REFERENCE)
    assert not isinstance(unproved, str)
    of = dict(zip(unproved.names, unproved.blind, strict=False))
    assert {of[c.name] for c, n in zip(REFERENCE.channels, REFERENCE.numeric, strict=True) if not n} == {("mix",)}
    unlearned = replace(plan, natural=None).cover(REFERENCE)
    assert not isinstance(unlearned, str)
    assert unlearned.blind == ()
