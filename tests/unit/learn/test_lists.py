"""What is learned of lists: which channels they have, and that fresh events look like those that were learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.event import EventBatch, Kind
from driftd.core.lists import CLASSES, LISTS, STEP, Part, coordinates
from driftd.core.summary import MISSING
from driftd.learn.build import Learning, build, schema_of

Floats = NDArray[np.float64]


def rows(lists: Floats | list[Floats], name: str = "e", **columns: Any) -> EventBatch:
    sizes = np.array([*map(len, lists)], np.int64)
    norms, found = coordinates(np.concatenate([*lists]).astype(float), sizes)
    n = len(norms)
    given = {name: norms, **columns}
    return EventBatch("m", np.arange(n), np.arange(n) / 10.0, given, {LISTS + name: found})


def clustered(rng: np.random.Generator, n: int, dims: int, clusters: int = 5, noise: float = 0.1) -> Floats:
    """Embeddings of length 1 about a few directions; none where ``clusters`` is 0."""
    x = rng.normal(size=(n, dims))
    if clusters:
        centers = np.random.default_rng(5).normal(size=(clusters, dims))
        x = centers[rng.integers(clusters, size=n)] + noise * dims**0.5 * x / dims**0.5 * 3
    out: Floats = x / np.linalg.norm(x, axis=1, keepdims=True)
    return out


def channels(batch: EventBatch) -> dict[str, tuple[Kind, str | None]]:
    return {c.name: (c.kind, c.feature) for c in build(batch, Learning()).channels if c.name != "error"}


def test_short_lists_have_a_channel_for_each_number(rng: np.random.Generator) -> None:
    found = build(rows(rng.dirichlet([1, 1, 1], 600)), Learning())
    assert [c.name for c in found.channels if c.feature] == ["e", "e[0]", "e[1]", "e[2]"]
    assert {c.kind for c in found.channels if c.feature == "e"} == {Kind.NUMERIC}
    assert schema_of(found).features == {"e": Kind.LIST}


def test_long_lists_have_a_cell_a_distance_and_a_residual(rng: np.random.Generator) -> None:
    found = channels(rows(clustered(rng, 2000, 300)))
    assert {name: kind for name, (kind, _) in found.items()} == {
        "e": Kind.NUMERIC,
        "e.cell": Kind.CATEGORICAL,
        "e.distance": Kind.NUMERIC,
        "e.residual": Kind.NUMERIC,
    }


def test_noise_without_directions_has_no_residual(rng: np.random.Generator) -> None:
    """It would be the distance from the mean once more, and components of noise fit the events that they are of."""
    assert "e.residual" not in channels(rows(clustered(rng, 2000, 64, clusters=0)))


def test_lists_that_differ_in_length_have_their_norm_alone(rng: np.random.Generator) -> None:
    ragged = [rng.normal(size=int(n)) for n in rng.integers(1, 30, 600)]
    assert [*channels(rows(ragged))] == ["e"]


def test_a_feature_of_that_name_keeps_it(rng: np.random.Generator) -> None:
    batch = rows(rng.dirichlet([1, 1], 600), "e", **{"e[1]": rng.normal(size=600)})
    assert [*channels(batch)] == ["e", "e[0]", "lists.e[1]", "e[1]"]


def test_a_list_of_another_length_has_no_value_in_the_channels_of_its_numbers(rng: np.random.Generator) -> None:
    learned = build(rows(rng.dirichlet([1, 1, 1], 600)), Learning())
    other = rows([np.array([0.2, 0.8]), np.array([0.1, 0.2, 0.7]), np.array([])])
    values = {c.name: np.asarray(c.values(other, classes=False)) for c in learned.channels}
    assert values["e[2]"][1] == pytest.approx(0.7)
    assert np.isnan(values["e[2]"][[0, 2]]).all()
    assert np.isnan(values["e[0]"]).tolist() == [True, False, True]
    assert values["e"][2] == 0


def test_the_order_of_events_does_not_matter(rng: np.random.Generator) -> None:
    batch = rows(clustered(rng, 800, 100))
    mixed = batch.take(rng.permutation(len(batch)))
    assert build(batch, Learning()).id == build(mixed, Learning()).id


def test_what_is_learned_of_lists_is_part_of_what_decides_where_values_are_counted(rng: np.random.Generator) -> None:
    a, b = (build(rows(clustered(rng, 800, 100, noise=noise)), Learning()) for noise in (0.1, 0.1))
    assert a.id != b.id
    assert a.channels == b.channels


@pytest.mark.parametrize("n", [500, 2000])
@pytest.mark.parametrize("clusters", [0, 5])
def test_fresh_events_lie_as_far_from_what_was_learned_as_those_it_was_learned_from(n: int, clusters: int) -> None:
    """Bias of fitting, in standard deviations, averaged over references; its own noise is about 0.03 to 0.01."""
    bias: dict[str, list[float]] = {"distance": [], "residual": []}
    for seed in range(8):
        rng = np.random.default_rng(seed)
        batch, fresh = (rows(clustered(rng, size, 384, clusters)) for size in (n, 2000))
        for channel in build(batch, Learning()).channels:
            if channel.part is not None and channel.part.what in bias:
                was, now = (np.asarray(channel.values(b, classes=False)) for b in (batch, fresh))
                bias[channel.part.what].append((np.nanmean(now) - np.nanmean(was)) / np.nanstd(was))
    for what, found in bias.items():
        assert abs(np.mean(found or [0.0])) < 0.1, (what, np.mean(found))


def test_distances_are_those_of_the_vectors(rng: np.random.Generator) -> None:
    """Up to 64 numbers exactly, within 18 % for longer ones (Johnson and Lindenstrauss 1984)."""
    for dims, most in ((64, 1e-3), (1536, 0.18)):
        x = clustered(rng, 200, dims, clusters=0)
        _, found = coordinates(x.ravel(), np.full(200, dims))
        kept, true = found[:, 1:].astype(float), x
        a, b = (np.linalg.norm(v[:100] - v[100:], axis=1) for v in (kept, true))
        assert np.sqrt(np.mean((a / b - 1) ** 2)) < most


def test_values_do_not_depend_on_which_events_were_decoded_together(rng: np.random.Generator) -> None:
    x = clustered(rng, 3000, 1536)
    learned = build(rows(x), Learning())
    parts = [c for c in learned.channels if c.part is not None]
    together = [c.values(rows(x), classes=False) for c in parts]
    for size in (1, 7, 1000):
        apart = [c.values(rows(x[:size]), classes=False) for c in parts]
        for one, every in zip(apart, together, strict=True):
            assert one is not None
            assert every is not None
            assert [*one] == [*every[:size]]


def test_coordinates_of_known_lists() -> None:
    norms, found = coordinates(np.array([3.0, 4.0, 1e300, 1e300]), np.array([2, 0, 2]))
    assert norms.tolist() == [5.0, 0.0, pytest.approx(2**0.5 * 1e300)]
    assert found[0].tolist() == [2, 3, 4]
    assert found[1].tolist() == [0, 0, 0]
    assert np.isfinite(found).all()
    norms, found = coordinates(np.ones(20), np.array([20]))
    assert norms.tolist() == [pytest.approx(20**0.5)]
    assert found[0, 1:21] == pytest.approx(np.full(20, 20**-0.5), abs=STEP)
    assert not found[0, 21:].any()


def test_lists_of_several_lengths_have_the_coordinates_that_each_has_alone(rng: np.random.Generator) -> None:
    some = [rng.normal(size=n) * 10.0 ** rng.integers(-150, 150) for n in (3, 70, 20, 1, 64, 200, 16, 17, 128)]
    norms, found = coordinates(np.concatenate(some), np.array([*map(len, some)]))
    for each, norm, row in zip(some, norms.tolist(), found, strict=True):
        (alone,), (kept,) = coordinates(each, np.array([len(each)]))
        assert norm == alone == pytest.approx(np.linalg.norm(each / 2.0**400) * 2.0**400)
        assert np.trim_zeros(row, "b").tolist() == np.trim_zeros(kept, "b").tolist()


def test_a_vector_of_zeros_has_no_direction() -> None:
    _, found = coordinates(np.zeros(30), np.array([30]))
    part = Part("e", "distance", 30, learned=np.zeros((1, 64)))
    values = part.values({LISTS + "e": found})
    assert values is not None
    assert np.isnan(np.asarray(values, float)).all()


def scored(columns: dict[str, Floats]) -> EventBatch:
    n = len(next(iter(columns.values())))
    fields = {"score": np.full(n, 0.5), **{f"{CLASSES}{name}": column for name, column in columns.items()}}
    return EventBatch("m", np.arange(n), np.arange(n) / 10.0, {"x": np.arange(n) * 1.0}, fields)


def test_each_class_of_scores_that_are_objects_has_a_channel(rng: np.random.Generator) -> None:
    often, rare = np.where(np.arange(600) % 25, rng.random(600), np.nan), np.where(np.arange(600) % 9, np.nan, 0.5)
    found = build(scored({"cat": rng.random(600), "dog": often, "owl": rare}), Learning())
    assert [c.name for c in found.channels if c.role is Role.SCORE] == ["score", "score[cat]", "score[dog]"]
    assert found.summary.counts[found.rows["score[dog]"]][MISSING] == 24


@pytest.mark.parametrize(("classes", "channels"), [(16, 17), (17, 1)])
def test_many_classes_have_no_channels(classes: int, channels: int, rng: np.random.Generator) -> None:
    found = build(scored({f"c{i}": rng.random(600) for i in range(classes)}), Learning())
    assert sum(c.role is Role.SCORE for c in found.channels) == channels
