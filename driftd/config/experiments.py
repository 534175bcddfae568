"""Settings of experiments: which variants are compared, by what, and what difference matters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Final, Literal

from pydantic import Field

from driftd.config.section import Section
from driftd.config.values import Moment, Name, PositiveSeconds, Several, matching
from driftd.config.yamlfile import Place
from driftd.core.text import did_you_mean

Mistake = tuple[Place, str]
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Weights = Annotated[dict[Name, Weight], Several]
_CAPPED: Final = frozenset({"quality", "score", "cost"})
MOST_ARMS: Final = 10
"""Of an experiment: each challenger has a share of its alpha and 8 kB a metric in every checkpoint."""


class MetricSetting(Section):
    measure: Literal["errors", "latency", "quality", "score", "cost"] = Field(
        description="What is compared: the share of calls that failed, that took longer than `threshold_seconds`, or "
        "whose prediction differs from the label; the mean `score`; the mean cost of an event."
    )
    margin: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] = Field(
        description="Smallest difference that matters, in the unit of the measure: 0.005 is half a point of a share."
    )
    role: Literal["guardrail", "goal"] = Field(
        default="guardrail", description="Guardrail: a challenger must not be worse. Goal: it is to be better."
    )
    higher_is_better: bool | None = Field(
        default=None, description="For `score`, which needs it. All others are better if lower."
    )
    threshold_seconds: PositiveSeconds | None = Field(default=None, description="For `latency`: its limit.")
    cap: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)] | None = Field(
        default=None,
        description="For `score` and `cost`: values count as at most this. For `quality`: compares the distance to the "
        "label, at most this, in place of the share that is wrong.",
    )


class RampSetting(Section):
    from_: Moment = Field(alias="from", description="When the traffic gets these shares.")
    shares: Weights = Field(description="Shares of the traffic from then on, by variant.")


class ExperimentSetting(Section):
    name: Annotated[
        str, matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", "1 to 63 letters, digits, dots, dashes and underscores")
    ] = Field(description="Name of the experiment: letters, digits, dots, dashes and underscores.")
    model: Name = Field(description="Name of the model.")
    champion: Name = Field(description="Variant that the others are compared with.")
    challengers: Annotated[tuple[Name, ...], Several, Field(min_length=1, max_length=MOST_ARMS - 1)] = Field(
        description="Variants that are compared with it."
    )
    by: Literal["variant", "version"] = Field(
        default="variant", description="Field of the events that names the variant."
    )
    shadow: bool = Field(
        default=False,
        description="The challengers answer requests that the champion answers, too, and nobody sees their answers: "
        "these are compared, and are no traffic of the model.",
    )
    start: Moment | None = Field(default=None, description="Events before it do not count. Unset: all do.")
    shares: Weights = Field(
        default_factory=dict,
        description="Shares of the traffic that the variants are to get, such as `{v7: 90, v8: 10}`. Unset: nobody can "
        "say whether they get them.",
    )
    ramp: Annotated[tuple[RampSetting, ...], Several] = Field(
        default=(),
        description="In place of `shares`, where they change: `[{from: 2026-12-01, shares: {v7: 99, v8: 1}}]`.",
    )
    metrics: Annotated[tuple[MetricSetting, ...], Several, Field(min_length=1)] = Field(
        description="What is compared, and the difference that matters."
    )
    alpha: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="Chance that any verdict of the experiment is wrong, however often one looks."
    )


def mistakes(settings: Sequence[ExperimentSetting]) -> Iterator[Mistake]:
    """Contradictions within an experiment, and between them."""
    first: dict[str, int] = {}
    for i, experiment in enumerate(settings):
        here: Place = ("experiments", i)
        if experiment.name in first:
            at = first[experiment.name]
            yield (*here, "name"), f"experiment '{experiment.name}' appears twice, first as experiments[{at}]"
        first.setdefault(experiment.name, i)
        arms = [experiment.champion, *experiment.challengers]
        if twice := _twice(arms):
            yield (*here, "challengers"), f"'{twice}' appears twice among champion and challengers"
        else:  # what is wrong with shares then follows from it
            yield from _shares(here, experiment, arms)
        if experiment.shadow and (experiment.shares or experiment.ramp):
            where = "shares" if experiment.shares else "ramp"
            yield (*here, where), "a shadow answers what the champion answers: it has no share of the traffic"
        for n, metric in enumerate(experiment.metrics):
            yield from _metric((*here, "metrics", n), metric)
        names = [" beyond ".join(map(str, filter(None, (m.measure, m.threshold_seconds)))) for m in experiment.metrics]
        if twice := _twice(names):
            yield (*here, "metrics"), f"'{twice}' appears twice"
    yield from _served(settings)


def _served(settings: Sequence[ExperimentSetting]) -> Iterator[Mistake]:
    """Shadows that another experiment of the model takes for traffic."""
    shadows = {(e.model, e.by, c): e.name for e in settings if e.shadow for c in e.challengers}
    for i, e in enumerate(settings):
        for name in (e.champion, *(() if e.shadow else e.challengers)):
            if other := shadows.get((e.model, e.by, name)):
                where = "champion" if name == e.champion else "challengers"
                yield (
                    ("experiments", i, where),
                    f"'{name}' is a shadow in experiment '{other}': nobody gets what it says",
                )


def _shares(here: Place, experiment: ExperimentSetting, arms: Sequence[str]) -> Iterator[Mistake]:
    if experiment.shares and experiment.ramp:
        yield (*here, "ramp"), "shares are given as well; keep one of them"
    given = [((*here, "shares"), experiment.shares)] if experiment.shares else []
    for n, step in enumerate(experiment.ramp):
        given.append(((*here, "ramp", n, "shares"), step.shares))
        if n and step.from_ <= experiment.ramp[n - 1].from_:
            yield (*here, "ramp", n, "from"), "expected a time after that of the step before it"
    for place, shares in given:
        for name in shares:
            if name not in arms:
                yield (*place, name), f"no variant of the experiment{did_you_mean(name, arms)}"
        if lacking := [name for name in arms if name not in shares]:
            yield place, f"expected a share of each variant, and there is none of {', '.join(lacking)}"


def _metric(here: Place, metric: MetricSetting) -> Iterator[Mistake]:
    latency = metric.measure == "latency"
    if latency is (metric.threshold_seconds is None):
        wanted = "needs threshold_seconds: shares beyond it are compared" if latency else "only latency has a threshold"
        yield (*here, "measure" if latency else "threshold_seconds"), wanted
    if metric.cap is not None and metric.measure not in _CAPPED:
        yield (*here, "cap"), f"{metric.measure} is a share; only {', '.join(sorted(_CAPPED))} have a cap"
    if metric.higher_is_better is None and metric.measure == "score":
        yield (*here, "measure"), "needs higher_is_better: true where more of the score is better, else false"
    if metric.higher_is_better and metric.measure != "score":
        yield (*here, "higher_is_better"), f"{metric.measure} is better where it is lower"
    share = metric.measure in {"errors", "latency"} or (metric.measure == "quality" and metric.cap is None)
    if share and metric.margin >= 1:
        yield (*here, "margin"), f"expected a share below 1, got {metric.margin:g}; a point is 0.01"


def _twice(names: Iterable[str]) -> str:
    """The first that comes again; "" where none does."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return ""
