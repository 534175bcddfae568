"""How long requests take: what is looked for in the one channel that is about it, and what a person is told.

Latency has heavy tails, follows the load, and has bursts of minutes (collectors of garbage, cold starts, deploys). So
no shape of it is looked at and no single event counts, but shares of requests that last (``Lasting``), and the typical
size over two hours (Change.UNIT). What is faster is no fault.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from driftd.core.channel import Role
from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.judge.natural import features as f
from driftd.judge.natural.changes import Change, Size
from driftd.judge.natural.predictive import Predictive
from driftd.judge.natural.runs import Runs, summed, windows
from driftd.judge.natural.shapes import least_rate

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Rows = NDArray[np.intp]

SLOW: Final = 2.0
"""Factor of the reference's 99 % quantile beyond which a request is slow. Chosen: where more than one in a hundred is,
that quantile has doubled."""
SLOW_SHORT: Final = 3.0
"""The same of a reference of few days. Chosen: it has seen neither a busy day nor a deploy."""
SLOW_YOUNG: Final = 6.0
"""The same of a young one. Chosen: it has seen an hour, and of a model that has just been started."""
SIZES: Final[Mapping[Change, Size]] = {
    Change.FAR: Size(0.05, 0.02, 0.10),
    Change.HIGH: Size(0.5, np.inf, 0.05),
    Change.UNIT: Size(0.9, 0.4, 0.05),
}
"""Least changes of latency in place of changes.SIZES, as shares of requests and as ln of a factor (2.5 and 1.5 times);
others make neither page nor ticket. Measured: docs/adr/0026-latency-is-a-channel.md."""
MEDIAN: Final = 1.5
"""Factor of the median from which on it is told in place of the 99 % quantile. Chosen: half of the requests wait half
as long again, which says more than how long the slowest do."""
STEADY: Final = 2.0
"""Most by which a share that lasts may exceed that of the hop that has least of it. Chosen: a deploy of ten minutes is
in one hop of an hour, or in two; the third has none."""


class Test(NamedTuple):
    """A share of requests that lasts: for how many seconds and hops it must, the ``least`` of all that makes a page
    whatever the size, and the ``change`` that it is.
    """

    seconds: float
    hops: int
    least: float
    change: Change

    @property
    def hits(self) -> int:
        """The column that counts the requests."""
        return f.FAR if self.change is Change.FAR else f.HIGH


TESTS: Final = (
    Test(3600.0, 3, 0.0, Change.FAR),
    Test(2400.0, 2, 0.0, Change.HIGH),
    Test(1200.0, 1, 0.85, Change.HIGH),
)
"""Requests that are slow, for an hour; and those in the reference's slowest tenth, for two hops, or nearly all of one.
Chosen: bursts, deploys and cold starts are shorter than an hour; ten minutes of all requests and ten of half of them
are three quarters of a hop."""
TOP: Final = 0.99
"""Quantile of the slowest requests. Chosen: what people ask of a service."""


@dataclass(frozen=True, slots=True, eq=False)
class Lasting:
    """Shares of the windows of one of TESTS: ``first`` and ``last`` intp[k] hop of each; float64[k] ``share``, and its
    lower bound ``least``. A burst in one hop does not last: neither exceeds STEADY times the share of the hop that has
    least of it.
    """

    first: Rows
    last: Rows
    share: Floats
    least: Floats

    @classmethod
    def of(cls, test: Test, row: int, hops: Runs, new: int, events: int) -> Lasting:
        """Of the windows that end with the last ``new`` of ``hops``, each of which has ``events`` at least."""
        first, last = windows(hops, new, test.seconds, test.hops * events)
        sums = summed(hops, first, last)[:, row].astype(np.float64)
        hits, live = hops.sums[:, row, test.hits], np.maximum(hops.sums[:, row, f.LIVE], 1)
        each = hits / live
        parts = zip(first.tolist(), last.tolist(), strict=True)
        most = STEADY * np.array([each[a : b + 1].min() for a, b in parts], np.float64)
        k, n = sums[:, test.hits], sums[:, f.LIVE]
        share = np.where(n > 0, np.minimum(k / np.maximum(n, 1), most), np.nan)
        return cls(first, last, share, np.where(n > 0, np.minimum(least_rate(k, n), most), np.nan))


@dataclass(frozen=True, slots=True, eq=False)
class LatencyLearned:
    """Of the channel in row ``row``: ``edges`` float64[k] of its bins in seconds (the first and last are open); of each
    of TESTS the ``usual`` share float64[len(TESTS)], and the ``largest`` that lasted, as angles.
    """

    row: int
    edges: Floats
    usual: Floats
    largest: Predictive

    def quantile(self, counts: Floats, q: float) -> float:
        """The quantile ``q`` in seconds of ``counts`` float64[width]; NaN without any, an edge where a bin is open."""
        values = counts[FIRST_VALUE:][: len(self.edges) + 1]
        total = np.cumsum(values)
        if not len(total) or total[-1] <= 0:
            return np.nan
        rank = q * total[-1]
        place = min(int(np.searchsorted(total, rank)), len(values) - 1)
        if place in {0, len(self.edges)}:
            return float(self.edges[max(place - 1, 0)])
        low, high = (max(float(edge), np.finfo(float).tiny) for edge in self.edges[place - 1 : place + 1])
        part = 1.0 - (total[place] - rank) / values[place]
        return float(low * (high / low) ** part)

    def moved(self, usual: Floats, seen: Floats) -> tuple[bool, float, float]:
        """Whether the median says it (else the 99 % quantile); it now, and as it usually is, in seconds."""
        then, now = ([self.quantile(counts, q) for q in (0.5, TOP)] for counts in (usual, seen))
        half = now[0] >= MEDIAN * then[0]
        return (True, now[0], then[0]) if half else (False, now[1], then[1])


def row_of(reference: Reference) -> int | None:
    """The channel's row; None where events state no latency."""
    rows = (i for i, channel in enumerate(reference.channels) if channel.role is Role.LATENCY)
    return next(rows, None)


def size_of(change: Change) -> Size:
    return SIZES.get(change, Size(np.inf, np.inf, 0.0))
