"""Sentences on what a reference cannot be used for, for people: told once, when it is learned, built or replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import floor

from driftd.core.channel import Role
from driftd.core.reference import Reference
from driftd.core.text import did_you_mean, minute, plural, printable, utc
from driftd.learn.incidents import Incident, incidents_of

_SHOWN = 3
"""Values of a channel that a sentence names."""
EXCEL = 20_000.0, 60_000.0
"""Days since 1899-12-30, as Excel counts them. Chosen: 1954 to 2064."""
_NAMED = 10
"""Features that a sentence names."""


def remarks(reference: Reference) -> tuple[str, ...]:
    """One sentence each."""
    return tuple(_remarks(reference))


def excel_dates(first: float, last: float) -> tuple[str, ...]:
    """Of events whose times, in epoch seconds, are all what Excel writes for the days from 1954 to 2064."""
    if not EXCEL[0] <= first <= last <= EXCEL[1]:
        return ()
    told = f"all times lie on 1970-01-01 ({first:,.0f} to {last:,.0f} s): these look like Excel dates"
    return (f"{told}. Convert them to epoch seconds: (date - 25569) * 86400",)


def unwatched(names: Sequence[str]) -> str:
    """Of a model's features that came when its reference stood."""
    shown = ", ".join(map(printable, names[:_NAMED])) + (
        f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    )
    return (
        f"new {plural('feature', len(names))} {shown}: not in the reference, so not watched; build a new one for that"
    )


def unknown_channels(reference: Reference, sized: Iterable[str]) -> tuple[str, ...]:
    """A sentence for each channel that the user has ``sized`` and the reference does not have."""
    return tuple(
        f"alarms.channels: the reference has no channel '{printable(name)}'{did_you_mean(name, reference.rows)}"
        for name in sized
        if name not in reference.rows
    )


def _remarks(reference: Reference) -> Iterator[str]:
    yield from excel_dates(reference.first, reference.last)
    yield from _incidents(reference)
    rows = reference.rows
    prediction, label = rows.get(Role.PREDICTION), rows.get(Role.LABEL)
    if prediction is not None and label is not None and Role.PREDICTION_ERROR not in rows:
        yield (
            f"prediction ({_examples(reference, prediction)}) and label ({_examples(reference, label)}) cannot be"
            " compared: prediction_error is not watched, the label itself is"
        )


def _incidents(reference: Reference) -> Iterator[str]:
    """A sentence for each time in which channels differ from all the rest."""
    together: list[list[Incident]] = []
    for found in sorted(incidents_of(reference), key=lambda i: i.start):
        if together and found.start <= max(i.end for i in together[-1]):
            together[-1].append(found)
        else:
            together.append([found])
    for group in together:
        start, end = floor(min(i.start for i in group)), floor(max(i.end for i in group)) + 1
        events = max(i.events for i in group)
        named = ", ".join(f"{printable(reference.channels[i.row].name)} ({i.kind})" for i in group[:_NAMED])
        more = f" and {len(group) - _NAMED} more" * (len(group) > _NAMED)
        yield (
            f"an incident inside? {named}{more} {'differ' if len(group) > 1 else 'differs'} from all the rest at "
            f"{minute(start)} to {minute(end)} UTC ({events:,} events), and such a change will not "
            f"be seen. If it was one: learning.exclude {utc(start)}/{utc(end)}"
        )


def _examples(reference: Reference, row: int) -> str:
    labels = reference.bins[row].labels
    inner = labels[1:-1] if reference.numeric[row] else labels[:-1]  # without the open bins
    return ", ".join(inner[:_SHOWN]) + (", ..." if len(inner) > _SHOWN else "")
