"""What driftd must know to reach Kafka, and what it tells kafka-python of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor

from driftd.sources.kafka.login import Login, Logins, ask_for_secrets_anew
from driftd.sources.kafka.oauth import TokenSource
from driftd.sources.kafka.tls import ClientTls, RenewedContext
from driftd.sources.renewed import Renewed
from driftd.sources.secret_file import secret_now

log = logging.getLogger("driftd.kafka")

ASSIGNORS: Final = {"sticky": StickyPartitionAssignor, "cooperative-sticky": CooperativeStickyAssignor}
DEFAULT_PORT: Final = 9092
RESPONSE_BYTES: Final = 1 << 20
"""What a response may have around its largest batch."""


@dataclass(frozen=True, slots=True)
class KafkaSettings:
    """Where Kafka is and how to read from it. Secrets are here in plain and are kept out of repr.

    ``start``: where to begin in a partition that nobody has read yet; partitions and topics that come into being
    while driftd runs are read from their beginning, since all of it is new. ``group_instance_id`` None: dynamic
    membership. ``max_poll_records`` is about how many records one batch holds (whole record batches are kept
    together), and the fetch sizes bound memory: about four times ``fetch_bytes``, or of a batch that is larger, for a
    broker sends it whole. A batch of more than ``max_stored_bytes`` is not fetched; of one that decompresses to more
    than ``max_batch_bytes`` the rest is not read. ``unpacks_late``: batches come packed (``RecordBatch.unpack``), which
    costs little where few of their records are wanted. ``leaves``: a static member that stops hands its partitions over
    at once.

    Files of certificates, keys and passwords are read again where they have changed, for the next connection or login.
    ``tokens`` are those of OAUTHBEARER; they and ``logins`` are one for all clients of these settings.
    """

    bootstrap_servers: tuple[str, ...]
    topics: tuple[str, ...] = ()
    group_id: str = "driftd"
    group_instance_id: str | None = None
    client_id: str = "driftd"
    start: Literal["latest", "earliest"] = "latest"
    security_protocol: str = "PLAINTEXT"
    sasl_mechanism: str | None = None
    sasl_username: str | None = None
    sasl_password: str | None = field(default=None, repr=False)
    sasl_password_file: str | None = None
    tokens: TokenSource | None = field(default=None, repr=False)
    extensions: Mapping[str, str] = field(default_factory=dict)
    logins: Logins = field(default_factory=Logins, repr=False, compare=False)
    ssl_cafile: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_password: str | None = field(default=None, repr=False)
    ssl_password_file: str | None = None
    assignor: Literal["sticky", "cooperative-sticky"] = "sticky"
    max_poll_records: int = 10_000
    session_timeout_seconds: float = 45.0
    heartbeat_seconds: float = 3.0
    max_poll_interval_seconds: float = 300.0
    metadata_max_age_seconds: float = 30.0
    request_timeout_seconds: float = 30.0
    connect_timeout_seconds: float = 5.0
    fetch_bytes: int = 4 << 20
    partition_fetch_bytes: int = 1 << 19
    max_stored_bytes: int = 32 << 20
    max_batch_bytes: int = 64 << 20
    unpacks_late: bool = False
    leaves: bool = False

    @property
    def where(self) -> str:
        """For messages: ``kafka broker1:9092,broker2:9092``."""
        return f"kafka {','.join(self.bootstrap_servers)}"

    @property
    def uses_tls(self) -> bool:
        return self.security_protocol in {"SSL", "SASL_SSL"}

    @property
    def uses_sasl(self) -> bool:
        return self.security_protocol in {"SASL_PLAINTEXT", "SASL_SSL"}

    @property
    def tls(self) -> ClientTls:
        return ClientTls(
            self.ssl_cafile, self.ssl_certfile, self.ssl_keyfile, self.ssl_password, self.ssl_password_file
        )

    def ssl_context(self) -> RenewedContext | None:
        """TLS 1.2 or newer, with host names checked. Raises ConfigError where a file cannot be used."""
        return RenewedContext(self.tls) if self.uses_tls else None

    def login(self) -> Login | None:
        """What to show at each login; None for mechanisms that find it themselves. Raises ConfigError."""
        if self.sasl_mechanism == "OAUTHBEARER" and self.tokens is not None:
            return Login(self.tokens.token, self.logins, self.extensions, self.tokens.refused)
        if not self.uses_sasl or self.sasl_username is None:
            return None
        files = [Path(self.sasl_password_file)] if self.sasl_password_file else []
        password = Renewed(
            lambda: files, lambda: secret_now("sasl_password", self.sasl_password, self.sasl_password_file), log.warning
        )
        return Login(password.get, self.logins, {})

    def connection(self) -> dict[str, Any]:
        """The part of kafka-python's settings that consumer, producer and admin client share."""
        ask_for_secrets_anew()
        login, oauth = self.login(), self.sasl_mechanism == "OAUTHBEARER"
        return {
            "bootstrap_servers": list(self.bootstrap_servers),
            "client_id": self.client_id,
            "security_protocol": self.security_protocol,
            "ssl_context": self.ssl_context(),
            "sasl_mechanism": self.sasl_mechanism if self.uses_sasl else None,
            "sasl_plain_username": self.sasl_username,
            "sasl_plain_password": None if oauth else login,
            "sasl_oauth_token_provider": login if oauth else None,
            "request_timeout_ms": milliseconds(self.request_timeout_seconds),
            "metadata_max_age_ms": milliseconds(self.metadata_max_age_seconds),
            # With the default of 30 s reading resumed 13 s after a broker came back; like this, 0.6 s.
            "reconnect_backoff_max_ms": 1000,
        }

    def reading(self) -> dict[str, Any]:
        """The part that every consumer of ours has, in a group or not."""
        return self.connection() | {
            # 'latest', the default, skips silently what retention took: we want to see and count the gap.
            "auto_offset_reset": "none",
            "enable_auto_commit": False,
            "allow_auto_create_topics": False,
            "isolation_level": "read_committed",
            "fetch_max_bytes": self.fetch_bytes,
            "max_partition_fetch_bytes": self.partition_fetch_bytes,
            "receive_message_max_bytes": self.max_stored_bytes + RESPONSE_BYTES,
            "metrics_enabled": False,
            "bootstrap_timeout_ms": 2 * milliseconds(self.connect_timeout_seconds),
        }

    def membership(self) -> dict[str, Any]:
        return {
            "group_id": self.group_id,
            "group_instance_id": self.group_instance_id,
            "partition_assignment_strategy": [ASSIGNORS[self.assignor]],
            "session_timeout_ms": milliseconds(self.session_timeout_seconds),
            "heartbeat_interval_ms": milliseconds(min(self.heartbeat_seconds, self.session_timeout_seconds / 3)),
            "max_poll_interval_ms": milliseconds(self.max_poll_interval_seconds),
        }


def milliseconds(seconds: float) -> int:
    return round(seconds * 1000)


def split_address(server: str) -> tuple[str, int]:
    """``host:port``, ``[::1]:port`` or ``host``."""
    host, colon, port = server.rpartition(":")
    if not colon or port.endswith("]"):
        return server.strip("[]"), DEFAULT_PORT
    return host.strip("[]"), int(port)
