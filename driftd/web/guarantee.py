"""The certificate in words: how many false pages to expect at most, and what that rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from driftd.core.text import clean, duration, plural
from driftd.judge.budget import Certificate, ModelGuarantee
from driftd.monitor.answers import Answers
from driftd.monitor.view import Snapshot
from driftd.web.acts import answers_of, verdicts
from driftd.web.format import large

MAX_CHANNELS: Final = 20
MAX_FALSE: Final = 5
"""Models with false alarms that the health page names."""
_DAY: Final = 86_400.0


def promises(snapshot: Snapshot) -> list[tuple[str, str]]:
    """The budget, what can page, what opens tickets only; name and sentence each. Nothing without a certificate."""
    certificate = snapshot.certificate
    if certificate is None:
        return []
    counts = [m.counts for m in snapshot.models]
    pages, recent = sum(c.pages for c in counts), sum(c.recent_pages for c in counts)
    return [
        *_promises(certificate, pages, recent),
        *_judged(certificate, verdicts(snapshot)),
        *_by_model(answers_of(snapshot)),
    ]


def _judged(c: Certificate, said: Mapping[tuple[bool, str], int]) -> Iterator[tuple[str, str]]:
    """What people said: of pages beside what was promised of them, and of tickets, which have no budget."""
    told = [_counted(said, page, word) for page, word in ((True, "page"), (False, "ticket"))]
    if not any(told):
        text = "nobody has said of an incident of the last 30 days whether it was real (driftd feedback)"
    else:
        pages, tickets = told
        budget = f", people said; the budget is {c.budget:g} false {plural('page', c.budget)} a month"
        parts = [f"{pages}{budget}" if pages else "", tickets + ("" if pages else ", people said")]
        text = "; ".join(part for part, there in zip(parts, told, strict=True) if there)
    yield "Judged", text


def _counted(said: Mapping[tuple[bool, str], int], page: bool, word: str) -> str:
    """``1 of 2 pages of the last 30 days was a false alarm``; "" where nobody has said anything of one."""
    false = said.get((page, "false_alarm"), 0)
    every = false + said.get((page, "real"), 0)
    were = "was a false alarm" if false == 1 else "were false alarms"
    return f"{false} of {every} {plural(word, every)} of the last 30 days {were}" if every else ""


def _by_model(known: Mapping[str, Answers]) -> Iterator[tuple[str, str]]:
    """The models that rang for nothing most often."""
    false = sorted((-a.false_alarms, model) for model, a in known.items() if a.false_alarms)
    for _, model in false[:MAX_FALSE]:
        yield clean(model, 80), str(known[model])


def _promises(c: Certificate, pages: int, recent: int) -> Iterator[tuple[str, str]]:
    models = len(c.covers)
    yield "Budget", f"{c.budget:g} false {plural('page', c.budget)} a month, for all models together"
    if not models:
        yield "Channels", "no model has a judge yet: nothing pages" + _unjudged(c.unjudged)
        return
    room = f"; the budget is shared by up to {c.models} models" if c.models > models + len(c.unjudged) else ""
    bound = f"{c.bound:.2g}"
    yield "At most", f"{bound} expected false {plural('page', float(bound))} a month from the models known now{room}"
    yield "Counted", f"{recent:,} {plural('page', recent)} in the last 30 days, {pages:,} since monitoring began"
    yield "Pages", f"{c.paging:,} of {c.channels:,} channels{_unjudged(c.unjudged)}"
    yield "Threshold", f"without drift one false alarm in {large(c.least)} events, or fewer"
    span = c.shortest_span_seconds
    short = "; daily patterns are unknown to driftd" if span < 2 * _DAY else ""
    yield "Reference", f"spans {duration(span)}{' or more' if models > 1 else ''}{short}"
    yield "Assumes", "that each channel keeps the regime that was measured on the reference"


def _unjudged(names: Sequence[str]) -> str:
    if not names:
        return ""
    shown = ", ".join(clean(n, 80) for n in names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return f"; {shown}: the reference holds counts alone, tickets only"


def ticket_only(snapshot: Snapshot) -> Iterator[tuple[ModelGuarantee, int]]:
    """The channels on which the judge's evidence never pages, by their row."""
    covers = () if snapshot.certificate is None else snapshot.certificate.covers
    return ((g, int(row)) for g in covers for row in np.flatnonzero(~g.pages))
