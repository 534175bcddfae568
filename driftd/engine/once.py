"""What is logged when it is first met, and counted from then on: names and causes come from outside."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from driftd.core.event import RecordBatch, RefusedValue, Reject, TopicPartition, rejection
from driftd.core.text import printable
from driftd.learn.remarks import unwatched
from driftd.monitor.state import ModelState

log = logging.getLogger("driftd")

MOST_NAMED: Final = 10_000
"""Features that are named in the log once."""
MOST_SAID: Final = 100
SAID_SECONDS: Final = 60.0
"""A cause that has not been there for so long is told again; several may take turns until then."""


@dataclass(slots=True)
class Once:
    _rejects: set[str] = field(default_factory=set)
    _refused: set[tuple[str, str]] = field(default_factory=set)
    _unwatched: set[tuple[str, str]] = field(default_factory=set)
    _causes: dict[str, float] = field(default_factory=dict)
    """What kept driftd from something, by when it last did."""
    _troubles: frozenset[str] = frozenset()

    def troubled(self, troubles: Collection[str]) -> None:
        """One log line for each trouble that has come since the last call."""
        for trouble in troubles:
            if trouble not in self._troubles:
                log.warning("%s", trouble)
        self._troubles = frozenset(troubles)

    def rejected(self, records: RecordBatch, rejects: Sequence[Reject]) -> None:
        """One log line the first time each reason is met; the counters tell the rest."""
        for r in rejects:
            if r.reason.value not in self._rejects:
                self._rejects.add(r.reason.value)
                log.warning("%s", rejection(records, r))

    def refused(self, source: TopicPartition, refused: Iterable[RefusedValue]) -> None:
        """One log line for the first refused value of each model and feature; the counters tell the rest."""
        for r in refused:
            if _is_new(self._refused, (r.model, r.feature)):
                at = f"{source[0]}/{source[1]}@{r.offset}: {printable(r.model)}: {printable(r.feature)}"
                log.warning("%s: %s: the value counts as missing; event accepted", at, r.why)

    def unwatched(self, features: Iterable[tuple[str, str]]) -> None:
        """One log line for the features of a model that its reference does not have, when they first come."""
        new: dict[str, list[str]] = {}
        for model, feature in features:
            if _is_new(self._unwatched, (model, feature)):
                new.setdefault(model, []).append(feature)
        for model, names in new.items():
            log.warning("%s: %s", printable(model), unwatched(names))

    def unwatched_of(self, model: ModelState) -> tuple[str, ...]:
        """The features of a model that have come since driftd started and are not in its reference."""
        if model.reference is None:
            return ()
        # the HTTP threads ask, too: the set must not change meanwhile
        came = [feature for name, feature in tuple(self._unwatched) if name == model.name]
        if not came:
            return ()
        known = {channel.feature for channel in model.reference.channels}
        return tuple(sorted(feature for feature in came if feature not in known))

    def out_of_reach(self, error: str, now: float) -> None:
        """One log line a cause, and another if it comes back; the gauge and readiness tell the rest."""
        before = self._causes.pop(error, None)
        self._causes[error] = now
        if len(self._causes) > MOST_SAID:
            del self._causes[next(iter(self._causes))]
        if before is None or now - before > SAID_SECONDS:
            log.warning("%s", error)


def _is_new(named: set[tuple[str, str]], what: tuple[str, str]) -> bool:
    """Whether ``what`` is to be named in the log now; notes that it has been."""
    if what in named or len(named) >= MOST_NAMED:
        return False
    named.add(what)
    if len(named) == MOST_NAMED:
        log.warning("%d features have been named here; further ones are counted only", MOST_NAMED)
    return True
