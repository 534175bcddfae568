"""Events to FaultCounters: repeated, far, hot and refused values of a batch, and the logarithms of its numbers.

A repeat and a hot value depend on the events before, so a partition carries the last event's values and the unseen
categories of its last HOT_EVENTS events (``Carry``). Any split of the events into batches gives the same counters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from operator import eq
from typing import Final, Self
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import Column, EventBatch
from driftd.core.fault_counters import (
    COLUMNS,
    FAR,
    HOT,
    LOG_SQUARES,
    LOG_UNIT,
    LOGS,
    NONZERO,
    REFUSED,
    REPEATED,
    CountLimits,
)
from driftd.core.summary import MISSING, UNSEEN
from driftd.core.values import same_number

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HOT_EVENTS: Final = 100
"""A new value that comes three times within so many events takes a share; one of many young values does not."""
HOT_REPEATS: Final = 2


@dataclass(frozen=True, slots=True, eq=False)
class Carry:
    """What one partition keeps of a model between batches.

    numbers  float64[channels]: the last event's number; NaN where it had none
    keys     int64[channels]: the last event's category as a number (its CRC-32), -1 where it had none
    place    int: events of the partition so far
    hot_channel intp[k], hot_key int64[k], hot_place int64[k]: unseen categories of the last HOT_EVENTS events
    """

    numbers: Floats
    keys: NDArray[np.int64]
    place: int
    hot_channel: NDArray[np.intp]
    hot_key: NDArray[np.int64]
    hot_place: NDArray[np.int64]

    @classmethod
    def start(cls, channels: int) -> Self:
        none = np.zeros(0, np.int64)
        return cls(np.full(channels, np.nan), np.full(channels, -1), 0, none.astype(np.intp), none, none)


def key_of(category: str | float | None) -> int:
    """A category as a number that is the same in every process; -1 for none."""
    return -1 if category is None else crc32(str(category).encode("utf-8", "surrogatepass"))


def flags(
    columns: Sequence[Column | None],
    bins: NDArray[np.intp],
    values: Floats,
    limits: CountLimits,
    carry: Carry,
    refused: Bools | None = None,
) -> tuple[NDArray[np.int64], Carry]:
    """What each event adds, int64[COLUMNS, channels, n], and what the next batch must know.

    ``columns``: the channels' columns (only those of categories are read); ``bins`` intp[channels, n] and ``values``
    float64[channels, n] as driftd.ingest.binning.encode gives them; ``refused`` bool[channels, n]. In offset order.
    """
    channels, n = bins.shape
    out = np.zeros((COLUMNS, channels, n), np.int64)
    if n == 0:
        return out, carry
    if refused is not None:
        out[REFUSED] = refused
    with np.errstate(invalid="ignore", divide="ignore"):
        out[FAR] = (values < limits.low[:, None]) | (values > limits.high[:, None])
        before = np.concatenate([carry.numbers[:, None], values[:, :-1]], axis=1)
        out[REPEATED] = same_number(values, before)
        size = np.abs(values)
        logs = np.log(size + limits.offset[:, None])
    some = np.isfinite(logs) & (size > 0)
    logs[~some] = 0.0
    out[NONZERO] = some
    out[LOGS] = np.rint(logs / LOG_UNIT)
    out[LOG_SQUARES] = np.rint(logs * logs / LOG_UNIT)
    keys, hot = carry.keys.copy(), _Hot.of(carry)
    for row, column in enumerate(columns):
        if column is None or isinstance(column, np.ndarray):
            continue
        first = key_of(column[0]) == carry.keys[row] and carry.keys[row] >= 0
        same = np.fromiter(chain((first,), map(eq, column[1:], column)), bool, n)
        out[REPEATED, row] = same & (bins[row] > MISSING)
        keys[row] = key_of(column[-1]) if bins[row, -1] > MISSING else -1
        places = np.flatnonzero(bins[row] == UNSEEN)
        out[HOT, row, places] = hot.add(row, [key_of(column[i]) for i in places.tolist()], places + carry.place)
    hot_channel, hot_key, hot_place = hot.last(carry.place + n)
    return out, Carry(values[:, -1].copy(), keys, carry.place + n, hot_channel, hot_key, hot_place)


def refused_values(channels: Sequence[Channel], numeric: Bools, batch: EventBatch, classes: bool) -> Bools | None:
    """bool[channels, n]: values of another type than the channel's; None where all are of the right one."""
    out = None
    for row, channel in enumerate(channels):
        mine = batch.refused.get(channel.feature) if channel.feature is not None else None
        text = _text(channel.values(batch, classes)) if numeric[row] else None
        if text is not None:
            mine = text if mine is None else mine | text
        if mine is not None and mine.any():
            out = np.zeros((len(channels), len(batch)), bool) if out is None else out
            out[row] = mine
    return out


def _text(column: Column | None) -> Bools | None:
    """bool[n]: values that are text; None for a column of numbers alone."""
    if column is None or isinstance(column, np.ndarray):
        return None
    return np.fromiter((isinstance(v, str) for v in column), bool, len(column))


def hot_of(keys: NDArray[np.int64], places: NDArray[np.int64]) -> Bools:
    """bool[k]: whose key came HOT_REPEATS times before among the HOT_EVENTS places before; places ascend."""
    out = np.zeros(len(keys), bool)
    if len(keys) > HOT_REPEATS:
        order = np.argsort(keys, kind="stable")
        k, p = keys[order], places[order]
        near = (k[HOT_REPEATS:] == k[:-HOT_REPEATS]) & (p[HOT_REPEATS:] - p[:-HOT_REPEATS] <= HOT_EVENTS)
        out[order[HOT_REPEATS:][near]] = True
    return out


@dataclass(slots=True)
class _Hot:
    """Unseen categories of a partition's last events, by channel."""

    channel: NDArray[np.intp]
    key: NDArray[np.int64]
    place: NDArray[np.int64]

    @classmethod
    def of(cls, carry: Carry) -> Self:
        return cls(carry.hot_channel, carry.hot_key, carry.hot_place)

    def add(self, row: int, keys: Sequence[int], places: NDArray[np.int64]) -> Bools:
        """Which of a channel's new unseen values are hot."""
        if not len(places):
            return np.zeros(0, bool)
        mine = self.channel == row
        old = int(np.count_nonzero(mine))
        key = np.concatenate([self.key[mine], np.array(keys, np.int64)])
        place = np.concatenate([self.place[mine], places])
        self.channel = np.concatenate([self.channel, np.full(len(places), row, np.intp)])
        self.key = np.concatenate([self.key, np.array(keys, np.int64)])
        self.place = np.concatenate([self.place, places])
        return hot_of(key, place)[old:]

    def last(self, end: int) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
        kept = self.place >= end - HOT_EVENTS
        return self.channel[kept], self.key[kept], self.place[kept]
