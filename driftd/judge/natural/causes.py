"""What has broken, where the counters of before and since say so.

A cause is a claim: where two rules hold, or values are few, nothing finer than the kind is said.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from driftd.judge.natural import cause_categories, cause_numbers
from driftd.judge.natural import features as f
from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.kinds import STANDING, WITHOUT, Kind, Named

_SAME: Final = {
    Kind.MISSING: Cause.MISSING,
    Kind.REFUSED: Cause.TYPE,
    Kind.FROZEN: Cause.FROZEN,
    Kind.ERRORS: Cause.ERRORS,
    Kind.RENAMED: Cause.RENAMED,
    Kind.NEW_VALUE: Cause.NEW_VALUE,
    Kind.GRADUAL: Cause.GRADUAL,
}
"""Kinds that are causes themselves. Derived: nothing else makes them."""
MOVED: Final = (Kind.UNIT, Kind.RANGE, Kind.LEVEL, Kind.SPREAD, Kind.MIX)
"""Kinds of numbers that may have a finer cause. Derived: values are there, of the right type, and not all alike."""


def cause_of(look: Look | None, name: Named, channel: int) -> Caused | None:
    """The cause of a change of ``channel`` that is called by ``name``; None where nothing finer than its kind is known.
    ``look``: None where no counters are known.
    """
    if name.kind is Kind.JOINT:
        return Caused(Cause.JOIN) if abs(name.value) <= WITHOUT * name.usual else None
    if look is None:
        return _plain(look, name.kind, channel)
    if name.kind in {Kind.NEW_VALUE, Kind.RENAMED} and not look.learned.traits.numeric[channel]:
        return cause_categories.of_categories(look, name.kind, channel)
    if name.kind not in {*MOVED, Kind.FROZEN} or not look.learned.traits.numeric[channel]:
        return _plain(look, name.kind, channel)
    with np.errstate(invalid="ignore", divide="ignore"):  # no values, no moments
        found = cause_numbers.of_numbers(look, channel)
        if not found and name.kind is not Kind.FROZEN:
            found = cause_numbers.of_factor(look, channel)
    if not found and name.kind is Kind.FROZEN:
        return _plain(look, name.kind, channel)
    return found[0] if len(found) == 1 else None


def _plain(look: Look | None, kind: Kind, channel: int) -> Caused | None:
    """Kinds that say it themselves."""
    if kind is Kind.FROZEN and look is not None:
        since = look.seen.since[channel]
        if since[f.REPEATED] < STANDING * since[f.LIVE]:  # some stand still: it may be a value that many have
            return None
    text = look is not None and look.learned.traits.numeric[channel] and kind is Kind.REFUSED
    return Caused(_SAME[kind], "text in place of numbers" if text else "") if kind in _SAME else None
