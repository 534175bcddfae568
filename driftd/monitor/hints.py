"""Where to look first, in one sentence: for pages, the API, the command line and alerts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from driftd.core.channel import JOINT, Role
from driftd.core.incident import Incident, Part
from driftd.core.located import located
from driftd.detectors.registry import faults
from driftd.judge.natural.cause import Cause
from driftd.judge.natural.kinds import Kind

_BY_KIND: Final[Mapping[str, str]] = {
    Kind.FROZEN: "Values repeat: is a cache, a job or a sensor stuck?",
    Kind.UNIT: "All numbers by one factor: did a unit, a currency or a scale change?",
    Kind.JOINT: "It no longer moves with its siblings: check a join, a mapping or a sign.",
}
"""Of kinds that are no fault of a detector."""
_BY_CAUSE: Final[Mapping[str, str]] = {
    Cause.TYPE: "Values came as another type: was the producer's schema or serialisation released anew?",
    Cause.SWAPPED: "Two fields carry each other's values: did a mapping or the order of columns change?",
    Cause.UNIT: "Values came in another unit: did a unit, a currency or a scale change at the source?",
    Cause.SIGN: "Values came with the other sign: did a convention (debit, credit; east, west) change?",
    Cause.CLIPPED: "A limit cuts the values: look for a cap, or a narrower type, upstream.",
    Cause.HOURS: "Hours moved as one: look for a time zone, or clocks that were changed.",
    Cause.RENAMED: "Known values came under new names: did their spelling or their codes change?",
    Cause.JOIN: "Values belong to other events: check the keys and the order of a join.",
}
"""Of causes that say more than their kind."""
TOGETHER: Final = "Each channel alone may look normal. Check a join, a mapping or a sign between the two."
EVERYTHING: Final = "Most channels moved together. Check the pipeline first: a join, a unit, a new client."
_ROLES: Final = {role.value: role.row for role in Role if role is not Role.FEATURE}


def hint(kind: str, cause: str, own: str, firing: Sequence[str] = ()) -> str:
    """By cause, else by kind, else by the worst detector that fires, else as the channel's role has it (``own``)."""
    known = faults()
    if kind:
        by_kind = {k: fault.hint for fault in known.values() for k in fault.changes}
        return _BY_CAUSE.get(cause) or by_kind.get(kind) or _BY_KIND.get(kind, own)
    return next((known[d].hint for d in firing if d in known), own)


def of_part(p: Part) -> str:
    return TOGETHER if p.channel == JOINT else hint(p.kind, p.cause, _ROLES.get(p.channel, Role.FEATURE.row).hint)


def of_incident(i: Incident) -> str:
    """Where everything changed at once, the pipeline goes first."""
    told = located(i).incident
    return EVERYTHING if told.everything and len(told.parts) > 1 else of_part(told.first)
