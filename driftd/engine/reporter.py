"""What the daemon tells of itself: metrics, readiness, log lines that change something."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Final

from driftd.core.act import Act, Deed
from driftd.core.certificates import expiry_of
from driftd.core.event import LateReason, TopicPartition, places
from driftd.core.finding import Finding, Judgement, Severity, Status
from driftd.core.incident import Incident, find
from driftd.core.pane import Counters
from driftd.core.slice import Slice
from driftd.core.text import printable
from driftd.core.units import DAY_SECONDS
from driftd.engine.degradation import LEVELS
from driftd.engine.grouping import Causes, Grouping
from driftd.engine.model_counts import counts_of, judged_counts, maintenance_of
from driftd.engine.once import Once
from driftd.engine.pipeline import Pipeline
from driftd.engine.quiet import Arrivals
from driftd.engine.state import State
from driftd.engine.systemd import notify
from driftd.engine.views import memory_bytes, view_of
from driftd.ingest.halves import Halves
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.metrics.aggregates import HOURLY, Page
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from driftd.monitor.alert_texts import called, texts_of
from driftd.monitor.segments import ringing
from driftd.monitor.settings import ModelSettings
from driftd.monitor.silence import Quiet
from driftd.monitor.state import ModelState
from driftd.monitor.view import Snapshot
from driftd.sources import Health, Source

log = logging.getLogger("driftd")

LEAST_RECEIVED: Final = 10_000
"""Events that this process has read before it is said what one costs: a start takes as long as 100,000."""


def _ringing(model: ModelState) -> tuple[Incident, ...]:
    """The incidents that alerts are about: those of a segment without what its whole rings for."""
    return ringing(model.incidents, model.covered) if model.slice.within else model.incidents


def _blind(health: Health, *, assigned: bool) -> Iterator[str]:
    """The reasons why driftd cannot see what it is to watch."""
    if not health.connected:
        yield f"kafka does not answer: {health.last_error}"
    yield from (f"topic {topic} does not exist" for topic in health.missing_topics)
    if health.unread_partitions:
        yield f"no member of the group reads {places(health.unread_partitions)}"
    if not assigned:
        yield "no partitions assigned"


@dataclass(slots=True)
class Reporter:
    """Keeps metrics and readiness up to date; belongs to the loop's thread.

    ``heartbeat`` is when the loop last went round (epoch seconds), ``beats`` how often it has; ``not_ready`` the
    reasons why driftd is not ready. ``external_url``: where people reach the pages, "" where that is not known.
    ``memory_bytes``: what the process may take; ``certificates``: files of those that are in use, by what they are for.
    """

    metrics: MetricsSink
    telemetry: Telemetry
    pipeline: Pipeline
    runbooks: str = ""
    external_url: str = ""
    memory_bytes: int | None = None
    certificates: Callable[[], Mapping[str, Path]] = dict
    processor_seconds: Callable[[], float] = time.process_time
    heartbeat: float = 0.0
    beats: int = 0
    not_ready: tuple[str, ...] = ("starting",)
    state: State | None = None
    once: Once = field(default_factory=Once)
    _unsaved: str = ""
    _elsewhere: Mapping[Slice, Counters] = field(default_factory=dict)
    _arrivals: Arrivals = field(default_factory=Arrivals)
    _quiet: Mapping[Slice, Quiet] = field(default_factory=dict)
    _connected: bool = True
    _time: float = math.nan
    _every: Grouping = field(default_factory=lambda: Grouping(lasting=False))
    _lasting: Grouping = field(default_factory=lambda: Grouping(lasting=True))
    _causes: Causes = field(default_factory=Causes)
    _promised: tuple[tuple[object, ...], Certificate] | None = None
    _begun: tuple[float, int] | None = None
    """Processor seconds and events read when the first round began."""

    def round(self, state: State, source: Source, now: float, troubles: Collection[str] = ()) -> None:
        """Everything that is true once a round. ``troubles``: with topics that members need, and what helps."""
        t = self.telemetry
        self.state, self._time = state, now
        self.beat(now)
        self._spent(state)
        counters = self.counts(state)
        health = source.health()
        lags = source.lag()
        if not health.connected:
            self._arrivals = Arrivals()  # nothing can arrive: the wait begins anew when a broker answers
        self._note_quiet(counters, state, now, max((lag.seconds for lag in lags.values()), default=0.0))
        behind = {(topic, str(partition)): lag for (topic, partition), lag in lags.items()}
        t.replace("driftd_consumer_lag_records", {at: lag.records for at, lag in behind.items()})
        t.replace("driftd_consumer_lag_seconds", {at: lag.seconds for at, lag in behind.items()})
        t.set("driftd_assigned_partitions", len(lags))
        t.set("driftd_kafka_connected", health.connected)
        t.set("driftd_group_members", health.members)
        t.set("driftd_logins_total", health.logins)
        t.set("driftd_rebalances_total", health.rebalances)
        t.set("driftd_commit_failures_total", health.commit_failures)
        if health.connected is not self._connected:
            self._connected = health.connected
            level = logging.INFO if health.connected else logging.ERROR
            text = "kafka answers again" if health.connected else "kafka does not answer; nothing is lost"
            log.log(level, text, extra={"error": health.last_error})
        blind = tuple(_blind(health, assigned=bool(lags)))
        t.set("driftd_ready", not blind)
        # not in the gauge: its alert silences drift, and that is still watched
        unsaved = (f"nothing is saved: {self._unsaved}",) if self._unsaved else ()
        self.once.troubled(troubles)
        self.not_ready = (*troubles, *blind, *unsaved)
        self.metrics.prune(now)

    def beat(self, now: float) -> None:
        """The loop goes on."""
        self.heartbeat = now
        self.beats += 1
        self.telemetry.set("driftd_loop_timestamp_seconds", now)
        notify("WATCHDOG=1")

    def _spent(self, state: State) -> None:
        """What driftd itself costs: since the first round, for a start costs the same however many events follow."""
        taken = self.processor_seconds()
        self._begun = self._begun or (taken, state.received)
        read = state.received - self._begun[1]
        if read >= LEAST_RECEIVED:
            cost = (taken - self._begun[0]) / read * 1e6
            self.telemetry.set("driftd_million_events_processor_seconds", float(f"{cost:.3g}"))

    def held(self, before: Collection[TopicPartition], now: Collection[TopicPartition]) -> None:
        """Partitions that wait for others; a log line where that begins and ends."""
        self.telemetry.set("driftd_held_partitions", len(now))
        if bool(before) is not bool(now):
            names = ", ".join(f"{topic}/{number}" for topic, number in sorted(now))
            log.info(
                "%s", f"waits until other partitions catch up: {names}" if now else "no partition waits for others"
            )

    def read(self, elsewhere: Mapping[Slice, Counters], judged: Collection[Slice]) -> None:
        """What was read for models that another member judges, beside those that are ``judged`` here: counted here,
        shown there. Counts of partitions that have moved are shown by whoever reads them now.
        """
        gone = {key.model for key in self._elsewhere} - {key.model for key in (*elsewhere, *judged)}
        for model in gone:
            self.metrics.remove(model)
        self._elsewhere = elsewhere
        for key, counters in elsewhere.items():
            counts = counts_of(ModelState(key), counters, self._settings(key))
            self.metrics.count(key.model, counts, elsewhere=True)

    def _settings(self, key: Slice) -> ModelSettings:
        return self.pipeline.monitor.settings(key)

    def exchanged(self, late: int, foreign: int) -> None:
        """Of what other members sent: what came too late, and what does not fit."""
        self.telemetry.set("driftd_exchange_late_events_total", late)
        self.telemetry.set("driftd_exchange_foreign_panes_total", foreign)

    def counts(self, state: State) -> dict[Slice, Counters]:
        """The counters of events and models, as the state has them; returns those of the models."""
        t = self.telemetry
        t.set("driftd_events_received_total", state.received)
        t.set("driftd_events_total", state.accepted, "accepted")
        t.set("driftd_events_total", state.rejected.total(), "rejected")
        t.set("driftd_events_total", state.late, "late")
        t.set("driftd_events_total", state.dropped.total(), "dropped")
        for reason, n in state.rejected.items():
            t.set("driftd_events_rejected_total", n, reason)
        for reason, n in state.dropped.items():
            t.set("driftd_events_dropped_total", n, reason)
        self._late(state)
        self._calls(state.halves)
        limit, wholes = self.pipeline.max_models, sum(not key.part for key in state.models)
        t.set("driftd_discovery_limit_reached", limit is not None and wholes >= limit, "models")
        ignored = False
        there = [m for m in state.models.values() if not m.retired]
        t.set("driftd_retired_models", len(state.models) - len(there))
        t.set("driftd_unwatched_features", sum(len(self.once.unwatched_of(model)) for model in there))
        known = {model.slice: state.counters(model.slice) for model in there}
        for model in there:
            ignored = ignored or known[model.slice].ignored_features > 0
            self._count(model, known[model.slice], state)
        t.set("driftd_discovery_limit_reached", ignored, "features")
        kept = state.kept
        t.set("driftd_label_sample_ratio", 0.5**kept.halvings)
        t.set("driftd_label_store_entries", kept.entries)
        t.set("driftd_label_store_bytes", kept.bytes)
        promise = self.certificate()
        t.set("driftd_false_alarms_budget", promise.budget)
        t.set("driftd_false_alarms_bound", float(f"{promise.bound:.6g}"))
        return known

    def _note_quiet(self, counters: Mapping[Slice, Counters], state: State, now: float, behind: float) -> None:
        """Which models send nothing; what was read for others' models a round ago counts, too."""
        # a segment that is silent is a mix that has changed: the whole's channels tell that
        wholes = {key: count for key, count in {**self._elsewhere, **counters}.items() if not key.within}
        reached = state.reached(self.pipeline.monitor.windows.pane_seconds)
        self._quiet = self._arrivals.quiet(wholes, state.models, now, behind, reached)
        self.metrics.quiet(
            {
                key.model: {"": q.seconds}
                | ({} if q.usual is None else {"page": q.usual.page, "ticket": q.usual.ticket, HOURLY: q.usual.usual})
                for key, q in self._quiet.items()
            }
        )

    def _calls(self, halves: Halves) -> None:
        self.telemetry.set("driftd_logged_calls_waiting", len(halves.waiting))
        self.telemetry.replace(
            "driftd_logged_calls_total",
            {(model, f.name): getattr(c, f.name) for model, c in sorted(halves.counts.items()) for f in fields(c)},
        )

    def _late(self, state: State) -> None:
        """Both reasons of every partition, from 0 on: or increase() would miss the first late event."""
        partitions = {(topic, str(number)): p for (topic, number), p in sorted(state.partitions.items())}
        late: dict[tuple[str, ...], float] = {}
        worst: dict[tuple[str, ...], float] = {}
        for at, partition in partitions.items():
            late |= {(*at, reason.value): partition.late[reason.value] for reason in LateReason}
            worst |= {(*at, reason): seconds for reason, seconds in partition.worst_lateness.items()}
        self.telemetry.replace("driftd_events_late_total", late)
        self.telemetry.replace("driftd_event_lateness_max_seconds", worst)

    def _count(self, model: ModelState, counters: Counters, state: State) -> None:
        quiet, counts = self._in_maintenance(model), judged_counts(self.pipeline.monitor, model, counters, state)
        counts = replace(counts, maintenance=quiet)
        if model.reference is None:
            self.metrics.learning(model.name, self.pipeline.monitor.learning_ratio(model), counts)
        else:
            self.metrics.count(model.name, counts)
        self._tell_incidents(model, counts.last_event)

    def _tell_incidents(self, model: ModelState, last_event: float) -> None:
        """For alerts; anew where the incidents have changed, and at midnight (UTC), since texts say the day."""
        now = last_event if math.isnan(self._time) else self._time
        page, whole = self._page(model)
        about = model.incidents, model.covered, now // DAY_SECONDS, whole
        self.metrics.incidents(
            model.name,
            about,
            lambda: texts_of(_ringing(model), now, self.external_url, whole),
            page,
            self._settings(model.slice).contacts.help,
        )

    def _page(self, model: ModelState) -> tuple[Page | None, Incident | None]:
        """The page that is open and called somebody, and its incident where other models have a part in it."""
        if model.judgement is None or model.judgement.status is not Status.DRIFT or model.standing.quiet:
            return None, None
        last = called(model.incidents)
        if model.slice.within and not any(i.now is Severity.PAGE for i in _ringing(model)):
            return None, None
        if last is None:
            return Page(model.pages, ""), None
        models = [] if self.state is None else [*self.state.models.values()]
        whole = find(self._lasting.of(models), last.id)
        alone = whole is None or len(whole.totals) == 1
        return Page(model.pages, self._causes.of(last, models)), None if alone else whole

    def snapshot(self, now: float | None = None) -> Snapshot:
        """What the web pages show; called from the HTTP threads. Without ``now`` it is the latest event's time."""
        state = self.state or State()
        there = [m for m in [*state.models.values()] if not m.retired]
        monitor, once = self.pipeline.monitor, self.once
        models = [view_of(monitor, m, state, once.unwatched_of(m), self._quiet.get(m.slice)) for m in there]
        if now is None:
            now = max((m.counts.last_event for m in models), default=0.0)
        told = (f for m in there for f in reversed(m.told))
        findings = tuple(sorted(told, key=lambda f: -f.window_end))
        seconds, limit = self.pipeline.monitor.windows.pane_seconds, self.pipeline.max_models
        reached = state.reached(seconds)
        taken = memory_bytes()
        memory = None if taken is None else (taken, self.memory_bytes)
        rates, wholes = self.pipeline.limits, sum(not m.slice.part for m in there)
        return Snapshot(
            now, models, findings, self.not_ready, self.telemetry, self.runbooks, self.certificate(), reached, seconds,
            {"models": (wholes, limit), "series": (self.metrics.series, self.metrics.limit)},
            self._every.of([*state.models.values()]), self.external_url, state.refusals, memory,
            {what: most for what, most in (("records", rates.records_per_second), ("events", rates.events_per_second))
             if most is not None},
            {what: expiry_of(file) for what, file in self.certificates().items()},
        )  # fmt: skip

    def judged(self, judgements: Iterable[Judgement], state: State) -> None:
        self.state = state
        for judgement in judgements:
            cover = self.pipeline.monitor.guarantee(judgement.reference)
            model = state.models.get(Slice(judgement.model))
            # a page and its number appear together: the alert carries it
            counts = None
            if model is not None:
                counts = judged_counts(self.pipeline.monitor, model, state.counters(model.slice), state)
                counts = replace(counts, maintenance=self._in_maintenance(model))
                self._tell_incidents(model, counts.last_event)
            rings = None
            if model is not None and model.slice.within:
                rings = frozenset(p.channel for i in _ringing(model) for p in i.parts)
            self.metrics.update(judgement, counts, cover if isinstance(cover, ModelGuarantee) else None, rings)

    def _in_maintenance(self, model: ModelState) -> bool:
        """Until what was muted is told: its call and its number appear together."""
        return bool(model.muted) or maintenance_of(self.pipeline.monitor, model, self.state)[1] is not None

    def certificate(self) -> Certificate:
        """What is promised about pages of the models that have a reference now."""
        models = [] if self.state is None else [*self.state.models.values()]
        references = [m.reference for m in models if m.reference is not None and not m.retired]
        # once a round for all models: computed again only when something is new
        about = (id(self.pipeline), *(f"{r.id}/{r.version}" for r in references))
        if self._promised is None or self._promised[0] != about:
            self._promised = about, self.pipeline.monitor.certificate(references)
        return self._promised[1]

    def found(self, findings: Sequence[Finding]) -> None:
        for f in findings:
            self.telemetry.add("driftd_findings_total", 1, f.status.name)

    def acted(self, act: Act) -> None:
        """Somebody did something about a model."""
        log.warning("%s: %s", printable(act.model), printable(act.by), extra={"channels": list(act.channels)})
        if act.deed is Deed.FEEDBACK:
            self.telemetry.add("driftd_feedback_total", 1, act.verdict)

    def retired(self, model: str, because: str) -> None:
        """The model's series end; events bring it back."""
        self.metrics.remove(model)
        log.info("model %s is off all pages (%s); its state is kept", printable(model), because)

    def rewound(self) -> None:
        self.telemetry.add("driftd_rewinds_total")

    def broken(self, is_open: bool) -> None:
        """Most records are bad, or no longer."""
        self.telemetry.set("driftd_circuit_breaker_open", is_open)
        if is_open:
            log.error("most records are rejected: all are counted by reason, no dead letter is sent until that ends")
        else:
            log.info("most records are usable again: dead letters are sent")

    def degraded(self, before: int, level: int, lag_seconds: float) -> None:
        """Another level of driftd.engine.degradation."""
        self.telemetry.set("driftd_degradation_level", level)
        log.warning(
            "%s: level %d, %s (%d before); %.0f s behind",
            "driftd does not keep up" if level > before else "driftd keeps up again",
            level,
            LEVELS[level],
            before,
            lag_seconds,
        )

    def dead_letters(self, sent: int, failed: int, suppressed: int) -> None:
        self.telemetry.set("driftd_dead_letters_total", sent, "sent")
        self.telemetry.set("driftd_dead_letters_total", failed, "failed")
        self.telemetry.set("driftd_dead_letters_total", suppressed, "suppressed")

    def out_of_reach(self, error: str) -> None:
        """The gauge and readiness tell the rest."""
        self.once.out_of_reach(error, self.heartbeat)

    def checkpointed(self, size: int, now: float, seconds: float) -> None:
        self.telemetry.set("driftd_checkpoint_timestamp_seconds", now)
        self.telemetry.set("driftd_checkpoint_bytes", size)
        self.telemetry.set("driftd_checkpoint_duration_seconds", seconds)
        if self._unsaved:
            log.info("checkpoints are written again")
        self._unsaved = ""

    def checkpoint_failed(self, error: str) -> None:
        self.telemetry.add("driftd_checkpoint_failures_total")
        if not self._unsaved:
            log.error("%s; monitoring goes on, offsets are not committed", error)
        self._unsaved = error

    def reloaded(self, done: bool, now: float) -> None:
        self.telemetry.set("driftd_config_last_reload_successful", done)
        if done:
            self.telemetry.set("driftd_config_last_reload_success_timestamp_seconds", now)
