"""A model: what has changed on it, its channels by the size of the change, its traffic over time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from driftd.core.channel import JOINT
from driftd.core.finding import Status
from driftd.core.slice import Slice
from driftd.metrics.aggregates import QUANTILES
from driftd.monitor import timeline as t
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.acts import act_lines, answers_of
from driftd.web.chart import Line, Mark, TimeChart, bullet, spark
from driftd.web.cost import cost_of, money
from driftd.web.episodes import Episode, episodes
from driftd.web.estimated import estimated_of
from driftd.web.experiments import experiments_of
from driftd.web.facts import ChannelLine, channel_lines, silence_in_words, silence_status, silent_seconds
from driftd.web.format import number, times
from driftd.web.incidents import open_lines
from driftd.web.labels import label_line
from driftd.web.objectives import objective_charts, objective_lines
from driftd.web.pages.frame import Request, render
from driftd.web.quality_card import cell, quality_card
from driftd.web.segments import segment_lines, whole_line
from driftd.web.series import RANGES, Stretch, Values, column_of, day_spark, versions_begun

MOST_EPISODES = 20


@dataclass(frozen=True, slots=True)
class Row:
    line: ChannelLine
    size: Markup
    picture: Markup
    now: str


def page(request: Request, snapshot: Snapshot, m: ModelView) -> bytes:
    opened = snapshot.opened
    line, segments = whole_line(m, snapshot, opened), segment_lines(m, snapshot, opened)
    channels = channel_lines(m, snapshot, opened)
    stretch = Stretch.asked(request.get("range"), request.get("as_of"), snapshot.now, line.since)
    rows = [_row(c, m, snapshot) for c in channels]
    first = next((c for c in channels if c.status in {"page", "ticket"}), None)
    return render(
        "model.html",
        request,
        snapshot,
        m=m,
        line=line,
        first=first,
        changed=[row for row in rows if row.line.status in {"page", "ticket"}],
        calm=[row for row in rows if row.line.status not in {"page", "ticket"}],
        together=words.TOGETHER,
        joint=JOINT,
        advice=list(advice(m, len([c for c in channels if c.status in {"page", "ticket"}]))),
        latency=_latency(m),
        silent=silence_in_words(m, snapshot.now),
        silence_status=silence_status(m),
        part=Slice(m.name).part,
        whole=Slice(m.name).whole,
        labels=label_line(m, snapshot),
        segments=segments,
        by_segment=next((s.quality.title for s in segments if s.quality is not None), ""),
        cell=cell,
        stretch=stretch,
        ranges=RANGES,
        charts=[chart.svg_with_caption() for chart in _charts(m, stretch, snapshot) if not chart.empty],
        objectives=[
            (of, chart.svg(), chart.title)
            for of, chart in zip(objective_lines(m, snapshot), objective_charts(m, snapshot), strict=True)
        ],
        quality=quality_card(m),
        estimated=estimated_of(m, snapshot),
        cost=cost_of(m),
        experiments=experiments_of(m),
        money=money,
        blind=[c for c in channels if c.cannot_see],
        past=_past(snapshot, m.name),
        acts=act_lines(m),
        incidents=open_lines(snapshot, m.name),
        answers=answers_of(snapshot).get(m.name),
        versions=sorted(m.started.items(), key=lambda item: -item[1])[:5],
    )


def advice(m: ModelView, moved: int) -> Iterator[str]:
    """What to do about the model as a whole, where there is something to say."""
    j = m.judgement
    if j is None or not moved:
        return
    if j.status is not Status.DRIFT:
        yield "Tickets call nobody; they can wait for the morning."
    if len(j.versions) > 1:
        yield f"{len(j.versions)} versions answered in the last window ({words.several(j.versions)}): a rollout?"
    if moved >= max(3, len(j.channel_status) / 2):
        yield "Most channels moved together. Check the pipeline first: a join, a unit, a new client."


def _past(snapshot: Snapshot, model: str) -> list[Episode]:
    mine = [f for f in snapshot.findings if f.model == model and f.feature is not None]
    return [e for e in episodes(mine) if e.ended is not None][:MOST_EPISODES]


def _latency(m: ModelView) -> tuple[str, str]:
    """The quantiles and their unit; empty where nobody measures them."""
    if m.judgement is None:
        return "", ""
    found = m.judgement.summary.latency_quantiles(QUANTILES)
    if any(math.isnan(x) for x in found):
        return "", ""
    unit, factor = ("ms", 1e3) if max(found) < 1 else ("s", 1.0)
    return " / ".join(number(x * factor) for x in found), unit


def _row(c: ChannelLine, m: ModelView, snapshot: Snapshot) -> Row:
    hot = c.status if c.status in {"page", "ticket"} else ""
    of = {"page": "a page's size", "ticket": "a ticket's size"}.get(c.size_of, "its threshold")
    said = "" if c.size is None else f"{times(c.size)} × {of}"
    size = bullet(c.size, f"{words.channel_name(c.channel)}: {said}", hot)
    place = None if m.judgement is None else m.judgement.reference.rows.get(c.channel)
    if place is None or not m.timeline.channels or m.judgement is None:
        return Row(c, size, Markup(), said)
    numeric = bool(m.judgement.reference.numeric[place])
    mine, _, span = day_spark(m, place, column_of(c.kind, numeric), snapshot.now)
    picture = spark(*mine, span, f"{c.channel}, last 24 hours", since=c.since if hot else None, css=hot or "page")
    return Row(c, size, picture, said)


def _charts(m: ModelView, stretch: Stretch, snapshot: Snapshot) -> Iterator[TimeChart]:
    found = Values.of(m, stretch)
    gap = found.gap(snapshot.pane_seconds)
    marks = [Mark(at, f"version {words.name(version)}") for at, version in versions_begun(m, stretch.span)]
    per = (
        ("a minute", 60.0)
        if not len(found.times) or np.nanmax(found.events_per_second) * 60 >= 1
        else ("an hour", 3600.0)
    )
    # the last one is not over yet: so far it has too few events
    begun = found.times + found.step / 2 > snapshot.reached
    events, times = np.where(begun, np.nan, found.events_per_second * per[1]), found.times
    if silent_seconds(m) is not None and len(times):  # no panes, no points: nothing came
        none = np.arange(times[-1] + found.step, min(snapshot.now, stretch.span.end), found.step)
        events, times = np.append(events, np.zeros(len(none))), np.append(times, none)
    known = events[np.isfinite(events)]
    last = f"{number(float(known[-1]))} {per[0]}" if len(known) else ""
    yield TimeChart(
        "Events", per[0], f"Events {per[0]} of {m.name}; last {last}", stretch.span,
        [Line(times, events, gap=gap)], marks=marks, last=last, from_zero=True, height=100,
    )  # fmt: skip
    for column, name in ((t.LATENCY_P50, "p50"), (t.LATENCY_P99, "p99")):
        values = found.totals[:, column] * 1e3
        known = values[np.isfinite(values)]
        last = f"{number(float(known[-1]))} ms" if len(known) else ""
        yield TimeChart(
            f"Latency, {name}", "ms", f"Latency {name} of {m.name} in milliseconds; last {last}", stretch.span,
            [Line(found.times, values, gap=gap)], marks=marks, last=last, from_zero=True, height=90,
        )  # fmt: skip
