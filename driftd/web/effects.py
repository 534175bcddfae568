"""What an incident did: how many events came since the change, how many of them it touched, and whether the answers of
the model changed with it. Only what was counted: of changes that touch no single event nothing is said.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from driftd.core.channel import Role
from driftd.core.finding import WARNING
from driftd.core.incident import Incident, Part
from driftd.judge.natural.kinds import Kind, share_of
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.format import DAY, number, share, with_unit
from driftd.web.scales import Floats
from driftd.web.words import name

OUTPUTS: Final = (Role.PREDICTION.value, Role.SCORE.value)
LEAST: Final = 50
"""Events on each side of the change, below which nothing is said of the answers."""
BEFORE_SECONDS: Final = (3600.0, DAY)
"""What is compared with is as long as the time since, but no shorter than an hour and no longer than a day."""
MOST_MODELS: Final = 10
_COLUMNS: Final = {
    Kind.MISSING: t.SHARE_MISSING, Kind.REFUSED: t.SHARE_MISSING, Kind.NEW_VALUE: t.SHARE_UNSEEN,
    Kind.RENAMED: t.SHARE_UNSEEN,
}  # fmt: skip
"""Where values over time count what a kind is about; of categories the last two."""
_REACH: Final = ((0, 2.5 * 3600), (1, 1.4 * DAY), (2, 31 * DAY), (3, np.inf))
"""Places in monitor.timeline.STEPS, and up to how many seconds since the change their points are taken."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``channel`` (prediction or score) of a model: ``what`` was compared (mean, or the share of the category that
    moved most) ``before`` the change and ``since``; ``changed``: the channel takes part in the incident, or is open by
    itself.
    """

    channel: str
    what: str
    before: float
    since: float
    changed: bool
    text: str


@dataclass(frozen=True, slots=True)
class Effect:
    """Of one model: ``events`` since the change, to its end; ``touched`` of them, and their ``share``: null where the
    change is one of all values together. ``answers``: what came of prediction and score, as far as there are enough.
    """

    model: str
    events: int
    touched: int | None
    share: float | None
    answers: list[Answer]


def effects(i: Incident, snapshot: Snapshot) -> list[Effect]:
    """Of each of its models of which values are kept, those of the strongest parts first."""
    known = {m.name: m for m in snapshot.models}
    mine = [known[model] for model in i.models if model in known and known[model].timeline.channels]
    return [_effect(i, m, _end(i, m, snapshot.now)) for m in mine[:MOST_MODELS]]


def _end(i: Incident, m: ModelView, now: float) -> float:
    """Up to when events are counted: of a model that has sent none for long, to its last one, in finer points."""
    if i.ended is not None:
        return i.ended
    last = m.counts.last_event
    return min(now, last) if last > i.since else now


def _effect(i: Incident, m: ModelView, end: float) -> Effect:
    parts = [p for p in i.strongest if p.model == m.name]
    since = min(p.since for p in parts)
    seen = _Seen.of(m, since, end)
    hit = next((p for p in parts if _is_share(p)), None)
    part = None if hit is None else _hit(m, seen, hit)
    changed = {p.channel for p in parts}
    return Effect(
        m.name, seen.events, None if part is None else round(part * seen.events), part,
        [*_answers(m, seen, changed)],
    )  # fmt: skip


def _is_share(p: Part) -> bool:
    """Whether its value is the share of the events that it is about."""
    return bool(p.kind) and p.value is not None and p.kind in {*Kind} and share_of(Kind(p.kind)) is not None


def _hit(m: ModelView, seen: _Seen, p: Part) -> float | None:
    """The share of the events since the change that has what the part is about: counted where that is kept, else as it
    was told.
    """
    if p.kind == Kind.ERRORS:
        failed = float(seen.points.totals[seen.after, t.FAILED].sum(dtype=np.float64))
        return failed / seen.events if seen.events else None
    channels = () if m.reader is None else m.reader.channels
    row, column = channels.index(p.channel) if p.channel in channels else -1, _COLUMNS.get(Kind(p.kind))
    categories = m.reader is not None and row >= 0 and bool(m.reader.labels[row])
    if row >= 0 and column is not None and (column == t.SHARE_MISSING or categories):
        counted = seen.mean(seen.after, row, column)
        return counted if np.isfinite(counted) else None
    return None if p.value is None else min(max(p.value, 0.0), 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """Points of a model; which of them are ``before`` the change and which came ``after`` it."""

    points: t.Points
    before: slice
    after: slice

    @classmethod
    def of(cls, m: ModelView, since: float, end: float) -> _Seen:
        step = next(step for step, seconds in _REACH if end - since <= seconds)
        points, size = m.timeline.points(step, m.reader), t.STEPS[step]
        length = min(max(end - since, BEFORE_SECONDS[0]), BEFORE_SECONDS[1])
        cuts = np.array([np.floor((since - length) / size), np.floor(since / size), np.ceil(end / size)])
        first, middle, last = np.searchsorted(points.numbers, cuts).tolist()
        return cls(points, slice(first, middle), slice(middle, last))

    @property
    def events(self) -> int:
        return round(float(self.weights(self.after).sum()))

    def weights(self, part: slice) -> Floats:
        return np.asarray(self.points.totals[part, t.EVENTS], np.float64)

    def mean(self, part: slice, row: int, column: int) -> float:
        """Of the points' values, each as often as it had events; NaN where nothing is known."""
        values, weights = self.points.values[part, row, column].astype(np.float64), self.weights(part)
        known = np.isfinite(values) & (weights > 0)
        return float(np.average(values[known], weights=weights[known])) if known.any() else np.nan


def _answers(m: ModelView, seen: _Seen, changed: set[str]) -> Iterator[Answer]:
    reader, j = m.reader, m.judgement
    if reader is None or j is None or min(seen.weights(seen.before).sum(), seen.events) < LEAST:
        return
    open_ = {j.reference.channels[row].name for row in np.flatnonzero(j.channel_status >= WARNING).tolist()}
    for channel in OUTPUTS:
        if channel not in reader.channels:
            continue
        found = _moved(seen, reader, reader.channels.index(channel), j.units.get(channel, ""))
        if found is not None:
            what, before, since, text = found
            moved = channel in changed or channel in open_
            yield Answer(channel, what, before, since, moved, text)


def _moved(seen: _Seen, reader: t.ValueReader, row: int, unit: str) -> tuple[str, float, float, str] | None:
    """What was compared, before and since, and both in words."""
    labels = reader.labels[row]
    columns = [t.FIRST_SHARE + k for k in range(len(labels))] if labels else [t.MEAN]
    both = [(seen.mean(seen.before, row, c), seen.mean(seen.after, row, c)) for c in columns]
    known = [(abs(b - a), k) for k, (a, b) in enumerate(both) if np.isfinite(a) and np.isfinite(b)]
    if not known:
        return None
    k = max(known)[1]
    before, since = both[k]
    what, spell = (f"share of {name(labels[k])}", share) if labels else ("mean", number)
    unit = "" if labels else unit
    return what, before, since, f"{what} {with_unit(spell(before), unit)} before, {with_unit(spell(since), unit)} since"
