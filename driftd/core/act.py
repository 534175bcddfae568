"""What people did about a model: who, when, why. A finding says what happened, an act what somebody did about it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from math import inf
from typing import Final

MOST: Final = 100
"""Acts of a model that are remembered, the most recent; and, however old, the windows that are not over."""
MOST_WORDS: Final = 500
"""Characters of a reason; of a name MOST_NAME."""
MOST_NAME: Final = 100


class Deed(StrEnum):
    REBASELINE = "rebaseline"  # what came since ``start`` is the new normal
    MAINTENANCE = "maintenance"  # from ``start`` to ``end`` nothing rings
    CANCEL = "cancel"  # the window ``about`` ends with the act
    ACKNOWLEDGE = "acknowledge"  # somebody looks at the incident ``about``
    FEEDBACK = "feedback"  # the incident ``about`` was ``real`` or a ``false_alarm``
    FORGET = "forget"  # the model is removed, with all that is known of it


@dataclass(frozen=True, slots=True)
class Act:
    """``when`` is wall time; ``start`` and ``end`` are event time; all in epoch seconds. ``channels``: none for the
    model as a whole. ``about`` is the id of an act or of an incident; ``verdict`` that of a feedback.
    """

    deed: Deed
    who: str
    when: float
    why: str
    model: str
    channels: tuple[str, ...] = ()
    start: float | None = None
    end: float | None = None
    about: str = ""
    verdict: str = ""

    @property
    def id(self) -> str:
        """The same act has the same id."""
        parts = (self.deed, self.who, self.when, self.why, self.model, *self.channels, self.about)
        key = "\0".join(map(str, parts))
        return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()

    @property
    def by(self) -> str:
        """``rebaseline by anna: new currency``, as a finding names it."""
        return f"{self.deed} by {self.who}" + (f": {self.why}" if self.why else "")


def remembered(before: Sequence[Act], act: Act) -> tuple[Act, ...]:
    """Oldest first."""
    known = (*before, act)
    lasting = {window.id for window in windows(known) if (window.end or inf) > act.when}
    return (*(old for old in known[:-MOST] if old.id in lasting), *known[-MOST:])


def windows(acts: Iterable[Act]) -> tuple[Act, ...]:
    """The maintenance windows with their ends; one that was cancelled ends then."""
    every = [*acts]
    cancelled = {act.about: act.when for act in every if act.deed is Deed.CANCEL}
    planned = (act for act in every if act.deed is Deed.MAINTENANCE)
    ends = ((act, min(inf if act.end is None else act.end, cancelled.get(act.id, inf))) for act in planned)
    return tuple(replace(act, end=end) for act, end in ends if end > (act.start or 0.0))


def in_force(planned: Iterable[Act], at: float) -> Act | None:
    """The window that ``at`` lies in, of several the one that ends last."""
    here = [window for window in planned if (window.start or 0.0) <= at < (window.end or inf)]
    return max(here, key=lambda window: window.end or inf, default=None)
