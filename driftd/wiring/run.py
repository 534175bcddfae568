"""`driftd run`: the daemon from its configuration to its exit code."""

from __future__ import annotations

import faulthandler
import logging
import signal
import socket
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, disable_created_metrics

from driftd import __version__
from driftd.config import Loaded, Settings
from driftd.core.act import Act
from driftd.core.errors import ActRefused, ConfigError, DriftdError
from driftd.engine.daemon import Daemon
from driftd.engine.degradation import Ladder
from driftd.engine.desk import Done
from driftd.engine.gc_tuning import collect_seldom
from driftd.engine.lock import locked
from driftd.engine.outbox import FindingSink
from driftd.engine.pipeline import Pipeline
from driftd.engine.references import start_models
from driftd.engine.reporter import Reporter
from driftd.engine.store import CheckpointFile, ReferenceStore
from driftd.engine.systemd import notify
from driftd.engine.timing import Clock, Timing
from driftd.engine.watchdog import watched
from driftd.metrics.series import MetricsSink
from driftd.metrics.telemetry import Telemetry
from driftd.sinks import log as logs
from driftd.web import HEALTHY_SECONDS, HttpServer, Views, nobody_acts
from driftd.wiring.app import pipeline_of, references_of
from driftd.wiring.decoding import redaction_of
from driftd.wiring.kafka import kafka_settings

if TYPE_CHECKING:
    from driftd.wiring.members import Outfit

log = logging.getLogger("driftd")

FIXED = ("kafka", "schema_registry", "state", "members", "http", "limits", "log")
"""Sections that a reload cannot change: they need a restart."""
FIXED_LIMITS = {"series", "stuck_seconds"}
"""Of ``limits`` only these need one."""


def reporter_of(settings: Settings, pipeline: Pipeline) -> Reporter:
    """Metrics and telemetry, with the process's own numbers beside them."""
    disable_created_metrics()  # type: ignore[no-untyped-call]
    telemetry = Telemetry()
    collectors = CollectorRegistry()
    collectors.register(telemetry)
    ProcessCollector(registry=collectors)
    PlatformCollector(registry=collectors)
    metrics = MetricsSink(
        registry=collectors,
        limit=settings.limits.series,
        configured=[m.name for m in settings.models],
        window_seconds=settings.windows.window_seconds,
    )
    telemetry.set("driftd_build_info", 1, __version__)
    telemetry.set("driftd_config_last_reload_successful", 1)
    telemetry.set("driftd_config_last_reload_success_timestamp_seconds", time.time())
    runbooks, external_url = settings.http.runbooks or "", settings.http.external_url or ""
    return Reporter(metrics, telemetry, pipeline, runbooks, external_url, settings.limits.memory_bytes)


def views_of(reporter: Reporter, reload: Reload | None) -> Views:
    """What HTTP shows and does. Without ``reload`` it is a replay: nothing can be done, and the page's clock is that of
    the events.
    """
    return Views(
        metrics=lambda gzip: reporter.metrics.render(gzip=gzip),
        age=lambda: time.time() - reporter.heartbeat,
        not_ready=lambda: _not_ready(reporter, live=reload is not None),
        reload=reload.from_http if reload is not None else lambda: (False, "nothing to reload"),
        snapshot=lambda: reporter.snapshot(time.time()) if reload else replace(reporter.snapshot(None), replay=True),
        act=nobody_acts if reload is None else reload.act,
        others=tuple if reload is None else reload.others,
    )


def _not_ready(reporter: Reporter, *, live: bool) -> tuple[str, ...]:
    """The loop's reasons, and that it stands still: then it cannot say so itself."""
    age = time.time() - reporter.heartbeat
    if live and age > HEALTHY_SECONDS:
        return (f"the loop has not gone round for {age:.0f} s", *reporter.not_ready)
    return reporter.not_ready


@dataclass(slots=True)
class Reload:
    """Reloading the configuration: asked for by a signal or over HTTP, done by the loop between two polls."""

    loaded: Loaded
    daemon: Daemon | None = None
    http: HttpServer | None = None
    text: str = ""
    done: bool = False
    _answered: threading.Event = field(default_factory=threading.Event)
    _one: threading.Lock = field(default_factory=threading.Lock)

    def from_http(self) -> tuple[bool, str]:
        """Asks, waits for the loop to do it, and says how it went."""
        with self._one:
            if self.daemon is None:
                return False, "still starting"
            self._answered.clear()
            self.daemon.ask_reload()
            if not self._answered.wait(30):
                return False, "the loop has not come round for 30 s; see /-/healthy"
            return self.done, self.text

    def act(self, acts: Sequence[Act]) -> Done:
        """Does what people ask for, between two polls. Raises ActRefused and TimeoutError."""
        if self.daemon is None:
            raise ActRefused("driftd is still starting")
        return self.daemon.desk.ask(acts)

    def others(self) -> Collection[str]:
        return () if self.daemon is None else self.daemon.others()

    def __call__(self, daemon: Daemon) -> bool:
        """Takes the new configuration, or keeps the old one and says why."""
        notify(f"RELOADING=1\nMONOTONIC_USEC={time.monotonic_ns() // 1000}")
        try:
            self.text, self.done = self._take(daemon), True
            log.info("configuration reloaded: %s", self.text)
        except DriftdError as e:
            self.text, self.done = f"{e}\nrefused; the old configuration keeps running", False
            log.error("configuration refused, the old one keeps running: %s", e)  # noqa: TRY400
        notify("READY=1")
        self._answered.set()
        return self.done

    def _take(self, daemon: Daemon) -> str:
        new = self.loaded.again()
        before, after = self.loaded.settings, new.settings
        if before.members.enabled:
            raise ConfigError("members of a group take a new configuration with a restart, one after the other")
        if before.windows.pane_seconds != after.windows.pane_seconds:
            raise ConfigError("windows.pane_seconds: open panes cannot be cut anew; restart driftd to change it")
        if before.privacy != after.privacy:
            raise ConfigError("privacy: what is counted already was hashed as before; restart driftd to change it")
        kafka_settings(after)  # what would not start is not taken: a file that is half written, or empty
        redaction_of(after)
        later = [name for name in FIXED if _fixed(before, name) != _fixed(after, name)]
        pipeline = pipeline_of(after)
        references = references_of(after)
        if self.http is not None:
            self.http.check_web_config()
        daemon.pipeline.slices.hand_over(daemon.state, pipeline.slices)
        pipeline.shed, daemon.ladder.lag_seconds = daemon.pipeline.shed, after.limits.shed_lag_seconds
        daemon.pipeline = daemon.reporter.pipeline = pipeline
        start_models(daemon.state, pipeline, references)
        self.loaded = new
        return f"in force, but {', '.join(later)}: after a restart" if later else "in force"


def _fixed(settings: Settings, section: str) -> dict[str, object]:
    """What a reload cannot change of a section; secrets in files need none: each login reads them."""
    only = FIXED_LIMITS if section == "limits" else None
    dump: dict[str, object] = getattr(settings, section).model_dump(include=only)
    return {name: value for name, value in dump.items() if not dump.get(f"{name}_file")}


@contextmanager
def signals(daemon: Daemon) -> Iterator[None]:
    """SIGTERM and SIGINT drain, SIGHUP reloads; handlers only set flags."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        daemon.stop()

    def again(_signal: int, _frame: FrameType | None) -> None:
        daemon.ask_reload()

    before = {
        signal.SIGTERM: signal.signal(signal.SIGTERM, stop),
        signal.SIGINT: signal.signal(signal.SIGINT, stop),
        signal.SIGHUP: signal.signal(signal.SIGHUP, again),
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(loaded: Loaded) -> int:
    """Runs the daemon until it is told to stop; 0 when it drained. The exit code of a DriftdError says the rest."""
    logs.configure(loaded.settings.log.level, loaded.settings.log.format)
    if loaded.settings.members.enabled:
        return _run(loaded)
    with locked(Path(loaded.settings.state.directory)):
        return _run(loaded)


def _alone(settings: Settings, outfit: Outfit) -> Daemon:
    """One process that reads and judges, with its state in a folder."""
    from driftd.sources.kafka.source import KafkaSource  # noqa: PLC0415

    folder = Path(settings.state.directory)
    checkpoints = CheckpointFile(folder, time.time)
    state, trouble = checkpoints.load(outfit.pipeline)
    if trouble:
        log.error("%s", trouble)
    outfit.reporter.judged(start_models(state, outfit.pipeline, references_of(settings)), state)
    store = ReferenceStore(folder / "references")
    return Daemon(
        outfit.pipeline,
        state,
        KafkaSource(outfit.kafka),
        checkpoints,
        outfit.reporter,
        outfit.clock,
        outfit.timing,
        outfit.findings,
        outfit.rejects,
        store,
        outfit.reload,
    )


def _run(loaded: Loaded) -> int:
    from driftd.sinks.kafka import DeadLetters, KafkaFindings  # noqa: PLC0415  0.2 s that `driftd --help` need not wait
    from driftd.wiring.members import Outfit, member_of  # noqa: PLC0415

    settings = loaded.settings
    kafka = kafka_settings(settings)
    pipeline = pipeline_of(settings)
    reporter = reporter_of(settings, pipeline)
    sinks: list[FindingSink] = [logs.LogFindings()]
    if settings.findings.path is not None:
        sinks.append(logs.FileFindings(Path(settings.findings.path)))
    if settings.kafka.findings_topic is not None:
        sinks.append(KafkaFindings(kafka, settings.kafka.findings_topic))
    reload = Reload(loaded)
    http = HttpServer(
        settings.http.address,
        views_of(reporter, reload),
        web_config=settings.http.web_config,
        hosts=settings.http.hosts,
    )
    timing = Timing(
        settings.kafka.instance_id or socket.gethostname(),
        settings.kafka.start,
        settings.state.checkpoint_seconds,
        settings.windows.idle_seconds,
        settings.state.drain_seconds,
    )
    letters = settings.kafka.dead_letter_topic
    rejects = DeadLetters(kafka, letters, redaction_of(settings)) if letters else None
    clock = Clock(time.time, time.monotonic)
    outfit = Outfit(kafka, pipeline, reporter, clock, timing, sinks, rejects, reload, http.url)
    daemon = member_of(settings, outfit) if settings.members.enabled else _alone(settings, outfit)
    daemon.ladder = Ladder(settings.limits.shed_lag_seconds)
    reload.daemon, reload.http = daemon, http
    ours = settings.kafka.ssl_certfile
    client = {} if ours is None else {"Kafka client": Path(ours)}
    reporter.certificates = lambda: client | ({} if http.certificate is None else {"web pages": http.certificate})
    reporter.heartbeat = time.time()
    collect_seldom()
    faulthandler.enable()  # systemd's watchdog aborts: the stacks of all threads go to standard error
    with signals(daemon):
        http.start()
        log.info("driftd %s: %s, http on %s", __version__, kafka.where, http.url)
        notify("READY=1")
        try:
            with watched(lambda: reporter.beats, settings.limits.stuck_seconds):
                daemon.run()
        finally:
            notify("STOPPING=1")
            http.close()
    return 0
