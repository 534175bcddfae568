"""What pages, the API and the command line say of a model's segments, the largest change first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from driftd.core.slice import Slice
from driftd.core.text import in_order
from driftd.monitor.view import ModelView, Snapshot
from driftd.web.facts import ModelLine, Opened, model_line, worst_first
from driftd.web.quality import SegmentQuality, segment_quality_of

Family = Mapping[str, Sequence[ModelView]]
"""Model -> its segments."""
_RANK: Final = {"page": 0, "ticket": 1}


@dataclass(frozen=True, slots=True)
class SegmentLine:
    """A segment in one line. ``model`` is the name under which it is watched; the others are as of a model, ``pages``
    and ``tickets`` channels; ``events`` since it is one. ``quality``: how right the model is there, by the labels in
    its events, or by those that came later.
    """

    segment: str
    model: str
    status: str
    sentence: str
    channel: str | None
    kind: str | None
    since: float | None
    size: float | None
    pages: int
    tickets: int
    events: int
    events_per_second: float | None
    learning: float | None
    quality: SegmentQuality | None


def family_of(snapshot: Snapshot) -> Family:
    """Those of all models."""
    out: dict[str, list[ModelView]] = {}
    for m in snapshot.models:
        key = Slice(m.name)
        if key.within:
            out.setdefault(key.whole, []).append(m)
    return out


def segment_lines(m: ModelView, snapshot: Snapshot, opened: Opened, family: Family | None = None) -> list[SegmentLine]:
    """Those of a model, the largest change first, then the largest."""
    every = family_of(snapshot) if family is None else family
    later = {Slice(s.name).within: s for s in every.get(Slice.of_labels(m.name).model, ())}
    lines = [
        _line(s, model_line(s, snapshot, opened), _quality(s, later.get(Slice(s.name).within)))
        for s in every.get(m.name, ())
    ]
    return sorted(lines, key=_worst)


def fleet_lines(snapshot: Snapshot, opened: Opened) -> list[ModelLine]:
    """Of all models, worst first; a segment shows in the line of its model where it is worse."""
    family = family_of(snapshot)
    wholes = (m for m in snapshot.models if not Slice(m.name).within)
    return sorted((whole_line(m, snapshot, opened, family) for m in wholes), key=worst_first)


def whole_line(m: ModelView, snapshot: Snapshot, opened: Opened, family: Family | None = None) -> ModelLine:
    """A model's line, which says what is worst on it or on a segment of it."""
    line = model_line(m, snapshot, opened)
    first = next(iter(segment_lines(m, snapshot, opened, family)), None)
    if first is None or _rank(first.status) >= _rank(line.status):
        return line
    return replace(
        line,
        status=first.status,
        sentence=f"{first.sentence} in {first.segment}",
        channel=first.channel,
        kind=first.kind,
        since=first.since,
        size=first.size,
        learning=None,
    )


def _quality(m: ModelView, later: ModelView | None) -> SegmentQuality | None:
    """By the labels in the segment's events, else by those that were joined to them."""
    return segment_quality_of(m) or (None if later is None else segment_quality_of(later))


def _line(m: ModelView, line: ModelLine, quality: SegmentQuality | None) -> SegmentLine:
    return SegmentLine(
        Slice(m.name).within, m.name, line.status, line.sentence, line.channel, line.kind, line.since, line.size,
        line.pages, line.tickets, m.counts.predictions, line.events_per_second, line.learning, quality,
    )  # fmt: skip


def _rank(status: str) -> int:
    return _RANK.get(status, len(_RANK))


def _worst(line: SegmentLine) -> tuple[Any, ...]:
    return _rank(line.status), -(line.size or 0.0), -line.events, in_order(line.segment)
