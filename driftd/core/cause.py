"""Which incidents of several models one notification is about, decided once for each and for good.

``incident.together`` says what belongs together by all that is known now, for people who look. What is known changes,
and an alert whose label changes is another alert: somebody is called again. So an alert's cause follows from nothing
but how its incident began.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from driftd.core.channel import JOINT
from driftd.core.incident import SAME_START, Incident
from driftd.core.slice import Slice


@dataclass(frozen=True, slots=True)
class _Beginning:
    """The first change of an incident, as it was told first."""

    model: str
    since: float
    channel: str | None
    kind: str

    @classmethod
    def of(cls, i: Incident) -> _Beginning:
        first = i.timeline[0]
        return cls(first.model, i.since, first.channel, first.kind)

    def like(self, other: _Beginning) -> bool:
        if self.model == other.model or abs(self.since - other.since) > SAME_START:
            return False
        if Slice(self.model).whole == Slice(other.model).whole:  # of one model the channel decides, as in ``together``
            return self.channel == other.channel and self.channel != JOINT
        same = self.channel == other.channel and self.channel != JOINT
        return same or (bool(self.kind) and self.kind == other.kind)


def causes(incidents: Iterable[Incident], known: Mapping[str, str]) -> dict[str, str]:
    """The cause of each incident of a single model, by its id: the id of the first before it that began at the same
    time, on a channel of the same name or with the same kind, else its own. What is ``known`` stays as it is. An
    incident joins no cause in which its model has another one.
    """
    out: dict[str, str] = {}
    models: dict[str, set[str]] = {}
    at: dict[int, list[tuple[str, _Beginning]]] = {}
    for incident in sorted(incidents, key=lambda i: (i.id not in known, i.opened, i.id)):
        mine, slot = _Beginning.of(incident), int(incident.since // SAME_START)
        near = (pair for k in (slot - 1, slot, slot + 1) for pair in at.get(k, ()))
        alike = (id_ for id_, first in near if first.like(mine) and mine.model not in models[id_])
        cause = known.get(incident.id) or next(alike, incident.id)
        out[incident.id] = cause
        if cause not in models:
            at.setdefault(slot, []).append((cause, mine))
        models.setdefault(cause, set()).add(mine.model)
    return out
