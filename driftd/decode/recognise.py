"""Which format records have: for `driftd check --sample`, which proposes it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from driftd.core.event import RecordBatch
from driftd.decode import format_names
from driftd.decode.formats import mlserver
from driftd.decode.mapping.propose import Proposal
from driftd.decode.opening import PATH, each


def recognised(records: Sequence[RecordBatch]) -> Proposal | None:
    """The format of most of the records; None where that is none."""
    modules: dict[str, Any] = {name: import_module(f"driftd.decode.formats.{name}") for name in format_names()}
    found: Counter[str] = Counter()
    for batch in records:
        for record in each(batch):
            found.update(name for name, module in modules.items() if module.recognise(record))
    for name, count in found.most_common(1):
        if 2 * count > sum(map(len, records)):
            module = modules[name]
            return Proposal([module.TITLE], {"format": name, **module.PROPOSED}, [*module.REMARKS])
    if not found and mlserver.are_bodies(value for batch in records if not _headed(batch) for value in batch.values):
        title = f"{mlserver.TITLE} (open inference protocol V2)"
        return Proposal([title], {"format": "mlserver"}, [*mlserver.OF_BODIES])
    return None


def _headed(batch: RecordBatch) -> bool:
    return any(name != PATH for headers in batch.headers or () for name, _ in headers)
