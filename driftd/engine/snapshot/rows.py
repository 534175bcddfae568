"""Events of a model, as a checkpoint holds them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from driftd.core.event import EventBatch, TopicPartition
from driftd.core.pane import RawRows
from driftd.core.slice import Slice


@dataclass(frozen=True, slots=True)
class RowsSnapshot:
    """An EventBatch. A column is an array or a list, which one type cannot say to msgspec: hence Any."""

    model: str
    offsets: NDArray[Any]
    times: NDArray[Any]
    columns: list[tuple[str, Any]]
    fields: list[tuple[str, Any]]
    version: Any
    refused: list[tuple[str, NDArray[Any]]] = field(default_factory=list)
    partitions: NDArray[Any] | None = None

    @classmethod
    def of(cls, rows: EventBatch) -> RowsSnapshot:
        columns, others, refused = [*rows.columns.items()], [*rows.fields.items()], [*rows.refused.items()]
        return cls(rows.model, rows.offsets, rows.times, columns, others, rows.version, refused, rows.partitions)

    def restore(self) -> EventBatch:
        columns, others = dict(self.columns), dict(self.fields)
        return EventBatch(
            self.model,
            self.offsets,
            self.times,
            columns,
            others,
            self.version,
            refused=dict(self.refused),
            partitions=self.partitions,
        )


@dataclass(frozen=True, slots=True)
class ArrivedSnapshot:
    """RawRows."""

    through: int
    source: TopicPartition
    offset: int
    rows: RowsSnapshot
    panes: NDArray[Any]

    @classmethod
    def of(cls, m: RawRows) -> ArrivedSnapshot:
        return cls(m.through, m.source, m.offset, RowsSnapshot.of(m.rows), m.panes)

    def restore(self, key: Slice) -> RawRows:
        rows = self.rows.restore()
        return RawRows(key, self.through, self.source, self.offset, rows, self.panes)
