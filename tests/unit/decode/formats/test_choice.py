"""Which format records have: by topic, as configured, and what is refused before anything is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from driftd.config import load
from driftd.config.settings import Settings
from driftd.core.errors import ConfigError
from driftd.decode import Limits, codec_of, format_names, pairs
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping
from driftd.decode.recognise import recognised
from driftd.sources.registry import HttpRegistry, basic
from driftd.wiring.decoding import limits_of
from driftd.wiring.members import _require_whole_records
from tests.unit.decode.formats.make import batch, kserve
from tests.unit.decode.make import m, only, records


def configured(tmp_path: Path, text: str) -> Settings:
    path = tmp_path / "driftd.yaml"
    path.write_text(text)
    return load(path, {}).settings


def test_topics_have_formats_of_their_own(tmp_path: Path) -> None:
    settings = configured(tmp_path, "mapping: {topics: {t: {format: kserve}}}")
    codec = codec_of(limits_of(settings))
    call = kserve("request", {"instances": [[1]]}), kserve("response", {"predictions": [2]})
    assert only(codec.decode(batch(call), {})).prediction == [2]
    assert only(codec.decode(records([m()]), {})).model == "m"  # topic events


def test_a_format_that_does_not_exist_is_told_with_its_place_and_a_guess(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mapping\.topics\.t\.format: no format 'kserv'; did you mean 'kserve'\?"):
        configured(tmp_path, "mapping: {topics: {t: {format: kserv}}}")
    with pytest.raises(ConfigError, match=r"mapping\.format: no format 'xml'; expected .*json.*kserve"):
        configured(tmp_path, "mapping: {format: xml}")


def test_members_take_no_format_whose_calls_are_two_records(tmp_path: Path) -> None:
    _require_whole_records(configured(tmp_path, "mapping: {format: json}"))
    with pytest.raises(ConfigError, match=r"mapping\.topics\.t\.format: requests and answers of 'kserve'"):
        _require_whole_records(configured(tmp_path, "mapping: {topics: {t: {format: kserve}}}"))


def test_every_format_says_what_it_is() -> None:
    for name in format_names():
        assert isinstance(pairs(name), bool)
        assert codec_of(Limits(mappings=Mappings(RecordMapping({}, FeatureSource(), name)))) is not None


def test_records_are_recognised_where_most_are_of_the_format() -> None:
    call = kserve("request", {"instances": [[1]]})
    found = recognised([batch([call, call, ([], b"{}")])])
    assert found is not None
    assert found.mapping == {"format": "kserve"}
    assert recognised([batch([call, ([], b"{}")])]) is None


def test_formats_of_a_registry_need_its_url_and_their_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"mapping\.format: 'avro' needs schema_registry\.url"):
        configured(tmp_path, "mapping: {format: avro}")
    both = "schema_registry: {url: http://r:8081}\nmapping: {topics: {t: {format: FORMAT}}}"
    for name in ("avro", "protobuf"):
        assert limits_of(configured(tmp_path, both.replace("FORMAT", name))).registry is not None
    monkeypatch.setattr("driftd.config.checks.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=r"mapping\.topics\.t\.format: .*pip install 'driftd\[avro\]'"):
        configured(tmp_path, both.replace("FORMAT", "avro"))


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ("{url: registry}", "expected a URL such as"),
        ("{url: 'http://me:secret@r'}", "expected no user and password in it"),
        ("{url: http://r, password: x}", "needs schema_registry.username"),
        ("{url: http://r, username: me, token: x}", "username is given as well"),
        ("{url: http://r, cafile: /nowhere}", "/nowhere"),
        ("{url: http://r, password_file: /nowhere}", "No such file"),
    ],
)
def test_a_registry_that_cannot_be_asked_is_a_mistake(tmp_path: Path, section: str, words: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(words)):
        configured(tmp_path, f"schema_registry: {section}")


def test_the_login_comes_from_its_file_and_is_masked(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("correct-horse\n")
    secret.chmod(0o600)
    path = tmp_path / "driftd.yaml"
    path.write_text(f"schema_registry: {{url: http://r, username: me, password_file: {secret}}}")
    loaded = load(path, {})
    registry = limits_of(loaded.settings).registry
    assert isinstance(registry, HttpRegistry)
    assert registry.authorization == basic("me", "correct-horse")
    assert "correct-horse" not in str([*loaded.rows()])


def test_protobuf_of_apicurio_may_go_by_its_own_api(tmp_path: Path) -> None:
    settings = configured(tmp_path, "schema_registry: {url: http://r, type: apicurio}\nmapping: {format: protobuf}")
    registry = limits_of(settings).registry
    assert isinstance(registry, HttpRegistry)
    assert registry.apicurio
