"""Settings of models: what each is, who is called, and what differs from the rest."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from driftd.config.alarms import Detectors, ModelAlarms
from driftd.config.section import Section
from driftd.config.segments import SegmentsSetting
from driftd.config.service import ModelCost, ModelSlo
from driftd.config.values import Name, Several, Typed, Url, matching
from driftd.config.watching import Exclusions, ReferenceFrom


class Feature(Section):
    type: Literal["numeric", "categorical"] | None = Field(default=None, description="Unset: inferred while learning.")
    detectors: Detectors | None = Field(default=None, description="Detectors for this feature. Unset: the model's.")
    effect: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="For each detector, the smallest statistic that matters for this feature."
    )


Unit = Annotated[
    str,
    matching(
        r"[^\s\"'\\{}<>][^\"'\\{}<>\t\n\r]{0,11}",
        "1 to 12 characters such as EUR or km/h, without quotes and braces",
    ),
]
"""It becomes a part of sentences, and of labels of Prometheus."""
Units = Annotated[dict[Name, Unit], Several]

Told = Annotated[str, matching(r"[^\t\n\r]{1,200}", "one line of at most 200 characters")]
Owner = Annotated[str, matching(r"[\w@.+/ -]{1,100}", "1 to 100 letters, digits and spaces, or one of @ . + / - _")]
"""It becomes a part of a template of Prometheus."""


def _as_text(value: object) -> object:
    """``positive: 1`` means the class "1"."""
    return str(value) if isinstance(value, bool | int | float) else value


class Model(Section):
    name: Name = Field(description="Name of the model, as in the events' field `model`.")
    owner: Owner | None = Field(default=None, description="Who is called about it: label `owner` of its alerts.")
    team: Owner | None = Field(default=None, description="Team that owns it: label `team` of its alerts, to route by.")
    upstream: Told | None = Field(
        default=None,
        description="Who sends its inputs, and how to reach them: `payments-gateway, #payments-oncall`. A step of what "
        "to do about its incidents.",
    )
    fallback: Told | None = Field(
        default=None,
        description="What to do while its answers cannot be trusted: `switch on fraud-rules`. The same.",
    )
    runbook: Url | None = Field(default=None, description="Address of its own runbook. The same.")
    features: Annotated[dict[Name, Annotated[Feature, Typed]], Several] = Field(
        default_factory=dict,
        description="For each feature `numeric`, `categorical` or a mapping with `type`, `detectors`, `effect`. "
        "Discovery adds the others while it is enabled.",
    )
    detectors: Detectors | None = Field(
        default=None, description="Detectors for all channels of this model. Unset: `detectors`."
    )
    task: Literal["auto", "classification", "regression"] = Field(
        default="auto",
        description="Classification or regression: how predictions are compared with labels. Auto: inferred.",
    )
    positive: Annotated[str, BeforeValidator(_as_text)] | None = Field(
        default=None,
        description="The class that precision, recall and scores are about. Unset: 1 of 0 and 1, else the one of two "
        "that is predicted where scores are high, else the rarer one.",
    )
    reference: ReferenceFrom = Field(
        default=ReferenceFrom(), description="Where the reference comes from. Unset: `learning`."
    )
    units: Units = Field(default_factory=dict, description="Units of this model's channels, in addition to `units`.")
    alarms: ModelAlarms = Field(default=ModelAlarms(), description="Sizes of tickets and pages. Unset: `alarms`.")
    slo: ModelSlo = Field(default=ModelSlo(), description="Objectives of its service. Unset: `slo`.")
    cost: ModelCost = Field(default=ModelCost(), description="What it may cost.")
    segments: SegmentsSetting = Field(
        default=SegmentsSetting(), description="Parts of its traffic that are watched by themselves."
    )
    maintenance: Exclusions = Field(
        default=(), description="Planned maintenance of this model, in addition to `maintenance`."
    )


class DiscoverySection(Section):
    enabled: bool = Field(default=True, description="Monitor models and features that are not configured.")
    max_models: int = Field(
        default=100, ge=1, description="Most models in total; events of further models are dropped and counted."
    )
    max_features: int = Field(
        default=200, ge=1, description="Most features of one model; values of further features are ignored and counted."
    )
