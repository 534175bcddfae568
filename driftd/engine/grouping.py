"""Incidents of all models in groups: what began together, and what pages of several models have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from driftd.core.cause import causes
from driftd.core.incident import SAME_START, Incident, together
from driftd.monitor.state import ModelState

NEAR_SECONDS: Final = 6 * SAME_START
"""Incidents that began so near to one may have its cause, or that of one between them."""
MOST_CAUSES: Final = 10_000
"""Incidents whose cause is remembered, the most recent."""


@dataclass(slots=True)
class Grouping:
    """Over models; grouped anew where the incidents of one have changed: pages are asked for more often.

    ``lasting``: those alone that have not ended.
    """

    lasting: bool
    _known: tuple[Sequence[tuple[Incident, ...]], Sequence[Incident]] = ((), ())

    def of(self, models: Sequence[ModelState]) -> Sequence[Incident]:
        each, known = [m.incidents for m in models], self._known
        if len(known[0]) != len(each) or any(a is not b for a, b in zip(known[0], each, strict=True)):
            wanted = (i for mine in each for i in mine if not self.lasting or i.ended is None)
            known = self._known = each, together(wanted)
        return known[1]


@dataclass(slots=True)
class Causes:
    """What pages of several models have in common; once said it stays, for an alert with another label rings."""

    _known: dict[str, str] = field(default_factory=dict)

    def of(self, last: Incident, models: Sequence[ModelState]) -> str:
        if last.id not in self._known:
            near = (i for m in models for i in m.incidents if abs(i.since - last.since) <= NEAR_SECONDS)
            self._known |= causes(near, self._known)
            for id_ in [*self._known][: max(len(self._known) - MOST_CAUSES, 0)]:
                del self._known[id_]
        return self._known.get(last.id, last.id)
