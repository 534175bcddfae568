"""How a reference grows and what it grows from, as a checkpoint holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from driftd.engine.snapshot.rows import RowsSnapshot
from driftd.judge.natural.history import History
from driftd.judge.natural.runs import Runs
from driftd.learn.sample import Sample
from driftd.monitor.state import Growth, Regrowth, Renewal


@dataclass(frozen=True, slots=True)
class GrowthSnapshot:
    """A Growth; ``rows``, ``units``, ``offered`` and ``names`` are its sample's, None without one. On disk some of
    ``rows`` are names of driftd.engine.parts.
    """

    begun: float
    stage: int
    wait: float
    rows: list[RowsSnapshot | str] | None
    units: list[NDArray[Any]]
    offered: NDArray[Any] | None
    names: list[str]
    history: History | None
    faults: NDArray[Any]
    held: list[str]
    renewals: tuple[Renewal, ...]

    @classmethod
    def of(cls, g: Growth) -> GrowthSnapshot:
        s, rest = g.sample, (g.history, g.faults, [*g.held], g.renewals)
        if s is None:
            return cls(g.begun, g.stage, g.wait, None, [], None, [], *rest)
        rows: list[RowsSnapshot | str] = [RowsSnapshot.of(r) for r in s.rows]
        return cls(g.begun, g.stage, g.wait, rows, [*s.units], s.offered, [*s.names], *rest)

    def restore(self) -> Growth:
        sample = None
        if self.rows is not None and self.offered is not None:
            rows = tuple(r.restore() for r in self.rows if not isinstance(r, str))
            sample = Sample(rows, tuple(self.units), self.offered, tuple(self.names))
        rest = self.history, self.faults, tuple(self.held), self.renewals
        return Growth(self.begun, self.stage, self.wait, sample, *rest)


@dataclass(frozen=True, slots=True)
class RegrowthSnapshot:
    """A Regrowth."""

    channels: tuple[str, ...]
    end: float
    growth: GrowthSnapshot
    cells: Runs | None

    @classmethod
    def of(cls, r: Regrowth) -> RegrowthSnapshot:
        return cls(r.channels, r.end, GrowthSnapshot.of(r.growth), r.cells)

    def restore(self) -> Regrowth:
        return Regrowth(self.channels, self.end, self.growth.restore(), self.cells)
