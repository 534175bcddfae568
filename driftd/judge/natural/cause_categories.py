"""Causes of categories: which values are new, and what they were called before."""

from __future__ import annotations

from typing import Final

import numpy as np

from driftd.core.reference import Reference
from driftd.core.summary import FIRST_VALUE
from driftd.core.values import number_in
from driftd.judge.natural import features as f
from driftd.judge.natural.cause import Cause, Caused, Look
from driftd.judge.natural.kinds import GONE, LEAST_EXPECTED, LEAST_KNOWN, Kind

SHOWN: Final = 2
"""New values that are named. Chosen: more makes no sentence."""
LONG: Final = 16
"""Characters of a value that are shown. Chosen: a name from outside must leave room for the rest."""
ENOUGH: Final = 20.0
"""Values expected of a known one that has another name now, where no letters say so. Chosen: of so many a fifth is left
by chance once in a million times."""
SHARE: Final = (0.4, 1.6)
"""Least and most of what a known value should have had that a new one in its place has. Chosen: two standard
errors of 20 values."""
HEAD: Final = 3
"""Least characters by which a new value is known again. Chosen: two letters stand in many names."""


def of_categories(look: Look, kind: Kind, channel: int) -> Caused | None:
    """New or renamed values by name; None where as many values are gone, and it is not known which became which."""
    names = [name for name, _ in look.names]
    if names and _numbers(look.reference, channel, names):
        return Caused(Cause.TYPE, "numbers in place of text")
    renamed = _renamed(look, channel, sure=kind is Kind.RENAMED)
    if renamed or kind is Kind.RENAMED:
        return Caused(Cause.RENAMED, renamed) if renamed else None
    return Caused(Cause.NEW_VALUE, _listed(names))


def _numbers(reference: Reference, channel: int, names: list[str]) -> bool:
    """Whether all new values are numbers, where no known one is."""
    known = reference.bins[channel].categories
    return all(_is_number(n) for n in names) and not any(map(_is_number, known))


def _is_number(name: str) -> bool:
    return isinstance(number_in(name), float)


def shown(name: str) -> str:
    """``'brand-new'``."""
    return f"'{name}'" if len(name) <= LONG else f"'{name[: LONG - 1]}\N{HORIZONTAL ELLIPSIS}'"


def _listed(names: list[str]) -> str:
    """``'a'``, ``'a' and 'b'``, ``'a', 'b' and others``."""
    told = [shown(n) for n in names[:SHOWN]]
    if len(names) > SHOWN:
        return f"{', '.join(told)} and others"
    return " and ".join(told)


def _renamed(look: Look, channel: int, *, sure: bool) -> str:
    """``'DE' to 'de'``; "" where it is not clear what became what. Where it is not ``sure`` that some were renamed, by
    their letters alone.
    """
    counts = look.seen.since[channel, f.FEATURES :].astype(np.float64)
    expected = look.seen.expected[channel] * max(int(counts[FIRST_VALUE:].sum() + counts[:FIRST_VALUE].sum()), 1)
    known = look.reference.bins[channel].categories
    gone = {
        name: float(expected[at])
        for at, name in enumerate(known, FIRST_VALUE)
        if expected[at] >= LEAST_EXPECTED
        and look.seen.expected[channel, at] >= LEAST_KNOWN
        and counts[at] < GONE * expected[at]
    }
    alike = [(old, new) for new, _ in look.names for old in gone if _same(old, new)]
    once = [(old, new) for old, new in alike if sum(o == old or n == new for o, n in alike) == 1]
    if sure and not alike and len(gone) == 1 and len(look.names) == 1:
        ((old, should),), ((new, _),) = gone.items(), look.names
        least, most = SHARE
        enough = should >= ENOUGH and least * should <= look.seen.since[channel, f.NEW] <= most * should
        once = [(old, new)] if enough else []
    if not once:
        return ""
    old, new = max(once, key=lambda pair: gone[pair[0]])
    more = len(gone) - 1
    return f"{shown(old)} to {shown(new)}{f' and {more} more' if more else ''}"


def _same(old: str, new: str) -> bool:
    """Whether one is the other in other letters, or with something before or after it."""
    a, b = ("".join(c for c in name.casefold() if c.isalnum()) for name in (old, new))
    if a == b:
        return bool(a)
    short, long = sorted((a, b), key=len)
    return len(short) >= HEAD and (long.startswith(short) or long.endswith(short))
