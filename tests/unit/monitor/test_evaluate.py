"""The verdict on a model: learning, tickets and episodes, findings when something changes, the model as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.finding import JUDGE, Finding, Judgement, Status
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.core.window import Hop, Windows
from driftd.detectors import WindowDetector
from driftd.ingest.binning import encode_with, summarise_with
from driftd.judge.runtime import ModelJudge
from driftd.judge.step import Judged, MicroBatch
from driftd.learn.build import Learning, build
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.compose import Evaluation, Rules
from driftd.monitor.evaluate import evaluate_episodes, evaluate_window
from driftd.monitor.model_findings import MODEL
from driftd.monitor.state import ModelState
from tests.unit.core.make import WINDOWS, stream, without_latency


@pytest.fixture(autouse=True, scope="module")
def only_the_judge() -> Iterator[None]:
    """Here is tested what the judge says where nothing else was learned; test_changes.py has both."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("driftd.monitor.assignment.natural_of", lambda _: None)
        yield


OK, LEARNING, WARNING, DRIFT = Status
CHANNELS = ("color", "x", "prediction", "error", "label", "prediction_error")
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
    """One model whose hops end every ten seconds, from 1000 on; a window is four of them and 40 events.

    ``open`` and ``close`` turn its episodes by hand; nothing else does, as the judge is not fed.
    """

    def __init__(self, *detectors: Said, every_window: bool = False, windows: Windows = WINDOWS) -> None:
        self.rng = np.random.default_rng(7)
        self.reference = build(without_latency(stream(self.rng, 400)), Learning(bins=5))
        assert tuple(c.name for c in self.reference.channels) == CHANNELS
        self.said = detectors[0] if detectors else Said()
        watching: tuple[WindowDetector, ...] = detectors or (self.said,)
        self.plan = DetectorSet.of(self.reference, lambda _: watching)
        self.cell = ModelState(Slice("m"), self.reference, judge=ModelJudge.of(self.reference))
        self.rules = Rules(windows, 1.0, 1, every_window)
        self.at = 1000.0

    @property
    def judge(self) -> ModelJudge:
        assert self.cell.judge is not None
        return self.cell.judge

    def tickets_only(self, feature: str) -> None:
        """The channel's regime does not let it page."""
        pages = self.judge.learned.pages.copy()
        pages[self.reference.rows[feature]] = False
        self.judge.learned = replace(self.judge.learned, pages=pages)
        self.plan = replace(self.plan, judged=self.judge.learned)

    def summary(self, events: int) -> Summary:
        rows = stream(self.rng, events)
        encoded = encode_with(self.reference, rows)
        return summarise_with(self.reference, rows, encoded, np.zeros(events, np.int64))[0]

    def hop(self, events: int = 20, **ratios: float) -> Judgement:
        """A hop ends, and this is what the detector says of the window."""
        hop = Hop(self.at, self.at + HOP_SECONDS, self.summary(events))
        self.at += HOP_SECONDS
        self.cell.hops.done.append(hop)
        self.said.ratios = ratios
        return self.kept(evaluate_window(self.cell, self.plan, self.rules))

    def kept(self, evaluation: Evaluation) -> Judgement:
        self.cell.standing, self.cell.judgement = evaluation.standing, evaluation.judgement
        return evaluation.judgement

    def learned(self, **ratios: float) -> Judgement:
        """Up to the first judged window."""
        return [self.hop(20, **ratios) for _ in range(4)][-1]

    def rows(self, features: Sequence[str]) -> NDArray[np.intp]:
        return np.array([len(CHANNELS) if f == "*" else self.reference.rows[f] for f in features], np.intp)

    def turn(self, opened: Sequence[str] = (), closed: Sequence[str] = (), since: float = 990.0) -> list[Judgement]:
        """A micro-batch of the last two seconds opened and closed these episodes."""
        state, up, down = self.judge.state, self.rows(opened), self.rows(closed)
        begun, sinces = state.episodes.opened.copy(), state.episodes.since.copy()
        begun[up], sinces[up] = self.at, since
        begun[down] = sinces[down] = np.nan
        episodes = replace(state.episodes, opened=begun, since=sinces)
        self.judge.state = replace(state, episodes=episodes)
        s = np.where(np.isin(np.arange(len(begun)), up), 2 * self.plan.a, 0.0)
        judged = Judged(s, s / self.plan.a, sinces, up, down, episodes.open, (1, 2))
        batch = MicroBatch(self.at - 2, self.at, self.summary(60), None, np.full(len(CHANNELS), np.nan))
        evaluation = evaluate_episodes(self.cell, self.plan, self.rules, batch, judged)
        return [] if evaluation is None else [self.kept(evaluation)]

    def open(self, *features: str, since: float = 990.0) -> Judgement:
        (judgement,) = self.turn(opened=features, since=since)
        return judgement

    def close(self, *features: str) -> Judgement:
        (judgement,) = self.turn(closed=features)
        return judgement

    def restart(self) -> None:
        """What a checkpoint does not hold is gone, and the daemon evaluates anew what it has."""
        self.cell.judgement = None
        self.cell.judgement = evaluate_window(self.cell, self.plan, self.rules).judgement


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
        assert [s.detector for s in judgement.scores] == [JUDGE]  # which needs no window
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


def test_an_episode_pages_while_the_windows_are_still_learning() -> None:
    stage = Stage()
    stage.hop()
    assert told(stage.open("x")) == [("x", JUDGE, OK, DRIFT), (None, MODEL, LEARNING, DRIFT)]
    assert stage.hop().status is DRIFT
    assert told(stage.close("x")) == [("x", JUDGE, DRIFT, OK), (None, MODEL, DRIFT, LEARNING)]


def test_the_first_judgement_says_that_learning_is_over_and_no_more() -> None:
    assert told(Stage().learned()) == [(None, MODEL, LEARNING, OK)]


def test_findings_come_only_when_a_status_changes() -> None:
    #  ratio of x   0     1.5    1.5    0.9    0.5    0.85   0.1
    #  x            OK    WARN   .      .      OK     .      .
    #  model        OK    WARN   .      .      OK     .      .
    stage = Stage()
    stage.learned()
    assert told(stage.hop(x=1.5)) == [("x", "said", OK, WARNING), (None, MODEL, OK, WARNING)]
    assert told(stage.hop(x=1.5)) == []
    assert told(stage.hop(x=0.9)) == []
    assert told(stage.hop(x=0.5)) == [("x", "said", WARNING, OK), (None, MODEL, WARNING, OK)]
    assert told(stage.hop(x=0.85)) == []
    assert told(stage.hop(x=0.1)) == []


def test_a_detector_that_abstains_changes_nothing_and_says_nothing() -> None:
    stage = Stage()
    stage.learned(x=1.5)
    judgement = stage.hop(x=float("nan"))
    assert told(judgement) == []
    assert judgement.channel_status[stage.reference.rows["x"]] == WARNING


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


def test_every_window_and_an_episode_at_the_same_moment_are_told_apart_by_their_ids() -> None:
    stage = Stage(every_window=True)
    stage.learned()
    stage.at += HOP_SECONDS
    turned_ = stage.open("x")
    stage.at -= HOP_SECONDS
    judged = stage.hop()
    assert only(turned_, None).window_end == only(judged, None).window_end
    assert only(turned_, None).id != only(judged, None).id


def test_every_window_leaves_out_what_abstains() -> None:
    stage = Stage(every_window=True)
    judgement = stage.learned(color=float("nan"))
    assert [f.feature for f in judgement.findings] == [*CHANNELS[1:], None]


def test_each_detector_tells_of_itself_and_the_judge_outranks_them() -> None:
    first, second = Said(), SaidToo()
    stage = Stage(first, second)
    stage.learned()
    second.ratios = {"x": 2.0}
    row = stage.reference.rows["x"]
    judgement = stage.hop(x=1.1)
    assert told(judgement) == [
        ("x", "said", OK, WARNING),
        ("x", "said_too", OK, WARNING),
        (None, MODEL, OK, WARNING),
    ]
    assert (judgement.channel_status[row], judgement.paging) == (WARNING, 0)
    judgement = stage.open("x")
    assert (judgement.channel_status[row], judgement.paging) == (DRIFT, 1)
    assert [s.detector for s in judgement.scores] == ["said", "said_too", JUDGE]


@pytest.mark.parametrize(
    ("open_", "ratios", "status"),
    [
        pytest.param((), {}, OK, id="nothing"),
        pytest.param((), dict.fromkeys(CHANNELS, 100.0), WARNING, id="no number of tickets makes a page"),
        pytest.param(("x",), {}, DRIFT, id="one episode is enough"),
        pytest.param(("*",), {}, DRIFT, id="also that of how channels move together"),
        pytest.param(("color",), {}, WARNING, id="an episode whose regime may not page is a ticket"),
        pytest.param(("color", "x"), {"error": 2.0}, DRIFT, id="the worst wins"),
    ],
)
def test_the_model_drifts_while_an_episode_that_pages_is_open(
    open_: tuple[str, ...], ratios: dict[str, float], status: Status
) -> None:
    stage = Stage()
    stage.tickets_only("color")
    judgement = stage.learned(**ratios)
    if open_:
        judgement = stage.open(*open_)
    assert judgement.status is status
    judgement = stage.hop(20, **ratios)
    assert judgement.status is stage.cell.standing.status is status
    if open_:
        judgement = stage.close(*open_)
        assert judgement.status is (WARNING if ratios else OK)


def test_a_models_finding_counts_the_channels_whose_episodes_page() -> None:
    stage = Stage()
    stage.learned()
    finding = only(stage.open("x", "color", since=1003.0), None)
    assert (finding.status, finding.feature, finding.since) == (DRIFT, None, 1003.0)
    assert (finding.statistic, finding.threshold, finding.ratio) == (2 / 6, 1 / 6, 2)


def test_the_start_of_a_change_stays_while_it_lasts_and_goes_with_it() -> None:
    stage = Stage()
    row = stage.reference.rows["x"]
    assert np.isnan(stage.learned().since).all()
    first = stage.hop(x=1.5).since[row]
    assert 1000 <= first <= 1040
    assert [stage.hop(x=r).since[row] for r in (3.0, 0.9, 1.1)] == [first] * 3
    assert np.isnan(stage.hop(x=0.1).since[row])


def test_an_episode_knows_better_than_a_window_when_the_change_began() -> None:
    stage = Stage()
    stage.learned()
    row = stage.reference.rows["x"]
    by_hop = stage.hop(x=1.5).since[row]
    assert stage.open("x", since=1033.5).since[row] == 1033.5
    assert stage.hop(x=1.5).since[row] == 1033.5
    assert stage.close("x").since[row] == by_hop


def test_a_models_change_began_with_its_first_channels() -> None:
    stage = Stage()
    stage.learned()
    stage.open("x", since=1020.0)
    assert only(stage.close("x"), None).since is None
    stage.turn(opened=["x"], since=1030.0)
    stage.turn(opened=["color"], since=1025.0)
    assert only(stage.hop(), None).since == 1025.0


def test_with_too_few_events_since_the_last_verdict_stands() -> None:
    stage = Stage(windows=Windows(pane_seconds=10.0, window_seconds=40, min_events=40, max_window_seconds=80))
    stage.learned(x=1.5)
    stage.at += 1000  # silence, longer than a window may be
    judgement = stage.hop(events=3)
    assert judgement.status is WARNING
    assert judgement.because == "too few events since; the last verdict stands"
    assert told(judgement) == []
    assert judgement.channel_status[stage.reference.rows["x"]] == WARNING
    assert stage.cell.standing.judged == 1


@pytest.mark.parametrize("silence", [pytest.param(0, id="in time"), pytest.param(1000, id="after a silence")])
def test_a_restart_between_two_hops_changes_neither_statuses_nor_findings(silence: float) -> None:
    seen = []
    for restarted in (False, True):
        stage = Stage(windows=Windows(pane_seconds=10.0, window_seconds=40, min_events=40, max_window_seconds=80))
        stage.learned(x=1.5)
        stage.at += silence
        stage.hop(events=3 if silence else 20, x=1.5)
        here = []
        steps: list[Callable[[], Judgement]] = [partial(stage.open, "color"), partial(stage.close, "color"), stage.hop]
        for step in steps:
            if restarted:
                stage.restart()
            judgement = step()
            here.append((judgement.findings, judgement.status, judgement.channel_status.tolist()))
        seen.append(here)
    assert seen[0] == seen[1]
    assert [status for _, status, _ in seen[0]][:2] == [DRIFT, WARNING]  # psi's ticket outlives the episode


def test_detections_count_how_often_a_ticket_or_an_episode_was_opened() -> None:
    stage = Stage()
    stage.learned()
    for ratio in (1.5, 0.9, 1.5, 0.1, 1.0, 1.0):
        judgement = stage.hop(x=ratio)
    row = stage.reference.rows["x"]
    assert judgement.scores[0].detections[row] == 2
    for _ in range(3):
        stage.open("x")
        stage.hop()
        judgement = stage.close("x")
    assert judgement.scores[-1].detections[row] == 3


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
        pytest.param(Said(effect=2.0, level=0.0), "said detected 3 changes in the window", id="a sequential detector"),
        pytest.param(Said(effect=2 / 3, level=0.0), "said detected 1 change in the window", id="one change"),
    ],
)
def test_a_finding_says_why(said: Said, because: str) -> None:
    stage = Stage(said)
    stage.learned()
    assert only(stage.hop(x=1.5), "x").because.split("; ")[0] == because


def test_the_model_says_what_pages_and_else_what_there_are_tickets_for() -> None:
    stage = Stage()
    assert stage.learned().because == "no channel has drifted"
    judgement = stage.hop(x=1.5)
    assert judgement.because == only(judgement, None).because == "tickets, no page: 1 of 6 channels: x"
    judgement = stage.open("color")
    assert judgement.because == only(judgement, None).because == "1 of 6 channels drifted: color"
    judgement = stage.open("*")
    assert judgement.because == "1 of 6 channels drifted: color, how channels move together"


def test_an_open_episode_pages_once_and_again_only_for_channels_that_join_it() -> None:
    stage = Stage()
    stage.learned()
    assert told(stage.open("x")) == [("x", JUDGE, OK, DRIFT), (None, MODEL, OK, DRIFT)]
    assert [told(stage.hop()) for _ in range(3)] == [[], [], []]
    # two join within a hop: the model says so once, at its end
    assert told(stage.open("color")) == [("color", JUDGE, OK, DRIFT)]
    assert told(stage.open("error")) == [("error", JUDGE, OK, DRIFT)]
    assert told(stage.hop()) == [(None, MODEL, DRIFT, DRIFT)]
    assert told(stage.hop()) == []
    # one leaves and comes back: it was named already
    assert told(stage.close("x")) == [("x", JUDGE, DRIFT, OK)]
    assert told(stage.hop()) == []
    assert told(stage.open("x")) == [("x", JUDGE, OK, DRIFT)]
    assert told(stage.hop()) == []
    assert told(stage.close("x", "color", "error")) == [
        *((c, JUDGE, DRIFT, OK) for c in ("x", "color", "error")),
        (None, MODEL, DRIFT, OK),
    ]


def test_a_micro_batch_in_which_no_episode_turns_says_nothing() -> None:
    stage = Stage()
    stage.learned()
    assert stage.turn() == []


def test_versions_are_those_of_the_window() -> None:
    stage = Stage()
    stage.cell.versions = {"old": 1000.0, "first": 1005.0, "last": 1045.0}  # ends of panes
    assert stage.learned().versions == ("first", "last")
    assert stage.hop().versions == ("last",)


def test_an_evaluation_changes_nothing_in_the_model() -> None:
    stage = Stage()
    stage.learned()
    before = copy(stage.cell)
    evaluation = evaluate_window(stage.cell, stage.plan, stage.rules)
    assert evaluation.standing is not before.standing
    assert all(getattr(stage.cell, f.name) is getattr(before, f.name) for f in fields(ModelState))
