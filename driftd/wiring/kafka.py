"""Settings to what the Kafka source and sinks need."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from driftd.config import Settings
from driftd.core.errors import ConfigError
from driftd.sources.secret_file import secret_now

if TYPE_CHECKING:
    from driftd.sources.kafka.oauth import TokenSource
    from driftd.sources.kafka.source import KafkaSettings


FLOOD_FETCH_BYTES = 4 << 20
"""Of a partition at once, where most records of it may be skipped. A round trip to the broker then costs more than the
records: one of 20 kB takes 35 us of processor time in fetches of 2 MB, 30 in these, and 37 in those of 8 MB."""


def kafka_settings(settings: Settings, topics: tuple[str, ...] | None = None) -> KafkaSettings:
    """What the Kafka source and sinks need; ``topics`` instead of those of the settings. Raises ConfigError when there
    is no broker or no topic.
    """
    from driftd.sources.kafka.source import KafkaSettings  # noqa: PLC0415  kafka-python takes 0.2 s to import

    k = settings.kafka
    topics = k.topics if topics is None else topics
    missing = [
        f"kafka.{name}: not set; give {flag}, DRIFTD_KAFKA__{name.upper()}, or kafka.{name} in driftd.yaml"
        for name, flag, value in (
            ("bootstrap_servers", "--bootstrap-servers", k.bootstrap_servers),
            ("topics", "--topic", topics),
        )
        if not value
    ]
    if missing:
        raise ConfigError("\n".join(missing))

    def secret(value: SecretStr | None) -> str | None:
        return None if value is None else value.get_secret_value()

    def path(value: Path | None) -> str | None:
        return None if value is None else str(value)

    found = KafkaSettings(
        bootstrap_servers=k.bootstrap_servers,
        topics=topics,
        group_id=k.group_id,
        group_instance_id=k.instance_id,
        client_id=k.client_id,
        start=k.start,
        security_protocol=k.security_protocol,
        sasl_mechanism=k.sasl_mechanism,
        sasl_username=k.sasl_username,
        sasl_password=secret(k.sasl_password),
        sasl_password_file=path(k.sasl_password_file),
        tokens=tokens_of(settings),
        extensions=k.sasl_oauthbearer_extensions,
        ssl_cafile=path(k.ssl_cafile),
        ssl_certfile=path(k.ssl_certfile),
        ssl_keyfile=path(k.ssl_keyfile),
        ssl_password=secret(k.ssl_password),
        ssl_password_file=path(k.ssl_password_file),
        assignor=k.assignor,
        max_poll_records=k.max_poll_records,
        session_timeout_seconds=k.session_timeout_seconds,
        max_poll_interval_seconds=k.max_poll_interval_seconds,
    )
    if settings.limits.records_per_second is None:
        return found
    # a schema registry is asked before it is known which records are wanted
    late = settings.schema_registry.url is None
    return replace(found, partition_fetch_bytes=FLOOD_FETCH_BYTES, unpacks_late=late)


def tokens_of(settings: Settings) -> TokenSource | None:
    """Where the tokens of OAUTHBEARER come from; None without it."""
    from driftd.sources.kafka import oauth  # noqa: PLC0415

    k = settings.kafka
    if k.sasl_oauthbearer_token_file is not None:
        return oauth.TokenFile(k.sasl_oauthbearer_token_file)
    if k.sasl_oauthbearer_token_endpoint_url is None:
        return None
    file, secret = k.sasl_oauthbearer_client_secret_file, k.sasl_oauthbearer_client_secret
    given = None if secret is None else secret.get_secret_value()
    endpoint = oauth.TokenEndpoint(
        url=k.sasl_oauthbearer_token_endpoint_url,
        client_id=k.sasl_oauthbearer_client_id or "",
        secret=lambda: secret_now("sasl_oauthbearer_client_secret", given, file),
        scope=k.sasl_oauthbearer_scope,
        cafile=None if k.sasl_oauthbearer_cafile is None else str(k.sasl_oauthbearer_cafile),
    )
    return oauth.ClientCredentials(endpoint)
