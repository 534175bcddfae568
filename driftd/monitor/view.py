"""A model and the daemon at one moment, as pages and the API show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import nan

from driftd.core.act import Act
from driftd.core.contacts import NOBODY, Contacts
from driftd.core.finding import CHANGE, JUDGE, Finding, Judgement, Status
from driftd.core.incident import Incident
from driftd.core.refusals import Refusals
from driftd.core.window import Hops
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.judge.natural.slots import Slots
from driftd.judge.natural.step import NaturalState
from driftd.metrics.aggregates import ModelCounts
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.quality import Quality
from driftd.monitor.silence import Quiet
from driftd.monitor.since import Since, since
from driftd.monitor.timeline import Timeline, ValueReader


@dataclass(frozen=True, slots=True, eq=False)
class ModelView:
    """A model with its last judgement, or on its way (0..1) to the first reference. ``growth``: how far a reference
    that grows is, in words; "" where it does not. ``unwatched``: features that came too late for the reference.
    ``timeline`` with the ``reader`` of its open sums; ``hours``: what is usual by hour, None where that is not known;
    ``started``: when each version began to answer; ``quiet`` while it sends nothing. ``acts``: what people did about
    it, the newest last; ``windows``: its maintenance windows that are not over, ``muted`` the one that keeps it from
    ringing now; ``keeps_events``: the model can learn anew from events that were; ``renews``: one channel alone can be
    learned anew, and ``renewed`` what is to be said of those that are, or were. ``given``: its reference is a file.
    ``quality``: how right it was, None before the first label. ``contacts``: who and what helps. ``natural``: what the
    judge keeps; None where nothing was learned.
    """

    name: str
    judgement: Judgement | None = None
    learning: float = 0.0
    counts: ModelCounts = field(default_factory=ModelCounts)
    growth: str = ""
    unwatched: tuple[str, ...] = ()
    timeline: Timeline = field(default_factory=Timeline)
    reader: ValueReader | None = None
    hours: Slots | None = None
    started: Mapping[str, float] = field(default_factory=dict)
    hops: Hops = field(default_factory=Hops)
    quiet: Quiet | None = None
    acts: tuple[Act, ...] = ()
    windows: tuple[Act, ...] = ()
    muted: Act | None = None
    keeps_events: bool = False
    renews: bool = False
    renewed: Mapping[str, str] = field(default_factory=dict)
    given: bool = False
    quality: Quality | None = None
    contacts: Contacts = NOBODY
    natural: NaturalState | None = None

    def since(self, row: int, time: float) -> Since | None:
        """What came of the channel in this row since its change at ``time``."""
        return since(self.hops, self.natural, self.timeline, row, time)

    @property
    def status(self) -> Status:
        return Status.LEARNING if self.judgement is None else self.judgement.status


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """``now`` in epoch seconds; ``findings`` newest first; ``telemetry`` is only read.

    ``runbooks`` is the address that a runbook's file name is appended to; without one the page names the file and
    links to nothing, for a dead link is what nobody needs at night. ``certificate`` is what is promised about pages.
    ``reached``: up to when all events are in, NaN before the first; ``limits``: what there is and may be at the most.
    ``incidents``: those of all models with one cause as one. ``external_url``: under which address people reach the
    pages, "" where that is not known. ``refusals``: what was turned away, by field; ``memory``: bytes that the process
    takes and may take (None: unlimited), None where that is not known; ``rate_limits``: the most a second, by what;
    ``expiries``: until when certificates are valid, by what they are for, NaN where they cannot be read.
    ``replay``: of events that were kept, so nothing can be done, and what is named as a topic may be a file.
    """

    now: float
    models: Sequence[ModelView]
    findings: Sequence[Finding]
    not_ready: Sequence[str]
    telemetry: Telemetry
    runbooks: str = ""
    certificate: Certificate | None = None
    reached: float = nan
    pane_seconds: float = 10.0
    limits: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    incidents: Sequence[Incident] = ()
    external_url: str = ""
    refusals: Refusals = field(default_factory=Refusals)
    memory: tuple[int, int | None] | None = None
    rate_limits: Mapping[str, float] = field(default_factory=dict)
    expiries: Mapping[str, float] = field(default_factory=dict)
    replay: bool = False

    def guarantee(self, model: str) -> ModelGuarantee | None:
        """The model's part of the certificate."""
        return self.certificate.by_model.get(model) if self.certificate is not None else None

    @property
    def opened(self) -> dict[tuple[str, str, str], Finding]:
        """(model, channel, JUDGE or CHANGE) -> the finding that opened its page or ticket, of a change the last that
        named it; as far as it is among ``findings`` and nothing has ended it since.
        """
        out: dict[tuple[str, str, str], Finding | None] = {}
        for f in self.findings:
            if f.detector not in {JUDGE, CHANGE} or f.feature is None:
                continue
            key = f.model, f.feature, f.detector
            if f.status < Status.WARNING:
                out.setdefault(key, None)
            elif f.status > f.previous or f.detector == CHANGE:
                out.setdefault(key, f)
        return {key: f for key, f in out.items() if f is not None}
