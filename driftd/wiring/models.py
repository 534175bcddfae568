"""Settings to those of a model: what it learns from, who watches it, what it may cost."""

from __future__ import annotations

from driftd.config import Model, ReferenceFrom, Settings
from driftd.config.experiments import ExperimentSetting
from driftd.core.act import Act, Deed
from driftd.core.contacts import NOBODY, Contacts
from driftd.core.cost import Price, Prices
from driftd.core.event import Kind
from driftd.core.experiment import By, Measure, Metric, Role, Rule, Shares
from driftd.core.objective import Objective
from driftd.core.reference import Exclusion, ReferenceKind
from driftd.core.segmenting import Segmenting
from driftd.core.window import Windows
from driftd.engine.references import LEARNED_BY
from driftd.learn.build import Learning
from driftd.monitor.settings import ModelSettings
from driftd.wiring.decoding import hasher_of, hashing_of
from driftd.wiring.detectors import chooser, effect_of, own_sizes, wanted

PAGE_AFTER_SECONDS = 86_400.0
"""Ten thousand events of a fast stream span minutes and know nothing of the night."""
PLANNER = "driftd.yaml"
"""Who made the windows that are planned in the configuration."""
LEARN_EVENTS = 10_000
"""Events of a reference that does not grow, where nobody says how many."""
_TASKS = {"auto": None, "classification": True, "regression": False}


def windows_of(settings: Settings) -> Windows:
    w = settings.windows
    return Windows(
        w.pane_seconds, w.window_seconds, w.min_events, w.hops, w.max_window_seconds, w.out_of_orderness_seconds
    )


def model_settings(settings: Settings, model: Model | None) -> ModelSettings:
    source = model.reference if model else ReferenceFrom()
    events, seconds, page_after = _reference_size(settings, source)
    grows = (events, seconds, kind_of(settings, model)) == (None, None, None)
    return ModelSettings(
        choose=chooser(settings, model),
        learning=Learning(
            kinds=_kinds(model),
            classes=_TASKS[model.task] if model else None,
            source="learned from the topic",
            created_by=LEARNED_BY,
            reason="first events of the model",
            least_span_seconds=page_after,
            kind=kind_of(settings, model) or ReferenceKind.FIXED,
            windows=windows_of(settings),
            period_seconds=source.period_seconds or settings.learning.period_seconds,
            exclude=tuple(Exclusion(e.from_, e.to, e.why) for e in (*settings.learning.exclude, *source.exclude)),
            hashing=hashing_of(settings),
            positive=_positive(settings, model),
        ),
        learn_events=events or LEARN_EVENTS,
        learn_seconds=seconds,
        grow_seconds=settings.learning.grow_seconds if grows else None,
        max_features=settings.discovery.max_features,
        discover=settings.discovery.enabled,
        effect=lambda channel: effect_of(settings, model, channel),
        asked=lambda channel: wanted(settings, model, channel) is not None,
        sizes=lambda channel: own_sizes(settings, model, channel),
        sized=() if model is None else tuple(model.alarms.channels),
        restart=(source.new_version or settings.learning.new_version) == "restart",
        maintenance=_maintenance(settings, model),
        given=source.path is not None,
        objective=_objective(settings, model),
        prices=_prices(settings),
        budget=None if model is None else model.cost.budget,
        units=settings.units | ({} if model is None else model.units),
        segmenting=(segmenting := _segmenting(settings, model)),
        share=1.0 if segmenting is None else segmenting.whole,
        contacts=NOBODY if model is None else _contacts(model),
    )


def _contacts(model: Model) -> Contacts:
    return Contacts(model.owner or "", model.upstream or "", model.fallback or "", model.runbook or "")


def _segmenting(settings: Settings, model: Model | None) -> Segmenting | None:
    """What of the model is watched by itself. Values are as events have them: hashed where these are."""
    if model is None or not model.segments.fields:
        return None
    s, hasher, values = model.segments, hasher_of(settings), dict[str, tuple[str, ...]]()
    for name, given in s.values.items():
        known = given if hasher is None else hasher.feature(model.name, name, given, Kind.CATEGORICAL)
        values[name] = tuple(str(v) for v in known)
    return Segmenting(s.fields, values, s.edges, s.min_events, s.max_segments, s.budget)


def _positive(settings: Settings, model: Model | None) -> str | None:
    """As events have it: a class that is hashed in them is known by its hash."""
    hasher = hasher_of(settings)
    if model is None or model.positive is None or hasher is None:
        return None if model is None else model.positive
    (hashed_,) = hasher.answer(model.name, [model.positive], Kind.CATEGORICAL)
    return str(hashed_)


def _objective(settings: Settings, model: Model | None) -> Objective:
    """What is set for the model, else for all."""
    own, all_ = {} if model is None else model.slo.model_dump(exclude_none=True), settings.slo.model_dump()
    wanted = all_ | own

    def budget(objective: float) -> float:
        return float(f"{1 - objective:.9g}")  # 1 - 0.99 is not 0.01

    return Objective(
        budget(wanted["success_objective"]), budget(wanted["latency_objective"]), wanted["latency_seconds"]
    )


def rules_of(settings: Settings, model: str) -> tuple[Rule, ...]:
    """Those of the experiments of a model."""
    return tuple(_rule(e) for e in settings.experiments if e.model == model)


def _rule(e: ExperimentSetting) -> Rule:
    arms = (e.champion, *e.challengers)
    steps = [(step.from_, step.shares) for step in e.ramp] or ([(0.0, e.shares)] if e.shares else [])
    return Rule(
        e.name,
        e.model,
        arms,
        tuple(
            Metric(Measure(m.measure), m.margin, Role(m.role), bool(m.higher_is_better), m.threshold_seconds, m.cap)
            for m in e.metrics
        ),
        e.alpha,
        By(e.by),
        e.start or 0.0,
        tuple(Shares(at, tuple(shares[name] / sum(shares.values()) for name in arms)) for at, shares in steps),
        e.shadow,
    )


def _prices(settings: Settings) -> Prices:
    return Prices(tuple(Price(**p.model_dump()) for p in settings.prices.models), settings.prices.currency)


def _maintenance(settings: Settings, model: Model | None) -> tuple[Act, ...]:
    """Windows that the user has planned, of all models and of this one."""
    own, name = ((), "") if model is None else (model.maintenance, model.name)
    planned = (*settings.maintenance, *own)
    return tuple(Act(Deed.MAINTENANCE, PLANNER, 0.0, w.why, name, start=w.from_, end=w.to) for w in planned)


def _kinds(model: Model | None) -> dict[str, Kind]:
    if model is None:
        return {}
    return {name: Kind(f.type) if f.type else Kind.ANY for name, f in model.features.items()}


def _reference_size(settings: Settings, source: ReferenceFrom) -> tuple[int | None, float | None, float]:
    """Events or seconds that a reference is learned from, if anybody said so, and the seconds it must span to page."""
    learning = settings.learning
    events, seconds = learning.events, learning.seconds
    if source.events is not None or source.seconds is not None:
        events, seconds = source.events, source.seconds
    page_after = learning.page_after_seconds
    if page_after is None:
        page_after = PAGE_AFTER_SECONDS if (events, seconds) == (None, None) else 0.0
    return events, seconds, page_after


def kind_of(settings: Settings, model: Model | None) -> ReferenceKind | None:
    """What the user wants windows compared with; None where nobody said."""
    kind = (model.reference.kind if model else None) or settings.learning.kind
    return None if kind is None else ReferenceKind(kind)
