"""What is not learned of one channel although the others are: the time before its first value, and that of its faults.

amount   ....|#########|     ....|      . not learned, # learned
         ^ no value yet      ^ a page is open
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Channel
from driftd.core.event import EventBatch
from driftd.core.reference import Drawn, Gap, Reference
from driftd.core.values import absent
from driftd.ingest.binning import NOT_APPLICABLE, Encoded

Bools = NDArray[np.bool_]

MISSING: Final = "missing"
REFUSED: Final = "refused"
"""Why a feature has never had a value: ``Gap.why``."""
PREFIX: Final = "gaps."
"""In ``Reference.learned``."""


def gaps_in(channels: Sequence[Channel], rows: EventBatch, classes: bool, drawn: Drawn) -> tuple[Gap, ...]:
    """Those that are known, and of a reference that grows the time before the first value of each feature."""
    if not drawn.early:
        return drawn.gaps
    return (*drawn.gaps, *_late(channels, rows, classes), *_dead(channels, rows))


def _late(channels: Sequence[Channel], rows: EventBatch, classes: bool) -> Iterator[Gap]:
    first = float(rows.times.min())
    for channel in channels:
        column = channel.values(rows, classes)
        if column is not None and not channel.role.row.awaited:
            begun = float(rows.times[~absent(column)].min(initial=np.inf))
            if begun > first:
                yield Gap(channel.name, -np.inf, begun)


def _dead(channels: Sequence[Channel], rows: EventBatch) -> Iterator[Gap]:
    known = {channel.feature for channel in channels}
    for feature in sorted(rows.columns.keys() - known):
        yield Gap(feature, -np.inf, np.inf, REFUSED if feature in rows.refused else MISSING)


def masked(channels: Sequence[Channel], times: NDArray[np.float64], gaps: Sequence[Gap]) -> Bools:
    """bool[channels, n]: what is not learned from."""
    out = np.zeros((len(channels), len(times)), bool)
    row = {channel.name: i for i, channel in enumerate(channels)}
    for gap in gaps:
        if gap.channel in row:
            out[row[gap.channel]] |= (times >= gap.start) & (times < gap.end)
    return out


def without(encoded: Encoded, masks: Bools) -> Encoded:
    """As if the channel did not apply to these events."""
    if not masks.any():
        return encoded
    return Encoded(np.where(masks, NOT_APPLICABLE, encoded.bins), np.where(masks, np.nan, encoded.values))


def table_of(gaps: Sequence[Gap]) -> dict[str, NDArray[Any]]:
    """What belongs beside the reference: ``Reference.learned``."""
    if not gaps:
        return {}
    return {
        f"{PREFIX}channel": np.array([g.channel for g in gaps], np.str_),
        f"{PREFIX}span": np.array([(g.start, g.end) for g in gaps], np.float64),
        f"{PREFIX}why": np.array([g.why for g in gaps], np.str_),
    }


def gaps_of(reference: Reference) -> tuple[Gap, ...]:
    """The gaps that the reference was learned with."""
    table = reference.learned
    if f"{PREFIX}channel" not in table:
        return ()
    columns = (table[PREFIX + name].tolist() for name in ("channel", "span", "why"))
    return tuple(Gap(channel, start, end, why) for channel, (start, end), why in zip(*columns, strict=True))
