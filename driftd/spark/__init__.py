"""History that is too large for one machine, on Spark; for notebooks.

>>> from driftd import spark
>>> found = spark.replay(events, time="ts", prediction="p", model="fraud")       # doctest: +SKIP
>>> [f.feature for f in found.findings if f.severity == "page"]                    # doctest: +SKIP

``events`` is the path of Parquet files or a DataFrame that is read from files; docs/spark.md says more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from driftd import config
from driftd.core.errors import ConfigError
from driftd.core.finding import Finding, Judgement
from driftd.core.reference import Reference
from driftd.decode.fields import PARTS
from driftd.decode.tabular.layout import Layout
from driftd.engine.pipeline import Pipeline
from driftd.replay import drivers
from driftd.replay.drivers import Configured, Replayed
from driftd.sources.files.stream import Progress
from driftd.spark.session import SUBMITTED, session
from driftd.spark.source import WAVE_BYTES, SparkEvents, read_parquet
from driftd.wiring.app import pipeline_of, references_of
from driftd.wiring.decoding import limits_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(slots=True)
class Found:
    """``findings`` in order of time; ``result`` has the account of events, the report and what was not as it should."""

    findings: list[Finding] = field(default_factory=list)
    result: Replayed | None = None

    def progress(self, progress: Progress) -> None: ...

    def judged(self, judgement: Judgement) -> None:
        self.findings += judgement.findings

    def serving(self, url: str) -> None: ...

    def done(self, result: Replayed) -> None:
        self.result = result


def replay(
    events: DataFrame | str,
    settings: str | Path | None = None,
    *,
    references: Mapping[str, Reference] | None = None,
    ignore: Sequence[str] = (),
    wave_bytes: int = WAVE_BYTES,
    **columns: str,
) -> Found:
    """What driftd would have found: `driftd replay`, with the session that there is.

    ``settings`` is the path of a driftd.yaml; ``references`` by model (None: those of the state directory); ``columns``
    what the columns mean, as in the options of `driftd replay`: ``time="ts"``. ``wave_bytes`` is what the driver holds,
    twice.
    """
    loaded = config.load(settings)
    with _opened(events, loaded.settings, ignore, columns, wave_bytes) as (opened, pipeline):
        known = references_of(loaded.settings) if references is None else references
        found = Found()
        drivers.replay([Configured(pipeline, known)], opened, None, found)
    return found


def build_references(
    events: DataFrame | str,
    settings: str | Path | None = None,
    *,
    models: Sequence[str] = (),
    first: int | None = None,
    reason: str = "",
    ignore: Sequence[str] = (),
    wave_bytes: int = WAVE_BYTES,
    **columns: str,
) -> list[Reference]:
    """`driftd reference build`, without storing: the references of ``models`` (of all, if none is named), each from its
    ``first`` events in order of time. All events of a reference are in the driver at once.
    """
    loaded = config.load(settings)
    with _opened(events, loaded.settings, ignore, columns, wave_bytes) as (opened, pipeline):
        built = drivers.build_references(pipeline, opened, models=models, first=first, reason=reason, listener=Found())
    return [one.reference for one in built]


@contextmanager
def _opened(
    events: DataFrame | str, settings: config.Settings, ignore: Sequence[str], columns: Mapping[str, str], held: int
) -> Iterator[tuple[SparkEvents, Pipeline]]:
    if unknown := columns.keys() - {part.name for part in PARTS}:
        known = ", ".join(part.name for part in PARTS)
        raise ConfigError(f"unknown columns {', '.join(sorted(unknown))}; expected some of {known}")
    layout = Layout(columns, tuple(ignore))
    with session(SUBMITTED) as spark:
        frame = read_parquet(spark, events) if isinstance(events, str) else events
        name = events if isinstance(events, str) else "events"
        opened = SparkEvents(frame, name, layout, limits_of(settings), held)
        yield opened, pipeline_of(whole(settings), opened.codec, shown=False)


def whole(settings: config.Settings) -> config.Settings:
    """Raises ConfigError where events are counted in order, which nobody does who counts a stretch."""
    limits = settings.limits
    if (limits.records_per_second, limits.events_per_second) != (None, None):
        raise ConfigError("limits.records_per_second and limits.events_per_second are not for --spark; unset them")
    if any(model.segments.fields for model in settings.models):
        raise ConfigError("models[].segments are not for --spark: values are found in the order of events; unset them")
    if settings.labels.join == "always":
        raise ConfigError("labels.join: always is not for --spark: labels are joined in the order of events; unset it")
    return settings
