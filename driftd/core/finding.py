"""What comes out: statuses, scores and findings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.quality.sums import Outcomes
from driftd.core.reference import Reference
from driftd.core.slice import Slice
from driftd.core.summary import Summary

JUDGE: Final = "judge"
"""The detector's name in what the budgeted judge says of exchangeable and seasonal channels (driftd.judge)."""
CHANGE: Final = "change"
"""The detector's name in what exceeds a channel's natural variation (driftd.judge.natural): faults and changes."""


class Status(IntEnum):
    """In order of badness; the worst wins. LEARNING: not enough data to say."""

    OK = 0
    LEARNING = 1
    WARNING = 2
    DRIFT = 3


OK, LEARNING, WARNING, DRIFT = map(int, Status)
"""For arrays: numpy needs ten microseconds to see that a member of Status is a number."""


class Severity(StrEnum):
    """What a finding asks for: somebody now, or somebody in the morning. None of both: it is only shown."""

    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class MovedBin:
    """One bin's share of the events, in the reference and in the window (both 0..1)."""

    bin: str
    reference: float
    current: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A status that changed (or, on request, every judged window): who, since when, how much, why.

    Times are epoch seconds of event time. ``window_end`` is where the evidence ends; ``since`` is the
    estimated start of the change, None while nothing has changed. ``ratio`` is statistic / threshold.
    ``feature`` is None for a finding about the model as a whole, "*" for how channels move together. A finding with
    status DRIFT opens or renews an episode, which pages; WARNING is a ticket. ``effective_events`` is how many
    independent events tell as much; ``tests`` how many things shared the false-alarm budget; ``regime`` what the judge
    takes the channel for ("" where nothing is known). ``channels``, of a model as a whole that is DRIFT: those whose
    episodes are open and page, the one that broke first first.

    ``severity`` is None where nothing begins; a grosser fault under an open page begins.
    ``kind`` names the change (judge.natural.kinds.Kind); ``value`` since it
    began and ``reference_value`` say how large it is in what the kind is about: a share, a mean, a typical size. Both
    are None where there is no such number. ``new_version``: the version of the model that began to answer about then.
    ``cause`` (judge.natural.cause.Cause) says what has broken, "" where nothing finer than the kind is known, and
    ``detail`` more of it in a few words; of an end it is what ended it, where that was an act or another reference.
    ``times``: how often a fault that comes and goes has come since ``first_since``, None where it came once; one that
    came back within the hour has no severity. ``since_error_seconds``: the most by which ``since`` is wrong, 19 times
    in 20; None where nobody knows. ``unit`` of the channel's numbers, "" where nobody says.
    """

    slice: Slice
    feature: str | None
    detector: str
    status: Status
    previous: Status
    statistic: float
    threshold: float
    effect: float
    noise: float
    ratio: float
    events: int
    window_start: float
    window_end: float
    since: float | None
    because: str
    moved: tuple[MovedBin, ...] = ()
    effective_events: float = float("nan")
    tests: int = 0
    regime: str = ""
    channels: tuple[str, ...] = ()
    severity: Severity | None = None
    kind: str = ""
    value: float | None = None
    reference_value: float | None = None
    new_version: str | None = None
    cause: str = ""
    detail: str = ""
    times: int = 1
    first_since: float | None = None
    since_error_seconds: float | None = None
    unit: str = ""

    @property
    def model(self) -> str:
        return self.slice.model

    @property
    def segment(self) -> str | None:
        """The segment that the finding is about, ``country=DE``; None for the whole model."""
        return self.slice.within or None

    @property
    def opens_page(self) -> bool:
        """Somebody is called: the model as a whole has turned to DRIFT, or another channel has broken since."""
        return self.feature is None and self.severity is Severity.PAGE

    @property
    def id(self) -> str:
        """The same evidence has the same id, also when a restart emits it again."""
        turn = f"{self.previous.name}\0{self.status.name}"
        key = f"{self.model}\0{self.feature}\0{self.segment}\0{self.detector}\0{turn}\0{self.window_end!r}"
        if self.slice.variant:
            key += f"\0{self.slice.variant}"
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One detector's verdict on all channels of a model, float64[channels] each; NaN where it does not apply.

    threshold = max(effect, noise); ratio = statistic / threshold; ``status`` int8[channels] after hysteresis,
    in the numbers of Status. ``detections`` int64[channels] counts entries into WARNING or DRIFT since the beginning.
    ``natural`` bool[channels]: where ``noise`` is what the reference's own windows reach (learn.variation), more than
    chance explains.
    """

    detector: str
    statistic: NDArray[np.float64]
    threshold: NDArray[np.float64]
    effect: NDArray[np.float64]
    noise: NDArray[np.float64]
    ratio: NDArray[np.float64]
    status: NDArray[np.int8]
    detections: NDArray[np.int64]
    natural: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.natural) != len(self.ratio):
            object.__setattr__(self, "natural", np.zeros(len(self.ratio), bool))


@dataclass(frozen=True, slots=True)
class Joint:
    """The joint path of the judge: evidence and threshold in nats, as in Scores; ``since`` NaN unless it fires."""

    statistic: float
    threshold: float
    status: Status
    since: float


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """The last judged window of one model, with all that exposition and the web pages show of it.

    ``summary`` is the window's. ``status`` is what the model as a whole came to; ``channel_status``
    int8[channels], the worst over the detectors; ``since`` float64[channels], NaN where nothing has changed.
    ``joint`` is the evidence about how channels move together, None where nobody looks. ``kinds`` has the kind of each
    open fault or change, by channel (row). ``outcomes``: of the window's events with a label, by version.
    ``units``: in what the numbers of a channel are, as far as somebody says.
    """

    slice: Slice
    reference: Reference
    versions: tuple[str, ...]
    status: Status
    channel_status: NDArray[np.int8]
    since: NDArray[np.float64]
    scores: tuple[Scores, ...]
    summary: Summary
    window_start: float
    window_end: float
    because: str
    findings: tuple[Finding, ...] = ()
    joint: Joint | None = None
    kinds: Mapping[int, str] = field(default_factory=dict)
    outcomes: Outcomes = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return self.slice.model

    @property
    def paging(self) -> int:
        """Channels with an open episode that pages."""
        return int(np.count_nonzero(self.channel_status == Status.DRIFT))
