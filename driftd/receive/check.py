"""What of the records driftd would refuse: said to the producer at once, and not written."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftd.core.event import RecordBatch, Reject, RejectReason
from driftd.decode import Codec
from driftd.receive.body import Record

UNREADABLE: Final = frozenset({
    RejectReason.EMPTY,
    RejectReason.TOO_LARGE,
    RejectReason.NOT_UTF8,
    RejectReason.NOT_JSON,
    RejectReason.TOO_DEEP,
    RejectReason.BAD_ENVELOPE,
})  # fmt: skip
"""Of a CloudEvent only these are refused here: its content may have a shape that another reader of the topic knows."""


@dataclass(frozen=True, slots=True)
class Checked:
    """``good`` records, and of the others why, by their place in the request."""

    good: list[Record]
    refused: Mapping[int, Reject]


def checked(records: Sequence[Record], topic: str, codec: Callable[[], Codec], now: float) -> Checked:
    """Reads the records as a driftd would that has seen none before; ``codec`` makes one that has not."""
    count = len(records)
    batch = RecordBatch(
        source=topic,
        partition=0,
        offsets=np.arange(count),
        timestamps=np.full(count, now),
        values=[record.value for record in records],
        next_offset=count,
        headers=[record.headers for record in records],
    )
    refused: dict[int, Reject] = {}
    for reject in codec().decode(batch, {}).rejects:
        if not records[reject.index].envelope or reject.reason in UNREADABLE:
            refused.setdefault(reject.index, reject)
    return Checked([record for i, record in enumerate(records) if i not in refused], refused)
