"""What an experiment is: a name, what it must show, and a run on a stage that measures it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

from tests.servers.kafka import LocalBroker
from tests.stage.daemon import DriftdProcess

Size = Literal["small", "medium", "full"]
SIZES: Final = get_args(Size)


@dataclass
class Outcome:
    """What was measured, in words for the table, and what falls short of what the experiment must show."""

    measured: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        return not self.faults

    def measure(self, text: str) -> None:
        self.measured.append(text)

    def equal(self, what: str, found: object, wanted: object) -> None:
        if found != wanted:
            self.faults.append(f"{what}: {found}, not {wanted}"[:300])

    def at_most(self, what: str, found: float, limit: float, unit: str) -> None:
        """Measures ``found``, which must not be over ``limit``."""
        self.measure(f"{what} {found:,.3g} {unit}" if found < 100 else f"{what} {found:,.0f} {unit}")
        if not found <= limit:
            self.faults.append(f"{what}: {found:,.3g} {unit}, over {limit:g}")

    def true(self, what: str, holds: object) -> None:
        if not holds:
            self.faults.append(what)


@dataclass
class Stage:
    """A broker that may be killed, a folder, how large the experiment shall be, and the daemons that it starts."""

    broker: LocalBroker
    folder: Path
    size: Size
    daemons: list[DriftdProcess] = field(default_factory=list)

    def of(self, small: int, medium: int, full: int) -> int:
        return {"small": small, "medium": medium, "full": full}[self.size]

    def members(self, name: str, settings: Mapping[str, Any], count: int = 1) -> list[DriftdProcess]:
        """So many daemons of one group, not started; each has a folder of its own, and ends with the experiment."""
        made = []
        for number in range(count):
            member = f"{name}-{number}"
            kafka = {"group_id": name, **settings["kafka"], "group_instance_id": member}
            made.append(DriftdProcess(self.folder / member, {**settings, "kafka": kafka}, forked=False))
        self.daemons += made
        return made

    def member(self, name: str, settings: Mapping[str, Any]) -> DriftdProcess:
        """One alone, started."""
        return self.members(name, settings)[0].start()

    def close(self) -> None:
        for daemon in self.daemons:
            if daemon.alive:
                daemon.kill9()


@dataclass(frozen=True)
class Experiment:
    name: str
    shows: str
    run: Callable[[Stage], Outcome]
