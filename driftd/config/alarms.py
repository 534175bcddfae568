"""Settings of what raises alarms: detectors, budgets, and sizes of tickets and pages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from driftd.config.section import Section
from driftd.config.values import Name, Named, Several


class DetectorSettings(Section):
    """One detector: its ``kind`` and its own settings, as the registry has them."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="Name of the detector; `driftd detectors` lists them with their settings.")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


Detectors = Annotated[tuple[Annotated[DetectorSettings, Named], ...], Several]


class SizeSetting(Section):
    """Least change that makes a ticket, and a page; null: never. What is not given stays as it is."""

    ticket: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    page: float | None = Field(default=None, gt=0, allow_inf_nan=False)


Sizes = Annotated[dict[str, SizeSetting], Several]


class ModelAlarms(Section):
    sizes: Sizes = Field(default_factory=dict, description="Sizes for this model, as in `alarms.sizes`.")
    channels: dict[Name, Sizes] = Field(
        default_factory=dict,
        description="Sizes for single channels, by name: a feature, or prediction, score, error, label, latency, "
        "prediction_error. They stand as they are, whatever the channel is.",
    )


class DetectorsSection(Section):
    numeric: Detectors | None = Field(
        default=None, description="Detectors for numeric channels. Unset: driftd's own choice."
    )
    categorical: Detectors | None = Field(
        default=None, description="Detectors for categorical channels. Unset: driftd's own choice."
    )
    errors: Detectors | None = Field(
        default=None, description="Detectors for error and prediction_error. Unset: driftd's own choice."
    )


class AlarmsSection(Section):
    false_alarms_per_month: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="Budget of false pages for the whole daemon, shared by its models and channels.",
    )
    tickets_per_month: float = Field(
        default=2.0,
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="Budget of false tickets for each model.",
    )
    effect: float = Field(
        default=0.002,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="The smallest change that opens an episode, as PSI of the events since it began; 0.002 is a shift "
        "of 0.045 standard deviations, or a correlation that appears at 0.045. For one feature: "
        "`effect: {judge: 0.01}`; of two channels that move together the larger counts.",
    )
    sizes: Sizes = Field(
        default_factory=dict,
        description="Other sizes of tickets and pages, by change: `{missing: {ticket: 0.05, page: 0.3}}`; null: never. "
        "docs/judge.md has the table.",
    )
