"""Every setting of driftd: its name, type, default and meaning. Reading them is load.py's business."""

from __future__ import annotations

import socket
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from driftd.config.values import (
    Address,
    Broker,
    FilePath,
    Moment,
    Name,
    Named,
    PositiveSeconds,
    Seconds,
    Several,
    Stretched,
    Topic,
    Typed,
    spell_moment,
    split_address,
)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DetectorSettings(_Section):
    """One detector: its ``kind`` and, beside it, its own settings, which the registry knows."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="Name of the detector; `driftd detectors` lists them with their settings.")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


Detectors = Annotated[tuple[Annotated[DetectorSettings, Named], ...], Several]


class Kafka(_Section):
    bootstrap_servers: Annotated[tuple[Broker, ...], Several] = Field(
        default=(), description="Brokers to find the cluster through, as host:port; port 9092 where none is given."
    )
    topics: Annotated[tuple[Topic, ...], Several] = Field(
        default=(), description="Topics that carry prediction events."
    )
    group_id: str = Field(
        default="driftd", min_length=1, description="Consumer group. Daemons of one group share the partitions."
    )
    group_instance_id: str | None = Field(
        default=None,
        description="Static membership: a restart within session_timeout_seconds moves no partition. "
        "Unset: the host name. Empty: dynamic membership. Two daemons of one group need different values.",
    )
    client_id: str = Field(default="driftd", min_length=1, description="Name in the broker's logs and quotas.")
    start: Literal["latest", "earliest"] = Field(
        default="latest",
        description="Where to begin in a partition that has neither a checkpoint nor a committed offset.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="How to talk to the brokers."
    )
    sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER", "AWS_MSK_IAM"] | None
    ) = Field(default=None, description="How to log in; needs a SASL security protocol.")
    sasl_username: str | None = Field(default=None, description="User name for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(
        default=None, description="Password for PLAIN and SCRAM; better: sasl_password_file."
    )
    sasl_password_file: FilePath | None = Field(
        default=None, description="File with the password; only its owner may read it (mode 600 or 400)."
    )
    ssl_cafile: FilePath | None = Field(
        default=None, description="Certificates of the authorities to trust (PEM). Unset: the system's."
    )
    ssl_certfile: FilePath | None = Field(default=None, description="Own certificate (PEM), for mutual TLS.")
    ssl_keyfile: FilePath | None = Field(default=None, description="Own private key (PEM), for mutual TLS.")
    ssl_password: SecretStr | None = Field(
        default=None, description="Password of the private key; better: ssl_password_file."
    )
    ssl_password_file: FilePath | None = Field(
        default=None, description="File with the private key's password; only its owner may read it (mode 600 or 400)."
    )
    max_poll_records: int = Field(default=2000, ge=1, le=1_000_000, description="Records taken in one poll at most.")
    session_timeout_seconds: PositiveSeconds = Field(
        default=45.0, description="A member that is silent for so long loses its partitions."
    )
    max_poll_interval_seconds: PositiveSeconds = Field(
        default=300.0, description="A member that does not poll for so long loses its partitions."
    )
    assignor: Literal["sticky", "cooperative-sticky"] = Field(
        default="sticky", description="How the group shares out partitions."
    )
    dead_letter_topic: Topic | None = Field(
        default=None, description="Topic for records that are not usable. Unset: they are only counted."
    )
    findings_topic: Topic | None = Field(
        default=None, description="Topic for findings, as JSON. Unset: they are not sent."
    )

    @property
    def instance_id(self) -> str | None:
        """What to give the consumer as ``group_instance_id``; None means dynamic membership."""
        return socket.gethostname() if self.group_instance_id is None else self.group_instance_id or None


class Feature(_Section):
    type: Literal["numeric", "categorical"] | None = Field(default=None, description="Unset: inferred while learning.")
    detectors: Detectors | None = Field(default=None, description="Detectors for this feature. Unset: the model's.")
    effect: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="Detector to the smallest statistic that matters for this feature."
    )


class Exclusion(_Section):
    """A stretch of event time, ``to`` not included, that is neither learned from nor judged."""

    from_: Moment = Field(alias="from", description="First time that is left out.")
    to: Moment = Field(description="Where it ends; not included.")
    why: str = Field(default="", description="Kept with the reference.")

    @field_validator("to")
    @classmethod
    def _forward(cls, to: float, others: ValidationInfo) -> float:
        begin = others.data.get("from_")
        if begin is not None and to <= begin:
            raise ValueError(f"expected a time after 'from' ({spell_moment(begin)}), for 'to' is not included")
        return to


Exclusions = Annotated[tuple[Annotated[Exclusion, Stretched], ...], Several]


class ReferenceFrom(_Section):
    events: int | None = Field(default=None, ge=1, description="Learn from the model's first so many events.")
    seconds: PositiveSeconds | None = Field(
        default=None, description="Learn from the model's first so many seconds of event time."
    )
    path: FilePath | None = Field(default=None, description="A reference made by `driftd reference build`.")
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None, description="What windows are compared with, as `learning.kind`, which holds where this is unset."
    )
    period_seconds: PositiveSeconds | None = Field(
        default=None, description="Period of a rolling reference. Unset: `learning.period_seconds`."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Stretches of this model's event time to leave out, besides those of `learning.exclude`.",
    )


class Model(_Section):
    name: Name = Field(description="As in the events' `model`.")
    features: Annotated[dict[Name, Annotated[Feature, Typed]], Several] = Field(
        default_factory=dict,
        description="Feature to `numeric`, `categorical` or a mapping with `type`, `detectors`, `effect`. "
        "Others are discovered as well while discovery is enabled.",
    )
    detectors: Detectors | None = Field(
        default=None, description="Detectors for all channels of this model. Unset: `detectors`."
    )
    task: Literal["auto", "classification", "regression"] = Field(
        default="auto", description="Whether a prediction is wrong or off by an amount; auto: inferred while learning."
    )
    reference: ReferenceFrom = Field(
        default=ReferenceFrom(), description="Where the reference comes from. Unset: `learning`."
    )


class Discovery(_Section):
    enabled: bool = Field(
        default=True, description="Monitor models and features that are not configured, as they come."
    )
    max_models: int = Field(
        default=100, ge=1, description="Models in all; events of further ones are dropped and counted."
    )
    max_features: int = Field(
        default=200, ge=1, description="Features of one model in all; values of further ones are ignored and counted."
    )


class Learning(_Section):
    events: int = Field(default=10_000, ge=1, description="The first so many events of a model become its reference.")
    seconds: PositiveSeconds | None = Field(
        default=None, description="Instead of `events`: the first so many seconds of event time of a model."
    )
    page_after_seconds: Seconds | None = Field(
        default=None,
        description="A reference that driftd learned and that spans less makes tickets, never pages. "
        "Unset: 1d, and 0 where somebody chose how much is learned.",
    )
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None,
        description="What windows are compared with: the whole reference (fixed), the period before (rolling), the "
        "same hours of the week (seasonal). Unset: as the reference was built, else fixed.",
    )
    period_seconds: PositiveSeconds = Field(
        default=7 * 86400.0, description="Period of a rolling reference; periods begin on Monday 00:00 UTC."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Stretches of event time, such as holidays and incidents, that are neither learned from nor "
        "judged: from, to (not included) and why, or 2026-12-24/2026-12-27.",
    )


class Windows(_Section):
    pane_seconds: PositiveSeconds = Field(
        default=10.0, description="Smallest stretch of event time that is summarised."
    )
    window_seconds: PositiveSeconds = Field(default=600.0, description="Stretch that is compared with the reference.")
    min_events: int = Field(
        default=1000, ge=1, description="A window with fewer events grows back in time until it has so many."
    )
    hops: int = Field(default=4, ge=1, description="Judgements in the time of one window.")
    max_window_seconds: PositiveSeconds = Field(default=31 * 86400.0, description="How far a window may grow.")
    out_of_orderness_seconds: Seconds = Field(
        default=60.0, description="How much later than its successors an event may come and count."
    )
    idle_seconds: PositiveSeconds = Field(
        default=60.0, description="A partition silent for so long no longer holds the others back."
    )
    future_seconds: Seconds = Field(
        default=300.0, description="An event further ahead of its record's own time is rejected."
    )


class DefaultDetectors(_Section):
    numeric: Detectors | None = Field(
        default=None, description="Detectors for numeric channels. Unset: driftd's own choice."
    )
    categorical: Detectors | None = Field(
        default=None, description="Detectors for categorical channels. Unset: driftd's own choice."
    )
    errors: Detectors | None = Field(
        default=None, description="Detectors for error and prediction_error. Unset: driftd's own choice."
    )


class Alarms(_Section):
    false_alarms_per_month: float = Field(
        default=1.0,
        gt=0,
        le=1e6,
        allow_inf_nan=False,
        description="The budget of pages for the whole daemon, shared out over models and channels; "
        "tickets have another of the same size.",
    )
    effect: float = Field(
        default=0.002,
        ge=0,
        le=10,
        allow_inf_nan=False,
        description="The smallest change that opens an episode, as PSI of what came since it began; 0.002 is a shift "
        "of 0.045 standard deviations. A feature's own: `effect: {judge: 0.01}`.",
    )


class Limits(_Section):
    record_bytes: int = Field(default=262_144, ge=1024, description="A larger record is rejected unread.")
    features_per_event: int = Field(default=1000, ge=1, description="An event with more features is rejected.")
    series: int = Field(
        default=100_000, ge=100, description="Series on /metrics; what is beyond is counted and left out."
    )


class State(_Section):
    directory: FilePath = Field(
        default="driftd-state", validate_default=True, description="Checkpoints and references."
    )
    checkpoint_seconds: PositiveSeconds = Field(
        default=10.0, description="How often the state is saved and the offsets are committed."
    )
    drain_seconds: PositiveSeconds = Field(
        default=10.0, description="Time to save, commit and leave in when told to stop (SIGTERM)."
    )


class Http(_Section):
    listen: Address = Field(
        default="127.0.0.1:9477", description="Address of /metrics, /-/healthy, /-/ready and the status page."
    )
    web_config: FilePath | None = Field(
        default=None, description="TLS and passwords, in the exporter-toolkit's web.config format. Unset: neither."
    )
    runbooks: str | None = Field(
        default=None,
        pattern=r"^https?://[^\s]+$",
        description="Address that the status page's links to runbooks begin with. Unset: no links.",
    )

    @property
    def address(self) -> tuple[str, int]:
        return split_address(self.listen)


class Log(_Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people or for machines, on standard error."
    )


class Findings(_Section):
    path: FilePath | None = Field(
        default=None, description="File that findings are appended to, one JSON object a line. Unset: none."
    )


class Settings(BaseSettings):
    """All settings. ``Settings()`` is the defaults: only ``load`` reads files and the environment."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTD_",
        env_nested_delimiter="__",
        enable_decoding=False,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    kafka: Kafka = Field(default=Kafka(), description="Where events come from.")
    models: Annotated[tuple[Model, ...], Several] = Field(default=(), description="What is known of models beforehand.")
    discovery: Discovery = Field(default=Discovery(), description="What is not.")
    learning: Learning = Field(default=Learning(), description="The reference of a model that has none.")
    windows: Windows = Field(default=Windows(), description="How time is cut.")
    detectors: DefaultDetectors = Field(default=DefaultDetectors(), description="What is watched for.")
    alarms: Alarms = Field(default=Alarms(), description="How often driftd may be wrong.")
    limits: Limits = Field(default=Limits(), description="What a hostile topic cannot exceed.")
    state: State = Field(default=State(), description="What survives a restart.")
    http: Http = Field(default=Http(), description="Where to look.")
    log: Log = Field(default=Log(), description="What is logged.")
    findings: Findings = Field(default=Findings(), description="Where findings go, besides metrics.")

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
