"""What was rejected goes to the dead letters, unless most records are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from driftd.core.event import RecordBatch, Reject
from driftd.engine.breaker import Breaker


class RejectSink(Protocol):
    @property
    def sent(self) -> int: ...

    @property
    def failed(self) -> int: ...

    def send(self, records: RecordBatch, rejects: Sequence[Reject]) -> None: ...

    def flush(self, timeout_seconds: float) -> None:
        """Waits until what was sent is acknowledged; raises SourceError where it is not, and keeps it for next time."""
        ...


@dataclass(slots=True)
class DeadLetterGate:
    """``suppressed``: bad records that no dead letter was sent of, because most records are bad."""

    sink: RejectSink | None
    breaker: Breaker = field(default_factory=Breaker)
    suppressed: int = 0

    def pass_on(self, records: RecordBatch, rejects: Sequence[Reject]) -> bool:
        """Sends them, or counts them; True when that has just changed. ``records`` has the good ones, too."""
        bad = len({reject.index for reject in rejects})
        turned = self.breaker.add(len(records), bad)
        if rejects and self.sink is not None:
            if self.breaker.is_open:
                self.suppressed += bad
            else:
                self.sink.send(records, rejects)
        return turned
