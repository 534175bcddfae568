"""The verdict on one model: what its windows show, what the judge's episodes say, and why. Nothing is written here:
an evaluation returns where the model stands after it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import JOINT
from driftd.core.finding import (
    CHANGE,
    DRIFT,
    JUDGE,
    LEARNING,
    OK,
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
from driftd.judge.learned import believed_until
from driftd.judge.natural.episodes import Turn
from driftd.judge.natural.kinds import SHAPES, Kind
from driftd.judge.natural.known_hours import hours_known
from driftd.judge.natural.sizes import sized
from driftd.judge.step import Effects, Judged, MicroBatch
from driftd.judge.tickets import selected, window_evidence
from driftd.learn.comparison import comparison_for
from driftd.monitor.assignment import DetectorSet, Measured, kept, measure, score
from driftd.monitor.attribution import beyond_chance
from driftd.monitor.change_point import change_starts
from driftd.monitor.changes import after, caused, of_changes
from driftd.monitor.findings import (
    FindingContext,
    about_model,
    drifted_names,
    of_episodes,
    of_model,
    of_risen,
    of_suspects,
    of_window,
    with_version,
)
from driftd.monitor.state import ModelState, Standing, Verdict
from driftd.monitor.thresholds import CLOSE_RATIO, Budget

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


def measure_windows(
    reference: Reference,
    windows: Sequence[Sequence[Hop]],
    detectors: DetectorSet,
    rules: Rules,
    verdicts: Mapping[str, Verdict],
) -> list[Measured]:
    """What the detectors find in windows, the hops of each, that are compared with the same ``reference``: the same as
    in each alone. ``verdicts``: those of the window before.
    """
    budget = Budget(rules.false_alarms_per_month, detectors.tests * rules.budget_models, rules.windows.hop_seconds)
    return measure(detectors, reference, windows, budget.alpha, verdicts)


def evaluate_window(
    model: ModelState, detectors: DetectorSet, rules: Rules, measured: Measured | None = None
) -> Evaluation:
    """Evaluates the last window of a model that has finished a hop; ``measured``: what was found in it already."""
    reference, window = model.reference, model.hops.window(rules.windows) if measured is None else measured.window
    assert reference is not None
    assert window is not None
    before = _sized(model.standing, reference)
    if measured is None and not model.hops.enough(rules.windows):
        return _Composer(model, reference, detectors, rules, before).compose(window, None, ())
    comparison = comparison_for(reference, window.start, window.end)
    if measured is None:
        (measured,) = measure_windows(comparison.reference, [[window]], detectors, rules, before.verdicts)
    scores = score(measured, before.verdicts)
    verdicts = {**before.verdicts, **{s.detector: Verdict(s.status, s.detections) for s in scores}}
    since = _since(model, before, comparison.reference, window, worst_of(scores, len(reference.channels)))
    suspected = suspects(model, detectors, window, rules)
    graded = _graded(model, detectors, before)
    standing = replace(before, verdicts=verdicts, since=since, gross=graded)
    context = FindingContext(model, standing, comparison.reference, detectors, rules.budget_models, comparison.note)
    found: list[Finding] = []
    for s in scores:
        known = before.verdicts.get(s.detector)
        if rules.every_window or known is None or s.status.tobytes() != known.status.tobytes():
            found += of_window(context, window, s, None if known is None else known.status, rules.every_window)
    context = replace(context, reference=reference)
    found += of_suspects(context, window, suspected)
    found += of_risen(context, window, graded & ~before.gross)
    standing = replace(standing, suspected=suspected, judged=before.judged + 1)
    return _Composer(model, reference, detectors, rules, standing).compose(window, scores, found)


def unturned(model: ModelState, detectors: DetectorSet, rules: Rules, measured: Measured) -> Standing | None:
    """Where the model stands after a window in which nothing turns: what ``evaluate_window`` leaves, without a
    judgement. None where it has to be asked: something is open, or a status changes.
    """
    before, reference = model.standing, model.reference
    assert reference is not None
    channels = len(reference.channels)
    if rules.every_window or before.status is not Status.OK or not before.judged or before.changes:
        return None
    if not len(before.since) == len(before.gross) == len(before.suspected) == channels:
        return None
    if before.gross.any() or before.suspected.any() or not {JUDGE, CHANGE} <= before.verdicts.keys():
        return None
    if model.judge is None or model.judge.state.episodes.open.any():
        return None
    if any(incident.ended is None for incident in model.incidents):
        return None
    over = kept(measured, before.verdicts)
    if over is None or not np.array_equal(over, ~np.isnan(before.since)):
        return None
    if asked_for(before.verdicts, detectors, channels).any():
        return None
    if _weighs_windows(model) and suspects(model, detectors, measured.window, rules).any():
        return None
    return replace(before, judged=before.judged + 1)


def evaluate_episodes(
    model: ModelState, detectors: DetectorSet, rules: Rules, batch: MicroBatch, judged: Judged
) -> Evaluation | None:
    """What a micro-batch of the judge changed: an evaluation where an episode opened or closed, else nothing."""
    if not len(judged.opened) and not len(judged.closed):
        return None
    reference = model.reference
    assert reference is not None
    standing = _sized(model.standing, reference)
    standing = replace(standing, gross=_graded(model, detectors, standing))
    found = [*of_episodes(FindingContext(model, standing, reference, detectors, rules.budget_models), batch, judged)]
    if len(standing.suspected):
        standing = replace(standing, suspected=standing.suspected & ~judged.open[:-1])
    window = model.hops.window(rules.windows) or Hop(batch.start, batch.end, batch.summary)
    return _Composer(model, reference, detectors, rules, standing).compose(window, None, found, at=batch.end)


def evaluate_end(
    model: ModelState, detectors: DetectorSet, rules: Rules, rows: Sequence[int] | None = None
) -> Evaluation | None:
    """Nothing will follow, of the channels ``rows`` (None: of all): the tickets of windows end; None where there are no
    windows.
    """
    reference, window = model.reference, model.hops.window(rules.windows)
    if reference is None or window is None or model.judgement is None:
        return None
    before, ends = _sized(model.standing, reference), np.zeros(len(reference.channels), bool)
    ends[slice(None) if rows is None else [*rows]] = True
    own = {JUDGE, CHANGE}
    shown = (s for s in model.judgement.scores if s.detector not in own)
    scores = tuple(replace(s, status=np.where(ends, np.int8(OK), s.status)) for s in shown)
    verdicts = {s.detector: Verdict(s.status, s.detections) for s in scores}
    context = FindingContext(model, before, reference, detectors, rules.budget_models)
    found: list[Finding] = []
    for s in scores:
        known = before.verdicts.get(s.detector)
        found += of_window(context, window, s, None if known is None else known.status, every=False)
    suspected = before.suspected & ~ends if len(before.suspected) == len(ends) else np.zeros(len(ends), bool)
    found += of_suspects(context, window, suspected)
    standing = replace(
        before,
        verdicts={**before.verdicts, **verdicts},
        since=np.where(ends, np.nan, before.since),
        suspected=suspected,
    )
    return _Composer(model, reference, detectors, rules, standing).compose(window, scores, found)


def evaluate_changes(
    model: ModelState, detectors: DetectorSet, rules: Rules, pane: Hop, turns: Sequence[Turn]
) -> Evaluation:
    """What judge.natural's turns that are known with ``pane`` change."""
    reference = model.reference
    assert reference is not None
    standing = _sized(model.standing, reference)
    before = FindingContext(model, standing, reference, detectors, rules.budget_models)
    turns = [t if t.grew or t.returned else _dated(before, t) for t in turns]
    told = caused(before, turns)
    standing = replace(standing, changes=after(standing.changes, told, pane.end))
    context = replace(before, standing=standing)
    found = [*of_changes(context, told, pane.start, pane.end)]
    window = model.hops.window(rules.windows) or pane
    return _Composer(model, reference, detectors, rules, standing).compose(window, None, found, at=pane.end)


def _dated(before: FindingContext, turn: Turn) -> Turn:
    """With the beginning that was told of its change; it may be wrong by as much more as the two differ."""
    since = before.told_since(turn.channel, turn.since, turn.kind.value, turn.size)
    told = (c.error for c in before.standing.changes if c.row == turn.channel and c.since == since)
    return replace(turn, since=since, error=next(told, turn.error + abs(turn.since - since)))


def _sized(standing: Standing, reference: Reference) -> Standing:
    """With arrays of the reference's channels, where there were none yet."""
    channels = len(reference.channels)
    if len(standing.since) != channels:
        standing = replace(standing, since=np.full(channels, np.nan))
    return standing if len(standing.gross) == channels else replace(standing, gross=np.zeros(channels, bool))


def _graded(model: ModelState, detectors: DetectorSet, before: Standing) -> NDArray[np.bool_]:
    """bool[channels]: whose open episode of the judge has reached the size of a page; it keeps it while it is open.

    Independence is not believed on a short reference, nor that a constant stays one: there natural variation must be
    exceeded as well, by a page's size.
    """
    natural, limits = detectors.natural, detectors.limits
    if model.judge is None or natural is None or limits is None:
        return before.gross
    episodes, learned = model.judge.state.episodes, model.judge.learned
    assert model.reference is not None
    if not episodes.open.any():
        return np.zeros(len(before.gross), bool)
    believed = np.isinf(believed_until(learned.span_seconds, model.reference.last))
    gross = before.gross & episodes.open[:-1]
    changed = {change.row for change in before.changes}
    for row in np.flatnonzero(episodes.open[:-1] & learned.paging[:-1] & ~gross).tolist():
        recent = model.hops.after(float(episodes.since[row]))
        alone = believed and not natural.traits.constant[row]
        if recent is not None and (alone or row in changed):
            gross[row] = sized(natural, limits.sizes, recent, row).gross[0]
    return gross


def suspects(model: ModelState, detectors: DetectorSet, window: Hop, rules: Rules) -> NDArray[np.bool_]:
    """bool[channels]: whose window alone is evidence enough for a ticket, at the budget's share of one judgement, and
    large enough. A ticket stays while half of the evidence, in nats, and CLOSE_RATIO of the size are left.

    Only independent channels, on a reference that shows how windows vary: the others' follow their rhythm. An open
    episode needs no ticket.
    """
    assert model.reference is not None
    if model.judge is None or not _weighs_windows(model):
        return np.zeros(len(model.reference.channels), bool)
    state, learned = model.judge.state, model.judge.learned
    watched = learned.independent & ~state.episodes.open[:-1] & ~detectors.renewed
    e, rows = np.full(len(watched), np.nan), learned.rows
    e[rows] = window_evidence(learned.shape, state.evidence, window.summary.counts[rows])
    e[~watched] = np.nan
    alpha = Budget(rules.false_alarms_per_month, rules.budget_models, rules.windows.hop_seconds).alpha
    before = model.standing.suspected
    open_ = before if len(before) == len(watched) else np.zeros(len(watched), bool)
    found = np.where(open_, selected(e, np.sqrt(alpha)), selected(e, alpha))
    least = np.where(open_, CLOSE_RATIO, 1.0)
    found &= beyond_chance(model.reference.summary.counts, window.summary.counts) >= least * detectors.effects
    if found.any() and detectors.natural is not None and detectors.limits is not None:
        found &= sized(detectors.natural, detectors.limits.sizes, window.summary).part >= least
    return found


def _weighs_windows(model: ModelState) -> bool:
    """Whether a window alone can be evidence of the judge."""
    if model.judge is None or model.reference is None:
        return False
    return bool(np.isinf(believed_until(model.judge.learned.span_seconds, model.reference.last)))


def effects_of(model: ModelState, detectors: DetectorSet) -> Effects:
    """Whether what came since a change differs by at least ``DetectorSet.effects``, PSI on the reference's bins, and by
    what makes a ticket (``SizeTable.exact``). Levels, spreads and mixes of hours that the reference has not seen are
    the hour's.
    """

    def large(row: int, since: float) -> bool:
        recent = model.hops.after(since)
        if model.reference is None or recent is None:
            return True
        then, now = model.reference.summary.counts[row : row + 1], recent.counts[row : row + 1]
        if beyond_chance(then, now)[0] < detectors.effects[row]:
            return False
        natural, limits = detectors.natural, detectors.limits
        if natural is None or limits is None:
            return True
        what = sized(natural, limits.sizes, recent, row)
        seen = hours_known(natural.hours, np.array(since), np.array(recent.last))
        return bool(what.matters[0]) and (bool(seen) or what.kind[0] not in SHAPES)

    return Effects(large, detectors.effects)


@dataclass(frozen=True, slots=True, eq=False)
class _Composer:
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


def evidence(model: ModelState, standing: Standing, detectors: DetectorSet) -> tuple[Scores | None, Joint | None]:
    """The judge's evidence as scores, in nats: ln(1 + S) beside ln(1 + A); its ratio passes 1 when S passes A.

    Once an episode is open the evidence begins again from 0; the status is the episode's.
    """
    if model.judge is None:
        return None, None
    state, learned = model.judge.state, model.judge.learned
    open_, pages = state.episodes.open, learned.paging
    watched = learned.watched & ~np.append(detectors.renewed, False)
    s = np.where(watched, np.log1p(state.s), np.nan)
    a = np.where(watched, np.log1p(detectors.a), np.nan)
    if detectors.natural is not None:
        pages = np.append(standing.gross, False)
    status = np.where(open_, np.where(pages, DRIFT, WARNING), OK).astype(np.int8)
    if len(standing.suspected) == len(status) - 1:
        status[:-1] = np.maximum(status[:-1], np.where(standing.suspected, WARNING, OK))
    before = standing.verdicts.get(JUDGE)
    if before is None:
        before = Verdict(np.zeros(len(s) - 1, np.int8), np.zeros(len(s) - 1, np.int64))
    detections = before.detections + ((status[:-1] >= WARNING) & (before.status < WARNING))
    scores = Scores(JUDGE, s[:-1], a[:-1], np.zeros(len(s) - 1), a[:-1], (s / a)[:-1], status[:-1], detections)
    joint = None
    if learned.joint:
        joint = Joint(float(s[-1]), float(a[-1]), Status(int(status[-1])), float(state.episodes.since[-1]))
    return scores, joint


def changed(standing: Standing, detectors: DetectorSet) -> Scores | None:
    """The open changes as scores: their size over the least that makes a ticket or a page; 0 where there is none."""
    if detectors.natural is None:
        return None
    channels = len(detectors.tickets)
    size, needed, status = np.zeros(channels), np.full(channels, np.nan), np.zeros(channels, np.int8)
    for change in standing.changes:
        size[change.row], needed[change.row] = change.size, change.needed
        status[change.row] = change.status
    before = standing.verdicts.get(CHANGE)
    if before is None:
        before = Verdict(np.zeros(channels, np.int8), np.zeros(channels, np.int64))
    detections = before.detections + ((status >= WARNING) & (before.status < WARNING))
    ratio = np.where(np.isfinite(needed), size / needed, 0.0)
    return Scores(CHANGE, size, needed, needed, np.zeros(channels), ratio, status, detections)


def still_open(evaluation: Evaluation) -> Callable[[str, str], bool]:
    """(channel, detector) -> whether the detector holds a page or a ticket of the channel open."""
    judgement, verdicts = evaluation.judgement, evaluation.standing.verdicts

    def holds(channel: str, detector: str) -> bool:
        if channel == JOINT:
            return judgement.joint is not None and judgement.joint.status >= Status.WARNING
        row, verdict = judgement.reference.rows.get(channel), verdicts.get(detector)
        return row is not None and verdict is not None and bool(verdict.status[row] >= WARNING)

    return holds


def asked_for(verdicts: Mapping[str, Verdict], detectors: DetectorSet, channels: int) -> NDArray[np.int8]:
    """int8[channels]: the worst status that asks for something. Statistics of windows only show where and how much,
    unless the user chose them.
    """
    out, chosen = np.zeros(channels, np.int8), bool(detectors.tickets.any())
    for kind, verdict in verdicts.items():
        if kind in {JUDGE, CHANGE}:
            out = np.maximum(out, verdict.status)
        elif chosen:
            out = np.maximum(out, np.where(detectors.tickets, verdict.status, OK))
    return out


def _model_status(worst: NDArray[np.int8], joint: Joint | None, *, learning: bool) -> Status:
    """DRIFT while an episode that pages is open, WARNING while there is a ticket."""
    if joint is not None:
        worst = np.append(worst, joint.status)
    top = Status(int(worst.max(initial=0)))
    return Status.LEARNING if learning and top is Status.OK else top


def worst_of(verdicts: Iterable[Scores | Verdict], channels: int) -> NDArray[np.int8]:
    out = np.zeros(channels, np.int8)
    for v in verdicts:
        out = np.maximum(out, v.status)
    return out


def _since(
    model: ModelState, before: Standing, reference: Reference, window: Hop, worst: NDArray[np.int8]
) -> NDArray[np.float64]:
    """Keeps the start of a change while it lasts; estimates it once for those that begin."""
    moving = worst >= WARNING
    begins = moving & np.isnan(before.since)
    out = np.where(moving, before.since, np.nan)
    if begins.any():
        starts = change_starts(reference, window.summary, model.hops.done)
        out = np.where(begins, starts, out)
    return out
