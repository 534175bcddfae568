"""Schema registries over HTTP: each schema once, references with it, and a pause where nobody answers."""

from __future__ import annotations

import base64
import pickle
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from driftd.core.errors import SourceError
from driftd.decode.registry import RegisteredSchema, SchemaRef
from driftd.sources import registry as module
from driftd.sources.registry import UNKNOWN_SECONDS, HttpRegistry, basic
from tests.servers.registry import Registry, serving

SEVEN = SchemaRef("id", "7")


@pytest.fixture
def server() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def client(server: Registry, clock: Clock | None = None, **more: str | bool) -> HttpRegistry:
    return HttpRegistry(server.url + "/", clock=clock or Clock(), **more)  # type: ignore[arg-type]


def test_a_schema_is_fetched_once(server: Registry) -> None:
    server.schema(7, '"string"')
    mine = client(server)
    for _ in range(3):
        assert mine.load(SEVEN, serialized=False) == RegisteredSchema("AVRO", '"string"')
    assert server.asked == ["/schemas/ids/7"]


def test_guids_and_serialized_descriptors_have_their_paths(server: Registry) -> None:
    server.answers["/schemas/guids/8979-1"] = {"schema": "{}", "schemaType": "JSON"}
    server.schema(7, "CgA=", "PROTOBUF", "?format=serialized")
    mine = client(server)
    assert mine.load(SchemaRef("guid", "8979-1"), serialized=False) == RegisteredSchema("JSON", "{}")
    assert mine.load(SEVEN, serialized=True) == RegisteredSchema("PROTOBUF", "CgA=")
    assert server.asked[-1] == "/schemas/ids/7?format=serialized"


def test_references_come_with_those_that_they_refer_to_before_them(server: Registry) -> None:
    def refer(name: str, subject: str) -> dict[str, object]:
        return {"name": name, "subject": subject, "version": 2}

    server.schema(7, "outer", references=[refer("a", "subject/a"), refer("c", "c")])
    server.answers["/subjects/subject/a/versions/2"] = {"schema": "A", "references": [refer("b", "b")]}
    server.answers["/subjects/b/versions/2"] = {"schema": "B", "references": [refer("a", "subject/a")]}
    server.answers["/subjects/c/versions/2"] = {"schema": "C", "references": [refer("b", "b")]}
    found = client(server).load(SEVEN, serialized=False)
    assert isinstance(found, RegisteredSchema)
    assert [*found.references.items()] == [("b", "B"), ("a", "A"), ("c", "C")]


def test_too_many_references_are_a_schema_that_cannot_be_used(
    server: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_REFERENCES", 3)
    server.schema(7, "outer", references=[{"name": f"n{i}", "subject": "s", "version": 1} for i in range(5)])
    server.answers["/subjects/s/versions/1"] = {"schema": "S"}
    assert client(server).load(SEVEN, serialized=False) == "more than 3 references"


def test_a_schema_that_is_not_there_is_asked_for_again_after_a_while(server: Registry) -> None:
    clock = Clock()
    mine = client(server, clock)
    for _ in range(3):
        assert "has no such schema" in str(mine.load(SEVEN, serialized=False))
    assert len(server.asked) == 1
    clock.now, server.answers["/schemas/ids/7"] = UNKNOWN_SECONDS + 1, {"schema": "{}"}
    assert isinstance(mine.load(SEVEN, serialized=False), RegisteredSchema)


def test_a_registry_that_does_not_answer_is_asked_again_after_pauses_that_grow(server: Registry) -> None:
    clock = Clock()
    mine = client(server, clock)
    server.stop()
    with pytest.raises(SourceError, match=r"schema registry http://127.*: connection refused; reading waits"):
        mine.load(SEVEN, serialized=False)
    server.schema(7, '"string"')
    server.start()
    with pytest.raises(SourceError):
        mine.load(SEVEN, serialized=False)
    assert not server.asked
    clock.now = 1.1
    assert isinstance(mine.load(SEVEN, serialized=False), RegisteredSchema)
    server.status = 503
    for pause in (1, 2, 4, 8, 16, 30, 30):
        with pytest.raises(SourceError, match="answers 503"):
            mine.load(SchemaRef("id", "8"), serialized=False)
        asked, clock.now = len(server.asked), clock.now + pause - 0.1
        with pytest.raises(SourceError):
            mine.load(SchemaRef("id", "8"), serialized=False)
        assert len(server.asked) == asked
        clock.now += 0.2
    assert isinstance(mine.load(SEVEN, serialized=False), RegisteredSchema)  # what is known goes on


@pytest.mark.parametrize(
    ("status", "words"), [(401, "check schema_registry.username and password_file"), (302, "answers 302")]
)
def test_a_login_that_is_refused_is_told_with_what_to_check(server: Registry, status: int, words: str) -> None:
    server.status = status
    with pytest.raises(SourceError, match=words) as told:
        client(server, authorization=basic("me", "correct-horse")).load(SEVEN, serialized=False)
    assert "correct-horse" not in str(told.value)
    assert server.logins == ["Basic " + base64.b64encode(b"me:correct-horse").decode()]


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"[" * 100_000])
def test_an_answer_of_something_else_is_told_as_that(server: Registry, body: bytes) -> None:
    server.answers["/schemas/ids/7"] = body
    with pytest.raises(SourceError, match="not a registry's answer; check schema_registry"):
        client(server).load(SEVEN, serialized=False)


def test_schemas_have_a_size_at_the_most(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 1 << 20)
    server.schema(7, "x" * (1 << 20))
    assert client(server).load(SEVEN, serialized=False) == "its schema has more than 1 MiB"


def test_apicurio_has_content_ids_global_ids_and_references_of_artifacts(server: Registry) -> None:
    ids, groups = "/apis/registry/v3/ids", "/apis/registry/v3/groups"
    for path in ("contentIds/7", "globalIds/9"):
        server.answers[f"{ids}/{path}"] = b'{"type": "record"}'
        server.answers[f"{ids}/{path}/references"] = [
            {"groupId": None, "artifactId": "geo.Place", "version": "1", "name": "geo.Place"}
        ]
    server.answers[f"{groups}/default/artifacts/geo.Place/versions/1/content"] = b'"string"'
    server.answers[f"{groups}/default/artifacts/geo.Place/versions/1/references"] = []
    mine = client(server, apicurio=True)
    wanted = RegisteredSchema("", '{"type": "record"}', {"geo.Place": '"string"'})
    assert mine.load(SEVEN, serialized=False) == wanted
    assert mine.load(SchemaRef("global", "9"), serialized=False) == wanted
    assert "Apicurio has no GUIDs" in str(mine.load(SchemaRef("guid", "x"), serialized=False))
    assert "only Apicurio has such ids" in str(client(server).load(SchemaRef("global", "9"), serialized=False))


def test_what_is_kept_is_bounded(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_KEPT", 2)
    mine = client(server)
    for number in range(5):
        server.schema(number, "{}")
        mine.load(SchemaRef("id", str(number)), serialized=False)
        mine.load(SchemaRef("id", f"10{number}"), serialized=False)
    assert (len(mine._kept), len(mine._unknown)) == (2, 2)


def test_its_login_is_in_no_text_of_it() -> None:
    mine = HttpRegistry("http://r", authorization=basic("me", "correct-horse"))
    assert basic("me", "correct-horse") not in repr(mine)
    assert pickle.loads(pickle.dumps(mine)).url == "http://r"  # Spark sends limits to its workers


PROTO = 'syntax = "proto3";\npackage shop;\nimport "geo/place.proto";\nmessage Event { geo.Place at = 1; }\n'
PLACE = 'syntax = "proto3";\npackage geo;\nmessage Place { double lat = 1; }\n'


def test_a_schema_of_protobuf_that_is_text_becomes_descriptors(server: Registry) -> None:
    """Apicurio has it so, and Confluent's API of Apicurio."""
    server.schema(7, PROTO, "PROTOBUF", references=[{"name": "geo/place.proto", "subject": "place", "version": 1}])
    server.answers["/subjects/place/versions/1"] = {"schema": PLACE, "schemaType": "PROTOBUF"}
    found = client(server).load(SEVEN, serialized=True)
    assert isinstance(found, RegisteredSchema)
    made = FileDescriptorProto.FromString(base64.b64decode(found.text))
    assert (made.package, [m.name for m in made.message_type], [*made.dependency]) == (
        "shop",
        ["Event"],
        ["geo/place.proto"],
    )
    assert [*found.references] == ["geo/place.proto"]


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("message {", "place.proto", r"protoc: driftd.main.proto:1:9: Expected message name"),
        ('import "nobody.proto";', "place.proto", "nobody.proto"),
        ('syntax = "proto3";', "../../place.proto", "which is no name of a file"),
        ('syntax = "proto3";', "/place.proto", "which is no name of a file"),
        ('syntax = "proto3";', "a" * 300, "File name too long"),
    ],
)
def test_a_text_that_is_no_schema_is_one_that_cannot_be_used(
    server: Registry, text: str, name: str, words: str
) -> None:
    server.schema(7, text, "PROTOBUF", references=[{"name": name, "subject": "place", "version": 1}])
    server.answers["/subjects/place/versions/1"] = {"schema": PLACE}
    assert words in str(client(server).load(SEVEN, serialized=True))


def test_without_protoc_a_text_says_what_to_install(server: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("driftd.sources.proto_text.find_spec", lambda _: None)
    server.schema(7, PROTO, "PROTOBUF")
    assert "pip install 'driftd[protobuf]'" in str(client(server).load(SEVEN, serialized=True))
