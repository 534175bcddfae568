"""What the JSON behind the pages holds: the types of its answers, of which OpenAPI is made."""

from __future__ import annotations

from dataclasses import dataclass

from driftd.web.acts import ActLine
from driftd.web.ages import Ages
from driftd.web.cost import ModelCost
from driftd.web.effects import Effect
from driftd.web.episodes import Episode, FindingLine
from driftd.web.estimated import EstimatedQuality
from driftd.web.experiments import Experiment
from driftd.web.facts import ChannelLine, ModelLine
from driftd.web.incidents import EntryLine, ExampleLine, IncidentLine, Nearby, PartLine
from driftd.web.objectives import ObjectiveLine
from driftd.web.quality import ModelQuality
from driftd.web.segments import SegmentLine
from driftd.web.sizes import Sizes


@dataclass(frozen=True, slots=True)
class Fleet:
    """``status``: the worst of ``models``, which come worst first; ``sentence`` the headline of the first page;
    ``incidents`` those that are open, pages first.
    """

    version: str
    time: float
    complete_to: float | None
    ready: bool
    reasons: tuple[str, ...]
    status: str
    sentence: str
    models: list[ModelLine]
    incidents: list[IncidentLine]


@dataclass(frozen=True, slots=True)
class Model:
    """A model with its channels, largest change first; ``window``: the last that was judged; ``quality``: how right it
    is, null without labels; ``estimated``: how right it should be, null where neither the reference nor that of its
    joined labels has labels with a score; ``cost``: what it has cost, null where no event says. ``segments``: parts of
    its traffic that are watched by themselves, largest change first. ``label_ages``: how often it was wrong by labels
    that come later, at equal ages; null of numbers, and while there are too few days.
    """

    time: float
    model: ModelLine
    window: Window | None
    channels: list[ChannelLine]
    reference: Reference | None
    acts: list[ActLine]
    objectives: list[ObjectiveLine]
    quality: ModelQuality | None
    estimated: EstimatedQuality | None
    cost: ModelCost | None
    segments: list[SegmentLine]
    label_ages: Ages | None


@dataclass(frozen=True, slots=True)
class Acts:
    """What people did, newest first; ``windows``: the maintenance windows that are not over."""

    time: float
    acts: list[ActLine]
    windows: list[ActLine]


@dataclass(frozen=True, slots=True)
class Reference:
    version: int
    id: str
    kind: str
    first: float
    last: float
    events: int


@dataclass(frozen=True, slots=True)
class Window:
    """``latency_seconds`` by quantile, empty where nobody measures it; ``because`` of its status."""

    start: float
    end: float
    events: int
    error_ratio: float
    latency_seconds: dict[str, float]
    because: str


@dataclass(frozen=True, slots=True)
class Statistic:
    """A detector's number for the channel beside its threshold; ``change``: the size of the open change, ``judge``: its
    evidence, in nats.
    """

    detector: str
    status: str
    statistic: float | None
    threshold: float | None
    ratio: float | None


@dataclass(frozen=True, slots=True)
class Series:
    """Values of ``name`` at ``times``; null where there was none, or where it lies beyond the reference's values.
    ``usual``: what the reference has at the same times, null where that is not known. ``last``: the last value in
    words, "> 120" where it lies beyond the reference's values; "" where there was none.
    """

    name: str
    values: list[float | None]
    usual: list[float | None]
    last: str


@dataclass(frozen=True, slots=True)
class Channel:
    """``series`` at ``times``, the middle of stretches of ``step_seconds``; ``events_per_second`` of the model;
    ``silence``: that it sends nothing, in words; "" where it does, or where that is natural. ``shares``: of the events
    of ``now_start`` to ``now_end``, those since the open change, else the last window.
    """

    time: float
    channel: ChannelLine
    step_seconds: float
    times: list[float]
    events_per_second: list[float | None]
    series: list[Series]
    shares: list[Share]
    now_start: float
    now_end: float
    window_start: float
    window_end: float
    sizes: Sizes | None
    statistics: list[Statistic]
    silence: str


@dataclass(frozen=True, slots=True)
class Share:
    """The share of a bin in the reference and now, 0..1."""

    bin: str
    reference: float | None
    current: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """Episodes, open ones first, and the findings as they were told, newest first."""

    time: float
    episodes: list[Episode]
    findings: list[FindingLine]


@dataclass(frozen=True, slots=True)
class Incidents:
    """Open ones, pages first, then those that have ended, newest first."""

    time: float
    incidents: list[IncidentLine]


@dataclass(frozen=True, slots=True)
class Incident:
    """One cause: ``parts`` strongest first, ``timeline`` in order, ``nearby`` what else happened at that time;
    ``hint``: where to look; ``runbook``: the alert that has one. ``examples``: events of before and after, to look up;
    ``effects``: what came of it, by model; ``steps``: what to do, in order, with names and times filled in.
    """

    time: float
    incident: IncidentLine
    parts: list[PartLine]
    timeline: list[EntryLine]
    nearby: list[Nearby]
    hint: str
    runbook: str
    acts: list[ActLine]
    examples: list[ExampleLine]
    effects: list[Effect]
    steps: list[str]


@dataclass(frozen=True, slots=True)
class Fact:
    """What is known of driftd itself; ``runbook`` the alert that helps where something is ``wrong``, if one does."""

    name: str
    text: str
    runbook: str | None
    wrong: bool = False


@dataclass(frozen=True, slots=True)
class Lag:
    topic: str
    partition: str
    records: float
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Refused:
    """Values of a channel that were of another type; ``example``: the first one's shape, never its value."""

    model: str
    channel: str
    values: int
    example: str | None
    topic: str | None
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Rejected:
    """Events that were rejected for this ``reason`` in this ``field`` ("": of the event as a whole), and the first of
    them: what was expected, and of which shape it was, never its value.
    """

    reason: str
    field: str
    events: int
    model: str | None
    example: str
    topic: str | None
    partition: int | None
    offset: int | None


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    used: int
    most: int


@dataclass(frozen=True, slots=True)
class Health:
    time: float
    ready: bool
    reasons: tuple[str, ...]
    facts: list[Fact]
    promises: list[Fact]
    lag: list[Lag]
    rejected: list[Rejected]
    refused: list[Refused]
    limits: list[Limit]


@dataclass(frozen=True, slots=True)
class Experiments:
    """Those that need somebody first."""

    time: float
    experiments: list[Experiment]


@dataclass(frozen=True, slots=True)
class OneExperiment:
    time: float
    experiment: Experiment


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there is no answer."""

    error: str
