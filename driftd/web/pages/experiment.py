"""An experiment: its verdicts, the difference over time with its interval, and how the traffic is split."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from markupsafe import Markup

from driftd.monitor.view import Snapshot
from driftd.web.chart import Band, Line, TimeChart
from driftd.web.experiments import Experiment, Judged, every
from driftd.web.format import number
from driftd.web.pages.frame import Request, render
from driftd.web.scales import Span

SAME_SHARE: Final = 5e-4
"""Shares that are nearer to each other are written alike."""


def page(request: Request, snapshot: Snapshot) -> bytes | None:
    """None where there is no experiment of that name."""
    name = request.get("name")
    found = next((e for e in every(snapshot) if e.name == name), None)
    if found is None:
        return None
    return render(
        "experiment.html",
        request,
        snapshot,
        e=found,
        charts=[*_charts(found)],
        number=number,
        status_of=status_of,
        worst=_worst(found),
        named=any(v.units for v in found.variants),
        moved=any(_differ(v.wanted, v.wanted_now) for v in found.variants),
    )


def _differ(so_far: float | None, now: float | None) -> bool:
    return so_far is not None and now is not None and abs(so_far - now) >= SAME_SHARE


def status_of(c: Judged) -> str:
    """A word of a status for a verdict."""
    return "page" if c.code < 0 else "ok" if c.code > 0 else "learning"


def _worst(e: Experiment) -> str:
    if any(c.code < 0 for c in e.comparisons):
        return "page"
    return "ticket" if e.broken else "ok" if e.promote else "learning"


def _charts(e: Experiment) -> Iterator[Markup]:
    for c in e.comparisons:
        if len(c.history) < 2 or e.since is None or e.last is None:
            continue
        at, difference, low, high = np.array(c.history).T
        scale, unit = (100.0, "points") if c.share else (1.0, "")
        said = f"{c.metric} of {c.challenger}, difference to {e.champion}: {c.sentence}"
        yield TimeChart(
            f"{c.metric}, {c.challenger} - {e.champion}",
            unit,
            said,
            Span(float(at[0]), float(at[-1])),
            [Line(at, difference * scale), Line(at, np.zeros(len(at)), "l-ref")],
            band=Band(at, low * scale, high * scale),
            last=number(float(difference[-1]) * scale),
            limits=[(sign * c.margin * scale, text, "ticket") for sign, text in ((1, "margin"), (-1, ""))],
        ).svg_with_caption()
