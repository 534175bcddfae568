"""Segments in driftd.yaml: what comes out, and what is said of mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from driftd import config
from driftd.config.memory import shapes
from driftd.core.errors import ConfigError
from driftd.core.segmenting import Segmenting
from driftd.wiring.app import pipeline_of

GOOD = """
models:
- name: fraud
  segments:
    fields: [country, store, amount]
    values: {store: [1, true, north]}
    edges: {amount: [10, 100.5]}
    max_segments: 30
    budget: 0.25
"""


def loaded(tmp_path: Path, text: str) -> config.Loaded:
    path = tmp_path / "driftd.yaml"
    path.write_text(text)
    return config.load(path, {})


def test_segments_are_what_the_file_says(tmp_path: Path) -> None:
    settings = loaded(tmp_path, GOOD).settings
    values, edges = {"store": ("1", "true", "north")}, {"amount": (10.0, 100.5)}
    mine = pipeline_of(settings).monitor.configured["fraud"]
    assert mine.segmenting == Segmenting(("country", "store", "amount"), values, edges, 1000, 30, 0.25)
    assert mine.share == 0.75
    assert mine.of_segment.share == pytest.approx(0.25 / 30)
    assert shapes(settings)[0] == 100 + 30


def test_hashed_values_are_known_by_their_hashes(tmp_path: Path) -> None:
    privacy = "privacy: {hash_channels: [store], key: '0123456789abcdef0123'}\n"
    wanted = pipeline_of(loaded(tmp_path, GOOD + privacy).settings).monitor.configured["fraud"].segmenting
    assert wanted is not None
    assert all(v.startswith("#") for v in wanted.values["store"])


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[country, store, amount]", "[country, store]", "segments.edges.amount: not among the fields"),
        ("[country, store, amount]", "[store, amount, store]", "'store' appears twice"),
        ("[country, store, amount]", "['a=b', store, amount]", "a field whose name has '=' in it cannot make segments"),
        ("[10, 100.5]", "[10, 10]", "segments.edges.amount: expected numbers that rise, one at least"),
        ("[1, true, north]", "[1, 1]", "segments.values.store: expected different values, one at least"),
        ("max_segments: 30", "max_segments: 5", "6 segments are named, and max_segments is 5"),
        (
            "{amount: [10, 100.5]}",
            "{amount: [10], store: [2]}",
            "values of 'store' are given as well; keep one of them",
        ),
        ("budget: 0.25", "budget: 1", "segments.budget"),
    ],
)
def test_mistakes_are_told_in_words(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError, match="segments") as e:
        loaded(tmp_path, GOOD.replace(old, new))
    assert said in str(e.value)


def test_members_need_the_values(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as e:
        loaded(tmp_path, GOOD + "members: {enabled: true}\n")
    assert "give values: {country: [...]}" in str(e.value)
    loaded(tmp_path, GOOD.replace("country, ", "") + "members: {enabled: true}\n")
