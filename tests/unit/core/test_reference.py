"""What a reference depends on: its values, and neither their order nor their signs of zero."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from driftd.core.event import Kind
from driftd.core.reference import MAX_KNOWN, Reference, category_bins, numeric_bins
from driftd.core.summary import FIRST_VALUE, LATENCY_ERROR, UNSEEN, Summary, latency_bins, merge
from driftd.core.values import infer_kind
from driftd.engine.snapshot.coding import decode_reference, encode_reference
from driftd.ingest.binning import encode_with, summarise_with
from driftd.learn.build import Learning, build
from tests.unit.core.make import events, stream


def frozen(reference: Reference) -> bytes:
    return encode_reference(reference)


def test_the_order_of_events_does_not_matter(rng: np.random.Generator) -> None:
    rows = stream(rng, 500)
    x = np.abs(np.asarray(rows.columns["x"], np.float64))
    x[::3], x[1::3] = 0.0, -0.0
    rows = replace(rows, columns={**rows.columns, "x": x})
    shuffled = rows.take(rng.permutation(500))
    assert frozen(build(shuffled, Learning())) == frozen(build(rows, Learning()))


def test_a_reference_comes_back_bit_for_bit(rng: np.random.Generator) -> None:
    reference = build(stream(rng, 300), Learning())
    again = decode_reference(frozen(reference))
    assert frozen(again) == frozen(reference)
    assert [(b.once, b.discrete) for b in again.bins] == [(b.once, b.discrete) for b in reference.bins]


def test_few_values_have_bins_of_their_own_and_zero_has_no_sign() -> None:
    bins = numeric_bins(np.array([-0.0, 0.0, 1.0, 7.0]))
    assert bins.discrete
    assert bins.labels == ("< 0", "0", "1", "7", "> 7")
    assert bins.place(np.array([-1.0, -0.0, 0.0, 7.0, 8.0, np.nan])).tolist() == [2, 3, 3, 5, 6, 0]


@pytest.mark.parametrize("values", [6, 51], ids=["a bin each", "quantiles"])
@pytest.mark.parametrize("learned", [np.float64, np.float32, "both"])
def test_a_value_and_its_float32_share_a_bin(rng: np.random.Generator, values: int, learned: Any) -> None:
    x = rng.integers(-10, values - 10, 3000) / 10
    rounded = x.astype(np.float32).astype(float)
    bins = numeric_bins(np.where(rng.random(3000) < 0.5, x, rounded) if learned == "both" else x.astype(learned))
    np.testing.assert_array_equal(bins.place(x), bins.place(rounded))
    assert not set(bins.place(x)) & {FIRST_VALUE, bins.used - 1}  # nor is any out of range
    assert len(set(bins.place(x))) == min(values, len(bins.labels) - 2)


@pytest.mark.parametrize(
    "near",
    [
        [0.3, np.nextafter(0.3, 1)],
        [2.0**24, 2.0**24 + 1, 2.0**24 + 2],  # identifiers
        [-5e-324, 0.0, 5e-324],
        [1e300, 1.7e308],
        [1e-9, 2e-9, 1.0],
    ],
)
def test_no_value_swallows_its_neighbour(near: list[float]) -> None:
    bins = numeric_bins(np.array(near))
    assert bins.place(np.array(near)).tolist() == [*range(FIRST_VALUE + 1, FIRST_VALUE + 1 + len(near))]
    assert np.isfinite(bins.edges).all()


def test_a_bin_of_one_value_is_named_by_it(rng: np.random.Generator) -> None:
    bins = numeric_bins(np.concatenate([np.ones(500), rng.random(500) + 2]))
    assert bins.labels[:2] == ("< 1", "1")


def test_many_values_share_quantile_bins(rng: np.random.Generator) -> None:
    x = rng.normal(size=2000)
    bins = numeric_bins(x, 20)
    assert not bins.discrete
    assert set(Counter(bins.place(x).tolist()).values()) == {100}


def test_categories_seen_once_are_counted_also_beyond_the_top() -> None:
    assert category_bins(["a", "a", "b", "c", "d", None], top=2).once == 3


@pytest.mark.parametrize("learned", [["true", "false"], ["0", "1"], ["True", "False"]])
def test_truths_are_one_category_in_each_spelling(learned: list[str]) -> None:
    bins = category_bins([learned[0], *learned])
    first, second = FIRST_VALUE, FIRST_VALUE + 1
    true, false = (first, second) if learned[0] != "0" else (second, first)
    spelled: list[Any] = ["true", "false", "True", "False", "1", "0", 1.0, 0.0]
    assert bins.place(spelled).tolist() == [true, false] * 4
    assert bins.place(["yes", 2.0]).tolist() == [UNSEEN, UNSEEN]


def test_a_category_among_others_has_one_spelling() -> None:
    assert category_bins(["true", "false", "unknown"]).place(["1", 0.0]).tolist() == [UNSEEN, UNSEEN]


def test_truths_that_are_learned_in_two_spellings_are_two_categories() -> None:
    values: list[Any] = ["true", "false", 1.0, 0.0, None] * 20
    rows = replace(events([1.0] * 100, [0.0] * 100, ["red"] * 100), columns={"flag": values})
    reference = build(rows, Learning())
    bins = reference.bins[reference.rows["flag"]]
    assert set(bins.categories) == {"true", "false"}
    assert reference.summary.counts[reference.rows["flag"]].tolist()[:4] == [20, 0, 40, 40]


def test_a_feature_of_too_many_values_is_an_identifier() -> None:
    bins = category_bins(str(i) for i in range(MAX_KNOWN + 1))
    assert bins.identifier
    assert bins.place(["new"]).tolist() == [bins.used - 1]


@pytest.mark.parametrize(("rubbish", "kind"), [(5, Kind.NUMERIC), (6, Kind.CATEGORICAL)])
def test_a_little_rubbish_does_not_decide_the_kind(rubbish: int, kind: Kind) -> None:
    assert infer_kind([1.0] * (100 - rubbish) + ["?"] * rubbish) is kind


def test_the_largest_numbers_overflow_nothing() -> None:
    x = [1.7e308, -1.7e308, 1.6e308, 1.5e308] * 10
    reference = build(events([1000.0 + i for i in range(40)], x, ["a"] * 40), Learning())
    assert np.isfinite(reference.center).all()
    assert np.isfinite(reference.scale).all()


def test_parts_merge_in_any_order_to_the_whole(rng: np.random.Generator) -> None:
    rows = stream(rng, 400)
    whole = build(rows, Learning())
    parts: list[Summary] = []
    for index in np.array_split(rng.permutation(400), 5):
        batch = rows.take(index)
        parts += summarise_with(whole, batch, encode_with(whole, batch), np.zeros(len(batch), np.int64)).values()

    def plain(s: Summary) -> bytes:
        return frozen(replace(whole, summary=s))

    assert plain(merge(parts)) == plain(merge(parts[::-1])) == plain(whole.summary)
    assert plain(merge((merge(parts[:2]), merge(parts[2:])))) == plain(whole.summary)


def test_latency_quantiles_keep_their_promise(rng: np.random.Generator) -> None:
    seconds = rng.lognormal(-3, 2, 5000)
    sketch = np.bincount(latency_bins(seconds), minlength=len(Summary.empty("", 1, 3).latency))
    s = replace(Summary.empty("", 1, 3), latency=sketch)
    exact = np.quantile(seconds, [0.5, 0.9, 0.99], method="lower")
    assert s.latency_quantiles([0.5, 0.9, 0.99]) == pytest.approx(exact, rel=LATENCY_ERROR + 1e-9)


def test_categories_beyond_the_thirtieth_have_bins_where_they_are_no_luck() -> None:
    """40 categories seen 5 times, 70 seen 4 times: the first thirty in any case, then those seen often enough."""
    values = [f"a{i:02d}" for i in range(40) for _ in range(5)] + [f"b{i:02d}" for i in range(70) for _ in range(4)]
    bins = category_bins(values)
    assert bins.categories == tuple(f"a{i:02d}" for i in range(40))
    assert bins.rare == {f"b{i:02d}" for i in range(70)}
    assert len(category_bins(v for v in values if v[0] == "b").categories) == 30
    assert len(category_bins([f"c{i:03d}" for i in range(200) for _ in range(9)]).categories) == 100
