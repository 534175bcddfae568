"""Findings on their way to the sinks: what one could not take is given to it again, and the others get it once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from driftd.core.errors import SourceError, StateUnwritable
from driftd.core.finding import Finding


class FindingSink(Protocol):
    """Raises StateUnwritable or SourceError from either; what was given to it is then given again."""

    def emit(self, findings: Iterable[Finding]) -> None: ...

    def flush(self) -> None: ...


@dataclass(slots=True)
class Outbox:
    sinks: Sequence[FindingSink]
    _backlogs: list[list[Finding]] = field(init=False)

    def __post_init__(self) -> None:
        self._backlogs = [[] for _ in self.sinks]

    def add(self, findings: Iterable[Finding]) -> None:
        for backlog in self._backlogs:
            backlog.extend(findings)

    def emit(self) -> list[str]:
        """Gives every sink what it has not taken yet; why some of them could not."""
        failed = list[str]()
        for sink, backlog in zip(self.sinks, self._backlogs, strict=True):
            try:
                sink.emit(backlog)
            except (StateUnwritable, SourceError) as e:
                failed.append(str(e))
            else:
                backlog.clear()
        return failed

    def flush(self) -> None:
        for sink in self.sinks:
            sink.flush()
