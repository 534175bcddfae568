"""What may change, and how large a change makes a ticket or a page: the one table of sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Change(StrEnum):
    """A measured change of a channel; ``Kind`` is what a person is told of it."""

    MISSING = "missing"  # share of missing values
    REFUSED = "refused"  # share of values of another type
    FAR = "far"  # share of numbers far outside the reference's middle
    FROZEN = "frozen"  # share of values that equal the one before
    NEW = "new"  # share of values outside the range, or of unseen categories
    HOT = "hot"  # share of one unseen category among many
    LOW = "low"  # share of numbers in the reference's lowest tenth
    HIGH = "high"  # in its highest tenth
    ERRORS = "errors"  # share of errors
    UNIT = "unit"  # mean of ln|x|
    WITHIN = "within"  # spread within a few minutes, of a channel that is the hour's or the weather's
    LEVEL = "level"  # mean normal score
    SPREAD = "spread"  # its deviation
    MIX = "mix"  # shares of the bins or categories
    RELATION = "relation"  # what is left of the correlations with the siblings


CHANGES: Final = tuple(Change)


@dataclass(frozen=True, slots=True)
class Size:
    """The least change that makes a page, and a ticket; ``share`` of the false-alarm budget."""

    page: float
    ticket: float
    share: float


SIZES: Final[Mapping[Change, Size]] = {
    # shares, in points of 1
    Change.MISSING: Size(0.20, 0.03, 0.15),
    Change.REFUSED: Size(0.05, 0.02, 0.05),
    Change.FAR: Size(0.25, 0.05, 0.10),
    Change.FROZEN: Size(0.10, 0.08, 0.15),
    Change.NEW: Size(0.05, 0.02, 0.10),
    Change.HOT: Size(0.05, 0.02, 0.05),
    Change.LOW: Size(0.5, np.inf, 0.05),
    Change.HIGH: Size(0.5, np.inf, 0.05),
    Change.ERRORS: Size(0.05, 0.02, 0.10),
    # natural logarithm of a factor
    Change.UNIT: Size(0.9, 0.5, 0.05),
    Change.WITHIN: Size(1.2, 0.6, 0.05),
    Change.SPREAD: Size(0.7, 0.2, 0.04),
    # standard deviations of the reference
    Change.LEVEL: Size(1.0, 0.15, 0.08),
    # half the sum of absolute differences of shares
    Change.MIX: Size(0.35, 0.06, 0.08),
    # 1 is all of the correlation
    Change.RELATION: Size(0.5, 0.35, 0.05),
}
"""Set on the open seeds 11, 12 and 13 of tests/quality/everyday.py."""


EXACT: Final[Mapping[Change, float]] = {
    Change.MISSING: 0.01,
    Change.NEW: 0.002,
    Change.ERRORS: 0.005,
    Change.LEVEL: 0.1,
    Change.SPREAD: 0.1,
    Change.MIX: 0.03,
}
"""The least change that makes a ticket where the judge's evidence is exact: below what natural variation hides. Chosen:
in a reader's units; a shift of .05 standard deviations never alerts, two new values among a thousand make a ticket."""


@dataclass(frozen=True, slots=True, eq=False)
class SizeTable:
    """``page``, ``ticket`` float64[len(CHANGES), channels]."""

    page: Floats
    ticket: Floats

    @classmethod
    def of(cls, channels: int) -> Self:
        page = np.array([SIZES[c].page for c in CHANGES])[:, None]
        ticket = np.array([SIZES[c].ticket for c in CHANGES])[:, None]
        return cls(np.repeat(page, channels, axis=1), np.repeat(ticket, channels, axis=1))

    def override(
        self, change: Change, channel: int, page: float | None = None, ticket: float | None = None
    ) -> SizeTable:
        """The table with other sizes for one channel."""
        row = CHANGES.index(change)
        pages, tickets = self.page.copy(), self.ticket.copy()
        if page is not None:
            pages[row, channel] = page
        if ticket is not None:
            tickets[row, channel] = ticket
        return replace(self, page=pages, ticket=tickets)


def rows_of(changes: Sequence[Change]) -> NDArray[np.intp]:
    """Places in CHANGES."""
    return np.array([CHANGES.index(c) for c in changes], np.intp)
