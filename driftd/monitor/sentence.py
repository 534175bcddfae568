"""An incident in one sentence of at most 120 characters, made here for pages, API, command line and alerts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite
from typing import Final

from driftd.core.channel import JOINT, Role
from driftd.core.incident import ROUGH, Incident, Part, unchanged
from driftd.core.located import Located, located
from driftd.core.text import at_utc, clean, in_unit, latencies, numbers, ordinal, percent, plural, to_digits, when
from driftd.judge.natural.cause import Cause
from driftd.judge.natural.kinds import QUANTILES, Kind, power_of_ten
from driftd.monitor.cause import OF_VALUES, WITH, phrase
from driftd.monitor.wording import named

MOST: Final = 120
"""Characters of the sentence: what a phone shows of a notification."""
_NAMES: Final = (40, 28, 20, 14, 9)
"""Characters that names are cut to, one after the other, until the sentence is short enough."""
_SHARES: Final = {
    Kind.MISSING: "{name} {share} missing",
    Kind.REFUSED: "{name} {share} of another type",
    Kind.FROZEN: "{name} {be} frozen, {share} repeats",
    Kind.ERRORS: "{name} {share} errors",
    Kind.RENAMED: "{name} {be} renamed, {share} new values for known ones",
    Kind.NEW_VALUE: "{name} {share} new values",
    Kind.RANGE: "{name} {share} out of range",
    Kind.GRADUAL: "{name} moved away slowly, {share} out of range",
}
"""Kinds that are about a share: what is said, with what is usual in brackets behind it."""
_SHOWN: Final = 2
"""Models whose names, or sizes, have room in a sentence."""
_FAILED: Final = {"is": "{share} of requests fail", "was": "{share} of requests failed"}
_LARGE: Final = 1050.0
"""Factors from it on are told as "over 1,000 times"; what is less has 1,000 in its two digits."""
_LONG: Final = 40
"""Characters of two numbers that nobody reads at night."""


_ALONE: Final[Mapping[str, Collection[str]]] = {}


def sentence(i: Incident, now: float, *, changed: Mapping[str, Collection[str]] = _ALONE, values: bool = True) -> str:
    """``fraud: amount is 100 times larger (usually 20) since 14:20 UTC; 12 other channels unchanged``. ``now`` decides
    how a day is told, and nothing else: the text stays the same until a finding or midnight changes it. ``changed`` are
    the channels that other incidents hold open (core.incident.changed_now): they are not unchanged.

    Where it is too long it loses first what is unchanged, then what is in brackets, then a new version, then the middle
    of names, then what is known beyond the kind; never model, channel, size and time. Without ``values`` it has none
    that came in events.
    """
    if not values:
        i = replace(i, parts=tuple(replace(p, detail="") if p.cause in OF_VALUES else p for p in i.parts))
    found = located(lasting(i))
    i = found.incident
    text, plain = "", replace(i, parts=tuple(replace(p, cause="", detail="") for p in i.parts))
    for names, bracket, reach, version in _attempts():
        text = _composed(i, now, names, changed, found, bracket=bracket, reach=reach, version=version)
        if len(text) <= MOST:
            return text
    text = _composed(plain, now, _NAMES[-1], changed, found, bracket=False, reach=False, version=False)
    return clean(text, MOST)


def lasting(i: Incident) -> Incident:
    """Without the models in which it is over, while it lasts in others."""
    models = {p.model for p in i.parts if i.ended is None and p.ended is None}
    if not models or len(models) == len(i.totals):
        return i
    parts = tuple(p for p in i.parts if p.model in models)
    totals, features = (tuple(pair for pair in pairs if pair[0] in models) for pairs in (i.totals, i.features))
    return replace(i, parts=parts, totals=totals, features=features)


def size_in_words(p: Part) -> str:
    """``is 100 times larger (usually 20)``, ``62% missing``: what has happened to a channel, without its name."""
    said, bracket = _phrase("", p, "is" if p.ended is None else "was")
    return f"{said} {bracket}".strip()


def change_in_words(name: str, p: Part) -> str:
    """``amount is 100 times larger (3 → 300)``, ``lat and lon have swapped``: the same, with the name."""
    said, bracket = _phrase(cut(name, _NAMES[0]), p, "is" if p.ended is None else "was")
    return f"{said} {bracket}".strip()


def _attempts() -> Iterator[tuple[int, bool, bool, bool]]:
    """How long names are, whether there are brackets, what is unchanged, and a new version."""
    yield _NAMES[0], True, True, True
    yield _NAMES[0], True, False, True
    yield from ((most, False, False, True) for most in _NAMES[:2])
    yield _NAMES[0], True, False, False
    yield from ((most, False, False, False) for most in _NAMES)


def _composed(
    i: Incident,
    now: float,
    names: int,
    changed: Mapping[str, Collection[str]],
    found: Located,
    *,
    bracket: bool,
    reach: bool,
    version: bool,
) -> str:
    who, said, aside, rest = _what(i, names, unchanged(i, changed), bracket=bracket)
    where = found.segments
    if where:
        rest = "; other segments unchanged" if found.alone else ""
    parts = [f"{who}: {said}", *([aside] if aside else []), *([_within(where, names)] if where else []), _time(i, now)]
    if i.ended is not None:
        return " ".join(parts)
    return " ".join(parts) + (_version(i) if version else "") + (rest if reach else "")


def _within(where: Sequence[str], names: int) -> str:
    """``in country=DE``, ``in country=DE and 2 more segments``."""
    more = len(where) - 1
    return f"in {cut(where[0], names)}" + (f" and {more} more {plural('segment', more)}" if more else "")


def _what(i: Incident, names: int, calm: int, *, bracket: bool) -> tuple[str, str, str, str]:
    """Whom it happened to, what, what may stand in brackets behind it, and what has not."""
    be, many, who = "is" if i.ended is None else "was", len(i.models) > 1, _who(i.models, names)
    first = _common(i) or i.first
    if many and not i.everything and (each := _by_model(i, names, be, bracket=bracket)):
        return f"{len(i.models)} models", each, "", ""
    said, aside = _phrase(cut(first.channel, names), first, be, names)
    aside = aside if bracket else ""
    if i.everything and len(i.parts) > 1:
        total, changed = sum(n for _, n in i.totals), len({(p.model, p.channel) for p in i.parts if p.channel != JOINT})
        count = f"all {total}" if changed >= total else f"{changed} of {total}"
        return who, f"{count} channels changed", f"({said})" if bracket else "", "; probably the pipeline"
    if many:
        return who, said, aside, ""
    told = {first.channel, first.detail.removeprefix(WITH) if first.cause == Cause.SWAPPED else ""}
    told.add(JOINT)  # how channels move together is no channel
    alive = [p for p in i.parts if (p.ended is None or i.ended is not None) and p.channel not in told]
    more = len(alive)
    if more > 0:
        said, aside = f"{said}{f' {aside}' if aside else ''} and {more} more {plural('channel', more)} changed", ""
    return who, said, aside, f"; {calm} other {plural('channel', calm)} unchanged" if calm > 0 else ""


def _who(models: Sequence[str], names: int) -> str:
    """``fraud``, ``fraud and churn``, ``fraud + 4 models``: never a number alone, which nobody can look up."""
    shown = [cut(model, names) for model in models[:_SHOWN]]
    if len(models) > _SHOWN or (len(models) > 1 and names == _NAMES[-1]):
        more = len(models) - 1
        return f"{shown[0]} + {more} {plural('model', more)}"
    return " and ".join(shown)


def _by_model(i: Incident, names: int, be: str, *, bracket: bool) -> str:
    """What each model has, with its size, where that is not the same in all; "" where it is. Of the shortest names
    there is room for one model, and for how many more there are.
    """
    common, pipelines = _common(i), i.pipelines
    mine = {p.model: p for p in reversed(i.strongest) if common is None or p.channel == common.channel}
    told = dict[str, list[str]]()
    for model in sorted(i.models, key=lambda model: model not in pipelines):
        changed, total = pipelines.get(model, (0, 0))
        part = mine[model]
        phrase = _phrase(cut(part.channel, names), part, be, names)[0]
        told.setdefault(f"{changed} of {total} channels changed" if changed else phrase, []).append(model)
    if len(told) == 1 and not pipelines:
        return ""
    every = [*told.items()]
    shown = every[:_SHOWN] if names > _NAMES[-1] else every[:1]
    rest = sum(len(models) for _, models in every[len(shown) :])
    text = ", ".join(f"{said} in {_first_of(models, names, pipelines if bracket else {})}" for said, models in shown)
    return text + (f"; {rest} more {plural('model', rest)}" if rest else "")


def _first_of(models: Sequence[str], names: int, pipelines: Collection[str]) -> str:
    name = cut(models[0], names) + (" (probably the pipeline)" if models[0] in pipelines else "")
    return name if len(models) == 1 else f"{name} and {len(models) - 1} more"


def _version(i: Incident) -> str:
    """The version of the model that began to answer about then."""
    return "" if i.new_version is None else f"; new version {cut(i.new_version, _NAMES[-1])}"


def _common(i: Incident) -> Part | None:
    """The strongest part whose channel all models share."""
    for p in i.strongest:
        if p.channel != JOINT and {q.model for q in i.parts if q.channel == p.channel} == set(i.models):
            return p
    return None


def _phrase(name: str, p: Part, be: str, most: int = _NAMES[0]) -> tuple[str, str]:
    """What has happened to the channel, and in brackets what is usual; another channel's name is cut to ``most``."""
    value, usual = p.value, p.reference_value
    if p.channel == JOINT:
        return "channels no longer move together", ""
    told = phrase(p.cause, _detail(p, most), name, be, _share(value or 0.0))
    if told:
        return told, ""
    if p.kind == Kind.JOINT:
        return f"{name} no longer moves with other channels", ""
    if p.kind == Kind.MIX:
        return f"{name} has another mix" + (f", {_share(value)} of the values moved" if value and value > 0 else ""), ""
    if not p.kind or value is None or usual is None or not (isfinite(value) and isfinite(usual)):
        return f"{name} has changed{_named(p.kind)}", ""
    if p.kind in _SHARES:
        text = _FAILED[be] if p.kind == Kind.ERRORS and p.channel == Role.ERROR else _SHARES[Kind(p.kind)]
        return text.format(name=name, be=be, share=_share(value)), f"(usually {_share(usual)})"
    if p.kind == Kind.SPREAD:
        return f"{name} varies {times(value)} as much as usual", ""
    if p.kind in QUANTILES:
        aside = latencies(usual, value).replace("->", "→")
        return f"{name} {QUANTILES[p.kind]} {be} {_larger(usual, value)}", f"({aside})" if aside else ""
    if p.kind in {Kind.UNIT, Kind.LEVEL}:
        return f"{name} {be} {_larger(usual, value)}", _numbers(p, usual, value)
    return f"{name} has changed{_named(p.kind)}", _numbers(p, usual, value)


def _detail(p: Part, most: int) -> str:
    """A cause's detail; what comes from outside has no line breaks."""
    if p.cause == Cause.SWAPPED:
        return WITH + cut(p.detail.removeprefix(WITH), most)
    if p.cause == Cause.CLIPPED:
        return clean(in_unit(p.detail, p.unit), MOST)
    return clean(p.detail, MOST)


def _share(value: float) -> str:
    return percent(min(max(value, 0.0), 1.0))


def _named(kind: str) -> str:
    return ", cause unknown" if kind == Kind.UNKNOWN else f", {named(kind)}" if kind else ""


def _larger(then: float, now: float) -> str:
    """``100 times larger``, ``12% smaller``, ``higher`` where the two have no quotient."""
    if then * now <= 0:
        return "higher" if now > then else "lower"
    quotient = now / then
    if 0.5 < quotient < 2:
        return f"{percent(abs(quotient - 1))} {'larger' if quotient > 1 else 'smaller'}"
    return f"{times(max(quotient, 1 / quotient))} {'larger' if quotient > 1 else 'smaller'}"


def _numbers(p: Part, then: float, now: float) -> str:
    """A power of ten stands for what is near it: it says what is usual, and nothing of the size now."""
    if p.kind == Kind.UNIT and power_of_ten(now / then if then else 0.0):
        return f"(usually {in_unit(to_digits(then, 3), p.unit)})"
    told = numbers(then, now, p.unit).replace("->", "→")
    return f"({'mean ' if p.kind == Kind.LEVEL else ''}{told})" if told and len(told) <= _LONG else ""


def times(factor: float) -> str:
    """Two digits: ``100 times``, ``2.4 times``, ``over 1,000 times``."""
    if factor >= _LARGE:
        return "over 1,000 times"
    return f"{to_digits(factor, 2)} times"


def began(i: Incident) -> float:
    """Since when what the sentence tells has lasted; of an incident that is over, when its first change began. Where it
    tells several models, since the first of them.
    """
    if i.ended is not None:
        return first_began(i)
    return min(p.since for p in _told(i))


def _told(i: Incident) -> Sequence[Part]:
    """What the sentence tells of an incident that lasts: the strongest part, or that of each model."""
    told = located(lasting(i)).incident
    common = _common(told)
    if common is None and len(told.models) > 1 and not told.everything:
        parts = (p for p in reversed(told.strongest) if p.ended is None)
        return [*{p.model: p for p in parts}.values()]
    return (common or told.first,)


def first_began(i: Incident) -> float:
    """When the first of its changes began: one that was told later may have begun before."""
    return min(i.since, *(p.since for p in i.parts))


def first_told(i: Incident) -> float:
    """When somebody could first know what the sentence tells."""
    return min(p.told for p in _told(i)) if i.ended is None else i.opened


def _time(i: Incident, now: float) -> str:
    since = began(i)
    if i.ended is None:
        part = next(p for p in _told(i) if p.since == since)
        again = "" if part.first_since is None else f", {ordinal(part.times)} time since {when(part.first_since, now)}"
        about = "about " if (part.since_error_seconds or 0.0) >= ROUGH else ""
        return f"since {about}{when(since, now)} UTC{again}"
    begin, end = at_utc(since), at_utc(i.ended)
    same_day = begin is not None and end is not None and begin.date() == end.date()
    return f"from {when(since, now)} to {when(i.ended, i.ended if same_day else now)} UTC"


def cut(name: str, most: int) -> str:
    """A name from outside; a long one without its middle, since names often differ at their ends."""
    text = clean(name, len(name) + 1)
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}\N{HORIZONTAL ELLIPSIS}{text[len(text) - (most - 1 - head) :]}"
