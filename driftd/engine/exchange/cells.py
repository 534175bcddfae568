"""What a member saves: a checkpoint of each partition that it reads, and of each partition of models that it judges."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from driftd.core.event import TopicPartition
from driftd.engine.exchange.owner import Owned, Owner
from driftd.engine.exchange.reader import Counting, Phase, Plans, Reader
from driftd.engine.exchange.scratch import Scratch
from driftd.engine.exchange.waiting import Waiting
from driftd.engine.pipeline import Pipeline
from driftd.engine.snapshot.checkpoint import Checkpoint, ExchangeSnapshot
from driftd.ingest.outcomes.elsewhere import Elsewhere


def reader_cell(reader: Reader, saved: float) -> Checkpoint:
    """``saved``: wall time, epoch seconds."""
    pipeline = reader.pipeline
    seconds, hashing = pipeline.monitor.windows.pane_seconds, pipeline.hashing
    out = Checkpoint.of(reader.state, pipeline.slices.sequential_of, seconds, saved, hashing)
    counting = [(key, c.phase.value, c.plan) for key, c in sorted(reader.counting.items())]
    to_join = sorted(reader.elsewhere.waiting.items())
    exchange = ExchangeSnapshot(counting, reader.epoch, forgotten=sorted(reader.forgotten.items()), to_join=to_join)
    return replace(out, models=[], exchange=exchange)


def restore_reader(cell: Checkpoint, source: TopicPartition, plans: Plans, epoch: int) -> Reader:
    """``plans`` must have been heard to the end of the plans topic."""
    pipeline = plans.pipeline
    assert cell.exchange is not None
    state = cell.restore(pipeline.slices.sequential_of, plans.models)
    counting = {key: Counting(Phase(phase), plan) for key, phase, plan in cell.exchange.counting}
    elsewhere = Elsewhere(waiting=dict(cell.exchange.to_join))
    return Reader(source, pipeline, plans, state, counting, epoch, dict(cell.exchange.forgotten), elsewhere)


def owner_cell(owner: Owner, epoch: int, saved: float) -> Checkpoint:
    """``saved``: wall time, epoch seconds. What waits to be joined is in it as it was saved last (Waiting.save)."""
    pipeline, owned = owner.pipeline, owner.owned
    seconds, hashing = pipeline.monitor.windows.pane_seconds, pipeline.hashing
    out = Checkpoint.of(owned.state, pipeline.slices.sequential_of, seconds, saved, hashing)
    exchange = ExchangeSnapshot(
        [],
        epoch,
        owned.next_offset,
        sorted(owned.epochs.items()),
        sorted(owned.idle),
        [(*at, offset) for at, offset in sorted(owned.sent.items())],
        sorted(owned.asked),
        sorted(owned.resumed),
        [(*at, plan) for at, plan in sorted(owned.handed.items())],
        [(*at, pane) for at, pane in sorted(owned.limits.items())],
        sorted(owned.told.items()),
        owned.late,
        owned.foreign,
        sorted(owned.forgotten.items()),
        waiting=owner.waiting.saved,
    )
    return replace(out, exchange=exchange)


def restore_owner(
    cell: Checkpoint, pipeline: Pipeline, plans: Plans, parts: Mapping[str, bytes], scratch: Scratch
) -> Owner:
    """``parts``: those of the checkpoint, by name; what waits to be joined is put in ``scratch``."""
    known = cell.exchange
    assert known is not None
    owned = Owned(
        known.next_offset,
        cell.restore(pipeline.slices.sequential_of),
        dict(known.epochs),
        set(known.idle),
        {(source, key): offset for source, key, offset in known.sent},
        set(known.asked),
        set(known.resumed),
        {(source, key): plan for source, key, plan in known.handed},
        {(source, key): pane for source, key, pane in known.limits},
        dict(known.told),
        known.late,
        known.foreign,
        dict(known.forgotten),
    )
    return Owner(pipeline, plans, owned, Waiting.restore(scratch, known.waiting, parts))
