"""Whether what the state holds was hashed as events are now: else every category of it would be a new value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

import numpy as np

from driftd.core.channel import Channel
from driftd.core.errors import HashedOtherwise
from driftd.core.event import Kind
from driftd.core.hashing import ANSWERS, Hashing, How
from driftd.core.reference import Reference
from driftd.engine.snapshot.checkpoint import Checkpoint
from driftd.engine.snapshot.ingest import StreamSnapshot
from driftd.engine.snapshot.model import ModelSnapshot
from driftd.engine.snapshot.rows import RowsSnapshot

_MOST_NAMED: Final = 5

Values = tuple[str, Kind]
"""A channel and what its values are."""


def require_reference(reference: Reference, now: Hashing) -> None:
    """Raises HashedOtherwise where the reference holds categories that events of ``now`` would not have."""
    wrong = _differing(reference.hashing, now, reference.model, _of_reference(reference))
    if wrong:
        name = reference.model
        raise HashedOtherwise(
            f"reference {name} v{reference.version}: {_what(reference.hashing, now, name, wrong)}; set it back, or "
            f"build the reference anew ('driftd reference build {name}', 'driftd forget {name}')"
        )


def require_hashing(checkpoint: Checkpoint, now: Hashing, where: str) -> None:
    """The same of a checkpoint with its parts, of references and of events that wait to be learned from."""
    then = checkpoint.hashing
    for model in checkpoint.models:
        if isinstance(model.reference, Reference):
            require_reference(model.reference, now)
        rows = _rows_of(model, (s for p in checkpoint.partitions for s in p.streams if s.slice == model.slice))
        wrong = _differing(then, now, model.slice.model, chain.from_iterable(map(_of_rows, rows)))
        if wrong:
            name = model.slice.model
            raise HashedOtherwise(
                f"{where}: model {name}: {_what(then, now, name, wrong)}; set it back, or let driftd learn the model "
                f"anew ('driftd forget {name}')"
            )


def _differing(then: Hashing, now: Hashing, model: str, values: Iterable[Values]) -> list[str]:
    if then == now:
        return []
    return sorted({channel for channel, kind in values if not then.same_as(now, model, channel, kind)})


def _of_reference(reference: Reference) -> Iterator[Values]:
    yield from ((c.name, c.kind) for c in reference.channels if c.feature is not None or c.name in ANSWERS)


def _of_rows(rows: RowsSnapshot) -> Iterator[Values]:
    named = [(Channel.of_feature(name).name, column) for name, column in rows.columns]
    for name, column in (*named, *(field for field in rows.fields if field[0] in ANSWERS)):
        numbers = isinstance(column, np.ndarray) or not any(isinstance(v, str) for v in column)
        yield name, Kind.NUMERIC if numbers else Kind.CATEGORICAL


def _rows_of(model: ModelSnapshot, streams: Iterable[StreamSnapshot]) -> Iterator[RowsSnapshot]:
    yield from model.rows
    yield from (arrived.rows for arrived in (*model.arrived, *model.recent))
    for growth in model.growths:
        yield from (rows for rows in growth.rows or () if isinstance(rows, RowsSnapshot))
    for stream in streams:
        yield from (*stream.rows, *stream.held)


def _what(then: Hashing, now: Hashing, model: str, channels: list[str]) -> str:
    named = ", ".join(channels[:_MOST_NAMED]) + (", ..." if len(channels) > _MOST_NAMED else "")
    was, wanted = (any(h.of(model, c) is not How.NOT for c in channels) for h in (then, now))
    if was and wanted and then.fingerprint != now.fingerprint:
        key = f"key {then.fingerprint}, and privacy.key is {now.fingerprint} now"
        return f"values of {named} are hashed with another key ({key})"
    if was and wanted:
        return f"values of {named} were hashed by other settings (privacy.hash_text, privacy.hash_channels)"
    return f"values of {named} are {'' if was else 'not '}hashed there, and privacy says {'not to' if was else 'to'}"
