"""Where a peer did better than driftd: found in the numbers, nothing chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.quality import ours
from tests.quality.contest import Contestant
from tests.quality.scoring import Row


@dataclass(frozen=True, slots=True)
class DataSet:
    """One folder of streams and how everyone did on it."""

    title: str
    streams: int
    contestants: Sequence[Contestant]


@dataclass(frozen=True, slots=True)
class Loss:
    """A peer that did better than driftd at something; ``fair`` where it cried wolf no more often."""

    where: str
    what: str
    peer: str
    theirs: float
    mine: float
    fair: bool
    peer_false: float
    my_false: float


def losses(data: DataSet) -> Iterator[Loss]:
    """Wherever a peer found more, waited less, or cried wolf less than driftd: all classes and each."""
    mine = next((c for c in data.contestants if c.name == ours.NAME), None)
    if mine is None:
        return
    for group in mine.scores:
        me = mine.scores[group]
        for peer in data.contestants:
            if peer is mine or group not in peer.scores:
                continue
            it = peer.scores[group]
            fair = it.per_100k <= me.per_100k
            theirs = {r.cls: r for r in it.rows}
            for row in me.rows:
                for what, a, b in _worse(row, theirs[row.cls]):
                    yield Loss(f"{group}, {row.cls}", what, peer.title, b, a, fair, it.per_100k, me.per_100k)
            if it.per_100k < me.per_100k:
                what = "false alarms per 100k"
                yield Loss(group, what, peer.title, it.per_100k, me.per_100k, True, it.per_100k, me.per_100k)


def _worse(mine: Row, theirs: Row) -> Iterator[tuple[str, float, float]]:
    if theirs.detected > mine.detected:
        yield "found %", mine.detected, theirs.detected
    if theirs.wait < mine.wait:
        yield "wait %", mine.wait, theirs.wait
    if theirs.median_delay < mine.median_delay:
        yield "median delay", mine.median_delay, theirs.median_delay
