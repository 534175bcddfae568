"""Every setting of driftd: its name, type, default and meaning; load.py reads them."""

from __future__ import annotations

import socket
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from driftd.config.experiments import ExperimentSetting
from driftd.config.section import Section
from driftd.config.segments import SegmentsSetting
from driftd.config.values import (
    Address,
    Broker,
    FilePath,
    HostName,
    Mapped,
    Moment,
    Name,
    Named,
    PositiveSeconds,
    RegistryUrl,
    Seconds,
    Several,
    Stretched,
    TokenUrl,
    Topic,
    Typed,
    Under,
    Url,
    matching,
    spell_moment,
    split_address,
)
from driftd.core.summary import LATENCY_LE
from driftd.decode import format_names


class DetectorSettings(Section):
    """One detector: its ``kind`` and its own settings, as the registry has them."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)

    kind: str = Field(description="Name of the detector; `driftd detectors` lists them with their settings.")

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


Detectors = Annotated[tuple[Annotated[DetectorSettings, Named], ...], Several]


class KafkaSection(Section):
    bootstrap_servers: Annotated[tuple[Broker, ...], Several] = Field(
        default=(), description="Brokers to connect to first, as host:port; the port defaults to 9092."
    )
    topics: Annotated[tuple[Topic, ...], Several] = Field(
        default=(), description="Topics that carry prediction events."
    )
    group_id: str = Field(
        default="driftd", min_length=1, description="Consumer group; daemons of one group share the partitions."
    )
    group_instance_id: str | None = Field(
        default=None,
        description="Static membership: a restart within session_timeout_seconds moves no partition. "
        "Unset: the host name. Empty: dynamic membership. Daemons of one group need different values.",
    )
    client_id: str = Field(default="driftd", min_length=1, description="Client name in the broker's logs and quotas.")
    start: Literal["latest", "earliest"] = Field(
        default="latest",
        description="Where to start a partition without a checkpoint or committed offset.",
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="Protocol to the brokers."
    )
    sasl_mechanism: (
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI", "OAUTHBEARER", "AWS_MSK_IAM"] | None
    ) = Field(default=None, description="SASL mechanism; needs a SASL security protocol.")
    sasl_username: str | None = Field(default=None, description="User name for PLAIN and SCRAM.")
    sasl_password: SecretStr | None = Field(
        default=None, description="Password for PLAIN and SCRAM; better: sasl_password_file."
    )
    sasl_password_file: FilePath | None = Field(
        default=None, description="File with the password; only its owner may read it (mode 600 or 400)."
    )
    sasl_oauthbearer_token_file: FilePath | None = Field(
        default=None,
        description="OAUTHBEARER: file with the token, read at each login; whoever writes it renews it, as Kubernetes "
        "does with projected tokens.",
    )
    sasl_oauthbearer_token_endpoint_url: TokenUrl | None = Field(
        default=None,
        description="OAUTHBEARER: where to get tokens by client credentials; driftd renews them before they expire.",
    )
    sasl_oauthbearer_client_id: str | None = Field(default=None, description="Client name at the token endpoint.")
    sasl_oauthbearer_client_secret: SecretStr | None = Field(
        default=None, description="The client's secret; better: sasl_oauthbearer_client_secret_file."
    )
    sasl_oauthbearer_client_secret_file: FilePath | None = Field(
        default=None, description="File with the client's secret; only its owner may read it (mode 600 or 400)."
    )
    sasl_oauthbearer_scope: str | None = Field(
        default=None, description="Scope to ask for, where the endpoint needs it."
    )
    sasl_oauthbearer_extensions: Annotated[dict[str, str], Several] = Field(
        default_factory=dict,
        description="What is sent to the broker with the token; Confluent Cloud wants logicalCluster, identityPoolId.",
    )
    sasl_oauthbearer_cafile: FilePath | None = Field(
        default=None, description="CA certificates to trust at the token endpoint (PEM). Unset: the system's."
    )
    ssl_cafile: FilePath | None = Field(
        default=None, description="CA certificates to trust (PEM). Unset: the system's."
    )
    ssl_certfile: FilePath | None = Field(default=None, description="Client certificate (PEM), for mutual TLS.")
    ssl_keyfile: FilePath | None = Field(default=None, description="Client private key (PEM), for mutual TLS.")
    ssl_password: SecretStr | None = Field(
        default=None, description="Password of the private key; better: ssl_password_file."
    )
    ssl_password_file: FilePath | None = Field(
        default=None, description="File with the private key's password; only its owner may read it (mode 600 or 400)."
    )
    max_poll_records: int = Field(default=2000, ge=1, le=1_000_000, description="Most records in one poll.")
    session_timeout_seconds: PositiveSeconds = Field(
        default=45.0, description="A member without heartbeats for so long loses its partitions."
    )
    max_poll_interval_seconds: PositiveSeconds = Field(
        default=300.0, description="A member that does not poll for so long loses its partitions."
    )
    assignor: Literal["sticky", "cooperative-sticky"] = Field(
        default="sticky", description="How the group assigns partitions to members."
    )
    dead_letter_topic: Topic | None = Field(
        default=None, description="Topic for records that are rejected. Unset: they are only counted."
    )
    findings_topic: Topic | None = Field(
        default=None, description="Topic for findings, as JSON. Unset: they are not sent."
    )

    @property
    def instance_id(self) -> str | None:
        """What to give the consumer as ``group_instance_id``; None means dynamic membership."""
        return socket.gethostname() if self.group_instance_id is None else self.group_instance_id or None


class SizeSetting(Section):
    """Least change that makes a ticket, and a page; null: never. What is not given stays as it is."""

    ticket: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    page: float | None = Field(default=None, gt=0, allow_inf_nan=False)


Sizes = Annotated[dict[str, SizeSetting], Several]


class Feature(Section):
    type: Literal["numeric", "categorical"] | None = Field(default=None, description="Unset: inferred while learning.")
    detectors: Detectors | None = Field(default=None, description="Detectors for this feature. Unset: the model's.")
    effect: dict[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict, description="For each detector, the smallest statistic that matters for this feature."
    )


class ExcludedStretch(Section):
    """A range of event time, ``to`` not included: neither learned from nor judged, or in maintenance."""

    from_: Moment = Field(alias="from", description="Start of the range.")
    to: Moment = Field(description="End of the range; not included.")
    why: str = Field(default="", description="Reason: stored with the reference, told in findings.")

    @field_validator("to")
    @classmethod
    def _forward(cls, to: float, others: ValidationInfo) -> float:
        begin = others.data.get("from_")
        if begin is not None and to <= begin:
            raise ValueError(f"expected a time after 'from' ({spell_moment(begin)})")
        return to


Exclusions = Annotated[tuple[Annotated[ExcludedStretch, Stretched], ...], Several]


class ReferenceFrom(Section):
    events: int | None = Field(default=None, ge=1, description="Learn from so many first events of the model.")
    seconds: PositiveSeconds | None = Field(
        default=None, description="Learn from this much event time, from the model's first event on."
    )
    path: FilePath | None = Field(default=None, description="A reference made by `driftd reference build`.")
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None, description="What windows are compared with. Unset: `learning.kind`."
    )
    period_seconds: PositiveSeconds | None = Field(
        default=None, description="Period of a rolling reference. Unset: `learning.period_seconds`."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Time ranges of this model to leave out, in addition to `learning.exclude`.",
    )
    new_version: Literal["keep", "restart"] | None = Field(
        default=None, description="When a new version of the model answers. Unset: `learning.new_version`."
    )


class ModelAlarms(Section):
    sizes: Sizes = Field(default_factory=dict, description="Sizes for this model, as in `alarms.sizes`.")
    channels: dict[Name, Sizes] = Field(
        default_factory=dict,
        description="Sizes for single channels, by name: a feature, or prediction, score, error, label, latency, "
        "prediction_error. They stand as they are, whatever the channel is.",
    )


Share = Annotated[float, Field(gt=0, lt=1)]


def _bound(seconds: float) -> float:
    if seconds not in LATENCY_LE:
        known = ", ".join(f"{bound:g}" for bound in LATENCY_LE)
        raise ValueError(f"expected a bound of driftd_prediction_latency_seconds: {known}")
    return seconds


LatencyBound = Annotated[Seconds, AfterValidator(_bound)]


class SloSection(Section):
    success_objective: Share = Field(
        default=0.99,
        description="Share of the predictions that must succeed, over 30 days: 0.999 allows one failure in 1,000.",
    )
    latency_objective: Share = Field(
        default=0.99, description="Share of the predictions that must not take longer than `latency_seconds`."
    )
    latency_seconds: LatencyBound = Field(
        default=0.25,
        description="What takes longer is slow; one of 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, "
        "2.5, 5 and 10.",
    )


class ModelSlo(Section):
    success_objective: Share | None = Field(default=None, description="Unset: `slo.success_objective`.")
    latency_objective: Share | None = Field(default=None, description="Unset: `slo.latency_objective`.")
    latency_seconds: LatencyBound | None = Field(default=None, description="Unset: `slo.latency_seconds`.")


Amount = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
"""Money, in the currency of ``prices``."""


class PriceSetting(Section):
    """What models and versions cost whose names match; ``*`` stands for any text."""

    model: str = Field(default="*", min_length=1, description="Names of models; `*` stands for any text: `chat*`.")
    version: str = Field(default="*", min_length=1, description="The same of their versions.")
    input: Amount = Field(default=0.0, description="Money for a million input tokens.")
    output: Amount = Field(default=0.0, description="Money for a million output tokens, those of reasoning too.")
    cached: Amount | None = Field(default=None, description="For input tokens read from a cache. Unset: `input`.")
    cache_write: Amount | None = Field(default=None, description="For those written to one. Unset: `input`.")
    event: Amount = Field(default=0.0, description="Money for each event.")
    second: Amount = Field(default=0.0, description="Money for each second of `latency_seconds`.")


class PricesSection(Section):
    currency: Annotated[str, matching(r"[A-Z]{3}", "three capital letters, such as EUR")] = Field(
        default="USD",
        description="Currency of prices, of budgets and of the amounts that events state: three letters.",
    )
    models: Annotated[tuple[PriceSetting, ...], Several] = Field(
        default=(),
        description="Prices by model and version: `[{model: 'chat*', input: 3, output: 15}]`. Of several that match "
        "the most exact counts. An amount that an event states goes first.",
    )


class ModelCost(Section):
    budget: Annotated[float, Field(gt=0, le=1e15, allow_inf_nan=False)] | None = Field(
        default=None, description="Money that it may cost in a calendar month (UTC). Unset: no alert about its cost."
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


class LearningSection(Section):
    grow_seconds: PositiveSeconds = Field(
        default=28 * 86400.0,
        description="A reference is learned from the first half hour and 500 events (or 6 hours and 100), and again "
        "after 2 and 6 hours, 1, 3, 7, 14 and 28 days: it grows for so long, unless `events`, `seconds` or `kind` is "
        "set.",
    )
    events: int | None = Field(
        default=None, ge=1, description="Instead of growing: so many first events of a model become its reference."
    )
    seconds: PositiveSeconds | None = Field(
        default=None,
        description="Instead of `events`: learn from this much event time, from the model's first event on.",
    )
    page_after_seconds: Seconds | None = Field(
        default=None,
        description="A learned reference that spans less opens tickets, never pages. "
        "Unset: 1d, or 0 if `events` or `seconds` is set.",
    )
    kind: Literal["fixed", "rolling", "seasonal"] | None = Field(
        default=None,
        description="What windows are compared with: the whole reference (fixed), the period before (rolling), the "
        "same hours of the week (seasonal). Unset: as the reference was built, else one that grows. Set: the reference "
        "is learned from `events` or `seconds`, else from 10,000 events; seasonal needs weeks (`seconds: 14d`).",
    )
    period_seconds: PositiveSeconds = Field(
        default=7 * 86400.0, description="Period of a rolling reference; periods begin on Monday 00:00 UTC."
    )
    exclude: Exclusions = Field(
        default=(),
        description="Time ranges, such as holidays and incidents, that are neither learned from nor judged: "
        "from, to (not included) and why, or 2026-12-24/2026-12-27.",
    )
    new_version: Literal["keep", "restart"] = Field(
        default="keep",
        description="When a new version of the model answers alone for a hop: keep the reference, or restart: learn "
        "a new one from the version's first event on (of the last two hops).",
    )


class WindowsSection(Section):
    pane_seconds: PositiveSeconds = Field(
        default=10.0, description="Length of a pane, the smallest unit of event time."
    )
    window_seconds: PositiveSeconds = Field(
        default=600.0, description="Length of the window that is compared with the reference."
    )
    min_events: int = Field(
        default=1000, ge=1, description="A window with fewer events is extended into the past until it has so many."
    )
    hops: int = Field(default=4, ge=1, description="Judgements per window length.")
    max_window_seconds: PositiveSeconds = Field(default=31 * 86400.0, description="Longest window.")
    out_of_orderness_seconds: Seconds = Field(
        default=60.0, description="How far an event may be behind the latest event of its partition and still count."
    )
    idle_seconds: PositiveSeconds = Field(
        default=60.0, description="A partition without records for so long no longer holds the others back."
    )
    retire_seconds: PositiveSeconds = Field(
        default=8 * 86400.0,
        description="A model without events for so long is retired: what is open on it ends, and it leaves /metrics "
        "and the web pages. Its state is kept, and events bring it back.",
    )
    future_seconds: Seconds = Field(
        default=300.0, description="An event that is further ahead of its record's timestamp is rejected."
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


class LabelsSection(Section):
    join: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="Labels that come alone are joined to their predictions by `id`. `auto`: predictions of a model "
        "wait for labels from its first label on; `always`: from the start; `never`: such labels are counted only. "
        "Members (`members.enabled`) never join.",
    )
    horizon_seconds: Annotated[PositiveSeconds, Field(ge=60)] = Field(
        default=604_800.0,
        description="How long after its prediction a label may come, in event time. A later one is counted as late.",
    )
    max_pending: int = Field(
        default=1_000_000,
        ge=1000,
        description="Predictions and labels that are kept for the join, of all models. Where more come within the "
        "horizon, a sample is joined, chosen by a hash of the id.",
    )


class LimitsSection(Section):
    record_bytes: int = Field(default=262_144, ge=1024, description="A larger record is rejected unread.")
    features_per_event: int = Field(default=1000, ge=1, description="An event with more features is rejected.")
    series: int = Field(
        default=100_000, ge=100, description="Most series on /metrics; further ones are left out and counted."
    )
    records_per_second: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Most records a second of one partition, by their timestamps. Of more a sample is decoded, and the "
        "rest is dropped and counted (rate_limit). Unset: no limit.",
    )
    events_per_second: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="Most events a second of one model in one partition, by their own times. Of more a sample is "
        "monitored, and the rest is dropped and counted (rate_limit). Unset: no limit.",
    )
    shed_lag_seconds: PositiveSeconds | None = Field(
        default=None,
        description="Where driftd is so far behind and does not come nearer, it sheds work, a step a minute: "
        "sequential detectors but for those of errors, then half, three quarters, seven eighths of the records. Back "
        "below half of it. Unset: never, and verdicts depend on the events alone.",
    )
    memory_bytes: int | None = Field(
        default=None,
        ge=1,
        description="Memory of the process. A configuration whose models and features may take more is refused, with "
        "what would fit (discovery.max_models, discovery.max_features). Unset: not checked.",
    )
    stuck_seconds: Annotated[PositiveSeconds, Field(ge=10)] = Field(
        default=300.0,
        description="A loop that has not gone round for so long is stuck: the log gets the stacks of all threads, and "
        "driftd ends with exit code 5.",
    )


class SchemaRegistrySection(Section):
    url: RegistryUrl | None = Field(
        default=None,
        description="The registry that `format: avro` and `protobuf` ask; of Apicurio without `/apis`.",
    )
    type: Literal["confluent", "apicurio"] = Field(
        default="confluent",
        description="Its API. Karapace, Redpanda and Apicurio (url with `/apis/ccompat/v7`) have Confluent's, too.",
    )
    folder: FilePath | None = Field(
        default=None,
        description="Folder of schemas, each in a file of its id (AWS Glue: schema version): `ID.avsc`, `ID.proto`. "
        "Looked at first; without a url nobody is asked.",
    )
    username: str | None = Field(default=None, description="User name (basic authentication).")
    password: SecretStr | None = Field(default=None, description="Password; better: password_file.")
    password_file: FilePath | None = Field(
        default=None, description="File with the password; only its owner may read it (mode 600 or 400)."
    )
    token: SecretStr | None = Field(
        default=None, description="Bearer token in place of a user name; better: token_file."
    )
    token_file: FilePath | None = Field(
        default=None, description="File with the token; only its owner may read it (mode 600 or 400)."
    )
    cafile: FilePath | None = Field(default=None, description="Authority that has signed its certificate (PEM).")
    certfile: FilePath | None = Field(default=None, description="Certificate of driftd for it (PEM).")
    keyfile: FilePath | None = Field(
        default=None, description="Key of that certificate (PEM), if it is not in certfile."
    )


class PrivacySection(Section):
    key: SecretStr | None = Field(
        default=None,
        description="Secret that hashes are made with, 16 characters or more; better: key_file. The same for all "
        "members. With another key the state is refused.",
    )
    key_file: FilePath | None = Field(
        default=None,
        description="File with the secret (`openssl rand -hex 32`); only its owner may read it (mode 600 or 400).",
    )
    hash_text: bool = Field(
        default=False,
        description="Replace text in features, predictions and labels by a hash, as it is decoded: `#` and 12 hex "
        "digits. Numbers stay.",
    )
    hash_channels: Annotated[tuple[Name, ...], Several] = Field(
        default=(),
        description="Channels whose values are all hashed, numbers too, which makes them categories: features, "
        "`prediction` (with `label`), patterns such as `customer_*`, or with a model, `fraud/*_id`.",
    )
    dead_letters: Literal["keep", "hash", "drop"] = Field(
        default="keep",
        description="Values in dead letters: as they came; each one hashed, names and structure kept; or none, only "
        "reason and place.",
    )

    @property
    def hides(self) -> bool:
        """Whether what is said of a bad record must not quote it."""
        return self.hash_text or bool(self.hash_channels) or self.dead_letters != "keep"


class StateSection(Section):
    directory: FilePath = Field(
        default="driftd-state", validate_default=True, description="Folder of checkpoints and references."
    )
    checkpoint_seconds: PositiveSeconds = Field(
        default=10.0, description="How often the state is saved and the offsets are committed."
    )
    drain_seconds: PositiveSeconds = Field(
        default=10.0, description="Time for saving, committing and leaving the group after SIGTERM."
    )
    values: bool = Field(
        default=True,
        description="What each channel was over time is kept, for the pages and to know silence: by minute for "
        "6 hours, by 10 minutes for 3 days, by hour for a month, by day for a year. At most 60 kB of memory a channel.",
    )


class MembersSection(Section):
    enabled: bool = Field(
        default=False,
        description="Members of the group share models: partitions are counted where they are read, each model is "
        "judged by one member, and state lies in topics. Else every member judges what it reads.",
    )
    panes_topic: str = Field(default="driftd.panes", description="What members read, for the owner of each model.")
    plans_topic: str = Field(default="driftd.plans", description="What owners tell readers. One partition is enough.")
    state_topic: str = Field(default="driftd.state", description="State of readers and owners; compacted.")
    address: Url | None = Field(
        default=None,
        description="Where the command line reaches this member for what another was asked to do. Unset: as "
        "`http.listen` says, under the host's name where that is all addresses.",
    )


class HttpSection(Section):
    listen: Address = Field(
        default="127.0.0.1:9477", description="Address of /metrics, /-/healthy, /-/ready and the web pages."
    )
    web_config: FilePath | None = Field(
        default=None, description="TLS and passwords, in the exporter-toolkit's web.config format. Unset: neither."
    )
    hosts: Annotated[tuple[HostName, ...], Several] = Field(
        default=(),
        description="Names under which clients may reach driftd (HTTP's Host), besides localhost and addresses. Unset: "
        "none where it listens on 127.0.0.1, else any.",
    )
    runbooks: Url | None = Field(
        default=None,
        description="Base URL of the runbooks that web pages and alerts link to. Unset: the pages have no links.",
    )
    external_url: Url | None = Field(
        default=None,
        description="Address under which people reach driftd's pages: alerts link to incidents there. Unset: no links.",
    )

    @property
    def address(self) -> tuple[str, int]:
        return split_address(self.listen)


class ReceiveSection(Section):
    """Of `driftd receive`; `driftd run` reads none of it."""

    listen: Address = Field(default="127.0.0.1:9478", description="Address that `driftd receive` takes events on.")
    topic: Topic | None = Field(
        default=None, description="Topic that the events are written to. Unset: that of `kafka.topics`, if it is one."
    )
    body_bytes: Annotated[int, Field(ge=1024, le=16 << 20)] = Field(
        default=1 << 20, description="A larger request is refused (413)."
    )
    requests: Annotated[int, Field(ge=1, le=256)] = Field(
        default=32, description="Requests at a time that wait for Kafka; one more gets 429 and may try again."
    )
    ack_seconds: Annotated[Seconds, Field(ge=2, le=45)] = Field(
        default=10.0, description="How long Kafka may take to acknowledge the events of a request; then it gets 503."
    )

    @property
    def address(self) -> tuple[str, int]:
        return split_address(self.listen)


class LogSection(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Lowest level that is logged."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="Log lines for people or for machines, on standard error."
    )


class FindingsSection(Section):
    path: FilePath | None = Field(
        default=None, description="File to append findings to, one JSON object a line. Unset: no file."
    )


class RulesSection(Section):
    dashboards: Url = Field(
        default="https://grafana.example.com", description="Base URL of Grafana, for links of alerts."
    )
    job: Annotated[str, matching(r"[\w./:-]+", "letters, digits and one of . / : - _")] = Field(
        default="driftd",
        description="Label `job` of driftd's series, as Prometheus scrapes them.",
    )
    disabled: Annotated[tuple[str, ...], Several] = Field(
        default=(), description="Alerts that are left out: `[DriftdDegraded]`."
    )
    severities: Annotated[dict[str, Literal["critical", "warning", "info", "none"]], Several] = Field(
        default_factory=dict, description="Other severities, by alert: `{DriftdRejects: critical}`."
    )
    labels: Annotated[dict[str, str], Several] = Field(
        default_factory=dict, description="Labels of every alert: `{environment: production}`."
    )


class FieldMapping(Section):
    """Where one field is, as a path, or what it is in all records."""

    path: str | None = None
    value: str | float | bool | None = None
    unit: Literal["s", "ms", "us", "ns"] | None = None
    type: Literal["number", "text"] | None = None
    zone: Literal["UTC"] | None = None


class FeaturesMapping(Section):
    """What is under a path or has a prefix, lists by names, and single values by path."""

    under: str | None = None
    names: Annotated[tuple[Name, ...], Several] = ()
    paths: dict[Name, str] = Field(default_factory=dict)
    ignore: Annotated[tuple[str, ...], Several] = ()
    prefix: Annotated[str, Field(max_length=64)] = ""


MappedField = Annotated[FieldMapping, Mapped]
MappedNames = dict[Name, str] | str


class MappingFields(Section):
    format: str = Field(
        default="json", description=f"What the records are: {', '.join(f'`{name}`' for name in format_names())}."
    )
    model: MappedField | None = Field(
        default=None, description="Path of the model's name, or `{value: fraud}` for all records."
    )
    version: MappedField | None = Field(default=None, description="Path of the model's version, or `{value: ...}`.")
    time: MappedField | None = Field(
        default=None,
        description="Path of the time: RFC 3339, or a number; `{path: ts, unit: ms}` if it is not of seconds, "
        "`{path: ts, zone: UTC}` if it has no offset.",
    )
    features: Annotated[FeaturesMapping, Under] | None = Field(
        default=None,
        description="Path that the features are under, or a mapping with `under`, `prefix`, `names`, `paths`, "
        "`ignore`.",
    )
    variant: MappedField | None = Field(default=None, description="Path of the variant, or `{value: ...}`.")
    unit: MappedField | None = Field(
        default=None, description="Path of what variants are given to: a user, a session, a device."
    )
    id: MappedField | None = Field(default=None, description="Path of the id.")
    prediction: MappedField | None = Field(default=None, description="Path of the prediction.")
    score: MappedField | None = Field(default=None, description="Path of the score.")
    label: MappedField | None = Field(default=None, description="Path of the label.")
    latency: MappedField | None = Field(
        default=None, description="Path of the latency; `{path: took, unit: ms}` if it is not of seconds."
    )
    error: MappedField | None = Field(default=None, description="Path of what is set where the call failed.")
    cost: MappedNames | None = Field(default=None, description="Path of an object of numbers, or a path by name.")
    segments: MappedNames | None = Field(default=None, description="Path of an object of texts, or a path by name.")


class MappingSection(MappingFields):
    topics: Annotated[dict[Topic, MappingFields], Several] = Field(
        default_factory=dict,
        description="A mapping for single topics, with the keys above, in place of the one for all. For files: by the "
        "file's name.",
    )


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
