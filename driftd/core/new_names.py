"""Names of categories that are new and come again and again: a few of each pane and channel, with exact counts.

Kept are the MOST names whose hashes are least. Whether a name is among them depends on the names alone, so panes of any
split of the events add up to the same. What is kept is counted exactly: a name that is kept of all events is kept of
every part of them that has it (bottom-k sampling, Cohen and Kaplan 2007). A value that takes a share of the traffic
comes with few others, and then none is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final
from zlib import crc32

NewName = tuple[int, int, str, int]
"""Pane, channel (row), name, and how often it came."""

MOST: Final = 8
"""Names of a pane and channel that are kept. Chosen: a sentence names one, a page three."""


def key_of(name: str) -> int:
    """A name as a number that is the same in every process."""
    return crc32(name.encode("utf-8", "surrogatepass"))


def added(names: Iterable[NewName]) -> tuple[NewName, ...]:
    """The names of each pane and channel with their sums, in order; at most MOST."""
    by_place: dict[tuple[int, int], dict[str, int]] = {}
    for pane, row, name, n in names:
        mine = by_place.setdefault((pane, row), {})
        mine[name] = mine.get(name, 0) + n
    return tuple((*at, name, counts[name]) for at, counts in sorted(by_place.items()) for name in least(counts))


def least(names: Iterable[str]) -> list[str]:
    """Those that are kept."""
    return sorted(names, key=lambda name: (key_of(name), name))[:MOST]
