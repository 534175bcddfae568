"""The verdict on a model: learning, findings when something changes, and the model as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.cells import ModelCell
from driftd.detectors import WindowDetector
from driftd.encode import encode_with, summarise_with
from driftd.finding import Finding, Judgement, Status
from driftd.judging import MAX_VERSIONS, Rules, judge
from driftd.learning import Learning, build
from driftd.plan import Plan
from driftd.reference import Reference
from driftd.summary import Summary
from driftd.telling import MODEL
from driftd.window import Hop, Windows
from tests.unit.core.make import WINDOWS, stream

OK, LEARNING, WARNING, DRIFT = Status
CHANNELS = ("color", "x", "prediction", "error", "prediction_error")
HOP_SECONDS = 10.0


@dataclass(eq=False)
class Said:
    """A detector that says what the test says: a ratio a channel, 0 unless it is named, NaN to abstain."""

    kind: ClassVar[str] = "said"
    metric: ClassVar[str] = "driftd_feature_psi"
    effect: float = 0.5
    level: float = 0.2  # of noise
    ratios: dict[str, float] = field(default_factory=dict)

    def applies(self, reference: Reference) -> NDArray[np.bool_]:
        return np.ones(len(reference.channels), bool)

    def statistic(self, reference: Reference, current: Summary) -> NDArray[np.float64]:  # noqa: ARG002
        return np.array([self.ratios.get(c.name, 0.0) * self.effect for c in reference.channels])

    def noise(self, reference: Reference, current: Summary, alpha: float) -> NDArray[np.float64]:  # noqa: ARG002
        return np.full(len(reference.channels), self.level)

    def material(self, reference: Reference, current: Summary) -> NDArray[np.float64]:  # noqa: ARG002
        return np.full(len(reference.channels), self.effect)


class SaidToo(Said):
    kind: ClassVar[str] = "said_too"


class Stage:
    """One model whose hops end every ten seconds, from 1000 on; a window is four of them and 40 events."""

    def __init__(
        self, *detectors: Said, share: float = 0.3, every_window: bool = False, windows: Windows = WINDOWS
    ) -> None:
        self.rng = np.random.default_rng(7)
        self.reference = build(stream(self.rng, 400), Learning(bins=5))
        assert tuple(c.name for c in self.reference.channels) == CHANNELS
        self.said = detectors[0] if detectors else Said()
        watching: tuple[WindowDetector, ...] = detectors or (self.said,)
        self.plan = Plan.of(self.reference, lambda _: watching)
        self.cell = ModelCell("m", self.reference)
        self.rules = Rules(windows, 1.0, 1, share, every_window)
        self.at = 1000.0

    def hop(self, events: int = 20, **ratios: float) -> Judgement:
        """A hop ends, and this is what the detector says of the window."""
        rows = stream(self.rng, events)
        encoded = encode_with(self.reference, rows)
        summary = summarise_with(self.reference, rows, encoded, np.zeros(events, np.int64))[0]
        hop = Hop(self.at, self.at + HOP_SECONDS, summary)
        self.at += HOP_SECONDS
        self.cell.hops.done.append(hop)
        self.said.ratios = ratios
        return judge(self.cell, self.plan, self.rules)

    def learned(self, **ratios: float) -> Judgement:
        """Up to the first judged window."""
        return [self.hop(20, **ratios) for _ in range(4)][-1]


def told(judgement: Judgement) -> list[tuple[str | None, str, Status, Status]]:
    return [(f.feature, f.detector, f.previous, f.status) for f in judgement.findings]


def only(judgement: Judgement, feature: str | None) -> Finding:
    (found,) = [f for f in judgement.findings if f.feature == feature]
    return found


def test_a_model_is_learning_until_it_has_a_whole_window_of_time() -> None:
    stage = Stage()
    for _ in range(3):
        judgement = stage.hop(events=100, x=5.0)
        assert judgement.status is LEARNING
        assert judgement.findings == ()
        assert judgement.scores == ()
        assert set(judgement.channel_status.tolist()) == {LEARNING}
        assert "seconds in the window" in judgement.because
        assert judgement.because.startswith("not enough data to say")
    assert stage.hop(events=100, x=5.0).status is WARNING


def test_a_model_is_learning_until_it_has_a_whole_window_of_events() -> None:
    stage = Stage()
    seen = [stage.hop(events=5) for _ in range(8)]
    assert [j.status for j in seen] == [LEARNING] * 7 + [OK]
    assert seen[6].because == "not enough data to say: 35 of 40 events in the window"
    assert (seen[7].window_start, seen[7].window_end) == (1000.0, 1080.0)  # the window grew until it had them


def test_the_first_judgement_says_that_learning_is_over_and_no_more() -> None:
    assert told(Stage().learned()) == [(None, MODEL, LEARNING, OK)]


def test_findings_come_only_when_a_status_changes() -> None:
    #  ratio of x   0     1.5    1.5    0.9    0.5    0.85   0.85   0.1
    #  x            OK    DRIFT  .      .      OK     WARN   .      OK
    #  model        OK    WARN   .      .      OK     .      .      .
    stage = Stage()
    stage.learned()
    assert told(stage.hop(x=1.5)) == [("x", "said", OK, DRIFT), (None, MODEL, OK, WARNING)]
    assert told(stage.hop(x=1.5)) == []
    assert told(stage.hop(x=0.9)) == []
    assert told(stage.hop(x=0.5)) == [("x", "said", DRIFT, OK), (None, MODEL, WARNING, OK)]
    assert told(stage.hop(x=0.85)) == [("x", "said", OK, WARNING)]
    assert told(stage.hop(x=0.85)) == []
    assert told(stage.hop(x=0.1)) == [("x", "said", WARNING, OK)]


def test_a_detector_that_abstains_changes_nothing_and_says_nothing() -> None:
    stage = Stage()
    stage.learned(x=1.5)
    judgement = stage.hop(x=float("nan"))
    assert told(judgement) == []
    assert judgement.channel_status[stage.reference.rows["x"]] == DRIFT


def test_every_window_gives_one_finding_a_channel_and_detector_and_one_for_the_model() -> None:
    first, second = Said(), SaidToo()
    stage = Stage(first, second, every_window=True)
    stage.learned()
    for _ in range(2):
        judgement = stage.hop(x=1.5)
        where = [(f.feature, f.detector) for f in judgement.findings]
        assert where == [(c, d) for d in ("said", "said_too") for c in CHANNELS] + [(None, MODEL)]
        assert len({f.id for f in judgement.findings}) == len(where)
    assert only(stage.hop(x=1.5), None).previous is WARNING


def test_every_window_leaves_out_what_abstains() -> None:
    stage = Stage(every_window=True)
    judgement = stage.learned(color=float("nan"))
    assert [f.feature for f in judgement.findings] == [*CHANNELS[1:], None]


def test_the_worst_detector_wins_and_each_tells_of_itself() -> None:
    first, second = Said(), SaidToo()
    stage = Stage(first, second)
    stage.learned()
    second.ratios = {"x": 2.0}
    judgement = stage.hop(x=0.9)
    assert told(judgement) == [
        ("x", "said", OK, WARNING),
        ("x", "said_too", OK, DRIFT),
        (None, MODEL, OK, WARNING),
    ]
    assert judgement.channel_status[stage.reference.rows["x"]] == DRIFT
    assert judgement.drifted == 1


@pytest.mark.parametrize(
    ("drifted", "share", "status"),
    [
        pytest.param((), 0.3, OK, id="none of five"),
        pytest.param(("x",), 0.3, WARNING, id="one of five"),
        pytest.param(("x", "color"), 0.3, DRIFT, id="two of five"),
        pytest.param(("x", "color"), 0.4, DRIFT, id="exactly the share"),
        pytest.param(("x", "color"), 0.41, WARNING, id="just below it"),
        pytest.param(CHANNELS, 1.0, DRIFT, id="all of five, and all are wanted"),
        pytest.param(("error",), 0.1, DRIFT, id="one is enough"),
    ],
)
def test_the_models_status_is_by_the_share_of_channels_that_drifted(
    drifted: tuple[str, ...], share: float, status: Status
) -> None:
    stage = Stage(share=share)
    judgement = stage.learned(**dict.fromkeys(drifted, 1.5))
    finding = only(judgement, None)
    assert judgement.status is finding.status is status
    assert finding.statistic == len(drifted) / 5
    assert finding.threshold == share
    assert finding.ratio == pytest.approx(len(drifted) / 5 / share)


def test_channels_that_only_warn_leave_the_model_ok() -> None:
    assert Stage().learned(**dict.fromkeys(CHANNELS, 0.9)).status is OK


def test_the_start_of_a_change_stays_while_it_lasts_and_goes_with_it() -> None:
    stage = Stage()
    row = stage.reference.rows["x"]
    assert np.isnan(stage.learned().since).all()
    first = stage.hop(x=1.5).since[row]
    assert 1000 <= first <= 1040
    assert [stage.hop(x=r).since[row] for r in (3.0, 0.9, 1.1)] == [first] * 3
    assert np.isnan(stage.hop(x=0.1).since[row])


def test_a_models_change_began_with_its_first_channels() -> None:
    stage = Stage()
    stage.learned()
    judgement = stage.hop(x=1.5, color=1.5)
    assert only(judgement, None).since == np.nanmin(judgement.since)
    assert stage.hop().findings[-1].since is None


def test_with_too_few_events_since_the_last_verdict_stands() -> None:
    stage = Stage(windows=Windows(pane_seconds=10, window_seconds=40, min_events=40, max_window_seconds=80))
    stage.learned(x=1.5)
    stage.at += 1000  # silence, longer than a window may be
    judgement = stage.hop(events=3)
    assert judgement.status is WARNING
    assert judgement.because == "too few events since; the last verdict stands"
    assert told(judgement) == []
    assert judgement.channel_status[stage.reference.rows["x"]] == DRIFT
    assert stage.cell.judged == 1


def test_detections_count_how_often_drift_began() -> None:
    stage = Stage()
    stage.learned()
    for ratio in (1.5, 0.9, 1.5, 0.1, 1.0, 1.0):
        judgement = stage.hop(x=ratio)
    assert judgement.scores[0].detections[stage.reference.rows["x"]] == 2


def test_a_finding_carries_its_numbers() -> None:
    stage = Stage()
    stage.learned()
    f = only(stage.hop(x=1.5), "x")
    assert (f.statistic, f.threshold, f.effect, f.noise, f.ratio) == (0.75, 0.5, 0.5, 0.2, 1.5)
    assert (f.events, f.window_start, f.window_end) == (80, 1010.0, 1050.0)


@pytest.mark.parametrize(
    ("said", "because"),
    [
        pytest.param(Said(), "said 0.75, threshold 0.5 (effect)", id="the effect decides"),
        pytest.param(Said(level=0.6), "said 0.75, threshold 0.6 (noise)", id="the noise decides"),
        pytest.param(Said(effect=2.0, level=0.0), "said noticed 3 changes in the window", id="a sequential detector"),
        pytest.param(Said(effect=2 / 3, level=0.0), "said noticed 1 change in the window", id="one change"),
    ],
)
def test_a_finding_says_why(said: Said, because: str) -> None:
    stage = Stage(said)
    stage.learned()
    assert only(stage.hop(x=1.5), "x").because.split("; ")[0] == because


def test_the_model_names_its_worst_channels_first() -> None:
    stage = Stage()
    assert stage.learned().because == "no channel has drifted"
    judgement = stage.hop(x=1.5, color=20.0)
    assert judgement.because == "2 of 5 channels drifted: color (20 x its threshold), x (1.5 x its threshold)"
    assert only(judgement, None).because == judgement.because


def test_versions_are_those_of_the_window_and_not_without_bound() -> None:
    stage = Stage()
    stage.cell.versions = {"old": 999.0, "first": 1005.0, "last": 1045.0}
    assert stage.learned().versions == ("first", "last")
    assert stage.hop().versions == ("last",)
    stage.cell.versions = {f"request-{i:04d}": 1040.0 + i / 1000 for i in range(3 * MAX_VERSIONS)}
    judgement = stage.hop()
    assert len(stage.cell.versions) == len(judgement.versions) == MAX_VERSIONS
    assert judgement.versions[-1] == f"request-{3 * MAX_VERSIONS - 1:04d}"
