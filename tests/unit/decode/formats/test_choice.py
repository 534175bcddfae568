"""Which format records have: by topic, as configured, and what is refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftd.config import load
from driftd.config.settings import Settings
from driftd.core.errors import ConfigError
from driftd.decode import Limits, codec_of, format_names, pairs
from driftd.decode.mapping.spec import FeatureSource, Mappings, RecordMapping
from driftd.decode.recognise import recognised
from driftd.wiring.app import limits_of
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
