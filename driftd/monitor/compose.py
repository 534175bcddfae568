"""A judgement put together: from a model's window, its open episodes and changes, and what was said before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT
from driftd.core.finding import (
    CHANGE,
    JUDGE,
    LEARNING,
    WARNING,
    Finding,
    Joint,
    Judgement,
    Scores,
    Severity,
    Status,
)
from driftd.core.reference import Reference
from driftd.core.window import Hop, Windows
from driftd.judge.natural.kinds import Kind
from driftd.monitor.assignment import DetectorSet
from driftd.monitor.finding_context import FindingContext
from driftd.monitor.findings import with_version
from driftd.monitor.model_findings import about_model, drifted_names, of_model
from driftd.monitor.own_scores import asked_for, changed, evidence
from driftd.monitor.state import ModelState, Standing, Verdict

CALL_AGAIN_SECONDS = 1800.0
"""Channels that break within so long after a call are taken for the same fault."""


@dataclass(frozen=True, slots=True)
class Rules:
    windows: Windows
    false_alarms_per_month: float
    budget_models: int
    every_window: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evaluation:
    """A judgement with its findings, and where the model stands after it."""

    judgement: Judgement
    standing: Standing


@dataclass(frozen=True, slots=True, eq=False)
class Composer:
    """Puts a judgement together from the model's window and its open episodes.

    Statuses come from ``standing`` and not from the last judgement, which a checkpoint does not hold: what is found
    after a restart must be what would have been found without it.
    """

    model: ModelState
    reference: Reference
    detectors: DetectorSet
    rules: Rules
    standing: Standing

    def compose(
        self, window: Hop, scores: tuple[Scores, ...] | None, found: Sequence[Finding], at: float | None = None
    ) -> Evaluation:
        """``scores`` of the window (None: the last ones that there were); ``at``: when an episode turned, None at a
        hop's end.
        """
        standing, learning = self.standing, not self.standing.judged
        mine, joint = evidence(self.model, standing, self.detectors)
        own = [s for s in (mine, changed(standing, self.detectors)) if s is not None]
        verdicts = {**standing.verdicts, **{s.detector: Verdict(s.status, s.detections) for s in own}}
        worst = asked_for(verdicts, self.detectors, len(self.reference.channels))
        if learning:
            worst = np.maximum(worst, np.int8(LEARNING))
        since = self._since()
        status = _model_status(worst, joint, learning=learning)
        worst = np.where(self.detectors.blind, np.maximum(worst, np.int8(LEARNING)), worst)
        context = FindingContext(self.model, standing, self.reference, self.detectors, self.rules.budget_models)
        names = drifted_names(context, worst, joint)
        because = self._because(context, window, worst, joint, names, at)
        joined = self._joined(status, names, found, at)
        grown = _grown(found)
        told = joined or bool(grown) or self._told(status, at)
        findings, calls = [*found], False
        if told:
            ended = window if at is None else replace(window, end=at)
            starts = self._page_starts(since, names if joined else grown or names, joint, joined=joined)
            calls = self._calls(status, ended.end, news=joined or bool(grown))
            calls = calls and (bool(grown) or not self._came_back(names, found))
            findings.append(
                about_model(context, ended, status, standing.status, starts, because, names, calls=calls, grown=grown)
            )
        findings = [with_version(self.model, f) for f in findings]
        uncalled = standing.quiet or standing.status is not Status.DRIFT
        after = replace(
            standing,
            status=status,
            verdicts=verdicts,
            named=names if told else standing.named,
            quiet=status is Status.DRIFT and uncalled and not calls,
        )
        judgement = Judgement(
            self.model.slice,
            self.reference,
            self.model.versions_since(window.start),
            status,
            worst,
            since,
            (*(self._last_scores() if scores is None else scores), *own),
            window.summary,
            window.start,
            window.end,
            because,
            tuple(findings),
            joint,
            standing.kinds,
            window.outcomes,
        )
        return Evaluation(judgement, after)

    def _last_scores(self) -> tuple[Scores, ...]:
        known = self.model.judgement
        if known is None or known.reference.id != self.reference.id:
            return ()
        return tuple(s for s in known.scores if s.detector not in {JUDGE, CHANGE})

    def _joined(self, status: Status, names: tuple[str, ...], found: Sequence[Finding], at: float | None) -> bool:
        """Whether channels page that the last finding did not name. Between hops only changes say so."""
        if status is not Status.DRIFT or set(names) <= set(self.standing.named):
            return False
        return at is None or any(f.detector == CHANGE for f in found)

    def _told(self, status: Status, at: float | None) -> bool:
        """Whether there is a finding about the model although no channel has joined."""
        if status is not self.standing.status:
            return True
        return self.rules.every_window and at is None and self.standing.judged > 0

    def _calls(self, status: Status, now: float, *, news: bool) -> bool:
        """Whether somebody is called: a page opens, or a channel joins or turns gross so long after the last call that
        it is ``news``.
        """
        if status is not Status.DRIFT:
            return False
        paged = self.model.paged
        long_ago = not paged or now - paged[-1] >= CALL_AGAIN_SECONDS
        return self.standing.status is not Status.DRIFT or (news and long_ago)

    def _came_back(self, names: Sequence[str], found: Sequence[Finding]) -> bool:
        """Whether all that pages now and did not before has come back so soon that nobody is called for it."""
        quiet = {f.feature for f in found if f.times > 1 and f.severity is None}
        before = self.standing.named if self.standing.status is Status.DRIFT else ()
        new = set(names) - set(before)
        return bool(new) and new <= quiet

    def _since(self) -> NDArray[np.float64]:
        """float64[channels]: since when each channel's ticket or episode lasts."""
        since = self.standing.since.copy()
        if self.model.judge is not None:
            episodes = self.model.judge.state.episodes
            since = np.where(episodes.open[:-1], episodes.since[:-1], since)
        for change in self.standing.changes:
            since[change.row] = change.since
        return since

    def _page_starts(
        self, since: NDArray[np.float64], names: Sequence[str], joint: Joint | None, *, joined: bool
    ) -> NDArray[np.float64]:
        """Since when the channels that page have changed: where some have ``joined``, they alone. A relation breaks
        with what else has, and its windows begin before.
        """
        new = [name for name in names if not joined or name not in self.standing.named]
        rows = [self.reference.rows[name] for name in new if name != JOINT]
        kinds = self.standing.kinds
        own = [row for row in rows if kinds.get(row) != Kind.JOINT.value]
        starts: NDArray[np.float64] = since[own or rows]
        return np.append(starts, joint.since) if JOINT in new and joint is not None and not len(starts) else starts

    def _because(
        self,
        context: FindingContext,
        window: Hop,
        worst: NDArray[np.int8],
        joint: Joint | None,
        names: tuple[str, ...],
        at: float | None,
    ) -> str:
        if not names and not self.standing.judged:
            return _too_few(window, self.rules.windows)
        if not names and at is None and not self.model.hops.enough(self.rules.windows):
            return "too few events since; the last verdict stands"
        return of_model(context, worst, joint, names)


def _grown(found: Sequence[Finding]) -> tuple[str, ...]:
    """The channels whose page was told, and is told again as another fault."""
    return tuple(f.feature for f in found if f.feature and f.severity is Severity.PAGE and f.previous is Status.DRIFT)


def _too_few(window: Hop, windows: Windows) -> str:
    least, seconds = windows.min_events, window.end - window.start
    need = f"{window.summary.events} of {least} events in the window"
    if window.summary.events >= least:
        need = f"{seconds:.0f} of {windows.window_seconds:.0f} seconds in the window"
    return f"not enough data to say: {need}"


def still_open(evaluation: Evaluation) -> Callable[[str, str], bool]:
    """(channel, detector) -> whether the detector holds a page or a ticket of the channel open."""
    judgement, verdicts = evaluation.judgement, evaluation.standing.verdicts

    def holds(channel: str, detector: str) -> bool:
        if channel == JOINT:
            return judgement.joint is not None and judgement.joint.status >= Status.WARNING
        row, verdict = judgement.reference.rows.get(channel), verdicts.get(detector)
        return row is not None and verdict is not None and bool(verdict.status[row] >= WARNING)

    return holds


def _model_status(worst: NDArray[np.int8], joint: Joint | None, *, learning: bool) -> Status:
    """DRIFT while an episode that pages is open, WARNING while there is a ticket."""
    if joint is not None:
        worst = np.append(worst, joint.status)
    top = Status(int(worst.max(initial=0)))
    return Status.LEARNING if learning and top is Status.OK else top
