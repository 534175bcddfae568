"""Knock at a broker before the client does, because the client only says "unable to bootstrap" and after 30 s.

TCP, TLS handshake, ApiVersions, SASL, Metadata, each with its own time limit and its own message.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import kafka.errors
from kafka.net.sasl import get_sasl_mechanism
from kafka.protocol.broker_version_data import BrokerVersionData
from kafka.protocol.metadata import ApiVersionsRequest, MetadataRequest
from kafka.protocol.parser import KafkaProtocol
from kafka.protocol.sasl import SaslAuthenticateRequest, SaslHandshakeRequest

from driftd.core.errors import SourceError, SourceRefused
from driftd.sources.kafka import tls
from driftd.sources.kafka.settings import KafkaSettings, split_address
from driftd.sources.kafka.tls import reason

TLS_ALERT: Final = b"\x15\x03"
TOPIC_DENIED: Final = 29
GROUP_DENIED: Final = 30
UNSEEN: Final = "no permission to see it, or it does not exist (needs DESCRIBE and READ)"
"""Of a topic that is denied: brokers do not tell which of the two it is."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as the broker sees it for us; ``denied``: it may exist, but we may not describe it."""

    partitions: tuple[int, ...] = ()
    denied: bool = False

    @property
    def exists(self) -> bool:
        return bool(self.partitions)


@dataclass(frozen=True, slots=True)
class Greeting:
    """What the first broker that let us in said: its version (at least), and the topics we asked for."""

    server: str
    version: tuple[int, ...]
    cluster_id: str
    topics: Mapping[str, Topic]


def preflight(settings: KafkaSettings) -> Greeting:
    """Ask the bootstrap servers one by one; the first that answers wins.

    Raises SourceRefused if one refused us (trying again does not help), else SourceError with the last cause.
    """
    context = settings.ssl_context()
    failure = SourceError(f"{settings.where}: no bootstrap server is configured")
    for server in settings.bootstrap_servers:
        try:
            with Conversation(settings, server, context) as talk:
                return talk.introduce()
        except SourceRefused:
            raise
        except SourceError as error:
            failure = error
    raise failure


class Conversation:
    """One connection to one broker, used from one thread, every step bounded in time."""

    def __init__(self, settings: KafkaSettings, server: str, context: tls.RenewedContext | None) -> None:
        self._settings = settings
        self._server = server
        self._end = time.monotonic() + settings.connect_timeout_seconds
        self._protocol = KafkaProtocol(client_id=settings.client_id, receive_message_max_bytes=16 << 20)
        self._context = context
        self._socket: socket.socket | None = None
        self._broker = BrokerVersionData(api_versions={})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._socket is not None:
            self._socket.close()

    def introduce(self) -> Greeting:
        """Connect, log in, and ask for version and topics."""
        self._connect()
        answer = self.ask(ApiVersionsRequest(version=0), "ApiVersions")
        if answer.error_code:
            raise self._refused(f"ApiVersions answered {name(answer.error_code)}; is this a Kafka broker?")
        versions = {api.api_key: (api.min_version, api.max_version) for api in answer.api_keys}
        if self._settings.uses_sasl:
            self._log_in()
        broker = self._broker = BrokerVersionData(api_versions=versions)
        request = MetadataRequest(
            version=min(4, self.version_of(MetadataRequest)),
            topics=[MetadataRequest.MetadataRequestTopic(name=topic) for topic in self._settings.topics],
            allow_auto_topic_creation=False,
        )
        metadata = self.ask(request, "Metadata")
        topics = {
            topic.name: Topic(
                tuple(sorted(partition.partition_index for partition in topic.partitions)),
                denied=topic.error_code == TOPIC_DENIED,
            )
            for topic in metadata.topics
        }
        return Greeting(self._server, broker.broker_version, metadata.cluster_id or "", topics)

    def version_of(self, request: type[Any]) -> int:
        """The newest version of this request that the broker speaks; known once we are introduced."""
        return int(self._broker.api_version(request))

    def _connect(self) -> None:
        host, port = split_address(self._server)
        try:
            plain = socket.create_connection((host, port), timeout=self._left())
        except TimeoutError:
            raise self._failed(f"no answer in {self._settings.connect_timeout_seconds:g} s") from None
        except OSError as error:
            raise self._failed(reason(error)) from None
        self._socket = plain
        if self._context is None:
            return
        try:
            self._socket = self._context.wrap_socket(plain, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            raise self._refused(f"TLS: {tls.brokers_certificate(error, host)}") from None
        except OSError as error:
            self._require_certificate(error)
            # Not a refusal: a load balancer without a broker behind it hangs up as well.
            said = f"no answer in {self._settings.connect_timeout_seconds:g} s" if timed_out(error) else reason(error)
            raise self._failed(f"TLS: {said}; does this port expect TLS? {self._protocol_hint()}") from None

    def _require_certificate(self, error: OSError) -> None:
        """Raises where a broker has refused us for our certificate, or for want of one; it may say so only after the
        handshake (TLS 1.3).
        """
        if isinstance(error, ssl.SSLError):
            known = tls.own_certificate(error, self._settings.tls)
            if known is not None:
                raise self._refused(f"TLS: {known}") from None

    def _log_in(self) -> None:
        settings = self._settings
        mechanism = settings.sasl_mechanism or ""
        if settings.tokens is not None:
            settings.tokens.token()  # what is wrong with it is told as it is, before the broker is asked
        answer = self.ask(SaslHandshakeRequest(version=1, mechanism=mechanism), "SaslHandshake")
        if answer.error_code or mechanism not in answer.mechanisms:
            offered = ", ".join(sorted(answer.mechanisms)) or "none"
            raise self._refused(f"kafka.sasl_mechanism {mechanism or 'is not set'}; the broker offers {offered}")
        host, _ = split_address(self._server)
        options = settings.connection() | {"sasl_kerberos_service_name": "kafka"}
        try:
            client = get_sasl_mechanism(mechanism)(host=host, **options)
            self._authenticate(client, mechanism)
        except kafka.errors.KafkaConnectionError as error:  # a token that ended in this moment
            raise self._failed(f"SASL {mechanism}: {error}") from None
        except (ValueError, KeyError, AssertionError, RuntimeError, ImportError, kafka.errors.KafkaError) as error:
            raise self._refused(f"SASL {mechanism}: {str(error)[:200] or type(error).__name__}") from None
        if not client.is_authenticated():
            raise self._refused(f"SASL {mechanism}: not authenticated")

    def _authenticate(self, client: Any, mechanism: str) -> None:
        """Passes messages between the mechanism's client and the broker until the client is done."""
        while not client.is_done():
            request = SaslAuthenticateRequest(version=0, auth_bytes=client.auth_bytes())
            reply = self.ask(request, "SaslAuthenticate")
            if reply.error_code:
                said = reply.error_message or name(reply.error_code)
                raise self._refused(f"SASL {mechanism}{self._user_hint()}: {said}{self._login_cure()}")
            client.receive(reply.auth_bytes)

    def _user_hint(self) -> str:
        user = self._settings.sasl_username
        return f" as user {user!r}" if user and self._settings.tokens is None else ""

    def _login_cure(self) -> str:
        if self._settings.tokens is not None:
            return (
                "; the token must be what the broker's listener expects (its sasl.oauthbearer.expected.issuer and "
                ".audience, .jwks.endpoint.url, .scope.claim.name)"
            )
        return "; check kafka.sasl_username and kafka.sasl_password_file" if self._settings.sasl_username else ""

    def ask(self, request: Any, what: str) -> Any:
        """Send a request and wait for its answer."""
        assert self._socket is not None
        received = b""
        try:
            self._protocol.send_request(request)
            self._socket.settimeout(self._left())
            self._socket.sendall(self._protocol.send_bytes())
            while True:
                data = self._receive(self._socket, what)
                received = received or data[:2]
                if received.startswith(TLS_ALERT) and not self._settings.uses_tls:
                    raise self._refused(f"this port speaks TLS; {self._protocol_hint()}")
                for _, answer in self._protocol.receive_bytes(data):
                    return answer
        except TimeoutError:
            raise self._failed(f"{what}: no answer in {self._settings.connect_timeout_seconds:g} s") from None
        except OSError as error:
            self._require_certificate(error)
            raise self._failed(f"{what}: {reason(error)}{self._closed_hint()}") from None
        except kafka.errors.KafkaError:
            raise self._refused(f"{what}: the answer is not Kafka's; {self._protocol_hint()}") from None

    def begin_of_answer(self, request: Any, what: str, size: int) -> bytes:
        """The first ``size`` bytes of an answer, its length included; nothing can be asked after that."""
        assert self._socket is not None
        try:
            self._protocol.send_request(request)
            self._socket.settimeout(self._left())
            self._socket.sendall(self._protocol.send_bytes())
            answer = b""
            while len(answer) < 4 or len(answer) < min(size, 4 + int.from_bytes(answer[:4], "big")):
                answer += self._receive(self._socket, what)
        except TimeoutError:
            raise self._failed(f"{what}: no answer in {self._settings.connect_timeout_seconds:g} s") from None
        except OSError as error:
            raise self._failed(f"{what}: {reason(error)}") from None
        return answer[:size]

    def _receive(self, connection: socket.socket, what: str) -> bytes:
        connection.settimeout(self._left())
        data = connection.recv(65536)
        if not data:
            raise self._failed(f"{what}: the broker closed the connection{self._closed_hint()}")
        return data

    def _closed_hint(self) -> str:
        if self._settings.uses_sasl:
            return ""
        wants = "a login"
        if self._settings.uses_tls and self._settings.ssl_certfile is None:
            wants = "a login, or a certificate (kafka.ssl_certfile)"
        return f"; does it want {wants}? {self._protocol_hint()}"

    def _protocol_hint(self) -> str:
        return f"kafka.security_protocol is {self._settings.security_protocol}"

    def _left(self) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _failed(self, text: str) -> SourceError:
        return SourceError(f"kafka {self._server}: {text}")

    def _refused(self, text: str) -> SourceRefused:
        return SourceRefused(f"kafka {self._server}: {text}")


def timed_out(error: OSError) -> bool:
    return isinstance(error, TimeoutError)


def name(code: int) -> str:
    """A broker's error code in words: ``SaslAuthenticationFailed``."""
    return str(kafka.errors.for_code(code).__name__).removesuffix("Error")
