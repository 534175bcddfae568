"""The JSON behind the pages: the same numbers and sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
import numpy as np
import orjson

from driftd import __version__
from driftd.core.event import Kind
from driftd.core.finding import Judgement, Status
from driftd.core.located import located
from driftd.core.reference import Bins
from driftd.core.refusals import Refusal
from driftd.core.text import jsonable
from driftd.metrics.aggregates import QUANTILES
from driftd.monitor import hints
from driftd.monitor import timeline as t
from driftd.monitor.incidents import MOST_ENDED
from driftd.monitor.view import ModelView, Snapshot
from driftd.web import words
from driftd.web.acts import about_incident, act_line, act_lines
from driftd.web.bodies import (
    Acts,
    Channel,
    Experiments,
    Fact,
    Findings,
    Fleet,
    Health,
    Incident,
    Incidents,
    Lag,
    Limit,
    Model,
    OneExperiment,
    Problem,
    Reference,
    Refused,
    Rejected,
    Series,
    Share,
    Statistic,
    Window,
)
from driftd.web.cost import cost_of
from driftd.web.effects import effects
from driftd.web.episodes import episodes, finding_line
from driftd.web.estimated import estimated_of
from driftd.web.experiments import every
from driftd.web.facts import channel_line, channel_lines, fleet_headline, silence_in_words
from driftd.web.format import share
from driftd.web.guarantee import promises
from driftd.web.health import health
from driftd.web.incidents import (
    alert_of,
    example_lines,
    incident_lines,
    lines_of,
    named,
    nearby,
    open_lines,
    part_lines,
    timeline_of,
)
from driftd.web.labels import label_ages
from driftd.web.objectives import objective_lines
from driftd.web.pages.frame import Request
from driftd.web.pages.health import limits, partitions, refused, rejected
from driftd.web.pages.values import spell_value
from driftd.web.quality import quality_of
from driftd.web.runbook import in_text
from driftd.web.segments import fleet_lines, segment_lines, whole_line
from driftd.web.series import Stretch, Values, now_of, usual_of
from driftd.web.sizes import sizes_of
from driftd.web.snapshot import ChannelView, bins_of
from driftd.web.todo import names_of, todo


@dataclass(frozen=True, slots=True)
class Route:
    """``parameters``: name and what it means; the first ``required`` of them must be given."""

    summary: str
    body: type
    answer: Callable[[Request, Snapshot], Any]
    parameters: tuple[tuple[str, str], ...] = ()
    required: int = 0


def fleet(_: Request, snapshot: Snapshot) -> Fleet:
    opened = snapshot.opened
    lines = fleet_lines(snapshot, opened)
    open_ = open_lines(snapshot)
    status, sentence = fleet_headline(lines, snapshot.not_ready, snapshot.now, [i.sentence for i in open_])
    reached = snapshot.reached if np.isfinite(snapshot.reached) else None
    ready, reasons = not snapshot.not_ready, tuple(snapshot.not_ready)
    return Fleet(__version__, snapshot.now, reached, ready, reasons, status, sentence, lines, open_)


def model(request: Request, snapshot: Snapshot) -> Model | Problem:
    m = _named(request, snapshot)
    if m is None:
        return Problem(f"no model is called {request.get('model')!r}")
    opened, j = snapshot.opened, m.judgement
    reference = None
    if j is not None:
        r = j.reference
        reference = Reference(r.version, r.id, r.kind.value, r.first, r.last, r.summary.events)
    channels, objectives = channel_lines(m, snapshot, opened), objective_lines(m, snapshot)
    line, window = whole_line(m, snapshot, opened), None if j is None else _window(j)
    return Model(
        snapshot.now, line, window, channels, reference, act_lines(m), objectives, quality_of(m),
        estimated_of(m, snapshot), cost_of(m), segment_lines(m, snapshot, opened),
        label_ages(m, snapshot),
    )  # fmt: skip


def channel(request: Request, snapshot: Snapshot) -> Channel | Problem:
    m = _named(request, snapshot)
    if m is None:
        return Problem(f"no model is called {request.get('model')!r}")
    found = channel_line(m, request.get("channel"), snapshot)
    if m.judgement is None or found is None:
        return Problem(f"model {request.get('model')!r} has no channel {request.get('channel')!r} that was judged")
    line, view = found
    stretch = Stretch.asked(request.get("range"), request.get("as_of"), snapshot.now, line.since)
    values = Values.of(m, stretch)
    usual = usual_of(m, view.row, values.times, values.step).columns if m.reader is not None else {}
    known, now = view.row < values.values.shape[1], now_of(m, view.row, line.since)
    nothing, bins = np.full(len(values.times), np.nan), m.judgement.reference.bins[view.row]
    series = [
        Series(name, _list(of), _list(usual.get(c, nothing)), last_in_words(bins, c, of, line.unit or ""))
        for c, name, of in (
            (c, name, values.values[:, view.row, c] if known else nothing) for c, name in _columns(m, view.row)
        )
    ]
    return Channel(
        snapshot.now,
        line,
        values.step,
        values.times.tolist(),
        _list(values.events_per_second),
        series,
        [Share(label, *_list(np.array([p, q]))) for label, p, q in bins_of(m.judgement, view.row, now.counts)],
        now.start,
        now.end,
        m.judgement.window_start,
        m.judgement.window_end,
        sizes_of(m, view.row, line.since, stretch, line.kind),
        _statistics(view),
        silence_in_words(m, snapshot.now),
    )


def findings(request: Request, snapshot: Snapshot) -> Findings:
    mine = [f for f in snapshot.findings if not request.get("model") or f.model == request.get("model")]
    return Findings(snapshot.now, episodes(mine), [finding_line(f) for f in mine])


def acts(request: Request, snapshot: Snapshot) -> Acts:
    mine = [m for m in snapshot.models if request.get("model") in {"", m.name}]
    done = sorted((line for m in mine for line in act_lines(m)), key=lambda line: -line.when)
    return Acts(snapshot.now, done, [act_line(window) for m in mine for window in m.windows])


def incidents(request: Request, snapshot: Snapshot) -> Incidents:
    return Incidents(snapshot.now, incident_lines(snapshot, request.get("model"), request.get("status")))


def incident(request: Request, snapshot: Snapshot) -> Incident | Problem:
    found = named(snapshot, request.get("id"))
    if found is None:
        return Problem(f"no incident has the id {request.get('id')!r}; a model remembers its last {MOST_ENDED}")
    runbook, hint = alert_of(located(found).first), hints.of_incident(found)
    (line,) = lines_of((found,), snapshot)
    parts, timeline, acts = part_lines(found), timeline_of(found), about_incident(snapshot, found)
    near, examples = nearby(found, snapshot), example_lines(found)
    names, touched = names_of(found, snapshot), effects(found, snapshot)
    steps = [in_text(text, names) for text in todo(found, snapshot)]
    return Incident(snapshot.now, line, parts, timeline, near, hint, runbook, acts, examples, touched, steps)


def experiments(_: Request, snapshot: Snapshot) -> Experiments:
    return Experiments(snapshot.now, every(snapshot))


def experiment(request: Request, snapshot: Snapshot) -> OneExperiment | Problem:
    found = next((e for e in every(snapshot) if e.name == request.get("name")), None)
    known = ", ".join(e.name for e in every(snapshot)) or "none"
    if found is None:
        return Problem(f"no experiment is called {request.get('name')!r}; there are: {known}")
    return OneExperiment(snapshot.now, found)


def health_of(_: Request, snapshot: Snapshot) -> Health:
    return Health(
        snapshot.now,
        not snapshot.not_ready,
        tuple(snapshot.not_ready),
        [Fact(f.name, f.text, f.alert or None, bool(f.alert) or f.wrong) for f in health(snapshot)],
        [Fact(name, text, None) for name, text in promises(snapshot)],
        [Lag(p.topic, p.partition, p.records, p.seconds) for p in partitions(snapshot)],
        [_rejected(r) for r in rejected(snapshot)],
        [_refused(*row) for row in refused(snapshot)],
        [Limit(row.name, row.used, row.most) for row in limits(snapshot) if row.most is not None],
    )


def _window(j: Judgement) -> Window:
    s = j.summary
    found = zip(QUANTILES, s.latency_quantiles(QUANTILES), strict=True)
    latency = {str(q): value for q, value in found if np.isfinite(value)}
    return Window(j.window_start, j.window_end, s.events, s.failed / max(s.events, 1), latency, j.because)


def _statistics(view: ChannelView) -> list[Statistic]:
    return [
        Statistic(
            s.detector,
            words.STATUS_WORDS[Status(int(s.status[row]))],
            *_list(np.array([s.statistic[row], s.threshold[row], s.ratio[row]])),
        )
        for s, row in view.every
    ]


def _rejected(r: Refusal) -> Rejected:
    place = (r.topic, r.partition, r.offset) if r.topic else (None, None, None)
    return Rejected(r.reason, r.field, r.events, r.model, r.example, *place)


def _refused(model: str, channel: str, values: int, first: Refusal | None) -> Refused:
    if first is None:
        return Refused(model, channel, values, None, None, None, None)
    return Refused(model, channel, values, first.example, first.topic, first.partition, first.offset)


def answer(request: Request, snapshot: Snapshot) -> tuple[bytes, bool]:
    """The body, and whether what was asked for is there. Times are epoch seconds, statuses words, NaN is null."""
    route = ROUTES[request.path]
    body = route.answer(request, snapshot)
    return orjson.dumps(jsonable(msgspec.to_builtins(body)), option=orjson.OPT_APPEND_NEWLINE), not isinstance(
        body, Problem
    )


def _named(request: Request, snapshot: Snapshot) -> ModelView | None:
    return next((m for m in snapshot.models if m.name == request.get("model")), None)


def _columns(m: ModelView, row: int) -> list[tuple[int, str]]:
    assert m.judgement is not None
    if m.judgement.reference.numeric[row]:
        names = ("missing", "mean", "p5", "p50", "p95", "typical_size")
        return [*zip((t.SHARE_MISSING, t.MEAN, t.P5, t.P50, t.P95, t.TYPICAL), names, strict=True)]
    labels = () if m.reader is None else m.reader.labels[row]
    shares = [(t.FIRST_SHARE + i, f"share of {label}") for i, label in enumerate(labels)]
    return [(t.SHARE_MISSING, "missing"), (t.SHARE_UNSEEN, "unseen"), *shares]


def last_in_words(bins: Bins, column: int, values: np.ndarray[Any, Any], unit: str = "") -> str:
    """The last of a channel's ``values`` in words."""
    if not len(values) or np.isnan(values[-1]):
        return ""
    numbers = bins.kind is Kind.NUMERIC and column != t.SHARE_MISSING
    return spell_value(bins, float(values[-1]), unit) if numbers else share(float(values[-1]))


def _list(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [x if np.isfinite(x) else None for x in np.asarray(values, np.float64).tolist()]


_MODEL: Final = ("model", "The model's name.")
_CHANNEL: Final = ("channel", "The channel's name.")
RANGE: Final = ("range", "1h, 6h, 48h, 7d, 30d or 1y; without it as much as the open change needs.")
AS_OF: Final = ("as_of", "Where the series end, as 2026-12-01 03:07 in UTC; without it now.")
WHICH: Final = ("status", "open, past, page or ticket; without it all.")
_EXPERIMENT: Final = ("name", "The experiment's name.")
_ID: Final = ("id", "The incident's id.")
ROUTES: Final[Mapping[str, Route]] = {
    "/api/v1/models": Route("One line a model, worst first.", Fleet, fleet),
    "/api/v1/model": Route("A model with its channels, largest change first.", Model, model, (_MODEL,), 1),
    "/api/v1/channel": Route(
        "A channel with its values over time.", Channel, channel, (_MODEL, _CHANNEL, RANGE, AS_OF), 2
    ),
    "/api/v1/findings": Route("Pages and tickets, open and past.", Findings, findings, (_MODEL,)),
    "/api/v1/acts": Route("What people did, and maintenance windows.", Acts, acts, (_MODEL,)),
    "/api/v1/incidents": Route("Incidents, open and past.", Incidents, incidents, (_MODEL, WHICH)),
    "/api/v1/incident": Route("An incident with its parts and timeline.", Incident, incident, (_ID,), 1),
    "/api/v1/experiments": Route("Experiments, those that need somebody first.", Experiments, experiments),
    "/api/v1/experiment": Route("An experiment with its history.", OneExperiment, experiment, (_EXPERIMENT,), 1),
    "/api/v1/health": Route("driftd itself.", Health, health_of),
}
