"""The model side's state: one for each slice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from driftd.core.act import Act
from driftd.core.event import EventBatch, TopicPartition
from driftd.core.finding import Finding, Judgement, Status
from driftd.core.incident import Incident
from driftd.core.new_names import MOST, least
from driftd.core.pane import ClosedPanes, RawRows
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import Summary
from driftd.core.trials import Trials
from driftd.core.window import Hops
from driftd.judge.experiments.state import Experiment
from driftd.judge.natural.history import History
from driftd.judge.natural.kinds import Kind
from driftd.judge.natural.runs import Runs
from driftd.judge.natural.step import NaturalState
from driftd.judge.runtime import ModelJudge
from driftd.learn.sample import Sample
from driftd.monitor.exemplars import Recent
from driftd.monitor.quality import Quality
from driftd.monitor.timeline import Timeline


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """What a detector last said of each channel: int8[channels], int64[channels] entries into WARNING or DRIFT."""

    status: NDArray[np.int8]
    detections: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class OpenChange:
    """A fault or a change of the channel ``row`` that lasts, as it was last told, with the pane that ended at ``told``;
    the fields as in judge.natural.episodes.Turn, ``cause`` and ``detail`` as in Finding.
    """

    row: int
    status: Status
    kind: Kind
    size: float
    since: float
    told: float
    factor: float
    value: float
    usual: float
    needed: float
    cause: str = ""
    detail: str = ""
    error: float = np.nan


@dataclass(frozen=True, slots=True)
class Came:
    """A new category: the beginning of the first pane that it came in, the end of the last, and how often it came."""

    first: float
    last: float
    times: int


@dataclass(frozen=True, slots=True, eq=False)
class Period:
    """What has come of the period that a rolling reference will be made of; ``number`` as in driftd.monitor.rolling.

    ``whole``: it was watched from its beginning; ``drifted``: an episode was open in it.
    """

    number: int
    summary: Summary | None = None
    whole: bool = False
    drifted: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a model stands: what its last evaluation left, and what the next one starts from.

    ``verdicts`` by detector; ``since`` float64[channels]; ``judged`` counts the windows that were evaluated; ``named``
    has the channels that the last finding about the model as a whole named; ``suspected`` bool[channels]: whose last
    window made a ticket of the judge; ``gross`` bool[channels]: whose open episode of the judge has reached the size of
    a page. ``changes`` in order of rows. ``quiet``: the page that is open came back so soon that nobody was called.
    """

    status: Status = Status.LEARNING
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    since: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    judged: int = 0
    named: tuple[str, ...] = ()
    suspected: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    gross: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, bool))
    changes: tuple[OpenChange, ...] = ()
    quiet: bool = False

    @property
    def kinds(self) -> dict[int, str]:
        """The kind of each open change, by row."""
        return {change.row: change.kind.value for change in self.changes}


@dataclass(frozen=True, slots=True)
class Renewal:
    """A channel that is learned anew from ``start`` (to ``end``) on, because somebody asked: when ``wait`` seconds of
    the growth are over. ``because``: what ends then, ends for that.
    """

    channel: str
    start: float
    end: float
    wait: float
    because: str


@dataclass(frozen=True, slots=True, eq=False)
class Growth:
    """How far a growing reference is. ``begun``: the start of the slice's first pane (NaN: none yet); ``stage`` counts
    the stages that it has reached; ``wait``: seconds after ``begun`` at which the next is tried. ``sample`` while bins
    may change, ``history`` from then on; ``faults`` float64[k, 4]: the row of a channel that was faulty, from when to
    when, and how it counts, with its habit (driftd.monitor.growing). ``held``: the channels that did not grow
    at the last stage; ``renewals``: those that somebody wants to be learned anew.
    """

    begun: float
    stage: int
    wait: float
    sample: Sample | None
    history: History | None = None
    faults: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 4)))
    held: tuple[str, ...] = ()
    renewals: tuple[Renewal, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Regrowth:
    """``channels`` that are learned anew beside the others, from ``growth.begun`` on (to ``end``, inf where it goes
    on), because somebody asked: their own way from half an hour to four weeks. ``growth.faults`` has rows of the
    model's reference. ``cells``: of the model's relations (natural.step) since they have bins of their own; None
    before.
    """

    channels: tuple[str, ...]
    end: float
    growth: Growth
    cells: Runs | None = None


@dataclass(slots=True)
class ModelState:
    """One slice on the model side.

    ``taken`` is the last pane that was evaluated: messages for it and for earlier ones change nothing. ``pending`` has
    the panes that came in since, by source and each once; ``arrived`` the raw rows, by source, and ``through`` the last
    pane of which each source's rows are in. ``recent``: the raw rows of the last hops, where a new version of the model
    gets a reference of its own. ``rows`` and ``learned``: events that are held for the reference.
    ``growth``: None where the reference does not grow (any more); ``regrowths``: those of channels beside the others.
    ``heard``: when its last events came in, wall time in epoch seconds (NaN: not known); a ``retired`` model is on no
    page until events come again; ``configured``: the user names it.
    ``versions``: the end of the last pane in which each version of the model answered, ``started`` the beginning of its
    first, of these and of the first of all. ``pages`` counts pages since
    the beginning, ``paged`` has the times of those of the last 30 days, in event time. ``timeline``: what its
    channels were over time; ``quality``: how right it was, None before the first label; ``told``: its last
    findings, the newest last; ``incidents``: what these were parts of, in the order in which they opened, and
    ``exemplars`` events that these may name. ``acts``: what people did about it, the newest last; ``muted``: what
    would have rung in a maintenance window and is open still, with the severity that it would have had; ``covered``,
    of a segment: the same of what the whole rings for. ``names``: new categories that came again and again, by channel,
    as many as core.new_names keeps and hops remember.
    ``experiments`` by the id of their rule; ``trials``: what came in since, by source, of panes after ``tried``.
    """

    slice: Slice
    reference: Reference | None = None
    pending: dict[TopicPartition, list[ClosedPanes]] = field(default_factory=dict)
    arrived: dict[TopicPartition, list[RawRows]] = field(default_factory=dict)
    through: dict[TopicPartition, int] = field(default_factory=dict)
    recent: list[RawRows] = field(default_factory=list)
    rows: list[EventBatch] = field(default_factory=list)
    learned: int = 0
    taken: int | None = None
    hops: Hops = field(default_factory=Hops)
    judge: ModelJudge | None = None
    natural: NaturalState | None = None
    standing: Standing = field(default_factory=Standing)
    period: Period | None = None
    growth: Growth | None = None
    regrowths: tuple[Regrowth, ...] = ()
    versions: dict[str, float] = field(default_factory=dict)
    started: dict[str, float] = field(default_factory=dict)
    pages: int = 0
    paged: tuple[float, ...] = ()
    heard: float = np.nan
    retired: bool = False
    configured: bool = False
    timeline: Timeline = field(default_factory=Timeline)
    quality: Quality | None = None
    experiments: dict[str, Experiment] = field(default_factory=dict)
    trials: dict[TopicPartition, Trials] = field(default_factory=dict)
    tried: int | None = None
    told: tuple[Finding, ...] = ()
    acts: tuple[Act, ...] = ()
    muted: tuple[Finding, ...] = ()
    incidents: tuple[Incident, ...] = ()
    covered: tuple[Finding, ...] = ()
    exemplars: Recent = field(default_factory=Recent)
    names: dict[str, dict[str, Came]] = field(default_factory=dict)
    judgement: Judgement | None = None

    @property
    def wants_rows(self) -> bool:
        """Whether a reference will be learned from its events."""
        return self.reference is None or (self.growth is not None and self.growth.sample is not None)

    @property
    def holds_rows(self) -> bool:
        """Whether anything will be: the reference, or channels of it."""
        return self.wants_rows or bool(self.regrowths)

    @property
    def name(self) -> str:
        return self.slice.model

    def versions_since(self, time: float) -> tuple[str, ...]:
        """The versions that have answered after ``time``."""
        return tuple(sorted(version for version, seen in self.versions.items() if seen > time))

    def saw_version(self, version: str, first: float, last: float) -> None:
        self.versions[version] = max(last, self.versions.get(version, last))
        self.started[version] = min(first, self.started.get(version, first))

    def saw_name(self, channel: str, name: str, first: float, last: float, times: int) -> None:
        mine = self.names.setdefault(channel, {})
        known = mine.get(name, Came(first, last, 0))
        mine[name] = Came(min(known.first, first), max(known.last, last), known.times + times)
        if len(mine) > MOST:
            self.names[channel] = {kept: mine[kept] for kept in least(mine)}

    def afresh(self, growth: Growth | None = None, through: dict[TopicPartition, int] | None = None) -> ModelState:
        """The same model on another reference: how far it is, its versions, calls and past stay."""
        return ModelState(
            self.slice,
            through={} if through is None else through,
            taken=self.taken,
            versions=self.versions,
            growth=growth,
            started=self.started,
            pages=self.pages,
            paged=self.paged,
            heard=self.heard,
            retired=self.retired,
            configured=self.configured,
            timeline=self.timeline,
            quality=self.quality,
            experiments=self.experiments,
            trials=self.trials,
            tried=self.tried,
            told=self.told,
            acts=self.acts,
            incidents=self.incidents,
            covered=self.covered,
            exemplars=self.exemplars,
        )

    @property
    def learns_anew(self) -> bool:
        """Whether it has been watched, and has no reference since."""
        return self.reference is None and self.taken is not None

    def successor(self) -> str | None:
        """The version that has answered alone in the last hop and was not there when the reference was learned."""
        if self.reference is None or not self.hops.done:
            return None
        answered = self.versions_since(self.hops.done[-1].start)
        if len(answered) != 1:
            return None
        begun = self.started[answered[0]]
        return answered[0] if begun > max(min(self.started.values()), self.reference.last) else None

    def begun_near(self, since: float, seconds: float) -> tuple[str, float] | None:
        """The version that began to answer within ``seconds`` of then, and when; None where there is none, or many."""
        first = min(self.started.values(), default=np.inf)
        found = [(v, at) for v, at in self.started.items() if at > first and abs(at - since) <= seconds]
        return found[0] if len(found) == 1 else None
