"""Settings of Kafka: brokers, logins, topics, and the registry of schemas."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from driftd.config.section import Section
from driftd.config.values import Broker, FilePath, PositiveSeconds, RegistryUrl, Several, TokenUrl, Topic


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
