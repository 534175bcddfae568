"""History through the same pipeline, as fast as it can: what would have been found, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from driftd.cells import Outcome, PartitionCell, State
from driftd.event import Cell, RecordBatch
from driftd.finding import Finding, Status
from driftd.pipeline import Pipeline


@dataclass(frozen=True, slots=True)
class Accounts:
    """What became of every event: read == accepted + sum(rejected) + late + sum(dropped)."""

    read: int
    accepted: int
    rejected: Mapping[str, int]
    late: int
    dropped: Mapping[str, int]

    @classmethod
    def of(cls, state: State) -> Accounts:
        rejected, dropped = dict(sorted(state.rejected.items())), dict(sorted(state.dropped.items()))
        return cls(state.received, state.accepted, rejected, state.late, dropped)

    def __str__(self) -> str:
        return (
            f"read {self.read} = accepted {self.accepted} + rejected {_sum(self.rejected)} + late {self.late}"
            f" + dropped {_sum(self.dropped)}"
        )


def _sum(parts: Mapping[str, int]) -> str:
    total = str(sum(parts.values()))
    return f"{total} ({', '.join(f'{name} {n}' for name, n in parts.items())})" if parts else total


def replay(
    pipeline: Pipeline, state: State, batches: Iterable[RecordBatch], cells: Iterable[Cell] = ()
) -> Iterator[Outcome]:
    """Takes everything in and closes every window at the end; yields the outcome of each batch.

    ``cells`` are the partitions of a history that has more than one: each holds the others back until its own time
    has come, so the result does not depend on how they were read. An empty batch says that its partition has ended.
    """
    for cell in cells:
        state.partitions.setdefault(cell, PartitionCell(0))
    ended: set[Cell] = set()
    for records in batches:
        if len(records) == 0:
            ended.add(records.cell)
            yield pipeline.settle(state, frozenset(ended))
        else:
            yield pipeline.advance(state, records, frozenset(ended))[1]
    yield pipeline.settle(state, end=True)


def opens_drift(finding: Finding) -> bool:
    """Whether the finding opens a drift of a feature or a model."""
    return finding.status is Status.DRIFT and finding.previous is not Status.DRIFT
