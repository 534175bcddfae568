"""Commands are done by the member of a group that can do them: real servers, one a member; logins stay with friends."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import bcrypt
import pytest
from click import UsageError
from click.testing import CliRunner

from driftd.cli import cli
from driftd.cli.group import _as_there, sent
from driftd.core.act import Act, Deed
from driftd.core.errors import ActRefused, DriftdError, SourceError
from driftd.engine.desk import Done
from driftd.monitor.view import Snapshot
from driftd.web import HttpServer, Views
from tests.stage.snapshot import incidents, snapshot

GONE = "http://127.0.0.1:9"


@dataclass
class Member:
    """Judges ``models``; ``done`` are the acts that were done here."""

    models: tuple[str, ...]
    ids: bool = False
    others: list[str] = field(default_factory=list)
    owners: dict[str, str] = field(default_factory=dict)
    done: list[Act] = field(default_factory=list)

    def shown(self) -> Snapshot:
        every = snapshot()
        mine = [model for model in every.models if model.name in self.models]
        return replace(every, models=mine, incidents=every.incidents if self.ids else ())

    def act(self, acts: Sequence[Act]) -> Done:
        for act in acts:
            if act.model not in self.models:
                there = self.owners.get(act.model)
                raise ActRefused(f"another member judges '{act.model}'", (there,) if there else ())
            if act.why == "no":
                raise ActRefused("it cannot be")
        self.done += acts
        return Done("\n".join(f"{act.model}: noted" for act in acts))

    @contextmanager
    def served(self, web_config: Path | None = None) -> Iterator[str]:
        views = Views(
            lambda _: b"", lambda: 0.0, lambda: (), lambda: (True, ""), self.shown, self.act, lambda: self.others
        )
        server = HttpServer(("127.0.0.1", 0), views, web_config=web_config)
        server.start()
        try:
            yield server.url
        finally:
            server.close(1)


@pytest.fixture
def group() -> Iterator[tuple[Member, Member, str, str]]:
    """The first judges fraud and has the incident; the second judges the rest."""
    names = [model.name for model in snapshot().models]
    first, second = Member(("fraud",), ids=True), Member(tuple(name for name in names if name != "fraud"))
    with first.served() as here, second.served() as there:
        first.others, second.others = [there], [here]
        first.owners, second.owners = dict.fromkeys(names, there), {"fraud": here}
        yield first, second, here, there


def told(*words: str) -> str:
    return CliRunner().invoke(cli, words, catch_exceptions=False, standalone_mode=False).output


def test_an_act_is_done_by_the_member_that_judges_the_model(group: tuple[Member, Member, str, str]) -> None:
    first, second, here, there = group
    for url in (here, there):
        assert told("rebaseline", "fraud", "--because", "cents", "--url", url) == "fraud: noted\n"
    assert [act.model for act in first.done] == ["fraud", "fraud"]
    assert second.done == []
    with pytest.raises(ActRefused, match="it cannot be"):
        told("rebaseline", "fraud", "--because", "no", "--url", there)


def test_a_model_is_forgotten_by_the_member_that_judges_it_where_members_share_models_or_are_asked(
    group: tuple[Member, Member, str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _, there = group
    assert told("forget", "fraud", "--because", "retired", "--url", there) == "fraud: noted\n"
    monkeypatch.setattr(sys.modules["driftd.cli.forget"], "URL", there)
    enabled = ("--set", "members.enabled=true")
    assert told("forget", "fraud", *enabled, "--because", "again", "--as", "anna") == "fraud: noted\n"
    assert [(act.deed, act.why) for act in first.done] == [(Deed.FORGET, "retired"), (Deed.FORGET, "again")]
    assert first.done[1].who.endswith("as anna")
    assert second.done == []
    with pytest.raises(ActRefused, match="because: say why"):
        told("forget", "fraud", *enabled)
    with pytest.raises(UsageError, match="leave them out"):
        told("forget", "fraud", "--because", "retired", "--state-dir", str(tmp_path))


def test_an_incident_is_found_at_whatever_member_knows_it(group: tuple[Member, Member, str, str]) -> None:
    first, _, _, there = group
    second = [Member(()) for _ in range(2)]
    with second[0].served() as a, second[1].served() as b:
        second[0].others = [GONE, b, there, *group[1].others]
        told("ack", incidents()[0].id, "--as", "anna", "--url", a)
        assert [act.about for act in first.done] == [incidents()[0].id]
        second[0].others = [b]
        second[1].others = [a]
        with pytest.raises(ActRefused, match="no incident has the id"):
            told("ack", "nobody-knows", "--url", a)


def test_what_is_for_all_models_is_done_by_all_members(group: tuple[Member, Member, str, str]) -> None:
    first, second, here, there = group
    empty = Member((), others=[here, there])
    with empty.served() as nothing:
        for url in (here, nothing):
            first.done.clear()
            second.done.clear()
            told("maintenance", "--all", "--to", "+2h", "--because", "release", "--url", url)
            assert sorted(act.model for act in (*first.done, *second.done)) == sorted(
                model.name for model in snapshot().models
            )
        empty.others = []
        with pytest.raises(ActRefused, match="seen no model"):
            told("maintenance", "--all", "--to", "+2h", "--because", "release", "--url", nothing)
    first.others.append(GONE)
    with pytest.raises(ActRefused) as refused:
        told("maintenance", "--all", "--to", "+2h", "--because", "release", "--url", here)
    assert "fraud: noted" in str(refused.value)
    assert "not done everywhere:\n127.0.0.1:9: no driftd answers there" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "member", "expected"),
    [
        pytest.param("http://d-0:9477", "http://elsewhere:9477", "http://elsewhere:9477", id="no login"),
        pytest.param("http://a:b@d-0:9477", "http://d-0:9478", "http://a:b@d-0:9478", id="the same host"),
        pytest.param("https://a:b@d-0.d.svc", "https://d-1.d.svc:1", "https://a:b@d-1.d.svc:1", id="another replica"),
        pytest.param("https://a:b@10.0.0.1", "https://10.0.0.1:2", "https://a:b@10.0.0.1:2", id="the same address"),
        pytest.param("https://a:b@d-0.d.svc", "http://d-1.d.svc", None, id="in the clear"),
        pytest.param("https://a:b@10.0.0.1", "https://10.0.0.2", None, id="another address"),
        pytest.param("https://a:b@d-0.d.svc", "https://evil.example", None, id="another domain"),
        pytest.param("https://a:b@d-0.d.svc", "https://d.svc.evil.example", None, id="a domain that begins so"),
        pytest.param("https://a:b@d-0", "https://d-1", None, id="names without a domain"),
        pytest.param("https://a:b@driftd.com", "https://evil.com", None, id="the same top level"),
        pytest.param("https://a:b@driftd.co.uk", "https://evil.co.uk", None, id="the same public suffix"),
        pytest.param("https://a:b@d-0.d.svc", "https://evil-0.d.svc", None, id="another service of the domain"),
        pytest.param("https://a:b@d-0.d.svc", "https://x@d-1.d.svc", None, id="an address with a login"),
    ],
)
def test_a_login_is_sent_on_to_replicas_alone(url: str, member: str, expected: str | None) -> None:
    if expected is not None:
        assert _as_there(url, member) == expected
        return
    with pytest.raises(ActRefused, match="the login is not sent there by itself"):
        _as_there(url, member)


def test_each_member_wants_the_login(group: tuple[Member, Member, str, str], tmp_path: Path) -> None:
    secret = bcrypt.hashpw(b"p", bcrypt.gensalt(4)).decode()
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{anna: {secret}}}\n")
    _, second, _, there = group
    with Member(("fraud",)).served(tmp_path / "web.yml") as guarded:
        second.owners = {"fraud": guarded}
        with pytest.raises(DriftdError, match="user and password required"):
            told("rebaseline", "fraud", "--because", "x", "--url", there)
        told("rebaseline", "fraud", "--because", "x", "--url", there.replace("//", "//anna:p@"))
        with pytest.raises(DriftdError, match="user and password required: --url http://USER:PASSWORD@HOST:PORT"):
            told("status", "--url", guarded)


@contextmanager
def stranger(status: int, headers: dict[str, str], body: bytes) -> Iterator[tuple[str, list[str | None]]]:
    """A server that answers all alike; and what login it was shown."""
    shown = list[str | None]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            shown.append(self.headers.get("Authorization"))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Nothing is told."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", shown
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_redirect_takes_no_login_along() -> None:
    with stranger(200, {}, b'{"done": "yes"}') as (there, shown):
        with (
            stranger(302, {"Location": f"http://{there}/act"}, b"") as (here, _),
            pytest.raises(SourceError, match=f"leads to http://{there}/act; give the address of driftd in --url"),
        ):
            sent(f"http://a:b@{here}", "/act", [("do", "acknowledge")])
        assert shown == []


@pytest.mark.parametrize("body", [b"{}", b"[]", b'"yes"', b'{"done": 1}'])
def test_who_answers_otherwise_is_no_driftd(body: bytes) -> None:
    with stranger(200, {}, body) as (there, _), pytest.raises(SourceError, match="no driftd answers there"):
        sent(f"http://{there}", "/act", [("do", "acknowledge")])


def test_members_that_are_no_list_are_none() -> None:
    with (
        stranger(409, {}, b'{"error": "no", "members": "http://evil"}') as (there, _),
        pytest.raises(ActRefused) as refused,
    ):
        sent(f"http://{there}", "/act", [("do", "acknowledge")])
    assert refused.value.members == ()
