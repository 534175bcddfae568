"""`driftd replay`, `driftd demo`, `driftd reference build`: the pipeline over a file or a range of a topic."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Protocol

import numpy as np

from driftd.config import Loaded
from driftd.core.errors import ConfigError, ReferenceMismatch
from driftd.core.event import EventBatch, RecordBatch, concatenate
from driftd.core.finding import Judgement, Status
from driftd.core.reference import Exclusion, Reference, ReferenceKind, outside
from driftd.core.slice import Slice
from driftd.core.values import refuse_text
from driftd.engine.gaps import counted
from driftd.engine.gc_tuning import collect_seldom
from driftd.engine.pipeline import Pipeline
from driftd.engine.state import Outcome, State
from driftd.judge.experiments.verdict import Result
from driftd.learn.build import build
from driftd.learn.profile import ReferenceProfile, profile
from driftd.replay import merging
from driftd.replay.counting import Wanted
from driftd.replay.report import Report
from driftd.replay.run import Accounts, FirstRejected, RefusedFeature, Replay
from driftd.replay.stretches import Stretches
from driftd.sinks.log import FileFindings
from driftd.sources import Gap
from driftd.sources.files.stream import Events, Progress


class ReplayListener(Protocol):
    """Shows what a replay does; called from the thread that works."""

    def progress(self, progress: Progress) -> None: ...

    def judged(self, judgement: Judgement) -> None: ...

    def serving(self, url: str) -> None: ...

    def done(self, result: Replayed) -> None: ...


@dataclass(frozen=True, slots=True)
class Replayed:
    """``findings`` counts those found; ``statuses`` has each model's last; ``seconds`` of wall time it took;
    ``remarks`` are sentences on what was not as it should be. ``experiments``: what they come to.
    """

    accounts: Accounts
    findings: int
    statuses: Mapping[str, Status]
    report: Report | None = None
    seconds: float = 0.0
    refused: tuple[RefusedFeature, ...] = ()
    remarks: tuple[str, ...] = ()
    experiments: tuple[Result, ...] = ()

    @property
    def unusable(self) -> bool:
        """No event could be used, or there was none."""
        return not self.accounts.accepted

    @classmethod
    def of(cls, state: State) -> Replayed:
        """Before there is a report."""
        statuses = {key.model: model.standing.status for key, model in sorted(state.models.items())}
        return cls(Accounts.of(state), state.findings, statuses)

    @classmethod
    def finished(cls, run: Replay, seconds: float) -> Replayed:
        return replace(
            cls.of(run.state),
            report=run.report(),
            seconds=seconds,
            refused=run.refused(),
            remarks=run.remarks(),
            experiments=run.experiments(),
        )


@dataclass(frozen=True, slots=True)
class Configured:
    """A pipeline, and the references that it begins with."""

    pipeline: Pipeline
    references: Mapping[str, Reference]


def replay(
    runs: Sequence[Configured], events: Events | Stretches, findings: Path | None, listener: ReplayListener
) -> list[Replayed]:
    """Runs the events through each pipeline. They are read once, so standard input and a topic do as well as a file.
    Stretches are for one pipeline.

    Findings of the first pipeline go to ``listener``, and to the file ``findings``, which is written anew (None: to no
    file). Each pipeline needs a codec of its own.
    """
    collect_seldom()
    began = time.perf_counter()
    replays = [Replay.of(run.pipeline, run.references, events.partitions) for run in runs]
    with _writing(findings) as sink:

        def emit(outcome: Outcome) -> None:
            if sink is not None:
                sink.emit(outcome.findings)
            for judgement in outcome.judgements:
                listener.judged(judgement)

        for outcome in _steps(replays, events):
            emit(outcome)
            listener.progress(events.progress())
        first, *_ = [one.finish() for one in replays]
        emit(first)
    seconds = time.perf_counter() - began
    results = [Replayed.finished(one, seconds) for one in replays]
    listener.done(results[0])
    return results


def _steps(replays: Sequence[Replay], events: Events | Stretches) -> Iterator[Outcome]:
    """What each step led to in the first of the replays."""
    if isinstance(events, Stretches):
        (one,) = replays
        yield from one.take_all(events)
        return
    for records in events.batches():
        first, *_ = [one.take(records) for one in replays]
        yield first


@contextmanager
def _writing(path: Path | None) -> Iterator[FileFindings | None]:
    if path is None:
        yield None
        return
    if path.is_file():
        path.unlink()
    sink = FileFindings(path)
    try:
        yield sink
    finally:
        sink.close()


def demo(
    loaded: Loaded,
    pipeline: Pipeline,
    events: Events,
    *,
    exit_after: bool,
    speed: float | None,
    listener: ReplayListener,
) -> int:
    """Replays while it serves, at ``speed`` times real time (None: as fast as it can); then serves until Ctrl-C."""
    from driftd.web import HttpServer  # noqa: PLC0415  `driftd replay` serves nothing
    from driftd.wiring.run import reporter_of, views_of  # noqa: PLC0415

    collect_seldom()
    run = Replay.of(pipeline, {}, events.partitions)
    state = run.state
    reporter = reporter_of(loaded.settings, pipeline)
    reporter.state, reporter.not_ready = state, ()
    with ExitStack() as stack:
        http = loaded.settings.http
        server = HttpServer(http.address, views_of(reporter, None), web_config=http.web_config, hosts=http.hosts)
        server.start()
        stack.callback(server.close)
        listener.serving(server.url)
        pace, began = Pace(speed), time.perf_counter()

        def show(outcome: Outcome) -> None:
            reporter.heartbeat = time.time()
            reporter.judged(outcome.judgements, state)
            reporter.found(outcome.findings)
            reporter.counts(state)
            for judgement in outcome.judgements:
                listener.judged(judgement)
            listener.progress(events.progress())

        try:
            for records in events.batches():
                show(run.take(records))
                pace.wait(run.ended)
            show(run.finish())
            listener.done(Replayed.finished(run, time.perf_counter() - began))
            while not exit_after:
                reporter.heartbeat = time.time()
                threading.Event().wait(1.0)
        except KeyboardInterrupt:
            return 0
    return 0


class Pace:
    """Holds a replay to ``speed`` seconds of event time a second."""

    def __init__(self, speed: float | None) -> None:
        self.speed = speed
        self._began: tuple[float, float] | None = None

    def wait(self, event_time: float) -> None:
        if self.speed is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began = now, event_time
        due = self._began[0] + (event_time - self._began[1]) / self.speed
        threading.Event().wait(max(0.0, due - now))


@dataclass(frozen=True, slots=True)
class Built:
    """A reference and what was found in its events."""

    reference: Reference
    profile: ReferenceProfile
    refused: tuple[RefusedFeature, ...] = ()


def _named(state: State, models: Sequence[str]) -> Sequence[str]:
    """Those that are wanted; all that there are, if none is named."""
    return models or sorted({key.model for key in state.models})


def build_references(
    pipeline: Pipeline,
    events: Events | Stretches,
    *,
    models: Sequence[str],
    first: int | None,
    reason: str,
    listener: ReplayListener,
    kind: ReferenceKind | None = None,
    exclude: tuple[Exclusion, ...] = (),
) -> list[Built]:
    """References of ``models`` (of all, if none is named), each from its ``first`` events or from all; none is stored.

    ``kind`` replaces the configured one; ``exclude`` is added to the configured exclusions.
    Raises ReferenceMismatch for a named model that has no event, ConfigError if no event could be used.
    """
    state = State()
    # a reference has no order, so nothing is late for it
    windows = replace(pipeline.monitor.windows, out_of_orderness_seconds=inf)
    pipeline = replace(pipeline, monitor=replace(pipeline.monitor, windows=windows))
    pipeline.begin(state, {})
    rejected, wanted = FirstRejected(), Wanted(tuple(models), first, exclude)
    for _ in _taken(pipeline, state, events, rejected, wanted):
        listener.progress(events.progress())
    remarks = rejected.remarks(Accounts.of(state))
    if not state.accepted:
        raise ConfigError("\n".join((f"{events.name}: no usable events", *remarks)))
    listener.done(replace(Replayed.of(state), remarks=remarks))
    out = []
    for name in _named(state, models):
        rows = _rows(state, name, events)
        configured = pipeline.monitor.settings(Slice(name)).learning
        learning = replace(
            configured,
            source=events.name,
            created_by="driftd reference build",
            reason=reason or "driftd reference build",
            least_span_seconds=0.0,  # somebody chose these events
            kind=kind or configured.kind,
            exclude=(*configured.exclude, *exclude),
        )
        rows = rows.take(np.flatnonzero(outside(rows.times, learning.exclude)))
        if first is not None and first < len(rows):
            rows = rows.take(rows.times.argsort(kind="stable")[:first])
        reference = build(rows, learning)
        assert learning.windows is not None
        found = profile(reference, rows, learning.windows, learning.period_seconds)
        out.append(Built(reference, found, refused_of(reference, rows)))
    return out


def _taken(
    pipeline: Pipeline, state: State, events: Events | Stretches, rejected: FirstRejected, wanted: Wanted
) -> Iterator[None]:
    """Takes the events into ``state``, step by step; stretches only as far as they are ``wanted``."""
    if not isinstance(events, Stretches):
        for records in events.batches():
            if not isinstance(records, Gap):
                _take(pipeline, state, records, rejected)
            elif unread := counted(state, records):
                rejected.note(*unread)
            yield
        return
    source = merging.source_of(events)
    for stretch in merging.stretches(pipeline, state, events, wanted):
        rejected.note_all(stretch.rejects)
        for _ in merging.merge(pipeline, state, source, stretch):
            pass
        if wanted.first is not None:
            for stream in state.partitions[source].streams.values():
                if sum(map(len, stream.rows)) > 4 * wanted.first:
                    stream.rows = [wanted.of(concatenate(stream.rows))]
        yield


def _take(pipeline: Pipeline, state: State, records: RecordBatch, rejected: FirstRejected) -> None:
    for part in pipeline.sampled(state, records):
        rejected.note(part, pipeline.take(state, part).rejects)


def refused_of(reference: Reference, rows: EventBatch) -> tuple[RefusedFeature, ...]:
    """Values of the reference's events that it could not use, text among numbers included."""
    rows, _ = refuse_text(rows, reference.numeric_features)
    out = []
    for name, flags in sorted(rows.refused.items()):
        expected = "a number" if name in reference.numeric_features else "a string, a number or a boolean"
        first = float(rows.times[flags].min())
        out.append(RefusedFeature(rows.model, name, int(np.count_nonzero(flags)), first, f"expected {expected}"))
    return tuple(out)


def _rows(state: State, model: str, events: Events | Stretches) -> EventBatch:
    """All events of a model; raises ReferenceMismatch where there are none."""
    streams = (p.streams.get(Slice(model)) for _, p in sorted(state.partitions.items()))
    rows = [batch for stream in streams if stream is not None for batch in stream.rows]
    if not rows:
        known = ", ".join(sorted({key.model for key in state.models})) or "none"
        raise ReferenceMismatch(f"{events.name}: no usable events of model '{model}'; models there: {known}")
    return concatenate(rows)
