"""All settings of driftd as one; load.py reads them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from driftd.config.alarms import AlarmsSection, DetectorsSection
from driftd.config.experiments import ExperimentSetting
from driftd.config.kafka import KafkaSection, SchemaRegistrySection
from driftd.config.mapping import MappingSection
from driftd.config.models import DiscoverySection, Model, Units
from driftd.config.process import (
    FindingsSection,
    LimitsSection,
    LogSection,
    MembersSection,
    PrivacySection,
    StateSection,
)
from driftd.config.service import PricesSection, SloSection
from driftd.config.serving import HttpSection, ReceiveSection, RulesSection
from driftd.config.values import Several
from driftd.config.watching import Exclusions, LabelsSection, LearningSection, WindowsSection


class Settings(BaseSettings):
    """All settings. ``Settings()`` is the defaults: only ``load`` reads files and the environment."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTD_",
        case_sensitive=True,  # else "Kafka:" would be taken, and "kafka:" beside it lost
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    kafka: KafkaSection = Field(default=KafkaSection(), description="Source of the events.")
    mapping: MappingSection = Field(
        default=MappingSection(), description="Where the fields are in records that have another shape."
    )
    schema_registry: SchemaRegistrySection = Field(
        default=SchemaRegistrySection(), description="Where the schemas of Avro and Protobuf records are."
    )
    models: Annotated[tuple[Model, ...], Several] = Field(
        default=(), description="Models that are configured; discovery adds others."
    )
    discovery: DiscoverySection = Field(
        default=DiscoverySection(), description="Models and features that are not configured."
    )
    learning: LearningSection = Field(default=LearningSection(), description="Reference of a model that has none.")
    windows: WindowsSection = Field(default=WindowsSection(), description="Panes, hops and windows of event time.")
    detectors: DetectorsSection = Field(default=DetectorsSection(), description="Default detectors.")
    alarms: AlarmsSection = Field(default=AlarmsSection(), description="Budget of false alarms, and sizes.")
    units: Units = Field(
        default_factory=dict,
        description="In what the numbers of a channel are, by its name: `{amount: EUR, prediction: min}`. Sentences, "
        "pages and `driftd explain` say it.",
    )
    slo: SloSection = Field(
        default=SloSection(), description="Objectives of the services, for the alerts about error and latency budgets."
    )
    prices: PricesSection = Field(default=PricesSection(), description="What events cost that do not say it.")
    experiments: Annotated[tuple[ExperimentSetting, ...], Several] = Field(
        default=(), description="Variants of models that are compared, and the rule of each comparison."
    )
    labels: LabelsSection = Field(default=LabelsSection(), description="Labels that come after their predictions.")
    limits: LimitsSection = Field(default=LimitsSection(), description="Limits that no input can exceed.")
    state: StateSection = Field(default=StateSection(), description="State that survives a restart.")
    members: MembersSection = Field(
        default=MembersSection(), description="Several processes in one group that share models."
    )
    privacy: PrivacySection = Field(
        default=PrivacySection(), description="What of the events' values leaves the process."
    )
    http: HttpSection = Field(default=HttpSection(), description="HTTP server.")
    receive: ReceiveSection = Field(
        default=ReceiveSection(), description="Events over HTTP, of `driftd receive`; `driftd run` reads none of it."
    )
    log: LogSection = Field(default=LogSection(), description="Log.")
    maintenance: Exclusions = Field(
        default=(),
        description="Planned maintenance of all models: from, to (not included) and why. Nothing rings in it; what "
        "lasts rings when it is over.",
    )
    findings: FindingsSection = Field(
        default=FindingsSection(), description="Sinks of findings, in addition to metrics."
    )
    rules: RulesSection = Field(
        default=RulesSection(), description="Alert rules that `driftd generate` makes; `driftd run` reads none of it."
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)
