"""What is learned of the lists of a reference's events: which channels they have beside their norm.

Fitted and then watched on the same events, centroids and components would lie nearer to these than to any that follow,
and all that follow would look new. So there are few of both for the events that there are: by simulation
(tests/unit/learn/test_lists.py) the mean distance of fresh events differs by less than a tenth of a standard deviation.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Final, cast

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import EventBatch, Kind
from driftd.core.lists import CLASSES, LISTS, SHORT, STEP, WIDE, Part, distances
from driftd.core.values import present

Floats = NDArray[np.float64]

ALIKE: Final = 0.95
"""Share of the values that are lists, and of these that are of one length: one bad producer must not decide."""
MOST_FITTED: Final = 5000
"""Lists that are looked at: with more the centroids move by less than their distance from each other."""
CELLS: Final = (400, SHORT)
"""A centroid for each so many lists, and so many at most: each is a value of a channel, which a page can list."""
COMPONENTS: Final = (250, SHORT)
EXPLAINED: Final = 0.65
"""Share of the variance that components explain together, as NannyML has it."""
_ROUNDS: Final = 20


def parts_of(rows: EventBatch, base: Channel, of: str, taken: Collection[str]) -> Iterator[Channel]:
    """The channels of the lists ``of``, whose norm is the channel ``base``; none where lists are rare, or differ in
    length. ``taken``: names of other channels, features that are called so.
    """
    lists = rows.fields.get(LISTS + of)
    values = base.values(rows, classes=False)
    if lists is None or values is None:
        return
    lists = cast("NDArray[np.float32]", lists)
    lengths = lists[:, 0].astype(np.int64)
    n = int(np.count_nonzero(lengths))
    length, common = _most_common(lengths)
    if n < ALIKE * present(values) or common < max(ALIKE * n, 1):
        return
    if length <= SHORT:
        found = [(f"{of}[{i}]", Kind.NUMERIC, Part(of, "position", length, i)) for i in range(length)]
    else:
        found = [(f"{of}.{p.what}", kind, p) for p, kind in _fitted(rows, lists, of, length)]
    for name, kind, part in found:
        yield replace(base, name=f"lists.{name}" if name in taken else name, kind=kind, part=part)


def classes_of(rows: EventBatch, base: Channel, taken: Collection[str]) -> Iterator[Channel]:
    """The channels of classes, where scores are objects of class to probability; none where these are rare, or have
    many classes.
    """
    scores = base.values(rows, classes=False)
    columns = {n.removeprefix(CLASSES): present(c) for n, c in rows.fields.items() if n.startswith(CLASSES)}
    least = ALIKE * present(scores) if scores is not None else 0.0
    names = sorted((name for name, n in columns.items() if n >= max(least, 1)), key=_class_order)
    if len(names) <= SHORT:
        for at, each in enumerate(names):
            name = f"{base.name}[{each}]"
            part = Part(base.name, "class", len(names), at, name=each)
            yield replace(base, name=f"lists.{name}" if name in taken else name, part=part)


def _class_order(name: str) -> tuple[bool, int, str]:
    """Places of a list by number, names by the alphabet behind them."""
    place = len(name) < 3 and name.isdecimal() and name == str(int(name))
    return (not place, int(name) if place else 0, name)


def _most_common(lengths: NDArray[np.int64]) -> tuple[int, int]:
    """The length, and how many have it; the shorter one of two."""
    known, counts = np.unique(lengths[lengths > 0], return_counts=True)
    at = int(counts.argmax()) if len(known) else 0
    return (int(known[at]), int(counts[at])) if len(known) else (0, 0)


def _fitted(rows: EventBatch, lists: NDArray[np.float32], of: str, length: int) -> Iterator[tuple[Part, Kind]]:
    units = np.zeros((len(lists), WIDE))
    units[:, : lists.shape[1] - 1] = lists[:, 1:]
    here = np.flatnonzero((lists[:, 0] == length) & units.any(axis=1))
    # by value, so that the order in which events came does not matter
    here = here[np.lexsort((*units[here].T[:4], rows.times[here]))]
    here = here[np.linspace(0, len(here) - 1, min(len(here), MOST_FITTED)).astype(np.intp)]
    if len(here) < 2:
        return
    units = units[here]
    centroids = _centroids(units)
    yield Part(of, "cell", length, learned=centroids), Kind.CATEGORICAL
    yield Part(of, "distance", length, learned=centroids), Kind.NUMERIC
    components = _components(units)
    if len(components) > 1:
        yield Part(of, "residual", length, learned=components), Kind.NUMERIC


def _stepped(values: Floats) -> Floats:
    out: Floats = np.rint(values / STEP) * STEP + 0.0
    return out


def _centroids(units: Floats) -> Floats:
    """float64[k, WIDE], the one with the most vectors first: Lloyd's rounds from seeds that are far from each other."""
    k = int(np.clip(len(units) // CELLS[0], 1, CELLS[1]))
    raw = np.random.PCG64(11).random_raw(k).astype(np.float64) / 2.0**64
    chosen = [units[int(raw[0] * len(units))]]
    nearest = distances(units, np.array(chosen))[:, 0]
    for u in raw[1:].tolist():  # k-means++: by the square of the distance
        sums = np.cumsum(nearest)
        chosen.append(units[min(int(np.searchsorted(sums, u * sums[-1], side="right")), len(units) - 1)])
        nearest = np.minimum(nearest, distances(units, chosen[-1][None])[:, 0])
    centroids = np.array(chosen)
    of = np.zeros(len(units), np.intp)
    for _ in range(_ROUNDS):
        of = distances(units, centroids).argmin(axis=1)
        sizes = np.bincount(of, minlength=k)
        sums = np.zeros_like(centroids)
        np.add.at(sums, of, units)
        moved = np.where(sizes[:, None] > 0, sums / np.maximum(sizes, 1)[:, None], centroids)
        if np.array_equal(moved, centroids):
            break
        centroids = moved
    order = np.argsort(-np.bincount(of, minlength=k), kind="stable")
    return _stepped(centroids[order])


def _components(units: Floats) -> Floats:
    """float64[1 + m, WIDE]: the mean, and components that explain more than noise would, up to EXPLAINED together."""
    mean = _stepped(units.mean(axis=0))
    values, vectors = np.linalg.eigh(np.cov((units - mean).T))
    values, vectors = values[::-1], vectors.T[::-1]
    dims = int(np.count_nonzero(values > values[0] * 1e-6))
    # what the largest of noise alone would be (Marchenko and Pastur 1967), the noise being the middle one
    edge = np.median(values[:dims]) * (1 + np.sqrt(dims / len(units))) ** 2
    most = min(int(np.count_nonzero(values > edge)), len(units) // COMPONENTS[0], COMPONENTS[1])
    enough = int(np.searchsorted(np.cumsum(values), EXPLAINED * values.sum())) + 1
    found = vectors[: min(most, enough)]
    signs = np.sign(found[np.arange(len(found)), np.abs(found).argmax(axis=1)])
    return np.concatenate([mean[None], _stepped(found * signs[:, None])])
