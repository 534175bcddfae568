"""Records that nobody will read are counted: received, and dropped or rejected by what kept them away."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np

from driftd.core.event import DropReason, RecordBatch, Reject, RejectReason
from driftd.engine.state import State
from driftd.ingest.state import PartitionState
from driftd.sources import Gap, GapCause

log = logging.getLogger("driftd.daemon")

UNUSABLE: Final = {
    GapCause.DAMAGED: RejectReason.DAMAGED,
    GapCause.TOO_LARGE: RejectReason.DECOMPRESSION_BOMB,
    GapCause.OVERSIZED: RejectReason.TOO_LARGE,
}
"""Gaps whose records are there and cannot be read: they are rejected."""


def counted(state: State, gap: Gap) -> tuple[RecordBatch, list[Reject]] | None:
    """Counts the gap's records. Where they are rejected: one reject for all of them, without their bytes, which nobody
    has, and the record that it is about.
    """
    state.received += gap.records
    reason = UNUSABLE.get(gap.cause)
    if reason is None:
        state.dropped[DropReason.GAP.value] += gap.records
        return None
    state.rejected[reason.value] += gap.records
    place = RecordBatch(*gap.topic_partition, np.array([gap.first_offset]), np.array([np.nan]), [None], gap.next_offset)
    detail = f"offsets {gap.first_offset} to {gap.next_offset - 1}: {gap.detail}"
    return place, [Reject(0, gap.first_offset, reason, detail)]


def pass_over(partition: PartitionState, gap: Gap) -> None:
    """Reading goes on behind the gap. Records of the same poll that lie there are in already; only a rewound topic goes
    back.
    """
    rewound = gap.cause is GapCause.REWOUND
    partition.next_offset = gap.next_offset if rewound else max(partition.next_offset, gap.next_offset)


def log_gap(gap: Gap) -> None:
    topic, number = gap.topic_partition
    log.warning(
        "%s/%d@%d: %s (%s); %d records not read, reading goes on at %d",
        topic,
        number,
        gap.first_offset,
        gap.detail,
        gap.cause.value,
        gap.records,
        gap.next_offset,
    )
