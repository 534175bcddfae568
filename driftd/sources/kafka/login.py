"""What brokers are shown at a login (SASL): asked for anew each time, since passwords and tokens are renewed.

kafka-python takes a password once, when a client is made. So it gets a Login in its place, which our mechanisms ask.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from kafka import errors
from kafka.net.sasl import get_sasl_mechanism, register_sasl_mechanism
from kafka.net.sasl.oauth import AbstractTokenProvider, SaslMechanismOAuth

from driftd.core.errors import DriftdError

MECHANISMS: Final = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER")


@dataclass(slots=True)
class Logins:
    """How often brokers let us in: with each connection, and anew before a connection's session ends (KIP-368)."""

    count: int = 0


class Login(AbstractTokenProvider):  # type: ignore[misc]  # Any: kafka-python has no types
    """``secret`` gives the password or the token. Where it cannot, the connection fails and is tried again.

    ``refused`` is told that a broker does not take a token.
    """

    def __init__(
        self,
        secret: Callable[[], str],
        logins: Logins,
        extensions: Mapping[str, str],
        refused: Callable[[], None] = lambda: None,
    ) -> None:
        self._secret = secret
        self.refused = refused
        self._extensions = dict(extensions)
        self.logins = logins

    def token(self) -> str:
        try:
            return self._secret()
        except DriftdError as error:
            raise errors.KafkaConnectionError(str(error)) from None

    def extensions(self) -> dict[str, str]:
        return self._extensions


@cache
def ask_for_secrets_anew() -> None:
    """For all clients of this process, once."""
    for name in MECHANISMS:
        register_sasl_mechanism(name, _asking(get_sasl_mechanism(name)), overwrite=True)


def _asking(stock: type[Any]) -> type[Any]:
    """The mechanism with a Login for a password; clients that have none see no difference."""

    class Asking(stock):  # type: ignore[misc]
        def __init__(self, **config: Any) -> None:
            given = config.get("sasl_oauth_token_provider") or config.get("sasl_plain_password")
            self._login = given if isinstance(given, Login) else None
            if isinstance(config.get("sasl_plain_password"), Login):
                config["sasl_plain_password"] = config["sasl_plain_password"].token()
            super().__init__(**config)

        def receive(self, auth_bytes: bytes) -> Any:
            answer = super().receive(auth_bytes)
            if self._login is not None and self.is_done() and self.is_authenticated():
                self._login.logins.count += 1
            elif self._login is not None and auth_bytes and issubclass(stock, SaslMechanismOAuth):
                self._login.refused()
            return answer

    return Asking
