"""Tokens: what a file must hold, when they are renewed, and what is done while the endpoint does not answer."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from driftd.core.errors import SourceError, SourceRefused
from driftd.sources.kafka import oauth
from driftd.sources.kafka.oauth import ClientCredentials, TokenEndpoint, TokenFile, expiry_of

PATIENCE = 30


def jwt(claims: object) -> str:
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{body}.c2ln"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param(jwt({"exp": 1000.0}), "", id="valid for a second"),
        pytest.param(jwt({"exp": 999.0}) + "\n", "", id="with a line break, in its last moment"),
        pytest.param("opaque", "", id="no JWT"),
        pytest.param("a.b.c", "", id="looks like one"),
        pytest.param(jwt([1]), "", id="claims that are none"),
        pytest.param(jwt({"exp": "soon"}), "", id="an end that is none"),
        pytest.param(jwt({"exp": 900}), "the token expired 99 s ago; renew it", id="expired"),
        pytest.param("Bearer abc", "expected one token in one line, without 'Bearer'", id="as a header has it"),
        pytest.param("a\nb", "expected one token in one line", id="two"),
        pytest.param("a\x01b", "expected one token in one line", id="SASL's separator"),
        pytest.param("", "is empty; expected a token", id="empty"),
    ],
)
def test_a_file(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "token"
    file.write_text(text)
    source = TokenFile(file, lambda: 999.0)
    if not said:
        assert source.token() == text.strip()
        return
    with pytest.raises(SourceError, match=said) as error:
        source.token()
    assert not isinstance(error.value, SourceRefused), "whoever writes it may do so any moment"
    assert "sasl_oauthbearer_token_file" in str(error.value)


def test_a_file_that_is_not_there_yet(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="No such file or directory; a token must lie there"):
        TokenFile(tmp_path / "token").token()


def test_when_a_token_ends() -> None:
    assert expiry_of(jwt({"exp": 17})) == 17.0
    assert expiry_of("e30." + "A" * 5 + ".x") is None


class Endpoint(TokenEndpoint):
    """Gives out tokens of ``life`` seconds, t1, t2 and so on; raises ``fault`` while there is one."""

    def __init__(self, life: float) -> None:
        super().__init__("https://login.example/token", "me", lambda: "hush")
        object.__setattr__(self, "told", threading.Condition())
        object.__setattr__(self, "state", {"life": life, "fault": None, "asked": 0})

    told: threading.Condition
    state: dict[str, object]

    def fetch(self) -> tuple[str, float]:
        with self.told:
            self.state["asked"] = asked = int(str(self.state["asked"])) + 1
            self.told.notify_all()
            fault = self.state["fault"]
            if isinstance(fault, Exception):
                raise fault
            return f"t{asked}", float(str(self.state["life"]))

    def wait(self, times: int) -> None:
        with self.told:
            assert self.told.wait_for(lambda: int(str(self.state["asked"])) >= times, PATIENCE)


@pytest.fixture
def closing() -> Iterator[list[ClientCredentials]]:
    made: list[ClientCredentials] = []
    yield made
    for one in made:
        one.close()


def test_one_token_serves_all_who_ask_while_it_lives(closing: list[ClientCredentials]) -> None:
    endpoint = Endpoint(3600)
    tokens = ClientCredentials(endpoint)
    closing.append(tokens)
    assert {tokens.token() for _ in range(10)} == {"t1"}
    assert endpoint.state["asked"] == 1


def test_it_is_renewed_without_anybody_asking(closing: list[ClientCredentials]) -> None:
    endpoint = Endpoint(0.05)
    tokens = ClientCredentials(endpoint)
    closing.append(tokens)
    assert tokens.token()
    endpoint.wait(3)


def test_while_the_endpoint_is_away_the_old_token_serves_and_then_the_cause_is_told(
    closing: list[ClientCredentials], caplog: pytest.LogCaptureFixture
) -> None:
    endpoint, now = Endpoint(0.5), [0.0]
    tokens = ClientCredentials(endpoint, lambda: now[0])
    closing.append(tokens)
    assert tokens.token() == "t1"
    endpoint.state["fault"] = SourceError("token endpoint: away")
    endpoint.wait(3)
    assert tokens.token() == "t1"
    assert [r.getMessage().split(";")[0] for r in caplog.records] == ["token endpoint: away"], "told once"
    now[0] = 0.46  # it must still arrive at a broker: a tenth of its life is kept for that
    with pytest.raises(SourceError, match="token endpoint: away"):
        tokens.token()


def test_a_token_that_a_broker_refuses_is_replaced_but_not_again_and_again(closing: list[ClientCredentials]) -> None:
    endpoint, now = Endpoint(3600), [0.0]
    tokens = ClientCredentials(endpoint, lambda: now[0])
    closing.append(tokens)
    assert tokens.token() == "t1"
    now[0] = 29.0
    tokens.refused()
    assert tokens.token() == "t1"
    now[0] = 31.0
    tokens.refused()
    assert tokens.token() == "t2"
    tokens.refused()
    assert tokens.token() == "t2"


def test_a_refusal_stays_one(closing: list[ClientCredentials]) -> None:
    endpoint = Endpoint(1)
    endpoint.state["fault"] = SourceRefused("token endpoint: no")
    tokens = ClientCredentials(endpoint)
    closing.append(tokens)
    for _ in range(2):
        with pytest.raises(SourceRefused, match="token endpoint: no"):
            tokens.token()


def test_an_endpoint_that_never_answers_holds_nobody_up_for_long(
    closing: list[ClientCredentials], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth, "ANSWER_SECONDS", -0.99)  # and a second more is waited
    endpoint, free = Endpoint(1), threading.Event()
    monkeypatch.setattr(Endpoint, "fetch", lambda _: (free.wait(PATIENCE), ("late", 1.0))[1])
    tokens = ClientCredentials(endpoint)
    closing.append(tokens)
    with pytest.raises(SourceError, match="no answer in"):
        tokens.token()
    free.set()
