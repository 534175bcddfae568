"""History through the same pipeline, as fast as it can: what would have been found, and when."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from driftd.cells import Outcome, PartitionCell, State
from driftd.event import Cell, Decoded, RecordBatch, Schema
from driftd.finding import Finding
from driftd.pipeline import Pipeline

Schemas = Callable[[], Mapping[str, Schema]]


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of one partition that was decoded already (flat files)."""

    cell: Cell
    next_offset: int
    decoded: Decoded


Stretch = RecordBatch | Step
OpenHistory = Callable[[Schemas], Iterable[Stretch]]
"""Given a way to ask for the schemas known by now, the stretches of a file or a topic, in order."""


@dataclass(frozen=True, slots=True)
class Accounts:
    """What became of every event: read == accepted + sum(rejected) + late + sum(dropped)."""

    read: int
    accepted: int
    rejected: Mapping[str, int]
    late: int
    dropped: Mapping[str, int]
    findings: int

    @classmethod
    def of(cls, state: State) -> Accounts:
        rejected, dropped = dict(sorted(state.rejected.items())), dict(sorted(state.dropped.items()))
        return cls(state.received, state.accepted, rejected, state.late, dropped, state.findings)

    def __str__(self) -> str:
        return (
            f"read {self.read} = accepted {self.accepted} + rejected {_sum(self.rejected)} + late {self.late}"
            f" + dropped {_sum(self.dropped)}"
        )


def _sum(parts: Mapping[str, int]) -> str:
    total = str(sum(parts.values()))
    return f"{total} ({', '.join(f'{name} {n}' for name, n in parts.items())})" if parts else total


def replay(
    pipeline: Pipeline, state: State, history: OpenHistory, cells: Iterable[Cell] = ()
) -> Iterator[tuple[int, Outcome]]:
    """Takes everything in and closes every window at the end; yields after each stretch (events read, outcome).

    ``cells`` are the partitions that the history has, where it has more than one: each holds the others back until
    its time has come, so the result does not depend on how they were read.
    """
    for cell in cells:
        state.partitions.setdefault(cell, PartitionCell(0))
    ended: set[Cell] = set()
    for stretch in history(lambda: pipeline.schemas(state)):
        if isinstance(stretch, RecordBatch):
            decoded = pipeline.codec.decode(stretch, pipeline.schemas(state))
            pipeline.ingest(state, stretch.cell, stretch.next_offset, decoded)
        else:
            pipeline.ingest(state, stretch.cell, stretch.next_offset, stretch.decoded)
        yield state.received, pipeline.settle(state, frozenset(ended))
    yield state.received, pipeline.settle(state, end=True)


def episodes(findings: Iterable[Finding]) -> list[Finding]:
    """The findings that open a drift of a feature or a model."""
    return [f for f in findings if f.status.name == "DRIFT" and f.previous.name != "DRIFT"]
