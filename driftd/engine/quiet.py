"""Which models send nothing, by the clock of arrivals: a replay of old events and a backlog are not silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite, nan
from typing import Final

from driftd.core.pane import Counters
from driftd.core.slice import Slice
from driftd.monitor.silence import LEAST_SECONDS, Quiet, Silence, silence
from driftd.monitor.state import ModelState
from driftd.monitor.timeline import Timeline

TOLD_SECONDS: Final = LEAST_SECONDS / 5
"""Models that have sent something since are none of those that are told. Chosen: nothing is due before LEAST_SECONDS,
and busy models cost nothing."""


@dataclass(slots=True)
class Arrivals:
    """When something of each model last arrived; belongs to the loop's thread. After a restart it is as long ago as its
    last event is behind what is complete: a model that was silent while others sent still is.
    """

    _moved: dict[Slice, tuple[tuple[float, ...], float]] = field(default_factory=dict)
    _known: dict[Slice, tuple[Timeline, float, Silence]] = field(default_factory=dict)
    _started: bool = False

    def quiet(
        self,
        counters: Mapping[Slice, Counters],
        models: Mapping[Slice, ModelState],
        now: float,
        behind: float,
        reached: float = nan,
    ) -> dict[Slice, Quiet]:
        """The models of ``counters`` that send nothing, ``now`` by a clock that only goes forward, while driftd is
        ``behind`` by so many seconds: what it has not read yet may be theirs. ``reached``: up to when events are
        complete, NaN where none are.
        """
        out: dict[Slice, Quiet] = {}
        moved: dict[Slice, tuple[tuple[float, ...], float]] = {}
        for key, count in counters.items():
            came: tuple[float, ...] = count.events, count.excluded, count.sampled_out, count.last_event
            before = self._moved.get(key)
            known = not self._started and not key.part and reached > count.last_event  # labels are of events long ago
            first = now - (reached - count.last_event) if known else now
            moved[key] = before if before is not None and before[0] == came else (came, first)
            seconds = now - moved[key][1] - behind
            if isfinite(count.last_event) and seconds >= TOLD_SECONDS:
                out[key] = Quiet(seconds, self._usual(models.get(key), count.last_event))
        self._moved, self._started = moved, True
        self._known = {key: known for key, known in self._known.items() if key in out}
        return out

    def _usual(self, model: ModelState | None, last: float) -> Silence | None:
        if model is None or not model.timeline.channels:
            return None
        known = self._known.get(model.slice)
        if known is None or known[0] is not model.timeline or known[1] != last:
            known = self._known[model.slice] = model.timeline, last, silence(model.timeline, last)
        return known[2]
