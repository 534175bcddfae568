"""Sentences on what a reference cannot be used for, for people: told once, when it is learned, built or replayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import floor, inf, isnan
from typing import Final

from driftd.core.channel import Role
from driftd.core.reference import Reference, ReferenceKind
from driftd.core.slice import Slice
from driftd.core.summary import MISSING, UNSEEN
from driftd.core.text import did_you_mean, duration, minute, percent, plural, printable, utc
from driftd.core.units import DAY_SECONDS
from driftd.learn.gaps import gaps_of
from driftd.learn.growth import LEAST_EVENTS
from driftd.learn.incidents import Incident, incidents_of
from driftd.learn.renewed import Renewed, renewed_of

OLDEST: Final = 1e9
"""2001-09-09: epoch seconds have ten digits since then, and what has fewer is in another unit, or no time at all."""
FURTHEST: Final = 4_102_444_800.0
"""2100-01-01."""
_SHOWN = 3
"""Values of a channel that a sentence names."""
EXCEL = 20_000.0, 60_000.0
"""Days since 1899-12-30, as Excel counts them. Chosen: 1954 to 2064."""
COUNTS_ALONE: Final = (
    "the reference holds counts alone: how its values followed each other in time, and how its columns hang together, "
    "is unknown. Windows are compared with it, and make tickets where detectors are chosen; nothing pages. 'driftd "
    "reference build', from events or a table, gives all of it"
)
CANNOT_TELL: Final = "driftd cannot tell whether that is right"
NEARLY_ALL: Final = 0.9
"""Share of missing values from which on a feature has hardly any. Chosen: nobody builds a model on a tenth of it."""
WEEK_SECONDS: Final = 6.5 * DAY_SECONDS
"""A reference of seconds less than a week has seen its hours. Chosen: it ends with an event, and nights have few."""
LATE_SECONDS: Final = 3600.0
"""A feature that is first seen so long after the beginning came late. Chosen: an hour; rare values come when they come.
"""
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


def strange_times(first: float, last: float) -> tuple[str, ...]:
    """Of events that are all of a time in which nothing was logged, or nothing can have been."""
    if excel := excel_dates(first, last):
        return excel
    span = f"all times lie between {minute(first)} and {minute(last)} UTC" if first <= last else ""
    if 0 <= first <= last < OLDEST:
        rows = "In a table without a column of times row n is n seconds after 1970-01-01"
        cure = "'--time COLUMN' names one, 'driftd check --sample FILE' proposes it"
        return (f"{span}, before {minute(OLDEST)[:10]}: is the unit right? {rows}: {cure}",)
    return (f"{span}: is the unit of the time right?",) if FURTHEST <= first <= last else ()


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
    if not reference.learned:
        yield COUNTS_ALONE
    yield from excel_dates(reference.first, reference.last)
    yield from _incidents(reference)
    yield from _short(reference)
    yield from _gaps(reference)
    yield from renewals(renewed_of(reference))
    yield from _from_the_start(reference)
    rows = reference.rows
    prediction, label = rows.get(Role.PREDICTION), rows.get(Role.LABEL)
    if prediction is not None and label is not None and Role.PREDICTION_ERROR not in rows:
        yield (
            f"prediction ({_examples(reference, prediction)}) and label ({_examples(reference, label)}) cannot be"
            " compared: prediction_error is not watched, the label itself is"
        )
    elif prediction is not None and label is not None and _nothing_in_common(reference, prediction, label):
        yield (
            f"prediction ({_examples(reference, prediction)}) and label ({_examples(reference, label)}) have no value"
            " in common: no two are ever equal, so prediction_error shows no change; the label itself does"
        )


def _nothing_in_common(reference: Reference, prediction: int, label: int) -> bool:
    """Whether both are categories, and none of one is a category of the other."""
    if reference.numeric[[prediction, label]].any():
        return False
    one, other = ({*b.categories, *b.rare} for b in (reference.bins[prediction], reference.bins[label]))
    return bool(one and other) and one.isdisjoint(other)


def _short(reference: Reference) -> Iterator[str]:
    """Of a reference that is compared by hours of the week, or by periods, and does not have them."""
    span = reference.last - reference.first
    if reference.kind is ReferenceKind.SEASONAL and span < WEEK_SECONDS:
        yield (
            f"kind seasonal needs a week or more, and the reference spans {duration(span)}: windows of other hours are "
            "compared with all of it. Give learning.seconds (14d), or build one"
        )
    elif reference.kind is ReferenceKind.ROLLING and reference.rolled is None:
        yield (
            f"kind rolling: until the first whole period has ended, windows are compared with {duration(span)} of "
            "reference"
        )


def _gaps(reference: Reference) -> Iterator[str]:
    """Of channels that a reference that grows does not have, or knows for a shorter time than the others."""
    for gap in gaps_of(reference):
        name = printable(gap.channel)
        if gap.never:
            yield f"{name}: 100% {gap.why} since the first event, so not watched. {CANNOT_TELL}"
        elif gap.start == -inf and gap.end - reference.first >= LATE_SECONDS:
            yield f"{name}: first seen at {minute(gap.end)} UTC; what came before does not count as missing"
        elif gap.end == inf:
            kind = f" ({gap.why.replace('_', ' ')})" if gap.why else ""
            yield (
                f"{name}: waits{kind} since {minute(gap.start)} UTC, and is known up to then. The other channels grow; "
                "it catches up when that is over"
            )


def renewals(renewed: Iterable[Renewed]) -> Iterator[str]:
    """Of channels that are learned anew beside the others, or were: a sentence each."""
    for r in renewed:
        name, since = printable(r.channel), minute(r.since)
        if r.blind:
            yield (
                f"{name}: cannot see: learning again since {since} UTC, ready at {minute(r.due)} UTC if {LEAST_EVENTS} "
                "events of it have come by then"
            )
            continue
        anew = "" if isnan(r.due) else f", learned anew at {minute(r.due)} UTC"
        rests = "" if r.related else "; its relations to other channels are not watched"
        yield f"{name}: its new normal is {duration(r.last - r.since)} from {since} UTC on{anew}{rests}"


def _from_the_start(reference: Reference) -> Iterator[str]:
    """Of channels with hardly any value, or one alone: a fault that was there from the beginning looks like that. A
    segment of one country has one country.
    """
    counts, constant = reference.summary.counts, []
    own = Slice(reference.model).within.partition("=")[0]
    for row, channel in enumerate(reference.channels):
        values, missing = counts[row, UNSEEN:], int(counts[row, MISSING])
        share = missing / max(int(counts[row].sum()), 1)
        if channel.role is not Role.FEATURE:
            continue
        if share >= NEARLY_ALL:
            yield f"{printable(channel.name)}: {percent(share)} missing since the first event. {CANNOT_TELL}"
        elif channel.name != own and missing + values.max() == counts[row].sum() and one_value(reference, row):
            constant.append(row)
    if constant:
        shown = ", ".join(
            f"{printable(reference.channels[row].name)} ({_examples(reference, row)})" for row in constant[:_NAMED]
        ) + f" and {len(constant) - _NAMED} more" * (len(constant) > _NAMED)
        yield f"one value alone since the first event: {shown}. {CANNOT_TELL}"


def one_value(reference: Reference, row: int) -> bool:
    """Whether the reference has seen one value alone of the channel."""
    bins = reference.bins[row]
    if reference.numeric[row]:
        return bins.discrete and len(bins.edges) == 2
    return len(bins.categories) == 1 and not bins.rare


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
