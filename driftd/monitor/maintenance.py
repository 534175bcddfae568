"""Maintenance windows: what is found in one is told and rings nobody; what is open still when it is over rings then.

window    ....|##########|......
finding        PAGE, muted   PAGE, rings: it is open still
               PAGE, muted, OK           nothing rings
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf
from typing import Final

from driftd.core.act import Act, in_force
from driftd.core.finding import Finding, Status
from driftd.core.text import minute
from driftd.monitor.told import plain

OVER: Final = "muted until the maintenance was over"


def muted(
    windows: Iterable[Act], waiting: Sequence[Finding], found: Sequence[Finding], at: float
) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """What is told of ``found`` up to ``at``, and what waits for the end of a window after it: as in ModelState.muted.

    A page or a ticket that begins in a window loses its severity. After the window what ``waiting`` has is told again.
    """
    planned = [*windows]
    told, waits = list[Finding](), {(f.feature, f.detector): f for f in waiting}
    for f in found:
        key, window = (f.feature, f.detector), in_force(planned, f.window_end)
        rings = f.severity is not None
        if f.status < Status.WARNING or (rings and window is None):
            waits.pop(key, None)
        elif rings:
            waits[key] = plain(f)
        told.append(f if window is None or not rings else replace(f, severity=None, because=_because(f, window)))
    if waits and in_force(planned, at) is None:
        told += [_again(f, at) for f in waits.values()]
        waits = {}
    return tuple(told), tuple(waits.values())


def _because(finding: Finding, window: Act) -> str:
    end = "somebody ends it" if window.end in {None, inf} else f"{minute(window.end)} UTC"
    return f"{finding.because}; muted by {window.by}, until {end}"


def _again(finding: Finding, at: float) -> Finding:
    return replace(finding, previous=finding.status, window_end=at, because=f"{finding.because}; {OVER}")
