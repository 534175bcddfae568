"""Settings of the process: limits, state, members, privacy, and what it writes down."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from driftd.config.section import Section
from driftd.config.values import FilePath, Name, PositiveSeconds, Several, Url


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
