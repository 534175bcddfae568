"""Which values become hashes, and that the same ones always do."""

from __future__ import annotations

import string
from typing import Any

import numpy as np
import pytest

from driftd.core.event import Kind
from driftd.core.hashing import MOST_KEPT, NOT_HASHED, Hasher, Hashing, How

KEY = b"0123456789abcdef"
H = Hasher(KEY).hash


@pytest.mark.parametrize(
    ("patterns", "channel", "expected"),
    [
        pytest.param((), "country", How.TEXT, id="text of every channel"),
        pytest.param(("country",), "country", How.ALL, id="by name"),
        pytest.param(("c*",), "country", How.ALL, id="by pattern"),
        pytest.param(("C*",), "country", How.TEXT, id="case counts"),
        pytest.param(("fraud/*",), "country", How.ALL, id="of the model"),
        pytest.param(("loans/*",), "country", How.TEXT, id="of another model"),
        pytest.param(("fr*",), "country", How.TEXT, id="a pattern without a model is of channels"),
        pytest.param(("label",), "prediction", How.ALL, id="predictions are compared with labels"),
        pytest.param(("prediction",), "label", How.ALL, id="and labels with predictions"),
        pytest.param(("prediction",), "features.prediction", How.TEXT, id="a feature of that name is another channel"),
    ],
)
def test_patterns(patterns: tuple[str, ...], channel: str, expected: How) -> None:
    assert Hashing("", text=True, channels=patterns).of("fraud", channel) is expected


def test_a_hash_is_a_mark_and_twelve_digits_that_need_the_key() -> None:
    assert H("DE")[0] == "#"
    assert len(H("DE")) == 13
    assert set(H("DE")[1:]) <= set(string.hexdigits)
    assert H("DE") == "#ce21d95a7b1d"  # the same in every process and every release: states hold it
    assert Hasher(b"another key of 16").hash("DE") != H("DE")
    assert Hasher(KEY * 10).hash("DE") != Hasher(KEY * 11).hash("DE")


def test_the_key_is_in_no_text_of_it() -> None:
    hasher = Hasher(KEY, text=True)
    assert KEY.decode() not in repr(hasher)
    assert len({Hasher(key).hashing.fingerprint for key in (KEY, KEY + b"0")}) == 2


@pytest.mark.parametrize("kind", [Kind.ANY, Kind.CATEGORICAL])
def test_a_value_has_one_hash_whatever_is_known_of_the_channel(kind: Kind) -> None:
    """What is learned from before the kind is known must be found again after."""
    column: list[Any] = ["DE", None, "true", "10023456", 7.0]
    text, every = Hasher(KEY, text=True), Hasher(KEY, channels=("x",))
    seven = "7" if kind is Kind.CATEGORICAL else 7.0
    assert text.feature("m", "x", column, kind) == [H("DE"), None, "true", H("10023456"), seven]
    assert every.feature("m", "x", column, kind) == [H("DE"), None, H("true"), H("10023456"), H("7")]
    assert Hasher(KEY, channels=("y",)).feature("m", "x", column, kind) == [*column[:4], seven]


def test_numbers_of_a_named_channel_become_categories_and_others_stay() -> None:
    numbers = np.array([7.0, np.nan, 1.5])
    assert Hasher(KEY, channels=("id",)).feature("m", "id", numbers, Kind.ANY) == [H("7"), None, H("1.5")]
    assert Hasher(KEY, text=True).feature("m", "id", numbers, Kind.NUMERIC) is numbers


def test_predictions_and_labels_that_are_equal_stay_equal() -> None:
    """7, "7" and true are compared as numbers, so they are hashed as such, or not at all."""
    same: list[Any] = [1.0, "1", "true", "1.0"]
    assert len(set(Hasher(KEY, channels=("label",)).answer("m", same, Kind.ANY))) == 1
    assert Hasher(KEY, text=True).answer("m", [*same, "DE"], Kind.ANY) == [*same, H("DE")]


def test_hashes_of_identifiers_do_not_fill_the_memory() -> None:
    hasher = Hasher(KEY, text=True)
    for begin in range(0, 3 * MOST_KEPT, 50_000):
        hasher.feature("m", "x", [str(i) for i in range(begin, begin + 50_000)], Kind.ANY)
    assert max(map(len, hasher._tables.values())) <= MOST_KEPT + 1


def test_what_is_the_same_for_a_channel() -> None:
    old = Hasher(KEY, text=True).hashing
    other_key = Hasher(b"another key of 16", text=True).hashing
    more = Hasher(KEY, text=True, channels=("id",)).hashing
    assert not other_key.same_as(old, "m", "country", Kind.CATEGORICAL)
    assert other_key.same_as(old, "m", "amount", Kind.NUMERIC)
    assert more.same_as(old, "m", "country", Kind.CATEGORICAL)
    assert not more.same_as(old, "m", "id", Kind.NUMERIC)
    assert not old.same_as(NOT_HASHED, "m", "country", Kind.CATEGORICAL)
