"""What the commands need of driftd.app, and what it may tell while it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from driftd.config import Loaded
from driftd.finding import Finding, Status
from driftd.reference import Reference
from driftd.replay import Accounts
from driftd.sources.file import Events, Progress


class Stage(Protocol):
    """Where the audience looks; called from the thread that works."""

    def progress(self, progress: Progress) -> None: ...

    def finding(self, finding: Finding) -> None: ...

    def serving(self, url: str) -> None: ...

    def done(self, result: Replayed) -> None: ...


class Replayed(Protocol):
    """``findings`` counts those written; ``statuses`` has each model's last."""

    @property
    def accounts(self) -> Accounts: ...

    @property
    def findings(self) -> int: ...

    @property
    def statuses(self) -> Mapping[str, Status]: ...


class App(Protocol):
    def replay(
        self, loaded: Loaded, events: Events, findings: Path | None, *, every_window: bool, stage: Stage
    ) -> Replayed:
        """``findings`` is written anew; None writes none. ``stage.finding`` is told of each one as it comes."""
        ...

    def demo(self, loaded: Loaded, events: Events, *, exit_after: bool, speed: float | None, stage: Stage) -> int:
        """Replays (at ``speed`` times real time, None as fast as it can) while it serves; then until Ctrl-C."""
        ...

    def build_references(
        self, loaded: Loaded, events: Events, *, models: Sequence[str], first: int | None, reason: str, stage: Stage
    ) -> Sequence[Reference]:
        """One of each model (of ``models``, if any are named) from its first so many events, or from all of them.
        They are not stored.
        """
        ...
