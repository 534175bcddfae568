"""Settings of what others reach: web pages, events over HTTP, alert rules."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from driftd.config.section import Section
from driftd.config.values import Address, FilePath, HostName, Seconds, Several, Topic, Url, matching, split_address


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
