"""kafka-python asks for the secret at each login, and our mechanisms count those that brokers accept."""

from __future__ import annotations

import pytest
from kafka import errors
from kafka.net.connection import KafkaConnection
from kafka.net.sasl import get_sasl_mechanism
from kafka.net.transport import KafkaSSLTransport

from driftd.core.errors import SourceError
from driftd.sources.kafka.login import MECHANISMS, Login, Logins, ask_for_secrets_anew


def test_each_login_shows_the_password_of_now_and_counts_once() -> None:
    ask_for_secrets_anew()
    passwords, logins = iter(["old", "new"]), Logins()
    login = Login(lambda: next(passwords), logins, {})
    config = {"sasl_plain_username": "me", "sasl_plain_password": login, "sasl_mechanism": "PLAIN"}
    for number, password in enumerate(("old", "new"), 1):
        mechanism = get_sasl_mechanism("PLAIN")(host="broker", **config)
        assert mechanism.auth_bytes() == f"me\0me\0{password}".encode()
        mechanism.receive(b"")
        assert logins.count == number


def test_a_token_goes_with_its_extensions_and_a_refusal_is_not_counted() -> None:
    ask_for_secrets_anew()
    logins, refused = Logins(), list[str]()
    login = Login(lambda: "abc", logins, {"logicalCluster": "lkc-1"}, lambda: refused.append("abc"))
    mechanism = get_sasl_mechanism("OAUTHBEARER")(host="broker", sasl_oauth_token_provider=login)
    assert mechanism.auth_bytes() == b"n,,\x01auth=Bearer abc\x01logicalCluster=lkc-1\x01\x01"
    mechanism.receive(b'{"status":"invalid_token"}')
    assert (logins.count, refused) == (0, ["abc"])
    mechanism = get_sasl_mechanism("OAUTHBEARER")(host="broker", sasl_oauth_token_provider=login)
    mechanism.receive(b"")
    assert (logins.count, refused) == (1, ["abc"])


def test_a_secret_that_is_away_is_a_connection_that_failed() -> None:
    def away() -> str:
        raise SourceError("token endpoint: no answer")

    with pytest.raises(errors.KafkaConnectionError, match="token endpoint: no answer"):
        Login(away, Logins(), {}).token()


@pytest.mark.parametrize("name", [name for name in MECHANISMS if name != "OAUTHBEARER"])
def test_other_clients_of_the_process_see_no_difference(name: str) -> None:
    ask_for_secrets_anew()
    config = {"sasl_plain_username": "me", "sasl_plain_password": "hush", "sasl_mechanism": name}
    assert b"me" in get_sasl_mechanism(name)(host="broker", **config).auth_bytes()


def test_kafka_python_hands_over_what_we_give_it() -> None:
    given = {"sasl_plain_password", "sasl_oauth_token_provider"}
    assert given <= KafkaConnection.DEFAULT_CONFIG.keys()
    context = object()
    assert KafkaSSLTransport._build_ssl_context({"ssl_context": context}) is context
