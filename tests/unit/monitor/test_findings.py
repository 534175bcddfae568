"""What a finding about an episode says: how sure, of what, since when, and why it pages or does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pytest

from driftd.core.channel import JOINT
from driftd.core.event import Decoded
from driftd.core.finding import JUDGE, Finding, Judgement, MovedBin, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.units import MONTH_SECONDS
from driftd.core.window import TimedDetection
from driftd.detectors.adwin import Adwin
from driftd.detectors.psi import PSI
from driftd.engine.state import State
from driftd.ingest.panes import SliceIngest, absorb
from driftd.judge.natural.kinds import Kind
from driftd.judge.runtime import learned_of
from driftd.learn.build import Learning, build
from driftd.monitor.finding_context import open_fault
from driftd.monitor.findings import so_many
from driftd.monitor.model_findings import MODEL
from driftd.monitor.settings import ModelSettings
from driftd.monitor.state import OpenChange, Standing
from tests.unit.core.make import WINDOWS, events, feed, judged, pipeline_of, wide


@pytest.fixture(autouse=True, scope="module")
def only_the_judge() -> Iterator[None]:
    """Here is tested what the judge says where nothing else was learned; test_changes.py has both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("driftd.monitor.assignment.natural_of", lambda _: None)
        yield


OK, LEARNING, WARNING, DRIFT = Status
PER_SECOND, BEGIN = 50.0, 1000.0
QUIET, SHIFTED = 3000, 3000  # events of each; a pane holds 500
CHANGED = BEGIN + QUIET / PER_SECOND


def found(judgements: tuple[Judgement, ...]) -> list[Finding]:
    return [f for j in judgements for f in j.findings]


def of(findings: list[Finding], feature: str | None, status: Status) -> list[Finding]:
    return [f for f in findings if f.feature == feature and f.status is status]


def colors(rng: np.random.Generator, n: int, shares: list[float]) -> list[str]:
    return [str(c) for c in rng.choice(["red", "green", "blue"], n, p=shares)]


def normal(rng: np.random.Generator, n: int) -> dict[str, Any]:
    return {"color": colors(rng, n, [0.5, 0.3, 0.2]), "x": rng.normal(size=n), "y": rng.normal(size=n)}


def joined(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of several stretches, one after the other."""
    out: dict[str, Any] = {}
    for name, part in parts[0].items():
        columns = [p[name] for p in parts]
        out[name] = np.concatenate(columns) if isinstance(part, np.ndarray) else [*chain.from_iterable(columns)]
    return out


@pytest.fixture
def reference(rng: np.random.Generator) -> Reference:
    return build(wide(normal(rng, 5000)), Learning(bins=10))


@pytest.fixture
def drifted(reference: Reference, rng: np.random.Generator) -> list[Finding]:
    """x rises by one standard deviation and half of the red turn blue."""
    now = {**normal(rng, SHIFTED), "color": colors(rng, SHIFTED, [0.25, 0.3, 0.45])}
    now["x"] += 1.0
    return found(judged(reference, wide(joined(normal(rng, QUIET), now))))


def test_an_episode_says_how_sure_it_is_and_of_how_many_events(reference: Reference, drifted: list[Finding]) -> None:
    learned = learned_of(reference)
    assert learned is not None
    row = reference.rows["x"]
    (f,) = of(drifted, "x", DRIFT)
    assert (f.detector, f.previous, f.regime) == (JUDGE, OK, "independent")
    # color, x, y, error and "*" share one false alarm a month
    assert f.tests == 5
    a = 5000 / learned.span_seconds * MONTH_SECONDS / np.log1p(1 / 5)
    assert f.threshold == f.noise == pytest.approx(np.log1p(a))
    assert f.statistic > f.threshold
    assert f.ratio == f.statistic / f.threshold
    assert f.events == 500  # the pane in which it opened
    assert f.effective_events == f.events / learned.design_effect[row]
    assert 1 <= learned.design_effect[row] < 1.5
    much = so_many(np.expm1(f.statistic) / a)
    assert f.because.startswith(f"evidence {much} the threshold A (one false alarm in {a:.2g} events)")


def test_an_episode_says_since_when_and_what_moved(reference: Reference, drifted: list[Finding]) -> None:
    (f,) = of(drifted, "color", DRIFT)
    assert f.since == pytest.approx(CHANGED, abs=10)  # to a pane
    assert f.window_start == f.since
    assert f.window_end == CHANGED + 10  # it opened with the first pane
    assert [m.bin for m in f.moved] == ["blue", "red"]  # the more surprising first
    blue, red = f.moved
    share = reference.summary.counts[reference.rows["color"]] / 5000
    assert red.reference == pytest.approx(share.max(), abs=1e-6)
    assert [red.current, blue.current] == pytest.approx([0.25, 0.45], abs=0.06)
    assert isinstance(red, MovedBin)
    assert "red: 5" in f.because
    (x,) = of(drifted, "x", DRIFT)
    then, now = x.because.split("mean ")[1].split(" -> ")
    assert [float(then), float(now)] == pytest.approx([0, 1], abs=0.15)


def test_nothing_is_said_of_what_did_not_change(drifted: list[Finding]) -> None:
    assert {f.feature for f in drifted if f.status >= WARNING} <= {"color", "x", JOINT, None}


def test_the_model_says_it_once_in_a_finding_of_its_own(drifted: list[Finding]) -> None:
    (model,) = [f for f in of(drifted, None, DRIFT) if f.previous is not DRIFT]
    assert model.detector == MODEL
    assert model.since == pytest.approx(CHANGED, abs=10)
    assert model.tests == 5
    assert model.because.startswith("2 of 4 channels drifted: x, color")


def test_the_judge_says_of_an_open_fault_what_natural_variation_said_of_it() -> None:
    """Its own counts hold an hour from before the fault, and call missing what was refused."""

    def change(row: int, kind: Kind, value: float) -> OpenChange:
        return OpenChange(row, Status.DRIFT, kind, 0.9, 7200.0, 7800.0, np.nan, value, 0.0, 0.05)

    refused, level = change(1, Kind.REFUSED, 0.98), change(2, Kind.LEVEL, np.nan)
    standing = Standing(changes=(refused, level))
    assert [open_fault(standing, row) for row in range(3)] == [None, refused, None]


def test_a_ticket_says_why_it_is_no_page(rng: np.random.Generator) -> None:
    reference = build(wide(normal(rng, 5000)), Learning(bins=10, least_span_seconds=86_400))
    now = normal(rng, SHIFTED)
    now["x"] += 1.0
    now["y"] = -now["x"]
    judgements = judged(reference, wide(joined(normal(rng, QUIET), now)))
    (f,) = of(found(judgements), "x", WARNING)
    assert f.detector == JUDGE
    assert f.statistic > f.threshold
    why = "the reference is too short to show a rhythm of days"
    assert "a ticket, not a page: autocorrelation" in f.because
    assert f.because.endswith(f"; {why}")
    assert not of(found(judgements), JOINT, WARNING)  # they cannot but move together otherwise
    last = judgements[-1]
    assert last.status is WARNING
    assert last.because in {f"tickets, no page: 2 of 4 channels: {names}" for names in ("x, y", "y, x")}
    assert DRIFT not in {f.status for f in found(judgements)}


def test_a_change_of_correlation_alone_names_the_pair(rng: np.random.Generator) -> None:
    def correlated(n: int, r: float) -> dict[str, Any]:
        out = normal(rng, n)
        out["y"] = r * out["x"] + np.sqrt(1 - r**2) * out["y"]
        return out | {"z": rng.normal(size=n)}

    reference = build(wide(correlated(5000, 0.8)), Learning(bins=10))
    judgements = judged(reference, wide(joined(correlated(QUIET, 0.8), correlated(SHIFTED, 0.0))))
    drifts = [f for f in found(judgements) if f.status is DRIFT]
    assert [(f.feature, f.detector) for f in drifts] == [(JOINT, JUDGE), (None, MODEL)]
    joint, model = drifts
    assert "x and y no longer move together as in the reference" in joint.because
    assert joint.since == pytest.approx(CHANGED, abs=10)
    assert joint.events == joint.effective_events == 500
    assert joint.tests == 6
    assert model.because == "0 of 5 channels drifted: how channels move together"
    last = judgements[-1]
    assert last.joint is not None
    assert last.joint.status is last.status is DRIFT
    assert last.joint.since == joint.since


@pytest.mark.parametrize(
    ("effect", "opens"),
    [
        pytest.param(0.0, [CHANGED], id="anything that is sure matters"),
        pytest.param(0.4, [CHANGED + 60], id="what does not matter opens nothing until it grows"),
        pytest.param(5.0, [], id="nothing is as large as that"),
    ],
)
def test_what_is_sure_but_does_not_matter_opens_no_episode(
    reference: Reference, rng: np.random.Generator, effect: float, opens: list[float]
) -> None:
    """x rises by 0.3 standard deviations, a PSI of about 0.09, and a minute later by one, which is about 1."""
    little, much = normal(rng, SHIFTED), normal(rng, SHIFTED)
    little["x"] += 0.3
    much["x"] += 1.0
    batch = wide(joined(normal(rng, QUIET), little, much))
    p = pipeline_of(ModelSettings(lambda _: (), effect=lambda _: effect), WINDOWS)
    opened = [f for f in found(judged(reference, batch, p)) if f.feature == "x" and f.status is DRIFT]
    assert [pytest.approx(f.window_end, abs=30) for f in opened] == [at + 20 for at in opens]


def features(rng: np.random.Generator, n: int, shifts: list[float]) -> dict[str, Any]:
    """Features that all hang on one cause, f00 to f44, each moved by its own number of standard deviations."""
    cause = rng.normal(size=n)
    return {f"f{i:02d}": cause + shift for i, shift in enumerate(shifts)}


@pytest.mark.parametrize(
    ("moving", "more"), [pytest.param(40, "", id="forty"), pytest.param(43, " and 3 more", id="forty are named")]
)
def test_one_cause_that_moves_forty_features_is_one_page_that_names_them_strongest_first(
    rng: np.random.Generator, moving: int, more: str
) -> None:
    reference = build(wide(features(rng, 5000, [0.0] * 45)), Learning(bins=20))
    shifts = [0.6 + 0.03 * i if i < moving else 0.0 for i in range(45)]
    batch = wide(joined(features(rng, QUIET, [0.0] * 45), features(rng, SHIFTED, shifts)))
    findings = found(judged(reference, batch))
    channels = [f for f in findings if f.detector == JUDGE and f.feature != JOINT]
    assert sorted(f.feature or "" for f in channels) == [f"f{i:02d}" for i in range(moving)]
    (model,) = [f for f in findings if f.feature is None and f.status is DRIFT]
    strongest = [f"f{i:02d}" for i in reversed(range(moving))]
    assert model.because == f"{moving} of 46 channels drifted: {', '.join(strongest[:40])}{more}"
    assert model.ratio == moving


def test_an_open_episode_does_not_page_twice_and_closes_after_quiet(
    reference: Reference, rng: np.random.Generator
) -> None:
    #        3,000      3,000     9,000 events
    #  x     ....../~~~~~~~~~~\\................
    #                ^ one page   ^ closed after at least 500 quiet events
    now = normal(rng, SHIFTED)
    now["x"] += 1.0
    judgements = judged(reference, wide(joined(normal(rng, QUIET), now, normal(rng, 9000))))
    over = CHANGED + SHIFTED / PER_SECOND
    #                                 and while the window holds some of them, there is a ticket
    turns = [f for f in found(judgements) if f.feature == "x" and DRIFT in {f.previous, f.status}]
    assert [(f.previous, f.status) for f in turns] == [(OK, DRIFT), (DRIFT, OK)]
    closed = turns[1]
    assert closed.window_end >= over + 500 / PER_SECOND
    assert closed.window_end <= over + 3000 / PER_SECOND
    assert (closed.since, closed.moved) == (None, ())
    assert closed.because == "the evidence has stayed low for long enough: the change is over"
    model = [f for f in found(judgements) if f.feature is None]
    assert [(f.previous, f.status) for f in model[:3]] == [(LEARNING, OK), (OK, DRIFT), (DRIFT, OK)]
    assert {f.status for f in model[3:]} <= {OK, WARNING}
    assert model[-1].because == "no channel has drifted"
    assert model[-1].since is None
    assert judgements[-1].status is OK


def test_ids_are_different_and_times_do_not_go_back(drifted: list[Finding]) -> None:
    assert len({f.id for f in drifted}) == len(drifted)
    assert all(a.window_end <= b.window_end for a, b in pairwise(drifted))


@pytest.mark.parametrize(
    ("detector", "channel", "pages"),
    [
        pytest.param("adwin", "error", True, id="one that shares the budget, on errors"),
        pytest.param("adwin", "x", False, id="on a feature"),
        pytest.param("page_hinkley", "error", False, id="one that is not in the plan"),
    ],
)
def test_a_detection_on_errors_opens_the_channels_episode_and_is_named(
    rng: np.random.Generator, detector: str, channel: str, pages: bool
) -> None:
    p = pipeline_of(ModelSettings(lambda _: (PSI(), Adwin())), WINDOWS)
    times = (1000 + np.arange(1000) / PER_SECOND).tolist()
    batch = events(times, rng.normal(size=1000).tolist(), colors(rng, 1000, [0.5, 0.3, 0.2]))
    state = State()
    p.slices.adopt(state, Slice("m"), build(batch, Learning(bins=5)))
    p.ingest(state, ("t", 0), 1000, Decoded(1000, [batch], []))
    stream = state.partitions["t", 0].streams[Slice("m")]
    absorb(SliceIngest(state.models[Slice("m")].reference), stream, WINDOWS.pane_seconds)
    assert stream.panes is not None
    detection = TimedDetection(detector, channel, 1015.0, 0.01, 0.09, 1013.5)
    stream.panes = replace(stream.panes, detections=((101, detection),))
    opened = [f for f in p.settle(state, end=True).findings if f.detector == JUDGE]
    assert [(f.feature, f.status) for f in opened] == ([(channel, DRIFT)] if pages else [])
    if pages:
        (f,) = opened
        assert f.because.startswith("adwin detected a change; its share of the budget is one false alarm in ")
        assert f.statistic < f.threshold
        assert (f.window_start, f.since, f.window_end) == (1013.5, 1013.5, 1020.0)


def test_where_the_evidence_suffices_it_knows_better_than_adwin_since_when(rng: np.random.Generator) -> None:
    """Failures become more frequent by a third; ADWIN notices within the same pane and keeps 31,000 older values."""
    n, change = 60_000, 40_000
    p = pipeline_of(ModelSettings(lambda _: (Adwin(),)), WINDOWS)
    failed = rng.random(n) < np.where(np.arange(n) < change, 0.2, 0.26)
    batch = replace(wide({"x": rng.normal(size=n)}), fields={"error": failed})
    state = State()
    # two weeks, for a shorter reference would speak for hours only
    reference = replace(build(batch.take(np.arange(500)), Learning(bins=5)), first=BEGIN - 14 * 86_400)
    p.slices.adopt(state, Slice("m"), reference)
    findings = feed(p, state, ("t", 0), batch.take(np.arange(500, n))).findings
    (f,) = (f for f in findings if f.feature == "error" and f.status is DRIFT)
    begun = BEGIN + change / PER_SECOND
    assert f.since == pytest.approx(begun, abs=10)
    assert begun < f.window_end < begun + 60
    assert any(f.detector == "adwin" and f.status is WARNING for f in findings)
